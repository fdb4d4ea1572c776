"""CPU time of a read with a token, in a real server process on a temporary store.

``python -m benchmarks.server.read [--reads N] [--workers N] [--patients N] [--json]``. Milliseconds of CPU time a read
of one Observation (``GET /fhir/Observation/ID``: token, decision, log entry, one body opened), of the server and all
the processes it started, by the system's own account (``/proc/PID/stat``). Requests come one after the other over one
connection for each of the ``--connections``; the client's own time is not counted, nor what the server does after its
start without being asked. Each read is answered by whichever process takes its connection.
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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from benchmarks.record.person import creatinine
from salus.app.config import Configuration, at_folder
from salus.app.house import House
from salus.app.serving.tokens import assertion
from salus.app.session import Session
from salus.fhir.views import CATEGORIES
from salus.record.store import Change
from salus.server.auth import ASSERTION_TYPE, FORM
from salus.trust.identity import Actor, Identity

TICK = os.sysconf("SC_CLK_TCK")
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
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        configuration, reader = _house(Path(name), given.patients)
        figures = _measured(configuration, reader, given)
    told = {"benchmark": "server.read", **vars(given), **figures}
    print(orjson.dumps(told, option=0 if given.json else orjson.OPT_INDENT_2).decode())
    return 0


def _house(folder: Path, patients: int) -> tuple[Configuration, Identity]:
    """A house in which one practitioner is released the results of all patients."""
    configuration = at_folder(folder)
    reader = Identity.generate("dr-lee")
    with House.create(configuration, alone=True) as house:
        operator = Identity.generate("operator")
        house.add_actor(Actor("operator", "operator", operator.public_key), by="operator")
        house.add_actor(Actor("dr-lee", "practitioner", reader.public_key), by="operator")
        for n in range(patients):
            _file(house, f"p{n}")
    return configuration, reader


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
    for name in ("store", "keys", "identities", "knowledge"):
        environment[f"SALUS_{name.upper()}"] = str(getattr(configuration, name))
    more = ["--workers", str(given.workers)] if given.workers else []
    words = [sys.executable, "-c", "from salus.cli.main import main; main()", "serve", "--port", str(port), *more]
    server = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    try:
        token = _token(reader, port)
        _settle(server.pid)
        return _read_all(server.pid, port, token, given)
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


def _read_all(pid: int, port: int, token: str, given: argparse.Namespace) -> dict[str, Any]:
    """Read over all connections at once, after each has warmed up what answers it."""
    ready, counted = threading.Barrier(given.connections + 1), threading.Barrier(given.connections + 1)
    failed: list[int] = []
    answered: list[int] = []

    def read(number: int, times: int, connection: http.client.HTTPConnection) -> None:
        for k in range(times):
            patient, result = (number + k) % given.patients, k % RESULTS
            headers = {"Authorization": f"Bearer {token}"}
            connection.request("GET", f"/fhir/Observation/p{patient}-c{result}", headers=headers)
            answer = connection.getresponse()
            if not answer.read() or answer.status != 200:
                failed.append(answer.status)

    def one(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        read(number, WARM, connection)
        ready.wait()
        counted.wait()
        read(number, given.reads // given.connections, connection)
        answered.append(given.reads // given.connections)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(given.connections)]
    for thread in threads:
        thread.start()
    ready.wait()
    before = cpu_seconds(pid)
    counted.wait()
    for thread in threads:
        thread.join()
    used, done = cpu_seconds(pid) - before, sum(answered)
    if failed or len(answered) != given.connections:
        raise ArithmeticError(f"{len(failed)} reads failed: {failed[:3]}")
    return {"done": done, "cpu_ms_a_read": round(1000 * used / done, 3), "processes": len(tree(pid))}


def _settle(pid: int) -> None:
    """Wait until nothing is done any more that nobody asked for."""
    before, now = -1.0, cpu_seconds(pid)
    while now - before > IDLE:
        time.sleep(3)
        before, now = now, cpu_seconds(pid)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of those that it started, with the ended ones that were waited for."""
    ticks = 0
    for each in tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICK


def tree(pid: int) -> Sequence[int]:
    """A process and all that descend from it and are running."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found


if __name__ == "__main__":
    sys.exit(main())
