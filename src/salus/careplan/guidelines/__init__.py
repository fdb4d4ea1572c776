"""Rules that turn findings and facts into proposals, a file for each field of medicine."""

from __future__ import annotations

from salus.careplan.draft import Outcome
from salus.careplan.facts import Facts
from salus.careplan.guidelines import (
    antiplatelet,
    gaps,
    interactions,
    kidney,
    lifestyle,
    others,
    pressure,
    prevention,
    statins,
)

RULES = (antiplatelet, statins, interactions, kidney, pressure, prevention, lifestyle, others, gaps)


def propose(facts: Facts) -> Outcome:
    """Everything that any rule proposes or drops, in the order of :data:`RULES`."""
    for rule in RULES:
        yield from rule.propose(facts)
