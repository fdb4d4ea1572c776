"""Pages of results with blocks of readings: together they are all that matches, in order, and nothing twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from salus.app.fhir import query as fhir_query
from salus.app.fhir.pages import Hit, Result
from salus.app.fhir.paging import _instant, bound, made, step
from salus.app.fhir.readings import Wanted
from salus.app.fhir.walk import Walk
from salus.fhir import json, series
from salus.fhir.columns import in_columns, micros, whole
from salus.fhir.views import Source
from salus.record import search
from salus.record.reading import Stored

FIRST = datetime(2026, 5, 1, tzinfo=UTC)
CODE = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
PRESSURE = tuple(series.Part({"coding": [{"code": c}]}, "mm[Hg]") for c in ("8480-6", "8462-4"))


def block(readings, device="Watch", stretch="day", panel=False):
    """Blocks of (seconds after FIRST, value, length in seconds, mark)."""
    head = series.Head(CODE, PRESSURE if panel else (series.Part(CODE, "/min"),), device, "", "home", stretch)
    rows = {}
    for second, value, length, mark in readings:
        at = micros(FIRST + timedelta(seconds=second))
        told = (whole(Decimal(value)),) * (2 if panel else 1)
        rows.setdefault(head.stretch_of(at), []).append((at, length * 1_000_000, told, 120, mark))
    return [series.body(head, in_columns(sorted(r), len(head.parts)), "Patient/p") for r in rows.values()]


def single(name, second, value):
    body = {"resourceType": "Observation", "id": name, "status": "final", "code": CODE}
    if second is not None:
        body["effectiveDateTime"] = (FIRST + timedelta(seconds=second)).isoformat()
    return {**body, "valueQuantity": {"value": Decimal(value), "unit": "/min", "code": "/min"}}


def stored(body):
    data = json.dumps(body)
    source = Source(f"Observation/{body['id']}", 1, sha256(data).hexdigest(), "signal")
    return Stored(
        source, "2026-06-01T00:00:00Z", False, data, json.loads(data), frozenset({"signal"}), b"", frozenset()
    )


class Shelf:
    """Resources and a search of them, as one record answers it."""

    def __init__(self, bodies, asked):
        self.query = fhir_query.parse("Observation", asked)
        self.wanted = Wanted.of(self.query)
        self.held = {f"Observation/{b['id']}": stored(b) for b in bodies}
        self.opened = []
        hits = []
        for ref, each in self.held.items():
            name = ref.partition("/")[2]
            if series.stretch_in(name) is None:
                if all(c.matches(each.body) for c in self.query.clauses):
                    hits.append(Hit("p", ref, 1, at=_instant(each, self.query) if self.query.sort else None))
            elif self.wanted.may_hold(name):
                hit = Hit("p", ref, 1, series=True)
                hits.append(Hit("p", ref, 1, bound(hit, newest=self.newest) if self.query.sort else None, series=True))
        if self.query.sort:
            dated = sorted((h for h in hits if h.at is not None), key=lambda h: h.at, reverse=self.newest)
            hits = dated + [h for h in hits if h.at is None]
        self.walk = Walk(tuple(hits), self.wanted, self.open, bool(self.query.sort), self.newest)

    @property
    def newest(self):
        return bool(self.query.sort and self.query.sort[1])

    def open(self, hit):
        self.opened.append(hit.ref)
        each = self.held[hit.ref]
        return (each, self.wanted.opened(each)) if self.wanted.fits(each) else None

    def pages(self, count):
        result = Result("a", None, tuple(self.walk.hits), count, FIRST)
        found = []
        while True:
            shown, result = step(result, self.walk)
            found.append([(s or self.held[hit.ref]).body for hit, s in shown])
            assert len(found) < 500
            if result.over:
                return found

    def expected(self):
        """All that matches, one by one."""
        singles = []
        for each in self.held.values():
            found = series.expand(each.body) if series.is_block(each.body) else [each.body]
            singles += [json.loads(json.dumps(body)) for body in found]
        return [b for b in singles if all(c.matches(b) for c in self.query.clauses)]


def instant(body):
    span = search.span(body.get("effectiveDateTime") or body.get("effectivePeriod"))
    return micros(span.start) if span else None


HOURS = st.integers(0, 50).map(lambda n: n * 3600)
TIMES = st.one_of(HOURS, st.integers(0, 200_000))
READINGS = st.lists(
    st.tuples(TIMES, st.integers(58, 64), st.sampled_from([0, 0, 90, 7200]), st.sampled_from(["", "x"])), max_size=25
)
DATES = st.tuples(
    st.sampled_from(search.PREFIXES),
    st.one_of(
        TIMES.map(lambda s: f"{FIRST + timedelta(seconds=s):%Y-%m-%dT%H:%M:%SZ}"),
        st.sampled_from(["2026-05-01", "2026-05-02", "2026-05-03", "2026-05", "2026-05-01T03:00Z"]),
    ),
).map("".join)
VALUES = st.tuples(
    st.sampled_from(search.PREFIXES),
    st.sampled_from(["60", "61.0", "6e1", "60|http://unitsofmeasure.org|/min", "60||/min", "60||mg"]),
).map("".join)


@settings(max_examples=300, deadline=None)
@given(
    watch=READINGS,
    phone=READINGS,
    cuff=READINGS,
    singles=st.lists(st.tuples(st.none() | TIMES, st.integers(58, 64)), max_size=6),
    count=st.integers(1, 9),
    sort=st.sampled_from([None, "date", "-date"]),
    dates=st.lists(DATES, max_size=2),
    value=st.none() | VALUES,
)
@example([(0, 60, 0, "")], [(0, 60, 0, "")], [], [(0, 60)], 1, "date", [], None)
@example([(0, 60, 0, "")], [(0, 60, 0, "")], [], [(0, 60)], 1, "-date", [], None)
@example([(0, 60, 7200, "")], [], [], [], 1, None, ["ge2026-05-01T01:00:00Z"], None)
@example([(1, 60, 0, "")], [], [], [], 1, None, ["gt2026-05-01T00:00:00Z"], None)
def test_pages_together_are_all_that_matches_once_and_in_order(watch, phone, cuff, singles, count, sort, dates, value):
    asked = [("date", d) for d in dates] + ([("value-quantity", value)] if value else [])
    bodies = [*block(watch), *block(phone, "Phone", "month"), *block(cuff, "Cuff", "minute", panel=True)]
    bodies += [single(f"s{n}", *each) for n, each in enumerate(singles)]
    shelf = Shelf(bodies, [*asked, *([("_sort", sort)] if sort else [])])
    pages = shelf.pages(count)
    assert all(len(page) == count for page in pages[:-1])
    found = [body for page in pages for body in page]
    expected = shelf.expected()
    assert len({b["id"] for b in found}) == len(found)
    assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, expected))
    assert shelf.walk.count() == len(expected)
    if sort:
        times = [instant(b) for b in found]
        known = [t for t in times if t is not None]
        assert times == [*sorted(known, reverse=sort == "-date"), *[None] * (len(times) - len(known))]
    else:
        places = {ref: n for n, ref in enumerate(h.ref.partition("/")[2] for h in shelf.walk.hits)}
        order = [places[series.block_of(b["id"])] for b in found]
        assert order == sorted(order)


@pytest.mark.parametrize("sort", [None, "date", "-date"])
def test_a_page_opens_the_blocks_that_it_shows(sort):
    days = [(day * 86_400 + n * 60, 60 + n % 5, 0, "") for day in range(30) for n in range(100)]
    shelf = Shelf(block(days), [("_sort", sort)] if sort else [])
    result = Result("a", None, tuple(shelf.walk.hits), 40, FIRST)
    for _ in range(20):
        shelf.opened.clear()
        shown, result = step(result, shelf.walk)
        assert len(shown) == 40
        assert len(set(shelf.opened)) <= 2


def test_dates_that_no_reading_can_have_open_nothing():
    days = [(day * 86_400, 60, 0, "") for day in range(90)]
    shelf = Shelf(block(days), [("date", "ge2026-07-20"), ("date", "lt2026-07-22")])
    assert [len(page) for page in shelf.pages(5)] == [2]
    assert len(set(shelf.opened)) <= 34


def test_readings_named_by_their_ids_and_no_others():
    (body,) = block([(n, 60, 0, "") for n in range(5)])
    names = [b["id"] for b in series.expand(body)]
    shelf = Shelf([body], [("_id", f"{names[3]},{names[1]},{names[0]}-2")])
    assert [b["id"] for page in shelf.pages(1) for b in page] == [names[1], names[3]]
    assert shelf.walk.count() == 2


def test_what_says_more_than_its_readings_is_shown_as_it_is():
    (body,) = block([(n, 60, 0, "") for n in range(5)])
    noted = {**body, "note": [{"text": "worn on the ankle"}]}
    assert [b["note"] for page in Shelf([noted], []).pages(2) for b in page] == [noted["note"]]
    damaged = {**body, "valueSampledData": {**body["valueSampledData"], "data": "60 61"}}
    (shown,) = Shelf([damaged], [("date", "2026-05")]).pages(9)[0]
    assert shown == stored(damaged).body
    assert made(None, 0) is None


@pytest.mark.parametrize("sort", [None, "date", "-date"])
def test_a_block_that_is_shown_as_it_is_is_shown_once(sort):
    first, second = block([(0, 60, 0, ""), (90_000, 61, 0, "")])
    noted = {**first, "note": [{"text": "x"}]}
    shelf = Shelf([noted, second, single("s", 5, 60)], [("_sort", sort)] if sort else [])
    found = [b["id"] for page in shelf.pages(1) for b in page]
    assert sorted(found) == sorted([first["id"], "s", series.expand(second)[0]["id"]])


def test_after_the_last_hit_of_a_result_that_goes_on_elsewhere_nothing_is_shown_again():
    shelf = Shelf(block([(n, 60, 0, "") for n in range(3)]), [])
    assert [n for _, n in shelf.walk.places((0, 1))] == [2]
    assert list(shelf.walk.places((0, -1))) == []
