"""The Timing of a FHIR Dosage: codes, repeat, times of day and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from salus.errors import UnitError
from salus.fhir.quantity import exact
from salus.terminology import dose_text, dose_time
from salus.terminology.dose_lexer import Unreadable
from salus.terminology.dose_model import DAYS_A_MONTH, Span
from salus.terminology.dose_time import DAYS, Said

_UNITS = {
    "s": Fraction(1, 86400), "min": Fraction(1, 1440), "h": Fraction(1, 24), "d": Fraction(1), "wk": Fraction(7),
    "mo": DAYS_A_MONTH, "a": Fraction(1461, 4),
}  # fmt: skip
_CODES: Mapping[str, tuple[int, Fraction]] = {
    "BID": (2, Fraction(1)), "TID": (3, Fraction(1)), "QID": (4, Fraction(1)), "QD": (1, Fraction(1)),
    "AM": (1, Fraction(1)), "PM": (1, Fraction(1)), "BED": (1, Fraction(1)), "QOD": (1, Fraction(2)),
    "WK": (1, Fraction(7)), "MO": (1, DAYS_A_MONTH),
    **{f"Q{hours}H": (1, Fraction(hours, 24)) for hours in (1, 2, 3, 4, 6, 8, 12, 24)},
}  # fmt: skip
"""HL7 GTSAbbreviation and the TimingAbbreviation of FHIR: administrations in a number of days."""
_WHEN = {
    "MORN": "morning", "MORN.early": "morning", "MORN.late": "late morning", "NOON": "noon", "AFT": "afternoon",
    "AFT.early": "afternoon", "AFT.late": "late afternoon", "EVE": "evening", "EVE.early": "evening",
    "EVE.late": "late evening", "NIGHT": "night", "PHS": "night after sleep", "HS": "night", "WAKE": "waking",
    "CM": "morning", "CD": "noon", "CV": "evening", "ACM": "morning", "ACD": "noon", "ACV": "evening",
    "PCM": "morning", "PCD": "noon", "PCV": "evening",
}  # fmt: skip
_MEALS = ("C", "AC", "PC")
_REPEAT = {
    "boundsDuration", "boundsRange", "boundsPeriod", "bounds", "boundsQuantity", "count", "countMax", "duration",
    "durationMax", "durationUnit", "durationUnits", "frequency", "frequencyMax", "period", "periodMax", "periodUnit",
    "periodUnits", "dayOfWeek", "timeOfDay", "when", "offset", "id",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Timing:
    """How often and how long. ``numbers`` are those that the element holds.

    ``either``: once a day at several times of the day is one of two; the words must say which.
    """

    per_day: Span | None = None
    slots: frozenset[str] = frozenset()
    duration: Fraction | None = None
    start: str = ""
    end: str = ""
    numbers: frozenset[Fraction] = frozenset()
    either: frozenset[Fraction] = frozenset()


def read_timing(element: Any) -> Timing:
    """A Timing element; nothing in it where there is none. Raises :class:`Unreadable` for what is not understood."""
    if element is None:
        return Timing()
    if not isinstance(element, Mapping) or element.get("modifierExtension"):
        raise Unreadable("its timing is not known")
    repeat = element.get("repeat")
    if repeat is not None and not isinstance(repeat, Mapping):
        raise Unreadable("its timing is malformed")
    timing = _repeat(repeat or {})
    coded = _coded(element.get("code"), known=timing.per_day is not None)
    if coded is not None and timing.per_day is not None and coded != timing.per_day:
        raise Unreadable("its timing says two frequencies")
    per_day = timing.per_day or coded
    if per_day is None and element.get("event"):
        raise Unreadable("it is given on single dates")
    return replace(timing, per_day=per_day)


def _coded(element: Any, known: bool) -> Span | None:
    """The frequency of Timing.code; ``known``: the repeat says one too, so that a local name may stay unread."""
    if not isinstance(element, Mapping):
        return None
    codings = element.get("coding")
    names = [str(c.get(k)) for c in codings or () if isinstance(c, Mapping) for k in ("code", "display") if c.get(k)]
    names += [str(element["text"])] if element.get("text") else []
    found = []
    for name in names:
        if name.upper() in _CODES:
            n, days = _CODES[name.upper()]
            found.append(Span.of(n / days))
        else:
            said = dose_text.frequency(name)
            found += [said] if said is not None else []
    if any(span != found[0] for span in found):
        raise Unreadable("its timing says two frequencies")
    if not found and names and not known:
        raise Unreadable("its timing is not known")
    return found[0] if found else None


def _repeat(repeat: Mapping[str, Any]) -> Timing:
    unknown = {key for key in repeat if key not in _REPEAT and not str(key).startswith(("_", "extension"))}
    if unknown:
        raise Unreadable("its timing is not known")
    said = Said()
    numbers = {name: _number(repeat, name) for name in ("frequency", "frequencyMax", "period", "periodMax", "count")}
    if numbers["count"] == 1:
        raise Unreadable("it is one dose in all")
    period = _period(repeat, numbers)
    if period is not None:
        low = Fraction(1) if numbers["frequency"] is None else numbers["frequency"]
        times = Span(low, low if numbers["frequencyMax"] is None else numbers["frequencyMax"])
        if times.low <= 0 or times.high < times.low:
            raise Unreadable("its frequency is malformed")
        days = period.low if period.exact else Fraction(0)
        said.rates.append((times.over(period), numbers["frequency"] is not None, days))
    elif numbers["frequency"] is not None and not (repeat.get("when") or repeat.get("timeOfDay")):
        raise Unreadable("it says how many times but not in what period")
    _slots(said, repeat)
    either: frozenset[Fraction] = frozenset()
    if len(said.slots) > 1 and numbers["frequency"] == 1 and period == Span.of(1) and not said.days:
        either = frozenset((Fraction(1), Fraction(len(said.slots))))
        said.rates.clear()
    timed = dose_time.timed(said)
    if period is None and numbers["frequency"] is not None and timed.per_day != Span.of(numbers["frequency"]):
        raise Unreadable("it says how many times but not in what period")
    start, end = _dates(repeat)
    duration = _duration(repeat)
    if duration is None and numbers["count"] and timed.per_day and timed.per_day.exact and not (start or end):
        duration = numbers["count"] / timed.per_day.low
    held = frozenset(n for n in numbers.values() if n is not None)
    return Timing(None if either else timed.per_day, timed.slots, duration, start, end, held, either)


def _period(repeat: Mapping[str, Any], numbers: Mapping[str, Fraction | None]) -> Span | None:
    unit = repeat.get("periodUnit", repeat.get("periodUnits"))
    low = numbers["period"]
    if low is None:
        if unit is not None or numbers["periodMax"] is not None:
            raise Unreadable("its period is malformed")
        return None
    if unit not in _UNITS:
        raise Unreadable("its period has no unit")
    high = low if numbers["periodMax"] is None else numbers["periodMax"]
    if low <= 0 or high < low:
        raise Unreadable("its period is malformed")
    return Span(low, high) * _UNITS[unit]


def _slots(said: Said, repeat: Mapping[str, Any]) -> None:
    for code in _strings(repeat.get("when")):
        if code in _MEALS:
            if not said.rates:
                raise Unreadable("it says at meals but not at how many")
            continue
        if code not in _WHEN:
            raise Unreadable("its time of day is not known")
        if _WHEN[code] not in said.slots:
            said.slots.append(_WHEN[code])
    times = _strings(repeat.get("timeOfDay"))
    if times and said.slots:
        raise Unreadable("its times of day are said twice")
    said.slots.extend(dict.fromkeys(times))
    for day in _strings(repeat.get("dayOfWeek")):
        if day not in DAYS:
            raise Unreadable("its day of the week is not known")
        if day not in said.days:
            said.days.append(day)


def _strings(element: Any) -> list[str]:
    if element is None:
        return []
    found = element if isinstance(element, list) else [element]
    if not all(isinstance(item, str) for item in found):
        raise Unreadable("its timing is malformed")
    return found


def _number(repeat: Mapping[str, Any], name: str) -> Fraction | None:
    value = repeat.get(name)
    if value is None:
        return None
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Unreadable("a number in its timing is malformed")
    try:
        return exact(Decimal(value))
    except UnitError:
        raise Unreadable("a number in its timing is malformed") from None


def _dates(repeat: Mapping[str, Any]) -> tuple[str, str]:
    period = repeat.get("boundsPeriod")
    if not isinstance(period, Mapping):
        return "", ""
    return tuple(str(period[key]) if isinstance(period.get(key), str) else "" for key in ("start", "end"))  # type: ignore[return-value]


def _duration(repeat: Mapping[str, Any]) -> Fraction | None:
    """The days that it is taken for."""
    bounds = repeat.get("boundsDuration", repeat.get("boundsQuantity"))
    if not isinstance(bounds, Mapping):
        return None
    number = _number(bounds, "value")
    unit = bounds.get("code") or bounds.get("unit")
    return number * _UNITS[unit] if number is not None and unit in _UNITS else None
