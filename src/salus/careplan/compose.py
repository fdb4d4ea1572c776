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

from salus.careplan import guidelines, resolve, scope
from salus.careplan.draft import Draft
from salus.careplan.facts import Facts
from salus.careplan.model import Dropped, MedicineLine, NotAssessable, Plan
from salus.careplan.person import age_at_death, death_words
from salus.errors import MethodError
from salus.fhir import codes, dates
from salus.fhir.views import CATEGORIES
from salus.findings.model import Finding
from salus.record.chart import Chart


def compose(chart: Chart, findings: Sequence[Finding], *, looked_at: Iterable[str]) -> Plan:
    """The plan for whoever may see ``chart`` and ``findings``.

    ``looked_at`` are the kinds of data that were in scope. A chart without a person, or of someone who has died, gives
    a plan without items that says why.
    """
    seen = tuple(c for c in CATEGORIES if c in frozenset(looked_at))
    at = dates.write(chart.now)
    try:
        facts = Facts(chart, findings)
    except MethodError:
        return Plan("", "", at, seen, (), (), (), (), {"nothing_proposed": "the record holds no Patient resource"})
    summary = _summary(facts)
    drafts: list[Draft] = []
    dropped: list[Dropped] = []
    if "nothing_proposed" not in summary:
        for outcome in guidelines.propose(facts):
            (drafts if isinstance(outcome, Draft) else dropped).append(outcome)  # type: ignore[arg-type]
        drafts, lost = resolve.settle(draft.asking_first for draft in drafts)
        dropped += lost
    ranked = resolve.ranked(drafts)
    return Plan(
        subject=facts.patient.source.ref.partition("/")[2],
        name=facts.patient.name,
        at=at,
        looked_at=seen,
        items=tuple(draft.item(rank) for rank, draft in enumerate(ranked, 1)),
        medicines=_medicines(facts),
        not_assessable=() if facts.patient.deceased else _not_assessable(facts.findings, seen),
        dropped=tuple(sorted(dropped, key=lambda d: (d.key, d.reason))),
        summary=summary,
        findings=facts.findings,
    )


def _summary(facts: Facts) -> dict[str, Any]:
    patient = facts.patient
    summary: dict[str, Any] = {"sex": patient.sex or "not recorded", "age": facts.age}
    if patient.deceased:
        return summary | {
            "age": age_at_death(patient),
            "deceased": death_words(patient),
            "nothing_proposed": "the person has died",
        }
    if facts.age is None:
        summary["age_note"] = "the date of birth is not recorded, or too partial to tell the age"
    if facts.adult is False:
        summary["nothing_proposed"] = "the person is under 18 years old, and every rule of this plan is for adults"
    elif facts.adult is None:
        summary["age_note"] = "the record does not tell whether the person is an adult; the rules are for adults"
    return summary


def _medicines(facts: Facts) -> tuple[MedicineLine, ...]:
    """The medicine list. What a dead person's record still calls active is said to be recorded, not taken."""
    lines = tuple(medicine.line for medicine in facts.medicines)
    if not facts.patient.deceased:
        return lines
    return tuple(replace(line, status="recorded") if line.status == "active" else line for line in lines)


def _not_assessable(findings: Iterable[Finding], seen: Sequence[str]) -> tuple[NotAssessable, ...]:
    """Each unanswered question once; a question that another finding of its code answers is not one."""
    answered = {f.code for f in findings if f.status == "ok"}
    found: dict[tuple[str, str], NotAssessable] = {}
    for finding in findings:
        several = finding.code in answered and not finding.target
        if finding.status == "not-assessable" and not several:
            reason = scope.within(finding.reason, seen)
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
