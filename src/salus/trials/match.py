"""Criteria held against a person: eligible, excluded, or in need of data, each with what decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from salus.findings.model import Evidence
from salus.person.judge import Answer, judge
from salus.person.person import Person
from salus.person.rules import Age
from salus.record.chart import Chart
from salus.trials.criteria import Criterion, Protocol

Verdict = Literal["eligible", "excluded", "needs data"]
ALIVE = Criterion("alive", "inclusion", "The person lives (asked of everybody)", Age(0, None))
"""Stands in front of a protocol's criteria where the record tells of a death."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A criterion with its answer. ``passed``: an inclusion that is met, an exclusion that is not; None: open."""

    criterion: Criterion
    answer: Answer

    @property
    def passed(self) -> bool | None:
        """True, False, or None where it is not known."""
        if self.answer.truth == "unknown":
            return None
        return (self.answer.truth == "met") == (self.criterion.kind == "inclusion")


@dataclass(frozen=True, slots=True)
class Match:
    """A protocol against one chart. ``needs`` is what to measure or ask to decide, once each."""

    protocol: Protocol
    judged: tuple[Judged, ...]

    @property
    def verdict(self) -> Verdict:
        """Excluded by one criterion, eligible when all passed, else in need of data. Never a score."""
        states = [j.passed for j in self.judged]
        return "excluded" if False in states else "needs data" if None in states else "eligible"

    @property
    def needs(self) -> tuple[str, ...]:
        """What would decide; nothing where the verdict stands already."""
        if self.verdict != "needs data":
            return ()
        return tuple(dict.fromkeys(n for j in self.judged if j.passed is None for n in j.answer.needs))


def match(protocol: Protocol, chart: Chart) -> Match:
    """Hold every criterion against the chart, and first whether the person lives.

    Raises MethodError for a chart without a person.
    """
    person = Person(chart)
    dead = (Judged(ALIVE, _dead(person)),) if person.patient.deceased else ()
    return Match(protocol, (*dead, *(Judged(c, judge(c.rule, person)) for c in protocol.criteria)))


def _dead(person: Person) -> Answer:
    return Answer("not met", "recorded as deceased", (Evidence(person.patient.source),))
