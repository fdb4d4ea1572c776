"""Row 10: forged signatures and Provenances, consents played again, and what was made for another house."""

import base64
from datetime import timedelta

import pytest

from salus.app.config import at_folder
from salus.app.house import House
from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.errors import AccessError, InputError, SalusError
from salus.trust import consent_drafts, consent_signatures, proof
from salus.trust.identity import Actor, Identity, check_enrolment
from tests.conftest import AT, bundle, creatinine, person
from tests.trust.attacks.scene import file, post, put, repelled, stocked
from tests.trust.test_gate import look


def draft(ward, who=None, **more):
    session = Session(ward.house, who or ward.patient)
    return session.drafted("p1", ward.time, **{"actors": ["dr-lee"], "categories": ["record"], **more})


def signed(ward, body=None):
    body = body or draft(ward)
    return body, consent_signatures.sign(body, ward.patient, AT)


def at(path, value):
    """A change of one element, deep inside."""

    def change(proof):
        node = proof
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value

    return change


def other_signature(proof):
    raw = bytearray(base64.b64decode(proof["signature"][0]["data"]))
    raw[3] ^= 1
    proof["signature"][0]["data"] = base64.b64encode(raw).decode()


FORGED = {
    "a bit": other_signature,
    "none": at(["signature"], []),
    "no list": at(["signature"], "AAAA"),
    "not base64": at(["signature", 0, "data"], "!" * 88),
    "too short": at(["signature", 0, "data"], base64.b64encode(bytes(63)).decode()),
    "zeros": at(["signature", 0, "data"], base64.b64encode(bytes(64)).decode()),
    "a number": at(["signature", 0, "data"], 7),
    "another form": at(["signature", 0, "sigFormat"], "image/png"),
    "the proxy's name": at(["signature", 0, "who"], {"identifier": {"system": "urn:salus:actor", "value": "dr-lee"}}),
    "two names": at(["signature", 0, "who"], [{"identifier": {"value": "pat"}}, {"identifier": {"value": "dr-lee"}}]),
    "a name as a reference": at(["signature", 0, "who"], {"reference": "Patient/p1"}),
    "the ninth": lambda proof: proof.update(
        signature=[{**proof["signature"][0], "data": base64.b64encode(bytes([n]) * 64).decode()} for n in range(8)]
        + proof["signature"]
    ),
    "another target": at(["target"], [{"reference": "Consent/other"}]),
    "one more target": lambda proof: proof["target"].append({"reference": "Observation/c1"}),
    "another id": at(["id"], "other-signature"),
    "another type": at(["resourceType"], "AuditEvent"),
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_a_forged_signature_files_nothing(ward, change):
    stocked(ward)
    body, proof_ = signed(ward)
    change(proof_)
    for who in (ward.patient, ward.operator, ward.clinician):
        with pytest.raises((InputError, AccessError)):
            Session(ward.house, who).file_consent("p1", body, proof_)
    with repelled(ward.house):
        look(ward)


CHANGES = {
    "an actor": lambda body: body["provision"]["actor"].append(body["provision"]["actor"][0] | {"id": "x"}),
    "a category": lambda body: body["provision"]["class"].append({"system": "urn:salus:category", "code": "genome"}),
    "the end": lambda body: body["provision"]["period"].update(end="2099-01-01"),
    "the patient": lambda body: body.update(patient={"reference": "Patient/p2"}),
    "the id": lambda body: body.update(id="another"),
    "the type": lambda body: body["provision"].update(type="deny"),
    "a word": lambda body: body.update(text={"status": "generated", "div": "<div>x</div>"}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_signed_is_what_is_filed(ward, change):
    stocked(ward)
    body, proof_ = signed(ward)
    change(body)
    with pytest.raises((InputError, AccessError)):
        Session(ward.house, ward.operator).file_consent("p1", body, {**proof_, "id": f"{body['id']}-signature"})
    with repelled(ward.house):
        look(ward)


@pytest.mark.parametrize("witnessed", [False, True])
def test_staff_sign_nothing_for_a_patient(ward, witnessed):
    stocked(ward)
    for who in (ward.operator, ward.clinician):
        body = draft(ward, who, until="2026-12-31")
        with pytest.raises((InputError, AccessError)):
            Session(ward.house, who).file_consent(
                "p1", body, consent_signatures.sign(body, who, AT, witnessed=witnessed)
            )
    with repelled(ward.house):
        look(ward)


def test_another_patients_signature_is_none(ward):
    stocked(ward)
    pip = Identity.generate("pip")
    ward.house.add_actor(Actor("pip", "patient", pip.public_key, patient="p2"), by="operator")
    body = draft(ward)
    forged = consent_signatures.sign(body, pip, AT)
    for who in (ward.operator, ward.clinician):
        with pytest.raises(InputError):
            Session(ward.house, who).file_consent("p1", body, forged)
    with repelled(ward.house):
        Session(ward.house, pip).file_consent("p1", body, forged)


def test_a_consent_is_filed_once(ward):
    mine = stocked(ward)
    body, proof_ = signed(ward)
    mine.file_consent("p1", body, proof_)
    for who in (ward.patient, ward.operator, ward.clinician):
        with pytest.raises(InputError):
            Session(ward.house, who).file_consent("p1", body, proof_)


@pytest.mark.parametrize("days", [0, 400])
def test_a_draft_in_a_drawer_does_not_come_back_after_another_decision(ward, days):
    mine = stocked(ward)
    kept = [signed(ward), signed(ward)]
    denied = file(mine, lambda rule: rule.update(type="deny"))
    ward.time += timedelta(days=days)
    for round_ in range(2):
        for who in (ward.operator, ward.clinician, ward.patient):
            with pytest.raises(InputError, match="another decision"):
                Session(ward.house, who).file_consent("p1", *kept[round_])
        if not round_:
            mine.revoke("p1", denied)
    with repelled(ward.house):
        look(ward)


def test_a_revocation_is_not_played_against_another_consent(ward):
    mine = stocked(ward)
    first = file(mine)
    ending = mine.ended("p1", first)
    second = file(mine)
    for body in (ending, {**ending, "id": second}):
        with pytest.raises(InputError):
            Session(ward.house, ward.operator).file_consent(
                "p1", body, consent_signatures.sign(ending, ward.patient, AT)
            )
    assert look(ward)


@pytest.mark.parametrize("part", ["service", "key", "previous"])
def test_a_binding_of_ones_own_making_binds_nothing(ward, part):
    stocked(ward)
    body = draft(ward)
    good = consent_drafts.binding_of(body)
    told = {name: getattr(good, name) for name in good.__slots__} | {part: "0" * 64}
    body = consent_drafts.bind(body, consent_drafts.Binding(**told))
    with pytest.raises(InputError):
        Session(ward.house, ward.operator).file_consent("p1", *signed(ward, body))
    twice = {**draft(ward)}
    twice["extension"] = twice["extension"] * 2
    with pytest.raises(InputError):
        Session(ward.house, ward.operator).file_consent("p1", *signed(ward, twice))


@pytest.fixture
def elsewhere(ward, tmp_path):
    """Another house, with the same people and the same patient in it."""
    with House.create(at_folder(tmp_path / "other"), alone=True, clock=lambda: ward.time) as other:
        for actor in ward.house.registry.actors.values():
            other.add_actor(actor, by="operator")
        from salus.record.store import Change

        scope = other.gate.custodian(other.authenticate(ward.operator), "p1")
        other.store.commit(scope, [Change("Patient", "p1", person())], at=other.time())
        yield other


def test_a_consent_for_one_house_opens_none_other(ward, elsewhere):
    stocked(ward)
    body, proof_ = signed(ward)
    for who in (ward.patient, ward.operator):
        with pytest.raises(InputError, match="not drafted for this store"):
            Session(elsewhere, who).file_consent("p1", body, proof_)
    with repelled(elsewhere):
        elsewhere.gate.grant(elsewhere.authenticate(ward.clinician), "p1", "TREAT")


def test_a_proof_of_one_house_proves_nothing_of_another(ward, elsewhere):
    mine = stocked(ward)
    file(mine)
    told = mine.proof("p1", mine.accesses("p1")[0]["n"])
    key = ward.house.vault.house.public_key()
    assert proof.check(told, key)
    with pytest.raises(SalusError):
        proof.check(told, elsewhere.vault.house.public_key())
    head, _, rest = told.partition(b"\n\n")
    newest = elsewhere.log.newest(elsewhere.store.connection).to_bytes()
    for forged in (head + b"\n\n" + newest, head.replace(b"index ", b"index 1") + b"\n\n" + rest):
        for known in (key, elsewhere.vault.house.public_key()):
            with pytest.raises(SalusError):
                proof.check(forged, known)


def test_rows_of_another_house_open_nothing(ward, elsewhere):
    """The consent's rows and the log's, copied with all that belongs to them."""
    file(stocked(ward))
    rows = ward.house.store.connection.execute("SELECT type, id, version, updated, mac, body FROM resource").fetchall()
    pid = elsewhere.store.number_of(elsewhere.gate.custody("t", "p1"))
    for kind, name, *rest in rows:
        if kind in ("Consent", "Provenance"):
            elsewhere.store.connection.execute(
                "INSERT INTO resource (pid, type, id, version, updated, deleted, mac, body) VALUES (?,?,?,?,?,0,?,?)",
                (pid, kind, name, *rest),
            )
    with pytest.raises(SalusError):
        elsewhere.gate.grant(elsewhere.authenticate(ward.clinician), "p1", "TREAT")


@pytest.mark.parametrize("kind", ["Consent", "Provenance"])
@pytest.mark.parametrize("door", ["file", "network"])
def test_who_may_file_data_neither_replaces_a_consent_nor_breaks_it(front, kind, door):
    name = front.consent(categories=["record"])
    evil = {
        "Consent": {
            "resourceType": "Consent",
            "id": name,
            "status": "inactive",
            "patient": {"reference": "Patient/p1"},
        },
        "Provenance": {
            "resourceType": "Provenance",
            "id": consent_signatures.signature_id(name),
            "target": [{"reference": "Observation/c0"}],
            "recorded": "2026-06-01T12:00:00Z",
            "agent": [{"who": {"display": "x"}}],
        },
    }[kind]
    if door == "file":
        front.ward.write("evil/x.json", bundle(person(), evil))
        Intake(Session(front.ward.house, front.ward.clinician)).run([front.ward.folder / "evil"])
    else:
        asked = [(evil, kind), (creatinine("1.0", "2026-01-01", "zz"), "Observation")]
        entries = [{"resource": r, "request": {"method": "POST", "url": url}} for r, url in asked]
        post(front, "/fhir", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert look(front.ward)[1].categories == {"record"}
    assert not front.ward.house.verify().problems


@pytest.mark.parametrize(
    "key", [bytes(32), b"\1" + bytes(31), bytes([236]) + b"\xff" * 30 + b"\x7f", b"\xff" * 32, b""]
)
def test_a_key_that_signs_everything_is_not_enrolled(key):
    with pytest.raises(InputError):
        check_enrolment(key)


def test_a_consent_that_appears_in_the_record_by_itself_stops_everything(ward):
    stocked(ward)
    body, proof_ = signed(ward)
    put(ward, body, proof_)  # by whoever may write, without the topic of a decision
    with pytest.raises(SalusError):
        look(ward)
