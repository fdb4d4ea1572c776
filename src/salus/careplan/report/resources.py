"""Resources as evidence: one line that says what they say, and their elements with the cited ones marked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from salus.careplan.report.words import moment, value_words
from salus.fhir import medications, series, views
from salus.fhir.views import Body, Source
from salus.terminology.naming import names_by

MAX_ELEMENTS = 60
MAX_VALUE = 400
_HIDDEN = ("resourceType", "id", "meta", "text", "contained", "extension", "identifier", "subject", "patient")
_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")
_KINDS = {
    "MedicationRequest": "Prescription",
    "MedicationStatement": "Medication statement",
    "AllergyIntolerance": "Allergy or intolerance",
    "FamilyMemberHistory": "Family history",
    "QuestionnaireResponse": "Questionnaire",
    "Observation": "Observation",
    "Condition": "Problem list",
    "DocumentReference": "Document",
}


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a resource: its path, its value, and whether it is the cited one."""

    path: str
    value: str
    marked: bool


def group(source: Source, body: Body) -> str:
    """The heading under which it stands among the sources: its kind, of observations also what was observed."""
    kind = str(body.get("resourceType", ""))
    return title(source, body) if kind == "Observation" else _KINDS.get(kind, kind)


def title(source: Source, body: Body) -> str:
    """What kind of entry it is and what it is about."""
    kind = str(body.get("resourceType", source.ref.partition("/")[0]))
    words = _about(source, body)
    label = _KINDS.get(kind, kind)
    return f"{label}: {words}" if words else label


def _about(source: Source, body: Body) -> str:
    kind = body.get("resourceType")
    if kind in ("MedicationRequest", "MedicationStatement"):
        return medications.medication(source, body).text
    if kind == "FamilyMemberHistory":
        return f"{views.text_of(body.get('relationship'))} {views.event(source, body).text}".strip()
    return views.text_of(body.get("code"))


def summary(source: Source, body: Body, *, named: bool = True) -> str:
    """One line: what the entry says, and when; an observation without its name where the heading has it."""
    kind = body.get("resourceType")
    if kind == "Observation":
        return _observation(source, body, named)
    if kind == "Condition":
        condition = views.condition(source, body)
        since = condition.onset or condition.recorded
        return _joined(condition.text, condition.clinical, condition.verification, since.text if since else "")
    if kind in ("MedicationRequest", "MedicationStatement"):
        medicine = medications.medication(source, body)
        confirmed = medicine.confirmed
        return _joined(medicine.text, medicine.dose, medicine.status, confirmed.text if confirmed else "")
    event = views.event(source, body)
    described = body.get("description")
    words = event.text or _about(source, body) or (described if isinstance(described, str) else "")
    when = event.period or views.span_of(body, "date")
    return _joined(words, event.status, when.text if when else "")


def _observation(source: Source, body: Body, named: bool) -> str:
    found = views.observation(source, body, names_by())
    value = f"{len(series.Block(body))} readings" if series.is_block(body) else value_words(found.value)
    parts = [f"{name.replace('-', ' ')} {value_words(v)}" for name, v in found.components.items() if v is not None]
    when = found.effective.text if found.effective else ""
    setting = f"measured at {found.setting}" if found.setting else ""
    return _joined(found.text if named else "", value, *parts, setting, when)


def _joined(*words: str) -> str:
    return " · ".join(moment(word) for word in words if word)


def holds(body: Body, path: str) -> bool:
    """Whether the element that ``path`` names is there ("valueQuantity.value", "component[0].valueQuantity")."""
    return _resolved(body, path) is not None


def _resolved(body: Body, path: str) -> tuple[str | int, ...] | None:
    """The steps of ``path`` as they stand in ``body``, None where it leads nowhere.

    As in FHIRPath, a choice element is named without its type: "value" is valueQuantity, valueString and so on.
    """
    value: Any = body
    found: list[str | int] = []
    for step in _steps(body, path):
        inside = value if isinstance(value, Mapping) else range(len(value)) if isinstance(value, list) else ()
        if step not in inside and isinstance(value, Mapping) and isinstance(step, str):
            step = next((k for k in value if re.fullmatch(re.escape(step) + "[A-Z][A-Za-z]*", k)), step)
        if step not in inside:
            return None
        found.append(step)
        value = value[step]
    return tuple(found)


def _steps(body: Body, path: str) -> list[str | int]:
    found: list[str | int] = [int(s[1:-1]) if s.startswith("[") else s for s in _STEP.findall(path)]
    return found[1:] if found and found[0] == body.get("resourceType") else found


def elements(body: Body, paths: Iterable[str]) -> tuple[Element, ...]:
    """The elements that say something, one line each; those under one of ``paths`` are marked."""
    wanted = {_steps_key(steps) for path in paths if path and (steps := _resolved(body, path))}
    found: list[Element] = []
    for steps, value in _leaves([k for k in body if k not in _HIDDEN], body):
        key = _steps_key(steps)
        marked = any(key == w or key.startswith((w + ".", w + "[")) for w in wanted)
        found.append(Element(key, value if len(value) <= MAX_VALUE else value[:MAX_VALUE] + "…", marked))
    if len(found) > MAX_ELEMENTS:
        kept = [e for n, e in enumerate(found) if n < MAX_ELEMENTS or e.marked]
        return (*kept, Element("…", f"{len(found) - len(kept)} more elements", False))
    return tuple(found)


def _steps_key(steps: Iterable[str | int]) -> str:
    text = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps)
    return text.removeprefix(".")


def _leaves(keys: Iterable[str], body: Body) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every leaf in document order. The record's own depth limit bounds the stack."""
    stack: list[tuple[tuple[str | int, ...], Any]] = [((key,), body[key]) for key in reversed(list(keys))]
    while stack:
        steps, value = stack.pop()
        if isinstance(value, Mapping):
            stack.extend(((*steps, k), value[k]) for k in reversed(list(value)))
        elif isinstance(value, list):
            stack.extend(((*steps, n), value[n]) for n in reversed(range(len(value))))
        else:
            yield steps, "yes" if value is True else "no" if value is False else str(value)
