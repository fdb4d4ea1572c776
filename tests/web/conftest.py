"""The pages over the ward's house, in this process, and people who read them without script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("jwt")
pytest.importorskip("multipart")

from starlette.testclient import TestClient

from salus import web
from salus.app.intake.intake import Intake
from salus.app.serving.tokens import assertion
from salus.app.session import Session
from salus.fhir.views import CATEGORIES
from salus.server.application import create
from salus.trust.identity import Actor, Identity
from tests.conftest import Ward, bundle, creatinine, person

BASE = "http://testserver"
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]+)"')


class Reader:
    """One person's browser."""

    def __init__(self, ward: Ward, http: TestClient) -> None:
        self.ward = ward
        self.http = http

    def csrf_token(self, address: str = "/sign-in") -> str:
        found = _CSRF.search(self.http.get(address).text)
        return found.group(1) if found else ""

    def sign_in(self, identity: Identity) -> Any:
        line = assertion(identity, f"{BASE}/auth/token", self.ward.time)
        return self.http.post("/sign-in", data={"csrf": self.csrf_token(), "assertion": line})

    def get(self, address: str, **more: Any) -> Any:
        return self.http.get(address, **more)

    def post(self, address: str, page: str = "/cards", **fields: Any) -> Any:
        return self.http.post(address, data={"csrf": self.csrf_token(page), **fields})


@pytest.fixture
def readers(ward: Ward) -> Iterator[Callable[..., Reader]]:
    """Makes readers of one running server: ``readers(identity)`` is signed in, ``readers()`` is not."""
    ward.write("p1.json", bundle(person(), *(creatinine(f"1.{n}0", f"2026-0{n}-01", f"c{n}") for n in range(1, 6))))
    ward.write(
        "p2.json", bundle(person("p2", name=[{"family": "Other"}]), creatinine("2.22", "2026-02-02", "c9", "p2"))
    )
    taken = Intake(Session(ward.house, ward.operator)).run([ward.folder])
    assert not [t for t in taken if t.error]
    application = create(ward.house.configuration, base=BASE, clock=lambda: ward.time, routes=web.routes())
    with ExitStack() as stack:
        stack.enter_context(TestClient(application))

        def reader(identity: Identity | None = None) -> Reader:
            made = Reader(ward, TestClient(application))
            if identity is not None:
                assert made.sign_in(identity).status_code == 200
            return made

        yield reader


@pytest.fixture
def consent(ward: Ward) -> Callable[..., str]:
    """The patient's consent for the clinician; returns its id."""

    def give(**more: Any) -> str:
        given = {"actors": ["dr-lee"], "categories": CATEGORIES, **more}
        return Session(ward.house, ward.patient).give_consent("p1", ward.time, **given)

    return give


@pytest.fixture
def other(ward: Ward) -> Identity:
    """Another patient."""
    identity = Identity.generate("pip")
    ward.house.add_actor(Actor("pip", "patient", identity.public_key, patient="p2"), by="operator")
    return identity
