"""Blocks of readings: every reading comes back as it went in, and a block says what its Observations say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import InputError
from salus.fhir import json, series, series_head, views
from salus.fhir.categories import categories_of
from salus.fhir.columns import DAY, Columns, exact, in_columns, least, micros, moment, whole

FIRST = micros(datetime(2026, 5, 1, tzinfo=UTC))


def coded(code, text=""):
    return {"coding": [{"system": "http://loinc.org", "code": code}], **({"text": text} if text else {})}


def head(**changes):
    given = {"code": coded("8867-4", "Heart rate"), "device": "Watch", "source": "Health", "stretch": "day"}
    unit = changes.pop("unit", "/min")
    given.update(changes)
    return series.Head(parts=(series.Part(given["code"], unit),), **given)


PRESSURE = series.Head(
    coded("85354-9", "Blood pressure"),
    (series.Part(coded("8480-6"), "mm[Hg]"), series.Part(coded("8462-4"), "mm[Hg]")),
    "Cuff",
    stretch="month",
)


def row(second, value, *more, length=0, zone=120, mark="", at=FIRST):
    told = tuple(whole(Decimal(v)) for v in (value, *more))
    return at + int(Decimal(str(second)) * 1_000_000), int(length * 1_000_000), told, zone, mark


def block(*rows, of=None):
    of = of or head()
    return series.body(of, in_columns(rows, len(of.parts)))


def again(body):
    """The body as it comes out of the store."""
    return json.loads(json.dumps(body))


VALUES = st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, allow_infinity=False, places=None).filter(
    lambda d: -20 < d.as_tuple().exponent < 20
)
ROWS = st.lists(
    st.tuples(
        st.one_of(
            st.integers(0, 86_399).map(lambda s: FIRST + s * 1_000_000),
            st.integers(0, DAY - 1).map(lambda us: FIRST + us),
        ),
        st.one_of(st.just(0), st.integers(0, 3600).map(lambda s: s * 1_000_000), st.integers(0, DAY)),
        st.tuples(VALUES.map(whole)),
        st.sampled_from([0, 120, -330, 840]),
        st.sampled_from(["", "user-entered"]),
    ),
    min_size=1,
    max_size=60,
)


@given(rows=ROWS)
def test_every_reading_comes_back(rows):
    told = in_columns(rows)
    found = series.Block(again(series.body(head(), told)))
    assert list(found.columns.rows()) == list(told.rows())
    wanted = {(r[0], r[1], exact(*r[2][0])) for r in rows}
    assert {(s, n, exact(*v[0])) for s, n, v, _, _ in found.columns.rows()} == wanted
    assert len(found) == len(wanted)
    assert found.head == head()
    assert (found.start, found.end) == (min(r[0] for r in rows), max(r[0] + r[1] for r in rows))


@given(rows=ROWS)
def test_the_hours_are_those_of_the_readings(rows):
    told = in_columns(rows)
    kept = series.Block(again(series.body(head(), told)))
    hours = kept.hours()
    assert sum(h.n for h in hours) == len(told)
    for hour in hours:
        values = [told.value(n) for n in range(len(told)) if 0 <= told.starts[n] - hour.start < 3_600_000_000]
        assert (hour.n, hour.least, hour.greatest, hour.last) == (len(values), min(values), max(values), values[-1])
        assert hour.total == sum(map(_fraction, values))
    assert kept.has_hours == (len(told) >= 4 * len(hours))


def _fraction(value):
    from fractions import Fraction

    return Fraction(value)


@given(rows=ROWS)
def test_a_reading_is_found_by_its_id_and_reads_as_the_view_says(rows):
    body = again(series.body(head(), in_columns(rows)))
    singles = series.expand(body)
    assert len({s["id"] for s in singles}) == len(singles) == len(series.Block(body))
    for n, single in enumerate(singles):
        assert series.find(body, single["id"]) == single == series.reading_body(body, n)
        assert len(single["id"]) <= 64
        view = views.observation(views.Source("", 1, ""), again(single))
        assert view.quantity.value == series.Block(body).columns.value(n)
        assert micros(view.effective.start) == series.Block(body).columns.starts[n]
        assert (view.setting, view.device) == ("home", "Watch")


@given(one=ROWS, other=ROWS)
def test_two_blocks_become_one_that_tells_each_reading_once(one, other):
    first, second = (again(series.body(head(), in_columns(rows))) for rows in (one, other))
    both = series.merged(first, second)
    assert again(both) == again(series.body(head(), in_columns([*one, *other])))
    assert series.merged(both, second) == both
    assert series.merged(both, first) == both


def test_a_block_that_grows_stays_its_patients():
    held = {**block(row(0, 1)), "subject": {"reference": "Patient/p1"}}
    assert series.merged(held, block(row(1, 2)))["subject"] == {"reference": "Patient/p1"}
    assert series.merged(held, block(row(0, 1))) == held


@given(rows=ROWS, cut=st.integers(0, 86_400), length=st.integers(0, 86_400))
def test_what_lies_in_a_time_is_all_that_is_expanded(rows, cut, length):
    body = series.body(head(), in_columns(rows))
    since = moment(FIRST) + timedelta(seconds=cut)
    found = series.expand(body, since, since + timedelta(seconds=length))
    wanted = [s for s in series.expand(body) if since <= _start(s) < since + timedelta(seconds=length)]
    assert found == wanted


def _start(body):
    return views.span_of(body, "effectiveDateTime", "effectivePeriod").start


def test_a_block_is_an_observation_of_r4():
    body = block(row(10, "71.5"), row(20, "72", length=30), row(86_000, "70.25"))
    assert body["id"].endswith("-20260501")
    assert series.BLOCK_ID.fullmatch(body["id"])
    assert body["effectivePeriod"] == {"start": "2026-05-01T00:00:10Z", "end": "2026-05-01T23:53:20Z"}
    told = body["valueSampledData"]
    assert told["data"] == "7150 7200 7025"
    assert (told["factor"], told["dimensions"], told["origin"]["value"]) == (Decimal("0.01"), 1, 0)
    assert [e.get("valueString") or e["valueCode"] for e in told["extension"]] == ["s", "0 10 85990"]
    own = {e["url"]: e["valueString"] for e in body["extension"]}
    assert own == {series.EXT_SOURCE: "Health", series.EXT_DURATIONS: "0 30 0", series.EXT_ZONES: "0:120"}


def test_a_single_reading_says_what_was_measured():
    body = {**block(row(10, "71.5", mark="user-entered"), row(20, "72", length=30)), "subject": {"reference": "x"}}
    first, second = series.expand(body)
    assert first["effectiveDateTime"] == "2026-05-01T02:00:10+02:00"
    assert second["effectivePeriod"] == {"start": "2026-05-01T02:00:20+02:00", "end": "2026-05-01T02:00:50+02:00"}
    assert first["valueQuantity"]["value"] == Decimal("71.5")
    assert first["extension"] == [{"url": series.MARK, "valueCode": "user-entered"}]
    assert "extension" not in second
    assert first["subject"] == {"reference": "x"}
    assert first["id"] == f"{body['id']}.01000010"
    assert series.TAG_SERIES not in str(first["meta"])


def test_a_panel_has_a_column_a_part():
    body = block(row(0, 131, 84), row(60, 129, "82.5"), of=PRESSURE)
    assert body["id"].endswith("-202605")
    parts = [c["valueSampledData"] for c in body["component"]]
    assert [p["data"] for p in parts] == ["131 129", "840 825"]
    assert "factor" not in parts[0]
    assert "valueSampledData" not in body
    second = series.reading_body(again(body), 1)
    assert [c["valueQuantity"]["value"] for c in second["component"]] == [129, Decimal("82.5")]
    assert series.EXT_HOURS not in str(body)


def test_of_readings_of_one_instant_each_has_an_id_of_its_own():
    body = block(row(10, 71), row(10, 72), row(10, 73), row(10, 73))
    ids = [s["id"] for s in series.expand(body)]
    assert [i.rpartition(".")[2] for i in ids] == ["01000010", "01000010-2", "01000010-3"]
    for wrong in ("01000010-1", "01000010-4", "01000011", "32000010", "x", "01000010-02"):
        assert series.find(body, f"{body['id']}.{wrong}") is None
    assert series.find(body, "other.01000010") is None


def test_an_id_stays_when_readings_come_in_before_it():
    before = block(row(500, 71))
    (single,) = series.expand(before)
    both = series.merged(before, block(row(10, 60), row(700, 80)))
    assert series.find(both, single["id"]) == single


@pytest.mark.parametrize("instant", ["2026-05-01T00:00:10.000001Z", "2026-05-01T00:00:10.5Z"])
def test_parts_of_seconds_are_kept(instant):
    at = micros(datetime.fromisoformat(instant))
    body = again(block(row(0, 70), (at, 0, (whole(Decimal(71)),), 0, "")))
    assert series.Block(body).columns.starts[1] == at
    assert series.find(body, series.expand(body)[1]["id"]) is not None


def test_numbers_beyond_64_bits_are_exact():
    large = Decimal("123456789012345678901.123456789012345")
    body = again(block(row(0, "1"), row(1, large)))
    assert series.Block(body).columns.value(1) == large


def test_a_block_is_of_the_kinds_that_its_readings_are():
    rows = [row(60 * n, 60 + n % 40) for n in range(1400)]
    body = block(*rows)
    assert len(json.dumps(body)) > 8000
    assert categories_of(body) == categories_of(series.reading_body(body, 3)) == {"signal"}
    assert categories_of(block(*(row(n, 130, 80) for n in range(900)), of=PRESSURE)) == {"signal"}
    spoken = {**body, "note": [{"text": "x" * 5000}]}
    assert "note" in categories_of(spoken)


def test_the_series_decides_on_the_block():
    same = [head(), head(code=coded("8867-4", "Heart rate (renamed)"))]
    assert len({h.block_id(FIRST) for h in same}) == 1
    others = [head(), head(device="Phone"), head(source="App"), head(setting="ward"), head(unit="Hz"), PRESSURE]
    others += [head(code=coded("9279-1")), head(stretch="month")]
    assert len({h.block_id(FIRST)[:23] for h in others}) == len(others)
    assert head().block_id(FIRST) != head().block_id(FIRST + DAY)
    assert head(stretch="month").block_id(FIRST) == head(stretch="month").block_id(FIRST + 30 * DAY)


def test_blocks_of_different_series_are_never_joined():
    with pytest.raises(InputError, match="not of one series"):
        series.merged(block(row(0, 1)), block(row(0, 1), of=head(device="Phone")))
    with pytest.raises(InputError, match="not of one series"):
        series.merged({**block(row(0, 1)), "status": "entered-in-error"}, block(row(0, 2)))
    with pytest.raises(InputError, match="not of one series"):
        series.merged({**block(row(0, 1)), "modifierExtension": [{}]}, block(row(0, 2)))


def changed(**more):
    body = again(block(row(0, 60), row(60, 61, length=5), row(120, 62)))
    return {**body, **more}


def sampled(**more):
    body = changed()
    return {**body, "valueSampledData": {**body["valueSampledData"], **more}}


def extension(url, text):
    return changed(extension=[{"url": url, "valueString": text}])


NO_BLOCK = {
    "no tag": changed(meta={}),
    "no columns": {k: v for k, v in changed().items() if k != "valueSampledData"},
    "no period": {k: v for k, v in changed().items() if k != "effectivePeriod"},
    "a period that is none": changed(effectivePeriod={"start": "yesterday", "end": "today"}),
    "words for columns": changed(valueSampledData="1 2 3"),
}
DAMAGED = {
    "marks instead of numbers": sampled(data="60 U 62"),
    "fewer values": sampled(data="60 61"),
    "more values": sampled(data="60 61 62 63"),
    "an origin": sampled(origin={"value": 1, "unit": "/min"}),
    "no origin": sampled(origin=None),
    "a factor that is no power of ten": sampled(factor=Decimal("0.5")),
    "time going back": sampled(
        extension=[{"url": series.INTERVAL_UNIT, "valueCode": "s"}, {"url": series.OFFSETS, "valueString": "0 60 50"}]
    ),
    "not from the start": sampled(
        extension=[{"url": series.INTERVAL_UNIT, "valueCode": "s"}, {"url": series.OFFSETS, "valueString": "1 60 120"}]
    ),
    "beyond the end": sampled(
        extension=[{"url": series.INTERVAL_UNIT, "valueCode": "s"}, {"url": series.OFFSETS, "valueString": "0 60 121"}]
    ),
    "an unknown unit of time": sampled(
        extension=[{"url": series.INTERVAL_UNIT, "valueCode": "h"}, {"url": series.OFFSETS, "valueString": "0 60 120"}]
    ),
    "no instants": sampled(extension=[]),
    "a negative length": extension(series.EXT_DURATIONS, "0 -5 0"),
    "too few lengths": extension(series.EXT_DURATIONS, "0 5"),
    "runs that go back": extension(series.EXT_ZONES, "0:0 2:60 1:0"),
    "runs that begin late": extension(series.EXT_ZONES, "1:60"),
    "runs beyond the end": extension(series.EXT_ZONES, "0:0 3:60"),
    "a clock that cannot be": extension(series.EXT_ZONES, "0:900"),
    "two days in one": changed(
        effectivePeriod={"start": "2026-05-01T23:59:00Z", "end": "2026-05-02T00:05:00Z"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("told", NO_BLOCK.values(), ids=NO_BLOCK)
def test_what_is_no_block_is_refused_at_once(told):
    with pytest.raises(InputError):
        series.Block(told)


@pytest.mark.parametrize("told", DAMAGED.values(), ids=DAMAGED)
def test_columns_that_do_not_fit_are_refused(told):
    found = series.Block(told)
    with pytest.raises(InputError, match="cannot be read"):
        found.columns  # noqa: B018


def test_nothing_and_too_much_make_no_block(monkeypatch):
    with pytest.raises(InputError, match="0 readings"):
        series.body(head(), Columns([], [], [], ([],), (0,)))
    three = changed()
    monkeypatch.setattr(series_head, "MAX_READINGS", 2)
    with pytest.raises(InputError, match="3 readings"):
        block(row(0, 1), row(1, 1), row(2, 1))
    with pytest.raises(InputError, match="too many"):
        series.Block(three)


@given(value=VALUES)
def test_decimals_as_whole_numbers(value):
    number, exponent = whole(value)
    assert exact(number, exponent) == value
    assert exponent == 0 or number % 10
    assert least(number * 100, exponent + 2) == (number, exponent)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e50", "1e-50"])
def test_no_numbers_are_refused(value):
    with pytest.raises(InputError):
        whole(Decimal(value))


@given(st.integers(-(10**15), 10**16), st.sampled_from([0, 120, -330]))
def test_instants_are_exact(instant, zone):
    assert micros(moment(instant, zone)) == instant


def test_whatever_an_app_is_called_it_is_told_and_a_mark_is_a_word():
    of = head(source="0:0")
    assert series.Block(again(block(row(0, 1), of=of))).head == of
    with pytest.raises(InputError, match="not one word"):
        block(row(0, 1, mark="by hand"))


def test_a_clock_that_is_changed_within_a_day():
    rows = [row(60 * n, 60, zone=60 if n < 5 else 120) for n in range(10)]
    body = again(block(*rows))
    assert {e["url"]: e["valueString"] for e in body["extension"]}[series.EXT_ZONES] == "0:60 5:120"
    found = series.Block(body)
    assert [b - a for a, b in pairwise(found.columns.zones)] == [0, 0, 0, 0, 60, 0, 0, 0, 0]
    assert found.zone is None
    assert series.Block(block(row(0, 1, zone=-330))).zone == -330
    assert series.Block(block(row(0, 1, zone=0))).zone == 0


def test_ids_of_readings_are_told_from_others():
    assert series.split(f"Observation/series-{'a' * 16}-202605.02050000-2") == (
        f"Observation/series-{'a' * 16}-202605",
        "02050000-2",
    )
    for other in ("Observation/a.b", "Observation/x", ".02050000", "lab.20260101", "Observation/1.2.840.10008"):
        assert series.split(other) == ("", "")


MORE = {
    "a note": {"note": [{"text": "x"}]},
    "an extension": {"extension": [{"url": "urn:other", "valueString": "x"}]},
    "another status": {"status": "amended"},
    "a category more": {"category": [*series_head.CATEGORY, {"text": "x"}]},
    "a profile": {"meta": {**block(row(0, 1))["meta"], "profile": ["x"]}},
    "a tag": {"meta": {"tag": [*block(row(0, 1))["meta"]["tag"], {"system": "x", "code": "y"}]}},
    "a device by reference": {"device": {"display": "Watch", "reference": "Device/1"}},
    "a name of the subject": {"subject": {"reference": "Patient/p1", "display": "x"}},
    "limits": {"valueSampledData": {**block(row(0, 1))["valueSampledData"], "upperLimit": 9}},
    "an extension within": {
        "valueSampledData": {
            **block(row(0, 1))["valueSampledData"],
            "extension": [*block(row(0, 1))["valueSampledData"]["extension"], {"url": "x", "valueString": "y"}],
        }
    },
    "a modifier": {"modifierExtension": [{"url": "x"}]},
}


@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
def test_a_block_that_says_more_is_not_joined(more):
    plain, other = again(block(row(0, 1))), block(row(1, 2))
    assert not series.says_more(plain)
    assert not series.says_more(again(block(row(0, 1, 2), of=PRESSURE)))
    told = again({**block(row(0, 1)), **more})
    assert series.says_more(told)
    for pair in ((told, other), (other, told)):
        with pytest.raises(InputError, match="not of one series"):
            series.merged(*pair)


def test_what_a_block_does_not_tell_is_the_rest():
    held, told = block(row(0, 1), row(1, 2)), block(row(1, 2), row(1, 3), row(2, 4))
    remaining = series.rest(told, held)
    assert series.Block(remaining).columns.rows().__next__()[2] == ((3, 0),)
    assert len(series.Block(remaining)) == 2
    assert series.rest(held, series.merged(held, told)) is None


def test_no_two_people_have_a_block_of_one_id_and_two_readings_of_one_moment_have_numbers():
    columns = in_columns([row(0, 60, mark="#1"), row(0, 60, mark="late#2"), row(0, 60, mark="#1")])
    one, other = (series.body(head(), columns, f"Patient/{p}") for p in ("a", "b"))
    assert one["id"] != other["id"]
    with pytest.raises(InputError, match="two people"):
        series.merged(one, other)
    assert [s["extension"] for s in series.expand(one)] == [
        [{"url": series.NUMBER, "valueString": "1"}],
        [{"url": series.MARK, "valueCode": "late"}, {"url": series.NUMBER, "valueString": "2"}],
    ]
    ids = series.ids_for(one, "Patient/a")
    assert ids[:2] == [head().block_id(FIRST), one["id"]]
    assert len(set(ids)) == len(ids)
    former = series.renamed(one, ids[0])
    assert series.merged(former, series.body(head(), in_columns([row(5, 61)]), "Patient/a"))["id"] == ids[0]


@pytest.mark.parametrize("stretch", ["minute", "day", "month"])
@given(at=st.integers(0, 4 * 10**15))
def test_an_id_tells_the_stretch_of_its_readings(stretch, at):
    body = series.body(head(stretch=stretch), in_columns([row(0, 1, at=at)]), "Patient/p")
    since, until = series.stretch_in(body["id"])
    assert since <= at < until
    assert series.Block(body).columns.starts[0] == at
    assert len(series.expand(body)[0]["id"]) <= 64


def test_what_no_block_is_called_has_no_stretch():
    for name in (
        "c1",
        "series-1",
        f"series-{'0' * 16}-202613",
        f"series-{'0' * 16}-20260230",
        f"series-{'0' * 16}-2026",
    ):
        assert series.stretch_in(name) is None


def test_a_reading_that_lasts_too_long_makes_no_block():
    with pytest.raises(InputError, match="longer than 31 days"):
        block(row(0, 1, length=31 * 86_400 + 1))
    assert block(row(0, 1, length=31 * 86_400))
