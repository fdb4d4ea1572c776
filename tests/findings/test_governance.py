"""Cards in the forms that regulation asks for: nothing is left out, nothing invented."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from salus.findings import cards, chai
from salus.findings.card_page import to_html
from salus.findings.registry import capabilities
from salus.findings.source_attributes import NOT_PROVIDED, attributes

DESCRIBED = cards.described()
NS = f"{{{chai.NAMESPACE}}}"


@pytest.fixture
def card():
    return cards.find("risk.prevent")


@pytest.mark.parametrize("each", DESCRIBED, ids=lambda d: d.id)
def test_every_card_has_its_31_source_attributes_in_order(each):
    rows = attributes(cards.card(each))
    assert [row.n for row in rows] == list(range(1, 32))
    assert len({row.key for row in rows}) == 31
    assert all(row.value.strip() for row in rows)
    page = to_html(cards.card(each))
    assert len(re.findall(r"<dt>\d+\. ", page)) == 31


@pytest.mark.parametrize("each", DESCRIBED, ids=lambda d: d.id)
def test_every_card_is_xml_with_no_empty_statement(each):
    root = ElementTree.fromstring(chai.to_xml(cards.card(each)))
    assert [e.tag.removeprefix(NS) for e in root] == [
        "BasicInfo",
        "ReleaseInfo",
        "ModelSummary",
        "UsesAndDirections",
        "Warnings",
        "TrustIngredients",
        "KeyMetrics",
        "Resources",
        "Bibliography",
    ]
    assert all((leaf.text or "").strip() for leaf in root.iter() if not len(leaf) and leaf.tag != f"{NS}Keywords")


def test_what_was_not_measured_is_not_provided(card):
    bare = replace(card, measured=())
    unknown = {row.key for row in attributes(bare) if not row.provided}
    assert {"validation_data_source", "performance_external_validity", "performance_external_fairness"} <= unknown
    assert not bare.held
    results = ElementTree.fromstring(chai.to_xml(bare)).iter(f"{NS}MetricResult")
    assert {(r[0].text, r[1].text) for r in results} == {(NOT_PROVIDED, "null")}


def test_what_the_author_states_comes_before_what_holds_for_all(card):
    stated = replace(card, facts={"purpose_intended_users": "cardiologists", "nonsense": "x"})
    rows = {row.key: row.value for row in attributes(stated)}
    assert rows["purpose_intended_users"] == "cardiologists"
    assert "nonsense" not in rows


def test_a_check_that_did_not_hold_takes_the_sign_away(card):
    assert card.held
    fallen = replace(card, measured=(*card.measured, replace(card.measured[0], held=False)))
    assert not fallen.held
    assert "did not hold" in to_html(fallen)


def test_hostile_statements_never_become_markup(card):
    hostile = replace(card, title="<script>alert(1)</script>", limits=("</dd><b>x",))
    assert "<script>" not in to_html(hostile)
    assert (
        ElementTree.fromstring(chai.to_xml(hostile)).find(f"{NS}BasicInfo/{NS}ModelName").text.endswith(hostile.title)
    )


def test_capabilities_are_described_like_methods():
    assert capabilities()
    for each in capabilities():
        assert each.id.count(".") == 1
        assert all((each.title, each.intended_use, each.population, each.licence, each.limits, each.references))
