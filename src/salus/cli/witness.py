"""``salus witness``: watch other people's logs, as a process that needs no store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from salus.cli.binding import BEHIND_PROXY, check_host
from salus.errors import ConfigurationError

if TYPE_CHECKING:
    from salus.trust.note import Signer


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
    from salus.trust.note import Verifier
    from salus.trust.witness import Server, Witness

    check_host(host, "HTTP", behind_proxy=behind_proxy)
    watched: dict[str, list[Verifier]] = {}
    for origin, vkey in [(vkey.partition("+")[0], vkey) for vkey in logs] + list(origins):
        watched.setdefault(origin, []).append(Verifier.from_vkey(vkey))
    if not watched:
        raise click.UsageError("name a log to watch: --log VKEY")
    watching = Witness(state, load_signers(state, name, post_quantum=post_quantum), watched)
    with Server((host, port), watching) as server:
        for signer in watching.signers:
            click.echo(signer.verifier.vkey)
        click.echo(f"listening at http://{host}:{server.server_address[1]}")
        server.serve_forever()


def load_signers(folder: Path, name: str, *, post_quantum: bool) -> tuple[Signer, ...]:
    """The witness's keys in ``folder``, made at the first start (files of mode 0600).

    The folder stays with one name: an Ed25519 cosignature does not say whose it is, so that one key must not serve two
    witnesses. Raises ConfigurationError for another name, and for keys that others can read or that are damaged.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

    from salus.trust.note import Signer
    from salus.trust.tiles import write_file

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    signers = [Signer.cosigner(name, Ed25519PrivateKey.from_private_bytes(_secret(folder / "ed25519.key")))]
    if post_quantum:
        secret = _secret(folder / "ml-dsa-44.key")
        signers.append(Signer.post_quantum(name, MLDSA44PrivateKey.from_seed_bytes(secret)))
    written = folder / "name"
    if not written.exists():
        write_file(written, name.encode(), 0o600)
    if written.read_bytes() != name.encode():
        raise ConfigurationError("the witness in this folder has another name", where=str(written))
    return tuple(signers)


def _secret(path: Path) -> bytes:
    """The 32 bytes of a private key, made where there is none."""
    from salus.private_files import read_private
    from salus.trust.tiles import write_file

    if not path.exists():
        write_file(path, os.urandom(32), 0o600)
    secret = read_private(path)
    if len(secret) != 32:
        raise ConfigurationError("a private key is damaged", where=str(path))
    return secret
