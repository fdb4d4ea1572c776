"""Packages of strangers, laid out as an installer leaves them, for tests of the sandbox."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from salus.app.sandbox.process import Limits, confined
from salus.findings import registry
from salus.findings.pinned import Pin
from salus.findings.registry import Listed
from salus.findings.runner import run
from salus.record.chart import Chart
from tests.conftest import creatinine, person
from tests.findings.made import Made
from tests.findings.made import finding as made_finding

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SHORT = Limits(processor=2, seconds=8.0)

METHOD = """
from salus.findings.model import Evidence, Finding, Proposal


class Strange:
    id = "stranger.probe"
    version = "1"
    title = "A stranger's method"
    intended_use = "to be kept in a sandbox"
    inputs = {inputs!r}
    produces = ("probe",)
    consumes = {consumes!r}
    population = "anybody"
    references = ("none",)
    licence = "Apache-2.0"
    limits = ("made up",)

    def run(self, chart, context):
{run}


def finding(chart, sentence, **more):
    parts = dict(status="ok", no_uncertainty="a probe", evidence=(Evidence(chart.patient.source),))
    return Finding(code="probe", sentence=sentence, **{{**parts, **more}})
"""


class Site:
    """A folder of installed packages on the path of this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, files: dict[str, str], *, entry: str = "", requires: tuple[str, ...] = ()) -> None:
        """Lay out distribution ``name`` with ``files``; ``entry`` is the object of its method."""
        about = self.folder / f"{re.sub('[-_.]+', '_', name)}-1.0.dist-info"
        about.mkdir()
        needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
        written = {
            **files,
            f"{about.name}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}",
        }
        if entry:
            written[f"{about.name}/entry_points.txt"] = f"[salus.methods]\nstranger.probe = {entry}\n"
        written[f"{about.name}/RECORD"] = "".join(f"{path},,\n" for path in [*written, f"{about.name}/RECORD"])
        for path, text in written.items():
            place = self.folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)

    def method(
        self,
        run: str,
        *,
        before: str = "",
        inputs: tuple[str, ...] = ("record",),
        consumes: tuple[str, ...] = (),
        requires: tuple[str, ...] = (),
        **files: str,
    ) -> None:
        """Install the package ``probing`` whose method does ``run``; ``before`` runs when it is imported."""
        body = "\n".join(" " * 8 + line for line in run.strip("\n").splitlines())
        module = before + METHOD.format(run=body, inputs=inputs, consumes=consumes)
        self.install("probing", {"probing/__init__.py": module, **files}, entry="probing:Strange", requires=requires)

    @property
    def listed(self) -> Listed:
        """The method as the registry lists it."""
        return next(m for m in registry.listed() if m.name == "stranger.probe")

    @property
    def pin(self) -> Pin:
        """What it is made of now."""
        return registry.pin(self.listed)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An empty folder of packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return Site(folder)


def chart(*more, blobs=None, findings=()):
    """A chart with a person and a creatinine."""
    entries = [person(), creatinine("1.1", "2026-01-01", "c1"), *more]
    return Chart.of(entries, now=NOW, blobs=blobs, findings=findings)


def outcome(site, given=None, *, bounds=SHORT, context=None, packs=()):
    """The run of the stranger's method together with one of ours."""
    method = confined(site.listed, site.pin, packs, bounds)
    ours = Made("z.ours", lambda *_: [made_finding("egfr")])
    contexts = {method.id: context} if context else None
    return run([method, ours], given or chart(), contexts=contexts)


def found(site, given=None, **more):
    """The stranger's findings; our own method always goes on."""
    done = outcome(site, given, **more)
    assert not done.failures, done.failures
    assert [f.sentence for f in done.findings if f.method == "z.ours"] == ["eGFR 55."]
    return [f for f in done.findings if f.method == "stranger.probe"]


def said(site, given=None, **more):
    """The sentences of the stranger's findings."""
    return [f.sentence for f in found(site, given, **more)]


def failed(site, given=None, **more):
    """Why the stranger's method failed."""
    done = outcome(site, given, **more)
    assert [f.method for f in done.findings] == ["z.ours"], "the rest of the run goes on"
    (failure,) = done.failures
    assert failure.method == "stranger.probe"
    return failure.why
