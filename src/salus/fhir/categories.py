"""Which kinds of data a resource tells of: by its type, its codes, its values, its words and what it contains.

A reader sees a resource when all its kinds are released to him. So whatever adds a kind makes fewer people see it, and
what cannot be told is of every kind. The tables, with their sources, stand in ``categories.toml``.
"""

from __future__ import annotations

import base64
import html
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from salus.fhir.series_head import TAG_SERIES
from salus.fhir.views import CATEGORIES, OWN_ID, PERSON, TAG_CATEGORY, TAG_KIND, TAG_SETTING, Body, codings, dicts, tags

TAG_FINDING = "urn:salus:finding"
"""The tag of a finding, which salus's own runner wrote. Intake takes none from outside."""
EVERY = frozenset(CATEGORIES)
"""The narrowest class: only who may see all kinds of data sees it."""
MAX_TARGETS = 5000
"""References in a resource; one with more is of every kind."""

Kinds = frozenset[str]
_NONE: Kinds = frozenset()
_GENOME, _IMAGE, _SIGNAL, _NOTE = (frozenset({c}) for c in ("genome", "image", "signal", "note"))
_SPECIFIC = ("genome", "image", "signal", "note", "record", PERSON)
# what a tag of the kind says; "record" leaves it to the type
_STATED = {"genome": _GENOME, "image": _IMAGE, "note": _NOTE, "signal": _SIGNAL, "ecg": _SIGNAL, "record": _NONE}
_SAYS = {**{c: frozenset({c}) for c in (*CATEGORIES, PERSON)}, "every": EVERY, "content": EVERY}
_BLOB = "urn:salus:blob:"
_UNSEEN = re.compile("[\u0300-\u036f\u00ad\u200b-\u200f\u2060\ufeff]+")
_COLUMN = re.compile(r"[0-9 .:+-]*")  # numbers one after the other: they say nothing in words
_ELEMENT = re.compile("<[^<>]*>")  # not past the next "<": a text of nothing else would take seconds
_RELATIVE = re.compile(r"([A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64})(?:/_history/[A-Za-z0-9.\-]{1,64})?\Z")
# hashes of texts in which there is no hint: names of codes come again and again; no text is kept
_SILENT: set[int] = set()
# what was found in texts with a hint, by their hash: many results bear the same words
_SEARCHED: dict[int, bool] = {}
_MAX_SILENT, _MAX_DATA, _MAX_TEXT = (
    1 << 16,
    1 << 18,
    1 << 18,
)  # hashes; characters of an attachment, and of all texts with a hint, that are searched


def categories_of(body: Body) -> Kinds:
    """Every kind of data that a resource tells of; at least one. Never raises.

    A finding carries the kinds of all that it was drawn from, as salus's own runner wrote them. For any other resource
    a tag adds, and takes nothing away. What it refers to is not looked at: see :func:`targets_of`. A consent and its
    signature are record whatever is in them: a denial must never be hidden from the gate that has to obey it.
    """
    if not isinstance(body, Mapping):
        return EVERY
    if not body:  # what the store keeps of a deleted resource: there is nothing in it
        return _SAYS["record"]
    own = str(body.get("id")).startswith(OWN_ID)
    if own and tags(body, TAG_FINDING) and (stated := tags(body, TAG_CATEGORY)):
        return frozenset(stated) if set(stated) - {PERSON} <= EVERY else EVERY
    return _SAYS["record"] if _is_decision(body) else _kinds(body, own=own)


def category_of(body: Body) -> str:
    """The most telling of a resource's kinds, for where there is room for one: genome, image, signal, note, record."""
    return main_of(categories_of(body))


def is_type(name: str) -> bool:
    """True for the name of a type of resource of FHIR R4."""
    return name in _said_in("types")


@cache
def joined(categories: Kinds) -> str:
    """Kinds as one text, the most telling first: "genome+record"."""
    return "+".join(c for c in _SPECIFIC if c in categories)


def main_of(categories: Kinds) -> str:
    """The most telling of these kinds of data."""
    return next((c for c in _SPECIFIC if c in categories), "record")


def _kinds(body: Body, *, own: bool = False, inside: bool = False) -> Kinds:
    kind = body.get("resourceType")
    base = _said_in("types").get(kind) if isinstance(kind, str) else None
    if base is None:
        return EVERY
    if kind == "Observation" and tags(body, TAG_SERIES):
        body = _as_readings(body)
    found, references = _walk(body, own)
    if kind == "DiagnosticReport":
        found.update(*(kinds for name, kinds in _said_in("report").items() if body.get(name)))
    if "contained" in body:
        found |= EVERY if inside else _contained(body["contained"])
    if "meta" in body:
        base = _tagged(body, base, found, own)
    if kind in _names("types", "content"):
        found |= _media(body) if kind == "Media" else _NONE
        base = _NONE if found else EVERY
    elif "category" in body:
        base = _sectioned(body, base, found)
    if references > MAX_TARGETS:
        return EVERY
    return frozenset(found if inside and kind in _names("contained", "silent") else base | found)


def _as_readings(body: Body) -> Body:
    """A block of readings with its columns in the place of each reading's value: it is of the kinds of its readings."""
    made = {"valueQuantity" if name == "valueSampledData" else name: value for name, value in body.items()}
    if isinstance(parts := made.get("component"), list):
        made["component"] = [_as_readings(part) if isinstance(part, dict) else part for part in parts]
    return made


def _is_decision(body: Body) -> bool:
    """True for a Consent, and for a Provenance of nothing else."""
    about = [str(node.get("reference")) for node in _listed(body.get("target"))]
    signed = body.get("resourceType") == "Provenance" and about and all(r.startswith("Consent/") for r in about)
    return bool(signed) or body.get("resourceType") == "Consent"


def _contained(resources: Any) -> Kinds:
    """The kinds of all contained resources. R4 has a list of them, and none within one."""
    if not isinstance(resources, list):
        return EVERY
    each = (_kinds(r, inside=True) if isinstance(r, dict) else EVERY for r in resources)
    return _NONE.union(*each)


def _tagged(body: Body, base: Kinds, found: set[str], own: bool) -> Kinds:
    """The kind of the type, or what a tag of salus's own says in its place. Any other tag is added to ``found``."""
    for number, stated in enumerate(tags(body, TAG_KIND)):
        kinds = _STATED.get(stated.partition("/")[0], EVERY)
        if own and kinds and not number:
            base = kinds
        else:
            found |= kinds
    for stated in tags(body, TAG_CATEGORY):
        found |= _NONE if stated == PERSON else EVERY if stated not in EVERY else {stated}
    if "home" in tags(body, TAG_SETTING):
        if found <= _SIGNAL and _is_reading(body):
            base = _NONE
        found |= _SIGNAL
    return base


def _is_reading(body: Body) -> bool:
    """True for an Observation of nothing but numbers, in a section of readings."""
    sections = {c.code for element in dicts(body.get("category")) for c in codings(element)}
    if body.get("resourceType") != "Observation" or not sections or not sections <= _names("sections", "readings"):
        return False
    names = {name for part in (body, *dicts(body.get("component"))) for name in part}
    values = {name for name in names if name.startswith("value")}
    return bool(values) and values <= {"valueQuantity", "valueSampledData"}


def _sectioned(body: Body, base: Kinds, found: set[str]) -> Kinds:
    """The kind of the type, or what the section that made a result says in its place; else that is added."""
    said: set[str] = set()
    words = _said_in("section-words")
    for concept in _listed(body["category"]):
        codes = [(str(c.get("system", "")), str(c.get("code", ""))) for c in dicts(concept.get("coding"))]
        for key in (*codes, ("", str(concept.get("text", "")))):
            said |= _sections().get(key, _NONE) | words.get(_folded(key[1]).strip().lower(), _NONE)
    found |= said & _GENOME if (kind := body["resourceType"]) in _names("sections", "asking") else said
    return _NONE if said and kind in _names("sections", "results") else base


def _media(body: Body) -> Kinds:
    """The kinds that the type and the modality of a Media resource say."""
    found = {c.code for name in ("type", "modality") for c in codings(body.get(name))}
    return frozenset(k for code in found for k in _said_in("media").get(code.lower(), _NONE))


def _listed(element: Any) -> list[dict[str, Any]]:
    return dicts(element if isinstance(element, list) else [element])


_QUIET, _TEXT, _CODE, _REFERENCE, _SYSTEM, _URL, _MEDIA_TYPE, _NARRATIVE = range(8)
_ROLES = {
    "code": _CODE, "system": _SYSTEM, "url": _URL, "profile": _URL, "reference": _REFERENCE, "contentType": _MEDIA_TYPE,
    "div": _NARRATIVE,
}  # fmt: skip


def _walk(body: Body, own: bool) -> tuple[set[str], int]:
    """The kinds that elements say, at any depth but not in contained resources; how many references there are."""
    found: set[str] = set()
    texts: list[str] = []
    references = 0
    roles, held, portraits, comment = _elements()
    waiting: list[Any] = [body]
    while waiting:
        node = waiting.pop()
        for name, value in node.items():
            form = value.__class__
            if form is str:
                role = roles.get(name, _TEXT)
                if role == _TEXT:
                    if len(value) > comment and _COLUMN.fullmatch(value):
                        continue
                    texts.append(value)
                    if len(value) > comment and not own:
                        found |= _NOTE
                elif role == _CODE:
                    system = node.get("system")
                    if kinds := _of_code(system if system.__class__ is str else "", value):
                        found |= kinds
                elif role == _REFERENCE:
                    references += 1
                elif role != _QUIET and (role != _SYSTEM or "code" not in node):
                    found |= _said(role, value, node, texts, own)
            elif form is dict or form is list:
                if name in held:
                    if name == "contained" and node is body:
                        continue
                    found |= _held(name, value, texts, own)
                    if name in portraits:
                        continue
                if form is list:
                    for item in value:
                        if item.__class__ is dict:
                            waiting.append(item)
                        elif item.__class__ is str or item.__class__ is list:
                            waiting.append({name: item})
                elif len(value) == 1 and "reference" in value:  # as most are, and nothing more to see
                    references += 1
                else:
                    waiting.append(value)
    if texts and _tells_of_genes(texts):
        found |= _GENOME
    return found, references


def _said(role: int, value: str, node: Mapping[str, Any], texts: list[str], own: bool) -> Kinds:
    """The kinds that a system, an address, a media type or a narrative says."""
    if role == _SYSTEM:
        return _of_code(value, "")
    if role == _MEDIA_TYPE:
        return _attachment(node, texts, own)
    if role == _NARRATIVE:
        texts.append(html.unescape(_ELEMENT.sub("", value)))
        return _NONE
    lower = value.lower()
    return frozenset(kind for kind, parts in _read()["urls"].items() for part in parts if part in lower)


def _held(name: str, value: Any, texts: list[str], own: bool) -> Kinds:
    """The kinds that an element says by being there: a series of a signal, a portrait, a file without a media type."""
    found = _said_in("values").get(name, _NONE)
    portrait = name in _names("attachments", "portraits")
    filed = name in _names("attachments", "elements")
    for node in _listed(value):
        if portrait:
            texts += [text for key, text in node.items() if key != "data" and isinstance(text, str)]
            found |= _attachment(node, texts, own) - _IMAGE if "contentType" in node else _NONE
        elif filed and not isinstance(node.get("contentType"), str) and node.keys() & {"data", "url", "hash"}:
            found |= _attachment(node, texts, own)
    return found


def _attachment(node: Mapping[str, Any], texts: list[str], own: bool) -> Kinds:
    """The kinds of an attachment by its media type and file name; the words in it are added to ``texts``."""
    if own and str(node.get("url")).startswith(_BLOB):
        return _NONE  # what intake filed carries the tag of its kind
    written = node.get("contentType")
    media_type = written.partition(";")[0].strip().lower() if isinstance(written, str) else ""
    families = (frozenset(k) for begin, k in _read()["media-types"]["families"].items() if media_type.startswith(begin))
    kinds = _said_in("media-types").get(media_type) or next(families, EVERY if media_type else _NONE)
    for name in (node.get("title"), node.get("url")):
        ending = name.partition("?")[0].strip().lower() if isinstance(name, str) else ""
        kinds |= frozenset(k for end, said in _said_in("endings").items() if ending.endswith(end) for k in said)
    data = node.get("data")
    if isinstance(data, str) and media_type.startswith(("text/", "application/rtf", "application/hl7")):
        try:
            texts.append(base64.b64decode(data[:_MAX_DATA]).decode("utf-8", "replace"))
        except ValueError:
            return EVERY
        kinds |= EVERY if len(data) > _MAX_DATA else _NONE
    return kinds or EVERY


@lru_cache(4096)
def _of_code(system: str, code: str) -> Kinds:
    """The kinds that a code says, or its system alone."""
    system = _plain(system)
    found = _codes().get((system, code), _NONE)
    if system in _said_in("code-systems") or system.startswith(tuple(_names("code-systems", "families"))):
        found |= _GENOME
    written = code.replace(".", "").upper()
    for entry in _read()["prefixes"]:
        known = entry["system"] in system or system in entry["also"] or (not system and entry["system"] == "icd-10")
        if known and written.startswith(tuple(entry["begins"])):
            found |= {entry["category"]}
    return found


def _plain(system: str) -> str:
    """A system's address in one spelling."""
    return system.partition("|")[0].strip().lower().replace("https://", "http://").rstrip("/")


def _tells_of_genes(texts: list[str]) -> bool:
    """True when one of these texts tells a result of genetics, or that there is one."""
    if _SILENT.issuperset(map(hash, texts)):
        return False
    key = hash(tuple(texts))
    found = _SEARCHED.get(key)
    if found is None:
        if len(_SEARCHED) >= _MAX_SILENT:
            _SEARCHED.clear()
        found = _SEARCHED[key] = any(_hints(text) for text in texts) and _found_in(texts)
    return found


def _found_in(texts: list[str]) -> bool:
    """True when texts with hints tell it, one after the other as they stand."""
    plain = " ".join(_folded(" | ".join(texts)).split())
    lower = plain.lower()
    if len(plain) > _MAX_TEXT:  # not searched: it would take seconds
        return True
    if _pattern("words").search(lower) or _pattern("signs").search(plain):
        return True
    near = (lower[max(0, m.start() - 40) : m.end() + 25] for m in _pattern("guarded").finditer(lower))
    return any(not _pattern("germs").search(part) for part in near)


def _hints(text: str) -> bool:
    """True when a text has a part of a word, or a shape, that may be one of genetics."""
    lower = " ".join(_folded(text).lower().split()) + " "
    if any(hint in lower for hint in _read()["text"]["hints"]) or _pattern("shapes").search(lower):
        return True
    if len(_SILENT) >= _MAX_SILENT:
        _SILENT.clear()
    _SILENT.add(hash(text))
    return False


def _folded(text: str) -> str:
    """Text without accents and without characters that are not seen."""
    return text if text.isascii() else _UNSEEN.sub("", unicodedata.normalize("NFKD", text))


@cache
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile("|".join(_read()["text"][name]))


def targets_of(body: Body) -> tuple[str, ...]:
    """The resources of this record ("Type/id") whose kinds a resource has too: what it holds together, was drawn from
    or is about. Each once, at most :data:`MAX_TARGETS`; a finding's tags say all of its own already.
    """
    own = str(body.get("id")).startswith(OWN_ID)
    if own and tags(body, TAG_FINDING) and tags(body, TAG_CATEGORY):
        return ()
    found: dict[str, None] = {}
    for resource in (body, *dicts(body.get("contained"))):
        for path in _read()["targets"].get(str(resource.get("resourceType")), ()):
            for node in _at(resource, path.split(".")):
                match = _RELATIVE.match(str(node.get("reference")))
                if match and len(found) < MAX_TARGETS:
                    found[match[1]] = None
    return tuple(found)


def _at(resource: Mapping[str, Any], path: list[str]) -> list[Mapping[str, Any]]:
    """The objects at a path; elements that hold themselves again are gone through to any depth."""
    again = _read()["targets-within"]["again"].get(str(resource.get("resourceType")), ())
    nodes: list[Mapping[str, Any]] = [resource]
    for name in path:
        nodes = [inner for node in nodes for inner in _listed(node.get(name))]
        waiting = list(nodes) if name in again else []
        while waiting:
            node = waiting.pop()
            deeper = [inner for key in again for inner in _listed(node.get(key))]
            nodes += deeper
            waiting += deeper
    return nodes


# ---- the tables


@cache
def _read() -> dict[str, Any]:
    return tomllib.loads(files("salus.fhir").joinpath("categories.toml").read_text("utf-8"))


def _turned(table: Mapping[str, Any]) -> dict[str, Kinds]:
    """What each entry of lists by kind of data is of."""
    found: dict[str, Kinds] = {}
    for kind in _SAYS.keys() & table.keys():
        for entry in table[kind]:
            found[entry] = found.get(entry, _NONE) | _SAYS[kind]
    return found


@cache
def _said_in(name: str) -> dict[str, Kinds]:
    """What each entry of a table is of."""
    return _turned(_read()[name])


@cache
def _names(table: str, name: str) -> frozenset[str]:
    return frozenset(_read()[table][name])


@cache
def _sections() -> dict[tuple[str, str], Kinds]:
    entries = _read()["sections"]["table"]
    return {(s, code): kinds for e in entries for code, kinds in _turned(e).items() for s in e["systems"]}


@cache
def _codes() -> dict[tuple[str, str], Kinds]:
    return {
        (system, code): frozenset({entry["category"]})
        for entry in _read()["codes"]
        for code in entry["codes"]
        for system in ("", *map(_plain, entry["systems"]))
    }


@cache
def _elements() -> tuple[dict[str, int], frozenset[str], frozenset[str], int]:
    """What plain elements are read as; those that are looked at as a whole; portraits; how long a comment may be."""
    table = _read()
    files, portraits = (table["attachments"][name] for name in ("elements", "portraits"))
    held = frozenset({"contained", *files, *portraits, *_said_in("values")})
    roles = dict.fromkeys(table["quiet"]["elements"], _QUIET) | _ROLES
    return roles, held, frozenset(portraits), table["text"]["comment"]
