"""The command line over a fresh store with people and one person's data, run inside this process."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from salus.cli.main import main
from tests.intake import made

SETTINGS = ("STORE", "KEYS", "IDENTITIES", "KNOWLEDGE")


@dataclass
class Done:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


class Town:
    """Runs commands; ``salus`` expects status 0, ``fails`` any other, and both that nothing was a traceback."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch, self._capsys = monkeypatch, capsys
        for name in SETTINGS:
            monkeypatch.setenv(f"SALUS_{name}", str(folder / name.lower()))
        monkeypatch.delenv("SALUS_AS", raising=False)
        monkeypatch.chdir(folder)

    def run(self, *arguments: object) -> Done:
        self._monkeypatch.setattr(sys, "argv", ["salus", *map(str, arguments)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = self._capsys.readouterr()
        return Done(int(stopped.value.code or 0), captured.out, captured.err)

    def salus(self, *arguments: object) -> str:
        done = self.run(*arguments)
        assert done.status == 0, f"{arguments}: {done.text}"
        return done.out

    def fails(self, *arguments: object) -> str:
        done = self.run(*arguments)
        assert done.status != 0, f"{arguments} did not fail: {done.out}"
        assert "Traceback" not in done.err
        return done.err

    def populate(self) -> None:
        """A store with an operator, two practitioners, two patients, and the data of p1."""
        self.salus("init", "--alone")
        for name, kind, patient in (
            ("dr-lee", "practitioner", ""),
            ("dr-no", "practitioner", ""),
            ("pat", "patient", "p1"),
            ("pip", "patient", "p2"),
            ("clinic", "organisation", ""),
        ):
            more = ["--patient", patient] if patient else []
            self.salus("actor", "add", name, "--kind", kind, *more, "--by", "operator")
        self.salus("intake", made.folder(self.folder / "in"), "--as", "operator")

    def consent(self, *arguments: object) -> str:
        """Let dr-lee read; returns the consent's id."""
        said = self.salus("consent", "give", "p1", "--to", "dr-lee", "--as", "pat", *arguments)
        return said.split()[1]


@pytest.fixture
def empty(tmp_path, monkeypatch, capsys):
    return Town(tmp_path, monkeypatch, capsys)


@pytest.fixture
def town(empty):
    empty.populate()
    return empty
