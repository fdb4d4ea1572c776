"""IHE Basic Audit Log Patterns: checks an AuditEvent against the FHIR R4 type and the profiles that it claims.

Types and profiles are tables (``balp.toml``); this is their interpreter. A profile has slices: the code of an agent,
entity or subtype says to which slice it belongs, and each slice has a cardinality and a form. A display is never
compared.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from salus.errors import InputError
from salus.fhir import dates, json
from salus.fhir.views import Body

ROOT = "AuditEvent"
FAILURES = ("4", "8", "12")
"""Outcomes of what did not succeed."""
_PATTERNS = {
    "id": r"[A-Za-z0-9\-.]{1,64}",
    "code": r"\S+(\s\S+)*",
    "uri": r"\S+",
    "canonical": r"\S+",
    "string": r"\s*\S[\s\S]*",
    "xhtml": r"\s*\S[\s\S]*",
    "base64Binary": r"[0-9a-zA-Z+/\s]+=?\s*=?\s*",
    "instant": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "dateTime": r"\d{4}(-[\s\S]+)?",
}
"""Regular expressions of the primitive types (FHIR R4, datatypes); dates and times are parsed as well."""
_REFERENCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?\Z")
_TYPE = re.compile(r"(?P<number>\S+) (?P<type>[^(\s]+)(?:\((?P<targets>.*)\))?\Z")


@dataclass(frozen=True, slots=True)
class Cardinality:
    """How many there may be; ``high`` None is any number."""

    low: int
    high: int | None

    @classmethod
    def parse(cls, text: str) -> Cardinality:
        """Read "1..*"."""
        low, _, high = text.partition("..")
        return cls(int(low), None if high == "*" else int(high))

    def check(self, n: int, where: str) -> None:
        """Raise InputError where ``n`` is too few or too many."""
        if n < self.low:
            raise InputError("a required element is missing" if n == 0 else f"fewer than {self.low}", where=where)
        if self.high is not None and n > self.high:
            raise InputError("not allowed here" if self.high == 0 else f"more than {self.high}", where=where)


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type: how many, of which type, and where references may point ("" anywhere)."""

    number: Cardinality
    type: str
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Slice:
    """The elements at ``path`` that carry one of ``codes``: how many there may be, and what each holds."""

    path: str
    name: str
    number: Cardinality
    codes: tuple[str, ...]
    form: Form


@dataclass(frozen=True, slots=True)
class Form:
    """What an element holds: cardinalities and fixed values by path, types of references, and whose observer it is."""

    card: Mapping[str, Cardinality]
    fixed: Mapping[str, tuple[Any, ...]]
    refers: Mapping[str, str]
    who_observes: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile of BALP. ``id`` is "" for one that is only a parent of others."""

    name: str
    id: str
    form: Form
    slices: Mapping[str, Slice]
    closed: tuple[str, ...]

    @property
    def canonical(self) -> str:
        """The address under which an AuditEvent claims the profile."""
        return f"{_tables()['canonical']}{self.id}"


def check(event: Body, profile: str | None = None, *, failed: bool = False) -> None:
    """Check an AuditEvent against R4, and against ``profile`` (name, id or address) or else against those of BALP that
    it claims.

    ``failed``: the event tells of something that did not succeed. It then follows the profile except for the outcome,
    which is 4, 8 or 12. Raises InputError whose ``where`` is the path of the element.
    """
    if not isinstance(event, Mapping) or event.get("resourceType") != ROOT:
        raise InputError("not an AuditEvent", where="resourceType")
    _check_type({k: v for k, v in event.items() if k != "resourceType"}, ROOT, ROOT, 0)
    _check_values(event)
    for claimed in [profile_of(profile)] if profile is not None else claims(event):
        _check_profile(event, claimed, failed)


def claims(event: Body) -> list[Profile]:
    """The profiles of BALP that an event claims. Raises InputError for one of BALP's that is not known."""
    meta = event.get("meta")
    named = meta.get("profile", []) if isinstance(meta, Mapping) else []
    return [profile_of(p) for p in named if isinstance(p, str) and p.startswith(_tables()["canonical"])]


def profile_of(name: str) -> Profile:
    """A profile by its name, id or address (a version after "|" is not compared). Raises InputError."""
    wanted = name.partition("|")[0].removeprefix(_tables()["canonical"])
    for profile in profiles().values():
        if profile.id and wanted in (profile.name, profile.id):
            return profile
    raise InputError("a profile of AuditEvent that is not known", where="profile")


@cache
def profiles() -> Mapping[str, Profile]:
    """All profiles by name, each with what it has of its parents."""
    written = _tables()["profile"]
    return {name: _profile(name, _inherited(written, name)) for name in written}


def coding(code: str) -> dict[str, str]:
    """``"DCM#110153"`` as a Coding."""
    system, _, value = code.partition("#")
    return {"system": _tables()["system"][system], "code": value}


# ---- the tables


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(files("salus.trust").joinpath("balp.toml").read_text("utf-8"))


@cache
def _elements(type: str) -> Mapping[str, Element] | None:
    """The elements of a type by their names in JSON; None for a type that the tables do not know."""
    written = _tables()["type"].get(type)
    if written is None:
        return None
    found = {}
    for name, text in written.items():
        match = _TYPE.match(text)
        if match is None:
            raise ValueError(text)
        number = Cardinality.parse(match["number"])
        targets = tuple(match["targets"].split("|")) if match["targets"] else ()
        kinds = match["type"].split("|")
        for kind in kinds:  # _check_choice sees that a choice has one value
            named = name.replace("[x]", kind[0].upper() + kind[1:])
            found[named] = Element(number if named == name else Cardinality(0, 1), kind, targets)
    return found


def _inherited(written: Mapping[str, Any], name: str) -> dict[str, Any]:
    own = written[name]
    around: dict[str, Any] = _inherited(written, own["parent"]) if "parent" in own else {}
    merged = {**around, **own, "id": own.get("id", "")}
    for part in ("card", "fixed"):
        merged[part] = {**around.get(part, {}), **own.get(part, {})}
    slices = dict(around.get("slice", {}))
    for key, part in own.get("slice", {}).items():
        before = slices.get(key, {})
        slices[key] = {**before, **part, "card": {**before.get("card", {}), **part.get("card", {})}}
    return {**merged, "slice": slices}


def _profile(name: str, written: Mapping[str, Any]) -> Profile:
    slices = {}
    for key, part in written["slice"].items():
        path, _, label = key.partition(":")
        slices[key] = Slice(path, label, Cardinality.parse(part["n"]), tuple(part["codes"]), _form(part))
    return Profile(name, written["id"], _form(written), slices, tuple(written.get("closed", ())))


def _form(written: Mapping[str, Any]) -> Form:
    none = {path: Cardinality(0, 0) for path in written.get("none", ())}
    card = {path: Cardinality.parse(text) for path, text in written.get("card", {}).items()}
    fixed = {
        path: tuple(value) if isinstance(value, list) else (value,) for path, value in written.get("fixed", {}).items()
    }
    return Form(card | none, fixed, written.get("refers", {}), written.get("who_observes", False))


# ---- the R4 type


def _check_type(node: Any, type: str, where: str, depth: int) -> None:
    """Hold a complex value to its type: no unknown elements, all numbers right, every value of its own type."""
    elements = _elements(type)
    if depth > json.MAX_DEPTH:
        raise InputError("nested too deeply", where=where)
    if not isinstance(node, Mapping) or not set(node) - {"id"}:
        raise InputError("not an object with content", where=where)
    if elements is None:
        return
    for name, value in node.items():
        plain = name.removeprefix("_")
        if plain not in elements:
            kind = _any_value(elements, plain)
            if kind is None:
                shown = name if name.isidentifier() and len(name) < 40 else "?"
                raise InputError(f"no element of {type}", where=f"{where}.{shown}")
            if plain == name:
                _check_value(value, Element(Cardinality(0, 1), kind), f"{where}.{name}", depth)
    for name, element in elements.items():
        _check_element(node, name, element, f"{where}.{name}", depth)
    _check_choice(node, type, where)


def _any_value(elements: Mapping[str, Element], name: str) -> str | None:
    """The type in the name of an extension's value (``valueString``), which may be any type; None for another name."""
    if "value*" not in elements or not re.match(r"value[A-Z]", name):
        return None
    kind = name.removeprefix("value")
    return kind if kind in _tables()["type"] else kind[0].lower() + kind[1:]


def _check_element(node: Mapping[str, Any], name: str, element: Element, where: str, depth: int) -> None:
    value, beside, many = node.get(name), node.get(f"_{name}"), element.number.high is None
    if name in node and (value is None or isinstance(value, list) != many or value == []):
        raise InputError("not a list with content" if many else "not a single value", where=where)
    given = value if isinstance(value, list) else [value] if name in node else []
    extended = beside if isinstance(beside, list) else [beside] if beside is not None else []
    element.number.check(max(len(given), len(extended)), where)
    for index, item in enumerate(given):
        if item is None and index < len(extended) and extended[index]:
            continue  # only the extension of a primitive is given
        _check_value(item, element, f"{where}[{index}]" if many else where, depth)


def _check_value(item: Any, element: Element, where: str, depth: int) -> None:
    if element.type in _PATTERNS:
        good = isinstance(item, str) and re.fullmatch(_PATTERNS[element.type], item) is not None
    elif element.type == "boolean":
        good = isinstance(item, bool)
    elif element.type == "Resource":
        good = isinstance(item, Mapping) and isinstance(item.get("resourceType"), str) and "contained" not in item
    elif element.type[0].islower():
        good = item not in (None, "", {}, [])  # a primitive of an extension that no event of the profiles has
    else:
        _check_type(item, element.type, where, depth + 1)
        if element.targets:
            _check_target(item, element.targets, where)
        return
    if not good:
        raise InputError(f"not of type {element.type}", where=where)
    if element.type in ("instant", "dateTime"):
        _check_moment(item, where)


def _check_moment(text: str, where: str) -> None:
    try:
        dates.parse(text)
    except InputError as error:
        raise InputError(error.what, where=where) from error


def _check_target(reference: Mapping[str, Any], targets: Sequence[str], where: str) -> None:
    """Raise InputError where a reference states a type that is not one of ``targets``."""
    match = _REFERENCE.match(str(reference.get("reference", "")))
    told = [match[1]] if match else []
    told += [str(reference["type"]).rpartition("/")[2]] if "type" in reference else []
    if any(kind not in targets for kind in told):
        raise InputError(f"not a reference to {' or '.join(targets)}", where=where)


def _check_choice(node: Mapping[str, Any], type: str, where: str) -> None:
    """A value has one type; an extension has either a value or extensions (ext-1)."""
    values = sum(re.match(r"value[A-Z]", name) is not None for name in node)
    if type == "AuditEvent.entity.detail" and values != 1:
        raise InputError("a detail has one value", where=f"{where}.value[x]")
    if type == "Extension" and values + ("extension" in node) != 1:
        raise InputError("an extension has one value, or extensions", where=f"{where}.value[x]")


def _check_values(event: Body) -> None:
    """The required bindings, an entity's name or query (sev-1), and that what is contained is referred to (dom-3)."""
    for path, codes in _tables()["codes"].items():
        owner, _, below = path.partition(".")
        for node, where in _named(event, ROOT, ROOT, owner):
            for value, place in _walk(node, below.split("."), where):
                if value not in codes:
                    raise InputError("not a code of the required value set", where=place)
    for entity, where in _walk(event, ["entity"], ROOT):
        if "name" in entity and "query" in entity:
            raise InputError("either a name or a query, not both", where=where)
    references = {str(node["reference"]) for node in json.objects(event) if "reference" in node}
    for inner, where in _walk(event, ["contained"], ROOT):
        if f"#{inner.get('id')}" not in references:
            raise InputError("contained, and nothing refers to it", where=where)


def _named(node: Any, type: str, where: str, wanted: str) -> Iterator[tuple[Any, str]]:
    """Every value of type ``wanted`` in ``node``, with its path."""
    if type == wanted:
        yield node, where
    for name, element in (_elements(type) or {}).items():
        if _elements(element.type) is not None:
            for value, place in _walk(node, [name], where):
                yield from _named(value, element.type, place, wanted)


def _walk(node: Any, path: Sequence[str], where: str) -> Iterator[tuple[Any, str]]:
    """The values at a path, each with its place."""
    if not path:
        yield node, where
        return
    value = node.get(path[0]) if isinstance(node, Mapping) else None
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, path[1:], f"{where}.{path[0]}[{index}]")
    elif value is not None:
        yield from _walk(value, path[1:], f"{where}.{path[0]}")


# ---- the profiles


def _check_profile(event: Body, profile: Profile, failed: bool) -> None:
    form = profile.form
    if failed:
        form = Form({**form.card, "outcome": Cardinality(1, 1)}, {**form.fixed, "outcome": FAILURES}, form.refers)
    _check_form(event, form, ROOT, event)
    slices = profile.slices.values()
    for part in slices:
        members = [(v, p) for v, p in _walk(event, [part.path], ROOT) if _carries(v, part)]
        part.number.check(len(members), f"{ROOT}.{part.path}:{part.name}")
        for value, place in members:
            _check_form(value, part.form, place, event)
    for path in profile.closed:
        for value, place in _walk(event, [path], ROOT):
            if not any(part.path == path and _carries(value, part) for part in slices):
                raise InputError("an element of a kind that the profile does not know", where=place)


def _carries(value: Any, part: Slice) -> bool:
    """True when an element is one of a slice: a subtype by itself, an agent or entity by its type."""
    code = value if part.path == "subtype" else value.get("type")
    return any(_matches(code, wanted) for wanted in part.codes)


def _check_form(node: Mapping[str, Any], form: Form, where: str, event: Body) -> None:
    for path, number in form.card.items():
        *around, name = path.split(".")
        for parent, place in _walk(node, around, where):
            number.check(_count(parent, name), f"{place}.{name}")
    for path, wanted in form.fixed.items():
        for value, place in _walk(node, path.split("."), where):
            if not any(_matches(value, w) for w in wanted):
                raise InputError(f"not {' or '.join(map(str, wanted))}", where=place)
    for path, target in form.refers.items():
        for value, place in _walk(node, path.split("."), where):
            _check_target(value, (target,), place)
    if form.who_observes and node.get("who") != event["source"]["observer"]:
        raise InputError("not the observer of the source", where=f"{where}.who")


def _count(parent: Any, name: str) -> int:
    value = parent.get(name) if isinstance(parent, Mapping) else None
    return len(value) if isinstance(value, list) else int(value is not None)


def _matches(value: Any, wanted: Any) -> bool:
    """True for an equal value, or a Coding or CodeableConcept that carries the code."""
    if isinstance(wanted, str) and "#" in wanted:
        if not isinstance(value, Mapping):
            return False
        code = coding(wanted)
        carried = value.get("coding", [value])
        return any((c.get("system"), c.get("code")) == (code["system"], code["code"]) for c in carried)
    return type(value) is type(wanted) and bool(value == wanted)
