"""Commands for the network: run the server, and make the assertion with which one signs in to it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal

import click

from salus.cli.binding import BEHIND_PROXY, loopback
from salus.cli.options import acting, configuration
from salus.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    import socket

    from starlette.routing import BaseRoute

    from salus.app.config import Configuration
    from salus.server.serving import Serving

PORT = 8642
NEEDED = ("starlette", "uvicorn", "jwt")
WORKER = (sys.executable, "-P", "-m", "salus.cli.worker")
"""How a worker is started (-P: modules are not looked for in the folder in which the server happens to run)."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option("--base-url", help="Outside address, as in https://salus.example (default: http://HOST:PORT).")
@click.option("--tls-certificate", type=click.Path(exists=True, dir_okay=False), help="Certificate chain (PEM).")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), help="Private key of the certificate (PEM).")
@click.option("--behind-proxy", is_flag=True, help=BEHIND_PROXY.format("HTTP"))
@click.option("--threads", default=4, show_default=True, type=click.IntRange(1, 64), help="Threads that do the work.")
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Server processes, each with so many threads and refreshers.",
)
@click.option(
    "--refreshers",
    default=1,
    show_default=True,
    type=click.IntRange(0, 16),
    help="Processes that bring findings up to date; 0: the threads do it, when somebody asks.",
)
@click.option(
    "--per-address",
    type=click.IntRange(0),
    help="Connections of one address, 0 for no bound (default: 1500, and 0 with --behind-proxy).",
)
@click.option("--metrics", metavar="HOST:PORT", help="Where /metrics and /readyz are answered (default: nowhere).")
@click.option(
    "--log-format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How events are written to stderr.",
)
@click.pass_context
def serve(
    ctx: click.Context,
    host: str,
    port: int,
    base_url: str | None,
    tls_certificate: str | None,
    tls_key: str | None,
    behind_proxy: bool,
    threads: int,
    workers: int,
    refreshers: int,
    per_address: int | None,
    metrics: str | None,
    form: Literal["text", "json"],
) -> None:
    """Serve FHIR, CDS Hooks and the pages over HTTP. Who asks signs in with: salus token."""
    _check_installed()
    if bool(tls_certificate) != bool(tls_key):
        raise InputError("a certificate and its key come together", remedy="--tls-certificate FILE --tls-key FILE")
    if not (tls_certificate or behind_proxy or loopback(host)):
        raise InputError("plain HTTP beyond this machine", remedy="--tls-certificate and --tls-key, or --behind-proxy")
    from salus.server.connections import Bounds
    from salus.server.events import to_stderr
    from salus.server.serving import Serving

    settings = configuration(ctx)
    settings.check_made()
    shown = f"[{host}]" if ":" in host else host
    serving = Serving(
        places=settings.told(),
        base=base_url or f"{'https' if tls_certificate else 'http'}://{shown}:{port}",
        host=host,
        port=port,
        threads=threads,
        refreshers=refreshers,
        addresses=not behind_proxy,
        each=(0 if behind_proxy else Bounds().each) if per_address is None else per_address,
        certificate=tls_certificate,
        key=tls_key,
        form=form,
    )
    to_stderr(form)
    _open_once(settings)
    told = f"{serving.base}/fhir  (sign in with: salus token --audience {serving.base}/auth/token)"
    with ExitStack() as stack:
        watching = _listening(metrics, "--metrics") if metrics else None
        if workers == 1:
            _serve_alone(serving, watching, stack, told)
        else:
            _serve_with(serving, workers, watching, stack, told)


def _open_once(settings: Configuration) -> None:
    """Open the store before anybody else does: it is brought up to date, and what is wrong with it is told here."""
    from salus.app.house import House
    from salus.app.serving import state as server_state

    with House(settings) as house:
        server_state.begun(house)


def _serve_alone(serving: Serving, watching: socket.socket | None, stack: ExitStack, told: str) -> None:
    """Serve in this process."""
    from salus.server.monitor import Monitor

    application = serving.application(every_route())
    if watching is not None:
        monitor = Monitor(serving.configuration, application.state.salus.metrics.samples)
        monitor.start(watching)
        stack.callback(monitor.stop)
    click.echo(f"serving {told}")
    serving.run(application)


def _serve_with(serving: Serving, workers: int, watching: socket.socket | None, stack: ExitStack, told: str) -> None:
    """Keep processes that serve."""
    from salus.server.monitor import Monitor, bound
    from salus.server.supervisor import Supervisor

    try:
        listener = bound(serving.host, serving.port)
    except OSError as error:
        raise InputError(f"cannot listen there: {error.strerror}", where=f"{serving.host}:{serving.port}") from error
    supervisor = Supervisor(serving, workers, WORKER, listener)
    if watching is not None:
        monitor = Monitor(serving.configuration, supervisor.samples, supervisor.problems)
        monitor.start(watching)
        stack.callback(monitor.stop)
    click.echo(f"serving {told} with {workers} processes")
    supervisor.run()


def _listening(address: str, option: str) -> socket.socket:
    from salus.server.monitor import listening

    try:
        return listening(address)
    except ValueError as error:
        raise InputError("not an address to listen on", where=option, remedy="HOST:PORT") from error
    except OSError as error:
        raise InputError(f"cannot listen there: {error.strerror}", where=option) from error


@click.command()
@acting
@click.option(
    "--audience",
    default=f"http://127.0.0.1:{PORT}/auth/token",
    show_default=True,
    help="The address it is for: BASE/auth/token to sign in, or a CDS service's own.",
)
@click.pass_context
def token(ctx: click.Context, actor: str, audience: str) -> None:
    """Print a signed assertion, good once and for five minutes, with which a server lets you in.

    It is made here, where your private key is; the server never sees the key.
    """
    from salus.app import keys
    from salus.app.opened import now
    from salus.app.serving.tokens import assertion

    click.echo(assertion(keys.identity(configuration(ctx), actor), audience, now()))


def every_route() -> list[BaseRoute]:
    """The routes beside FHIR, sign-in and CDS Hooks."""
    return [*assistant_routes(), *pages()]


def assistant_routes() -> list[BaseRoute]:
    """The assistant's routes."""
    from salus.server import assistant

    return assistant.routes()


def pages() -> list[BaseRoute]:
    """The routes of the web pages, where they are installed."""
    if importlib.util.find_spec("salus.web") is None:
        return []
    web: Any = importlib.import_module("salus.web")
    found: list[BaseRoute] = web.routes()
    return found


def _check_installed() -> None:
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            raise ConfigurationError(f"serving needs {name}", remedy='pip install "salus[server]"')
