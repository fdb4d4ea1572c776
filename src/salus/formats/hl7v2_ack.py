"""Acknowledgements of HL7 v2 messages (chapter 2: MSA and ERR). What is said back holds no patient data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from salus.formats.hl7v2 import Delimiters, Field, Message, Segment, write

Code = Literal["AA", "AE", "AR"]
"""AA: stored. AE: not stored, an error in the message. AR: refused as such (type, version, unreadable)."""
ERRORS = {
    "required": ("101", "Required field missing"),
    "data": ("102", "Data type error"),
    "type": ("200", "Unsupported message type"),
    "key": ("204", "Unknown key identifier"),
    "locked": ("206", "Application record locked"),
    "internal": ("207", "Application internal error"),
}
"""Those of table 0357 (terminology.hl7.org v2-0357) that are said here."""
MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said back: the code and, unless it is AA, the reason and its kind (a key of :data:`ERRORS`)."""

    code: Code
    reason: str = ""
    error: str = "internal"


def acknowledge(message: Message | None, answer: Answer, *, at: datetime, control_id: str) -> bytes:
    """The acknowledgement of ``message`` (None: it could not be read), under the new ``control_id``."""
    d = message.delimiters if message else Delimiters()
    header = message.header if message else Segment("MSH", ())
    trigger = message.kind[1] if message else ""
    kind = (("ACK",), (trigger,), ("ACK",)) if trigger else (("ACK",),)
    fields: list[Field] = [
        (((d.field,),),),
        (((d.encoding,),),),
        _plain("salus"),
        (),
        header[3],
        header[4],
        _plain(at.strftime("%Y%m%d%H%M%S%z")),
        (),
        (kind,),
        _plain(control_id),
        header[11] or _plain("P"),
        header[12] or _plain("2.5.1"),
        *[()] * 5,
        _plain("UNICODE UTF-8"),
    ]
    said = _plain(answer.reason[:MAX_REASON])
    own = _plain(message.control_id if message else "")
    segments = [Segment("MSH", tuple(fields)), Segment("MSA", (_plain(answer.code), own, said))]
    if answer.code != "AA":
        number, words = ERRORS[answer.error]
        coded = (((number,), (words,), ("HL70357",)),)
        segments.append(Segment("ERR", ((), (), coded, _plain("E"), (), (), (), said)))
    return write(Message(tuple(segments), d))


def _plain(value: str) -> Field:
    return (((value,),),) if value else ()
