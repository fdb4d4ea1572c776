"""Commands for the network: run the server, and make the assertion with which one signs in to it."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

import click

from salus.cli.binding import BEHIND_PROXY, loopback
from salus.cli.options import acting, configuration
from salus.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

PORT = 8642
NEEDED = ("starlette", "uvicorn", "jwt")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option("--base-url", help="Outside address, as in https://salus.example (default: http://HOST:PORT).")
@click.option("--tls-certificate", type=click.Path(exists=True, dir_okay=False), help="Certificate chain (PEM).")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), help="Private key of the certificate (PEM).")
@click.option("--behind-proxy", is_flag=True, help=BEHIND_PROXY.format("HTTP"))
@click.option("--threads", default=4, show_default=True, type=click.IntRange(1, 64), help="Threads that do the work.")
@click.option(
    "--refreshers",
    default=1,
    show_default=True,
    type=click.IntRange(0, 16),
    help="Processes that bring findings up to date; 0: the threads do it.",
)
@click.option(
    "--per-address",
    type=click.IntRange(0),
    help="Connections of one address, 0 for no bound (default: 1500, and 0 with --behind-proxy).",
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
    refreshers: int,
    per_address: int | None,
) -> None:
    """Serve FHIR, CDS Hooks and the pages over HTTP. Who asks signs in with: salus token."""
    _check_installed()
    if bool(tls_certificate) != bool(tls_key):
        raise InputError("a certificate and its key come together", remedy="--tls-certificate FILE --tls-key FILE")
    if not (tls_certificate or behind_proxy or loopback(host)):
        raise InputError("plain HTTP beyond this machine", remedy="--tls-certificate and --tls-key, or --behind-proxy")
    from salus.server.application import create
    from salus.server.connections import Bounds
    from salus.server.running import run
    from salus.server.service import Limits

    settings = configuration(ctx)
    if not settings.store_file.is_file():
        raise ConfigurationError("there is no store", where=str(settings.store), remedy="make one with: salus init")
    shown = f"[{host}]" if ":" in host else host
    base = base_url or f"{'https' if tls_certificate else 'http'}://{shown}:{port}"
    each = (0 if behind_proxy else Bounds().each) if per_address is None else per_address
    limits = Limits(threads=threads, refreshers=refreshers, addresses=not behind_proxy)
    application = create(settings, base=base, routes=[*assistant_routes(), *pages()], limits=limits)
    click.echo(f"serving {base}/fhir  (sign in with: salus token --audience {base}/auth/token)")
    run(application, Bounds(each=each), host=host, port=port, ssl_certfile=tls_certificate, ssl_keyfile=tls_key)


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
    from salus.app.opened import now
    from salus.app.tokens import assertion
    from salus.trust.identity import Identity

    click.echo(assertion(Identity.load(configuration(ctx).identities, actor), audience, now()))


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
