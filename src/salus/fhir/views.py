"""Typed read accessors: the few elements of each resource type that methods read, parsed once and never guessed.

Every view keeps its :class:`Source`, so that a finding can cite the exact version it was drawn from.
An element that is malformed reads as absent; intake has reported it as a loss before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from salus.errors import InputError
from salus.fhir import dates, quantity
from salus.fhir.codes import Code
from salus.fhir.dates import Span
from salus.fhir.quantity import Quantity

CATEGORIES = ("record", "genome", "image", "signal", "note")
"""The kinds of data that consent, scopes and ablation speak of."""

PERSON = "person"
"""The category of the Patient resource: whoever is released anything of a record is told whose it is."""

OWN_ID = "salus-"
"""Ids of resources that salus itself writes begin so; none from outside may."""

TAG_KIND = "urn:salus:kind"
TAG_SETTING = "urn:salus:setting"
TAG_CATEGORY = "urn:salus:category"
"""Tags of a finding: the kinds of data that it was drawn from."""


@dataclass(frozen=True, slots=True)
class Source:
    """One version of one resource. ``digest`` is the SHA-256 of its stored bytes, in hex.

    ``category`` are the kinds of data that it tells of, the most telling first, joined by "+".
    """

    ref: str
    version: int
    digest: str
    category: str = "record"

    @property
    def categories(self) -> frozenset[str]:
        """The kinds of data that it tells of."""
        return frozenset(self.category.split("+"))


Body = Mapping[str, Any]

Names = Callable[[str, Iterable[Code], str, str], frozenset[str]]
"""Names of the concepts that codings and words stand for: (resource type, codings, words, unit). ``fhir`` has no codes:
the chart brings what the terminology says."""


def no_names(kind: str, codes: Iterable[Code], text: str, unit: str) -> frozenset[str]:
    """Nothing is known of any code."""
    return frozenset()


def codings(element: Any) -> tuple[Code, ...]:
    """The codings of a CodeableConcept element."""
    if not isinstance(element, dict):
        return ()
    found = element.get("coding")
    return tuple(
        Code(str(c.get("system", "")), str(c["code"]), str(c.get("display", "")))
        for c in (found if isinstance(found, list) else ())
        if isinstance(c, dict) and c.get("code")
    )


def text_of(element: Any) -> str:
    """The words of a CodeableConcept: its text, else the first display, also of a coding without code, else a code."""
    if not isinstance(element, dict):
        return ""
    if isinstance(element.get("text"), str):
        return str(element["text"])
    for coding in dicts(element.get("coding")):
        if (shown := coding.get("display")) and isinstance(shown, str):
            return shown
    return next((code.code for code in codings(element)), "")


def span_of(body: Body, *elements: str) -> Span | None:
    """The first of ``elements`` (a date, dateTime, instant or Period) that is there and readable."""
    for name in elements:
        value = body.get(name)
        try:
            if isinstance(value, str):
                return dates.parse(value)
            if isinstance(value, dict) and isinstance(value.get("start"), str):
                start = dates.parse(value["start"])
                end = dates.parse(value["end"]) if isinstance(value.get("end"), str) else start
                return Span(start.start, max(end.end, start.end), value["start"])
        except InputError:
            continue
    return None


def tags(body: Body, system: str) -> tuple[str, ...]:
    """The codes of the meta.tag entries of ``system``."""
    meta = body.get("meta")
    entries = dicts(meta.get("tag")) if isinstance(meta, dict) else []
    return tuple(str(t.get("code")) for t in entries if t.get("system") == system)


def dicts(element: Any) -> list[dict[str, Any]]:
    """The objects in a list; none where it is no list."""
    return [item for item in element if isinstance(item, dict)] if isinstance(element, list) else []


Value = Quantity | Code | Decimal | str | bool | None


def value_of(body: Body) -> Value:
    """The value[x] of an Observation or component; None when there is none or its unit is missing."""
    if "valueQuantity" in body:
        return quantity.read(body["valueQuantity"])
    if "valueCodeableConcept" in body:
        found = codings(body["valueCodeableConcept"])
        return found[0] if found else text_of(body["valueCodeableConcept"]) or None
    match body:
        case {"valueString": str(text)}:
            return text
        case {"valueBoolean": bool(answer)}:
            return answer
        case {"valueInteger": int(number)} if not isinstance(number, bool):
            return Decimal(number)
    return None


def unit_of(value: Value) -> str:
    """The unit of a value; "" where it has none."""
    return value.unit if isinstance(value, Quantity) else ""


@dataclass(frozen=True, slots=True)
class Patient:
    """The person. ``sex`` is administrative gender ("male", "female", "other", "unknown") or None: never guessed."""

    source: Source
    name: str
    sex: str | None
    birth: Span | None
    deceased: bool
    deceased_at: Span | None
    body: Body = field(repr=False, compare=False)

    def age(self, at: datetime) -> int | None:
        """Completed years at ``at``; None when the birth date is missing or too partial to tell."""
        return dates.age_years(self.birth, at) if self.birth else None


@dataclass(frozen=True, slots=True)
class Observation:
    """A measurement or statement. ``concepts`` are the names that its code stands for; ``components`` and ``places``
    (the number of the component) are keyed by such names too."""

    source: Source
    concepts: frozenset[str]
    codes: tuple[Code, ...]
    text: str
    status: str
    value: Value
    components: Mapping[str, Value]
    places: Mapping[str, int]
    effective: Span | None
    setting: str | None
    device: str | None
    body: Body = field(repr=False, compare=False)
    pair: tuple[Decimal, Decimal] | None = None
    """Two numbers written as one value, "128/76", in mm[Hg] where a unit stands there."""

    @property
    def other(self) -> bool:
        """Whether it speaks of somebody or something else than the patient (a newborn, a donor, a device)."""
        return bool(self.body.get("focus"))

    @property
    def quantity(self) -> Quantity | None:
        """The value where it is a quantity with a unit and not merely a bound."""
        return self.value if isinstance(self.value, Quantity) and not self.value.comparator else None


@dataclass(frozen=True, slots=True)
class Condition:
    """A problem on the list. ``clinical`` and ``verification`` are FHIR's status codes ("" when not given)."""

    source: Source
    codes: tuple[Code, ...]
    text: str
    clinical: str
    verification: str
    onset: Span | None
    abatement: Span | None
    recorded: Span | None
    certainty: str
    """The letter by which a German diagnosis code is certain ("G"), suspected ("V"), excluded ("A") or past ("Z")."""
    body: Body = field(repr=False, compare=False)

    @property
    def asserted(self) -> bool:
        """True unless the entry was refuted, is only a differential or possibility, or was entered in error."""
        return self.verification in ("", "confirmed")

    @property
    def active(self) -> bool:
        """True for an asserted problem that is not resolved, in remission or inactive."""
        return self.asserted and self.clinical in ("", "active", "recurrence", "relapse") and self.abatement is None


@dataclass(frozen=True, slots=True)
class Event:
    """What an Encounter, Procedure, Device, allergy, family history, vaccination and questionnaire have in common."""

    source: Source
    kind: str
    concepts: frozenset[str]
    codes: tuple[Code, ...]
    text: str
    status: str
    period: Span | None
    body: Body = field(repr=False, compare=False)


def patient(source: Source, body: Body) -> Patient:
    """View of a Patient resource."""
    gender = body.get("gender")
    return Patient(
        source=source,
        name=human_name(body),
        sex=gender if gender in ("male", "female", "other", "unknown") else None,
        birth=span_of(body, "birthDate"),
        deceased=body.get("deceasedBoolean") is True or "deceasedDateTime" in body,
        deceased_at=span_of(body, "deceasedDateTime"),
        body=body,
    )


def human_name(body: Body) -> str:
    """A person's name as one line; "" when none is given."""
    entries = body.get("name")
    for name in entries if isinstance(entries, list) else ():
        if not isinstance(name, dict):
            continue
        if isinstance(name.get("text"), str):
            return str(name["text"])
        given = name.get("given")
        parts = [g for g in (given if isinstance(given, list) else ()) if isinstance(g, str)]
        if isinstance(name.get("family"), str):
            parts.append(name["family"])
        if parts:
            return " ".join(parts)
    return ""


def observation(source: Source, body: Body, names: Names = no_names) -> Observation:
    """View of an Observation resource; components are keyed by concept name."""
    found, text, value = codings(body.get("code")), text_of(body.get("code")), value_of(body)
    if not found:
        text = _with_specimen(text, body.get("specimen"))
    components: dict[str, Value] = {}
    places: dict[str, int] = {}
    pair = None if body.get("component") else _pair(body)
    unit = MMHG if pair else ""
    entries = body.get("component")
    for number, component in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(component, dict):
            part, element = value_of(component), component.get("code")
            unit = unit or unit_of(part)  # by which a panel is known too: "BP" of values in mmHg
            for name in names("Observation", codings(element), text_of(element), unit_of(part)):
                components[name] = part
                places[name] = number
    device = body.get("device")
    return Observation(
        source=source,
        concepts=names("Observation", found, text, unit_of(value) or unit),
        codes=found,
        text=text,
        status=str(body.get("status", "")),
        value=value,
        components=components,
        places=places,
        effective=span_of(body, "effectiveDateTime", "effectiveInstant", "effectivePeriod", "issued"),
        setting=next(iter(tags(body, TAG_SETTING)), None),
        device=text_of({"text": device.get("display")}) if isinstance(device, dict) and device.get("display") else None,
        body=body,
        pair=pair,
    )


MMHG = "mm[Hg]"
_PAIR = re.compile(r"\s*(\d{2,3})\s*/\s*(\d{2,3})\s*(?:mm\s?\[?hg\]?)?\s*(?:\([hl]+\))?\s*", re.I)


def _pair(body: Body) -> tuple[Decimal, Decimal] | None:
    """The two numbers of a value such as "198/104 mmHg", in words or as a Ratio; None for any other value."""
    ratio = body.get("valueRatio")
    if isinstance(ratio, dict):
        parts = [quantity.read(ratio.get(name)) for name in ("numerator", "denominator")]
        upper, lower = parts
        fits = upper is not None and lower is not None and {upper.unit, lower.unit} <= {MMHG, "mmHg", "mm Hg"}
        return (upper.value, lower.value) if fits and upper and lower else None
    written = body.get("valueString") or text_of(body.get("valueCodeableConcept"))
    match = _PAIR.fullmatch(written) if isinstance(written, str) else None
    return (Decimal(match[1]), Decimal(match[2])) if match else None


def _with_specimen(text: str, specimen: Any) -> str:
    """The words of a result with those of its specimen: potassium of the urine is not that of the blood."""
    of = specimen.get("display") if isinstance(specimen, dict) else None
    return f"{text}, {of}" if text and isinstance(of, str) and _NOT_BLOOD.search(of) else text


_NOT_BLOOD = re.compile(r"urine|\bcsf\b|cerebrospinal|fluid|saliva|sweat|stool|fa?eces|dialysate", re.I)
"""Specimens in which a substance means something else than in blood."""


def _status_code(element: Any) -> str:
    """The code of a status element: "" where there is none, "unreadable" where there is one without a code."""
    if element is None:
        return ""
    if isinstance(element, str):  # as FHIR STU3 has it
        return element
    found = codings(element)
    return found[0].code if found else "unreadable"


def condition(source: Source, body: Body) -> Condition:
    """View of a Condition resource."""
    return Condition(
        source=source,
        codes=codings(body.get("code")),
        text=text_of(body.get("code")),
        clinical=_status_code(body.get("clinicalStatus")) or ("resolved" if _abated(body) else ""),
        verification=_status_code(body.get("verificationStatus")),
        onset=span_of(body, "onsetDateTime", "onsetPeriod"),
        abatement=span_of(body, "abatementDateTime", "abatementPeriod"),
        recorded=span_of(body, "recordedDate"),
        certainty=_certainty(body.get("code")),
        body=body,
    )


def _abated(body: Body) -> bool:
    """True for a problem that ended, at an age or a time that is told in words."""
    ended = body.get("abatementString")
    by_age = any(isinstance(body.get(name), dict) for name in ("abatementAge", "abatementRange"))
    return by_age or body.get("abatementBoolean") is True or (isinstance(ended, str) and bool(ended.strip()))


def _certainty(element: Any) -> str:
    """What the German base profile's extension "icd-10-gm-diagnosesicherheit" of a coding says; "" without it."""
    for coding in dicts(element.get("coding")) if isinstance(element, dict) else ():
        for extension in dicts(coding.get("extension")):
            if str(extension.get("url", "")).lower().endswith("diagnosesicherheit"):
                told = extension.get("valueCoding")
                return str(told.get("code") or "unreadable") if isinstance(told, dict) else "unreadable"
    return ""


DATES = (
    "period", "performedDateTime", "performedPeriod", "occurrenceDateTime", "timingDateTime", "timingPeriod",
    "recordedDate", "recordedOn", "date", "authored",
)  # fmt: skip
_EVENT_CODE = {
    "Encounter": ("class", "type"),
    "Procedure": ("code",),
    "Device": ("type",),
    "DeviceUseStatement": ("device",),
    "AllergyIntolerance": ("code",),
    "FamilyMemberHistory": ("condition",),
    "Immunization": ("vaccineCode",),
    "QuestionnaireResponse": (),
}


def event(source: Source, body: Body, names: Names = no_names) -> Event:
    """View of a resource of one of the types of :class:`Event`."""
    kind = str(body.get("resourceType"))
    found: list[Code] = []
    words: list[str] = []
    for name in _EVENT_CODE.get(kind, ()):
        element = body.get(name)
        for item in element if isinstance(element, list) else [element]:
            if kind == "Encounter" and name == "class" and isinstance(item, dict) and item.get("code"):
                found.append(Code(str(item.get("system", "")), str(item["code"]), str(item.get("display", ""))))
                continue
            inner = _named_by(kind, item) if isinstance(item, dict) else item
            found.extend(codings(inner))
            words.append(text_of(inner))
    return Event(
        source=source,
        kind=kind,
        concepts=names(kind, tuple(found), "; ".join(w for w in words if w), ""),
        codes=tuple(found),
        text="; ".join(w for w in words if w),
        status=_event_status(body),
        period=span_of(body, *DATES),
        body=body,
    )


def _named_by(kind: str, item: dict[str, Any]) -> Any:
    """The CodeableConcept that names what an event is of; a device in use is referred to, by its name."""
    if kind == "DeviceUseStatement":
        return {"text": item.get("display")}
    return item.get("code") if kind == "FamilyMemberHistory" else item


def _event_status(body: Body) -> str:
    """An allergy's verification decides where it takes the entry back; else status, else clinical status."""
    verification = _status_code(body.get("verificationStatus"))
    if verification in ("entered-in-error", "refuted", "unreadable"):
        return verification
    return str(body.get("status", "")) or _status_code(body.get("clinicalStatus"))
