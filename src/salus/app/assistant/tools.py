"""The plan and the findings as plain JSON, for tools that read them for one actor."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from salus.app.session import Session
from salus.careplan.model import NOT_A_DEVICE
from salus.findings.model import Finding


def plan(session: Session, patient: str, at: datetime) -> dict[str, Any]:
    """The care plan for the session's actor. Raises AccessError."""
    made, _ = session.plan(patient, at)
    items = [
        {
            "number": number,
            "key": item.key,
            "text": item.text,
            "patient_text": item.patient_text,
            "because": list(item.because),
            "citation": item.citation,
            "evidence": [e.source.ref for e in item.evidence],
        }
        for number, item in enumerate(made.items, 1)
    ]
    missing = [{"finding": n.finding, "reason": n.reason, "needs": list(n.needs)} for n in made.not_assessable]
    return {
        "items": items,
        "not_assessable": missing,
        "scope": " ".join((made.scope_statement, *made.notices)),
        "notice": NOT_A_DEVICE,
    }


def findings(session: Session, patient: str, at: datetime) -> dict[str, Any]:
    """The findings that the session's actor may see. Raises AccessError."""
    opened = session.open(patient, at)
    return {"findings": [_finding(f) for f in opened.findings], "notice": NOT_A_DEVICE}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "code": finding.code,
        "method": finding.method,
        "status": finding.status,
        "sentence": finding.sentence,
        "reason": finding.reason,
        "effective": list(finding.effective),
        "evidence": [e.source.ref for e in finding.evidence],
    }
