"""Many hands at one store, some of which are killed: nothing acknowledged is lost, half-loaded, or read on.

Processes of several threads each write, read and decide on consent in one store, each thread with a house of its own.
Again and again one process is ended by ``kill -9`` and another takes its place. Who writes notes each acknowledgement
in a file of his own, with the machine's clock; who reads notes when he began and what he got. Afterwards:

- every write that was acknowledged is there, with its value, and of every write all three of its resources or none;
- no read was allowed that began after the acknowledged end of a consent and before the next one was begun to be given;
- every read held what its own thread had written and been told of before;
- the store verifies.

A case is a write, or a read that was allowed. Needs no outside data. ``--seconds`` and ``--kills`` say how long and how
often; ``--full`` lets the files grow no further at times, as on a full disk.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from validation._report import Mutant, Outcome, Split, Tally, Truth, report

SHORT = ("--seconds", "12", "--kills", "2")
MUTANTS = (
    Mutant("salus/trust/deciding.py", "if kept is not None and kept.entry == newest:", "if kept is not None:",
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


def make(folder: Path) -> None:
    """The house, with patients who each have a key, and a reader."""
    from salus.app.config import at_folder
    from salus.app.house import House
    from salus.record.store import Change
    from salus.trust.identity import Actor, Identity

    configuration = at_folder(folder / "house")
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
        from salus.app.config import at_folder
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
                house = house or House(at_folder(self._folder / "house"))
                choice = self._draw.random()
                if choice < 0.5:
                    self._write(house, n)
                elif choice < 0.85 or not self._own:
                    self._read(house)
                else:
                    patient = self._draw.choice(self._own)
                    self._decide(Session(house, keys[patient]), patient)
            except SalusError as error:
                self._note("E", type(error).__name__)
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
    if full:
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


def disturb(folder: Path, seconds: float, kills: int, full: bool, draw: random.Random) -> Counter[str]:
    """Keep :data:`PROCESSES` processes at work, and kill one of them again and again."""
    done: Counter[str] = Counter()
    until = time.monotonic() + seconds
    at = sorted(time.monotonic() + draw.random() * seconds * 0.9 for _ in range(kills))
    running: dict[int, subprocess.Popen[bytes]] = {}

    def start(place: int) -> None:
        own = ",".join(f"p{n}" for n in range(PATIENTS) if n % PROCESSES == place)
        left = max(0.5, until - time.monotonic())
        command = [sys.executable, "-m", "validation.record.hands", "--work", f"{folder}", "--own", own]
        command += ["--label", f"h{place}g{done['started']}", "--seconds", f"{left}"]
        tight = full and draw.random() < 0.3
        done["full disks"] += tight
        running[place] = subprocess.Popen([*command, *(["--full"] if tight else [])])
        done["started"] += 1

    for place in range(PROCESSES):
        start(place)
    for moment in at:
        time.sleep(max(0.0, moment - time.monotonic()))
        place = draw.choice(sorted(running))
        if running[place].poll() is None:
            running[place].kill()
            done["kills"] += 1
        running[place].wait()
        start(place)
    for process in running.values():
        done["crashed"] += process.wait() != 0
    return done


# ---- afterwards


def notes(folder: Path) -> Iterator[list[str]]:
    """Every whole line that a hand has noted."""
    for path in sorted((folder / "notes").iterdir()):
        lines = path.read_text().split("\n")[:-1]
        yield from (line.split() for line in lines)


def check_writes(folder: Path, said: list[list[str]], tally: Tally) -> None:
    """Every acknowledged write is there; of every write all is there or nothing."""
    from salus.app.config import at_folder
    from salus.app.house import House
    from salus.errors import SalusError

    try:
        with House(at_folder(folder / "house")) as house:
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
        make(folder)
        done = disturb(folder, given.seconds, given.kills, given.full, draw)
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
