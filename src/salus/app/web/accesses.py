"""Who looked at a record, in terms that a page can print: the log's entries sorted by whose deed they were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from salus.app.session import Session
from salus.app.web.consents import own_patient
from salus.fhir import dates
from salus.trust.log import COUNTED

Whose = Literal["others", "own", "house"]
WHOSE: tuple[Whose, ...] = ("others", "own", "house")
PER_PAGE = 40
NOTICES = 5
_SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Access:
    """One entry of the log: who did what, when, on which basis. ``refused``: it was tried and not allowed."""

    n: int
    at: str
    who: str
    whose: Whose
    what: str
    refused: bool = False
    notice: bool = False
    """Something that the patient has to be told of: a paper, who may speak, an emergency, a hold."""
    categories: tuple[str, ...] = ()
    purpose: str = ""
    bases: tuple[str, ...] = ()
    flagged: tuple[str, ...] = ()
    """The kinds of data of which the reader was told that they are withheld."""
    interlocked: tuple[str, ...] = ()
    """The kinds that are withheld but for severe conflicts."""
    provable: bool = True
    """False for the house's own entries, which the patient's key does not open."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of entries, newest first; how many there are of each kind; ``older``: where the next page begins.

    ``notices`` are the newest entries that the patient has to be told of.
    """

    shown: tuple[Access, ...]
    counts: Mapping[Whose, int]
    older: int | None
    notices: tuple[Access, ...] = ()


def page(session: Session, whose: Whose, before: int | None = None) -> Page:
    """Entries of one kind about the actor's own patient, those before entry ``before`` only. Raises AccessError."""
    patient = own_patient(session)
    entries = session.accesses(patient)
    names = {a.id: a.name or a.id for a in session.house.registry.ever.values()}
    found = [_access(entry, session.actor.id, names) for entry in reversed(entries)]
    counts = {kind: sum(access.whose == kind for access in found) for kind in WHOSE}
    chosen = [access for access in found if access.whose == whose and (before is None or access.n < before)]
    older = chosen[PER_PAGE - 1].n if len(chosen) > PER_PAGE else None
    notices = tuple(access for access in found if access.notice and access.whose != "own")[:NOTICES]
    return Page(tuple(chosen[:PER_PAGE]), counts, older, notices)


def _access(entry: Mapping[str, Any], own: str, names: Mapping[str, str]) -> Access:
    actor = str(entry.get("actor", entry.get("by", "")))
    whose: Whose = "house" if actor in (_SERVICE, "house") else "own" if actor == own else "others"
    return Access(
        n=int(entry["n"]),
        at=str(entry.get("at", "")),
        who=names.get(actor, actor),
        whose=whose,
        what=_what(entry, actor),
        refused=entry.get("decision") == "deny",
        notice="notice" in entry,
        categories=_texts(entry.get("categories")),
        purpose=str(entry.get("purpose", "")),
        bases=_texts(entry.get("bases")),
        flagged=_texts(entry.get("flagged")),
        interlocked=_texts(entry.get("interlocked")),
        provable=entry["topic"] != COUNTED,
    )


def _what(entry: Mapping[str, Any], actor: str) -> str:
    reason = str(entry.get("reason", ""))
    match reason:
        case "access" if entry.get("decision") == "deny":
            return "asked to see the record and was refused"
        case "access" if actor == _SERVICE:
            return "read the record to bring its findings up to date"
        case "access":
            return "opened the record"
        case "counted":
            return "had entries of the record counted among those of others"
        case "intake":
            return f"added {_entries(entry)} to the record"
        case "findings":
            return f"wrote {_entries(entry)} of findings"
        case "consent" if "notice" in entry:
            return "vouched for a decision on consent that you signed on paper: end it if you did not"
        case "consent":
            return "filed a decision on consent"
        case "proposed":
            return f"proposed that {entry.get('id') or 'somebody'} speaks for this record: you can stop it"
        case "confirmed":
            return f"confirmed that {entry.get('id') or 'somebody'} is to speak for this record: you can stop it"
        case "stopped":
            return f"stopped that {entry.get('id') or 'somebody'} speaks for this record"
        case "glass-broken":
            until = dates.instant(str(entry["until"]))
            return f"opened the record in an emergency, until {until:%H:%M} of {until:%d.%m.%Y}: {entry.get('why', '')}"
        case "glass-reviewed":
            return f"reviewed the emergency of entry {entry.get('of')}: {entry.get('verdict', '')}"
        case "glass-listed":
            return "read, for a review, why the record was opened in an emergency"
        case "consent-read":
            return "read a decision on consent" if entry.get("id") else "asked for a consent that is not there"
        case "consent-registered":
            return "wrote a salted hash of a consent to a chain"
        case "hold":
            return f"keeps the record from being erased: {entry.get('ground', '')}"
        case "hold-ended":
            return "ended a hold: the record can be erased again"
        case "compared":
            return "compared a file with the record, without filing it"
        case "actor-added":
            return f"let {entry.get('id', 'somebody')} speak for this record"
        case "actor-removed":
            return f"ended that {entry.get('id', 'somebody')} speaks for this record"
    return reason.replace("-", " ") or "wrote into the record"


def _entries(entry: Mapping[str, Any]) -> str:
    items = entry.get("items")
    count = sum(not str(item[0]).startswith("Provenance/") for item in items) if isinstance(items, list) else 0
    return f"{count} entr{'y' if count == 1 else 'ies'}"


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(v) for v in value) if isinstance(value, Iterable) and not isinstance(value, str) else ()
