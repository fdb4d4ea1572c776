"""Views read what is there and never raise, whatever stands where an element should be."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.fhir import blobs, medications, views
from salus.fhir.blobs import BLOB_SCHEME, EXT_META, EXT_SHA256
from salus.fhir.categories import category_of
from salus.fhir.views import CATEGORIES, PERSON, TAG_KIND, TAG_SETTING, Source
from salus.record.chart import Chart
from salus.record.index import date_rows, tokens
from salus.terminology.naming import names_by

SOURCE = Source("Observation/o1", 1, "0" * 64)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
KINDS = (
    "Patient", "Observation", "Condition", "MedicationRequest", "MedicationStatement", "Encounter", "Procedure",
    "AllergyIntolerance", "FamilyMemberHistory", "QuestionnaireResponse", "DocumentReference", "ImagingStudy",
    "DiagnosticReport", "Claim", "Flag",
)  # fmt: skip
NAMES = (
    "meta", "tag", "system", "code", "coding", "display", "text", "name", "given", "family", "gender", "birthDate",
    "deceasedBoolean", "deceasedDateTime", "status", "clinicalStatus", "verificationStatus", "component", "device",
    "valueQuantity", "valueCodeableConcept", "valueString", "valueBoolean", "valueInteger", "value", "unit",
    "comparator", "effectiveDateTime", "effectivePeriod", "effectiveInstant", "onsetDateTime", "onsetPeriod",
    "abatementDateTime", "recordedDate", "start", "end", "period", "medicationCodeableConcept", "medicationReference",
    "reference", "dosage", "dosageInstruction", "authoredOn", "dateAsserted", "doNotPerform", "intent", "class",
    "type", "condition", "performedDateTime", "date", "authored", "content", "attachment", "url", "size", "title",
    "contentType", "extension", "valueString", "context", "description", "identifier",
    "reasonCode", "conclusion", "conclusionCode", "diagnosis", "diagnosisCodeableConcept", "item", "answer",
    "valueCoding", "contained", "modifierExtension",
)  # fmt: skip
WORDS = st.sampled_from(
    ["", "final", "active", "entered-in-error", "2026-05-01", "2026", "2023-02-30", "mg/dL", "<", "home", "note/text",
     "http://loinc.org", "2160-0", TAG_KIND, TAG_SETTING, BLOB_SCHEME + "ab", EXT_SHA256, EXT_META, "confirmed"]
)  # fmt: skip
NUMBERS = st.integers(-(1 << 63), 1 << 63) | st.decimals(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | WORDS
ELEMENTS = st.recursive(
    SCALARS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=25,
)
BODIES = st.dictionaries(st.sampled_from(NAMES), ELEMENTS, max_size=12)
FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FUZZ
@given(BODIES, st.sampled_from(KINDS))
def test_no_view_raises_for_a_malformed_element(body, kind):
    body = {"resourceType": kind, "id": "x", **body}
    assert views.patient(SOURCE, body).age(NOW) is None or kind
    observation = views.observation(SOURCE, body)
    assert observation.quantity is None or observation.quantity.unit
    assert views.condition(SOURCE, body).active in (True, False)
    assert isinstance(medications.medication(SOURCE, body).dose, str)
    assert views.event(SOURCE, body).kind == kind
    blob = blobs.blob(SOURCE, body, lambda address: address.encode())
    assert blob is None or blob.read_all() is not None
    assert category_of(body) in (*CATEGORIES, PERSON)
    assert {row.param for row in tokens(body)} <= {"code", "identifier"}
    assert all(row.lo < row.hi for row in date_rows(body))


@FUZZ
@given(st.lists(st.tuples(BODIES, st.sampled_from(KINDS[1:])), max_size=4))
def test_a_chart_of_malformed_resources_answers_every_question(found):
    resources = [{**body, "resourceType": kind, "id": f"x{n}"} for n, (body, kind) in enumerate(found)]
    chart = Chart.of([{"resourceType": "Patient", "id": "p1"}, *resources], now=NOW)
    assert chart.patient.birth is None
    assert chart.latest("creatinine") is None or chart.observations("creatinine")
    for kind in ("Encounter", "Procedure", "AllergyIntolerance", "FamilyMemberHistory", "QuestionnaireResponse"):
        assert all(event.kind == kind for event in chart.events(kind))
    assert all(entry.kind == kind for kind in KINDS for entry in chart.modified(kind))
    assert all(o.source.ref for o in (*chart.unread_observations(), *chart.recorded().values(), *chart.mentions()))
    found = (
        *chart.conditions(),
        *chart.future(),
        *chart.medications(),
        *chart.notes(),
        *chart.genome(),
        *chart.images(),
    )
    assert all(item.source.ref for item in found)
    assert all(chart.replay(read) for read in chart.reads)


def observation(**more):
    code = {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}
    quantity = {"value": Decimal("1.10"), "unit": "mg/dL", "code": "mg/dL"}
    return {"resourceType": "Observation", "status": "final", "code": code, "valueQuantity": quantity, **more}


def test_an_observation_is_read_in_full():
    body = observation(effectiveDateTime="2026-05-01", device={"display": "Meter"})
    found = views.observation(SOURCE, body, names_by())
    assert "creatinine" in found.concepts
    assert (str(found.quantity), found.device, found.effective.text) == ("1.10 mg/dL", "Meter", "2026-05-01")


def test_a_bound_is_no_quantity():
    body = observation(valueQuantity={"value": Decimal(5), "unit": "mg/dL", "comparator": "<"})
    assert views.observation(SOURCE, body).quantity is None


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ({"valueInteger": 3}, Decimal(3)),
        ({"valueInteger": True}, None),
        ({"valueString": "yes"}, "yes"),
        ({"valueString": True}, None),
        ({"valueBoolean": False}, False),
        ({"valueBoolean": "false"}, None),
        ({"valueQuantity": {"value": Decimal(3)}}, None),
        ({"valueQuantity": None, "valueString": "3"}, None),
        ({"valueCodeableConcept": {"text": "positive"}}, "positive"),
        ({}, None),
    ],
)
def test_values_are_of_the_type_their_name_says(element, expected):
    assert views.value_of(element) == expected
    assert type(views.value_of(element)) is type(expected)


@pytest.mark.parametrize(
    ("status", "asserted"),
    [
        (None, True),
        ({"coding": [{"code": "confirmed"}]}, True),
        ({"coding": [{"code": "refuted"}]}, False),
        ({"coding": [{"code": "differential"}]}, False),
        ({"coding": [{"code": "unconfirmed"}]}, False),
        ("refuted", False),
        ("confirmed", True),
        ({"text": "refuted"}, False),
        ({"coding": []}, False),
        ([], False),
        (7, False),
    ],
)
def test_a_condition_whose_verification_cannot_be_read_is_not_asserted(status, asserted):
    body = {"resourceType": "Condition", **({} if status is None else {"verificationStatus": status})}
    found = views.condition(SOURCE, body)
    assert (found.asserted, found.active) == (asserted, asserted)


@pytest.mark.parametrize("clinical", ["resolved", {"coding": [{"code": "inactive"}]}, {"text": "over"}, [], 1])
def test_a_condition_whose_clinical_status_is_not_active_or_not_readable_is_not_active(clinical):
    assert not views.condition(SOURCE, {"resourceType": "Condition", "clinicalStatus": clinical}).active


@pytest.mark.parametrize(
    ("more", "current"),
    [
        ({}, True),
        ({"doNotPerform": False}, True),
        ({"intent": "order"}, True),
        ({"doNotPerform": True}, False),
        ({"doNotPerform": "true"}, False),
        ({"intent": "proposal"}, False),
        ({"intent": "plan"}, False),
        ({"intent": "option"}, False),
        ({"status": "stopped"}, False),
    ],
)
def test_a_forbidden_or_merely_proposed_medicine_is_not_being_taken(more, current):
    body = {"resourceType": "MedicationRequest", "status": "active", **more}
    assert medications.medication(SOURCE, body).current is current


@pytest.mark.parametrize(
    ("verification", "status"),
    [("confirmed", "active"), ("entered-in-error", "entered-in-error"), ("refuted", "refuted")],
)
def test_an_allergy_that_was_taken_back_says_so(verification, status):
    body = {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "verificationStatus": {"coding": [{"code": verification}]},
    }
    assert views.event(SOURCE, body).status == status
    chart = Chart.of([{**body, "id": "a"}], now=NOW)
    assert bool(chart.events("AllergyIntolerance")) == (verification != "entered-in-error")


def test_a_period_without_end_begins_and_one_that_runs_for_ever_ends_with_the_calendar():
    assert views.span_of({"period": {"start": "2026-01-01"}}, "period").text == "2026-01-01"
    assert views.span_of({"period": {"start": "2026-01-01", "end": "9999-12-31"}}, "period").end.year == 9999
    assert views.span_of({"period": {"end": "2026-01-01"}}, "period") is None
    assert views.span_of({"a": "2023-02-30", "b": "2023-03-01"}, "a", "b").text == "2023-03-01"


def tagged(kind, system, code):
    return {"resourceType": kind, "meta": {"tag": [{"system": system, "code": code}]}}


@pytest.mark.parametrize(
    ("body", "category"),
    [
        ({"resourceType": "Patient"}, PERSON),
        ({"resourceType": "Observation"}, "record"),
        ({"resourceType": "ImagingStudy"}, "image"),
        ({"resourceType": "Observation", "meta": {"tag": [{"system": TAG_SETTING, "code": "home"}]}}, "signal"),
        (
            {"resourceType": "DocumentReference", "meta": {"tag": [{"system": TAG_KIND, "code": "genome/vcf"}]}},
            "genome",
        ),
        ({"resourceType": "DocumentReference", "meta": {"tag": [{"system": TAG_KIND, "code": "ecg/wfdb"}]}}, "signal"),
        (
            {"resourceType": "Provenance", "meta": {"tag": [{"system": TAG_KIND, "code": "genome/provenance"}]}},
            "genome",
        ),
        ({"resourceType": "Observation", "meta": {"tag": 5}}, "record"),
        ({"resourceType": "Observation", "meta": []}, "record"),
    ],
)
def test_which_kind_of_data_a_resource_is(body, category):
    assert category_of(body) == category
