"""An assertion is good once, for one address, for five minutes, from who is enrolled; a token dies in time."""

from __future__ import annotations

import base64
import json

import pytest

pytest.importorskip("jwt")

import jwt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.app.refusals import NotSignedIn
from salus.app.session import Session
from salus.app.tokens import TOKEN_LIFE, Tokens, assertion
from salus.errors import AccessError
from salus.trust.identity import Identity
from tests.conftest import AT

ADDRESS = "https://salus.example/auth/token"


def claims(**more):
    now = int(AT.timestamp())
    return {
        "iss": "dr-lee", "sub": "dr-lee", "aud": ADDRESS, "iat": now, "exp": now + 200, "jti": "12345678-abcd", **more,
    }  # fmt: skip


def signed(identity, **more):
    body = {k: v for k, v in claims(**more).items() if v is not None}
    return jwt.encode(body, identity.key, algorithm="EdDSA")


def test_an_assertion_opens_a_session_that_can_read_and_not_sign(ward):
    tokens = Tokens(AT)
    granted = tokens.exchange(ward.house, assertion(ward.patient, ADDRESS, AT), ADDRESS)
    actor, scope = tokens.actor(ward.house, granted.value)
    assert (actor.id, actor.patient, scope) == ("pat", "p1", "system/*.crs")
    session = Session.for_actor(ward.house, actor)
    with pytest.raises(AccessError, match="private key"):
        session.give_consent("p1", AT, actors=["dr-lee"], categories=["record"])


def test_an_assertion_serves_once(ward):
    tokens, text = Tokens(AT), assertion(ward.clinician, ADDRESS, AT)
    tokens.exchange(ward.house, text, ADDRESS)
    with pytest.raises(NotSignedIn, match="used before"):
        tokens.exchange(ward.house, text, ADDRESS)


WRONG = {
    "expired": {"exp": int(AT.timestamp())},
    "too long": {"exp": int(AT.timestamp()) + 3600},
    "made later": {"iat": int(AT.timestamp()) + 120},
    "not yet": {"nbf": int(AT.timestamp()) + 120},
    "before this run": {"iat": int(AT.timestamp()) - 1000},
    "another address": {"aud": "https://elsewhere.example/auth/token"},
    "two addresses, neither ours": {"aud": ["a", "b"]},
    "another subject": {"sub": "operator"},
    "unknown": {"iss": "nobody", "sub": "nobody"},
    "no jti": {"jti": None},
    "no exp": {"exp": None},
    "no iat": {"iat": None},
    "exp as text": {"exp": "soon"},
    "exp as truth": {"exp": True},
    "exp as fraction": {"exp": AT.timestamp() + 10.5},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_what_is_not_right_is_refused(ward, change):
    with pytest.raises(NotSignedIn):
        Tokens(AT).exchange(ward.house, signed(ward.clinician, **change), ADDRESS)


def test_only_the_actors_own_key_and_algorithm_count(ward):
    tokens = Tokens(AT)
    forged = [
        signed(Identity.generate("dr-lee")),
        jwt.encode(claims(), "secret" * 8, algorithm="HS256"),
        jwt.encode(claims(), ward.clinician.public_key, algorithm="HS256"),
        jwt.encode(claims(), None, algorithm="none"),
    ]
    header, body, signature = signed(ward.clinician).split(".")
    other = base64.urlsafe_b64encode(json.dumps(claims(iss="operator", sub="operator")).encode()).decode().rstrip("=")
    for text in (*forged, f"{header}.{other}.{signature}", f"{header}.{body}.", "", "a.b.c", "x" * 9000, "é.b.c"):
        with pytest.raises(NotSignedIn) as refused:
            tokens.exchange(ward.house, text, ADDRESS)
        assert "not an assertion" in str(refused.value)
    assert tokens.exchange(ward.house, signed(ward.clinician), ADDRESS).value


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "x"]), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=5,
)))  # fmt: skip
def test_no_claims_lead_to_anything_but_a_token_or_a_refusal(ward, change):
    body = {**claims(), **change}
    head = base64.urlsafe_b64encode(b'{"alg":"EdDSA"}').rstrip(b"=")
    told = base64.urlsafe_b64encode(json.dumps(body).encode()).rstrip(b"=")
    signature = base64.urlsafe_b64encode(ward.clinician.sign(head + b"." + told)).rstrip(b"=")
    try:
        granted = Tokens(AT).exchange(ward.house, b".".join((head, told, signature)).decode(), ADDRESS)
    except NotSignedIn:
        return
    assert granted.value


def test_a_token_ends_with_its_time_with_its_actor_and_with_signing_out(ward):
    tokens = Tokens(AT)

    def fresh():
        return tokens.exchange(ward.house, assertion(ward.clinician, ADDRESS, ward.time), ADDRESS).value

    first, second = fresh(), fresh()
    tokens.end(second)
    with pytest.raises(NotSignedIn):
        tokens.actor(ward.house, second)
    assert tokens.actor(ward.house, first)[0].id == "dr-lee"
    ward.time += TOKEN_LIFE
    with pytest.raises(NotSignedIn):
        tokens.actor(ward.house, first)
    third = fresh()
    ward.house.remove_actor("dr-lee", by="operator")
    for call in (lambda: tokens.actor(ward.house, third), fresh, lambda: tokens.actor(ward.house, "ü")):
        with pytest.raises(NotSignedIn):
            call()
