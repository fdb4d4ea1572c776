"""When something happened, as far as an entry tells: a date of recording is not the date of an event."""

from __future__ import annotations

import re

from salus.fhir import quantity
from salus.fhir.views import Condition, Patient
from salus.person.answer import text_of

_YEAR = re.compile(r"\b(19[2-9]\d|20\d\d)\b")
_DAY = re.compile(r"\b(\d{4}-\d\d(?:-\d\d)?)\b")


def happened(condition: Condition, patient: Patient, *, past: bool) -> str:
    """The date of the event that ``condition`` speaks of; "" where it is not told.

    Its onset, as a date, as an age or as words, else the year that its own words name. The date of recording counts
    only where the code says that it is there now and nothing else dates it; ``past``: the code speaks of the past.
    """
    told = text_of(condition.onset) or _at_age(condition, patient) or _named(condition.body.get("onsetString"))
    told = told or _named(condition.text)
    if told or past or condition.body.get("onsetAge") or condition.body.get("onsetString"):
        return told
    return text_of(condition.recorded)


def _named(words: object) -> str:
    """A day, a month or a year in words; "" where there is none or more than one."""
    if not isinstance(words, str):
        return ""
    found = set(_DAY.findall(words)) or set(_YEAR.findall(words))
    return found.pop() if len(found) == 1 else ""


def _at_age(condition: Condition, patient: Patient) -> str:
    """The later of the two years in which a person can have been of an age."""
    told = quantity.read(condition.body.get("onsetAge"))
    if told is None or told.comparator or told.unit not in ("a", "year", "years", "yr") or patient.birth is None:
        return ""
    return f"{patient.birth.start.year + int(told.value) + 1:04}" if 0 <= told.value < 130 else ""
