"""A plan for one person, timed by how much is known: 300 or 30,000 readings beside other resources.

``python -m benchmarks.record.person [--as single|series] [--readings N …] [--others N] [--json]``. With ``--as series``
the readings lie in blocks, as intake writes those of a watch, else each is a resource of its own. Processor seconds and
the peak of memory of a process of its own for each size, so that none is warm by another: the *first* plan after
intake, a *warm* one (nothing was written since, by a session that has never seen the record), and one *after* a new
creatinine was filed.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
UCUM = "http://unitsofmeasure.org"
KINDS = (
    ("8867-4", "/min", 60, 40),
    ("59408-5", "%", 94, 6),
    ("41950-7", "1/(24.h)", 2000, 8000),
    ("29463-7", "kg", 70, 4),
)
"""LOINC code, unit, least value and range of what a watch reads."""
WANTED = {"warm": 0.15, "after": 0.5, "mb": 200}


def reading(n: int) -> dict[str, Any]:
    """Reading number ``n``, one every quarter of an hour."""
    code, unit, least, span = KINDS[n % len(KINDS)]
    return {
        "resourceType": "Observation", "id": f"r{n}", "status": "final", "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "effectiveDateTime": (AT - timedelta(minutes=15 * n + 60)).isoformat(),
        "valueQuantity": {"value": least + n * 7919 % span, "unit": unit, "system": UCUM, "code": unit},
    }  # fmt: skip


def creatinine(name: str, at: datetime, value: float, patient: str = "p1") -> dict[str, Any]:
    """A creatinine (mg/dL)."""
    return {
        "resourceType": "Observation", "id": name, "status": "final", "subject": {"reference": f"Patient/{patient}"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
        "effectiveDateTime": at.isoformat(),
        "valueQuantity": {"value": value, "unit": "mg/dL", "system": UCUM, "code": "mg/dL"},
    }  # fmt: skip


def blocks(count: int) -> list[dict[str, Any]]:
    """The same readings in blocks of a month, as intake writes them."""
    from salus.fhir import series
    from salus.fhir.columns import Row, in_columns, least, micros

    made: list[dict[str, Any]] = []
    for number, (code, unit, _, _) in enumerate(KINDS):
        rows: dict[str, list[Row]] = {}
        coded = {"coding": [{"system": "http://loinc.org", "code": code}]}
        head = series.Head(coded, (series.Part(coded, unit),), "Watch", "", "home", "month")
        for n in range(number, count, len(KINDS)):
            told = reading(n)
            at = micros(datetime.fromisoformat(told["effectiveDateTime"]))
            row = (at, 0, (least(told["valueQuantity"]["value"], 0),), 0, "")
            rows.setdefault(head.stretch_of(at), []).append(row)
        for stretch in sorted(rows):
            made.append(series.body(head, in_columns(sorted(rows[stretch])), "Patient/p1"))
    return made


def others(count: int) -> list[dict[str, Any]]:
    """What else a long record holds: visits, vaccinations and laboratory results."""
    made: list[dict[str, Any]] = []
    for n in range(count):
        at, person = (AT - timedelta(days=n % 3000 + 1)).isoformat(), {"reference": "Patient/p1"}
        if n % 3 == 0:
            made.append({"resourceType": "Encounter", "id": f"e{n}", "status": "finished", "subject": person,
                         "class": {"code": "AMB"}, "period": {"start": at, "end": at}})  # fmt: skip
        elif n % 3 == 1:
            made.append({"resourceType": "Immunization", "id": f"i{n}", "status": "completed", "patient": person,
                         "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "140"}]},
                         "occurrenceDateTime": at})  # fmt: skip
        else:
            made.append(creatinine(f"l{n}", AT - timedelta(days=n % 3000 + 1), 0.9 + n % 5 / 50))
    return made


def filed(folder: Path, readings: int, other: int, *, as_series: bool = False) -> tuple[Any, Any]:
    """A house with one person in it, and the patient's identity."""
    from salus.app.config import at_folder
    from salus.app.house import House
    from salus.record.store import Change
    from salus.trust.identity import Actor, Identity

    people = {name: Identity.generate(name) for name in ("operator", "pat")}
    house = House.create(at_folder(folder), alone=True, clock=lambda: AT)
    house.add_actor(Actor("operator", "operator", people["operator"].public_key), by="operator")
    house.add_actor(Actor("pat", "patient", people["pat"].public_key, patient="p1"), by="operator")
    born: dict[str, Any] = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1968-03-14"}
    problem: dict[str, Any] = {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"},
               "code": {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]}}  # fmt: skip
    told = blocks(readings) if as_series else [reading(n) for n in range(readings)]
    resources = [born, problem, *others(other), *told]
    scope = house.gate.custodian(house.registry.actors["operator"], "p1")
    for start in range(0, len(resources), 1000):
        part = resources[start : start + 1000]
        house.store.commit(scope, [Change(r["resourceType"], r["id"], r) for r in part], at=house.time())
    return house, people["pat"]


def took(call: Callable[[], object]) -> float:
    """Processor seconds."""
    began = time.process_time()
    call()
    return time.process_time() - began


def measured(readings: int, other: int, *, as_series: bool = False) -> dict[str, float]:
    """All figures of one size."""
    from salus.app.house import House
    from salus.app.session import Session
    from salus.record.store import Change

    with tempfile.TemporaryDirectory() as name:
        house, pat = filed(Path(name) / "house", readings, other, as_series=as_series)
        configuration = house.configuration
        house.close()
        House(configuration, clock=lambda: AT).close()
        found = {}
        with House(configuration, clock=lambda: AT) as house:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            Session(house, pat).plan("p1", AT)  # what a process does once is done
            scope = house.gate.custodian(house.registry.actors["operator"], "p1")
            house.store.commit(scope, [Change("Observation", "n0", creatinine("n0", AT, 1.0))], at=house.time())
            found["first"] = took(lambda: Session(house, pat).plan("p1", AT))
            found["warm"] = statistics.median(took(lambda: Session(house, pat).plan("p1", AT)) for _ in range(3))
            house.store.commit(scope, [Change("Observation", "n1", creatinine("n1", AT, 1.4))], at=house.time())
            found["after"] = took(lambda: Session(house, pat).plan("p1", AT))
        found["mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found["mb_before"] = before
    return {name: round(value, 3) for name, value in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, nargs="+", default=[300, 30_000])
    parser.add_argument("--as", dest="form", choices=("single", "series"), default="single")
    parser.add_argument("--others", type=int, default=5000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        sys.stdout.write(json.dumps(measured(given.readings[0], given.others, as_series=given.form == "series")) + "\n")
        return 0
    for size in given.readings:
        command = [sys.executable, "-m", "benchmarks.record.person", "--here", "--readings", str(size)]
        command += ["--others", str(given.others), "--as", given.form]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        if given.json:
            sys.stdout.write(json.dumps({"readings": size, **found}) + "\n")
            continue
        sys.stdout.write(f"{size:,} readings: " + ", ".join(f"{k} {v:g}" for k, v in found.items()) + "\n")
    if not given.json:
        sys.stdout.write("wanted at most: " + ", ".join(f"{k} {v:g}" for k, v in WANTED.items()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
