"""One person whom two servers know: joined in one record on the operator's word, and never without it."""

import pytest

from salus.intake.joined import JOINED
from tests.conftest import bundle, person
from tests.intake.test_fhir_set import EXPORT, RECORD, condition, held, lay, run
from tests.intake.test_servers import OURS, THEIRS, lab, served

OTHER = person("e2", identifier=[{"system": "urn:other:mrn", "value": "B-200"}], name=[{"text": "Ada Example"}])
ADDRESS = f"{THEIRS}/Patient/e2"
FILES = {
    "a-condition.json": (OURS, condition("p1")),
    "b-patient.json": (THEIRS, OTHER),
    "c-condition.json": (THEIRS, condition("e2")),
    "d-lab.json": (THEIRS, lab(ADDRESS, "their-lab")),
    "z-patient.json": (OURS, person()),
}
EVERYTHING = {
    ("Patient", "p1"), ("Condition", "k-p1"), ("Condition", "k-e2"), ("Observation", "their-lab")
}  # fmt: skip


def phone(ward, files=FILES, me="1968-03-14", sex="HKBiologicalSexFemale"):
    """The export of a phone that was connected with two clinics."""
    (ward.folder / "export" / "clinical-records").mkdir(parents=True, exist_ok=True)
    folder = lay(ward, {f"clinical-records/{name}": body for name, (_, body) in files.items()})
    listed = "".join(
        RECORD.format(version="4.0.1", url=f"{base}/{body['resourceType']}/{body['id']}", name=name)
        for name, (base, body) in files.items()
    )
    text = EXPORT.format(dtd="", records=listed).replace("1968-03-14", me)
    sexed = text.replace("<Me ", f'<Me HKCharacteristicTypeIdentifierBiologicalSex="{sex}" ')
    (folder / "export.xml").write_text(sexed)
    return folder


def clinical(ward):
    return {key for key in held(ward) if key[0] != "DocumentReference"}


@pytest.mark.parametrize("turned", [False, True])
def test_the_export_of_ones_own_phone_is_one_persons_on_the_operators_word(ward, turned):
    bodies = reversed(FILES.values()) if turned else FILES.values()
    files = {f"{number}.json": body for number, body in enumerate(bodies)}
    taken = run(ward, phone(ward, files), patient="p1")
    assert {(t.error, t.patient) for t in taken} == {(None, "p1")}
    assert {loss for t in taken for loss in t.losses if "Patient" in loss} == {JOINED}
    told = {t.name: t.attribution for t in taken}
    assert told["2.json"] == told["1.json" if turned else "3.json"] == "by operator"
    assert clinical(ward) == EVERYTHING
    assert {b["subject"]["reference"] for b in held(ward).values() if "subject" in b} == {"Patient/p1"}
    patient = held(ward)["Patient", "p1"]
    assert patient["name"] == person()["name"]
    assert [i["value"] for i in patient["identifier"]] == ["MRN-p1", "B-200"]
    assert not ward.house.verify().problems


def test_reading_it_again_changes_nothing(ward):
    folder = phone(ward)
    run(ward, folder, patient="p1")
    before = held(ward)
    again = run(ward, folder, patient="p1")
    assert {t.error for t in again} == {None}
    assert not any("took the place" in loss or "older" in loss for t in again for loss in t.losses)
    assert held(ward) == before


def test_a_newer_patient_of_the_own_server_keeps_the_joined_identifiers(ward):
    run(ward, phone(ward), patient="p1")
    moved = person(address=[{"city": "Kassel"}], meta={"lastUpdated": "2026-05-01T10:00:00Z"})
    (taken,) = run(ward, ward.write("moved.json", served(OURS, moved)))
    assert taken.error is None
    patient = held(ward)["Patient", "p1"]
    assert patient["address"] == [{"city": "Kassel"}]
    assert [i["value"] for i in patient["identifier"]] == ["MRN-p1", "B-200"]


def test_without_the_operators_word_the_two_stay_two(ward):
    taken = {t.name: t for t in run(ward, phone(ward))}
    assert taken["c-condition.json"].patient == "e2"
    assert "several people" in taken["export.xml"].error.what
    assert clinical(ward) == {("Patient", "p1"), ("Condition", "k-p1")}


@pytest.mark.parametrize("change", [{"me": "1999-01-01"}, {"sex": "HKBiologicalSexMale"}])
def test_the_phone_of_somebody_else_joins_nothing(ward, change):
    taken = {t.name: t.error for t in run(ward, phone(ward, **change), patient="p1")}
    assert {name for name, error in taken.items() if error is None} == {"a-condition.json", "z-patient.json"}
    assert clinical(ward) == {("Patient", "p1"), ("Condition", "k-p1")}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"birthDate": "1970-01-01"}, "birth date"),
        ({"gender": "male"}, "sex"),
        ({"identifier": [{"system": "urn:test:mrn", "value": "another"}]}, "identifier"),
    ],
)
def test_what_contradicts_the_record_is_not_joined(ward, change, why):
    files = {**FILES, "b-patient.json": (THEIRS, {**OTHER, **change})}
    taken = {t.name: t.error for t in run(ward, phone(ward, files), patient="p1")}
    assert why in taken["b-patient.json"].what
    assert [i["value"] for i in held(ward)["Patient", "p1"]["identifier"]] == ["MRN-p1"]


def test_nothing_is_joined_with_a_patient_who_is_not_there(ward):
    taken = run(ward, phone(ward), patient="nobody")
    assert not [t for t in taken if t.error is None]


def test_the_address_that_the_operator_vouches_for_joins_two_servers_exports(ward):
    run(ward, ward.write("ours.json", served(OURS, person(), condition("p1"))))
    theirs = ward.write("theirs.json", served(THEIRS, OTHER, condition("e2"), lab(ADDRESS, "their-lab")))
    (refused,) = run(ward, theirs, patient="p1")
    assert "--accept-identifier ADDRESS" in refused.error.remedy
    (other,) = run(ward, theirs, patient="p1", accept_identifiers=[f"{OURS}/Patient/e2"])
    assert other.error is not None
    (taken,) = run(ward, theirs, patient="p1", accept_identifiers=[ADDRESS])
    assert (taken.error, taken.patient, taken.attribution) == (None, "p1", "by operator")
    assert JOINED in taken.losses
    assert clinical(ward) == EVERYTHING


def test_what_was_joined_once_needs_no_second_word_but_whose_it_is(ward):
    run(ward, phone(ward), patient="p1")
    late = ward.write("late.json", served(THEIRS, lab(ADDRESS, "late")))
    (refused,) = run(ward, late)
    assert refused.error is not None
    (taken,) = run(ward, late, patient="p1")
    assert (taken.error, taken.patient) == (None, "p1")
    assert ("Observation", "late") in held(ward)
    (unlisted,) = run(ward, ward.write("bare.json", bundle(condition("e2"))), patient="p1")
    assert "another patient" in unlisted.error.what


def test_a_patient_with_other_words_on_the_same_identifier_is_said_to_take_a_place(ward):
    run(ward, ward.write("1.json", bundle(person())))
    retired = [{**person()["identifier"][0], "use": "old"}, {"system": "urn:more", "value": "7"}]
    (taken,) = run(ward, ward.write("2.json", bundle(person(identifier=retired))))
    assert any("took the place" in loss for loss in taken.losses)
