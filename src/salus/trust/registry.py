"""What the house knows of itself: actors, policies, allowed methods. Nothing but the fold of the log's own entries."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from salus.trust.identity import Actor
from salus.trust.log import Log
from salus.trust.policy import Policy, parse
from salus.trust.proposals import Proposal, confirmed, proposed
from salus.trust.vault import SYSTEM

TOPIC = "house"


@dataclass(slots=True)
class Registry:
    """The state after all house entries of the log.

    ``former`` are actors taken out: what they signed stays signed, and nobody else gets their names. ``retired`` are
    ids of policies that ended: none comes back. ``methods`` maps allowed distributions to pinned hashes. ``erased`` are
    the numbers that stand in the log for patients who were erased, ``held`` those who must not be for now.
    ``proposals`` wait, by the number of their entry. ``enrolled_by`` tells who enrolled whom. ``alone``: made for one
    person, who is asked for no second.
    """

    store_id: str = ""
    demo: bool = False
    alone: bool = False
    actors: dict[str, Actor] = field(default_factory=dict)
    former: list[Actor] = field(default_factory=list)
    retired: set[str] = field(default_factory=set)
    policies: dict[str, Policy] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)
    erased: set[int] = field(default_factory=set)
    held: dict[int, str] = field(default_factory=dict)
    proposals: dict[int, Proposal] = field(default_factory=dict)
    enrolled_by: dict[str, str] = field(default_factory=dict)

    @property
    def ever(self) -> list[Actor]:
        """Everybody who is or was enrolled."""
        return [*self.actors.values(), *self.former]

    def apply(self, n: int, content: Mapping[str, Any]) -> None:
        """Take entry ``n`` into account."""
        if content["reason"] != "confirmed":  # carried out, or stopped
            self.proposals.pop(content.get("proposal", -1), None)
        match content["reason"]:
            case "init":
                self.store_id, self.demo, self.alone = content["store"], content["demo"], content.get("alone", False)
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
                gone = self.actors.pop(content["id"], None)
                self.former += [gone] if gone else []
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
        """An actor. Two people stand behind operators (the founders behind each other) and what was proposed."""
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


def load(log: Log, connection: sqlite3.Connection) -> Registry:
    """Replay the house entries of the log."""
    registry = Registry()
    for entry in log.entries(connection, topic=TOPIC, patient=SYSTEM):
        registry.apply(entry.n, entry.content)
    return registry
