"""From a plan item down to the source: item, findings, evidence, and the very line, characters or samples it cites."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from salus.app.session import Opened
from salus.careplan.model import Plan, PlanItem
from salus.careplan.report.evidence import Library
from salus.errors import InputError
from salus.findings.model import Evidence, Finding


@dataclass(frozen=True, slots=True)
class Shown:
    """One piece of evidence opened: where it lies and what stands there (``problem``: why it cannot be shown)."""

    where: str
    label: str
    excerpt: str
    problem: str = ""


def find_item(plan: Plan, name: str) -> PlanItem:
    """The plan's item by number (1 is the first) or key. Raises InputError."""
    if name.isdecimal() and 1 <= int(name) <= len(plan.items):
        return plan.items[int(name) - 1]
    for item in plan.items:
        if item.key == name:
            return item
    raise InputError("the plan has no such item", remedy="give its number or key as the plan shows it")


def findings_of(item: PlanItem, opened: Opened) -> list[Finding]:
    """The findings that the item rests on."""
    return [f for f in opened.findings if f.id in item.findings]


def show(evidence: Iterable[Evidence], opened: Opened) -> Iterator[Shown]:
    """Open evidence, each checked to be still what was cited."""
    pieces = tuple(evidence)
    library = Library(opened.chart, {}, {}, pieces)
    for piece in pieces:
        place = library.open(piece)
        where = f"{place.title} ({piece.source.ref}, version {piece.source.version})"
        marked = f"⟦{place.marked}⟧" if place.before or place.after else place.marked
        excerpt = f"{place.before}{marked}{place.after}"
        yield Shown(f"{where}, {place.where}" if place.where else where, piece.label, excerpt, place.problem)
