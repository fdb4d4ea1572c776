"""What a patient's consents amount to: what each decides or why it decides nothing, and whose word it is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from salus.errors import InputError
from salus.trust import consent, consent_drafts, consent_signatures
from salus.trust.consent import Request, Standing
from salus.trust.consent_forms import ACTOR_SYSTEM
from salus.trust.consent_signatures import signature_ref
from salus.trust.datatypes import identifier
from salus.trust.identity import Actor, Identity

AT = datetime(2026, 6, 1, tzinfo=UTC)
KEYS = {name: Identity.generate(name) for name in ("pat", "child", "ann", "ben", "dr-lee")}
ACTORS = [
    Actor("pat", "patient", KEYS["pat"].public_key, "p1"),
    Actor("child", "proxy", KEYS["child"].public_key, "p1"),
    Actor("ann", "operator", KEYS["ann"].public_key, confirmed=True),
    Actor("ben", "practitioner", KEYS["ben"].public_key, confirmed=True),
    Actor("dr-lee", "practitioner", KEYS["dr-lee"].public_key, confirmed=True),
]
NAMED = {actor.id: actor for actor in ACTORS}


def given(**more):
    more = {"permit": ["record"], "actors": ["dr-lee"]} | more
    return consent_drafts.consent_resource(id="c", patient="p1", dated=AT, **more)


def stand(body, signer="pat", **more):
    proof = consent_signatures.sign(body, KEYS[signer], AT, **more)
    return consent.standing([("Consent/c", 3, 17, body)], {"Consent/c": proof}, NAMED, "p1")


@pytest.mark.parametrize(("signer", "word"), [("pat", "patient"), ("child", "child")])
def test_a_signed_consent_is_a_directive_with_its_place_in_the_log_and_whose_word_it_is(signer, word):
    found = stand(given(), signer)
    (directive,) = found.directives
    assert (directive.ref, directive.version, directive.order, directive.signer) == ("Consent/c", 3, 17, word)
    assert directive.dated == AT
    assert (found.ignored, found.opaque) == ((), False)


def test_what_decides_nothing_is_named_with_the_reason():
    revoked = {**given(), "status": "inactive"}
    assert stand(revoked) == Standing((), (("Consent/c", "revoked"),), opaque=False)
    unread = {**given(), "modifierExtension": [{"url": "urn:x"}]}
    found = stand(unread)
    assert (found.directives, found.opaque) == ((), True)
    assert [ref for ref, _ in found.ignored] == ["Consent/c"]
    assert found.ignored[0][1]
    unsigned = consent.standing([("Consent/c", 1, 0, given())], {}, NAMED, "p1")
    assert (unsigned.directives, unsigned.opaque) == ((), False)
    assert "not signed" in unsigned.ignored[0][1]
    paper = stand(given(), "ann", witnessed=True)
    assert (paper.directives, paper.opaque) == ((), False)
    assert "two witnesses" in paper.ignored[0][1]


def test_what_cannot_be_understood_and_is_not_signed_is_no_possible_denial():
    unread = {**given(), "modifierExtension": [{"url": "urn:x"}]}
    assert not consent.standing([("Consent/c", 1, 0, unread)], {}, NAMED, "p1").opaque


def test_the_papers_shown_are_those_that_let_in_with_their_signatures():
    refs = frozenset({"Consent/a", signature_ref("Consent/a"), "Consent/b", signature_ref("Consent/b")})
    standing = Standing(refs=refs)
    assert standing.papers(["Consent/a/2"]) == {"Consent/a", signature_ref("Consent/a")}
    assert standing.papers([]) == frozenset()
    assert standing.papers(["Consent/z/1"]) == frozenset()


def directive(body, **more):
    return replace(consent.parse("Consent/c", 1, body, "p1"), **more)


def fault(body, *signers):
    return consent.witness_fault(directive(body), [NAMED[name] for name in signers])


def ending(days):
    found = given()
    found["provision"]["period"] = {"end": (AT + timedelta(days=days)).date().isoformat()}
    return found


def test_what_the_patient_or_a_proxy_signed_takes_no_witness():
    for signer in ("pat", "child"):
        assert fault(given(), signer) == ""


def test_a_paper_takes_two_confirmed_members_of_staff_none_of_whom_it_lets_in():
    assert fault(ending(30), "ann", "ben") == ""
    assert "two witnesses" in fault(ending(30), "ann")
    assert "two witnesses" in fault(ending(30), "ann", "ann")
    NAMED["new"] = replace(NAMED["ben"], id="new", confirmed=False)
    assert "two witnesses" in fault(ending(30), "ann", "new")
    assert "may not be the one" in fault(ending(30), "ann", "dr-lee")
    assert fault(ending(30), "ann", "ben", "new") == ""


@pytest.mark.parametrize(("days", "holds"), [(30, True), (364, True), (365, True), (366, False), (400, False)])
def test_a_paper_ends_within_a_year(days, holds):
    """Its last day counts whole: a year is 366 days from the day on which it was signed."""
    assert (fault(ending(days), "ann", "ben") == "") is holds


def test_a_paper_without_an_end_or_without_names_lets_nobody_in():
    assert "ends within" in fault(given(), "ann", "ben")
    body = ending(30)
    del body["provision"]["actor"]
    assert "names everybody" in fault(body, "ann", "ben")


def test_a_paper_that_only_denies_takes_one_witness():
    body = given()
    body["provision"]["type"] = "deny"
    assert fault(body, "ann") == ""
    body["provision"]["provision"] = [{"type": "permit"}]
    assert fault(body, "ann") != ""


def test_a_consent_of_another_patient_or_without_a_date_is_not_understood():
    for change in ({"patient": {"reference": "Patient/p2"}}, {"dateTime": None}):
        with pytest.raises(InputError):
            consent.parse("Consent/c", 1, {**given(), **change}, "p1")
    assert consent.parse("Consent/c", 1, {**given(), "status": "inactive"}, "p1") is None


def test_who_is_named_in_a_consent_to_be_let_in_or_kept_out():
    body = given(actors=("dr-lee", "ben"))
    body["provision"]["provision"] = [{"type": "deny", "actor": given(actors=("ann",))["provision"]["actor"]}]
    assert consent.permitted_actors(body) == {"dr-lee", "ben", "ann"}
    assert consent.actors_in(directive(body)) == {identifier(ACTOR_SYSTEM, name) for name in ("dr-lee", "ben", "ann")}
    foreign = {"provision": {"actor": [{"reference": {"identifier": {"system": "urn:x", "value": "dr-lee"}}}]}}
    assert "dr-lee" not in consent.permitted_actors(foreign)
    assert consent.permitted_actors({}) == frozenset()


def test_whether_a_consent_denies_anything_at_any_depth():
    body = given()
    assert consent.denies(body) is False
    body["provision"]["provision"] = [{"type": "permit", "provision": [{"type": "deny"}]}]
    assert consent.denies(body) is True
    assert consent.denies({}) is False


def asked(**more):
    return Request(**{"actor": "dr-lee", "purpose": "TREAT", "category": "record", "action": "read", "at": AT} | more)


def no(**more):
    body = given()
    body["provision"]["type"] = "deny"
    return directive(body, **more)


def yes(**more):
    return directive(given(), **more)


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        ([no(order=1), yes(order=2)], "permit"),  # the patient's own newer word
        ([no(order=2), yes(order=1)], "deny"),
        ([no(order=1), yes(order=2, signer="child")], "deny"),  # a proxy never overrides the patient's denial
        ([no(order=1, signer="child"), yes(order=2)], "permit"),
        ([no(order=2, signer="child"), yes(order=1)], "deny"),
        ([no(order=1, signer="child"), yes(order=2, signer="staff")], "deny"),  # nor staff a proxy's
        ([no(order=1, signer="staff"), yes(order=2, signer="staff")], "permit"),
        ([no(order=2, signer="staff"), yes(order=1, signer="staff")], "deny"),
        ([no(order=1, signer="staff"), yes(order=2, signer="child")], "permit"),
        ([no(order=2, signer="staff"), yes(order=1)], "deny"),
        ([no(order=1), yes(order=1)], "deny"),  # on a tie
        ([yes(dated=AT + timedelta(days=1))], None),  # not in force yet
        ([yes(dated=AT)], "permit"),
        ([], None),
    ],
)
def test_which_of_many_decisions_holds(found, answer):
    for order in (found, found[::-1]):
        assert consent.decide(order, asked())[0] == answer
        assert consent.decide_each(order, asked(category=""), ["record"]).by_category["record"][0] == answer


def test_the_directive_that_decides_is_named():
    old, new = yes(order=1, ref="Consent/old"), yes(order=2, ref="Consent/new")
    assert consent.decide([old, new], asked())[1].ref == "Consent/new"
    assert consent.decide([old, new], asked(actor="dr-no")) == (None, None)
    own, paper = no(order=1, ref="Consent/no"), yes(order=2, ref="Consent/paper", signer="staff")
    assert consent.decide([own, paper], asked())[1].ref == "Consent/no"
