"""Diagnoses that are named in passing, beside something else: nobody put them on the problem list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from salus.fhir.codes import Code
from salus.fhir.dates import Span
from salus.fhir.views import DATES, Body, Source, codings, dicts, span_of, text_of


@dataclass(frozen=True, slots=True)
class Mention:
    """A diagnosis that is named in passing: as the reason of a visit or a medicine, in a conclusion or a claim."""

    source: Source
    where: str
    codes: tuple[Code, ...]
    text: str
    period: Span | None


_MENTIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Encounter": (("reasonCode", "the reason of a visit"), ("type", "the kind of a visit")),
    "EpisodeOfCare": (("type", "the kind of an episode of care"),),
    "Procedure": (("reasonCode", "the reason of a procedure"),),
    "MedicationRequest": (("reasonCode", "the reason of a prescription"),),
    "MedicationStatement": (("reasonCode", "the reason of a medicine"),),
    "DeviceUseStatement": (("reasonCode", "the reason of a device"),),
    "DiagnosticReport": (("conclusionCode", "a report's conclusion"), ("conclusion", "a report's conclusion")),
    "Flag": (("code", "a flag"),),
    "Claim": (("diagnosis", "a claim"),),
    "Observation": (),
    "QuestionnaireResponse": (),
}
DIAGNOSIS = "29308-4"
"""LOINC's "Diagnosis": an observation whose value is one."""
MENTIONING = tuple(_MENTIONS)
"""Types of resources that name diagnoses in passing."""
_YES = re.compile(r"\s*(?:yes|y|ja|oui|si|sí|sim|true|present|\+|positive)\s*", re.I)
_NAMES_ONE = re.compile(r"\s*(?:primary |main |principal |admission |discharge )?diagnos[ie]s\s*:?\s*", re.I)
_QUESTION = re.compile(r"\s*(?:have you|do you|did you|are you|has the patient|does the patient)\b(?P<rest>.*)", re.I)
_ASKING = re.compile(
    r"^(?:\s*(?:you|ever|currently|now|had|have|has|got|been|told|that|diagnosed|with|suffer|from|an?|the)\b)*\s*", re.I
)
_RESULT = "a statement among the results"


def mentions(source: Source, body: Body) -> tuple[Mention, ...]:
    """The diagnoses that a resource names in passing."""
    kind = str(body.get("resourceType"))
    if kind == "Observation":
        said = [(_RESULT, *named) for named in _stated(body)]
    elif kind == "QuestionnaireResponse":
        said = [("an answer to a questionnaire", (), text) for text in _affirmed(body)]
    else:
        said = list(_named(kind, body))
    if not said:  # as of most results
        return ()
    period = span_of(
        body, *DATES, "authoredOn", "created", "effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued"
    )
    return tuple(Mention(source, where, codes, text, period) for where, codes, text in said)


def _named(kind: str, body: Body) -> Iterator[tuple[str, tuple[Code, ...], str]]:
    for path, where in _MENTIONS.get(kind, ()):
        element = body.get(path)
        for item in element if isinstance(element, list) else [element]:
            concept = item.get("diagnosisCodeableConcept") if path == "diagnosis" and isinstance(item, dict) else item
            if isinstance(concept, str):
                yield from ((where, (), sentence) for sentence in _sentences(concept))
            elif codings(concept) or text_of(concept):
                yield where, codings(concept), text_of(concept)


def _sentences(text: str) -> list[str]:
    return [words for part in re.split(r"[.;\n]+(?:\s|\Z)", text) if (words := part.strip())]


def _stated(body: Body) -> Iterator[tuple[tuple[Code, ...], str]]:
    """What an observation states: its code where that is affirmed or stands alone, else the diagnosis in its value."""
    said = body.get("code")
    value = body.get("valueString") or text_of(body.get("valueCodeableConcept"))
    if body.get("valueBoolean") is True or (isinstance(value, str) and _YES.fullmatch(value)):
        yield codings(said), text_of(said)
    elif DIAGNOSIS in {c.code for c in codings(said)} or _NAMES_ONE.fullmatch(text_of(said)):
        yield codings(body.get("valueCodeableConcept")), str(value or "")
    elif not any(name.startswith(("value", "component", "dataAbsent", "hasMember")) for name in body):
        yield codings(said), text_of(said)


def _affirmed(body: Body) -> Iterator[str]:
    """What the questions name that were answered with yes."""
    waiting = dicts(body.get("item"))
    while waiting:
        item = waiting.pop()
        waiting += dicts(item.get("item"))
        text = item.get("text")
        asked = _QUESTION.fullmatch(text) if isinstance(text, str) else None
        if asked and any(_is_yes(answer) for answer in dicts(item.get("answer"))):
            yield _ASKING.sub("", asked["rest"].rstrip(" ?")).strip()


def _is_yes(answer: Mapping[str, Any]) -> bool:
    coding = answer.get("valueCoding")
    words = answer.get("valueString") or (coding.get("display") if isinstance(coding, dict) else None)
    return answer.get("valueBoolean") is True or (isinstance(words, str) and _YES.fullmatch(words) is not None)
