"""Allergies and intolerances: to what, how it showed, how grave it was, and which other medicines it speaks of."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from salus.fhir.views import Event, codings, dicts, text_of
from salus.findings.model import Finding
from salus.person import answer
from salus.person.answer import NotUnderstood, State, Statement, on, place
from salus.person.conditions import name_of
from salus.record.chart import Chart
from salus.terminology import classes
from salus.terminology.meaning import Medicine

UNKNOWN = "no table knows what it is to"


@dataclass(frozen=True, slots=True)
class Allergy:
    """One entry. ``reactions`` are concepts (angio-oedema, rhabdomyolysis); ``kind`` is allergy, intolerance or "".

    ``nothing``: the entry says that there is no allergy to any medicine.
    """

    substance: Medicine
    name: str
    kind: str
    severity: str
    criticality: str
    reactions: frozenset[str]
    nothing: bool
    statement: Statement

    def bars(self, ingredient: str) -> bool:
        """Whether it speaks of ``ingredient``: itself, the class it names, or a class in which its reaction crosses."""
        of = classes.classes_of((ingredient,))
        if ingredient in self.substance.ingredients:
            return True
        if not self.substance.ingredients:
            return bool(of & self.substance.classes)
        return any(
            row["class"] in of and row["class"] in self.substance.classes and self.reactions & set(row["reactions"])
            for row in _crossing()
        )


@cache
def _crossing() -> tuple[Mapping[str, Any], ...]:
    table = tomllib.loads(files("salus.person").joinpath("cross_reactivity.toml").read_text("utf-8"))
    return tuple(table["crosses"])


def recorded(chart: Chart) -> tuple[tuple[Allergy, ...], tuple[NotUnderstood, ...]]:
    """Every entry of the allergy list that could be read, and those that could not. What was refuted is left out."""
    found, unread = [], []
    for event in chart.events("AllergyIntolerance"):
        if event.status in ("refuted", "entered-in-error"):
            continue
        substance = _substance(chart, event)
        name = name_of(event.text, event.codes)
        if event.status == "unreadable" or not (substance.understood or substance.nothing):
            why = "its status could not be read" if event.status == "unreadable" else UNKNOWN
            evidence = (place(event.source, label="allergy list"),)
            unread.append(NotUnderstood("allergy", name, why, answer.text_of(event.period), evidence))
        else:
            found.append(_allergy(chart, event, substance, name))
    return (*found, *_of_problems(chart)), tuple(unread)


def _of_problems(chart: Chart) -> Iterator[Allergy]:
    """Entries of the problem list that say that a medicine was not tolerated."""
    for condition in chart.conditions():
        substance = chart.terminology.not_tolerated(condition.codes, condition.text)
        if condition.verification == "refuted" or not (substance.ingredients or substance.classes):
            continue
        name, when = name_of(condition.text, condition.codes), condition.onset or condition.recorded
        evidence = (place(condition.source, label="problem list"),)
        statement = Statement("past", f"{name} on the problem list{on(when)}", answer.text_of(when), evidence)
        yield Allergy(substance, name, "", "", "", frozenset(), nothing=False, statement=statement)


def noted(findings: Iterable[Finding]) -> tuple[tuple[frozenset[str], Statement], ...]:
    """What notes say of allergies to medicines: the ingredients of each statement with it."""
    found = []
    for finding in findings:
        use = finding.details.get("use")
        if use in ("allergy", "no-allergy"):
            state: State = "present" if use == "allergy" else "denied"
            named = frozenset(str(i) for i in finding.details.get("ingredients", ()))
            concept = str(finding.details.get("concept", ""))
            if not named and classes.is_class(concept):
                named = frozenset({concept})  # "cannot tolerate statins"
            statement = Statement(state, finding.sentence, finding.effective[0], finding.evidence, finding.id)
            found.append((named, statement))
    return tuple(found)


def _substance(chart: Chart, event: Event) -> Medicine:
    """What it is to: the entry's code, else the substances that its reactions name."""
    meaning = chart.terminology.substance(event.codes, event.text)
    if meaning.understood or meaning.nothing:
        return meaning
    for reaction in dicts(event.body.get("reaction")):
        told = reaction.get("substance")
        found = chart.terminology.substance(codings(told), text_of(told))
        if found.understood:
            return found
    return meaning


def _allergy(chart: Chart, event: Event, substance: Medicine, name: str) -> Allergy:
    reactions = dicts(event.body.get("reaction"))
    shown = [m for r in reactions for m in dicts(r.get("manifestation"))]
    concepts: frozenset[str] = frozenset()
    for element in shown:
        meaning = chart.terminology.diagnosis(codings(element), text_of(element))
        if meaning.aspect in ("active", "history", "resolved"):
            concepts |= meaning.concepts
    how = ", ".join(dict.fromkeys(w for m in shown if (w := text_of(m))))
    severities = [str(r.get("severity", "")) for r in reactions]
    evidence = (place(event.source, label="allergy list"),)
    if substance.nothing:
        words = f"no known drug allergy on the allergy list{on(event.period)}"
        statement = Statement("denied", words, answer.text_of(event.period), evidence)
    else:
        kind = "intolerance" if event.body.get("type") == "intolerance" else "allergy"
        over = event.status in ("resolved", "inactive")
        words = f"{kind} to {name}{f' ({how})' if how else ''}{on(event.period)}{', inactive' if over else ''}"
        statement = Statement("past" if over else "present", words, answer.text_of(event.period), evidence)
    return Allergy(
        substance=substance,
        name=name,
        kind=str(event.body.get("type", "")),
        severity=next((s for s in ("severe", "moderate", "mild") if s in severities), ""),
        criticality=str(event.body.get("criticality", "")),
        reactions=concepts,
        nothing=substance.nothing,
        statement=statement,
    )
