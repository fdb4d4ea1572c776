"""Under which id what comes is kept: another server's resource never takes the place of one that has the same id."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from salus.intake import age, servers
from salus.intake.fhir_links import id_for, references, relinked, under

Key = tuple[str, str]
"""Type and id."""
_LOCAL = re.compile(r"(?P<kind>[A-Z][A-Za-z]{2,40})/(?P<id>[^/?#|\s]+)(?P<rest>/_history/[^/]+)?\Z")
_ELSEWHERE = "a resource of the same id lies on another server too: this one has an id of its own here"
_UNTOLD = (
    "the record holds another one under the same id, and neither tells its server or which is the newer: "
    "both are kept, this one under an id of its own"
)


def key_of(resource: Mapping[str, Any]) -> Key:
    """Type and id of a resource."""
    return str(resource["resourceType"]), str(resource["id"])


def keys_needed(resources: tuple[dict[str, Any], ...]) -> set[Key]:
    """What of the record has to be known to place ``resources``."""
    found: set[Key] = set()
    for resource in resources:
        kind, name = key_of(resource)
        found |= {(kind, name), (kind, _own_id(resource)), (kind, _named(resource))}
        for target in _targets(resource) if servers.home(resource) else ():
            found |= {target, (target[0], _own_id(servers.beside(resource, *target)))}
    return found


def _own_id(resource: Mapping[str, Any]) -> str:
    """The id that a resource has here where its own is another one's: it follows from server and id, else from what
    the resource is of."""
    told = servers.home(resource)
    return id_for(told or f"{'/'.join(key_of(resource))} {servers.what_key(resource)}")


def _named(resource: Mapping[str, Any]) -> str:
    """The id that a resource has on its own server."""
    return servers.home(resource).rpartition("/")[2] or str(resource["id"])


def _targets(resource: Mapping[str, Any]) -> Iterator[Key]:
    """The resources of this record, other than patients, that a resource refers to."""
    for reference in references(resource):
        found = _LOCAL.match(reference)
        if found and found["kind"] != "Patient":
            yield found["kind"], found["id"]


def meant_by(stored: Iterable[Mapping[str, Any]], keys: set[Key]) -> dict[Key, list[dict[str, Any]]]:
    """Which of ``keys`` resources of the record refer to, each with the marks of the server that is meant by it."""
    found: dict[Key, dict[str, dict[str, Any]]] = {}
    for resource in stored:
        for key in keys & set(_targets(resource)) if servers.home(resource) else ():
            meant = servers.beside(resource, *key)
            found.setdefault(key, {})[f"{servers.origins(meant)} {servers.source(meant)}"] = meant
    return {key: list(each.values()) for key, each in found.items()}


@dataclass(slots=True)
class Placing:
    """The resources of one batch on their way into a record that holds ``held`` (see :func:`keys_needed`).

    ``meant`` is what the record refers to and does not hold: a place that is kept for that server's resource.
    """

    resources: tuple[dict[str, Any], ...]
    held: Mapping[Key, Mapping[str, Any]]
    meant: Mapping[Key, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    remarks: dict[str, int] = field(default_factory=dict)
    _moved: dict[Key, str] = field(default_factory=dict)
    _brought: Counter[Key] = field(default_factory=Counter)
    """How many servers' resources of one id the batch itself brings."""

    def placed(self) -> tuple[dict[str, Any], ...]:
        """The resources under the ids that they have here, references among them with them.

        What refers to another server's resource is itself another: what is referred to is placed first.
        """
        waiting = {key_of(r): r for r in self.resources}
        mine = frozenset(waiting)
        self._brought = Counter((kind, _named(r)) for (kind, _), r in waiting.items())
        targets = {key: (set(_targets(r)) & mine) - {key} for key, r in waiting.items()}
        while ready := [key for key in waiting if not targets[key] & waiting.keys()]:
            for key in ready:
                self._place(waiting.pop(key), mine)
        before = -1
        while before != len(self._moved):  # what refers to each other moves until nothing does
            before = len(self._moved)
            for resource in waiting.values():
                self._place(resource, mine)
        bodies = (self._following(r, mine) for r in self.resources)
        return tuple(under(body, body["id"], self._moved.get(key_of(body), body["id"])) for body in bodies)

    def _place(self, resource: dict[str, Any], mine: frozenset[Key]) -> None:
        key = kind, name = key_of(resource)
        if kind == "Patient" or key in self._moved:
            return
        new, why = self._id_for(resource, self._following(resource, mine))
        if new != name:
            self._moved[key] = new
            if (kind, new) not in self.held:
                what = f"{kind}: {why}"
                self.remarks[what] = self.remarks.get(what, 0) + 1

    def _id_for(self, resource: dict[str, Any], body: dict[str, Any]) -> tuple[str, str]:
        """The id of a resource here, and why it is another than it came with."""
        kind, name = key_of(resource)
        own, named = _own_id(resource), _named(resource)
        if self._is_held(resource, kind, named):
            return named, ""
        stored = self.held.get((kind, name))
        if servers.home(resource) and (kind, own) in self.held:
            return own, ""
        if stored is None:
            return (own, _ELSEWHERE) if self._is_kept_for_another(resource, kind, name) else (name, "")
        relation = servers.relation(stored, resource)
        if relation == "same" or (self._brought[kind, named] == 1 and age.same_content(stored, body)):
            return name, ""
        if relation == "another":
            return own, _ELSEWHERE
        told = age.by_mark(stored, resource) != "unknown"
        return (name, "") if told or not servers.is_of_another(stored, body) else (own, _UNTOLD)

    def _is_held(self, resource: Mapping[str, Any], kind: str, name: str) -> bool:
        """True where the record holds the resource of this server under ``name``."""
        stored = self.held.get((kind, name))
        return stored is not None and servers.relation(stored, resource) == "same"

    def _is_kept_for_another(self, resource: Mapping[str, Any], kind: str, name: str) -> bool:
        """True where another server's resources in the record refer to this id, and what they mean has not come."""
        return any(servers.relation(each, resource) == "another" for each in self.meant.get((kind, name), ()))

    def _following(self, resource: dict[str, Any], mine: frozenset[Key]) -> dict[str, Any]:
        def lead(reference: str) -> str:
            found = _LOCAL.match(reference)
            if not found or found["kind"] == "Patient":
                return reference
            kind, name = found["kind"], found["id"]
            if (kind, name) in mine:
                new = self._moved.get((kind, name), name)
            else:
                new = self._elsewhere(resource, kind, name) if servers.home(resource) else name
            return f"{kind}/{new}{found['rest'] or ''}"

        found: dict[str, Any] = relinked(resource, lead)
        return found

    def _elsewhere(self, resource: Mapping[str, Any], kind: str, name: str) -> str:
        """The id here of what a resource refers to and the batch does not bring: its own server's is meant."""
        meant = servers.beside(resource, kind, name)
        own = _own_id(meant)
        if self._is_held(meant, kind, name):
            return name
        stored = self.held.get((kind, name))
        if stored is None:
            other = self._is_kept_for_another(meant, kind, name)
        else:
            other = servers.relation(stored, meant) == "another"
        return own if other or (kind, own) in self.held else name
