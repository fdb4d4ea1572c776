"""Write README's tables of capabilities and methods from the tour and the cards, between their marks.

    salus tour --json tour.json && python tools/make_readme.py tour.json

The sign of a row: what it says held against the truth of others (by card), it works in the tour, or not yet. What is
not measured so stands behind "also". The table speaks of the code that the cards were measured on.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from salus.cli.tour.run import MEASURED, NOT_YET, SLICES, WORKS, proven, slices
from salus.findings.cards import EARLIER_CODE, Measured, find
from salus.findings.registry import runnable

README = Path(__file__).parents[1] / "README.md"
MARKS = ("<!-- {}: made by tools/make_readme.py -->", "<!-- /{} -->")
SHOWN_OF_METHODS = {
    "genomics.pharmacogenes": ("wrong", "called"),
    "monitoring.ecg-rate": ("f1", "ppv_least", "clean_assessed"),
    "text.mentions": ("negation_f1", "historical_f1"),
    "imaging.chest-xray": ("auc", "ece"),
}
"""The figures that the table of methods shows, by method."""


def row(part, sign: str) -> str:
    """One slice as a row: sign, title, what it does, what was measured."""
    checks = {m.check: m for name in (*part.capabilities, *part.also_capabilities) for m in find(name).measured}
    measured = "; ".join(figures(check, part.shown) for check in checks.values())
    extra = f" (extra `{part.extra}`)" if part.extra else ""
    also = f" *Also:* {part.also}" if part.also else ""
    return f"| {sign} | **{part.title}**{extra} | {part.says}.{also} | {measured} |"


def sign(part, walked: dict[str, str]) -> str:
    """The sign of a slice that the tour walked."""
    if walked.get(part.name, NOT_YET) == NOT_YET:
        return NOT_YET
    return MEASURED if proven(part) else WORKS


def figures(check: Measured, shown: tuple[str, ...]) -> str:
    """A check in few words: how its cases ended, what to know before the figures, and those that its slice shows."""
    found = {name: _at(check.figures, name.split(".")) for name in shown}
    numbers = [f"{name} {value:.3g}" for name, value in found.items() if isinstance(value, int | Decimal)]
    caveats = [caveat for caveat in check.caveats if caveat != EARLIER_CODE]  # README is of the cards' code
    return f"`{check.check}` " + "; ".join((check.ended, *numbers, *caveats))


def _at(figures: object, path: list[str]) -> object:
    for name in path:
        figures = figures.get(name) if isinstance(figures, Mapping) else None
    return figures


def table(walked: dict[str, str]) -> str:
    """The table for the signs that a tour found."""
    lines = [
        f"{MEASURED} held against the truth of others, on cases that nothing was developed on · "
        f"{WORKS} works in the tour · {NOT_YET} not yet. The sign speaks of the first sentence alone; what is behind "
        "*also* works in the tour. A case ends as right, wrong, refused rightly (the reference has no answer either), "
        "refused though answerable, abstained (a doubt is stated), not read.",
        "",
        "| | | what it does | measured |",
        "|---|---|---|---|",
        *(row(part, sign(part, walked)) for part in slices()),
    ]
    return "\n".join(lines)


def methods() -> str:
    """The table of methods that draw findings from a record."""
    lines = ["| method | what it is for | measured |", "|---|---|---|"]
    for method in runnable({})[0]:
        shown = SHOWN_OF_METHODS.get(method.id, ())
        measured = "; ".join(figures(check, shown) for check in find(method.id).measured)
        lines.append(f"| `{method.id}` | {method.intended_use} | {measured or 'not measured'} |")
    return "\n".join(lines)


def main() -> int:
    walked = {entry["name"]: entry["sign"] for entry in json.loads(Path(sys.argv[1]).read_text("utf-8"))}
    missing = {part.name for part in slices()} - set(walked)
    if missing:
        print(f"the tour left out {', '.join(sorted(missing))}: walk all of {len(SLICES)}", file=sys.stderr)
        return 1
    text = README.read_text("utf-8")
    for name, written in (("capabilities", table(walked)), ("methods", methods())):
        begin, end = (mark.format(name) for mark in MARKS)
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        if not pattern.search(text):
            print(f"README.md has no marks for the table of {name}", file=sys.stderr)
            return 1
        text = pattern.sub(lambda _, a=begin, b=written, c=end: f"{a}\n{b}\n{c}", text)
    README.write_text(text, "utf-8")
    print(f"{README}: {len(walked)} rows of the tour, and the methods")
    return 0


if __name__ == "__main__":
    sys.exit(main())
