"""Trials in the house: matching under the patient's consent to research, and documents sealed in the log."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from salus.app.research.deidentified import RESEARCH
from salus.app.session import Session
from salus.errors import AccessError, InputError
from salus.trials.criteria import Protocol
from salus.trials.match import Match, match
from salus.trust.registry import TOPIC
from salus.trust.vault import SYSTEM

Document = Literal["protocol", "plan", "lock"]
DOCUMENTS: tuple[Document, ...] = ("protocol", "plan", "lock")
SEALED = "trial-sealed"


@dataclass(frozen=True, slots=True)
class Seal:
    """A sealed document of a trial: its SHA-256 (hex), the time, the actor, and the number of the log entry."""

    trial: str
    document: str
    sha256: str
    at: str
    by: str
    entry: int


def match_patient(session: Session, protocol: Protocol, patient: str, at: datetime, purpose: str = RESEARCH) -> Match:
    """Match a protocol with what this patient released for ``purpose``. Raises AccessError."""
    return match(protocol, session.open(patient, at, purpose=purpose).chart)


def match_all(
    session: Session, protocol: Protocol, at: datetime, purpose: str = RESEARCH
) -> Iterator[tuple[str, Match]]:
    """The matches of all patients who released anything for ``purpose``, by id. Each access is logged."""
    for patient in session.house.store.patients(session.house.gate.house(session.actor.id)):
        try:
            yield patient, match_patient(session, protocol, patient, at, purpose)
        except AccessError:
            continue


def seal(session: Session, trial: str, document: Document, data: bytes) -> Seal:
    """Write the digest of a trial's document into the log, which proves the order of seals and that none was changed.

    A protocol or analysis plan may be sealed again: this is an amendment and visible as one. After a data lock nothing
    of the trial is sealed any more. Raises AccessError for anybody but operators and practitioners, InputError for a
    name or document that is not valid and after the lock.
    """
    house = session.house
    if session.actor.kind not in ("operator", "practitioner"):
        raise AccessError("only operators and practitioners seal trial documents")
    if document not in DOCUMENTS or not trial.strip() or len(trial) > 64:
        raise InputError("a trial's name and one of protocol, plan, lock")
    if any(s.document == "lock" for s in seals(session, trial)):
        raise InputError(
            "the data of this trial are locked", where=trial, remedy="open a new trial id for what follows"
        )
    digest = hashlib.sha256(data).hexdigest()
    content = {"reason": SEALED, "trial": trial, "document": document, "sha256": digest}
    house.note(session.actor.id, content)
    return seals(session, trial)[-1]


def seals(session: Session, trial: str) -> list[Seal]:
    """The seals of a trial, oldest first."""
    house = session.house
    entries = house.log.entries(house.store.connection, topic=TOPIC, patient=SYSTEM)
    return [
        Seal(trial, c["document"], c["sha256"], c["at"], c["by"], e.n)
        for e in entries
        if (c := e.content)["reason"] == SEALED and c["trial"] == trial
    ]


def check(session: Session, trial: str, data: bytes) -> Seal | None:
    """The newest seal of the trial with the digest of ``data``; None where this document was never sealed."""
    digest = hashlib.sha256(data).hexdigest()
    return next((s for s in reversed(seals(session, trial)) if s.sha256 == digest), None)


def digest_of_folder(folder: Path) -> bytes:
    """A listing of the files in a folder with their SHA-256, to be sealed as a data lock.

    Raises InputError for a folder without files.
    """
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    if not files:
        raise InputError("there is nothing to lock", where=str(folder))
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}\n" for p in files]
    return "".join(lines).encode()
