"""What a method proposes that nobody measured comes last: it drops nothing, outranks nothing and settles nothing."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from salus.careplan.compose import UNMEASURED, compose
from salus.careplan.model import TIERS
from salus.fhir.views import CATEGORIES, Source
from salus.findings.model import Evidence, Finding, Proposal
from salus.record.chart import Chart
from tests.conftest import creatinine, person

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CHART = Chart.of([person(), creatinine("1.1", "2026-01-01", "c1")], now=NOW)
SOURCE = Source("Observation/c1", 1, "0" * 64)


def proposal(action="measure", target="waist", *, guideline="made-2026", tier="prevention", **more):
    parts = {"text": f"{action} {target}", "indication": "made up", "strength": "strong", "citation": "made up"}
    return Proposal(guideline=guideline, action=action, target=target, tier=tier, **{**parts, **more})


def strange(*proposals, method="stranger.waist", code="waist-remark", marked=True):
    kept = tuple(replace(p, details={**p.details, UNMEASURED: True}) for p in proposals) if marked else proposals
    return Finding(
        code=code, sentence="A remark.", no_uncertainty="a remark", evidence=(Evidence(SOURCE),), proposals=kept,
        method=method, method_version="1", subject="p1",
    )  # fmt: skip


def plan(*findings):
    return compose(CHART, findings, looked_at=CATEGORIES)


OURS = strange(proposal("start", "metformin", tier="disease-control"), method="ours.m", code="ours", marked=False)


def test_it_comes_after_everything_else_and_is_said_to_be_unmeasured():
    made = plan(OURS, strange(proposal(tier="urgent", strength="contraindicated")))
    first, *others, last = made.items
    assert last.text == "Not measured: measure waist"
    assert last.tier == TIERS[-1]
    assert last.rank == len(made.items)
    assert "proposed by stranger.waist, a method that nobody measured" in last.because
    assert {first.key, *(o.key for o in others)} == {i.key for i in plan(OURS).items}


@pytest.mark.parametrize("action", ["stop", "avoid", "change", "start", "continue", "measure", "refer", "review"])
@pytest.mark.parametrize("guideline", ["made-2026", "cpic-slco1b1-statins-2022", "cpic-cyp2c19-clopidogrel-2022"])
def test_the_rest_of_the_plan_is_as_it_would_be_without_it(action, guideline):
    alone = plan(OURS)
    beside = plan(OURS, strange(proposal(action, "metformin", guideline=guideline, tier="urgent")))
    kept = [i for i in beside.items if not i.key.startswith("stranger.waist/")]
    assert kept == list(alone.items)
    assert beside.dropped == alone.dropped
    assert beside.uncovered == alone.uncovered
    assert [i.key for i in beside.items[len(kept) :]] == [f"stranger.waist/{guideline}:{action}:metformin"]


def test_the_same_proposal_from_a_method_that_was_measured_does_settle():
    beside = plan(OURS, strange(proposal("avoid", "metformin", tier="urgent"), marked=False))
    assert "made-2026:start:metformin" in {d.key for d in beside.dropped}


def test_its_key_is_nobody_elses():
    same = proposal("start", "metformin", tier="disease-control")
    made = plan(OURS, strange(same), strange(same, method="stranger.other", code="other"))
    keys = [i.key for i in made.items if i.target == "metformin"]
    assert keys == [
        "made-2026:start:metformin",
        "stranger.other/made-2026:start:metformin",
        "stranger.waist/made-2026:start:metformin",
    ]


def test_strangers_do_not_drop_each_other():
    made = plan(
        strange(proposal("start", "metformin")),
        strange(proposal("avoid", "metformin", tier="urgent"), method="stranger.other", code="other"),
    )
    assert [i.action for i in made.items if i.target == "metformin"] == ["avoid", "start"]
    assert not [d for d in made.dropped if "metformin" in d.key]


def test_missing_inputs_of_strangers_do_not_take_up_ours():
    wanted = [proposal(target=f"input-{n}", tier="missing-data") for n in range(4)]
    mine = strange(
        proposal(target="input-0", guideline="ours", tier="missing-data"), method="ours.m", code="ours", marked=False
    )
    alone, beside = plan(mine), plan(mine, strange(*wanted))
    assert list(alone.items) == [i for i in beside.items if not i.key.startswith("stranger.waist/")]
    assert alone.dropped == tuple(d for d in beside.dropped if "stranger.waist/" not in f"{d.key} {d.merged_into}")


def test_it_still_is_held_to_what_the_person_has():
    made = plan(strange(proposal(contraindications=("diabetes",), details={"when": {"medicine": "warfarin"}})))
    assert not [i for i in made.items if i.target == "waist"]
    (dropped,) = [d for d in made.dropped if d.key == "stranger.waist/made-2026:measure:waist"]
    assert "warfarin" in dropped.reason


def test_every_finding_stays_in_the_plan_with_what_it_proposes():
    given = strange(proposal())
    (kept,) = [f for f in plan(OURS, given).findings if f.method == "stranger.waist"]
    assert kept == given


def test_for_a_person_of_whom_nothing_is_proposed_it_proposes_nothing():
    child = Chart.of([person(birthDate="2020-01-01")], now=NOW)
    assert not compose(child, [strange(proposal())], looked_at=CATEGORIES).items
