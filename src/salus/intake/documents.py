"""The FHIR side of blobs: a DocumentReference whose attachments point into the blob store, and a Provenance."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from salus.fhir.blobs import BLOB_SCHEME, EXT_META, EXT_SHA256
from salus.fhir.views import OWN_ID, TAG_KIND
from salus.intake.batch import Batch, Document

_NAMESPACE = uuid.UUID("b7d6c2de-7a5b-5a1f-8d8e-3f2f2f0f6a10")


def document_reference(document: Document, patient: str, addresses: Sequence[str], recorded: str) -> dict[str, Any]:
    """A DocumentReference for ``document``, whose parts lie at ``addresses``. Its id follows from its content."""
    seal = " ".join(part.content.sha256.hex() for part in document.parts)
    body: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "id": OWN_ID + str(uuid.uuid5(_NAMESPACE, f"{patient} {document.kind} {seal}")),
        "meta": {"tag": [{"system": TAG_KIND, "code": f"{document.kind}/{document.format}"}]},
        "extension": [
            {
                "url": EXT_META,
                "extension": [{"url": key, "valueString": value} for key, value in document.meta.items() if value],
            }
        ],
        "status": "current",
        "subject": {"reference": f"Patient/{patient}"},
        "description": document.title,
        "content": [
            {
                "attachment": {
                    "extension": [{"url": EXT_SHA256, "valueString": part.content.sha256.hex()}],
                    "contentType": part.media_type,
                    "url": BLOB_SCHEME + address,
                    "size": part.content.size,
                    "title": part.name,
                }
            }
            for part, address in zip(document.parts, addresses, strict=True)
        ],
    }
    if not body["extension"][0]["extension"]:
        del body["extension"]
    if document.when:
        body["context"] = {"period": {"start": document.when}}
    return body


def provenance_id(batch: Batch, patient: str) -> str:
    """The id of the Provenance of ``batch``: the same source gives the same."""
    return OWN_ID + str(uuid.uuid5(_NAMESPACE, f"{patient} source {batch.sha256}{batch.edition}"))


def provenance(
    batch: Batch, patient: str, targets: Sequence[str], *, actor: str, attribution: str, recorded: str
) -> dict[str, Any]:
    """A Provenance: where these resources came from (hash of the source), who took them in, what was lost."""
    # Who may not see a kind of data must not learn from its Provenance that there are any.
    kinds = [{"system": TAG_KIND, "code": f"{document.kind}/provenance"} for document in batch.documents[:1]]
    return {
        "resourceType": "Provenance",
        "id": provenance_id(batch, patient),
        **({"meta": {"tag": kinds}} if kinds else {}),
        "extension": [
            {"url": "urn:salus:attribution", "valueString": attribution},
            *({"url": "urn:salus:loss", "valueString": loss} for loss in batch.losses),
        ],
        "target": [{"reference": target} for target in targets] or [{"reference": f"Patient/{patient}"}],
        "recorded": recorded,
        "activity": {"text": f"taken in from {batch.kind}"},
        "agent": [{"who": {"identifier": {"system": "urn:salus:actor", "value": actor}}}],
        "entity": [
            {
                "role": "source",
                "what": {
                    "identifier": {"system": EXT_SHA256, "value": batch.sha256},
                    "display": ", ".join(p.name for p in batch.sources[:3]),
                },
            }
        ],
    }
