"""Whom a device measures, and when: a Device resource in the patient's record says so, each version for a period."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any

from salus.app.live.person import ASSIGNED, Assignment, assignment, parts_of
from salus.app.opened import Opened
from salus.errors import AccessError, IntegrityError
from salus.fhir import dates
from salus.fhir.views import OWN_ID, TAG_KIND
from salus.record.store import Change

_NAMESPACE = uuid.UUID("7d8f4d52-7c43-5a47-9d0b-9ef9c2a0b4c9")


@dataclass(frozen=True, slots=True)
class Period:
    """A device measured a patient from ``start`` until before ``end``; ``end`` is None while it still does."""

    patient: str
    how: Assignment
    start: datetime
    end: datetime | None

    def covers(self, moment: datetime) -> bool:
        """Whether the device measured the patient at that moment."""
        return self.start <= moment and (self.end is None or moment < self.end)


def is_here(house: Opened, patient: str) -> bool:
    """Whether there is such a patient, and has not been erased: also not by another process, a moment ago."""
    return not house.vault.shredded(patient) and house.store.exists(house.gate.custody("live", patient))


def periods(house: Opened, by: str, device: str) -> list[Period]:
    """The periods in which a device measured patients, also before it was released.

    Those of one patient are in the order they were written. A patient who is being erased has none any more.
    """
    found: list[Period] = []
    for patient in house.store.holders(house.gate.house(by), "Device", device_id(device)):
        try:
            found += _periods_of(house, patient, device_id(device))
        except (AccessError, IntegrityError):
            if is_here(house, patient):
                raise
    return found


def _periods_of(house: Opened, patient: str, name: str) -> list[Period]:
    """One patient's periods with a device, in the order they were written."""
    versions = house.store.versions(house.gate.attribution(patient, {"signal"}), f"Device/{name}")
    found = []
    for stored, after in zip_longest(versions, versions[1:]):
        how = assignment(stored.body)
        if how is not None:
            end = dates.instant(after.updated) if after else None
            found.append(Period(patient, how, how.since or dates.instant(stored.updated), end))
    return found


def all_of(house: Opened, patient: str) -> dict[str, list[Period]]:
    """By device, for every device that measures or measured the patient: the periods of everybody whom it measured."""
    bodies = [stored.body for stored in house.store.read(house.gate.attribution(patient, {"signal"}), ("Device",))]
    names = {str(name) for body in bodies if (name := parts_of(body, ASSIGNED).get("device"))}
    return {name: periods(house, "house", name) for name in sorted(names)}


def may_be_of(patient: str, known: Sequence[Period], moment: datetime) -> bool:
    """Whether a reading of a device may be the patient's: the device was the patient's, or nobody's, at that moment.

    ``known`` are the device's periods. A device that never was the patient's gives nothing of the patient.
    """
    then = {period.patient for period in known if period.covers(moment)}
    return patient in (then or {period.patient for period in known})


def current(known: Sequence[Period]) -> Period | None:
    """Whom the device measures now; None unless it is exactly one patient."""
    found = [period for period in known if period.end is None]
    return found[0] if len(found) == 1 else None


def measured(known: Sequence[Period], moment: datetime) -> Period | None:
    """Whom the device measured at a moment; None unless it was exactly one patient."""
    found = [period for period in known if period.covers(moment)]
    return found[-1] if len({period.patient for period in found}) == 1 else None


def resource(device: str, patient: str, how: Assignment, status: str) -> Change:
    """The Device that says that ``device`` measures ``patient`` (``status``: active) or no longer does (inactive)."""
    seconds = int(how.silent_after.total_seconds()) if how.silent_after else 0
    parts: list[dict[str, Any]] = [
        {"url": "device", "valueString": device},
        {"url": "setting", "valueCode": how.setting},
        {"url": "silent-after", "valueUnsignedInt": seconds},
    ]
    if how.since:
        parts.append({"url": "since", "valueInstant": dates.write(how.since)})
    body = {
        "resourceType": "Device",
        "id": device_id(device),
        "meta": {"tag": [{"system": TAG_KIND, "code": "signal/device"}]},
        "extension": [{"url": ASSIGNED, "extension": parts}],
        "identifier": [{"system": "urn:salus:device", "value": device}],
        "status": status,
        "patient": {"reference": f"Patient/{patient}"},
    }
    return Change("Device", device_id(device), body)


def device_id(device: str) -> str:
    """The id of the Device resource of a device: the same in every record."""
    return OWN_ID + str(uuid.uuid5(_NAMESPACE, device))
