"""Results that cannot wait or cannot be read, an impossible pressure, and what is named as judged by no rule."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.careplan.people import condition, egfr, item, measured, medicine, need, plan, pressure
from tests.person import charts


def potassium(value: str | None, unit: str = "mmol/L", when: str = "2026-05-31", **more: Any) -> dict[str, Any]:
    return charts.result("loinc|2823-3", value, unit, when=when) | {"id": "k"} | more


def bound(sign: str, value: str) -> dict[str, Any]:
    told = potassium(value)
    return told | {"valueQuantity": told["valueQuantity"] | {"comparator": sign}}


@pytest.mark.parametrize(
    ("told", "target", "words"),
    [
        (potassium("2.3"), "hypokalaemia", "Potassium 2.3 mmol/L: urgent treatment in hospital"),
        (potassium("2.9"), "hypokalaemia", "12-lead ECG"),
        (bound("<", "2.5"), "hypokalaemia", "Potassium below 2.5 mmol/L: a 12-lead ECG"),
        (bound(">", "6.5"), "hyperkalaemia", "Potassium above 6.5 mmol/L: emergency treatment"),
        (bound(">=", "6.0"), "hyperkalaemia", "Potassium above 6.0 mmol/L: a 12-lead ECG"),
        (potassium("6.6", "Zq"), "unread-potassium", "cannot be read"),
        (potassium(None), "unread-potassium", "cannot be read"),
    ],
)
def test_a_recent_potassium_is_never_passed_over(told: dict[str, Any], target: str, words: str) -> None:
    found = need(plan([told]), target)
    assert (found.tier, found.window) == ("urgent", "today")
    assert words in found.text


@pytest.mark.parametrize(
    "told",
    [potassium("3.0"), potassium("4.4"), bound(">", "2.9"), potassium("2.3", when="2026-04-01"),
     potassium("6.6", "Zq", when="2026-04-01"), potassium(None, dataAbsentReason={"text": "not performed"})],
    ids=["3.0", "4.4", "above 2.9", "old", "old and unread", "never made"],
)  # fmt: skip
def test_what_is_not_low_recent_or_there_is_no_alarm(told: dict[str, Any]) -> None:
    assert not [i for i in plan([told]).items if i.tier == "urgent"]


def test_two_results_of_one_moment_that_differ_are_looked_at() -> None:
    found = need(plan([potassium("4.4"), potassium("6.6") | {"id": "l"}]), "unread-potassium")
    assert "differ" in found.text


def test_a_high_potassium_counts_although_something_newer_is_not_understood() -> None:
    strange = charts.result("urn:x|Zq", "4.0", "mmol/L", when="2026-06-01") | {"id": "z"}
    assert need(plan([potassium("6.6"), strange]), "hyperkalaemia").tier == "urgent"


@pytest.mark.parametrize(("value", "there"), [(53, True), (54, False), (100, False)])
def test_a_glucose_of_level_two_is_for_today(value: float, there: bool) -> None:
    found = item(plan([measured("glucose", value, "mg/dL", "2026-05-30")]), "hypoglycaemia")
    assert (found is not None and found.tier == "urgent") is there


def test_the_medicine_that_lowers_glucose_is_named() -> None:
    low = measured("glucose", 40, "mg/dL", "2026-05-30")
    assert "gliclazide" in need(plan([low, medicine("gliclazide 80 mg", "80 mg daily")]), "hypoglycaemia").text


# ---- an impossible pressure


def test_a_pressure_whose_lower_value_is_the_higher_is_named_and_not_used() -> None:
    found = plan([pressure(80, 140, "2026-05-30")])
    assert item(found, "severe-blood-pressure") is None
    assert "2026-05-30" in need(found, "blood-pressure").text
    assert item(found, "home-blood-pressure") is None
    assert item(plan([pressure(140, 80, "2026-05-30")]), "blood-pressure") is None


def test_an_older_pressure_that_can_be_one_still_counts() -> None:
    older = pressure(190, 100, "2026-05-20") | {"id": "o"}
    found = plan([pressure(120, 120, "2026-05-30"), older])
    assert need(found, "severe-blood-pressure").tier == "urgent"
    assert need(found, "blood-pressure").tier == "missing-data"


# ---- the laboratory's eGFR


def laboratory(value: str, when: str = "2026-05-30", sign: str = "") -> dict[str, Any]:
    told = charts.result("loinc|33914-3", value, "mL/min/{1.73_m2}", when=when) | {"id": "g"}
    return told | ({"valueQuantity": told["valueQuantity"] | {"comparator": sign}} if sign else {})


@pytest.mark.parametrize(
    ("told", "action"),
    [(laboratory("25"), "avoid"), (laboratory("29", sign="<"), "avoid"), (laboratory("44"), "review"),
     (laboratory("45"), None), (laboratory("90", sign=">"), None), (laboratory("25", "2020-01-01"), None)],
)  # fmt: skip
def test_a_laboratory_egfr_counts_for_the_safety_of_metformin(told: dict[str, Any], action: str | None) -> None:
    found = item(plan([told, medicine("metformin 1000 mg", "1-0-1")]), "metformin")
    assert (found.action if found else None) == action
    if found:
        assert any("as the laboratory reported it" in words for words in found.because)


def test_the_newer_of_the_two_kidney_values_decides() -> None:
    taken = medicine("metformin 1000 mg", "1-0-1")
    own = egfr(80)  # of 2026-05-18
    assert need(plan([laboratory("25", "2026-05-30"), taken], [own]), "metformin").action == "avoid"
    assert item(plan([laboratory("25", "2026-05-01"), taken], [own]), "metformin") is None


def test_a_pain_killer_and_rosuvastatin_look_at_it_too() -> None:
    low = laboratory("25")
    assert need(plan([low, medicine("ibuprofen 400 mg", "400 mg daily")]), "ibuprofen").text.startswith("Avoid")
    chosen = need(plan([low, condition("myocardial-infarction"), medicine("cetirizine 10 mg", "daily")]), "statin")
    assert "rosuvastatin" not in chosen.text


# ---- what no rule judges


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (potassium("5.6"), "potassium 5.6 mmol/L"),
        (potassium("3.2"), "potassium 3.2 mmol/L"),
        (potassium("4.4"), ""),
        (potassium("2.3"), ""),
        (measured("hba1c", 12, "%"), "HbA1c 12 %"),
        (measured("hba1c", 5.5, "%"), ""),
        (measured("glucose", 400, "mg/dL"), "glucose 400 mg/dL"),
        (pressure(90, 60), "systolic blood pressure 90 mmHg"),
        (pressure(120, 70), ""),
        (charts.condition("snomed|195967001", "Asthma", id="z"), "Asthma"),
    ],
)
def test_a_result_outside_the_range_that_a_rule_judges_is_named(told: dict[str, Any], words: str) -> None:
    shown = " ".join(plan([told]).uncovered)
    assert words in shown if words else not shown


def test_an_asthma_that_an_item_rests_on_is_covered() -> None:
    told = [charts.condition("snomed|195967001", "Asthma", id="z"), medicine("propranolol 40 mg", "1 daily")]
    assert "Asthma" not in " ".join(plan(told).uncovered)


def test_a_bound_is_read_in_the_wanted_unit() -> None:
    told = measured("glucose", 2, "mmol/L", "2026-05-30")
    told["valueQuantity"] |= {"comparator": "<", "value": Decimal(2)}
    assert "Glucose 36 mg/dL" in need(plan([told]), "hypoglycaemia").text


def test_a_potassium_of_this_month_may_be_of_yesterday() -> None:
    assert need(plan([potassium("6.9", when="2026-05")]), "hyperkalaemia").tier == "urgent"
    assert item(plan([potassium("6.9", when="2026-03")]), "hyperkalaemia") is None


@pytest.mark.parametrize(
    "told",
    [
        charts.result("loinc|82810-3", None) | {"id": "s", "valueCodeableConcept": {"text": "zxqv"}},
        {"resourceType": "Encounter", "id": "e", "status": "finished",
         "reasonCode": [charts.concept("snomed|77386006")], "period": {"start": "2026-05-01"}},
    ],
    ids=["status that cannot be read", "reason of a visit"],
)  # fmt: skip
def test_a_pregnancy_left_open_is_settled_today_where_a_medicine_harms(told: dict[str, Any]) -> None:
    enalapril = medicine("enalapril 10 mg", "10 mg daily")
    young, old = (charts.patient(birth, "female") for birth in ("1994-03-03", "1950-03-03"))
    found = need(plan([enalapril, told], who=young), "pregnancy")
    assert (found.action, found.tier, found.window) == ("review", "urgent", "today")
    assert "enalapril" in found.text
    assert item(plan([medicine("cetirizine 10 mg", "10 mg daily"), told], who=young), "pregnancy") is None
    assert item(plan([enalapril, told], who=old), "pregnancy") is None
