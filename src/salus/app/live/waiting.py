"""Readings that wait: the durable queue between the devices and the record, sealed under the house's key."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime

from salus.app.live.devices import Period, periods
from salus.app.opened import Opened
from salus.intake.live.queue import Guard, Queue
from salus.intake.live.readings import Sent
from salus.record.database import File
from salus.record.forgetting import rewritten
from salus.trust.vault import SYSTEM

FILE = "live.sqlite"
_CONTEXT = b"live reading"


def opened(house: Opened) -> Queue:
    """The queue of a house, made where there is none. To be closed."""
    vault = house.vault
    guard = Guard(
        lambda data: vault.mac(SYSTEM, _CONTEXT + data)[:16],
        lambda data: vault.seal(SYSTEM, data, _CONTEXT),
        lambda data: vault.unseal(SYSTEM, data, _CONTEXT),
    )
    return Queue(house.configuration.store / FILE, guard)


def forget(house: Opened, patient: str) -> int:
    """Take a patient's readings out of the queue, for good. Returns how many waited.

    To be called before the patient's key is destroyed: the record tells which devices are whose. What comes later is of
    a device that measures nobody, and goes into quarantine.
    """
    path = house.configuration.store / FILE
    if not path.exists():
        return 0
    known: dict[str, list[Period]] = {}
    found = []
    queue = opened(house)
    try:
        for n, body in queue.take(queue.waiting()):
            sent = Sent.from_bytes(body)
            if sent.device not in known:
                known[sent.device] = periods(house, "house", sent.device)
            if _may_be_of(patient, known[sent.device], sent.moment):
                found.append(n)
        queue.done(found)
    finally:
        queue.close()
    if found:
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None, factory=File)) as connection:
            rewritten(connection)
    return len(found)


def _may_be_of(patient: str, known: Sequence[Period], moment: datetime) -> bool:
    """Whether a reading is the patient's: also where the device was his, and was nobody's when it measured."""
    then = {period.patient for period in known if period.covers(moment)}
    return patient in (then or {period.patient for period in known})
