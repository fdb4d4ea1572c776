from __future__ import annotations

from typing import Any

import pytest

from tests.careplan.people import (
    condition,
    finding,
    gene,
    item,
    measured,
    medicine,
    need,
    note,
    patient,
    percent,
    plan,
    smoker,
)

MAN = patient("1973-09-02", "male")


def _father(age: int | None = 49, name: str = "father") -> dict[str, Any]:
    entry: dict[str, Any] = {
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "22298006"}], "text": "heart attack"}
    }
    if age is not None:
        entry["onsetAge"] = {"value": age, "unit": "years", "system": "http://unitsofmeasure.org", "code": "a"}
    return {
        "resourceType": "FamilyMemberHistory",
        "id": "f",
        "status": "completed",
        "relationship": {"text": name},
        "condition": [entry],
        "date": "2026-05-01",
    }


@pytest.mark.parametrize(
    ("risk", "strength", "words"),
    [
        (12, "recommended", "high-intensity statin"),
        (6, "recommended", "at least moderate intensity"),
        (4, "consider", "coronary calcium"),
    ],
)
def test_the_bands_of_prevent(risk: float, strength: str, words: str) -> None:
    found = need(plan([], [percent("prevent-ascvd-10y", risk)], MAN), "statin")
    assert str(found.strength) == strength
    assert words in found.text


def test_low_risk_speaks_only_with_enhancers() -> None:
    assert item(plan([], [percent("prevent-ascvd-10y", 2)], MAN), "statin") is None
    assert "lifestyle first" in need(plan([_father()], [percent("prevent-ascvd-10y", 2)], MAN), "statin").text


def test_ldl_of_190_counts_as_high() -> None:
    found = plan([measured("ldl-cholesterol", 195, "mg/dL")], [percent("prevent-ascvd-10y", 2)], MAN)
    assert "high-intensity" in need(found, "statin").text


def test_a_statin_that_is_taken_needs_no_talk() -> None:
    taken = medicine("pravastatin 20 mg", "20 mg daily")
    assert item(plan([taken], [percent("prevent-ascvd-10y", 9)], MAN), "statin") is None


def test_the_gene_names_statin_and_dose() -> None:
    found = need(plan([], [percent("prevent-ascvd-10y", 6), gene("SLCO1B1", "Poor Function")], MAN), "statin")
    assert "not lovastatin or simvastatin" in found.text
    assert "rosuvastatin at first not above 20 mg" in found.text
    assert "CPIC guideline for SLCO1B1" in found.citation


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (_father(49), True),
        (_father(61), False),
        (_father(61, "mother"), True),
        (_father(None), False),
        (_father(40, "neighbour"), False),
    ],
)
def test_early_disease_in_the_family(history: dict[str, Any], expected: bool) -> None:
    found = plan([history], [percent("prevent-ascvd-10y", 6)], MAN)
    assert (item(found, "lipoprotein-a") is not None) is expected


def test_early_disease_told_by_a_note() -> None:
    father = {"role": "father", "degree": 1, "sex": "male", "side": ""}
    told = note("myocardial-infarction", "family", kin=father, age_at_onset="40s")
    assert item(plan([], [percent("prevent-ascvd-10y", 6), told], MAN), "lipoprotein-a") is not None
    late = note("myocardial-infarction", "family", kin=father, age_at_onset="50s")
    assert item(plan([], [percent("prevent-ascvd-10y", 6), late], MAN), "lipoprotein-a") is None
    uncle = note("myocardial-infarction", "family", kin=father | {"role": "uncle", "degree": 2}, age_at_onset="40s")
    assert item(plan([], [percent("prevent-ascvd-10y", 6), uncle], MAN), "lipoprotein-a") is None


def test_smoking_from_record_and_note() -> None:
    assert item(plan([smoker()]), "smoking-cessation") is not None
    assert item(plan([smoker("8517006")], [note("smoking")]), "smoking-cessation") is None
    assert item(plan([], [note("smoking")]), "smoking-cessation") is not None
    assert item(plan([], [note("smoking", "absent", "unqualified")]), "smoking-cessation") is None
    assert item(plan([]), "smoking-status") is not None


def test_lung_screening_by_age_and_only_without_a_ct() -> None:
    assert item(plan([smoker()]), "lung-cancer-screening") is not None
    assert item(plan([smoker()], who=patient("1990-01-01")), "lung-cancer-screening") is None
    assert item(plan([smoker()], [finding("lung-volume", "4 L")]), "lung-cancer-screening") is None


def test_very_high_ldl_needs_no_predicted_risk_and_is_not_called_one() -> None:
    ldl = measured("ldl-cholesterol", 195, "mg/dL")
    alone = need(plan([ldl], who=MAN), "statin")
    assert alone.text.startswith("LDL of 190 mg/dL or more: whatever the predicted risk")
    assert "find out whether one is taken" in alone.text
    low = need(plan([ldl], [percent("prevent-ascvd-10y", 2)], MAN), "statin")
    assert "PREVENT" not in low.text


def test_diabetes_between_40_and_75_needs_no_predicted_risk() -> None:
    found = need(plan([condition("diabetes")], [percent("prevent-ascvd-10y", 2)], MAN), "statin")
    assert str(found.strength) == "recommended"
    assert "at least moderate intensity" in found.text
    assert item(plan([condition("diabetes")], who=patient("1990-01-01", "male")), "statin") is None
    strong = need(plan([condition("diabetes")], [percent("prevent-ascvd-10y", 12)], MAN), "statin")
    assert "high-intensity" in strong.text


def test_vessel_disease_is_not_primary_prevention() -> None:
    ldl = measured("ldl-cholesterol", 195, "mg/dL")
    found = plan([ldl, condition("stroke"), medicine("aspirin 75 mg", "75 mg daily")], who=MAN)
    assert [i.tier for i in found.items if i.target == "statin"] == ["medicines"]


def test_pregnancy_is_asked_about_before_a_statin() -> None:
    woman = patient("1985-01-01")
    assert "Not in pregnancy" in need(plan([], [percent("prevent-ascvd-10y", 6)], woman), "statin").text
    assert item(plan([], [percent("prevent-ascvd-10y", 6), note("pregnancy")], woman), "statin") is None
