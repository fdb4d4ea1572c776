"""A plan as plain lines for a terminal or a file."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from salus.careplan.model import NOT_A_DEVICE, TIER_TITLES, TIERS, MedicineLine, Plan, PlanItem

WIDTH = 100


def render(plan: Plan, *, width: int = WIDTH) -> str:
    """The whole plan. Lines are at most ``width`` characters, but for words that are longer."""
    return "\n".join(_lines(plan, width)) + "\n"


def _lines(plan: Plan, width: int) -> Iterator[str]:
    yield f"Care plan for {plan.name or plan.subject or 'a person who is not named'}, {plan.at[:10]}"
    yield from _wrap(_who(plan), width)
    yield from _wrap(NOT_A_DEVICE, width)
    yield from _wrap(plan.scope_statement, width)
    for notice in plan.notices:
        yield from _wrap(notice, width)
    for tier in TIERS:
        items = plan.of_tier(tier)
        if items:
            yield from ("", TIER_TITLES[tier].upper())
            for item in items:
                yield from _item(item, width)
    if not plan.items:
        yield from ("", "Nothing is proposed.")
    yield from ("", "MEDICINES RECORDED" if plan.summary.get("deceased") else "MEDICINES")
    for line in plan.medicines:
        yield from _wrap(_medicine(line), width, "  ")
    if not plan.medicines:
        yield "  None are recorded in what was looked at."
    if plan.not_assessable:
        yield from ("", "NOT ASSESSABLE")
        for gap in plan.not_assessable:
            yield from _wrap(f"{gap.title}: {gap.reason}. To obtain: {'; '.join(gap.needs)}.", width, "  ")
    if plan.not_understood:
        yield from ("", "READ BUT NOT UNDERSTOOD")
        for words in plan.not_understood:
            yield from _wrap(words, width, "  ")
    if plan.uncovered:
        yield from ("", "ON RECORD, AND NO RULE OF THIS PLAN COVERS IT")
        for words in plan.uncovered:
            yield from _wrap(words, width, "  ")
    if plan.dropped:
        yield from ("", "DROPPED")
        for lost in plan.dropped:
            held = plan.dropped_title(lost).lower() if lost.merged_into else ""
            yield from _wrap(f"{lost.key}: {held or lost.reason}", width, "  ")


def _who(plan: Plan) -> str:
    age, died = plan.summary.get("age"), plan.summary.get("deceased")
    first = str(died) if died else f"{age} years" if age is not None else "age not known"
    parts = [first, str(plan.summary.get("sex", "sex not recorded"))]
    notes = [str(plan.summary[name]) for name in ("age_note", "nothing_proposed") if name in plan.summary]
    return ", ".join(parts) + "." + "".join(f" {note[0].upper()}{note[1:]}." for note in notes)


def _item(item: PlanItem, width: int) -> Iterator[str]:
    mark = "UNRESOLVED: " if item.status == "unresolved" else ""
    yield from _wrap(f"{item.rank}. {mark}{item.text}", width, "  ", "     ")
    if item.status == "unresolved":
        yield from _wrap(f"Ask {item.ask}: {item.why}", width, "     ")
    for reason in item.because:
        yield from _wrap(f"- {reason}", width, "     ", "       ")
    if item.window:
        yield from _wrap(f"When: {item.window}", width, "     ")
    if item.alternatives:
        yield from _wrap(f"Alternatives: {', '.join(item.alternatives)}", width, "     ")
    yield from _wrap(f"Strength: {item.strength}. Source: {item.citation}", width, "     ")
    yield from _wrap(f"Changes if: {item.changes_if}", width, "     ")
    yield f"     [{item.key}]"


def _medicine(line: MedicineLine) -> str:
    dose = f", {line.dose}" if line.dose else ", dose not recorded"
    confirmed = f"last confirmed {line.last_confirmed}" if line.last_confirmed else "never confirmed with a date"
    notes = "".join(f"; {note}" for note in line.notes)
    return f"{line.name}{dose}: {line.status}, from {' and '.join(line.sources)}, {confirmed}{notes}"


def _wrap(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=first if rest is None else rest, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
