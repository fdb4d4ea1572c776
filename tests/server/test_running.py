"""How the server is started: with which bounds, and how long it waits for encryption to begin."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from click.testing import CliRunner

pytest.importorskip("uvicorn")

from salus.cli.main import cli
from salus.server import running
from salus.server.connections import Bounds


@pytest.fixture
def started(ward, monkeypatch):
    """Runs ``salus serve`` with options, up to the moment in which it would serve; gives its application and bounds."""
    calls = []
    monkeypatch.setattr(running, "run", lambda application, bounds, **more: calls.append((application, bounds, more)))
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
