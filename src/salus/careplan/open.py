"""What the plan leaves open: entries that nobody could read, and entries that no rule covers."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from salus.careplan.cautions import asked_of
from salus.careplan.draft import Draft
from salus.careplan.guidelines.common import joined
from salus.fhir.quantity import unit_words
from salus.findings.model import Finding
from salus.person.answer import NotUnderstood, day
from salus.person.measurements import label
from salus.person.person import Person

COVERED = frozenset(
    {
        "cardiovascular-disease", "diabetes", "hypertension", "chronic-kidney-disease", "acute-kidney-injury",
        "dialysis", "pregnancy", "breastfeeding", "heart-failure", "atrial-fibrillation-or-flutter", "bleeding",
        "peptic-ulcer", "angioedema", "liver-disease", "myopathy", "smoker-current", "smoker-not-now",
        "mechanical-heart-valve", "mitral-stenosis", "hyperkalaemia", "blood-pressure", "systolic-bp", "diastolic-bp",
        "smoking-status", "total-cholesterol", "hdl-cholesterol", "hba1c", "glucose", "body-mass-index",
        "body-height",
    }
)  # fmt: skip
"""What rules and the methods that they rest on ask for, whether or not this person gave them occasion to."""


def not_understood(person: Person) -> tuple[str, ...]:
    """Each entry that could not be read, in words."""
    return tuple(dict.fromkeys(u.sentence for u in _shown(person.not_understood)))


def _shown(entries: Iterable[NotUnderstood]) -> list[NotUnderstood]:
    return sorted(entries, key=lambda u: (u.kind, u.date, u.words))


def uncovered(person: Person, findings: Iterable[Finding], drafts: Sequence[Draft]) -> tuple[str, ...]:
    """Diagnoses, medicines and results that were understood and of which no rule of this plan has judged.

    That a rule looked for something is not enough: a concept that is only looked for as speaking against a medicine,
    and a result outside the range in which a rule is silent on purpose, count where an item rests on them.
    """
    items = {e.source.ref for d in drafts for e in d.basis.evidence}
    used = items | {e.source.ref for f in findings for e in f.evidence}
    groups = (
        ("diagnoses", _diagnoses(person, COVERED | (person.asked - asked_of()), items)),
        ("medicines", _medicines(person, COVERED | person.asked)),
        ("results", _results(person, COVERED | person.asked, used, items)),
    )
    return tuple(f"{kind}: {joined(words, 'and')}" for kind, words in groups if words)


def _diagnoses(person: Person, asked: Collection[str], items: Collection[str]) -> list[str]:
    found = {
        e.words for e in person.entries
        if not e.family and e.statement.state in ("present", "possible") and not e.meaning.concepts & frozenset(asked)
        and not any(place.source.ref in items for place in e.statement.evidence)
    }  # fmt: skip
    return sorted(found, key=str.lower)


def _medicines(person: Person, asked: Collection[str]) -> list[str]:
    found = {m.name for m in person.medicines if m.in_use and m.drug.understood and not any(map(m.drug.is_a, asked))}
    return sorted(found, key=str.lower)


def _results(person: Person, asked: Collection[str], used: Collection[str], items: Collection[str]) -> list[str]:
    found = set()
    for name, observation in person.chart.recorded().items():
        if observation.source.ref in items:
            continue
        judged = "systolic-bp" if name == "blood-pressure" else name
        outside = _outside(person, judged)
        if outside:
            found.add(outside)
        elif judged not in _judged() and name not in asked and observation.source.ref not in used:
            found.add(label(name))
    return sorted(found, key=str.lower)


@cache
def _judged() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(files("salus.careplan").joinpath("tables", "judged.toml").read_text("utf-8"))


def _outside(person: Person, name: str) -> str:
    """The newest result where it lies outside the range in which a rule is silent on purpose; else ""."""
    row = _judged().get(name)
    newest = person.newest(name, row["unit"]) if row else None
    if row is None or newest is None or newest.value is None:
        return ""
    low, high = row.get("low"), row.get("high")
    if (low is None or newest.value >= low) and (high is None or newest.value <= high):
        return ""
    unit = unit_words(row["unit"])
    return f"{label(name)} {newest.value:g} {unit} ({day(newest.date)})"
