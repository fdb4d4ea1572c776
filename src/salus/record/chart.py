"""The chart: a read-only snapshot of one patient, limited to what a scope allows. It records what is read from it.

Every accessor call is recorded with a digest of the data that its answer rests on. These *reads* are the read set of a
finding: when a read replayed on a later chart gives another digest, the data behind the finding have changed. A
resource is opened only when its content is needed (see :mod:`salus.record.snapshot`); replaying a read hardly opens any
resource.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

from salus.errors import IntegrityError, MethodError
from salus.fhir import dates
from salus.fhir.blobs import Blob
from salus.fhir.categories import categories_of, joined
from salus.fhir.medications import Medication, Unread
from salus.fhir.mentions import Mention
from salus.fhir.views import CATEGORIES, PERSON, Body, Condition, Event, Observation, Patient, Source
from salus.record.contents import Contents, Entry, Row, opened
from salus.record.facts import Reader
from salus.record.moment import Moment
from salus.record.pages import Arrays
from salus.record.series import of_reference
from salus.record.snapshot import OUTDATED, Snapshot
from salus.record.summaries import By, Summaries
from salus.terminology.naming import names_by
from salus.terminology.reader import Terminology, shipped

__all__ = ["OUTDATED", "Chart", "Entry", "FindingView", "Read"]


class FindingView(Protocol):
    """What the chart needs to know of a finding; :class:`salus.findings.model.Finding` fits."""

    @property
    def code(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def version_hash(self) -> str: ...
    @property
    def categories(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True, order=True)
class Read:
    """One accessor call: its name, its arguments, the digest of what it rests on, the kinds of data it touched."""

    accessor: str
    arguments: tuple[str, ...]
    digest: str
    categories: frozenset[str]


K = TypeVar("K")
_Reads = dict[tuple[str, tuple[str, ...]], Read]
"""Reads by accessor and arguments."""


def _no_blobs(address: str) -> bytes:
    raise IntegrityError("the chart has no such blob")


class Chart:
    """One patient's record as one reader may see it at one moment.

    ``entries`` are the current resources in scope with their sources, or a function that returns them; it is called
    once, when the first question is asked. Instead of them, ``listed`` may list the rows of the record, which are
    opened one by one. ``now`` is the moment of the chart, ``loader`` fetches the bytes of a blob by its address,
    ``findings`` are the findings to show, ``terminology`` says what codes mean. With ``moving`` false, what uses the
    moment holds for that instant only. Accessors return lists oldest first; of equal times, the lower reference first.
    """

    def __init__(
        self,
        entries: Iterable[Entry] | Callable[[], Iterable[Entry]] = (),
        *,
        now: datetime,
        listed: Callable[[Reader], Iterable[Row]] | None = None,
        loader: Callable[[str], bytes] = _no_blobs,
        findings: Sequence[FindingView] = (),
        terminology: Terminology | None = None,
        moving: bool = True,
    ) -> None:
        self._terminology = terminology or shipped()
        reader = Reader(names_by(self._terminology), self._terminology)
        given = entries if callable(entries) else partial(iter, list(entries))
        contents = Contents.given(given, reader) if listed is None else Contents(listed, reader)
        self._snapshot = Snapshot(contents, now.astimezone(UTC), loader)
        self._moving = moving
        self._findings = tuple(findings)
        self._reads: _Reads = {}
        self._asked_now = False

    @classmethod
    def of(
        cls,
        resources: Iterable[Body],
        *,
        now: datetime,
        blobs: Mapping[str, bytes] | None = None,
        findings: Sequence[FindingView] = (),
        terminology: Terminology | None = None,
    ) -> Chart:
        """A chart made directly of FHIR resources (dicts) and blobs by address, for tests and for trying a method."""
        from salus.fhir import json

        entries = []
        for number, body in enumerate(resources, 1):
            digest = hashlib.sha256(json.dumps(body)).hexdigest()
            ref = f"{body['resourceType']}/{body.get('id', number)}"
            entries.append((Source(ref, 1, digest, joined(categories_of(body))), body))
        store = dict(blobs or {})

        def load(address: str) -> bytes:
            return store[address]

        return cls(entries, now=now, loader=load, findings=findings, terminology=terminology)

    # ---- what methods read

    @property
    def terminology(self) -> Terminology:
        """What codes and words mean (not part of a read set: a finding carries its digest)."""
        return self._terminology

    @property
    def now(self) -> datetime:
        """The moment of the chart (UTC). A method that asks for it is run again in every run."""
        self._asked_now = True
        if not self._moving:
            self.momentary()
            return self._snapshot.now
        return Moment.of(self._snapshot.now, self._snapshot.horizon)

    @property
    def written_at(self) -> str:
        """The moment as a text (ISO, UTC), to date what is made of the chart. No answer may depend on it."""
        return dates.write(self._snapshot.now)

    @property
    def until(self) -> datetime:
        """The first instant at which any answer that was read from this snapshot so far may change.

        It is never after the next midnight (UTC): C code can read the date of a moment without the moment noticing.
        """
        midnight = self._snapshot.now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return min(self._snapshot.horizon.until, midnight)

    @property
    def known(self) -> bool:
        """True when the chart has a Patient resource (not part of a read set)."""
        return bool(self._snapshot.contents.of("Patient"))

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of data of which there are resources (not part of a read set)."""
        rows = (row for rows in self._snapshot.contents.by_type.values() for row in rows)
        return frozenset[str]().union(*{row.categories for row in rows})

    @property
    def patient(self) -> Patient:
        """The person. Raises MethodError on a chart without a Patient resource."""
        found: tuple[Patient, ...] = self._recall("patient", ())
        if not found:
            raise MethodError("the chart has no Patient resource")
        return found[0]

    def momentary(self) -> None:
        """Note that something was read whose answer may change at any time: ``until`` becomes the moment itself."""
        self._snapshot.horizon.at_once()

    def observations(self, concept: str, since: datetime | None = None) -> Sequence[Observation]:
        """The usable dated observations of ``concept`` (a name of codes.toml), oldest first.

        ``since``: only those from this time on. Readings of devices are included; an event that several sources
        recorded appears once. Observations are opened as they are asked for: where not all are needed, take the last
        ones (``[-1:]``, ``reversed``) or give ``since``.
        """
        found: Sequence[Observation] = self._recall("observations", (concept, since.isoformat() if since else ""))
        return found

    def panels(self, concept: str) -> Sequence[Observation]:
        """The usable observations under another name that have ``concept`` as a component, oldest first."""
        found: Sequence[Observation] = self._recall("panels", (concept,))
        return found

    def readings(self, concept: str, unit: str, start: datetime, end: datetime) -> Arrays:
        """The readings of ``concept`` from ``start`` on and before ``end``, in ``unit``, as arrays."""
        found: Arrays = self._recall("readings", (concept, unit, start.isoformat(), end.isoformat()))
        return found

    def summaries(self, concept: str, unit: str, by: By, start: datetime, end: datetime) -> Summaries:
        """The same readings summarised by "hour" (UTC) or by "day" of the local clock. Raises MethodError otherwise."""
        found: Summaries = self._recall("summaries", (concept, unit, by, start.isoformat(), end.isoformat()))
        return found

    def unread_observations(self) -> tuple[Observation, ...]:
        """Observations that no other accessor returns: their code is not understood, they have no date, their status is
        not usable, or they are about somebody else."""
        return tuple(self._recall("unread_observations", ()))

    def modified(self, kind: str) -> tuple[Unread, ...]:
        """Entries of a resource type with an unknown modifier: each may mean the opposite of what it says."""
        return tuple(self._recall("modified", (kind,)))

    def latest(self, concept: str) -> Observation | None:
        """The newest usable observation of ``concept``; None when there is none."""
        found: tuple[Observation, ...] = self._recall("latest", (concept,))
        return found[0] if found else None

    def conditions(self) -> tuple[Condition, ...]:
        """The problem list without entries made in error; ask each entry for ``asserted`` and ``active``."""
        return tuple(self._recall("conditions", ()))

    def medications(self) -> tuple[Medication, ...]:
        """All prescriptions and statements of medicines without those entered in error; ask each for ``current``."""
        return tuple(self._recall("medications", ()))

    def events(self, kind: str) -> tuple[Event, ...]:
        """Resources of one of the kinds Encounter, Procedure, Device, DeviceUseStatement, AllergyIntolerance,
        FamilyMemberHistory, Immunization, QuestionnaireResponse."""
        return tuple(self._recall("events", (kind,)))

    def mentions(self) -> tuple[Mention, ...]:
        """Diagnoses named in other resources: in reasons, conclusions, flags and claims."""
        return tuple(self._recall("mentions", ()))

    def future(self) -> tuple[Condition, ...]:
        """Problems recorded up to the moment of the chart but dated after it: one of the two dates is wrong."""
        return tuple(self._recall("future", ()))

    def notes(self) -> tuple[Blob, ...]:
        """Free-text notes."""
        return tuple(self._recall("notes", ()))

    def genome(self) -> tuple[Blob, ...]:
        """Genome files (VCF)."""
        return tuple(self._recall("genome", ()))

    def images(self) -> tuple[Blob, ...]:
        """Image series (DICOM series, NIfTI volumes)."""
        return tuple(self._recall("images", ()))

    def signals(self, kind: str) -> tuple[Blob, ...]:
        """Recorded signals of ``kind`` ("ecg")."""
        return tuple(self._recall("signals", (kind,)))

    def findings(self, code: str) -> tuple[Any, ...]:
        """Current findings with this code, as :class:`salus.findings.model.Finding`."""
        return tuple(self._recall("findings", (code,)))

    def recorded(self) -> dict[str, Observation]:
        """The newest usable observation of each concept (not part of a read set: for results that no rule covers)."""
        return self._snapshot.kept("newest", self._snapshot.newest)

    def shared(self, name: str, make: Callable[[Chart], K]) -> K:
        """The result of ``make``, computed once for the snapshot and kept under ``name``.

        ``make`` gets a chart of the same snapshot and must read everything from that one. What it read is added to the
        read set of every chart that asks for the result, also where ``make`` raises. A result for which ``make`` read
        findings is not kept but computed at each call: findings grow while methods run.
        """
        held: dict[str, tuple[K, _Reads, bool]] = self._snapshot.kept("shared", dict)
        if name in held:
            made, reads, asked_now = held[name]
            self._add(reads, asked_now)
            return made
        reader = self.fresh()
        try:
            made = make(reader)
        finally:
            self._add(reader._reads, reader._asked_now)
        if not any(accessor == "findings" for accessor, _ in reader._reads):
            held[name] = made, reader._reads, reader._asked_now  # not the reader: it would hold its own snapshot
        return made

    def _add(self, reads: _Reads, asked_now: bool) -> None:
        """Add what another chart of the same snapshot read to the read set of this one."""
        for asked, read in reads.items():
            self._reads.setdefault(asked, read)
        self._asked_now |= asked_now

    # ---- the read set

    def fresh(self, findings: Sequence[FindingView] | None = None) -> Chart:
        """The same snapshot with an empty read set (and other findings, where given)."""
        twin = object.__new__(Chart)
        twin._snapshot, twin._terminology, twin._moving = self._snapshot, self._terminology, self._moving
        twin._findings = self._findings if findings is None else tuple(findings)
        twin._reads, twin._asked_now = {}, False
        return twin

    @property
    def reads(self) -> tuple[Read, ...]:
        """What has been read so far, sorted.

        The read of the moment says that it was asked for, but not which moment it was: that would tell somebody who may
        see a part of the record when another part was written.
        """
        found = list(self._reads.values())
        if self._asked_now:
            found.append(Read("now", (), "", frozenset()))
        return tuple(sorted(found, key=lambda r: (r.accessor, r.arguments)))

    def replay(self, read: Read) -> bool:
        """True when the same call on this chart gives the same digest. For a read of the moment, always false."""
        if read.accessor == "now":
            return False
        return self._read(read.accessor, read.arguments).digest == read.digest

    def resources(self, *kinds: str) -> tuple[Entry, ...]:
        """The resources of the snapshot with their sources: of these types, or all (not part of a read set)."""
        contents = self._snapshot.contents
        rows = contents.of(*(kinds or contents.by_type))
        return tuple(row.entry for row in opened(rows))

    def load(self, address: str) -> bytes:
        """The bytes of a blob by its address (not part of a read set). Raises IntegrityError where there is none."""
        return self._snapshot.load(address)

    def resource(self, ref: str) -> Entry | None:
        """A resource of the snapshot, or a reading in a block, by reference (no part of a read set; opens evidence).

        None where there is none.
        """
        return of_reference(ref, self._snapshot.find)

    def _recall(self, accessor: str, arguments: tuple[str, ...]) -> Any:
        if (accessor, arguments) not in self._reads:
            self._reads[accessor, arguments] = self._read(accessor, arguments)
        if accessor == "findings":
            return self._of_code(*arguments)
        return self._snapshot.answer(accessor, arguments).result

    def _read(self, accessor: str, arguments: tuple[str, ...]) -> Read:
        if accessor == "findings":
            found = self._of_code(*arguments)
            lines = "".join(f"{f.id} {f.version_hash}\n" for f in found)
            digest = hashlib.sha256(lines.encode()).hexdigest()
            touched = frozenset[str]().union(*(f.categories for f in found))
        else:
            answer = self._snapshot.answer(accessor, arguments)
            digest, touched = answer.digest, answer.categories
        return Read(accessor, arguments, digest, touched or frozenset({_DEFAULT_CATEGORY[accessor]}))

    def _of_code(self, code: str) -> tuple[FindingView, ...]:
        return tuple(sorted((f for f in self._findings if f.code == code), key=lambda f: f.id))


_DEFAULT_CATEGORY = {
    "patient": PERSON,
    "observations": "record",
    "latest": "record",
    "panels": "record",
    "readings": "record",
    "summaries": "record",
    "unread_observations": "record",
    "modified": "record",
    "conditions": "record",
    "future": "record",
    "mentions": "record",
    "medications": "record",
    "events": "record",
    "notes": "note",
    "genome": "genome",
    "images": "image",
    "signals": "signal",
    "findings": "record",
}
assert set(_DEFAULT_CATEGORY.values()) <= {*CATEGORIES, PERSON}
