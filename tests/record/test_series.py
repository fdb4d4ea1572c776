"""Blocks in a chart: methods see every reading as an Observation, and only what they ask for is opened."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import IntegrityError, MethodError
from salus.fhir import json, series, views
from salus.fhir.columns import in_columns, micros, whole
from salus.fhir.series import Block
from salus.record.chart import Chart
from salus.record.pages import Readings
from salus.terminology import codes
from salus.terminology.naming import names_by
from tests.conftest import person

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
UNITS = {"heart-rate": "/min", "body-weight": "kg", "step-count": "{count}", "body-temperature": "Cel"}


def coded(concept):
    code = codes.get(concept).codes[0]
    return {"coding": [{"system": code.system, "code": code.code, "display": code.display}]}


def head(concept="heart-rate", device="Watch", source="Health", stretch="day", setting="home"):
    if concept == "blood-pressure":
        parts = tuple(series.Part(coded(name), "mm[Hg]") for name in ("systolic-bp", "diastolic-bp"))
    else:
        parts = (series.Part(coded(concept), UNITS[concept]),)
    return series.Head({**coded(concept), "text": codes.get(concept).display}, parts, device, source, setting, stretch)


def blocks(*told, **how):
    """Blocks of (time, value or values) of one series."""
    zone = how.pop("zone", 120)
    of = head(**how)
    rows = {}
    for at, value, *more in told:
        length = int(more[0].total_seconds() * 1_000_000) if more else 0
        values = value if isinstance(value, tuple) else (value,)
        row = (micros(at), length, tuple(whole(Decimal(str(v))) for v in values), zone, "")
        rows.setdefault(of.stretch_of(row[0]), []).append(row)
    return [json.loads(json.dumps(series.body(of, in_columns(sorted(r), len(of.parts))))) for r in rows.values()]


def single(at, value, concept="heart-rate", device="Watch", id="s", setting="home"):
    body = series.reading_body(blocks((at, value), concept=concept, device=device)[0], 0)
    tags = [{"system": views.TAG_SETTING, "code": setting}] if setting else []
    return {**body, "id": id, "meta": {"tag": tags}}


def chart(*resources, now=NOW):
    return Chart.of([person(), *(json.loads(json.dumps(r)) for r in resources)], now=now)


def days(count, per_day=24, **how):
    start = NOW - timedelta(days=count)
    step = timedelta(days=1) / per_day
    return blocks(*((start + step * n, 60 + n % 30) for n in range(count * per_day)), **how)


@pytest.fixture
def opened(monkeypatch):
    """The ids of the blocks whose columns were read."""
    found = []
    read = Block._columns

    def noted(block):
        found.append(block.body["id"])
        return read(block)

    monkeypatch.setattr(Block, "_columns", noted)
    return found


# ---- what methods see


def test_a_reading_is_seen_as_the_observation_that_it_stands_for():
    told = blocks((NOW - MINUTE, 61), (NOW - 9 * MINUTE, "62.5", MINUTE))
    found = chart(*told).observations("heart-rate")
    assert len(found) == 2
    for observation, body in zip(found, series.expand(told[0]), strict=True):
        wanted = views.observation(observation.source, body, names_by())
        for name in ("concepts", "codes", "text", "status", "value", "components", "places", "effective", "setting"):
            assert getattr(observation, name) == getattr(wanted, name), name
        assert observation.device == wanted.device
        assert observation.effective.text == wanted.effective.text
        assert dict(observation.body) == body
        assert len(observation.body) == len(body)
        assert observation.source.ref == f"Observation/{body['id']}"
        assert observation.source.categories == {"signal"}


def test_a_panel_is_found_by_its_own_name_and_by_its_parts():
    (told,) = blocks((NOW - MINUTE, (131, 84)), concept="blood-pressure", stretch="month")
    found = chart(told)
    (whole_one,) = found.observations("blood-pressure")
    assert {n: q.value for n, q in whole_one.components.items()} == {"systolic-bp": 131, "diastolic-bp": 84}
    assert whole_one.places == {"systolic-bp": 0, "diastolic-bp": 1}
    assert found.observations("systolic-bp") == ()
    (part,) = found.panels("systolic-bp")
    assert part.source == whole_one.source
    assert found.panels("blood-pressure") == ()
    newest = found.recorded()
    assert {newest[n].source.ref for n in ("blood-pressure", "systolic-bp", "diastolic-bp")} == {part.source.ref}


def test_readings_come_in_order_beside_single_observations():
    told = days(3, per_day=4)
    between = single(NOW - timedelta(days=1, hours=5), 99, setting=None)
    found = chart(*told, between).observations("heart-rate")
    starts = [o.effective.start for o in found]
    assert starts == sorted(starts)
    assert len(found) == 13
    assert found[-1].effective.start == max(starts)
    assert 99 in [o.value.value for o in found]


def test_it_is_a_sequence_like_any_other():
    found = chart(*days(5, per_day=7)).observations("heart-rate")
    every = list(found)
    assert isinstance(found, Readings)
    assert len(every) == len(found) == 35
    assert list(reversed(found)) == every[::-1]
    for place in (slice(None), slice(-3, None), slice(2, 9), slice(-100, None), slice(-9, -2), slice(None, None, 5)):
        assert list(found[place]) == every[place]
    for place in (0, 1, 34, -1, -35, -8):
        assert found[place] == every[place]
    for place in (35, -36):
        with pytest.raises(IndexError):
            found[place]
    assert every[3] in found
    assert bool(found)


@given(st.lists(st.integers(0, 4000), min_size=1, max_size=40, unique=True), st.integers(0, 5000))
def test_a_time_gives_what_started_since_then(minutes, ago):
    told = blocks(*((NOW - m * MINUTE, 60 + m % 9) for m in minutes), stretch="day")
    since = NOW - ago * MINUTE
    found = chart(*told).observations("heart-rate", since)
    wanted = sorted(NOW - m * MINUTE for m in minutes if m <= ago)
    assert [o.effective.start for o in found] == wanted
    assert len(found) == len(wanted)
    assert bool(found) == bool(wanted)


def test_what_lies_ahead_of_the_moment_is_not_there_yet():
    told = [*blocks((NOW - MINUTE, 60), (NOW + 7 * MINUTE, 61)), *days(1)]
    ahead = blocks((NOW + timedelta(days=2), 62))
    found = chart(*told[:1], *ahead)
    assert [o.value.value for o in found.observations("heart-rate")] == [60]
    assert found.latest("heart-rate").value.value == 60
    assert found.until == NOW + 7 * MINUTE
    later = chart(*told[:1], *ahead, now=NOW + 7 * MINUTE)
    assert later.latest("heart-rate").value.value == 61
    assert not any(later.replay(read) for read in found.reads)


@pytest.mark.parametrize(("ago", "value"), [(1, 61), (9, 77)])
def test_the_newest_of_all_is_recorded_whether_in_a_block_or_not(ago, value):
    told = blocks((NOW - ago * MINUTE, 61))
    found = chart(*told, single(NOW - 5 * MINUTE, 77, id="zz", setting=None)).recorded()
    assert found["heart-rate"].value.value == value


def test_a_block_inside_a_report_is_no_block_of_the_record():
    (told,) = blocks((NOW - MINUTE, 61))
    report = {"resourceType": "DiagnosticReport", "id": "r", "status": "final", "contained": [told]}
    (found,) = chart(report).observations("heart-rate")
    assert found.value is None
    assert found.source.ref == "DiagnosticReport/r"


# ---- what is opened


def test_nobody_opens_what_is_not_asked_for(opened):
    told = [*days(40), *days(40, concept="body-weight", stretch="month", device="Scale")]
    found = chart(*told)
    assert any(found.observations("heart-rate"))
    opened.clear()
    found = chart(*told)
    assert found.latest("heart-rate").value is not None
    assert [*found.observations("heart-rate", NOW - timedelta(hours=30))]
    assert found.recorded().keys() == {"heart-rate", "body-weight"}
    assert found.observations("heart-rate")[-2:]
    assert bool(found.observations("body-weight"))
    assert len(set(opened)) <= 4
    assert len(opened) == len(set(opened))


def test_asking_whether_there_is_anything_opens_one_block(opened):
    assert chart(*days(30)).observations("heart-rate")
    assert len(opened) == 1


def test_the_digest_of_a_read_opens_nothing_but_what_is_cut(opened):
    found = chart(*days(30))
    found.observations("heart-rate")
    found.observations("heart-rate", NOW - timedelta(days=9))
    assert len(found.reads) == 2
    assert set(opened) <= {days(30)[-1]["id"]}


# ---- the read set


def reads(resources, since=None):
    found = chart(*resources)
    found.observations("heart-rate", since)
    found.latest("heart-rate")
    return found.reads


def test_a_read_changes_with_the_readings_that_it_rests_on_and_with_no_other():
    told = days(10)
    since = NOW - timedelta(days=2)
    before = {r.accessor: r for r in reads(told, since)}
    old = [series.merged(told[0], blocks((NOW - timedelta(days=10, minutes=-7), 99))[0]), *told[1:]]
    weight = blocks((NOW - MINUTE, 71), concept="body-weight", device="Scale")
    for same in (old, [*told, *weight]):
        later = chart(*same)
        assert later.replay(before["observations"])
        assert later.replay(before["latest"])
    recent = [*told[:-1], series.merged(told[-1], blocks((NOW - 11 * MINUTE, 99))[0])]
    assert not chart(*recent).replay(before["observations"])
    newer = [*told[:-1], series.merged(told[-1], blocks((NOW - MINUTE, 99))[0])]
    assert not chart(*newer).replay(before["latest"])
    assert all(r.categories == {"signal"} for r in before.values())


def test_a_read_of_nothing_is_of_the_record():
    found = chart(*days(2))
    assert not found.observations("heart-rate", NOW + MINUTE)
    assert found.reads[0].categories == {"record"}


# ---- what is no block


def test_what_cannot_be_told_is_never_silent():
    (told,) = blocks((NOW - MINUTE, 61))
    unknown = {**told, "code": {"coding": [{"system": "http://loinc.org", "code": "00000-0"}], "text": "a riddle"}}
    unknown["valueSampledData"] = {**told["valueSampledData"], "origin": {"value": 0, "code": "1", "unit": "1"}}
    assert [o.text for o in chart(unknown).unread_observations()] == ["a riddle"]
    doubtful = {**told, "status": "unknown"}
    assert len(chart(doubtful).unread_observations()) == 1
    newborn = {**told, "focus": [{"reference": "Patient/p2"}]}
    assert len(chart(newborn).unread_observations()) == 1
    turned = {**told, "modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}
    assert len(chart(turned).modified("Observation")) == 1
    for each in (unknown, doubtful, newborn, turned):
        assert not chart(each).observations("heart-rate")
    withdrawn = {**told, "status": "entered-in-error"}
    assert not chart(withdrawn).observations("heart-rate")
    assert not chart(withdrawn).unread_observations()


def test_a_block_without_columns_is_an_observation_without_a_value():
    (told,) = blocks((NOW - MINUTE, 61))
    empty = {k: v for k, v in told.items() if k != "valueSampledData"}
    (found,) = chart(empty).observations("heart-rate")
    assert found.value is None


def test_a_damaged_block_is_an_error_and_not_a_gap():
    (told,) = blocks((NOW - MINUTE, 61))
    told["valueSampledData"] = {**told["valueSampledData"], "data": "6x"}
    with pytest.raises(IntegrityError, match="cannot be read"):
        chart(told).latest("heart-rate")


# ---- doubles


def test_a_copy_beside_the_watch_is_settled_when_read():
    own = [(NOW - timedelta(hours=n), (128 + n, 78)) for n in range(6)]
    how = {"concept": "blood-pressure", "stretch": "month"}
    copies = [(at + timedelta(seconds=1), value) for at, value in own]
    told = [*blocks(*own, device="Cuff", **how), *blocks(*copies, device="App", source="", **how)]
    found = chart(*told)
    assert len(found.observations("blood-pressure")) == 6
    assert {o.device for o in found.observations("blood-pressure")} == {"Cuff"}
    assert len(found.panels("systolic-bp")) == 6
    assert len([r for r in found.resources() if series.is_block(r[1])]) == 2


def test_doubles_are_settled_across_midnight():
    midnight = NOW.replace(hour=0)
    watch = blocks((midnight - timedelta(seconds=1), 60), (midnight - timedelta(hours=2), 70))
    phone = blocks((midnight + timedelta(seconds=1), 60), (midnight + timedelta(hours=2), 80), device="Phone")
    values = [o.value.value for o in chart(*watch, *phone).observations("heart-rate")]
    assert values == [70, 60, 80]
    # which of the two stays does not depend on what is asked: the phone's, whose name comes first
    since = chart(*watch, *phone).observations("heart-rate", midnight)
    assert [o.value.value for o in since] == [60, 80]
    other = blocks((midnight + timedelta(seconds=1), 60), (midnight + timedelta(hours=2), 80), device="Zeta")
    since = chart(*watch, *other).observations("heart-rate", midnight)
    assert [o.value.value for o in since] == [80]
    whole_day = chart(*watch, *other).readings("heart-rate", "/min", midnight, NOW)
    assert list(whole_day.values) == [80]


def test_steps_of_an_hour_are_those_of_the_fuller_source():
    at = NOW - timedelta(hours=5)
    watch = blocks((at, 100), (at + 10 * MINUTE, 50), concept="step-count")
    phone = blocks((at, 120), (at + timedelta(hours=1), 7), concept="step-count", device="Phone")
    values = [o.value.value for o in chart(*watch, *phone).observations("step-count")]
    assert values == [100, 50, 7]


def test_what_an_earlier_release_filed_one_by_one_counts_once():
    at = NOW - timedelta(hours=5)
    told = blocks((at, 61), (at + MINUTE, 62))
    old = [single(at, 61, id="old-1"), single(at + MINUTE, 62, id="old-2")]
    found = chart(*told, *old).observations("heart-rate")
    assert [o.source.ref for o in found] == ["Observation/old-1", "Observation/old-2"]
    assert len(chart(*told, single(at, 61, device="Scale", id="o", setting=None)).observations("heart-rate")) == 2


def test_single_observations_of_two_apps_at_home_are_settled_too():
    at = NOW - timedelta(hours=5)
    two = [single(at, 61, device="A", id="a"), single(at + timedelta(seconds=1), 61, device="B", id="b")]
    assert len(chart(*two).observations("heart-rate")) == 1
    ward = [single(at, 61, device="A", id="a", setting=None), single(at, 61, device="B", id="b", setting=None)]
    assert len(chart(*ward).observations("heart-rate")) == 2


# ---- arrays and summaries


def test_arrays_are_in_the_unit_that_is_asked_for():
    told = blocks(*((NOW - n * MINUTE, "36.5") for n in (3, 2, 1)), concept="body-temperature")
    found = chart(*told)
    told_in = found.readings("body-temperature", "[degF]", NOW - 3 * MINUTE, NOW - MINUTE)
    assert list(told_in.values) == pytest.approx([97.7, 97.7])
    assert list(told_in.times) == [micros(NOW - 3 * MINUTE), micros(NOW - 2 * MINUTE)]
    assert (told_in.unit, told_in.unread) == ("[degF]", 0)
    wrong = found.readings("body-temperature", "kg", NOW - 3 * MINUTE, NOW)
    assert (len(wrong.values), wrong.unread) == (0, 3)
    (read, _) = found.reads
    assert (read.accessor, read.categories) == ("readings", {"signal"})
    assert found.replay(read)


@given(st.lists(st.tuples(st.integers(0, 5000), st.decimals(-50, 50, places=2)), min_size=1, max_size=40))
def test_arrays_are_the_readings(told):
    resources = blocks(*((NOW - m * MINUTE, v) for m, v in told), concept="body-temperature")
    found = chart(*resources)
    every = found.readings("body-temperature", "Cel", NOW - timedelta(days=9), NOW + MINUTE)
    seen = found.observations("body-temperature")
    assert list(every.times) == [micros(o.effective.start) for o in seen]
    assert list(every.values) == pytest.approx([float(o.value.value) for o in seen])
    part = found.readings("body-temperature", "Cel", NOW - 700 * MINUTE, NOW - 7 * MINUTE)
    assert list(part.times) == [t for t in every.times if micros(NOW) - 42 * 10**9 <= t < micros(NOW) - 42 * 10**7]


def test_arrays_of_a_part_of_a_panel_and_of_single_observations():
    told = blocks((NOW - 2 * MINUTE, (131, 84)), concept="blood-pressure", stretch="month")
    alone = single(NOW - MINUTE, 140, concept="heart-rate")
    alone = {**alone, "code": coded("systolic-bp"), "valueQuantity": {**alone["valueQuantity"], "unit": "mm[Hg]"}}
    alone["valueQuantity"] = {"value": 140, "unit": "mm[Hg]", "code": "mm[Hg]", "system": "http://unitsofmeasure.org"}
    found = chart(*told, alone).readings("systolic-bp", "mm[Hg]", NOW - timedelta(days=1), NOW)
    assert list(found.values) == [131, 140]
    lower = chart(*told).readings("diastolic-bp", "mm[Hg]", NOW - timedelta(days=1), NOW)
    assert list(lower.values) == [84]


@pytest.mark.parametrize("per_day", [12, 480])
@pytest.mark.parametrize("by", ["hour", "day"])
@pytest.mark.parametrize("zone", [120, 330, -600])
def test_summaries_are_those_of_the_readings(by, per_day, zone):
    told = days(3, per_day=per_day, zone=zone)
    found = chart(*told)
    rows = found.summaries("heart-rate", "/min", by, NOW - timedelta(days=9), NOW).rows
    groups = {}
    for o in found.observations("heart-rate"):
        local = o.effective.start + timedelta(minutes=zone if by == "day" else 0)
        groups.setdefault(local.replace(minute=0, second=0, **({"hour": 0} if by == "day" else {})), []).append(
            float(o.value.value)
        )
    assert len(rows) == len(groups)
    for row, (start, values) in zip(rows, sorted(groups.items()), strict=True):
        assert row.start.replace(tzinfo=UTC) == start
        assert (row.n, row.least, row.greatest, row.last) == (len(values), min(values), max(values), values[-1])
        assert row.mean == pytest.approx(sum(values) / len(values))
    assert sum(r.n for r in rows) == 3 * per_day


def test_summaries_of_whole_blocks_open_no_reading(opened):
    found = chart(*days(20, per_day=480))
    opened.clear()
    rows = found.summaries("heart-rate", "/min", "day", NOW - timedelta(days=60), NOW + MINUTE).rows
    assert len(rows) == 21
    assert len(set(opened)) <= 1
    with pytest.raises(MethodError, match="by"):
        found.summaries("heart-rate", "/min", "week", NOW, NOW)


def test_summaries_count_doubles_once():
    at = NOW - timedelta(hours=5)
    watch = blocks((at, 100), concept="step-count")
    phone = blocks((at, 40), concept="step-count", device="Phone")
    (row,) = chart(*watch, *phone).summaries("step-count", "{count}", "day", NOW - timedelta(days=2), NOW).rows
    assert (row.n, row.mean) == (1, 100)


# ---- evidence


def test_a_cited_reading_is_opened():
    told = blocks((NOW - 2 * MINUTE, 61), (NOW - MINUTE, 62))
    found = chart(*told, single(NOW - MINUTE, 70, id="plain"))
    for observation in found.observations("heart-rate"):
        source, body = found.resource(observation.source.ref)
        assert source == observation.source
        assert body["valueQuantity"]["value"] == observation.value.value
    for ref in ("Observation/none", "Observation/none.01000000", f"Observation/{told[0]['id']}.01000000"):
        assert found.resource(ref) is None
    assert found.resource("Observation/plain.01000000") is None


@pytest.mark.parametrize("by", ["hour", "day"])
def test_blocks_of_a_minute_tell_what_blocks_of_a_day_tell(by):
    chance = random.Random(1)
    start = NOW - timedelta(days=2)
    told = [(start + timedelta(seconds=200 * n + chance.random()), chance.randrange(50, 90)) for n in range(800)]
    days, minutes = (chart(*blocks(*told, stretch=stretch)) for stretch in ("day", "minute"))
    seen = [[(o.value, o.effective) for o in each.observations("heart-rate")] for each in (days, minutes)]
    assert seen[0] == seen[1]
    assert len(seen[0]) == 800
    sums = [each.summaries("heart-rate", "/min", by, start, NOW).rows for each in (days, minutes)]
    assert sums[0] == sums[1]
