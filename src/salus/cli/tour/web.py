"""The pages over the tour's house, read as a patient and as a clinician would, by form and link, without script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from salus.cli.tour.slice import Slice, Stage
from salus.errors import StoreError

PATIENT, CLINICIAN = "demo-maria", "demo-clinician"
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]+)"')
_PERSON = re.compile(r'href="(/patients/[\w-]+)"')


class Reader:
    """A browser without script: cookies, links and forms. ``sizes`` are the bytes of each page it read."""

    def __init__(self, base: str) -> None:
        from urllib.request import HTTPCookieProcessor, build_opener

        self.sizes: list[int] = []
        self._base = base
        self._opener = build_opener(HTTPCookieProcessor())

    def get(self, address: str, says: str) -> str:
        """A page, which must hold ``says``."""
        return self._page(address, None, says)

    def sign_in(self, name: str, says: str) -> str:
        """Press a demo actor's button on the sign-in page; where that leads."""
        token = _CSRF.search(self.get("/sign-in", "Sign in"))
        return self._page("/sign-in/demo", {"csrf": token.group(1) if token else "", "actor": name}, says)

    def _page(self, address: str, form: dict[str, str] | None, says: str) -> str:
        from urllib.error import HTTPError
        from urllib.parse import urlencode

        data = urlencode(form).encode() if form is not None else None
        try:
            with self._opener.open(f"{self._base}{address}", data, timeout=30) as answer:
                content: bytes = answer.read()
        except HTTPError as error:
            raise StoreError(f"a page answered {error.code}") from error
        text = content.decode()
        if says not in text:
            raise StoreError(f"a page did not say “{says}”")
        self.sizes.append(len(content))
        return text


@contextmanager
def serving(stage: Stage) -> Iterator[str]:
    """The tour's store with its pages on a free port of this machine."""
    import socket
    import threading
    import time

    import uvicorn

    from salus import web
    from salus.server.application import create

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        application = create(stage.house.configuration, base=base, clock=stage.house.clock, routes=web.routes())
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            for _ in range(500):
                if server.started:
                    break
                time.sleep(0.02)
            yield base
        finally:
            server.should_exit = True
            thread.join()


def run(stage: Stage) -> str:
    """Sign in as a patient, then as a clinician; read their pages."""
    with serving(stage) as base:
        patient = Reader(base)
        patient.get("/me", "Sign in")
        patient.sign_in(PATIENT, "What to talk about")
        for address, says in (("/me/accesses", "Proof"), ("/me/consents", CLINICIAN), ("/cards", "risk.egfr")):
            patient.get(address, says)
        clinician = Reader(base)
        people = _PERSON.findall(clinician.sign_in(CLINICIAN, "released"))
        for address in people:
            clinician.get(address, "Not assessable")
        clinician.get(f"{people[0]}/trends", "<svg")
        clinician.get("/cards/risk.egfr", "Intended use")
    if len(people) != len(stage.examples):
        raise StoreError("not everybody who gave consent is listed")
    sizes = patient.sizes + clinician.sizes
    return (
        f"{len(sizes)} pages, {sum(sizes) / 1e6:.1f} MB, read without script: {len(people)} plans with their evidence, "
        "one in plain words, who looked, consents, cards; nothing without signing in"
    )


SLICE = Slice(
    name="web",
    title="Pages",
    says="patients read their plan in plain words and decide who sees it; clinicians read plans with their evidence",
    capabilities=("web.pages",),
    run=run,
    extra="server",
    needs=("starlette", "uvicorn", "jwt", "multipart"),
)
