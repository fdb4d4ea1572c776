"""Writes the packaged cards from what the checks found, each with the digest of the code that was measured."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from salus.findings.measured_code import closure, digest, imports

HERE = Path(__file__).parent
CARDS = HERE.parent / "src" / "salus" / "cards"
KEPT = (
    "check",
    "held",
    "n",
    "passed",
    "outcomes",
    "covers",
    "truth",
    "split",
    "figures",
    "intervals",
    "developed",
    "data",
)
"""What a card keeps of a check's result."""
RUNNER = "salus.findings.registry"
"""Whoever reaches it runs methods that no import names."""


def write(results: list[dict[str, Any]]) -> None:
    """One file a method or capability: what was measured for its present version."""
    from salus.findings.registry import capabilities, runnable

    CARDS.mkdir(exist_ok=True)
    declared: list[Any] = [*runnable({})[0], *capabilities()]
    for method in declared:
        path = CARDS / f"{method.id}.json"
        fresh = [
            {**{key: result[key] for key in KEPT}, "code": code(result["check"], result["methods"])}
            for result in results
            if method.id in result["methods"]
        ]
        if not fresh:
            continue
        kept = _kept(path, method.version, {result["check"] for result in results})
        own = sorted([*kept, *fresh], key=lambda check: str(check["check"]))
        card = {"method": method.id, "version": method.version, "checks": own}
        path.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", "utf-8")
        print(f"card of {method.id}: {', '.join(c['check'] for c in own)}")


def code(check: str, methods: Sequence[str]) -> dict[str, Any]:
    """The modules of salus whose work a check measures, and the digest of all that they reach."""
    roots = {name for name in _imported(HERE.joinpath(*check.split(".")).with_suffix(".py")) if closure([name])}
    runs_all = RUNNER in closure(roots)  # a capability's module holds its statement, which is not what is measured
    roots |= {e.module for e in entry_points(group="salus.methods") if runs_all or e.name in methods}
    named = tuple(sorted(root for root in roots if root.partition(".")[0] == "salus"))
    return {"roots": list(named), "sha256": digest(named)}


def _imported(path: Path, seen: frozenset[Path] = frozenset()) -> set[str]:
    """What a check imports of salus, itself or through other modules of this folder."""
    text = path.read_text("utf-8")
    found = imports(text)
    for name in re.findall(r"^\s*from (validation[\w.]*) import", text, re.MULTILINE):
        other = HERE.parent.joinpath(*name.split(".")).with_suffix(".py")
        if other.is_file() and other not in seen and other != path:
            found |= _imported(other, seen | {path})
    return found


def _kept(path: Path, version: str, measured: set[str]) -> list[dict[str, Any]]:
    """What the card of this version holds of checks that were not run now."""
    card = json.loads(path.read_bytes()) if path.is_file() else {"version": None}
    return [c for c in card["checks"] if c["check"] not in measured] if card["version"] == version else []
