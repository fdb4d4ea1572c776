"""What a house destroys for good: sources in quarantine, and everything of a patient who is erased."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from salus.app.live import devices, waiting
from salus.app.opened import Opened
from salus.app.serving import state as state_of_servers
from salus.errors import InputError
from salus.record.forgetting import PATIENCE, compact
from salus.trust import erasure, quarantine
from salus.trust import registry as state


class Destroying(Opened):
    """What a house destroys. The keys go first, then what they sealed is blanked; last, the file is written anew."""

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

    def filed_from_quarantine(self, numbers: Sequence[int], by: str) -> bool:
        """Destroy sources that were filed into a record: they lie there, and need not lie here as well.

        Returns whether the file was written anew without their bytes.
        """
        return self._destroy_quarantined(numbers, by, "filed into a record")

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
        self._take_note_of(self.log.newest_of(self.store.connection, state.TOPIC))
        return self._compact(by)

    def _take_note_of(self, n: int) -> bool:
        """Count this house's own entry ``n`` as taken into account, unless somebody else decided something before it.

        Then the house is outdated, and whoever keeps it open has to open it anew. Returns whether the entry counts.
        """
        if state.decided_since(self.log, self.store.connection, self._heard, before=n):
            return False
        self._heard = n
        return True

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
        n, content = erasure.delete(self.store, self.log, scope, patient, request, self.time(), decided)
        if self._take_note_of(n):
            self.registry.apply(n, content)
        erasure.remember(self._erased, self.vault, patient, n)
        return {**content, "compacted": self._compact(by)}

    def erase(self, pid: int, by: str, act: Mapping[str, Any]) -> Mapping[str, Any]:
        """Erase the patient under a number of the store: the key first, then the rest. Returns the house's entry.

        Live readings of the patient go too, from the queue and from quarantine. They are looked for twice: the second
        time for those that a listener in another process took in while the erasure went on.
        """
        self.gate.merge_journal()
        patient = self.store.patient_of(self.gate.house(by), pid)
        measured = devices.all_of(self, patient)
        waiting.forget(self, patient, measured)
        state_of_servers.end_all_of(self, *(a.id for a in self.registry.actors.values() if a.patient == patient))
        sources = {*quarantine.assigned(self.store, self.log, pid), *waiting.quarantined(self, patient, measured)}
        veils = self.registry.veils.get(patient, ())
        self.vault.shred(patient, *veils, *map(quarantine.key_name, sorted(sources)))
        told = self.erase_shredded(patient, by, act.get("request"), act)
        waiting.forget(self, patient, measured)  # before quarantine: see Monitor._keep_nobodys
        with self.store.transaction(self.gate.house(by, may_write=True)):
            pass  # a listener that is writing into quarantine now has written when this begins
        meanwhile = {*quarantine.assigned(self.store, self.log, pid), *waiting.quarantined(self, patient, measured)}
        if meanwhile:
            told = {**told, "compacted": self._destroy_quarantined(sorted(meanwhile), by, "with its patient")}
        return told

    def complete_erasures(self) -> None:
        """Complete erasures that were interrupted, or are not yet in a restored backup."""
        for patient in erasure.left(self.store, self.vault, self.gate.house("house")):
            self.erase_shredded(patient, "house")
        self._complete_quarantine()
        self._compact_if_due()

    def tidy(self) -> None:
        """Do what is due whenever the house is opened.

        These are sources in quarantine that have expired, those of which only the key was destroyed yet, and a file
        that could not be compacted.
        """
        self.expire_quarantine()
        self._complete_quarantine()
        self._compact_if_due()

    def _complete_quarantine(self) -> None:
        if gone := quarantine.left(self.store, self.vault):
            self._destroy_quarantined(gone, "house", "its key was destroyed before")

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
        """Write the store's file anew, without what was deleted. False where others hold it: then it is due later."""
        done = compact(self.store.connection, self.gate.house(by, may_write=True), patience=patience)
        if done:
            self._uncompacted.unlink(missing_ok=True)
        else:
            self._uncompacted.touch(mode=0o600)
        return done
