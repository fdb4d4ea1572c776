"""Elements of FHIR that several fields of an HL7 v2 segment decide together: status, OBX values, attachments."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from salus.errors import InputError
from salus.formats.hl7v2 import Repetition, text
from salus.intake.hl7v2_state import Cell, Mapping
from salus.intake.hl7v2_tables import tables
from salus.intake.hl7v2_types import PRIMITIVES, date_time, number

UCUM = "http://unitsofmeasure.org"


def _message_type(mapping: Mapping, _: dict[str, Any], cell: Cell | None, __: int, ___: str) -> str:
    return "^".join(part for part in mapping.message.kind if part)


def _encounter_status(mapping: Mapping, _: dict[str, Any], cell: Cell | None, at: int, ___: str) -> str:
    """Cancelled or ended by the event or a discharge time; else by patient class."""
    event = mapping.message.kind[1]
    stated = tables().codes["Event[EncounterStatus]"].get(event)
    segment = mapping.message.segments[at]
    if stated and stated[0] in ("cancelled", "finished"):
        return stated[0]
    if segment.text(45) and event != "A13":  # A13 takes the discharge back
        return "finished"
    if event == "A05":
        return "planned"
    by_class = tables().codes["PatientClass[EncounterStatus]"].get(segment.text(2))
    return by_class[0] if by_class else "unknown"


def _observation_status(mapping: Mapping, _: dict[str, Any], cell: Cell | None, at: int, ___: str) -> str:
    return _status(mapping, at, 11, "ObservationResultStatusCodesInterpretation")


def _report_status(mapping: Mapping, _: dict[str, Any], cell: Cell | None, at: int, ___: str) -> str:
    return _status(mapping, at, 25, "ResultStatus[Non-Queries]")


def _status(mapping: Mapping, at: int, number: int, table: str) -> str:
    found = tables().codes[table].get(mapping.message.segments[at].text(number))
    if found:
        mapping.used.add((at, number, 0, 0))
    return found[0] if found else "unknown"


def _diagnosis_status(mapping: Mapping, _: dict[str, Any], cell: Cell | None, at: int, ___: str) -> str | None:
    """Table 0052: an admitting or working diagnosis is provisional; DG1-21 "D" takes the entry back."""
    segment = mapping.message.segments[at]
    mapping.used.update({(at, 6, 0, 0), (at, 21, 0, 0)})
    if segment.text(21) == "D":
        return "entered-in-error"
    return {"A": "provisional", "W": "provisional", "F": "confirmed"}.get(segment.text(6), "unconfirmed")


def _iam_status(mapping: Mapping, _: dict[str, Any], cell: Cell | None, at: int, ___: str) -> str | None:
    """Table 0438: an erroneous, inactive or ruled-out allergy is not active."""
    stated = mapping.message.segments[at].text(17)
    return {"I": "inactive", "E": None, "D": None}.get(stated, "active")


def _iam_verification(mapping: Mapping, _: dict[str, Any], cell: Cell | None, at: int, ___: str) -> str | None:
    stated = mapping.message.segments[at].text(17)
    mapping.used.add((at, 17, 0, 0))
    return {"C": "confirmed", "E": "entered-in-error", "D": "refuted", "P": "unconfirmed", "S": "unconfirmed",
            "U": "unconfirmed"}.get(stated)  # fmt: skip


def _unit(mapping: Mapping, target: dict[str, Any], cell: Cell | None, __: int, ___: str) -> None:
    """OBX-6, added to the quantities that OBX-5 gave. A unit is UCUM's where the message says so."""
    assert cell is not None
    code, words, system = (text(cell.value, n) for n in (1, 2, 3))
    for quantity in _quantities(target):
        quantity["unit"] = words or code
        if system.upper() in ("UCUM", ""):
            quantity["unit"] = code
        if system.upper() == "UCUM":
            quantity.update({"system": UCUM, "code": code})
        for n in (1, 2, 3):
            mapping.use(cell, n)


def _quantities(target: dict[str, Any]) -> list[dict[str, Any]]:
    holders = [target, *target.get("component", ())]
    found = [h["valueQuantity"] for h in holders if "valueQuantity" in h]
    for h in holders:
        found += list(h.get("valueRange", {}).values())
    return found


def _value(mapping: Mapping, target: dict[str, Any], cell: Cell | None, at: int, ___: str) -> None:
    """OBX-5 as value[x] by the type of OBX-2; several repetitions of other than text become components."""
    assert cell is not None
    segment = mapping.message.segments[at]
    kind = segment.text(2)
    every = [r for r in segment[5] if r]
    found = _value_of(kind, cell.value, mapping)
    if found is None:
        return
    mapping.use(cell)
    key, value = found
    if kind in ("TX", "FT", "ST", "") and key == "valueString":
        earlier = target.get("valueString")
        target["valueString"] = f"{earlier}\n{value}" if earlier and value not in earlier.split("\n") else value
    elif len(every) > 1:
        component = {"code": target.get("code", {}), key: value}
        if component not in target.setdefault("component", []):
            target["component"].append(component)
    else:
        target[key] = value


def _value_of(kind: str, value: Repetition, mapping: Mapping) -> tuple[str, Any] | None:
    first = text(value, 1)
    if kind == "NM":
        found = number(first)
        return ("valueQuantity", {"value": found}) if found is not None else ("valueString", first) if first else None
    if kind == "SN":
        return _structured(value)
    if kind in ("CE", "CWE", "CNE", "CF", "IS", "ID"):
        concept = mapping.build(mapping, "CWE", Cell(-1, 0, 0, value), 0)
        return ("valueCodeableConcept", concept) if concept else None
    if kind in ("DT", "DTM", "TS"):
        try:
            return "valueDateTime", date_time(first, mapping.zone)[0]
        except InputError:
            return ("valueString", first) if first else None
    if kind in ("ED", "RP"):
        return None
    joined = " ".join(part for component in value for part in component if part)
    return ("valueString", joined) if joined else None


def _structured(value: Repetition) -> tuple[str, Any] | None:
    """SN: comparator, number, separator, number."""
    comparator, one, sign, two = (text(value, n) for n in (1, 2, 3, 4))
    low, high = number(one), number(two)
    words = "".join((comparator, one, sign, two))
    if low is not None and high is not None and sign == "-" and not comparator:
        return "valueRange", {"low": {"value": low}, "high": {"value": high}}
    if low is not None and high is not None and sign in (":", "/") and not comparator:
        return "valueRatio", {"numerator": {"value": low}, "denominator": {"value": high}}
    if low is not None and not sign and not two and comparator in ("", "=", "<", ">", "<=", ">="):
        return "valueQuantity", {"value": low, **({"comparator": comparator} if comparator not in ("", "=") else {})}
    return ("valueString", words) if words else None


def _attachment(mapping: Mapping, _: dict[str, Any], cell: Cell | None, at: int, ___: str) -> dict[str, Any] | None:
    """ED with Base64 content. A pointer (RP) is not followed: it is kept as a title."""
    assert cell is not None
    kind = "/".join(part.lower() for part in (text(cell.value, 2), text(cell.value, 3)) if part)
    if mapping.message.segments[at].text(2) == "RP":
        mapping.use(cell, 1)
        return {"title": text(cell.value, 1)} if text(cell.value, 1) else None
    try:
        data = base64.b64decode(text(cell.value, 5), validate=True)
    except (binascii.Error, ValueError):
        return None
    if text(cell.value, 4).lower() != "base64" or not data:
        return None
    mapping.use(cell)
    return {"contentType": kind if "/" in kind else "application/octet-stream", "data": text(cell.value, 5)}


def _lines(mapping: Mapping, _: dict[str, Any], cell: Cell | None, at: int, ___: str) -> str | None:
    """All repetitions of the field as lines of one text, given once, for the first."""
    assert cell is not None
    mapping.use(cell)
    repetitions = mapping.message.segments[at][cell.field]
    found = [text(r, 1) for r in repetitions if text(r, 1)]
    return "\n".join(found) if found and text(repetitions[cell.repetition], 1) == found[0] else None


PRIMITIVES.update(
    {
        "message-type": _message_type,
        "encounter-status": _encounter_status,
        "observation-status": _observation_status,
        "report-status": _report_status,
        "diagnosis-status": _diagnosis_status,
        "iam-status": _iam_status,
        "iam-verification": _iam_verification,
        "unit": _unit,
        "value": _value,
        "attachment": _attachment,
        "lines": _lines,
    }
)
