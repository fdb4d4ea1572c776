"""The chart: a read-only snapshot of one patient, as far as a scope allows, that remembers what was read from it.

Every accessor call is recorded with a digest of its result. These *reads* are a finding's read set: when replaying
one on a later chart gives another digest, what the finding was drawn from has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any, Protocol, TypeVar

from salus.errors import IntegrityError, MethodError
from salus.fhir import blobs, dates, views
from salus.fhir.blobs import Blob
from salus.fhir.categories import categories_of, joined
from salus.fhir.columns import micros, moment
from salus.fhir.dates import Span
from salus.fhir.medications import Medication, Unread, medication, modified, unread
from salus.fhir.mentions import MENTIONING, Mention, mentions
from salus.fhir.views import (
    CATEGORIES,
    PERSON,
    Body,
    Condition,
    Event,
    Observation,
    Patient,
    Source,
)
from salus.record.doubles import COUNTS
from salus.record.moment import Horizon, Moment
from salus.record.pages import Arrays, Pages, Readings, may_be_doubled
from salus.record.results import Results, with_pressures
from salus.record.series import Held, Shelf, opened
from salus.record.summaries import By, Summaries
from salus.terminology.naming import names_by
from salus.terminology.reader import Terminology, shipped

TAG_FINDING = "urn:salus:finding"


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


Entry = tuple[Source, Body]
K = TypeVar("K")
V = TypeVar("V", Patient, Observation, Condition, Medication, Event, Blob)

_EVENTS = (
    "Encounter", "Procedure", "Device", "DeviceUseStatement", "AllergyIntolerance", "FamilyMemberHistory",
    "Immunization", "QuestionnaireResponse",
)  # fmt: skip
_MEDICATIONS = ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration")
OUTDATED = ("MedicationPrescription",)
"""Types of before FHIR DSTU2, which nobody reads: whatever stands in them is not understood."""
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)


class _Entries:
    """The resources of a snapshot by type, read once, when the first of them is asked for."""

    def __init__(self, read: Callable[[], Iterable[Entry]]) -> None:
        self._read = read

    @cached_property
    def by_type(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for source, body in self._read():
            if not views.tags(body, TAG_FINDING):
                found.setdefault(str(body.get("resourceType")), []).append((source, body))
        for source, body in found.get("DiagnosticReport", ()):
            contained = [b for b in views.dicts(body.get("contained")) if b.get("resourceType") == "Observation"]
            found.setdefault("Observation", []).extend((source, result) for result in contained)
        return found


def _no_blobs(address: str) -> bytes:
    raise IntegrityError("the chart has no such blob")


class Chart:
    """One patient's record as one reader may see it at one moment.

    Parameters: ``entries``, the current resources in scope with their sources, or what reads them once when the first
    question is asked; ``now``; ``loader``, which fetches a blob's bytes by address; ``findings`` to show;
    ``terminology``, which says what codes mean. Lists come oldest first; of equal times the lower reference first.
    """

    def __init__(
        self,
        entries: Iterable[Entry] | Callable[[], Iterable[Entry]],
        *,
        now: datetime,
        loader: Callable[[str], bytes] = _no_blobs,
        findings: Sequence[FindingView] = (),
        terminology: Terminology | None = None,
        moving: bool = True,
    ) -> None:
        self._entries = _Entries(entries if callable(entries) else partial(iter, list(entries)))
        self._now = now.astimezone(UTC)
        self._horizon = Horizon(self._now)
        self._moving = moving
        self._loader = loader
        self._findings = tuple(findings)
        self._terminology = terminology or shipped()
        self._parsed: dict[str, tuple[Any, ...]] = {}
        self._answers: dict[tuple[str, tuple[str, ...]], tuple[Any, Read]] = {}
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
            return self._now
        return Moment.of(self._now, self._horizon)

    @property
    def written_at(self) -> str:
        """The moment as it is written on what is made of the chart (ISO, UTC): no answer may depend on it."""
        return dates.write(self._now)

    @property
    def until(self) -> datetime:
        """The first instant at which something may differ of all that was read from this snapshot so far.

        At most the next midnight: a date can be read of a moment in C code, of which nobody is told.
        """
        midnight = self._now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return min(self._horizon.until, midnight)

    @property
    def known(self) -> bool:
        """True when the chart tells whose it is (not part of a read set)."""
        return bool(self._entries.by_type.get("Patient"))

    @property
    def patient(self) -> Patient:
        """The person. Raises MethodError on a chart without a Patient resource."""
        found: tuple[Patient, ...] = self._recall("patient", ())
        if not found:
            raise MethodError("the chart has no Patient resource")
        return found[0]

    def momentary(self) -> None:
        """Something was read of which nobody knows until when it holds."""
        self._horizon.at_once()

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
        return self.kept("newest", self._find_newest)

    def kept(self, name: str, make: Callable[[], K]) -> K:
        """What ``make`` gives, made once for the snapshot, whoever asks (not part of a read set: the caller reads what
        it rests on, each time)."""
        key = f"kept {name}"
        if key not in self._parsed:
            self._parsed[key] = (make(),)
        found: K = self._parsed[key][0]
        return found

    # ---- the read set

    def fresh(self, findings: Sequence[FindingView] | None = None) -> Chart:
        """The same snapshot with an empty read set (and other findings, where given)."""
        twin = object.__new__(Chart)
        twin._entries, twin._now, twin._loader = self._entries, self._now, self._loader
        twin._horizon, twin._moving, twin._asked_now = self._horizon, self._moving, False
        twin._parsed, twin._answers, twin._terminology = self._parsed, self._answers, self._terminology
        twin._findings = self._findings if findings is None else tuple(findings)
        twin._reads = {}
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
        return self._answer(read.accessor, read.arguments)[1].digest == read.digest

    def resources(self) -> tuple[Entry, ...]:
        """Every resource in the snapshot with its source (not part of a read set: for reports and exports)."""
        return tuple(entry for entries in self._entries.by_type.values() for entry in entries)

    def resource(self, ref: str) -> Entry | None:
        """One resource of the snapshot, or one reading in a block (not part of a read set: to open evidence)."""
        return opened(ref, self._find)

    def _recall(self, accessor: str, arguments: tuple[str, ...]) -> Any:
        result, read = self._answer(accessor, arguments)
        self._reads.setdefault((accessor, arguments), read)
        return result

    def _answer(self, accessor: str, arguments: tuple[str, ...]) -> tuple[Any, Read]:
        """What a question gives, and the read it is. All but findings is of the snapshot, and is worked out once."""
        known = self._answers.get((accessor, arguments))
        if known is not None:
            return known
        result = _ACCESSORS[accessor](self, *arguments)
        if isinstance(result, Readings | Arrays | Summaries):
            touched, digest = result.categories, result.digest
        else:
            touched, digest = frozenset(c for item in result for c in _categories(item)), _digest(result)
        answer = result, Read(accessor, arguments, digest, touched or frozenset({_DEFAULT_CATEGORY[accessor]}))
        if accessor != "findings":
            self._answers[accessor, arguments] = answer
        return answer

    def _all(self, kind: str, view: Callable[[Source, Body], V]) -> tuple[V, ...]:
        if kind not in self._parsed:
            # a modifier that is not known may turn the meaning round: such an entry is kept, but not read
            entries = self._shelf.rest if kind == "Observation" else self._entries.by_type.get(kind, ())
            found = (e for e in entries if not modified(e[1], self._find))
            self._parsed[kind] = tuple(view(source, body) for source, body in found)
        return self._parsed[kind]

    @property
    def _shelf(self) -> Shelf:
        """The blocks of readings, apart from the other observations."""
        entries = self._entries.by_type.get("Observation", ())
        return self.kept("shelf", lambda: Shelf(entries, names_by(self._terminology), self._is_modified))

    def _is_modified(self, body: Body) -> bool:
        return modified(body, self._find)

    def _find(self, reference: str) -> Entry | None:
        """The resource that a relative reference leads to. A reference with a server's address is never ours."""
        kind, _, rest = reference.partition("/")
        by_reference = self.kept(f"references {kind}", lambda: self._by_reference(kind))
        return by_reference.get(f"{kind}/{rest.partition('/')[0]}")

    def _by_reference(self, kind: str) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for entry in self._entries.by_type.get(kind, ()):
            found.setdefault(entry[0].ref, entry)
        return found

    def _observation(self, source: Source, body: Body) -> Observation:
        return with_pressures(views.observation(source, body, names_by(self._terminology)))

    def _event(self, source: Source, body: Body) -> Event:
        return views.event(source, body, names_by(self._terminology))

    def _medication(self, source: Source, body: Body) -> Medication:
        return medication(source, body, self._find)

    def _past(self, span: Span | None) -> bool:
        if span is None or span.start <= self._now:
            return True
        self._horizon.limit(span.start - self._now)
        return False

    def _find_patient(self) -> tuple[Patient, ...]:
        found = self._all("Patient", views.patient)[:1]
        if found and found[0].deceased_at and not self._past(found[0].deceased_at):
            return (replace(found[0], deceased=False),)  # the chart speaks of a moment before the death
        return found

    @property
    def _results(self) -> Results:
        read = self._all("Observation", self._observation)
        return self.kept("results", lambda: Results(read, self._past, self._terminology))

    def _find_observations(self, concept: str, since: str) -> Sequence[Observation]:
        own = self._results.own.get(concept, ())
        return self._found(concept, self._shelf.own(concept), own, since)

    def _find_panels(self, concept: str) -> Sequence[Observation]:
        parts = self._results.parts.get(concept, ())
        return self._found(f"panels {concept}", self._shelf.parts(concept), parts, "")

    def _found(
        self, name: str, held: Sequence[Held], single: Sequence[Observation], since: str
    ) -> Sequence[Observation]:
        """What there is under a name since a time: as it came, where there are neither blocks nor doubles."""
        earliest = datetime.fromisoformat(since) if since else None
        if not held and not may_be_doubled(single):
            return tuple(o for o in single if earliest is None or _start(o.effective) >= earliest)
        return Readings(self._pages(name, held, single), micros(earliest) if earliest else None, micros(self._now) + 1)

    def _pages(self, name: str, held: Sequence[Held], single: Sequence[Observation]) -> Pages:
        def make() -> Pages:
            found = Pages(held, single, counts=name.rpartition(" ")[2] in COUNTS)
            coming = found.next_after(micros(self._now))
            if coming is not None:
                self._horizon.limit(moment(coming) - self._now)
            return found

        return self.kept(f"pages {name}", make)

    def _find_readings(self, concept: str, unit: str, start: str, end: str) -> Arrays:
        return Arrays.of(self._all_of(concept, start, end), concept, unit)

    def _find_summaries(self, concept: str, unit: str, by: By, start: str, end: str) -> Summaries:
        if by not in ("hour", "day"):
            raise MethodError(f"no summaries by {by!r}", remedy='by "hour" or "day"')
        return Summaries.of(self._all_of(concept, start, end), concept, unit, by)

    def _all_of(self, concept: str, start: str, end: str) -> Readings:
        """What is told of a concept, by its own name or as a part of a panel, within a time."""
        held = (*self._shelf.own(concept), *self._shelf.parts(concept))
        single = (*self._results.own.get(concept, ()), *self._results.parts.get(concept, ()))
        until = min(micros(datetime.fromisoformat(end)), micros(self._now) + 1)
        return Readings(self._pages(f"all {concept}", held, single), micros(datetime.fromisoformat(start)), until)

    def _find_newest(self) -> dict[str, Observation]:
        newest = dict(self._results.newest)
        for name in self._shelf.names:
            for last in (*self._find_observations(name, "")[-1:], *self._find_panels(name)[-1:]):
                if name not in newest or _order(last) > _order(newest[name]):
                    newest[name] = last
        return newest

    def _find_unread_observations(self) -> tuple[Observation, ...]:
        return self._results.unread

    def _find_modified(self, kind: str) -> tuple[Unread, ...]:
        entries = self._entries.by_type.get(kind, ())

        def make() -> tuple[Unread, ...]:
            return tuple(unread(s, b) for s, b in entries if kind in OUTDATED or modified(b, self._find))

        return self.kept(f"modified {kind}", make)

    def _find_latest(self, concept: str) -> tuple[Observation, ...]:
        return tuple(self._find_observations(concept, "")[-1:])

    def _find_conditions(self) -> tuple[Condition, ...]:
        found = self._all("Condition", views.condition)
        return tuple(
            sorted(
                (c for c in found if c.verification != "entered-in-error" and self._past(c.onset or c.recorded)),
                key=lambda c: (_start(c.onset or c.recorded), c.source.ref),
            )
        )

    def _find_future(self) -> tuple[Condition, ...]:
        found = [
            c
            for c in self._all("Condition", views.condition)
            if c.verification != "entered-in-error" and not self._past(c.onset) and self._past(c.recorded)
        ]
        return tuple(sorted(found, key=lambda c: c.source.ref))

    def _find_mentions(self) -> tuple[Mention, ...]:
        entries = [e for kind in MENTIONING for e in self._entries.by_type.get(kind, ()) if _stands(e[1])]
        found = self.kept("mentions", lambda: tuple(m for source, body in entries for m in mentions(source, body)))
        return tuple(m for m in found if self._past(m.period))

    def _find_medications(self) -> tuple[Medication, ...]:
        found = [m for kind in _MEDICATIONS for m in self._all(kind, self._medication)]
        return tuple(
            sorted(
                (m for m in found if m.status != "entered-in-error" and self._past(m.period)),
                key=lambda m: (_start(m.period), m.source.ref),
            )
        )

    def _find_events(self, kind: str) -> tuple[Event, ...]:
        if kind not in _EVENTS:
            raise MethodError(f"the chart has no events of kind {kind!r}", remedy=f"one of {', '.join(_EVENTS)}")
        found = self._all(kind, self._event)
        return tuple(
            sorted(
                (e for e in found if e.status != "entered-in-error" and self._past(e.period)),
                key=lambda e: (_start(e.period), e.source.ref),
            )
        )

    def _find_blobs(self, kind: str) -> tuple[Blob, ...]:
        if "blobs" not in self._parsed:
            documents = self._entries.by_type.get("DocumentReference", ())
            found = (blobs.blob(source, body, self._loader) for source, body in documents)
            self._parsed["blobs"] = tuple(b for b in found if b is not None)
        return tuple(
            sorted(
                (b for b in self._parsed["blobs"] if b.kind == kind and self._past(b.effective)),
                key=lambda b: (_start(b.effective), b.source.ref),
            )
        )

    def _find_findings(self, code: str) -> tuple[FindingView, ...]:
        return tuple(sorted((f for f in self._findings if f.code == code), key=lambda f: f.id))


def _stands(body: Body) -> bool:
    return body.get("status") not in ("entered-in-error", "cancelled", "not-done") and not body.get("modifierExtension")


def _start(span: Span | None) -> datetime:
    return span.start if span else _EARLIEST


def _order(observation: Observation) -> tuple[datetime, str]:
    return _start(observation.effective), observation.source.ref


def _categories(item: Any) -> frozenset[str]:
    source = getattr(item, "source", None)
    found: frozenset[str] = source.categories if source is not None else item.categories
    return found


def _digest(result: Iterable[Any]) -> str:
    total = hashlib.sha256()
    for item in result:
        source = getattr(item, "source", None)
        # the content's digest, not the version number: a version written again with the same content changes nothing
        mark = f"{source.ref} {source.digest}" if source is not None else f"{item.id} {item.version_hash}"
        named = getattr(item, "named", None)  # the Medication resource that says what a prescription is of
        mark += f" {named.ref} {named.digest}" if named is not None else ""
        # whether a person has died depends on the chart's moment, not only on the resource
        total.update(f"{mark} {getattr(item, 'deceased', '')}\n".encode())
    return total.hexdigest()


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

_ACCESSORS: Mapping[str, Callable[..., Any]] = {
    "patient": Chart._find_patient,
    "observations": Chart._find_observations,
    "latest": Chart._find_latest,
    "panels": Chart._find_panels,
    "readings": Chart._find_readings,
    "summaries": Chart._find_summaries,
    "unread_observations": Chart._find_unread_observations,
    "modified": Chart._find_modified,
    "conditions": Chart._find_conditions,
    "future": Chart._find_future,
    "mentions": Chart._find_mentions,
    "medications": Chart._find_medications,
    "events": Chart._find_events,
    "notes": lambda chart: chart._find_blobs("note"),
    "genome": lambda chart: chart._find_blobs("genome"),
    "images": lambda chart: chart._find_blobs("image"),
    "signals": lambda chart, kind: chart._find_blobs(kind),
    "findings": Chart._find_findings,
}
