"""What the plan says of the dead, of old medicine lists, of merged proposals and of what was not released."""

from __future__ import annotations

from dataclasses import replace

from salus.careplan import resolve
from salus.careplan.compose import compose
from salus.careplan.text import render
from salus.findings.strength import Strength
from salus.record.chart import Chart, Read
from tests.careplan.people import NOW, egfr, finding, item, medicine, need, patient, plan, proposed
from tests.careplan.test_compose import _draft as draft_of


def test_the_dead_are_described_as_dead() -> None:
    listed = [medicine("warfarin 5 mg", "5 mg daily", "2013-12-01")]
    dead = plan(listed, [egfr(47)], patient("1937-01-05", deceasedDateTime="2014-03-02"))
    assert dead.summary["age"] == 77
    assert dead.summary["deceased"] == "died on 2014-03-02, aged 77"
    assert [m.status for m in dead.medicines] == ["recorded"]
    told = render(dead)
    assert "died on 2014-03-02, aged 77, female." in told
    assert "MEDICINES RECORDED" in told
    assert "89 years" not in told
    assert ": active" not in told
    assert plan([], who=patient("1937-01-05", deceasedDateTime="2014")).summary["deceased"] == "died in 2014"
    assert plan([], who=patient("1937", deceasedDateTime="2014-03-02")).summary["age"] is None
    assert plan([], who=patient(deceasedBoolean=True)).summary["deceased"] == "has died"


OLD = "2020-03-01"


def test_a_medicine_that_nobody_confirmed_for_long_makes_nothing_urgent() -> None:
    both = [medicine("ibuprofen 400 mg", "daily", OLD), medicine("naproxen 250 mg", "daily", OLD)]
    old = need(plan(both), "two-nsaid")
    assert old.tier == "medicines"
    assert old.text.startswith("Ask first whether ibuprofen and naproxen are still taken")
    assert old.patient_text.startswith("Do you still take ibuprofen and naproxen?")
    fresh = [medicine("ibuprofen 400 mg", "daily"), medicine("naproxen 250 mg", "daily")]
    assert need(plan(fresh), "two-nsaid").tier == "urgent"
    assert not [i for i in plan(both).items if i.tier == "urgent"]


def test_two_fresh_medicines_of_a_class_stay_urgent_beside_an_old_one() -> None:
    fresh = [medicine("ibuprofen 400 mg", "daily"), medicine("naproxen 250 mg", "daily")]
    found = need(plan([*fresh, medicine("meloxicam 15 mg", "daily", OLD)]), "two-nsaid")
    assert found.tier == "urgent"
    assert found.text.startswith("Three pain killers of the NSAID kind are listed as taken: ibuprofen, meloxicam and")


def test_an_old_list_is_gone_through() -> None:
    old = medicine("amlodipine 5 mg", "5 mg daily", OLD)
    assert "the newest on 2020-03-01" in need(plan([old]), "medicine-list").text
    assert item(plan([old, medicine("metformin 500 mg", "daily")]), "medicine-list") is None


def test_what_was_merged_names_its_item() -> None:
    first, second = draft_of(guideline="h", strength=Strength.of("strong")), draft_of()
    _, (lost,) = resolve.settle([first, second])
    assert lost.merged_into == first.key
    found = replace(plan([]), items=(first.item(1),), dropped=(lost,))
    assert found.dropped_title(lost) == "Merged into item 1"
    assert "g:start:t: merged into item 1\n" in render(found)


def test_one_test_is_asked_for_once() -> None:
    measure = {"action": "measure", "tier": "missing-data"}
    inputs = [proposed(target=n, text=f"To know more: measure {n}.", **measure) for n in ("egfr", "height", "weight")]
    alone = proposed(guideline="other", target="creatinine", text="Measure creatinine.", citation="kidney", **measure)
    found = plan([], [*inputs, alone])
    assert item(found, "creatinine") is None
    kept = need(found, "missing-inputs")
    assert kept.citation == "a source; kidney"
    assert [d.merged_into for d in found.dropped if d.key == "other:measure:creatinine"] == [kept.key]
    assert need(plan([], [*inputs[1:], alone]), "creatinine")


def test_what_was_not_looked_at_may_be_recorded() -> None:
    """A method that looked for genomes cannot tell "not recorded" from "not released" to who may not see them."""
    read = (Read("genome", (), "0", frozenset({"genome"})), Read("patient", (), "0", frozenset({"person"})))
    told = "no genome file is recorded"
    gap = finding(
        "cyp2c19-phenotype", status="not-assessable", reason=told, needs=("a test",), evidence=(), read_set=read
    )
    chart = Chart.of([patient()], now=NOW)
    (hidden,) = compose(chart, [gap], looked_at=["record"]).not_assessable
    assert hidden.reason == f"{told} (or it was not released to this reader)"
    (shown,) = compose(chart, [gap], looked_at=["record", "genome"]).not_assessable
    assert shown.reason == told
