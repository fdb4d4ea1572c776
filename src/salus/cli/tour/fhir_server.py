"""The FHIR server on a loopback port: sign in, read, search, everything, and the plan as CDS Hooks cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salus.cli.tour.slice import Slice, Stage
from salus.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "maria"
READER = "demo-clinician"


def _ask(address: str, token: str = "", data: bytes | None = None, kind: str = "application/json") -> Any:
    """One request to the server of this tour, its answer parsed. Raises StoreError for any status but 200."""
    import urllib.error
    import urllib.request

    from salus.fhir import json

    headers = {"Content-Type": kind, **({"Authorization": f"Bearer {token}"} if token else {})}
    try:
        request = urllib.request.Request(address, data, headers)  # noqa: S310  its own loopback address
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise StoreError(f"the server answered {error.code}") from error


def _sign_in(base: str, stage: Stage) -> str:
    from urllib.parse import urlencode

    from salus.app.web.sessions import demo_assertion
    from salus.server.auth import ASSERTION_TYPE, FORM

    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": demo_assertion(stage.house, READER, f"{base}/auth/token"),
    }
    answer: Mapping[str, Any] = _ask(f"{base}/auth/token", data=urlencode(form).encode(), kind=FORM)
    return str(answer["access_token"])


def _visit(base: str, stage: Stage) -> str:
    """What a clinician's software does; raises where an answer is not what it must be."""
    from salus.fhir import json
    from salus.server.cds_messages import read_response

    patient = stage.examples[NAME].patient
    try:
        _ask(f"{base}/fhir/Patient/{patient}")
    except StoreError:
        pass
    else:
        raise StoreError("a patient was shown without a token")
    token = _sign_in(base, stage)
    read = _ask(f"{base}/fhir/Patient/{patient}", token)
    found = _ask(f"{base}/fhir/Observation?patient={patient}&code=http://loinc.org%7C2160-0&_sort=-date", token)
    whole = _ask(f"{base}/fhir/Patient/{patient}/$everything?_count=1000", token)
    hook = {
        "hook": "patient-view",
        "hookInstance": "2f1c1f5e-0d5b-4f0e-8a55-4b7f7a9f6d10",
        "context": {"userId": "Practitioner/demo", "patientId": patient},
    }
    cards = _ask(f"{base}/cds-services/salus-plan", token, json.dumps(hook))
    read_response(cards, strict=True)
    if read["id"] != patient or not found.get("entry") or len(whole["entry"]) < len(found["entry"]):
        raise StoreError("the server did not find what is in the record")
    if not cards["cards"]:
        raise StoreError("the plan gave no cards")
    return (
        f"signed in with a key kept outside; read {NAME}, found {len(found['entry'])} creatinine values, "
        f"$everything {len(whole['entry'])} resources, "
        f"{len(cards['cards'])} valid CDS Hooks cards; nothing without a token"
    )


def run(stage: Stage) -> str:
    """Serve the tour's store on a free port of this machine and visit it."""
    import socket
    import threading
    import time

    import uvicorn

    from salus.server.application import create

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        application = create(stage.house.configuration, base=base, clock=stage.house.clock)
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            for _ in range(500):
                if server.started:
                    break
                time.sleep(0.02)
            return _visit(base, stage)
        finally:
            server.should_exit = True
            thread.join()


SLICE = Slice(
    name="fhir_server",
    title="FHIR server",
    says="CDS Hooks payloads of others are read, and the plan appears as cards that our own reader accepts",
    also="other software reads, searches and adds to the record under the gate",
    capabilities=("server.fhir",),
    run=run,
    extra="server",
    needs=("starlette", "uvicorn", "jwt"),
)
