"""Writing live readings into the record: what waits for the next write, and the write of blocks and changed alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from salus.app.house import House
from salus.app.intake.series import Joined, joining
from salus.app.live import devices
from salus.errors import SalusError
from salus.fhir import series
from salus.fhir.columns import in_columns
from salus.fhir.views import Body
from salus.intake.live import readings
from salus.intake.live.readings import Sent
from salus.monitoring.live import Setting
from salus.record.store import Change, Written
from salus.trust.grants import Grant

WAIT = timedelta(seconds=30)
"""How long readings wait for others of the same patient while a listener runs, to be written with them."""
MOST = 5_000
"""How many readings of one patient wait at most."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A reading with its number in the queue (or in quarantine). ``late``: it came after its moment was final."""

    n: int
    sent: Sent
    setting: Setting
    late: bool = False


@dataclass(slots=True)
class Pending:
    """Readings of one patient that the rules have seen and the record does not hold yet.

    ``since``: when the first of them came. ``doubles``: the queue's numbers of copies, which are not written.
    """

    since: datetime
    readings: list[Queued] = field(default_factory=list)
    doubles: list[int] = field(default_factory=list)

    @property
    def numbers(self) -> list[int]:
        """The queue's numbers of the readings and of the copies."""
        return [*self.doubles, *(queued.n for queued in self.readings)]

    @property
    def is_full(self) -> bool:
        """Whether so many readings wait that they are written now, however short they have waited."""
        return len(self.readings) >= MOST


class Erased(SalusError):
    """The patient was erased before the readings could be written."""


def file_readings(
    house: House,
    scope: Grant,
    found: Sequence[Queued],
    flags: Sequence[Change],
    details: Mapping[str, Any] | None = None,
    still: Callable[[], None] = lambda: None,
) -> Written:
    """Write readings in blocks, joined to those of the record, together with ``flags``.

    ``details`` are added to the log entry. ``still`` is called inside the transaction; where it raises, nothing is
    written. Raises StoreError, and Erased where there is no such patient any more.
    """
    blocks = list(blocks_of(found, scope.patient))

    def write(joined: Joined, unchanged: Callable[[], None]) -> Written:
        def check() -> None:
            if not devices.is_here(house, scope.patient):
                raise Erased("the patient was erased")
            still()
            unchanged()

        subject = {"reference": f"Patient/{scope.patient}"}
        made = [{**block, "subject": subject} for block in joined.made]
        made += [body for block in joined.refused for body in _singly(block, found, scope.patient)]
        changes = [*(Change("Observation", str(body["id"]), body) for body in made), *flags]
        told = {"resources": len(changes), "readings": len(found), **(details or {})}
        return house.commit(scope, changes, reason="live", details=told, check=check)

    written, _ = joining(house.store, house.gate.comparison(scope.patient), blocks, None, write)
    return written


def blocks_of(found: Sequence[Queued], patient: str) -> Iterator[dict[str, Any]]:
    """The readings as blocks of the patient's: one for each kind, device, setting and stretch of time."""
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
    """The readings of a block that has no place in the record, as one Observation each, so that none is lost."""
    held = series.Block(block)
    for queued in found:
        sent, at = queued.sent, readings.row(queued.sent, late=False)[0]
        head = readings.head(sent.code, sent.device, queued.setting)
        if head == held.head and held.start <= at <= held.end:
            yield readings.observation(sent, patient, queued.setting, late=queued.late)
