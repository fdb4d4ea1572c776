"""Breaking the glass: an emergency in which an authorised person opens one patient's record without consent.

Who may, and which kinds of data it opens, a policy of the organisation says (basis "vital-interest", purpose BTG). It
takes a reason in words, ends within a day, is told to the patient with the entry that opens it, and is reviewed by
somebody else afterwards. It opens a record to look at: no search, no export.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from salus.errors import AccessError, InputError
from salus.fhir import dates
from salus.trust.log import Entry

PURPOSE = "BTG"
"""Purpose of use: break the glass (HL7 ActReason)."""
BASIS = "vital-interest"
TOPIC = "glass"
LONGEST = timedelta(hours=24)
PATIENCE = 3.0
"""Seconds that an emergency waits for the log; then the journal takes it."""
EACH = 16
"""Entries of one actor that the journal takes before they are merged: the others have emergencies, too."""
REASON = range(10, 501)
"""How many characters a reason has."""
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True)
class Broken:
    """One glass that was broken: by whom, why, until when, and who looked at it afterwards."""

    n: int
    patient: str
    actor: str
    why: str
    at: datetime
    until: datetime
    reviewed_by: str = ""
    verdict: str = ""


def check(why: str, lasts: timedelta) -> str:
    """The reason, trimmed. Raises InputError for one that says nothing, and for a time that is too long."""
    said = " ".join(why.split())
    if len(said) not in REASON or len(_WORD.findall(said)) < 2:
        raise InputError(f"a reason in {REASON.start} to {REASON.stop - 1} characters", where="reason")
    if not timedelta(0) < lasts <= LONGEST:
        raise InputError("it lasts at most 24 hours", where="hours")
    return said


def broken(entries: Iterable[Entry]) -> list[Broken]:
    """What the log's entries of this topic tell, oldest first."""
    found: dict[tuple[str, int], Broken] = {}
    for entry in entries:
        told = entry.content
        if told["reason"] == "glass-broken":
            found[entry.patient, entry.n] = Broken(
                entry.n,
                entry.patient,
                told["actor"],
                told["why"],
                dates.instant(told["at"]),
                dates.instant(told["until"]),
            )
        elif told["reason"] == "glass-reviewed" and (entry.patient, told["of"]) in found:
            key = entry.patient, told["of"]
            found[key] = replace(found[key], reviewed_by=told["actor"], verdict=told["verdict"])
    return list(found.values())


def refuse(purpose: str | None) -> None:
    """Raise AccessError where what was asked for is a search or an export on a broken glass."""
    if purpose == PURPOSE:
        raise AccessError("a broken glass opens one record to look at: no search, no export", remedy="salus plan")
