"""What every validation script shares: its arguments, and the one JSON object it prints."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

FAILURES_SHOWN = 20


def argument_parser(description: str) -> argparse.ArgumentParser:
    """A parser with ``--data DIR`` (required) and ``--json`` (compact output)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder laid out like the department's reference data")
    parser.add_argument("--json", action="store_true", help="print the object on one line")
    return parser


def digest(files: Sequence[Path]) -> str:
    """SHA-256 over the names and contents of the files scored, so that a figure names its data."""
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def report(
    *,
    check: str,
    n: int,
    passed: int,
    data: Path,
    files: Sequence[Path] = (),
    figures: Mapping[str, Any] | None = None,
    intervals: Mapping[str, Any] | None = None,
    methods: Sequence[str] = (),
    failures: Sequence[Mapping[str, Any]] = (),
    as_json: bool = False,
    ok: bool | None = None,
) -> int:
    """Print the result and return the exit status: 0 when cases were found and ``ok`` holds.

    ``ok`` is for checks that are judged by a figure (an F1, say); without it every case must pass.
    """
    result = {
        "check": check,
        "n": n,
        "passed": passed,
        "figures": dict(figures or {}),
        "intervals": dict(intervals or {}),
        "methods": list(methods),
        "data": {"folder": data.name, "files": len(files), "sha256": digest(files) if files else None},
        "failures": list(failures)[:FAILURES_SHOWN],
    }
    if n == 0:
        print(f"no reference data for {check} in {data}: nothing was checked", file=sys.stderr)
    option = orjson.OPT_SERIALIZE_NUMPY if as_json else orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2
    print(orjson.dumps(result, option=option).decode())
    return 0 if n and (passed == n if ok is None else ok) else 1
