"""The digest of what was measured moves with the code, its tables and what it imports, and with nothing else."""

import shutil
from pathlib import Path

import pytest

from salus.findings import measured_code


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A small tree that stands for the package: two rooms, one importing the other, a table and a stranger."""
    root = tmp_path / "salus"
    for name, text in {
        "__init__.py": "",
        "cards/risk.x.json": "{}",
        "risk/__init__.py": "",
        "risk/score.py": "def run():\n    from salus.fhir import (\n        units,\n    )\n",
        "risk/tables/beta.toml": "age = 1",
        "fhir/__init__.py": "",
        "fhir/units.py": "MG = 1",
        "other/__init__.py": "",
        "other/room.py": "import salus.risk.score",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(measured_code, "ROOT", root)
    return root


def now() -> str:
    for cached in (measured_code.digest, measured_code._path, measured_code._imports, measured_code._file_digest):
        cached.cache_clear()
    return measured_code.digest(("salus.risk.score",))


@pytest.fixture(autouse=True)
def _clean():
    yield
    now()
    for cached in (measured_code.digest, measured_code._path, measured_code._imports, measured_code._file_digest):
        cached.cache_clear()


def test_an_import_inside_a_function_and_over_several_lines_is_followed(house):
    assert measured_code.closure(["salus.risk.score"]) == {
        "salus",
        "salus.risk",
        "salus.risk.score",
        "salus.fhir",
        "salus.fhir.units",
    }


@pytest.mark.parametrize("name", ["risk/score.py", "risk/tables/beta.toml", "fhir/units.py", "risk/__init__.py"])
def test_it_moves_with_every_byte_that_could_change_the_answer(house, name):
    before = now()
    with (house / name).open("a") as file:
        file.write("\n# x")
    assert now() != before


def test_a_new_or_renamed_table_moves_it(house):
    before = now()
    (house / "risk" / "tables" / "more.toml").write_text("")
    added = now()
    shutil.move(house / "risk" / "tables" / "more.toml", house / "risk" / "tables" / "less.toml")
    assert len({before, added, now()}) == 3


@pytest.mark.parametrize("name", ["other/room.py", "cards/risk.x.json", "risk/__pycache__/x.pyc", "risk/assets/a.js"])
def test_what_is_not_measured_does_not_move_it(house, name):
    before = now()
    path = house / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("changed")
    assert now() == before


def test_it_is_the_same_in_every_process_and_of_our_own_code():
    assert Path(measured_code.__file__).is_relative_to(measured_code.ROOT)
    assert len(measured_code.digest(("salus.risk.engine",))) == 64
    assert measured_code.digest(("salus.risk.engine",)) != measured_code.digest(("salus.risk.kidney",))
