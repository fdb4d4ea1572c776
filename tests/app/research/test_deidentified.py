"""A record goes out without identifiers only under a basis for that purpose, and its notes with it."""

import pytest

from salus.app.intake.intake import Intake
from salus.app.research.deidentified import deidentified
from salus.app.session import Session
from salus.errors import AccessError
from salus.fhir import json
from salus.fhir.views import CATEGORIES
from tests.conftest import AT, bundle, creatinine, person


@pytest.fixture
def filled(ward):
    named = person(name=[{"family": "Kowalczyk", "given": ["Ada"]}])
    ward.write("p1.json", bundle(named, creatinine("1.10", "2026-05-04", "c1")))
    (ward.folder / "note.txt").write_text("Kowalczyk was seen on 2026-05-04. Denies chest pain.\n")
    taken = Intake(Session(ward.house, ward.operator)).run([ward.folder])
    assert not [t.error for t in taken if t.error]
    return ward


def test_only_a_consent_for_research_opens_it_for_research(filled):
    clinician, patient = Session(filled.house, filled.clinician), Session(filled.house, filled.patient)
    patient.give_consent("p1", AT, actors=["dr-lee"], categories=CATEGORIES, purposes=["TREAT"])
    with pytest.raises(AccessError):
        deidentified(clinician, "p1", AT)
    patient.give_consent("p1", AT, actors=["dr-lee"], categories=["record"], purposes=["HRESCH"])
    told = deidentified(clinician, "p1", AT)
    assert told.notes == ()  # notes were not opened for research
    assert any(body["resourceType"] == "Observation" for body in told.resources)


def test_record_and_notes_without_names_findings_and_provenance(filled):
    session = Session(filled.house, filled.patient)
    assert session.open("p1", AT).findings
    told = deidentified(session, "p1", AT)
    assert len(told.notes) == 1
    assert told.notes[0].startswith("[NAME] was seen on 2026. Denies chest pain.")
    everything = b"".join(json.dumps(body) for body in told.resources)
    for secret in (b"Kowalczyk", b"MRN-p1", b"05-04", b"salus", b"p1"):
        assert secret not in everything
    assert b"1.10" in everything
