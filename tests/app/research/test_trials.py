"""Trials in the house: what was sealed is told from what was not, and charts open only to research."""

import pytest

from salus.app.intake.intake import Intake
from salus.app.research import trials
from salus.app.session import Session
from salus.errors import AccessError, InputError
from salus.fhir.views import CATEGORIES
from salus.trials import criteria
from tests.conftest import AT, bundle, person

PROTOCOL = criteria.read(
    b'id="T"\nversion="1"\ntitle="t"\n[[criteria]]\nid="I"\nkind="inclusion"\ntext="adult"\nrule={age={min=18}}\n'
)


def test_a_chart_is_matched_only_under_consent_to_research(ward):
    Intake(Session(ward.house, ward.operator)).run([ward.write("p1.json", bundle(person()))])
    clinician, patient = Session(ward.house, ward.clinician), Session(ward.house, ward.patient)
    patient.give_consent("p1", AT, actors=["dr-lee"], categories=CATEGORIES, purposes=["TREAT"])
    with pytest.raises(AccessError):
        trials.match_patient(clinician, PROTOCOL, "p1", AT)
    assert list(trials.match_all(clinician, PROTOCOL, AT)) == []
    patient.give_consent("p1", AT, actors=["dr-lee"], categories=CATEGORIES, purposes=["HRESCH"])
    assert [(name, m.verdict) for name, m in trials.match_all(clinician, PROTOCOL, AT)] == [("p1", "eligible")]


def test_seals_tell_order_amendments_and_lock(ward):
    session = Session(ward.house, ward.clinician)
    first = trials.seal(session, "T", "protocol", b"one")
    second = trials.seal(session, "T", "protocol", b"two")
    assert second.entry > first.entry
    assert trials.check(session, "T", b"one") == first
    assert trials.check(session, "T", b"three") is None
    trials.seal(session, "T", "lock", b"data")
    with pytest.raises(InputError, match="locked"):
        trials.seal(session, "T", "plan", b"late")
    assert trials.seal(session, "U", "plan", b"another trial").trial == "U"
    assert [s.document for s in trials.seals(session, "T")] == ["protocol", "protocol", "lock"]
    assert ward.house.verify().problems == ()


def test_only_staff_seals_and_only_known_documents(ward):
    with pytest.raises(AccessError):
        trials.seal(Session(ward.house, ward.patient), "T", "plan", b"x")
    with pytest.raises(InputError):
        trials.seal(Session(ward.house, ward.clinician), "T", "poem", b"x")


def test_a_folder_is_locked_by_the_digests_of_its_files(tmp_path):
    (tmp_path / "a.csv").write_text("1")
    one = trials.digest_of_folder(tmp_path)
    (tmp_path / "a.csv").write_text("2")
    assert trials.digest_of_folder(tmp_path) != one
    with pytest.raises(InputError):
        trials.digest_of_folder(tmp_path / "none")
