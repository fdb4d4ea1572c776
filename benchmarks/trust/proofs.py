"""Proofs made and verified in a CPU second, over a log of a million entries in memory and over its tiles in files.

``python -m benchmarks.trust.proofs [--entries N] [--proofs M] [--json]``: inclusion proofs of entries, and consistency
proofs from sizes, drawn at random. Building hashes every leaf's place in the tree; leaf hashes are made beforehand.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from salus.trust.merkle import Tree, View, verify_consistency, verify_inclusion
from salus.trust.tiles import TileNodes, folder_fetch, grown

TILED = 100_000
"""Entries of the log in files: writing more of them would measure the file system."""


def rate(count: int, work: Callable[[], object]) -> float:
    """How often a CPU second something is done that ``work`` does ``count`` times."""
    started = time.process_time()
    work()
    return round(count / (time.process_time() - started), 1)


def leaves(count: int) -> list[bytes]:
    """Hashes to serve as leaves, the same in every run."""
    return [hashlib.sha256(b"\0%d" % n).digest() for n in range(count)]


def in_memory(entries: int, proofs: int) -> dict[str, float]:
    """Rates over a tree in memory. Every proof has to verify."""
    hashes, draw = leaves(entries), random.Random(1)
    started = time.process_time()
    tree = Tree(hashes)
    built = time.process_time() - started
    root, at = tree.root(), [draw.randrange(entries) for _ in range(proofs)]
    made: list[list[bytes]] = []
    prefixes: list[list[bytes]] = []
    figures = {"build_s": round(built, 3), "proofs_per_s": rate(proofs, lambda: made.extend(map(tree.inclusion, at)))}
    figures["consistency_proofs_per_s"] = rate(proofs, lambda: prefixes.extend(tree.consistency(n + 1) for n in at))

    def verify() -> None:
        if not all(verify_inclusion(hashes[n], n, entries, p, root) for n, p in zip(at, made, strict=True)):
            raise ArithmeticError("a proof does not hold")

    few = min(proofs, 5000)
    old = [tree.root(n + 1) for n in at[:few]]

    def verify_prefixes() -> None:
        cases = zip(at, old, prefixes, strict=False)
        if not all(verify_consistency(n + 1, entries, r, root, p) for n, r, p in cases):
            raise ArithmeticError("a proof does not hold")

    figures["verifies_per_s"] = rate(proofs, verify)
    figures["consistency_verifies_per_s"] = rate(few, verify_prefixes)
    return figures


def in_tiles(entries: int, proofs: int) -> dict[str, float]:
    """Rates over tiles in files, each held against the tile above when it is first read."""
    draw = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        for tile, data in grown(folder_fetch(Path(folder)), 0, leaves(entries)):
            path = Path(folder) / tile.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        view = View(TileNodes(folder_fetch(Path(folder)), entries), entries)
        at = [draw.randrange(entries) for _ in range(proofs)]
        return {"entries": entries, "proofs_per_s": rate(proofs, lambda: [view.inclusion(n) for n in at])}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--proofs", type=int, default=50_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = {
        "benchmark": "trust.proofs",
        "entries": arguments.entries,
        **in_memory(arguments.entries, arguments.proofs),
        "tiles": in_tiles(min(TILED, arguments.entries), arguments.proofs // 10),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    print(orjson.dumps(result, option=0 if arguments.json else orjson.OPT_INDENT_2).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
