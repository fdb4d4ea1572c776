"""Blocks of readings at the FHIR API: each reading is an Observation, behind the gate, and none is stored as one."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from salus.app.fhir import across as fhir_across
from salus.app.fhir import query as fhir_query
from salus.app.fhir import walk as fhir_walk
from salus.app.fhir.lastn import Last
from salus.app.refusals import Ambiguous, Expired
from salus.app.session import Session
from salus.errors import AccessError, InputError
from salus.fhir import series
from salus.fhir.columns import in_columns, micros, whole
from salus.record.store import Store
from tests.app.fhir.test_across import CREATININE, Hospital
from tests.conftest import AT, creatinine

START = AT - timedelta(days=40)
HEART = ("code", "http://loinc.org|8867-4")
RATE = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}], "text": "Heart rate"}
PRESSURE = {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]}
PARTS = tuple(
    series.Part({"coding": [{"system": "http://loinc.org", "code": c}]}, "mm[Hg]") for c in ("8480-6", "8462-4")
)


def blocks(patient, *days, count=4, panel=False, value=60, device="Watch"):
    """One block a day with ``count`` readings, an hour apart."""
    head = series.Head(PRESSURE if panel else RATE, PARTS if panel else (series.Part(RATE, "/min"),), device)
    found = []
    for day in days:
        begun = micros(START.replace(hour=0) + timedelta(days=day))
        told = [(begun + n * 3_600_000_000, (whole(Decimal(value + n)),) * len(head.parts)) for n in range(count)]
        rows = [(at, 0, values, 0, "") for at, values in told]
        found.append(series.body(head, in_columns(rows, len(head.parts)), f"Patient/{patient}"))
    return found


@pytest.fixture
def hospital(ward):
    return Hospital(ward, 3)


def give(hospital, *patients, categories=("signal", "record")):
    return [hospital.give(patient, categories=categories) for patient in patients]


def last(hospital, *pairs, most=1):
    session = Session(hospital.house, hospital.ward.clinician)
    found = Last(session, hospital.cache).last(fhir_query.parse("Observation", pairs), most)
    return [(s.body["effectiveDateTime"], s.body["id"]) for s in found.entries]


def test_a_search_shows_each_reading_and_says_how_many_there_are(hospital):
    told = blocks("q0", 0, 1, 2)
    hospital.write("q0", *told)
    give(hospital, "q0")
    singles = [f"Observation/{b['id']}" for block in told for b in series.expand(block)]
    for count in ("1", "3", "5", "100"):
        assert hospital.all("Observation", ("patient", "q0"), HEART, ("_count", count)) == singles
        newest = hospital.all("Observation", ("patient", "q0"), HEART, ("_count", count), ("_sort", "-date"))
        assert newest == singles[::-1]
    page = hospital.ask("Observation", ("patient", "q0"), HEART, ("_count", "5"), ("_total", "accurate"))
    assert (page.total, hospital.records().page(page.next).total) == (12, 12)
    everything = hospital.all("Observation", ("patient", "q0"))
    assert set(singles) < set(everything)
    assert hospital.ask("Observation", ("patient", "q0"), ("_summary", "count")).total == len(everything)
    assert page.entries[0].body["valueQuantity"]["value"] == 60
    assert series.TAG_SERIES not in str(page.entries[0].body)


def test_date_and_value_are_decided_reading_by_reading(hospital):
    told = blocks("q0", *range(5))
    hospital.write("q0", *told)
    give(hospital, "q0")
    day = START + timedelta(days=2)
    since = ("date", f"ge{day:%Y-%m-%d}T02:00:00Z")
    until = ("date", f"lt{day:%Y-%m-%d}T03:00:00Z")
    wanted = [f"Observation/{series.expand(told[2])[2]['id']}"]
    assert hospital.all("Observation", ("patient", "q0"), HEART, since, until) == wanted
    assert hospital.ask("Observation", ("patient", "q0"), HEART, since, ("_total", "accurate")).total == 10
    high = ("value-quantity", "gt62|http://unitsofmeasure.org|/min")
    assert len(hospital.all("Observation", ("patient", "q0"), high)) == 5
    assert hospital.ask("Observation", ("patient", "q0"), high, since, ("_summary", "count")).total == 3


def test_a_panel_is_found_by_its_own_code_and_by_those_of_its_parts(hospital):
    hospital.write("q0", *blocks("q0", 0, panel=True))
    give(hospital, "q0")
    for asked in (
        ("component-code", "8480-6"),
        ("combo-code", "8462-4"),
        ("code", "85354-9"),
        ("combo-code", "85354-9"),
    ):
        assert len(hospital.all("Observation", ("patient", "q0"), asked)) == 4
    assert hospital.all("Observation", ("patient", "q0"), ("code", "8480-6")) == []
    asked = ("component-value-quantity", "ge62"), ("combo-code", "8480-6")
    assert len(hospital.all("Observation", ("patient", "q0"), *asked)) == 2
    assert hospital.all("Observation", ("patient", "q0"), ("value-quantity", "ge62"), asked[1]) == []


def test_a_reading_is_found_and_read_by_its_id_a_block_by_its_own(hospital):
    (block,) = blocks("q0", 0)
    hospital.write("q0", block)
    give(hospital, "q0")
    one = series.expand(block)[1]["id"]
    assert hospital.all("Observation", ("_id", one)) == [f"Observation/{one}"]
    assert hospital.all("Observation", ("_id", f"{one},{one}-2,q0-c1")) == ["Observation/q0-c1", f"Observation/{one}"]
    (whole_block,) = hospital.ask("Observation", ("_id", block["id"])).entries
    assert "valueSampledData" in whole_block.body
    assert "valueSampledData" in hospital.records().read("Observation", block["id"]).body
    assert hospital.all("Observation", ("_id", f"{block['id']}.01000000"), ("patient", "q0")) == []
    everything = hospital.records().everything("q0", frozenset({"Observation"}), 100).entries
    assert [s.source.ref for s in everything if "valueSampledData" in s.body] == [f"Observation/{block['id']}"]


def test_an_id_that_only_looks_like_a_blocks_is_an_ordinary_one(hospital):
    odd = [creatinine("1.0", "2026-03-01", name, "q0") for name in ("series-1", f"series-{'0' * 16}-202613")]
    hospital.write("q0", *odd)
    give(hospital, "q0")
    refs = {f"Observation/{body['id']}" for body in odd}
    assert refs < set(hospital.all("Observation", ("patient", "q0")))
    assert refs < set(hospital.all("Observation", ("patient", "q0"), ("date", "2026")))


def test_a_reading_has_the_versions_of_its_block(hospital):
    (block,) = blocks("q0", 0)
    (longer,) = blocks("q0", 0, count=6)
    hospital.write("q0", block)
    hospital.write("q0", longer)
    give(hospital, "q0")
    first, late = series.expand(longer)[0]["id"], series.expand(longer)[5]["id"]
    records = hospital.records()
    assert [s.source.version for s in records.history("Observation", first)] == [2, 1]
    assert [s.source.version for s in records.history("Observation", late)] == [2]
    assert records.version("Observation", first, 1).body == records.read("Observation", first).body
    with pytest.raises(AccessError):
        records.version("Observation", late, 1)


def test_pages_are_one_snapshot_of_the_blocks_and_pass_the_gate_anew(hospital):
    (block,) = blocks("q0", 0, count=10)
    hospital.write("q0", block)
    (given,) = give(hospital, "q0")
    page = hospital.ask("Observation", ("patient", "q0"), HEART, ("_count", "4"))
    (other,) = blocks("q0", 0, count=3, value=99)
    hospital.write("q0", other)
    following = hospital.records().page(page.next)
    assert [s.body["valueQuantity"]["value"] for s in following.entries] == [64, 65, 66, 67]
    assert hospital.records().page(page.next).entries == following.entries
    hospital.end("q0", given)
    assert hospital.records().page(following.next).entries == ()


def test_what_is_withheld_is_neither_shown_nor_counted(hospital):
    hospital.write("q0", *blocks("q0", 0, 1))
    give(hospital, "q0", categories=("record",))
    name = series.expand(blocks("q0", 0)[0])[0]["id"]
    assert hospital.all("Observation", ("patient", "q0"), HEART) == []
    for asked in ((HEART,), (("_id", name),), (HEART, ("value-quantity", "gt1"))):
        assert hospital.ask("Observation", ("patient", "q0"), *asked, ("_summary", "count")).total == 0
        assert hospital.ask("Observation", *asked, ("_summary", "count")).total == 0
    for named in (name, series.split(name)[0]):
        with pytest.raises(AccessError):
            hospital.records().read("Observation", named)
    assert last(hospital, ("patient", "q0"), HEART) == []


@pytest.mark.parametrize("count", ["1", "3", "7", "100"])
def test_people_with_the_same_watch_are_found_side_by_side(hospital, count):
    """No two of them have a block of one id."""
    told = {patient: blocks(patient, 0, 1) for patient in ("q0", "q1", "q2")}
    for patient, bodies in told.items():
        hospital.write(patient, *bodies)
    give(hospital, "q0", "q2")
    singles = [f"Observation/{b['id']}" for p in ("q0", "q2") for body in told[p] for b in series.expand(body)]
    assert hospital.all("Observation", HEART, ("_count", count)) == singles
    by_date = hospital.all("Observation", HEART, ("_count", count), ("_sort", "date"))
    assert sorted(by_date) == sorted(singles)
    assert by_date[:2] == [singles[0], singles[8]]
    assert hospital.ask("Observation", HEART, ("_count", count), ("_total", "accurate")).total == 16


def test_a_count_over_all_tells_readings_and_is_logged_for_each(hospital):
    hospital.write("q0", *blocks("q0", 0, 1))
    hospital.write("q1", *blocks("q1", 0, 1, panel=True))
    give(hospital, "q0", "q1", "q2")
    before = {p: len(hospital.looks(p)) for p in ("q0", "q1", "q2")}
    assert hospital.ask("Observation", HEART, ("_summary", "count")).total == 8
    assert len(hospital.looks("q0")) == before["q0"] + 1
    assert len(hospital.looks("q1")) == before["q1"]
    assert hospital.ask("Observation", CREATININE, ("_summary", "count")).total == 9
    assert hospital.ask("Observation", ("_summary", "count")).total == len(hospital.all("Observation"))


def test_a_count_that_opens_too_many_records_is_refused(hospital, monkeypatch):
    for patient in ("q0", "q1"):
        hospital.write(patient, *blocks(patient, 0))
    give(hospital, "q0", "q1")
    monkeypatch.setattr(fhir_across, "EVERYWHERE", 1)
    with pytest.raises(InputError, match="too many records"):
        hospital.ask("Observation", HEART, ("_summary", "count"))
    assert hospital.ask("Observation", CREATININE, ("_summary", "count")).total == 6


def test_blocks_that_are_withheld_make_no_difference_to_a_count(hospital, monkeypatch):
    for patient in ("q0", "q1"):
        hospital.write(patient, *blocks(patient, 0))
    give(hospital, "q0", "q1", categories=("record",))
    monkeypatch.setattr(fhir_across, "EVERYWHERE", 1)
    assert hospital.ask("Observation", HEART, ("_summary", "count")).total == 0


def test_what_was_written_lately_is_found_with_its_readings(hospital):
    hospital.write("q0", *blocks("q0", 0))
    give(hospital, "q0")
    hospital.ward.time += timedelta(days=1)
    later = blocks("q0", 1)
    hospital.write("q0", *later, creatinine("1.0", "2026-03-01", "new", "q0"))
    since = ("_lastUpdated", f"ge{hospital.house.time()}")
    expected = ["Observation/new", *(f"Observation/{b['id']}" for b in series.expand(later[0]))]
    assert hospital.all("Observation", ("patient", "q0"), since) == expected
    assert hospital.ask("Observation", ("patient", "q0"), since, ("_total", "accurate")).total == 5
    assert hospital.all("Observation", since) == expected
    assert hospital.ask("Observation", since, ("_summary", "count")).total == 5
    newest = hospital.all("Observation", ("patient", "q0"), ("_sort", "-_lastUpdated"), ("_count", "2"))
    assert set(newest[:5]) == set(expected)
    assert len(newest) == len(set(newest)) == len(hospital.all("Observation", ("patient", "q0")))
    with pytest.raises(InputError, match="_lastUpdated"):
        hospital.ask("Observation", ("_lastUpdated", "yesterday"))


def test_of_each_code_the_last_ones_are_shown_the_newest_first(hospital):
    hospital.write("q0", *blocks("q0", 0, 1), *blocks("q0", 1, panel=True), *blocks("q0", 0, value=80, device="Belt"))
    tested = START + timedelta(days=1, hours=2)
    code = {"coding": [*RATE["coding"], {"system": "urn:lab", "code": "HR"}]}
    own = {"coding": [{"system": "urn:lab", "code": "HR"}]}
    singles = [
        {**creatinine("1", "2026-03-01", name, "q0"), "code": c, "effectiveDateTime": at.isoformat()}
        for name, c, at in (("a", code, tested), ("b", own, tested + timedelta(days=1)))
    ]
    hospital.write("q0", *singles)
    give(hospital, "q0")
    found = last(hospital, ("patient", "q0"), ("category", "vital-signs"), most=2)
    assert len(found) == 4
    assert [at for at, _ in found] == sorted((at for at, _ in found[:2]), reverse=True) + sorted(
        (at for at, _ in found[2:]), reverse=True
    )
    rates = last(hospital, ("patient", "q0"), ("code", "http://loinc.org|8867-4,urn:lab|HR"), most=3)
    assert [name for _, name in rates[:2]] == ["b", "a"]
    assert rates[2][1].endswith("030000")
    assert len(last(hospital, ("patient", "q0"), HEART)) == 1
    for asked in (
        (HEART,),
        (("patient", "q0"),),
        (("patient", "q0"), HEART, ("_sort", "date")),
        (("patient", "q0"), HEART, ("_count", "3")),
    ):
        with pytest.raises(InputError):
            last(hospital, *asked)
    for most in (0, 101):
        with pytest.raises(InputError, match="max"):
            last(hospital, ("patient", "q0"), HEART, most=most)


def test_the_last_of_a_year_opens_the_last_block(hospital, monkeypatch):
    hospital.write("q0", *blocks("q0", *range(40)))
    give(hospital, "q0")
    opened, open_row = [], Store.open_row
    monkeypatch.setattr(Store, "open_row", lambda *row: opened.append(row[3]) or open_row(*row))
    assert len(last(hospital, ("patient", "q0"), HEART, most=3)) == 3
    assert len({name for name in opened if name.startswith("series-")}) == 1
    opened.clear()
    page = hospital.ask("Observation", ("patient", "q0"), HEART, ("_sort", "-date"), ("_count", "6"))
    assert len(page.entries) == 6
    assert len({name for name in opened if name.startswith("series-")}) == 2


@pytest.mark.parametrize("count", ["1", "3", "100"])
def test_a_block_that_two_records_hold_is_shown_once_and_two_of_one_id_never_as_one(hospital, monkeypatch, count):
    monkeypatch.setattr(fhir_across, "FIRST", 1)
    (block,) = blocks("q0", 0)
    nobodys = {name: value for name, value in block.items() if name != "subject"}
    for patient in ("q0", "q1"):
        hospital.write(patient, nobodys)
    give(hospital, "q0", "q1", "q2")
    assert hospital.all("Observation", HEART, ("_count", count)) == [
        f"Observation/{b['id']}" for b in series.expand(block)
    ]
    (other,) = blocks("q0", 0, value=90)
    hospital.write("q1", other)
    with pytest.raises(Ambiguous):
        hospital.all("Observation", HEART, ("_count", count))
    with pytest.raises(Ambiguous):
        hospital.records().read("Observation", series.expand(block)[0]["id"])


@pytest.mark.parametrize("place", ["999-3", "999", "0-999", "13-0"])
def test_a_page_that_nobody_was_sent_to_is_no_error(hospital, place):
    hospital.write("q0", *blocks("q0", 0, 1, 2))
    give(hospital, "q0")
    for sort in ((), (("_sort", "date"),)):
        page = hospital.ask("Observation", ("patient", "q0"), HEART, ("_count", "5"), *sort)
        try:
            found = hospital.records().page(f"{page.next.partition('.')[0]}.{place}")
        except Expired:
            continue
        assert len(found.entries) <= 5


def test_codes_that_one_observation_connects_are_one_group_of_the_last(hospital):
    def result(name, at, *codes):
        coded = {"coding": [{"system": "urn:x", "code": code} for code in codes]}
        return {**creatinine("1.0", f"2026-01-{at:02}", name), "subject": {"reference": "Patient/q0"}, "code": coded}

    hospital.write("q0", result("a1", 1, "a"), result("b1", 2, "b"), result("c1", 3, "c"), result("ab", 4, "a", "b"))
    give(hospital, "q0")
    found = last(hospital, ("patient", "q0"), ("code", "urn:x|"), most=3)
    assert [name for _, name in found] == ["ab", "b1", "a1", "c1"]


def test_a_readings_history_is_that_of_the_record_in_which_it_stands(hospital):
    short, long = (
        {name: value for name, value in block.items() if name != "subject"}
        for count in (2, 6)
        for block in blocks("q0", 0, count=count)
    )
    hospital.write("q0", short)
    hospital.write("q1", long)
    give(hospital, "q0", "q1")
    late = series.expand(long)[5]["id"]
    records = hospital.records()
    assert [s.source.ref for s in records.history("Observation", late)] == [f"Observation/{late}"]
    assert records.version("Observation", late, 1).body == records.read("Observation", late).body


def test_a_search_for_values_among_too_many_readings_is_refused(hospital, monkeypatch):
    hospital.write("q0", *blocks("q0", 0, 1, 2, count=10))
    give(hospital, "q0")
    rare = ("patient", "q0"), HEART, ("value-quantity", "gt999")
    assert hospital.all("Observation", *rare) == []
    monkeypatch.setattr(fhir_walk, "READINGS", 29)
    for asked in (rare, (*rare, ("_summary", "count")), (*rare, ("_total", "accurate"))):
        with pytest.raises(InputError, match="too many readings"):
            hospital.ask("Observation", *asked)
    assert hospital.all("Observation", *rare, ("date", f"lt{START + timedelta(days=1):%Y-%m-%d}")) == []
    assert len(hospital.all("Observation", ("patient", "q0"), HEART)) == 30
