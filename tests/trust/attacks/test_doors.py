"""Row 7: second doors into the house: its own folders by another way, upkeep by who may not, sessions without a key."""

import shutil

import pytest

from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.errors import AccessError, SalusError, StoreError
from salus.fhir import json
from salus.record.store import Change
from salus.trust.gate import Grant
from salus.trust.identity import Actor, Identity
from tests.conftest import AT, bundle, person
from tests.trust.attacks.scene import WHEN, file, leaves, repelled, stocked

WAYS = ["folder", "file", "link to a folder", "link to a file", "hard link", "link in a folder", "dots"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("which", ["keys", "store"])
def test_the_houses_own_files_are_not_taken_in(ward, way, which):
    stocked(ward)
    own = getattr(ward.house.configuration, which)
    secret = next(p for p in sorted(own.iterdir()) if p.is_file() and p.stat().st_size)
    inbox = ward.folder
    inbox.mkdir(exist_ok=True)
    match way:
        case "folder":
            given = own
        case "file":
            given = secret
        case "link to a folder":
            (given := inbox / "over").symlink_to(own, target_is_directory=True)
        case "link to a file":
            (given := inbox / "x.json").symlink_to(secret)
        case "hard link":
            (given := inbox / "x.json").hardlink_to(secret)
        case "link in a folder":
            (inbox / "x.json").symlink_to(secret)
            given = inbox
        case "dots":
            given = inbox / ".." / own.relative_to(inbox.parent) / secret.name
    before, kept = leaves(ward.house), secret.read_bytes()
    taken = Intake(Session(ward.house, ward.operator), patient="p1").run([given])
    assert taken
    assert all(t.error and t.written is None and t.quarantine is None for t in taken)
    assert leaves(ward.house) == before
    assert not ward.house.quarantined()
    assert secret.read_bytes() == kept


def test_a_copy_of_the_store_alone_says_nothing(ward, tmp_path):
    file(stocked(ward))
    ward.house.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = b"".join(p.read_bytes() for p in ward.house.configuration.store.iterdir() if p.is_file())
    for word in (b"Example", b"B20", b"69548-6", b"2160-0", b"MRN-p1", b"1968-03-14", b"unconscious"):
        assert word not in data
    from salus.app.config import at_folder
    from salus.app.house import House

    with House.create(at_folder(tmp_path / "other"), alone=True) as other:
        keys = other.configuration.keys
    thief = at_folder(tmp_path / "thief")
    shutil.copytree(ward.house.configuration.store, thief.store)
    shutil.copytree(keys, thief.keys)
    with pytest.raises(SalusError):
        House(thief)


@pytest.mark.parametrize("who", ["dr-lee", "pat", "stranger"])
def test_upkeep_is_for_operators(ward, who):
    stocked(ward)
    if who == "stranger":
        with pytest.raises(AccessError):
            Session(ward.house, Identity.generate("operator"))
        return
    session = Session(ward.house, {"dr-lee": ward.clinician, "pat": ward.patient}[who])
    with pytest.raises(AccessError):
        session.administer()


def test_a_session_without_a_key_signs_nothing(ward):
    stocked(ward)
    session = Session.for_actor(ward.house, ward.house.registry.actors["pat"])
    with pytest.raises(AccessError, match="private key"):
        session.give_consent("p1", AT, actors=["dr-lee"], categories=["record"])
    with pytest.raises(AccessError, match="private key"):
        session.close_to_processing("p1", AT, categories=["record"])


@pytest.mark.parametrize("scope", [
    Grant("x", "*", "upkeep", frozenset({"record"}), may_write=False, purpose="x"),
    Grant("x", "", "self", frozenset({"record"}), may_write=False, purpose="x"),
    Grant("x", "p1", "self", frozenset(), may_write=False, purpose="x"),
])  # fmt: skip
def test_no_scope_reads_everybody_and_an_empty_one_reads_nothing(ward, scope):
    stocked(ward)
    store = ward.house.store
    try:
        found = [*store.read(scope), *store.search(scope, "Observation"), *store.versions(scope, "Observation/c1")]
    except AccessError:
        found = []
    assert not found
    with pytest.raises((AccessError, SalusError)):
        store.blob(scope, "0" * 64)


def test_a_reading_scope_writes_nothing(ward):
    mine = stocked(ward)
    file(mine)
    grant = ward.house.gate.grant(ward.house.authenticate(ward.clinician), "p1", "TREAT")
    before = leaves(ward.house)
    with pytest.raises(AccessError):
        ward.house.store.commit(grant, [Change("Patient", "p1", person())], at=WHEN)
    with pytest.raises(AccessError), ward.house.store.transaction(grant):
        pass
    assert leaves(ward.house) == before


def test_a_blob_is_fetched_in_its_own_record_and_kind_only(ward):
    from salus.formats.content import Bytes

    stocked(ward)
    mine = Grant("x", "p1", "self", frozenset({"genome"}), may_write=True, purpose="x")
    content = Bytes(b"##fileformat=VCFv4.2")
    address = ward.house.store.address(mine, content.sha256)
    ward.house.store.commit(mine, [], at=WHEN, blobs=[(address, "genome", content)])
    ward.house.add_actor(Actor("pip", "patient", Identity.generate("pip").public_key, "p2"), by="operator")
    other = ward.house.gate.custodian(ward.house.authenticate(ward.operator), "p2")
    ward.house.store.commit(other, [Change("Patient", "p2", person("p2"))], at=WHEN)
    for patient, kinds in (("p1", {"record", "note"}), ("p2", {"genome"}), ("nobody", {"genome"})):
        scope = Grant("x", patient, "self", frozenset(kinds), may_write=False, purpose="x")
        with pytest.raises(SalusError):
            ward.house.store.blob(scope, address)


def test_the_log_and_its_proofs_are_for_the_patient(ward):
    mine = stocked(ward)
    file(mine)
    n = mine.accesses("p1")[0]["n"]
    for who in (ward.clinician, ward.operator):
        session = Session(ward.house, who)
        before = leaves(ward.house)
        for attempt in (lambda s=session: s.accesses("p1"), lambda s=session: s.proof("p1", n)):
            with pytest.raises(AccessError):
                attempt()
        assert leaves(ward.house) >= before + 2
    with pytest.raises(SalusError):
        mine.proof("p1", 0)  # an entry of the house's


def test_a_token_ends_with_the_actor(front):
    headers = front.as_("dr-lee")
    front.consent()
    assert front.http.get("/fhir/Patient/p1", headers=headers).status_code == 200
    front.ward.house.remove_actor("dr-lee", by="operator")
    assert front.http.get("/fhir/Patient/p1", headers=headers).status_code == 401


@pytest.mark.parametrize("place", ["?access_token={}", "?token={}", "#access_token={}"])
def test_a_token_in_an_address_is_none(front, place):
    token = front.sign_in("dr-lee")["access_token"]
    front.consent()
    assert front.http.get(f"/fhir/Patient/p1{place.format(token)}").status_code in (400, 401)


def test_an_assertion_is_for_one_server_and_one_time(front):
    from salus.app.serving.tokens import assertion
    from salus.server.auth import ASSERTION_TYPE

    def answer(signed):
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
        return front.http.post("/auth/token", data=form).status_code

    at, audience = front.ward.time, "http://testserver/auth/token"
    good = assertion(front.people["dr-lee"], audience, at)
    assert (answer(good), answer(good)) == (200, 401)
    assert answer(assertion(front.people["dr-lee"], "http://elsewhere/auth/token", at)) == 401
    assert answer(assertion(Identity.generate("dr-lee"), audience, at)) == 401
    head, claims, _ = assertion(front.people["dr-lee"], audience, at).split(".")
    assert answer(f"{head}.{claims}.") == 401


def test_a_read_only_store_opens_nothing_and_stays_what_it_is(ward):
    """What cannot be logged is not shown, whoever asks: also not to the patient."""
    file(stocked(ward))
    ward.house.store.connection.execute("PRAGMA query_only=ON")
    before = leaves(ward.house)
    for who, purpose in ((ward.clinician, "TREAT"), (ward.patient, "PATRQT")):
        with pytest.raises(StoreError):
            ward.house.gate.open_chart(ward.house.authenticate(who), "p1", purpose, AT)
    ward.house.store.connection.execute("PRAGMA query_only=OFF")
    assert leaves(ward.house) == before
    assert not ward.house.verify().problems


def test_a_file_with_two_people_files_nothing_of_one_under_the_other(ward):
    stocked(ward)
    other = {**json.loads(json.dumps(person("p9"))), "birthDate": "1970-01-01"}
    stray = {"resourceType": "Condition", "id": "theirs", "code": {"text": "x"}, "subject": {"reference": "Patient/p9"}}
    ward.write("two.json", bundle(person(), other, stray))
    Intake(Session(ward.house, ward.operator), patient="p1").run([ward.folder])
    scope = Grant("x", "p1", "self", frozenset({"record"}), may_write=False, purpose="x")
    assert "Condition/theirs" not in {s.source.ref for s in ward.house.store.read(scope)}


def test_the_actor_in_the_log_is_who_signed_in(ward):
    stocked(ward)
    forged = Identity("operator", ward.clinician.key)
    with pytest.raises(AccessError):
        Session(ward.house, forged)
    with repelled(ward.house):
        Session(ward.house, ward.clinician).open("p1", AT)
    last = list(ward.house.log.entries(ward.house.store.connection, topic="access"))[-1]
    assert last.content["actor"] == "dr-lee"
