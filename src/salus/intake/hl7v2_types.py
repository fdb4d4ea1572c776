"""HL7 v2's primitive data types and the few places where a value needs more than its own field, as FHIR elements."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

from salus.errors import InputError
from salus.fhir import dates
from salus.formats.hl7v2 import Message, Repetition, text
from salus.intake.hl7v2_state import NAMESPACE, Cell, Mapping
from salus.intake.hl7v2_tables import tables

_DTM = re.compile(
    r"(?P<y>\d{4})(?:(?P<mo>\d\d)(?:(?P<d>\d\d)(?:(?P<h>\d\d)(?:(?P<mi>\d\d)(?:(?P<s>\d\d)(?:\.(?P<f>\d{1,6}))?)?)?)?)?)?"
    r"(?P<z>[+-]\d{4})?\Z"
)
_NUMBER = re.compile(r"[+-]?\d{1,30}(?:\.\d{0,30})?\Z|[+-]?\.\d{1,30}\Z")
_OID = re.compile(r"[0-2](?:\.\d{1,30}){1,40}\Z")
Primitive = Callable[[Mapping, dict[str, Any], Cell | None, int, str], Any]


def offset_of(message: Message) -> tzinfo | None:
    """The offset of MSH-7, which holds for every time of the message without one of its own (chapter 2A, DTM)."""
    match = _DTM.match(message.header.text(7))
    return _zone(match["z"]) if match and match["z"] else None


def _zone(written: str) -> tzinfo | None:
    away = timedelta(hours=int(written[1:3]), minutes=int(written[3:]))
    return timezone(-away if written[0] == "-" else away) if away <= timedelta(hours=14) else None


def sender_system(message: Message) -> str:
    """The system of a person's identifier that names no authority: the sender's own."""
    names = (message.header.text(3), message.header.text(4))
    return "urn:hl7v2:sender:" + ":".join(quote(n, safe="") for n in names)


def patient_id(message: Message) -> str:
    """The id that the person of PID has here: it follows from the first identifier of PID-3 (else PID-2 or PID-4).

    Raises :class:`InputError` where the message names nobody.
    """
    people = message.all("PID")
    if len(people) != 1:
        raise InputError(f"the message has {len(people)} PID segments", where="PID", remedy="one message, one person")
    for number in (3, 2, 4):
        for repetition in people[0][number]:
            if text(repetition, 1):
                system = (authority(repetition[3]) if len(repetition) > 3 else "") or sender_system(message)
                return str(uuid.uuid5(NAMESPACE, f"Patient {system} {text(repetition, 1)}"))
    raise InputError("the person has no identifier", where="PID-3", remedy="send one")


def authority(parts: tuple[str, ...]) -> str:
    """The URI of an assigning authority (HD): by its universal id, else by its local name."""
    namespace, name, kind = (*parts, "", "", "")[:3]
    if name and (kind == "ISO" or (not kind and _OID.match(name))):
        return f"urn:oid:{name}"
    if name and kind == "UUID":
        return f"urn:uuid:{name.lower()}"
    if name and kind == "URI":
        return name
    local = ":".join(quote(p, safe="") for p in (namespace, kind, name) if p)
    return f"urn:hl7v2:authority:{local}" if local else ""


def universal(value: Repetition) -> dict[str, Any]:
    """An HD's universal id as an Identifier."""
    name, kind = text(value, 2), text(value, 3)
    prefix = {"ISO": "urn:oid:", "UUID": "urn:uuid:"}.get(kind)
    if prefix:
        return {"system": "urn:ietf:rfc:3986", "value": prefix + name}
    return {"value": name}


def date_time(written: str, zone: tzinfo | None) -> tuple[str, bool]:
    """DTM as FHIR dateTime, and whether the time of day had to be left out since no offset is known.

    Raises :class:`InputError` where it is none.
    """
    match = _DTM.match(written.strip())
    if match is None:
        raise InputError("not a date and time")
    part = match.groupdict()
    day = "-".join(p for p in (part["y"], part["mo"], part["d"]) if p)
    known = _zone(part["z"]) if part["z"] else zone
    if not part["h"]:
        dates.parse(day)
        return day, False
    if known is None or not part["mi"]:
        dates.parse(day)
        return day, True
    fraction = f".{part['f']}" if part["f"] else ""
    seconds = f":{part['s'] or '00'}"
    offset = _written_offset(known, day, part)
    found = f"{day}T{part['h']}:{part['mi']}{seconds}{fraction}{offset}"
    dates.parse(found)
    return found, False


def _written_offset(zone: tzinfo, day: str, part: dict[str, str]) -> str:
    try:
        local = datetime.fromisoformat(f"{day}T{part['h']}:{part['mi']}").replace(tzinfo=zone)
    except ValueError as error:
        raise InputError("an impossible date") from error
    away = local.utcoffset() or timedelta(0)
    sign = "-" if away < timedelta(0) else "+"
    minutes = int(abs(away).total_seconds()) // 60
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}"


def number(written: str) -> Decimal | None:
    """NM as Decimal with its digits; None where it is none."""
    if not _NUMBER.match(written.strip()):
        return None
    try:
        return Decimal(written.strip())
    except InvalidOperation:
        return None


def convert(kind: str, table: str, mapping: Mapping, target: dict[str, Any], cell: Cell | None, at: int) -> Any:
    """A value as the primitive or special element ``kind``; None where it gives nothing."""
    return PRIMITIVES[kind](mapping, target, cell, at, table)


def finish(kind: str, built: dict[str, Any], mapping: Mapping, cell: Cell) -> None:
    """What a data type's own parts decide together."""
    if kind == "XTN":
        _telecom(built, mapping, cell)
    if kind in ("CX", "EI") and "value" not in built:
        built.clear()
    if kind == "CX" and built and mapping.message.segments[cell.segment].name == "PID":
        built.setdefault("system", sender_system(mapping.message))
    if kind == "CWE":
        built_codings = [c for c in built.get("coding", ()) if c.get("code") or c.get("display")]
        plain = [c for c in built_codings if not c.get("code")]
        if plain and "text" not in built:
            built["text"] = plain[0]["display"]
        kept = [c for c in built_codings if c.get("code")]
        if kept:
            built["coding"][:] = kept
        else:
            built.pop("coding", None)


def _telecom(built: dict[str, Any], mapping: Mapping, cell: Cell) -> None:
    """XTN: an address (4), a whole number (1, 12) or its parts (5 country, 6 area, 7 local, 8 extension)."""
    equipment = text(cell.value, 3)
    mapped = tables().codes["TelecommunicationEquipmentType"].get(equipment)
    parts = [text(cell.value, n) for n in (5, 6, 7)]
    value = text(cell.value, 4) if "@" in text(cell.value, 4) else ""
    used = [4] if value else []
    if not value:
        value = text(cell.value, 12) or text(cell.value, 1)
        used = [12] if text(cell.value, 12) else [1]
    if not value and parts[2]:
        value = " ".join(f"+{p}" if n == 0 else p for n, p in enumerate(parts) if p)
        used = [5, 6, 7]
        if text(cell.value, 8):
            value, used = f"{value} ext. {text(cell.value, 8)}", [*used, 8]
    if not value:
        built.clear()
        return
    system = mapped[0] if mapped else ("email" if "@" in value else "phone")
    if system == "mobile":
        built.setdefault("use", "mobile")
        system = "phone"
    built["system"], built["value"] = system, value
    for n in (*used, 3):
        mapping.use(cell, n)


# ---- primitives


def _plain(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, ___: str) -> str | None:
    assert cell is not None
    found = text(cell.value, 1)
    mapping.use(cell, 1)
    return found.strip() or None


def _day(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, ___: str) -> str | None:
    found = _date_time(mapping, _, cell, __, ___)
    return found[:10] if found else None


def _date_time(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, ___: str) -> str | None:
    assert cell is not None
    name = mapping.message.segments[cell.segment].name
    try:
        found, cut_off = date_time(text(cell.value, 1), mapping.zone)
    except InputError as error:
        mapping.remark(f"{name}-{cell.field}: {error.what}")
        return None
    if cut_off:
        mapping.remark(f"{name}-{cell.field}: a time without offset, only the day is kept")
    mapping.use(cell, 1)
    return found


def _instant(mapping: Mapping, target: dict[str, Any], cell: Cell | None, at: int, table: str) -> str | None:
    found = _date_time(mapping, target, cell, at, table)
    if found and "T" not in found:
        assert cell is not None
        mapping.remark(f"{mapping.message.segments[cell.segment].name}-{cell.field}: no time of day")
        return None
    return found


def _code(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, table: str) -> str | None:
    assert cell is not None
    found = tables().codes[table].get(text(cell.value, 1))
    if found:
        mapping.use(cell, 1)
    return found[0] if found else None


def _coded(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, table: str) -> dict[str, Any] | None:
    assert cell is not None
    found = tables().codes[table].get(text(cell.value, 1))
    if not found:
        return None
    mapping.use(cell, 1)
    return {k: v for k, v in zip(("code", "display", "system"), found, strict=True) if v}


def _coded_concept(mapping: Mapping, target: dict[str, Any], cell: Cell | None, at: int, table: str) -> Any:
    found = _coded(mapping, target, cell, at, table)
    return {"coding": [found]} if found else None


def _integer(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, ___: str) -> int | None:
    assert cell is not None
    found = text(cell.value, 1)
    if not (found.isascii() and found.isdigit() and len(found) < 9 and int(found) > 0):
        return None
    mapping.use(cell, 1)
    return int(found)


def _boolean(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, ___: str) -> bool | None:
    assert cell is not None
    found = {"Y": True, "N": False}.get(text(cell.value, 1))
    if found is not None:
        mapping.use(cell, 1)
    return found


def _system(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, ___: str) -> str | None:
    """A coding system by its name in table 0396; HL7nnnn is a table of version 2 itself. A local one has no URI."""
    assert cell is not None
    name = text(cell.value, 1).upper()
    found = tables().systems.get(name)
    digits = re.fullmatch(r"HL7(\d{4})", name)
    if digits:
        found = f"http://terminology.hl7.org/CodeSystem/v2-{digits[1]}"
    if found:
        mapping.use(cell, 1)
    return found


def _authority(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, ___: str) -> str | None:
    assert cell is not None
    mapping.use(cell, 0)
    return authority(tuple(text((part,), 1) for part in cell.value)) or None


def _entity(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, ___: str) -> str | None:
    """The assigning authority of an EI: its components 2 to 4."""
    assert cell is not None
    for n in (2, 3, 4):
        mapping.use(cell, n)
    return authority(tuple(text(cell.value, n) for n in (2, 3, 4))) or None


def _sub_entity(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, ___: str) -> dict[str, Any]:
    """An EI that stands in a component."""
    assert cell is not None
    mapping.use(cell)
    system = authority(tuple(text(cell.value, n) for n in (2, 3, 4)))
    return {"value": text(cell.value, 1), **({"system": system} if system else {})}


def _oid(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, ___: str) -> str | None:
    assert cell is not None
    mapping.use(cell, 1)
    found = text(cell.value, 1)
    return f"urn:oid:{found}" if _OID.match(found) else found


def _authority_scheme(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, ___: str) -> str | None:
    assert cell is not None
    return "urn:ietf:rfc:3986" if _OID.match(text(cell.value, 1)) else None


def _licence(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, ___: str) -> str:
    """The system of a driver's licence number: its issuer (DLN-2)."""
    assert cell is not None
    mapping.use(cell, 2)
    return f"urn:hl7v2:PID-20:{quote(text(cell.value, 2), safe='')}"


def _endpoint(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, ___: str) -> str | None:
    assert cell is not None
    mapping.use(cell)
    return authority(tuple(text(cell.value, n) for n in (1, 2, 3))) or None


PRIMITIVES: dict[str, Primitive] = {
    "st": _plain,
    "uri": _plain,
    "dt": _date_time,
    "dtm": _date_time,
    "day": _day,
    "instant": _instant,
    "code": _code,
    "coded": _coded,
    "coded-concept": _coded_concept,
    "int": _integer,
    "bool": _boolean,
    "system": _system,
    "authority": _authority,
    "entity": _entity,
    "sub-entity": _sub_entity,
    "oid": _oid,
    "authority-scheme": _authority_scheme,
    "endpoint": _endpoint,
    "licence": _licence,
}
"""Every ``AS`` of a rule that is neither a data type, nor a constant, nor a resource."""
