"""Many hands at one store, some of which are killed: nothing acknowledged is lost, half-loaded, or read on.

Processes of several threads each write, read and decide on consent in one store, each thread with a house of its own.
Again and again one process is ended by ``kill -9`` and another takes its place. Who writes notes each acknowledgement
in a file of his own, with the machine's clock; who reads notes when he began and what he got. Afterwards:

- every write that was acknowledged is there, with its value, and of every write all three of its resources or none;
- no read was allowed that began after the acknowledged end of a consent and before the next one was begun to be given;
- every read held what its own thread had written and been told of before;
- the store verifies.

A case is a write, or a read that was allowed. Needs no outside data. ``--seconds`` and ``--kills`` say how long and how
often; ``--full`` lets the files grow no further at times, as on a full disk. With ``--url`` the store is in a new
schema of that PostgreSQL database. Those who are killed are its clients; ``--restart COMMAND`` is run twice on the way
and ends and starts the server (``pg_ctl -m immediate restart``), and ``--full`` fills the database's tablespace at
times, which must be a small one.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from salus.app.config import Configuration, at_folder
from validation._report import Mutant, Outcome, Split, Tally, Truth, report

SHORT = ("--seconds", "12", "--kills", "2")
MUTANTS = (
    Mutant("salus/trust/standings.py", "found is not None and found[0] == ground", "found is not None",
           "consents are remembered whatever was decided since"),
    Mutant("salus/record/writing.py", "for part in _parts(changes):", "for part in _parts([*changes][:2]):",
           "a part is not written"),
    Mutant("salus/record/writing.py", "self.items.append([ref, version, mac.hex(), gone])",
           "self.items.append([ref, version, mac.hex()[::-1], gone])", "the log tells of other bodies"),
)  # fmt: skip
PATIENTS = 8
PROCESSES, THREADS = 4, 5
LOINC = "http://loinc.org"
HEADROOM = 1 << 16
"""Bytes by which files may still grow on the full disk."""
SMALL = 256 << 20
"""Bytes that a tablespace which is to be filled may have free at most."""
RESTARTS = 2
ADDRESS = "address"
"""The file that says where the store is, if in no file."""


def settings(folder: Path) -> Configuration:
    """Where the store of a run is."""
    database = (folder / ADDRESS).read_text() if (folder / ADDRESS).exists() else ""
    return replace(at_folder(folder / "house"), database=database)


@contextmanager
def placed(folder: Path, url: str) -> Iterator[None]:
    """A schema of its own for one run, where the store is in a database."""
    if not url:
        yield
        return
    import psycopg

    name = f"hands_{os.getpid()}_{time.time_ns()}"
    (folder / ADDRESS).write_text(f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{name}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    yield
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {name} CASCADE")


def make(folder: Path) -> None:
    """The house, with patients who each have a key, and a reader."""
    from salus.app.house import House
    from salus.record.store import Change
    from salus.trust.identity import Actor, Identity

    configuration = settings(folder)
    (folder / "keys").mkdir()
    with House.create(configuration, alone=True) as house:

        def enrol(name: str, kind: Any, patient: str = "") -> None:
            key = Identity.generate(name)
            key.save(folder / "keys")
            house.add_actor(Actor(name, kind, key.public_key, patient), by="operator")

        enrol("operator", "operator")
        enrol("dr-a", "practitioner")
        for n in range(PATIENTS):
            enrol(f"pat-p{n}", "patient", f"p{n}")
            scope = house.gate.custodian(house.registry.actors["operator"], f"p{n}")
            born = {"resourceType": "Patient", "id": f"p{n}", "gender": "female", "birthDate": "1968-03-14"}
            house.store.commit(scope, [Change("Patient", f"p{n}", born)], at=house.time())


# ---- a process with its threads


class Hand(threading.Thread):
    """One thread: it writes, reads, and decides on the consents of the patients who are its own."""

    def __init__(self, folder: Path, name: str, own: list[str], until: float) -> None:
        super().__init__(daemon=True)
        self._folder, self._label, self._own, self._until = folder, name, own, until
        self._draw = random.Random(name)
        self._told: dict[str, list[str]] = {}
        self._given: dict[str, str] = {}
        self.done = False
        self._notes = os.open(folder / "notes" / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _note(self, *words: object) -> None:
        os.write(self._notes, (" ".join(map(str, words)) + "\n").encode())

    def run(self) -> None:
        """Work until the time is over. What the store refuses is noted, and tried again with something else."""
        from salus.app.house import House
        from salus.app.session import Session
        from salus.errors import SalusError
        from salus.trust.identity import Identity

        keys = {name: Identity.load(self._folder / "keys", f"pat-{name}") for name in self._own}
        house = None
        for patient in self._own:
            self._note("G", patient, time.monotonic_ns())  # how it was left, nobody knows
        n = 0
        while time.monotonic() < self._until:
            n += 1
            try:
                house = house or House(settings(self._folder))
                choice = self._draw.random()
                if choice < 0.5:
                    self._write(house, n)
                elif choice < 0.85 or not self._own:
                    self._read(house)
                else:
                    patient = self._draw.choice(self._own)
                    self._decide(Session(house, keys[patient]), patient)
            except (SalusError, sqlite3.OperationalError) as error:
                self._note("E", type(error).__name__)
                if house is not None and house.outdated():  # as a server does; its connection may be over
                    house.close()
                    house = None
        if house is not None:
            house.close()
        self.done = True

    def _write(self, house: Any, n: int) -> None:
        from salus.record.store import Change

        patient, name = f"p{self._draw.randrange(PATIENTS)}", f"{self._label}-{n}"
        scope = house.gate.custodian(house.registry.actors["operator"], patient)
        changes = [Change("Observation", f"{name}-{part}", result(patient, f"{name}-{part}", n)) for part in "abc"]
        house.store.commit(scope, changes, at=house.time())
        self._note("W", patient, name, n)
        self._told.setdefault(patient, []).append(name)

    def _read(self, house: Any) -> None:
        from salus.errors import AccessError

        patient = f"p{self._draw.randrange(PATIENTS)}"
        own, began = set(self._told.get(patient, ())), time.monotonic_ns()
        try:
            grant = house.gate.grant(house.registry.actors["dr-a"], patient, "TREAT")
            found = {s.body["id"][:-2] for s in house.store.read(grant, ("Observation",))}
        except AccessError:
            self._note("D", patient, began)
            return
        self._note("A", patient, began, len(own - found))

    def _decide(self, session: Any, patient: str) -> None:
        if patient in self._given:
            session.revoke(patient, self._given[patient])
            del self._given[patient]
            self._note("R", patient, time.monotonic_ns())
        else:
            for body, standing in session.consents(patient):  # those of a hand that was killed
                if standing == "in force":
                    session.revoke(patient, body["id"])
            self._note("G", patient, time.monotonic_ns())
            now, kinds = datetime.now(UTC), ["record"]
            self._given[patient] = session.give_consent(patient, now, actors=["dr-a"], categories=kinds)


def result(patient: str, name: str, n: int) -> dict[str, Any]:
    """A laboratory result whose value is ``n``."""
    return {
        "resourceType": "Observation", "id": name, "status": "final", "subject": {"reference": f"Patient/{patient}"},
        "code": {"coding": [{"system": LOINC, "code": "2160-0"}]}, "valueInteger": n,
    }  # fmt: skip


def work(folder: Path, label: str, own: list[str], seconds: float, full: bool) -> None:
    """A process of :data:`THREADS` hands; on a ``full`` disk no file grows much further."""
    if full and not (folder / ADDRESS).exists():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        largest = max(f.stat().st_size for f in (folder / "house").rglob("*") if f.is_file())
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + HEADROOM, largest + HEADROOM))
    until = time.monotonic() + seconds
    hands = [Hand(folder, f"{label}t{n}", own[n::THREADS], until) for n in range(THREADS)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    if not all(hand.done for hand in hands):
        sys.exit("a thread ended by an error")


# ---- the one who kills


def disturb(folder: Path, given: argparse.Namespace, draw: random.Random) -> Counter[str]:
    """Keep :data:`PROCESSES` processes at work, and kill one of them again and again."""
    done: Counter[str] = Counter()
    begun, seconds, full = time.monotonic(), given.seconds, given.full
    until = begun + seconds
    at = [(begun + draw.random() * seconds * 0.9, "kill") for _ in range(given.kills)]
    at += [(begun + seconds * (n + 1) / (RESTARTS + 1), "restart") for n in range(RESTARTS if given.restart else 0)]
    at += [(begun + seconds * (n + 0.5) / 10, "fill") for n in range(10 if full and given.url else 0)]
    running: dict[int, subprocess.Popen[bytes]] = {}

    def start(place: int) -> None:
        own = ",".join(f"p{n}" for n in range(PATIENTS) if n % PROCESSES == place)
        left = max(0.5, until - time.monotonic())
        command = [sys.executable, "-m", "validation.record.hands", "--work", f"{folder}", "--own", own]
        command += ["--label", f"h{place}g{done['started']}", "--seconds", f"{left}"]
        tight = full and not given.url and draw.random() < 0.3
        done["full disks"] += tight
        running[place] = subprocess.Popen([*command, *(["--full"] if tight else [])])
        done["started"] += 1

    for place in range(PROCESSES):
        start(place)
    for moment, what in sorted(at):
        time.sleep(max(0.0, moment - time.monotonic()))
        if what == "restart":
            subprocess.run(given.restart, shell=True, check=True, stdout=subprocess.DEVNULL)
            done["restarts"] += 1
            continue
        if what == "fill":
            done["full disks"] += fill(given.url)
            continue
        place = draw.choice(sorted(running))
        if running[place].poll() is None:
            running[place].kill()
            done["kills"] += 1
        running[place].wait()
        start(place)
    for process in running.values():
        done["crashed"] += process.wait() != 0
    return done


def fill(url: str) -> bool:
    """Leave no room in the database's tablespace for a second. Raises ValueError for one that is not small."""
    import psycopg

    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS filler")
            connection.execute("CREATE UNLOGGED TABLE filler (body BYTEA)")  # not written again by a recovery
            try:
                for _ in range(SMALL >> 16):
                    connection.execute("INSERT INTO filler VALUES (%s)", (os.urandom(1 << 16),))
                raise ValueError(f"the tablespace has more than {SMALL >> 20} MiB free: it is not filled")
            except psycopg.errors.DiskFull:
                time.sleep(1)
                return True
            finally:
                connection.execute("DROP TABLE filler")
    except psycopg.OperationalError:  # the server is being restarted
        return False


# ---- afterwards


def notes(folder: Path) -> Iterator[list[str]]:
    """Every whole line that a hand has noted."""
    for path in sorted((folder / "notes").iterdir()):
        lines = path.read_text().split("\n")[:-1]
        yield from (line.split() for line in lines)


def check_writes(folder: Path, said: list[list[str]], tally: Tally) -> None:
    """Every acknowledged write is there; of every write all is there or nothing."""
    from salus.app.house import House
    from salus.errors import SalusError

    try:
        with House(settings(folder)) as house:
            _check_house(house, said, tally)
    except SalusError as error:
        tally.add("the store", Outcome.WRONG, str(error))


def _check_house(house: Any, said: list[list[str]], tally: Tally) -> None:
    from salus.trust.grants import Grant

    acknowledged = {(w[1], w[2]): int(w[3]) for w in said if w[0] == "W"}
    for n in range(PATIENTS):
        patient = f"p{n}"
        scope = Grant("check", patient, "self", frozenset({"record"}), may_write=False, purpose="PATRQT")
        found: dict[str, list[int]] = {}
        for stored in house.store.read(scope, ("Observation",)):
            found.setdefault(stored.body["id"][:-2], []).append(stored.body["valueInteger"])
        for name, values in found.items():
            whole = len(values) == 3 and len(set(values)) == 1
            tally.add(f"{patient} {name}", Outcome.RIGHT if whole else Outcome.WRONG, f"half there: {len(values)}")
        for (whose, name), value in acknowledged.items():
            if whose == patient and found.get(name, [None])[0] != value:
                tally.add(f"{patient} {name}", Outcome.WRONG, "acknowledged and lost")
    problems = house.verify().problems
    tally.add("verify", Outcome.WRONG if problems else Outcome.RIGHT, str(problems[:3]))


def check_reads(said: list[list[str]], tally: Tally) -> Counter[str]:
    """No read was allowed while a record was closed, and each held what its own thread had been told of."""
    counts: Counter[str] = Counter()
    for n in range(PATIENTS):
        decisions = sorted((int(w[2]), w[0]) for w in said if w[0] in "GR" and w[1] == f"p{n}")
        times = [at for at, _ in decisions]
        for word in (w for w in said if w[0] in "AD" and w[1] == f"p{n}"):
            place = bisect_left(times, int(word[2])) - 1
            closed = place < 0 or decisions[place][1] == "R"
            counts["reads allowed" if word[0] == "A" else "reads denied"] += 1
            counts["reads while closed"] += closed
            if word[0] == "A":
                tally.add(f"p{n} {word[2]}", Outcome.WRONG if closed else Outcome.RIGHT, "read after the consent ended")
                if word[3] != "0":
                    tally.add(f"p{n} {word[2]}", Outcome.WRONG, "a read without what was acknowledged before")
    return counts


def main() -> int:
    """Run, check, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="not needed")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--url", default="", help="a PostgreSQL database for the store; the file if not given")
    parser.add_argument("--restart", default="", metavar="COMMAND", help="ends and starts the server of --url")
    parser.add_argument("--seed", type=int, default=1)
    for name in ("--work", "--own", "--label"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        own = [name for name in given.own.split(",") if name]
        work(Path(given.work), given.label, own, given.seconds, given.full)
        return 0
    tally, draw = Tally(), random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "notes").mkdir()
        with placed(folder, given.url):
            make(folder)
            done = disturb(folder, given, draw)
            said = list(notes(folder))
            check_writes(folder, said, tally)
            done += check_reads(said, tally)
    for word, name in (("W", "acknowledged writes"), ("E", "refused"), ("R", "consents ended")):
        done[name] = sum(line[0] == word for line in said)
    if done["crashed"]:
        tally.add("processes", Outcome.WRONG, f"{done['crashed']} ended by themselves")
    return report(
        check="record.hands", tally=tally, data=given.data, figures=dict(done), as_json=given.json,
        covers="threads of several processes write, read and decide while processes are killed",
        truth=Truth.OWN, split=Split.UNSEEN, methods=[],
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
