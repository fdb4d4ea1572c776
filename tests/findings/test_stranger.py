"""A stranger's method from its own package: listed without being imported, run only when allowed and unchanged."""

import importlib.util
import os
import shutil
import subprocess
import sys
import textwrap

import pytest

from tests.conftest import bundle, creatinine, person

MODULE = """
from salus.findings.model import Evidence, Finding, Proposal


class Waist:
    id = "stranger.waist"
    version = "1"
    title = "A stranger's method"
    intended_use = "to show that strangers can bring methods"
    inputs = ("record",)
    produces = ("waist-remark",)
    consumes = ()
    population = "anybody"
    references = ("none",)
    licence = "Apache-2.0"
    limits = ("made up",)

    def run(self, chart, context):
        seen = chart.latest("creatinine")
        yield Finding(code="waist-remark", sentence="The stranger saw a creatinine.", status="ok",
            no_uncertainty="a remark", evidence=(Evidence(seen.source),),
            proposals=(Proposal("stranger-2026", "measure", "waist", "Measure the waist.", "remark", "weak",
                "made up", "prevention", patient_text="Have your waist measured."),))
"""
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "waistmethod"
version = "1.0"
[project.entry-points."salus.methods"]
"stranger.waist" = "waistmethod:Waist"
"""
WATCHED = """
import sys
from pathlib import Path

def watch(event, details):
    if event == "import" and details[0].partition(".")[0] == "waistmethod":
        Path(sys.argv[0]).write_text("a stranger's code was imported into salus's own process")

sys.addaudithook(watch)
sys.argv[0] = sys.argv.pop(1)
from salus.cli.main import main
main()
"""
CAN_BUILD = importlib.util.find_spec("hatchling") is not None and importlib.util.find_spec("pip") is not None


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The package as pip installs it: built with hatchling, or laid out by hand where that is missing."""
    target = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source")
    (source / "waistmethod").mkdir()
    (source / "waistmethod" / "__init__.py").write_text(MODULE)
    (source / "pyproject.toml").write_text(PROJECT)
    if CAN_BUILD:
        options = ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(target)]
        command = [sys.executable, "-m", "pip", "install", *options, str(source)]
        subprocess.run(command, check=True, capture_output=True)
    else:
        shutil.copytree(source / "waistmethod", target / "waistmethod")
        about = target / "waistmethod-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: waistmethod\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text("[salus.methods]\nstranger.waist = waistmethod:Waist\n")
    return target


@pytest.fixture
def shop(package, tmp_path, ward):
    """A store with one patient, and the stranger's package on the path of a process of its own."""
    site = tmp_path / "site"
    shutil.copytree(package, site)
    return Shop(site, tmp_path)


class Shop:
    def __init__(self, site, folder):
        self.site, self.folder = site, folder
        self.module = site / "waistmethod" / "__init__.py"
        self.mark = site / "imported"
        names = ("store", "keys", "identities", "knowledge")
        paths = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.environment = {
            **os.environ,
            **{f"SALUS_{n.upper()}": str(folder / "own" / n) for n in names},
            "PYTHONPATH": paths,
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *words, status=0):
        command = [sys.executable, "-c", WATCHED, str(self.mark), *words]
        done = subprocess.run(command, env=self.environment, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert not self.mark.exists(), self.mark.read_text()
        return done.stdout + done.stderr

    def populate(self, ward):
        path = ward.write("record.json", bundle(person(), creatinine("1.1", "2026-01-01", "c1")))
        self.run("init", "--alone")
        self.run("actor", "add", "pat", "--kind", "patient", "--patient", "p1", "--by", "operator")
        self.run("intake", str(path), "--as", "operator")


def seen(shop, command="findings"):
    return shop.run(command, "p1", "--as", "pat", "--at", "2026-06-01")


def test_listed_then_allowed_then_in_findings_and_plan_and_refused_when_changed(shop, ward):
    listing = shop.run("methods")
    assert "stranger.waist" in listing
    assert "runs only when allowed" in listing
    shop.populate(ward)
    before = seen(shop)
    assert "did not run: not allowed yet" in before
    assert "The stranger saw" not in before
    assert "no method" in shop.run("methods", "card", "stranger.waist", status=1)

    assert "sha256" in shop.run("methods", "allow", "stranger.waist", "--as", "operator")
    assert "The stranger saw a creatinine." in seen(shop)
    assert "Measure the waist" in seen(shop, "plan").replace("\n", " ")
    assert "as written" in shop.run("verify")

    shop.module.write_text(MODULE.replace("saw a creatinine", "was changed"))
    after = seen(shop)
    assert "changed since it was allowed" in after
    assert "The stranger" not in after
    assert "Measure the waist" not in seen(shop, "plan")

    shop.run("methods", "allow", "stranger.waist", "--as", "operator")
    assert "The stranger was changed." in seen(shop)
    shop.run("methods", "withdraw", "stranger.waist", "--as", "operator")
    assert "The stranger" not in seen(shop)


BREAKING = {
    "raises": (
        "        seen = ",
        "        raise ValueError(chart.patient.name)\n        seen = ",
        "failed: ValueError",
    ),
    "exits": ("        seen = ", "        raise SystemExit(0)\n        seen = ", "failed: SystemExit"),
    "ends its process": (
        "        seen = ",
        "        __import__('os')._exit(0)\n        seen = ",
        "ended without an answer",
    ),
    "raises an error named after the patient": (
        "        seen = ",
        "        raise type(chart.patient.name.replace(' ', ''), (Exception,), {})\n        seen = ",
        "failed: an error of its own",
    ),
    "cannot be imported": ("\nclass Waist", "\nraise RuntimeError\nclass Waist", "cannot be loaded: RuntimeError"),
    "exits on import": ("\nclass Waist", "\nraise SystemExit(0)\nclass Waist", "cannot be loaded: SystemExit"),
    "lacks a part": ("    licence = ", "    licence_ = ", "a method without licence"),
    "goes in a circle": ("consumes = ()", 'consumes = ("waist-remark",)', "consume each other"),
    "gives a finding of ours": (
        'produces = ("waist-remark",)\n    consumes = ()',
        'produces = ("waist-remark", "egfr")\n    consumes = ("prevent-cvd-10y",)',
        "a finding of salus's own",
    ),
    "takes our name": ('id = "stranger.waist"', 'id = "risk.egfr"', "not the name under which it is installed"),
}


@pytest.mark.parametrize(("old", "new", "what"), BREAKING.values(), ids=BREAKING)
def test_a_broken_stranger_is_reported_and_never_fatal(shop, ward, old, new, what):
    assert old in MODULE
    shop.module.write_text(MODULE.replace(old, new))
    shop.populate(ward)
    shop.run("methods", "allow", "stranger.waist", "--as", "operator")
    said = seen(shop)
    assert what in said
    assert "risk.egfr" in said, "the house's own methods did not run"
    assert "Example" not in said.split("stranger.waist")[-1]
    assert "The stranger" not in said


def test_the_watch_over_imports_sees_one(shop):
    command = [
        sys.executable,
        "-c",
        WATCHED.replace("from salus.cli.main import main", "import waistmethod"),
        str(shop.mark),
    ]
    subprocess.run(command, env=shop.environment, capture_output=True)
    assert shop.mark.exists()


def test_a_package_that_calls_itself_salus_is_a_stranger(shop, ward):
    about = next(shop.site.glob("waistmethod-*.dist-info"))
    text = (about / "METADATA").read_text().replace("Name: waistmethod", "Name: Salus")
    (about / "METADATA").write_text(text)
    assert "runs only when allowed" in next(
        line for line in shop.run("methods").splitlines() if "stranger.waist" in line
    )


def test_a_name_that_two_packages_bring_is_refused_by_name(shop, ward):
    shop.populate(ward)
    about = next(shop.site.glob("waistmethod-*.dist-info"))
    (about / "entry_points.txt").write_text("[salus.methods]\nrisk.egfr = waistmethod:Waist\n")
    assert shop.run("methods").count("risk.egfr ") == 2
    assert "several packages" in shop.run("methods", "allow", "risk.egfr", "--as", "operator", status=1)
    assert "method risk.egfr did not run: several packages" in shop.run("findings", "p1", "--as", "pat")


def test_the_readme_of_methods_keeps_its_promise_of_thirty_lines():
    assert len(textwrap.dedent(MODULE).strip().splitlines()) <= 30
