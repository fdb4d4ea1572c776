"""A plan as a FHIR R4 Bundle: a CarePlan, its activities, and a DetectedIssue for what is unresolved."""

from __future__ import annotations

import uuid
from typing import Any

from salus.careplan.model import NOT_A_DEVICE, TIER_TITLES, MedicineLine, Plan, PlanItem
from salus.fhir.codes import SYSTEMS
from salus.findings import fhir as findings_fhir
from salus.findings.model import Finding

NAMESPACE = uuid.UUID("f1c8b6de-2d57-5b0c-9f52-5b8a3f0d7c21")
ITEM = "urn:salus:plan-item"
_MEDICINE_ACTIONS = frozenset({"start", "stop", "change", "continue"})


def to_bundle(plan: Plan) -> dict[str, Any]:
    """The plan as a Bundle of type collection. Ids follow from the content: the same plan gives the same Bundle.

    Every activity is a ServiceRequest with intent "proposal": a plan of salus orders nothing. Findings are referred to
    by type and id; where they are stored is the reader's own.
    """
    found = {f.id: f for f in plan.findings}
    requests = [_request(plan, item, found) for item in plan.items]
    issues = [_issue(plan, item, found) for item in plan.items if item.status == "unresolved"]
    statements = [_statement(plan, line) for line in plan.medicines]
    entries = [_care_plan(plan, requests, issues, found), *requests, *issues, *statements]
    return {
        "resourceType": "Bundle",
        "id": _id(plan, "bundle"),
        "type": "collection",
        "timestamp": plan.at,
        "entry": [{"fullUrl": f"urn:uuid:{e['id']}", "resource": e} for e in entries],
    }


def _id(plan: Plan, *parts: str) -> str:
    return str(uuid.uuid5(NAMESPACE, "\x1f".join((plan.subject, plan.at, ",".join(plan.looked_at), *parts))))


def _subject(plan: Plan) -> dict[str, str]:
    return {"reference": f"Patient/{plan.subject}"} if plan.subject else {"display": "not named"}


def _reference(finding: Finding) -> dict[str, str]:
    kind, name = findings_fhir.resource_type(finding), findings_fhir.resource_id(finding.id)
    return {"reference": f"{kind}/{name}", "display": finding.sentence}


def _care_plan(
    plan: Plan, requests: list[dict[str, Any]], issues: list[dict[str, Any]], found: dict[str, Finding]
) -> dict[str, Any]:
    used = sorted({name for item in plan.items for name in item.findings if name in found})
    gaps = [f"Not assessable: {g.title}: {g.reason}. To obtain: {'; '.join(g.needs)}." for g in plan.not_assessable]
    lost = [f"Dropped: {d.key}: {d.reason}" for d in plan.dropped]
    lost += [f"Read but not understood: {words}." for words in plan.not_understood]
    lost += [f"On record, and no rule of this plan covers it: {words}." for words in plan.uncovered]
    body: dict[str, Any] = {
        "resourceType": "CarePlan",
        "id": _id(plan, "plan"),
        "status": "draft",
        "intent": "proposal",
        "title": "Personal care plan",
        "description": NOT_A_DEVICE,
        "subject": _subject(plan),
        "created": plan.at,
        "activity": [{"reference": {"reference": f"ServiceRequest/{r['id']}"}} for r in requests],
        "supportingInfo": [
            *(_reference(found[name]) for name in used),
            *({"reference": f"DetectedIssue/{i['id']}"} for i in issues),
        ],
        "note": [{"text": text} for text in (NOT_A_DEVICE, plan.scope_statement, *plan.notices, *gaps, *lost)],
    }
    return {key: value for key, value in body.items() if value != []}


def _request(plan: Plan, item: PlanItem, found: dict[str, Finding]) -> dict[str, Any]:
    referred = [_reference(found[name]) for name in item.findings if name in found]
    # R4 lets a ServiceRequest give an Observation as its reason but not a RiskAssessment
    reasons = [r for r in referred if r["reference"].startswith("Observation/")]
    further = [r for r in referred if r not in reasons]
    notes = [*item.because, f"Strength: {item.strength}", f"Source: {item.citation}", f"Changes if: {item.changes_if}"]
    notes += [f"Unresolved. Ask {item.ask}: {item.why}"] if item.status == "unresolved" else []
    body: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "id": _id(plan, item.key),
        "identifier": [{"system": ITEM, "value": item.key}],
        "status": "draft",
        "intent": "proposal",
        "priority": "urgent" if item.tier == "urgent" else "routine",
        "category": [{"coding": [{"system": SYSTEMS["salus"], "code": item.tier}], "text": TIER_TITLES[item.tier]}],
        "code": {
            "coding": [{"system": SYSTEMS["salus"], "code": f"{item.action}-{item.target}"}],
            "text": item.text,
        },
        "subject": _subject(plan),
        "authoredOn": plan.at,
        "reasonReference": reasons,
        "supportingInfo": further,
        "note": [{"text": text} for text in notes],
        "patientInstruction": item.patient_text,
    }
    if item.window:
        body["occurrenceTiming"] = {"code": {"text": item.window}}
    if item.action in _MEDICINE_ACTIONS | {"avoid"}:
        body["orderDetail"] = [{"text": f"{item.action} {item.target}"}]
    return {key: value for key, value in body.items() if value not in ([], "")}


def _issue(plan: Plan, item: PlanItem, found: dict[str, Finding]) -> dict[str, Any]:
    implicated = [_reference(found[name]) for name in item.findings if name in found]
    implicated += [{"reference": ref} for ref in sorted({e.source.ref for e in item.evidence})]
    body: dict[str, Any] = {
        "resourceType": "DetectedIssue",
        "id": _id(plan, "issue", item.key),
        "status": "preliminary",
        "code": {"coding": [{"system": SYSTEMS["salus"], "code": "unresolved"}], "text": item.text},
        "severity": "high" if item.tier == "urgent" else "moderate",
        "patient": _subject(plan),
        "identifiedDateTime": plan.at,
        "implicated": implicated,
        "detail": f"{item.why} Ask {item.ask}.",
    }
    return {key: value for key, value in body.items() if value != []}


def _statement(plan: Plan, line: MedicineLine) -> dict[str, Any]:
    body: dict[str, Any] = {
        "resourceType": "MedicationStatement",
        "id": _id(plan, "medicine", line.ingredient, line.name, line.dose),
        "status": "unknown" if line.status in ("contradicted", "recorded") else "active",
        "medicationCodeableConcept": {"text": line.name},
        "subject": _subject(plan),
        "dateAsserted": line.last_confirmed,
        "derivedFrom": [{"reference": ref} for ref in sorted({e.source.ref for e in line.evidence})],
        "dosage": [{"text": line.dose}] if line.dose else [],
        "note": [{"text": text} for text in (line.status, f"from {' and '.join(line.sources)}", *line.notes)],
    }
    return {key: value for key, value in body.items() if value not in ([], "")}
