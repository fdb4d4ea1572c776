"""Rules that turn findings and facts into proposals, a file for each field of medicine.

Rules do not call each other. All propose first; then each item that holds a choice or a dose settles it against all
proposals (:attr:`salus.careplan.draft.Draft.finish`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from salus.careplan.draft import Draft, Outcome
from salus.careplan.guidelines import (
    acute,
    antiplatelet,
    arteries,
    gaps,
    harms,
    interactions,
    kidney,
    lifestyle,
    others,
    pressure,
    prevention,
    rhythm,
    statins,
)
from salus.careplan.model import Dropped
from salus.person.person import Person

RULES = (
    acute, antiplatelet, arteries, statins, rhythm, interactions, harms, kidney, pressure, prevention, lifestyle,
    others, gaps,
)  # fmt: skip


def propose(person: Person) -> Outcome:
    """Everything that any rule proposes or drops, in the order of :data:`RULES`."""
    outcomes: list[Draft | Dropped] = [outcome for rule in RULES for outcome in rule.propose(person)]
    drafts = [outcome for outcome in outcomes if isinstance(outcome, Draft)]
    return _finished(outcomes, drafts)


def _finished(outcomes: Iterable[Draft | Dropped], drafts: list[Draft]) -> Outcome:
    for outcome in outcomes:
        if isinstance(outcome, Draft) and outcome.finish is not None:
            yield replace(outcome.finish(outcome, drafts), finish=None)
        else:
            yield outcome
