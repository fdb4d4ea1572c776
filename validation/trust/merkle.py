"""Merkle proofs that others made, right and broken: each is proven or refused as its ``wantErr`` says.

Reads every ``merkle/*.jsonl``, a case a line: with ``leafIdx`` an inclusion proof, with ``size1`` a consistency proof.
A proof is refused by False or by InputError; any other exception fails the case.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

from validation._report import argument_parser, report


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


def cases(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Every case, with its file."""
    lines = [(path, line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    return [(path, json.loads(line)) for path, line in lines if line.strip()]


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    found = cases(arguments.data / "merkle")
    failures = []
    counts: dict[str, int] = {}
    for path, case in found:
        kind = f"{path.stem}_{'refused' if case['wantErr'] else 'proven'}"
        counts[kind] = counts.get(kind, 0) + 1
        try:
            right = proven(case) is not case["wantErr"]
        except Exception as error:  # noqa: BLE001 - whatever else escapes is a failure of the case
            failures.append({"id": case["case"], "why": f"{type(error).__name__} escaped"})
            continue
        if not right:
            failures.append({"id": case["case"], "why": "refused" if not case["wantErr"] else "believed"})
    n = len(found)
    return report(
        check="trust.merkle",
        n=n,
        passed=n - len(failures),
        data=arguments.data,
        files=sorted({path for path, _ in found}),
        figures={"n": n, "passed": n - len(failures), **counts},
        methods=["trust.log"],
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
