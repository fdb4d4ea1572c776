"""From a chart and its findings to one plan: rules propose, conflicts are settled by stated rules, the rest is ranked.

Pure and deterministic: the same chart and findings give an equal plan. Never raises for what a chart may hold.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from salus.careplan import guidelines, open, resolve, scope, starts
from salus.careplan.draft import Draft, said
from salus.careplan.guidelines import others
from salus.careplan.model import TIERS, Dropped, MedicineLine, NotAssessable, Plan
from salus.errors import MethodError
from salus.fhir.views import CATEGORIES
from salus.findings.model import Finding
from salus.person.death import age_at_death, death_words
from salus.person.medicines import Medicine
from salus.person.person import Person
from salus.record.chart import Chart
from salus.terminology import codes

UNMEASURED = "unmeasured"
"""In a proposal's ``details``: it comes from a method whose card shows no measurement."""


def compose(chart: Chart, findings: Sequence[Finding], *, looked_at: Iterable[str]) -> Plan:
    """The plan for whoever may see ``chart`` and ``findings``.

    ``looked_at`` are the kinds of data that were in scope. A chart without a person, or of someone who has died, gives
    a plan without items that says why. What unmeasured methods propose comes after everything else, and no rule, choice
    or conflict of the plan is settled by it.
    """
    seen = tuple(c for c in CATEGORIES if c in frozenset(looked_at))
    at = chart.written_at
    try:
        person = Person(chart, [_without_unmeasured(finding) for finding in findings])
    except MethodError:
        nothing = {"nothing_proposed": "the record holds no Patient resource"}
        return Plan("", "", at, seen, (), (), (), (), held=_held(chart, seen), summary=nothing)
    summary = _summary(person)
    if person.age_doubt and not person.patient.deceased:
        summary["age_note"] = person.age_doubt
    drafts: list[Draft] = []
    dropped: list[Dropped] = []
    if "nothing_proposed" not in summary:
        for outcome in guidelines.propose(person):
            (drafts if isinstance(outcome, Draft) else dropped).append(outcome)  # type: ignore[arg-type]
        drafts, lost = resolve.settle(starts.held_back(person, draft, drafts).asking_first for draft in drafts)
        dropped += lost
    ranked = resolve.ranked(drafts)
    if "nothing_proposed" not in summary:
        for outcome in _unmeasured(chart, findings):
            (ranked if isinstance(outcome, Draft) else dropped).append(outcome)  # type: ignore[arg-type]
    return Plan(
        subject=person.patient.source.ref.partition("/")[2],
        name=person.patient.name,
        at=at,
        looked_at=seen,
        items=tuple(draft.item(rank) for rank, draft in enumerate(ranked, 1)),
        medicines=_medicines(person),
        not_assessable=() if person.patient.deceased else _not_assessable(person.findings, seen),
        dropped=tuple(sorted(dropped, key=lambda d: (d.key, d.reason))),
        held=_held(chart, seen),
        not_understood=open.not_understood(person),
        uncovered=() if "nothing_proposed" in summary else open.uncovered(person, person.findings, drafts),
        summary=summary,
        findings=Person(chart, findings).findings,
    )


def _without_unmeasured(finding: Finding) -> Finding:
    """The finding with the proposals that the plan's rules may take up."""
    kept = tuple(p for p in finding.proposals if not p.details.get(UNMEASURED))
    return finding if len(kept) == len(finding.proposals) else replace(finding, proposals=kept)


def _unmeasured(chart: Chart, findings: Sequence[Finding]) -> list[Draft | Dropped]:
    """What unmeasured methods propose, a method at a time, in the last tier and said to be unmeasured.

    Its key begins with the method's id, so that it is nobody else's item and nobody else's decision stands for it.
    """
    found: list[Draft | Dropped] = []
    for method in sorted({f.method for f in findings if any(p.details.get(UNMEASURED) for p in f.proposals)}):
        person = Person(chart, [_only_of(finding, method) for finding in findings])
        outcomes = list(others.propose(person))
        drafts = resolve.ranked([_marked(d, method) for d in outcomes if isinstance(d, Draft)])
        found += [*drafts, *(outcome for outcome in outcomes if isinstance(outcome, Dropped))]
    return found


def _only_of(finding: Finding, method: str) -> Finding:
    """The finding with the unmeasured proposals of ``method`` alone, each under a guideline of the method's own."""
    own = finding.proposals if finding.method == method else ()
    kept = tuple(replace(p, guideline=f"{method}/{p.guideline}") for p in own if p.details.get(UNMEASURED))
    return replace(finding, proposals=kept)


def _marked(draft: Draft, method: str) -> Draft:
    words = f"proposed by {method}, a method that nobody measured"
    return replace(draft, tier=TIERS[-1], basis=draft.basis + said(words), text=f"Not measured: {draft.text}")


def _held(chart: Chart, seen: Sequence[str]) -> tuple[str, ...]:
    """The kinds of data that are in the chart, of those in scope."""
    return tuple(category for category in seen if category in chart.kinds)


def _summary(person: Person) -> dict[str, Any]:
    patient = person.patient
    summary: dict[str, Any] = {"sex": patient.sex or "not recorded", "age": person.age}
    if patient.deceased:
        return summary | {
            "age": age_at_death(patient),
            "deceased": death_words(patient),
            "nothing_proposed": "the person has died",
        }
    if person.age is None:
        summary["age_note"] = "the date of birth is not recorded, or too partial to tell the age"
    if person.adult is False:
        summary["nothing_proposed"] = "the person is under 18 years old, and every rule of this plan is for adults"
    elif person.adult is None:
        summary["age_note"] = "the record does not tell whether the person is an adult; the rules are for adults"
    return summary


def _medicines(person: Person) -> tuple[MedicineLine, ...]:
    """The medicine list. What a dead person's record still calls active is said to be recorded, not taken."""
    lines = tuple(_line(medicine) for medicine in person.medicines)
    if not person.patient.deceased:
        return lines
    return tuple(replace(line, status="recorded") if line.status == "active" else line for line in lines)


def _line(medicine: Medicine) -> MedicineLine:
    """A medicine as it stands in the plan."""
    return MedicineLine(
        medicine.name, medicine.ingredient, medicine.dose, medicine.status, medicine.sources, medicine.last_confirmed,
        medicine.doubts, medicine.evidence,
    )  # fmt: skip


def _not_assessable(findings: Iterable[Finding], seen: Sequence[str]) -> tuple[NotAssessable, ...]:
    """Each unanswered question once; a question that another finding of its code answers is not one."""
    answered = {f.code for f in findings if f.status == "ok"}
    found: dict[tuple[str, str], NotAssessable] = {}
    for finding in findings:
        several = finding.code in answered and not finding.target
        if finding.status == "not-assessable" and not several:
            reason = scope.reason(finding, seen)
            entry = NotAssessable(finding.code, _title(finding.code), reason, finding.needs)
            found.setdefault((finding.code, reason), entry)
    return tuple(found[key] for key in sorted(found))


@cache
def _titles() -> dict[str, str]:
    return tomllib.loads(files("salus.careplan").joinpath("tables", "titles.toml").read_text("utf-8"))


def _title(code: str) -> str:
    """Our own wording, else the concept's, else (a stranger's method) the code itself."""
    concept = codes.concepts().get(code)
    return _titles().get(code) or (concept.display if concept else code)
