from __future__ import annotations

import pytest

from tests.careplan.people import (
    allergy,
    condition,
    egfr,
    gene,
    item,
    measured,
    medicine,
    need,
    note,
    patient,
    plan,
    procedure,
)

STENT = procedure("percutaneous-coronary-intervention", "2026-01-29")
SIMVASTATIN = medicine("simvastatin 40 mg", "40 mg every evening")


def test_three_reasons_become_one_item() -> None:
    found = plan(
        [STENT, SIMVASTATIN, medicine("amlodipine 5 mg", "5 mg daily")],
        [gene("SLCO1B1", "Decreased Function"), egfr(80)],
    )
    result = need(found, "simvastatin")
    assert result.key == "cpic-slco1b1-statins-2022:change:simvastatin"
    assert result.alternatives == ("rosuvastatin 20 mg", "atorvastatin 40 mg")
    merged = {d.key for d in found.dropped if "merged into" in d.reason}
    assert merged == {"mhra-simvastatin-2012:change:simvastatin", "acc-aha-acs-2025:change:simvastatin"}
    for name in ("CPIC", "MHRA", "acute coronary"):
        assert name in result.citation


def test_without_the_genome_the_other_reasons_stand() -> None:
    found = need(plan([STENT, SIMVASTATIN]), "simvastatin")
    assert found.key == "acc-aha-acs-2025:change:simvastatin"
    assert "SLCO1B1" not in found.text


def test_a_contraindicated_pair_is_urgent_and_first() -> None:
    found = need(plan([SIMVASTATIN, medicine("clarithromycin 500 mg", "twice daily")]), "simvastatin")
    assert (found.tier, str(found.strength)) == ("urgent", "contraindicated")


@pytest.mark.parametrize(("dose", "expected"), [("20 mg daily", False), ("40 mg daily", True), ("", True)])
def test_the_limit_with_amlodipine_depends_on_the_dose(dose: str, expected: bool) -> None:
    found = plan([medicine("simvastatin", dose), medicine("amlodipine 5 mg", "5 mg daily")])
    assert (item(found, "simvastatin") is not None) is expected


def test_low_kidney_function_takes_rosuvastatin_away() -> None:
    names = need(plan([STENT, SIMVASTATIN], [egfr(24)]), "simvastatin").alternatives
    assert names == ("atorvastatin 40 mg",)
    assert "rosuvastatin 20 mg" in need(plan([STENT, SIMVASTATIN], [egfr(45)]), "simvastatin").alternatives


def test_poor_function_leaves_rosuvastatin_only() -> None:
    found = need(plan([STENT, SIMVASTATIN], [gene("SLCO1B1", "Poor Function")]), "simvastatin")
    assert found.alternatives == ("rosuvastatin 20 mg",)


def test_no_statin_left_means_a_non_statin_besides() -> None:
    found = need(plan([STENT, SIMVASTATIN], [gene("SLCO1B1", "Poor Function"), egfr(20)]), "simvastatin")
    assert "add a non-statin" in found.text
    assert found.alternatives == ()


def test_an_allergy_takes_a_statin_away() -> None:
    found = need(plan([STENT, SIMVASTATIN, allergy("atorvastatin")]), "simvastatin")
    assert found.alternatives == ("rosuvastatin 20 mg",)


def test_ticagrelor_and_rosuvastatin_ask_for_care() -> None:
    people = [STENT, SIMVASTATIN, medicine("ticagrelor 90 mg", "90 mg twice daily")]
    found = need(plan(people, [egfr(80)]), "simvastatin")
    assert "rosuvastatin 20 mg (ticagrelor raises its level)" in found.text
    unknown = need(plan(people), "simvastatin")
    assert "rosuvastatin 20 mg (kidney function is not known, which limits its dose; ticagrelor" in unknown.text
    assert found.alternatives[0] == "atorvastatin 40 mg"


def test_high_intensity_that_fits_is_continued() -> None:
    assert need(plan([STENT, medicine("atorvastatin 80 mg", "80 mg daily")]), "atorvastatin").action == "continue"


def test_an_unknown_dose_is_not_taken_for_high() -> None:
    found = need(plan([STENT, medicine("atorvastatin")]), "atorvastatin")
    assert found.action == "review"
    assert "Find out the daily dose of atorvastatin" in found.text
    never_high = need(plan([STENT, medicine("pravastatin")]), "pravastatin")
    assert never_high.action == "change"


def test_begin_only_where_there_is_a_list() -> None:
    assert need(plan([STENT, medicine("aspirin 75 mg", "75 mg daily")]), "statin").action == "start"
    assert need(plan([STENT]), "statin").action == "review"


def test_other_vessel_disease_needs_it_too() -> None:
    found = need(plan([condition("stroke"), medicine("aspirin 75 mg", "75 mg daily")]), "statin")
    assert found.key == "acc-aha-dyslipidaemia-2026:start:statin"


def test_without_vessel_disease_a_moderate_dose_stays() -> None:
    assert item(plan([SIMVASTATIN]), "simvastatin") is None


def test_the_gene_alone_is_reason_enough() -> None:
    found = need(plan([SIMVASTATIN], [gene("SLCO1B1", "Decreased Function")]), "simvastatin")
    assert "rosuvastatin" in found.text
    below = medicine("simvastatin 10 mg", "10 mg daily")
    assert item(plan([below], [gene("SLCO1B1", "Decreased Function")]), "simvastatin") is None


def test_ldl_and_muscles_are_told() -> None:
    found = need(
        plan(
            [STENT, SIMVASTATIN, measured("ldl-cholesterol", 2.7, "mmol/L")],
            [note("myopathy", "absent", "unqualified")],
        ),
        "simvastatin",
    )
    assert any(words.startswith("LDL 104 mg/dL") for words in found.because)
    assert any("myopathy" in words for words in found.because)


def test_a_forbidden_pair_is_settled_today_and_the_patient_calls() -> None:
    found = need(plan([SIMVASTATIN, medicine("clarithromycin 500 mg", "twice daily")]), "simvastatin")
    assert found.text.startswith("Simvastatin must not be taken with clarithromycin")
    assert "the prescriber may suspend" in found.text
    assert found.window == "today"
    assert "call your doctor or pharmacist today" in found.patient_text
    assert "Keep taking" not in found.patient_text


def test_the_limits_of_other_medicines_hold_for_the_statin_that_is_proposed() -> None:
    pair = plan([STENT, SIMVASTATIN, medicine("clarithromycin 500 mg", "twice daily")])
    assert need(pair, "simvastatin").alternatives == ("rosuvastatin 20 mg",)
    graft = plan([STENT, SIMVASTATIN, medicine("ciclosporin 100 mg", "twice daily")])
    assert need(graft, "simvastatin").alternatives == ()


@pytest.mark.parametrize(("dose", "expected"), [("20 mg daily", False), ("80 mg daily", True)])
def test_atorvastatin_with_clarithromycin_has_a_limit(dose: str, expected: bool) -> None:
    found = plan([medicine("atorvastatin", dose), medicine("clarithromycin 500 mg", "twice daily")])
    assert (item(found, "atorvastatin") is not None) is expected


def test_low_kidney_function_speaks_for_atorvastatin() -> None:
    found = need(plan([STENT, SIMVASTATIN], [egfr(45)]), "simvastatin")
    assert found.alternatives[0] == "atorvastatin 40 mg"
    assert "the first dose of the EU label is 5 mg" in found.text
    assert "add a non-statin" in found.window


def test_above_75_years_the_intensity_is_a_choice() -> None:
    aspirin = medicine("aspirin 75 mg", "75 mg daily")
    assert "moderate intensity" in need(plan([STENT, aspirin], who=patient("1940-01-01")), "statin").text
    assert "moderate intensity" not in need(plan([STENT, aspirin]), "statin").text


def test_a_statin_is_not_begun_in_pregnancy() -> None:
    aspirin = medicine("aspirin 75 mg", "75 mg daily")
    young = patient("1990-01-01")
    assert "Not in pregnancy" in need(plan([STENT, aspirin], who=young), "statin").text
    assert "Not in pregnancy" not in need(plan([STENT, aspirin], who=patient("1990-01-01", "male")), "statin").text
    expecting = plan([STENT, aspirin], [note("pregnancy")], young)
    assert item(expecting, "statin") is None
    assert any("pregnan" in d.reason for d in expecting.dropped)


def test_what_is_tolerated_may_be_continued() -> None:
    found = need(plan([SIMVASTATIN], [gene("SLCO1B1", "Decreased Function")]), "simvastatin")
    assert any("without muscle symptoms may be continued" in words for words in found.because)
