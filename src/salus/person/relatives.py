"""What is recorded of relatives: who it is, how near in blood, which condition, and at what age it began."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from salus.fhir import quantity
from salus.fhir.views import Event, codings, dicts, text_of
from salus.findings.model import Finding
from salus.person import answer
from salus.person.answer import NotUnderstood, Statement, place
from salus.person.conditions import UNKNOWN, Entry, concepts_of, name_of
from salus.record.chart import Chart
from salus.terminology.words import fold

PREMATURE: Mapping[str, int] = {"male": 55, "female": 65}
"""Ages below which disease of heart or vessels in a relative of the first degree is premature (2018 AHA/ACC
cholesterol guideline, risk enhancers)."""
_DECADES = {name: 10 * tens for tens, name in enumerate(("twenties", "thirties", "forties", "fifties", "sixties",
                                                        "seventies", "eighties", "nineties"), 2)}  # fmt: skip
_DECADE = re.compile(
    rf"(?:in )?(?:(?:his|her|their|the) )?(early|mid|late)?[- ]?(?:(\d0)['’]?s|({'|'.join(_DECADES)}))"
)
_PARTS = {"early": (0, 4), "mid": (3, 6), "late": (5, 9)}
"""Years of a decade."""
_AGE = re.compile(
    r"(?:at |mit |a |à |con |op )?(?:age|aged)? ?(\d{1,3}) ?"
    r"(?:y|yr|yrs|yo|y/o|years?(?: old| of age)?|jahren?|ans?|años|anni|anos|jaar|j\.)?"
)
_BOUND = re.compile(
    r"(before|under|younger than|<|after|over|>)(?: the)?(?: age)?(?: of)? ?(\d{1,3}) ?(?:y|yrs?|years?(?: of age)?)?"
)
_NUMBER = re.compile(r"(?<![\d.,/])\d{2}(?![\d.,/]\d|\d|%| ?(?:mg|per))")
"""What may be an age among the words of a problem list."""
_YEARS = {
    "a": 1.0,
    "year": 1.0,
    "years": 1.0,
    "yr": 1.0,
    "yrs": 1.0,
    "y": 1.0,
    "mo": 1 / 12,
    "month": 1 / 12,
    "months": 1 / 12,
    "wk": 7 / 365.25,
    **dict.fromkeys(("jahre", "jahr", "ans", "an", "años", "anni", "anos", "jaar"), 1.0),
}


@dataclass(frozen=True, slots=True)
class Kin:
    """Who a relative is. ``degree`` is 1 to 3 by blood, 0 for no blood relative, None where it is not told."""

    role: str
    degree: int | None = None
    sex: str = ""
    side: str = ""


UNKNOWN_KIN = Kin("")
UNTOLD = "health-unknown"
"""FHIR's status of a family history of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Relative:
    """One condition of one relative. ``youngest`` and ``oldest`` are the ages at onset that the record leaves open."""

    kin: Kin
    concepts: frozenset[str]
    youngest: int | None
    oldest: int | None
    statement: Statement

    @property
    def premature(self) -> bool:
        """True for a relative of the first degree whose disease surely began before the age of :data:`PREMATURE`."""
        limit = PREMATURE.get(self.kin.sex, min(PREMATURE.values()))
        return self.kin.degree == 1 and limit is not None and self.oldest is not None and self.oldest < limit


@cache
def _table() -> tuple[Mapping[str, Kin], Mapping[str, Kin]]:
    """Relatives by code and by word."""
    table = tomllib.loads(files("salus.person").joinpath("relatives.toml").read_text("utf-8"))
    by_code: dict[str, Kin] = {}
    by_word: dict[str, Kin] = {}
    for role, entry in table.items():
        kin = Kin(role, entry["degree"], entry.get("sex", ""))
        for code in entry["codes"]:
            side = {"M": "maternal", "P": "paternal"}.get(code[0], "") if len(code) > 4 and code[1:] in _SIDED else ""
            by_code[code] = Kin(role, kin.degree, kin.sex, side)
        for word in entry["words"]:
            side = next((s for s, marks in _SIDES.items() if word.startswith(marks)), "")
            by_word[word] = Kin(role, kin.degree, kin.sex, side)
    return by_code, by_word


_SIDED = frozenset({"GRFTH", "GRMTH", "GRPRN", "UNCLE", "AUNT", "COUSN", "GGRFTH", "GGRMTH", "GGRPRN"})
_SIDES = {"maternal": ("maternal ", "mother's "), "paternal": ("paternal ", "father's ")}


def kin_of(relationship: Any, sex: Any = None) -> Kin:
    """Who a FamilyMemberHistory speaks of, by code, else by words; unknown where neither can be read."""
    by_code, by_word = _table()
    for code in codings(relationship):
        if code.code in by_code:
            return _sexed(by_code[code.code], sex)
    words = [text_of(relationship), *(c.display for c in codings(relationship))]
    for word in words:
        found = by_word.get(fold(word).replace("(person)", "").strip())
        if found:
            return _sexed(found, sex)
    return UNKNOWN_KIN


def called(relationship: Any) -> str:
    """The relative in words: "maternal uncle"; what stands there where it cannot be read; else "a relative"."""
    kin = kin_of(relationship)
    role = kin.role.replace("-", " ") if kin.degree else ""
    return f"{kin.side} {role}".strip() or text_of(relationship) or "a relative"


def _sexed(kin: Kin, sex: Any) -> Kin:
    """A "sibling" whose sex is recorded beside it has that sex."""
    code = next((c.code for c in codings(sex)), "")
    return kin if kin.sex or code not in ("male", "female") else Kin(kin.role, kin.degree, code, kin.side)


def relatives(chart: Chart, entries: Iterable[Entry], noted: Iterable[Finding]) -> tuple[Relative, ...]:
    """Every condition of a relative: from the family history first, then from the problem list, then from notes."""
    told = (event for event in chart.events("FamilyMemberHistory") if event.status != UNTOLD)
    found = [r for event in told for r in _of_event(chart, event)]
    found += [_of_words(entry) for entry in entries if entry.family]
    found += [_of_note(f) for f in noted if f.details.get("assertion") == "family"]
    return tuple(found)


def _of_words(entry: Entry) -> Relative:
    """What the words of a problem list say of a relative: "FH: MI (father, 50)". The one number that may be an age is
    that of the onset, or the relative's own: the disease began by then."""
    plain = fold(entry.words)
    named = {kin_of({"text": m[0]}) for m in _kin_words().finditer(plain)}
    ages = [int(m[0]) for m in _NUMBER.finditer(plain)]
    oldest = ages[0] if len(ages) == 1 else None
    kin = named.pop() if len(named) == 1 else UNKNOWN_KIN
    return Relative(kin, entry.meaning.concepts, None, oldest, entry.statement)


@cache
def _kin_words() -> re.Pattern[str]:
    words = sorted((w for w, kin in _table()[1].items() if kin.degree), key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b")


def not_understood(chart: Chart) -> tuple[NotUnderstood, ...]:
    """Conditions of relatives that could not be read, and relatives whose role could not."""
    found = []
    for event in chart.events("FamilyMemberHistory"):
        when, evidence = answer.text_of(event.period), (place(event.source, "condition", "family history"),)
        if event.status == UNTOLD and event.text:
            found.append(NotUnderstood("relative", event.text, "nobody could say whether it is so", when, evidence))
            continue
        for item in dicts(event.body.get("condition")):
            meaning = chart.terminology.diagnosis(codings(item.get("code")), text_of(item.get("code")))
            if not meaning.understood:
                name = name_of(text_of(item.get("code")), codings(item.get("code")))
                found.append(NotUnderstood("relative", name, UNKNOWN, when, evidence))
        relationship = event.body.get("relationship")
        if kin_of(relationship) == UNKNOWN_KIN and text_of(relationship).lower() not in (
            "",
            "family member",
            "fammemb",
        ):
            why = "which relative this is could not be read"
            found.append(NotUnderstood("relative", text_of(relationship), why, when, evidence))
    return tuple(found)


def _of_event(chart: Chart, event: Event) -> Iterator[Relative]:
    kin = kin_of(event.body.get("relationship"), event.body.get("sex"))
    who = called(event.body.get("relationship"))
    earliest, died = _ages_of(event.body, "deceased")
    for number, item in enumerate(dicts(event.body.get("condition"))):
        codes, text = codings(item.get("code")), text_of(item.get("code"))
        meaning = chart.terminology.diagnosis(codes, text)
        if not meaning.concepts or meaning.aspect in ("denied", "risk"):
            continue
        youngest, oldest = _ages_of(item, "onset")
        at = f", at {youngest} years" if youngest is not None and youngest == oldest else ""
        if died is not None and (oldest is None or died < oldest):
            oldest = died  # whatever it was, it began in life
            at = f", died {'at' if earliest == died else 'by'} {died} years"
        words = f"family history: {who}, {name_of(text, codes)}{at}"
        evidence = (place(event.source, f"condition[{number}].code", "family history"),)
        statement = Statement("present", words, answer.text_of(event.period), evidence)
        yield Relative(kin, meaning.concepts, youngest, oldest, statement)


def _ages_of(item: Mapping[str, Any], what: str) -> tuple[int | None, int | None]:
    """The youngest and oldest age in completed years that an "onset" or a death ("deceased") may have been at; None
    where that is not told."""
    age, bound = _years(item.get(f"{what}Age")), _comparator(item.get(f"{what}Age"))
    if age is not None:
        return {"<": (None, age - 1), "<=": (None, age), ">": (age + 1, None), ">=": (age, None)}.get(bound, (age, age))
    bounds = item.get(f"{what}Range")
    if isinstance(bounds, dict):
        return _years(bounds.get("low")), _years(bounds.get("high"))
    text = item.get(f"{what}String")
    return _ages(text.strip()) if isinstance(text, str) else (None, None)


def _years(element: Any) -> int | None:
    told = quantity.read(element)
    unit = told.unit.lower() if told is not None else ""
    if told is None or unit not in _YEARS:
        return None
    years = float(told.value) * _YEARS[unit]
    return int(years) if 0 <= years < 130 else None


def _comparator(element: Any) -> str:
    told = quantity.read(element)
    return (told.comparator or "") if told else ""


def _ages(text: str) -> tuple[int | None, int | None]:
    """ "45" or "age 45 years" is 45; "in his 40s" and "early forties" are 40 to 49; "before 50" is 49 at most."""
    words = text.strip().lower()
    match _AGE.fullmatch(words), _DECADE.fullmatch(words), _BOUND.fullmatch(words):
        case re.Match() as age, _, _:
            return int(age[1]), int(age[1])
        case _, re.Match() as decade, _:
            first = int(decade[2]) if decade[2] else _DECADES[decade[3]]
            low, high = _PARTS.get(decade[1] or "", (0, 9))
            return first + low, first + high
        case _, _, re.Match() as bound:
            limit = int(bound[2])
            return (None, limit - 1) if bound[1] in ("before", "under", "<", "younger than") else (limit, None)
    return None, None


def _of_note(finding: Finding) -> Relative:
    told = finding.details.get("kin")
    kin = UNKNOWN_KIN
    if isinstance(told, Mapping):
        degree = told.get("degree")
        kin = Kin(
            str(told.get("role", "")), int(degree) if degree is not None else None, str(told.get("sex", "")),
            str(told.get("side", "")),
        )  # fmt: skip
    youngest, oldest = _ages(str(finding.details.get("age_at_onset", "")))
    statement = Statement("present", finding.sentence, finding.effective[0], finding.evidence, finding.id)
    return Relative(kin, concepts_of(finding), youngest, oldest, statement)
