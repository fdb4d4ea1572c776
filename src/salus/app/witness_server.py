"""A witness of other people's logs, over HTTP. It has keys and a memory of its own, and needs no store."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from salus.errors import InputError
from salus.trust.note import Verifier
from salus.trust.witness import Server, Witness
from salus.trust.witness_keys import load_signers


def listen(
    folder: Path,
    name: str,
    logs: Iterable[tuple[str, str]],
    address: tuple[str, int],
    *,
    post_quantum: bool = False,
) -> Server:
    """A witness that listens at ``address`` (port 0: any free one) and is served by ``serve_forever``.

    ``folder`` holds its keys and what it saw, ``logs`` are the origins and vkeys of the logs that it watches.
    ``post_quantum``: it cosigns with ML-DSA-44 as well. Raises InputError without a log.
    """
    watched: dict[str, list[Verifier]] = {}
    for origin, vkey in logs:
        watched.setdefault(origin, []).append(Verifier.from_vkey(vkey))
    if not watched:
        raise InputError("a witness watches a log", where="--log", remedy="--log VKEY")
    return Server(address, Witness(folder, load_signers(folder, name, post_quantum=post_quantum), watched))


def verifier_keys(server: Server) -> list[str]:
    """The vkeys of a witness, which whoever relies on it has to know."""
    return [signer.verifier.vkey for signer in server.witness.signers]
