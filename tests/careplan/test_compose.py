from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.careplan import resolve
from salus.careplan.compose import compose
from salus.careplan.draft import Basis, Draft, cite
from salus.careplan.fhir import to_bundle
from salus.careplan.model import NOT_A_DEVICE, TIERS, Plan
from salus.careplan.report.plain import reading_grade, tells_to_stop
from salus.careplan.text import render
from salus.fhir import json
from salus.fhir.views import CATEGORIES
from salus.findings.strength import Strength
from salus.record.chart import Chart
from tests.careplan.people import (
    NOW,
    allergy,
    condition,
    egfr,
    finding,
    gene,
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
    procedure,
    proposed,
    smoker,
    stage,
)

RESOURCES: list[dict[str, Any]] = [
    procedure("percutaneous-coronary-intervention", "2026-01-29"),
    condition("coronary-heart-disease"),
    condition("hypertension", verified="refuted"),
    condition("stroke", status="resolved"),
    condition("diabetes"),
    condition("pregnancy"),
    medicine("clopidogrel 75 mg", "75 mg daily"),
    medicine("aspirin 325 mg", "325 mg daily"),
    medicine("simvastatin 40 mg", "40 mg at night"),
    medicine("omeprazole 20 mg", "daily"),
    medicine("amlodipine 5 mg", "5 mg daily"),
    medicine("ramipril 5 mg", "5 mg daily"),
    medicine("losartan 50 mg", "daily"),
    medicine("ticagrelor 90 mg", "90 mg twice daily"),
    medicine("clarithromycin 500 mg", "twice daily"),
    medicine("ciclosporin 100 mg", "twice daily"),
    medicine("apixaban 5 mg", "5 mg twice daily"),
    medicine("metformin 500 mg", "500 mg twice daily"),
    no_allergy(),
    allergy("atorvastatin"),
    pressure(150, 92),
    measured("potassium", 4.3, "mmol/L"),
    measured("ldl-cholesterol", 164, "mg/dL"),
    smoker(),
]
FINDINGS = [
    gene("CYP2C19", "Poor Metabolizer"),
    gene("SLCO1B1", "Decreased Function"),
    egfr(47),
    egfr(25),
    stage("G3a", "A2", 246),
    home(142, 86),
    home(186, 104),
    home(132, 78, "below"),
    percent("prevent-ascvd-10y", 6),
    percent("prevent-cvd-10y", 9),
    percent("lung-density-laa950", 11),
    finding("egfr-course", details={"rapid_decline": "yes"}),
    finding("home-bp-trend", details={"direction": "rising"}),
    finding("ckd-stage", status="not-assessable", reason="no creatinine", needs=("creatinine",), target="x"),
    note("transient-ischaemic-attack", "historical"),
    note("intracranial-haemorrhage", "historical"),
    note("intracranial-haemorrhage", "absent", "ever"),
    note("bleeding", "present"),
    note("liver-disease", "possible"),
    note("smoking"),
    note("angioedema", "historical"),
    note("heart-failure", "absent", "now"),
    note("myocardial-infarction", "family", tail=" (father), at the age of 49"),
    noted_medicine("ibuprofen"),
    noted_medicine("clopidogrel", "stopped"),
    noted_medicine("statin"),
    proposed(),
    proposed(action="avoid", target="ramipril", details={"when": {"medicine": "ramipril"}}, tier="urgent"),
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sets(st.integers(0, len(RESOURCES) - 1)),
    st.sets(st.integers(0, len(FINDINGS) - 1)),
    st.sampled_from(("1968-03-14", "1940", "2019-05-01", "", "2008-06")),
    st.randoms(use_true_random=False),
)
def test_any_chart_gives_one_plan(resources: set[int], findings: set[int], birth: str, shuffle: random.Random) -> None:
    who = patient(birth) if birth else {k: v for k, v in patient().items() if k != "birthDate"}
    bodies = [RESOURCES[n] for n in sorted(resources)]
    chosen = [FINDINGS[n] for n in sorted(findings)]
    first = plan(bodies, chosen, who)
    shuffle.shuffle(bodies)
    shuffle.shuffle(chosen)
    assert plan(bodies, chosen, who) == first
    _sound(first)
    assert to_bundle(first) == to_bundle(first)
    assert render(first)


def _sound(found: Plan) -> None:
    assert [i.rank for i in found.items] == list(range(1, len(found.items) + 1))
    tiers = [TIERS.index(i.tier) for i in found.items]
    assert tiers == sorted(tiers)
    assert len({i.key for i in found.items}) == len(found.items)
    ids = {f.id for f in found.findings}
    for i in found.items:
        assert all((i.text, i.strength, i.citation, i.because, i.changes_if)), i.key
        assert set(i.findings) <= ids
        assert i.patient_text, i.key
        if i.status == "unresolved":
            assert i.ask
            assert i.why
    assert all(d.reason for d in found.dropped)


def test_what_the_patient_reads_is_plain_and_never_tells_to_stop() -> None:
    seen: dict[str, str] = {}
    for n in range(300):
        pick = random.Random(n)
        bodies = pick.sample(RESOURCES, pick.randint(0, len(RESOURCES)))
        chosen = pick.sample(FINDINGS, pick.randint(0, len(FINDINGS)))
        for i in plan(bodies, chosen).items:
            if not i.key.startswith("stranger"):
                seen[i.patient_text] = i.key
    assert len(seen) > 25
    for text, key in seen.items():
        assert not tells_to_stop(text), key
        assert not re.search(r"\b(?:stop|quit|discontinue)\b", text.replace("smoking", ""), re.I), key
        assert reading_grade(text) <= 8, (key, reading_grade(text), text)


def test_the_dead_and_children_get_no_proposals() -> None:
    dead = plan(RESOURCES, FINDINGS, patient(deceasedDateTime="2026-01-01"))
    assert dead.items == ()
    assert dead.not_assessable == ()
    assert dead.summary["nothing_proposed"] == "the person has died"
    child = plan(RESOURCES, FINDINGS, patient("2015-01-01"))
    assert child.items == ()
    assert "under 18" in child.summary["nothing_proposed"]
    assert "under 18" in render(child)


def test_an_age_that_is_not_told_is_said() -> None:
    found = plan([], who=patient("1984"))
    assert found.summary["age"] is None
    assert "too partial" in found.summary["age_note"]
    no_birth = {k: v for k, v in patient().items() if k != "birthDate"}
    assert "whether the person is an adult" in plan([], who=no_birth).summary["age_note"]


def test_a_chart_without_a_person() -> None:
    found = compose(Chart.of([], now=NOW), (), looked_at=["record"])
    assert found.items == ()
    assert "no Patient" in found.summary["nothing_proposed"]
    assert to_bundle(found)["entry"][0]["resource"]["subject"] == {"display": "not named"}


def test_a_refuted_problem_is_none() -> None:
    refuted = condition("coronary-heart-disease", verified="refuted")
    assert item(plan([refuted, medicine("aspirin 75 mg", "75 mg daily")]), "statin") is None


def test_a_strangers_proposal_is_taken_over_or_dropped() -> None:
    assert need(plan([], [proposed()]), "something").key == "stranger-1:start:something"
    barred = plan([condition("stroke")], [proposed(contraindications=("stroke",))])
    assert item(barred, "something") is None
    assert any("contraindicated" in d.reason for d in barred.dropped)
    assert (
        "confirm that there is no stroke" in need(plan([], [proposed(contraindications=("stroke",))]), "something").text
    )
    absent = plan([], [proposed(details={"when": {"medicine": "warfarin"}})])
    assert any("warfarin is not known to be taken" in d.reason for d in absent.dropped)


def test_safety_comes_before_benefit() -> None:
    start = proposed(target="rosuvastatin", strength=Strength.of("strong"))
    avoid = proposed(guideline="stranger-2", action="avoid", target="rosuvastatin", strength=Strength.of("consider"))
    found = plan([], [start, avoid])
    assert need(found, "rosuvastatin").action == "avoid"
    assert any("safety before benefit" in d.reason for d in found.dropped)


def _draft(**fields: Any) -> Draft:
    given: dict[str, Any] = {
        "guideline": "g",
        "action": "start",
        "target": "t",
        "tier": "prevention",
        "order": 1,
        "text": "Do.",
        "patient_text": "Ask.",
        "strength": Strength.of("consider"),
        "citation": "c",
        "basis": Basis(("why",)),
        "changes_if": "never",
    } | fields
    return Draft(**given)


def test_equal_steps_merge_with_both_reasons() -> None:
    weak = _draft()
    strong = _draft(guideline="h", strength=Strength.of("strong"), citation="d", basis=Basis(("because",)))
    (kept,), (lost,) = resolve.settle([weak, strong])
    assert kept.guideline == "h"
    assert kept.basis.words == ("because", "why")
    assert kept.citation == "d; c"
    assert lost.key == "g:start:t"


def test_what_is_unresolved_stays_in_sight() -> None:
    open_one = _draft(status="unresolved", topic="x", ask="cardiology", why="both are barred")
    other = _draft(target="u", topic="x", strength=Strength.of("strong"), action="avoid")
    kept, lost = resolve.settle([other, open_one])
    assert kept == [open_one]
    assert [d.key for d in lost] == [other.key]


def test_missing_inputs_of_one_guideline_are_one_item() -> None:
    asked = [
        proposed(
            action="measure",
            target=f"t{n}",
            tier="missing-data",
            text=f"To know more: measure {n}.",
            details={"purpose": "To know more", "step": f"measure {n}"},
        )
        for n in range(4)
    ]
    found = plan([], asked)
    assert need(found, "missing-inputs").text == "To know more: measure 0; measure 1; measure 2; measure 3."
    assert len([i for i in found.items if i.key.startswith("stranger")]) == 1


def test_the_item_on_missing_inputs_says_each_thing_once() -> None:
    long = "Not assessable: age is not known; height is not known; weight is not known."
    asked = [
        replace(
            proposed(
                action="measure",
                target=name,
                tier="missing-data",
                indication=f"{name} is not known",
                details={"unknown": name},
            ),
            sentence=long,
        )
        for name in ("height", "weight", "smoking")
    ]
    found = plan([], asked)
    assert need(found, "missing-inputs").because == ("not known: height; smoking; weight",)
    assert item(found, "smoking-status") is None


def test_without_an_age_the_date_of_birth_is_asked_first() -> None:
    found = plan([], who=patient("1984"))
    assert found.of_tier("missing-data")[0].target == "date-of-birth"
    assert item(plan([]), "date-of-birth") is None


def test_a_medicine_list_that_is_not_there_is_drawn_up() -> None:
    assert need(plan([], [noted_medicine("ibuprofen")]), "medicine-list").text.startswith("Draw up the medicine list")
    some = medicine("amlodipine 5 mg", "5 mg daily")
    assert "do not agree" in need(plan([some], [noted_medicine("ibuprofen")]), "medicine-list").text


def test_unanswered_questions_stand_once_and_not_when_answered() -> None:
    gap = {"status": "not-assessable", "reason": "no unit", "needs": ("the unit",)}
    found = plan([], [finding("egfr", **gap), finding("egfr", **gap, effective=("2026-01-01", "2026-01-01"))])
    assert [n.finding for n in found.not_assessable] == ["egfr"]
    assert found.not_assessable[0].title == "Estimated GFR"
    assert plan([], [finding("egfr", **gap), egfr(80)]).not_assessable == ()


def test_scope_and_device_statements_are_everywhere() -> None:
    found = plan(RESOURCES, FINDINGS)
    notes = [n["text"] for n in to_bundle(found)["entry"][0]["resource"]["note"]]
    words = " ".join(render(found).split())
    for text in (NOT_A_DEVICE, found.scope_statement):
        assert text in notes
        assert text in words
    assert compose(Chart.of([patient()], now=NOW), (), looked_at={"note", "record"}).looked_at == ("record", "note")


def test_the_bundle_is_whole_and_proposes_only() -> None:
    found = plan(RESOURCES, FINDINGS)
    bundle = to_bundle(found)
    json.loads(json.dumps(bundle))
    resources = [e["resource"] for e in bundle["entry"]]
    made = {f"{r['resourceType']}/{r['id']}" for r in resources}
    assert len(made) == len(resources)
    care = resources[0]
    assert {a["reference"]["reference"] for a in care["activity"]} <= made
    requests = [r for r in resources if r["resourceType"] == "ServiceRequest"]
    assert len(requests) == len(found.items)
    assert {r["intent"] for r in requests} == {"proposal"}
    reasons = {ref["reference"].partition("/")[0] for r in requests for ref in r.get("reasonReference", ())}
    assert reasons == {"Observation"}
    assert {r["identifier"][0]["value"] for r in requests} == {i.key for i in found.items}
    unresolved = [i for i in found.items if i.status == "unresolved"]
    assert len([r for r in resources if r["resourceType"] == "DetectedIssue"]) == len(unresolved) > 0


def test_the_birth_date_stays_out_of_every_output() -> None:
    found = plan(RESOURCES, FINDINGS)
    for text in (render(found), json.dumps(to_bundle(found)).decode()):
        assert "1968-03" not in text


def test_lines_stay_within_the_width() -> None:
    lines = render(plan(RESOURCES, FINDINGS), width=72).splitlines()
    assert max(len(line) for line in lines if " " in line.strip() and "[" not in line) <= 72


@pytest.mark.parametrize("name", ["acs-2025", "kdigo-2024", "ticagrelor-label"])
def test_citations_can_be_followed(name: str) -> None:
    assert len(cite(name)) > 40


def test_every_citation_says_where_it_was_read() -> None:
    from salus.careplan.draft import _sources

    for name, source in _sources().items():
        assert all((source["citation"], source["opened"])), name


def test_interaction_and_contraindication_tables_are_sound() -> None:
    from salus.careplan.safety import _table
    from salus.terminology import classes, codes

    known = codes.concepts()
    for name, entry in _table("contraindications").items():
        assert set(entry["concepts"]) <= set(known), name
        assert entry["kind"] in ("ever", "now", "severity")
    for entry in _table("interactions")["interaction"]:
        assert cite(entry["source"])
        for name in (*entry["of"], *entry["with"]):
            assert classes.classes_of(classes.members(name)) or classes.members(name) == (name,)
        assert ("proposal" in entry) != ("rule" in entry)


def test_now_does_not_move_the_plan_within_a_day() -> None:
    chart = [patient(), *RESOURCES]
    early = compose(Chart.of(chart, now=datetime(2026, 6, 1, 1, tzinfo=UTC)), FINDINGS, looked_at=CATEGORIES)
    late = compose(Chart.of(chart, now=datetime(2026, 6, 1, 22, tzinfo=UTC)), FINDINGS, looked_at=CATEGORIES)
    assert early.items == late.items
