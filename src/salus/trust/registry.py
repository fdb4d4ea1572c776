"""What the house knows of itself: actors, policies, allowed methods. Nothing but the fold of the log's own entries."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from salus.trust.identity import Actor
from salus.trust.log import Log
from salus.trust.policy import Policy, parse
from salus.trust.vault import SYSTEM

TOPIC = "house"


@dataclass(slots=True)
class Registry:
    """The state after all house entries of the log.

    ``former`` are actors taken out: what they signed stays signed, and nobody else gets their names. ``retired`` are
    ids of policies that ended: none comes back. ``methods`` maps allowed distributions to pinned hashes. ``erased`` are
    the numbers that stand in the log for patients who were erased.
    """

    store_id: str = ""
    demo: bool = False
    actors: dict[str, Actor] = field(default_factory=dict)
    former: list[Actor] = field(default_factory=list)
    retired: set[str] = field(default_factory=set)
    policies: dict[str, Policy] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)
    erased: set[int] = field(default_factory=set)

    @property
    def ever(self) -> list[Actor]:
        """Everybody who is or was enrolled."""
        return [*self.actors.values(), *self.former]

    def apply(self, content: Mapping[str, Any]) -> None:
        """Take one entry into account."""
        match content["reason"]:
            case "init":
                self.store_id, self.demo = content["store"], content["demo"]
            case "actor-added":
                self.actors[content["id"]] = Actor(
                    content["id"], content["kind"], bytes.fromhex(content["key"]), content["patient"], content["name"]
                )
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
            case "erased":
                self.erased.add(content["pid"])


def load(log: Log, connection: sqlite3.Connection) -> Registry:
    """Replay the house entries of the log."""
    registry = Registry()
    for entry in log.entries(connection, topic=TOPIC, patient=SYSTEM):
        registry.apply(entry.content)
    return registry
