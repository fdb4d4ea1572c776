"""What the plan leaves open: entries that nobody could read, and entries that no rule covers."""

from __future__ import annotations

from collections.abc import Iterable

from salus.careplan.draft import Basis, Draft
from salus.careplan.guidelines.common import joined
from salus.findings.model import Finding
from salus.person.answer import NotUnderstood
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
BREAKS = ("diagnosis", "procedure", "allergy", "medicine")
"""Kinds of entries that may speak against a new medicine."""


def held_back(person: Person, draft: Draft) -> Draft:
    """A medicine is not begun while an entry that may forbid it could not be read: that is settled first."""
    if not draft.begins or draft.action != "start":
        return draft
    unread = person.unread(*BREAKS)
    if not unread:
        return draft
    shown = "; ".join(dict.fromkeys(u.sentence for u in unread))
    evidence = tuple(e for u in unread for e in u.evidence)
    reasons = Basis((f"read but not understood: {shown}",), (), evidence)
    return draft.instead(
        action="review",
        text=f"{draft.begins} may be due, but the record holds what could not be read and may speak against it: settle "
        f"that first ({shown}).",
        basis=draft.basis + reasons,
        changes_if="what could not be read is settled",
    )


def not_understood(person: Person) -> tuple[str, ...]:
    """Each entry that could not be read, in words."""
    return tuple(dict.fromkeys(u.sentence for u in _shown(person.not_understood)))


def _shown(entries: Iterable[NotUnderstood]) -> list[NotUnderstood]:
    return sorted(entries, key=lambda u: (u.kind, u.date, u.words))


def uncovered(person: Person, findings: Iterable[Finding]) -> tuple[str, ...]:
    """Diagnoses, medicines and results that were understood and that no rule of this plan asks for."""
    asked, used = COVERED | frozenset(person.asked), {e.source.ref for f in findings for e in f.evidence}
    diagnoses = sorted(
        {e.words for e in person.entries if not e.family and e.statement.state in ("present", "possible")
         and not asked & e.meaning.concepts},
        key=str.lower,
    )  # fmt: skip
    medicines = sorted(
        {m.name for m in person.medicines if m.in_use and m.drug.understood and not any(map(m.drug.is_a, asked))},
        key=str.lower,
    )
    results = sorted(
        {
            label(name)
            for name, observation in person.chart.recorded().items()
            if name not in asked and observation.source.ref not in used
        },
        key=str.lower,
    )
    groups = (("diagnoses", diagnoses), ("medicines", medicines), ("results", results))
    return tuple(f"{kind}: {joined(words, 'and')}" for kind, words in groups if words)
