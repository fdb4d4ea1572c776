"""Which of two versions is the newer: by rules, whatever was read first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.intake import age
from tests.conftest import bundle, creatinine, person
from tests.intake.test_fhir_set import held, run


def version(**more):
    return {**creatinine("1.0", "2026-01-01", "c1"), **more}


def meta(**more):
    return {"meta": more}


OTHER = {"valueQuantity": {"value": 2}}


@pytest.mark.parametrize(
    ("stored", "incoming", "answer"),
    [
        ({}, {}, "same"),
        (meta(lastUpdated="2026-01-02T00:00:00Z"), meta(lastUpdated="2026-01-01T00:00:00Z"), "same"),
        (meta(versionId="1"), {}, "same"),
        (meta(lastUpdated="2026-01-02T00:00:00Z"), meta(lastUpdated="2026-01-03T00:00:00Z"), "newer"),
        (meta(lastUpdated="2026-01-01T10:00:00Z"), OTHER | meta(lastUpdated="2026-01-01T09:59:59Z"), "older"),
        (meta(lastUpdated="2026-01-01T10:00:00Z"), OTHER | meta(lastUpdated="2026-01-01T11:30:00+01:00"), "newer"),
        (meta(lastUpdated="2026-01-01T10:00:00Z"), OTHER | meta(lastUpdated="2026-01-01T11:00:00+01:00"), "unknown"),
        (meta(versionId="2"), OTHER | meta(versionId="10"), "newer"),
        (meta(versionId="10"), OTHER | meta(versionId="2"), "older"),
        (meta(versionId="2", source="a"), OTHER | meta(versionId="10", source="b"), "unknown"),
        (meta(versionId="2", source="a#1"), OTHER | meta(versionId="10", source="a#2"), "newer"),
        (meta(versionId="abc"), OTHER | meta(versionId="b"), "unknown"),
        (meta(versionId="2"), OTHER | meta(versionId="2"), "unknown"),
        (
            meta(versionId="9", lastUpdated="2026-01-01T00:00:00Z"),
            OTHER | meta(versionId="1", lastUpdated="2026-01-02T00:00:00Z"),
            "newer",
        ),
        ({"issued": "2026-01-02"}, OTHER | {"issued": "2026-01-01"}, "older"),
        ({"issued": "2026-01"}, OTHER | {"issued": "2026-01-15"}, "unknown"),
        ({"dateAsserted": "2026-01-01"}, OTHER | {"dateAsserted": "2026-01-02"}, "newer"),
        ({"recordedDate": "2026-01-01"}, OTHER | {"recordedDate": "2026-01-02"}, "newer"),
        ({"authoredOn": "2026-01-02"}, OTHER | {"authoredOn": "2026-01-01"}, "older"),
        ({"issued": "never"}, OTHER | {"issued": "2026-01-01"}, "unknown"),
        (meta(lastUpdated=7), OTHER | meta(lastUpdated="2026-01-01"), "unknown"),
        ({}, OTHER, "unknown"),
    ],
)
def test_the_rules_in_their_order(stored, incoming, answer):
    assert age.order(version(**stored), version(**incoming)) == answer


MESSAGE = "urn:hl7v2:sender:LAB:H"


@pytest.mark.parametrize(
    ("stored", "incoming", "answer"),
    [
        ("corrected", "final", "older"),
        ("entered-in-error", "final", "older"),
        ("corrected", "preliminary", "older"),
        ("final", "final", "newer"),
        ("corrected", "corrected", "newer"),
        ("final", "corrected", "newer"),
        ("corrected", "entered-in-error", "newer"),
    ],
)
def test_a_plain_result_of_a_message_never_replaces_a_corrected_one(stored, incoming, answer):
    one = version(status=stored, **meta(source=MESSAGE, lastUpdated="2026-01-01T00:00:00Z"))
    other = version(status=incoming, **OTHER, **meta(source=MESSAGE, lastUpdated="2026-01-02T00:00:00Z"))
    assert age.order(one, other) == answer
    if answer == "older":
        issued = {**one, "issued": "2026-01-01T00:00:00Z"}, {**other, "issued": "2026-01-02T00:00:00Z"}
        assert age.order(*issued) == "newer"
        by_file = {**other, "meta": {"lastUpdated": "2026-01-02T00:00:00Z"}}
        assert age.order(one, by_file) == "newer"


def test_of_several_in_one_file_the_newest_stays():
    found = age.newest([version(**meta(versionId="2")), version(**OTHER, **meta(versionId="1")), person()])
    assert [r.get("meta") for r in found] == [{"versionId": "2"}, None]
    assert age.newest([version(), version(**OTHER)]) == [version(**OTHER)]


INSTANTS = st.sampled_from([f"2026-01-0{day}T10:00:0{second}Z" for day in (1, 2) for second in (0, 1)])


@given(st.lists(st.tuples(INSTANTS, st.integers(1, 3)), min_size=1, max_size=5, unique_by=lambda v: v[0]))
def test_of_versions_with_times_the_latest_wins_in_any_order(found):
    made = [version(valueInteger=value, **meta(lastUpdated=at)) for at, value in found]
    (kept,) = age.newest(made)
    latest = max(made, key=lambda r: r["meta"]["lastUpdated"])
    assert kept["valueInteger"] == latest["valueInteger"]


def test_where_nothing_tells_the_later_read_wins_and_that_is_said(ward):
    run(ward, ward.write("1.json", bundle(person(), version())))
    (taken,) = run(ward, ward.write("2.json", bundle(version(**OTHER))))
    assert taken.losses == ("1 Observation took the place of another version: neither tells which is the newer",)
    assert held(ward)["Observation", "c1"]["valueQuantity"] == {"value": 2}


@pytest.mark.parametrize(("mark", "kept", "unchanged"), [("1", "2", 1), ("2", "2", 1), ("3", "3", 0)])
def test_the_same_content_is_written_again_only_where_its_mark_is_newer(ward, mark, kept, unchanged):
    run(ward, ward.write("1.json", bundle(person(), version(**meta(versionId="2")))))
    (taken,) = run(ward, ward.write("2.json", bundle(person(), version(**meta(versionId=mark)))))
    assert (taken.losses, taken.written.unchanged) == ((), unchanged + 1)
    assert held(ward)["Observation", "c1"]["meta"] == {"versionId": kept}


def test_an_older_patient_does_not_undo_what_is_known(ward):
    run(ward, ward.write("1.json", bundle(person(active=True, **meta(lastUpdated="2026-01-02T00:00:00Z")))))
    old = person(active=False, **meta(lastUpdated="2026-01-01T00:00:00Z"))
    (taken,) = run(ward, ward.write("2.json", bundle(old, version())))
    assert taken.losses == ("1 Patient not taken: the record holds a newer version",)
    assert held(ward)["Patient", "p1"]["active"] is True
    assert ("Observation", "c1") in held(ward)
