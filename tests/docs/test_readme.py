"""README's table of capabilities is what the tour and the cards say: it was made anew when they changed."""

import re
from pathlib import Path

from salus.cli.tour import run

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
TABLE = README.partition("<!-- capabilities")[2].partition("<!-- /capabilities -->")[0]


def test_the_table_has_a_row_for_every_slice_with_the_sign_its_cards_give():
    rows = {title: sign for sign, title in re.findall(r"^\| (.) \| \*\*(.+?)\*\*", TABLE, re.M)}
    expected = {part.title: run.MEASURED if run.measured(part) else run.WORKS for part in run.slices()}
    assert rows == expected, "run: make readme"


def test_every_figure_of_the_table_stands_on_a_card():
    from salus.findings.cards import find

    for part in run.slices():
        row = next(line for line in TABLE.splitlines() if f"**{part.title}**" in line)
        for check in {m.check: m for name in part.capabilities for m in find(name).measured}.values():
            assert f"`{check.check}` {check.passed:,} of {check.n:,}" in row, "run: make readme"
