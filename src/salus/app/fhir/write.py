"""Resources from the network into the record: through intake, like every other source.

What is created gets an id of the server's; whose it is, is decided by attribution; what contradicts the record lies in
quarantine. A transaction is one commit: all of it is kept, or nothing. Consents are filed as they were signed.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any

from salus.app.intake.intake import Intake
from salus.app.refusals import NotAllowed, Unprocessable, Unsupported
from salus.app.session import Session
from salus.errors import InputError
from salus.fhir import json
from salus.intake import fhir_json
from salus.intake.batch import Batch

MAX_ENTRIES = 5000
NAME = "request"
"""What the Provenance of something that came over the network calls its source."""
_WRITERS = ("operator", "practitioner")
_TYPE = re.compile(r"[A-Z][A-Za-z]{2,40}\Z")


@dataclass(frozen=True, slots=True)
class Created:
    """One resource that was taken in. ``version`` is 0 where only the record knows it (a consent that ends another)."""

    kind: str
    id: str
    body: dict[str, Any]
    version: int = 1


@dataclass(frozen=True, slots=True)
class Accepted:
    """Taken from somebody to whom nothing of the record is released: whether it was filed would tell something of it.

    It is kept either way: in the record, or in quarantine, where operators see it and why.
    """


def create(session: Session, kind: str, value: Any, own_base: str = "") -> Created | Accepted:
    """Take in one resource under a new id; ``own_base`` is the server's own address, to which a reference may be.

    Raises NotAllowed, Unsupported or Unprocessable.
    """
    _check_writer(session)
    if not isinstance(value, dict) or value.get("resourceType") != kind:
        raise InputError("the body is not a resource of this type", where="resourceType")
    if kind in ("Bundle", "Consent"):
        raise Unsupported("not created by itself", remedy="post a transaction Bundle to the base address")
    body = {**value, "id": str(uuid.uuid4())}
    made = _file(session, body, 1, own_base)
    return made if isinstance(made, Accepted) else made[0]


def transaction(session: Session, value: Any, own_base: str = "") -> list[Created] | Accepted:
    """Take in a transaction Bundle of creates for one patient, all or nothing; or file one signed consent.

    A reference is to the entry that has that fullUrl. A relative one is to the server of its own entry's fullUrl where
    the Bundle has that, else to this record (R4, Bundle, "Resolving references in Bundles").
    """
    if not isinstance(value, dict) or value.get("resourceType") != "Bundle":
        raise InputError("the body is not a Bundle", where="resourceType")
    if value.get("type") != "transaction":
        raise Unsupported("only transactions are taken", where="Bundle.type")
    entries = value.get("entry", [])
    if not isinstance(entries, list) or not entries or len(entries) > MAX_ENTRIES:
        raise InputError(f"a transaction holds 1 to {MAX_ENTRIES} entries", where="Bundle.entry")
    pairs = [_entry(entry, f"Bundle.entry[{n}]") for n, entry in enumerate(entries)]
    if "Consent" in {resource["resourceType"] for _, resource in pairs}:
        return _file_consent(session, pairs)
    _check_writer(session)
    renamed = [(name, {**resource, "id": str(uuid.uuid4())}) for name, resource in pairs]
    _check_methods(entries)
    _check_references(renamed)
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"fullUrl": name, "resource": body} if name else {"resource": body} for name, body in renamed],
    }
    return _file(session, bundle, len(renamed), own_base)


def _check_writer(session: Session) -> None:
    if session.actor.kind not in _WRITERS:
        raise NotAllowed("only operators and practitioners may file data")


def _entry(entry: Any, where: str) -> tuple[str, dict[str, Any]]:
    """The fullUrl ("" where there is none) and resource of one entry. Raises InputError."""
    resource = entry.get("resource") if isinstance(entry, dict) else None
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(resource, dict) or not isinstance(kind, str) or not _TYPE.match(kind):
        raise InputError("an entry without a resource", where=where)
    request = entry.get("request")
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        raise InputError("an entry without a request", where=f"{where}.request")
    name = entry.get("fullUrl", "")
    if not isinstance(name, str):
        raise InputError("not a URL", where=f"{where}.fullUrl")
    return name, resource


def _check_methods(entries: list[dict[str, Any]]) -> None:
    for number, entry in enumerate(entries):
        request, where = entry["request"], f"Bundle.entry[{number}].request"
        if request["method"] != "POST":
            raise Unsupported("only POST entries (creates) are taken", where=f"{where}.method")
        if request.get("url") != entry["resource"]["resourceType"]:
            raise InputError("not the type of the resource", where=f"{where}.url")
        if any(name in request for name in ("ifNoneExist", "ifMatch", "ifNoneMatch", "ifModifiedSince")):
            raise Unsupported("conditional requests are not supported", where=where)
    names = [entry["fullUrl"] for entry in entries if entry.get("fullUrl")]
    if len(set(names)) != len(names):
        raise InputError("two entries have one fullUrl", where="Bundle.entry")


def _check_references(pairs: list[tuple[str, dict[str, Any]]]) -> None:
    """Refuse what a reference cannot be resolved to: a transaction with a loose end is refused whole."""
    names = {name for name, _ in pairs}
    for _, resource in pairs:
        for reference in (r for o in json.objects(resource) if isinstance(r := o.get("reference"), str)):
            if reference.startswith("urn:") and reference not in names:
                raise Unprocessable("a reference to no entry of the transaction", where=resource["resourceType"])
            if "?" in reference:
                raise Unsupported("conditional references are not supported", where=resource["resourceType"])


def _file(session: Session, value: dict[str, Any], expected: int, own_base: str) -> list[Created] | Accepted:
    """One batch through intake, whole. Raises Unprocessable, saying where the source lies where it was kept."""
    try:
        batch: Batch = fhir_json.of_value(value, NAME, own_base)
    except InputError as error:
        raise Unprocessable(error.what, error.where, error.remedy) from error
    if len(batch.resources) != expected:
        raise Unprocessable(batch.losses[0] if batch.losses else "not all of it can be taken in")
    run = Intake(session, new_ids=True)
    view = run.view(batch.clues.reference or "-")  # asked, and logged, whether there is such a record or not
    told = view is None or bool(view.categories)
    taken = run.take(batch, json.dumps(value))
    if not told:
        return Accepted()
    if taken.error is not None:
        kept = f"it lies in quarantine under {taken.quarantine}"
        raise Unprocessable(taken.error.what, None, f"{taken.error.remedy}; {kept}" if taken.error.remedy else kept)
    return [Created(body["resourceType"], body["id"], body) for body in batch.resources]


def _file_consent(session: Session, pairs: list[tuple[str, dict[str, Any]]]) -> list[Created]:
    """A consent with the Provenance that holds its signature, made where the signer's key is."""
    by_type = {resource["resourceType"]: resource for _, resource in pairs}
    if len(pairs) != 2 or set(by_type) != {"Consent", "Provenance"}:
        raise Unprocessable("a consent comes with its signature alone: one Consent and one Provenance")
    consent, signature = by_type["Consent"], by_type["Provenance"]
    owner = fhir_json.subject_of(consent)
    if not owner or not all(isinstance(r.get("id"), str) for r in (consent, signature)):
        raise Unprocessable("the consent names no patient, or has no id")
    try:
        session.file_consent(owner, consent, signature)
    except InputError as error:
        raise Unprocessable(error.what, error.where, error.remedy) from error
    return [Created(r["resourceType"], r["id"], r, 0) for r in (consent, signature)]
