"""Appointments: FHIR R4 Schedule, Slot and Appointment, as pure functions. Who may write them, ``app`` decides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from salus.assistant.reply import Citation, Sentence
from salus.assistant.view import View
from salus.errors import InputError
from salus.fhir import dates
from salus.fhir.views import Body, dicts, span_of, text_of

MAX_RESOURCES = 5000
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_STANDING = ("booked", "pending", "arrived", "checked-in")


@dataclass(frozen=True, slots=True)
class Diary:
    """Schedules and Slots by id, as somebody offers them."""

    schedules: Mapping[str, Body]
    slots: Mapping[str, Body]


@dataclass(frozen=True, slots=True)
class Free:
    """A time that is offered: the Slot's id, when it begins and ends, with whom, and the schedule's words."""

    id: str
    start: str
    end: str
    who: str


def read(value: Any) -> Diary:
    """A Bundle of Schedules and Slots. Raises InputError with the place of the first thing that is wrong."""
    entries = value.get("entry") if isinstance(value, dict) and value.get("resourceType") == "Bundle" else None
    if not isinstance(entries, list) or len(entries) > MAX_RESOURCES:
        raise InputError(f"a Bundle of at most {MAX_RESOURCES} Schedules and Slots is needed", where="Bundle.entry")
    schedules: dict[str, Body] = {}
    slots: dict[str, Body] = {}
    for n, entry in enumerate(entries):
        body = entry.get("resource") if isinstance(entry, dict) else None
        where = f"Bundle.entry[{n}].resource"
        if not isinstance(body, dict) or not _ID.match(str(body.get("id", ""))):
            raise InputError("a resource without an id", where=where)
        match body.get("resourceType"):
            case "Schedule":
                schedules[str(body["id"])] = body
            case "Slot":
                slots[str(body["id"])] = _slot(body, where)
            case _:
                raise InputError("neither a Schedule nor a Slot", where=where)
    for name, slot in slots.items():
        if schedule_of(slot) not in schedules:
            raise InputError("a Slot of no Schedule of this Bundle", where=f"Slot/{name}")
    return Diary(schedules, slots)


def _slot(body: Body, where: str) -> Body:
    for name in ("start", "end"):
        value = body.get(name)
        if not isinstance(value, str) or "T" not in value or not re.search(r"(?:Z|[+-]\d\d:\d\d)\Z", value):
            raise InputError("a Slot needs instants with an offset", where=f"{where}.{name}")
    if dates.instant(str(body["start"])) >= dates.instant(str(body["end"])):
        raise InputError("a Slot ends before it begins", where=where)
    return body


def schedule_of(slot: Body) -> str:
    """The id of a Slot's Schedule; "" where it names none."""
    reference = slot.get("schedule")
    name = reference.get("reference", "") if isinstance(reference, dict) else ""
    return str(name).removeprefix("Schedule/")


def with_whom(schedule: Body) -> str:
    """Whom or what a Schedule is of, in its own words."""
    names = [a["display"] for a in dicts(schedule.get("actor")) if isinstance(a.get("display"), str)]
    return ", ".join(names) or str(schedule.get("comment", "")) or str(schedule.get("id", ""))


def free(diary: Diary, taken: frozenset[str], at: datetime) -> list[Free]:
    """The Slots that can be booked: offered as free, not ``taken``, not begun at ``at``; the earliest first."""
    found = []
    for name, slot in diary.slots.items():
        if slot.get("status") == "free" and name not in taken and dates.instant(str(slot["start"])) > at:
            who = with_whom(diary.schedules[schedule_of(slot)])
            found.append(Free(name, str(slot["start"]), str(slot["end"]), who))
    return sorted(found, key=lambda f: (dates.instant(f.start), f.id))


def appointment(id: str, patient: str, slot: Free, *, status: str, created: str) -> dict[str, Any]:
    """The Appointment of a patient in a Slot."""
    accepted = "accepted" if status == "booked" else "declined"
    return {
        "resourceType": "Appointment",
        "id": id,
        "status": status,
        "description": f"Appointment with {slot.who}",
        "start": slot.start,
        "end": slot.end,
        "created": created,
        "slot": [{"reference": f"Slot/{slot.id}"}],
        "participant": [
            {"actor": {"reference": f"Patient/{patient}"}, "status": accepted},
            {"actor": {"display": slot.who}, "status": accepted},
        ],
    }


def told(view: View) -> Iterator[Sentence]:
    """The appointments to come, the next first."""
    coming = []
    for source, body in view.chart.resources("Appointment"):
        span = span_of(body, "start")
        stands = body.get("status") in _STANDING
        if stands and span and span.start >= view.chart.now:
            coming.append((span.start, source, body))
    for _, source, body in sorted(coming, key=lambda c: (c[0], c[1].ref)):
        start = str(body["start"])
        time = f" at {start[11:16]} (UTC{start[19:] if start[19:] not in ('', 'Z') else ''})"
        what = body.get("description") or text_of(body.get("appointmentType")) or "Appointment"
        citation = Citation("record", source.ref, str(what), source.version, "start", source.digest)
        yield Sentence(f"{what}: {view.day(start)}{time}, {body['status']}.", (citation,))
