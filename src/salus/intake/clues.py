"""Whose data a text says it holds: labelled identifiers, birth date and sex in headers of notes, VCF and WFDB files."""

from __future__ import annotations

import re

from salus.errors import InputError
from salus.fhir import dates
from salus.intake.batch import Clues

_LABEL = r"(?:patient[ _]?id(?:entifier)?|patientid|mrn|medical record (?:number|no\.?)|nhs (?:number|no\.?))"
_VALUE = r"[\"']?([A-Za-z0-9][A-Za-z0-9\-./]{1,40})"
_IDENTIFIER = re.compile(rf"\b{_LABEL}(?:\s*[:=#]\s*|\s+(?=[A-Za-z\-./]{{0,10}}\d)){_VALUE}", re.I)
_BIRTH = re.compile(
    r"\b(?:dob|d\.o\.b\.|date of birth|birth ?date|born)\s*[:=]?\s*[\"']?"
    r"(?:(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"
    r"|(?P<d2>\d{1,2})\.? (?P<month2>[a-z]{3})[a-z]*,? (?P<y2>\d{4})"
    r"|(?P<month3>[a-z]{3})[a-z]*\.? (?P<d3>\d{1,2}),? (?P<y3>\d{4})"
    r"|(?P<one>\d{1,2})(?P<sign>[-/.])(?P<two>\d{1,2})(?P=sign)(?P<y4>\d{4}))",
    re.I,
)
_SEX = re.compile(r"\b(?:sex|gender)\s*[:=]\s*[\"']?(male|female|m|f)\b", re.I)
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}

SEXES = {"m": "male", "male": "male", "f": "female", "female": "female", "o": "other"}


def clues_in(text: str) -> Clues:
    """The labelled identifiers, birth date and sex in ``text`` (a header or the first lines of a note).

    A birth date that can be read in two ways (03/04/1968) is left out: it must not contradict by a guess.
    """
    birth = _BIRTH.search(text)
    sex = _SEX.search(text)
    identifiers = dict.fromkeys(("", value.rstrip("./-")) for value in _IDENTIFIER.findall(text))
    return Clues(
        identifiers=tuple(identifiers),
        birth_date=_date(birth) if birth else "",
        sex=SEXES[sex[1].lower()] if sex else "",
    )


def _date(match: re.Match[str]) -> str:
    year = match["y"] or match["y2"] or match["y3"] or match["y4"]
    name = (match["month2"] or match["month3"] or "").lower()
    if match["y"]:
        month, day = int(match["m"]), int(match["d"])
    elif name:
        month, day = _MONTHS.get(name, 0), int(match["d2"] or match["d3"])
    else:
        one, two = int(match["one"]), int(match["two"])
        if max(one, two) <= 12 and one != two:
            return ""
        month, day = min(one, two), max(one, two)
    text = f"{year}-{month:02d}-{day:02d}"
    try:
        dates.parse(text)
    except InputError:
        return ""
    return text
