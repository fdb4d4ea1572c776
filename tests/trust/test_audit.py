"""Every kind of entry of the log becomes an AuditEvent that passes: why, on which consent, and nothing clinical."""

import base64
from datetime import timedelta

import pytest

from salus.app import acts
from salus.app.erasure import ask
from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.errors import AccessError, InputError
from salus.fhir import json
from salus.fhir.views import CATEGORIES
from salus.trust import audit
from salus.trust.balp import coding
from salus.trust.identity import Actor, Identity
from tests.conftest import AT
from tests.intake import made
from tests.trust.test_balp import where

# none of them is found by chance among the letters of a hash
SECRETS = ('"Ada"', "Example", "MRN-p1", "1968-03", "1.10", "mg/dL", "2160-0", "female", "CYP2C19")
PLACE = audit.Place("a-store", "salus.log/abc", "https://house.example/fhir")


def events(ward, patient="p1", place=PLACE):
    """(content, event) of every entry about a patient, each checked."""
    found = []
    for entry in ward.house.log.entries(ward.house.store.connection, patient=patient):
        (commitment,) = ward.house.store.connection.execute(
            "SELECT commitment FROM log_leaf WHERE n = ?", (entry.n,)
        ).fetchone()
        made_of = audit.of_entry(entry.content, entry.n, place, patient=patient, commitment=commitment)
        audit.check(made_of)
        found.append((entry.content, made_of))
    return found


def profile_named(given):
    return given.get("meta", {}).get("profile", ["."])[0].rpartition(".")[2]


def kinds(given, kind):
    return [e for e in given["entity"] if e["type"] == coding(kind)]


def lived(ward):
    """A record that was filled, released, read, denied, shared for research, revoked, and asked to be erased."""
    Intake(Session(ward.house, ward.operator)).run([made.folder(ward.folder / "own")])
    patient, clinician = Session(ward.house, ward.patient), Session(ward.house, ward.clinician)
    with pytest.raises(AccessError):
        clinician.open("p1", AT)
    more = {"actors": ["dr-lee"], "categories": CATEGORIES}
    first = patient.give_consent("p1", ward.time, purposes=("TREAT", "HRESCH"), **more)
    ward.time += timedelta(minutes=1)
    clinician.open("p1", AT)
    clinician.open("p1", AT, purpose="HRESCH")
    patient.close_to_processing("p1", ward.time, categories=["genome"])
    patient.revoke("p1", first)
    patient.accesses("p1")
    ask(patient, "p1")
    ward.house.add_actor(Actor("kin", "proxy", Identity.generate("kin").public_key, "p1"), by="pat")
    ward.house.gate.note_comparison(ward.house.registry.actors["operator"], "p1")
    return first


def test_every_entry_of_the_log_becomes_an_event_that_passes(ward):
    lived(ward)
    found = events(ward)
    told = {(c["reason"], c.get("decision", ""), profile_named(e)) for c, e in found}
    assert told >= {
        ("access", "deny", ""),
        ("access", "permit", "PatientRead"),
        ("access", "permit", "Source"),
        ("consent", "", "PatientCreate"),
        ("consent", "", "PatientUpdate"),
        ("erasure-asked", "", ""),
        ("actor-added", "", ""),
        ("compared", "", ""),
    }
    assert {p for r, _, p in told if r in ("intake", "findings")} <= {"PatientCreate", "PatientUpdate"}
    assert not any(secret in json.dumps(e).decode() for _, e in found for secret in SECRETS)
    assert len({e["id"] for _, e in found}) == len(found)


def test_a_look_names_its_consent_purpose_categories_and_proof(ward):
    consent = lived(ward)
    content, given = next((c, e) for c, e in events(ward) if c.get("bases") == ["consent"] and c["purpose"] == "TREAT")
    (basis,) = kinds(given, "resource#Consent")
    assert basis["what"] == {"reference": f"Consent/{consent}/_history/1"}
    user = given["agent"][2]
    assert user["who"] == {"identifier": {"system": "urn:salus:actor", "value": "dr-lee"}}
    purpose = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}]}]
    assert user["purposeOfUse"] == given["purposeOfEvent"] == purpose
    (record,) = kinds(given, "entity#2")
    assert {d["valueString"] for d in record["detail"]} == set(content["categories"]) == set(CATEGORIES)
    (entry,) = kinds(given, "entity#4")
    n = int(entry["what"]["identifier"]["value"])
    assert entry["what"]["identifier"]["system"] == "urn:salus:log-entry:salus.log/abc"
    assert given["id"] == f"log-{n}"
    row = ward.house.store.connection.execute("SELECT commitment FROM log_leaf WHERE n = ?", (n,)).fetchone()
    assert entry["detail"][0]["valueBase64Binary"] == base64.b64encode(row[0]).decode()
    assert given["recorded"] == content["at"]
    assert (given["action"], given["outcome"], given["source"]["observer"]["identifier"]["value"]) == (
        "R",
        "0",
        "a-store",
    )


def test_a_refusal_has_outcome_eight_and_claims_nothing(ward):
    lived(ward)
    content, given = next((c, e) for c, e in events(ward) if c.get("decision") == "deny")
    assert (given["outcome"], content["actor"]) == ("8", "dr-lee")
    assert "meta" not in given
    audit.check(given, "PatientRead", failed=True)
    assert where(given, "PatientRead") == "AuditEvent.outcome"
    assert given["contained"][0]["issue"] == [{"severity": "error", "code": "forbidden"}]
    assert not kinds(given, "resource#Consent")


def test_research_is_a_disclosure_that_the_patient_authorized(ward):
    lived(ward)
    given = next(e for c, e in events(ward) if c.get("purpose") == "HRESCH")
    audit.check(given, "AuditPrivacyDisclosureSource")
    source, recipient, authorizer = given["agent"]
    assert source["who"] == given["source"]["observer"]
    assert recipient["who"]["identifier"]["value"] == "dr-lee"
    assert authorizer["who"] == {"reference": "Patient/p1"}


def test_the_house_itself_is_no_user(ward):
    lived(ward)
    given = next(e for c, e in events(ward) if c.get("actor") == "service" and c["reason"] == "access")
    assert [a["requestor"] for a in given["agent"]] == [True, False]
    assert given["agent"][0]["who"]["identifier"]["value"] == "service"
    assert "purposeOfEvent" not in given


def content(**more):
    return {"reason": "access", "actor": "dr-lee", "at": "2026-06-01T12:00:00Z", **more}


def of(given, place=PLACE):
    made_of = audit.of_entry(given, 7, place, patient="p1", commitment=b"c" * 32)
    audit.check(made_of)
    return made_of


ITEM = ["Observation/o1", 1, "ab" * 32, False]


@pytest.mark.parametrize(
    ("items", "profile", "interaction"),
    [
        ([ITEM], "PatientCreate", "create"),
        ([ITEM, ["List/l", 1, "", False]], "PatientCreate", "create"),
        ([["Observation/o1", 2, "", False]], "PatientUpdate", "update"),
        ([ITEM, ["Observation/o2", 2, "", False]], "PatientUpdate", "update"),
        ([["Observation/o1", 2, "", True]], "PatientDelete", "delete"),
        ([["Observation/o1", 2, "", True], ITEM], "PatientUpdate", "update"),
        ([], "PatientUpdate", "update"),
    ],
)
def test_a_write_is_what_it_did(items, profile, interaction):
    given = of(content(reason="intake", basis="custodian", items=items, blobs=[["addr", "note"]]))
    assert profile_named(given) == profile
    assert given["subtype"] == [coding(f"interaction#{interaction}")]
    (data,) = kinds(given, "entity#2")
    told = [data["what"]["reference"]] if len(items) == 1 else [e["what"]["reference"] for e in given["entity"][2:-1]]
    assert told == [f"{i[0]}/_history/{i[1]}" for i in items]
    assert given["agent"][2]["type"]["coding"] == [coding("participation#CST")]


def test_a_search_is_a_query_where_the_entry_names_it():
    asked = content(decision="permit", purpose="TREAT", interaction="search-type", query="?code=1", client="192.0.2.7")
    given = of(asked)
    assert profile_named(given) == "PatientQuery"
    (searched,) = kinds(given, "entity#2")
    assert base64.b64decode(searched["query"]) == b"?code=1"
    assert given["agent"][0]["network"] == {"address": "192.0.2.7"}
    assert given["agent"][1]["network"] == {"address": PLACE.address, "type": "5"}
    assert profile_named(of({k: v for k, v in asked.items() if k != "query"})) == "PatientRead"
    assert of(content(decision="permit", interaction="vread"))["subtype"] == [coding("interaction#vread")]


def test_what_the_log_does_not_hold_is_marked_unknown():
    given = of(content(decision="permit", purpose="own words"), audit.Place("s", "o"))
    absent = {"extension": [{"url": audit.ABSENT, "valueCode": "unknown"}]}
    assert [a["network"] for a in given["agent"][:2]] == [absent, absent]
    assert "purposeOfEvent" not in given


def test_a_notice_tells_whom_it_names_and_no_free_text():
    given = of(content(reason="proposed", act="actor-added", id="kin", ground="a case of hers", notice="proposed"))
    assert given["type"] == coding("DCM#110100")
    assert given["subtype"] == [{"system": "urn:salus:log-reason", "code": "proposed"}]
    assert given["entity"][1]["what"]["identifier"]["value"] == "kin"
    assert b"a case" not in json.dumps(given)
    assert len(of(content(reason="hold", ground="x", id="y"))["entity"]) == 2


@pytest.mark.parametrize("wrong", [{"actor": ""}, {"actor": None}, {"at": None}, {"at": "soon"}])
def test_an_entry_without_actor_or_time_is_refused(wrong):
    with pytest.raises(InputError):
        of(content(**wrong))


def test_a_commitment_has_its_length():
    with pytest.raises(InputError, match="32 bytes"):
        audit.of_entry(content(), 1, PLACE, patient="p1", commitment=b"short")


def test_a_stopped_proposal_of_the_house_has_an_actor(ward):
    ward.house.registry.alone = False
    proposal = ward.house.add_actor(Actor("kin", "proxy", Identity.generate("kin").public_key, "p1"), by="operator")
    Intake(Session(ward.house, ward.operator)).run([made.folder(ward.folder / "own")])
    acts.stop(ward.house, proposal.n, ward.house.registry.actors["pat"])
    assert any(c["reason"] == "stopped" for c, _ in events(ward))
