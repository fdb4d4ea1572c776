"""The house: one open store with its vault, log, registry and gate, and the upkeep that concerns no single patient."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from salus.app import acts
from salus.app.config import Configuration
from salus.app.terminology import terminology_of
from salus.errors import AccessError, InputError, StoreError
from salus.fhir import dates
from salus.findings import registry as methods
from salus.record.chart import Chart
from salus.record.forgetting import PATIENCE, compact, strip
from salus.record.store import Store
from salus.terminology.naming import names_by
from salus.trust import auditor, erasure, quarantine
from salus.trust import registry as state
from salus.trust.checkpoint import Checkpoint
from salus.trust.gate import Gate
from salus.trust.identity import Actor, Identity, verify_signature
from salus.trust.journal import Journal
from salus.trust.log import Log
from salus.trust.proposals import Proposal
from salus.trust.vault import SYSTEM, Vault
from salus.trust.verify import SHORTER, Report, verify


def now() -> datetime:
    """The time. The one place where salus reads the clock."""
    return datetime.now(UTC)


class House:
    """An open store and everything around it. Close it, or use it as a context manager."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        create: bool = False,
        checked: bool = True,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """Open the store. Raises IntegrityError when it is older than what was remembered outside it.

        ``checked`` is false only where that is looked into: for verification and restore.
        """
        self.configuration = configuration
        self.clock = clock
        if not create and not configuration.store_file.is_file():
            raise StoreError("there is no store", where=str(configuration.store), remedy="make one with: salus init")
        self.vault = Vault(configuration.keys)
        self.log = Log(self.vault)
        self.store = Store(configuration.store_file, self.vault, self.log, create=create)
        with ExitStack() as undo:
            undo.callback(self.store.close)
            self._open(checked=checked)
            undo.pop_all()

    def _open(self, *, checked: bool) -> None:
        if checked:
            self.log.check_mark(self.store.connection)
        self._heard = self.log.newest_of(self.store.connection, state.TOPIC)
        self.registry = state.load(self.log, self.store.connection, self.vault)
        self.terminology = terminology_of(self.configuration)
        charts = partial(Chart, terminology=self.terminology)
        self._journal = Journal(self.vault)
        names = names_by(self.terminology)
        self.gate = Gate(self.store, self.log, self._journal, self.registry, self.clock, charts, names)
        if checked:
            with suppress(StoreError, OSError):  # what cannot be written now waits: the journal is there for that
                self._catch_up()

    def _catch_up(self) -> None:
        """Do what waited: entries of the emergency journal, acts whose time has come, what has expired."""
        self._journal.prepare(numbered=self.registry.numbered)
        if self.registry.store_id and not self.registry.numbered:  # a store of an earlier release
            self.note("house", {"reason": "journal-numbered"})
        self.gate.merge_journal()
        acts.settle(self)
        self.tidy()

    @classmethod
    def create(
        cls,
        configuration: Configuration,
        *,
        demo: bool = False,
        alone: bool = False,
        clock: Callable[[], datetime] = now,
    ) -> House:
        """Make keys and an empty store, or complete one whose making was interrupted.

        ``alone``: it is kept by one person, and nothing that takes two people elsewhere takes a second here. Raises
        StoreError or ConfigurationError where there is a store in use, or keys of another, already.
        """
        configuration.check()
        if not configuration.store_file.exists() and not Vault.unused(configuration.keys):
            Vault.make(configuration.keys)
        auditor.make(configuration.keys)
        configuration.store.mkdir(parents=True, exist_ok=True, mode=0o700)
        house = cls(configuration, create=True, clock=clock)
        if house.registry.actors:
            house.close()
            raise StoreError("there is a store already", where=str(configuration.store))
        if not house.registry.store_id:
            numbered = house._journal.counted() is not None
            made = {"store": str(uuid.uuid4()), "demo": demo, "alone": alone, "numbered": numbered}
            house.note("house", {"reason": "init", **made})
        return house

    def __enter__(self) -> House:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def time(self) -> str:
        """The clock's time, as it is written into the record and the log."""
        return dates.write(self.clock())

    def outdated(self) -> bool:
        """True when something was written about the house since it was opened: actors, policies, keys may be others.

        Who keeps a house open for long asks this before each piece of work, and opens it anew.
        """
        return self.log.newest_of(self.store.connection, state.TOPIC) != self._heard or acts.due(self)

    @property
    def heard(self) -> int:
        """The newest entry about the house that it took into account."""
        return self._heard

    def note(self, actor: str, content: Mapping[str, Any]) -> int:
        """Write one house entry into the log and take it into account. Returns its number."""
        written = {"at": self.time(), "by": actor, **content}
        kept = state.veiled(self.vault, self.registry, written)
        with self.store.transaction(self.gate.house(actor, may_write=True)) as connection:
            n = self.log.append(connection, SYSTEM, state.TOPIC, kept)
        self.registry.apply(n, written)
        self._heard = n
        return n

    def tell(self, patient: str, by: str, content: Mapping[str, Any]) -> None:
        """Write into a patient's own chain what concerns who may speak for him, where there is such a patient."""
        scope = self.gate.custody(by, patient)
        if not self.store.exists(scope):
            return
        with self.store.transaction(scope) as connection:
            self.log.append(connection, patient, "access", {"at": self.time(), "actor": by, **content})

    # ---- actors

    def authenticate(self, identity: Identity) -> Actor:
        """The enrolled actor who holds ``identity``'s private key. Raises AccessError."""
        actor = self.registry.actors.get(identity.id)
        challenge = os.urandom(32)
        if actor is None or not verify_signature(actor.public_key, identity.sign(challenge), challenge):
            raise AccessError(f"{identity.id!r} is not an actor of this store", remedy="salus actor add")
        return actor

    def add_actor(self, actor: Actor, by: str) -> Proposal | Mapping[str, Any]:
        """Enrol an actor, or propose it where that takes two people: see :mod:`salus.trust.duties`.

        Raises InputError for a name or key that must not be enrolled.
        """
        act = {
            "reason": "actor-added",
            "id": actor.id,
            "kind": actor.kind,
            "key": actor.public_key.hex(),
            "patient": actor.patient,
            "name": actor.name,
        }
        return acts.do(self, act, by)

    def remove_actor(self, name: str, by: str) -> None:
        """Take an actor out; what it did stays in the log. Raises AccessError where ``by`` may not."""
        acts.do(self, {"reason": "actor-removed", "id": name}, by)

    # ---- policies and methods

    def add_policy(self, document: Mapping[str, Any], by: str) -> Proposal | Mapping[str, Any]:
        """Take an organisation's signed policy into force, or propose it where that takes two people.

        Raises InputError when it is not valid.
        """
        return acts.do(self, {"reason": "policy-added", "policy": dict(document)}, by)

    def remove_policy(self, name: str, by: str) -> None:
        """End a policy."""
        if name not in self.registry.policies:
            raise InputError(f"no policy {name!r}")
        self.note(by, {"reason": "policy-removed", "id": name})

    def allow_method(self, name: str, by: str) -> tuple[str, str]:
        """Allow the package that brings method ``name``, pinning its hash. Returns package and hash."""
        found = methods.listed()
        method = next((m for m in found if m.name == name), None)
        if method is None:
            raise InputError(f"no method {name!r} is installed", remedy="salus methods")
        if name in methods.doubled(found):
            raise InputError(f"several packages bring a method {name!r}", remedy="uninstall all but one")
        if method.ours:
            raise InputError(f"{name} comes with salus and needs no permission")
        pinned = methods.package_hash(method)
        self.note(by, {"reason": "method-allowed", "distribution": method.distribution, "sha256": pinned})
        return method.distribution, pinned

    def withdraw_method(self, name: str, by: str) -> None:
        """Take the permission back."""
        method = next((m for m in methods.listed() if m.name == name), None)
        distribution = method.distribution if method else name
        if distribution not in self.registry.methods:
            raise InputError(f"{name!r} was not allowed")
        self.note(by, {"reason": "method-withdrawn", "distribution": distribution})

    # ---- quarantine

    def quarantined(self) -> list[Mapping[str, Any]]:
        """The log entries of everything that lies in quarantine: number, time, reason."""
        held = quarantine.held(self.store)
        kept = (e for e in quarantine.entries(self.store, self.log) if e["reason"] == quarantine.KEPT)
        return [entry for entry in kept if entry["n"] in held]

    def release(self, number: int, by: str) -> bytes:
        """The bytes kept under ``number``; that they were handed out is logged."""
        self._check_quarantined(number)
        self.note(by, {"reason": "quarantine-released", "n": number})
        return quarantine.release(self.store, self.vault, number)

    def assign_quarantined(self, number: int, patient: str, by: str) -> None:
        """Note whose a source is: it is destroyed with the patient, at the latest. Raises InputError, AccessError."""
        self._check_quarantined(number)
        pid = self.store.number_of(self.gate.custody(by, patient))
        self.note(by, {"reason": quarantine.ASSIGNED, "n": number, "pid": pid})

    def destroy_quarantined(self, number: int, by: str) -> bool:
        """Destroy a source for good. Returns whether the file was written anew without its bytes."""
        self._check_quarantined(number)
        return self._destroy_quarantined([number], by, "by an operator")

    def expire_quarantine(self, by: str = "house", days: int = quarantine.DAYS) -> list[int]:
        """Destroy what has lain in quarantine for ``days``. Returns the numbers."""
        numbers = quarantine.expired(self.store, self.log, self.clock(), days)
        if numbers:
            self._destroy_quarantined(numbers, by, f"after {days} days")
        return numbers

    def _check_quarantined(self, number: int) -> None:
        if number not in quarantine.held(self.store):
            raise InputError(f"nothing lies in quarantine under {number}", remedy="salus quarantine list")

    def _destroy_quarantined(self, numbers: Sequence[int], by: str, why: str) -> bool:
        scope = self.gate.house(by, may_write=True)
        self.vault.shred(*map(quarantine.key_name, numbers))
        quarantine.blank(self.store, self.log, scope, numbers, why, self.time())
        self._heard = self.log.newest_of(self.store.connection, state.TOPIC)
        return self._compact(by)

    # ---- erasure

    def erase_shredded(
        self, patient: str, by: str, request: int | None = None, act: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """Delete what is left of a patient whose key was destroyed, and let nobody speak for that patient any more.

        The actors go first: were it interrupted after the rest, nothing would tell that they still have to. Returns the
        house's entry, and under ``compacted`` whether the file was written anew without the deleted bytes.
        """
        scope = self.gate.house(by, may_write=True)
        if veils := [key for key in self.registry.veils.get(patient, ()) if self.vault.holds(key)]:
            self.vault.shred(*veils)
        for actor in [a for a in self.registry.actors.values() if a.patient == patient]:
            if actor.id in self.registry.readable:
                self.note(by, {"reason": "actor-removed", "id": actor.id})
        self.registry.forget(patient)
        gone = quarantine.left(self.store, self.vault)
        quarantine.blank(self.store, self.log, scope, gone, "with its patient", self.time())
        decided = {k: act[k] for k in ("proposal", "second") if act and k in act}
        content = erasure.delete(self.store, self.log, scope, patient, request, self.time(), decided)
        n = self.log.newest_of(self.store.connection, state.TOPIC)
        self.registry.apply(n, content)
        erasure.remember(self._erased, self.vault, patient, n)
        return {**content, "compacted": self._compact(by)}

    def erase(self, pid: int, by: str, act: Mapping[str, Any]) -> Mapping[str, Any]:
        """Erase the patient under a number of the store: the key first, then the rest. Returns the house's entry."""
        from salus.app.erasure import forget_queued  # which knows houses

        self.gate.merge_journal()
        patient = self.store.patient_of(self.gate.house(by), pid)
        forget_queued(self, patient)
        sources = quarantine.assigned(self.store, self.log, pid)
        veils = self.registry.veils.get(patient, ())
        self.vault.shred(patient, *veils, *map(quarantine.key_name, sources))
        return self.erase_shredded(patient, by, act.get("request"), act)

    def complete_erasures(self) -> None:
        """Complete erasures that were interrupted, or are not yet in a restored backup."""
        for patient in erasure.left(self.store, self.vault, self.gate.house("house")):
            self.erase_shredded(patient, "house")
        if gone := quarantine.left(self.store, self.vault):
            scope = self.gate.house("house", may_write=True)
            quarantine.blank(self.store, self.log, scope, gone, "its key was destroyed before", self.time())
            self._compact("house")
        self._compact_if_due()

    def tidy(self) -> None:
        """What is due whenever the house is opened: quarantine that has expired, a file that could not be compacted."""
        self.expire_quarantine()
        self._compact_if_due()

    @property
    def _erased(self) -> Path:
        return self.configuration.store / erasure.LIST

    @property
    def _uncompacted(self) -> Path:
        return self.configuration.store / "uncompacted"

    def _compact_if_due(self) -> None:
        if self._uncompacted.exists():
            self._compact("house", patience=0)

    def _compact(self, by: str, patience: float = PATIENCE) -> bool:
        """Write the store's file anew; where others hold it, leave word that it has to be done."""
        done = compact(self.store.connection, self.gate.house(by, may_write=True), patience=patience)
        if done:
            self._uncompacted.unlink(missing_ok=True)
        else:
            self._uncompacted.touch(mode=0o600)
        return done

    # ---- upkeep

    def verify(self, held: Checkpoint | None = None) -> Report:
        """Hold everything stored against the log."""
        return verify(self.store, self.vault, self.log, held)

    def expire_audit(self, before: datetime, by: str) -> int:
        """Drop what is kept for the auditor of accesses before a time. Returns how many; logged."""
        with self.store.transaction(self.gate.house(by, may_write=True)) as connection:
            gone = auditor.expire(connection, before)
        self.note(by, {"reason": "audit-expired", "before": dates.write(before), "accesses": gone})
        return gone

    def settle(self, by: str) -> None:
        """Go on with the store as it is although the mark outside it, or the emergency journal, says otherwise; logged.

        The house is opened with ``checked=False`` for this, by an operator who knows how it came about.
        """
        mark = self.log.accept(self.store.connection)
        self.note(by, {"reason": "mark-settled", "mark": mark.size if mark else None})
        self.gate.settle_journal(by)

    def backup(self, target: Path, actor: str) -> None:
        """A consistent copy of the store at ``target``, without keys and search indexes (a restore makes these)."""
        if target.exists():
            raise StoreError("there is a file already", where=str(target), remedy="name another")
        if not target.parent.is_dir():
            raise StoreError("there is no such folder", where=str(target.parent), remedy="make it first")
        part = target.with_name(f".{target.name}.part")
        try:
            part.touch(mode=0o600)
            self.store.backup(self.gate.house(actor), part)
            strip(part)
            part.rename(target)
        finally:
            part.unlink(missing_ok=True)

    @staticmethod
    def restore(
        configuration: Configuration, source: Path, *, accept_loss: bool = False, erased: Path | None = None
    ) -> Report:
        """Put a backup in the place of a missing store, erase again who was erased since, and verify it.

        A backup older than the last checkpoint has lost what came after: that is refused unless ``accept_loss``, which
        is then itself written into the log. ``erased`` is a list of erasures that was kept elsewhere; the one in the
        folder of the store counts as well. Raises StoreError, and leaves nothing behind, when it does not verify.
        """
        if configuration.store_file.exists():
            raise StoreError("there is a store already", where=str(configuration.store), remedy="move it away first")
        for named in (source, *([erased] if erased else ())):
            if not named.is_file():
                raise StoreError("no such file", where=str(named))
        configuration.store.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            shutil.copyfile(source, configuration.store_file)
            with House(configuration, checked=False) as house:
                return house._check_restored(accept_loss, erased)
        except StoreError as error:
            _remove_store(configuration)
            raise StoreError(f"not a backup that can be put in place: {error.what}", where=str(source)) from error
        except BaseException:
            _remove_store(configuration)
            raise

    def _check_restored(self, accept_loss: bool, erased: Path | None) -> Report:
        mark = self.log.remembered()
        scope = self.gate.house("house", may_write=True)
        former = erasure.former(self.store, self.vault, self.log, scope)
        told = erasure.remembered(self._erased, self.vault) | (erasure.remembered(erased, self.vault) if erased else {})
        again = [p for p in erasure.listed(self.store, self.vault, told, scope) if p not in former]
        destroyed = quarantine.left(self.store, self.vault)
        replayed = bool(again or former or destroyed or erasure.left(self.store, self.vault, scope))
        try:
            if replayed:
                self._older(accept_loss)
                if again:
                    self.vault.shred(*again, *(key for name in again for key in self.registry.veils.get(name, ())))
                self.complete_erasures()
                for patient in former:
                    self.erase_shredded(patient, "house")
            erasure.reindex(self.store, scope)
            report = self.verify()
            others = [p for p in report.problems if p.what not in SHORTER]
            if others:
                raise StoreError(f"the backup does not verify: {others[0].what}", where=others[0].where)
            if report.problems:
                self._older(accept_loss)
            if replayed or report.problems:
                self.note("house", {"reason": "restored", "entries": report.entries})
            return self.verify()
        except BaseException:
            if mark:
                self.log.set_mark(mark)
            raise

    def _older(self, accept_loss: bool) -> None:
        """Accept that the backup is older than what was remembered, or raise StoreError."""
        if not accept_loss:
            raise StoreError("the backup is older than the log's last checkpoint", remedy="--accept-loss")
        self.log.accept(self.store.connection)
        self.gate.settle_journal("house")


def _remove_store(configuration: Configuration) -> None:
    for leftover in configuration.store.glob(configuration.store_file.name + "*"):
        leftover.unlink()
