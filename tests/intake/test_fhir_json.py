"""FHIR JSON: one patient a Bundle, references by id, and nothing that only salus itself may write."""

import gzip
from decimal import Decimal

import pytest

from salus.errors import InputError
from salus.fhir import json
from salus.fhir.views import TAG_KIND, TAG_SETTING
from salus.formats.content import File
from salus.intake import fhir_file, fhir_json
from tests.conftest import bundle, creatinine, person


def batches(tmp_path, value, name="x.json"):
    path = tmp_path / name
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value))
    return list((fhir_json.read_lines if name.endswith("ndjson") else fhir_json.read)(File(path)))


def observation(**more):
    return {**creatinine("1.10", "2026-01-01", "c1"), **more}


def test_a_bundle_is_one_batch_with_its_clues(tmp_path):
    (batch,) = batches(tmp_path, bundle(person(), observation()))
    assert (batch.clues.reference, batch.clues.identifiers) == ("p1", (("urn:test:mrn", "MRN-p1"),))
    assert (batch.clues.birth_date, batch.clues.sex) == ("1968-03-14", "female")
    assert batch.counts == {"Patient": 1, "Observation": 1}
    assert batch.resources[1]["valueQuantity"]["value"] == Decimal("1.10")
    assert batch.losses == ()


def test_references_by_full_url_become_references_by_id(tmp_path):
    entries = [
        {"fullUrl": "urn:uuid:1", "resource": person()},
        {"fullUrl": "urn:uuid:2", "resource": observation(subject={"reference": "urn:uuid:1"})},
    ]
    (batch,) = batches(tmp_path, {"resourceType": "Bundle", "type": "collection", "entry": entries})
    assert batch.resources[1]["subject"] == {"reference": "Patient/p1"}


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p2",
        "https://other.example/fhir/Patient/p2",
        "Patient/p2/_history/3",
        "Patient/p2|1",
        "urn:x/Patient/p2",
    ],
)
@pytest.mark.parametrize("key", ["subject", "patient", "beneficiary", "for"])
def test_every_way_of_naming_another_subject_is_seen(tmp_path, reference, key):
    resource = {"resourceType": "Basic", "id": "b", key: {"reference": reference}}
    for made in (resource, {**resource, key: [{"reference": reference}]}):
        with pytest.raises(InputError, match="2 patients"):
            batches(tmp_path, bundle(person(), made))


@pytest.mark.parametrize(
    "subject",
    [
        {"identifier": {"system": "urn:test:mrn", "value": "MRN-p2"}},
        {"type": "Patient", "identifier": {"value": "MRN-p2"}},
        {"reference": "Patient/p1", "identifier": {"system": "urn:test:mrn", "value": "MRN-p2"}},
        {"reference": "#inner"},
    ],
)
def test_identifiers_of_a_logical_or_contained_subject_are_clues(tmp_path, subject):
    inner = [{"resourceType": "Patient", "id": "inner", "identifier": [{"system": "urn:test:mrn", "value": "MRN-p2"}]}]
    (batch,) = batches(tmp_path, bundle(observation(subject=subject, contained=inner)))
    assert "MRN-p2" in {value for _, value in batch.clues.identifiers}


@pytest.mark.parametrize("reference", ["Group/g", "Device/d", "Location/l", "urn:uuid:nobody", "#nothing", "?"])
def test_what_is_about_no_patient_of_the_file_is_left_out_and_said(tmp_path, reference):
    (batch,) = batches(tmp_path, bundle(person(), observation(subject={"reference": reference})))
    assert batch.counts == {"Patient": 1}
    assert batch.losses == ("1 Observation not taken: its subject is not a patient whom the file names",)


FORGED = {
    "tag of a finding": observation(meta={"tag": [{"system": "urn:salus:finding", "code": "egfr"}]}),
    "a finding": observation(extension=[{"url": "urn:salus:finding", "valueString": "{}"}]),
    "a blob": {
        "resourceType": "DocumentReference",
        "id": "d",
        "meta": {"tag": [{"system": TAG_KIND, "code": "note/text"}]},
        "content": [{"attachment": {"url": "urn:salus:blob:00"}}],
    },
    "proof of origin": {
        "resourceType": "Provenance",
        "id": "x",
        "extension": [{"url": "urn:salus:attribution", "valueString": "by identifier"}],
        "target": [{"reference": "Patient/p1"}],
    },
    "a consent's signature": {"resourceType": "Provenance", "id": "k1-signature", "target": []},
    "another proof of a consent": {"resourceType": "Provenance", "id": "y", "target": [{"reference": "Consent/k1"}]},
    "a consent": {"resourceType": "Consent", "id": "k1", "status": "active", "patient": {"reference": "Patient/p1"}},
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_what_only_salus_writes_is_never_taken_from_a_file(tmp_path, forged):
    (batch,) = batches(tmp_path, bundle(person(), forged))
    assert batch.counts == {"Patient": 1}
    assert len(batch.losses) == 1


def test_the_setting_of_a_measurement_and_ordinary_provenance_are_taken(tmp_path):
    tagged = observation(meta={"tag": [{"system": TAG_SETTING, "code": "home"}]})
    proof = {"resourceType": "Provenance", "id": "p", "target": [{"reference": "Observation/c1"}]}
    (batch,) = batches(tmp_path, bundle(person(), tagged, proof))
    assert batch.counts == {"Patient": 1, "Observation": 1, "Provenance": 1}


@pytest.mark.parametrize(
    ("value", "what", "where"),
    [
        ([1], "no resourceType", None),
        ({"a": 1}, "no resourceType", None),
        ({"resourceType": 5}, "no resourceType", None),
        ({"resourceType": "patient"}, "no resourceType", "resource"),
        ({"resourceType": "Bundle", "entry": {}}, "not a list", "Bundle.entry"),
        ({"resourceType": "Bundle", "entry": [None]}, "without a resource", "Bundle.entry[0]"),
        ({"resourceType": "Bundle", "entry": [{}]}, "without a", "Bundle.entry[0]"),
        ({"resourceType": "Bundle", "entry": [{"resource": 5}]}, "without a", "Bundle.entry[0]"),
        ({"resourceType": "Bundle", "type": "history", "entry": []}, "history", "Bundle.type"),
        (bundle({"resourceType": "Bundle", "entry": []}), "inside a Bundle", "Bundle.entry[0]"),
        (bundle(person(), {"id": "x"}), "no resourceType", "Bundle.entry[1].resource"),
        (bundle({**person(), "id": "../../etc"}), "id that FHIR", "Bundle.entry[0].resource.id"),
        (bundle({**person(), "id": 7}), "id that FHIR", "Bundle.entry[0].resource.id"),
        (bundle({**person(), "id": ""}), "id that FHIR", "Bundle.entry[0].resource.id"),
        (bundle(person("p1"), person("p2")), "names 2 patients", None),
    ],
)
def test_what_is_no_bundle_of_one_patient_is_refused_with_its_place(tmp_path, value, what, where):
    with pytest.raises(InputError) as refused:
        batches(tmp_path, value)
    assert what in refused.value.what
    assert refused.value.where == where


def test_a_resource_without_id_gets_one_that_follows_from_its_content(tmp_path):
    nameless = {key: value for key, value in observation().items() if key != "id"}
    first, second = (batches(tmp_path, bundle(person(), nameless))[0].resources[1]["id"] for _ in range(2))
    assert first == second


def test_of_two_versions_in_one_file_the_last_counts(tmp_path):
    (batch,) = batches(tmp_path, bundle(person(), observation(), observation(status="amended")))
    assert [r["status"] for r in batch.resources if r["resourceType"] == "Observation"] == ["amended"]


def test_dates_that_cannot_be_read_are_losses_not_refusals(tmp_path):
    (batch,) = batches(tmp_path, bundle(person(birthDate="1968-02-31"), observation(effectiveDateTime=7)))
    assert len(batch.losses) == 2
    assert all("kept but not read" in loss for loss in batch.losses)


def test_lines_are_grouped_by_patient_and_a_bad_line_is_named(tmp_path):
    lines = [person(), observation(), person("p2"), creatinine("2.0", "2026-01-01", "c2", "p2"), bundle(person("p3"))]
    data = b"\r\n".join(json.dumps(line) for line in lines)
    found = {b.clues.reference: b.counts for b in batches(tmp_path, data, "x.ndjson")}
    assert found == {
        "p1": {"Patient": 1, "Observation": 1},
        "p2": {"Patient": 1, "Observation": 1},
        "p3": {"Patient": 1},
    }
    assert batches(tmp_path, gzip.compress(data), "x.ndjson")
    with pytest.raises(InputError) as refused:
        batches(tmp_path, data + b'\n{"resourceType": "Patient", "id": "p4"', "x.ndjson")
    assert refused.value.where.startswith("line 6: line 1 column")


def test_gzip_of_several_members_is_read_whole_and_a_cut_one_refused(tmp_path):
    data = json.dumps(bundle(person(), observation()))
    whole = gzip.compress(data[:100]) + gzip.compress(data[100:])
    assert batches(tmp_path, whole)[0].counts == {"Patient": 1, "Observation": 1}
    for damaged in (whole[:-12], whole + b"tail", whole[:60]):
        with pytest.raises(InputError, match="gzip"):
            batches(tmp_path, damaged)


@pytest.mark.parametrize("name", ["x.json", "x.ndjson"])
def test_a_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch, name):
    monkeypatch.setattr(fhir_file, "MAX_BYTES", 1 << 16)
    with pytest.raises(InputError, match="bytes"):
        batches(tmp_path, gzip.compress(b'{"resourceType": "Patient", "id": "p1"}\n' * 10_000), name)
