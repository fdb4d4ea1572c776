"""Readings from a line into the record: readings a processor second, and bytes of the store a reading.

``python -m benchmarks.monitoring.live [--seconds N] [--devices N] [--every S] [--json]``. Each device of a patient of
its own sends a heart rate every ``--every`` seconds for ``--seconds``; what comes in one second is received and drained
together, as from a broker. The values stay within range, so that no alert changes. ``bytes_a_reading`` is what the
store's file grew by, rows, indexes, history and log with it; the queue beside it is not counted.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def measured(seconds: int, devices: int, every: int) -> dict[str, float]:
    """All figures."""
    from salus.app.config import at_folder
    from salus.app.house import House
    from salus.app.live.readings import Monitor
    from salus.app.session import Session
    from salus.record.store import Change
    from salus.trust.identity import Actor, Identity

    try:
        from salus.app.live.filing import WAIT

        how: tuple[timedelta, ...] = (WAIT,)
    except ImportError:  # a release that wrote each reading at once
        how = ()
    now, chance = [AT], random.Random(5)
    with tempfile.TemporaryDirectory() as name:
        house = House.create(at_folder(Path(name)), alone=True, clock=lambda: now[0])
        operator = Identity.generate("operator")
        house.add_actor(Actor("operator", "operator", operator.public_key), by="operator")
        with Monitor(Session(house, operator)) as monitor:
            for n in range(devices):
                born: dict[str, Any] = {"resourceType": "Patient", "id": f"p{n}", "birthDate": "1950-01-01"}
                scope = house.gate.custodian(house.registry.actors["operator"], f"p{n}")
                house.store.commit(scope, [Change("Patient", f"p{n}", born)], at=house.time())
                monitor.assign(f"belt-{n}", f"p{n}", setting="home", silent_after=None)
            before, sent, stored, spent = _size(house), 0, 0, 0.0
            for second in range(0, seconds, every):
                now[0] = AT + timedelta(seconds=second)
                lines = [_reading(f"belt-{n}", now[0], chance.randrange(62, 88)) for n in range(devices)]
                begun = time.process_time()
                sent += monitor.receive(lines).new
                stored += monitor.drain(*how).stored
                spent += time.process_time() - begun
            begun = time.process_time()
            stored += monitor.drain().stored
            spent += time.process_time() - begun
            grown = _size(house) - before
        (rows,) = house.store.connection.execute(
            "SELECT count(*) FROM resource WHERE type = 'Observation' AND deleted = 0"
        ).fetchone()
        house.close()
    assert sent == stored == devices * -(-seconds // every), (sent, stored)
    return {
        "readings": sent,
        "rows": rows,
        "readings_a_cpu_second": round(sent / spent, 1),
        "bytes_a_reading": round(grown / sent, 1),
    }


def _reading(device: str, at: datetime, value: int) -> bytes:
    told = {"device": device, "code": "heart-rate", "at": at.isoformat(), "value": value, "unit": "/min"}
    return json.dumps(told).encode()


def _size(house: Any) -> int:
    """Bytes of the store's file that are in use."""
    house.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (pages,) = house.store.connection.execute("PRAGMA page_count").fetchone()
    (free,) = house.store.connection.execute("PRAGMA freelist_count").fetchone()
    (size,) = house.store.connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * size)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--devices", type=int, default=4)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measured(given.seconds, given.devices, given.every)
    if given.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        sys.stdout.write("\n".join(f"{name} {value:,g}" for name, value in found.items()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
