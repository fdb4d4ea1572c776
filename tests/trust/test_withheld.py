"""How what a patient withholds shows: hidden, flagged, or only by a severe conflict; and who is told of it."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.app.session import Session
from salus.errors import AccessError, InputError
from salus.fhir.views import CATEGORIES
from salus.trust import consent, consent_drafts, consent_forms, policy
from salus.trust.consent import Standing
from salus.trust.identity import Actor, Identity
from tests.conftest import AT
from tests.trust.attacks.scene import LABEL, broke, emergency, except_, file, leaves, stocked
from tests.trust.test_gate import look, rules

WAYS = ("hidden", "flagged", "interlock")


def denial(shown="flagged", categories=("genome",), **more):
    return consent_drafts.denial_resource(
        id="d", patient="p1", dated=AT, **{"categories": categories, "shown": shown, **more}
    )


def told(change):
    """A denial of genome that is flagged, with ``change`` made to its provision."""
    body = denial()
    body["provision"] |= change
    return body


EXTENSION = denial()["provision"]["extension"][0]


@pytest.mark.parametrize("shown", WAYS)
def test_a_denial_tells_how_it_shows(shown):
    form = consent_forms.read(denial(shown))
    assert form.withheld_as == shown
    assert ("extension" in denial(shown)["provision"]) == (shown != "hidden")


@pytest.mark.parametrize(
    "change",
    [
        {"type": "permit"},
        {"extension": [{"url": EXTENSION["url"], "valueCode": "loud"}]},
        {"extension": [{"url": EXTENSION["url"], "valueString": "flagged"}]},
        {"extension": [{"url": "urn:other", "valueCode": "flagged"}]},
        {"extension": [EXTENSION, EXTENSION]},
        {"extension": [{**EXTENSION, "extension": []}]},
        {"extension": []},
        {"extension": EXTENSION},
        {"class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]},
        {"action": [consent_drafts.concept("urn:salus:action", "process")]},
        {"provision": [{"type": "permit", "extension": [EXTENSION]}]},
        {"provision": [{"type": "deny", "extension": [EXTENSION]}]},
    ],
    ids=str,
)
def test_whatever_else_it_tells_of_how_it_shows_is_not_understood(change):
    with pytest.raises(InputError):
        consent_forms.read(told(change))


def test_an_r5_consent_tells_nothing_of_it():
    body = told({})
    nested = {"extension": [EXTENSION]}
    r5 = {
        **{k: v for k, v in body.items() if k not in ("scope", "patient", "dateTime", "policyRule", "provision")},
        "subject": {"reference": "Patient/p1"}, "date": "2026-01-01", "decision": "permit", "provision": [nested],
    }  # fmt: skip
    with pytest.raises(InputError):
        consent_forms.read(r5)


@pytest.fixture
def mine(ward):
    """The patient, whose record is there; dr-lee reads the record and the notes."""
    session = stocked(ward)
    file(session, categories=["record", "note"])
    return session


def shown(ward, **more):
    grant = look(ward, **more)[1]
    return sorted(grant.flagged), sorted(grant.interlocked)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("whom", [("dr-lee",), ()])
def test_a_reader_is_told_what_the_patient_lets_be_told(ward, mine, way, whom):
    mine.withhold("p1", AT, categories=["image"], actors=whom, shown=way)  # of which there is nothing
    assert shown(ward) == (["image"] * (way == "flagged"), ["image"] * (way == "interlock"))
    entry = ward.house.log.entries(ward.house.store.connection, topic="access", patient="p1")
    last = [e.content for e in entry if e.content["actor"] == "dr-lee"][-1]
    assert last.get("flagged") == (["image"] if way == "flagged" else None)
    assert last.get("interlocked") == (["image"] if way == "interlock" else None)


def test_what_is_merely_not_permitted_stays_hidden(ward, mine):
    assert shown(ward) == ([], [])
    mine.withhold("p1", AT, categories=["genome"], actors=["pat"], shown="flagged")  # speaks of somebody else
    assert shown(ward) == ([], [])


def consents_seen(ward, actor, purpose="TREAT"):
    """Ids of the consents that a reader finds in the record, by each way there is; their signatures go with them."""
    house = ward.house
    grant = look(ward, purpose=purpose, who=actor)[1]
    stored = house.store.read(grant, ("Consent", "Provenance"))
    seen = {s.source.ref for s in stored if s.source.ref.startswith("Consent/")}
    signed = {
        f"Consent/{s.body['id'].removesuffix('-signature')}" for s in stored if s.body["id"].endswith("-signature")
    }
    listed = {f"Consent/{body['id']}" for body, _ in house.gate.standing(grant)}
    kept = {ref for ref in house.gate._standing("p1").refs if house.store.versions(grant, ref)}
    assert seen == signed == listed == {ref for ref in kept if ref.startswith("Consent/")}
    return {ref.partition("/")[2] for ref in seen}


def test_a_reader_sees_of_the_consents_only_those_that_let_him_in(ward, mine):
    other = Identity.generate("dr-may")
    ward.house.add_actor(Actor("dr-may", "practitioner", other.public_key), by="operator")
    first = consents_seen(ward, ward.clinician)
    assert len(first) == 1
    against = mine.withhold("p1", AT, categories=["genome"], actors=["dr-lee"])
    ended = mine.give_consent("p1", AT, actors=["dr-lee"], categories=["signal"], purposes=["HRESCH"])
    mine.revoke("p1", ended)
    hers = mine.give_consent("p1", AT, actors=["dr-may"], categories=["record"])
    assert consents_seen(ward, ward.clinician) == first
    assert consents_seen(ward, other) == {hers}
    assert consents_seen(ward, ward.patient) == {*first, against, ended, hers}


def test_an_emergency_shows_no_consents(ward):
    stocked(ward).withhold("p1", AT, categories=["genome"])
    emergency(ward)
    broke(ward)
    assert consents_seen(ward, ward.clinician, "BTG") == set()


def test_a_policy_shows_no_consents(ward):
    stocked(ward).withhold("p1", AT, categories=["genome"])
    emergency(ward, basis="treatment", purposes=["TREAT"])
    assert consents_seen(ward, ward.clinician) == set()


def test_who_sees_nothing_is_told_nothing(ward):
    mine = stocked(ward)
    mine.withhold("p1", AT, categories=["genome"], shown="flagged")
    with pytest.raises(AccessError) as denied:
        look(ward)
    with pytest.raises(AccessError) as absent:
        look(ward, patient="nobody")
    assert str(denied.value) == str(absent.value)
    entries = ward.house.log.entries(ward.house.store.connection, topic="access", patient="p1")
    assert not [e for e in entries if "flagged" in e.content]


def test_the_newest_decision_holds(ward, mine):
    mine.withhold("p1", AT, categories=["genome", "image"], shown="flagged")
    mine.withhold("p1", AT, categories=["genome"], actors=["dr-lee"], shown="hidden")
    assert shown(ward) == (["image"], [])
    name = mine.withhold("p1", AT, categories=["image"], shown="interlock")
    assert shown(ward) == ([], ["image"])
    mine.revoke("p1", name)
    assert shown(ward) == (["image"], [])
    file(mine, categories=["image"])
    assert shown(ward) == ([], [])
    assert "image" in look(ward)[1].categories


def test_only_kinds_that_the_denial_names_as_a_whole_show(ward, mine):
    def of_a_code(rule):
        rule.update(denial()["provision"], code=[consent_drafts.concept("http://loinc.org", "69548-6")])

    def also_notes(rule):
        exception = {"type": "deny", "class": [{"system": "urn:salus:category", "code": "note"}]}
        rule.update(denial()["provision"], provision=[exception])

    file(mine, of_a_code)
    assert shown(ward) == ([], [])
    file(mine, also_notes)
    assert shown(ward) == (["genome"], [])
    assert look(ward)[1].categories == {"record"}


def test_while_a_consent_is_not_understood_nothing_is_told(ward, mine):
    mine.withhold("p1", AT, categories=["genome"], shown="flagged")
    gate = ward.house.gate
    standing = replace(gate._standing("p1"), opaque=True)
    gate._standing = lambda *_: standing
    assert shown(ward) == ([], [])


def test_a_basis_that_overrides_the_denial_clears_it(ward, mine):
    mine.withhold("p1", AT, categories=["genome", "image"], shown="flagged")
    mine.withhold("p1", AT, categories=["image"], shown="interlock")
    organisation = Identity.generate("clinic")
    ward.house.add_actor(Actor("clinic", "organisation", organisation.public_key), by="operator")
    for number, overrides in enumerate((False, True)):
        made = rules(**{"categories": ["genome", "image"], "overrides-denial": overrides})
        ward.house.add_policy(policy.sign({**made, "id": f"w{number}"}, organisation), by="operator")
        expected = ([], []) if overrides else (["genome"], ["image"])
        assert shown(ward) == expected


@pytest.mark.parametrize("overrides", [True, False])
def test_a_broken_glass_clears_it_where_it_overrides(ward, mine, overrides):
    mine.withhold("p1", AT, categories=["genome"], shown="interlock")
    emergency(ward, **{"overrides-denial": overrides, "categories": ["record", "genome"]})
    broke(ward)
    assert shown(ward, purpose="BTG") == ([], [] if overrides else ["genome"])


def test_staff_may_witness_a_denial_that_is_flagged(ward, mine):
    Session(ward.house, ward.operator).withhold("p1", AT, categories=["genome"], shown="flagged", witnessed=True)
    assert shown(ward) == (["genome"], [])


@pytest.mark.parametrize("way", ["flagged", "interlock"])
def test_no_paper_makes_show_what_the_patient_hides(ward, mine, way):
    mine.withhold("p1", AT, categories=["genome"], shown="hidden")
    with suppress(InputError):
        Session(ward.house, ward.operator).withhold("p1", AT, categories=["genome"], shown=way, witnessed=True)
    assert shown(ward) == ([], [])


def test_no_paper_sets_an_interlock(ward, mine):
    staff = Session(ward.house, ward.operator)
    with pytest.raises(InputError, match="interlock"):
        staff.withhold("p1", AT, categories=["genome"], shown="interlock", witnessed=True)
    assert shown(ward) == ([], [])


def test_the_patient_is_told_nothing_for_she_sees_all(ward, mine):
    mine.withhold("p1", AT, categories=["genome"], shown="flagged")
    assert shown(ward, who=ward.patient, purpose="PATRQT") == ([], [])


def test_a_scope_of_the_interlock_holds_nothing_that_is_closed_or_hidden_otherwise(ward, mine):
    mine.withhold("p1", AT, categories=["genome", "image"], shown="interlock")
    mine.withhold("p1", AT, categories=["signal"], shown="hidden")
    mine.close_to_processing("p1", AT, categories=["image"])
    gate, grant = ward.house.gate, look(ward)[1]
    before = leaves(ward.house)
    scope = gate.interlock(ward.house.authenticate(ward.clinician), grant)
    assert scope.categories == {"record", "note", "genome"}
    assert (scope.actor, scope.basis, scope.purpose, scope.may_write) == ("service", "service", "processing", False)
    assert leaves(ward.house) == before + 1


def test_a_scope_of_the_interlock_leaves_out_single_resources_that_are_withheld(ward, mine):
    file(mine, except_({"type": "deny", "securityLabel": [LABEL]}))
    mine.withhold("p1", AT, categories=["genome"], shown="interlock")
    grant = look(ward)[1]
    assert grant.partial
    assert not any(grant.shows(ref, 1) for ref in ("Condition/hiv", "Observation/gene"))
    scope = ward.house.gate.interlock(ward.house.authenticate(ward.clinician), grant)
    assert scope.shows("Observation/gene", 1)
    assert not scope.shows("Condition/hiv", 1)


RULES = st.tuples(
    st.sampled_from(["patient", "kid", "staff"]),
    st.booleans(),  # a permit or a denial
    st.sets(st.sampled_from(CATEGORIES), min_size=1),
    st.sampled_from([(), ("dr-lee",), ("operator",)]),
    st.sampled_from(WAYS),
)


@given(said=st.lists(RULES, max_size=5), opaque=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_how_it_shows_never_changes_what_is_released(ward, said, opaque):
    if not ward.house.store.exists(ward.house.gate.custody("operator", "p1")):
        stocked(ward)

    def standing(as_told):
        found = []
        for order, (signer, permits, kinds, actors, way) in enumerate(said):
            body = (
                consent_drafts.consent_resource(
                    id="c", patient="p1", dated=AT, permit=kinds, actors=actors or ("dr-lee",)
                )
                if permits
                else denial(way if as_told else "hidden", sorted(kinds), actors=actors)
            )
            directive = consent.parse(f"Consent/c{order}", 1, body, "p1")
            found.append(replace(directive, order=order, signer=signer))
        return Standing(tuple(found), (), opaque)

    def decided(as_told):
        gate = ward.house.gate
        gate._standing = lambda *_: standing(as_told)
        return gate._decide(ward.house.authenticate(ward.clinician), "p1", "TREAT")

    plain, showing = decided(as_told=False), decided(as_told=True)
    assert replace(showing, flagged=frozenset(), interlocked=frozenset()) == plain
    assert not (showing.flagged | showing.interlocked) & showing.categories
    assert not showing.flagged & showing.interlocked
    assert showing.categories or not (showing.flagged | showing.interlocked)
