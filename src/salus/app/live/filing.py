"""Live readings on their way into the record: what waits for a write, and the write of blocks with changed alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from salus.app.house import House
from salus.app.intake.series import Joined, joining
from salus.fhir import series
from salus.fhir.columns import in_columns
from salus.fhir.views import Body
from salus.intake.live import readings
from salus.intake.live.readings import Sent
from salus.monitoring.live import Setting
from salus.record.store import Change, Written
from salus.trust.grants import Grant

WAIT = timedelta(seconds=30)
"""How long readings from a line that goes on wait for others of the same patient."""
MOST = 5_000
"""How many of one patient wait at most."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A reading with its number in the queue; ``late``: it came after its moment was final."""

    n: int
    sent: Sent
    setting: Setting
    late: bool = False


@dataclass(slots=True)
class Pending:
    """What the rules have seen of one patient and the record does not hold yet; ``doubles`` are numbers of copies."""

    since: datetime
    readings: list[Queued] = field(default_factory=list)
    doubles: list[int] = field(default_factory=list)

    @property
    def numbers(self) -> list[int]:
        """The numbers in the queue of all of it."""
        return [*self.doubles, *(queued.n for queued in self.readings)]

    @property
    def is_full(self) -> bool:
        """Whether it waits no longer, however short it has waited."""
        return len(self.readings) >= MOST


def file_readings(house: House, scope: Grant, found: Sequence[Queued], flags: Sequence[Change]) -> Written:
    """Write readings in blocks, joined to those of the record, together with ``flags``. Raises StoreError."""
    blocks = list(_blocks(found, scope.patient))

    def write(joined: Joined, check: Callable[[], None]) -> Written:
        subject = {"reference": f"Patient/{scope.patient}"}
        made = [{**block, "subject": subject} for block in joined.made]
        made += [body for block in joined.refused for body in _singly(block, found, scope.patient)]
        changes = [*(Change("Observation", str(body["id"]), body) for body in made), *flags]
        details = {"resources": len(changes), "readings": len(found)}
        return house.commit(scope, changes, reason="live", details=details, check=check)

    written, _ = joining(house.store, house.gate.comparison(scope.patient), blocks, None, write)
    return written


def _blocks(found: Sequence[Queued], patient: str) -> Iterator[dict[str, Any]]:
    rows: dict[tuple[str, str, str, str], tuple[series.Head, list[Queued]]] = {}
    for queued in found:
        sent = queued.sent
        head = readings.head(sent.code, sent.device, queued.setting)
        stretch = head.stretch_of(readings.row(sent, late=False)[0])
        rows.setdefault((sent.code, sent.device, queued.setting, stretch), (head, []))[1].append(queued)
    for head, some in rows.values():
        told = [readings.row(queued.sent, late=queued.late) for queued in some]
        yield series.body(head, in_columns(told, len(head.parts)), f"Patient/{patient}")


def _singly(block: Body, found: Sequence[Queued], patient: str) -> Iterator[dict[str, Any]]:
    """The readings of a block that has no place in the record, as an Observation each: none is lost."""
    held = series.Block(block)
    for queued in found:
        sent, at = queued.sent, readings.row(queued.sent, late=False)[0]
        head = readings.head(sent.code, sent.device, queued.setting)
        if head == held.head and held.start <= at <= held.end:
            yield readings.observation(sent, patient, queued.setting, late=queued.late)
