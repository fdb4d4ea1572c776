"""Findings as FHIR for readers to whom a record is released in part: worked out from that part, and kept in memory.

They are worked out anew after each write into the record, each change of the house, and every ten minutes. Who is
released the same part of a record gets the same findings, so that they are remembered for a part, not for a reader.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from datetime import datetime

from salus.app.session import Session
from salus.app.session_consents import PRESENT
from salus.fhir import dates, json
from salus.fhir.categories import categories_of, joined
from salus.fhir.views import OWN_ID, Body, Source
from salus.findings import fhir as findings_fhir
from salus.findings.model import Finding
from salus.record.reading import Stored
from salus.trust.grants import Grant, Version

MOST = 4 << 20
"""Bytes of resources that are remembered; in memory they take some six times as much."""
_Part = tuple[str, frozenset[str], frozenset[Version] | None, frozenset[str] | None]
_Ground = tuple[int | None, int]
"""The newest entries of the log that wrote into the record, and about the house."""


class PartialFindings:
    """What a running server remembers of them. Safe to use from several threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[_Part, tuple[_Ground, datetime, tuple[Stored, ...]]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def of(self, session: Session, grant: Grant) -> tuple[Stored, ...] | None:
        """The findings that follow from what ``grant`` releases; None where all is: then they are the stored ones."""
        house = session.house
        part = (grant.patient, grant.categories, _decided(grant), grant.papers)
        ground = (house.log.written_since(house.store.connection, grant.patient, -1), house.heard)
        now = house.clock()
        with self._lock:
            known = self._kept.get(part)
            if known and known[0] == ground and abs(now - known[1]) <= PRESENT:
                self._kept.move_to_end(part)
                return known[2]
        drawn = session.narrower(grant)
        if drawn is None:
            return None
        found = tuple(_shown(body, at) for f in drawn for at in (_when(f),) for body in findings_fhir.to_fhir(f, at))
        self._keep(part, (ground, now, found))
        return found

    def _keep(self, part: _Part, made: tuple[_Ground, datetime, tuple[Stored, ...]]) -> None:
        with self._lock:
            self._forget(part)
            self._kept[part] = made
            self._bytes += _size(made[2])
            while self._bytes > self._most:
                self._forget(next(iter(self._kept)))

    def _forget(self, part: _Part) -> None:
        known = self._kept.pop(part, None)
        self._bytes -= _size(known[2]) if known else 0


def _decided(grant: Grant) -> frozenset[Version] | None:
    """What single resources were decided on, without stored findings: no reader of a part is shown them, and what
    becomes of them tells of all that they were drawn from."""
    if grant.decided is None:
        return None
    return frozenset((ref, n) for ref, n in grant.decided if not is_own(ref))


def is_own(ref: str) -> bool:
    """True for references with the ids that salus gives to its findings."""
    return ref.partition("/")[2].startswith(OWN_ID)


def _size(found: tuple[Stored, ...]) -> int:
    return sum(len(stored.data) for stored in found)


def _when(finding: Finding) -> str:
    """The time under which a finding that is not kept is shown: its own, which no question changes."""
    start, end = finding.effective
    return dates.write(dates.parse(end or start or "1970-01-01").start)


def _shown(body: Body, at: str) -> Stored:
    """A finding that is not kept, as a stored resource is shown: the first version, of now."""
    data = json.dumps(body)
    found = categories_of(body)
    ref = f"{body['resourceType']}/{body['id']}"
    return Stored(
        Source(ref, 1, hashlib.sha256(data).hexdigest(), joined(found)), at, False, data, body, found, b"", found
    )
