"""A PostgreSQL server that is started for the tests, and a house in it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from salus.app.config import Configuration
from salus.app.house import House
from salus.record.store import Change
from salus.trust.identity import Actor, Identity

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    named = shutil.which("initdb")
    return found[-1].parent if found else Path(named).parent if named else None


class Server:
    """A cluster of its own. PostgreSQL refuses to run as root: then it runs as its own user."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.folder, self._binaries = folder, binaries
        self._schemas = 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        self.run("initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "salus", "-E", "UTF8", "--locale=C")
        self.start()
        self.run("createdb", "-h", "127.0.0.1", "-p", f"{self.port}", "-U", "salus", "salus")

    @property
    def address(self) -> str:
        return f"postgresql://salus@127.0.0.1:{self.port}/salus"

    def schema(self) -> str:
        """A new empty schema, to be searched alone: a store of its own."""
        import psycopg

        self._schemas += 1
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA s{self._schemas}")
        return f"s{self._schemas}"

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        self._control("-o", options, "-l", f"{self.folder}/log", "start")

    def stop(self, mode: str) -> None:
        self._control("-m", mode, "stop")

    def psql(self, address: str, text: str) -> None:
        """Run a script in psql; it ends at the first statement that fails."""
        self.run("psql", "-q", "-v", "ON_ERROR_STOP=1", address, script=text)

    def asked(self, question: str, address: str = "") -> list[str]:
        """The lines of an answer."""
        return self.run("psql", "-At", "-c", question, address or self.address).splitlines()

    def _control(self, *words: str) -> None:
        self.run("pg_ctl", "-w", "-D", f"{self.folder}/data", *words)

    def run(self, name: str, *words: str, script: str = "") -> str:
        """Run one of PostgreSQL's programs, as the user who may."""
        user = "postgres" if os.geteuid() == 0 else None
        home = {"HOME": str(self.folder), "PATH": os.environ["PATH"]}
        command = [str(self._binaries / name), *words]
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, user=user, env=home, cwd=self.folder, input=script, text=True
        )
        return done.stdout


@pytest.fixture(scope="session")
def server():
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    if os.geteuid() == 0 and "postgres" not in {user.pw_name for user in pwd.getpwall()}:
        pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres")
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders it may not enter
        started = Server(Path(name), binaries)
        yield started
        started.stop("immediate")


class Clinic:
    """A house in a schema of its own, with an operator, a clinician and a patient."""

    def __init__(self, server: Server, folder: Path) -> None:
        address = f"{server.address}?options=-csearch_path%3D{server.schema()}"
        places = (folder / name for name in ("store", "keys", "identities", "knowledge"))
        self.configuration = Configuration(*places, address)
        self.people = {name: Identity.generate(name) for name in ("operator", "dr-lee", "pat")}
        with House.create(self.configuration, alone=True, clock=lambda: NOW) as house:
            kinds = {"operator": "operator", "dr-lee": "practitioner", "pat": "patient"}
            for name, kind in kinds.items():
                patient = "p1" if name == "pat" else ""
                house.add_actor(Actor(name, kind, self.people[name].public_key, patient), by="operator")

    def open(self) -> House:
        return House(self.configuration, clock=lambda: NOW)

    def write(self, house: House, *bodies) -> None:
        scope = house.gate.custodian(house.registry.actors["operator"], "p1")
        house.store.commit(scope, [Change(b["resourceType"], b["id"], b) for b in bodies], at=house.time())


@pytest.fixture
def clinic(server, tmp_path):
    return Clinic(server, tmp_path)
