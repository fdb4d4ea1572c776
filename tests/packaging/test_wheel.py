"""A wheel built and installed without network runs, with everything it needs inside."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CAN_BUILD = importlib.util.find_spec("hatchling") is not None and importlib.util.find_spec("pip") is not None
pytestmark = pytest.mark.skipif(not CAN_BUILD, reason="the build backend hatchling (or pip) is not installed here")
OFFLINE = {**os.environ, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def pip(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "pip", *arguments], env=OFFLINE, check=True, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    pip("wheel", str(ROOT), "-w", str(folder), "--no-deps", "--no-build-isolation")
    (found,) = folder.glob("salus-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    target = tmp_path_factory.mktemp("site")
    pip("install", "--no-index", "--no-deps", "--find-links", str(wheel.parent), "--target", str(target), "salus")
    return target


def run(installed, *arguments, cwd):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", "from salus.cli.main import main; main()", *arguments]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True)


def test_the_wheel_holds_code_tables_examples_and_licences_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    sources = {
        p.relative_to(ROOT / "src").as_posix()
        for p in (ROOT / "src" / "salus").rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert sources <= set(names), "a file of the package is not in the wheel"
    examples = {
        f"salus/{p.relative_to(ROOT).as_posix()}"
        for part in ("patients", "stories", "tour")
        for p in (ROOT / "examples" / part).rglob("*")
        if p.is_file()
    }
    assert examples <= set(names)
    rest = [n for n in names if n not in sources | examples and ".dist-info/" not in n]
    assert rest == []
    assert any(n.endswith("licenses/LICENSE") for n in names)
    assert any(n.endswith("licenses/NOTICE") for n in names)


def test_the_wheel_says_where_it_starts_and_what_it_needs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        folder = next(n.partition("/")[0] for n in archive.namelist() if ".dist-info/" in n)
        points = archive.read(f"{folder}/entry_points.txt").decode()
        metadata = archive.read(f"{folder}/METADATA").decode()
    assert "salus = salus.cli.main:main" in points
    assert "[salus.methods]" in points
    assert "Requires-Python: >=3.11" in metadata
    assert "://" not in "".join(line for line in metadata.splitlines() if line.startswith("Requires-Dist"))


def test_the_installed_package_runs_from_its_own_files(installed, tmp_path):
    done = run(installed, "demo", "--list", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    expected = {p.name for p in (ROOT / "examples" / "patients").iterdir()}
    assert {line.split()[0] for line in done.stdout.splitlines()} == expected
    where = [sys.executable, "-c", "import salus; print(salus.__file__)"]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    found = subprocess.run(where, env=environment, cwd=tmp_path, capture_output=True, text=True).stdout
    assert Path(found.strip()).is_relative_to(installed)


def test_the_installed_package_makes_a_store_and_lists_its_methods(installed, tmp_path):
    listed = run(installed, "methods", cwd=tmp_path)
    assert "risk.egfr" in listed.stdout
    for line in listed.stdout.splitlines():
        assert line.split()[1] == "salus", "its own methods are strangers to it"
    settings = tmp_path / "salus.toml"
    settings.write_text("".join(f'{n} = "{tmp_path / n}"\n' for n in ("store", "keys", "identities", "knowledge")))
    assert run(installed, "init", cwd=tmp_path).returncode == 0
    verified = run(installed, "verify", cwd=tmp_path)
    assert "as written" in verified.stdout


@pytest.mark.slow
def test_the_installed_package_shows_the_whole_way(installed, tmp_path):
    done = run(installed, "demo", "--folder", str(tmp_path / "demo"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "demo").glob("*.html"))
