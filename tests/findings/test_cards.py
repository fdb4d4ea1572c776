"""Cards: what is measured for this version is shown, and only that."""

import pytest

from salus.fhir import json
from salus.findings import cards
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
            assert 0 <= check["passed"] <= check["n"]
            assert check["data"]


def test_our_methods_are_listed_under_their_ids():
    assert {m.name for m in listed() if m.ours} == {m.id for m in METHODS}
