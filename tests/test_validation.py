"""The checks themselves: each can fail, says what it covers, and counts every case once."""

import importlib
import json
import re
from pathlib import Path

import pytest

from validation import _mutants
from validation.__main__ import checks
from validation._report import (
    Mutant,
    Outcome,
    Split,
    Tally,
    Truth,
    digest,
    first_half,
    report,
    sha256,
    split_of,
    wilson,
)

ROOT = Path(__file__).parents[1]
CHECKS = [".".join(check) for check in checks()]
LEAST = {"trust.tamper": 2, "trust.erasure": 1, "trust.leaks": 1, "trust.front": 2}
"""Checks of minutes list fewer mutants than three."""


@pytest.mark.parametrize("check", CHECKS)
def test_mutants_are_listed_beside_every_check_and_fit_the_code(check):
    mutants, _ = _mutants.listed(check)
    assert len(mutants) >= LEAST.get(check, 3)
    for mutant in mutants:
        text = (ROOT / "src" / mutant.file).read_text("utf-8")
        assert text.count(mutant.old) == 1, f"{mutant.file}: {mutant.says}"
        assert mutant.new != mutant.old
        assert mutant.says


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_says_what_it_covers_and_is_listed_for_readers(check):
    source = (ROOT / "validation" / Path(*check.split("."))).with_suffix(".py").read_text("utf-8")
    assert importlib.import_module(f"validation.{check}").__doc__
    for said in ("covers=", "truth=", "split=", "tally="):
        assert said in source
    assert f"`{check}`" in (ROOT / "docs" / "validation.md").read_text("utf-8")


def test_a_tally_counts_every_case_once_and_passes_only_what_is_right_or_rightly_refused():
    tally = Tally()
    for outcome in Outcome:
        tally.add(f"case {outcome}", outcome, "because")
    tally.add_many(Outcome.RIGHT, 4)
    assert tally.n == 10
    assert tally.passed == 6
    assert tally.outcomes() == {
        "right": 5,
        "wrong": 1,
        "refused_rightly": 1,
        "refused_though_answerable": 1,
        "abstained": 1,
        "not_read": 1,
    }
    assert [f["outcome"] for f in tally.failures] == ["wrong", "refused_though_answerable", "not_read"]
    assert Tally.of([("a", True), ("b", False)], "no").failures == [{"id": "b", "outcome": "wrong", "why": "no"}]


def told(tally, capsys, **more):
    known = {"check": "x.y", "data": Path("here"), "covers": "something", "truth": Truth.OUTSIDE, "split": Split.UNSEEN}
    status = report(tally=tally, as_json=True, **(known | more))
    return status, json.loads(capsys.readouterr().out)


def test_a_check_holds_when_all_pass_and_falls_without_data(capsys):
    status, found = told(Tally.of([("a", True), ("b", True)]), capsys)
    assert (status, found["n"], found["passed"]) == (0, 2, 2)
    assert (found["truth"], found["split"], found["covers"]) == ("outside", "unseen", "something")
    assert told(Tally.of([("a", True), ("b", False)]), capsys)[0] == 1
    assert told(Tally.of([("a", True), ("b", False)]), capsys, ok=True)[0] == 0
    assert told(Tally(), capsys, ok=True)[0] == 1
    abstained = Tally()
    abstained.add("a", Outcome.ABSTAINED)
    assert told(abstained, capsys)[0] == 1


def test_a_share_has_wilsons_interval():
    assert wilson(81, 263) == (0.2553, 0.3662)  # Newcombe RG, Stat Med 1998;17:857-872, table I: 0.2553 to 0.3662
    assert wilson(0, 20) == (0.0, 0.1611)  # the same: 0.0000 to 0.1611
    assert wilson(0, 0) is None


def test_what_was_developed_on_is_known_by_its_digest_and_the_halves_by_their_names(tmp_path):
    seen, other = tmp_path / "seen", tmp_path / "other"
    seen.write_text("a")
    other.write_text("b")
    assert split_of([other, seen], [sha256(seen)[:16]]) is Split.DEVELOPED
    assert split_of([other], [sha256(seen)[:16]]) is Split.UNSEEN
    assert split_of([seen], ()) is Split.UNSEEN
    assert digest([seen, other]) == digest([other, seen]) != digest([seen])
    half = [first_half(str(n)) for n in range(1000)]
    assert 450 < sum(half) < 550
    assert first_half("101") is True
    assert first_half("108") is False


class Runs:
    """Stands for running a check: the given answers one after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self, check, folder, source, arguments):
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("answers", "noticed"),
    [
        ([(0, 5, ""), (1, 5, "")], [True, True]),
        ([(0, 5, ""), (0, 5, "")], [True, False]),  # it holds although the code is broken
        ([(0, 5, ""), (1, None, "Traceback")], [True, False]),  # it breaks, which proves nothing
        ([(0, 5, ""), (1, 0, "")], [True, False]),  # it finds no case
        ([(1, 5, "")], [False]),  # it does not hold on the code as it is
    ],
)
def test_a_mutant_is_noticed_only_when_the_check_falls_by_its_own_verdict(answers, noticed, monkeypatch, tmp_path):
    (tmp_path / "salus").mkdir()
    (tmp_path / "salus" / "one.py").write_text("LIMIT = 1\n")
    mutant = Mutant("salus/one.py", "LIMIT = 1", "LIMIT = 2", "the limit is another")
    monkeypatch.setattr(_mutants, "SOURCE", tmp_path)
    monkeypatch.setattr(_mutants, "listed", lambda check: ((mutant,), ()))
    monkeypatch.setattr(_mutants, "run", Runs(*answers))
    verdicts = _mutants.judge("x.y", tmp_path)
    assert [v.noticed for v in verdicts] == noticed
    assert (tmp_path / "salus" / "one.py").read_text() == "LIMIT = 1\n", "the code itself was changed"


def test_a_mutant_that_does_not_fit_is_told_and_a_check_without_any_is_a_fault(monkeypatch, tmp_path):
    (tmp_path / "salus").mkdir()
    (tmp_path / "salus" / "one.py").write_text("A = 1\nA = 1\n")
    listed = [Mutant("salus/one.py", "A = 1", "A = 2", "twice"), Mutant("salus/no.py", "A", "B", "no file")]
    monkeypatch.setattr(_mutants, "SOURCE", tmp_path)
    monkeypatch.setattr(_mutants, "listed", lambda check: (tuple(listed), ()))
    monkeypatch.setattr(_mutants, "run", Runs((0, 5, "")))
    assert [(v.noticed, v.why) for v in _mutants.judge("x.y", tmp_path)] == [
        (True, "5 cases"),
        (False, "its old text stands 2 times in the file"),
        (False, "there is no such file"),
    ]
    monkeypatch.setattr(_mutants, "listed", lambda check: ((), ()))
    assert not _mutants.judge("x.y", tmp_path)[0].noticed


def test_readme_holds_no_figure_but_those_of_the_cards():
    """Between the marks a script writes; outside them no sentence states a measured figure."""
    text = (ROOT / "README.md").read_text("utf-8")
    for name in ("capabilities", "methods"):
        text = re.sub(rf"<!-- {name}: made.*?<!-- /{name} -->", "", text, flags=re.DOTALL)
    assert not re.findall(r"\b\d+ of \d+\b|F1|AUC|\bauc\b|\d(?:\.\d+)? ?%", text)
