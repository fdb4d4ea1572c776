"""Taking sources in: read, attribute, commit each as a whole; what cannot be taken in is sealed in quarantine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from salus.app import collecting
from salus.app.config import Configuration
from salus.app.intake import hl7v2
from salus.app.intake import series as intake_series
from salus.app.intake.age import newer
from salus.app.intake.shared import divided
from salus.app.intake.view import NotReleased, check_targets, set_apart
from salus.app.session import Session
from salus.errors import InputError, SalusError
from salus.fhir.categories import category_of
from salus.formats.content import Content, File
from salus.formats.opening import Closed
from salus.intake import documents, fhir_json
from salus.intake.attribute import (
    ANOTHER,
    Known,
    attribute,
    is_another,
    nothing_lost,
    origin_of,
    origins,
    same_person,
    with_origins,
)
from salus.intake.batch import NOT_TAKEN, Batch, Clues, Read, Unreadable
from salus.intake.fhir_links import id_for
from salus.intake.joined import joined
from salus.intake.read import Options, pieces, read
from salus.intake.recognise import recognise
from salus.intake.relabel import at_home, relabelled
from salus.record.store import Change, Written
from salus.trust import quarantine
from salus.trust.grants import Grant

ROUNDS = 8
"""How often what waits for another file of a run is tried."""
_PURPOSE = "TREAT"
_CHANGED = f"resources {NOT_TAKEN}the source was filed before, and the record holds something else in their place now"
_NAMING = frozenset({"fhir", "ndjson", "hl7v2"})
"""Kinds of files that say whom they are about."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one source. ``error`` says why it was not taken in, ``quarantine`` where it lies then."""

    name: str
    kind: str
    patient: str = ""
    attribution: str = ""
    counts: dict[str, int] | None = None
    losses: tuple[str, ...] = ()
    written: Written | None = None
    error: SalusError | None = None
    quarantine: int | None = None


class Intake:
    """One run of intake by one operator or practitioner. Sources that name nobody are filed for ``patient``.

    ``new_ids``: the caller has just made the ids of what it files, so that nobody else has them. ``quarantined`` is the
    number under which the sources of this run lie in quarantine: what is refused is not kept there a second time, and
    the losses tell all that the record does not hold, also in a dry run and of a source that was filed before.
    ``check`` is called inside each transaction that writes; where it raises, nothing of that source is written.
    """

    def __init__(
        self,
        session: Session,
        *,
        patient: str | None = None,
        options: Options | None = None,
        accept_identifiers: Sequence[str] = (),
        dry_run: bool = False,
        new_ids: bool = False,
        quarantined: int | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._session = session
        self._house = session.house
        self._patient = patient
        self._options = options or Options()
        self._accepted = frozenset(accept_identifiers)
        self._dry_run = dry_run
        self._incoming: dict[str, dict[str, Any]] = {}
        self._people: dict[str, None] = {}
        self._doubt = False
        self._new_ids = new_ids
        self._quarantined = quarantined
        self._check = check
        self._views: dict[str, Grant] = {}
        self._later: list[Batch] = []
        self._filed: dict[str, set[str]] = {}
        """By patient, what somebody filed in this run who is not told what else is there."""

    def run(self, paths: Sequence[Path], progress: Callable[[str], None] = lambda _: None) -> list[Taken]:
        """Take in everything below ``paths``.

        Sources that name nobody are taken in last: only when all others were read is it known how many people the run
        is about. A source that refers to something that is not released to whoever files waits, in case another file
        of the run brings it.
        """
        self._session.house.gate.custodian(self._session.actor, self._patient or "*")
        with collecting.seldom():
            return self._run(paths, progress)

    def _run(self, paths: Sequence[Path], progress: Callable[[str], None]) -> list[Taken]:
        taken: list[Taken] = []
        waiting: list[Batch] = []
        for item in read(paths, self._options, _closed(self._house.configuration)):
            progress(_name(item))
            if isinstance(item, Batch) and self._must_wait(item):
                waiting.append(item)
            else:
                self._take(item, taken)
        if not (taken or waiting or self._later):
            where = str(paths[0]) if paths else None
            raise InputError("nothing to take in", where=where, remedy="name files or a folder with files")
        for item in sorted((b for b in waiting if not b.shared), key=_turn):
            self._take(item, taken)
        shared = [b for b in waiting if b.shared]
        if not self._patient and self._is_told:
            shared = divided(self._house, self._session.actor, shared, self._sole())
        for item in shared:
            self._take(item, taken)
        self._take_later(taken)
        return taken

    def view(self, owner: str) -> Grant | None:
        """What the actor may read of a record, decided once a run and logged; None for an operator.

        Operators are told everything, since they keep the record and its quarantine. Nobody else may learn from an
        answer that there is something which is not released to them.
        """
        if self._is_told:
            return None
        if owner not in self._views:
            self._views[owner] = self._house.gate.view(self._session.actor, owner, _PURPOSE)
        return self._views[owner]

    @property
    def _is_told(self) -> bool:
        return self._session.actor.kind == "operator"

    def _take_later(self, taken: list[Taken]) -> None:
        """Take in what waited for another file, again as long as that lets further sources in. The rest is refused."""
        lets_in = True
        for n in range(ROUNDS):
            waiting, self._later = self._later, []
            for item in waiting:
                self._take(item, taken, last=n == ROUNDS - 1 or not lets_in)
            lets_in = len(self._later) < len(waiting)

    def _must_wait(self, batch: Batch) -> bool:
        """True for a source that names nobody, or a patient whose own resource may still come with another file."""
        if hl7v2.is_message(batch) or (batch.patient is not None and not self._joins(batch)):
            return False
        owner = self._known_as(batch) if batch.clues.reference else self._patient
        return batch.shared or owner is None or self._stored_patient(owner) is None

    def take(self, batch: Batch, content: bytes) -> Taken:
        """Take in one batch that came otherwise than as a file; refused, its ``content`` goes into quarantine."""
        self._house.gate.custodian(self._session.actor, self._patient or "*")
        try:
            return self._file(batch, _name(batch))
        except InputError as error:
            return self._keep(_name(batch), batch.kind, [content], error, quarantine.CONTENT)

    # ----

    def _owner(self, batch: Batch) -> str | None:
        """The patient whom the batch is for: the one it names, else the operator's, else the one the run is about.

        Identifiers tell which of several people of the run is meant; without them everything has to be about one.
        """
        if batch.clues.reference:
            return self._known_as(batch)
        if self._patient:
            return self._patient
        if batch.clues.identifiers and len(self._people) > 1:
            agreeing = [person for person in self._people if self._agrees(batch, person)]
            return agreeing[0] if len(agreeing) == 1 else None
        return None if self._doubt and not (batch.shared or batch.clues.identifiers) else self._sole()

    def _sole(self) -> str | None:
        """The one person of whom the run speaks; None where it speaks of nobody or of several."""
        return next(iter(self._people)) if len(self._people) == 1 else None

    def _agrees(self, batch: Batch, person: str) -> bool:
        """True where the identifiers of the batch are the person's, and nothing contradicts."""
        stored = self._stored_patient(person)
        try:
            return stored is not None and bool(attribute(batch.clues, Known.of(stored, self._accepted), batch.kind))
        except InputError:
            return False

    def _nobody(self) -> InputError:
        """The error for a source that names nobody: it says why it is not known whose the source is."""
        why = ""
        if len(self._people) > 1:
            why = ", and what came with it is about several people"
        elif self._doubt:
            why = ", and of what came with it not all could be read and attributed"
        return InputError(f"the source names nobody{why}", remedy="say whose it is: --patient ID")

    def _known_as(self, batch: Batch) -> str:
        """The id under which the named patient is kept here. It is not the own server's id where that was taken."""
        if self._patient and self._joins(batch):
            return self._patient
        clues = batch.clues
        other = id_for(origin_of(clues)) if clues.base else ""
        return other if other and self._stored_patient(other) is not None else clues.reference

    def _joins(self, batch: Batch) -> bool:
        """True where the operator says that the patient of another server is the one of ``--patient``.

        He says so by that patient's address, now or earlier, or by naming ``--patient`` for the export of a person's
        own device, which lists the file.
        """
        address = origin_of(batch.clues)
        if not self._patient or not batch.clues.reference or not address or batch.clues.reference == self._patient:
            return False
        known = origins(self._stored_patient(self._patient) or {})
        return batch.listed is not None or address in self._accepted or address in known

    def _take(self, item: Read, taken: list[Taken], *, last: bool = False) -> None:
        """Take in one source. Unless it is the ``last`` time, one may wait that refers to what is not there yet."""
        name = _name(item)
        if isinstance(item, Unreadable):
            self._doubt = self._doubt or _may_name_somebody(item)
            taken.append(self._refuse(name, "unreadable", item.files, item.error))
            return
        try:
            taken.append(self._file(item, name))
        except InputError as error:
            if isinstance(error, NotReleased) and not last:
                self._later.append(item)
                return
            self._doubt = self._doubt or item.clues != Clues()
            taken.append(self._refuse(name, item.kind, item.files, error.at(name)))

    def _file(self, batch: Batch, name: str) -> Taken:
        if hl7v2.is_message(batch):
            batch = hl7v2.fitted(self._house, batch)
        owner = self._owner(batch)
        if batch.shared and (not batch.resources or owner is None or self._stored_patient(owner) is None):
            return Taken(name, batch.kind, losses=(*batch.losses, *_nobodys(batch)))
        if owner is None:
            raise self._nobody()
        joins = self._joins(batch)
        batch = self._joined(batch, owner) if joins else self._placed(batch, owner)
        owner = batch.clues.reference or owner
        if not batch.shared:
            self._people[owner] = None
        if self._patient and owner != self._patient:
            raise InputError(
                "the source names another patient than --patient",
                remedy="if you know it to be the same person: --accept-identifier ADDRESS of that patient",
            )
        how = "by operator" if joins else self._attribute(batch, owner)
        if batch.clues.absolute:  # it is ours: the address of the server says no more
            batch = at_home(batch)
        view = self.view(owner)
        if view is not None:
            batch = self._fitting(batch, view)
        if batch.patient is not None:
            self._incoming[owner] = batch.patient
        if self._dry_run and self._quarantined is None:
            taken = Taken(name, batch.kind, owner, how, batch.counts, batch.losses)
        else:
            scope = self._house.gate.custodian(self._session.actor, owner)
            taken = self._commit(Taken(name, batch.kind, owner, how), batch, scope)
        if view is not None:
            self._filed.setdefault(owner, set()).update(f"{r['resourceType']}/{r['id']}" for r in batch.resources)
        return taken

    def _fitting(self, batch: Batch, view: Grant) -> Batch:
        """The batch, changed so that somebody may file it who sees only ``view`` of the record. Raises NotReleased."""
        filed = self._filed.get(view.patient, set())
        if batch.kind == fhir_json.KIND and not batch.shared and not self._new_ids:
            batch = set_apart(self._house.store, view, batch, filed)
        check_targets(self._house.store, view, batch, filed)
        return batch

    def _placed(self, batch: Batch, owner: str) -> Batch:
        """The batch under the id that its patient has here, with the addresses under which servers know the person."""
        stored = self._stored_patient(owner)
        if stored is None:
            return relabelled(batch, owner) if batch.clues.reference else batch
        known = Known.of(stored, self._accepted)
        if batch.patient is not None and is_another(batch.clues, known):
            moved = relabelled(batch, id_for(origin_of(batch.clues)))
            return replace(moved, losses=(*moved.losses, ANOTHER))
        if batch.patient is not None:
            return with_origins(relabelled(batch, owner), known)
        return relabelled(batch, owner) if batch.clues.reference else batch

    def _joined(self, batch: Batch, owner: str) -> Batch:
        """The batch of a patient whom the operator says to be ``owner``, held against what the record knows."""
        stored = self._stored_patient(owner)
        if stored is None:
            raise _no_such_patient()
        known = Known.of(stored, self._accepted)
        if batch.listed is not None:
            attribute(batch.listed, known)
        found = joined(batch, stored, known)
        attribute(found.clues, known if found.patient is None else Known.of(found.patient, self._accepted), batch.kind)
        return found

    def _attribute(self, batch: Batch, owner: str) -> str:
        stored = self._stored_patient(owner)
        if batch.patient is not None:
            named = Known.of(batch.patient, self._accepted)
            attribute(batch.clues, named, batch.kind)  # the source must agree with itself
            if stored is not None:
                same_person(batch.patient, Known.of(stored, self._accepted))
                nothing_lost(batch.patient, Known.of(stored))
            return "by identifier"
        if stored is None:
            raise _no_such_patient()
        return attribute(batch.clues, Known.of(stored, self._accepted), batch.kind)

    def _stored_patient(self, owner: str) -> dict[str, Any] | None:
        """The Patient resource as stored (or, in a dry run, as about to be); read by the house, not by the operator."""
        if owner in self._incoming:
            return self._incoming[owner]
        scope = self._house.gate.attribution(owner)
        if not self._house.store.exists(scope):
            return None
        if self._dry_run:
            self._house.gate.note_comparison(self._session.actor, owner)
        found = self._house.store.read(scope, ("Patient",))
        return found[0].body if found else None

    def _commit(self, taken: Taken, batch: Batch, scope: Grant) -> Taken:
        """Write what is new of ``batch`` for the patient of ``taken``; one source is written once."""
        store, owner = self._house.store, taken.patient
        before = store.has(scope, "Provenance", documents.provenance_id(batch, owner))
        if before and self._quarantined is None:
            written = Written(unchanged=len(batch.resources) + len(batch.documents))
            return replace(taken, counts=batch.counts, losses=batch.losses, written=written)
        view = self._views.get(owner)  # None: an operator's; else what is not released counts as absent here too
        own = self._house.gate.comparison(owner)
        rest, blocks = intake_series.split(batch)
        found = newer(store, rest, view.with_person() if view is not None else own)
        losses: list[str] = []

        def write(met: Batch, check: Callable[[], None]) -> Written:
            losses[:] = met.losses
            if before and met.resources:
                losses.append(f"{len(met.resources)} {_CHANGED}")
            if before or self._dry_run:
                return Written()
            return self._write(met, owner, taken.attribution, scope, check)

        written = intake_series.filed(store, own, found.batch, blocks, view, write)
        written = replace(written, unchanged=written.unchanged + found.unchanged)
        return replace(taken, counts=batch.counts, losses=tuple(losses), written=written)

    def _write(self, batch: Batch, owner: str, how: str, scope: Grant, check: Callable[[], None]) -> Written:
        store, at = self._house.store, self._house.time()
        changes = [Change(str(r["resourceType"]), str(r["id"]), _subject(r, owner)) for r in batch.resources]
        blobs: list[tuple[str, str, Content]] = []
        for document in batch.documents:
            addresses = [store.address(scope, part.content.sha256) for part in document.parts]
            body = documents.document_reference(document, owner, addresses, at)
            changes.append(Change("DocumentReference", body["id"], body))
            kind = category_of(body)
            blobs.extend((a, kind, part.content) for a, part in zip(addresses, document.parts, strict=True))
        targets = [f"{c.type}/{c.id}" for c in changes]
        proof = documents.provenance(batch, owner, targets, actor=self._session.actor.id, attribution=how, recorded=at)
        changes.append(Change("Provenance", proof["id"], proof))

        def still() -> None:
            self._check()
            check()

        details: dict[str, Any] = {"source": batch.sha256, "attribution": how, "accepted": sorted(self._accepted)}
        if self._quarantined is not None:
            details["quarantine"] = [self._quarantined]
        return self._house.commit(scope, changes, at=at, blobs=blobs, reason="intake", details=details, check=still)

    def _refuse(self, name: str, kind: str, files: Sequence[File], error: SalusError) -> Taken:
        if self._dry_run or not files or self._quarantined is not None:
            return Taken(name, kind, error=error)
        try:
            return self._keep(name, kind, pieces(files), error, quarantine.FILES)
        except (OSError, InputError):  # what cannot be read cannot be kept either: the error says so
            return Taken(name, kind, error=error)

    def _keep(self, name: str, kind: str, content: Iterable[bytes], error: SalusError, form: str) -> Taken:
        house, at = self._house, self._house.time()
        scope = house.gate.house(self._session.actor.id, may_write=True)
        n = quarantine.keep(house.store, house.vault, house.log, scope, content, error.what, at, form=form)
        return Taken(name, kind, error=error, quarantine=n)


def _closed(configuration: Configuration) -> Closed:
    """The house's own folders: its keys and its store must never lie in quarantine or in a record."""
    return Closed((configuration.store, configuration.keys, configuration.identities, configuration.knowledge))


def _subject(resource: dict[str, Any], owner: str) -> dict[str, Any]:
    """Readings come without a subject: they get their owner's."""
    if resource["resourceType"] == "Observation" and "subject" not in resource:
        return {**resource, "subject": {"reference": f"Patient/{owner}"}}
    return resource


def _no_such_patient() -> InputError:
    return InputError("no such patient in the store", remedy="take in the patient's FHIR record first")


def _nobodys(batch: Batch) -> list[str]:
    """What is said of resources that name nobody and to which no record refers."""
    if not batch.resources:
        return [] if batch.losses else ["it holds nothing that can be taken in"]
    return [f"{n} {kind} not taken: about nobody, and no record refers to it" for kind, n in batch.counts.items()]


def _turn(batch: Batch) -> tuple[bool, bool, bool]:
    """Sorts sources: those that name somebody most surely come first, and those that name nobody last."""
    return not batch.clues.reference, not batch.clues.identifiers, batch.clues == Clues()


def _may_name_somebody(item: Unreadable) -> bool:
    """True for an unread file of a kind that names people: it may be about another person than the rest of the run."""
    try:
        return any(recognise(file) in _NAMING for file in item.files)
    except (OSError, InputError):
        return True


def _name(item: Read) -> str:
    first = item.sources[0].name
    return first if len(item.sources) == 1 else f"{first} (+{len(item.sources) - 1})"
