from __future__ import annotations

from salus.careplan.model import Plan
from salus.fhir.quantity import Quantity
from salus.findings.model import Finding
from tests.careplan.people import (
    allergy,
    condition,
    finding,
    gene,
    item,
    measured,
    medicine,
    need,
    no_allergy,
    note,
    patient,
    percent,
    plan,
    procedure,
)

STENT = procedure("percutaneous-coronary-intervention", "2026-01-29")
CLOPIDOGREL = medicine("clopidogrel 75 mg", "75 mg once daily")
POOR = gene("CYP2C19", "Poor Metabolizer")
DENIALS = [
    note("intracranial-haemorrhage", "absent", "ever"),
    note("stroke", "absent", "ever"),
    note("transient-ischaemic-attack", "absent", "ever"),
    note("bleeding", "absent", "unqualified"),
    note("liver-disease", "absent", "ever"),
]


def _plan(*findings: Finding, more: tuple[dict[str, object], ...] = (no_allergy(),)) -> Plan:
    return plan([CLOPIDOGREL, STENT, *more], [POOR, *findings])


def test_everything_denied_leaves_both_alternatives() -> None:
    found = need(_plan(*DENIALS), "clopidogrel")
    assert found.alternatives == ("prasugrel", "ticagrelor")
    assert "prasugrel or ticagrelor at standard dose; clopidogrel is taken until then" in found.text
    assert (found.tier, found.status) == ("urgent", "proposed")
    assert "2027-01-29" in found.window


def test_a_tia_in_a_note_bars_prasugrel() -> None:
    findings = [f for f in DENIALS if "transient" not in f.sentence]
    found = need(_plan(*findings, note("transient-ischaemic-attack", "historical")), "clopidogrel")
    assert found.alternatives == ("ticagrelor",)
    assert "replace clopidogrel by ticagrelor at" in found.text
    assert any(w.startswith("prasugrel: ") and "transient" in w for w in found.because)


def test_not_recorded_is_not_absent() -> None:
    found = need(_plan(more=()), "clopidogrel")
    assert "after confirming what is not recorded" in found.text
    for words in ("stroke", "intracranial haemorrhage", "allergy to ticagrelor", "severe liver disease"):
        assert words in found.text
    assert "turns out to be there" in found.changes_if


def test_a_denial_of_today_does_not_clear_a_history() -> None:
    findings = [*(f for f in DENIALS if "intracranial" not in f.sentence)]
    found = need(_plan(*findings, note("intracranial-haemorrhage", "absent", "now")), "clopidogrel")
    assert "prasugrel at standard dose" in found.text
    clear = need(_plan(*DENIALS), "clopidogrel")
    assert "prasugrel or ticagrelor" in clear.text


def test_an_undated_denial_clears_nothing() -> None:
    undated = [note(f.details["concept"], "absent", "ever", when="") for f in DENIALS]
    assert "after confirming" in need(_plan(*undated), "clopidogrel").text


def test_an_assertion_wins_over_a_denial() -> None:
    found = need(_plan(*DENIALS, note("transient-ischaemic-attack", "historical", when="2019-01-01")), "clopidogrel")
    assert found.alternatives == ("ticagrelor",)


def test_every_alternative_barred_is_unresolved() -> None:
    history = [note("transient-ischaemic-attack", "historical"), note("intracranial-haemorrhage", "historical")]
    found = need(_plan(*history), "clopidogrel")
    assert found.status == "unresolved"
    assert found.ask == "cardiology"
    assert "Against prasugrel: transient ischaemic attack" in found.why
    assert "Against ticagrelor: intracranial haemorrhage" in found.why
    assert found.alternatives == ()
    assert found.rank == 1


def test_an_anticoagulant_is_unresolved() -> None:
    found = need(_plan(*DENIALS, more=(no_allergy(), medicine("apixaban 5 mg", "5 mg twice daily"))), "clopidogrel")
    assert found.status == "unresolved"
    assert "apixaban" in found.why


def test_a_strong_inhibitor_bars_ticagrelor() -> None:
    found = need(_plan(*DENIALS, more=(no_allergy(), medicine("clarithromycin 500 mg", "twice daily"))), "clopidogrel")
    assert found.alternatives == ("prasugrel",)


def test_an_allergy_bars() -> None:
    assert need(_plan(*DENIALS, more=(allergy("ticagrelor"),)), "clopidogrel").alternatives == ("prasugrel",)


def test_a_year_after_the_stent_the_question_is_another() -> None:
    old = procedure("percutaneous-coronary-intervention", "2024-12-01")
    found = need(plan([CLOPIDOGREL, old], [POOR]), "clopidogrel")
    assert found.tier == "medicines"
    assert "usual 12 months have passed" in found.text


def test_without_an_indication_it_is_conditional() -> None:
    found = need(plan([CLOPIDOGREL, no_allergy()], [POOR, *DENIALS]), "clopidogrel")
    assert found.text.startswith("If it is taken after an acute coronary syndrome or stent")
    assert found.tier == "medicines"
    assert "why clopidogrel is taken is not recorded" in found.because


def test_the_neurovascular_recommendation_offers_no_prasugrel() -> None:
    found = need(plan([CLOPIDOGREL, condition("stroke", "2026-03-01")], [POOR]), "clopidogrel")
    assert found.alternatives == ("ticagrelor",)
    assert str(found.strength) == "moderate"


def test_clopidogrel_that_is_not_taken_drops_it() -> None:
    found = plan([STENT], [POOR])
    assert item(found, "clopidogrel") is None
    assert {d.reason for d in found.dropped if "clopidogrel" in d.key} == {"clopidogrel is not known to be taken"}
    listed = plan([STENT, medicine("aspirin 75 mg", "75 mg daily")], [POOR])
    assert {d.reason for d in listed.dropped if "clopidogrel" in d.key} == {"clopidogrel is not on the medicine list"}


def test_a_normal_metabolizer_proposes_nothing() -> None:
    assert item(plan([CLOPIDOGREL, STENT], [gene("CYP2C19", "Normal Metabolizer")]), "clopidogrel") is None


def test_lungs_heart_and_aspirin_are_weighed_for_ticagrelor() -> None:
    slow = finding("ecg-heart-rate", Quantity(44, "/min"))  # type: ignore[arg-type]
    heavy = medicine("aspirin 325 mg", "325 mg once daily")
    found = need(_plan(*DENIALS, slow, percent("lung-density-laa950", 11), more=(no_allergy(), heavy)), "clopidogrel")
    for words in ("breathlessness", "12-lead ECG", "aspirin must not exceed 100 mg"):
        assert words in found.text
    calm = finding("ecg-heart-rate", Quantity(66, "/min"))  # type: ignore[arg-type]
    quiet = need(_plan(*DENIALS, calm, percent("lung-density-laa950", 2)), "clopidogrel")
    assert "breathlessness" not in quiet.text
    assert any("no slow heart rate" in w for w in quiet.because)


def test_a_denial_from_the_gut_or_of_long_ago_does_not_clear() -> None:
    others = [f for f in DENIALS if "bleeding" not in f.sentence]
    gut = need(_plan(*others, note("gastrointestinal-bleeding", "absent", "now")), "clopidogrel")
    assert "no active bleeding" in gut.text
    stale = need(_plan(*others, note("bleeding", "absent", "now", when="2026-03-01")), "clopidogrel")
    assert "no active bleeding" in stale.text
    ancient = [f for f in DENIALS if "intracranial" not in f.sentence]
    found = need(_plan(*ancient, note("intracranial-haemorrhage", "absent", "ever", when="2019-01-01")), "clopidogrel")
    assert "replace clopidogrel by prasugrel at" in found.text


def test_bleeding_after_the_denial_is_not_cleared_by_it() -> None:
    others = [f for f in DENIALS if "bleeding" not in f.sentence]
    told = [note("bleeding", "absent", "now", when="2026-05-10"), note("bleeding", "possible", when="2026-05-20")]
    assert "no active bleeding" in need(_plan(*others, *told), "clopidogrel").text


def test_after_a_stroke_nobody_is_told_that_the_time_is_over() -> None:
    found = need(
        plan([CLOPIDOGREL, condition("stroke", "2021-03-01"), no_allergy()], [POOR, *DENIALS[:1]]), "clopidogrel"
    )
    assert "12 months" not in f"{found.text} {found.window}"
    assert found.text.startswith("Ask neurology or the stroke clinic whether ticagrelor")
    assert found.tier == "medicines"
    assert "heart doctor" not in found.patient_text


def test_leg_arteries_are_no_emergency_and_have_no_end() -> None:
    found = need(plan([CLOPIDOGREL, condition("peripheral-arterial-disease", "2026-03-01")], [POOR]), "clopidogrel")
    assert (found.tier, found.window) == ("medicines", "")
    assert "suits better than clopidogrel" in found.text


def test_the_only_platelet_inhibitor_is_not_questioned_away() -> None:
    old = procedure("percutaneous-coronary-intervention", "2024-12-01")
    alone = need(plan([CLOPIDOGREL, old], [POOR]), "clopidogrel")
    assert "the only one on the list" in alone.text
    both = need(plan([CLOPIDOGREL, old, medicine("aspirin 75 mg", "75 mg once daily")], [POOR]), "clopidogrel")
    assert "still needed" in both.text
    assert all("taken until then" in i.text for i in (alone, both))


def test_an_elective_stent_has_another_time() -> None:
    assert "6 months if it was elective" in need(_plan(*DENIALS), "clopidogrel").window
    acute = condition("myocardial-infarction", "2026-01-28")
    found = need(plan([CLOPIDOGREL, STENT, acute, no_allergy()], [POOR, *DENIALS]), "clopidogrel")
    assert "elective" not in found.window
    assert any("comes before clopidogrel anyway" in words for words in found.because)


def test_the_labels_restraint_with_prasugrel_is_told() -> None:
    light = measured("body-weight", 55, "kg")
    found = need(
        plan([CLOPIDOGREL, STENT, light, no_allergy()], [POOR, *DENIALS], patient("1948-01-01")), "clopidogrel"
    )
    assert "generally not recommended from 75 years" in found.text
    assert "below 60 kg" in found.text
    medical = condition("myocardial-infarction", "2026-01-28")
    assert "none is recorded" in need(plan([CLOPIDOGREL, medical, no_allergy()], [POOR, *DENIALS]), "clopidogrel").text
    assert "75 years" not in need(_plan(*DENIALS), "clopidogrel").text


def test_what_bars_an_alternative_and_the_statin_stand_in_the_text() -> None:
    findings = [f for f in DENIALS if "transient" not in f.sentence]
    simvastatin = medicine("simvastatin 40 mg", "40 mg daily")
    found = need(
        _plan(*findings, note("transient-ischaemic-attack", "historical"), more=(no_allergy(), simvastatin)),
        "clopidogrel",
    )
    assert "Not prasugrel: transient ischaemic attack." in found.text
    assert "Ticagrelor raises simvastatin (at most 40 mg a day with it)" in found.text


def test_with_an_anticoagulant_no_alternative_is_named() -> None:
    found = need(_plan(*DENIALS, more=(no_allergy(), medicine("apixaban 5 mg", "5 mg twice daily"))), "clopidogrel")
    assert found.alternatives == ()
    assert "taken until that is settled" in found.text
