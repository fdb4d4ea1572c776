"""Security labels: how confidential data are and what makes them sensitive, by the codes that they carry.

A label is a bare code: one of confidentiality (U < L < M < N < R < V) or of sensitivity (HIV, PSY ...). The hierarchies
and the rules by which codes make data sensitive stand, with their sources, in ``labels.toml``. Labels that came with
the data stay; a label that is not understood makes the data restricted. Free text is not read.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from salus.fhir.codes import Code
from salus.fhir.views import Body, Names, codings, no_names

_TABLE: Mapping[str, Any] = tomllib.loads(files("salus.trust").joinpath("labels.toml").read_text("utf-8"))
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

CONFIDENTIALITY_SYSTEM: str = _TABLE["confidentiality"]["system"]
SENSITIVITY_SYSTEM: str = _TABLE["sensitivity"]["system"]
CONFIDENTIALITY: Mapping[str, int] = {code: n for n, code in enumerate(_TABLE["confidentiality"]["order"])}
"""The codes of confidentiality with their rank: the higher, the more confidential."""
NORMAL: str = _TABLE["confidentiality"]["normal"]
RESTRICTED: str = _TABLE["confidentiality"]["restricted"]


def _closed(parents: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    """Every code with itself and all that it is a kind of."""
    found = {}
    for code in parents:
        kinds: set[str] = set()
        waiting = [code]
        while waiting:
            kind = waiting.pop()
            if kind not in kinds:
                kinds.add(kind)
                waiting.extend(parents[kind])
        found[code] = frozenset(kinds)
    return found


def _parents(children: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    parents: dict[str, list[str]] = {code: [] for code in children}
    for parent, codes in children.items():
        for code in codes:
            parents.setdefault(code, []).append(parent)
    return parents


SENSITIVITY: Mapping[str, frozenset[str]] = _closed(_TABLE["sensitivity"]["kinds"])
"""Every sensitivity code of ActCode with itself and all that it is a kind of (alcohol is a kind of substance use)."""
PURPOSES: Mapping[str, frozenset[str]] = _closed(_parents(_TABLE["purposes"]))
"""Every purpose of use of ActReason with itself and all that it is a kind of (ETREAT is a kind of TREAT)."""


_CONFIDENTIALITY_SYSTEMS = frozenset({CONFIDENTIALITY_SYSTEM, *_TABLE["confidentiality"]["aliases"]})
_SENSITIVITY_SYSTEMS = frozenset({SENSITIVITY_SYSTEM, *_TABLE["sensitivity"]["aliases"]})


def label_of(system: object, code: object) -> str | None:
    """The label that a coding stands for; None for a coding that is no known label."""
    if not isinstance(system, str) or not isinstance(code, str):
        return None
    if system in _CONFIDENTIALITY_SYSTEMS:
        return code if code in CONFIDENTIALITY or code in _TABLE["confidentiality"]["replaced"] else None
    return code if system in _SENSITIVITY_SYSTEMS and code in SENSITIVITY else None


def confidentiality_of(labels: Iterable[str]) -> str | None:
    """The highest confidentiality among ``labels``; sensitive data are at least restricted. None where the labels state
    none."""
    told = [c if c in CONFIDENTIALITY else RESTRICTED for c in labels]
    return max(told, key=CONFIDENTIALITY.__getitem__, default=None)


def sensitivities_of(labels: Iterable[str]) -> frozenset[str]:
    """The labels that tell what is sensitive, not how confidential it is."""
    return frozenset(labels) - CONFIDENTIALITY.keys()


def assigned() -> frozenset[str]:
    """The sensitivity codes that the rules can assign. Others protect only data that came with them."""
    rules = [*_TABLE["icd10"]["rule"], *_TABLE["rule"]]
    given = {label for rule in rules for label in rule["labels"]} | {c for v in _TABLE["concepts"].values() for c in v}
    return frozenset(kind for label in given for kind in SENSITIVITY[label])


def labels_of(body: Body, names: Names = no_names) -> frozenset[str]:
    """The labels of a resource: one of confidentiality, and those of sensitivity.

    ``names`` tells which concepts of the terminology the codes and words stand for; without it only the table's own
    codes are known. A resource in which nothing is found is normal.
    """
    found: set[str] = set()
    for label in _stated(body):
        found |= _understood(label)
    for coding in _codings(body):
        found |= _by_code(coding)
    for name in _names(body, names):
        found |= set(_TABLE["concepts"].get(name, ()))
    sensitive = sensitivities_of(found)
    return sensitive | {confidentiality_of(found) or NORMAL}


def _stated(body: Body) -> Iterator[Mapping[str, Any]]:
    """The labels that a resource came with, on itself or on a part of it."""
    meta = body.get("meta")
    security = meta.get("security") if isinstance(meta, Mapping) else None
    if security is not None and not isinstance(security, list):
        yield {}
    for label in security if isinstance(security, list) else ():
        yield label if isinstance(label, Mapping) else {}
    for node in _walk(body):
        if node.get("url") == _TABLE["other"]["inline"]:
            label = node.get("valueCoding")
            yield label if isinstance(label, Mapping) else {}


def _understood(label: Mapping[str, Any]) -> set[str]:
    """What a stated label says. One that is not understood says that the data are restricted."""
    system, code = label.get("system"), label.get("code")
    known = label_of(system, code)
    if known is not None or not isinstance(system, str):
        return {known or RESTRICTED}
    other = _TABLE["other"]
    harmless = system in other["systems"] or (system in _SENSITIVITY_SYSTEMS and code in other["codes"])
    return set() if harmless else {RESTRICTED}


def _walk(body: Body) -> Iterator[Mapping[str, Any]]:
    """Every object in a resource, without ``meta``."""
    waiting: list[Any] = [{k: v for k, v in body.items() if k != "meta"}]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _codings(body: Body) -> Iterator[Code]:
    for node in _walk(body):
        system, code = node.get("system"), node.get("code")
        if isinstance(system, str) and isinstance(code, str):
            yield Code(system, code)


def _names(body: Body, names: Names) -> frozenset[str]:
    if names is no_names:
        return frozenset()
    kind = str(body.get("resourceType", ""))
    concepts = [node for node in _walk(body) if "coding" in node or isinstance(node.get("text"), str)]
    return frozenset(n for c in concepts for n in names(kind, codings(c), str(c.get("text", "")), ""))


def _by_code(coding: Code) -> frozenset[str]:
    if coding.system in _TABLE["icd10"]["systems"]:
        code = coding.code.strip().upper().replace(".", "")
        return frozenset(
            label
            for low, high, labels in _icd10().get(code[:3], ())
            if low <= code[: len(low)] <= high
            for label in labels
        )
    return _rules().get((coding.system, coding.code), frozenset())


@cache
def _rules() -> Mapping[tuple[str, str], frozenset[str]]:
    found: dict[tuple[str, str], frozenset[str]] = {}
    for rule in _TABLE["rule"]:
        for code in rule["codes"]:
            key = (rule["system"], code)
            found[key] = found.get(key, frozenset()) | frozenset(rule["labels"])
    return found


@cache
def _icd10() -> Mapping[str, list[tuple[str, str, list[str]]]]:
    """By category: the ranges of codes that begin in it, both ends of one length, with their labels."""
    found: dict[str, list[tuple[str, str, list[str]]]] = {}
    for rule in _TABLE["icd10"]["rule"]:
        for text in rule["codes"]:
            low, _, high = text.replace(".", "").partition("-")
            for category in _categories(low[:3], (high or low)[:3]):
                found.setdefault(category, []).append((low, high or low, rule["labels"]))
    return found


def _categories(low: str, high: str) -> Iterator[str]:
    for tens in _ALPHABET[:10]:
        for ones in _ALPHABET:
            if low <= (category := low[0] + tens + ones) <= high:
                yield category
