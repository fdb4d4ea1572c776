"""The commands from files to answers."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from salus.cli.operations import operations
from salus.errors import InputError
from tests.operations import tiny

HISTORY = tiny.WARD.with_name("history.csv")


def salus(*words):
    return CliRunner().invoke(operations, [str(word) for word in words], catch_exceptions=False)


def test_a_plan_is_written_told_and_checked(tmp_path):
    pytest.importorskip("ortools", reason="the extra salus[operations] is not installed")
    out = tmp_path / "plan.json"
    told = salus("plan", tiny.WARD, "--out", out, "--seconds", 20, "--steps", 3000)
    assert told.exit_code == 0
    assert "hard violations 0" in told.stdout
    assert "is not admitted; closest is" in told.stdout
    assert "they decide" in told.stdout
    checked = salus("check", tiny.WARD, out, "--json")
    found = json.loads(checked.stdout)
    assert checked.exit_code == 0
    assert f"Cost {found['cost']} " in told.stdout
    assert sum(r["wish"] == "unscheduled" for r in found["unmet"]) * 150 == found["costs"]["unscheduled"]


def test_no_plan_is_said_with_the_reason_and_nothing_is_written(tmp_path):
    pytest.importorskip("ortools", reason="the extra salus[operations] is not installed")
    document, path, out = tiny.document(), tmp_path / "i.json", tmp_path / "plan.json"
    document["patients"][0]["incompatible_room_ids"] = ["r0", "r1"]
    path.write_text(json.dumps(document), "utf-8")
    told = salus("plan", path, "--out", out)
    assert told.exit_code == 1
    assert "there is no feasible plan: mandatory patient p0" in told.stderr
    assert not out.exists()


def test_a_plan_that_breaks_rules_is_shown_as_such(tmp_path):
    path, plan = tmp_path / "i.json", tmp_path / "plan.json"
    path.write_text(json.dumps(tiny.document()), "utf-8")
    plan.write_text('{"patients": [], "nurses": []}', "utf-8")
    told = salus("check", path, plan)
    assert told.exit_code == 1
    assert "mandatory_unscheduled 1" in told.stdout
    plan.write_text("{}", "utf-8")
    with pytest.raises(InputError, match=r"plan\.json: plan: 'patients' is missing"):
        salus("check", path, plan)


def test_forecasts_are_told_and_series_that_are_too_short_are_named(tmp_path):
    told = salus("forecast", HISTORY, "--days", 3)
    assert told.exit_code == 0
    assert "medicine: expected admissions" in told.stdout
    assert len(json.loads(salus("forecast", HISTORY, "--json").stdout)) == 2
    path = tmp_path / "short.csv"
    path.write_text("date,admissions\n2026-01-01,3\n", "utf-8")
    told = salus("forecast", path)
    assert told.exit_code == 1
    assert "1 days of history" in told.stderr


def test_without_or_tools_one_line_says_what_to_install(tmp_path):
    script = (
        "import sys; sys.modules['ortools'] = None\n"
        "from salus.cli.main import main\n"
        f"sys.argv = ['salus', 'operations', 'plan', {str(tiny.WARD)!r}, '--out', {str(tmp_path / 'x.json')!r}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert 'pip install "salus[operations]"' in done.stderr
