"""A server under attack: whoever else reads must wait at most twice as long as in quiet, in bounded memory.

A real ``salus serve`` over a store made here is read by three readers while one address attacks it in several ways:
500 slow and 500 idle connections, 200 huge requests, questions of odd words, sign-ins without end, a note of 8 MB.
Needs no outside data. A case is an attack and a reader; it holds where the reader's p95 is at most :data:`TIMES` the
quiet one and no read failed. Two more cases are bounds that the server states: how many connections one address holds
(under 2,000 at once; the readers' times under these are shown and not judged), and how many questions of one asker are
answered. ``--bounds`` looks at these two only. The peak memory of the server and its child processes must stay under
:data:`MEMORY`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from validation._report import Mutant, Outcome, Split, Tally, Truth, report
from validation.trust._attacks import KINDS

SHORT = ("--bounds", "--seconds", "5")
MUTANTS = (
    Mutant(
        "salus/server/connections.py",
        "if (self.bounds.each and len(own) >= self.bounds.each",
        "if (False and len(own) >= self.bounds.each",
        "one address may hold every connection",
    ),
    Mutant("salus/server/pace.py", "kept = left >= 1", "kept = True", "nobody has to keep a pace"),
)

TIMES = 2.0
MEMORY = 400
"""MB of resident memory: the sum of what each process of the server held at most."""
HELD, ASKED_AT_ONCE, ASKED = 1500, 10, 1.0
"""Connections of one address, and questions of one asker at once and in a second (``salus serve``)."""
SECONDS = 8.0
PAUSE = 0.1
OWN = 150
"""Sockets that the server has besides those held for one address: the readers', its own, and those being closed."""
BOUNDED = ("crowd", "odd_words")
"""The attacks that run into a stated bound. The first is judged by that alone."""
READERS = (("dr-lee", "127.0.0.2", True), ("pat", "127.0.0.3", False), ("dr-may", "127.0.0.1", False))
"""Who reads, from which address, and whether on one connection; the last comes from the attacker's address."""


@dataclass
class Reader:
    """Somebody who reads one resource and one search after the other, and how long each took."""

    name: str
    host: str
    keeps: bool
    port: int
    token: str
    took: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def read(self, until: float) -> None:
        """Read until then."""
        connection: http.client.HTTPConnection | None = None
        paths = ("/fhir/Patient/p1", "/fhir/Observation?patient=p1&_count=10")
        number = 0
        while time.monotonic() < until:
            begun, number = time.perf_counter(), number + 1
            try:
                if connection is None or not self.keeps:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, 30, source_address=(self.host, 0))
                connection.request("GET", paths[number % 2], headers={"Authorization": f"Bearer {self.token}"})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failed.append(str(answer.status))
                if not self.keeps:
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(type(error).__name__)
                connection = None
            self.took.append(time.perf_counter() - begun)
            time.sleep(PAUSE)


class Server:
    """``salus serve`` over a store made for it."""

    def __init__(self, folder: Path, port: int, threads: int) -> None:
        from salus.app.config import at_folder
        from salus.trust.identity import Identity

        self.port, self.base, self.threads = port, f"http://127.0.0.1:{port}", threads
        self.configuration = at_folder(folder / "house")
        names = ("operator", "dr-lee", "dr-may", "pat", "mal", "noted")
        self.people = {name: Identity.generate(name) for name in names}
        _fill(self.configuration, self.people, folder / "in")

    @contextmanager
    def running(self) -> Iterator[int]:
        """The process id of the running server."""
        settings = {f"SALUS_{name.upper()}": str(getattr(self.configuration, name)) for name in ("store", "keys")}
        command = "import sys; from salus.cli.main import main; main()"
        arguments = ["serve", "--port", str(self.port), "--threads", str(self.threads)]
        told = {"env": {**os.environ, **settings}, "stdout": sys.stderr}  # our own output is the figures
        process = subprocess.Popen([sys.executable, "-c", command, *arguments], **told)
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                        break
                time.sleep(0.1)
            yield process.pid
        finally:
            process.terminate()
            process.wait(60)

    def form(self, name: str) -> str:
        """A request for a token, with an assertion that is good once."""
        from salus.app.serving.tokens import assertion
        from salus.server.auth import ASSERTION_TYPE

        signed = assertion(self.people[name], f"{self.base}/auth/token", datetime.now(UTC))
        kind = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
        return urlencode({**kind, "client_assertion": signed})

    def token(self, name: str) -> str:
        """A bearer token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, 30, source_address=("127.0.0.9", 0))
        media = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/auth/token", self.form(name), media)
        token: str = json.loads(connection.getresponse().read())["access_token"]
        return token


def _fill(configuration: Any, people: dict[str, Any], folder: Path) -> None:
    from salus.app.house import House
    from salus.app.intake.intake import Intake
    from salus.app.session import Session
    from salus.trust.identity import Actor

    kinds = {"operator": "operator", "dr-lee": "practitioner", "dr-may": "practitioner"}
    owns = {"pat": "p1", "mal": "p2", "noted": "p3"}
    with House.create(configuration, alone=True) as house:
        for name, identity in people.items():
            kind = kinds.get(name, "patient")
            house.add_actor(Actor(name, kind, identity.public_key, patient=owns.get(name)), by="operator")
        for patient in ("p1", "p2", "p3"):
            place = folder / patient
            place.mkdir(parents=True)
            (place / "record.json").write_text(json.dumps(_record(patient)))
        text = "The patient has hypertension and takes lisinopril 10 mg. She denies chest pain.\n"
        (folder / "p3" / "note.txt").write_text(text * ((8 << 20) // len(text)))
        for patient in ("p1", "p2", "p3"):
            taken = Intake(Session(house, people["operator"])).run([folder / patient])
            if failed := [t.error for t in taken if t.error]:
                raise failed[0]
        actors, categories = ["dr-lee", "dr-may"], ["record", "note"]
        Session(house, people["pat"]).give_consent("p1", house.clock(), actors=actors, categories=categories)


def _record(patient: str) -> dict[str, Any]:
    coded = {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}
    unit = {"unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"}
    values = [
        {
            "resourceType": "Observation",
            "id": f"{patient}-c{n}",
            "status": "final",
            "code": coded,
            "subject": {"reference": f"Patient/{patient}"},
            "effectiveDateTime": f"2025-{n % 12 + 1:02}-{n % 28 + 1:02}",
            "valueQuantity": {"value": 1 + n / 100, **unit},
        }
        for n in range(40)
    ]
    person = {"resourceType": "Patient", "id": patient, "gender": "female", "birthDate": "1968-03-14"}
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in (person, *values)]}


def measure(server: Server, seconds: float, kind: str | None) -> tuple[dict[str, Reader], dict[str, int]]:
    """What each reader met, and what the attacker was answered."""
    readers = [Reader(name, host, keeps, server.port, server.token(name)) for name, host, keeps in READERS]
    for reader in readers:
        reader.read(time.monotonic() + 0.3)  # findings are brought up to date, and threads have opened the store
        reader.took.clear()
        reader.failed.clear()
    process = _attack(server, kind, seconds) if kind else None
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=reader.read, args=(until,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = json.loads(process.communicate(timeout=120)[0] or "{}") if process else {}
    return {reader.name: reader for reader in readers}, told


def _attack(server: Server, kind: str, seconds: float) -> subprocess.Popen[str]:
    given: dict[str, Any] = {"writer": server.token("operator"), "asker": server.token("mal")}
    given["noted"] = server.token("noted")
    if kind == "sign_ins":
        given["assertions"] = [server.form("mal") for _ in range(10_000)]
    command = [sys.executable, "-m", "validation.trust._attacks", kind, str(server.port), str(seconds + 1)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(json.dumps(given))
    process.stdin.close()
    process.stdin = None
    time.sleep(1.0)
    return process


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else float("inf")


def peaks(pid: int) -> dict[int, float]:
    """The largest resident memory so far of a process and of each that descends from it, in MB."""
    parents: dict[int, int] = {}
    held: dict[int, float] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):  # it has ended
            told = dict(line.split(":", 1) for line in status.read_text().splitlines())
            number = int(told["Pid"])
            parents[number], held[number] = int(told["PPid"]), int(told.get("VmHWM", "0").split()[0]) / 1024

    def descends(number: int) -> bool:
        while number in parents and number != pid:
            number = parents[number]
        return number == pid

    return {number: mb for number, mb in held.items() if descends(number)}


class Memory:
    """Watches a server's processes. One that has ended by the next look still counts with what it held."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peaks: dict[int, float] = {}

    def look(self) -> float:
        """The peaks of all processes together, in MB."""
        self._peaks |= peaks(self._pid)
        return sum(self._peaks.values())


class Sockets:
    """Counts, four times a second, the sockets that a process has open."""

    def __init__(self, pid: int) -> None:
        self.most = 0
        self._folder = Path(f"/proc/{pid}/fd")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count)

    def __enter__(self) -> Sockets:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _count(self) -> None:
        while not self._over.wait(0.25):
            held = 0
            for entry in self._folder.iterdir():
                with suppress(OSError):  # it was closed
                    held += str(entry.readlink()).startswith("socket:")
            self.most = max(self.most, held)


def _bound(tally: Tally, kind: str, held: int, answers: dict[str, int], seconds: float) -> None:
    """The bound that an attack runs into, as a case of its own."""
    if kind == "crowd":
        within = HELD // 2 < held <= HELD + OWN
        tally.add("crowd, held", Outcome.RIGHT if within else Outcome.WRONG, f"{held} sockets for {HELD} connections")
    if kind == "odd_words":
        # the attack begins a second before the readers and ends with them
        most, answered = ASKED_AT_ONCE + ASKED * (seconds + 2), answers.get("200", 0)
        within = 0 < answered <= most
        tally.add("odd_words, answered", Outcome.RIGHT if within else Outcome.WRONG, f"{answered} of {most:.0f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(), help="not used: the store is made here")
    parser.add_argument("--json", action="store_true", help="print the object on one line")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each attack lasts")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--only", choices=KINDS, action="append", help="these attacks only")
    parser.add_argument("--bounds", action="store_true", help="the stated bounds only")
    given = parser.parse_args()
    kinds = BOUNDED if given.bounds else given.only or (*KINDS, BOUNDED[0])
    judged = [] if given.bounds else [kind for kind in kinds if kind in KINDS]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard) if hard > 0 else 8192, hard))
    figures: dict[str, Any] = {}
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = Server(Path(folder), port, given.threads)
        with server.running() as pid:
            memory = Memory(pid)
            quiet, _ = measure(server, given.seconds, None)
            attacked = {}
            for kind in kinds:
                with Sockets(pid) as watch:
                    attacked[kind], answers = measure(server, given.seconds, kind)
                figures[kind] = {n: _told(r) for n, r in attacked[kind].items()}
                figures[kind] |= {"answers": answers, "held": watch.most, "mb": round(memory.look())}
                _bound(tally, kind, watch.most, answers, given.seconds)
                between, _ = measure(server, given.seconds, None)  # a machine is not equally fast at all times
                for name, reader in between.items():
                    quiet[name].took += reader.took
            held = memory.look()
    figures["quiet"] = {n: _told(r) for n, r in quiet.items()}
    for kind in judged:
        for name, reader in attacked[kind].items():
            allowed = TIMES * p95(quiet[name].took)
            if reader.failed or p95(reader.took) > allowed:
                why = f"p95 {p95(reader.took) * 1e3:.0f} ms of {allowed * 1e3:.0f}, failed: {reader.failed[:5]}"
                tally.add(f"{kind}, {name}", Outcome.WRONG, why)
            else:
                tally.add(f"{kind}, {name}", Outcome.RIGHT)
    figures["peak_mb"] = round(held)
    expected = len(judged) * len(READERS) + len(set(kinds) & set(BOUNDED))
    ok = tally.passed == tally.n == expected and held <= MEMORY
    return report(
        check="trust.front", tally=tally, data=given.data, figures=figures, as_json=given.json, ok=ok,
        covers="readers wait at most twice as long while one address attacks the server in the ways made here",
        truth=Truth.OWN, split=Split.UNSEEN,
    )  # fmt: skip


def _told(reader: Reader) -> dict[str, Any]:
    middle = statistics.median(reader.took) if reader.took else None
    return {
        "reads": len(reader.took),
        "failed": len(reader.failed),
        "p50_ms": round(middle * 1e3, 1) if middle else None,
        "p95_ms": round(p95(reader.took) * 1e3, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
