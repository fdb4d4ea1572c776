"""How old what a message says is, written into ``meta`` so that a late message never undoes a newer one.

MSH-7 is the time of the message: with an offset it becomes ``meta.lastUpdated``; without one it is only comparable with
others of the same sender, as ``meta.versionId``. ``meta.source`` names the sender (see :mod:`salus.intake.age`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import tzinfo
from typing import Any

from salus.errors import InputError
from salus.formats.hl7v2 import Message
from salus.intake import hl7v2_types as types
from salus.intake.hl7v2_state import SHARED

_UNSTAMPED = SHARED | {"Provenance"}
"""What is not about the person, or is about this message only."""
_LOCAL = re.compile(r"\d{8,14}")


def stamped(message: Message, resources: Iterable[dict[str, Any]], zone: tzinfo | None) -> tuple[dict[str, Any], ...]:
    """The resources that are about the person with the age and the sender of the message; the rest as it is."""
    meta = {"source": types.sender_system(message), **_time(message, zone)}
    return tuple(r if r["resourceType"] in _UNSTAMPED else {**r, "meta": meta} for r in resources)


def _time(message: Message, zone: tzinfo | None) -> dict[str, str]:
    written = message.header.text(7)
    try:
        found, _ = types.date_time(written, zone or types.offset_of(message))
    except InputError:
        return {}
    if "T" in found:
        return {"lastUpdated": found}
    local = _LOCAL.match(written)
    return {"versionId": local[0].ljust(14, "0")} if local else {}
