"""What several rules ask: heart and vessel disease with its dates, kidney values, words for lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from salus.careplan.draft import Basis, of_finding, of_statement, total
from salus.careplan.facts import Answer, Facts, Statement, span_of
from salus.fhir.quantity import Quantity
from salus.findings.model import Finding

CORONARY_EVENT = ("acute-coronary-syndrome", "myocardial-infarction", "percutaneous-coronary-intervention")
BRAIN = ("stroke", "transient-ischaemic-attack")
OTHER_VESSELS = ("coronary-heart-disease", "coronary-artery-bypass-grafting", "peripheral-arterial-disease")
DAYS_OF_DAPT = 365
"""Default time on two platelet inhibitors after an acute coronary syndrome (2025 guideline: at least 12 months)."""


@dataclass(frozen=True, slots=True)
class Event:
    """An indication that is recorded. ``date`` is the newest date of the event itself ("" when only notes tell)."""

    answer: Answer
    basis: Basis
    date: str

    def recent(self, facts: Facts, days: int) -> bool | None:
        """Whether it happened within ``days``; None when its date is not recorded."""
        return facts.within(span_of(self.date), days)


def positive(answer: Answer) -> tuple[Statement, ...]:
    """Every statement that it is or was there."""
    return tuple(s for s in answer.statements if s.state in ("present", "past"))


def event(facts: Facts, concepts: Iterable[str]) -> Event | None:
    """The indication, when any of ``concepts`` is recorded as present or past.

    Only the record dates an event; a note's date is when it was written. Notes are reasons where the record is silent.
    """
    answer = facts.about(*concepts)
    if not answer.positive:
        return None
    recorded = tuple(s for s in positive(answer) if not s.finding)
    statements = recorded or positive(answer)
    dates = [s.date[:10] for s in recorded if s.date]
    return Event(answer, total(of_statement(s) for s in statements), max(dates, default=""))


def may_be_pregnant(facts: Facts) -> bool:
    """Whether pregnancy has to be asked about: below 55 years or of unknown age, unless the recorded sex is male."""
    return facts.patient.sex != "male" and (facts.age is None or facts.age < 55)


def value_of(finding: Finding | None) -> float | None:
    """A finding's quantity as a number."""
    if finding is None or not isinstance(finding.value, Quantity):
        return None
    return float(finding.value.value)


def number(value: object) -> float | None:
    """A number from a finding's details; None for anything else."""
    good = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return float(value) if good else None  # type: ignore[arg-type]


def egfr(facts: Facts) -> tuple[float, Basis] | None:
    """The newest eGFR with its reason."""
    finding = facts.one("egfr")
    value = value_of(finding)
    return (value, of_finding(finding)) if finding is not None and value is not None else None


def joined(words: Iterable[str], last: str = "or") -> str:
    """Words as an enumeration."""
    listed = list(words)
    if len(listed) < 2:
        return "".join(listed)
    return f"{', '.join(listed[:-1])} {last} {listed[-1]}"
