"""Plans keep the hard rules, cost no less than the bound and, where all plans can be tried, no more than the best."""

from itertools import product
from time import monotonic

import pytest

from salus.errors import InputError
from salus.operations.model import Admission, Plan
from salus.operations.reasons import reasons
from salus.operations.rules import score
from tests.operations import tiny

pytest.importorskip("ortools", reason="the extra salus[operations] is not installed")

from salus.operations.solve import Settings, solve


def quick(instance, **more):
    return solve(instance, Settings(**{"seconds": 20, "steps": 4000, **more}), monotonic)


def every_plan(instance):
    """All plans of the tiny instance: where n2 works there is a choice of nurse, elsewhere none."""
    places = [
        [None, *(Admission(*place) for place in product(range(p.release, p.last + 1), p.rooms, range(2)))]
        for p in instance.patients
    ]
    for admissions in product(*places):
        for one, other in product((0, 2), repeat=2):
            yield Plan(admissions, ((0, 1, one, 1, 0, 1), (0, 1, other, 1, 0, 1)))


@pytest.mark.parametrize(
    "change", [{}, {"unscheduled_optional": 200}, {"patient_delay": 0, "open_operating_theater": 90}]
)
def test_no_plan_of_all_is_cheaper(change):
    document = tiny.document()
    document["weights"] |= change
    instance = tiny.made(document)
    scores = [score(instance, plan) for plan in every_plan(instance)]
    best = min(found.cost for found in scores if not found.violations)
    outcome = quick(instance)
    assert outcome.score is not None
    assert outcome.score.cost == best
    assert outcome.bound is not None
    assert outcome.bound <= best
    assert outcome.search_cost == best


def test_the_ward_is_planned_without_hard_violations_and_the_same_way_twice():
    ward = tiny.ward()
    one, two = quick(ward, seed=3), quick(ward, seed=3)
    assert one.plan is not None
    assert one == two
    found = score(ward, one.plan)
    assert found.violations == 0
    assert one.bound <= found.cost
    assert one.stopped == "steps"
    assert one.steps == 4000
    assert quick(ward, seed=4).plan is not None


def test_settings_out_of_range_are_refused():
    for wrong in ({"seconds": 0}, {"seconds": float("nan")}, {"steps": -1}):
        with pytest.raises(InputError, match="out of range"):
            quick(tiny.made(), **wrong)


@pytest.mark.parametrize("missing", ["patients", "occupants", "operating_theaters", "rooms", "nurses"])
def test_a_house_that_lacks_something_is_planned_or_told_why_not(missing):
    document = tiny.document()
    document["patients"][0]["mandatory"] = False
    document["patients"][1]["incompatible_room_ids"] = []
    document[missing] = []
    if missing == "rooms":
        document["occupants"] = []
    outcome = quick(tiny.made(document), steps=400)
    if missing == "nurses":
        assert "no nurse works in some shift" in outcome.blocked.sentences()[0]
    else:
        assert outcome.score.violations == 0


@pytest.mark.parametrize("in_c", [True, False])
def test_an_instance_too_large_for_cp_sat_is_planned_without_a_bound(monkeypatch, in_c):
    monkeypatch.setattr("salus.operations.team.MOST_CHOICES", 12)
    outcome = quick(tiny.made(), compiled=in_c)
    assert outcome.score.violations == 0
    assert outcome.bound is None
    assert outcome.stopped == "steps"


@pytest.mark.parametrize("in_c", [True, False])
def test_the_clock_ends_a_search_and_the_search_counts_as_the_rules_do(in_c):
    start = monotonic()
    outcome = solve(tiny.ward(), Settings(seconds=1.5, compiled=in_c), monotonic)
    assert monotonic() - start < 10
    assert outcome.score.violations == 0
    assert outcome.search_cost == outcome.score.cost
    assert outcome.steps > 0
    assert outcome.stopped in ("time", "optimal")


def test_where_there_is_no_compiler_the_walk_in_python_plans(monkeypatch):
    monkeypatch.setattr("salus.operations.solve.compiled", lambda seconds: None)
    one = quick(tiny.ward(), seed=3)
    assert one == quick(tiny.ward(), seed=3)
    assert not one.compiled
    assert one.score.violations == 0
    assert one.steps == 4000


def blocked(change):
    document = tiny.document()
    change(document)
    outcome = quick(tiny.made(document))
    assert outcome.plan is None
    assert outcome.score is None
    assert outcome.proved
    return " ".join(outcome.blocked.sentences())


def test_what_is_impossible_by_itself_is_named():
    assert "p0" in blocked(lambda d: d["patients"][0].update(incompatible_room_ids=["r0", "r1"]))
    assert "surgeon s0 never has 130 minutes" in blocked(lambda d: d["patients"][0].update(surgery_duration=130))
    assert "no theatre has 110 minutes" in blocked(lambda d: d["patients"][0].update(surgery_duration=110))
    assert "no nurse works" in blocked(lambda d: d["nurses"][1]["working_shifts"].clear())
    assert "both gender groups" in blocked(
        lambda d: d["occupants"].append(d["occupants"][0] | {"id": "o1", "gender": "B"})
    )


def both_on_day_one(document, **more):
    for one in document["patients"][:2]:
        one |= {"mandatory": True, "surgery_release_day": 1, "surgery_due_day": 1} | more


def test_what_is_impossible_together_names_who_is_left_and_which_rule_binds():
    def gender(document):
        both_on_day_one(document)
        document["patients"][1]["gender"] = "B"
        document["patients"][0]["incompatible_room_ids"] = ["r1"]

    said = blocked(gender)
    assert "gender groups" in said
    assert "surgeon minutes" not in said
    said = blocked(lambda document: both_on_day_one(document, surgery_duration=70))
    assert "everybody would fit if this rule gave way: surgeon minutes" in said
    assert "found no place beside the others: p" in said


def test_every_unmet_wish_of_an_admission_has_a_reason_and_its_alternative_costs_what_it_says():
    ward = tiny.ward()
    outcome = quick(ward)
    plan, found = outcome.plan, reasons(ward, outcome.plan)
    out = {ward.patients[i].id for i, a in enumerate(plan.admissions) if a is None}
    late = {p.id for p, a in zip(ward.patients, plan.admissions, strict=True) if a and a.day > p.release}
    assert {r.about for r in found if r.wish == "unscheduled"} == out != set()
    assert {r.about for r in found if r.wish == "delay"} == late
    cost = score(ward, plan).cost
    for reason in found:
        assert reason.sentence
        if reason.alternative is None:
            continue
        number = next(i for i, p in enumerate(ward.patients) if p.id == reason.about)
        admissions = (*plan.admissions[:number], reason.alternative, *plan.admissions[number + 1 :])
        full = tuple(tuple(quick_nurse(ward, s, n) for s, n in enumerate(row)) for row in plan.nurses)
        other = score(ward, Plan(admissions, full))
        assert bool(reason.blocks) == bool(other.violations)
        assert other.cost - cost == reason.change


def quick_nurse(instance, shift, nurse):
    """The nurse of an empty room, as the search has it: the first who works."""
    return instance.on_duty(shift)[0] if nurse is None else nurse


def test_wishes_of_rooms_and_nurses_add_up_to_their_cost():
    ward = tiny.ward()
    plan = quick(ward, steps=0).plan
    costs, found = score(ward, plan).costs, reasons(ward, plan)
    for wish in ("age_mix", "skill", "excess", "surgeon_transfer", "delay", "unscheduled"):
        assert sum(r.cost for r in found if r.wish == wish) == costs[wish]
