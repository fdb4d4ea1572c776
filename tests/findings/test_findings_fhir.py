"""Findings as FHIR and back: nothing is lost, and the FHIR elements say the same as the whole."""

import dataclasses
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings

from salus.errors import InputError, MethodError
from salus.fhir import dates, json, quantity
from salus.fhir.categories import TAG_FINDING, categories_of
from salus.fhir.codes import Code
from salus.fhir.quantity import Quantity
from salus.findings import fhir
from salus.findings.model import Finding, Interval
from salus.findings.runner import _as_kept
from tests.findings.made import FINDINGS, finding

RECORDED = "2026-06-01T12:00:00Z"
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def through_the_store(found, **more):
    """Written to bytes, as the store keeps them, and read back."""
    return fhir.from_fhir(json.loads(json.dumps(fhir.to_fhir(found, RECORDED, **more)[0])))


@FUZZ
@given(FINDINGS)
def test_a_finding_comes_back_whole(found):
    kept = _as_kept(found)
    again = through_the_store(kept)
    assert again == kept
    assert again.version_hash == kept.version_hash
    assert again.id == found.id
    assert again.categories == found.categories
    assert through_the_store(again) == again


@FUZZ
@given(FINDINGS)
def test_what_the_method_returned_and_what_is_kept_say_the_same(found):
    kept = _as_kept(found)
    plain = [
        f.name for f in dataclasses.fields(Finding) if f.name not in ("details", "proposals", "evidence", "interval")
    ]
    assert [getattr(kept, name) for name in plain] == [getattr(found, name) for name in plain]
    assert [dict(e.locator) for e in kept.evidence] == [dict(e.locator) for e in found.evidence]
    assert [p.key for p in kept.proposals] == [p.key for p in found.proposals]
    if found.interval:
        assert (kept.interval.low, kept.interval.high) == (found.interval.low, found.interval.high)


@FUZZ
@given(FINDINGS)
def test_the_elements_say_what_the_whole_says(found):
    body, proof = fhir.to_fhir(found, RECORDED)
    assert fhir.is_finding(body)
    assert not fhir.is_finding(proof)
    assert body["id"] == fhir.resource_id(found.id)
    assert proof["id"] == fhir.resource_id(found.id) + fhir.PROVENANCE_SUFFIX
    assert proof["target"] == [{"reference": f"{body['resourceType']}/{body['id']}"}]
    assert body["subject"] == {"reference": f"Patient/{found.subject}"}
    assert body["note"] == [{"text": found.sentence}]
    assert body["meta"] == proof["meta"]
    assert TAG_FINDING in {t["system"] for t in body["meta"]["tag"]}
    assert categories_of(body) >= found.categories
    cited = {r["reference"] for r in body.get("derivedFrom", body.get("basis", ()))}
    assert cited == {e.source.ref for e in found.evidence}
    if found.status == "not-assessable":
        assert body["dataAbsentReason"]["text"] == found.reason
        assert not any(key.startswith("value") for key in body)
    elif isinstance(found.value, Quantity) and body["resourceType"] == "Observation":
        assert quantity.read(body["valueQuantity"]) == found.value


@pytest.mark.parametrize(
    ("value", "element"),
    [
        (
            Quantity(Decimal("5.50"), "mg/dL"),
            {"valueQuantity": {"value": Decimal("5.50"), "unit": "mg/dL", "code": "mg/dL"}},
        ),
        (
            Code("urn:x", "a", "A"),
            {"valueCodeableConcept": {"coding": [{"system": "urn:x", "code": "a", "display": "A"}]}},
        ),
        (True, {"valueBoolean": True}),
        ("yes", {"valueString": "yes"}),
        (None, {}),
    ],
)
def test_values_stand_in_fhirs_own_element(value, element):
    body = fhir.to_fhir(finding(value=value), RECORDED)[0]
    for name, expected in element.items():
        found = body[name]
        assert {k: found[k] for k in expected} == expected if isinstance(expected, dict) else found == expected
    assert [k for k in body if k.startswith("value")] == list(element)


def test_bounds_stand_beside_the_value():
    found = finding(interval=Interval(Decimal("50.1"), Decimal("60.9"), 0.95, "error of the equation"))
    bounds = [quantity.read(c["valueQuantity"]).value for c in fhir.to_fhir(found, RECORDED)[0]["component"]]
    assert bounds == [Decimal("50.1"), Decimal("60.9")]


def test_a_predicted_risk_is_a_risk_assessment_and_not_assessable_an_observation():
    risk = finding("prevent-cvd-10y", value=Decimal("0.081"), probability=Decimal("0.081"))
    assert fhir.to_fhir(risk, RECORDED)[0]["prediction"][0]["probabilityDecimal"] == Decimal("0.081")
    refused = finding("prevent-cvd-10y", status="not-assessable", value=None, reason="too young", needs=("age",))
    assert fhir.to_fhir(refused, RECORDED)[0]["resourceType"] == "Observation"
    assert (
        refused.by(subject="p", method="m", version="1", parameters="", reads=()).id
        == risk.by(subject="p", method="m", version="1", parameters="", reads=()).id
    )


def test_dates_of_a_finding_are_fhir_dates():
    one, period = finding(), finding(effective=("2026-01-01", "2026-03-01"))
    dates.parse(fhir.to_fhir(one, RECORDED)[0]["effectiveDateTime"])
    assert fhir.to_fhir(period, RECORDED)[0]["effectivePeriod"] == {"start": "2026-01-01", "end": "2026-03-01"}


@pytest.mark.parametrize("body", [{}, {"extension": []}, {"extension": [{"url": "urn:other"}]}])
def test_what_holds_no_finding_is_refused(body):
    assert not fhir.is_finding(body)
    with pytest.raises(InputError):
        fhir.from_fhir(body)


@pytest.mark.parametrize(
    "more",
    [
        {"no_uncertainty": ""},
        {"evidence": ()},
        {"status": "not-assessable", "reason": "", "needs": ("x",)},
        {"status": "not-assessable", "reason": "x", "needs": ()},
    ],
)
def test_a_finding_without_uncertainty_evidence_or_reason_cannot_be_made(more):
    with pytest.raises(MethodError):
        finding(**more)


def test_identity_is_the_statement_and_the_hash_what_it_says():
    one = finding().by(subject="p1", method="m", version="1", parameters="a", reads=())
    assert dataclasses.replace(one, sentence="eGFR 54.").id == one.id
    for change in (
        {"sentence": "eGFR 54."}, {"value": None}, {"method_version": "2"}, {"parameters_digest": "b"},
        {"evidence": ()}, {"details": {"x": 1}}, {"patient_sentence": "x"},
    ):  # fmt: skip
        if "evidence" in change:
            continue
        assert dataclasses.replace(one, **change).version_hash != one.version_hash
    for change in ({"code": "x"}, {"subject": "p2"}, {"target": "x"}, {"effective": ("", "")}, {"method": "n"}):
        assert dataclasses.replace(one, **change).id != one.id
