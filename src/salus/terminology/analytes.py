"""What an observation measures: exact LOINC or SNOMED CT code, or else its whole name.

A name is looked up as it stands and without the words of specimen and method that change nothing ("Serum creatinine
level"). Words of another specimen or of a ratio are never taken away: "creatinine, urine" is not read as creatinine.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files

from salus.errors import UnitError
from salus.fhir.codes import Code
from salus.terminology import codes as registry
from salus.terminology import units
from salus.terminology.meaning import Measure
from salus.terminology.systems import system_of
from salus.terminology.tables import Tables
from salus.terminology.words import fold, squash

__all__ = ["Analytes"]

_TAG = re.compile(
    r" ?\((?:observable entity|procedure|finding|measurement|waarneembare entiteit|calculated|direct|blood|serum|"
    r"plasma)\)"
)
_SPECIMEN = re.compile(
    r"^(?:serum|plasma|blood|venous blood|arterial blood|capillary blood|s|p|b|fs|p/s|s/p|ser/plas|measured|"
    r"observed)[ ,:/-]+(?=[a-z0-9])|"
    r"[ ,:-]+(?:in |im )?(?:the )?(?:serum|plasma|blood|blut|serum or plasma|serum/plasma|serum, plasma or blood|"
    r"ser/plas|venous blood|arterial blood|capillary blood|level|levels|concentration|measurement|result|value|test)$|"
    r" \[[^\]]*\](?= in (?:serum|plasma|blood)| ?$)"
)
_ELSEWHERE = re.compile(
    r"\b(?:urine|stool|saliva|sputum|cerebral|spinal|csf|body fluid|pleural|peritoneal|synovial|respiratory|presence|"
    r"percentile|morphology|sediment|microscop|entitic volume|specimen|donor|cord blood|amniotic|dialysis|gastric)\b"
)
"""Words of another specimen or property than the measurements of the tables have."""
_SHORT = 2
"""Letters of a name that counts only with a unit of its measurement: "K", "Na", "Mg", "Ca"."""

_CONCENTRATIONS = {"mass-concentration", "substance-concentration"}


class Analytes:
    """Reads the codes of observations by the tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def read(self, codes: Sequence[Code], text: str, unit: str | None) -> Measure:
        """The meaning of one element: its codings, or else its words."""
        found: set[str] = set()
        used: list[Code] = []
        unread: list[Code] = []
        for code in codes:
            concepts = self.coding(code)
            found |= concepts
            if code.code.strip():
                (used if concepts else unread).append(code)
        if found:
            return Measure(registry.with_broader(found), "code", tuple(used), tuple(unread))
        other = tuple(code for code in codes if self._known_other(code))
        if other:
            return Measure(basis="outside", used=other, unread=tuple(code for code in unread if code not in other))
        phrases = tuple(dict.fromkeys(p for p in (text, *(c.display for c in codes)) if p.strip()))
        named = {concept for phrase in phrases for concept in self._named(phrase, unit)}
        if len(named) == 1 and not self._other_loinc(codes):
            return Measure(registry.with_broader(named), "text", (), tuple(unread))
        mistyped = any(system_of(code.system) == "loinc" and not _is_loinc(code) for code in unread)
        if not named and not mistyped and phrases and all(_of_another_thing(fold(phrase), unit) for phrase in phrases):
            return Measure(basis="outside", unread=tuple(unread))
        if any(map(_is_loinc, unread)) and phrases and all(map(self._other, phrases)):
            return Measure(basis="outside", unread=tuple(unread))
        return Measure(basis="unknown" if unread or phrases else "empty", unread=tuple(unread))

    def _other(self, phrase: str) -> bool:
        """Whether the known words of a LOINC name say that it is none of the measurements in the tables."""
        name = fold(phrase)
        words = set(re.findall(r"[^\W\d_]{2,}", name))
        known = self._tables.words(words)
        if not words or not words <= known.keys():
            return False
        return bool(_ELSEWHERE.search(name)) or not any(telling & 2 for telling in known.values())

    def coding(self, code: Code) -> frozenset[str]:
        """The concepts of one coding; empty where no table knows it."""
        system = system_of(code.system)
        exact = self._tables.code("m", system, code.code) if system else None
        own = registry.names((Code(registry.SYSTEMS.get(system, code.system), code.code.strip()),))
        return frozenset(exact[0] if exact else ()) | own

    def _known_other(self, code: Code) -> bool:
        """Whether the tables know a code as that of something else ("creatinine in urine")."""
        system = system_of(code.system)
        return bool(system) and self._tables.code("m", system, code.code) == ((), "")

    def _other_loinc(self, codes: Sequence[Code]) -> bool:
        """Whether a LOINC code says exactly what was measured, and the tables do not know it: its display is then a
        shortened name of something else as often as of the analyte."""
        return any(system_of(code.system) == "loinc" and code.code.strip() for code in codes)

    def _named(self, phrase: str, unit: str | None) -> tuple[str, ...]:
        for name in _forms(fold(phrase)):
            concept = self._tables.name("m", name)
            if concept and _fits(name, concept, unit):
                return (concept,)
        return ()


@cache
def _others() -> Mapping[str, re.Pattern[str]]:
    table = tomllib.loads(files("salus.terminology").joinpath("data", "measure_words.toml").read_text("utf-8"))
    return {name: re.compile(entry["match"]) for name, entry in table.items()}


def _of_another_thing(name: str, unit: str | None) -> bool:
    """Whether a folded name says that it is of another specimen, place or substance, or a goal and no result."""
    rules = _others()
    if unit == "%" and rules["share"].search(f"{name} %"):
        return True
    if any(rules[kind].search(name) for kind in ("goal", "place", "substance", "share")):
        return True
    return rules["specimen"].search(name) is not None and rules["perhaps"].search(name) is None


def _is_loinc(code: Code) -> bool:
    """Whether a code has the form and the check digit of a LOINC code."""
    found = re.fullmatch(r"(\d{1,7})-(\d)", code.code.strip())
    if system_of(code.system) != "loinc" or not found:
        return False
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(found[1]))]
    return (10 - sum(value // 10 + value % 10 for value in doubled) % 10) % 10 == int(found[2])


def _forms(name: str) -> Iterator[str]:
    """A name as it stands, and without what may be taken away, step by step."""
    yield name
    for _ in range(4):
        shorter = squash(_SPECIMEN.sub("", _TAG.sub("", name), count=1)).strip(" ,:-")
        if shorter == name or not shorter:
            return
        name = shorter
        yield name


def _fits(name: str, concept: str, unit: str | None) -> bool:
    """Whether a value in this unit can be this measurement. A name of one or two letters counts only with its unit.

    A concentration that the measurement is not given in ("urea" in mg/dL may be its nitrogen) leaves the name standing:
    what was measured is known, its value is not.
    """
    if not unit:
        return len(re.sub(r"[^a-z]", "", name)) > _SHORT
    if not units.known(concept):
        return True
    try:
        if units.compatible(unit, concept):
            return True
        own = units.dimension(units.canonical_unit_of(concept))
    except UnitError:
        return len(re.sub(r"[^a-z]", "", name)) > _SHORT
    written = units.dimension(unit)
    return len(re.sub(r"[^a-z]", "", name)) > _SHORT and {own, written} <= _CONCENTRATIONS
