"""The durable queue of readings between the devices and the record, sealed under the house's key."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing

from salus.app.live import devices
from salus.app.live.devices import Period
from salus.app.opened import Opened
from salus.errors import InputError, IntegrityError
from salus.intake.live import readings
from salus.intake.live.queue import Guard, Queue
from salus.intake.live.readings import Sent
from salus.record.database import File
from salus.record.forgetting import rewritten
from salus.trust import quarantine
from salus.trust.vault import SYSTEM

Devices = Mapping[str, Sequence[Period]]
"""By device, the periods in which it measured patients."""
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


def identities(house: Opened) -> set[bytes]:
    """What tells the readings apart that wait in the queue: see :attr:`salus.intake.live.readings.Sent.identity`."""
    if not (house.configuration.store / FILE).exists():
        return set()
    with closing(opened(house)) as queue:
        return {Sent.from_bytes(body).identity for _, body in queue.take(queue.waiting())}


def forget(house: Opened, patient: str, measured: Devices) -> int:
    """Take a patient's readings out of the queue, for good. Returns how many waited.

    ``measured`` are the devices that measured the patient, as the record told them before its key was destroyed. What
    such a device sends after the erasure is of a device that measures nobody, and goes into quarantine.
    """
    path = house.configuration.store / FILE
    if not path.exists():
        return 0
    queue = opened(house)
    try:
        found = [n for n, body in queue.take(queue.waiting()) if _is_of(patient, measured, Sent.from_bytes(body))]
        queue.done(found)
    finally:
        queue.close()
    if found:
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None, factory=File)) as connection:
            rewritten(connection)
    return len(found)


def quarantined(house: Opened, patient: str, measured: Devices) -> list[int]:
    """The numbers under which readings that may be the patient's lie in quarantine, in order.

    ``measured`` as in :func:`forget`. A reading that the line refused counts where its device and time can be read.
    One that does not open is left out: verification names it, and no erasure waits for that.
    """
    found = []
    for n, form in sorted(quarantine.forms(house.store, house.log).items()):
        if form not in (quarantine.READING, quarantine.SENT) or house.vault.shredded(quarantine.key_name(n)):
            continue
        try:
            data = quarantine.release(house.store, house.vault, n)
        except IntegrityError:
            continue
        sent = Sent.from_bytes(data) if form == quarantine.READING else _readable(data)
        if sent is not None and _is_of(patient, measured, sent):
            found.append(n)
    return found


def _is_of(patient: str, measured: Devices, sent: Sent) -> bool:
    return devices.may_be_of(patient, measured.get(sent.device, ()), sent.moment)


def _readable(data: bytes) -> Sent | None:
    try:
        return readings.parse(data)
    except InputError:
        return None
