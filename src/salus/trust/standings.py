"""What the consents of patients amount to, kept by the gates of one process's threads.

To check the signatures of a patient's consents and to read them takes a millisecond: it is done once a process for
each consent that is filed, not once in each thread.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from salus.trust.consent import Standing

MAX_KEPT = 100_000
"""Patients of whom this is kept; those who were added first go first."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a standing follows from: the log entries that filed the patient's newest consent, and that is the house's
    newest one (by which somebody may have been enrolled, or vouched for)."""

    consent: int
    house: int


class Standings:
    """The standings of one store's patients. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[Ground, Standing]] = {}

    def find(self, patient: str, ground: Ground) -> Standing | None:
        """The patient's standing that follows from ``ground``; None where none is kept."""
        found = self._kept.get(patient)
        return found[1] if found is not None and found[0] == ground else None

    def forget_before(self, house: int) -> None:
        """Forget what follows from earlier entries of the house than ``house``: of erased patients nothing stays."""
        with self._lock:
            self._kept = {p: kept for p, kept in self._kept.items() if kept[0].house >= house}

    def keep(self, patient: str, ground: Ground, standing: Standing) -> None:
        """Keep a standing in the place of the patient's earlier one."""
        with self._lock:
            if patient not in self._kept and len(self._kept) >= MAX_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[patient] = ground, standing
