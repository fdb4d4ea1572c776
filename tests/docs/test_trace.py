"""The table of risks names only code and tests that are there."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("make_trace", ROOT / "tools" / "make_trace.py")
trace = importlib.util.module_from_spec(spec)
spec.loader.exec_module(trace)


def test_every_requirement_names_code_and_tests_that_exist():
    rows = trace.requirements()
    assert rows
    assert trace.problems(rows) == []


def test_a_name_that_is_not_there_is_told():
    row = {"id": "x", "text": "", "harm": "", "severity": "serious", "code": ["src/nowhere.py"]}
    told = trace.problems([{**row, "tests": ["tests/docs/test_trace.py::test_nothing"]}, {**row, "tests": []}])
    assert len(told) == 5


def test_the_trace_counts_the_functions_it_names():
    rows = [r for r in trace.requirements() if r["id"] == "figures-belong-to-their-version"]
    assert f"{len(trace.tests_of('tests/findings/test_cards.py'))} functions:" in trace.render(rows)
