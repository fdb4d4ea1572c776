"""Policies: whom a rule means, when it holds, and that only a whole and signed document is one."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from salus.errors import InputError
from salus.fhir.views import CATEGORIES
from salus.trust import policy
from salus.trust.identity import Actor, Identity

CLINIC = Identity.generate("clinic")
ACTORS = {
    "clinic": Actor("clinic", "organisation", CLINIC.public_key),
    "dr-lee": Actor("dr-lee", "practitioner", Identity.generate("dr-lee").public_key, confirmed=True),
    "dr-new": Actor("dr-new", "practitioner", Identity.generate("dr-new").public_key, confirmed=False),
    "dr-op": Actor("dr-op", "operator", Identity.generate("dr-op").public_key, confirmed=True),
    "dr-pat": Actor("dr-pat", "patient", Identity.generate("dr-pat").public_key, "p1", confirmed=True),
}
RULE = {
    "basis": "treatment",
    "actors": ["dr-*"],
    "patients": ["w-*"],
    "purposes": ["TREAT"],
    "categories": ["record"],
    "overrides-denial": False,
}


def document(**more):
    rule = RULE | more.pop("rule", {})
    return {"id": "ward", "organisation": "clinic", "from": "2026-01-10", "to": "2026-03-31", "rules": [rule], **more}


def read(body, signed=True):
    return policy.parse(policy.sign(body, CLINIC) if signed else body, ACTORS)


def match(rule=None, actor="dr-lee", patient="w-1", purpose="TREAT", at=datetime(2026, 2, 1, tzinfo=UTC), **more):
    return read(document(rule=rule or {}, **more)).match(ACTORS[actor], patient, purpose, at)


def test_a_rule_is_read_as_it_was_written():
    (found,) = match()
    assert found == policy.Rule("treatment", ("dr-*",), ("w-*",), frozenset({"TREAT"}), frozenset({"record"}), False)
    assert match({"overrides-denial": True})[0].overrides_denial


@pytest.mark.parametrize(
    ("rule", "request_", "holds"),
    [
        ({}, {}, True),
        ({}, {"patient": "x-1"}, False),
        ({}, {"purpose": "HRESCH"}, False),
        ({"purposes": ["HRESCH", "TREAT"]}, {}, True),
        ({"patients": ["x-*", "w-1"]}, {}, True),
        ({"patients": ["w-2"]}, {}, False),
        ({"actors": ["dr-kim", "dr-lee"]}, {}, True),
        ({"actors": ["dr-kim"]}, {}, False),
        ({}, {"actor": "dr-new"}, False),  # whom one person alone made, no pattern means
        ({}, {"actor": "dr-op"}, False),
        ({}, {"actor": "dr-pat"}, False),
        ({"actors": ["*"]}, {"actor": "clinic"}, False),
        ({"actors": ["dr-new"]}, {"actor": "dr-new"}, True),  # but a name does
        ({"actors": ["dr-op"]}, {"actor": "dr-op"}, True),
        ({"actors": ["DR-*"]}, {}, False),
    ],
)
def test_whom_a_rule_means(rule, request_, holds):
    assert bool(match(rule, **request_)) is holds


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        (datetime(2026, 1, 9, 23, 59, 59, tzinfo=UTC), False),
        (datetime(2026, 1, 10, tzinfo=UTC), True),
        (datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 4, 1, tzinfo=UTC), False),
        (datetime(2030, 1, 1, tzinfo=UTC), False),
    ],
)
def test_it_holds_from_its_first_day_to_the_end_of_its_last(at, holds):
    assert bool(match(at=at)) is holds


def test_without_an_end_it_holds_for_good():
    body = {k: v for k, v in document().items() if k != "to"}
    found = read(body)
    assert found.end is None
    assert found.match(ACTORS["dr-lee"], "w-1", "TREAT", datetime(2099, 1, 1, tzinfo=UTC))
    assert not found.match(ACTORS["dr-lee"], "w-1", "TREAT", datetime(2026, 1, 9, tzinfo=UTC))


@pytest.mark.parametrize("basis", policy.BASES)
def test_every_basis_and_every_kind_of_data_may_be_named(basis):
    (found,) = match({"basis": basis, "categories": list(CATEGORIES)})
    assert (found.basis, found.categories) == (basis, frozenset(CATEGORIES))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"rule": {"basis": "consent"}}, "rules[0].basis"),
        ({"rule": {"basis": None}}, "rules[0].basis"),
        ({"rule": {"actors": []}}, "rules[0].actors"),
        ({"rule": {"actors": [""]}}, "rules[0].actors"),
        ({"rule": {"actors": [7]}}, "rules[0].actors"),
        ({"rule": {"actors": ["dr-lee", 7]}}, "rules[0].actors"),
        ({"rule": {"purposes": ["TREAT", ""]}}, "rules[0].purposes"),
        ({"rule": {"actors": "dr-*"}}, "rules[0].actors"),
        ({"rule": {"patients": None}}, "rules[0].patients"),
        ({"rule": {"purposes": []}}, "rules[0].purposes"),
        ({"rule": {"categories": []}}, "rules[0].categories"),
        ({"rule": {"categories": ["record", "everything"]}}, "rules[0].categories"),
        ({"rule": {"overrides-denial": None}}, "rules[0].overrides-denial"),
        ({"rule": {"overrides-denial": "no"}}, "rules[0].overrides-denial"),
        ({"rules": ["all"]}, "rules[0].basis"),
        ({"rules": [RULE, RULE | {"basis": "any"}]}, "rules[1].basis"),
        ({"rules": []}, None),
        ({"rules": RULE}, None),
        ({"id": None}, None),
        ({"from": "soon"}, None),
        ({"to": "soon"}, None),
        ({"organisation": "dr-lee"}, "organisation"),
        ({"organisation": "nobody"}, "organisation"),
    ],
)
def test_a_document_with_anything_else_in_it_is_none(change, where):
    with pytest.raises(InputError) as refused:
        read(document(**change))
    assert where is None or refused.value.where == where
    assert type(refused.value) is InputError


@pytest.mark.parametrize("signature", ["", "####", "AAAA", 7, None])
def test_a_document_without_the_organisations_signature_is_none(signature):
    with pytest.raises(InputError, match="signature"):
        read(document(signature=signature), signed=False)


def test_a_signature_with_anything_between_its_letters_is_none():
    signed = policy.sign(document(), CLINIC)
    for signature in ("#" + signed["signature"], signed["signature"][:8] + "\n" + signed["signature"][8:]):
        with pytest.raises(InputError, match="cannot be read"):
            policy.parse(signed | {"signature": signature}, ACTORS)


def test_the_order_in_which_members_are_written_is_no_part_of_what_is_signed():
    signed = policy.sign(document(), CLINIC)
    again = dict(reversed(signed.items()))
    again["rules"] = [dict(reversed(rule.items())) for rule in signed["rules"]]
    assert policy.parse(again, ACTORS) == policy.parse(signed, ACTORS)


def test_whatever_is_changed_after_it_was_signed_breaks_the_signature():
    signed = policy.sign(document(), CLINIC)
    assert policy.parse(signed, ACTORS).id == "ward"
    for change in ({"id": "other"}, {"to": "2027-03-31"}, {"rules": [RULE | {"overrides-denial": True}]}):
        with pytest.raises(InputError, match="not the organisation's"):
            policy.parse(signed | change, ACTORS)
    stranger = {**ACTORS, "clinic": replace(ACTORS["clinic"], public_key=Identity.generate("clinic").public_key)}
    with pytest.raises(InputError, match="not the organisation's"):
        policy.parse(signed, stranger)
