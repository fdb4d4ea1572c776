"""Acts that wait for a second person, or for their time, as the log's entries record them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from salus.fhir import dates


@dataclass(frozen=True, slots=True)
class Proposal:
    """An act that waits: for a second person, or for its time. ``n`` is the log entry that proposed it."""

    n: int
    act: Mapping[str, Any]
    by: str
    wait: timedelta
    registrars: bool
    second: str = ""
    due: datetime | None = None

    @property
    def patient(self) -> str:
        """Whose record it concerns; "" for none."""
        return str(self.act.get("patient", ""))


def proposed(n: int, content: Mapping[str, Any]) -> Proposal:
    """The proposal that a house entry made."""
    return Proposal(
        n, content["act"], content["by"], timedelta(hours=content["wait_hours"]), bool(content["registrars"])
    )


def confirmed(proposal: Proposal, content: Mapping[str, Any]) -> Proposal:
    """The proposal after a house entry confirmed it."""
    wait = timedelta(hours=content["wait_hours"])
    return replace(proposal, second=content["by"], wait=wait, due=dates.instant(content["at"]) + wait)
