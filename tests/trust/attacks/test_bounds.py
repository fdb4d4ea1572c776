"""Row 5: work without end. Each of these has to be answered, or refused, within a second."""

import json as plain_json
import sys
import time
from contextlib import contextmanager

import pytest

from salus.app.session import Session
from salus.errors import AccessError, InputError, SalusError
from salus.fhir import json
from salus.fhir.categories import categories_of
from salus.fhir.views import CATEGORIES
from salus.trust import consent_signatures, journal, proof
from salus.trust.consent_forms import read
from salus.trust.labels import labels_of
from salus.trust.merkle import verify_inclusion
from salus.trust.note import Note
from salus.trust.resource_facts import facts_of
from salus.trust.tiles import decode_bundle
from tests.conftest import AT, person
from tests.trust.attacks.scene import ABOUT, GENE, file, put, stocked
from tests.trust.test_gate import look

SECOND = 1.0


@contextmanager
def within(seconds=SECOND):
    begun = time.process_time()
    yield
    assert time.process_time() - begun < seconds


def write(value):
    """JSON of any depth."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        return plain_json.dumps(value).encode()
    finally:
        sys.setrecursionlimit(before)


def nested(depth, inner=None):
    value = inner if inner is not None else {"type": "permit"}
    for _ in range(depth):
        value = {"type": "deny", "provision": [value]}
    return value


PROVISIONS = {
    "deep": nested(2000),
    "wide": {"type": "permit", "provision": [{"type": "deny"}] * 50_000},
    "a tree": {"type": "permit", "provision": [{"type": "deny", "provision": [{"type": "permit"}] * 300}] * 300},
    "many actors": {"type": "permit", "actor": [{"reference": {"reference": f"x{n}"}} for n in range(50_000)]},
    "many codes": {"type": "deny", "code": [{"coding": [{"system": "s", "code": str(n)}]} for n in range(50_000)]},
}


def sign_and_file(session, body):
    session.file_consent("p1", body, consent_signatures.sign(body, session.identity, AT))


@pytest.mark.parametrize("rule", PROVISIONS.values(), ids=PROVISIONS)
def test_a_consent_of_any_size_is_answered_at_once(ward, rule):
    mine = stocked(ward)
    body = {**mine.drafted("p1", AT, actors=["dr-lee"], categories=["record"]), "provision": rule}
    data = write(body)
    with within(2 * SECOND):
        with pytest.raises(InputError):
            sign_and_file(mine, json.loads(data))
        with pytest.raises(AccessError):
            look(ward)


def test_a_provision_too_deep_is_refused_before_it_is_followed():
    body = {
        "resourceType": "Consent", "status": "active", "patient": {"reference": "Patient/p1"},
        "dateTime": "2026-06-01", "scope": {"coding": [{"system": "x", "code": "y"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}], "provision": nested(5000),
    }  # fmt: skip
    with within(), pytest.raises(InputError):
        read(body, "R4")


BODIES = {
    "deep": lambda: nested_body(2000),
    "wide": lambda: {**GENE, "component": [GENE["code"]] * 20_000},
    "words": lambda: {**GENE, "note": [{"text": "geno mutat carrier of the " * 9000}]},
    "one word": lambda: {**GENE, "note": [{"text": "a" * 1_000_000}]},
    "accents": lambda: {**GENE, "note": [{"text": "e\u0301" * 200_000}]},
    "references": lambda: {**GENE, "hasMember": [{"reference": f"Observation/{n}"} for n in range(20_000)]},
    "contained": lambda: {**GENE, "contained": [{**ABOUT, "resourceType": "Observation"}] * 5000},
    "carrier of": lambda: {**GENE, "note": [{"text": "carrier of " + "a-" * 60_000 + "gene"}]},
    "a sequence": lambda: {**GENE, "note": [{"text": "c." + "1_" * 60_000}]},
}


def nested_body(depth):
    value = {"valueString": "x"}
    for _ in range(depth):
        value = {"extension": [{"url": "x", **value}]}
    return {**GENE, **value}


@pytest.mark.parametrize("make", BODIES.values(), ids=BODIES)
def test_a_resource_of_any_shape_is_judged_at_once_and_rightly(make):
    body = make()
    with within(2 * SECOND):
        kinds = categories_of(body)
    assert kinds >= {"record", "genome"}
    with within(2 * SECOND):
        labels = labels_of(body)
    assert labels == {"N"}
    with within(2 * SECOND):
        facts = facts_of(body)
    assert (facts.ref, facts.labels) == ("Observation/gene", labels)


def test_a_narrative_of_nothing_but_marks_is_judged_at_once():
    with within():
        kinds = categories_of({**GENE, "text": {"status": "generated", "div": "<" * 60_000}})
    assert kinds >= {"record", "genome"}


def test_a_chain_of_lists_is_filed_at_once(ward):
    put(ward, person(), GENE)
    with within():
        put(ward, *chain(220))


def chain(count):
    """Lists each of which leads to the next, and the last to the first."""
    return [
        {**ABOUT, "resourceType": "List", "id": f"l{n}", "entry": [{"item": {"reference": f"List/l{(n + 1) % count}"}}]}
        for n in range(count)
    ]


def test_a_ring_of_lists_is_followed_to_what_it_leads_to(ward):
    links = chain(40)
    put(ward, person(), GENE, *links)
    with within():
        put(ward, {**links[0], "entry": [{"item": {"reference": "Observation/gene"}}]})
    file(Session(ward.house, ward.patient))
    assert not [s for s in ward.house.store.read(look(ward)[1]) if s.source.ref.startswith("List/")]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"c2sp.org/tlog-proof@v1\n" * 50_000,
        b"{" * 1_000_000,
        b"[" * 900_000,
        b"\xff" * 900_000,
        b"1" * 900_000,
    ],
)
def test_what_is_no_proof_is_said_to_be_none(ward, data):
    with within(), pytest.raises(SalusError):
        proof.check(data, ward.house.vault.house.public_key())


@pytest.mark.parametrize("data", [b"\xff" * 70_000, b"\0\0" * 40_000, b"\0\5ab"])
def test_bundles_and_notes_that_lie_about_their_size_are_refused(data):
    with within():
        with pytest.raises(InputError):
            decode_bundle(data, 3)
        with pytest.raises(InputError):
            Note.from_bytes(data)


def test_a_path_of_any_length_is_checked_at_once():
    with within():
        assert not verify_inclusion(bytes(32), 0, 1 << 62, [bytes(32)] * 62, bytes(32))


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 50_000, b"1e999999999", b'{"resourceType":"Observation","x":1e-99999999}']
)
def test_a_body_that_unfolds_is_refused_at_once(front, body):
    headers = {**front.as_("operator"), "Content-Type": "application/fhir+json"}
    with within(3 * SECOND):
        assert front.http.post("/fhir/Observation", content=body, headers=headers).status_code in (400, 422)


def test_a_question_of_many_parts_is_refused(front):
    front.consent(categories=list(CATEGORIES))
    for query in ("&".join(f"code=x{n}" for n in range(60)), "_id=" + ",".join(["a" * 60] * 130), "code=" + "x" * 9000):
        with within(2 * SECOND):
            assert front.get(f"/fhir/Observation?patient=p1&{query}").status_code in (400, 414, 422)


def test_the_journal_does_not_grow(ward):
    stocked(ward)
    long = {"reason": "x" * journal.SLOT}
    with pytest.raises(SalusError):
        ward.house.gate._journal.write("p1", "glass", long)
    size = (ward.house.vault.folder / "glass.journal").stat().st_size
    assert size == journal.SLOTS * journal.SLOT
