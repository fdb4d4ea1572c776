"""A record without the identifiers of HIPAA's Safe Harbor, 45 CFR 164.514(b)(2), with the record as its own dictionary.

What is not known to be safe is left out: resource types, elements and strings are kept by a list, dates by their year,
ids and references under random names that hold for one release only. Every free text goes through :mod:`scrub` with the
names, places and numbers of this very record; a second look must find nothing, or nothing is released.
"""

from __future__ import annotations

import re
import secrets
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from salus.errors import InputError
from salus.fhir.views import Body
from salus.trust.scrub import Dictionary, leaks, scrub, split_name, zip3

OLD = 90
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d)?)?)?)?")


@dataclass(frozen=True, slots=True)
class Released:
    """What may be handed out, and what was left out: resource types and elements by how often."""

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
    work = _Release(dictionary_of(bodies), _is_old(patients[0], now))
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
            if key in ("family", "given", "HumanName.text"):
                names.update(split_name(value))
            elif key == "Organization.name":
                names.add(value)
            elif key in ("line", "city", "district", "Address.text", "postalCode"):
                places.add(value)
            elif key in ("telecom.value", "identifier.value"):
                numbers.add(value)
    return Dictionary(frozenset(names), frozenset(places), frozenset(n for n in numbers if len(n) > 2))


def _walk(node: Any, inside: str = "") -> Iterator[tuple[str, Any]]:
    """Every primitive under ``node`` with the name that tells what it is."""
    if isinstance(node, Mapping):
        kind = str(node.get("resourceType", ""))
        for key, value in node.items():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, Mapping):
                    yield from _walk(item, key)
                elif key == "name" and (kind or inside) in ("Organization", "Location"):
                    yield "Organization.name", item
                elif key == "text" and inside in ("name", "address"):
                    yield {"name": "HumanName.text", "address": "Address.text"}[inside], item
                elif key == "value" and inside in ("telecom", "identifier"):
                    yield f"{inside}.value", item
                else:
                    yield key, item


def _is_old(patient: Body, now: datetime) -> bool:
    born = patient.get("birthDate")
    return born is not None and now.year - int(str(born)[:4]) > OLD - 1


class _Release:
    """One release at work: its random names, and the tally of what was left out."""

    def __init__(self, dictionary: Dictionary, old: bool) -> None:
        self.dictionary = dictionary
        self.old = old
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
        return told

    def element(self, path: str, key: str, value: Any) -> Any:
        """One element without identifiers, or None where it is left out."""
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
            place = {k: value[k] for k in ("state", "country") if k in value}
            if "postalCode" in value:
                place["postalCode"] = zip3(str(value["postalCode"]))
            return place or None
        if "reference" in value:
            kind = str(value["reference"]).partition("/")[0]
            if kind not in _rules()["resources"]:
                self.left_out[path] += 1
                return None
            return {"reference": f"{kind}/{self.name(str(value['reference']))}"}
        kept = {k: told for k, v in value.items() if (told := self.element(path, k, v)) is not None}
        return self._age(kept) or None

    def _age(self, quantity: dict[str, Any]) -> dict[str, Any]:
        """A quantity in years over 89 reads 90, with the sign for "or more"."""
        value = quantity.get("value")
        if quantity.get("code") == "a" and isinstance(value, int | Decimal) and value > OLD - 1:
            return {**quantity, "value": OLD, "comparator": ">="}
        return quantity

    def primitive(self, path: str, key: str, value: Any) -> Any:
        """A number or flag as it is, a date by its year, a code as it is, a text scrubbed; other strings left out."""
        if not isinstance(value, str):
            return value
        if key in _rules()["codes"]:
            return value
        if _DATE.fullmatch(value):
            return value[:4]
        if key in _rules()["texts"]:
            return self.text(value)
        self.left_out[f"{path}.{key}"] += 1
        return None

    def text(self, value: str) -> str:
        """A free text, scrubbed."""
        done = scrub(value, self.dictionary)
        self.found.update(done.found)
        return done.text

    def name(self, reference: str) -> str:
        """The random name of a resource in this release; nothing can be reckoned back from it."""
        return self._names.setdefault(reference, secrets.token_hex(8))


def _texts(body: Body) -> Iterator[str]:
    for key, value in _walk(body):
        if isinstance(value, str) and key in _rules()["texts"]:
            yield value


@cache
def _rules() -> Mapping[str, frozenset[str]]:
    with files("salus.trust").joinpath("safe_harbor.toml").open("rb") as file:
        table = tomllib.load(file)
    return {name: frozenset(table[name]) for name in ("resources", "dropped", "codes", "texts")}
