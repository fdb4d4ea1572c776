"""What several rules ask: heart and vessel disease with its dates, kidney values, words for lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from salus.careplan.draft import Basis, cite, of_finding, of_statement, said, total
from salus.fhir.quantity import Quantity
from salus.findings.model import Finding
from salus.findings.strength import Grade, Strength
from salus.person.answer import Answer, Statement, span_of
from salus.person.person import Person

CORONARY_EVENT = ("acute-coronary-syndrome", "myocardial-infarction", "percutaneous-coronary-intervention")
BRAIN = ("stroke", "transient-ischaemic-attack", "stroke-or-tia-history")
OTHER_VESSELS = (
    "coronary-heart-disease", "peripheral-arterial-disease", "cerebral-artery-stenosis", "atherosclerosis-other",
)  # fmt: skip
BLEEDING_IN_BRAIN = ("intracranial-haemorrhage",)
"""A stroke of this kind is no disease of narrowed arteries."""
FERTILE = 55
"""Completed years from which a pregnancy is not asked about. salus's own choice."""
DAYS_OF_DAPT = 365
"""Default time on two platelet inhibitors after an acute coronary syndrome (2025 guideline: at least 12 months)."""


@dataclass(frozen=True, slots=True)
class Event:
    """An indication that is recorded. ``date`` is the newest date of the event itself ("" when only notes tell)."""

    answer: Answer
    basis: Basis
    date: str

    def recent(self, person: Person, days: int) -> bool | None:
        """Whether it happened within ``days``; None when its date is not recorded."""
        return person.within(span_of(self.date), days)


def positive(answer: Answer) -> tuple[Statement, ...]:
    """Every statement that it is or was there."""
    return tuple(s for s in answer.statements if s.state in ("present", "past"))


def event(person: Person, concepts: Iterable[str]) -> Event | None:
    """The indication, when any of ``concepts`` is recorded as present or past.

    Only the record dates an event; a note's date is when it was written. Notes are reasons where the record is silent.
    """
    answer = person.about(*concepts, but=BLEEDING_IN_BRAIN)
    if not answer.positive:
        return None
    recorded = tuple(s for s in positive(answer) if not s.finding)
    statements = recorded or positive(answer)
    dates = [s.happened[:10] for s in recorded if s.happened]
    return Event(answer, total(of_statement(s) for s in statements), max(dates, default=""))


def may_be_pregnant(person: Person) -> bool:
    """Whether pregnancy has to be asked about: where it is recorded, and below 55 years or at an unknown age, unless
    the recorded sex is male or a recorded operation rules it out."""
    if person.pregnancy.state == "present":
        return True
    return person.pregnancy.state != "denied" and person.patient.sex != "male" and (
        person.age is None or person.age < FERTILE
    )  # fmt: skip


def value_of(finding: Finding | None) -> float | None:
    """A finding's quantity as a number."""
    if finding is None or not isinstance(finding.value, Quantity):
        return None
    return float(finding.value.value)


def number(value: object) -> float | None:
    """A number from a finding's details; None for anything else."""
    good = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return float(value) if good else None  # type: ignore[arg-type]


def egfr(person: Person) -> tuple[float, Basis] | None:
    """The newest eGFR with its reason. The method gives none where the newest creatinine is too old or unreadable."""
    finding = person.one("egfr")
    value = value_of(finding)
    return (value, of_finding(finding)) if finding is not None and value is not None else None


@dataclass(frozen=True, slots=True)
class Need:
    """Why a statin of high intensity is needed."""

    guideline: str
    strength: Strength
    citation: str
    basis: Basis


def statin_needed(person: Person) -> Need | None:
    """Why high intensity is needed: an acute coronary syndrome or stent, else other disease of arteries."""
    acute = event(person, CORONARY_EVENT)
    if acute:
        words = said("a high-intensity statin is recommended after an acute coronary syndrome or stent")
        citation = cite("acs-2025", "cholesterol-2018")
        return Need("acc-aha-acs-2025", Strength(Grade.RECOMMENDED), citation, words + acute.basis)
    vessels = event(person, (*OTHER_VESSELS, *BRAIN))
    if vessels:
        words = said("a high-intensity statin is recommended in disease of heart, brain or leg arteries")
        citation = cite("dyslipidaemia-2026", "cholesterol-2018")
        return Need("acc-aha-dyslipidaemia-2026", Strength(Grade.RECOMMENDED), citation, words + vessels.basis)
    return None


def joined(words: Iterable[str], last: str = "or") -> str:
    """Words as an enumeration."""
    listed = list(words)
    if len(listed) < 2:
        return "".join(listed)
    return f"{', '.join(listed[:-1])} {last} {listed[-1]}"
