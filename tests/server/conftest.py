"""A running server over the ward's house, in this process, with people who sign in to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("jwt")

from starlette.testclient import TestClient

from salus.app.intake.intake import Intake
from salus.app.serving.tokens import assertion
from salus.app.session import Session
from salus.server.application import create
from salus.server.auth import ASSERTION_TYPE
from salus.trust.identity import Actor, Identity
from tests.conftest import Ward, bundle, creatinine, person

BASE = "http://testserver"


@dataclass
class Front:
    """The server as its users see it."""

    ward: Ward
    http: TestClient
    people: dict[str, Identity]
    tokens: dict[str, str] = field(default_factory=dict)

    def sign_in(self, name: str, **more: str) -> dict[str, Any]:
        signed = assertion(self.people[name], f"{BASE}/auth/token", self.ward.time)
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
        answer = self.http.post("/auth/token", data={**form, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def as_(self, name: str) -> dict[str, str]:
        if name not in self.tokens:
            self.tokens[name] = self.sign_in(name)["access_token"]
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    def get(self, path: str, name: str = "dr-lee", **headers: str) -> Any:
        return self.http.get(path, headers={**self.as_(name), **headers})

    def post(self, path: str, body: Any, name: str = "operator", **headers: str) -> Any:
        return self.http.post(path, json=body, headers={**self.as_(name), **headers})

    def consent(self, **more: Any) -> str:
        given = {"actors": ["dr-lee"], "categories": ["record", "note", "signal", "image", "genome"], **more}
        return Session(self.ward.house, self.ward.patient).give_consent("p1", self.ward.time, **given)

    def revoke(self, name: str) -> None:
        Session(self.ward.house, self.ward.patient).revoke("p1", name)


def note_document(id: str, patient: str = "p1") -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": id,
        "status": "current",
        "subject": {"reference": f"Patient/{patient}"},
        "content": [{"attachment": {"contentType": "text/plain", "title": "letter"}}],
    }


@pytest.fixture
def front(ward: Ward) -> Iterator[Front]:
    values = [creatinine(f"1.{n:02}", f"2026-01-{n + 1:02}", f"c{n}") for n in range(10)]
    ward.write("p1.json", bundle(person(), *values, note_document("d1")))
    ward.write("p2.json", bundle(person("p2"), creatinine("2.22", "2026-02-02", "c0", "p2")))
    taken = Intake(Session(ward.house, ward.operator)).run([ward.folder])
    assert not [t for t in taken if t.error]
    pip = Identity.generate("pip")
    ward.house.add_actor(Actor("pip", "patient", pip.public_key, patient="p2"), by="operator")
    people = {"operator": ward.operator, "dr-lee": ward.clinician, "pat": ward.patient, "pip": pip}
    application = create(ward.house.configuration, base=BASE, clock=lambda: ward.time)
    with TestClient(application) as http:
        yield Front(ward, http, people)
