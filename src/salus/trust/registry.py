"""What the house knows of itself: actors, policies, allowed methods. All of it follows from the log's own entries."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from salus.record.database import Database
from salus.record.forgetting import ERASED
from salus.trust.identity import Actor
from salus.trust.log import Log
from salus.trust.policy import Policy, parse
from salus.trust.proposals import Proposal, confirmed, proposed
from salus.trust.vault import SYSTEM, Vault

TOPIC = "house"
_DECISIONS = frozenset(
    {
        *("init", "proposed", "confirmed", "stopped", "actor-added", "actor-vouched", "actor-removed"),
        *("policy-added", "policy-removed", "method-allowed", "method-withdrawn", "hold", "hold-ended", "erased"),
    }
)
"""Reasons of the entries that change the registry. Entries with other reasons change nothing in it."""
EVERYBODY = "*"
PROPOSED = frozenset({"actor-added", "actor-removed", "policy-added"})
"""Acts that may take two people, and that an entry with this reason records when they are carried out. (An erasure is
recorded by what it did.)"""


@dataclass(slots=True)
class Registry:
    """The state after all house entries of the log.

    ``former`` are actors that were taken out: what they signed stays signed, and nobody else gets their names.
    ``retired`` are the ids of policies that ended: none comes back. ``methods`` maps allowed distributions to pinned
    hashes. ``erased`` are the numbers by which the log names erased patients; ``held`` are the numbers of patients who
    must not be erased for now, with the ground. ``proposals`` are those that wait, by the number of their entry.
    ``enrolled_by`` says who enrolled whom. ``alone``: the store was made for one person, and no act needs a second.
    ``numbered``: the emergency journal has a count.
    """

    store_id: str = ""
    demo: bool = False
    alone: bool = False
    numbered: bool = False
    actors: dict[str, Actor] = field(default_factory=dict)
    former: dict[str, Actor] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)
    policies: dict[str, Policy] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)
    erased: set[int] = field(default_factory=set)
    held: dict[int, str] = field(default_factory=dict)
    proposals: dict[int, Proposal] = field(default_factory=dict)
    enrolled_by: dict[str, str] = field(default_factory=dict)
    veils: dict[str, list[str]] = field(default_factory=dict)
    """By patient, the names of the keys under which the house's own entries about that patient are sealed."""
    last: int = -1
    """The newest of the house's entries that is taken into account."""
    _weighty: list[tuple[int, str]] = field(default_factory=list)
    """Entries that may change what is released to somebody, each with the patient whose record that is, or
    EVERYBODY."""

    @property
    def ever(self) -> Mapping[str, Actor]:
        """Everybody who is or was enrolled, by name: a name is given once."""
        return ChainMap(self.actors, self.former)

    readable: set[str] = field(default_factory=set)
    """Ids of actors who speak for a patient and whose entry an earlier release wrote. It stays readable when the
    patient is erased."""

    def person(self, content: Mapping[str, Any]) -> str:
        """The patient whom an entry's content is about; "" for none."""
        if content["reason"] == "actor-removed":
            gone = self.ever.get(content["id"])
            return gone.patient if gone else ""
        if content["reason"] in ("confirmed", "stopped"):
            waiting = self.proposals.get(content["proposal"])
            return waiting.patient if waiting else ""
        about = content["act"] if content["reason"] == "proposed" else content
        return str(about.get("patient", "")) if about["reason"] in ("actor-added", "actor-removed") else ""

    def forget(self, patient: str) -> None:
        """Remove what is known about an erased patient: who spoke for the patient, and what was proposed."""
        self.actors = {name: a for name, a in self.actors.items() if a.patient != patient}
        self.former = {name: a for name, a in self.former.items() if a.patient != patient}
        self.proposals = {n: p for n, p in self.proposals.items() if p.patient != patient}
        self.veils.pop(patient, None)

    def changed_since(self, n: int) -> set[str] | None:
        """The patients of whom something else may be released since entry ``n``; None where that may be anybody."""
        found = {patient for entry, patient in self._weighty if entry > n}
        return None if EVERYBODY in found else found

    def _weigh(self, n: int, content: Mapping[str, Any]) -> None:
        """Note whose record an entry may have opened or closed to somebody."""
        reason = content["reason"]
        if reason in ("policy-added", "policy-removed", "actor-vouched"):
            self._weighty.append((n, EVERYBODY))
        elif reason in ("actor-added", "actor-removed"):
            known = self.ever.get(content["id"])
            organisation = known is not None and known.kind == "organisation"
            patient = self.person(content)
            if organisation or patient:
                self._weighty.append((n, EVERYBODY if organisation else patient))
        elif reason == "erased":
            self._weighty.append((n, f"{ERASED}{content['pid']}"))

    def apply(self, n: int, content: Mapping[str, Any]) -> None:
        """Take entry ``n`` into account. An entry that carries out a proposal which no second person confirmed changes
        nothing."""
        self.last = n
        self._weigh(n, content)
        if content["reason"] != "confirmed":  # carried out, or stopped
            waiting = self.proposals.pop(content.get("proposal", -1), None)
            if content["reason"] in PROPOSED and "proposal" in content and not (waiting and waiting.second):
                return
        match content["reason"]:
            case "init":
                self.store_id, self.demo, self.alone = content["store"], content["demo"], content.get("alone", False)
                self.numbered = content.get("numbered", False)
            case "journal-numbered":
                self.numbered = True
            case "proposed":
                self.proposals[n] = proposed(n, content)
            case "confirmed":
                waiting = self.proposals[content["proposal"]]
                self.proposals[waiting.n] = confirmed(waiting, content)
            case "actor-added":
                self._enrol(content)
            case "actor-vouched":
                self.actors[content["id"]] = replace(self.actors[content["id"]], confirmed=True)
            case "actor-removed":
                if (gone := self.actors.pop(content["id"], None)) is not None:
                    self.former[gone.id] = gone
                for policy in [p for p in self.policies.values() if p.organisation == content["id"]]:
                    self.retired.add(self.policies.pop(policy.id).id)
            case "policy-added":
                policy = parse(content["policy"], self.actors)
                self.policies[policy.id] = policy
            case "policy-removed":
                self.policies.pop(content["id"], None)
                self.retired.add(content["id"])
            case "method-allowed":
                self.methods[content["distribution"]] = content["sha256"]
            case "method-withdrawn":
                self.methods.pop(content["distribution"], None)
            case "hold":
                self.held[content["pid"]] = content["ground"]
            case "hold-ended":
                self.held.pop(content["pid"], None)
            case "erased":
                self.erased.add(content["pid"])

    def _enrol(self, content: Mapping[str, Any]) -> None:
        """Add an actor, unless somebody has the name. Operators (the founders by each other) and actors who were
        proposed count as enrolled by two people; in a store for one person or a demonstration, everybody does."""
        if content["id"] in self.actors:
            return
        trusted = self.alone or self.demo or content["kind"] == "operator" or "proposal" in content
        self.enrolled_by[content["id"]] = content["by"]
        self.actors[content["id"]] = Actor(
            content["id"],
            content["kind"],
            bytes.fromhex(content["key"]),
            content["patient"],
            content["name"],
            confirmed=trusted,
        )


def decided_since(log: Log, connection: Database, n: int, before: int | None = None) -> bool:
    """True where an entry after ``n`` changes the registry; with ``before``, only entries with lower numbers count."""
    if log.newest_of(connection, TOPIC) <= n:
        return False
    later = (entry for entry in log.entries(connection, topic=TOPIC, patient=SYSTEM) if entry.n > n)
    return any(e.content["reason"] in _DECISIONS for e in later if before is None or e.n < before)


def veiled(vault: Vault, registry: Registry, content: Mapping[str, Any]) -> dict[str, Any]:
    """An entry in the form in which it is kept. Content about a person is sealed under a key of its own, which is
    shredded with the patient."""
    patient = registry.person(content)
    if not patient or content.get("id") in registry.readable:
        return dict(content)
    kept = {name: content[name] for name in ("reason", "at", "proposal") if name in content}
    veil = vault.veil(content)
    registry.veils.setdefault(patient, []).append(veil["key"])
    return {**kept, "veil": veil}


def load(log: Log, connection: Database, vault: Vault) -> Registry:
    """The registry after all house entries of the log. Entries about an erased patient cannot be opened, and are passed
    over."""
    registry = Registry()
    for entry in log.entries(connection, topic=TOPIC, patient=SYSTEM):
        content, registry.last = entry.content, entry.n
        if "veil" in content:
            opened = vault.unveil(content["veil"])
            if opened is None:
                registry.proposals.pop(content.get("proposal", -1), None)
                continue
            registry.veils.setdefault(registry.person(opened), []).append(content["veil"]["key"])
            content = opened
        elif content["reason"] == "actor-added" and content["patient"]:
            registry.readable.add(content["id"])
        if content["reason"] == "confirmed" and content["proposal"] not in registry.proposals:
            continue  # of a proposal about somebody who was erased
        registry.apply(entry.n, content)
    return registry
