"""The log at work: entries appended, proofs made from its own tables at a million entries, proofs verified.

``python -m benchmarks.trust.log [--entries N] [--proofs M] [--json]``. Appending is what the gate does: sealed entries,
chained by patient, in transactions of 256 (and of one), each signed and durable (synchronous FULL, the mark beside the
keys) before it is answered. The million entries for proofs are written straight into the tables, for to append them
would take minutes; their tiles are made as the log makes them.
"""

from __future__ import annotations

import argparse
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from salus.app.config import at_folder
from salus.app.house import House
from salus.record import schema
from salus.record.store import Change
from salus.trust import log_tiles
from salus.trust.identity import Actor, Identity
from salus.trust.merkle import leaf_hash, verify_inclusion

BATCH = 256
PATIENTS = 16
TARGETS = {"appends_per_cpu_s": 8_000, "proofs_per_s": 10_000, "verifies_per_s": 20_000}


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds and seconds that ``work`` takes."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def entry(n: int) -> dict[str, Any]:
    """What the gate writes of one decision."""
    return {
        "reason": "access",
        "decision": "permit",
        "actor": "dr-lee",
        "patient": f"p{n % PATIENTS}",
        "purpose": "TREAT",
        "bases": ["consent"],
        "consents": ["Consent/0d3f9a2e-6f0c-4a53-9c6c-0f6f7b1d2a11/1"],
        "categories": ["image", "note", "record"],
        "at": "2026-06-01T12:00:00Z",
    }


def appending(folder: Path, batches: int, singles: int) -> dict[str, float]:
    """Entries a second in transactions of 256 and of one."""
    operator = Identity.generate("operator")
    with House.create(at_folder(folder), alone=True) as house:
        house.add_actor(Actor("operator", "operator", operator.public_key), by="operator")
        for n in range(PATIENTS):
            scope = house.gate.custodian(house.registry.actors["operator"], f"p{n}")
            body = {"resourceType": "Patient", "id": f"p{n}"}
            house.store.commit(scope, [Change("Patient", f"p{n}", body)], at=house.time())
        (mode,) = house.store.connection.execute("PRAGMA synchronous").fetchone()

        def append(transactions: int, each: int) -> None:
            scope = house.gate.house("operator", may_write=True)
            for _ in range(transactions):
                with house.store.transaction(scope) as connection:
                    for n in range(each):
                        house.log.append(connection, f"p{n % PATIENTS}", "access", entry(n))

        append(2, BATCH)
        cpu, wall = spent(lambda: append(batches, BATCH))
        cpu_one, wall_one = spent(lambda: append(singles, 1))
        if house.verify().problems:
            raise ArithmeticError("the log does not verify")
    return {
        "synchronous": mode,
        "appends_per_cpu_s": round(batches * BATCH / cpu),
        "appends_per_s": round(batches * BATCH / wall),
        "appends_alone_per_cpu_s": round(singles / cpu_one),
        "appends_alone_per_s": round(singles / wall_one),
    }


def proving(folder: Path, entries: int, proofs: int) -> dict[str, float]:
    """Proofs a CPU second from the log's tables, with one view for all and with a view for each, and verified ones."""
    draw = random.Random(1)
    commitments = [draw.randbytes(32) for _ in range(entries)]
    with closing(schema.connect(folder / "log.sqlite", create=True)) as connection:
        filled = spent(lambda: _fill(connection, commitments))
        view = log_tiles.view(connection, entries)
        root, at = view.root(), [draw.randrange(entries) for _ in range(proofs)]
        made: list[list[bytes]] = []
        cpu, _ = spent(lambda: made.extend(view.inclusion(n) for n in at))
        warm, _ = spent(lambda: [view.inclusion(n) for n in at])
        few = at[: max(1, proofs // 50)]
        alone, _ = spent(lambda: [log_tiles.view(connection, entries).inclusion(n) for n in few])
        sizes = [n + 1 for n in at[: max(1, proofs // 10)]]
        grown, _ = spent(lambda: [view.consistency(size) for size in sizes])
    leaves = [leaf_hash(commitments[n]) for n in at]

    def verify() -> None:
        if not all(verify_inclusion(h, n, entries, p, root) for h, n, p in zip(leaves, at, made, strict=True)):
            raise ArithmeticError("a proof does not hold")

    checked, _ = spent(verify)
    return {
        "fill_s": round(filled[0], 1),
        "proofs_per_s": round(proofs / cpu),
        "proofs_again_per_s": round(proofs / warm),
        "proofs_alone_per_s": round(len(few) / alone),
        "consistency_proofs_per_s": round(len(sizes) / grown),
        "verifies_per_s": round(proofs / checked),
    }


def _fill(connection: sqlite3.Connection, commitments: list[bytes]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    rows = ((n, None, "access", commitment, b"") for n, commitment in enumerate(commitments))
    connection.executemany("INSERT INTO log_leaf VALUES (?, ?, ?, ?, ?)", rows)
    log_tiles.complete(connection, len(commitments))
    connection.execute("COMMIT")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--proofs", type=int, default=50_000)
    parser.add_argument("--batches", type=int, default=80)
    parser.add_argument("--singles", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures = appending(Path(name) / "house", given.batches, given.singles)
        figures |= proving(Path(name), given.entries, given.proofs)
    result = {
        "benchmark": "trust.log",
        "entries": given.entries,
        "batch": BATCH,
        **figures,
        "missed": [name for name, wanted in TARGETS.items() if figures[name] < wanted],
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    print(orjson.dumps(result, option=0 if given.json else orjson.OPT_INDENT_2).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
