"""An id means something only with its server: other servers' patients are never ours, ours are found again."""

import pytest

from salus.app.fhir import write as fhir_write
from salus.app.intake.intake import Intake
from salus.app.refusals import Unprocessable
from salus.app.session import Session
from salus.errors import InputError
from salus.fhir import json
from salus.formats.content import File
from salus.intake import fhir_json
from salus.intake.fhir_links import address, id_for, legal_id
from salus.intake.fhir_sift import SHARED
from tests.conftest import bundle, creatinine, person
from tests.intake.test_fhir_set import held, run

OURS = "https://ours.example/fhir"
THEIRS = "https://theirs.example/fhir"


def served(base, *resources, kind="searchset"):
    """A Bundle as a server answers it, with RESTful fullUrls."""
    entries = [{"fullUrl": f"{base}/{r['resourceType']}/{r['id']}", "resource": r} for r in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def lab(reference, id="lab", value="9.9"):
    return {**creatinine(value, "2026-03-02", id), "subject": {"reference": reference}}


def batches(tmp_path, value):
    path = tmp_path / "x.json"
    path.write_bytes(json.dumps(value))
    return list(fhir_json.read(File(path)))


# ---- whose it is


@pytest.mark.parametrize(
    "value",
    [
        bundle(lab(f"{THEIRS}/Patient/p1")),
        lab(f"{THEIRS}/Patient/p1"),
        lab(f"{THEIRS}/Patient/p1/_history/2"),
        served(THEIRS, lab(f"{THEIRS}/Patient/p1")),
        {"resourceType": "Condition", "id": "m", "subject": {"reference": f"{THEIRS}/Patient/p1"}},
    ],
)
@pytest.mark.parametrize("known", [person(), served(OURS, person())])
def test_a_patient_of_another_server_is_never_the_one_of_the_same_id(ward, known, value):
    run(ward, ward.write("own.json", bundle(known) if known["resourceType"] == "Patient" else known))
    before = set(held(ward))
    (taken,) = run(ward, ward.write("other.json", value))
    assert "another server" in taken.error.what
    assert taken.quarantine == 1
    assert set(held(ward)) == before


def test_a_relative_reference_is_to_the_server_of_its_own_entry(ward):
    run(ward, ward.write("own.json", served(OURS, person())))
    (refused,) = run(ward, ward.write("other.json", served(THEIRS, lab("Patient/p1"))))
    assert "another server" in refused.error.what
    (taken,) = run(ward, ward.write("more.json", served(OURS, lab("Patient/p1"))))
    assert taken.error is None
    assert held(ward)["Observation", "lab"]["subject"] == {"reference": "Patient/p1"}


def test_where_no_address_is_known_a_relative_reference_is_believed(ward):
    run(ward, ward.write("own.json", bundle(person())))
    (taken,) = run(ward, ward.write("more.json", served(OURS, lab("Patient/p1"))))
    assert taken.error is None


def test_an_identifier_that_agrees_tells_more_than_an_address(ward):
    run(ward, ward.write("own.json", served(OURS, person())))
    subject = {"reference": f"{THEIRS}/Patient/p1", "identifier": person()["identifier"][0]}
    (taken,) = run(ward, ward.write("more.json", {**lab(""), "subject": subject}))
    assert taken.error is None
    assert held(ward)["Observation", "lab"]["subject"]["reference"] == "Patient/p1"


def test_our_own_server_is_known_again_by_absolute_references(ward):
    run(ward, ward.write("own.json", served(OURS, person())))
    body = lab(f"{OURS}/Patient/p1") | {"performer": [{"reference": f"{OURS}/Practitioner/d1"}]}
    (taken,) = run(ward, ward.write("more.json", body))
    assert taken.error is None
    kept = held(ward)["Observation", "lab"]
    assert kept["subject"] == {"reference": "Patient/p1"}
    assert kept["performer"] == [{"reference": "Practitioner/d1"}]


def test_the_operator_may_vouch_for_another_servers_patient(ward):
    run(ward, ward.write("own.json", bundle(person())))
    path = ward.write("other.json", lab(f"{THEIRS}/Patient/p1"))
    assert run(ward, path)[0].error
    (taken,) = run(ward, path, accept_identifiers=[f"{THEIRS}/Patient/p1"])
    assert taken.error is None
    assert held(ward)["Observation", "lab"]["subject"] == {"reference": "Patient/p1"}


def test_two_servers_patients_of_one_id_are_two_records_whose_later_data_find_them(ward):
    other = person(identifier=[{"system": "urn:other", "value": "77"}], birthDate="1950-01-01")
    run(ward, ward.write("own.json", served(OURS, person(), lab("Patient/p1", value="1.0"))))
    (taken,) = run(ward, ward.write("other.json", served(THEIRS, other, lab("Patient/p1"))))
    moved = id_for(f"{THEIRS}/Patient/p1")
    assert (taken.error, taken.patient) == (None, moved)
    assert any("id of its own" in loss for loss in taken.losses)
    assert held(ward, moved)["Observation", "lab"]["subject"] == {"reference": f"Patient/{moved}"}
    assert str(held(ward)["Observation", "lab"]["valueQuantity"]["value"]) == "1.0"
    for number, value in enumerate((lab(f"{THEIRS}/Patient/p1", "l2"), served(THEIRS, lab("Patient/p1", "l3")))):
        (more,) = run(ward, ward.write(f"more{number}.json", value))
        assert (more.error, more.patient) == (None, moved)
        assert held(ward, moved)["Observation", f"l{number + 2}"]["subject"] == {"reference": f"Patient/{moved}"}
    (again,) = run(ward, ward.write("again.json", served(THEIRS, {**other, "active": True})))
    assert (again.error, again.patient) == (None, moved)
    assert held(ward, moved)["Patient", moved]["active"] is True
    assert len(ward.house.store.patients(ward.house.gate.house("t"))) == 2


def test_the_same_person_moved_to_another_server_stays_one_record(ward):
    run(ward, ward.write("own.json", served(OURS, person())))
    (taken,) = run(ward, ward.write("moved.json", served(THEIRS, person(active=True))))
    assert (taken.error, taken.patient) == (None, "p1")
    for number, base in enumerate((OURS, THEIRS)):
        (more,) = run(ward, ward.write(f"{number}.json", lab(f"{base}/Patient/p1", f"l{number}")))
        assert more.error is None


def test_a_later_patient_without_address_does_not_forget_the_server(ward):
    run(ward, ward.write("own.json", served(OURS, person())))
    run(ward, ward.write("plain.json", bundle(person(active=True))))
    (taken,) = run(ward, ward.write("more.json", lab(f"{OURS}/Patient/p1")))
    assert taken.error is None


def test_within_a_bundle_an_address_leads_to_the_entry_that_has_it(tmp_path):
    (batch,) = batches(
        tmp_path, served(THEIRS, person("1234"), lab(f"{THEIRS}/Patient/1234"), lab("Patient/1234", "l2"))
    )
    assert {r["subject"]["reference"] for r in batch.resources if "subject" in r} == {"Patient/1234"}
    assert (batch.clues.reference, batch.clues.base, batch.clues.absolute) == ("1234", THEIRS, False)


def test_a_bundle_of_two_servers_keeps_both_resources_of_one_id(tmp_path):
    entries = [
        *served(OURS, person(), lab("Patient/p1", value="1.0"))["entry"],
        {"fullUrl": f"{THEIRS}/Observation/lab", "resource": lab(f"{OURS}/Patient/p1")},
        {"fullUrl": f"{THEIRS}/DiagnosticReport/r",
         "resource": {"resourceType": "DiagnosticReport", "id": "r", "subject": {"reference": f"{OURS}/Patient/p1"},
                      "result": [{"reference": "Observation/lab"}]}},
    ]  # fmt: skip
    with pytest.raises(InputError, match="2 patients"):
        batches(tmp_path, {**served(OURS), "entry": [*entries, *served(THEIRS, lab("Patient/p1", "l9"))["entry"]]})
    (batch,) = batches(tmp_path, {**served(OURS), "entry": entries})
    values = {r["id"]: str(r["valueQuantity"]["value"]) for r in batch.resources if r["resourceType"] == "Observation"}
    moved = id_for(f"{THEIRS}/Observation/lab")
    assert values == {"lab": "1.0", moved: "9.9"}
    (report,) = [r for r in batch.resources if r["resourceType"] == "DiagnosticReport"]
    assert report["result"] == [{"reference": f"Observation/{moved}"}]
    assert any("another server" in loss for loss in batch.losses)


# ---- ids


LONG = "eAbc9-" * 12


def test_ids_that_fhir_does_not_allow_are_replaced_everywhere_and_kept(tmp_path):
    report = {"resourceType": "DiagnosticReport", "id": "r", "subject": {"reference": f"Patient/{LONG}"},
              "result": [{"reference": "Observation/a_b"}]}  # fmt: skip
    (batch,) = batches(tmp_path, bundle(person(LONG), lab(f"Patient/{LONG}", "a_b"), report))
    patient, observation, kept = batch.resources
    assert patient["id"] == legal_id(LONG) != LONG
    assert {"use": "old", "value": LONG} in patient["identifier"]
    assert observation["subject"] == kept["subject"] == {"reference": f"Patient/{legal_id(LONG)}"}
    assert kept["result"] == [{"reference": f"Observation/{legal_id('a_b')}"}]
    assert len([loss for loss in batch.losses if "not one that FHIR allows" in loss]) == 2
    assert not any(LONG in loss or "a_b" in loss for loss in batch.losses)


def test_such_ids_lead_to_the_same_resource_from_file_to_file(ward):
    folder = ward.folder / "set"
    ward.write("set/a.json", lab(f"Patient/{LONG}", LONG))
    ward.write("set/b.json", person(LONG))
    assert [t.error for t in run(ward, folder)] == [None, None]
    assert ("Observation", legal_id(LONG)) in held(ward, legal_id(LONG))


def test_a_legal_id_stays():
    assert legal_id("a-1.B") == "a-1.B"
    assert len(legal_id("x" * 65)) <= 64


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("Patient/1", ("", "Patient", "1")),
        ("https://a.example/x/Patient/1/_history/2", ("https://a.example/x", "Patient", "1")),
        ("urn:x/Patient/1", ("urn:x", "Patient", "1")),
        ("urn:uuid:1", None),
        ("#inner", None),
        ("Patient?identifier=1", None),
        ("Patient/1/extra", None),
        ("patient/1", None),
    ],
)
def test_the_parts_of_a_reference(written, parts):
    found = address(written)
    assert (found and (found.base, found.kind, found.id)) == parts


# ---- patients that were replaced


def replaced(by="p1", **more):
    return person("old", identifier=[{"system": "urn:test:mrn", "value": "MRN-old"}], active=False,
                  link=[{"other": {"reference": f"Patient/{by}"}, "type": "replaced-by"}], **more)  # fmt: skip


def test_what_names_a_retired_patient_belongs_to_the_one_that_replaces_it(ward):
    named = {**lab("Patient/old"), "subject": {"reference": "Patient/old", "identifier": replaced()["identifier"][0]}}
    (taken,) = run(ward, ward.write("x.json", bundle(replaced(), person(), named)))
    assert (taken.error, taken.patient) == (None, "p1")
    assert set(held(ward)) == {("Patient", "p1"), ("Observation", "lab")}
    assert held(ward)["Observation", "lab"]["subject"]["reference"] == "Patient/p1"
    assert {"use": "old", "system": "urn:test:mrn", "value": "MRN-old"} in held(ward)["Patient", "p1"]["identifier"]
    assert any("replaced by another" in loss for loss in taken.losses)


def test_a_patient_is_not_replaced_by_somebody_else(tmp_path):
    with pytest.raises(InputError, match="somebody else"):
        batches(tmp_path, bundle(replaced(birthDate="1900-01-01"), person()))
    other = {**replaced(), "link": [{"other": {"reference": "Patient/p1"}, "type": "seealso"}]}
    with pytest.raises(InputError, match="2 patients"):
        batches(tmp_path, bundle(other, person()))


# ---- over the network


def entry(resource, url=""):
    body = {k: v for k, v in resource.items() if k != "id"}
    return {
        **({"fullUrl": url} if url else {}),
        "resource": body,
        "request": {"method": "POST", "url": body["resourceType"]},
    }


def test_a_relative_reference_leads_to_the_entry_at_that_address(ward):
    session = Session(ward.house, ward.operator)
    entries = [entry(person("0"), "https://a/fhir/Patient/0"), entry(lab("Patient/0"), "https://a/fhir/Observation/1")]
    made = fhir_write.transaction(session, {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    patient, observation = made
    assert observation.body["subject"] == {"reference": f"Patient/{patient.id}"}
    assert ("Observation", observation.id) in held(ward, patient.id)


def test_what_is_posted_for_another_servers_patient_is_not_ours(ward):
    session = Session(ward.house, ward.operator)
    run(ward, ward.write("own.json", bundle(person())))
    with pytest.raises(Unprocessable, match="another server"):
        fhir_write.create(session, "Observation", lab(f"{THEIRS}/Patient/p1"))
    with pytest.raises(Unprocessable, match="another server"):
        fhir_write.create(session, "Observation", lab(f"{THEIRS}/Patient/p1"), OURS)
    made = fhir_write.create(session, "Observation", lab(f"{OURS}/Patient/p1"), OURS)
    assert made.body["subject"] == {"reference": "Patient/p1"}
    plain = fhir_write.create(session, "Observation", lab("Patient/p1"))
    assert ("Observation", plain.id) in held(ward)


def test_what_is_posted_in_an_older_release_is_kept_as_r4(ward):
    session = Session(ward.house, ward.operator)
    run(ward, ward.write("own.json", bundle(person())))
    body = {
        "resourceType": "MedicationStatement",
        "status": "active",
        "taken": "n",
        "subject": {"reference": "Patient/p1"},
    }
    made = fhir_write.create(session, "MedicationStatement", body)
    assert made.body["status"] == held(ward)["MedicationStatement", made.id]["status"] == "not-taken"


# ---- releases in files


def test_what_is_not_understood_is_kept_marked_and_said_and_the_rest_is_taken(ward):
    odd = {"resourceType": "MedicationStatement", "id": "m", "patient": {"reference": "Patient/p1"}, "status": "active",
           "wasNotTaken": "perhaps", "medicationCodeableConcept": {"text": "warfarin"}}  # fmt: skip
    (taken,) = run(ward, ward.write("x.json", bundle(person(), odd, lab("Patient/p1"))))
    assert taken.error is None
    assert any("neither true nor false; kept, but not read" in loss for loss in taken.losses)
    kept = held(ward)["MedicationStatement", "m"]
    assert kept["modifierExtension"][0]["url"] == fhir_json.NOT_READ
    assert kept["medicationCodeableConcept"] == {"text": "warfarin"}
    assert ("Observation", "lab") in held(ward)


def test_a_modifier_of_the_source_is_not_overwritten(tmp_path):
    body = lab("Patient/p1") | {"modifierExtension": [{"url": "http://x"}]}
    (batch,) = batches(tmp_path, bundle(person(), body))
    assert batch.resources[1]["modifierExtension"] == [{"url": "http://x"}]
    assert "kept, but not read" in batch.losses[0]


def test_a_patient_who_is_not_understood_is_refused(tmp_path):
    with pytest.raises(InputError, match="animal"):
        batches(tmp_path, bundle(person(animal={"species": {}})))


def test_the_version_that_a_server_states_in_the_file_holds_for_it(tmp_path):
    statement = {"resourceType": "CapabilityStatement", "id": "s", "fhirVersion": "3.0.2"}
    observation = lab("Patient/p1") | {"category": [{"coding": [{"system": "http://hl7.org/fhir/v3/X", "code": "a"}]}]}
    plain = {k: v for k, v in observation.items() if k != "category"}
    (batch,) = batches(tmp_path, bundle(person(), statement, plain))
    assert batch.counts == {"Patient": 1, "Observation": 1}
    assert any("CapabilityStatement not taken" in loss for loss in batch.losses)


def test_shared_types_are_those_that_need_no_patient():
    assert {"Practitioner", "Organization", "Location", "Medication", "Provenance"} <= SHARED
    assert not SHARED & {"Observation", "Condition", "MedicationRequest", "Patient"}


def test_the_dry_run_says_the_same(ward):
    for name, value in (("s/b.json", served(OURS, person())), ("s/a.ndjson", lab("Patient/p1"))):
        ward.write(name, value)
    dry = Intake(Session(ward.house, ward.operator), dry_run=True).run([ward.folder / "s"])
    real = run(ward, ward.folder / "s")
    assert [(t.name, t.patient, t.counts, t.losses) for t in dry] == [
        (t.name, t.patient, t.counts, t.losses) for t in real
    ]
