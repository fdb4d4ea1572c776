"""README's table of capabilities is what the tour and the cards say: it was made anew when they changed."""

import re
from pathlib import Path

from salus.cli.tour import run

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
TABLE = README.partition("<!-- capabilities")[2].partition("<!-- /capabilities -->")[0]


def test_the_table_has_a_row_for_every_slice_with_the_sign_its_cards_give():
    rows = {title: sign for sign, title in re.findall(r"^\| (.) \| \*\*(.+?)\*\*", TABLE, re.M)}
    expected = {part.title: run.MEASURED if run.proven(part) else run.WORKS for part in run.slices()}
    assert rows == expected, "run: make readme"


def test_every_figure_of_the_table_stands_on_a_card():
    from salus.findings.cards import find

    for part in run.slices():
        row = next(line for line in TABLE.splitlines() if f"**{part.title}**" in line)
        for check in {m.check: m for name in part.capabilities for m in find(name).measured}.values():
            assert f"`{check.check}` {check.ended}" in row, "run: make readme"


def test_the_table_of_methods_is_that_of_the_cards():
    from salus.findings.cards import find
    from salus.findings.registry import runnable

    table = README.partition("<!-- methods")[2].partition("<!-- /methods -->")[0]
    for method in runnable({})[0]:
        row = next(line for line in table.splitlines() if f"`{method.id}`" in line)
        for check in find(method.id).measured:
            assert f"`{check.check}` {check.ended}" in row, "run: make readme"
