"""A stranger's client (fhirpy) against a real server on this machine: create, read, search, transaction, everything."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from urllib.parse import urlencode

import pytest

from salus.app.serving.tokens import assertion
from salus.app.session import Session
from salus.server.application import create
from salus.server.auth import ASSERTION_TYPE
from tests.conftest import bundle, person

fhirpy = pytest.importorskip("fhirpy")
uvicorn = pytest.importorskip("uvicorn")


@pytest.fixture
def address(ward):
    """The base address of a running server, on a port of the system's choice."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        application = create(ward.house.configuration, base=base, clock=lambda: ward.time)
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.started
        yield base
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def client(ward, base, identity):
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion(identity, f"{base}/auth/token", ward.time),
    }
    with urllib.request.urlopen(f"{base}/auth/token", urlencode(form).encode()) as answer:
        token = json.load(answer)["access_token"]
    return fhirpy.SyncFHIRClient(f"{base}/fhir", authorization=f"Bearer {token}")


def take_in(ward):
    from salus.app.intake.intake import Intake

    ward.write("p1.json", bundle(person()))
    Intake(Session(ward.house, ward.operator)).run([ward.folder])


def test_round_trip(ward, address):
    from fhirpy.base.exceptions import ForbiddenError, ResourceNotFound

    take_in(ward)
    operator, clinician = (client(ward, address, who) for who in (ward.operator, ward.clinician))
    lab = {
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-03-03",
        "valueQuantity": {"value": 1.5, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"},
    }
    made = operator.resource("Observation", **lab)
    made.save()
    assert made.id

    with pytest.raises(ResourceNotFound):
        clinician.reference("Patient", "p1").to_resource()
    with pytest.raises(ResourceNotFound):
        clinician.execute("Patient/p1/$everything", method="get")
    assert clinician.resources("Observation").search(patient="p1").fetch_all() == []

    name = Session(ward.house, ward.patient).give_consent(
        "p1", ward.time, actors=["dr-lee"], categories=["record", "note"]
    )
    assert clinician.reference("Patient", "p1").to_resource()["birthDate"] == "1968-03-14"
    read = clinician.reference("Observation", made.id).to_resource()
    assert read["valueQuantity"]["value"] == 1.5
    labs = clinician.resources("Observation").search(patient="p1", code="http://loinc.org|2160-0")
    assert [r.id for r in labs.search(date__ge="2026-03-01").fetch_all()] == [made.id]
    assert labs.search(date__lt="2026-03-01").fetch_all() == []

    entry = {"fullUrl": "urn:uuid:6b1c4f5e-58f2-4b8e-9d7b-0e6d4b1f2c3d", "request": {"method": "POST"}}
    entries = [
        {**entry, "fullUrl": entry["fullUrl"][:-1] + str(n), "resource": {"resourceType": "Observation", **lab},
         "request": {"method": "POST", "url": "Observation"}}
        for n in range(3)
    ]  # fmt: skip
    operator.resource("Bundle", type="transaction", entry=entries).save()
    assert len(labs.limit(2).fetch_all()) == 4  # over pages
    whole = clinician.execute("Patient/p1/$everything", method="get")
    kinds = [e["resource"]["resourceType"] for e in whole["entry"]]
    assert kinds[0] == "Patient"
    assert kinds.count("Observation") >= 4

    with pytest.raises(ForbiddenError):
        client(ward, address, ward.patient).resource("Observation", **lab).save()

    Session(ward.house, ward.patient).revoke("p1", name)
    for path in ("Patient/p1", f"Observation/{made.id}", "Patient/p1/$everything"):
        with pytest.raises(ResourceNotFound):
            clinician.execute(path, method="get")
    assert labs.fetch_all() == []
    assert not ward.house.verify().problems
