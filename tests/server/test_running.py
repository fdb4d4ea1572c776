"""How the server is started: with which bounds, and how long it waits for encryption to begin."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import threading
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

pytest.importorskip("uvicorn")

from salus.app.serving.open_house import Houses
from salus.cli.main import cli
from salus.errors import StoreError
from salus.server import running, sampling, serving, supervisor
from salus.server.connections import Bounds, Door
from salus.server.metrics import Metrics
from salus.server.workers import Workers


@pytest.fixture
def started(ward, monkeypatch):
    """Runs ``salus serve`` with options, up to the moment in which it would serve; gives its application and bounds."""
    calls = []
    monkeypatch.setattr(serving, "run", lambda application, bounds, **more: calls.append((application, bounds, more)))
    places = {f"SALUS_{n.upper()}": str(getattr(ward.house.configuration, n)) for n in ("store", "keys", "identities")}

    def serve(*options: str):
        done = CliRunner().invoke(cli, ["serve", *options], env=places)
        assert done.exit_code == 0, done.output
        return calls[-1]

    return serve


@pytest.mark.parametrize(
    ("options", "each", "addresses"),
    [
        ((), Bounds().each, True),
        (("--per-address", "7"), 7, True),
        (("--host", "0.0.0.0", "--behind-proxy"), 0, False),
        (("--host", "0.0.0.0", "--behind-proxy", "--per-address", "9"), 9, False),
    ],
)
def test_behind_a_proxy_an_address_is_nobodys(started, options, each, addresses):
    application, bounds, _ = started(*options)
    assert (bounds.each, application.state.salus.limits.addresses) == (each, addresses)


@pytest.mark.parametrize(("options", "processes"), [((), 1), (("--refreshers", "2"), 2), (("--refreshers", "0"), 0)])
def test_findings_are_made_in_a_process_of_their_own_where_nothing_else_is_said(started, options, processes):
    application, _, _ = started(*options)
    assert application.state.salus.limits.refreshers == processes
    assert (application.state.salus.refreshers is not None) == bool(processes)


def test_the_handshake_has_a_time_limit_where_there_is_one(monkeypatch):
    given = []

    async def create_server(_, *args, **more):
        given.append(more)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "create_server", create_server)
    loop = running.Loop()
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        loop.run_until_complete(loop.create_server(None, ssl=context))
        loop.run_until_complete(loop.create_server(None, ssl=None))
    finally:
        loop.close()
    assert given == [{"ssl": context, "ssl_handshake_timeout": running.HANDSHAKE}, {"ssl": None}]


def test_connections_are_no_more_than_files_may_be_open(monkeypatch):
    resource = pytest.importorskip("resource")
    limits = {"now": (256, 1000)}
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limits.update(now=wanted))
    assert running._files(500) == 500
    assert limits["now"] == (500, 1000)
    assert running._files(4200) == 1000
    limits["now"] = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert running._files(4200) == 4200


# ---- several processes, and an address for who watches over them


@pytest.fixture
def invoked(ward, monkeypatch):
    """Runs ``salus serve`` up to the moment in which workers would be kept; gives the result and the supervisors."""
    kept = []
    monkeypatch.setattr(supervisor.Supervisor, "run", lambda self: kept.append(self))
    monkeypatch.setattr(serving, "run", lambda *_, **__: kept.append(None))
    places = {f"SALUS_{n.upper()}": str(getattr(ward.house.configuration, n)) for n in ("store", "keys", "identities")}

    def serve(*options: str):
        return CliRunner().invoke(cli, ["serve", *options], env=places), kept

    yield serve
    for each in kept:
        if each is not None:
            each._listener.close()
            shutil.rmtree(each._folder)


def test_workers_are_told_what_the_server_was_told(invoked, ward):
    options = ("--port", "0", "--workers", "3", "--threads", "2", "--per-address", "5", "--refreshers", "0")
    done, (kept,) = invoked(*options)
    assert done.exit_code == 0, done.output
    assert "with 3 processes" in done.output
    told = serving.Serving.load(kept._serving.dump())
    assert told == kept._serving
    assert (told.threads, told.each, told.refreshers, len(kept._slots)) == (2, 5, 0, 3)
    assert told.configuration.store_file == ward.house.configuration.store_file
    assert kept._listener.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("address", ["here", "127.0.0.1", "127.0.0.1:x", "203.0.113.1:9"])
def test_what_is_no_address_to_listen_on_is_refused_with_its_option(invoked, address):
    done, kept = invoked("--metrics", address)
    assert (done.exit_code, kept) == (1, [])
    assert "--metrics" in str(done.exception) or "--metrics" in done.output


def test_a_port_that_is_taken_is_refused(invoked):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done, kept = invoked("--workers", "2", "--port", str(taken.getsockname()[1]))
    assert (done.exit_code, kept) == (1, [])


def test_a_store_without_its_keys_is_refused_before_anything_listens(invoked, ward):
    (ward.house.configuration.keys / "ring").rename(ward.house.configuration.keys / "elsewhere")
    done, kept = invoked("--workers", "2")
    assert (done.exit_code, kept) == (1, [])


def test_a_thread_that_hangs_keeps_no_server_from_ending(ward):
    begun, never = threading.Event(), threading.Event()
    workers = Workers(Houses(ward.house.configuration, ward.house.clock), 1, 4, 60)
    workers.start()

    async def hang() -> None:
        job = asyncio.create_task(workers.run(lambda _: (begun.set(), never.wait())))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        waiting = asyncio.create_task(workers.run(lambda _: None, "another"))
        while not workers.waiting:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(workers.stop, 0.1)
        with pytest.raises(StoreError, match="too many requests"):
            await waiting
        job.cancel()

    try:
        asyncio.run(hang())
    finally:
        never.set()
    workers._threads[0].join(60)
    assert not workers._threads[0].is_alive(), "it ends in good order although nobody waits for it"


def test_once_a_second_it_is_told_how_many_wait_and_what_connections_were_refused(monkeypatch):
    monkeypatch.setattr(sampling, "PAUSE", 0.01)
    door, metrics = Door(Bounds()), Metrics([])
    door.turned_away = 3
    application = SimpleNamespace(state=SimpleNamespace(door=door))

    async def sample() -> None:
        task = asyncio.create_task(sampling.keep_on(application, SimpleNamespace(waiting=7), metrics))
        await asyncio.sleep(0.05)
        door.given_up = 2
        await asyncio.sleep(0.05)
        task.cancel()

    asyncio.run(sample())
    found = {name: value for name, value in metrics.samples().items() if value}
    assert found == {
        "salus_requests_waiting": 7,
        'salus_refused_total{reason="connection"}': 3,
        'salus_refused_total{reason="connection-given-up"}': 2,
    }
