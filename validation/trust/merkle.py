"""Merkle proofs that others made, right and broken: each is proven or refused as its ``wantErr`` says.

Reads every ``merkle/*.jsonl``, a case a line: with ``leafIdx`` an inclusion proof, with ``size1`` a consistency proof.
A proof is refused by False or by InputError; any other exception fails the case. A broken proof that is refused counts
as rightly refused, a good one that is refused as refused though answerable.

The old trees of the cases are perfect ones. So proofs between all sizes up to ``LARGEST`` are made here, by the
recursive definitions of RFC 6962 section 2.1, and put to the code with the right and with another old root. They are no
cases but a condition: ``recursive_wrong`` must be 0.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report

_MERKLE = "salus/trust/merkle.py"
MUTANTS = (
    Mutant(
        _MERKLE, "return node == expected and part == subtree", "return node == expected", "the old root is not held to"
    ),
    Mutant(
        _MERKLE,
        "        if index >> at & 1:\n            node",
        "        if not index >> at & 1:\n            node",
        "left and right are turned",
    ),
    Mutant(
        _MERKLE,
        "    if len(proof) != (not known) + fork - level + len(border):\n        return False\n",
        "",
        "any length of a proof will do",
    ),
    Mutant(
        _MERKLE,
        "if 0 < first == second and old == new and",
        "if 0 < first == second and",
        "one size may have two roots",
    ),
)


LARGEST = 20


def proven(case: dict[str, Any]) -> bool:
    """What the code says of a case."""
    from salus.errors import InputError
    from salus.trust.merkle import verify_consistency, verify_inclusion

    proof = [base64.b64decode(node) for node in case["proof"] or []]
    try:
        if "leafIdx" in case:
            leaf, root = base64.b64decode(case["leafHash"]), base64.b64decode(case["root"])
            return verify_inclusion(leaf, case["leafIdx"], case["treeSize"], proof, root)
        old, new = base64.b64decode(case["root1"]), base64.b64decode(case["root2"])
        return verify_consistency(case["size1"], case["size2"], old, new, proof)
    except InputError:
        return False


def root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, over leaves that are hashed already."""
    if len(leaves) == 1:
        return leaves[0]
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + root(leaves[:cut]) + root(leaves[cut:])).digest()


def proof_of(old: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962 section 2.1.2: that the first ``old`` of the leaves are a prefix."""
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    if old <= cut:
        return [*proof_of(old, leaves[:cut], whole), root(leaves[cut:])]
    return [*proof_of(old - cut, leaves[cut:], whole=False), root(leaves[:cut])]


def recursive() -> int:
    """How many proofs made by the definition are refused, or believed with another old root."""
    from salus.trust.merkle import verify_consistency

    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(LARGEST)]
    wrong = 0
    for new in range(2, LARGEST + 1):
        for old in range(1, new):
            proof, first, last = proof_of(old, leaves[:new]), root(leaves[:old]), root(leaves[:new])
            wrong += not verify_consistency(old, new, first, last, proof)
            wrong += verify_consistency(old, new, leaves[-1][::-1], last, proof)
    return wrong


def cases(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Every case, with its file."""
    lines = [(path, line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    return [(path, json.loads(line)) for path, line in lines if line.strip()]


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    found = cases(arguments.data / "merkle")
    tally = Tally()
    counts: dict[str, int] = {}
    for path, case in found:
        kind = f"{path.stem}_{'refused' if case['wantErr'] else 'proven'}"
        counts[kind] = counts.get(kind, 0) + 1
        try:
            believed = proven(case)
        except Exception as error:  # noqa: BLE001 - whatever else escapes is a failure of the case
            tally.add(case["case"], Outcome.WRONG, f"{type(error).__name__} escaped")
            continue
        if believed:
            tally.add(case["case"], Outcome.WRONG if case["wantErr"] else Outcome.RIGHT, "a broken proof is believed")
        else:
            refused = Outcome.REFUSED_RIGHTLY if case["wantErr"] else Outcome.REFUSED_THOUGH_ANSWERABLE
            tally.add(case["case"], refused, "a good proof is refused")
    wrong = recursive()
    return report(
        check="trust.merkle",
        tally=tally,
        covers="Merkle proofs that others made are proven, and their broken ones refused",
        truth=Truth.OUTSIDE,
        split=Split.UNSEEN,
        data=arguments.data,
        files=sorted({path for path, _ in found}),
        figures={"n": tally.n, "passed": tally.passed, **counts, "recursive_wrong": wrong},
        methods=["trust.log"],
        as_json=arguments.json,
        ok=tally.passed == tally.n and not wrong,
    )


if __name__ == "__main__":
    sys.exit(main())
