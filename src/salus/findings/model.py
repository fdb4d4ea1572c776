"""Findings: what a method drew from a chart, with its uncertainty, its evidence and what it proposes."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from salus.errors import MethodError
from salus.fhir import json
from salus.fhir.blobs import Blob
from salus.fhir.codes import Code
from salus.fhir.quantity import Quantity
from salus.fhir.views import CATEGORIES, PERSON, Observation, Source, dicts
from salus.findings.strength import Strength
from salus.record.chart import Read

NAMESPACE = uuid.UUID("6d1f7b1e-6f0a-5d3c-9c53-6f1f6b0a7a11")
"""Namespace of finding identities (UUIDv5)."""

Status = Literal["ok", "not-assessable"]
Action = Literal["start", "stop", "avoid", "change", "measure", "refer", "continue", "review"]
FindingValue = Quantity | Code | Decimal | str | bool | None


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval around a value, in the value's unit. ``level`` is its coverage (0.95), or None for hard bounds.

    ``method`` says in a few words how it was got.
    """

    low: Decimal
    high: Decimal
    level: float | None
    method: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A place in the record that a finding rests on.

    ``locator`` is one of: {"path": JSON path} · {"start": int, "end": int} (code points) · {"contig", "pos"} ·
    {"sample_start", "sample_end", "channel"} · {"frame", "box"}; empty for the whole resource. ``part`` names a file
    of a blob and ``digest`` is then that file's SHA-256, else the resource's.
    """

    source: Source
    locator: Mapping[str, Any] = field(default_factory=dict)
    part: str | None = None
    digest: str = ""
    label: str = ""

    @classmethod
    def of_observation(cls, observation: Observation, label: str = "", concept: str = "") -> Evidence:
        """The place of an observation's value, or of its component ``concept``; the whole where it has neither."""
        source, body = observation.source, observation.body
        number = observation.places.get(concept) if concept else None
        component = dicts(body.get("component"))[number] if number is not None else {}
        places = [f"component[{number}].{key}" for key in component if key.startswith("value")]
        places += [key for key in body if key.startswith("value")]
        place = next(iter(places), "")
        path = f"{place}.value" if place.endswith("valueQuantity") else place
        return cls(source, {"path": path} if path else {}, digest=source.digest, label=label)

    @classmethod
    def of_blob(cls, blob: Blob, index: int = 0, label: str = "", **locator: Any) -> Evidence:
        """Evidence in part ``index`` of a blob."""
        part = blob.parts[index]
        return cls(blob.source, locator, part.name, part.sha256, label)


@dataclass(frozen=True, slots=True)
class MediaItem:
    """Something to look at beside a finding.

    ``kind``: "thumbnail" (PNG bytes), "strip" (JSON {"fs", "start", "samples", "unit"}) or "series"
    (JSON list of {"at", "value"}).
    """

    kind: str
    title: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a finding or a guideline suggests. Only ``careplan`` turns proposals into a plan.

    ``target`` is a concept name (a drug ingredient, a test, a service). ``guideline`` + ``action`` + ``target`` are
    the key of the plan item. ``contraindications`` and ``alternatives`` are concept names, ``strength``
    a :class:`~salus.findings.strength.Strength` or its words. ``patient_text`` speaks to
    the patient and never tells anyone to stop a medicine.
    """

    guideline: str
    action: Action
    target: str
    text: str
    indication: str
    strength: Strength
    citation: str
    tier: Literal["urgent", "medicines", "disease-control", "prevention", "missing-data"]
    window: str = ""
    contraindications: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    changes_if: str = ""
    patient_text: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # a strength may be given in words ("recommended (grade B)"); an unknown word is an error of the method
        object.__setattr__(self, "strength", Strength.of(self.strength))

    @property
    def key(self) -> str:
        """The plan item's key: guideline, action, target."""
        return f"{self.guideline}:{self.action}:{self.target}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement about one patient by one version of one method.

    Methods fill the fields from ``code`` on; the runner adds subject, method, version, parameters' digest and the
    read set. A finding needs an ``interval``, a calibrated ``probability`` or a reason in ``no_uncertainty``; one
    that is "not-assessable" needs a ``reason`` and, in ``needs``, the input that would settle it.
    """

    code: str
    sentence: str
    value: FindingValue = None
    interval: Interval | None = None
    probability: Decimal | None = None
    no_uncertainty: str = ""
    status: Status = "ok"
    reason: str = ""
    needs: tuple[str, ...] = ()
    effective: tuple[str, str] = ("", "")
    target: str = ""
    evidence: tuple[Evidence, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    media: tuple[MediaItem, ...] = ()
    patient_sentence: str = ""
    subject: str = ""
    method: str = ""
    method_version: str = ""
    parameters_digest: str = ""
    read_set: tuple[Read, ...] = ()

    def __post_init__(self) -> None:
        if self.status == "not-assessable":
            if not (self.reason and self.needs):
                raise MethodError(f"finding {self.code!r}: not assessable without a reason and what would settle it")
        elif self.interval is None and self.probability is None and not self.no_uncertainty:
            raise MethodError(f"finding {self.code!r}: neither an uncertainty nor a reason why there is none")
        if self.status == "ok" and not self.evidence:
            raise MethodError(f"finding {self.code!r}: without evidence")

    @property
    def id(self) -> str:
        """Identity: the same for every version of the same statement."""
        parts = (self.subject, self.method, self.code, *self.effective, self.target)
        return str(uuid.uuid5(NAMESPACE, "\x1f".join(parts)))

    @property
    def version_hash(self) -> str:
        """SHA-256 over everything the finding says and rests on, its place in time aside. Same hash: nothing new."""
        return hashlib.sha256(json.dumps(self._content(), canonical=True)).hexdigest()

    @property
    def categories(self) -> frozenset[str]:
        """The kinds of data of its whole read set: who may not see one of them may not see the finding."""
        found = frozenset(c for read in self.read_set for c in read.categories)
        found |= frozenset(c for e in self.evidence for c in e.source.categories)
        return found - {PERSON} if found else frozenset(CATEGORIES)

    def by(self, *, subject: str, method: str, version: str, parameters: str, reads: tuple[Read, ...]) -> Finding:
        """The finding with what the runner knows added."""
        return replace(
            self,
            subject=subject,
            method=method,
            method_version=version,
            parameters_digest=parameters,
            read_set=reads,
        )

    def _content(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "version": self.method_version,
            "parameters": self.parameters_digest,
            "sentence": self.sentence,
            "patient": self.patient_sentence,
            "value": value_json(self.value),
            "interval": interval_json(self.interval),
            "probability": self.probability,
            "status": [self.status, self.reason, list(self.needs), self.no_uncertainty],
            "evidence": [[e.source.ref, e.digest or e.source.digest, e.part, dict(e.locator)] for e in self.evidence],
            "proposals": [proposal_json(p) for p in self.proposals],
            "details": dict(self.details),
            "media": [[m.kind, m.title, hashlib.sha256(m.data).hexdigest()] for m in self.media],
        }


def value_json(value: FindingValue) -> Any:
    """A finding's value as plain JSON."""
    if isinstance(value, Quantity):
        return {"value": value.value, "unit": value.unit, "comparator": value.comparator}
    if isinstance(value, Code):
        return {"system": value.system, "code": value.code, "display": value.display}
    return value


def interval_json(interval: Interval | None) -> Any:
    """An interval as plain JSON."""
    if interval is None:
        return None
    level = None if interval.level is None else Decimal(str(interval.level))
    return {"low": interval.low, "high": interval.high, "level": level, "method": interval.method}


def proposal_json(proposal: Proposal) -> dict[str, Any]:
    """A proposal as plain JSON."""
    return {
        "guideline": proposal.guideline,
        "action": proposal.action,
        "target": proposal.target,
        "text": proposal.text,
        "indication": proposal.indication,
        "strength": str(proposal.strength),
        "citation": proposal.citation,
        "tier": proposal.tier,
        "window": proposal.window,
        "contraindications": list(proposal.contraindications),
        "alternatives": list(proposal.alternatives),
        "changes_if": proposal.changes_if,
        "patient_text": proposal.patient_text,
        "details": dict(proposal.details),
    }


def media_json(item: MediaItem) -> dict[str, str]:
    """A media item as plain JSON, its bytes in base64."""
    return {
        "kind": item.kind,
        "title": item.title,
        "contentType": item.content_type,
        "data": base64.b64encode(item.data).decode("ascii"),
    }
