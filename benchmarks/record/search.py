"""Reads and searches of a hospital's store through the gate: consent decided, entry written, bodies opened.

``python -m benchmarks.record.search [--patients N] [--each N] [--folder DIR] [--url URL] [--json]``. A store of N
patients with as many resources each, half of whom release their record to the reader; made in ``--folder``, where it is
kept and found again (with ``--url`` its rows in a schema of that PostgreSQL database, on this machine). Processor
milliseconds (median and 95th percentile) of a read by id, a patient's results of one code, the first page of a code's
results of everybody, a count, and ``$everything`` (*first*: with drawing the findings of a reader to whom not all is
released); of PostgreSQL, of the process that asks and the one that answers together, and the latter's share. What is
wanted is wanted of a million resources.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from benchmarks._engine import Clock, house_at
from salus.app.config import Configuration

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
UCUM, LOINC = "http://unitsofmeasure.org", "http://loinc.org"
COMMON = "8867-4"
"""The code of a fifth of all resources."""
CODES = ("2160-0", "718-7", "4548-4", "2823-3", "29463-7", "8310-5", "2708-6", "9279-1", "13457-7", "2093-3")
WANTED = {"id": 1.5, "patient_code": 3, "code": 8, "everything": 60, "count": 40}
"""Milliseconds at the 95th percentile, for a million resources of 1,500 patients."""


def record(patient: str, count: int, draw: random.Random) -> Iterator[dict[str, Any]]:
    """A person's resources, the Patient first."""
    yield {"resourceType": "Patient", "id": patient, "gender": "female", "birthDate": f"19{draw.randint(30, 99)}-03-14",
           "name": [{"family": f"Family{draw.randrange(500)}"}]}  # fmt: skip
    for n in range(1, count):
        at = (AT - timedelta(days=draw.randrange(3000), minutes=n)).isoformat()
        subject, name, choice = {"reference": f"Patient/{patient}"}, f"{patient}-{n}", n % 10
        if choice < 6:
            code = COMMON if choice < 2 else draw.choice(CODES)
            value = {"value": draw.randint(50, 150), "unit": "1", "system": UCUM, "code": "1"}
            yield {"resourceType": "Observation", "id": name, "status": "final", "subject": subject,
                   "code": {"coding": [{"system": LOINC, "code": code}], "text": "a result"},
                   "effectiveDateTime": at, "valueQuantity": value}  # fmt: skip
        elif choice < 8:
            yield {"resourceType": "Encounter", "id": name, "status": "finished", "subject": subject,
                   "class": {"code": "AMB"}, "period": {"start": at, "end": at}}  # fmt: skip
        elif choice == 8:
            yield {"resourceType": "Condition", "id": name, "subject": subject, "recordedDate": at,
                   "code": {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]}}  # fmt: skip
        else:
            result = [{"reference": f"Observation/{patient}-{n - 9}"}]
            yield {"resourceType": "DiagnosticReport", "id": name, "status": "final", "subject": subject,
                   "code": {"coding": [{"system": LOINC, "code": "24323-8"}]}, "result": result,
                   "effectiveDateTime": at}  # fmt: skip


def make(configuration: Configuration, patients: int, each: int) -> None:
    """The store, with every second patient's consent for ``dr-a``."""
    from salus.app.house import House
    from salus.app.session import Session
    from salus.record.store import Change
    from salus.trust.identity import Actor, Identity

    draw = random.Random(1)
    with House.create(configuration, alone=True, clock=lambda: AT) as house:
        for name in ("operator", "dr-a"):
            kind: Any = "operator" if name == "operator" else "practitioner"
            house.add_actor(Actor(name, kind, Identity.generate(name).public_key), by="operator")
        operator = house.registry.actors["operator"]
        for n in range(patients):
            patient = f"p{n}"
            changes = [Change(r["resourceType"], r["id"], r) for r in record(patient, each, draw)]
            house.store.commit(house.gate.custodian(operator, patient), changes, at=house.time())
            if n % 2 == 0:
                key = Identity.generate(f"pat-{patient}")
                house.add_actor(Actor(key.id, "patient", key.public_key, patient), by="operator")
                Session(house, key).give_consent(patient, AT, actors=["dr-a"], categories=["record"])
        if configuration.database:
            house.store.connection.execute("VACUUM ANALYZE")  # as the server does by itself, a minute later


def took(clock: Clock, calls: Iterable[Callable[[], object]]) -> dict[str, float]:
    """Processor milliseconds of each call: median and 95th percentile, and the median of the database's part."""
    times, database = [], []
    for call in calls:
        began = clock.now()
        call()
        spent = clock.now() - began
        times.append(spent.total * 1000)
        database.append(spent.database * 1000)
    found = {"p50": round(statistics.median(times), 2), "p95": round(sorted(times)[int(len(times) * 0.95)], 2)}
    return {**found, "database_p50": round(statistics.median(database), 2)} if any(database) else found


def measured(configuration: Configuration, patients: int, times: int) -> dict[str, Any]:
    """All figures."""
    from salus.app.fhir import query as fhir_query
    from salus.app.fhir.api import Records
    from salus.app.house import House
    from salus.app.serving.cache import Cache
    from salus.app.session import Session

    draw = random.Random(2)
    with House(configuration, clock=lambda: AT) as house:
        clock = Clock(house.store.connection, whole=False)
        actor, cache = house.registry.actors["dr-a"], Cache()

        def records() -> Records:
            return Records(Session.for_actor(house, actor), cache)

        def search(**asked: str) -> Callable[[], object]:
            query = fhir_query.parse("Observation", list(asked.items()))
            return lambda: records().search(query)

        some = [f"p{draw.randrange(patients // 2) * 2}" for _ in range(times)]
        for patient in dict.fromkeys(some):  # findings stand, as in a server that refreshes after intake
            cache.bring_up_to_date(Session.for_actor(house, actor), patient)
        began = clock.now()
        search(code=f"{LOINC}|{COMMON}")()
        found: dict[str, Any] = {"first_search_s": round((clock.now() - began).total, 2)}

        def one(patient: str) -> Callable[[], object]:
            return lambda: records().read("Condition", f"{patient}-8")

        found["id"] = took(clock, (one(p) for p in some))
        found["patient_code"] = took(clock, (search(patient=p, code=f"{LOINC}|{draw.choice(CODES)}") for p in some))
        found["code"] = took(clock, (search(code=f"{LOINC}|{draw.choice(CODES)}") for _ in some))
        counting = search(code=f"{LOINC}|{COMMON}", _summary="count")
        found["count"] = took(clock, [counting] * times)
        wholes = [lambda p=p: records().everything(p, None, 10_000) for p in dict.fromkeys(some)]
        found["everything_first"] = took(clock, wholes)
        found["everything"] = took(clock, wholes)
        asked = [("code", f"{LOINC}|{COMMON}"), ("_total", "accurate")]
        found["counted"] = records().search(fhir_query.parse("Observation", asked)).total
    found["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=150)
    parser.add_argument("--each", type=int, default=667)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="where the store is kept, and found again")
    parser.add_argument("--url", default="", help="a PostgreSQL database for the store; the file if not given")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = given.folder or Path(name) / "house"
        with house_at(folder, given.url, keep=given.folder is not None) as configuration:
            if not folder.exists():
                make(configuration, given.patients, given.each)
            figures = measured(configuration, given.patients, given.times)
    missed = [name for name, most in WANTED.items() if figures[name]["p95"] > most]
    result = {
        "benchmark": "record.search",
        "engine": "postgresql" if given.url else "file",
        "patients": given.patients,
        "resources": given.patients * given.each,
        **figures,
        "wanted_p95_ms": WANTED,
        "missed": missed,
    }
    sys.stdout.write(orjson.dumps(result, option=0 if given.json else orjson.OPT_INDENT_2).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
