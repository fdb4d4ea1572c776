"""Who looked at a record, as AuditEvents for its patient: from the log itself, the newest first, a page at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from salus.app.fhir import query as fhir_query
from salus.app.session import Session
from salus.errors import InputError
from salus.record import search
from salus.record.search import Parameter
from salus.trust.grants import not_released

KIND = "AuditEvent"
DATE = Parameter("date", "date", (("recorded",),))
BEFORE = "_before"
"""In the link to a further page: the entry of the log that ended this one."""
_KNOWN = ("patient", "date", "_count", BEFORE, "_format", "_pretty")
_ID = re.compile(r"log-(0|[1-9][0-9]{0,17})\Z")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}\Z")


@dataclass(frozen=True, slots=True)
class Query:
    """What of one record's log is asked for; ``before`` an entry, where it goes on from an earlier page."""

    patient: str
    dates: tuple[str, ...]
    count: int
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """A page of AuditEvents; ``before`` is where the next one goes on, None at the log's beginning."""

    found: tuple[dict[str, Any], ...]
    before: int | None


def parse(pairs: Iterable[tuple[str, str]]) -> Query:
    """Read the parameters: ``patient``, of whom there is one, and ``date`` as BALP asks for. Raises InputError."""
    pairs = list(pairs)
    if unknown := [name for name, _ in pairs if name not in _KNOWN]:
        raise InputError("not a search parameter of this type", where=unknown[0][:60], remedy="see /fhir/metadata")
    said = dict(pairs)
    if len(said) + sum(name == "date" for name, _ in pairs) - ("date" in said) != len(pairs):
        raise InputError("a parameter is given twice", where=KIND)
    kind, patient = search.identity(said["patient"]) if "patient" in said else ("", "")
    if not patient or kind not in ("", "Patient"):
        raise InputError("the log is shown of one record", where="patient", remedy="patient=ID")
    count = fhir_query.parse("Patient", [(n, v) for n, v in pairs if n == "_count"]).count
    before = said.get(BEFORE)
    if count == 0 or (before is not None and not _NUMBER.match(before)):
        raise InputError("not a whole number from 1", where="_count" if count == 0 else BEFORE)
    dates = tuple(value for name, value in pairs if name == "date")
    for value in dates:
        search.parse(DATE, "", value)
    return Query(patient, dates, count, int(before) if before else None)


def link(query: Query, events: Events) -> str:
    """The query string of the next page, "" after the last."""
    if events.before is None:
        return ""
    more = [("patient", query.patient), *(("date", d) for d in query.dates), ("_count", str(query.count))]
    return urlencode([*more, (BEFORE, str(events.before))])


def find(session: Session, query: Query, address: str) -> Events:
    """The events asked for, for the record's patient or a proxy. Asking is an access: it is the newest event there.

    ``address`` is the server's. Raises AccessError.
    """
    clauses = [search.parse(DATE, "", value) for value in query.dates]
    found: list[dict[str, Any]] = []
    for n, event in session.audit_trail(query.patient, address, before=query.before):
        if all(clause.matches(event) for clause in clauses):
            found.append(event)
        if len(found) == query.count:
            return Events(tuple(found), n if n else None)
    return Events(tuple(found), None)


def read(session: Session, name: str, address: str) -> dict[str, Any]:
    """One event of the asker's own record. Raises AccessError, in the same words for another's and for none."""
    wanted = _ID.match(name)
    patient = session.actor.patient or f"{KIND}/{name}"
    trail = session.audit_trail(patient, address, before=int(wanted[1]) + 1 if wanted else 0)
    _, event = next(iter(trail), (0, {}))
    if event.get("id") != name:
        raise not_released()
    return event
