"""What speaks against beginning a medicine: reactions, diseases, an age that is not known, a rise of creatinine."""

from __future__ import annotations

from typing import Any

import pytest

from salus.careplan.guidelines.non_statin import NON_STATINS
from salus.terminology import classes
from tests.careplan.people import (
    condition,
    egfr,
    item,
    measured,
    medicine,
    need,
    patient,
    plan,
    pressure,
    procedure,
    proposed,
    stage,
)
from tests.person import charts

CKD = [stage("G3a", "A2", 246), egfr(47)]
OTHER = medicine("cetirizine 10 mg", "10 mg daily")
POTASSIUM = measured("potassium", 4.3, "mmol/L")
KIDNEY = [OTHER, POTASSIUM, condition("diabetes-type-2")]
STENT = procedure("percutaneous-coronary-intervention", "2020-01-29")
FIBRILLATION = charts.condition("snomed|49436004", id="af")
STROKE = condition("stroke")


def kidney(*more: dict[str, Any], target: str = "ras-inhibitor") -> Any:
    return need(plan([*KIDNEY, *more], CKD), target)


def test_nothing_speaks_against_these_starts() -> None:
    assert kidney().action == "start"
    assert kidney(target="sglt2-inhibitor").action == "start"
    assert need(plan([STENT, OTHER]), "statin").action == "start"
    assert need(plan([FIBRILLATION, STROKE, OTHER]), "anticoagulant").action == "start"


# ---- reactions


def test_a_cough_on_an_ace_inhibitor_leaves_an_arb_and_is_said() -> None:
    found = kidney(charts.allergy("Lisinopril", reaction="Dry cough", id="a", type="intolerance"))
    assert found.action == "start"
    assert found.text.startswith("Start an ARB (not an ACE inhibitor: cough)")
    assert any("Dry cough" in words for words in found.because)


@pytest.mark.parametrize(
    ("name", "reaction"),
    [("Ramipril", "Hyperkalaemia"), ("Enalapril", "Zqxv"), ("Lisinopril", ""), ("Losartan", "Dry cough")],
)
def test_another_reaction_holds_both_blockers_back_and_is_named(name: str, reaction: str) -> None:
    found = kidney(charts.allergy(name, reaction=reaction, id="a"))
    assert found.action == "review"
    assert name in found.text
    assert reaction in found.text
    assert "Start" not in found.text


def test_a_cough_on_one_and_a_rash_on_another_leave_nothing() -> None:
    two = [charts.allergy("Lisinopril", reaction="Dry cough", id="a"), charts.allergy("Losartan", id="b")]
    found = kidney(*two)
    assert found.action == "review"
    assert "Losartan" in found.text


def test_what_was_not_tolerated_is_not_begun_again() -> None:
    found = kidney(charts.allergy("Jardiance", reaction="Ketoacidosis", id="a"), target="sglt2-inhibitor")
    assert found.action == "review"
    assert "Jardiance (Ketoacidosis)" in found.text


def test_a_reaction_to_an_anticoagulant_is_named() -> None:
    found = need(plan([FIBRILLATION, STROKE, OTHER, charts.allergy("Eliquis", reaction="Rash", id="a")]),
                 "anticoagulant")  # fmt: skip
    assert found.action == "review"
    assert "Eliquis (Rash)" in found.text


def test_another_statin_may_be_begun_where_one_was_not_tolerated_and_that_is_said() -> None:
    found = need(plan([STENT, OTHER, charts.allergy("Simvastatin", reaction="Muscle pain", id="a")]), "statin")
    assert found.action == "start"
    assert "Simvastatin (Muscle pain)" in found.text


def test_no_statin_is_begun_where_none_was_tolerated() -> None:
    found = need(plan([STENT, OTHER, charts.allergy("Statins", reaction="Muscle pain", id="a")]), "statin")
    assert found.action == "review"


def test_a_further_medicine_of_which_none_was_tolerated_is_not_begun() -> None:
    taken = [STENT, medicine("atorvastatin 80 mg", "80 mg daily"), measured("ldl-cholesterol", 150, "mg/dL")]
    members = sorted({name for group in NON_STATINS for name in classes.members(group)})
    known = [charts.allergy(name, reaction="Rash", id=f"a{n}") for n, name in enumerate(members)]
    assert need(plan(taken), "non-statin").action == "start"
    assert need(plan([*taken, *known[1:]]), "non-statin").action == "start"
    assert need(plan([*taken, *known]), "non-statin").action == "review"


def test_an_alternative_that_was_not_tolerated_is_taken_away() -> None:
    pair = [medicine("omeprazole 20 mg", "20 mg daily"), medicine("clopidogrel 75 mg", "75 mg daily")]
    assert need(plan(pair), "omeprazole").alternatives == ("pantoprazole",)
    found = need(plan([*pair, charts.allergy("Pantoprazole", reaction="Rash", id="a")]), "omeprazole")
    assert found.alternatives == ()
    assert "Pantoprazole (Rash)" in found.text


def test_a_reaction_to_something_else_changes_nothing() -> None:
    assert kidney(charts.allergy("Penicillin", reaction="Rash", id="a")).text == kidney().text


def test_a_proposal_of_another_method_is_left_alone() -> None:
    assert need(plan([], [proposed(target="something")]), "something").text == "Do something."


# ---- diseases


@pytest.mark.parametrize(
    ("entry", "target", "words"),
    [
        (charts.condition("snomed|420422005", id="z"), "sglt2-inhibitor", "ketoacidosis"),
        (charts.condition("snomed|420422005", clinical="resolved", id="z"), "sglt2-inhibitor", "ketoacidosis"),
        (charts.condition("icd10cm|Z94.0", id="z"), "sglt2-inhibitor", "transplant"),
        (charts.condition("icd10cm|Z94.0", id="z"), "ras-inhibitor", "transplant"),
        (charts.condition(text="Bilateral renal artery stenosis", id="z"), "ras-inhibitor", "renal artery"),
        (charts.condition("icd10cm|N17.9", onset="2026-05-01", id="z"), "ras-inhibitor", "acute kidney injury"),
        (pressure(84, 50, "2026-05-30"), "ras-inhibitor", "84 mmHg"),
    ],
)
def test_a_disease_on_record_holds_a_kidney_medicine_back(entry: dict[str, Any], target: str, words: str) -> None:
    found = kidney(entry, target=target)
    assert found.action == "review"
    assert words in found.text
    assert "Start" not in found.text


@pytest.mark.parametrize(
    "entry",
    [
        charts.condition("icd10cm|N17.9", onset="2024-05-01", id="z"),
        pressure(100, 60, "2026-05-30"),
        pressure(84, 50, "2026-01-30"),
    ],
    ids=["old injury", "at the limit", "old pressure"],
)
def test_what_is_over_or_not_low_holds_nothing_back(entry: dict[str, Any]) -> None:
    assert kidney(entry).action == "start"


def test_no_blocker_is_begun_into_a_rise_of_creatinine() -> None:
    rise = [measured("creatinine", 1.2, "mg/dL", "2026-05-01"), measured("creatinine", 3.4, "mg/dL", "2026-05-31")]
    found = plan([*KIDNEY, *rise], CKD)
    assert need(found, "acute-kidney-injury").tier == "urgent"
    for target in ("ras-inhibitor", "sglt2-inhibitor"):
        assert need(found, target).action == "review"
        assert "acutely injured" in need(found, target).text


def test_liver_failure_holds_a_statin_back_and_cirrhosis_alone_is_asked_about() -> None:
    failing = need(plan([STENT, OTHER, charts.condition("icd10cm|K72.00", id="z")]), "statin")
    assert failing.action == "review"
    assert "contraindicated" in failing.text
    cirrhosis = need(plan([STENT, OTHER, charts.condition("icd10cm|K74.60", id="z")]), "statin")
    assert cirrhosis.action == "start"
    assert "Confirm that the cirrhosis on record is not decompensated" in cirrhosis.text
    over = charts.condition("icd10cm|K72.00", clinical="resolved", id="z")
    assert need(plan([STENT, OTHER, over]), "statin").action == "start"


def test_a_statin_is_not_continued_in_liver_failure() -> None:
    found = plan([STENT, medicine("atorvastatin 80 mg", "80 mg daily"), charts.condition("icd10cm|K72.00", id="z")])
    assert need(found, "atorvastatin").action == "avoid"
    assert not any("Continue atorvastatin" in i.text for i in found.items)


@pytest.mark.parametrize(
    ("name", "code", "there"),
    [
        ("verapamil 240 mg", "snomed|703272007", True),
        ("diltiazem 120 mg", "snomed|703272007", True),
        ("amlodipine 5 mg", "snomed|703272007", False),
        ("propranolol 40 mg", "snomed|195967001", True),
        ("bisoprolol 5 mg", "snomed|195967001", False),
    ],
)
def test_medicines_that_a_disease_speaks_against(name: str, code: str, there: bool) -> None:
    found = item(plan([medicine(name, "1 daily"), charts.condition(code, id="z")]), name.split()[0])
    assert (found is not None and found.action == "avoid" and found.tier == "urgent") is there


# ---- the person


@pytest.mark.parametrize("birth", ["2008", "2030-02-01", "1850-02-01", None])
def test_nothing_is_begun_where_the_age_is_not_known_to_be_an_adults(birth: str | None) -> None:
    who = {k: v for k, v in (patient() | {"birthDate": birth}).items() if v is not None}
    found = need(plan([STENT, OTHER], who=who), "statin")
    assert found.action == "review"
    assert "begin" not in found.text.lower()


@pytest.mark.parametrize(("birth", "words"), [("2030-02-01", "lies in the future"), ("1850-02-01", "120 years ago")])
def test_an_impossible_date_of_birth_is_named(birth: str, words: str) -> None:
    found = plan([], who=patient(birth))
    assert found.summary["age"] is None
    assert words in found.summary["age_note"]
    assert words in need(found, "date-of-birth").text


def test_a_year_of_birth_that_makes_an_adult_is_enough() -> None:
    assert need(plan([STENT, OTHER], who=patient("1963")), "statin").action == "start"


# ---- anticoagulants


@pytest.mark.parametrize("name", ["Clexane 80 mg", "enoxaparin 80 mg", "fondaparinux 7.5 mg"])
def test_no_anticoagulant_is_begun_beside_another(name: str) -> None:
    found = need(plan([FIBRILLATION, STROKE, medicine(name, "1 daily")]), "anticoagulant")
    assert found.action == "review"
    assert "Begin" not in found.text
    assert "given for" in found.text


def test_a_direct_anticoagulant_is_not_for_pregnancy_nor_breast_feeding() -> None:
    told = [FIBRILLATION, STROKE, OTHER]
    who = patient("1992-01-01")
    pregnant = need(plan([*told, condition("pregnancy", "2026-03-01")], who=who), "anticoagulant")
    assert pregnant.action == "review"
    assert "heparin" in pregnant.text
    asked = need(plan(told, who=who), "anticoagulant")
    assert "in pregnancy: ask first" in asked.text
    feeding = need(plan([*told, condition("breastfeeding", "2026-03-01")], who=who), "anticoagulant")
    assert "rather than a direct one (breast-feeding)" in feeding.text
    assert "in pregnancy" not in need(plan(told, who=patient("1950-01-01")), "anticoagulant").text


def test_a_pain_killer_with_a_direct_anticoagulant_is_named() -> None:
    found = need(plan([medicine("Eliquis 5 mg", "1 bd"), medicine("Advil 400 mg", "1 bd")]), "ibuprofen")
    assert (found.action, found.tier) == ("avoid", "urgent")
    assert "apixaban" in found.text


def test_an_anticoagulant_that_may_not_be_taken_is_asked_about() -> None:
    told = [FIBRILLATION, STROKE]
    for doubted in (medicine("warfarin 5 mg", "1 daily", "2015-01-01"), medicine("warfarin 5 mg", status="on-hold")):
        found = need(plan([*told, doubted]), "anticoagulant")
        assert found.action == "review"
        assert "Ask whether warfarin is taken now" in found.text
    assert item(plan([*told, medicine("warfarin 5 mg", "1 daily")]), "anticoagulant") is None


def test_a_bleeding_in_the_brain_gives_no_points_of_a_stroke() -> None:
    bleeding = charts.condition("snomed|274100004", id="z")
    assert item(plan([FIBRILLATION, OTHER, bleeding]), "anticoagulant") is None
    held = need(
        plan([FIBRILLATION, OTHER, bleeding, condition("diabetes"), condition("hypertension")]), "anticoagulant"
    )
    assert "CHA2DS2-VASc 3" in held.text
    assert held.action == "review"


@pytest.mark.parametrize(("name", "taken"), [("apixaban", "Eliquis 5 mg"), ("warfarin", "warfarin 5 mg")])
def test_an_anticoagulant_in_pregnancy_is_for_today(name: str, taken: str) -> None:
    told = [medicine(taken, "1 daily"), condition("pregnancy", "2026-03-01")]
    found = need(plan(told, who=patient("1992-01-01")), name)
    assert (found.tier, found.action) == ("urgent", "avoid")
    assert "not stopped without a substitute" in found.text


def test_a_direct_anticoagulant_with_a_mechanical_valve_is_named() -> None:
    told = [charts.condition(text="Mechanical aortic valve replacement", id="z"), medicine("Eliquis 5 mg", "1 bd")]
    assert "mechanical heart valve" in need(plan(told), "apixaban").text


def test_two_platelet_inhibitors_of_which_one_is_old_are_asked_about() -> None:
    stent = procedure("percutaneous-coronary-intervention", "2026-03-01")
    clopidogrel = medicine("clopidogrel 75 mg", "75 mg daily")
    old = need(
        plan([stent, clopidogrel, medicine("aspirin 100 mg", "1 daily", "2015-01-01")]), "two-platelet-inhibitors"
    )
    assert "whether aspirin is taken now" in old.text
    assert item(plan([stent, clopidogrel, medicine("aspirin 100 mg", "1 daily")]), "two-platelet-inhibitors") is None


def test_no_further_medicine_is_promised_beside_one_that_is_taken() -> None:
    told = [STENT, medicine("simvastatin 20 mg", "20 mg daily")]
    assert "add a non-statin" in need(plan(told), "simvastatin").window
    with_one = need(plan([*told, medicine("ezetimibe 10 mg", "10 mg daily")]), "simvastatin")
    assert "add a non-statin" not in with_one.window
