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


RIGHTS = {"basis", "categories", "may_write", "decided", "papers", "flagged", "interlocked"}
"""What a Grant says that somebody may do."""

SERVING = ("app/", "server/", "web/", "cli/")


def calls(*rooms):
    """Every call in these folders: where it stands, the name that is called, whose it is, and the keywords given."""
    for path in sorted(p for room in rooms for p in (SOURCE / room).rglob("*.py")):
        where = path.relative_to(SOURCE).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                whose, _, name = ast.unparse(node.func).rpartition(".")
                yield f"{where}:{node.lineno}", whose, name, {k.arg for k in node.keywords}


def test_rights_are_made_by_the_gate_and_nowhere_else():
    """A Grant is made, or made wider, in ``trust/``: what makes one elsewhere decides without the gate."""
    others = [p.name for p in SOURCE.iterdir() if p.is_dir() and p.name not in ("trust", "__pycache__")]
    made = [where for where, _, name, _ in calls(*others) if name == "Grant"]
    changed = [
        where
        for where, _, name, given in calls(*others)
        if name == "replace" and given & RIGHTS and where.startswith(SERVING)
    ]
    assert not made + changed
    assert any(name == "Grant" for _, _, name, _ in calls("trust"))


def test_the_house_alone_writes_resources():
    """One place has the store write into a record: what has to be done with every write is done there."""
    found = [
        where for where, whose, name, _ in calls("app", "server", "web", "cli") if name == "commit" and "store" in whose
    ]
    assert [where.partition(":")[0] for where in found] == ["app/opened.py"]


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
