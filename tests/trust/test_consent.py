"""Which consent decides, and that whatever is not understood decides nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from salus.errors import InputError
from salus.trust import consent
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
    return consent.consent_resource(id="c", patient="p1", dated=dated, permit=permit, actors=actors, **more)


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
        {"type": "deny", "class": [{"system": consent.CATEGORY_SYSTEM, "code": "genome"}]}
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
    assert consent.signer_of(body, consent.sign(body, PAT, AT), ACTORS, "p1")
    assert consent.signer_of(body, consent.sign(body, STAFF, AT, witnessed=True), ACTORS, "p1")
    assert not consent.signer_of(body, consent.sign(body, STAFF, AT), ACTORS, "p1")
    assert not consent.signer_of(body, consent.sign(body, OTHER, AT), ACTORS, "p1")
    assert not consent.signer_of({**body, "dateTime": "2020-01-01"}, consent.sign(body, PAT, AT), ACTORS, "p1")


def test_unsigned_and_inactive_consents_are_named_as_ignored():
    body = given()
    proof = consent.sign(body, PAT, AT)
    good, ignored = consent.directives([("Consent/c", 1, body)], [proof], ACTORS, "p1")
    assert [d.ref for d in good] == ["Consent/c"]
    assert not ignored
    good, ignored = consent.directives([("Consent/c", 1, body)], [], ACTORS, "p1")
    assert not good
    assert "not signed" in ignored[0][1]
