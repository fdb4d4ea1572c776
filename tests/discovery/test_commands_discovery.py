"""The commands from files to answers; without RDKit they say what to install, and signals work all the same."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from salus.app.demo import examples_root
from salus.cli.discovery import discovery

FOLDER = examples_root() / "tour" / "discovery"


def salus(*words):
    return CliRunner().invoke(discovery, [str(word) for word in words], catch_exceptions=False)


def test_signals_are_told_and_written_as_json():
    told = salus("signals", FOLDER / "reports.csv", "--stratify", "sex")
    assert told.exit_code == 0
    assert "not a rate and not a cause" in told.stdout
    rows = json.loads(salus("signals", FOLDER / "reports.csv", "--all", "--json").stdout)
    assert len(rows) > 1000
    assert all(row["eb05"] <= row["ebgm"] <= row["eb95"] for row in rows)


def test_an_infinite_ratio_is_written_as_the_word(tmp_path):
    path = tmp_path / "r.csv"
    text = (FOLDER / "reports.csv").read_text("utf-8")
    path.write_text(text + "R9001,product 01,never seen elsewhere,male\n", "utf-8")
    rows = json.loads(salus("signals", path, "--all", "--json").stdout)
    row = next(row for row in rows if row["event"] == "never seen elsewhere")
    assert row["prr"] == row["ror"] == {"value": "infinite", "low": None, "high": None}


def test_fit_predict_similar_and_design_work_from_files(tmp_path):
    pytest.importorskip("rdkit", reason="the extra salus[discovery] is not installed")
    table, model, out = FOLDER / "made_up_binding.csv", tmp_path / "m.npz", tmp_path / "d.json"
    assert "343 molecules" in salus("fit", "--train", table, "--endpoint", "rppb", "--out", model).stdout
    asked = ("CC(=O)Nc1ccc(O)cc1", "OCC(O)C(O)C(O)C(O)CO")
    found = json.loads(salus("predict", *asked, "--model", model, "--json").stdout)
    assert [one["status"] for one in found] == ["ok", "not-assessable"]
    assert found[0]["endpoint"]["unit"] == "log10(%)"
    assert "not assessable" in salus("predict", *asked, "--model", model).stdout
    near = json.loads(salus("similar", asked[0], "--in", FOLDER / "drugs.smi", "--k", "1", "--json").stdout)
    assert near["hits"][0]["similarity"] == 1.0
    done = salus(
        "design",
        "--objective",
        FOLDER / "objective.toml",
        "--start",
        FOLDER / "drugs.smi",
        "--budget",
        45,
        "--out",
        out,
    )
    assert "research use only" in done.stdout
    assert json.loads(out.read_bytes())["calls"] == 45


@pytest.mark.parametrize("words", [("predict", "C"), ("predict", "C", "--train", FOLDER / "reports.csv")], ids=str)
def test_half_a_question_is_a_usage_error(words):
    assert salus(*words).exit_code == 2


WITHOUT = "import sys; sys.modules['rdkit'] = None; from salus.cli.main import main; main()"


def without_rdkit(*words):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *map(str, words)], capture_output=True, text=True, check=False
    )


def test_without_rdkit_signals_work_and_the_others_name_the_remedy(tmp_path):
    assert without_rdkit("discovery", "signals", FOLDER / "reports.csv").returncode == 0
    table, out = FOLDER / "made_up_binding.csv", tmp_path / "out"
    pool, aim = FOLDER / "drugs.smi", FOLDER / "objective.toml"
    for words in (
        ("similar", "C", "--in", pool),
        ("predict", "C", "--train", table, "--endpoint", "rppb"),
        ("fit", "--train", table, "--endpoint", "rppb", "--out", out),
        ("design", "--objective", aim, "--start", pool, "--out", out),
    ):
        done = without_rdkit("discovery", *words)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert 'pip install "salus[discovery]"' in done.stderr
    assert not out.exists()
