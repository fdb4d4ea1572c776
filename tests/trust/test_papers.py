"""Consents on paper, vouched for by staff; and which of many decisions holds."""

import random
from dataclasses import dataclass
from datetime import timedelta

import pytest

from salus.app.session import Session
from salus.errors import AccessError, InputError
from salus.trust import consent, consent_drafts, consent_forms, consent_signatures
from salus.trust.consent import Directive, Request
from salus.trust.datatypes import identifier
from salus.trust.identity import Actor, Identity
from salus.trust.provisions import ConsentForm, Provision
from tests.conftest import AT
from tests.trust.test_gate import deny, fill, leaves, look

UNTIL = "2026-12-31"


@pytest.fixture
def nurse(ward):
    identity = Identity.generate("nurse")
    ward.house.add_actor(Actor("nurse", "practitioner", identity.public_key), by="operator")
    return identity


def paper(ward, first, change=None, **more):
    """A paper with the word of one witness, as (Consent, Provenance)."""
    session = Session(ward.house, first)
    asked = {"actors": ["dr-lee"], "categories": ["record"], "until": UNTIL, **more}
    body = session.drafted("p1", ward.time, **asked)
    if change:
        change(body)
    return session.witness(body)


def test_a_paper_opens_with_two_witnesses_and_the_patient_is_told(ward, nurse):
    fill(ward)
    one = paper(ward, ward.operator)
    with pytest.raises(InputError, match="two witnesses"):
        Session(ward.house, ward.operator).file_consent("p1", *one)
    with pytest.raises(AccessError):
        look(ward)
    Session(ward.house, nurse).countersign("p1", *one)
    assert look(ward)[1].basis == "consent"
    filed = [e["notice"] for e in Session(ward.house, ward.patient).accesses("p1") if "notice" in e]
    assert filed == ["consent"]


def nobody_named(body):
    del body["provision"]["actor"]


def nobody_in_the_exception(body):
    rule = body["provision"]
    rule["type"] = "deny"
    rule["provision"] = [{"type": "permit"}]
    del rule["actor"]


def himself(body):
    body["provision"]["actor"][0]["reference"]["identifier"]["value"] = "nurse"


def endless(body):
    del body["provision"]["period"]["end"]


def too_long(body):
    body["provision"]["period"]["end"] = "2027-07-01"


def ahead(body):
    body["dateTime"] = "2026-07-01T00:00:00Z"


FAULTS = {
    nobody_named: "names everybody",
    nobody_in_the_exception: "names everybody",
    himself: "one whom it lets in",
    endless: "ends within",
    too_long: "ends within",
    ahead: "not ahead",
}


@pytest.mark.parametrize("change", FAULTS, ids=lambda f: f.__name__)
def test_a_paper_names_others_and_ends(ward, nurse, change):
    fill(ward)
    one = paper(ward, ward.operator, change)
    with pytest.raises(InputError, match=FAULTS[change]):
        Session(ward.house, nurse).countersign("p1", *one)
    with pytest.raises(AccessError):
        look(ward)


@pytest.mark.parametrize("change", [nobody_named, himself, endless], ids=lambda f: f.__name__)
def test_such_a_paper_opens_nothing_either_where_it_came_into_the_store_otherwise(ward, nurse, change):
    """By an earlier release of salus, say."""
    fill(ward)
    body, proof = paper(ward, ward.operator, change)
    both = consent_signatures.countersign(body, proof, nurse, AT)
    found = consent.standing([("Consent/c", 1, 5, body)], {"Consent/c": both}, ward.house.registry.ever, "p1")
    assert not found.directives
    assert not found.opaque


def test_one_key_under_two_names_is_one_witness(ward, nurse):
    fill(ward)
    body, proof = paper(ward, ward.operator)
    again = consent_signatures.countersign(body, proof, Identity("operator", ward.operator.key), AT)
    with pytest.raises(InputError, match="two witnesses"):
        Session(ward.house, nurse).file_consent("p1", body, again)
    with pytest.raises(InputError, match="key"):
        ward.house.add_actor(Actor("twin", "practitioner", ward.operator.public_key), by="operator")


def test_an_actor_in_another_role_is_not_let_in(ward):
    fill(ward)
    session = Session(ward.house, ward.patient)
    body = session.drafted("p1", AT, actors=["dr-lee"], categories=["record"])
    body["provision"]["actor"][0]["role"]["coding"][0]["code"] = "CST"
    with pytest.raises(InputError, match="role"):
        session.file_consent("p1", body, consent_signatures.sign(body, ward.patient, AT))


def test_the_patient_ends_a_paper_at_once(ward, nurse):
    fill(ward)
    body, proof = paper(ward, ward.operator)
    Session(ward.house, nurse).countersign("p1", body, proof)
    assert look(ward)
    Session(ward.house, ward.patient).revoke("p1", body["id"])
    with pytest.raises(AccessError):
        look(ward)


def test_no_paper_opens_what_the_patient_denied_once_or_twice(ward, nurse):
    """The second denial used to end what the first one barred."""
    fill(ward)
    mine = Session(ward.house, ward.patient)
    for times in (1, 2):
        deny(mine)
        ward.time = AT + timedelta(days=times)
        Session(ward.house, nurse).countersign("p1", *paper(ward, ward.operator))
        with pytest.raises(AccessError):
            look(ward)


def test_staff_end_no_denial_of_the_patient_and_one_of_them_ends_no_paper_that_denies(ward, nurse):
    fill(ward)
    name = deny(Session(ward.house, ward.patient))
    with pytest.raises(InputError, match="ended only by the patient"):
        Session(ward.house, ward.operator).revoke("p1", name, witnessed=True)
    staff = Session(ward.house, ward.operator)
    closed = staff.close_to_processing("p1", AT, categories=["genome"], witnessed=True)
    with pytest.raises(InputError, match="two witnesses"):
        staff.revoke("p1", closed, witnessed=True)


def test_a_registrar_ends_a_permit_without_the_patients_key(ward):
    fill(ward)
    given = Session(ward.house, ward.patient).give_consent("p1", AT, actors=["dr-lee"], categories=["record"])
    assert look(ward)
    Session(ward.house, ward.operator).revoke("p1", given, witnessed=True)
    with pytest.raises(AccessError):
        look(ward)


def test_a_consent_is_bound_to_store_key_and_the_decision_before(ward, tmp_path):
    fill(ward)
    mine = Session(ward.house, ward.patient)
    early = mine.drafted("p1", AT, actors=["dr-lee"], categories=["record"])
    deny(mine)
    with pytest.raises(InputError, match="another decision"):
        mine.file_consent("p1", early, consent_signatures.sign(early, ward.patient, AT))
    good = consent_drafts.binding_of(mine.drafted("p1", AT, actors=["dr-lee"], categories=["record"]))
    for name, value in (("service", "other"), ("key", "0" * 16), ("previous", "0" * 64)):
        binding = consent_drafts.Binding(**{**{n: getattr(good, n) for n in good.__slots__}, name: value})
        body = consent_drafts.bind(early, binding)
        with pytest.raises(InputError):
            mine.file_consent("p1", body, consent_signatures.sign(body, ward.patient, AT))
    unbound = {k: v for k, v in early.items() if k != "extension"}
    with pytest.raises(InputError, match="not drafted for this store"):
        mine.file_consent("p1", unbound, consent_signatures.sign(unbound, ward.patient, AT))
    malformed = {**early, "extension": [{"url": consent_drafts.BINDING, "extension": [{"url": "key"}]}]}
    with pytest.raises(InputError, match="binding"):
        mine.file_consent("p1", malformed, consent_signatures.sign(malformed, ward.patient, AT))
    mine.file_consent("p1", (body := consent_drafts.bind(early, good)), consent_signatures.sign(body, ward.patient, AT))
    assert look(ward)


def test_the_order_is_the_logs_and_not_what_a_paper_says_of_its_date(ward):
    fill(ward)
    mine = Session(ward.house, ward.patient)
    mine.give_consent("p1", AT, actors=["dr-lee"], categories=["record"])
    body = mine.drafted("p1", AT - timedelta(days=9), actors=["dr-lee"], categories=["record"])
    body["provision"]["type"] = "deny"
    mine.file_consent("p1", body, consent_signatures.sign(body, ward.patient, AT))
    with pytest.raises(AccessError):
        look(ward)
    assert leaves(ward, "p1")[-1].content["decision"] == "deny"


# ---- against a plain model


@dataclass(frozen=True)
class Said:
    """One step of a history: who said what of which category for whom (None: anybody), when it was filed."""

    order: int
    signer: str
    answer: str
    category: str | None
    actor: str | None


def model(history, actor, category):
    """The rules in words, the slow way: see the module text of consent.py."""
    newest = {}
    for said in history:
        if said.category in (None, category) and said.actor in (None, actor):
            newest[said.signer] = said
    if not newest:
        return None
    if "patient" in newest and newest["patient"].answer == "deny":
        return "deny"
    own_deny = [s for s in newest.values() if s.signer != "staff" and s.answer == "deny"]
    heard = [s for s in newest.values() if s.signer != "staff" or not own_deny]
    return sorted(heard, key=lambda s: s.order)[-1].answer


def test_ten_thousand_histories_equal_the_plain_model():
    dice = random.Random(8)
    for _ in range(10_000):
        history = [
            Said(
                order,
                dice.choice(["patient", "patient", "staff", "staff", "child", "carer"]),
                dice.choice(["permit", "deny"]),
                dice.choice([None, "record", "genome"]),
                dice.choice([None, "dr-lee", "dr-no"]),
            )
            for order in range(dice.randint(0, 7))
        ]
        shuffled = dice.sample(history, len(history))
        directives = [
            Directive(
                f"Consent/{s.order}",
                1,
                AT - timedelta(days=dice.randint(0, 3)),
                ConsentForm(
                    Provision(
                        s.answer,
                        frozenset({identifier(consent_forms.ACTOR_SYSTEM, s.actor)} if s.actor else ()),
                        categories=frozenset({s.category} - {None}),
                    )
                ),
                s.order,
                s.signer,
            )
            for s in shuffled
        ]
        for actor in ("dr-lee", "dr-no"):
            for category in ("record", "genome"):
                found = consent.decide(directives, Request(actor, "TREAT", category, "read", AT))[0]
                assert found == model(history, actor, category), history
