"""What a medicine is: from its codes or words to ingredients, classes, daily dose and statin intensity.

Tables: ``drugs.json`` (RxNorm codes, made by tools/make_drug_table.py) and ``drug_classes.toml``. A medicine that is in
neither is known by its words only and belongs to no class; nothing is guessed.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from salus.fhir.codes import SYSTEMS, Code

Intensity = Literal["high", "moderate", "low"]

_LOCAL = re.compile(
    r"\b(?:gel|cream|ointment|lotion|patch|topical|ophthalmic|otic|nasal|eye drops?|ear drops?|transdermal|shampoo)\b",
    re.IGNORECASE,
)
_STRENGTH = re.compile(r"(?<![\d./])(\d{1,4}(?:\.\d{1,3})?) ?(mg|mcg|µg|g)\b(?! ?/)", re.IGNORECASE)
_UNITS = {"mg": Decimal(1), "mcg": Decimal("0.001"), "µg": Decimal("0.001"), "g": Decimal(1000)}
_TIMES = (
    (re.compile(r"\b(?:twice|two times|2 times|bid|b\.i\.d\.|every 12 h)", re.IGNORECASE), 2),
    (re.compile(r"\b(?:three times|thrice|3 times|tid|t\.i\.d\.|every 8 h)", re.IGNORECASE), 3),
    (re.compile(r"\b(?:four times|4 times|qid|q\.i\.d\.|every 6 h)", re.IGNORECASE), 4),
    (
        re.compile(
            r"\b(?:once|daily|a day|per day|every day|each day|in the (?:morning|evening)|at night|at bedtime|"
            r"every (?:morning|evening|night)|od|qd|nightly|every 24 h)",
            re.IGNORECASE,
        ),
        1,
    ),
)
_AS_NEEDED = re.compile(r"\b(?:as needed|as required|prn|p\.r\.n\.|sometimes|if needed|when needed)\b", re.IGNORECASE)
_TABLETS = re.compile(r"\b(?:(\d)|one|two|three) (?:tablet|capsule|pill)s?\b", re.IGNORECASE)
_WORDS = {"one": 1, "two": 2, "three": 3}


@dataclass(frozen=True, slots=True)
class Drug:
    """A medicine. ``ingredients`` are RxNorm names, sorted; ``strength`` is mg in one tablet or capsule where known."""

    ingredients: tuple[str, ...]
    classes: frozenset[str]
    strength: Decimal | None = None

    def is_a(self, name: str) -> bool:
        """True when ``name`` is one of its ingredients or classes."""
        return name in self.ingredients or name in self.classes


UNKNOWN = Drug((), frozenset())


@cache
def _table() -> Mapping[str, Any]:
    return json.loads(files("salus.fhir").joinpath("drugs.json").read_text("utf-8"))  # type: ignore[no-any-return]


@cache
def _classes() -> Mapping[str, Any]:
    return tomllib.loads(files("salus.fhir").joinpath("drug_classes.toml").read_text("utf-8"))


@cache
def _code_table() -> Mapping[str, str]:
    ingredients = _table()["ingredients"]
    return {code: name for name, code in ingredients.items()} | {
        code: names for code, (names, _) in _table()["products"].items()
    }


@cache
def _names() -> tuple[re.Pattern[str], Mapping[str, str]]:
    table = _classes()
    known = {name: name for members in table["class"].values() for name in members}
    known |= table["synonym"] | _table()["brands"]
    words = sorted(known, key=lambda name: (-len(name), name))
    return re.compile(r"(?<![\w-])(" + "|".join(map(re.escape, words)) + r")(?![\w-])", re.IGNORECASE), known


def classes_of(ingredients: Iterable[str]) -> frozenset[str]:
    """Every class that any of ``ingredients`` belongs to. The name of a class stands for itself."""
    table = _classes()
    found = {name for name, members in table["class"].items() if set(members) & set(ingredients)}
    return frozenset(found | {table["alias"][name] for name in ingredients if name in table["alias"]})


def is_class(name: str) -> bool:
    """True for the name of a class as notes write it ("proton pump inhibitor")."""
    return name in _classes()["alias"]


def members(name: str) -> tuple[str, ...]:
    """The ingredients of a class; a name that is no class stands for itself."""
    return tuple(_classes()["class"].get(name, (name,)))


def identify(codes: Iterable[Code] = (), text: str = "") -> Drug:
    """The medicine that ``codes`` (RxNorm) stand for, or else that ``text`` names.

    A preparation for local use (gel, eye drops) keeps its ingredients but belongs to no class: the rules speak of
    medicines that act in the whole body.
    """
    wanted = [c for c in codes if c.system == SYSTEMS["rxnorm"]]
    words = " ".join((text, *(c.display for c in wanted)))
    for code in wanted:
        named = _code_table().get(code.code)
        if named:
            amount = _table()["products"].get(code.code, ("", ""))[1]
            return _drug(named, words, Decimal(amount) if amount else None)
    pattern, known = _names()
    found = "+".join(dict.fromkeys(known[m.lower()] for m in pattern.findall(words)))
    return _drug(found, words, None) if found else UNKNOWN


def _drug(named: str, words: str, strength: Decimal | None) -> Drug:
    ingredients = tuple(sorted(set(named.split("+"))))
    if strength is None and len(ingredients) == 1:
        strength = _strength(words)
    return Drug(ingredients, frozenset() if _LOCAL.search(words) else classes_of(ingredients), strength)


def _strength(words: str) -> Decimal | None:
    amounts = {Decimal(number) * _UNITS[unit.lower()] for number, unit in _STRENGTH.findall(words)}
    return amounts.pop() if len(amounts) == 1 else None


def daily_mg(drug: Drug, dose: str) -> Decimal | None:
    """The daily dose in mg from the words of a dosage ("1 tablet daily", "40 mg twice daily").

    None where the words do not say both amount and frequency, or where it is taken only as needed.
    """
    if _AS_NEEDED.search(dose):
        return None
    times = next((count for pattern, count in _TIMES if pattern.search(dose)), None)
    amounts = {Decimal(number) * _UNITS[unit.lower()] for number, unit in _STRENGTH.findall(dose)}
    tablets = _TABLETS.search(dose)
    number = 1
    if tablets:
        number = int(tablets[1]) if tablets[1] else _WORDS[tablets[0].split()[0].lower()]
    if len(amounts) > 1 or times is None:
        return None
    if amounts and not tablets:
        return amounts.pop() * times
    each = amounts.pop() if amounts else drug.strength
    return each * number * times if each is not None else None


def statin_intensity(ingredient: str, mg: Decimal | None) -> Intensity | None:
    """Intensity of a statin's daily dose (2018 AHA/ACC cholesterol guideline, table 3); None where it has none."""
    if mg is None:
        return None
    levels: tuple[Intensity, ...] = ("high", "moderate", "low")
    for level in levels:
        bounds = _classes()["intensity"][level].get(ingredient)
        if bounds and bounds[0] <= mg <= bounds[1]:
            return level
    return None


def high_doses() -> Mapping[str, tuple[int, int]]:
    """Statins with their lowest and highest dose of high intensity in mg a day."""
    return {name: (low, high) for name, (low, high) in _classes()["intensity"]["high"].items()}
