"""What this server does, as a CapabilityStatement: exactly the interactions and parameters that work."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from salus import __version__
from salus.fhir import dates
from salus.record import search
from salus.server import bundles
from salus.server.service import service

_READS = ("read", "vread", "history-instance", "search-type")
_NOT_CREATED = frozenset({"Consent", "Provenance"})
"""A Consent comes signed, in a transaction; a Provenance of one's own is salus's to write."""
_AUDIT = {
    "type": "AuditEvent",
    "documentation": "Who looked at a record, wrote into it or was refused, for its patient or a proxy; newest first.",
    "interaction": [{"code": "read"}, {"code": "search-type"}],
    "versioning": "no-version",
    "searchParam": [{"name": "patient", "type": "reference"}, {"name": "date", "type": "date"}],
}
_OPERATIONS = {"Patient": ("everything", "Patient-everything"), "Observation": ("lastn", "Observation-lastn")}
_READINGS = (
    "Readings of devices are kept in blocks. A search gives each reading as an Observation; a block itself, as "
    "SampledData, is read by its id and stands in $everything."
)
_KINDS = {"patient": "reference", "code": "token"}


async def metadata(request: Request) -> Response:
    """GET /fhir/metadata. No token is needed."""

    here = service(request)
    return bundles.answer(statement(here.base, dates.write(here.clock())))


def statement(base: str, at: str) -> dict[str, Any]:
    """The CapabilityStatement of a server at ``base``; ``at`` is an instant."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": at,
        "kind": "instance",
        "software": {"name": "salus", "version": __version__},
        "implementation": {"description": "A salus record behind its gate", "url": f"{base}/fhir"},
        "fhirVersion": "4.0.1",
        "format": ["json", "application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "documentation": (
                    "Every read is allowed on a stated basis and logged; denied and absent get the same answer. There "
                    "is no update, patch, delete or conditional request. A search that names no patient goes "
                    "over all who release something to the asker. Results carry no total unless asked for."
                ),
                "security": {
                    "cors": False,
                    "service": [{"text": "SMART Backend Services (private_key_jwt, EdDSA)"}],
                    "description": f"Tokens: {base}/auth/token",
                },
                "resource": [_AUDIT, *(_resource(kind, parameters) for kind, parameters in search.types().items())],
                "interaction": [{"code": "transaction", "documentation": "creates only, for one patient"}],
            }
        ],
    }


def _resource(kind: str, parameters: Any) -> dict[str, Any]:
    interactions = [*_READS, *(() if kind in _NOT_CREATED else ("create",))]
    found: dict[str, Any] = {
        "type": kind,
        "interaction": [{"code": code} for code in interactions],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": False,
        "conditionalCreate": False,
        "conditionalUpdate": False,
        "conditionalDelete": "not-supported",
        "searchParam": [
            {"name": "_id", "type": "token"},
            {"name": "_lastUpdated", "type": "date"},
            *({"name": p.name, "type": _KINDS.get(p.kind, p.kind)} for p in parameters.values()),
        ],
    }
    if kind in _OPERATIONS:
        name, which = _OPERATIONS[kind]
        found["operation"] = [{"name": name, "definition": f"http://hl7.org/fhir/OperationDefinition/{which}"}]
    if kind == "Observation":
        found["documentation"] = _READINGS
    return found
