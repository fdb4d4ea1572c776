"""What takes two people: nobody alone speaks for a patient, opens records by a policy, or erases."""

import inspect
import re
from datetime import timedelta

import pytest

from salus.app import acts, erasure
from salus.app.config import at_folder
from salus.app.house import House
from salus.app.session import Session
from salus.errors import AccessError, InputError, StoreError
from salus.record.store import Change
from salus.trust import policy, registry
from salus.trust.identity import Actor, Identity
from salus.trust.proposals import Proposal
from tests.conftest import AT, person
from tests.trust.test_gate import rules

WHEN = "2026-06-01T12:00:00Z"


class Clinic:
    """A store of several people, with two operators."""

    def __init__(self, folder):
        self.time = AT
        self.house = House.create(at_folder(folder), clock=lambda: self.time)
        self.keys = {}
        for name in ("ann", "ben"):
            self.enrol(name, "operator", by="ann")
        self.enrol("dr-lee", "practitioner", by="ann")

    def enrol(self, name, kind, patient="", by="ann"):
        self.keys[name] = Identity.generate(name)
        return self.house.add_actor(Actor(name, kind, self.keys[name].public_key, patient), by=by)

    def actor(self, name):
        return self.house.registry.actors[name]

    def session(self, name):
        return Session(self.house, self.keys[name])

    def confirm(self, proposal, name):
        return acts.confirm(self.house, proposal.n, self.actor(name))

    def patient(self):
        """Patient p1 with a record and a key."""
        scope = self.house.gate.custodian(self.actor("ann"), "p1")
        self.house.store.commit(scope, [Change("Patient", "p1", person())], at=WHEN)
        self.confirm(self.enrol("pat", "patient", "p1"), "ben")

    def later(self, **more):
        self.time += timedelta(**more)
        if self.house.outdated():
            acts.settle(self.house)


@pytest.fixture
def clinic(tmp_path):
    made = Clinic(tmp_path / "house")
    yield made
    made.house.close()


def test_nobody_alone_lets_somebody_speak_for_a_patient(clinic):
    proposal = clinic.enrol("mallory", "proxy", "p1")
    assert isinstance(proposal, Proposal)
    assert "mallory" not in clinic.house.registry.actors
    for who in ("ann", "dr-lee"):
        with pytest.raises(AccessError):
            clinic.confirm(proposal, who)
    clinic.confirm(proposal, "ben")
    assert clinic.actor("mallory").patient == "p1"
    assert not clinic.house.registry.proposals


def test_a_patient_is_neither_taken_out_nor_replaced_before_three_days_of_notice(clinic):
    clinic.patient()
    gone, new = clinic.house.remove_actor("pat", by="ann"), clinic.enrol("mallory", "proxy", "p1")
    acts.vouch(clinic.house, "dr-lee", clinic.actor("ben"))
    for proposal in (gone, new):
        with pytest.raises(AccessError, match="operator"):
            clinic.confirm(proposal, "dr-lee")
        assert clinic.confirm(proposal, "ben").due == AT + timedelta(hours=72)
    clinic.later(hours=71)
    assert "mallory" not in clinic.house.registry.actors
    told = [(e["notice"], e["act"], e["id"]) for e in clinic.session("pat").notices("p1") if "act" in e]
    for what in ("proposed", "confirmed"):
        assert {(what, "actor-removed", "pat"), (what, "actor-added", "mallory")} <= set(told)
    clinic.later(hours=1)
    assert clinic.actor("mallory").patient == "p1"
    assert "pat" not in clinic.house.registry.actors


def test_a_patient_stops_that_the_own_key_is_taken_out(clinic):
    clinic.patient()
    proposal = clinic.house.remove_actor("pat", by="ann")
    clinic.confirm(proposal, "ben")
    acts.stop(clinic.house, proposal.n, clinic.actor("pat"))
    clinic.later(hours=100)
    assert "pat" in clinic.house.registry.actors
    clinic.house.remove_actor("pat", by="pat")  # who leaves needs nobody
    assert "pat" not in clinic.house.registry.actors


def test_a_proxy_is_taken_out_at_once_unless_nobody_else_speaks_for_the_patient(clinic):
    clinic.patient()
    clinic.enrol("child", "proxy", "p1", by="pat")
    assert isinstance(clinic.house.remove_actor("pat", by="ann"), Proposal)
    assert not isinstance(clinic.house.remove_actor("child", by="ann"), Proposal)
    clinic.enrol("other", "proxy", "p1", by="pat")
    clinic.house.remove_actor("pat", by="pat")
    assert isinstance(clinic.house.remove_actor("other", by="ann"), Proposal)
    assert not isinstance(clinic.house.remove_actor("dr-lee", by="ann"), Proposal)


def test_a_proxy_lets_nobody_speak_and_a_patient_only_proxies(clinic):
    clinic.patient()
    clinic.enrol("child", "proxy", "p1", by="pat")
    for name, kind, by in (("pat2", "patient", "child"), ("other", "proxy", "child"), ("pat2", "patient", "pat")):
        with pytest.raises(AccessError, match="operator"):
            clinic.enrol(name, kind, "p1", by=by)


def test_what_was_confirmed_by_somebody_who_left_is_not_carried_out(clinic):
    clinic.patient()
    clinic.confirm(clinic.enrol("eve", "operator"), "ben")
    for by, second in (("eve", "ben"), ("ben", "eve")):
        proposal = clinic.enrol(f"mallory-of-{by}", "proxy", "p1", by=by)
        assert clinic.confirm(proposal, second).due
    clinic.house.remove_actor("eve", by="ann")
    clinic.later(hours=73)
    assert not [name for name in clinic.house.registry.actors if "mallory" in name]
    assert not clinic.house.registry.proposals
    assert [e["notice"] for e in clinic.session("pat").notices("p1")][-2:] == ["stopped", "stopped"]


def test_nobody_confirms_a_policy_that_lets_himself_in(clinic):
    clinic.confirm(clinic.enrol("clinic", "organisation"), "ben")
    acts.vouch(clinic.house, "dr-lee", clinic.actor("ben"))
    for named, second in ((["dr-lee"], "dr-lee"), (["*"], "dr-lee"), (["ben"], "ben")):
        document = policy.sign(rules(actors=named), clinic.keys["clinic"])
        proposal = clinic.house.add_policy(document, by="ann")
        with pytest.raises(AccessError):
            clinic.confirm(proposal, second)
        acts.stop(clinic.house, proposal.n, clinic.actor("ann"))
    assert not clinic.house.registry.policies


def test_what_was_decided_meanwhile_elsewhere_is_looked_at_first(clinic):
    """A house that was opened before: what it checked may not hold any more."""
    proposal = clinic.enrol("mallory", "proxy", "p1")
    with House(clinic.house.configuration, clock=lambda: clinic.time) as late:
        acts.stop(clinic.house, proposal.n, clinic.actor("ben"))
        with pytest.raises(StoreError, match="meanwhile"):
            acts.confirm(late, proposal.n, late.registry.actors["ben"])
    own, other = clinic.enrol("pat", "patient", "p1"), clinic.enrol("pat2", "patient", "p1")
    with House(clinic.house.configuration, clock=lambda: clinic.time) as late:
        clinic.confirm(own, "ben")
        with pytest.raises(StoreError, match="meanwhile"):
            acts.confirm(late, other.n, late.registry.actors["ben"])
    with House(clinic.house.configuration, clock=lambda: clinic.time) as late:
        clinic.enrol("dr-may", "practitioner")
        with pytest.raises(StoreError, match="meanwhile"):
            late.add_actor(Actor("dr-may", "practitioner", Identity.generate("dr-may").public_key), by="ben")
    with House(clinic.house.configuration, clock=lambda: clinic.time) as fresh:
        assert fresh.registry.actors["dr-may"].public_key == clinic.keys["dr-may"].public_key
        assert not {"mallory", "pat2"} & set(fresh.registry.actors)
        assert fresh.registry.actors == clinic.house.registry.actors
        assert not fresh.verify().problems


def test_every_entry_that_changes_the_registry_counts_as_a_decision():
    cases = set(re.findall(r'case "([a-z-]+)"', inspect.getsource(registry.Registry.apply)))
    assert len(cases) > 12
    assert cases - registry._DECISIONS == {"journal-numbered"}  # which a house notes by itself when it is opened
    assert registry._DECISIONS - cases == {"stopped"}  # of which the proposal alone is taken out


def test_what_changes_nothing_in_the_house_holds_nobody_up(clinic):
    with House(clinic.house.configuration, clock=lambda: clinic.time) as other:
        with clinic.house.store.transaction(clinic.house.gate.house("ann", may_write=True)) as connection:
            clinic.house.log.append(connection, "", "house", {"reason": "audit-expired"})
        other.add_actor(Actor("dr-may", "practitioner", Identity.generate("dr-may").public_key), by="ben")
        assert "dr-may" in other.registry.actors


def test_entries_that_no_house_writes_change_nothing(clinic):
    """A name that somebody has, and what nobody agreed on."""
    known, key = clinic.house.registry, Identity.generate("x").public_key.hex()
    proposal = clinic.enrol("mallory", "proxy", "p1")
    before = dict(known.actors)
    added = {"reason": "actor-added", "kind": "practitioner", "key": key, "patient": "", "name": "", "by": "ann"}
    known.apply(900, {**added, "id": "dr-lee"})
    for n in (proposal.n, 77):
        known.apply(901, {**added, "id": "mallory", "proposal": n, "second": "ben"})
        known.apply(902, {"reason": "actor-removed", "id": "dr-lee", "proposal": n})
    assert known.actors == before


def test_the_patient_stops_who_would_replace_him_and_strangers_do_not(clinic):
    clinic.patient()
    clinic.confirm(clinic.enrol("pip", "patient", "p2"), "ben")
    proposal = clinic.enrol("mallory", "proxy", "p1")
    clinic.confirm(proposal, "ben")
    with pytest.raises(AccessError):
        acts.stop(clinic.house, proposal.n, clinic.actor("pip"))
    acts.stop(clinic.house, proposal.n, clinic.actor("pat"))
    clinic.later(hours=100)
    assert "mallory" not in clinic.house.registry.actors
    with pytest.raises(InputError):
        clinic.confirm(proposal, "ben")


def test_recovery_takes_two_registrars(clinic):
    clinic.patient()
    acts.vouch(clinic.house, "dr-lee", clinic.actor("ben"))
    with pytest.raises(AccessError, match="operator"):
        clinic.confirm(clinic.enrol("pat2", "patient", "p1"), "dr-lee")


def test_the_patient_lets_a_proxy_speak_alone_and_takes_it_back(clinic):
    clinic.patient()
    assert not isinstance(clinic.enrol("child", "proxy", "p1", by="pat"), Proposal)
    with pytest.raises(AccessError):
        clinic.house.remove_actor("pat", by="child")
    with pytest.raises(AccessError):
        clinic.house.remove_actor("child", by="dr-lee")
    clinic.house.remove_actor("child", by="pat")
    with pytest.raises(AccessError):
        clinic.enrol("other", "proxy", "p2", by="pat")


def test_the_founder_enrols_one_more_operator_and_no_third(clinic):
    third = clinic.enrol("eve", "operator")
    assert isinstance(third, Proposal)
    with pytest.raises(AccessError):
        clinic.house.remove_actor("ben", by="ann")
    clinic.confirm(third, "ben")
    clinic.house.remove_actor("eve", by="ann")
    assert isinstance(clinic.enrol("eve2", "operator"), Proposal)


def test_a_practitioner_counts_as_second_person_once_another_operator_vouched(clinic):
    with pytest.raises(AccessError):
        acts.vouch(clinic.house, "dr-lee", clinic.actor("ann"))
    acts.vouch(clinic.house, "dr-lee", clinic.actor("ben"))
    clinic.confirm(clinic.enrol("pat", "patient", "p1"), "dr-lee")
    assert clinic.actor("pat").kind == "patient"


def test_one_operator_with_two_accounts_of_his_own_making_witnesses_nothing(clinic):
    clinic.patient()
    clinic.enrol("puppet", "practitioner", by="ann")
    body, proof = clinic.session("ann").witness(
        clinic.session("ann").drafted("p1", AT, actors=["dr-lee"], categories=["record"], until="2026-12-31")
    )
    with pytest.raises(InputError, match="two witnesses"):
        clinic.session("puppet").countersign("p1", body, proof)
    clinic.session("ben").countersign("p1", body, proof)


def test_a_policy_takes_two_people_and_one_that_overrides_denials_three_days(clinic):
    organisation = clinic.enrol("clinic", "organisation")
    with pytest.raises(InputError):
        clinic.house.add_policy(policy.sign(rules(), clinic.keys["clinic"]), by="ann")
    clinic.confirm(organisation, "ben")
    plain = clinic.house.add_policy(policy.sign(rules(), clinic.keys["clinic"]), by="ann")
    assert not clinic.house.registry.policies
    with pytest.raises(AccessError):
        clinic.confirm(plain, "ann")
    clinic.confirm(plain, "ben")
    assert set(clinic.house.registry.policies) == {"ward-3"}
    strong = policy.sign({**rules(**{"overrides-denial": True}), "id": "strong"}, clinic.keys["clinic"])
    assert clinic.confirm(clinic.house.add_policy(strong, by="ann"), "ben").due == AT + timedelta(hours=72)
    assert "strong" not in clinic.house.registry.policies
    clinic.later(hours=72)
    assert "strong" in clinic.house.registry.policies


def test_one_rule_of_many_that_overrides_denials_makes_the_policy_wait(clinic):
    clinic.confirm(clinic.enrol("clinic", "organisation"), "ben")
    document = rules()
    document["rules"].append({**document["rules"][0], "overrides-denial": True})
    proposal = clinic.house.add_policy(policy.sign(document, clinic.keys["clinic"]), by="ann")
    assert clinic.confirm(proposal, "ben").due == AT + timedelta(hours=72)
    assert not clinic.house.registry.policies


def test_the_organisations_key_is_nobody_elses(clinic):
    with pytest.raises(InputError, match="another actor's"):
        clinic.house.add_actor(Actor("clinic", "organisation", clinic.keys["ann"].public_key), by="ann")


def test_what_cannot_be_done_any_more_is_stopped_and_says_why(clinic):
    clinic.patient()
    proposal = clinic.enrol("twin", "proxy", "p1")
    clinic.confirm(proposal, "ben")
    clinic.house.add_actor(Actor("twin", "practitioner", Identity.generate("twin").public_key), by="ann")
    clinic.later(hours=72)
    (stopped,) = [
        e.content
        for e in clinic.house.log.entries(clinic.house.store.connection, topic="house")
        if e.content["reason"] == "stopped"
    ]
    assert "there is or was" in clinic.house.vault.unveil(stopped["veil"])["why"]
    assert clinic.actor("twin").kind == "practitioner"


def test_erasure_takes_two_people_and_honours_a_hold(clinic):
    clinic.patient()
    erasure.ask(clinic.session("pat"), "p1")
    erasure.hold(clinic.session("ann"), "p1", "case 12 of 2026")
    with pytest.raises(InputError, match="hold"):
        erasure.carry_out(clinic.session("ann"), "p1")
    erasure.hold(clinic.session("ben"), "p1", "case 12 of 2026", end=True)
    proposal = erasure.carry_out(clinic.session("ann"), "p1")
    assert clinic.house.store.exists(clinic.house.gate.custody("t", "p1"))
    with pytest.raises(AccessError):
        clinic.confirm(proposal, "ann")
    done = clinic.confirm(proposal, "ben")
    assert done["versions"] >= 1
    assert done["second"] == "ben"
    assert not clinic.house.store.exists(clinic.house.gate.custody("t", "p1"))
    assert not clinic.house.verify().problems
    with pytest.raises(AccessError):
        erasure.hold(clinic.session("pat"), "p1", "mine")


def test_what_waits_is_carried_out_by_whoever_opens_the_store(clinic):
    clinic.patient()
    clinic.confirm(clinic.enrol("pat2", "patient", "p1"), "ben")
    with House(clinic.house.configuration, clock=lambda: AT + timedelta(hours=73)) as house:
        assert "pat2" in house.registry.actors
        assert not house.verify().problems


def test_a_store_for_one_person_says_so_for_good(ward):
    assert ward.house.registry.alone
    with House(ward.house.configuration) as again:
        assert again.registry.alone
    with pytest.raises(AccessError):
        ward.house.add_actor(Actor("m", "proxy", Identity.generate("m").public_key, "p1"), by="operator")


def test_only_operators_and_who_speaks_for_a_patient_enrol(clinic):
    for by in ("dr-lee", "nobody"):
        with pytest.raises(AccessError):
            clinic.enrol("x", "practitioner", by=by)
