"""An Apple Health export of many records, taken in as a user does, then the first plan and a warm one.

``python -m benchmarks.record.apple [--records N] [--json]``. The export is made here, in the proportions of a year with
a watch, a phone, a scale and a cuff: heart rate, active energy (which salus leaves in the file), steps by watch and
phone, oxygen saturation, respiratory rate, weight, and blood pressure as correlations. Processor seconds and the peak
of memory are of a process of its own. ``bytes_a_reading`` is what the store's file grew by, rows, indexes and log with
it, without the kept export.xml, which ``file_bytes_a_record`` tells of; ``b_first`` and ``b_warm`` are plans.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from benchmarks.record.person import took

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
WANTED = {"records_a_second": 60_000, "mb": 300, "bytes_a_reading": 12, "warm": 0.15}
WATCH = (
    "&lt;&lt;HKDevice: 0x281a3b4c0&gt;, name:Apple Watch, manufacturer:Apple Inc., model:Watch, hardware:Watch6,2, "
    "software:9.1&gt;"
)
PHONE = "&lt;&lt;HKDevice: 0x28f0&gt;, name:iPhone, manufacturer:Apple Inc., model:iPhone, hardware:iPhone14,5&gt;"
HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<HealthData locale="en_GB">
 <ExportDate value="2026-06-01 10:00:00 +0200"/>
 <Me HKCharacteristicTypeIdentifierDateOfBirth="1968-03-14" HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSexFemale"/>
"""  # noqa: E501
A_DAY = (
    ("HeartRate", "count/min", "Watch", 300),
    ("ActiveEnergyBurned", "kcal", "Watch", 330),
    ("StepCount", "count", "Watch", 60),
    ("StepCount", "count", "Phone", 50),
    ("OxygenSaturation", "%", "Watch", 40),
    ("RespiratoryRate", "count/min", "Watch", 40),
    ("BodyMass", "kg", "Scale", 1),
    ("BloodPressure", "mmHg", "Cuff", 2),
)
"""HealthKit type, unit, source and records of a day. A blood pressure is five elements, of which two are records."""


def _day(day: datetime, chance: random.Random) -> Iterator[tuple[datetime, str]]:
    """The elements of one day with their times."""
    for kind, unit, source, count in A_DAY:
        for _ in range(count):
            at = day + timedelta(seconds=chance.randrange(86_400))
            if kind == "BloodPressure":
                yield at, _pressure(at, chance)
            else:
                length = chance.randrange(20, 600) if kind in ("StepCount", "ActiveEnergyBurned") else 0
                yield at, _record(kind, unit, source, at, at + timedelta(seconds=length), _value(kind, at, chance))


def _value(kind: str, at: datetime, chance: random.Random) -> str:
    match kind:
        case "HeartRate":
            return str(chance.randrange(52, 70) + (at.hour in range(8, 22)) * chance.randrange(30))
        case "ActiveEnergyBurned":
            return f"{chance.random() * 3:.3f}"
        case "OxygenSaturation":
            return f"{chance.randrange(94, 101) / 100:.2f}"
        case "RespiratoryRate":
            return str(chance.randrange(20, 40) / 2)
        case "BodyMass":
            return f"{70 + chance.randrange(-15, 15) / 10:.1f}"
    return str(chance.randrange(4, 400))


def _record(kind: str, unit: str, source: str, start: datetime, end: datetime, value: str) -> str:
    device = {"Watch": f' device="{WATCH}"', "Phone": f' device="{PHONE}"'}.get(source, "")
    return (
        f'<Record type="HKQuantityTypeIdentifier{kind}" sourceName="Pat’s {source}" sourceVersion="9.1"{device} '
        f'unit="{unit}" creationDate="{_time(end)}" startDate="{_time(start)}" endDate="{_time(end)}" value="{value}"/>'
    )


def _pressure(at: datetime, chance: random.Random) -> str:
    upper, lower = chance.randrange(118, 150), chance.randrange(70, 95)
    pair = _record("BloodPressureSystolic", "mmHg", "Cuff", at, at, str(upper))
    pair += _record("BloodPressureDiastolic", "mmHg", "Cuff", at, at, str(lower))
    head = f'sourceName="Pat’s Cuff" startDate="{_time(at)}" endDate="{_time(at)}"'
    return f'{pair}<Correlation type="HKCorrelationTypeIdentifierBloodPressure" {head}>{pair}</Correlation>'


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} +0200"


def export(file: TextIO, records: int) -> None:
    """Write an export of about ``records`` records (top-level Record elements), the newest of yesterday."""
    chance = random.Random(17)
    days = -(-records // sum(count * (2 if kind == "BloodPressure" else 1) for kind, _, _, count in A_DAY))
    file.write(HEAD)
    for number in range(days, 0, -1):
        midnight = (AT - timedelta(days=number)).replace(hour=0)
        for _, element in sorted(_day(midnight, chance)):
            file.write(f" {element}\n")
    file.write("</HealthData>\n")


def measured(records: int) -> dict[str, float]:
    """All figures for an export of one size."""
    from salus.app.config import at_folder
    from salus.app.house import House
    from salus.app.intake.intake import Intake
    from salus.app.session import Session
    from salus.record.store import Change
    from salus.trust.identity import Actor, Identity

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "export.xml"
        subprocess.run(
            [sys.executable, "-m", "benchmarks.record.apple", "--make", str(path), "--records", str(records)],
            check=True,
        )
        people = {name: Identity.generate(name) for name in ("operator", "pat")}
        house = House.create(at_folder(Path(name) / "house"), alone=True, clock=lambda: AT)
        house.add_actor(Actor("operator", "operator", people["operator"].public_key), by="operator")
        house.add_actor(Actor("pat", "patient", people["pat"].public_key, patient="p1"), by="operator")
        born: dict[str, Any] = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1968-03-14"}
        scope = house.gate.custodian(house.registry.actors["operator"], "p1")
        house.store.commit(scope, [Change("Patient", "p1", born)], at=house.time())
        before = _size(house)
        taken: list[Any] = []
        found: dict[str, float] = {}
        intake = Intake(Session(house, people["operator"]), patient="p1")
        found["seconds"] = took(lambda: taken.extend(intake.run([path])))
        assert taken[0].error is None, taken[0].error
        found["mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found["records"] = _count(path)
        found["records_a_second"] = found["records"] / found["seconds"]
        found["readings"] = taken[0].counts["reading"]
        found["blocks"] = taken[0].written.created - 2
        (kept,) = house.store.connection.execute("SELECT sum(length(body)) FROM blob_chunk").fetchone()
        found["bytes_a_reading"] = (_size(house) - before - kept) / found["readings"]
        found["file_bytes_a_record"] = kept / found["records"]
        again: list[Any] = []
        other = Path(name) / "again" / "export.xml"
        other.parent.mkdir()
        shutil.copyfile(path, other)
        with other.open("a", encoding="utf-8") as file:
            file.write("\n")
        found["again_seconds"] = took(
            lambda: again.extend(Intake(Session(house, people["operator"]), patient="p1").run([other]))
        )
        found["again_changed"] = again[0].written.updated
        configuration = house.configuration
        house.close()
        with House(configuration, clock=lambda: AT) as house:
            found["first"] = took(lambda: Session(house, people["pat"]).plan("p1", AT))
            found["warm"] = took(lambda: Session(house, people["pat"]).plan("p1", AT))
        found["mb_plan"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {name: round(value, 3) for name, value in found.items()}


def _size(house: Any) -> int:
    """Bytes of the store's file that are in use."""
    house.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (pages,) = house.store.connection.execute("PRAGMA page_count").fetchone()
    (free,) = house.store.connection.execute("PRAGMA freelist_count").fetchone()
    (size,) = house.store.connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * size)


def _count(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(line.count(b"<Record ") - 2 * line.count(b"<Correlation ") for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make:
        with given.make.open("w", encoding="utf-8") as file:
            export(file, given.records)
        return 0
    found = measured(given.records)
    if given.json:
        sys.stdout.write(json.dumps(found) + "\n")
        return 0
    sys.stdout.write("\n".join(f"{name} {value:,g}" for name, value in found.items()) + "\n")
    sys.stdout.write("wanted: " + ", ".join(f"{k} {v:g}" for k, v in WANTED.items()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
