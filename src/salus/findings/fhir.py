"""Findings as FHIR and back, without loss.

A finding is an Observation (a RiskAssessment where its value is a predicted probability) with a Provenance. What FHIR
has an element for stands there, for every FHIR reader; the whole finding stands besides in one extension, from which
it is read back. A test holds the two against each other.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from salus.errors import InputError
from salus.fhir import json, quantity
from salus.fhir.categories import TAG_FINDING
from salus.fhir.codes import SYSTEMS, Code
from salus.fhir.quantity import Quantity
from salus.fhir.views import OWN_ID, PERSON, TAG_CATEGORY, Body, Source, dicts
from salus.findings.model import (
    Evidence,
    Finding,
    FindingValue,
    Interval,
    MediaItem,
    Proposal,
    interval_json,
    media_json,
    proposal_json,
    value_json,
)
from salus.findings.strength import Strength
from salus.record.chart import Read
from salus.terminology.codes import concepts

EXTENSION = "urn:salus:finding"
PROVENANCE_SUFFIX = "-provenance"


def to_fhir(finding: Finding, recorded: str, *, amended: bool = False) -> list[dict[str, Any]]:
    """The finding's resource and its Provenance. ``recorded`` is an instant."""
    risk = resource_type(finding) == "RiskAssessment"
    body = _risk_assessment(finding) if risk else _observation(finding, amended)
    body["meta"] = {"tag": _tags(finding)}
    body["extension"] = [{"url": EXTENSION, "valueString": json.dumps(dump(finding)).decode()}]
    return [body, _provenance(finding, body["resourceType"], recorded)]


def is_finding(body: Body) -> bool:
    """True for a resource that :func:`to_fhir` wrote (not for its Provenance)."""
    return any(e.get("url") == EXTENSION for e in dicts(body.get("extension")))


def resource_type(finding: Finding) -> str:
    """What a finding is in FHIR: a RiskAssessment where its code is of that kind and it has a probability."""
    concept = concepts().get(finding.code)
    risk = finding.probability is not None and finding.status == "ok" and concept is not None and concept.kind == "risk"
    return "RiskAssessment" if risk else "Observation"


def resource_id(finding_id: str) -> str:
    """The FHIR id of a finding's resource: no resource from outside may use the prefix."""
    return OWN_ID + finding_id


def _tags(finding: Finding) -> list[dict[str, str]]:
    kinds = [{"system": TAG_CATEGORY, "code": c} for c in sorted(finding.categories)] or [
        {"system": TAG_CATEGORY, "code": PERSON}
    ]
    return [{"system": TAG_FINDING, "code": finding.code}, *kinds]


def from_fhir(body: Body) -> Finding:
    """Read a finding back. Raises InputError when the resource does not hold one."""
    for extension in dicts(body.get("extension")):
        if extension.get("url") == EXTENSION:
            return load(json.loads(extension["valueString"].encode()))
    raise InputError("the resource holds no finding")


def _coding(finding: Finding) -> dict[str, Any]:
    concept = concepts().get(finding.code)
    display = concept.display if concept else finding.code
    codings = [{"system": c.system, "code": c.code, "display": display} for c in (concept.codes if concept else ())]
    own = {"system": SYSTEMS["salus"], "code": finding.code, "display": display}
    return {"coding": [*codings, *([] if own in codings else [own])], "text": display}


def _common(finding: Finding, kind: str) -> dict[str, Any]:
    start, end = finding.effective
    when: dict[str, Any] = {}
    prefix = "occurrence" if kind == "RiskAssessment" else "effective"
    if start and end and start != end:
        when[f"{prefix}Period"] = {"start": start, "end": end}
    elif start:
        when[f"{prefix}DateTime"] = start
    references = sorted({e.source.ref for e in finding.evidence})
    link = "basis" if kind == "RiskAssessment" else "derivedFrom"
    return {
        "resourceType": kind,
        "id": resource_id(finding.id),
        "code": _coding(finding),
        "subject": {"reference": f"Patient/{finding.subject}"},
        **when,
        **({link: [{"reference": r} for r in references]} if references else {}),
        "note": [{"text": finding.sentence}],
    }


def _observation(finding: Finding, amended: bool) -> dict[str, Any]:
    body = _common(finding, "Observation")
    body["status"] = "amended" if amended else "final"
    body["method"] = {"text": f"{finding.method} {finding.method_version}"}
    if finding.status == "not-assessable":
        body["dataAbsentReason"] = {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}],
            "text": finding.reason,
        }
        return body
    body.update(_value_element(finding.value))
    if finding.interval and isinstance(finding.value, Quantity):
        unit = finding.value.unit
        body["extension"] = []
        body["component"] = [
            {
                "code": {"coding": [{"system": SYSTEMS["salus"], "code": f"interval-{side}"}]},
                "valueQuantity": quantity.write(Quantity(bound, unit)),
            }
            for side, bound in (("low", finding.interval.low), ("high", finding.interval.high))
        ]
    return body


def _value_element(value: FindingValue) -> dict[str, Any]:
    match value:
        case Quantity():
            return {"valueQuantity": quantity.write(value)}
        case Code():
            coding = {"system": value.system, "code": value.code, "display": value.display}
            return {"valueCodeableConcept": {"coding": [coding]}}
        case bool():
            return {"valueBoolean": value}
        case Decimal():
            return {"valueQuantity": quantity.write(Quantity(value, "1"))}
        case str():
            return {"valueString": value}
    return {}


def _risk_assessment(finding: Finding) -> dict[str, Any]:
    body = _common(finding, "RiskAssessment")
    prediction: dict[str, Any] = {"outcome": body["code"], "probabilityDecimal": finding.probability}
    return body | {
        "status": "final",
        "method": {"text": f"{finding.method} {finding.method_version}"},
        "prediction": [prediction],
    }


def _provenance(finding: Finding, kind: str, recorded: str) -> dict[str, Any]:
    return {
        "resourceType": "Provenance",
        "id": resource_id(finding.id) + PROVENANCE_SUFFIX,
        "meta": {"tag": _tags(finding)},
        "target": [{"reference": f"{kind}/{resource_id(finding.id)}"}],
        "recorded": recorded,
        "activity": {"text": "computed from the record"},
        "agent": [{"who": {"display": f"{finding.method} {finding.method_version}"}}],
        "entity": [
            {"role": "source", "what": {"reference": ref}} for ref in sorted({e.source.ref for e in finding.evidence})
        ],
    }


# ---- the whole finding as JSON


def dump(finding: Finding) -> dict[str, Any]:
    """The finding as plain JSON values (decimals stay Decimal)."""
    return {
        "subject": finding.subject,
        "method": finding.method,
        "method_version": finding.method_version,
        "parameters_digest": finding.parameters_digest,
        "code": finding.code,
        "sentence": finding.sentence,
        "patient_sentence": finding.patient_sentence,
        "value": [_value_kind(finding.value), value_json(finding.value)],
        "interval": interval_json(finding.interval),
        "probability": finding.probability,
        "no_uncertainty": finding.no_uncertainty,
        "status": finding.status,
        "reason": finding.reason,
        "needs": list(finding.needs),
        "effective": list(finding.effective),
        "target": finding.target,
        "evidence": [evidence_json(e) for e in finding.evidence],
        "proposals": [proposal_json(p) for p in finding.proposals],
        "details": dict(finding.details),
        "media": [media_json(m) for m in finding.media],
        "read_set": [[r.accessor, list(r.arguments), r.digest, sorted(r.categories)] for r in finding.read_set],
    }


def evidence_json(evidence: Evidence) -> dict[str, Any]:
    """Evidence as plain JSON."""
    source = evidence.source
    return {
        "source": [source.ref, source.version, source.digest, source.category],
        "locator": dict(evidence.locator),
        "part": evidence.part,
        "digest": evidence.digest,
        "label": evidence.label,
    }


def _value_kind(value: FindingValue) -> str:
    return type(value).__name__.lower()


def load(data: Mapping[str, Any]) -> Finding:
    """Inverse of :func:`dump`."""
    return Finding(
        code=data["code"],
        sentence=data["sentence"],
        patient_sentence=data["patient_sentence"],
        value=_load_value(*data["value"]),
        interval=_load_interval(data["interval"]),
        probability=_decimal(data["probability"]),
        no_uncertainty=data["no_uncertainty"],
        status=data["status"],
        reason=data["reason"],
        needs=tuple(data["needs"]),
        effective=(data["effective"][0], data["effective"][1]),
        target=data["target"],
        evidence=tuple(load_evidence(e) for e in data["evidence"]),
        proposals=tuple(_load_proposals(data["proposals"])),
        details=data["details"],
        media=tuple(
            MediaItem(m["kind"], m["title"], m["contentType"], base64.b64decode(m["data"])) for m in data["media"]
        ),
        subject=data["subject"],
        method=data["method"],
        method_version=data["method_version"],
        parameters_digest=data["parameters_digest"],
        read_set=tuple(Read(a, tuple(args), digest, frozenset(c)) for a, args, digest, c in data["read_set"]),
    )


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def _load_value(kind: str, value: Any) -> FindingValue:
    match kind:
        case "quantity":
            return Quantity(Decimal(value["value"]), value["unit"], value["comparator"])
        case "code":
            return Code(value["system"], value["code"], value["display"])
        case "decimal":
            return Decimal(value)
    return value  # type: ignore[no-any-return]


def _load_interval(value: Any) -> Interval | None:
    if value is None:
        return None
    level = None if value["level"] is None else float(value["level"])
    return Interval(Decimal(value["low"]), Decimal(value["high"]), level, value["method"])


def load_evidence(value: Mapping[str, Any]) -> Evidence:
    """Inverse of :func:`evidence_json`."""
    return Evidence(Source(*value["source"]), value["locator"], value["part"], value["digest"], value["label"])


def _load_proposals(values: Iterable[Mapping[str, Any]]) -> Iterable[Proposal]:
    for value in values:
        lists = {k: tuple(value[k]) for k in ("contraindications", "alternatives")}
        yield Proposal(**{**value, **lists, "strength": Strength.stored(value["strength"])})
