"""What is released without identifiers holds none of them, and what is not known to be safe is left out."""

import json as plain
import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import InputError
from salus.trust import safe_harbor
from salus.trust.scrub import Dictionary, leaks, scrub, zip3

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PATIENT = {
    "resourceType": "Patient",
    "id": "p-secret-1",
    "identifier": [{"system": "urn:mrn", "value": "MRN-778812"}],
    "name": [{"family": "Kowalczyk", "given": ["Bronisława", "Jo"]}],
    "telecom": [{"system": "phone", "value": "555-867-5309"}],
    "gender": "female",
    "birthDate": "1968-03-14",
    "address": [{"line": ["12 Cedar Lane"], "city": "Springfield", "state": "IL", "postalCode": "62704"}],
    "text": {"status": "generated", "div": "<div>Kowalczyk</div>"},
    "extension": [{"url": "urn:x", "valueString": "Kowalczyk"}],
}
DOCTOR = {"resourceType": "Practitioner", "id": "d1", "name": [{"family": "Okafor", "given": ["Chidi"]}]}
LAB = {
    "resourceType": "Observation",
    "id": "lab-1",
    "status": "final",
    "code": {
        "coding": [{"system": "http://loinc.org", "code": "2160-0", "display": "Creatinine"}],
        "text": "creatinine",
    },
    "subject": {"reference": "Patient/p-secret-1", "display": "Bronisława Kowalczyk"},
    "performer": [{"reference": "Practitioner/d1"}],
    "effectiveDateTime": "2026-05-04T08:15:00+02:00",
    "valueQuantity": {"value": Decimal("1.10"), "unit": "mg/dL", "code": "mg/dL"},
    "note": [{"text": "Called Ms Kowalczyk on 5/4/2026 at 555-867-5309; Dr. Okafor knows."}],
}


def released(*more, notes=(), patient=PATIENT):
    return safe_harbor.release([patient, DOCTOR, *more], notes, NOW)


def written(told):
    """Everything that leaves, but the random names of resources: they may hold three digits of a secret by chance."""
    return re.sub(r"\b[0-9a-f]{16}\b", "", plain.dumps([*told.resources, *told.notes], default=str, ensure_ascii=False))


def test_no_identifier_is_left_and_the_values_are():
    told = released(LAB, notes=["Seen by Dr. Okafor. Kowalczyk lives at 12 Cedar Lane, Springfield. MRN-778812."])
    everything = written(told)
    for secret in (
        "Kowal",
        "Bronis",
        "Okafor",
        "778812",
        "867",
        "Cedar",
        "Springfield",
        "62704",
        "p-secret",
        "-05-",
        "lab-1",
    ):
        assert secret not in everything, secret
    patient, lab = told.resources
    assert patient["birthDate"] == "1968"
    assert patient["address"] == [{"state": "IL", "postalCode": "627"}]
    assert lab["valueQuantity"] == LAB["valueQuantity"]
    assert lab["effectiveDateTime"] == "2026"
    assert lab["subject"] == {"reference": f"Patient/{patient['id']}"}
    assert lab["note"] == [{"text": "Called Ms [NAME] on 2026 at [ID]; Dr. [NAME] knows."}]
    assert told.left_out["Practitioner"] == 1


def test_the_names_of_a_release_hold_for_it_alone():
    assert released(LAB).resources[0]["id"] != released(LAB).resources[0]["id"]


def test_an_age_over_89_is_not_told_by_any_year_of_birth():
    old = {**PATIENT, "birthDate": "1936-01-01"}
    age = {
        **LAB,
        "valueQuantity": {"value": 93, "unit": "years", "code": "a"},
        "note": [{"text": "a 93-year-old woman"}],
    }
    patient, lab = released(age, patient=old).resources
    assert "birthDate" not in patient
    assert lab["valueQuantity"]["value"] == 90
    assert lab["valueQuantity"]["comparator"] == ">="
    assert lab["note"][0]["text"] == "a 90 or older-year-old woman"


def test_unknown_strings_types_and_modifiers_are_left_out_and_counted():
    odd = {**LAB, "id": "o2", "strange": "Kowalczyk said", "modifierExtension": [{"url": "urn:x"}]}
    strange = {**LAB, "id": "o3", "strange": "whatever"}
    told = released(odd, strange, {"resourceType": "Device", "id": "v", "serialNumber": "A1"})
    assert len(told.resources) == 2
    assert told.left_out["Observation"] == 1
    assert told.left_out["Observation.strange"] == 1
    assert told.left_out["Device"] == 1


@pytest.mark.parametrize("bodies", [[], [LAB], [PATIENT, {**PATIENT, "id": "p2"}]])
def test_a_release_is_of_one_patient(bodies):
    with pytest.raises(InputError):
        safe_harbor.release(bodies, [], NOW)


def test_if_a_second_look_finds_something_nothing_is_released(monkeypatch):
    monkeypatch.setattr(safe_harbor, "leaks", lambda text, dictionary: 1)
    with pytest.raises(InputError, match="second look"):
        released(LAB)


SENTENCES = [
    ("seen on 2026-05-04T10:20:00Z", "seen on 2026"),
    ("seen 4 May 2026 and May 4th, 2026", "seen 2026 and 2026"),
    ("seen 04/05/2026, again 4-5-26", "seen 2026, again [DATE]"),
    ("on May 4 she came", "on [DATE] she came"),
    ("mail a.b+c@example.co.uk or www.example.com/x?y=1", "mail [EMAIL] or [URL]"),
    ("from 192.168.0.17", "from [IP]"),
    ("SSN 123-45-6789", "SSN [ID]"),
    ("call +1 (415) 555-0123 x12", "call [PHONE]"),
    ("MRN: 00442-A, account number 77-1", "MRN: [ID], account number [ID]"),
    ("lives in CA 94110-1234", "lives in CA 941"),
    ("at 221B Baker Street, Apt 4", "at [ADDRESS]"),
    ("Mrs. van der Berg and Prof. Ana María López", "Mrs. van der Berg and Prof. [NAME]"),
    ("he is 47 years old, she 91 years old", "he is 47 years old, she 90 or older years old"),
]


@pytest.mark.parametrize(("text", "told"), SENTENCES)
def test_patterns(text, told):
    assert scrub(text, Dictionary()).text == told


@pytest.mark.parametrize(
    "text",
    [
        "BP 128/76 mmHg, pulse 72, SpO2 97 %, temp 37.2",
        "creatinine 1.10 mg/dL, eGFR 71, HbA1c 6.5 %",
        "metoprolol 25 mg 1-0-1, may repeat after 8 h",
        "platelets 250,000, WBC 4.5-11.0, 1:1000",
        "ICD-10 I21.4; CYP2C19*2/*17; rs4149056",
        "rate 60-100/min in V1 to V6, QTc 440 ms",
    ],
)
def test_medicine_stays_readable(text):
    assert scrub(text, Dictionary()).text == text


def test_names_are_found_misspelt_and_in_any_case():
    known = Dictionary(names=frozenset({"Kowalczyk"}), places=frozenset({"12 Cedar Lane"}))
    for text in ("KOWALCZYK came", "Kowalcyzk came", "Kowalczk came", "kowalczyk came"):
        assert scrub(text, known).text in ("[NAME] came",)
    assert scrub("at 12  cedar lane today", known).text == "at [PLACE] today"
    assert scrub("Kowal came", known).text == "Kowal came"


@given(st.text(max_size=300), st.lists(st.text(st.characters(categories=["L"]), min_size=2, max_size=9), max_size=4))
@settings(max_examples=200, deadline=None)
def test_a_second_look_finds_nothing(text, names):
    known = Dictionary(names=frozenset(names))
    told = scrub(" ".join([text, *names, "on 2026-05-04"]), known)
    assert leaks(told.text, known) == 0 or set(scrub(told.text, known).found) <= {"NAME", "ID", "PLACE"}
    assert "2026-05-04" not in told.text


@pytest.mark.parametrize(
    ("code", "told"), [("62704", "627"), ("03601", "000"), ("89312-1", "000"), ("X1", "000"), ("", "000")]
)
def test_zip(code, told):
    assert zip3(code) == told


def test_hostile_text_costs_little():
    import time

    for piece in ("a.", "1 ", "A ", "12-", "Dr ", "1.2.", "12 Aa ", "AB12 ", "@a."):
        start = time.process_time()
        scrub(piece * (60_000 // len(piece)), Dictionary(names=frozenset({"Somebody"})))
        assert time.process_time() - start < 5


OLD_PATIENT = {
    **PATIENT,
    "birthDate": "1931-03-14",
    "_birthDate": {"extension": [{"url": "urn:t", "valueDateTime": "1931-03-14T04:05:06Z"}]},
    "name": [{"family": "O'Brien-Sørensen", "given": ["An", "José"]}],
    "address": [{"city": "Kassel", "state": "Kassel, 34117", "country": "DE", "postalCode": "34117"}],
    "ssn": 123456789,
    "pin": "4711",
    "José": {"text": "x"},
}


def observed(**more):
    return {k: v for k, v in LAB.items() if k not in ("valueQuantity", "note", "performer")} | more


def test_identifiers_in_odd_places_do_not_survive():
    told = released(
        observed(
            subject={"reference": "https://ehr.example.org/fhir/Patient/p-secret-1/_history/3", "display": "An"},
            encounter={"reference": "urn:uuid:8f1c"},
            specimen={"display": "Zoltan Kovacs"},
            method={"coding": [{"system": "http://ward.example.org/x", "code": "Zoltan 555-867-5309"}]},
            valueString="born 3/14/1931, in 1931; 778812; jose; BRIEN; sorensen; o’brien; Zoltan; José_scan.pdf",
        ),
        {
            "resourceType": "FamilyMemberHistory",
            "id": "f",
            "name": "Gudrun Zzyzx",
            "bornDate": "1910-01-02",
            "relationship": {"text": "mother Gudrun"},
        },
        {"resourceType": "QuestionnaireResponse", "id": "q", "item": [{"linkId": "Gudrun 1931-03-14", "text": "who"}]},
        {
            "resourceType": "MedicationRequest",
            "id": "m",
            "medicationReference": {"reference": "#m1", "display": "aspirin 75 mg"},
            "contained": [{"resourceType": "Practitioner", "id": "x", "name": [{"given": ["Zoltan"]}]}],
        },
        patient=OLD_PATIENT,
    )
    everything = written(told).lower()
    for secret in ("1931", "1910", "03-14", "3/14", "8812", "jos", "brien", "rensen", "zoltan", "kovacs", "gudrun"):
        assert secret not in everything, secret
    for secret in ("kassel", "341", "8f1c", "123456789", "4711", "example.org"):
        assert secret not in everything, secret
    patient, lab, _, _, order = told.resources
    assert lab["subject"] == {"reference": f"Patient/{patient['id']}"}
    assert order["medicationReference"] == {"display": "aspirin 75 mg"}
    assert told.left_out["Patient.ssn"] == 1


def test_every_form_of_an_age_over_89_reads_90():
    told = released(
        observed(code={"text": "Age at test"}, valueInteger=95),
        observed(component=[{"code": {"text": "x"}, "valueQuantity": {"value": 1140, "code": "mo"}}]),
        {"resourceType": "FamilyMemberHistory", "id": "f", "deceasedAge": {"value": 99, "unit": "yr"}},
        {"resourceType": "Condition", "id": "c", "onsetAge": {"value": Decimal(94)}},
        notes=["aged 93, a 93 y.o. woman, turned 95, her 95th birthday, ninety-three years old", "aged 47"],
    )
    _, number, months, mother, onset = told.resources
    assert "valueInteger" not in number
    assert months["component"][0]["valueQuantity"]["value"] == 90
    assert mother["deceasedAge"]["value"] == onset["onsetAge"]["value"] == 90
    assert not any(f"9{n}" in told.notes[0] for n in range(1, 10))
    assert "ninety" not in told.notes[0]
    assert told.notes[1] == "aged 47"


def test_a_birth_date_that_is_none_is_no_crash():
    assert "birthDate" not in released(patient={**PATIENT, "birthDate": "unknown"}).resources[0]


@pytest.mark.parametrize(
    "text", ["weights 70\n71\n72\n73", "10.20 10.30 11.40", "BP 120 80 72", "temp 98 F", "an max dose; will do"]
)
def test_numbers_and_words_that_look_like_identifiers_stay(text):
    assert scrub(text, Dictionary(names=frozenset({"An", "Max"}))).text == text


def test_names_like_the_marks_do_not_stop_a_release():
    known = Dictionary(names=frozenset({"Place", "Name", "Placer"}))
    told = scrub("Place of Name at 12 Cedar Lane, call 555-867-5309", known)
    assert leaks(told.text, known) == 0
    assert told.found["NAME"] == 2
