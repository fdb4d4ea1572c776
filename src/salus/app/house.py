"""The house: one open store with its vault, log, registry and gate, and the upkeep that concerns no single patient."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from salus.app import acts
from salus.app.acts import Outcome
from salus.app.config import Configuration
from salus.app.destroying import Destroying
from salus.app.opened import now
from salus.errors import AccessError, InputError, StoreError
from salus.fhir import dates
from salus.findings import registry as methods
from salus.record.forgetting import strip
from salus.trust import auditor, erasure, quarantine
from salus.trust.auditor import Access
from salus.trust.checkpoint import Checkpoint
from salus.trust.identity import Actor, Identity, verify_signature
from salus.trust.vault import Vault
from salus.trust.verify import SHORTER, Report, verify


class House(Destroying):
    """An open store and everything around it. Close it, or use it as a context manager."""

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
        if configuration.moved_away:
            configuration.check_made()  # a store that was moved into a database gets no empty one in its old place
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

    # ---- actors

    def authenticate(self, identity: Identity) -> Actor:
        """The enrolled actor who holds ``identity``'s private key. Raises AccessError."""
        actor = self.registry.actors.get(identity.id)
        challenge = os.urandom(32)
        if actor is None or not verify_signature(actor.public_key, identity.sign(challenge), challenge):
            raise AccessError(f"{identity.id!r} is not an actor of this store", remedy="salus actor add")
        return actor

    def add_actor(self, actor: Actor, by: str) -> Outcome:
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

    def remove_actor(self, name: str, by: str) -> Outcome:
        """Take an actor out, or propose it where that takes two people; what it did stays in the log.

        Raises InputError where there is no such actor, AccessError where ``by`` may not.
        """
        act = {"reason": "actor-removed", "id": name}
        actor = self.registry.actors.get(name)
        return acts.do(self, {**act, "patient": actor.patient} if actor and actor.patient else act, by)

    # ---- policies and methods

    def add_policy(self, document: Mapping[str, Any], by: str) -> Outcome:
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

    # ---- upkeep

    def verify(
        self,
        held: Checkpoint | None = None,
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
        resume: bool = False,
    ) -> Report:
        """Hold everything stored against the log; see :func:`salus.trust.verify.verify`."""
        return verify(self.store, self.vault, self.log, held, progress=progress, resume=resume)

    def kept_accesses(self, key: Path) -> Iterator[Access]:
        """Every access that is kept for the auditor, opened by the auditor's key; of erased records as well."""
        return auditor.read(self.store.connection, key)

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

    @staticmethod
    def restore_database(
        configuration: Configuration, *, accept_loss: bool = False, erased: Path | None = None
    ) -> Report:
        """Complete what pg_restore put into a PostgreSQL database, as :meth:`restore` does a file.

        Raises StoreError where it does not verify, or is older than the last checkpoint and not ``accept_loss``: then
        the database is to be dropped.
        """
        if erased and not erased.is_file():
            raise StoreError("no such file", where=str(erased))
        configuration.store.mkdir(parents=True, exist_ok=True, mode=0o700)
        with House(configuration, checked=False) as house:
            return house._check_restored(accept_loss, erased)

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
        if leftover != configuration.moved_away:
            leftover.unlink()
