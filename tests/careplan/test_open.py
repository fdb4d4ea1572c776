"""What could not be read, what no rule covers, and what must not be begun while either may matter."""

from __future__ import annotations

import pytest

from salus.careplan.text import render
from tests.careplan.people import condition, item, measured, medicine, need, patient, percent, plan, procedure
from tests.person import charts

STENT = procedure("percutaneous-coronary-intervention", "2026-01-29")
LISTED = medicine("aspirin 75 mg", "75 mg daily")


@pytest.mark.parametrize(
    "unread",
    [
        charts.condition("urn:x|Zq", id="z"),
        charts.procedure("urn:x|Zq") | {"id": "z"},
        charts.allergy(code="urn:x|Zq", id="z"),
        charts.condition("icd10cm|E11.9", id="z", modifierExtension=[{"url": "urn:x", "valueBoolean": True}]),
    ],
    ids=["diagnosis", "procedure", "allergy", "modifier"],
)
def test_nothing_is_begun_while_what_may_forbid_it_could_not_be_read(unread) -> None:
    assert need(plan([STENT, LISTED]), "statin").action == "start"
    held = plan([STENT, LISTED, unread])
    found = need(held, "statin")
    assert found.action == "review"
    assert "could not be read" in found.text
    assert not any(word in found.text.lower() for word in ("begin", "start"))
    assert held.not_understood


def test_an_unread_medicine_leaves_open_whether_a_statin_is_taken() -> None:
    found = plan([STENT, LISTED, charts.medicine(code="urn:x|Zq", id="z")])
    assert need(found, "statin").action == "review"
    text = render(found)
    assert "no statin is on the medicine list" not in text
    assert "READ BUT NOT UNDERSTOOD" in text
    assert "Zq" in text


def test_what_no_rule_covers_is_said_and_what_one_covers_is_not() -> None:
    told = plan([condition("diabetes"), charts.condition("icd10cm|L40.0", "Psoriasis vulgaris", id="z"),
                 medicine("levothyroxine 50 mcg", "daily"), medicine("simvastatin 20 mg", "daily"),
                 charts.result("loinc|3016-3", "2.1", "mIU/L", id="t")])  # fmt: skip
    words = " ".join(told.uncovered)
    assert "Psoriasis vulgaris" in words
    assert "levothyroxine" in words
    assert "TSH" in words
    assert "simvastatin" not in words
    assert "diabetes" not in words


def test_looked_at_names_what_was_there() -> None:
    assert plan([]).scope_statement.startswith(
        "This plan looked at: nothing but the person's own data. Nothing is there"
    )
    assert plan([LISTED]).scope_statement.startswith("This plan looked at: record. Nothing is there of: genome")


# ---- what cannot wait


@pytest.mark.parametrize(("value", "words"), [("6.4", "ECG"), ("6.0", "ECG"), ("6.5", "emergency treatment")])
def test_high_potassium_is_for_today(value: str, words: str) -> None:
    high = charts.result("loinc|2823-3", value, "mmol/L", when="2026-05-31", id="k")
    found = need(plan([high, medicine("ramipril 10 mg", "daily")]), "hyperkalaemia")
    assert (found.tier, found.window) == ("urgent", "today")
    assert words in found.text
    assert "ramipril" in found.text


@pytest.mark.parametrize(("value", "when"), [("5.9", "2026-05-31"), ("6.4", "2026-04-01")])
def test_lower_or_older_potassium_is_not(value: str, when: str) -> None:
    assert item(plan([charts.result("loinc|2823-3", value, "mmol/L", when=when, id="k")]), "hyperkalaemia") is None


@pytest.mark.parametrize(
    ("before", "now", "stage"), [("0.8", "1.2", "stage 1"), ("0.8", "1.7", "stage 2"), ("0.8", "2.4", "stage 3"),
                                 ("0.8", "1.1", "")]
)  # fmt: skip
def test_a_sudden_rise_of_creatinine_is_for_today(before: str, now: str, stage: str) -> None:
    values = [
        charts.result("loinc|2160-0", v, "mg/dL", when=w, id=w)
        for v, w in ((before, "2026-03-01"), (now, "2026-05-31"))
    ]
    found = item(plan([*values, medicine("naproxen 500 mg", "daily")]), "acute-kidney-injury")
    assert (found is not None) == bool(stage)
    if found is not None:
        assert stage in found.text
        assert "naproxen" in found.text


def test_the_lowest_of_the_week_or_the_middle_of_the_year_is_the_baseline() -> None:
    def rise(*values: tuple[str, str]) -> bool:
        made = [charts.result("loinc|2160-0", v, "mg/dL", when=w, id=w) for v, w in values]
        return item(plan(made), "acute-kidney-injury") is not None

    assert rise(("1.0", "2026-05-27"), ("1.6", "2026-05-31"))
    assert not rise(("2.0", "2025-07-01"), ("2.0", "2025-09-01"), ("0.9", "2025-12-01"), ("2.1", "2026-05-31"))
    assert not rise(("0.8", "2024-03-01"), ("1.6", "2026-05-31"))


def test_pregnancy_bars_what_harms_and_makes_160_110_an_emergency() -> None:
    woman = patient("1996-03-01")
    expecting = charts.condition("snomed|77386006", onset="2026-02-01", id="g")
    taken = [medicine("lisinopril 10 mg", "daily"), medicine("atorvastatin 20 mg", "daily")]
    pressure = [
        charts.result(f"loinc|{c}", v, "mmHg", when="2026-05-29", id=c) for c, v in (("8480-6", 168), ("8462-4", 112))
    ]
    found = plan([expecting, *taken, *pressure], (), woman)
    assert need(found, "lisinopril").tier == "urgent"
    assert "in pregnancy" in need(found, "atorvastatin").text
    assert need(found, "severe-blood-pressure").window == "today"
    assert item(found, "home-blood-pressure") is None
    over = charts.condition("snomed|77386006", onset="2024-02-01", id="g")
    assert item(plan([over, *taken], (), woman), "lisinopril") is None


# ---- arteries and rhythm


def test_one_platelet_inhibitor_for_good_and_two_for_a_year() -> None:
    old = procedure("percutaneous-coronary-intervention", "2020-01-29")
    assert (
        "No platelet inhibitor is on the medicine list"
        in need(plan([old, medicine("amlodipine 5 mg", "daily")]), "platelet-inhibitor").text
    )
    assert item(plan([old, LISTED]), "platelet-inhibitor") is None
    assert "P2Y12" in need(plan([STENT, LISTED]), "two-platelet-inhibitors").text
    both = [STENT, LISTED, medicine("ticagrelor 90 mg", "twice daily")]
    assert item(plan(both), "two-platelet-inhibitors") is None
    thinned = [old, medicine("apixaban 5 mg", "twice daily")]
    assert item(plan(thinned), "platelet-inhibitor") is None


@pytest.mark.parametrize(
    ("birth", "sex", "more", "due"),
    [
        ("1944-01-01", "female", [], True),
        ("1955-01-01", "female", ["hypertension"], True),
        ("1970-01-01", "female", ["hypertension"], False),
        ("1970-01-01", "male", ["hypertension", "diabetes"], True),
        ("1970-01-01", "male", ["hypertension"], False),
    ],
)
def test_an_anticoagulant_by_score(birth: str, sex: str, more: list[str], due: bool) -> None:
    fibrillation = charts.condition("icd10cm|I48.91", id="af")
    made = [fibrillation, LISTED, *(condition(name) for name in more)]
    found = item(plan(made, (), patient(birth, sex)), "anticoagulant")
    assert (found is not None) == due
    if found is not None:
        assert found.action == "start"
        taken = plan([*made, medicine("apixaban 5 mg", "twice daily")], (), patient(birth, sex))
        assert item(taken, "anticoagulant") is None


def test_ldl_on_the_highest_statin_asks_for_more() -> None:
    statin = medicine("atorvastatin 80 mg", "80 mg daily")
    assert need(plan([STENT, statin, measured("ldl-cholesterol", 92, "mg/dL")]), "non-statin").action == "start"
    assert item(plan([STENT, statin, measured("ldl-cholesterol", 65, "mg/dL")]), "non-statin") is None
    on_it = [STENT, statin, medicine("ezetimibe 10 mg", "daily"), measured("ldl-cholesterol", 92, "mg/dL")]
    assert item(plan(on_it), "non-statin") is None


def test_a_statin_that_was_not_tolerated_is_not_begun() -> None:
    class_entry = charts.allergy("Statins", reaction="Rhabdomyolysis", id="a")
    found = need(plan([STENT, LISTED, class_entry]), "statin")
    assert found.action == "review"
    assert "intolerance" in found.text
    risk = plan([LISTED, class_entry], [percent("prevent-ascvd-10y", 12)])
    assert item(risk, "statin") is None
    assert any("intolerance" in lost.reason for lost in risk.dropped)
