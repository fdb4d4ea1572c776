"""Rules that turn findings and facts into proposals, a file for each field of medicine."""

from __future__ import annotations

from salus.careplan.draft import Outcome
from salus.careplan.facts import Facts
from salus.careplan.guidelines import others


def propose(facts: Facts) -> Outcome:
    """Everything that any rule proposes or drops."""
    yield from others.propose(facts)
