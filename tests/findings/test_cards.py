"""Cards: what is measured for this version is shown, and only that."""

from dataclasses import replace

import pytest

from salus.fhir import json
from salus.findings import cards
from salus.findings.measured_code import digest
from salus.findings.registry import capabilities, listed, runnable

METHODS = runnable({})[0]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.id)
def test_every_method_has_a_card_that_says_what_it_is_for(method):
    card = cards.card(method)
    text = "\n".join(card.lines())
    for part in (card.title, card.intended_use, card.population, card.licence, *card.limits, *card.references):
        assert part.strip()
        assert part in text
    assert card.references
    assert card.limits
    assert cards.NOT_A_DEVICE in text
    assert (cards.NOT_PROVIDED in text) == (not card.measured)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.id)
def test_figures_of_another_version_read_not_provided(method, monkeypatch):
    monkeypatch.setattr(type(method), "version", "0.0.0-other", raising=False)
    if method.version != "0.0.0-other":
        object.__setattr__(method, "version", "0.0.0-other")
    assert cards.card(method).measured == ()


def test_packaged_cards_belong_to_what_is_there():
    from importlib.resources import files

    folder = files("salus").joinpath("cards")
    known = {m.id for m in [*METHODS, *capabilities()]}
    for path in folder.iterdir() if folder.is_dir() else ():
        packaged = json.loads(path.read_bytes())
        assert path.name == f"{packaged['method']}.json"
        assert packaged["method"] in known
        for check in packaged["checks"]:
            assert sum(check["outcomes"].values()) == check["n"]
            assert check["passed"] == sum(check["outcomes"].get(name, 0) for name in ("right", "refused_rightly"))
            assert check["data"]


ROOTS = ("salus.risk.engine",)
MEASURED = cards.Measured(
    check="risk.made-up",
    held=True,
    n=23,
    passed=21,
    outcomes={"right": 20, "wrong": 0, "refused_rightly": 1, "abstained": 2},
    covers="what was made up here",
    truth="outside",
    split="unseen",
    figures={"auc": 1},
    intervals={},
    developed=None,
    data={"folder": "here", "files": 1, "sha256": "0" * 64},
    code={"roots": list(ROOTS), "sha256": digest(ROOTS)},
)


def test_only_a_check_on_the_truth_of_others_and_unseen_cases_proves_anything():
    assert MEASURED.proves
    assert not MEASURED.caveats
    for lacking, caveat in (
        ({"held": False}, "did not hold"),
        ({"truth": "own"}, "salus's own"),
        ({"split": "developed"}, "developed on these cases"),
    ):
        lesser = replace(MEASURED, **lacking)
        assert not lesser.proves
        assert caveat in lesser.summary


def test_a_figure_of_an_earlier_code_says_so():
    earlier = replace(MEASURED, code={"roots": list(ROOTS), "sha256": "0" * 64})
    assert MEASURED.current
    assert not earlier.current
    assert "measured for an earlier code" in earlier.summary
    card = replace(cards.find("risk.prevent"), measured=(MEASURED, earlier))
    assert not card.current
    assert "measured for an earlier code" in card.standing


def test_a_card_is_proven_by_one_such_check_and_lost_by_one_that_fell():
    card = replace(cards.find("risk.prevent"), measured=(MEASURED, replace(MEASURED, truth="own")))
    assert card.proven
    assert "truth of others" in card.standing
    assert not replace(card, measured=(replace(MEASURED, truth="own"),)).proven
    fallen = replace(card, measured=(MEASURED, replace(MEASURED, held=False)))
    assert not fallen.proven
    assert fallen.standing == "measured, a check did not hold"
    assert replace(card, measured=()).standing == "not measured"


def test_a_summary_tells_how_the_cases_ended():
    assert "n 23: 20 right, 1 refused rightly, 2 abstained on here" in MEASURED.summary


def test_our_methods_are_listed_under_their_ids():
    assert {m.name for m in listed() if m.ours} == {m.id for m in METHODS}
