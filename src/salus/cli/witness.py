"""``salus witness``: watch other people's logs, as a process that needs no store."""

from __future__ import annotations

from pathlib import Path

import click

from salus.cli.binding import BEHIND_PROXY, check_host


@click.command()
@click.option(
    "--state", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for keys and memory."
)
@click.option("--name", required=True, help="The witness's name, such as witness.example.org/w1.")
@click.option("--log", "logs", multiple=True, metavar="VKEY", help="A log's verifier key; its name is the origin.")
@click.option(
    "--origin",
    "origins",
    multiple=True,
    nargs=2,
    metavar="ORIGIN VKEY",
    help="A log whose origin is not its key's name.",
)
@click.option("--post-quantum", is_flag=True, help="Cosign with ML-DSA-44 too.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8099, show_default=True, help="Port; 0: any free one.")
@click.option("--behind-proxy", is_flag=True, help=BEHIND_PROXY.format("HTTP"))
def witness(
    state: Path,
    name: str,
    logs: tuple[str, ...],
    origins: tuple[tuple[str, str], ...],
    post_quantum: bool,
    host: str,
    port: int,
    behind_proxy: bool,
) -> None:
    """Cosign the checkpoints of logs that only grow, over HTTP (C2SP tlog-witness).

    Prints the verifier key of each of its keys, which whoever relies on it has to know, then its address.
    """
    from salus.app import witness_server

    check_host(host, "HTTP", behind_proxy=behind_proxy)
    watched = [(vkey.partition("+")[0], vkey) for vkey in logs] + list(origins)
    if not watched:
        raise click.UsageError("name a log to watch: --log VKEY")
    with witness_server.listen(state, name, watched, (host, port), post_quantum=post_quantum) as server:
        for vkey in witness_server.verifier_keys(server):
            click.echo(vkey)
        click.echo(f"listening at http://{host}:{server.server_address[1]}")
        server.serve_forever()
