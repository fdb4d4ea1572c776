"""Questionnaires of salus's own, and what answers to them mean: checked, written as FHIR, read as Observations.

Reading answers as Observations is the observation-based extraction of HL7's Structured Data Capture: an item's code
becomes the Observation's. The AUDIT-C total is added where its three questions are answered, or the first with "never".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from salus.errors import InputError
from salus.fhir import json
from salus.fhir.views import Body
from salus.terminology import codes

ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
UNIT = "http://hl7.org/fhir/StructureDefinition/questionnaire-unit"
LOW = "http://hl7.org/fhir/StructureDefinition/minValue"
HIGH = "http://hl7.org/fhir/StructureDefinition/maxValue"
UCUM = "http://unitsofmeasure.org"
AUDIT_C = ("alcohol-often", "alcohol-drinks", "alcohol-six")
NEVER = "never"


@cache
def load(name: str) -> Body:
    """The Questionnaire called ``name``. Raises InputError."""
    path = files("salus.intake").joinpath("questionnaires", f"{name}.json")
    if not name.isidentifier() or not path.is_file():
        raise InputError("no such questionnaire", remedy="lifestyle")
    body: Body = json.loads(path.read_bytes())
    return body


def respond(questionnaire: Body, answers: Mapping[str, str], *, id: str, patient: str, authored: str) -> Body:
    """A completed QuestionnaireResponse. ``answers`` are texts by linkId: an option's code or words, a number, a text.

    Raises InputError naming the question for an answer that it does not allow.
    """
    asked = {item["linkId"]: item for item in questionnaire["item"]}
    unknown = [name for name in answers if name not in asked]
    if unknown or not answers:
        raise InputError("no such question" if unknown else "no answer", remedy=f"one of {', '.join(asked)}")
    items = [
        {"linkId": name, "text": item["text"], "answer": [_answer(item, answers[name])]}
        for name, item in asked.items()
        if name in answers
    ]
    return {
        "resourceType": "QuestionnaireResponse",
        "id": id,
        "questionnaire": f"{questionnaire['url']}|{questionnaire['version']}",
        "status": "completed",
        "subject": {"reference": f"Patient/{patient}"},
        "source": {"reference": f"Patient/{patient}"},
        "authored": authored,
        "item": items,
    }


def observations(questionnaire: Body, response: Body) -> list[Body]:
    """What the answers say as Observations of the patient, each derived from the response."""
    asked = {item["linkId"]: item for item in questionnaire["item"]}
    given = {item["linkId"]: item["answer"][0] for item in response["item"]}
    found = [
        _observation(asked[name], answer, name, response) for name, answer in given.items() if "code" in asked[name]
    ]
    total = _audit_c(given)
    if total is not None:
        concept = codes.get("audit-c")
        code = {"coding": [{"system": concept.codes[0].system, "code": concept.codes[0].code}]}
        value = {"valueQuantity": {"value": total, "unit": "{score}", "system": UCUM, "code": "{score}"}}
        found.append(_made("audit-c", code, value, response))
    return found


def _answer(item: Mapping[str, Any], text: str) -> dict[str, Any]:
    place = str(item["linkId"])
    if item["type"] == "choice":
        options = [option["valueCoding"] for option in item["answerOption"]]
        for option in options:
            if text.strip().casefold() in (option["code"].casefold(), option["display"].casefold()):
                return {"valueCoding": option}
        raise InputError("not one of the answers", where=place, remedy=", ".join(o["display"] for o in options))
    if item["type"] == "integer":
        low, high = (_extension(item, url)["valueInteger"] for url in (LOW, HIGH))
        if not (text.isascii() and text.isdigit() and len(text) < 6) or not low <= int(text) <= high:
            raise InputError(f"a whole number from {low} to {high}", where=place)
        return {"valueInteger": int(text)}
    if not text.strip() or len(text) > item["maxLength"]:
        raise InputError(f"a text of at most {item['maxLength']} characters", where=place)
    return {"valueString": text.strip()}


def _observation(item: Mapping[str, Any], answer: Mapping[str, Any], name: str, response: Body) -> Body:
    if "valueCoding" in answer:
        coding = {k: v for k, v in answer["valueCoding"].items() if k != "extension"}
        value: dict[str, Any] = {"valueCodeableConcept": {"coding": [coding]}}
    else:
        unit = _extension(item, UNIT)["valueCoding"]["code"]
        quantity = {"value": answer["valueInteger"], "unit": unit, "system": UCUM, "code": unit}
        value = {"valueQuantity": quantity}
    return _made(name, {"coding": item["code"], "text": item["text"]}, value, response)


def _made(name: str, code: Mapping[str, Any], value: Mapping[str, Any], response: Body) -> Body:
    return {
        "resourceType": "Observation",
        "id": f"{response['id']}-{name}",
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "survey"}]}
        ],
        "code": dict(code),
        "subject": response["subject"],
        "effectiveDateTime": response["authored"],
        "performer": [response["source"]],
        **value,
        "derivedFrom": [{"reference": f"QuestionnaireResponse/{response['id']}"}],
    }


def _audit_c(given: Mapping[str, Any]) -> int | None:
    """The sum of the three questions' points, 0 to 12; who never drinks is asked no more. None when not answered."""
    first = given.get(AUDIT_C[0])
    if first is not None and first["valueCoding"]["code"] == NEVER:
        return 0
    if any(name not in given for name in AUDIT_C):
        return None
    return sum(int(_extension(given[name]["valueCoding"], ORDINAL)["valueDecimal"]) for name in AUDIT_C)


def _extension(node: Mapping[str, Any], url: str) -> Mapping[str, Any]:
    return next(e for e in node["extension"] if e["url"] == url)
