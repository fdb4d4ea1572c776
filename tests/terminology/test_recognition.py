"""The scorer of recognition: what counts as recognised, wrong, in part."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from validation._report import Outcome, Tally
from validation.person import recognition

HEADER = "file\tset\tkind\tcodes\ttext\tstatus\tvalue\texpected\taspect"


def _folder(tmp_path: Path, *rows: str) -> Path:
    samples = tmp_path / "samples"
    samples.mkdir()
    (samples / "a.json").write_text("{}", "utf-8")
    (samples / "contents.tsv").write_text("\n".join((HEADER, *rows)) + "\n", "utf-8")
    return samples


def _row(kind: str, codes: str, text: str, expected: str, aspect: str = "active", value: str = "") -> str:
    return f"a\tdev\t{kind}\t{codes}\t{text}\tactive\t{value}\t{expected}\t{aspect}"


@pytest.mark.parametrize(
    ("row", "recognised", "wrong", "in_part"),
    [
        (_row("condition", "http://hl7.org/fhir/sid/icd-10-cm|E11.65", "", "diabetes-type-2"), 1, 0, 0),
        (_row("condition", "http://hl7.org/fhir/sid/icd-10-cm|E11.65", "", "asthma"), 0, 1, 0),
        (_row("condition", "", "Family history of diabetes", "-", "family"), 0, 0, 0),
        (_row("condition", "", "Diabetes", "-", "family"), 0, 1, 0),
        (_row("condition", "", "Zxqv", "asthma"), 0, 0, 0),
        (_row("medicine", "", "losartan/HCTZ", "losartan+hydrochlorothiazide"), 1, 0, 0),
        (_row("medicine", "", "losartan", "losartan+hydrochlorothiazide"), 0, 0, 1),
        (_row("medicine", "", "losartan", "valsartan"), 0, 1, 0),
        (_row("medicine", "", "Tablet [ingredient: 33395,X losartan ; hydrochlorothiazide]", "losartan+hct"), 1, 0, 0),
        (_row("observation", "http://loinc.org|2160-0", "", "creatinine", value="1 mg/dL"), 1, 0, 0),
        (_row("observation", "http://loinc.org|33914-3", "", "egfr", value="80 mL/min"), 1, 0, 0),
        (_row("observation", "http://loinc.org|2160-0", "", "potassium"), 0, 1, 0),
    ],
)
def test_rows(tmp_path: Path, row: str, recognised: int, wrong: int, in_part: int) -> None:
    tally = Tally()
    total = recognition.score(_folder(tmp_path, row), tally)[row.split("\t")[2]]
    assert (total.n, total.recognised, total.wrong, total.in_part) == (1, recognised, wrong, in_part)
    assert (tally.n, tally.counts[Outcome.RIGHT]) == (1, recognised)
    assert not (wrong or in_part) or tally.counts[Outcome.WRONG] == 1


def test_unsure_rows_and_rows_without_a_file_are_not_read(tmp_path: Path) -> None:
    tally = Tally()
    other = _row("condition", "", "Asthma", "asthma").replace("a\t", "b\t", 1)
    scores = recognition.score(_folder(tmp_path, _row("condition", "", "Asthma", "?asthma"), other), tally)
    assert (scores["condition"].n, scores["condition"].unsure) == (0, 1)
    assert (tally.n, tally.counts[Outcome.NOT_READ], tally.passed) == (2, 2, 0)


def test_systems_with_blanks() -> None:
    found = recognition.codings("http://x/Stærke vitaminer m.v.|526 http://www.whocc.no/atc|N06AX25")
    assert [(code.system, code.code) for code in found] == [
        ("http://x/Stærke vitaminer m.v.", "526"),
        ("http://www.whocc.no/atc", "N06AX25"),
    ]


@pytest.mark.parametrize(("rows", "status"), [((), 1), ((_row("condition", "", "Asthma", "asthma"),), 0)])
def test_status(
    tmp_path: Path,
    rows: tuple[str, ...],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _folder(tmp_path, *rows)
    monkeypatch.setattr("sys.argv", ["recognition", "--data", str(tmp_path), "--json"])
    assert recognition.main() == status
    assert json.loads(capsys.readouterr().out)["n"] == len(rows)
