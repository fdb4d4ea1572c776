"""Does a check notice when the code is broken? ``python -m validation --mutants`` applies the list beside each check.

A check's module names ``MUTANTS``, each one changed place of the code or its tables, and may name ``SHORT``: arguments
that keep a long check short here. The check is first run on the code as it is and must hold; then on a copy of ``src``
with one change each, and must fall by its own verdict: it prints its figures and returns 1. A change that makes the
check crash proves nothing and counts as not noticed, like one that it holds under.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from validation._report import Mutant

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
TIMEOUT = 1200


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one change: noticed, or why it was not."""

    check: str
    mutant: Mutant | None
    noticed: bool
    why: str

    @property
    def line(self) -> str:
        """One line for the terminal."""
        what = f"{self.mutant.file}: {self.mutant.says}" if self.mutant else "the code as it is"
        return f"{'●' if self.noticed else '✗'} {self.check}: {what}" + (f" ({self.why})" if self.why else "")


def listed(check: str) -> tuple[tuple[Mutant, ...], tuple[str, ...]]:
    """The changes beside a check, and the arguments that keep it short."""
    module = importlib.import_module(f"validation.{check}")
    return tuple(getattr(module, "MUTANTS", ())), tuple(getattr(module, "SHORT", ()))


def run(check: str, folder: Path, source: Path, arguments: Sequence[str]) -> tuple[int, int | None, str]:
    """Exit status, n (None: it printed no result) and the end of its complaints, with ``source`` first on the path."""
    environment = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": str(source)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [sys.executable, "-m", f"validation.{check}", "--data", str(folder), "--json", *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT, env=environment, cwd=ROOT, check=False
        )
    except subprocess.TimeoutExpired:
        return 1, None, f"no answer within {TIMEOUT} s"
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    n = json.loads(lines[-1])["n"] if lines else None
    return done.returncode, n, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""


def changed(mutant: Mutant, copy: Path) -> str:
    """Apply a change to the copy. Returns why it cannot be, or ""."""
    file = copy / mutant.file
    if not file.is_file():
        return "there is no such file"
    text = file.read_text("utf-8")
    if text.count(mutant.old) != 1:
        return f"its old text stands {text.count(mutant.old)} times in the file"
    file.unlink()  # the copy is made of hard links: the original must not be written to
    file.write_text(text.replace(mutant.old, mutant.new), "utf-8")
    return ""


def judge(check: str, folder: Path) -> list[Verdict]:
    """The verdicts of one check: on the code as it is, and on each change."""
    mutants, arguments = listed(check)
    if not mutants:
        return [Verdict(check, None, False, "no mutants are listed beside it")]
    status, n, said = run(check, folder, SOURCE, arguments)
    if status != 0:
        return [Verdict(check, None, False, f"it does not hold on {n} cases: {said}")]
    found = [Verdict(check, None, True, f"{n} cases")]
    for mutant in mutants:
        with tempfile.TemporaryDirectory() as temporary:
            copy = Path(temporary) / "src"
            # symbolic links would lead imports back to the original; across file systems hard links are refused
            shutil.copytree(SOURCE, copy, copy_function=_link, ignore=shutil.ignore_patterns("__pycache__"))
            if why := changed(mutant, copy):
                found.append(Verdict(check, mutant, False, why))
                continue
            status, n, said = run(check, folder, copy, arguments)
        if n is None:
            found.append(Verdict(check, mutant, False, f"the check broke instead of falling: {said}"))
        else:
            found.append(Verdict(check, mutant, status == 1 and n > 0, "" if status == 1 else "it held"))
    return found


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
