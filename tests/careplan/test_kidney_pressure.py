from __future__ import annotations

import pytest

from salus.findings.model import Finding
from tests.careplan.people import (
    condition,
    egfr,
    finding,
    home,
    item,
    measured,
    medicine,
    need,
    no_allergy,
    note,
    noted_medicine,
    patient,
    percent,
    plan,
    pressure,
    proposed,
    stage,
)

CKD = [stage("G3a", "A2", 246), egfr(47)]
OTHER = medicine("cetirizine 10 mg", "10 mg daily")


def test_albuminuria_without_a_blocker_asks_for_one() -> None:
    found = need(plan([OTHER, measured("potassium", 4.3, "mmol/L")], CKD), "ras-inhibitor")
    assert (found.action, str(found.strength)) == ("start", "suggested")
    assert "confirm that there is no angio-oedema" in found.text
    assert str(need(plan([condition("diabetes")], CKD), "ras-inhibitor").strength) == "recommended"


def test_a_blocker_that_is_taken_asks_for_nothing() -> None:
    assert item(plan([medicine("ramipril 5 mg", "5 mg daily")], CKD), "ras-inhibitor") is None


def test_potassium_and_pregnancy_bar_it() -> None:
    high = plan([measured("potassium", 5.4, "mmol/L")], CKD)
    assert item(high, "ras-inhibitor") is None
    assert any("potassium 5.4" in d.reason for d in high.dropped)
    young = plan([], [*CKD, note("pregnancy")], patient("1994-01-01"))
    assert item(young, "ras-inhibitor") is None
    assert any("contraindicated" in d.reason for d in young.dropped)


def test_potassium_that_is_missing_is_measured_first() -> None:
    assert "measure potassium" in need(plan([], CKD), "ras-inhibitor").text


def test_angio_oedema_leaves_an_arb() -> None:
    assert (
        "an ARB (not an ACE inhibitor" in need(plan([], [*CKD, note("angioedema", "historical")]), "ras-inhibitor").text
    )


def test_sglt2_by_albumin_or_heart_failure() -> None:

    assert item(plan([], CKD), "sglt2-inhibitor") is not None
    little = [stage("G3a", "A2", 80), egfr(47)]
    assert item(plan([], little), "sglt2-inhibitor") is None
    assert item(plan([condition("heart-failure")], little), "sglt2-inhibitor") is not None
    assert item(plan([], [stage("G5", "A3", 900), egfr(12)]), "sglt2-inhibitor") is None
    assert item(plan([medicine("dapagliflozin 10 mg", "daily")], CKD), "sglt2-inhibitor") is None
    barred = plan([condition("dialysis")], CKD)
    assert any("dialysis" in d.reason for d in barred.dropped)


def test_a_pain_killer_from_a_note_meets_kidney_and_platelets() -> None:
    found = plan([medicine("clopidogrel 75 mg", "daily")], [egfr(47), noted_medicine("ibuprofen")])
    result = need(found, "ibuprofen")
    assert result.tier == "urgent"
    assert any("merged into" in d.reason for d in found.dropped)
    assert any("not on the record's list" in words for words in result.because)
    assert need(plan([], [egfr(47), noted_medicine("ibuprofen")]), "ibuprofen").key == "kdigo-nsaid-ckd:avoid:ibuprofen"
    assert item(plan([], [egfr(80), noted_medicine("ibuprofen")]), "ibuprofen") is None


def test_a_gel_is_no_pain_killer_of_the_whole_body() -> None:
    assert item(plan([medicine("diclofenac 1 % topical gel", "daily")], [egfr(40)]), "diclofenac") is None


@pytest.mark.parametrize(("value", "action"), [(25, "avoid"), (40, "review"), (60, None)])
def test_metformin_by_kidney_function(value: float, action: str | None) -> None:
    found = item(plan([medicine("metformin 500 mg", "500 mg twice daily")], [egfr(value)]), "metformin")
    assert (found.action if found else None) == action


def test_home_pressure_above_the_threshold_of_the_risk() -> None:
    at_risk = plan([condition("coronary-heart-disease"), medicine("amlodipine 5 mg", "5 mg daily")], [home(132, 78)])
    assert need(at_risk, "blood-pressure-treatment").action == "change"
    assert item(plan([OTHER], [home(132, 78)]), "blood-pressure-treatment") is None
    assert need(plan([OTHER], [home(137, 82)]), "blood-pressure-treatment").action == "start"
    assert need(plan([], [home(137, 82)]), "blood-pressure-treatment").action == "review"
    assert need(
        plan([OTHER], [home(132, 78), percent("prevent-cvd-10y", 9)]), "blood-pressure-treatment"
    ).key.startswith("aha-acc")


def test_an_average_near_the_threshold_is_repeated() -> None:
    found = need(plan([OTHER], [home(136, 84, "uncertain")]), "blood-pressure-treatment")
    assert "repeat the week" in found.text


def test_a_rising_trend_and_a_normal_clinic_value_are_told() -> None:
    trend = finding("home-bp-trend", details={"direction": "rising"}, sentence="It has been rising.")
    found = need(plan([OTHER, pressure(128, 78)], [home(142, 86), trend]), "blood-pressure-treatment")
    assert "It has been rising." in found.because
    assert any("does not show it" in words for words in found.because)


def test_high_in_the_clinic_and_normal_at_home() -> None:
    found = need(plan([pressure(150, 92)], [home(122, 75, "below")]), "home-blood-pressure")
    assert (found.action, found.tier) == ("continue", "prevention")


def test_high_in_the_clinic_only_is_measured_at_home() -> None:
    assert need(plan([pressure(150, 92)]), "home-blood-pressure").action == "measure"
    assert need(plan([no_allergy()]), "home-blood-pressure").action == "measure"
    assert item(plan([pressure(118, 74)]), "home-blood-pressure") is None


def test_a_strangers_average_without_details_is_not_used() -> None:
    assert (
        need(plan([pressure(150, 92)], [finding("home-bp-average", "high")]), "home-blood-pressure").action == "measure"
    )


def test_albuminuria_with_hypertension_is_a_stronger_reason() -> None:
    found = need(plan([condition("hypertension")], CKD), "ras-inhibitor")
    assert str(found.strength) == "recommended"
    assert "high blood pressure guideline" in found.citation


def test_sglt2_for_diabetes_and_for_low_function() -> None:
    little = [stage("G3a", "A2", 80), egfr(47)]
    diabetic = need(plan([condition("diabetes")], little), "sglt2-inhibitor")
    assert str(diabetic.strength) == "recommended (1A)"
    assert "confirm the type of diabetes" in diabetic.text
    assert "not of type 2" in diabetic.changes_if
    low = need(plan([], [stage("G3b", "A1", 12), egfr(38)]), "sglt2-inhibitor")
    assert (str(low.strength), low.window) == ("suggested (2B)", "")
    assert item(plan([], [stage("G3b", None, None), egfr(38)]), "sglt2-inhibitor") is None


def test_sglt2_waits_for_pregnancy_and_for_the_cause() -> None:
    young = patient("1994-01-01")
    assert "no pregnancy" in need(plan([], CKD, young), "sglt2-inhibitor").text
    barred = plan([], [*CKD, note("pregnancy")], young)
    assert item(barred, "sglt2-inhibitor") is None
    fast = finding("egfr-course", details={"rapid_decline": "yes"})
    for target in ("sglt2-inhibitor", "ras-inhibitor"):
        assert "reversible cause of the fast fall" in need(plan([], [*CKD, fast]), target).text


def test_the_cause_of_a_fall_comes_before_new_medicines() -> None:
    decline = proposed(action="review", target="kidney-function-decline", tier="disease-control")
    found = plan([condition("coronary-heart-disease"), OTHER], [*CKD, decline, home(142, 86)])
    assert [i.target for i in found.of_tier("disease-control")] == [
        "kidney-function-decline",
        "blood-pressure-treatment",
        "ras-inhibitor",
        "sglt2-inhibitor",
    ]


def test_a_pain_killer_is_named_where_pressure_is_high() -> None:
    found = need(plan([OTHER], [home(142, 86), noted_medicine("ibuprofen")]), "blood-pressure-treatment")
    assert "Ibuprofen can raise blood pressure" in found.text


def test_ibuprofen_with_aspirin_alone() -> None:
    found = need(plan([medicine("aspirin 75 mg", "75 mg daily")], [noted_medicine("ibuprofen")]), "ibuprofen")
    assert found.key == "fda-ibuprofen-aspirin:avoid:ibuprofen"


@pytest.mark.parametrize(
    ("resources", "findings", "expected"),
    [
        ([pressure(184, 100)], [], True),
        ([pressure(150, 121)], [], True),
        ([pressure(179, 119)], [], False),
        ([pressure(190, 110, "2024-05-01")], [], False),
        ([], [home(182, 100)], True),
        ([], [home(170, 100)], False),
    ],
)
def test_a_very_high_pressure_is_seen_today(
    resources: list[dict[str, object]], findings: list[Finding], expected: bool
) -> None:
    found = item(plan(resources, findings), "severe-blood-pressure")
    assert (found is not None) is expected
    if found is not None:
        assert (found.tier, found.window, found.rank) == ("urgent", "today", 1)
        assert "call your doctor's office today" in found.patient_text
        others = plan(resources, findings).items
        assert not any(i.action == "measure" and i.target == "home-blood-pressure" for i in others)


def test_between_the_thresholds_lifestyle_comes_first_at_low_risk() -> None:
    found = need(plan([OTHER, pressure(150, 92)], [home(132, 78, "below")]), "home-blood-pressure")
    assert found.action == "review"
    assert "normal" not in found.text
    assert item(plan([condition("diabetes"), OTHER], [home(132, 78)]), "home-blood-pressure") is None


def test_who_is_treated_is_not_told_to_begin() -> None:
    treated = medicine("amlodipine 5 mg", "5 mg daily")
    found = need(plan([treated, pressure(150, 92)], [home(122, 75, "below")]), "home-blood-pressure")
    assert found.text.startswith("Do not step up")
