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

PREMATURE: Mapping[str, int] = {"male": 55, "female": 65}
"""Ages below which disease of heart or vessels in a relative of the first degree is premature (2018 AHA/ACC
cholesterol guideline, risk enhancers)."""
_DECADE = re.compile(r"(\d{1,2}0)s\Z")
_AGE = re.compile(r"(\d{1,3})\Z")
_YEARS = {"a": 1.0, "year": 1.0, "years": 1.0, "mo": 1 / 12, "month": 1 / 12, "months": 1 / 12, "wk": 7 / 365.25}


@dataclass(frozen=True, slots=True)
class Kin:
    """Who a relative is. ``degree`` is 1 to 3 by blood, 0 for no blood relative, None where it is not told."""

    role: str
    degree: int | None = None
    sex: str = ""
    side: str = ""


UNKNOWN_KIN = Kin("")


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
        limit = PREMATURE.get(self.kin.sex)
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
        found = by_word.get(" ".join(word.lower().replace("(person)", "").replace("’", "'").split()))
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
    found = [r for event in chart.events("FamilyMemberHistory") for r in _of_event(chart, event)]
    found += [Relative(UNKNOWN_KIN, e.meaning.concepts, None, None, e.statement) for e in entries if e.family]
    found += [_of_note(f) for f in noted if f.details.get("assertion") == "family"]
    return tuple(found)


def not_understood(chart: Chart) -> tuple[NotUnderstood, ...]:
    """Conditions of relatives that could not be read, and relatives whose role could not."""
    found = []
    for event in chart.events("FamilyMemberHistory"):
        when, evidence = answer.text_of(event.period), (place(event.source, "condition", "family history"),)
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
    for number, item in enumerate(dicts(event.body.get("condition"))):
        codes, text = codings(item.get("code")), text_of(item.get("code"))
        meaning = chart.terminology.diagnosis(codes, text)
        if not meaning.concepts or meaning.aspect == "denied":
            continue
        youngest, oldest = _onset(item)
        at = f", at {youngest} years" if youngest is not None and youngest == oldest else ""
        words = f"family history: {who}, {name_of(text, codes)}{at}"
        evidence = (place(event.source, f"condition[{number}].code", "family history"),)
        statement = Statement("present", words, answer.text_of(event.period), evidence)
        yield Relative(kin, meaning.concepts, youngest, oldest, statement)


def _onset(item: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The youngest and oldest age in completed years at which it may have begun; None where that is not told."""
    age = _years(item.get("onsetAge"))
    if age is not None:
        return age, age
    bounds = item.get("onsetRange")
    if isinstance(bounds, dict):
        return _years(bounds.get("low")), _years(bounds.get("high"))
    text = item.get("onsetString")
    return _ages(text.strip()) if isinstance(text, str) else (None, None)


def _years(element: Any) -> int | None:
    told = quantity.read(element)
    if told is None or told.comparator or told.unit not in _YEARS or not 0 <= told.value < 150:
        return None
    return int(float(told.value) * _YEARS[told.unit])


def _ages(text: str) -> tuple[int | None, int | None]:
    """ "45" is 45; "40s" is 40 to 49."""
    decade, age = _DECADE.match(text), _AGE.match(text)
    if decade:
        return int(decade[1]), int(decade[1]) + 9
    return (int(age[1]), int(age[1])) if age else (None, None)


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
