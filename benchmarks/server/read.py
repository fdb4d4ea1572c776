"""CPU time of a read with a token, in a real server process on a temporary store.

``python -m benchmarks.server.read [--reads N] [--rate R] [--workers N] [--patients N] [--url URL] [--json]``.
Milliseconds of CPU time a read of one Observation (``GET /fhir/Observation/ID``: token, decision, log entry, one body
opened), of the server and all the processes it started, by the system's own account (``/proc/PID/stat``), and with
``--url`` (a PostgreSQL database on this machine) those of its server, apart and together. Requests come one after the
other over one connection for each of the ``--connections``; with ``--rate``, so many a second whatever the answers
take, each over a connection that is free: then a time is counted from the moment when the request was due. The client's
own CPU time is not counted, nor what the server does after its start without being asked. Each read is answered by
whichever process takes its connection.
"""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from benchmarks._engine import cpu_seconds, house_at, parent, tree
from benchmarks.record.person import creatinine
from salus.app.config import Configuration
from salus.app.house import House
from salus.app.serving.tokens import assertion
from salus.app.session import Session
from salus.fhir.views import CATEGORIES
from salus.record import postgres
from salus.record.store import Change
from salus.server.auth import ASSERTION_TYPE, FORM
from salus.trust.identity import Actor, Identity

RESULTS = 20
IDLE = 0.05
"""CPU seconds in three of the clock that are nothing."""
WARM = 50
"""Reads of each connection before those that are counted."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=2000)
    parser.add_argument("--patients", type=int, default=20)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--workers", type=int, default=0, help="0: the option is not given to the server")
    parser.add_argument("--rate", type=float, default=0, help="requests a second; 0: as soon as the last is answered")
    parser.add_argument("--url", default="", help="a PostgreSQL database for the store; the file if not given")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, house_at(Path(name), given.url) as configuration:
        reader = _house(configuration, given.patients)
        figures = _measured(configuration, reader, given)
    told = {"benchmark": "server.read", **vars(given), **figures}
    print(orjson.dumps(told, option=0 if given.json else orjson.OPT_INDENT_2).decode())
    return 0


def _house(configuration: Configuration, patients: int) -> Identity:
    """A house in which one practitioner, who is returned, is released the results of all patients."""
    reader = Identity.generate("dr-lee")
    with House.create(configuration, alone=True) as house:
        operator = Identity.generate("operator")
        house.add_actor(Actor("operator", "operator", operator.public_key), by="operator")
        house.add_actor(Actor("dr-lee", "practitioner", reader.public_key), by="operator")
        for n in range(patients):
            _file(house, f"p{n}")
    return reader


def _file(house: House, patient: str) -> None:
    key = Identity.generate(f"pat-{patient}")
    house.add_actor(Actor(key.id, "patient", key.public_key, patient), by="operator")
    scope = house.gate.custodian(house.registry.actors["operator"], patient)
    bodies = [{"resourceType": "Patient", "id": patient}, *(_result(patient, n) for n in range(RESULTS))]
    house.store.commit(scope, [Change(str(b["resourceType"]), str(b["id"]), b) for b in bodies], at=house.time())
    Session(house, key).give_consent(patient, house.clock(), actors=["dr-lee"], categories=CATEGORIES)


def _result(patient: str, n: int) -> dict[str, Any]:
    return creatinine(f"{patient}-c{n}", datetime(2026, 1, n + 1, tzinfo=UTC), 1, patient)


def _measured(configuration: Configuration, reader: Identity, given: argparse.Namespace) -> dict[str, Any]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ}
    for name, value in configuration.told().items():
        environment[f"SALUS_{name.upper()}"] = value
    more = ["--workers", str(given.workers)] if given.workers else []
    words = [sys.executable, "-c", "from salus.cli.main import main; main()", "serve", "--port", str(port), *more]
    server = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    try:
        token = _token(reader, port)
        _settle(server.pid)
        database = _database(configuration)
        return _read_all([server.pid, *database], port, token, given)
    finally:
        server.terminate()
        server.wait(60)


def _token(reader: Identity, port: int) -> str:
    """Sign in, as soon as the server answers."""
    base = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 60
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            signed = assertion(reader, f"{base}/auth/token", datetime.now(UTC))
            form = {
                "grant_type": "client_credentials",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": signed,
            }
            connection.request("POST", "/auth/token", urlencode(form), {"Content-Type": FORM})
            answer = connection.getresponse()
            return str(orjson.loads(answer.read())["access_token"])
        except ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _database(configuration: Configuration) -> list[int]:
    """The process of PostgreSQL's server that started all others, where the store is there."""
    if not configuration.database:
        return []
    with closing(postgres.connect(configuration.database, create=False)) as connection:
        return [parent(connection.backend)]


class Reads:
    """Reads that are due one after the other, and what became of them."""

    def __init__(self, port: int, token: str, patients: int, rate: float) -> None:
        self._port, self._token, self._patients, self._rate = port, token, patients, rate
        self._guard, self._next, self._begun = threading.Lock(), 0, 0.0
        self.seconds: list[float] = []
        self.failed: list[int] = []

    def begin(self) -> None:
        """From now on the counted ones are due."""
        self._next, self._begun, self.seconds = 0, time.perf_counter(), []

    def read(self, connection: http.client.HTTPConnection, most: int) -> bool:
        """Do the next of at most ``most`` reads when it is due; False when there are no more."""
        with self._guard:
            k, self._next = self._next, self._next + 1
        if k >= most:
            return False
        due = self._begun + k / self._rate if self._rate else time.perf_counter()
        time.sleep(max(0.0, due - time.perf_counter()))
        place = f"/fhir/Observation/p{k % self._patients}-c{k // self._patients % RESULTS}"
        connection.request("GET", place, headers={"Authorization": f"Bearer {self._token}"})
        answer = connection.getresponse()
        if not answer.read() or answer.status != 200:
            self.failed.append(answer.status)
        self.seconds.append(time.perf_counter() - due)
        return True

    def connect(self) -> http.client.HTTPConnection:
        """One more connection."""
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)


def _read_all(pids: Sequence[int], port: int, token: str, given: argparse.Namespace) -> dict[str, Any]:
    """Read over all connections at once, after each has warmed up what answers it."""
    warm, counted = threading.Barrier(given.connections + 1), threading.Barrier(given.connections + 1)
    reads, warming = Reads(port, token, given.patients, given.rate), Reads(port, token, given.patients, 0)
    ended: list[bool] = []

    def one() -> None:
        connection = reads.connect()
        for _ in range(WARM):
            warming.read(connection, WARM * given.connections)
        warm.wait()
        counted.wait()
        while reads.read(connection, given.reads):
            pass
        ended.append(True)

    threads = [threading.Thread(target=one) for _ in range(given.connections)]
    for thread in threads:
        thread.start()
    warm.wait()
    before = [cpu_seconds(pid) for pid in pids]
    reads.begin()
    counted.wait()
    for thread in threads:
        thread.join()
    spent = [cpu_seconds(pid) - was for pid, was in zip(pids, before, strict=True)]
    if reads.failed or warming.failed or len(ended) != given.connections:
        raise ArithmeticError(f"{len(reads.failed)} reads failed: {reads.failed[:3]}")
    done, waited = len(reads.seconds), sorted(reads.seconds)
    return {
        "done": done,
        "errors": len(reads.failed),
        "cpu_ms_a_read": round(1000 * sum(spent) / done, 3),
        "server_cpu_ms": round(1000 * spent[0] / done, 3),
        "database_cpu_ms": round(1000 * sum(spent[1:]) / done, 3),
        "p50_ms": round(1000 * waited[done // 2], 2),
        "p95_ms": round(1000 * waited[int(done * 0.95)], 2),
        "p99_ms": round(1000 * waited[int(done * 0.99)], 2),
        "processes": len(tree(pids[0])),
    }


def _settle(pid: int) -> None:
    """Wait until nothing is done any more that nobody asked for."""
    before, now = -1.0, cpu_seconds(pid)
    while now - before > IDLE:
        time.sleep(3)
        before, now = now, cpu_seconds(pid)


if __name__ == "__main__":
    sys.exit(main())
