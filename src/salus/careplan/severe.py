"""Severe conflicts: the items of a plan for which what a patient withholds is not passed over in silence."""

from __future__ import annotations

from salus.careplan.model import Plan, PlanItem
from salus.terminology import classes

_RESTRAINS = frozenset({"stop", "avoid", "change"})
_TOGETHER = "two-"
"""How the target of an item begins that speaks of two medicines of one class (``two-anticoagulant``)."""


def severe(plan: Plan) -> frozenset[str]:
    """The keys of the plan's severe conflicts.

    A severe conflict is an urgent item that says to stop, avoid or change a medicine that the person takes or that the
    same plan begins, whatever it conflicts with (a gene, a disease, a laboratory value, another medicine); or one that
    asks about two medicines of one class that are dangerous together. The plan's rules decide what is urgent. A
    medicine that nobody confirmed for two years is never urgent, and neither is what is recorded of a dead person.
    """
    return frozenset(item.key for item in plan.items if _is_severe(plan, item))


def _is_severe(plan: Plan, item: PlanItem) -> bool:
    if item.tier != "urgent":
        return False
    if item.action == "review" and item.target.startswith(_TOGETHER):
        return True
    return item.action in _RESTRAINS and not _medicines(item.target).isdisjoint(_had_or_begun(plan))


def _had_or_begun(plan: Plan) -> frozenset[str]:
    """The ingredients that are on the medicine list, and those that items of the plan begin."""
    begun = (_medicines(item.target) for item in plan.items if item.action == "start")
    return frozenset().union(*(_medicines(line.ingredient) for line in plan.medicines), *begun)


def _medicines(target: str) -> frozenset[str]:
    """What an item speaks of: the ingredient, those of the combination, or those of the class; and the name itself."""
    return frozenset((target, *(name for part in target.split(" + ") for name in classes.members(part))))
