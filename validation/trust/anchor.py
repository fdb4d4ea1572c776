"""Checkpoints on a real chain: what is read back is what was written, and a forgery or a rollback is found.

Two logs are anchored. Sizes and roots of the one come from ``tlog/`` (signed checkpoints of another log); every one is
then altered in the store, one at a time, and has to be found. The other is a log of our own of 50 checkpoints: its last
root is forged, it is rolled back, and a smaller size is sent to the contract itself. The chain is anvil where it is
found (``SALUS_ANVIL``, or ``anvil`` on the path), else py-evm in this process.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from validation._report import Mutant, Split, Tally, Truth, argument_parser, report

_ANCHOR = "salus/trust/anchor.py"
MUTANTS = (
    Mutant(_ANCHOR, "if row[0] != point.root:", "if False:", "another root than the anchored one is taken"),
    Mutant(
        _ANCHOR,
        "            if row is None:\n",
        "            if row is None:\n                continue\n            if False:\n",
        "a log shorter than anchored is taken",
    ),
    Mutant(
        _ANCHOR,
        "        for point in self.points():\n            row",
        "        for point in [*self.points()][:1]:\n            row",
        "only the first point is held to the log",
    ),
)

CHECKPOINTS = 50
PATIENCE = 20.0
"""Seconds that an engine may take to answer first."""


def anvil_binary() -> str | None:
    """The engine's program, if there is one."""
    return os.environ.get("SALUS_ANVIL") or shutil.which("anvil")


@contextmanager
def anvil(binary: str) -> Iterator[tuple[str, str]]:
    """A fresh chain in a process of its own: its address, and its name with version. It ends with the context."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    name = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    process = subprocess.Popen(
        [binary, "--host", "127.0.0.1", "--port", str(port), "--silent"], stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the chain engine does not start")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}", name.strip()
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def engine() -> Iterator[tuple[Any, str]]:
    """A connection to a fresh chain, and the engine's name: anvil where it is found, else py-evm."""
    binary = anvil_binary()
    if binary is not None:
        from salus.trust import anchor

        with anvil(binary) as (url, name):
            yield anchor.connect(url), name
        return
    import eth_tester
    from web3 import EthereumTesterProvider, Web3

    yield Web3(EthereumTesterProvider()), f"eth-tester {eth_tester.__version__} (py-evm)"


def checkpoints(folder: Path) -> dict[int, bytes]:
    """Sizes and roots of every signed checkpoint under ``folder``: origin, size, root, blank line, signatures."""
    found = {}
    for path in sorted(folder.rglob("*")):
        lines = path.read_bytes().decode("utf-8", "replace").split("\n") if path.is_file() else []
        if len(lines) > 4 and lines[1].isdigit() and lines[3] == "" and lines[4].startswith("— "):
            root = base64.b64decode(lines[2])
            if len(root) == 32 and int(lines[1]) > 0:
                found[int(lines[1])] = root
    return found


def own_log() -> dict[int, bytes]:
    """Sizes and roots of a log that grows by one to seven entries a checkpoint."""
    from salus.trust.merkle import Tree, leaf_hash

    tree, found = Tree(), {}
    for n in range(CHECKPOINTS):
        tree.extend(leaf_hash(f"entry {n}.{k}".encode()) for k in range(1 + n % 7))
        found[tree.size] = tree.root()
    return found


class Anchored:
    """A log whose checkpoints stand in the store and on the chain, and what is tried on it."""

    def __init__(self, chain: Any, roots: Mapping[int, bytes]) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        from salus.trust import anchor
        from salus.trust.checkpoint import Checkpoint, checkpoint_text

        key = Ed25519PrivateKey.generate()
        self.roots = dict(roots)
        self.chain, self.address, self.key = chain, anchor.deploy(chain), key.public_key()
        self.line = anchor.Anchor(chain, self.address, self.key)
        self.signed = {s: Checkpoint(s, r, key.sign(checkpoint_text(s, r))) for s, r in sorted(roots.items())}
        self.gas = [self.line.write(checkpoint).gas for checkpoint in self.signed.values()]
        self.store = sqlite3.connect(":memory:")
        self.store.execute("CREATE TABLE log_checkpoint (size INTEGER PRIMARY KEY, root BLOB)")
        self.store.executemany("INSERT INTO log_checkpoint VALUES (?, ?)", self.roots.items())
        self.points = self.line.check(self.store)

    def reads_back(self) -> bool:
        return {p.size: p.root for p in self.line.check(self.store)} == self.roots

    def finds(self, statement: str, values: tuple[Any, ...]) -> bool:
        """Whether the log is refused after a statement changed the store, which is then undone."""
        from salus.errors import IntegrityError

        self.store.commit()
        self.store.execute(statement, values)
        try:
            self.line.check(self.store)
        except IntegrityError:
            return True
        finally:
            self.store.rollback()
        return False

    def refuses_less(self) -> bool:
        """Whether the contract reverts a smaller size that is sent to it directly: the receipt alone says so."""
        from salus.trust.anchor import log_name

        abi = json.loads(files("salus.trust").joinpath("contracts", "anchor.json").read_bytes())["abi"]
        contract = self.chain.eth.contract(address=self.address, abi=abi)
        call = contract.functions.anchor(log_name(self.key), min(self.roots), b"\1" * 32)
        sent = call.transact({"from": self.chain.eth.accounts[0], "gas": 200_000})
        return self.chain.eth.wait_for_transaction_receipt(sent)["status"] == 0 and self.reads_back()


FORGED = "UPDATE log_checkpoint SET root = ? WHERE size = ?"
GONE = "DELETE FROM log_checkpoint WHERE size = ?"
ROLLED_BACK = "DELETE FROM log_checkpoint WHERE size > ?"


def flipped(root: bytes) -> bytes:
    return bytes([root[0] ^ 1]) + root[1:]


def attacks(given: Anchored, own: Anchored) -> Iterator[tuple[str, bool]]:
    """Every case with its outcome."""
    for size, root in given.roots.items():
        yield f"tlog size {size} forged", given.finds(FORGED, (flipped(root), size))
        yield f"tlog size {size} missing", given.finds(GONE, (size,))
    for size, root in own.roots.items():
        yield f"own size {size} written and read", any((p.size, p.root) == (size, root) for p in own.points)
    newest = max(own.roots)
    yield "own newest root forged", own.finds(FORGED, (flipped(own.roots[newest]), newest))
    yield "own log rolled back", own.finds(ROLLED_BACK, (sorted(own.roots)[len(own.roots) // 2],))
    yield "own smaller size sent to the contract", own.refuses_less()
    yield "both read back", given.reads_back() and own.reads_back()


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    roots = checkpoints(arguments.data / "tlog")
    results: list[tuple[str, bool]] = []
    figures: dict[str, Any] = {}
    if roots:
        began = time.monotonic()
        with engine() as (chain, name):
            given, own = Anchored(chain, roots), Anchored(chain, own_log())
            results = list(attacks(given, own))
        figures = {"engine": name, "seconds": round(time.monotonic() - began, 2)}
        figures |= {"anchored": len(roots) + len(own.roots), "gas_max": max(given.gas + own.gas)}
    tally = Tally.of(results, "not found")
    return report(
        check="trust.anchor",
        tally=tally,
        covers="checkpoints come back from an EVM chain as they went in; forgeries and rollbacks made here are found",
        truth=Truth.OWN,
        split=Split.UNSEEN,
        data=arguments.data,
        files=[p for p in sorted((arguments.data / "tlog").rglob("*")) if p.is_file()],
        figures={"n": tally.n, "passed": tally.passed, **figures},
        methods=["trust.anchor"],
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
