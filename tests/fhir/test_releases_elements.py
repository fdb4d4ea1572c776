"""FHIR releases: what becomes of the elements of each type in R4."""

import pytest

from salus.fhir.releases import to_r4
from salus.fhir.releases.tables import tables
from tests.fhir.made import METFORMIN, PATIENT, codes, of


def test_a_dstu2_prescription():
    found = to_r4(
        of(
            "MedicationOrder",
            patient=PATIENT,
            status="active",
            dateWritten="2026-01-01",
            dateEnded="2026-03-01",
            note="n",
            prescriber={"reference": "Practitioner/1"},
            medicationCodeableConcept=METFORMIN,
            reasonCodeableConcept=METFORMIN,
            dosageInstruction=[
                {
                    "text": "1 nocte",
                    "doseQuantity": {"value": 1},
                    "siteCodeableConcept": METFORMIN,
                    "additionalInstructions": METFORMIN,
                    "rateRatio": {"numerator": {"value": 2}},
                    "timing": {
                        "repeat": {
                            "frequency": 1,
                            "period": 1,
                            "periodUnits": "d",
                            "when": "HS",
                            "boundsQuantity": {"value": 5},
                        }
                    },
                }
            ],
        )
    )
    body = found.resource
    assert (found.release, found.losses, found.refused) == ("DSTU2", (), "")
    assert body["resourceType"] == "MedicationRequest"
    assert (body["subject"], body["authoredOn"], body["intent"]) == (PATIENT, "2026-01-01", "order")
    assert (body["requester"], body["note"], body["reasonCode"]) == (
        {"reference": "Practitioner/1"}, [{"text": "n"}], [METFORMIN]
    )  # fmt: skip
    assert body["dispenseRequest"]["validityPeriod"]["end"] == "2026-03-01"
    (dosage,) = body["dosageInstruction"]
    assert dosage == {
        "text": "1 nocte",
        "site": METFORMIN,
        "additionalInstruction": [METFORMIN],
        "timing": {
            "repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["HS"], "boundsDuration": {"value": 5}}
        },
        "doseAndRate": [{"doseQuantity": {"value": 1}, "rateRatio": {"numerator": {"value": 2}}}],
    }


def test_doses_of_statements():
    second = to_r4(
        of("MedicationStatement", patient=PATIENT, status="active", dosage=[{"quantityQuantity": {"value": 2}}])
    )
    third = to_r4(of("MedicationStatement", subject=PATIENT, taken="y", dosage=[{"doseRange": {"high": {"value": 2}}}]))
    assert second.resource["dosage"] == [{"doseAndRate": [{"doseQuantity": {"value": 2}}]}]
    assert third.resource["dosage"] == [{"doseAndRate": [{"doseRange": {"high": {"value": 2}}}]}]
    fifth = {
        "asNeeded": True, "asNeededFor": [METFORMIN], "maxDosePerPeriod": [{"numerator": {"value": 4}}],
        "doseAndRate": [{"doseQuantity": {"value": 1}}],
    }  # fmt: skip
    body = of("MedicationRequest", status="active", medication={"concept": METFORMIN}, dosageInstruction=[fifth])
    assert to_r4(body).resource["dosageInstruction"] == [
        {
            "doseAndRate": [{"doseQuantity": {"value": 1}}], "asNeededBoolean": True,
            "asNeededCodeableConcept": METFORMIN, "maxDosePerPeriod": {"numerator": {"value": 4}},
        }
    ]  # fmt: skip


def test_of_several_greatest_doses_none_is_taken():
    dosage = {"asNeeded": True, "maxDosePerPeriod": [{"numerator": {"value": 4}}, {"numerator": {"value": 8}}]}
    found = to_r4(
        of("MedicationRequest", status="active", medication={"concept": METFORMIN}, dosageInstruction=[dosage])
    )
    assert found.resource["dosageInstruction"] == [{"asNeededBoolean": True}]
    assert any("maxDosePerPeriod" in loss for loss in found.losses)


def test_the_rendered_dosage_is_kept_where_there_is_no_other():
    body = of("MedicationRequest", status="active", medication={"concept": METFORMIN}, renderedDosageInstruction="1 od")
    assert to_r4(body).resource["dosageInstruction"] == [{"text": "1 od"}]
    told = to_r4({**body, "dosageInstruction": [{"text": "2 od"}]}).resource
    assert told["dosageInstruction"] == [{"text": "2 od"}]
    assert "renderedDosageInstruction" not in told


@pytest.mark.parametrize(
    ("status", "verification", "clinical"),
    [
        ("active", None, "active"),
        ("unconfirmed", "unconfirmed", "active"),
        ("confirmed", "confirmed", "active"),
        ("inactive", None, "inactive"),
        ("resolved", None, "resolved"),
        ("refuted", "refuted", None),
        ("entered-in-error", "entered-in-error", None),
    ],
)
def test_a_dstu2_allergy_has_one_status_for_both(status, verification, clinical):
    found = to_r4(of("AllergyIntolerance", patient=PATIENT, status=status, substance=METFORMIN, criticality="CRITH"))
    body = found.resource
    assert (body["code"], body["criticality"], found.refused) == (METFORMIN, "high", "")
    assert "status" not in body
    assert body.get("verificationStatus") == (
        {"coding": [{"system": tables().systems["allergy-verification"], "code": verification}]}
        if verification
        else None
    )
    assert body.get("clinicalStatus") == (
        {"coding": [{"system": tables().systems["allergy-clinical"], "code": clinical}]} if clinical else None
    )


def test_an_unknown_status_of_a_dstu2_allergy_is_refused():
    assert to_r4(of("AllergyIntolerance", patient=PATIENT, status="odd", substance=METFORMIN)).refused


def test_conditions_of_older_releases():
    second = to_r4(
        of("Condition", patient=PATIENT, code=METFORMIN, clinicalStatus="relapse", verificationStatus="unknown",
           dateRecorded="2020", notes="n", onsetQuantity={"value": 4}, category=METFORMIN)
    )  # fmt: skip
    body = second.resource
    assert codes(body["clinicalStatus"]) == [("condition-clinical", "relapse")]
    assert codes(body["verificationStatus"]) == [("condition-ver-status", "unconfirmed")]
    assert any("verificationStatus" in loss for loss in second.losses)
    assert (body["recordedDate"], body["note"], body["onsetAge"]) == ("2020", [{"text": "n"}], {"value": 4})
    assert (body["subject"], body["category"]) == (PATIENT, [METFORMIN])
    third = to_r4(of("Condition", subject=PATIENT, clinicalStatus="inactive", assertedDate="2020", context=PATIENT))
    assert (third.resource["recordedDate"], third.resource["encounter"]) == ("2020", PATIENT)
    over = to_r4(of("Condition", subject=PATIENT, code=METFORMIN, abatementBoolean=True, context=PATIENT)).resource
    assert codes(over["clinicalStatus"]) == [("condition-clinical", "resolved")]


def test_observations_of_older_releases():
    second = to_r4(
        of(
            "Observation",
            status="final",
            code=METFORMIN,
            comments="fasting",
            interpretation=METFORMIN,
            category=METFORMIN,
            related=[{"type": "has-member", "target": PATIENT}, {"type": "replaces", "target": PATIENT}],
            referenceRange=[{"meaning": METFORMIN}],
        )
    )
    body = second.resource
    assert body["note"] == [{"text": "fasting"}]
    assert (body["interpretation"], body["category"], body["hasMember"]) == ([METFORMIN], [METFORMIN], [PATIENT])
    assert body["referenceRange"] == [{"type": METFORMIN}]
    assert second.losses == ("Observation.related (DSTU2): this relation has no place in R4",)
    third = to_r4(of("Observation", comment="c", context=PATIENT, interpretation=METFORMIN)).resource
    assert (third["note"], third["encounter"], third["interpretation"]) == ([{"text": "c"}], PATIENT, [METFORMIN])


def test_code_systems_that_moved():
    coding = [
        {"system": "http://hl7.org/fhir/v2/0078", "code": "H"},
        {"system": "http://hl7.org/fhir/v3/X", "code": "a"},
    ]
    body = to_r4(of("Observation", interpretation={"coding": coding}, comment="c")).resource
    assert [c["system"] for c in body["interpretation"][0]["coding"]] == [
        "http://terminology.hl7.org/CodeSystem/v2-0078", "http://terminology.hl7.org/CodeSystem/v3-X"
    ]  # fmt: skip
    category = {"coding": [{"system": "http://hl7.org/fhir/observation-category", "code": "laboratory"}]}
    assert codes(to_r4(of("Observation", category=[category], comment="c")).resource["category"][0]) == [
        ("observation-category", "laboratory")
    ]


def test_encounters():
    second = to_r4(of("Encounter", **{"class": "inpatient"}, patient=PATIENT, indication=[PATIENT], reason=[METFORMIN]))
    assert second.resource["class"] == {"system": tables().systems["encounter-class"], "code": "IMP"}
    assert (second.resource["subject"], second.resource["diagnosis"]) == (PATIENT, [{"condition": PATIENT}])
    assert second.resource["reasonCode"] == [METFORMIN]
    fifth = to_r4(
        of(
            "Encounter",
            status="completed",
            **{"class": [{"coding": [{"code": "IMP"}]}, {"coding": [{"code": "AMB"}]}]},
            actualPeriod={"start": "2020"},
            reason=[{"value": [{"concept": METFORMIN}, {"reference": PATIENT}]}],
            diagnosis=[{"condition": [{"reference": PATIENT}]}],
            admission={"origin": PATIENT},
            participant=[{"actor": PATIENT}],
            location=[{"location": PATIENT, "form": METFORMIN}],
            dietPreference=[METFORMIN],
        )
    )
    body = fifth.resource
    assert (body["status"], body["class"], body["period"]) == ("finished", {"code": "IMP"}, {"start": "2020"})
    assert (body["reasonCode"], body["reasonReference"]) == ([METFORMIN], [PATIENT])
    assert body["diagnosis"] == [{"condition": PATIENT}]
    assert body["hospitalization"] == {"origin": PATIENT, "dietPreference": [METFORMIN]}
    assert body["participant"] == [{"individual": PATIENT}]
    assert body["location"] == [{"location": PATIENT, "physicalType": METFORMIN}]
    assert any("Encounter.class" in loss for loss in fifth.losses)


def test_vaccinations():
    second = to_r4(
        of("Immunization", status="completed", date="2020-01-01", wasNotGiven=False, reported=True, performer=PATIENT,
           explanation={"reason": [METFORMIN]}, vaccinationProtocol=[{"doseSequence": 2, "seriesDoses": 3}])
    ).resource  # fmt: skip
    assert (second["occurrenceDateTime"], second["primarySource"]) == ("2020-01-01", False)
    assert (second["performer"], second["reasonCode"]) == ([{"actor": PATIENT}], [METFORMIN])
    assert second["protocolApplied"] == [{"doseNumberPositiveInt": 2, "seriesDosesPositiveInt": 3}]
    third = to_r4(
        of("Immunization", status="completed", date="2020", notGiven=True, explanation={"reasonNotGiven": [METFORMIN]},
           practitioner=[{"role": METFORMIN, "actor": PATIENT}])
    ).resource  # fmt: skip
    assert (third["statusReason"], third["performer"]) == (METFORMIN, [{"function": METFORMIN, "actor": PATIENT}])
    fifth = to_r4(
        of("Immunization", status="completed", occurrenceDateTime="2020", reason=[{"concept": METFORMIN}],
           manufacturer={"reference": PATIENT}, reaction=[{"manifestation": {"reference": PATIENT}}],
           protocolApplied=[{"doseNumber": "2", "seriesDoses": "three"}])
    ).resource  # fmt: skip
    assert fifth["protocolApplied"] == [{"doseNumberPositiveInt": 2, "seriesDosesString": "three"}]
    assert (fifth["manufacturer"], fifth["reaction"]) == (PATIENT, [{"detail": PATIENT}])
    assert fifth["reasonCode"] == [METFORMIN]


def test_procedures_of_r5_and_their_reasons():
    body = to_r4(
        of(
            "Procedure",
            status="completed",
            occurrenceDateTime="2020",
            reason=[{"concept": METFORMIN}, {"reference": PATIENT}],
            used=[{"concept": METFORMIN}],
            recorded="2021",
        )
    )
    assert (body.resource["performedDateTime"], body.resource["reasonCode"]) == ("2020", [METFORMIN])
    assert (body.resource["reasonReference"], body.resource["usedCode"]) == ([PATIENT], [METFORMIN])
    assert body.losses == ("Procedure.recorded (R5): has no place in R4",)
    older = to_r4(of("Procedure", status="completed", notPerformed=True, reasonNotPerformed=[METFORMIN])).resource
    assert older["statusReason"] == METFORMIN


def test_medicines_of_r5_in_every_resource():
    for kind in ("MedicationRequest", "MedicationStatement", "MedicationAdministration", "MedicationDispense"):
        status = {"MedicationStatement": "recorded", "MedicationRequest": "active"}.get(kind, "completed")
        named = to_r4(of(kind, status=status, medication={"concept": METFORMIN})).resource
        linked = to_r4(of(kind, status=status, medication={"reference": {"reference": "Medication/1"}})).resource
        assert named["medicationCodeableConcept"] == METFORMIN
        assert linked["medicationReference"] == {"reference": "Medication/1"}
    given = to_r4(
        of("MedicationAdministration", status="completed", occurenceDateTime="2020", medication={"concept": {}})
    )
    assert given.resource["effectiveDateTime"] == "2020"
    draft = of("MedicationUsage", status="active", medicationCodeableConcept=METFORMIN)
    assert to_r4(draft).resource["resourceType"] == "MedicationStatement"


def test_medications_and_their_ingredients():
    second = to_r4(
        of(
            "Medication",
            product={"form": METFORMIN, "ingredient": [{"item": PATIENT, "amount": {"a": 1}}]},
            isBrand=True,
        )
    )
    assert second.resource["form"] == METFORMIN
    assert second.resource["ingredient"] == [{"itemReference": PATIENT, "strength": {"a": 1}}]
    assert second.losses == ("Medication.isBrand (DSTU2): has no place in R4",)
    third = to_r4(of("Medication", ingredient=[{"itemCodeableConcept": METFORMIN, "amount": {"a": 1}}], isBrand=True))
    assert third.resource["ingredient"] == [{"itemCodeableConcept": METFORMIN, "strength": {"a": 1}}]
    fifth = to_r4(
        of("Medication", doseForm=METFORMIN, ingredient=[{"item": {"concept": METFORMIN}, "strengthRatio": {"a": 1}}])
    )
    assert fifth.resource["ingredient"] == [{"itemCodeableConcept": METFORMIN, "strength": {"a": 1}}]


def test_relatives_people_and_documents():
    relative = to_r4(
        of("FamilyMemberHistory", patient=PATIENT, status="completed", gender="female", ageQuantity={"value": 50},
           condition=[{"code": METFORMIN, "onsetQuantity": {"value": 40}}])
    )  # fmt: skip
    assert relative.losses == ()
    assert codes(relative.resource["sex"]) == [("administrative-gender", "female")]
    assert relative.resource["ageAge"] == {"value": 50}
    assert relative.resource["condition"] == [{"code": METFORMIN, "onsetAge": {"value": 40}}]
    person = to_r4(of("Patient", name=[{"family": ["García", "Márquez"], "given": ["A"]}], careProvider=[PATIENT]))
    assert person.resource["name"] == [{"family": "García Márquez", "given": ["A"]}]
    assert person.resource["generalPractitioner"] == [PATIENT]
    document = to_r4(
        of(
            "DocumentReference",
            status="current",
            **{"class": METFORMIN},
            indexed="2020",
            context={"encounter": PATIENT},
            docStatus={"coding": [{"code": "final"}]},
            content=[{"attachment": {}, "format": [{"code": "f"}]}],
        )
    ).resource
    assert (document["category"], document["date"], document["docStatus"]) == ([METFORMIN], "2020", "final")
    assert document["context"] == {"encounter": [PATIENT]}
    assert document["content"] == [{"attachment": {}, "format": {"code": "f"}}]


def test_r5_documents_conditions_and_allergies():
    document = to_r4(
        of(
            "DocumentReference",
            status="current",
            context=[PATIENT],
            period={"start": "2020"},
            event=[{"concept": METFORMIN}],
            content=[{"attachment": {}, "profile": [{"valueCoding": {"code": "f"}}]}],
            relatesTo=[{"code": {"coding": [{"code": "replaces"}]}, "target": PATIENT}],
        )
    ).resource
    assert document["context"] == {"encounter": [PATIENT], "event": [METFORMIN], "period": {"start": "2020"}}
    assert document["content"] == [{"attachment": {}, "format": {"code": "f"}}]
    assert document["relatesTo"] == [{"code": "replaces", "target": PATIENT}]

    def participant(code):
        return {"function": {"coding": [{"code": code}]}, "actor": {"reference": f"Practitioner/{code}"}}

    condition = to_r4(
        of("Condition", subject=PATIENT, participant=[participant(c) for c in ("enterer", "author", "verifier")],
           evidence=[{"concept": METFORMIN}, {"reference": PATIENT}])
    )  # fmt: skip
    assert condition.resource["recorder"] == {"reference": "Practitioner/enterer"}
    assert condition.resource["asserter"] == {"reference": "Practitioner/author"}
    assert condition.resource["evidence"] == [{"code": [METFORMIN]}, {"detail": [PATIENT]}]
    assert condition.losses == ("Condition.participant (R5): this participant has no place in R4",)
    allergy = to_r4(
        of("AllergyIntolerance", patient=PATIENT, type={"coding": [{"code": "allergy"}]},
           reaction=[{"manifestation": [{"concept": METFORMIN}, {"reference": PATIENT}]}])
    )  # fmt: skip
    assert allergy.resource["type"] == "allergy"
    assert allergy.resource["reaction"] == [{"manifestation": [METFORMIN]}]
    assert any("manifestation" in loss for loss in allergy.losses)


def test_orders_become_service_requests():
    order = to_r4(
        of("DiagnosticOrder", subject=PATIENT, status="requested", orderer=PATIENT, item=[{"code": METFORMIN}])
    )
    assert order.resource["resourceType"] == "ServiceRequest"
    assert (order.resource["status"], order.resource["intent"], order.resource["code"]) == (
        "active",
        "order",
        METFORMIN,
    )
    asked = to_r4(
        of("ProcedureRequest", subject=PATIENT, status="cancelled", intent="order", doNotPerform=True)
    ).resource
    assert (asked["status"], asked["doNotPerform"]) == ("revoked", True)
    plan = to_r4(
        of("CarePlan", subject=PATIENT, status="suspended", activity=[{"detail": {"prohibited": True}}])
    ).resource
    assert (plan["status"], plan["activity"]) == ("on-hold", [{"detail": {"doNotPerform": True}}])


def test_what_is_contained_is_converted_with_its_holder():
    inside = {"resourceType": "Medication", "id": "m", "product": {"form": METFORMIN}}
    found = to_r4(of("MedicationOrder", patient=PATIENT, status="active", contained=[inside]))
    assert found.resource["contained"] == [{"resourceType": "Medication", "id": "m", "form": METFORMIN}]


def test_what_r4_has_no_place_for_is_said_and_what_is_single_adapted():
    body = of(
        "MedicationStatement",
        status="recorded",
        medication={"concept": METFORMIN},
        adherence={"code": {"coding": [{"code": "taking"}]}},
        informationSource=[PATIENT, {"reference": "Patient/2"}],
        category=[METFORMIN],
        relatedClinicalInformation=[PATIENT],
    )
    found = to_r4(body)
    assert (found.resource["informationSource"], found.resource["category"]) == (PATIENT, METFORMIN)
    assert found.losses == (
        "MedicationStatement.informationSource (R5): R4 has one only: the first is kept",
        "MedicationStatement.relatedClinicalInformation (R5): has no place in R4",
    )
