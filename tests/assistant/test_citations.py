"""Citations: what a sentence says leads to the place and version it names, and its numbers stand there."""

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from salus.assistant import citations, education, flags
from salus.assistant.citations import Places
from salus.assistant.reply import Citation, Reply, Sentence
from salus.fhir.views import Source
from salus.findings.model import Evidence, Finding, Interval

SOURCE = Source("Observation/o1", 2, "d" * 64, "record")
BODY = {
    "resourceType": "Observation",
    "id": "o1",
    "effectiveDateTime": "2026-03-07",
    "valueQuantity": {"value": Decimal("6.40"), "unit": "mmol/L"},
    "component": [{"valueQuantity": {"value": 128}}, {"valueQuantity": {"value": 79}}],
}
PLACE = Citation("record", "Observation/o1", version=2, digest="d" * 64)
FINDING = Finding(
    code="egfr",
    sentence="The kidneys filter 58.",
    value=Decimal("58"),
    interval=Interval(Decimal("51"), Decimal("66"), 0.95, "as published"),
    effective=("2026-03-07", "2026-03-08"),
    evidence=(Evidence(SOURCE),),
    patient_sentence="Your kidneys do 58 of 100.",
    needs=("a second value in 90 days",),
)


@dataclass
class Record:
    """A chart of a few resources."""

    held: tuple

    def resource(self, ref):
        return next((entry for entry in self.held if entry[0].ref == ref), None)


ALL = Places(
    Record(((replace(SOURCE, ref="Patient/p1"), {"resourceType": "Patient"}), (SOURCE, BODY))),
    (FINDING,),
    {"key": "Measure potassium within 14 days."},
    {"17": "On 2026-05-01 dr-lee looked."},
    {"medquad-2": "Rest for 3 days."},
)


def problems(text, *places):
    return list(citations.problems(Reply("answer", (Sentence(text, places),)), ALL))


@pytest.mark.parametrize(
    "text",
    ["It was 6.40 mmol/L on 2026-03-07.", "Pressure 128 over 79.", "On 7 March.", "Nothing in figures."],
)
def test_a_sentence_whose_numbers_stand_in_the_cited_resource_is_accepted(text):
    assert problems(text, PLACE) == []


@pytest.mark.parametrize(
    ("text", "strange"),
    [
        ("It was 7.40 mmol/L.", "7.40"),
        ("It was 6.4 mmol/L.", "6.4"),  # the digits are the record's own
        ("It was 64 mmol/L.", "64"),
        ("There were 5 values.", "5"),
        ("Pressure 128 over 97.", "97"),
        ("Pressure 28 over 79.", "28"),
        ("Pressure 1280 over 79.", "1280"),
        ("There was nothing: 0.", "0"),
        ("It was 40 mmol/L.", "40"),  # a part of a number is another number
        ("It was 6 mmol/L.", "6"),
    ],
)
def test_a_number_that_is_not_in_the_cited_place_is_named(text, strange):
    assert problems(text, PLACE) == [f"the number {strange} stands in none of {PLACE.mark}"]


def test_a_number_may_stand_in_any_of_the_cited_places_and_each_strange_one_is_named():
    plan = Citation("plan", "key")
    assert problems("Potassium 6.40: again within 14 days.", PLACE, plan) == []
    assert problems("Potassium 6.40: again within 14 days.", plan) == ["the number 6.40 stands in none of plan:key"]
    assert len(problems("Between 11 and 12.", PLACE, plan)) == 2


def test_a_moment_may_be_said_without_the_fraction_of_its_second():
    held = replace(ALL, log={"17": "2026-05-01T10:30:05.250Z"})
    said = Reply("answer", (Sentence("On 2026-05-01 at 10:30:05.", (Citation("log", "17"),)),))
    assert list(citations.problems(said, held)) == []


def test_leading_zeros_do_not_make_another_number_and_nought_stays_one():
    held = replace(ALL, items={"key": "0 tablets, 007 drops, in 05 days"})

    def said(text):
        return list(citations.problems(Reply("answer", (Sentence(text, (Citation("plan", "key"),)),)), held))

    assert said("Take 0 tablets, 7 drops for 5 days.") == []
    assert said("Take 00 tablets.") == []
    assert said("Take 70 drops.")


@pytest.mark.parametrize(
    "change",
    [{"version": 1}, {"version": 3}, {"digest": "e" * 64}, {"ref": "Observation/o2"}, {"version": None}],
)
def test_another_version_or_text_than_was_cited_leads_nowhere(change):
    stale = replace(PLACE, **change)
    assert citations.opened(stale, ALL) is None
    assert problems("A value.", stale) == [f"{stale.mark} leads nowhere"]
    assert problems("It was 6.40.", stale)[1:], "nor does a number stand there"


def test_where_no_chart_was_opened_no_resource_is_cited():
    assert citations.opened(PLACE, replace(ALL, chart=None)) is None


@pytest.mark.parametrize(
    "path",
    [
        "effectiveDateTime",
        "valueQuantity.value",
        "component[1].valueQuantity.value",
        "Observation.component[0].valueQuantity",
        "Observation",
        "component",
        "",  # the whole resource
    ],
)
def test_a_path_that_is_in_the_resource_is_found(path):
    assert "6.40" in citations.opened(replace(PLACE, path=path), ALL)


@pytest.mark.parametrize(
    "path",
    [
        "valueString",
        "valueQuantity.code",
        "component[2].valueQuantity",
        "component[1].valueString",
        "component.valueQuantity",
        "effectiveDateTime[0]",
        "effectiveDateTime.value",
        "Patient.effectiveDateTime",
        "component[1]..value",
        "component[x]",
        "component[1] ",
        "Observation.valueString",
    ],
)
def test_a_path_that_is_not_in_the_resource_leads_nowhere(path):
    assert citations.opened(replace(PLACE, path=path), ALL) is None


def test_a_finding_is_cited_in_its_own_version_with_its_value_interval_dates_and_needs():
    place = Citation.of_finding(FINDING, "kidney function")
    assert problems("58 of 100 (51 to 66) on 2026-03-08; again in 90 days.", place) == []
    assert problems("57 of 100.", place)
    assert problems("58.", replace(place, digest="0" * 64))
    assert problems("58.", replace(place, ref="another"))
    without = replace(FINDING, interval=None, no_uncertainty="none is published")
    held = replace(ALL, findings=(without,))
    assert "58" in citations.opened(Citation.of_finding(without, ""), held)


def test_every_kind_of_place_opens_its_own_words_only():
    assert citations.opened(Citation("plan", "key"), ALL) == "Measure potassium within 14 days."
    assert citations.opened(Citation("log", "17"), ALL) == "On 2026-05-01 dr-lee looked."
    assert citations.opened(Citation("library", "medquad-2"), ALL) == "Rest for 3 days."
    for place in ("plan", "log", "library", "warning-signs", "record", "finding"):
        assert citations.opened(Citation(place, "not there"), ALL) is None
    assert citations.opened(Citation("log", "key"), ALL) is None
    assert citations.opened(Citation("plan", "17"), ALL) is None
    card = next(iter(education.cards().values()))
    assert citations.opened(Citation("library", card.id), ALL) == card.text
    sign, text = next(iter(flags.table().citations.items()))
    assert citations.opened(Citation("warning-signs", sign), ALL) == text
