"""Resources of FHIR DSTU2, STU3, R4B and R5 as R4, by tables. What is lost is said; a meaning is never flipped.

A resource is *refused* where something that could turn its meaning round is not understood: an unknown code of a
status, a ``modifierExtension``, ``implicitRules``, a negation that is neither true nor false. It is still converted as
far as it goes, so that whoever keeps it can name it; nobody may read it as true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from salus.fhir import json
from salus.fhir.releases import special  # noqa: F401 - adds its verbs to the table
from salus.fhir.releases.fit import fit
from salus.fhir.releases.recognise import R4, release_of, stated
from salus.fhir.releases.steps import Run, run_steps
from salus.fhir.releases.tables import named, tables

__all__ = ["Converted", "release_of", "stated", "to_r4"]

_MOVED = (("http://hl7.org/fhir/v2/", "v2-"), ("http://hl7.org/fhir/v3/", "v3-"))
_HOME = "http://terminology.hl7.org/CodeSystem/"


@dataclass(frozen=True, slots=True)
class Converted:
    """A resource in R4: the ``release`` that it was written in, what was lost, and why it is not understood, if so."""

    resource: dict[str, Any]
    release: str
    losses: tuple[str, ...] = ()
    refused: str = ""


def to_r4(resource: Mapping[str, Any], release: str | None = None) -> Converted:
    """``resource`` in R4. ``release`` (a version or a name) is what its source states; its own shape weighs more.

    Never raises for what JSON can hold, and never changes ``resource``. One of R4 comes back as it is.
    """
    text = json.dumps(dict(resource))
    found = release_of(resource, stated(release or ""), text)
    kind = named(str(resource.get("resourceType")))
    run = Run(kind, found)
    common = tables().steps.get(("common", kind), ())
    other = found not in (R4, "R4B")
    body: dict[str, Any] = _copy(dict(resource)) if common or other else dict(resource)
    _check_modifiers(run, resource, text)
    run_steps(run, body, common)
    if kind != resource.get("resourceType"):
        body["resourceType"] = kind
    if other:
        run_steps(run, body, tables().steps.get((found, kind), ()))
        body = _moved_systems(body)
        if not run.refusals:
            fit(run, body)
    _contained(run, body, found)
    _check_status(run, body)
    return Converted(body, found, tuple(run.losses), "; ".join(run.refusals))


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _check_modifiers(run: Run, resource: Mapping[str, Any], text: bytes) -> None:
    """No modifierExtension and no implicit rules are known: with any the meaning is open.

    ``text`` is the resource as JSON: only where the word stands in it the elements are gone through.
    """
    if resource.get("implicitRules"):
        run.refuse("implicitRules", "rules that are not known")
    if b'"modifierExtension"' in text and any(item.get("modifierExtension") for item in json.objects(resource)):
        run.refuse("modifierExtension", "carries a modifierExtension that is not known")


def _check_status(run: Run, body: Mapping[str, Any]) -> None:
    """A status that R4 does not know could mean anything."""
    table = tables().of(str(body.get("resourceType")))
    known = table.status.get(R4) if table else None
    status = body.get("status")
    if known and status is not None and (not isinstance(status, str) or status not in known):
        run.refuse("status", "a status that is not known")


def _contained(run: Run, body: dict[str, Any], release: str) -> None:
    """What is inside is of the same release."""
    inner = body.get("contained")
    if not isinstance(inner, list):
        return
    converted = []
    for item in inner:
        if not isinstance(item, dict):
            continue
        found = to_r4(item, release)
        converted.append(found.resource)
        for loss in found.losses:
            run.losses[loss] = None
        if found.refused and "modifierExtension" not in found.refused:
            run.refusals[found.refused] = None
    body["contained"] = converted


def _moved_systems(value: Any) -> Any:
    """The code systems that have another address since R4."""
    if isinstance(value, dict):
        return {k: _system(v) if k == "system" and isinstance(v, str) else _moved_systems(v) for k, v in value.items()}
    return [_moved_systems(item) for item in value] if isinstance(value, list) else value


def _system(address: str) -> str:
    for start, short in _MOVED:
        if address.startswith(start):
            return f"{_HOME}{short}{address.removeprefix(start)}"
    return tables().renamed_systems.get(address, address)
