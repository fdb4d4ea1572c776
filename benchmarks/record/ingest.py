"""Intake at a hospital's size: Synthea-like transaction Bundles taken in as ``salus intake`` does, with everything on.

``python -m benchmarks.record.ingest [--patients N] [--file NDJSON] [--url URL] [--json]``. Reading, conversion,
attribution, comparison with what the record holds, kinds of data, search index, compression, sealing, one log entry and
one durable transaction a person. Without ``--file`` the people are made (:mod:`benchmarks.record._synthea`), one file
each. The last tenth (at least one) is taken in with a stopwatch at each stage, which tells the shares and counts
for nothing else. Figures are of one process, with ``--url`` (a PostgreSQL database on this machine, which nobody else
uses meanwhile) besides of all the server's processes: what is taken in a CPU second counts both. The store is verified
afterwards, which is measured too, and must hold.
"""

from __future__ import annotations

import argparse
import gzip
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson

from benchmarks._engine import Clock, house_at
from benchmarks.record._synthea import bundle
from salus.app.config import Configuration
from salus.app.house import House
from salus.app.intake import intake as app_intake
from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.fhir import json as fhir_json
from salus.intake import fhir_bundle
from salus.intake import fhir_json as intake_json
from salus.record import kinds, writing
from salus.record.store import Store
from salus.trust.identity import Actor, Identity
from salus.trust.log import Log
from salus.trust.vault import Vault

TARGET, VERIFY_TARGET = 2500, 120
"""Resources a CPU second taken in; CPU microseconds a resource verified."""
POSTGRES_TARGET = 1500
"""Resources a CPU second taken in, where the seconds of the database's server count as well."""


class Stages:
    """CPU seconds by stage; a stage that runs inside another is counted for itself alone."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._running = ["rest"]
        self._since = time.process_time()

    def _switch(self) -> None:
        now = time.process_time()
        self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """``work`` with its time noted under ``name``; of a generator, that of every step."""

        def call(*given: Any, **named: Any) -> Any:
            self._switch()
            self._running.append(name)
            try:
                return work(*given, **named)
            finally:
                self._switch()
                self._running.pop()

        return call

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Put the stopwatch into every stage of intake."""
        stages = (
            ("parse JSON", fhir_json, "loads"),
            ("convert to R4", fhir_bundle, "to_r4"),
            ("resolve references", intake_json, "linked"),
            ("sift and attribute", intake_json, "batch_of"),
            ("sift and attribute", Intake, "_attribute"),
            ("compare with the record", app_intake, "newer"),
            ("write rows", Store, "commit"),
            ("write JSON", fhir_json, "dumps"),
            ("compress", writing, "pack"),
            ("seal and key hashes", Vault, "seal"),
            ("seal and key hashes", Vault, "mac"),
            ("index", Store, "index_rows"),
            ("kinds of data", Store, "_kinds_of"),
            ("kinds of data", kinds, "spread"),
            ("kinds of data", kinds, "targets_in"),
            ("log", Log, "append"),
            ("log", Log, "seal"),
        )
        with ExitStack() as undo:
            for name, place, what in stages:
                undo.enter_context(patch.object(place, what, self.timed(name, getattr(place, what))))
            self._since = time.process_time()
            yield
            self._switch()


def made(folder: Path, patients: int) -> list[Path]:
    """A file a person."""
    folder.mkdir()
    paths = [folder / f"{n}.json" for n in range(patients)]
    for n, path in enumerate(paths):
        path.write_bytes(orjson.dumps(bundle(n)))
    return paths


def given(folder: Path, source: Path) -> list[Path]:
    """A file a line of an ndjson file, plain or gzip."""
    folder.mkdir()
    with (gzip.open if source.suffix == ".gz" else open)(source, "rb") as stream:
        lines = list(stream)
    paths = [folder / f"{n}.json" for n in range(len(lines))]
    for line, path in zip(lines, paths, strict=True):
        path.write_bytes(line)
    return paths


def taken_in(session: Session, paths: list[Path]) -> int:
    """Take files in, as one run; how many resources are new."""
    taken = Intake(session).run(paths)
    for each in taken:
        if each.error:
            raise each.error
    return sum(each.written.created for each in taken if each.written)


def measured(configuration: Configuration, paths: list[Path]) -> dict[str, Any]:
    """Every figure of one run."""
    operator = Identity.generate("operator")
    last = len(paths) - max(1, len(paths) // 10)
    with House.create(configuration, alone=True) as house:
        house.add_actor(Actor("operator", "operator", operator.public_key), by="operator")
        session = Session(house, operator)
        taken_in(session, paths[:1])  # what a process does once is done
        clock = Clock(house.store.connection, whole=True)
        before, began, wall = _stored(house), clock.now(), time.perf_counter()
        count = taken_in(session, paths[1:last])
        spent, waited = clock.now() - began, time.perf_counter() - wall
        size, peak = _stored(house) - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        stages = Stages()
        with stages.measuring():
            taken_in(session, paths[last:])
        began = clock.now()
        report = house.verify()
        verified = (clock.now() - began).total / report.versions
        if report.problems:
            raise ArithmeticError("what was taken in does not verify")
    return {
        "resources": count,
        "resources_per_cpu_s": round(count / spent.total),
        "process_cpu_s": round(spent.process, 2),
        "database_cpu_s": round(spent.database, 2),
        "resources_per_s": round(count / waited),
        "stored_bytes_per_resource": round(size / count),
        "source_bytes_per_resource": round(sum(p.stat().st_size for p in paths[1:last]) / count),
        "peak_memory_mb": round(peak, 1),
        "verify_us_per_resource": round(1e6 * verified, 1),
        "shares": {k: round(v / stages.seconds.total(), 3) for k, v in stages.seconds.most_common()},
    }


def _stored(house: House) -> int:
    """Bytes of the store's file, its journal written into it; in PostgreSQL, of its tables and their indexes."""
    connection = house.store.connection
    if house.configuration.database:
        sizes = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = "
        return int(connection.execute(f"{sizes}current_schema()::regnamespace").fetchone()[0])
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return house.configuration.store_file.stat().st_size


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=20)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--url", default="", help="a PostgreSQL database for the store; the file if not given")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = given(folder / "in", arguments.file) if arguments.file else made(folder / "in", arguments.patients)
        with house_at(folder / "house", arguments.url) as configuration:
            figures = measured(configuration, source)
    wanted = POSTGRES_TARGET if arguments.url else TARGET
    missed = ["resources_per_cpu_s"] if figures["resources_per_cpu_s"] < wanted else []
    missed += ["verify_us_per_resource"] if figures["verify_us_per_resource"] > VERIFY_TARGET else []
    result = {
        "benchmark": "record.ingest",
        "engine": "postgresql" if arguments.url else "file",
        **figures,
        "missed": missed,
    }
    print(orjson.dumps(result, option=0 if arguments.json else orjson.OPT_INDENT_2).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
