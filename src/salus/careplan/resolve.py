"""Conflicts and order. The rules, in the order in which they decide:

1. Safety before benefit: a proposal to avoid or change a medicine beats one to start or continue it.
2. What is unresolved stays in sight: it is never pushed aside by a proposal on the same medicine.
3. The stronger recommendation beats the weaker, then the one with more reasons of this person's own.
4. Of two proposals for the same action on the same target the beaten one is merged: its reasons are kept.

Ranking: tier, unresolved first, the rule's own order, key. The same input gives the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from salus.careplan.draft import Draft
from salus.careplan.model import TIERS, Dropped

_RESTRAINS = frozenset({"stop", "avoid", "change"})
_PROMOTES = frozenset({"start", "continue"})


def settle(drafts: Iterable[Draft]) -> tuple[list[Draft], list[Dropped]]:
    """The drafts that stay, and those that fell with the rule by which they fell."""
    kept: list[Draft] = []
    dropped: list[Dropped] = []
    for draft in sorted(drafts, key=_preference):
        rival = next((k for k in kept if _clash(k, draft)), None)
        if rival is None:
            kept.append(draft)
            continue
        if _same(rival, draft):
            kept[kept.index(rival)] = _merged(rival, draft)
            dropped.append(merged(draft, rival.key))
        else:
            reason = f"{rival.key} speaks of the same medicine and comes first: safety before benefit"
            dropped.append(Dropped(draft.key, draft.text, reason, draft.citation))
    return kept, dropped


def merged(draft: Draft, into: str) -> Dropped:
    """What is said of a draft whose reasons went over to the item with the key ``into``."""
    reason = f"merged into {into}: the same step for a further reason"
    return Dropped(draft.key, draft.text, reason, draft.citation, into)


def ranked(drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts in the order of the plan."""
    return sorted(drafts, key=lambda d: (TIERS.index(d.tier), d.status != "unresolved", d.order, d.key))


def _preference(draft: Draft) -> tuple[bool, bool, int, int, int, str]:
    return (
        draft.status != "unresolved",
        draft.action not in _RESTRAINS,
        TIERS.index(draft.tier),
        draft.strength.rank,
        -len(draft.basis.words),
        draft.key,
    )


def _same(one: Draft, other: Draft) -> bool:
    return one.target == other.target and (
        one.action == other.action
        or {one.action, other.action} <= _RESTRAINS
        or {one.action, other.action} <= _PROMOTES
    )


def _clash(one: Draft, other: Draft) -> bool:
    if one.key == other.key or _same(one, other):
        return True
    if one.topic and one.topic == other.topic:
        return True
    return one.target == other.target and one.action in _RESTRAINS and other.action in _PROMOTES


def _merged(kept: Draft, other: Draft) -> Draft:
    citation = kept.citation if other.citation in kept.citation else f"{kept.citation}; {other.citation}"
    return replace(kept, basis=kept.basis + other.basis, citation=citation, window=kept.window or other.window)
