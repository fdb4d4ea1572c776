"""The chart: a read-only snapshot of one patient, as far as a scope allows, that remembers what was read from it.

Every accessor call is recorded with a digest of what its answer rests on. These *reads* are a finding's read set: when
replaying one on a later chart gives another digest, what the finding was drawn from has changed. A resource is opened
when somebody looks at it (see :mod:`salus.record.snapshot`); to replay a read, hardly any is.
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
    """One accessor call: its name and arguments, the digest of what it returned, the kinds of data it touched."""

    accessor: str
    arguments: tuple[str, ...]
    digest: str
    categories: frozenset[str]


K = TypeVar("K")


def _no_blobs(address: str) -> bytes:
    raise IntegrityError("the chart has no such blob")


class Chart:
    """One patient's record as one reader may see it at one moment.

    Parameters: ``entries``, the current resources in scope with their sources, or what reads them once when the first
    question is asked, or ``listed``, which lists their rows to be opened one by one; ``now``; ``loader``, which fetches
    a blob's bytes by address; ``findings`` to show; ``terminology``, which says what codes mean. Lists come oldest
    first; of equal times the lower reference first.
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
        self._reads: dict[tuple[str, tuple[str, ...]], Read] = {}
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
        """A chart straight from FHIR resources (as dicts) and blobs by address: for tests and for trying a method."""
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
        """The moment the chart speaks of (UTC). Who asks for it is run anew whenever anything is."""
        self._asked_now = True
        if not self._moving:
            self.momentary()
            return self._snapshot.now
        return Moment.of(self._snapshot.now, self._snapshot.horizon)

    @property
    def written_at(self) -> str:
        """The moment as it is written on what is made of the chart (ISO, UTC): no answer may depend on it."""
        return dates.write(self._snapshot.now)

    @property
    def until(self) -> datetime:
        """The first instant at which something may differ of all that was read from this snapshot so far.

        At most the next midnight: a date can be read of a moment in C code, of which nobody is told.
        """
        midnight = self._snapshot.now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return min(self._snapshot.horizon.until, midnight)

    @property
    def known(self) -> bool:
        """True when the chart tells whose it is (not part of a read set)."""
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
        """Something was read of which nobody knows until when it holds."""
        self._snapshot.horizon.at_once()

    def observations(self, concept: str, since: datetime | None = None) -> Sequence[Observation]:
        """Usable observations of ``concept`` (a name of codes.toml), dated ones only, oldest first.

        A device's readings are among them, each event once whoever recorded it. They are opened as they are asked for:
        take the last ones (``[-1:]``, ``reversed``) or a time where not all are needed.
        """
        found: Sequence[Observation] = self._recall("observations", (concept, since.isoformat() if since else ""))
        return found

    def panels(self, concept: str) -> Sequence[Observation]:
        """Usable observations of another name that hold ``concept`` as a component, oldest first."""
        found: Sequence[Observation] = self._recall("panels", (concept,))
        return found

    def readings(self, concept: str, unit: str, start: datetime, end: datetime) -> Arrays:
        """What was measured of ``concept`` from ``start`` on and before ``end``, in ``unit``, as arrays."""
        found: Arrays = self._recall("readings", (concept, unit, start.isoformat(), end.isoformat()))
        return found

    def summaries(self, concept: str, unit: str, by: By, start: datetime, end: datetime) -> Summaries:
        """The same in short, by "hour" (UTC) or "day" of the clock by which it was measured."""
        found: Summaries = self._recall("summaries", (concept, unit, by, start.isoformat(), end.isoformat()))
        return found

    def unread_observations(self) -> tuple[Observation, ...]:
        """Observations that no question finds: of a code that nobody understands, without a date or with a status that
        nobody knows, or about somebody else."""
        return tuple(self._recall("unread_observations", ()))

    def modified(self, kind: str) -> tuple[Unread, ...]:
        """Entries of a resource type with a modifier that is not known: each may mean the contrary of what it says."""
        return tuple(self._recall("modified", (kind,)))

    def latest(self, concept: str) -> Observation | None:
        """The newest usable observation of ``concept``; None when there is none."""
        found: tuple[Observation, ...] = self._recall("latest", (concept,))
        return found[0] if found else None

    def conditions(self) -> tuple[Condition, ...]:
        """Every entry of the problem list but those entered in error; ask each for ``asserted`` and ``active``."""
        return tuple(self._recall("conditions", ()))

    def medications(self) -> tuple[Medication, ...]:
        """Every prescription and statement of a medicine but those entered in error; ask each for ``current``."""
        return tuple(self._recall("medications", ()))

    def events(self, kind: str) -> tuple[Event, ...]:
        """Resources of one of the kinds Encounter, Procedure, Device, DeviceUseStatement, AllergyIntolerance,
        FamilyMemberHistory, Immunization, QuestionnaireResponse."""
        return tuple(self._recall("events", (kind,)))

    def mentions(self) -> tuple[Mention, ...]:
        """Diagnoses that are named in passing: reasons, conclusions, flags, claims."""
        return tuple(self._recall("mentions", ()))

    def future(self) -> tuple[Condition, ...]:
        """Problems that were written down by now and are dated after it: one of the two dates is wrong."""
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
        """The newest usable observation of every concept (not part of a read set: for what no rule covers)."""
        return self._snapshot.kept("newest", self._snapshot.newest)

    def kept(self, name: str, make: Callable[[], K]) -> K:
        """What ``make`` gives, made once for the snapshot, whoever asks (not part of a read set: the caller reads what
        it rests on, each time)."""
        return self._snapshot.kept(f"asked {name}", make)

    def shared(self, name: str, make: Callable[[Chart], K]) -> K:
        """What ``make`` gives of the chart, made once for the snapshot. Whoever asks has read what it was made of.

        What was made of findings is made each time: they grow while methods run.
        """
        held: dict[str, tuple[K, Chart]] = self._snapshot.kept("shared", dict)
        made, reader = held.get(name, (None, None))
        if reader is None:
            reader = self.fresh()
            made = make(reader)
            if not any(accessor == "findings" for accessor, _ in reader._reads):
                held[name] = made, reader
        for asked, read in reader._reads.items():
            self._reads.setdefault(asked, read)
        self._asked_now |= reader._asked_now
        return made  # type: ignore[return-value]

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

        Of the moment it is told that it was asked for and not when: that would tell readers of a part when something
        else was written.
        """
        found = list(self._reads.values())
        if self._asked_now:
            found.append(Read("now", (), "", frozenset()))
        return tuple(sorted(found, key=lambda r: (r.accessor, r.arguments)))

    def replay(self, read: Read) -> bool:
        """True when the same call on this chart still gives what it gave then. The time never does."""
        if read.accessor == "now":
            return False
        return self._read(read.accessor, read.arguments).digest == read.digest

    def resources(self, *kinds: str) -> tuple[Entry, ...]:
        """Every resource in the snapshot with its source, or those of some types (not part of a read set)."""
        contents = self._snapshot.contents
        rows = contents.of(*(kinds or contents.by_type))
        return tuple(row.entry for row in opened(rows))

    def load(self, address: str) -> bytes:
        """A blob's bytes by address (not part of a read set). Raises IntegrityError where there is none."""
        return self._snapshot.load(address)

    def resource(self, ref: str) -> Entry | None:
        """One resource of the snapshot, or one reading in a block (not part of a read set: to open evidence)."""
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
