"""Values, units and dates as a reader sees them, and text made safe to show."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from salus.errors import InputError
from salus.fhir import dates
from salus.fhir.codes import Code
from salus.fhir.quantity import Quantity
from salus.findings.model import Finding, Interval

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

_UNITS = {
    "mm[Hg]": "mmHg",
    "mL/min/{1.73_m2}": "mL/min/1.73 m²",
    "mL/min/{1.73_m2}/a": "mL/min/1.73 m² a year",
    "/min": "per minute",
    "{score}": "points",
    "a": "years",
    "Cel": "°C",
    "[hnsf'U]": "HU",
    "kg/m2": "kg/m²",
    "1": "",
}
"""Typographic spellings of UCUM units; a unit that is not listed is shown as it is."""

_DEPARTMENTS = {
    "genomics": "Genome",
    "risk": "Risk and kidneys",
    "monitoring": "Measurements and signals",
    "imaging": "Images",
    "text": "Notes",
}

# What could disguise text: control characters, marks that reverse the direction of writing, halves of surrogate pairs.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def clean(text: str) -> str:
    """``text`` with every character that could disguise it, or that no file can hold, shown as U+FFFD."""
    return _UNSAFE.sub("\ufffd", text)


def unit_words(unit: str) -> str:
    """A UCUM unit as it is commonly printed."""
    return _UNITS.get(unit, unit)


def day(text: str) -> str:
    """A FHIR date or instant in words ("3 May 2026", with the time of day where it has one); other text unchanged."""
    try:
        dates.parse(text)
    except InputError:
        return text
    words = f"{MONTHS[int(text[5:7]) - 1]} {text[:4]}" if len(text) >= 7 else text[:4]
    if len(text) >= 10:
        words = f"{int(text[8:10])} {words}"
    return words


def moment(text: str) -> str:
    """As :func:`day`, with the time of day where the source gave one, in the source's own offset."""
    words = day(text)
    return f"{words}, {text[11:16]}" if words != text and "T" in text else words


def period(effective: tuple[str, str]) -> str:
    """A finding's time: one date, or from–to; "" when it has none."""
    first, last = (day(text) for text in effective)
    return first if first == last or not last else f"{first} – {last}"


def short_date(at: datetime) -> str:
    """A moment as "3 May 2026"."""
    return f"{at.day} {MONTHS[at.month - 1]} {at.year}"


def plain_number(value: float | Decimal) -> str:
    """A number without needless zeros: 60, 7.5."""
    text = f"{float(value):.4g}" if abs(float(value)) < 10_000 else f"{float(value):,.0f}"
    return text.replace("-", "−")


def value_words(value: Any) -> str:
    """A finding's value: number with unit, name, yes or no; "" when there is none."""
    if value is None:
        return ""
    if isinstance(value, Quantity):
        return f"{value.comparator or ''}{value.value} {unit_words(value.unit)}".strip()
    if isinstance(value, Code):
        return value.display or value.code
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def interval_words(finding: Finding) -> str:
    """The finding's interval with coverage and method; "" when it has none."""
    interval = finding.interval
    if interval is None:
        return ""
    unit = unit_words(finding.value.unit) if isinstance(finding.value, Quantity) else ""
    return f"{interval.low} to {interval.high} {unit}".strip() + f" ({coverage(interval)})"


def coverage(interval: Interval) -> str:
    """What an interval covers, and by which method."""
    if interval.level is None:
        return f"limits: {interval.method}"
    return f"{interval.level:.0%} interval: {interval.method}".replace("%", " %")


def probability_words(finding: Finding) -> str:
    """A calibrated probability in percent; "" when there is none."""
    if finding.probability is None:
        return ""
    return f"{(finding.probability * 100).normalize():f} %"


def department(method: str) -> str:
    """The heading under which a method's findings stand."""
    name = method.partition(".")[0]
    return _DEPARTMENTS.get(name, name.capitalize() or "Other")


def title_of(code: str) -> str:
    """A finding's code as a title: "lung-volume" becomes "Lung volume"."""
    words = code.replace("-", " ").strip()
    for short in ("egfr", "ecg", "ckd", "cvd", "ascvd", "bp", "hf"):
        words = re.sub(rf"\b{short}\b", {"egfr": "eGFR"}.get(short, short.upper()), words)
    words = re.sub(r"\b(cyp2c19|slco1b1|news2|prevent|laa950)\b", lambda m: m.group(1).upper(), words)
    return words[:1].upper() + words[1:] if not words.startswith("eGFR") else words


_ISO_DAY = re.compile(r"(?<![\w-])\d{4}-\d{2}-\d{2}(?![\w-])")


def prose(text: str) -> str:
    """A sentence of ours with its dates in words and square metres as they are printed."""
    words = _ISO_DAY.sub(lambda match: day(match.group()), text)
    return words.replace("1.73 m2", "1.73 m²")


def capital(text: str) -> str:
    """With a capital first letter, unless the first word has one of its own ("eGFR")."""
    first = text.partition(" ")[0]
    return text if any(c.isupper() for c in first) else text[:1].upper() + text[1:]
