"""A reading as devices send it (JSON), and as the Observation that it becomes.

One value, or the ``components`` of a panel, each a value with its unit::

    {"device": "belt-7", "code": "heart-rate", "at": "2026-03-01T08:00:00Z", "seq": 12, "value": 72, "unit": "/min"}
    {"device": "cuff-7", "code": "blood-pressure", "at": "...", "components": {"systolic-bp": [142, "mm[Hg]"], ...}}

``code`` is a concept's name or its LOINC code; ``seq`` tells readings of one moment apart and may be left out.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote

from salus.errors import InputError
from salus.fhir import dates, json, quantity, series
from salus.fhir.codes import SYSTEMS, Code
from salus.fhir.columns import Row, micros, moment, whole
from salus.fhir.quantity import Quantity
from salus.fhir.views import OWN_ID, TAG_KIND, TAG_SETTING
from salus.terminology import codes

KEY_SYSTEM = "urn:salus:reading"
TAG_LATE = "urn:salus:late"
LATE = "late"
"""The mark of a reading that came after its moment was final."""
UNITS: Mapping[str, str] = {
    "systolic-bp": "mm[Hg]",
    "diastolic-bp": "mm[Hg]",
    "heart-rate": "/min",
    "respiratory-rate": "/min",
    "oxygen-saturation": "%",
    "body-temperature": "Cel",
}
"""What is taken, in the unit it is kept in."""
PANELS: Mapping[str, tuple[str, ...]] = {"blood-pressure": ("systolic-bp", "diastolic-bp")}
MAX_BYTES = 8192
MAX_NAME = 64
_NAMESPACE = uuid.UUID("c0f4ad64-5a0e-5c8a-8b1f-0a2a57a3d6d2")


@dataclass(frozen=True, slots=True)
class Sent:
    """A reading as it was sent, checked. ``values`` are in the units of :data:`UNITS`; ``at`` keeps its offset."""

    device: str
    code: str
    at: str
    seq: str
    values: Mapping[str, Decimal]

    @property
    def moment(self) -> datetime:
        """When it was measured, in UTC."""
        return dates.instant(self.at)

    @property
    def identity(self) -> bytes:
        """Device, code, moment and sequence: what makes a second copy a double."""
        return identity(self.device, self.code, self.moment, self.seq)

    def to_bytes(self) -> bytes:
        """As it is queued."""
        values = dict(sorted(self.values.items()))
        return json.dumps({"device": self.device, "code": self.code, "at": self.at, "seq": self.seq, "values": values})

    @classmethod
    def from_bytes(cls, data: bytes) -> Sent:
        """Inverse of :meth:`to_bytes`."""
        body = json.loads(data)
        values = {name: Decimal(value) for name, value in body["values"].items()}
        return cls(body["device"], body["code"], body["at"], body["seq"], values)


def identity(device: str, code: str, moment: datetime, seq: str) -> bytes:
    """What a reading is the same by, however often it comes."""
    return "\0".join((device, code, dates.write(moment), seq)).encode()


def parse(data: bytes) -> Sent:
    """A reading from its JSON. Raises InputError naming the member that is missing or wrong."""
    if len(data) > MAX_BYTES:
        raise InputError(f"a reading of more than {MAX_BYTES:,} bytes")
    body = json.loads(data)
    if not isinstance(body, dict):
        raise InputError("not a reading", remedy="a JSON object with device, code, at and value")
    device, at = body.get("device"), body.get("at")
    if not isinstance(device, str) or not 0 < len(device) <= MAX_NAME or not device.isprintable():
        raise InputError("no device", where="device", remedy=f"a name of at most {MAX_NAME} characters")
    if not isinstance(at, str) or "T" not in at or not (at.endswith("Z") or "+" in at[10:] or "-" in at[10:]):
        raise InputError("no time with an offset", where="at", remedy="2026-03-01T08:00:00+01:00")
    seq = body.get("seq", "")
    if isinstance(seq, bool) or not isinstance(seq, str | int) or len(str(seq)) > MAX_NAME:
        raise InputError("not a sequence number", where="seq")
    code = _concept(body.get("code"))
    try:
        dates.parse(at)
    except InputError as error:
        raise InputError(error.what, where="at") from error
    return Sent(device, code, at, str(seq), _values(code, body))


def _concept(stated: Any) -> str:
    wanted = {*UNITS, *PANELS}
    if isinstance(stated, str):
        if stated in wanted:
            return stated
        found = codes.names([Code(SYSTEMS["loinc"], stated)]) & wanted
        if len(found) == 1:
            return next(iter(found))
    raise InputError("a kind of reading that is not taken", where="code", remedy=f"one of {', '.join(sorted(wanted))}")


def _values(code: str, body: Mapping[str, Any]) -> dict[str, Decimal]:
    if code not in PANELS:
        return {code: _value(code, body.get("value"), body.get("unit"), "value")}
    parts = body.get("components")
    if not isinstance(parts, dict) or set(parts) != set(PANELS[code]):
        raise InputError("not the parts of this panel", where="components", remedy=", ".join(PANELS[code]))
    found = {}
    for name in PANELS[code]:
        pair = parts[name]
        if not isinstance(pair, list) or len(pair) != 2:
            raise InputError("not a value with its unit", where=f"components.{name}")
        found[name] = _value(name, pair[0], pair[1], f"components.{name}")
    return found


def _value(name: str, value: Any, unit: Any, where: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise InputError("no number", where=where)
    if not isinstance(unit, str) or not unit:
        raise InputError("a value without a unit is never used", where=where, remedy="give its UCUM unit")
    try:
        return quantity.convert(Quantity(Decimal(value), unit), UNITS[name]).value
    except InputError as error:
        raise InputError(error.what, where=where, remedy=error.remedy) from error


# ---- blocks


STRETCH = "minute"
"""What one block holds: a block that is filed is seldom written again, and a version of it is short."""


def head(code: str, device: str, setting: str) -> series.Head:
    """What the readings of one kind by one device have in common."""
    names = PANELS.get(code, (code,))
    parts = tuple(series.Part(_coding(name), UNITS[name]) for name in names)
    return series.Head(_coding(code), parts, device, "", "home" if setting == "home" else "", STRETCH)


def reference(sent: Sent, patient: str, setting: str) -> str:
    """The reference to a reading in the block that holds it; of several of one moment, to the first."""
    at = micros(sent.moment)
    block = head(sent.code, sent.device, setting).block_id(at, f"Patient/{patient}")
    return f"Observation/{block}.{series.stamp_of(at)}"


def row(sent: Sent, *, late: bool) -> Row:
    """A reading as a row of its block; ``late``: it came after its moment was final."""
    values = tuple(whole(sent.values[name]) for name in PANELS.get(sent.code, (sent.code,)))
    return micros(sent.moment), 0, values, _zone(sent.at), f"{LATE if late else ''}#{quote(sent.seq, safe='')}"


def sent_in(body: Mapping[str, Any]) -> Iterator[tuple[Sent, bool, str]]:
    """The readings of a block that devices sent, whether each was late, and its reference; of other blocks none.

    Raises InputError for a block whose columns cannot be read.
    """
    if not series.is_block(body) or not series.numbered(body):
        return
    block = series.Block(body)
    code = next((c for c in (*PANELS, *UNITS) if _same(_coding(c), block.head.code)), "")
    if not code or block.stretch != STRETCH:
        return
    names = PANELS.get(code, (code,))
    for n, start in enumerate(block.columns.starts):
        values = {name: block.columns.value(n, p) for p, name in enumerate(names)}
        quality, _, seq = block.columns.marks.get(n, "").partition("#")
        at = moment(start, block.columns.zones[n]).isoformat()
        told = Sent(block.head.device, code, at, unquote(seq), values)
        yield told, quality == LATE, f"Observation/{body['id']}.{series.stamp(block, n)}"


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(one.get("coding") == other.get("coding"))


def _zone(at: str) -> int:
    """Minutes that the clock of an instant with an offset is ahead of UTC."""
    if at.endswith("Z"):
        return 0
    minutes = int(at[-5:-3]) * 60 + int(at[-2:])
    return -minutes if at[-6] == "-" else minutes


# ---- one Observation each, as earlier releases filed them


def observation_id(named: bytes) -> str:
    """The id of the Observation of a reading with this identity, so that no copy is added."""
    return OWN_ID + str(uuid.uuid5(_NAMESPACE, named.decode()))


def observation(sent: Sent, patient: str, setting: str, *, late: bool) -> dict[str, Any]:
    """The reading as an Observation of ``patient``; ``late``: it came after its moment was final."""
    tags = [{"system": TAG_KIND, "code": "signal/reading" if setting == "home" else "record/reading"}]
    tags += [{"system": TAG_SETTING, "code": "home"}] if setting == "home" else []
    tags += [{"system": TAG_LATE, "code": "late"}] if late else []
    body: dict[str, Any] = {
        "resourceType": "Observation",
        "id": observation_id(sent.identity),
        "meta": {"tag": tags},
        "identifier": [{"system": KEY_SYSTEM, "value": sent.identity.decode().replace("\0", " ")}],
        "status": "final",
        "category": [{"coding": [_CATEGORY]}],
        "code": _coding(sent.code),
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": sent.at,
        "device": {"display": sent.device},
    }
    if sent.code in PANELS:
        body["component"] = [
            {"code": _coding(name), "valueQuantity": quantity.write(Quantity(value, UNITS[name]))}
            for name, value in sent.values.items()
        ]
    else:
        body["valueQuantity"] = quantity.write(Quantity(sent.values[sent.code], UNITS[sent.code]))
    return body


_CATEGORY = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}


def _coding(name: str) -> dict[str, Any]:
    concept = codes.get(name)
    code = concept.codes[0]
    return {"coding": [{"system": code.system, "code": code.code, "display": code.display}], "text": concept.display}
