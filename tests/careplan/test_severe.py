"""What of a plan is a severe conflict."""

from dataclasses import replace

import pytest

from salus.careplan.model import CONFLICT_WITHHELD, MedicineLine, Plan, PlanItem
from salus.careplan.severe import severe
from salus.findings.strength import Strength
from tests.careplan.people import medicine, patient, plan


def line(ingredient):
    return MedicineLine(ingredient, ingredient, "", "active", (), "2026-05-01", (), ())


ITEM = PlanItem(
    "g:avoid:clopidogrel", "urgent", 1, "avoid", "clopidogrel", "", "", Strength.of("strong"), "", (), (), (), ""
)
PLAN = Plan("p", "", "2026-06-01", (), (ITEM,), (line("clopidogrel"),), (), ())


@pytest.mark.parametrize("action", ["stop", "avoid", "change"])
def test_an_urgent_item_against_a_medicine_that_is_taken_is_one(action):
    assert severe(replace(PLAN, items=(replace(ITEM, action=action),))) == {ITEM.key}


@pytest.mark.parametrize(
    "change", [{"tier": "medicines"}, {"action": "review"}, {"action": "refer"}, {"target": "warfarin"}], ids=str
)
def test_anything_else_is_not(change):
    assert severe(replace(PLAN, items=(replace(ITEM, **change),))) == frozenset()


def test_a_medicine_that_the_plan_begins_counts_as_one_that_is_taken():
    start = replace(ITEM, key="g:start:clopidogrel", tier="medicines", action="start")
    assert severe(replace(PLAN, items=(ITEM, start), medicines=())) == {ITEM.key}
    assert severe(replace(PLAN, medicines=())) == frozenset()


@pytest.mark.parametrize(("taken", "target"), [("simvastatin", "statin"), ("aspirin + clopidogrel", "clopidogrel")])
def test_a_class_and_a_combination_hold_their_medicines(taken, target):
    item = replace(ITEM, target=target)
    assert severe(replace(PLAN, items=(item,), medicines=(line(taken),))) == {ITEM.key}


def test_two_medicines_of_a_dangerous_class_are_one():
    made = plan(
        [patient(), medicine("warfarin 5 mg", "5 mg once daily"), medicine("apixaban 5 mg", "5 mg twice daily")]
    )
    assert any(":review:two-" in key for key in severe(made))


def test_a_notice_is_worded_last_and_the_conflict_comes_first():
    told = replace(PLAN, withheld=("genome",), conflict_withheld=True)
    conflict, withheld = told.notices
    assert conflict == CONFLICT_WITHHELD
    assert withheld.startswith("Withheld by the patient: genome. ")
    assert PLAN.notices == ()
