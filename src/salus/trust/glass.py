"""Breaking the glass: an emergency in which an authorised person opens one patient's record without consent.

A policy of the organisation (basis "vital-interest", purpose BTG) says who may do this, and which kinds of data it
opens. It needs a reason in words and ends within a day. The entry that opens the record tells the patient, and somebody
else reviews it afterwards. The record is opened to be looked at: no search, no export.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from salus.errors import AccessError, InputError
from salus.fhir import dates
from salus.trust.log_reading import Entry

PURPOSE = "BTG"
"""Purpose of use: break the glass (HL7 ActReason)."""
BASIS = "vital-interest"
TOPIC = "glass"
LONGEST = timedelta(hours=24)
PATIENCE = 3.0
"""Seconds that an emergency waits for the log. Then its entry goes into the journal."""
EACH = 16
"""How many unmerged entries of one actor the journal takes. The limit leaves room for the emergencies of others."""
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
    """The broken glasses that the log's entries of this topic record, oldest first."""
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
    """Raise AccessError where ``purpose`` is that of a broken glass. Searches and exports call it."""
    if purpose == PURPOSE:
        raise AccessError("a broken glass opens one record to look at: no search, no export", remedy="salus plan")
