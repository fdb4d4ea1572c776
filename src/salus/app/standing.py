"""What stands of a record: findings and plans that need no run of the methods, on what ground and until when.

The ground is the record as it lies (the newest entry of the log that wrote into it), what is open to processing, the
methods with their versions and knowledge, the terminology, and the code. As long as it is the same and no answer
depends on a time that has passed, working it out again would give the same; then it is not worked out again, in
whichever process. What is kept is whole, so that nothing is shown beside it that was written since, and sealed under
the patient's key, like the record that it was drawn from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from salus.app.house import House
from salus.errors import AccessError, InputError, StoreError
from salus.fhir import json
from salus.findings import fhir as findings_fhir
from salus.findings import measured_code
from salus.findings.method import Context, Method
from salus.findings.model import Finding
from salus.findings.runner import digest
from salus.trust.grants import Grant

FINDINGS, PLAN = "findings", "plan"
_CODE = "salus.app.session"


@dataclass(frozen=True, slots=True)
class Ground:
    """What findings and plans follow from: the newest entry that wrote into the record, and a digest of the rest."""

    written: int
    rest: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A result that was worked out for ``since`` and holds until ``until``; ``told`` is the result."""

    since: datetime
    until: datetime
    told: Mapping[str, Any]


def ground(house: House, scope: Grant, methods: Sequence[Method], contexts: Mapping[str, Context]) -> Ground:
    """The ground on which the findings of the scope's patient stand now; ``scope`` is what is open to processing."""
    mark = house.terminology.digest
    told = {
        "methods": [[m.id, m.version, digest(contexts.get(m.id, Context()), mark)] for m in methods],
        "categories": sorted(scope.categories),
        "decided": None if scope.decided is None else sorted(f"{ref} {n}" for ref, n in scope.decided),
        "code": measured_code.digest(tuple(sorted({_CODE, *(type(m).__module__ for m in methods)}))),
    }
    rest = hashlib.sha256(json.dumps(told, canonical=True)).hexdigest()
    newest = house.log.written_since(house.store.connection, scope.patient, -1)
    return Ground(-1 if newest is None else newest, rest)


def part(scope: Grant) -> str:
    """The name of a plan for whoever is released just this of a record: the kinds of data, and which consents."""
    papers = None if scope.papers is None else sorted(scope.papers)
    return json.dumps({"categories": sorted(scope.categories), "papers": papers}, canonical=True).decode()


def kept(house: House, patient: str, kind: str, on: Ground, at: datetime, name: str = "") -> Standing | None:
    """The result that was kept under a name, where it still holds at ``at`` on this ground; else None."""
    scope = house.gate.custody("service", patient)
    data = house.store.memo(scope, kind, name) if house.store.exists(scope) else None
    if data is None:
        return None
    try:
        found = json.loads(data)
    except InputError:  # too deep to be read back
        return None
    since, until = map(datetime.fromisoformat, (found["since"], found["until"]))
    if (found["written"], found["rest"]) != (on.written, on.rest) or not (at == since or since <= at < until):
        return None
    return Standing(since, until, found["told"])


def with_newest_reads(house: House, patient: str, stored: Sequence[Finding]) -> list[Finding]:
    """Stored findings as they were last drawn. One that says the same as before is not stored anew, though it may have
    been read from more since: with its old read set it would be drawn again whenever anything is written."""
    scope = house.gate.custody("service", patient)
    data = house.store.memo(scope, FINDINGS) if house.store.exists(scope) else None
    if data is None:
        return list(stored)
    try:
        drawn = {f.id: f for f in map(findings_fhir.load, json.loads(data)["told"]["findings"])}
    except InputError:  # too deep to be read back
        return list(stored)
    newest = ((f, drawn.get(f.id)) for f in stored)
    return [f if twin is None or twin.version_hash != f.version_hash else twin for f, twin in newest]


def keep(
    house: House,
    patient: str,
    kind: str,
    on: Ground,
    span: tuple[datetime, datetime],
    told: Mapping[str, Any],
    name: str = "",
) -> None:
    """Keep a result that holds from the first moment of ``span`` until the second.

    New findings delete the plans that were made of earlier ones. Where the store cannot be written now, nothing is
    kept, and the result is worked out again when it is asked for.
    """
    since, until = (moment.isoformat() for moment in span)
    data = json.dumps({"written": on.written, "rest": on.rest, "since": since, "until": until, "told": told})
    scope = house.gate.custody("service", patient)
    try:
        house.store.memorise(scope, kind, data, name, ends=PLAN if kind == FINDINGS else "")
    except (StoreError, AccessError):  # the latter: the record was erased meanwhile
        return
