"""An assertion is good once, for one address, for five minutes, from who is enrolled; a token dies in time."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest

pytest.importorskip("jwt")

import jwt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.app.refusals import NotSignedIn
from salus.app.serving import tokens as module
from salus.app.serving.state import TOKEN
from salus.app.serving.tokens import TOKEN_LIFE, Tokens, TooManySignIns, assertion
from salus.app.session import Session
from salus.errors import AccessError, StoreError
from salus.record.state import Kind
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
    tokens = Tokens(ward.house.vault)
    granted = tokens.exchange(ward.house, assertion(ward.patient, ADDRESS, AT), ADDRESS)
    actor, scope = tokens.actor(ward.house, granted.value)
    assert (actor.id, actor.patient, scope) == ("pat", "p1", "system/*.crs")
    session = Session.for_actor(ward.house, actor)
    with pytest.raises(AccessError, match="private key"):
        session.give_consent("p1", AT, actors=["dr-lee"], categories=["record"])


def test_an_assertion_serves_once(ward):
    tokens, text = Tokens(ward.house.vault), assertion(ward.clinician, ADDRESS, AT)
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
        Tokens(ward.house.vault).exchange(ward.house, signed(ward.clinician, **change), ADDRESS)


def test_only_the_actors_own_key_and_algorithm_count(ward):
    tokens = Tokens(ward.house.vault)
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
        granted = Tokens(ward.house.vault).exchange(ward.house, b".".join((head, told, signature)).decode(), ADDRESS)
    except NotSignedIn:
        return
    assert granted.value


def test_a_token_ends_with_its_time_with_its_actor_and_with_signing_out(ward):
    tokens = Tokens(ward.house.vault)

    def fresh():
        return tokens.exchange(ward.house, assertion(ward.clinician, ADDRESS, ward.time), ADDRESS).value

    first, second = fresh(), fresh()
    tokens.end(ward.house, second)
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


def test_who_signs_in_without_end_ends_only_his_own_oldest_tokens(ward):
    tokens = Tokens(ward.house.vault)
    doctor = tokens.exchange(ward.house, assertion(ward.clinician, ADDRESS, AT), ADDRESS).value
    values = [tokens.exchange(ward.house, assertion(ward.patient, ADDRESS, AT), ADDRESS).value for _ in range(40)]
    for value in values[: -TOKEN.each]:
        with pytest.raises(NotSignedIn):
            tokens.look(ward.house, value)
    assert [tokens.look(ward.house, value).actor for value in values[-TOKEN.each :]] == ["pat"] * TOKEN.each
    assert tokens.actor(ward.house, doctor)[0].id == "dr-lee"


def test_one_process_takes_what_another_gave_out_and_refuses_what_it_used_up(ward):
    first, second = Tokens(ward.house.vault), Tokens(ward.house.vault)
    text = assertion(ward.clinician, ADDRESS, AT)
    value = first.exchange(ward.house, text, ADDRESS, "system/*.rs").value
    with pytest.raises(NotSignedIn, match="used before"):
        second.exchange(ward.house, text, ADDRESS)
    assert second.known(value, AT) is None, "the store has to be asked"
    actor, scope = second.actor(ward.house, value)
    assert (actor.id, scope) == ("dr-lee", "system/*.rs")
    assert second.known(value, AT).actor == "dr-lee"
    first.end(ward.house, value)
    for each in (first, second):
        with pytest.raises(NotSignedIn):
            each.actor(ward.house, value)


def test_a_strangers_value_is_refused_without_the_store(ward):
    tokens = Tokens(ward.house.vault)
    value = tokens.exchange(ward.house, assertion(ward.clinician, ADDRESS, AT), ADDRESS).value
    other = value[:-1] + ("A" if value[-1] != "A" else "E")
    for wrong in ("", "x", value[:-1], value + "=", other, value[1:] + value[0], "é" * 54, "A" * 54):
        with pytest.raises(NotSignedIn):
            tokens.known(wrong, AT)
        with pytest.raises(NotSignedIn):
            tokens.look(ward.house, wrong)


def test_neither_a_token_nor_its_actor_stands_in_the_file(ward):
    tokens = Tokens(ward.house.vault)
    value = tokens.exchange(ward.house, assertion(ward.clinician, ADDRESS, AT), ADDRESS).value
    rows = ward.house.store.connection.execute("SELECT * FROM server_state").fetchall()
    assert {row[0] for row in rows} == {"assertion", "begun", "token"}
    plain = b"".join(bytes(cell) for row in rows for cell in row if isinstance(cell, bytes))
    for told in (value.encode(), b"dr-lee", ward.clinician.public_key, ward.clinician.public_key.hex().encode()):
        assert told not in plain


def test_what_was_signed_before_used_assertions_are_remembered_is_refused(ward):
    old = assertion(ward.clinician, ADDRESS, AT - timedelta(seconds=2))
    tokens = Tokens(ward.house.vault)
    with pytest.raises(NotSignedIn, match="older than what is remembered"):
        tokens.exchange(ward.house, old, ADDRESS)
    ward.time += timedelta(seconds=10)
    later = assertion(ward.clinician, ADDRESS, ward.time - timedelta(seconds=5))
    assert Tokens(ward.house.vault).exchange(ward.house, later, ADDRESS).value, "a restart forgets nothing"
    ward.house.store.connection.execute("DELETE FROM server_state")  # as a backup that is put back
    with pytest.raises(NotSignedIn, match="older than what is remembered"):
        Tokens(ward.house.vault).exchange(ward.house, later, ADDRESS)


def test_the_assertions_of_one_actor_that_are_remembered_are_bounded_and_another_may_come_in(ward, monkeypatch):
    monkeypatch.setattr(module, "ASSERTION", Kind("assertion", 3))
    tokens = Tokens(ward.house.vault)
    for _ in range(3):
        tokens.authenticate(ward.house, assertion(ward.patient, ADDRESS, AT), ADDRESS)
    with pytest.raises(TooManySignIns, match="too many assertions"):
        tokens.authenticate(ward.house, assertion(ward.patient, ADDRESS, AT), ADDRESS)
    tokens.authenticate(ward.house, assertion(ward.clinician, ADDRESS, AT), ADDRESS)
    ward.time += module.ASSERTION_LIFE + module.LEEWAY
    tokens.authenticate(ward.house, assertion(ward.patient, ADDRESS, ward.time), ADDRESS)


def test_who_fails_too_often_waits_and_keeps_nobody_else_waiting(ward):
    tokens, wrong = Tokens(ward.house.vault), Identity.generate("pat")

    def come(identity, origin):
        return tokens.exchange(ward.house, assertion(identity, ADDRESS, ward.time), ADDRESS, origin=origin)

    for _ in range(20):
        with pytest.raises(NotSignedIn):
            come(wrong, "there")
    with pytest.raises(TooManySignIns, match="attempts"):
        come(ward.patient, "there")
    assert come(ward.patient, "here").value  # the same actor from elsewhere
    assert come(ward.clinician, "there").value  # another actor from there
    assert come(ward.patient, "").value  # behind a proxy no place is known, and none counts
    ward.time += timedelta(seconds=61)
    assert come(ward.patient, "there").value
    for _ in range(2):
        with pytest.raises(NotSignedIn) as refused:
            come(wrong, "there")
    assert not isinstance(refused.value, TooManySignIns)  # what went well made the failures before it forgotten


def test_an_unknown_name_is_refused_in_the_same_words_and_steps_as_a_wrong_signature(ward, monkeypatch):
    tokens, steps = Tokens(ward.house.vault), []
    decode = jwt.decode
    monkeypatch.setattr(jwt, "decode", lambda *a, **k: steps.append(len(a)) or decode(*a, **k))
    told = []
    for name in ("dr-lee", "nobody"):
        for origin_attempt in range(12):
            steps.clear()
            with pytest.raises(NotSignedIn) as refused:
                tokens.exchange(ward.house, assertion(Identity.generate(name), ADDRESS, AT), ADDRESS, origin="there")
            told.append((name, origin_attempt, type(refused.value), str(refused.value), tuple(steps)))
    known = [t[1:] for t in told if t[0] == "dr-lee"]
    unknown = [t[1:] for t in told if t[0] == "nobody"]
    assert known == unknown
    assert known[0][3] == (1, 2)  # read, and held against a key


def test_a_token_that_is_at_hand_needs_no_store_and_knows_its_end(ward):
    tokens = Tokens(ward.house.vault)
    value = tokens.exchange(ward.house, assertion(ward.patient, ADDRESS, AT), ADDRESS, "system/*.rs").value
    tokens.look(ward.house, value)
    found = tokens.known(value, AT + TOKEN_LIFE - timedelta(seconds=1))
    assert (found.actor, found.public_key, found.scope) == ("pat", ward.patient.public_key, "system/*.rs")
    with pytest.raises(NotSignedIn):
        tokens.known(value, AT + TOKEN_LIFE)


def test_what_a_process_has_at_hand_is_bounded(ward, monkeypatch):
    monkeypatch.setattr(module, "MAX_KNOWN", 3)
    tokens = Tokens(ward.house.vault)
    values = [tokens.exchange(ward.house, assertion(ward.patient, ADDRESS, AT), ADDRESS).value for _ in range(5)]
    for value in values:
        tokens.look(ward.house, value)
    assert [tokens.known(value, AT) is None for value in values] == [True, True, False, False, False]


class Unwritable:
    """The state of a store that cannot be written."""

    def __enter__(self):
        raise StoreError("the disk is full")

    def __exit__(self, *_):
        raise AssertionError("nothing was begun")


def test_where_nothing_can_be_written_one_process_alone_remembers_who_signed_in(ward, monkeypatch):
    """Else nobody could use a broken glass over the network, for which the journal takes what the log cannot."""
    tokens, text = Tokens(ward.house.vault, alone=True), assertion(ward.clinician, ADDRESS, AT)
    before = assertion(ward.clinician, ADDRESS, AT)
    tokens.look(ward.house, tokens.exchange(ward.house, before, ADDRESS).value)
    with monkeypatch.context() as full:
        full.setattr(module.server_state, "writing", lambda house: Unwritable())
        value = tokens.exchange(ward.house, text, ADDRESS).value
        for used in (text, before):
            with pytest.raises(NotSignedIn, match="used before"):
                tokens.exchange(ward.house, used, ADDRESS)
        with pytest.raises(StoreError):
            Tokens(ward.house.vault).exchange(ward.house, assertion(ward.clinician, ADDRESS, AT), ADDRESS)
    with pytest.raises(NotSignedIn, match="used before"):
        tokens.exchange(ward.house, text, ADDRESS)
    assert tokens.actor(ward.house, value)[0].id == "dr-lee"
    assert tokens.known(value, AT).actor == "dr-lee"
    with pytest.raises(NotSignedIn):
        Tokens(ward.house.vault, alone=True).actor(ward.house, value)
    ward.time += TOKEN_LIFE
    for ask in (lambda: tokens.known(value, ward.time), lambda: tokens.actor(ward.house, value)):
        with pytest.raises(NotSignedIn):
            ask()
    ward.time = AT
    tokens.end(ward.house, value)
    with pytest.raises(NotSignedIn):
        tokens.actor(ward.house, value)
