"""Whether a medicine may be begun: the one place that every start goes through, whatever rule proposed it.

A start is held back, as a question to be settled, while the person may be no adult, while an entry that may forbid it
could not be read, where a reaction to what is offered is on record, and where something else on record speaks against
it. What does not hold it back is said in the item.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from salus.careplan.cautions import cautions
from salus.careplan.draft import Basis, Draft, cite, of_measured, of_statement, total
from salus.person.answer import Statement, day, each_once
from salus.person.person import Person
from salus.terminology import classes

BREAKS = ("diagnosis", "procedure", "allergy", "medicine", "note")
"""Kinds of entries that may speak against a new medicine."""
UNCERTAIN_AGE = "the record does not tell whether the person is an adult, and the rules are for adults"
LOWERS_PRESSURE = (
    "ace-inhibitor", "arb", "renin-inhibitor", "beta-blocker", "calcium-channel-blocker", "thiazide", "mra",
)  # fmt: skip
LOW_SYSTOLIC = 100
"""mmHg below which the label of lisinopril asks for close supervision of a start."""
PRESSURE_VALID = timedelta(days=90)
"""How old such a pressure may be to count, as for high ones. salus's own choice."""
CLINIC = (None, "clinic", "office", "home")
WAIT_FOR_KIDNEYS = ("ace-inhibitor", "arb", "renin-inhibitor", "mra", "sglt2-inhibitor", "biguanide")
INJURY = "acute-kidney-injury"
"""The target of the item on a rise of creatinine; what it asks to be held is not begun beside it."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Something that speaks against a start, as a clause. ``holds``: it is settled first; else it is only said."""

    words: str
    basis: Basis
    holds: bool = True
    citation: str = ""
    of_record: bool = True
    """False where the person or the record as a whole is in doubt, not this medicine."""


def held_back(person: Person, draft: Draft, drafts: Sequence[Draft] = ()) -> Draft:
    """The draft with what speaks against beginning its medicine; a start that must wait becomes a question."""
    if not draft.begins and not draft.alternatives:
        return draft
    if not draft.begins:
        return _without_barred(person, draft)
    reasons = list(_reasons(person, draft, drafts))
    holding = [r for r in reasons if r.holds]
    if draft.action != "start":
        return _said(draft, [r for r in reasons if r.of_record])
    if not holding:
        return _said(draft, reasons)
    words = "; ".join(r.words for r in holding)
    held = draft.instead(
        action="review",
        text=f"{draft.begins} may be due, but {words}: settle that first.",
        basis=draft.basis + total(r.basis for r in holding),
        changes_if=f"it is settled that this does not speak against it ({words})",
    )
    return _cited(held, holding)


def _said(draft: Draft, reasons: Sequence[Reason]) -> Draft:
    """The same proposal, with what is to be known beside it."""
    if not reasons:
        return draft
    words = " ".join(f"{r.words[:1].upper()}{r.words[1:]}." for r in reasons)
    said = replace(draft, text=f"{draft.text} {words}", basis=draft.basis + total(r.basis for r in reasons))
    return _cited(said, reasons)


def _cited(draft: Draft, reasons: Iterable[Reason]) -> Draft:
    more = [r.citation for r in reasons if r.citation and r.citation not in draft.citation]
    return replace(draft, citation="; ".join(dict.fromkeys((draft.citation, *more))))


def _without_barred(person: Person, draft: Draft) -> Draft:
    """An alternative that was not tolerated is taken away and named."""
    barred = {name: found for name in draft.alternatives if (found := reactions(person, (name,)))}
    if not barred:
        return draft
    statements = each_once(s for found in barred.values() for s in found)
    left = tuple(name for name in draft.alternatives if name not in barred)
    return _said(replace(draft, alternatives=left), [_reaction(statements, holds=False)])


def _reasons(person: Person, draft: Draft, drafts: Sequence[Draft]) -> Iterator[Reason]:
    yield from _age(person)
    yield from _unread(person)
    yield from _reactions(person, draft)
    for caution in cautions(person):
        if caution.concerns(draft.offers):
            yield Reason(caution.text, caution.basis, caution.holds, cite(str(caution.entry["source"])))
    yield from _low_pressure(person, draft.offers)
    injury = next((d for d in drafts if d.target == INJURY), None)
    if injury is not None and set(draft.offers) & set(WAIT_FOR_KIDNEYS):
        yield Reason("the kidneys may be acutely injured (see the item on that)", injury.basis)


def _age(person: Person) -> Iterator[Reason]:
    if person.adult is not True:
        yield Reason(person.age_doubt or UNCERTAIN_AGE, Basis((UNCERTAIN_AGE,)), of_record=False)


def _unread(person: Person) -> Iterator[Reason]:
    unread = person.unread(*BREAKS)
    if unread:
        shown = "; ".join(dict.fromkeys(u.sentence for u in unread))
        basis = Basis((f"read but not understood: {shown}",), (), tuple(e for u in unread for e in u.evidence))
        words = f"the record holds what could not be read and may speak against it ({shown})"
        yield Reason(words, basis, of_record=False)


def reactions(person: Person, offered: Collection[str]) -> tuple[Statement, ...]:
    """What is recorded of an allergy or intolerance to any member of ``offered`` (classes or ingredients)."""
    members = dict.fromkeys(member for name in offered for member in classes.members(name))
    answers = [a for member in members if (a := person.allergy(member)).positive]
    return each_once(s for a in answers for s in a.deciding)


def shown_as(person: Person, statements: Iterable[Statement]) -> frozenset[str] | None:
    """The concepts of the reactions by which ``statements`` showed; None where one of them does not tell."""
    found: frozenset[str] = frozenset()
    for statement in statements:
        told = [a.reactions for a in person.allergies if a.statement == statement]
        if not told or not told[0]:
            return None
        found |= told[0]
    return found


def _reactions(person: Person, draft: Draft) -> Iterator[Reason]:
    found = reactions(person, draft.offers)
    if found:
        members = {member for name in draft.offers for member in classes.members(name)}
        none_left = all(person.allergy(member).positive for member in members)
        yield _reaction(found, holds=none_left or not draft.swaps)


def _reaction(statements: Sequence[Statement], *, holds: bool) -> Reason:
    words = "; ".join(dict.fromkeys(s.words.rstrip(".") for s in statements))
    return Reason(f"a reaction is on record ({words})", total(of_statement(s) for s in statements), holds)


def _low_pressure(person: Person, offered: Collection[str]) -> Iterator[Reason]:
    if not set(offered) & set(LOWERS_PRESSURE):
        return
    found = person.newest("systolic-bp", "mm[Hg]", within=PRESSURE_VALID, settings=CLINIC)
    if found.value is not None and found.value < LOW_SYSTOLIC:
        words = f"the newest systolic blood pressure is {found.value:.0f} mmHg ({day(found.date)})"
        yield Reason(words, of_measured(found, words), citation=cite("ras-hypotension"))
