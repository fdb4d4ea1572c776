"""The commands of tutorial and README, run as they stand there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SALUS = Path(sys.executable).with_name("salus")
EXPECTED = {"salus plan maria --as dr-lee        # refused": 1}


@pytest.mark.skipif(not SALUS.exists(), reason="the salus command is not installed beside this Python")
def test_every_command_of_the_tutorial_does_what_it_says(tmp_path):
    text = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    environment = {**os.environ, "PATH": f"{SALUS.parent}{os.pathsep}{os.environ['PATH']}"}
    outputs = {}
    for line in (line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()):
        if line.startswith("export "):
            environment |= dict(pair.split("=", 1) for pair in line.removeprefix("export ").split())
            continue
        done = subprocess.run(line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
        expected = next((status for start, status in EXPECTED.items() if line.startswith(start)), 0)
        assert done.returncode == expected, f"{line}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        outputs[line] = done.stdout + done.stderr
    refused = next(out for line, out in outputs.items() if "# refused" in line)
    assert "not released" in refused
    assert "Lindqvist" not in refused
    assert "as written" in outputs["salus verify"]
    assert (tmp_path / "work" / "plan.html").stat().st_size > 10_000
    assert "deny" in outputs["salus log patient maria --as maria"]


@pytest.mark.skipif(not SALUS.exists(), reason="the salus command is not installed beside this Python")
def test_the_commands_of_the_readme_work_in_their_order(tmp_path):
    text = (ROOT / "README.md").read_text("utf-8").partition("## Your own data")[2].partition("\n## ")[0]
    lines = [line.strip() for line in text.splitlines() if line.startswith("    salus")]
    assert len(lines) >= 6
    words = {"PATH…": str(ROOT / "examples" / "patients" / "thomas"), "PATIENT-ACTOR": "tom", "PATIENT": "thomas"}
    environment = {**os.environ, **{f"SALUS_{n}": str(tmp_path / n.lower()) for n in ("STORE", "KEYS", "IDENTITIES")}}
    for line in lines:
        for name, value in {**words, " NAME": " dr-lee"}.items():
            line = line.replace(name, value)
        done = subprocess.run(
            [SALUS, *line.split()[1:]], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "plan.html").stat().st_size > 10_000
