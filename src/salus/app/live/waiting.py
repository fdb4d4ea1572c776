"""Readings that wait: the durable queue between the devices and the record, sealed under the house's key."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from salus.app.live.person import assignment
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
    """Take the readings of a patient's devices out of the queue, for good. Returns how many waited.

    To be called before the patient's key is destroyed: the record tells which devices are whose. What comes later is of
    a device that measures nobody, and goes into quarantine.
    """
    path = house.configuration.store / FILE
    if not path.exists():
        return 0
    scope = house.gate.attribution(patient, {"signal"})
    devices = {how.device for s in house.store.read(scope, ("Device",)) if (how := assignment(s.body))}
    queue = opened(house)
    try:
        waiting = queue.take(queue.waiting())
        found = [n for n, body in waiting if Sent.from_bytes(body).device in devices]
        queue.done(found)
    finally:
        queue.close()
    if found:
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None, factory=File)) as connection:
            rewritten(connection)
    return len(found)
