"""The files of one export together: any order, what is about nobody, entries without data, Apple's clinical records."""

import itertools
import random

import pytest

from salus.app.intake.intake import Intake
from salus.app.intake.shared import ELSEWHERE, HELD, SEVERAL
from salus.app.session import Session
from salus.fhir import json
from salus.fhir.views import CATEGORIES, PERSON
from salus.intake.read import read
from salus.trust.grants import Grant
from tests.conftest import bundle, creatinine, person


def run(ward, *paths, **more):
    return Intake(Session(ward.house, ward.operator), **more).run(paths)


def held(ward, patient="p1"):
    """Everything that the record holds of a patient, by type and id."""
    scope = Grant("test", patient, "service", frozenset({*CATEGORIES, PERSON}), may_write=False, purpose="test")
    found = {(s.body["resourceType"], s.body["id"]): s.body for s in ward.house.store.read(scope)}
    return {key: body for key, body in found.items() if key[0] != "Provenance"}


def lay(ward, files):
    folder = ward.folder / "export"
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in files.items():
        lines = values if isinstance(values, list) else [values]
        (folder / name).write_bytes(b"\n".join(json.dumps(v) for v in lines) + b"\n")
    return folder


def condition(patient, **more):
    return {"resourceType": "Condition", "id": f"k-{patient}", "subject": {"reference": f"Patient/{patient}"}, **more}


def doctor(name="d1", **more):
    return {"resourceType": "Practitioner", "id": name, "name": [{"family": "Doe"}], **more}


def test_a_bulk_export_is_taken_in_whole_in_one_run(ward):
    people = ("p1", "p2")
    folder = lay(
        ward,
        {
            "AllergyIntolerance.ndjson": [
                {"resourceType": "AllergyIntolerance", "id": f"a-{p}", "patient": {"reference": f"Patient/{p}"}}
                for p in people
            ],
            "Observation.ndjson": [creatinine("1.1", "2026-01-01", f"o-{p}", p) for p in people],
            "Patient.ndjson": [person(p) for p in people],
            "Practitioner.ndjson": [doctor()],
        },
    )
    taken = run(ward, folder)
    assert [t.error for t in taken] == [None] * 7
    for patient in people:
        assert set(held(ward, patient)) == {
            ("Patient", patient), ("AllergyIntolerance", f"a-{patient}"), ("Observation", f"o-{patient}")
        }  # fmt: skip
    (nobodys,) = [t for t in taken if not t.patient]
    assert nobodys.losses == ("1 Practitioner not taken: about nobody, and no record refers to it",)
    assert not ward.house.verify().problems


def test_what_is_about_nobody_goes_with_whoever_refers_to_it_step_by_step(ward):
    role = {"resourceType": "PractitionerRole", "id": "r1", "practitioner": {"reference": "Practitioner/d1"}}
    proof = {"resourceType": "Provenance", "id": "v1", "target": [{"reference": "Condition/k-p2"}]}
    folder = lay(
        ward,
        {
            "1-Practitioner.ndjson": [doctor("d1"), doctor("d2"), doctor("d3")],
            "2-Role.ndjson": [role],
            "3-Provenance.ndjson": [proof],
            "4-Condition.ndjson": [
                condition("p1", asserter={"reference": "PractitionerRole/r1"}),
                condition("p2", asserter={"reference": "Practitioner/d2/_history/3"}),
            ],
            "5-Patient.ndjson": [person("p1"), person("p2")],
        },
    )
    taken = run(ward, folder)
    assert [t.error for t in taken] == [None] * len(taken)
    others = {"Patient", "Condition"}
    assert {k for k in held(ward, "p1") if k[0] not in others} == {("PractitionerRole", "r1"), ("Practitioner", "d1")}
    assert {k for k in held(ward, "p2") if k[0] not in others} == {("Practitioner", "d2")}
    assert [t.losses for t in taken if not t.patient] == [
        ("1 Practitioner not taken: about nobody, and no record refers to it",)
    ]
    proofs = ward.house.store.holders(ward.house.gate.house("t"), "Provenance", "v1", 5)
    assert proofs == ["p2"]


def test_medicines_in_files_of_their_own_are_kept_with_the_prescription(ward):
    order = {
        "resourceType": "MedicationRequest", "id": "m", "status": "active", "subject": {"reference": "Patient/p1"},
        "medicationReference": {"reference": "Medication/x1"},
    }  # fmt: skip
    medicine = {"resourceType": "Medication", "id": "x1", "code": {"text": "warfarin"}}
    run(
        ward,
        lay(ward, {"Medication.ndjson": [medicine], "MedicationRequest.ndjson": [order], "Patient.json": person()}),
    )
    assert held(ward)["Medication", "x1"]["code"] == {"text": "warfarin"}


ORDER = {
    "resourceType": "MedicationRequest", "id": "m", "status": "active", "subject": {"reference": "Patient/p1"},
    "medicationReference": {"reference": "Medication/x1/_history/2"},
}  # fmt: skip
MEDICINE = {"resourceType": "Medication", "id": "x1", "code": {"text": "warfarin"}}
HOME = "https://one.example/fhir"


def from_server(base, *resources):
    entries = [{"fullUrl": f"{base}/{r['resourceType']}/{r['id']}", "resource": r} for r in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries}


@pytest.mark.parametrize("others", [[], [person("p2")]])
@pytest.mark.parametrize("name", ["late/m.json", "late/m.ndjson"])
def test_a_medicine_of_a_later_run_goes_to_the_record_that_refers_to_it(ward, others, name):
    run(ward, ward.write("1.json", bundle(person(), ORDER)), ward.write("3.json", person("p3")))
    paths = [ward.write(name, MEDICINE), *(ward.write(f"late/{p['id']}.json", p) for p in others)]
    for _ in range(2):
        taken = run(ward, *paths)
        assert [t.error or t.losses for t in taken] == [()] * len(paths)
        assert [t.patient for t in taken] == [*(p["id"] for p in others), "p1"]
    assert held(ward)["Medication", "x1"]["code"] == {"text": "warfarin"}
    for patient in ("p2", "p3") if others else ("p3",):
        assert set(held(ward, patient)) == {("Patient", patient)}
    assert not ward.house.verify().problems


def test_what_a_later_run_brings_is_followed_step_by_step_and_the_rest_is_still_said(ward):
    asserter = {"asserter": {"reference": "PractitionerRole/r1"}}
    run(ward, ward.write("1.json", bundle(person(), condition("p1", **asserter))))
    run(ward, ward.write("2.json", bundle(person("p2"), condition("p2", asserter={"reference": "Practitioner/d2"}))))
    role = {"resourceType": "PractitionerRole", "id": "r1", "practitioner": {"reference": "Practitioner/d1"}}
    taken = run(ward, lay(ward, {"1.ndjson": [doctor("d1"), doctor("d2"), doctor("d3")], "2.ndjson": [role]}))
    assert {k for k in held(ward) if "Practitioner" in k[0]} == {("PractitionerRole", "r1"), ("Practitioner", "d1")}
    assert {k for k in held(ward, "p2") if "Practitioner" in k[0]} == {("Practitioner", "d2")}
    assert [t.losses for t in taken if not t.patient] == [
        ("1 Practitioner not taken: about nobody, and no record refers to it",)
    ]


def test_nothing_is_put_in_the_place_of_what_a_record_holds_without_the_word_of_its_server(ward):
    other = {**MEDICINE, "code": {"text": "insulin"}}
    run(ward, ward.write("1.json", from_server(HOME, person(), ORDER, MEDICINE)))
    before = held(ward)
    (taken,) = run(ward, ward.write("late/a.json", other))
    assert (taken.patient, taken.losses) == ("", (f"1 Medication {HELD}",))
    (taken,) = run(ward, ward.write("late/b.json", from_server("https://two.example/fhir", other)))
    assert (taken.patient, taken.losses) == ("", (f"1 Medication {ELSEWHERE}",))
    assert held(ward) == before
    newer = {**other, "meta": {"lastUpdated": "2026-03-01T10:00:00Z"}}
    (taken,) = run(ward, ward.write("late/c.json", from_server(HOME, newer)))
    assert taken.patient == "p1"
    assert held(ward)["Medication", "x1"]["code"] == {"text": "insulin"}


def test_a_record_that_a_source_was_compared_with_and_that_got_nothing_of_it_tells_so(ward):
    run(ward, ward.write("1.json", from_server(HOME, person(), ORDER, MEDICINE)))
    run(ward, ward.write("2.json", from_server(HOME, person("p2"))))

    def compared(patient):
        entries = ward.house.log.entries(ward.house.store.connection, patient=patient)
        return [e.content["actor"] for e in entries if e.content["reason"] == "compared"]

    run(ward, ward.write("late/a.json", {**MEDICINE, "code": {"text": "insulin"}}))
    assert (compared("p1"), compared("p2")) == (["operator"], [])
    newer = {**MEDICINE, "code": {"text": "insulin"}, "meta": {"lastUpdated": "2026-03-01T10:00:00Z"}}
    (taken,) = run(ward, ward.write("late/c.json", from_server(HOME, newer)))
    assert taken.patient == "p1"
    assert compared("p1") == ["operator"], "what is filed has an entry of its own"


def test_a_medicine_of_another_server_does_not_fill_a_gap(ward):
    run(ward, ward.write("1.json", from_server(HOME, person(), ORDER)))
    (taken,) = run(ward, ward.write("late/b.json", from_server("https://two.example/fhir", MEDICINE)))
    assert taken.losses == (f"1 Medication {ELSEWHERE}",)
    assert ("Medication", "x1") not in held(ward)


def test_of_two_of_one_id_none_is_chosen(ward):
    run(ward, ward.write("1.json", bundle(person(), ORDER)))
    two = [ward.write("late/a.json", MEDICINE), ward.write("late/b.json", {**MEDICINE, "code": {"text": "insulin"}})]
    assert [t.losses for t in run(ward, *two)] == [(f"1 Medication {SEVERAL}",)] * 2
    assert ("Medication", "x1") not in held(ward)


def test_a_reference_of_one_server_is_not_filled_by_another_that_knows_the_person_too(ward):
    two = "https://two.example/fhir"
    run(ward, ward.write("1.json", from_server(HOME, person(), ORDER)))
    run(ward, ward.write("2.json", from_server(two, person())))
    (taken,) = run(ward, ward.write("late/b.json", from_server(two, MEDICINE)))
    assert taken.losses == (f"1 Medication {ELSEWHERE}",)
    (taken,) = run(ward, ward.write("late/c.json", from_server(HOME, MEDICINE)))
    assert (taken.patient, held(ward)["Medication", "x1"]["code"]) == ("p1", {"text": "warfarin"})


def test_the_medicine_of_a_second_server_is_found_under_the_id_that_it_has_here(ward):
    two, other = "https://two.example/fhir", {**MEDICINE, "code": {"text": "insulin"}}
    order = {**ORDER, "medicationReference": {"reference": "Medication/x1"}}
    run(ward, ward.write("1.json", from_server(HOME, person(), order, MEDICINE)))
    run(ward, ward.write("2.json", from_server(two, person(), {**order, "id": "m2"})))
    (taken,) = run(ward, ward.write("late/b.json", from_server(two, other)))
    assert taken.patient == "p1"
    record = held(ward)
    for name, text in (("m", "warfarin"), ("m2", "insulin")):
        named = record["MedicationRequest", name]["medicationReference"]["reference"]
        assert record[tuple(named.split("/"))]["code"] == {"text": text}


def test_the_only_patient_of_a_run_gets_a_newer_version_of_what_the_record_holds(ward):
    old = {**MEDICINE, "meta": {"lastUpdated": "2026-02-01T10:00:00Z"}}
    run(ward, ward.write("1.json", bundle(person(), ORDER, old)))
    newer = {**MEDICINE, "code": {"text": "insulin"}, "meta": {"lastUpdated": "2026-03-01T10:00:00Z"}}
    run(ward, ward.write("late/a.json", person()), ward.write("late/b.json", newer))
    assert held(ward)["Medication", "x1"]["code"] == {"text": "insulin"}


def test_the_records_are_not_looked_through_where_nothing_is_left(ward, monkeypatch):
    run(ward, ward.write("1.json", bundle(person(), ORDER)))
    monkeypatch.setattr(ward.house.store, "search", lambda *_: pytest.fail("looked through"))
    run(ward, ward.write("late/a.json", MEDICINE), ward.write("late/b.json", {**ORDER, "id": "m2"}))
    assert ("Medication", "x1") in held(ward)


def test_a_document_keeps_its_binary(ward):
    note = {
        "resourceType": "DocumentReference", "id": "n", "status": "current", "subject": {"reference": "Patient/p1"},
        "content": [{"attachment": {"url": "Binary/b1"}}],
    }  # fmt: skip
    files = {"1.json": {"resourceType": "Binary", "id": "b1", "data": "QQ=="}, "2.json": note, "3.json": person()}
    run(ward, lay(ward, files), lay(ward, {"4.json": person("p2")}))
    assert ("Binary", "b1") in held(ward)


def test_with_one_patient_what_is_about_nobody_is_that_patients(ward):
    run(ward, lay(ward, {"Practitioner.ndjson": [doctor()], "zPatient.ndjson": [person()]}))
    assert ("Practitioner", "d1") in held(ward)


def test_a_patient_file_of_lines_is_read_first_so_that_the_rest_need_not_wait(ward):
    folder = lay(ward, {"Observation.ndjson": [creatinine("1", "2026-01-01", "c")], "zz.ndjson": [person()]})
    assert [b.counts for b in read([folder])] == [{"Patient": 1}, {"Observation": 1}]


def test_files_of_an_unknown_patient_are_still_refused(ward):
    folder = lay(ward, {"a.ndjson": [creatinine("1", "2026-01-01", "c", "px")], "b.ndjson": [person()]})
    errors = {t.name: t.error for t in run(ward, folder)}
    assert "no such patient" in errors["a.ndjson"].what
    assert errors["b.ndjson"] is None
    assert set(held(ward)) == {("Patient", "p1")}


VERSIONS = [
    creatinine("1.0", "2026-01-01", "c1") | {"meta": {"lastUpdated": "2026-01-01T10:00:00Z"}},
    creatinine("2.0", "2026-01-01", "c1") | {"meta": {"lastUpdated": "2026-01-03T10:00:00Z"}, "status": "corrected"},
    creatinine("3.0", "2026-01-01", "c1") | {"meta": {"lastUpdated": "2026-01-02T10:00:00Z"}},
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_exports_in_any_order_give_the_same_record(ward, order):
    run(ward, lay(ward, {"Patient.json": person()}))
    losses = []
    for number in order:
        losses += [t.losses for t in run(ward, ward.write(f"v{number}/x.json", bundle(person(), VERSIONS[number])))]
    assert held(ward)["Observation", "c1"] == VERSIONS[1]
    older = [loss for found in losses for loss in found if "newer version" in loss]
    assert len(older) == sum(number != 1 and order.index(1) < order.index(number) for number in order) + (
        order.index(2) < order.index(0) < order.index(1)
    )


def test_entries_of_a_bundle_in_any_order_give_the_same_batch(ward):
    entries = [person(), creatinine("1", "2026-01-01", "c1"), condition("p1"), doctor()]
    results = set()
    for seed in range(6):
        random.Random(seed).shuffle(entries)
        (batch,) = read([ward.write("b.json", bundle(*entries))])
        results.add(json.dumps(sorted((r["resourceType"], r["id"]) for r in batch.resources)))
        assert batch.clues.reference == "p1"
    assert len(results) == 1


def test_entries_without_data_are_legal_and_said(ward):
    entries = [
        {"resource": person(), "request": {"method": "PUT", "url": "Patient/p1"}},
        {"request": {"method": "DELETE", "url": "Observation/old"}},
        {"response": {"status": "204"}},
        {"resource": {"resourceType": "OperationOutcome", "issue": []}, "search": {"mode": "outcome"}},
    ]
    path = ward.write("t.json", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    (taken,) = run(ward, path)
    assert taken.error is None
    assert taken.losses == (
        "1 request to delete Observation not carried out: nothing is deleted by a file",
        "1 entry without a resource not taken: it holds no data",
        "1 OperationOutcome not taken: it is what a server said, and about nobody",
    )
    assert set(held(ward)) == {("Patient", "p1")}


@pytest.mark.parametrize(
    "value",
    [
        {"resourceType": "Bundle", "type": "transaction-response", "entry": [{"response": {"status": "201"}}]},
        {"resourceType": "Bundle", "type": "searchset", "total": 0},
        {"resourceType": "OperationOutcome", "issue": []},
    ],
)
def test_a_file_that_holds_nothing_of_anybody_is_no_error_and_leaves_no_trace(ward, value):
    run(ward, ward.write("p.json", person()))
    before = ward.house.verify().versions
    (taken,) = run(ward, ward.write("nothing.json", value))
    assert taken.error is None
    assert taken.losses
    assert ward.house.verify().versions == before


def test_answers_of_a_batch_are_read_one_by_one(ward):
    inner = [bundle(person()), bundle(creatinine("1", "2026-01-01", "c1"))]
    path = ward.write("r.json", {**bundle(*inner), "type": "batch-response"})
    run(ward, path)
    assert set(held(ward)) == {("Patient", "p1"), ("Observation", "c1")}


EXPORT = (
    '<?xml version="1.0"?>\n{dtd}<HealthData locale="en"><ExportDate value="2026-05-01 07:10:00 +0200"/>'
    '<Me HKCharacteristicTypeIdentifierDateOfBirth="1968-03-14"/>{records}</HealthData>'
)
RECORD = (
    '<ClinicalRecord type="X" fhirVersion="{version}" sourceURL="{url}" resourceFilePath="/clinical-records/{name}"/>'
)
BASE = "https://ehr.example/api/FHIR/DSTU2"


def apple(ward, dtd="", records=True):
    folder = lay(
        ward,
        {
            "clinical-records/a.json": {
                "resourceType": "MedicationOrder", "id": "m1", "status": "active", "dateWritten": "2026-02-01",
                "patient": {"reference": f"{BASE}/Patient/p1"},
                "medicationReference": {"reference": f"{BASE}/Medication/t", "display": "warfarin 5 MG"},
            },
            "clinical-records/b.json": {
                "resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "creatinine"},
                "subject": {"reference": f"{BASE}/Patient/p1"},
            },
            "clinical-records/z.json": person(),
        },
    ) if (ward.folder / "export" / "clinical-records").mkdir(parents=True) is None else None  # fmt: skip
    found = "".join(
        RECORD.format(version="1.0.2", url=f"{BASE}/{kind}", name=name)
        for kind, name in (("MedicationOrder/m1", "a.json"), ("Observation/o1", "b.json"), ("Patient/p1", "z.json"))
    )
    (folder / "export.xml").write_text(EXPORT.format(dtd=dtd, records=found if records else ""))
    return folder


def test_apples_clinical_records_are_read_with_what_the_export_tells_of_them(ward):
    taken = run(ward, apple(ward))
    assert [t.error for t in taken] == [None] * 4
    order = held(ward)["MedicationRequest", "m1"]
    assert (order["subject"]["reference"], order["authoredOn"]) == ("Patient/p1", "2026-02-01")
    assert order["medicationReference"] == {"reference": "Medication/t", "display": "warfarin 5 MG"}
    assert held(ward)["Observation", "o1"]["subject"]["reference"] == "Patient/p1"


def test_what_the_export_tells_is_read_though_its_dtd_is_refused(ward):
    taken = {t.name: t.error for t in run(ward, apple(ward, dtd="<!DOCTYPE HealthData [<!ELEMENT HealthData ANY>]>"))}
    assert "DOCTYPE" in taken.pop("export.xml").what
    assert set(taken.values()) == {None}


@pytest.mark.parametrize("broken", [{"dtd": '<!DOCTYPE H [<!ENTITY x "y">]>'}, {"records": False}])
def test_without_what_the_export_tells_a_reference_to_a_server_is_not_ours(ward, broken):
    taken = {t.name: t.error for t in run(ward, apple(ward, **broken))}
    assert "another server" in taken["a.json"].what
    assert taken["z.json"] is None
    assert set(held(ward)) - {k for k in held(ward) if k[0] == "DocumentReference"} == {("Patient", "p1")}
