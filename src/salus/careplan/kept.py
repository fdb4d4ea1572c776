"""A plan as plain JSON values and back, so that it can be kept until its ground changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from salus.careplan.model import Dropped, MedicineLine, NotAssessable, Plan, PlanItem
from salus.findings.fhir import evidence_json, load_evidence
from salus.findings.model import Finding
from salus.findings.strength import Strength

_WORDS = ("looked_at", "held", "not_understood", "uncovered", "withheld")
"""The parts of a plan that are rows of words."""


def dump(plan: Plan) -> dict[str, Any]:
    """The plan as plain JSON values. Of its findings the ids are kept: they are kept elsewhere."""
    return {
        "subject": plan.subject,
        "name": plan.name,
        "at": plan.at,
        "items": [_row(item, strength=str(item.strength)) for item in plan.items],
        "medicines": [_row(line) for line in plan.medicines],
        "not_assessable": [asdict(one) for one in plan.not_assessable],
        "dropped": [asdict(one) for one in plan.dropped],
        **{name: list(getattr(plan, name)) for name in _WORDS},
        "summary": plan.summary,
        "findings": [finding.id for finding in plan.findings],
        "conflict_withheld": plan.conflict_withheld,
    }


def load(data: Mapping[str, Any], findings: Iterable[Finding]) -> Plan:
    """Inverse of :func:`dump`, with the findings that it was composed from. Raises KeyError where one is missing."""
    known = {finding.id: finding for finding in findings}
    return Plan(
        subject=data["subject"],
        name=data["name"],
        at=data["at"],
        items=tuple(PlanItem(**_opened(row, strength=Strength.stored(row["strength"]))) for row in data["items"]),
        medicines=tuple(MedicineLine(**_opened(row)) for row in data["medicines"]),
        not_assessable=tuple(NotAssessable(**_opened(row)) for row in data["not_assessable"]),
        dropped=tuple(Dropped(**row) for row in data["dropped"]),
        **{name: tuple(data[name]) for name in _WORDS},
        summary=dict(data["summary"]),
        findings=tuple(known[id] for id in data["findings"]),
        conflict_withheld=data["conflict_withheld"],
    )


def _row(part: PlanItem | MedicineLine, **more: Any) -> dict[str, Any]:
    """An item or a medicine; its evidence is written as that of a finding is."""
    plain = {name: getattr(part, name) for name in part.__dataclass_fields__}
    told = {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
    return {**told, "evidence": [evidence_json(one) for one in part.evidence], **more}


def _opened(row: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    told = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    if "evidence" in row:
        told["evidence"] = tuple(load_evidence(one) for one in row["evidence"])
    return {**told, **more}
