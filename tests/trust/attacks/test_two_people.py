"""Row 3: one person in several clothes. Whatever takes two people takes two people."""

from datetime import timedelta

import pytest

from salus.app import acts, erasure
from salus.app.house import House
from salus.errors import AccessError, InputError, StoreError
from salus.trust import policy
from salus.trust.identity import Actor, Identity
from salus.trust.proposals import Proposal
from tests.conftest import AT
from tests.trust.attacks.scene import leaves, repelled
from tests.trust.test_gate import rules


def organisation(clinic):
    clinic.confirm(clinic.enrol("clinic", "organisation"), "ben")
    return clinic.keys["clinic"]


def in_force(clinic, document):
    return clinic.confirm(clinic.house.add_policy(document, by="ann"), "ben")


def test_nobody_confirms_his_own_proposal(clinic):
    proposal = clinic.enrol("mallory", "proxy", "p1")
    with pytest.raises(AccessError):
        clinic.confirm(proposal, "ann")
    assert "mallory" not in clinic.house.registry.actors


def test_an_own_practitioner_is_no_second_person(clinic):
    """Sybil: the operator makes the other one himself."""
    clinic.enrol("puppet", "practitioner")
    with pytest.raises(AccessError):
        acts.vouch(clinic.house, "puppet", clinic.actor("ann"))
    for proposal in (clinic.enrol("mallory", "proxy", "p1"), clinic.enrol("eve", "operator")):
        with pytest.raises(AccessError):
            clinic.confirm(proposal, "puppet")
    assert {"mallory", "eve"}.isdisjoint(clinic.house.registry.actors)


def test_nobody_confirms_what_makes_himself_more(clinic):
    proposal = clinic.enrol("eve", "operator")
    with pytest.raises((AccessError, KeyError)):
        clinic.confirm(proposal, "eve")


@pytest.mark.parametrize("kind", ["operator", "organisation", "practitioner", "proxy"])
def test_one_key_under_another_name_is_refused(clinic, kind):
    patient = "p1" if kind == "proxy" else ""
    for holder in ("ann", "dr-lee"):
        with pytest.raises(InputError, match="key"):
            clinic.house.add_actor(Actor("twin", kind, clinic.keys[holder].public_key, patient), by="ann")


def test_two_proposals_with_one_key_make_one_actor(clinic):
    key = Identity.generate("x").public_key
    first, second = (clinic.house.add_actor(Actor(name, "organisation", key), by="ann") for name in ("clinic", "other"))
    clinic.confirm(first, "ben")
    with pytest.raises(InputError, match="key"):
        clinic.confirm(second, "ben")


def test_a_key_of_somebody_who_left_does_not_come_back(clinic):
    clinic.house.remove_actor("dr-lee", by="ann")
    for name in ("dr-lee", "dr-new"):
        with pytest.raises(InputError):
            clinic.house.add_actor(Actor(name, "operator", clinic.keys["dr-lee"].public_key), by="ann")


def test_a_proxy_taken_out_and_put_in_again_waits(clinic):
    clinic.patient()
    clinic.enrol("child", "proxy", "p1", by="pat")
    clinic.house.remove_actor("child", by="pat")
    proposal = clinic.enrol("child2", "proxy", "p1")
    assert proposal.wait == timedelta(hours=72)
    clinic.confirm(proposal, "ben")
    clinic.later(hours=71)
    assert "child2" not in clinic.house.registry.actors


def test_a_proposal_of_before_the_patient_came_waits_like_any_other(clinic):
    old = clinic.enrol("mallory", "proxy", "p1")  # nobody speaks for p1 yet: no wait, any second
    clinic.patient()
    acts.vouch(clinic.house, "dr-lee", clinic.actor("ben"))
    for second in ("dr-lee", "ben"):
        try:
            clinic.confirm(old, second)
        except (AccessError, InputError):
            continue
    assert "mallory" not in clinic.house.registry.actors


def test_what_a_removed_operator_proposed_nobody_confirms(clinic):
    clinic.confirm(clinic.enrol("eve", "operator"), "ben")
    proposal = clinic.enrol("mallory", "proxy", "p1", by="eve")
    clinic.house.remove_actor("eve", by="ann")
    with pytest.raises(AccessError):
        clinic.confirm(proposal, "ben")


def test_the_second_of_two_operators_is_not_put_out(clinic):
    before = leaves(clinic.house)
    with pytest.raises(AccessError):
        clinic.house.remove_actor("ben", by="ann")
    clinic.house.remove_actor("ann", by="ann")  # whoever leaves leaves no heir
    for kind in ("operator", "organisation"):
        assert isinstance(clinic.enrol(f"new-{kind}", kind, by="ben"), Proposal)
    assert leaves(clinic.house) > before


@pytest.mark.parametrize("name", ["practitioner", "nobody"])
def test_who_is_no_operator_enrols_nobody(clinic, name):
    for kind in ("practitioner", "operator", "organisation"):
        with pytest.raises(AccessError):
            clinic.enrol(f"x-{kind}", kind, by="dr-lee" if name == "practitioner" else name)


def test_a_policy_is_not_put_in_force_by_who_signed_it(clinic):
    signed = policy.sign(rules(), organisation(clinic))
    for by in ("clinic", "dr-lee"):
        with pytest.raises(AccessError):
            clinic.house.add_policy(signed, by=by)
    proposal = clinic.house.add_policy(signed, by="ann")
    for second in ("ann", "clinic"):
        with pytest.raises(AccessError):
            clinic.confirm(proposal, second)


@pytest.mark.parametrize("signer", ["ann", "dr-lee"])
def test_a_policy_signed_with_another_key_than_the_organisations_is_none(clinic, signer):
    organisation(clinic)
    for named in ("clinic", signer):
        with pytest.raises(InputError):
            clinic.house.add_policy(policy.sign({**rules(), "organisation": named}, clinic.keys[signer]), by="ann")


@pytest.mark.parametrize("pattern", ["*", "ann*", "??n", "[a]nn", "pa*"])
def test_a_pattern_in_a_policy_means_no_operator_and_no_patient(clinic, pattern):
    clinic.patient()
    in_force(clinic, policy.sign(rules(actors=[pattern]), organisation(clinic)))
    clinic.confirm(clinic.enrol("pan", "patient", "p2"), "ben")
    for name in ("ann", "ben", "clinic", "pan"):
        with repelled(clinic.house):
            clinic.house.gate.grant(clinic.actor(name), "p1", "TREAT")


def test_a_pattern_in_a_policy_means_nobody_whom_one_person_made(clinic):
    clinic.patient()
    in_force(clinic, policy.sign(rules(), organisation(clinic)))
    clinic.enrol("dr-evil", "practitioner", by="ann")  # its key is in ann's drawer
    with repelled(clinic.house):
        clinic.house.gate.grant(clinic.actor("dr-evil"), "p1", "TREAT")


def test_an_overriding_rule_hidden_among_others_waits_too(clinic):
    document = rules()
    document["rules"].append({**document["rules"][0], "overrides-denial": True})
    waiting = in_force(clinic, policy.sign(document, organisation(clinic)))
    assert waiting.due == AT + timedelta(hours=72)
    assert not clinic.house.registry.policies


def test_an_erasure_that_one_person_wants_does_not_happen(clinic):
    clinic.patient()
    with pytest.raises(InputError, match="did not ask"):
        erasure.carry_out(clinic.session("ann"), "p1")
    for who in ("ann", "dr-lee"):
        with pytest.raises(AccessError):
            erasure.ask(clinic.session(who), "p1")
    erasure.ask(clinic.session("pat"), "p1")
    proposal = erasure.carry_out(clinic.session("ann"), "p1")
    with pytest.raises(AccessError):
        clinic.confirm(proposal, "ann")
    assert clinic.house.store.exists(clinic.house.gate.custody("t", "p1"))


def test_a_store_does_not_become_one_persons_later(clinic):
    with pytest.raises(StoreError, match="already"):
        House.create(clinic.house.configuration, alone=True)
    with House(clinic.house.configuration, clock=lambda: AT) as again:
        assert not again.registry.alone
