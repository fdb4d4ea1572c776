"""Which consent decides, and that whatever is not understood decides nothing."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given as given_
from hypothesis import strategies as st

from salus.errors import InputError
from salus.fhir.views import CATEGORIES
from salus.trust import consent, consent_drafts, consent_forms, consent_signatures, provisions
from salus.trust.consent import Request
from salus.trust.identity import Actor, Identity

AT = datetime(2026, 6, 1, tzinfo=UTC)
PAT = Identity.generate("pat")
STAFF = Identity.generate("nurse")
OTHER = Identity.generate("other")
ACTORS = {
    "pat": Actor("pat", "patient", PAT.public_key, "p1"),
    "nurse": Actor("nurse", "operator", STAFF.public_key),
    "other": Actor("other", "patient", OTHER.public_key, "p2"),
}


def given(dated=AT, permit=("record",), actors=("dr-lee",), **more):
    return consent_drafts.consent_resource(id="c", patient="p1", dated=dated, permit=permit, actors=actors, **more)


def request(**more):
    return Request(**{"actor": "dr-lee", "purpose": "TREAT", "category": "record", "action": "read", "at": AT} | more)


def directive(body, ref="Consent/c"):
    return consent.parse(ref, 1, body, "p1")


def test_permit_applies_to_named_actor_purpose_category_and_time():
    found = [directive(given(until="2026-06-30"))]
    assert consent.decide(found, request())[0] == "permit"
    for other in (
        {"actor": "dr-no"},
        {"purpose": "HRESCH"},
        {"category": "genome"},
        {"action": "process"},
        {"at": AT - timedelta(days=1)},
        {"at": datetime(2026, 7, 1, tzinfo=UTC)},
    ):
        assert consent.decide(found, request(**other))[0] is None
    assert consent.decide(found, request(at=datetime(2026, 6, 30, 23, tzinfo=UTC)))[0] == "permit"  # inclusive


def test_an_exception_overrides_what_is_around_it_but_nobody_elses_permit():
    body = given(permit=("record", "genome"))
    body["provision"]["provision"] = [
        {"type": "deny", "class": [{"system": consent_forms.CATEGORY_SYSTEM, "code": "genome"}]}
    ]
    found = [directive(body), directive(given(permit=("genome",), actors=("dr-no",), dated=AT - timedelta(days=9)))]
    assert consent.decide(found, request(category="genome"))[0] == "deny"
    assert consent.decide(found, request(category="record"))[0] == "permit"
    assert consent.decide(found, request(category="genome", actor="dr-no"))[0] == "permit"


def test_between_consents_the_newest_wins_and_on_a_tie_deny():
    deny = given(dated=AT - timedelta(days=2))
    deny["provision"]["type"] = "deny"
    newer = given(dated=AT - timedelta(days=1))
    assert consent.decide([directive(deny), directive(newer)], request())[0] == "permit"
    tie = given(dated=AT - timedelta(days=2))
    assert consent.decide([directive(tie), directive(deny)], request())[0] == "deny"


def test_all_kinds_at_once_say_the_same_as_one_after_the_other():
    random_, seen = random.Random(3), set()
    for _ in range(400):
        found = []
        for n in range(random_.randint(0, 4)):
            permit = random_.sample(CATEGORIES, random_.randint(1, 5))
            actors = random_.choice((("dr-lee",), ("dr-no",), ("dr-lee", "dr-no")))
            body = given(dated=AT + timedelta(days=random_.randint(-2, 1)), permit=permit, actors=actors)
            if random_.random() < 0.3:
                body["provision"]["type"] = "deny"
            if random_.random() < 0.3:
                body["provision"]["securityLabel"] = [
                    {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
                ]
            signer = random_.choice(("patient", "staff", "proxy"))
            found.append(replace(directive(body, f"Consent/{n}"), order=n, signer=signer))
        asked = request(category="", purpose=random_.choice(("TREAT", "HRESCH")))
        said = consent.decide_each(found, asked, CATEGORIES)
        singly = [replace(asked, category=c) for c in CATEGORIES]
        assert list(said.by_category.values()) == [consent.decide(found, one) for one in singly]
        parts = [provisions.decide(d.form, one.access()).obligations for one in singly for d in found if d.dated <= AT]
        assert said.partial == any(parts)
        seen |= {(answer, said.partial) for answer, _ in said.by_category.values()}
    assert len(seen) == 6, seen


@pytest.mark.parametrize(
    "change",
    [
        {"modifierExtension": [{"url": "urn:x"}]},
        {"patient": {"reference": "Patient/p2"}},
        {"dateTime": None},
        {"provision": {"type": "permit", "securityLabel": [{"code": "R"}]}},
        {"provision": {"type": "permit", "class": [{"system": "urn:other", "code": "record"}]}},
        {"provision": {"type": "perhaps"}},
        {"provision": {"type": "permit", "period": {"start": "soon"}}},
        {"provision": None},
    ],
)
def test_what_is_not_understood_decides_nothing(change):
    with pytest.raises(InputError):
        consent.parse("Consent/c", 1, {**given(), **change}, "p1")


def test_only_patient_proxy_or_witnessing_staff_can_sign():
    body = given()
    assert consent_signatures.signers_of(body, consent_signatures.sign(body, PAT, AT), ACTORS, "p1")
    assert consent_signatures.signers_of(body, consent_signatures.sign(body, STAFF, AT, witnessed=True), ACTORS, "p1")
    assert not consent_signatures.signers_of(body, consent_signatures.sign(body, STAFF, AT), ACTORS, "p1")
    assert not consent_signatures.signers_of(body, consent_signatures.sign(body, OTHER, AT), ACTORS, "p1")
    assert not consent_signatures.signers_of(
        {**body, "dateTime": "2020-01-01"}, consent_signatures.sign(body, PAT, AT), ACTORS, "p1"
    )


def test_unsigned_and_inactive_consents_are_named_as_ignored():
    body = given()
    proof = consent_signatures.sign(body, PAT, AT)
    found = consent.standing([("Consent/c", 1, 0, body)], {"Consent/c": proof}, ACTORS, "p1")
    assert [d.ref for d in found.directives] == ["Consent/c"]
    assert not found.ignored
    found = consent.standing([("Consent/c", 1, 0, body)], {}, ACTORS, "p1")
    assert not found.directives
    assert "not signed" in found.ignored[0][1]


def test_a_signed_consent_that_is_not_understood_may_be_a_denial():
    body = {**given(), "provision": {"type": "deny", "securityLabel": [{"code": "R"}]}}
    found = consent.standing(
        [("Consent/c", 1, 0, body)], {"Consent/c": consent_signatures.sign(body, PAT, AT)}, ACTORS, "p1"
    )
    assert found.opaque
    assert not found.directives


def test_what_staff_witnessed_never_overrides_the_patients_own_denial():
    deny = given(dated=AT - timedelta(days=2))
    deny["provision"]["type"] = "deny"
    own = directive(deny)
    paper = replace(directive(given(dated=AT - timedelta(days=1))), signer="staff")
    assert consent.decide([own, paper], request())[0] == "deny"
    assert consent.decide([paper], request())[0] == "permit"
    assert consent.decide([replace(own, signer="staff"), paper], request())[0] == "permit"


@given_(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=4) | st.integers(-9, 9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "type",
                        "class",
                        "actor",
                        "action",
                        "period",
                        "provision",
                        "system",
                        "code",
                        "reference",
                        "identifier",
                        "signature",
                        "agent",
                        "coding",
                        "data",
                        "sigFormat",
                        "who",
                        "value",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_nothing_malformed_breaks_the_decision(junk):
    proof = {**consent_signatures.sign(given(), PAT, AT), "signature": junk, "agent": junk}
    consent.standing([("Consent/c", 1, 0, {**given(), "provision": junk})], {"Consent/c": proof}, ACTORS, "p1")
    body = {**given(), "provision": junk}
    found = consent.standing(
        [("Consent/c", 1, 0, body)], {"Consent/c": consent_signatures.sign(body, PAT, AT)}, ACTORS, "p1"
    )
    assert found.opaque or found.directives
    consent.permitted_actors(body)
    consent.denies(body)
