"""Whose data a text says it holds: labelled identifiers, birth date and sex in headers of notes, VCF and WFDB files."""

from __future__ import annotations

import re

from salus.errors import InputError
from salus.fhir import dates
from salus.intake.batch import Clues

_LABEL = r"(?:patient[ _]?id(?:entifier)?|patientid|mrn|medical record (?:number|no\.?)|nhs (?:number|no\.?))"
_IDENTIFIER = re.compile(rf"\b{_LABEL}\s*[:=#]\s*[\"']?([A-Za-z0-9][A-Za-z0-9\-./]{{1,40}})", re.I)
_BIRTH = re.compile(
    r"\b(?:dob|date of birth|birth ?date|born)\s*[:=]\s*[\"']?"
    r"(?:(\d{4})-(\d{2})-(\d{2})|(\d{1,2}) ([A-Z][a-z]{2})[a-z]* (\d{4}))",
    re.I,
)
_SEX = re.compile(r"\b(?:sex|gender)\s*[:=]\s*[\"']?(male|female|m|f)\b", re.I)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

SEXES = {"m": "male", "male": "male", "f": "female", "female": "female", "o": "other"}


def clues_in(text: str) -> Clues:
    """The labelled identifiers, birth date and sex in ``text`` (a header or the first lines of a note)."""
    birth = _BIRTH.search(text)
    sex = _SEX.search(text)
    identifiers = dict.fromkeys(("", value.rstrip("./-")) for value in _IDENTIFIER.findall(text))
    return Clues(
        identifiers=tuple(identifiers),
        birth_date=_date(birth) if birth else "",
        sex=SEXES[sex[1].lower()] if sex else "",
    )


def _date(match: re.Match[str]) -> str:
    if match[1]:
        text = f"{match[1]}-{match[2]}-{match[3]}"
    elif match[5].lower() in _MONTHS:
        text = f"{match[6]}-{_MONTHS.index(match[5].lower()) + 1:02d}-{int(match[4]):02d}"
    else:
        return ""
    try:
        dates.parse(text)
    except InputError:
        return ""
    return text
