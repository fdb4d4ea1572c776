"""One question that concerns many records: every one is decided on, and their entries are written together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from salus.trust.deciding import Deciding
from salus.trust.grants import Decision, Grant
from salus.trust.identity import Actor

_Entry = tuple[str, Mapping[str, Any]]


class Many(Deciding):
    """The part of the gate that decides on many records at once. A gate serves one thread."""

    _gathered: list[_Entry] | None = None
    """The entries of a question that is being decided, which wait to be written with the others; None: of no question.
    """

    def grants(self, actor: Actor, asked: Mapping[str, str]) -> list[Grant]:
        """The grants over those of the ``asked`` patients, each for its purpose, of whom anything is released.

        Every decision leaves its entry, in one transaction, before any data leave. Raises what that transaction raises:
        then nothing is granted. Nothing of the answer depends on the patients who release nothing.
        """
        found: list[Grant] = []
        gathered = self._gathered = []
        try:
            for patient, purpose in asked.items():
                decision = self._decide(actor, patient, purpose)
                found.append(self._record(actor.id, patient, purpose, decision, may_write=False))
        finally:  # also what was decided before an error leaves its entry
            self._gathered = None
            numbers = self._write(gathered)
        return [_numbered(grant, numbers) for grant in found if grant.categories]

    def _keep(self, owner: str, entry: Mapping[str, Any]) -> int | None:
        if self._gathered is None:
            return super()._keep(owner, entry)
        self._gathered.append((owner, entry))
        return -len(self._gathered)

    def _write(self, entries: Sequence[_Entry]) -> list[int]:
        if not entries:
            return []
        return self._append_all([(owner, "access", entry) for owner, entry in entries])

    def _decide(self, actor: Actor, patient: str, purpose: str) -> Decision:
        raise NotImplementedError


def _numbered(grant: Grant, numbers: Sequence[int]) -> Grant:
    """The grant with the number of its entry, in the place of the one that it had among the gathered."""
    leaf = grant.leaf
    return replace(grant, leaf=numbers[-leaf - 1]) if leaf is not None and leaf < 0 else grant
