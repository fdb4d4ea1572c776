"""Mirrors for analytics: the data that the gate released of many records, in a folder of sealed files.

Every question to a mirror begins by bringing it up to date. The gate decides anew on each patient and logs the
decision. A record is read again only where it was written to, or where its release has changed, since it was last read.
Patients whose records are no longer released are removed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from salus.app.house import House
from salus.app.research.deidentified import RESEARCH
from salus.app.session import Session
from salus.errors import AccessError, InputError, IntegrityError
from salus.fhir import json
from salus.population import mirror as mirrors
from salus.population import records, views
from salus.population.database import Answer, cells
from salus.population.mirror import Layout, Mirror
from salus.population.records import Record
from salus.population.shards import Copy, Held, Index, Shard, Wanted
from salus.record.chart import Entry
from salus.trust import glass
from salus.trust.grants import Grant
from salus.trust.vault import SYSTEM

SHARDS = 16
FILES_UP_TO = 16 << 20
"""The default size, in bytes, up to which files are kept in the records of a mirror."""
Progress = Callable[[int, int], None]
"""Called with the number of shards done, and the number of all shards."""


def silent(done: int, total: int) -> None:
    """A progress function that does nothing."""


@dataclass(frozen=True, slots=True)
class Update:
    """What an update did: how many patients are in the mirror, were read, were removed; which files were damaged."""

    people: int = 0
    read: int = 0
    gone: int = 0
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Release:
    """What is released of a patient, what is open to methods (``processing``), and the mark of both (``held``)."""

    grant: Grant
    processing: Grant | None
    held: Held


class _Seal:
    """Seals the key of a mirror under the house's own key."""

    def __init__(self, house: House) -> None:
        self._vault = house.vault

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """``plain`` sealed under the house's own key."""
        return self._vault.seal(SYSTEM, plain, context)

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """Inverse of :meth:`seal`. Raises IntegrityError."""
        return self._vault.unseal(SYSTEM, sealed, context)


def named(definitions: Iterable[tuple[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """ViewDefinitions by the name of their table: their own "name", else the name given with them (of the file, say).

    Raises InputError for a definition that is no view, and for two with one name.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for other, body in definitions:
        if not isinstance(body, dict):
            raise InputError("not a ViewDefinition", where=other)
        try:
            views.read(body)
        except InputError as error:
            raise error.at(other) from error
        name = body["name"] if isinstance(body.get("name"), str) else other
        if name in found:
            raise InputError("two views of one name", where=other, remedy='give each a "name" of its own')
        found[name] = body
    return found


def ensure(
    session: Session,
    folder: Path,
    definitions: Mapping[str, Mapping[str, Any]],
    *,
    shards: int | None = None,
    records: bool | None = None,
    files_up_to: int | None = None,
    purpose: str | None = None,
    progress: Progress = silent,
) -> Update:
    """Make a mirror, or bring the one in ``folder`` up to date.

    An argument that is None leaves its setting unchanged; a new mirror has 16 shards, no records, and is for research.
    ``definitions`` are all the views that the mirror holds from now on; where it is empty, the views stay as they are.
    ``records``: whether to hold records; ``files_up_to``: the size in bytes up to which their files are held.

    Raises InputError for what a mirror cannot hold, and for a change of its purpose or number of shards.
    """
    glass.refuse(purpose or RESEARCH)
    if not (folder / mirrors.MANIFEST).exists():
        who = (mirrors.new_id(), session.house.registry.store_id, session.actor.id, purpose or RESEARCH)
        files = _kept_up_to(None, records, files_up_to)
        layout = Layout(*who, SHARDS if shards is None else shards, files, definitions)
        mirrors.make(folder, layout, _Seal(session.house))

    def change(layout: Layout) -> Layout:
        if shards not in (None, layout.shards) or purpose not in (None, layout.purpose):
            raise InputError("a mirror keeps its purpose and number of shards", remedy="salus population drop")
        files = _kept_up_to(layout.files_up_to, records, files_up_to)
        return replace(layout, views=definitions or layout.views, files_up_to=files)

    with _opened(session, folder, change) as mirror:
        return bring_up_to_date(session, mirror, progress)


def _kept_up_to(before: int | None, records: bool | None, files_up_to: int | None) -> int | None:
    """The size in bytes up to which files are kept with the records; None where no records are kept."""
    if not (before is not None if records is None else records):
        if files_up_to is not None:
            raise InputError("files are kept with records", where="--files-up-to", remedy="--records")
        return None
    if files_up_to is not None:
        return files_up_to
    return FILES_UP_TO if before is None else before


@contextmanager
def current(session: Session, folder: Path, progress: Progress = silent) -> Iterator[tuple[Mirror, Update]]:
    """The mirror in ``folder``, brought up to date. Nobody else can change it until the ``with`` block ends.

    Raises InputError where there is none, AccessError where it belongs to somebody else.
    """
    with _opened(session, folder) as mirror:
        yield mirror, bring_up_to_date(session, mirror, progress)


def query(session: Session, folder: Path, sql: str = "", progress: Progress = silent) -> tuple[Answer, Update]:
    """The answer to one SQL query over a mirror, which is brought up to date first. Each access is logged.

    Without ``sql``, all rows of the only view. Raises InputError as :meth:`salus.population.database.Database.query`.
    """
    with current(session, folder, progress) as (mirror, update):
        return mirror.query(sql), update


def drop(session: Session, folder: Path) -> None:
    """Delete a mirror, its key first. Raises InputError where there is none.

    Raises AccessError for anybody but its owner and operators.
    """
    if session.actor.kind == "operator":
        mirrors.drop(folder)
        return
    with _opened(session, folder):
        pass
    mirrors.drop(folder)


@contextmanager
def _opened(session: Session, folder: Path, change: Callable[[Layout], Layout] = lambda same: same) -> Iterator[Mirror]:
    def own(layout: Layout) -> Layout:
        if (layout.actor, layout.store) != (session.actor.id, session.house.registry.store_id):
            raise AccessError("the mirror is somebody else's", where=str(folder), remedy="make one of your own")
        return change(layout)

    with mirrors.opened(folder, _Seal(session.house), own) as mirror:
        yield mirror


# ---- bringing up to date


def bring_up_to_date(session: Session, mirror: Mirror, progress: Progress = silent) -> Update:
    """Decide anew on every patient, shard by shard, and read the records that changed. Each decision is logged."""
    total = Update()
    everybody = mirror.by_shard([*session.reachable(mirror.layout.purpose)])
    for number, (shard, patients) in enumerate(zip(mirror.shards, everybody, strict=True), 1):
        done = _bring(session, mirror, shard, patients)
        total = Update(
            total.people + done.people, total.read + done.read, total.gone + done.gone, total.damaged + done.damaged
        )
        progress(number, len(everybody))
    return total


def _bring(session: Session, mirror: Mirror, shard: Shard, patients: Sequence[str]) -> Update:
    """Bring one shard up to date."""
    now = _released(session, mirror.layout, patients)
    before, damaged = _whole(shard)
    same = before.marks == mirror.wanted.parts
    stale = [p for p, release in now.items() if not same or before.patients.get(p) != release.held]
    copies = {p: copy for p in stale if (copy := _copy(session, mirror, now[p])) is not None}
    gone = (before.patients.keys() - now.keys()) | (before.patients.keys() & set(stale) - copies.keys())
    if copies or gone or not same:
        shard.write(before, gone, copies, mirror.wanted)
        before = shard.index()
    mirror.tidy(shard.number, before)
    return Update(len(before.patients), len(copies), len(gone), damaged)


def _whole(shard: Shard) -> tuple[Index, tuple[str, ...]]:
    """The index of a shard; for a damaged shard, an empty index and the name of the damaged file."""
    try:
        index = shard.index()
        shard.check(index)
    except IntegrityError as error:
        return Index(), (str(error.where),)
    return index, ()


def _released(session: Session, layout: Layout, patients: Sequence[str]) -> dict[str, _Release]:
    """What is released of these patients now; the decisions are made and logged in one transaction."""
    house = session.house
    # before the decision, so that an entry written meanwhile is not missed: its record is read again the next time
    newest = {p: house.log.written_since(house.store.connection, p, -1) for p in patients}
    found = {}
    for grant in house.gate.grants(session.actor, dict.fromkeys(patients, layout.purpose)):
        processing = None if layout.files_up_to is None else house.gate.processing(grant.patient)
        written = newest[grant.patient]
        held = Held(-1 if written is None else written, _digest(grant, processing))
        found[grant.patient] = _Release(grant, processing, held)
    return found


def _digest(*grants: Grant | None) -> str:
    """A digest of what is released. It differs for another release."""
    told = [
        [
            sorted(grant.categories),
            None if grant.decided is None else sorted(grant.decided),
            None if grant.papers is None else sorted(grant.papers),
            sorted(grant.flagged),
        ]
        for grant in grants
        if grant is not None
    ]
    return hashlib.sha256(json.dumps(told, canonical=True)).hexdigest()


def _copy(session: Session, mirror: Mirror, release: _Release) -> Copy | None:
    """The patient's rows, with the record where records are held; None where the patient was erased meanwhile."""
    house = session.house
    try:
        entries = house.gate.chart(release.grant, house.clock()).resources()
        record = _record(house, mirror.layout, release, entries) if release.processing is not None else None
    except AccessError:
        return None
    return Copy(release.held, _rows(mirror.wanted, entries), record)


def _rows(wanted: Wanted, entries: Sequence[Entry]) -> dict[str, list[list[Any]]]:
    bodies = [body for _, body in entries]
    return {name: list(cells(view, bodies)) for name, view in wanted.views.items()}


def _record(house: House, layout: Layout, release: _Release, entries: Sequence[Entry]) -> Record:
    assert release.processing is not None
    assert layout.files_up_to is not None
    grant, kept = release.grant, records.whole(entries)
    files = _files(house, grant, kept, layout.files_up_to)
    closed = _closed(house, release, kept)
    return Record(grant.patient, grant.categories, grant.flagged, kept, closed, files)


def _files(house: House, grant: Grant, entries: Sequence[Entry], up_to: int) -> dict[str, bytes]:
    """The files of at most ``up_to`` bytes that are released with these resources, by address."""
    found, load = {}, house.store.loader(grant)
    for address in records.addresses(entries, up_to):
        with suppress(AccessError):  # a resource may cite a file with data that are not released
            found[address] = load(address)
    return {address: data for address, data in found.items() if len(data) <= up_to}


def _closed(house: House, release: _Release, entries: Sequence[Entry]) -> frozenset[str]:
    """The references of the resources that the patient closed to processing."""
    grant, processing = release.grant, release.processing
    assert processing is not None
    if grant.categories <= processing.categories and not processing.partial:
        return frozenset()
    chart = house.gate.chart(grant.within(processing), house.clock())
    return frozenset(source.ref for source, _ in entries) - {source.ref for source, _ in chart.resources()}
