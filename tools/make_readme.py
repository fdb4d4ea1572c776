"""Write README's table of capabilities from the tour and the cards, between its two marks.

    salus tour --json tour.json && python tools/make_readme.py tour.json

The sign of a row is the tour's: what it says held against the truth of others (by card), it works in the tour, or not
yet. What is not measured so stands behind "also".
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from salus.cli.tour.run import MEASURED, NOT_YET, SLICES, WORKS, slices
from salus.findings.cards import Measured, find

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- capabilities: made by tools/make_readme.py -->", "<!-- /capabilities -->"


def row(part, sign: str) -> str:
    """One slice as a row: sign, title, what it does, what was measured."""
    checks = {m.check: m for name in (*part.capabilities, *part.also_capabilities) for m in find(name).measured}
    measured = "; ".join(figures(check, part.shown) for check in checks.values())
    extra = f" (extra `{part.extra}`)" if part.extra else ""
    also = f" *Also:* {part.also}" if part.also else ""
    return f"| {sign} | **{part.title}**{extra} | {part.says}.{also} | {measured} |"


def figures(check: Measured, shown: tuple[str, ...]) -> str:
    """A check in few words: how its cases ended, what to know before the figures, and those that its slice shows."""
    found = {name: _at(check.figures, name.split(".")) for name in shown}
    numbers = [f"{name} {value:.3g}" for name, value in found.items() if isinstance(value, int | Decimal)]
    return f"`{check.check}` " + "; ".join((check.ended, *numbers, *check.caveats))


def _at(figures: object, path: list[str]) -> object:
    for name in path:
        figures = figures.get(name) if isinstance(figures, Mapping) else None
    return figures


def table(walked: dict[str, str]) -> str:
    """The table for the signs that a tour found."""
    lines = [
        f"{MEASURED} held, for this code, against the truth of others and on cases that nothing was developed on · "
        f"{WORKS} works in the tour · {NOT_YET} not yet. The sign speaks of the first sentence alone; what is behind "
        "*also* works in the tour. A case ends as right, wrong, refused rightly (the reference has no answer either), "
        "refused though answerable, abstained (a doubt is stated), not read.",
        "",
        "| | | what it does | measured |",
        "|---|---|---|---|",
        *(row(part, walked.get(part.name, NOT_YET)) for part in slices()),
    ]
    return "\n".join(lines)


def main() -> int:
    walked = {entry["name"]: entry["sign"] for entry in json.loads(Path(sys.argv[1]).read_text("utf-8"))}
    missing = {part.name for part in slices()} - set(walked)
    if missing:
        print(f"the tour left out {', '.join(sorted(missing))}: walk all of {len(SLICES)}", file=sys.stderr)
        return 1
    text = README.read_text("utf-8")
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    if not pattern.search(text):
        print("README.md has no marks for the table", file=sys.stderr)
        return 1
    README.write_text(pattern.sub(lambda _: f"{BEGIN}\n{table(walked)}\n{END}", text), "utf-8")
    print(f"{README}: {len(walked)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
