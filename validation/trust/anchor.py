"""Checkpoints of a real transparency log on a real chain: what is read back is what was written, and forgery is found.

Sizes and roots come from ``tlog/`` (signed checkpoints of another log); each is signed anew by a test key, anchored and
read back. Then every one is altered in the store, one at a time, and has to be found.
"""

from __future__ import annotations

import base64
import sqlite3
import sys
from pathlib import Path

from validation._report import argument_parser, report


def checkpoints(folder: Path) -> dict[int, bytes]:
    """Sizes and roots of every signed checkpoint under ``folder``: origin, size, root, blank line, signatures."""
    found = {}
    for path in sorted(folder.rglob("*")):
        lines = path.read_bytes().decode("utf-8", "replace").split("\n") if path.is_file() else []
        if len(lines) > 4 and lines[1].isdigit() and lines[3] == "" and lines[4].startswith("\u2014 "):
            root = base64.b64decode(lines[2])
            if len(root) == 32 and int(lines[1]) > 0:
                found[int(lines[1])] = root
    return found


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from web3 import EthereumTesterProvider, Web3

    from salus.errors import IntegrityError
    from salus.trust import anchor
    from salus.trust.checkpoint import Checkpoint, checkpoint_text

    given = checkpoints(arguments.data / "tlog")
    key = Ed25519PrivateKey.generate()
    chain = Web3(EthereumTesterProvider())
    line = anchor.Anchor(chain, anchor.deploy(chain), key.public_key())
    gas = [
        line.write(Checkpoint(size, root, key.sign(checkpoint_text(size, root)))).gas
        for size, root in sorted(given.items())
    ]
    store = sqlite3.connect(":memory:")
    store.execute("CREATE TABLE log_checkpoint (size INTEGER PRIMARY KEY, root BLOB)")
    store.executemany("INSERT INTO log_checkpoint VALUES (?, ?)", given.items())
    failures = []
    if {p.size: p.root for p in line.check(store)} != given:
        failures.append({"id": "all", "why": "what was read back is not what was written"})
    for size, root in given.items():
        for forged in (bytes([root[0] ^ 1]) + root[1:], None):
            store.execute("DELETE FROM log_checkpoint WHERE size = ?", (size,))
            if forged:
                store.execute("INSERT INTO log_checkpoint VALUES (?, ?)", (size, forged))
            try:
                line.check(store)
                failures.append({"id": str(size), "why": "forged" if forged else "missing" + ", and not found"})
            except IntegrityError:
                pass
        store.execute("INSERT OR REPLACE INTO log_checkpoint VALUES (?, ?)", (size, root))
    n = 2 * len(given)
    figures = {"n": n, "passed": n - len(failures), "anchored": len(given), "gas_max": max(gas, default=0)}
    return report(
        check="trust.anchor",
        n=n,
        passed=n - len(failures),
        data=arguments.data,
        files=[p for p in sorted((arguments.data / "tlog").rglob("*")) if p.is_file()],
        figures=figures,
        methods=["trust.anchor"],
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
