"""Resources about nobody (medicines, practitioners, places) that nothing in a run refers to: who needs them?

A medicine may come in a later file than the prescription that refers to it. The store has no index of references, so
every record is searched for one, once a run and only where such a resource is left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from salus.app.house import House
from salus.fhir.views import Body
from salus.intake import age, servers
from salus.intake.attribute import origins
from salus.intake.batch import Batch, Clues
from salus.intake.fhir_links import id_for, references, unversioned
from salus.intake.fhir_set import digest_of
from salus.record import search
from salus.trust.grants import Grant
from salus.trust.identity import Actor

HELD = "not taken: about nobody, and a record that refers to it holds another under its id"
ELSEWHERE = "not taken: about nobody, and the record that refers to that id means another server's"
SEVERAL = "not taken: about nobody, and others of the same id came with it"
_Pool = Mapping[str, Sequence[dict[str, Any]]]


@dataclass(slots=True)
class _Record:
    """A record: its resources by the name they refer to, what it holds under these names, its person's servers."""

    patient: str
    refers: dict[str, list[Body]] = field(default_factory=dict)
    holds: dict[str, Body] = field(default_factory=dict)
    servers: frozenset[str] = frozenset()


def divided(house: House, actor: Actor, batches: Sequence[Batch], sole: str | None) -> list[Batch]:
    """Divide ``batches`` of shared resources among the patients whose records refer to them.

    ``sole`` is the one person of the run: what no record refers to stays that person's. An id means something only on
    its server. So another server's resource is never given, and one of an unknown server only to a record that lacks
    it. The log of a record that refers to some of it and is given nothing tells that ``actor`` had it compared.
    """
    left = [b for b in batches if not b.clues.reference and b.resources]
    if not left:
        return list(batches)
    pool: dict[str, list[dict[str, Any]]] = {}
    for resource in (r for batch in left for r in batch.resources):
        for name in _names(resource):
            pool.setdefault(name, []).append(resource)
    given: dict[int, list[tuple[str, list[dict[str, Any]]]]] = {id(b): [] for b in left}
    settled: dict[int, str] = {}
    compared: list[str] = []
    for record in _records(house, pool):
        mine = _mine(record, pool, settled, replaces=record.patient == sole)
        compared += [] if mine else [record.patient]
        for batch in left:
            found = [r for r in batch.resources if id(r) in mine]
            if found:
                given[id(batch)].append((record.patient, found))
    house.gate.note_comparison(actor, *compared)
    done: list[Batch] = []
    for batch in batches:
        done += _parts(batch, given[id(batch)], settled) if id(batch) in given else [batch]
    return done


def _mine(record: _Record, pool: _Pool, settled: dict[int, str], *, replaces: bool) -> set[int]:
    """The resources of ``pool`` that go to one record. For each, ``settled`` takes up why it goes nowhere, or "".

    ``replaces``: the run is about this person, so that it may bring newer versions of what the record holds.
    """
    mine: set[int] = set()
    waiting, refers = list(record.refers), dict(record.refers)
    while waiting:
        name = waiting.pop()
        fits = {id(r): _fits(r, name, refers[name], record.servers) for r in pool[name]}
        fitting = [r for r in pool[name] if fits[id(r)] is not None]
        several = any(not age.same_content(r, fitting[0]) for r in fitting)
        for resource in pool[name]:
            held = record.holds.get(name)
            why = ELSEWHERE if fits[id(resource)] is None else SEVERAL if several else ""
            if not why and held and not (fits[id(resource)] or replaces or age.same_content(held, resource)):
                why = HELD
            settled[id(resource)] = settled.get(id(resource), why) and why
            if why or id(resource) in mine:
                continue
            mine.add(id(resource))
            for further in {unversioned(r) for r in references(resource)} & pool.keys():
                if further not in refers:
                    refers[further] = [resource]
                    waiting.append(further)
    return mine


def _fits(resource: Mapping[str, Any], name: str, referring: Sequence[Body], known: frozenset[str]) -> bool | None:
    """Whether the reference ``name`` means the resource: True where servers tell it, False where they tell nothing
    against it, None where another server's is meant. ``known`` are the servers that know the person."""
    kind, own = str(resource["resourceType"]), str(resource["id"])
    if name != f"{kind}/{own}":
        return True  # the id that only this server's resource has here
    relations = {servers.relation(servers.beside(each, kind, own), resource) for each in referring}
    if "another" in relations:
        return None
    if "same" in relations:
        return True
    base = servers.base_of(servers.home(resource))
    return False if not base or not known or base in known else None


def _parts(
    batch: Batch, given: Sequence[tuple[str, Sequence[dict[str, Any]]]], settled: Mapping[int, str]
) -> Iterator[Batch]:
    """A batch for each patient whose record refers to some of it, and one for what is left, with what is told of it."""
    for patient, resources in given:
        yield replace(batch, resources=tuple(resources), losses=(), clues=Clues(patient), sha256=digest_of(resources))
    left = tuple(r for r in batch.resources if id(r) not in settled)
    told: dict[str, int] = {}
    for resource in batch.resources:
        if settled.get(id(resource)):
            what = f"{resource['resourceType']} {settled[id(resource)]}"
            told[what] = told.get(what, 0) + 1
    losses = (*batch.losses, *(f"{count} {what}" for what, count in told.items()))
    if left or losses:
        yield replace(batch, resources=left, losses=losses, sha256=digest_of(left))


def _records(house: House, names: Collection[str]) -> Iterator[_Record]:
    """The records that refer to any of ``names``. They are read by the house, not by whoever files."""
    starts = tuple({f'"{name.partition("/")[0]}/'.encode() for name in names})
    for patient in house.store.patients(house.gate.house("intake")):
        scope = house.gate.attribution(patient)
        record = _Record(patient)
        for kind in search.types():
            for stored in house.store.search(scope, kind):
                if any(start in stored.data for start in starts):  # a body is parsed only where it may refer to one
                    body = stored.body
                    for name in {unversioned(r) for r in references(body)}.intersection(names):
                        record.refers.setdefault(name, []).append(body)
        if record.refers:
            record.holds = dict(_held(house, scope, names))
            found = house.store.read(scope, ("Patient",))
            record.servers = frozenset(map(servers.base_of, origins(found[0].body))) if found else frozenset()
            yield record


def _held(house: House, scope: Grant, names: Collection[str]) -> Iterator[tuple[str, Body]]:
    """What a record holds under ``names``."""
    for name in names:
        kind, _, own = name.partition("/")
        if house.store.has(scope, kind, own):
            yield from ((name, stored.body) for stored in house.store.read(scope, (kind,), (own,)))


def _names(resource: Mapping[str, Any]) -> list[str]:
    """The names that a resource may have here: its own, and the one where another server's has that already."""
    kind, told = resource["resourceType"], servers.home(resource)
    return [f"{kind}/{resource['id']}", *([f"{kind}/{id_for(told)}"] if told else [])]
