"""Medicines of a record: what a prescription, statement, dispensing or administration says, and of which product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from salus.fhir import quantity
from salus.fhir.codes import Code
from salus.fhir.dates import Span
from salus.fhir.views import Body, Source, codings, dicts, span_of, text_of

Find = Callable[[str], "tuple[Source, Body] | None"]
"""The resource that a reference inside the record leads to; None where there is none."""


def nowhere(reference: str) -> tuple[Source, Body] | None:
    """No reference leads anywhere."""
    return None


@dataclass(frozen=True, slots=True)
class Medication:
    """A medicine prescribed, dispensed or stated to be taken. ``confirmed`` is the newest date that vouches for it.

    ``status`` is FHIR's, but "not-to-be-taken" for a prescription that forbids (doNotPerform) and its intent
    ("proposal", "plan", "option") for one that nobody has ordered. ``form`` are the words of its dose form and route,
    ``ingredients`` the items of its own Medication resource, which is ``named`` then. ``until`` is the end of taking it
    that the entry gives itself, ``supplied_until`` when what was prescribed or handed out has run out.
    """

    source: Source
    codes: tuple[Code, ...]
    text: str
    form: str
    ingredients: tuple[tuple[tuple[Code, ...], str], ...]
    status: str
    dosages: tuple[Body, ...]
    period: Span | None
    until: Span | None
    supplied_until: datetime | None
    confirmed: Span | None
    named: Source | None
    body: Body = field(repr=False, compare=False)

    @property
    def current(self) -> bool:
        """True when its status says that it is being taken."""
        return self.status == "active"

    @property
    def dose(self) -> str:
        """The words of its dosages, as written."""
        return "; ".join(d["text"] for d in self.dosages if isinstance(d.get("text"), str) and d["text"])


@dataclass(frozen=True, slots=True)
class Unread:
    """An entry that is kept but not read, since an element that it carries may turn its meaning round."""

    source: Source
    kind: str
    text: str


def modified(body: Body, find: Find = nowhere) -> bool:
    """Whether an entry, or the Medication that it refers to, carries a modifier: none is known."""
    return bool(body.get("modifierExtension") or _product(body, find)[1].get("modifierExtension"))


def unread(source: Source, body: Body) -> Unread:
    """View of an entry with a modifierExtension."""
    kind = str(body.get("resourceType"))
    element = body.get("medicationCodeableConcept") if kind.startswith("Medication") else body.get("code")
    return Unread(source, kind, text_of(element))


def medication(source: Source, body: Body, find: Find = nowhere) -> Medication:
    """View of a MedicationRequest, MedicationStatement, MedicationDispense or MedicationAdministration resource.

    A Medication that it refers to, contained or of its own in the record, gives codes, words, form and ingredients.
    """
    named, product, display = _product(body, find)
    period = span_of(body, "effectivePeriod", "effectiveDateTime", "authoredOn", "whenHandedOver")
    element = body.get("medicationCodeableConcept") or product.get("code")
    items = dicts(product.get("ingredient"))
    key = "dosage" if body.get("resourceType") == "MedicationStatement" else "dosageInstruction"
    dosages = tuple(dicts(body.get(key)))  # that of an administration is one dose given, not what is taken
    routes = [text_of(d.get("route")) for d in dosages]
    return Medication(
        source=source,
        codes=codings(element),
        text=text_of(element) or display,
        form=" ".join(w for w in (text_of(product.get("form")), *dict.fromkeys(routes)) if w),
        ingredients=tuple(_ingredient(item) for item in items),
        status=_medication_status(body),
        dosages=dosages,
        period=period,
        until=_until(body, dosages),
        supplied_until=_supplied_until(body, period),
        confirmed=span_of(
            body, "dateAsserted", "authoredOn", "effectiveDateTime", "effectivePeriod", "whenHandedOver", "whenPrepared"
        ),
        named=named,
        body=body,
    )


def _product(body: Body, find: Find) -> tuple[Source | None, Body, str]:
    """The Medication resource that the entry refers to, where it stands in the record, and the reference's display."""
    element = body.get("medicationReference")
    if not isinstance(element, dict):
        return None, {}, ""
    display, reference = str(element.get("display") or ""), element.get("reference")
    if not isinstance(reference, str):
        return None, {}, display
    if reference.startswith("#"):
        return None, next((m for m in dicts(body.get("contained")) if m.get("id") == reference[1:]), {}), display
    found = find(reference)
    return (found[0], found[1], display) if found else (None, {}, display)


def _ingredient(item: Body) -> tuple[tuple[Code, ...], str]:
    """Codings and words of one item of Medication.ingredient."""
    element = item.get("itemCodeableConcept")
    reference = item.get("itemReference")
    display = reference.get("display") if isinstance(reference, dict) else ""
    return codings(element), text_of(element) or str(display or "")


def _until(body: Body, dosages: tuple[Body, ...]) -> Span | None:
    """The end of taking it that an entry gives itself: of its period, else the last of its dosages, if all have one."""
    found = _end_of(body.get("effectivePeriod"))
    ends = [_end_of(_inner(_inner(d, "timing"), "repeat").get("boundsPeriod")) for d in dosages]
    known = [end for end in ends if end]
    return found or (max(known, key=lambda end: end.end) if known and len(known) == len(ends) else None)


def _end_of(element: Any) -> Span | None:
    return span_of(element, "end") if isinstance(element, dict) else None


def _inner(body: Body, name: str) -> Body:
    element = body.get(name)
    return element if isinstance(element, dict) else {}


_DAYS = {"d": 1, "day": 1, "days": 1, "wk": 7, "mo": 30}


def _supplied_until(body: Body, period: Span | None) -> datetime | None:
    """When what was prescribed or handed out has run out; None where it is not told in days, weeks or months."""
    request = _inner(body, "dispenseRequest")
    told = quantity.read(body.get("daysSupply") or request.get("expectedSupplyDuration"))
    begun = span_of(request, "validityPeriod") or period
    if told is None or told.comparator or told.unit not in _DAYS or not 0 < told.value < 10_000 or begun is None:
        return None
    repeats = request.get("numberOfRepeatsAllowed")
    times = 1 + repeats if isinstance(repeats, int) and not isinstance(repeats, bool) and 0 <= repeats <= 100 else 1
    try:
        return begun.end + timedelta(days=float(told.value) * _DAYS[told.unit] * times)
    except OverflowError:
        return None


def _medication_status(body: Body) -> str:
    if body.get("doNotPerform", False) is not False:
        return "not-to-be-taken"
    intent = body.get("intent")
    return str(intent) if intent in ("proposal", "plan", "option") else str(body.get("status", ""))
