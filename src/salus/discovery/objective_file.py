"""Objectives as TOML files: components with their modifiers; every unknown word is an error."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from salus.discovery.endpoints import Model
from salus.discovery.measurements import endpoint, read_table, read_text
from salus.discovery.model_file import load
from salus.discovery.modifiers import Modifier
from salus.discovery.molecule import read
from salus.discovery.objective import Component, Objective, PredictedEndpoint, Property, SimilarityTo, permitted
from salus.errors import InputError

MAX_COMPONENTS = 50


def read_objective(path: Path) -> Objective:
    """The objective of a TOML file; files that it names lie beside it.

    ``mean`` and ``alerts`` as in ``Objective``; ``[[component]]`` with ``kind`` similarity (``target``,
    ``fingerprint``), property (``name``) or endpoint (``endpoint`` and ``train``, or ``model``), ``weight`` and
    ``modifier = {kind, mu, sigma}``. Raises ``InputError`` with the component's number.
    """
    try:
        about = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not TOML: {error}", path.name) from error
    _only(about, {"mean", "alerts", "component"}, path.name)
    listed = about.get("component", [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed) or len(listed) > MAX_COMPONENTS:
        raise InputError(f"[[component]] must be a list of at most {MAX_COMPONENTS} tables", path.name)
    found = []
    for number, one in enumerate(listed, 1):
        where = f"{path.name}, component {number}"
        try:
            found.append(_component(one, path.parent, where))
        except InputError as error:
            raise (error if error.where and error.where.startswith(where) else error.at(where)) from error
    return Objective(tuple(found), about.get("mean", "geometric"), about.get("alerts", "show"))


def _only(about: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = set(about) - known
    if unknown:
        raise InputError(f"unknown: {', '.join(sorted(unknown))}", where, "known: " + ", ".join(sorted(known)))


def _component(about: dict[str, Any], folder: Path, where: str) -> Component:
    kind = about.get("kind")
    if kind not in KINDS:
        raise InputError(f"unknown kind of component {kind!r}", where, "one of " + ", ".join(KINDS))
    words, make = KINDS[kind]
    _only(about, {"kind", "weight", "modifier", *words}, where)
    weight = _number(about.get("weight", 1.0), where)
    curve = about.get("modifier", {})
    if not isinstance(curve, dict):
        raise InputError("a modifier is a table", where, 'modifier = { kind = "clipped", mu = 0.8 }')
    _only(curve, {"kind", "mu", "sigma"}, where)
    numbers = {name: _number(curve[name], where) for name in ("mu", "sigma") if name in curve}
    return make(about, folder, Modifier(curve.get("kind", "identity"), **numbers), weight)


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError("a weight, mu or sigma is not a number", where)
    return float(value)


def _text(about: Mapping[str, Any], name: str) -> str:
    value = about.get(name)
    if not isinstance(value, str) or not value:
        raise InputError(f"{name} is missing or not text")
    return value


def _similarity(about: dict[str, Any], folder: Path, modifier: Modifier, weight: float) -> Component:
    fingerprint = _text(about, "fingerprint") if "fingerprint" in about else "ECFP4"
    return SimilarityTo(read(_text(about, "target")), fingerprint, modifier, weight)


def _property(about: dict[str, Any], folder: Path, modifier: Modifier, weight: float) -> Component:
    return Property(_text(about, "name"), modifier, weight)


def _endpoint(about: dict[str, Any], folder: Path, modifier: Modifier, weight: float) -> Component:
    if "model" in about:
        return PredictedEndpoint(load(folder / _text(about, "model")), modifier, weight)
    what = endpoint(_text(about, "endpoint"), about.get("unit"), about.get("desired"))
    permitted(what, modifier)  # before the work of fitting
    return PredictedEndpoint(Model.fit(read_table(folder / _text(about, "train"), what)), modifier, weight)


KINDS: dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any], Path, Modifier, float], Component]]] = {
    "similarity": (("target", "fingerprint"), _similarity),
    "property": (("name",), _property),
    "endpoint": (("endpoint", "train", "model", "unit", "desired"), _endpoint),
}
