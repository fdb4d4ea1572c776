"""HL7 v2 messages (ADT, ORU^R01): one message is one batch for one person; what was not carried over is named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path

from salus.errors import InputError
from salus.formats import hl7v2
from salus.formats.content import File
from salus.formats.hl7v2 import Message
from salus.intake import hl7v2_age, hl7v2_map
from salus.intake.attribute import identifiers
from salus.intake.batch import Batch, Clues

KIND = "hl7v2"
_ORU = frozenset({"", "R01"})
_JOINED = frozenset({"A17", "A18", "A24", "A30", *(f"A{n}" for n in range(34, 52))} - {"A38"})
"""Events that swap, link, merge or move records, or change identifiers (chapter 3)."""
_DELETIONS = frozenset({"A23", "A29"})
_NOBODY = frozenset({"A20"})


class UnsupportedError(InputError):
    """A message of a kind that is not taken in at all, whatever it holds."""


def check_supported(message: Message) -> None:
    """Raise :class:`UnsupportedError` for a message that salus does not act on, saying why."""
    code, event = message.kind
    if code not in ("ADT", "ORU") or (code == "ORU" and event not in _ORU):
        raise UnsupportedError("a message type that is not taken in", "MSH-9", "ADT and ORU^R01 are")
    if message.header.text(11) in ("D", "T"):
        raise UnsupportedError("a message for training or debugging", "MSH-11", "send P for what is real")
    if code == "ADT" and event in _JOINED:
        raise UnsupportedError(
            "records are never joined, moved or swapped by a message", "MSH-9", "a person has to decide it"
        )
    if event in _DELETIONS:
        raise UnsupportedError("records are never deleted by a message", "MSH-9", "a person has to decide it")
    if event in _NOBODY:
        raise UnsupportedError("the message is about no person", "MSH-9", "bed states are not kept")


def read(file: File, zone: tzinfo | None = None, encoding: str = "") -> Iterator[Batch]:
    """Every message of a file or batch file; ``encoding`` is that of messages which name none.

    Raises InputError naming the byte where a bad one begins.
    """
    for start, data in hl7v2.split(file.read(hl7v2.MAX_BATCH_BYTES)):
        try:
            yield batch(data, file.path, zone, hl7v2.parse(data, encoding))
        except InputError as error:
            raise error.at(f"message at byte {start}") from error


def batch(data: bytes, source: Path, zone: tzinfo | None = None, message: Message | None = None) -> Batch:
    """One message as a batch; ``source`` names it. Raises InputError, UnsupportedError for a kind not taken in."""
    parsed = message or hl7v2.parse(data)
    check_supported(parsed)
    if not parsed.control_id:
        raise InputError("the message has no control id", "MSH-10", "send one, other for every message")
    mapped = hl7v2_map.run(parsed, zone)
    resources = hl7v2_age.stamped(parsed, mapped.resources, zone)
    patient = next(r for r in resources if r["resourceType"] == "Patient")
    return Batch(
        kind=f"{KIND} {'^'.join(part for part in parsed.kind if part)}",
        sources=(source,),
        clues=Clues(
            reference=mapped.patient,
            identifiers=identifiers(patient),
            birth_date=str(patient.get("birthDate", "")),
            sex=str(patient.get("gender", "")),
        ),
        resources=resources,
        losses=mapped.losses,
        patient=patient,
        sha256=hashlib.sha256(data.strip(b"\x0b\x1c\r\n \t")).hexdigest(),
    )
