"""Walls that imports alone do not show."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "salus"
ROOMS = (
    "genomics", "imaging", "text", "monitoring", "risk",
    "careplan", "assistant", "trials", "population", "surgery",
)  # fmt: skip
FORBIDDEN = {"conditions", "medications"}


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_ask_the_person_and_never_the_list_itself(room):
    """What a problem list or a medicine list means is decided in ``person/`` and nowhere else."""
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in sorted((SOURCE / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FORBIDDEN
    ]
    assert not found


def test_the_terminology_is_opened_by_the_first_question_only():
    """`salus --help` and the list of methods read no table."""
    code = (
        "import sys\n"
        "from salus.terminology.reader import shipped\n"
        "import salus.person.person\n"
        "terminology = shipped()\n"
        "print('sqlite3' in sys.modules)\n"
        "terminology.medicine((), 'simvastatin')\n"
        "print('sqlite3' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
