"""Questions to many records: the store itself, a mirror of it, and work over its shards by one and by four workers.

``python -m benchmarks.population.shards [--patients N] [--resources N] [--shards N] [--json]``. A synthetic population
is filed, each patient with a signed consent to research. Processor seconds (with those of workers) and the peak of
memory of a process of its own for each step:

- *memory*: the plain path, which opens each chart and loads one view; the first time it draws findings, too;
- *mirror*: making it, bringing it up to date unchanged, and after one patient in a hundred got a new result; *records*:
  holding the records too;
- *query*: one aggregate over the mirror, with and without bringing it up to date;
- *plans*: the session's own, one patient after the other; findings and plans over the shards without Dask, and with one
  and four workers where the extra ``cluster`` is installed (of a worker: the largest).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from salus.app.config import at_folder
from salus.app.house import House
from salus.app.research import mirror, mirror_jobs
from salus.app.research import views as population
from salus.app.session import Session
from salus.fhir.views import CATEGORIES
from salus.record.store import Change
from salus.trust.identity import Actor, Identity

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
UCUM = "http://unitsofmeasure.org"
MEASURED = (
    ("2160-0", "mg/dL", 60, 160, 2),
    ("8480-6", "mm[Hg]", 100, 170, 0),
    ("8462-4", "mm[Hg]", 55, 105, 0),
    ("29463-7", "kg", 50, 110, 0),
    ("4548-4", "%", 50, 90, 1),
    ("2093-3", "mg/dL", 120, 280, 0),
    ("2085-9", "mg/dL", 30, 90, 0),
)
"""LOINC code, unit, least and greatest value in steps of the last of so many decimals."""
PROBLEMS = ("38341003", "44054006", "195967001", "13645005")
MEDICINES = ("lisinopril", "metformin", "simvastatin", "salbutamol")
VIEW = {
    "resourceType": "ViewDefinition",
    "resource": "Observation",
    "select": [{"column": [
        {"name": "patient", "path": "subject.getReferenceKey(Patient)", "type": "id"},
        {"name": "code", "path": "code.coding.first().code", "type": "code"},
        {"name": "day", "path": "effective.ofType(dateTime)", "type": "dateTime"},
        {"name": "value", "path": "value.ofType(Quantity).value", "type": "decimal"},
    ]}],
}  # fmt: skip
SQL = 'SELECT code, count(*), median(value) FROM "view" GROUP BY code ORDER BY code'


def result(patient: str, n: int, draw: random.Random) -> dict[str, Any]:
    """A measurement within five years."""
    code, unit, least, greatest, places = draw.choice(MEASURED)
    return {
        "resourceType": "Observation", "id": f"o{n}", "status": "final", "subject": {"reference": f"Patient/{patient}"},
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "effectiveDateTime": (AT - timedelta(days=draw.randrange(1, 1800))).date().isoformat(),
        "valueQuantity": {"value": Decimal(draw.randint(least, greatest)).scaleb(-places), "unit": unit,
                          "system": UCUM, "code": unit},
    }  # fmt: skip


def made(patient: str, count: int, draw: random.Random) -> list[dict[str, Any]]:
    """A person with ``count`` resources: some problems and medicines, else measurements."""
    about = {"reference": f"Patient/{patient}"}
    born = f"{draw.randint(1935, 2005)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"
    found: list[dict[str, Any]] = [
        {"resourceType": "Patient", "id": patient, "gender": draw.choice(["female", "male"]), "birthDate": born}
    ]
    for n, code in enumerate(draw.sample(PROBLEMS, draw.randint(0, 2))):
        found.append({"resourceType": "Condition", "id": f"c{n}", "subject": about, "recordedDate": "2020-03-01",
                      "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}]}})  # fmt: skip
    for n, name in enumerate(draw.sample(MEDICINES, draw.randint(0, 2))):
        found.append({"resourceType": "MedicationStatement", "id": f"m{n}", "status": "active", "subject": about,
                      "medicationCodeableConcept": {"text": name}, "dateAsserted": "2026-01-10"})  # fmt: skip
    return [*found, *(result(patient, n, draw) for n in range(count - len(found)))]


def fill(folder: Path, patients: int, resources: int) -> None:
    """A house with a population, all of whom opened their records to dr-lee for research."""
    draw = random.Random(1)
    house = House.create(at_folder(folder), alone=True, clock=lambda: AT)
    reader = Identity.generate("dr-lee")
    reader.save(folder)
    house.add_actor(Actor("operator", "operator", Identity.generate("operator").public_key), by="operator")
    house.add_actor(Actor("dr-lee", "practitioner", reader.public_key), by="operator")
    for n in range(patients):
        patient, key = f"p{n}", Identity.generate(f"pat-{n}")
        house.add_actor(Actor(key.id, "patient", key.public_key, patient), by="operator")
        _commit(house, patient, made(patient, resources, draw))
        given = {"actors": ["dr-lee"], "categories": CATEGORIES, "purposes": ["HRESCH"]}
        Session(house, key).give_consent(patient, AT, **given)
    house.close()


def _commit(house: House, patient: str, bodies: list[dict[str, Any]]) -> None:
    scope = house.gate.custodian(house.registry.actors["operator"], patient)
    house.store.commit(scope, [Change(str(b["resourceType"]), str(b["id"]), b) for b in bodies], at=house.time())


class Steps:
    """What is measured, each in a process of its own on the same house."""

    def __init__(self, session: Session, folder: Path, shards: int) -> None:
        self.session, self.folder, self.shards = session, folder, shards

    def memory(self) -> None:
        """The plain path."""
        population.view(self.session, VIEW, AT, sql=SQL)

    def mirror(self) -> None:
        """Make the mirror, or bring it up to date."""
        mirror.ensure(self.session, self.folder, mirror.named([("results", VIEW)]), shards=self.shards)

    def change(self) -> None:
        """A new result for one patient in a hundred."""
        draw = random.Random(2)
        for patient in self.session.house.store.patients(self.session.house.gate.house("operator"))[::100]:
            _commit(self.session.house, patient, [{**result(patient, 0, draw), "id": f"n{time.time_ns()}"}])

    def records(self) -> None:
        """Hold the records too."""
        mirror.ensure(self.session, self.folder, {}, records=True)

    def query(self) -> None:
        """Bring the mirror up to date and ask it."""
        mirror.query(self.session, self.folder, SQL)

    def sql(self) -> float:
        """The query alone, measured by itself."""
        with mirror.current(self.session, self.folder) as (held, _):
            began = time.process_time()
            held.query(SQL)
            return time.process_time() - began

    def session_plans(self) -> None:
        """The session's own plans, one patient after the other."""
        for patient in self.session.house.store.patients(self.session.house.gate.house("operator")):
            self.session.plan(patient, AT, purpose="HRESCH")

    def work(self, workers: int) -> None:
        """Findings and plans over the shards, none of which stand."""
        for path in (self.folder / "results").glob("*"):
            path.unlink()
        with mirror.current(self.session, self.folder) as (held, _):
            for what in ("findings", "plans"):
                for _line in mirror_jobs.lines(self.session, held, what, AT, workers=workers):
                    pass


def step(name: str, folder: Path, shards: int) -> dict[str, float]:
    """Processor seconds and peak memory of one step in this process."""
    with House(at_folder(folder / "house"), clock=lambda: AT) as house:
        steps = Steps(Session(house, Identity.load(folder / "house", "dr-lee")), folder / "mirror", shards)
        calls: dict[str, Callable[[], float | None]] = {
            **{each: getattr(steps, each) for each in dir(steps) if not each.startswith("_")},
            **{f"work_{n}": (lambda n=n: steps.work(n)) for n in (0, 1, 4)},
        }
        began = _seconds()
        alone = calls[name]()
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    here, worker = (resource.getrusage(who).ru_maxrss / 1024 for who in whose)
    return {
        "cpu_s": round(_seconds() - began if alone is None else alone, 3),
        "mb": round(here),
        "worker_mb": round(worker),
    }


def _seconds() -> float:
    """Processor seconds of this process and of those that it started and that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=1000)
    parser.add_argument("--resources", type=int, default=100)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        sys.stdout.write(json.dumps(step(given.step, given.folder, given.shards)) + "\n")
        return 0
    workers = ["work_1", "work_4"] if importlib.util.find_spec("distributed") else []
    order = [
        ("mirror, first", "mirror"), ("mirror, unchanged", "mirror"), ("change", "change"),
        ("mirror, after 1 %", "mirror"), ("mirror, unchanged again", "mirror"), ("query with update", "query"),
        ("query alone", "sql"), ("memory, first", "memory"), ("memory, again", "memory"),
        ("records, first", "records"), ("records, unchanged", "records"), ("session plans, first", "session_plans"),
        ("findings and plans, no Dask", "work_0"), *((f"findings and plans, {w}", w) for w in workers),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name) / "house", given.patients, given.resources)
        for title, what in order:
            command = [sys.executable, "-m", "benchmarks.population.shards", "--step", what, "--folder", name]
            done = subprocess.run([*command, "--shards", str(given.shards)], capture_output=True, text=True, check=True)
            found = json.loads(done.stdout)
            if given.json:
                sys.stdout.write(json.dumps({"step": title, "patients": given.patients, **found}) + "\n")
            else:
                sys.stdout.write(
                    f"{title:<32} {found['cpu_s']:>9.2f} s {found['mb']:>6} MB {found['worker_mb']:>6} MB\n"
                )
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
