"""A record without the identifiers of HIPAA's Safe Harbor, 45 CFR 164.514(b)(2), with the record as its own dictionary.

What is not known to be safe is left out. Resource types, elements and strings are kept if they are on a list; of dates
the year is kept; ids and references get random names that hold for one release only. Every free text goes through
:mod:`scrub` with the names, places and numbers of this very record. A second look must find nothing, or nothing is
released.
"""

from __future__ import annotations

import re
import secrets
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from salus.errors import InputError
from salus.fhir.views import Body, dicts
from salus.trust.scrub import Dictionary, leaks, scrub, split_name, zip3

OLD = 90
_DATE = re.compile(r"(?:1[89]|20)\d\d(-\d\d(-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d)?)?)?)?")
_DATED = re.compile(r"date|start|end|authored|event|created|.*(?:Date|DateTime|Instant|On|Asserted|valueString)")
_CODE = re.compile(r"[\w.\-/^|*+%{}\[\]()=<>#:]{1,64}", re.ASCII)
_LOINC = re.compile(r"/?\d{1,7}-\d")
_REFERENCE = re.compile(r"(?:.*/)?(?P<kind>[A-Z][A-Za-z]{1,63})/(?P<id>[A-Za-z0-9.\-]{1,64})(?:/_history/[^/]+)?")
_OF_AGE = re.compile(r"\bage\b", re.IGNORECASE)
_YEARS = frozenset({"a", "y", "yr", "yrs", "year", "years"})
_OVER = {"mo": 12 * 90, "month": 12 * 90, "months": 12 * 90, "wk": 4690, "week": 4690, "weeks": 4690, "d": 32_850}
_OVER |= {"day": _OVER["d"], "days": _OVER["d"]}
"""From how many of these units on a duration may be an age over 89 (90 years of 365 days; weeks rounded down)."""


@dataclass(frozen=True, slots=True)
class Released:
    """What may be handed out, and how often each resource type or element was left out."""

    resources: tuple[Body, ...]
    notes: tuple[str, ...]
    left_out: Mapping[str, int]
    found_in_text: Mapping[str, int]


def release(bodies: Sequence[Body], notes: Sequence[str], now: datetime) -> Released:
    """``bodies`` (all of one patient) and the texts of ``notes`` without identifiers.

    ``now`` decides who is older than 89. Raises InputError when the bodies hold no or several patients, or when the
    second look finds something.
    """
    patients = [b for b in bodies if b.get("resourceType") == "Patient"]
    if len(patients) != 1:
        raise InputError("a release is made of the record of one patient", remedy="give all resources of one patient")
    old = _is_old(patients[0], now)
    known = dictionary_of(bodies)
    if old:
        known = replace(known, telling_years=frozenset({str(patients[0]["birthDate"])[:4]}))
    work = _Release(known, old, now.year - OLD)
    resources = tuple(told for body in bodies if (told := work.resource(body)) is not None)
    texts = tuple(work.text(note) for note in notes)
    left = sum(leaks(t, work.dictionary) for body in resources for t in _texts(body)) + sum(
        leaks(t, work.dictionary) for t in texts
    )
    if left:
        raise InputError(f"a second look found {left} identifiers: nothing is released", remedy="leave the notes out")
    return Released(resources, texts, dict(work.left_out), dict(work.found))


def dictionary_of(bodies: Sequence[Body]) -> Dictionary:
    """The names, places and numbers by which the people and places of a record are told."""
    names: set[str] = set()
    places: set[str] = set()
    numbers: set[str] = set()
    for body in bodies:
        for key, value in _walk(body):
            if not isinstance(value, str) or not value.strip():
                continue
            if key in ("family", "given", "HumanName.text", "authorString"):
                names.update(split_name(value))
            elif key == "Organization.name":
                names.add(value)
            elif key in ("line", "city", "district", "Address.text", "postalCode"):
                places.add(value)
            elif key in ("telecom.value", "identifier.value", "serialNumber", "lotNumber", "subscriberId"):
                numbers.update((value, *re.findall(r"\d{5,}", value)))
    return Dictionary(frozenset(names), frozenset(places), frozenset(n for n in numbers if len(n) > 2))


def _walk(node: Any, inside: str = "") -> Iterator[tuple[str, Any]]:
    """Every primitive under ``node`` with the name that tells what it is."""
    if isinstance(node, Mapping):
        kind = str(node.get("resourceType", ""))
        yield from _named(node)
        for key, value in node.items():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, Mapping):
                    yield from _walk(item, key)
                elif key == "name" and (kind or inside) in ("Organization", "Location"):
                    yield "Organization.name", item
                elif key == "name" and kind == "FamilyMemberHistory":
                    yield "HumanName.text", item
                elif key == "text" and inside in ("name", "address"):
                    yield {"name": "HumanName.text", "address": "Address.text"}[inside], item
                elif key == "value" and inside in ("telecom", "identifier"):
                    yield f"{inside}.value", item
                else:
                    yield key, item


def _named(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The words beside a reference to a person, an organisation or a place: a name that may stand nowhere else."""
    found = _REFERENCE.fullmatch(str(node.get("reference", "")))
    kind = found["kind"] if found else node.get("type")
    if kind in ("Patient", "Practitioner", "PractitionerRole", "RelatedPerson"):
        yield "HumanName.text", node.get("display")
    elif kind in ("Organization", "Location"):
        yield "Organization.name", node.get("display")


def _is_old(patient: Body, now: datetime) -> bool:
    year = str(patient.get("birthDate", ""))[:4]
    return year.isascii() and year.isdigit() and now.year - int(year) > OLD - 1


class _Release:
    """One release at work: its random names, and the tally of what was left out."""

    def __init__(self, dictionary: Dictionary, old: bool, long_ago: int) -> None:
        self.dictionary = dictionary
        self.old = old
        self.long_ago = long_ago
        self.left_out: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self._names: dict[str, str] = {}

    def resource(self, body: Body) -> Body | None:
        """The resource without identifiers, or None where its type is not on the list."""
        kind = str(body["resourceType"])
        if kind not in _rules()["resources"] or "modifierExtension" in body:
            self.left_out[kind] += 1
            return None
        told = {"resourceType": kind, "id": self.name(f"{kind}/{body.get('id')}")}
        for key, value in body.items():
            if key in ("resourceType", "id"):
                continue
            if kind == "Patient" and key == "birthDate" and self.old:
                self.left_out["Patient.birthDate"] += 1  # the year itself would tell an age over 89
                continue
            kept = self.element(kind, key, value)
            if kept is not None:
                told[key] = kept
        return self._number_of_age(kind, told)

    def element(self, path: str, key: str, value: Any) -> Any:
        """One element without identifiers, or None where it is left out."""
        if not key.isascii() or not key.isalnum() or self.dictionary.exact(key, lambda _: "") != key:
            self.left_out[path] += 1  # no element of FHIR is called so
            return None
        narrative = key == "text" and isinstance(value, Mapping)
        if narrative or key in _rules()["dropped"] or key.startswith("_"):
            self.left_out[f"{path}.{key}"] += 1
            return None
        if isinstance(value, list):
            kept = [k for v in value if (k := self.element(path, key, v)) is not None]
            return kept or None
        if isinstance(value, Mapping):
            return self.group(f"{path}.{key}", key, value)
        return self.primitive(path, key, value)

    def group(self, path: str, key: str, value: Mapping[str, Any]) -> Any:
        """A complex element: an address to its state, a reference to its new name, else element by element."""
        if "modifierExtension" in value:
            self.left_out[path] += 1
            return None
        if key == "address":
            return self._address(value) or None
        if "reference" in value:
            return self._reference(path, key, value)
        kept = {}
        for k, v in value.items():
            coded = k in _rules()["codes"] and isinstance(v, str)
            told = self._code(k, v, value) if coded else self.element(path, k, v)
            if k == "display" and not value.keys() & {"system", "code"}:
                told = None  # no coding but a reference without an address: most likely a name
            if told is not None:
                kept[k] = told
            elif coded or k == "display":
                self.left_out[f"{path}.{k}"] += 1
        return self._age(path, kept) or None

    def _address(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """State and country where they are nothing else, and what may stay of a ZIP code of the United States."""
        place = {k: v for k in ("state", "country") if isinstance(v := value.get(k), str) and self.text(v) == v}
        american = str(value.get("country", "US")).strip().upper() in ("US", "USA", "UNITED STATES")
        if "postalCode" in value and american:
            place["postalCode"] = zip3(str(value["postalCode"]))
        return place

    def _reference(self, path: str, key: str, value: Mapping[str, Any]) -> Any:
        """A reference by the new name of what it points to; the words beside a medicine are the medicine's."""
        words = value.get("display") if key == "medicationReference" else None
        kept = {"display": self.text(words)} if isinstance(words, str) else {}
        found = _REFERENCE.fullmatch(str(value["reference"]))
        if found and found["kind"] in _rules()["resources"]:
            kind, name = found.groups()
            kept["reference"] = f"{kind}/{self.name(f'{kind}/{name}')}"
        else:
            self.left_out[path] += 1
        return kept or None

    def _code(self, key: str, value: str, beside: Mapping[str, Any]) -> str | None:
        """A code or a system's address as it is, where it is one; else None."""
        if key == "system":
            return value if value.startswith(tuple(_rules()["systems"])) else None
        if key == "unit":
            return self.text(value)
        if not _CODE.fullmatch(value) or self.dictionary.exact(value, lambda _: "") != value:
            return None
        public = str(beside.get("system", "")).startswith(tuple(_rules()["systems"]))
        return value if public or _LOINC.fullmatch(value) or not scrub(value, self.dictionary).found else None

    def _age(self, path: str, quantity: dict[str, Any]) -> dict[str, Any]:
        """A quantity in years over 89 reads 90, with the sign for "or more"; so does one that may be such an age."""
        value = quantity.get("value")
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return self._number_of_age(path, quantity)
        units = {str(quantity.get(k, "")).strip().lower() for k in ("code", "unit")}
        bare = units == {""} and path.endswith("Age")
        if (units & _YEARS or bare) and value > OLD - 1:
            return {**quantity, "value": OLD, "comparator": ">="}
        if any(value >= _OVER[unit] for unit in units & _OVER.keys()):
            return {"value": OLD, "comparator": ">=", "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"}
        return quantity

    def _number_of_age(self, path: str, element: dict[str, Any]) -> dict[str, Any]:
        """An observation or component of an age that is a bare number loses it over 89."""
        code = element.get("code")
        if not isinstance(code, Mapping):
            return element
        words = [code.get("text", ""), *(c.get("display", "") for c in dicts(code.get("coding")))]
        if not any(_OF_AGE.search(str(w)) for w in words):
            return element
        for name, value in [*element.items()]:
            number = value.get("value", 0) if isinstance(value, Mapping) else value
            if name.startswith("value") and (not isinstance(number, int | float | Decimal) or number > OLD):
                self.left_out[f"{path}.{name}"] += 1
                del element[name]
        return element

    def primitive(self, path: str, key: str, value: Any) -> Any:
        """A number or flag of the list as it is, a date by its year, a text scrubbed; all else is left out."""
        kept = None
        if not isinstance(value, str):
            kept = value if key in _rules()["numbers"] or isinstance(value, bool) else None
        elif key in _rules()["codes"]:
            kept = self._code(key, value, {})
        elif _DATED.fullmatch(key) and _DATE.fullmatch(value):
            kept = value[:4] if int(value[:4]) > self.long_ago else None  # else somebody is, or was, over 89
        elif key in _rules()["texts"]:
            kept = self.text(value)
        if kept is None:
            self.left_out[f"{path}.{key}"] += 1
        return kept

    def text(self, value: str) -> str:
        """A free text, scrubbed."""
        done = scrub(value, self.dictionary)
        self.found.update(done.found)
        return done.text

    def name(self, reference: str) -> str:
        """The random name of a resource in this release. The original id cannot be computed from it."""
        return self._names.setdefault(reference, secrets.token_hex(8))


def _texts(body: Body) -> Iterator[str]:
    for key, value in _walk(body):
        if isinstance(value, str) and key in _rules()["texts"]:
            yield value


@cache
def _rules() -> Mapping[str, frozenset[str]]:
    with files("salus.trust").joinpath("safe_harbor.toml").open("rb") as file:
        table = tomllib.load(file)
    return {name: frozenset(table[name]) for name in ("resources", "dropped", "codes", "systems", "numbers", "texts")}
