"""Several processes serve one store: what one gave out every other takes, and the death of one loses nothing that was
acknowledged."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("jwt")

from salus.app.config import Configuration, at_folder
from salus.app.house import House
from salus.app.intake.intake import Intake
from salus.app.serving.tokens import assertion
from salus.app.session import Session
from salus.fhir import json
from salus.server.auth import ASSERTION_TYPE, FORM
from salus.trust.identity import Actor, Identity
from tests.conftest import bundle, creatinine, person

PATIENCE = 60
"""Seconds that a test waits for what comes soon on an idle machine: no figure is measured by it."""


@dataclass
class Server:
    """``salus serve`` with two workers, and who speaks to it."""

    configuration: Configuration
    people: dict[str, Identity]
    port: int
    watched: int
    log: Path
    process: Any = None
    connections: list[http.client.HTTPConnection] = field(default_factory=list)

    def start(self) -> None:
        environment = {**os.environ}
        for name in ("store", "keys", "identities", "knowledge"):
            environment[f"SALUS_{name.upper()}"] = str(getattr(self.configuration, name))
        words = ["serve", "--port", str(self.port), "--workers", "2", "--log-format", "json"]
        words += ["--metrics", f"127.0.0.1:{self.watched}"]
        before = len(self.events("started"))
        command = [sys.executable, "-c", "from salus.cli.main import main; main()", *words]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log)
        wait_for(lambda: len(self.events("started")) == before + 2)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return int(self.process.wait(PATIENCE))

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_bytes().splitlines()] if self.log.exists() else []
        return [line for line in lines if line["event"] == name]

    def workers(self) -> list[int]:
        """The processes that serve: the supervisor's children."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(each) for each in found]

    def ask(self, method: str, path: str, body: bytes = b"", port: int = 0, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def kill_one(self) -> None:
        """Kill a worker, and wait until there are two again."""
        killed = self.workers()[0]
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: self.alive() == 2 and killed not in self.workers())

    def sign_in(self, name: str, signed: str = "") -> tuple[int, str]:
        base = f"http://127.0.0.1:{self.port}"
        signed = signed or assertion(self.people[name], f"{base}/auth/token", datetime.now(UTC))
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
        status, body = self.ask("POST", "/auth/token", urlencode(form).encode(), **{"Content-Type": FORM})
        return status, json.loads(body).get("access_token", "")

    def get(self, path: str, token: str) -> tuple[int, Any]:
        status, body = self.ask("GET", path, Authorization=f"Bearer {token}")
        return status, json.loads(body)

    def sample(self, name: str) -> float:
        _, body = self.ask("GET", "/metrics", port=self.watched)
        found = re.search(rf"^{re.escape(name)} (\S+)$", body.decode(), re.M)
        return float(found.group(1)) if found else 0.0

    def alive(self) -> float:
        try:
            return self.sample("salus_workers")
        except OSError:
            return 0.0


def wait_for(what: Any) -> None:
    until = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    people = {name: Identity.generate(name) for name in ("operator", "pat")}
    configuration = at_folder(tmp_path / "house")
    folder = tmp_path / "in"
    folder.mkdir()
    values = [creatinine(f"1.{n:02}", f"2026-01-{n + 1:02}", f"c{n}") for n in range(10)]
    (folder / "record.json").write_bytes(json.dumps(bundle(person(), *values)))
    with House.create(configuration, alone=True) as house:
        house.add_actor(Actor("operator", "operator", people["operator"].public_key), by="operator")
        house.add_actor(Actor("pat", "patient", people["pat"].public_key, patient="p1"), by="operator")
        assert not [t for t in Intake(Session(house, people["operator"])).run([folder]) if t.error]
    made = Server(configuration, people, *free_ports(2), tmp_path / "events")
    made.start()
    yield made
    if made.process.poll() is None:
        made.stop()


class Load(threading.Thread):
    """Somebody who files one result after the other, and remembers which of them were acknowledged."""

    def __init__(self, server: Server, token: str, name: str) -> None:
        super().__init__()
        self.server, self.token, self.tag = server, token, name
        self.acknowledged: list[str] = []
        self.ended = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.ended.is_set():
            number += 1
            value = {k: v for k, v in creatinine("1.5", "2026-03-01", "x").items() if k != "id"}
            value["identifier"] = [{"system": "urn:test", "value": f"{self.tag}-{number}"}]
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/fhir+json"}
            try:
                status, _ = self.server.ask("POST", "/fhir/Observation", json.dumps(value), **headers)
            except (OSError, http.client.HTTPException):
                continue  # the process that had it died: this one was not acknowledged
            if status == 201:
                self.acknowledged.append(f"{self.tag}-{number}")


def filed(configuration: Configuration) -> set[str]:
    """The identifiers of all results that lie in the record."""
    with House(configuration) as house:
        assert not house.verify().problems
        scope = house.gate.grant(house.registry.actors["pat"], "p1", "PATRQT")
        found = house.store.read(scope, ("Observation",))
        return {i["value"] for s in found for i in s.body.get("identifier", [])}


def test_two_processes_serve_one_store_and_the_death_of_one_loses_nothing_acknowledged(server):
    signed = assertion(server.people["pat"], f"http://127.0.0.1:{server.port}/auth/token", datetime.now(UTC))
    status, token = server.sign_in("pat", signed)
    assert status == 200
    for _ in range(12):  # whichever process takes a connection
        assert server.sign_in("pat", signed)[0] == 401
        status, page = server.get("/fhir/Observation?patient=p1&_count=4", token)
        assert status == 200
        further = next(link["url"] for link in page["link"] if link["relation"] == "next")
        assert server.get(further.partition(str(server.port))[2], token)[0] == 200
    assert server.sample("salus_workers") == len(server.workers()) == 2
    assert server.sample('salus_requests_total{route="/fhir/{kind}",status="2xx"}') == 12
    assert server.sample('salus_requests_total{route="/auth/token",status="4xx"}') == 12

    operators = [server.sign_in("operator")[1] for _ in range(3)]
    loads = [Load(server, each, f"load{n}") for n, each in enumerate(operators)]
    for load in loads:
        load.start()
    for _ in range(2):
        wait_for(lambda: all(len(load.acknowledged) > 3 for load in loads))
        server.kill_one()
    counts = [len(load.acknowledged) for load in loads]
    wait_for(lambda: all(len(load.acknowledged) > count for load, count in zip(loads, counts, strict=True)))
    for load in loads:
        load.ended.set()
    for load in loads:
        load.join(PATIENCE)
    assert server.sample("salus_worker_ends_total") == 2
    assert [event["status"] for event in server.events("worker-died")] == [-signal.SIGKILL] * 2
    assert server.sample('salus_requests_total{route="/fhir/{kind}",status="2xx"}') >= 12 + sum(counts), "counted on"

    assert server.stop() == 0
    acknowledged = {name for load in loads for name in load.acknowledged}
    assert len(acknowledged) > 9
    assert acknowledged <= filed(server.configuration)

    server.start()
    status, page = server.get(further.partition(str(server.port))[2], token)
    assert (status, len(page["entry"])) == (200, 4), "token and page outlive a restart"
    assert server.sign_in("pat", signed)[0] == 401, "and so does it that an assertion was used"
    assert server.ask("GET", "/healthz") == (200, b"alive\n")
    assert server.ask("GET", "/readyz", port=server.watched) == (200, b"ready\n")
    assert server.ask("GET", "/metrics")[0] == 404, "the public address tells nothing"
    told = server.log.read_text()
    assert not any(word in told for word in (token, "p1", "pat", "operator", "127.0.0.1"))


def test_workers_end_with_their_supervisor_however_that_ended(server):
    workers = server.workers()
    server.process.kill()
    server.process.wait(PATIENCE)
    wait_for(lambda: not any(Path(f"/proc/{each}").exists() for each in workers))
    assert len(server.events("stopped")) == 2, "in good order"


def test_what_runs_is_finished_before_the_end(server):
    _, token = server.sign_in("operator")
    value = json.dumps({k: v for k, v in creatinine("1.9", "2026-03-02", "x").items() if k != "id"})
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as slow:
        head = f"POST /fhir/Observation HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        head += f"Content-Type: application/fhir+json\r\nContent-Length: {len(value)}\r\n\r\n"
        slow.sendall(head.encode() + value[:20])
        wait_for(lambda: server.sample("salus_requests_in_flight") == 1)
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not answers(server.port))
        slow.sendall(value[20:])
        assert slow.recv(4096).startswith(b"HTTP/1.1 201")
    assert server.process.wait(PATIENCE) == 0


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True
