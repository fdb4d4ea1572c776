"""How much of notes is read, and that what is not read is named and never absent."""

from __future__ import annotations

from typing import Any

import pytest

from salus.findings import runner
from salus.findings.model import Finding
from salus.person.person import Person
from salus.record.chart import Chart
from salus.text import methods
from salus.text.methods import MENTIONS, PROBLEM

from .test_methods import NOW, PATIENT, document

FILLER = "The weather was discussed at length. "


def run(*notes: tuple[str, str | None], size: int | None = None) -> tuple[Chart, list[Finding]]:
    """The findings in notes, each with its date; ``size`` is what is told of each note's size where it is wrong."""
    bodies: list[dict[str, Any]] = []
    blobs: dict[str, bytes] = {}
    for number, (text, date) in enumerate(notes, 1):
        body, blob = document(text.encode(), date, number)
        if size is not None:
            body["content"][0]["attachment"]["size"] = size
        bodies.append(body)
        blobs |= blob
    chart = Chart.of([PATIENT, *bodies], now=NOW, blobs=blobs)
    outcome = runner.run([MENTIONS], chart, contexts={})
    assert not outcome.failures
    return chart, list(outcome.findings)


def concepts(found: list[Finding]) -> set[str]:
    return {f.details["concept"] for f in found if f.status == "ok"}


def unread(found: list[Finding]) -> list[Finding]:
    return [f for f in found if f.status == "not-assessable" and f.details.get("unread")]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The same bounds in small."""
    monkeypatch.setattr(methods, "NOTE_CHARACTERS", 1000)
    monkeypatch.setattr(methods, "RECORD_CHARACTERS", 2500)


def test_a_note_that_is_too_long_is_read_in_part_and_that_is_said():
    text = "She has hypertension. " + FILLER * 40 + "She has asthma."
    _, found = run((text, "2025-05-03"))
    assert concepts(found) == {"hypertension"}
    (rest,) = unread(found)
    assert rest.code == PROBLEM
    assert rest.reason.startswith(f"a note of {len(text):,} characters was read in part: the first ")
    read = int(rest.reason.rpartition(" ")[2].replace(",", ""))
    assert 900 < read <= 1000
    assert text[read - 1] == " "  # no word is cut
    (place,) = rest.evidence
    assert (place.locator["start"], place.locator["end"]) == (read, read + 80)


def test_a_note_that_just_fits_is_read_whole():
    text = (FILLER * 40)[: 1000 - len("She has asthma.")] + "She has asthma."
    _, found = run((text, "2025-05-03"))
    assert concepts(found) == {"asthma"}
    assert not unread(found)


def test_what_was_not_read_keeps_every_negative_open():
    _, found = run(("No history of stroke. " + FILLER * 3, "2025-05-03"))
    assert concepts(found)
    chart, whole = run(("No history of stroke. " + FILLER * 3, "2025-05-03"))
    assert Person(chart, whole).about("stroke").excluded
    chart, part = run(("No history of stroke. " + FILLER * 40, "2025-05-03"))
    answer = Person(chart, part).about("stroke")
    assert (answer.state, answer.excluded) == ("denied", False)
    assert "read in part" in answer.open[0].why


def test_of_many_notes_the_newest_are_read_and_the_older_ones_are_counted():
    dates = ["2025-01-01", "2025-04-01", "2025-02-01", None, "2025-03-01"]
    problems = ["asthma", "gout", "stroke", "anemia", "hypertension"]
    notes = [(f"She has {p}. {FILLER * 30}"[:990], d) for p, d in zip(problems, dates, strict=True)]
    chart, found = run(*notes)
    assert concepts(found) == {"gout", "hypertension", "stroke"}  # of the third newest, the first 520 characters
    part, beyond = sorted(unread(found), key=lambda f: "notes" in f.details)
    assert "the first 5" in part.reason
    assert beyond.details["notes"] == 2
    assert {e.source.ref for e in beyond.evidence} == {"DocumentReference/d1", "DocumentReference/d4"}
    assert beyond.sentence.startswith("2 notes could not be read")
    assert any("newest first" in unknown.why for unknown in Person(chart, found).unread("note"))


@pytest.mark.parametrize("size", [0, -1_000_000])
def test_a_size_that_is_not_told_counts_as_the_most_that_is_read(size):
    names = ["asthma", "gout", "stroke", "hypertension"]
    notes = [(f"She has {name}.", f"2025-0{month}-01") for month, name in enumerate(names, 1)]
    _, found = run(*notes, size=size)
    assert concepts(found) == {"hypertension", "stroke", "gout"}
    _, found = run(*notes)
    assert concepts(found) == set(names)


def test_the_places_of_one_finding_are_bounded_and_the_rest_is_counted(monkeypatch):
    monkeypatch.setattr(methods, "NOTE_CHARACTERS", 10_000)
    monkeypatch.setattr(methods, "PLACES", 5)
    _, found = run(("She has asthma. " * 20 + "Potassium 7.9 mmol/L. " * 20, "2025-05-03"))
    (asthma,) = [f for f in found if f.details.get("concept") == "asthma"]
    assert (len(asthma.evidence), len(asthma.details["mentions"]), asthma.details["more_mentions"]) == (5, 5, 15)
    (values,) = unread(found)
    assert len(values.evidence) == 5
    _, found = run(("She has asthma. " * 5, "2025-05-03"))
    assert "more_mentions" not in found[0].details
