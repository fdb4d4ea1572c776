"""The gate's decisions and gated reads, timed: for a hundred thousand patients with three consents each.

``python -m benchmarks.trust.gate [--patients N] [--json]``. Times in microseconds. *Warm* are decisions about patients
whose consents the open gate holds in the form in which it decides; *cold* ones read the consents, hold them to the log
and check their signatures first. The many patients stand in the tables and in the gate as the gate itself would have
left them; those of cold decisions and of reads are filed, signed and sealed as ever. A gated read is a decision, its
leaf (signed and durable) and one resource decrypted: one after the other, of many threads at once, and of one question
that concerns many records.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from benchmarks.record.person import creatinine
from salus.app.config import at_folder
from salus.app.house import House
from salus.app.session import Session
from salus.fhir.views import CATEGORIES
from salus.record.store import Change
from salus.trust import consent
from salus.trust.consent import Directive, Request, Standing
from salus.trust.consent_forms import ACTOR_SYSTEM
from salus.trust.datatypes import identifier
from salus.trust.identity import Actor, Identity
from salus.trust.provisions import ConsentForm, Provision
from salus.trust.standings import Ground

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
CONSENTS = 3
READERS = 40
FEW = 1000
LOOKS = 50_000
"""Looks at one record that is looked at often."""
WANTED = {"decision_warm_p99_us": 200, "read_p50_us": 4000}
BATCHED = 1000
"""Gated reads a second."""


@dataclass(frozen=True)
class World:
    """A house with readers, and the ids of the many patients and of those who were filed as ever."""

    house: House
    readers: Sequence[Actor]
    many: Sequence[str]
    filed: Sequence[str]


def timed(calls: Iterable[Callable[[], object]]) -> list[float]:
    """Microseconds that each call takes."""
    took = []
    for call in calls:
        began = time.perf_counter_ns()
        call()
        took.append((time.perf_counter_ns() - began) / 1000)
    return took


def told(name: str, took: Sequence[float]) -> dict[str, float]:
    """Median and 99th percentile."""
    return {
        f"{name}_p50_us": round(statistics.median(took), 1),
        f"{name}_p99_us": round(sorted(took)[int(len(took) * 0.99)], 1),
    }


def make(folder: Path, patients: int, filed: int) -> World:
    """The house. ``filed`` patients have records and signed consents, the others what the gate keeps of theirs."""
    house = House.create(at_folder(folder), alone=True, clock=lambda: AT)
    keys = {name: Identity.generate(name) for name in ("operator", *(f"dr-{n}" for n in range(READERS)))}
    for name, key in keys.items():
        kind: Any = "operator" if name == "operator" else "practitioner"
        house.add_actor(Actor(name, kind, key.public_key), by="operator")
    draw = random.Random(1)
    real = [f"f{n}" for n in range(filed)]
    for patient in real:
        _file(house, patient, draw)
    many = [f"p{n}" for n in range(patients)]
    _stand(house, many, draw)
    readers = [house.registry.actors[f"dr-{n}"] for n in range(READERS)]
    return World(house, readers, many, real)


def _file(house: House, patient: str, draw: random.Random) -> None:
    key = Identity.generate(f"pat-{patient}")
    house.add_actor(Actor(key.id, "patient", key.public_key, patient), by="operator")
    scope = house.gate.custodian(house.registry.actors["operator"], patient)
    results = [_result(patient, n) for n in range(20)]
    bodies = [{"resourceType": "Patient", "id": patient, "gender": "female"}, *results]
    house.store.commit(scope, [Change(str(b["resourceType"]), str(b["id"]), b) for b in bodies], at=house.time())
    session = Session(house, key)
    for n in range(CONSENTS):
        actors = ["dr-0", *(f"dr-{a}" for a in draw.sample(range(1, READERS), 2))]
        session.give_consent(patient, AT, actors=actors, categories=CATEGORIES[: 1 + n])


def _result(patient: str, n: int) -> dict[str, Any]:
    return creatinine(f"c{n}", datetime(2026, 1, n + 1, tzinfo=UTC), 1.1, patient)


def _stand(house: House, many: Sequence[str], draw: random.Random) -> None:
    """Put the many into the tables (without sealed entries, which a warm decision does not open) and into the gate."""
    connection = house.store.connection
    (first,) = connection.execute("SELECT coalesce(max(pid), 0) + 1 FROM patient").fetchone()
    (n,) = connection.execute("SELECT max(n) + 1 FROM log_leaf").fetchone()
    forms = [_form(draw) for _ in range(5000)]
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO patient VALUES (?, ?)", enumerate(many, first))
    for place, patient in enumerate(many):
        leaves = range(n + place * CONSENTS, n + (place + 1) * CONSENTS)
        rows = ((leaf, first + place, "consent", bytes(32), b"") for leaf in leaves)
        connection.executemany("INSERT INTO log_leaf VALUES (?, ?, ?, ?, ?)", rows)
        found = tuple(Directive(f"Consent/{leaf}", 1, AT, draw.choice(forms), leaf) for leaf in leaves)
        house.gate._standings.keep(patient, Ground(leaves[-1], house.registry.last), Standing(found))
    connection.execute("COMMIT")


def _form(draw: random.Random) -> ConsentForm:
    """A consent as most are: some readers, some kinds of data, for treatment."""
    names = frozenset(identifier(ACTOR_SYSTEM, f"dr-{n}") for n in draw.sample(range(READERS), 4))
    kinds = frozenset(draw.sample(CATEGORIES, draw.randint(1, 5)))
    return ConsentForm(Provision("permit", names, frozenset({"TREAT"}), kinds, frozenset({"read"})))


def decisions(world: World, count: int) -> dict[str, Any]:
    """A decision about any of the many, about any of a thousand of them, cold ones, and its part that is consent."""
    gate, draw = world.house.gate, random.Random(2)

    def asked(among: Sequence[str], number: int) -> list[Callable[[], object]]:
        pairs = [(draw.choice(world.readers), draw.choice(among)) for _ in range(number)]
        return [lambda a=a, p=p: gate._decide(a, p, "TREAT") for a, p in pairs]

    def cold(patient: str) -> float:
        gate._standings._kept.pop(patient, None)
        return timed([lambda: gate._decide(world.readers[0], patient, "TREAT")])[0]

    def alone(patient: str) -> Callable[[], object]:
        found = gate._standing(patient).directives
        return lambda: consent.decide(found, Request("dr-0", "TREAT", "record", "read", AT))

    timed(asked(world.many, min(count, 2000)))
    figures: dict[str, Any] = told("decision_warm", timed(asked(world.many, count)))
    figures |= told(f"decision_warm_of_{FEW}", timed(asked(world.many[:FEW], count)))
    figures |= told("consent_decide", timed(alone(patient) for patient in draw.choices(world.many, k=count)))
    _look(world, world.many[0])
    figures |= told(f"decision_after_{LOOKS}_looks", timed(asked(world.many[:1], FEW)))
    figures |= told("decision_cold", [cold(patient) for patient in world.filed])
    return figures


def _look(world: World, patient: str) -> None:
    """Put many looks at one record into the log's tables, after the consents."""
    connection = world.house.store.connection
    (n,) = connection.execute("SELECT max(n) + 1 FROM log_leaf").fetchone()
    pid = world.house.store.number_of(world.house.gate.custody("bench", patient))
    rows = ((n + k, pid, "access", bytes(32), bytes(400)) for k in range(LOOKS))
    connection.executemany("INSERT INTO log_leaf VALUES (?, ?, ?, ?, ?)", rows)


def reads(folder: Path, filed: int, count: int, threads: int) -> dict[str, Any]:
    """Gated reads one after the other, and of many threads at once, whose decisions are committed together."""
    world = make(folder, 0, filed)
    configuration = world.house.configuration

    def reader(house: House, seed: int) -> Callable[[], None]:
        draw = random.Random(seed)

        def read() -> None:
            grant = house.gate.grant(world.readers[0], draw.choice(world.filed), "TREAT")
            if not house.store.read(grant, ("Observation",), [f"c{draw.randrange(20)}"])[0].body:
                raise ArithmeticError("nothing was read")

        return read

    def at_work(seed: int) -> list[float]:
        with House(configuration, clock=lambda: AT) as house:
            read = reader(house, seed)
            for patient in world.filed:  # as in a server that has run for a while
                house.gate._decide(world.readers[0], patient, "TREAT")
            timed([read] * 20)
            ready.wait()
            return timed([read] * (count // threads))

    read, ready = reader(world.house, 3), threading.Barrier(threads + 1)
    timed([read] * 50)
    cpu, wall = time.process_time(), time.perf_counter()
    took = timed([read] * count)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    figures = {**told("read", took), "reads_per_s": round(count / wall), "reads_per_cpu_s": round(count / cpu)}
    figures |= _one_question(world, count)
    with ThreadPoolExecutor(threads) as pool:
        working = [pool.submit(at_work, seed) for seed in range(threads)]
        ready.wait()
        cpu, wall = time.process_time(), time.perf_counter()
        together = [one for work in working for one in work.result()]
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    figures |= told("read_of_many", together)
    figures |= {
        "reads_of_many_per_s": round(len(together) / wall),
        "reads_of_many_per_cpu_s": round(len(together) / cpu),
    }
    if world.house.verify().problems:
        raise ArithmeticError("the log does not verify")
    world.house.close()
    return figures


def _one_question(world: World, count: int) -> dict[str, Any]:
    """Reads a second where one question concerns many records: their decisions are one transaction of the log."""
    gate, store = world.house.gate, world.house.store
    asked = dict.fromkeys(world.filed, "TREAT")
    cpu, wall, done = time.process_time(), time.perf_counter(), 0
    while done < count:
        for grant in gate.grants(world.readers[0], asked):
            if not store.read(grant, ("Observation",), ["c3"])[0].body:
                raise ArithmeticError("nothing was read")
            done += 1
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    each = {"reads_of_a_question_per_s": round(done / wall), "reads_of_a_question_per_cpu_s": round(done / cpu)}
    return {"records_of_a_question": len(asked), **each}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--filed", type=int, default=100, help="patients who are filed as ever")
    parser.add_argument("--decisions", type=int, default=20_000)
    parser.add_argument("--reads", type=int, default=1_000)
    parser.add_argument("--threads", type=int, default=16, help="readers at once")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        world = make(Path(name) / "many", given.patients, given.filed)
        figures = decisions(world, given.decisions)
        world.house.close()
        figures |= reads(Path(name) / "reads", min(given.filed, 50), given.reads, given.threads)
    missed = [name for name, most in WANTED.items() if figures[name] > most]
    result = {
        "benchmark": "trust.gate",
        "patients": given.patients,
        "consents": given.patients * CONSENTS,
        **figures,
        "missed": missed + (["reads_of_many_per_s"] if figures["reads_of_many_per_s"] < BATCHED else []),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    print(orjson.dumps(result, option=0 if given.json else orjson.OPT_INDENT_2).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
