"""What the attributes of an Apple Health export say: values in a unit, times, devices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from salus.errors import InputError
from salus.fhir.columns import micros, whole
from salus.fhir.quantity import Quantity, canonical_unit, convert

REMEMBERED = 1 << 14
"""Texts of values, and descriptions of devices, whose meaning is remembered: most come again and again."""
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?([eE][+-]?\d{1,2})?\Z", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\Z", re.ASCII)
_DEVICE = re.compile(r"(?:^|[,<>]\s*)(name|manufacturer|model|hardware):(.*?)(?=,\s*\w+:|>\Z|\Z)")
_FAR = timedelta(hours=14)


def measured(text: str, written: str, unit: str, factor: Decimal) -> tuple[int, int] | None:
    """A value times ``factor`` in ``unit`` as (number, exponent); None where its text or unit is not understood."""
    if not _NUMBER.match(text) or not written:
        return None
    value = Decimal(text)
    if unit == "%" and not 0 <= value <= 1:  # HealthKit's percent is a fraction; anything else is not understood
        return None
    try:
        return whole(convert(Quantity(value * factor, canonical_unit(written)), unit).value)
    except InputError:  # of the unit, too, or more places than anything measured has
        return None


class Clock:
    """Times as microseconds since 1970 and minutes of the zone; days, minutes of the day and zones are read once."""

    def __init__(self) -> None:
        self._days: dict[str, int] = {}
        self._minutes: dict[str, int] = {}
        self._zones: dict[str, tuple[int, int]] = {}

    def read(self, text: str) -> tuple[int | None, int]:
        """Instant and zone of a HealthKit time; (None, 0) for what is none."""
        try:
            away, zone = self._zones[text[19:]]
            return self._days[text[:10]] + self._minutes[text[10:16]] + _SECONDS[text[16:19]] - away, zone
        except KeyError:
            return self._learn(text)

    def _learn(self, text: str) -> tuple[int | None, int]:
        at = moment(text)
        if at is None:
            return None, 0
        offset = at.utcoffset() or timedelta()
        away, zone = offset // _MICROSECOND, offset // timedelta(minutes=1)
        clock = micros(at) + away
        time = clock % _DAY
        if len(self._days) >= REMEMBERED:
            self._days.clear()
        self._days[text[:10]] = clock - time
        self._minutes[text[10:16]] = time - _SECONDS[text[16:19]]
        self._zones[text[19:]] = away, zone
        return clock - away, zone


_SECONDS = {f":{second:02}": second * 1_000_000 for second in range(60)}
_MICROSECOND = timedelta(microseconds=1)
_DAY = 86_400_000_000


def moment(text: str) -> datetime | None:
    """A HealthKit time ("2024-05-01 07:10:00 +0200") with its offset; None where it is not one."""
    if not _TIME.match(text):
        return None
    try:
        found = datetime.fromisoformat(text[:19] + text[20:])
    except ValueError:
        return None
    return found if abs(found.utcoffset() or timedelta()) <= _FAR else None


def device_name(record: Mapping[str, str]) -> str:
    """The device as "name (manufacturer, model, hardware)", else the name of the source.

    The memory address and software version in Apple's description change from day to day and are left out, so that
    one device keeps one name.
    """
    parts = {key: value.strip() for key, value in _DEVICE.findall(record.get("device", "")) if value.strip()}
    about = ", ".join(parts[key] for key in ("manufacturer", "model", "hardware") if key in parts)
    name = parts.get("name") or record.get("sourceName", "")
    return f"{name} ({about})" if about and parts else name
