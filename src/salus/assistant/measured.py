"""Numbers that people write about themselves: temperature, pulse, oxygen, pressure, sugar, and when they alarm."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_FEVER_F = (86.0, 110.0)
_FEVER_C = (30.0, 43.0)
_SUGAR_PER_MMOL = 18.016
"""mg/dL of glucose in one mmol/L (molar mass 180.16 g/mol)."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A sign that holds when a quantity is at ``least`` or at ``most`` so much.

    Units: temperature °C, pulse and breaths per minute, oxygen %, systolic and diastolic mmHg, sugar mg/dL, ketones and
    potassium mmol/L, gas ppm of carbon monoxide.
    """

    sign: str
    what: str
    least: float | None
    most: float | None

    def holds(self, value: float) -> bool:
        """Whether ``value`` is beyond the bound."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


_NUMBER = r"(\d+(?:[.,]\d+)?)"
_SPACE = r"(?: (?!\. )[^ \d]+){0,5} "
_NO_UNIT = (
    r"(?! (?:days?|weeks?|wks?|months?|years?|yrs?|hours?|hrs?|minutes?|mins?|times|spoons?|teaspoons?|tablespoons?|g|"
    r"grams?|kg|kilos?|lbs?|st|stone|cm|mm|ml|mls|tablets?|pills?|units?|percent|yo|yr|old|miles?|km|ft|feet|"
    r"cups?|cubes?|packets?|sachets?|am|pm|x|th|st|nd|rd|a day|people|kids|children|puffs?|steps?|bpm|beats|breaths) )"
)
_PATTERNS: dict[str, tuple[re.Pattern[str], ...]] = {
    "temperature": (
        re.compile(
            rf" {_NUMBER} (?:° )?(?:degrees? )?(?:f|c|fahrenheit|celsius|centigrade|degrees?|fever|temp|"
            rf"temperature|rectal|armpit|underarm) "
        ),
        re.compile(
            rf" (?:fever|temp|temperature|temps|tempature|thermometer|feverish|rectal){_SPACE}{_NUMBER}{_NO_UNIT} "
        ),
        # a number with one decimal that only a thermometer shows, whatever stands beside it
        re.compile(
            r" (3[89][.,]\d|4[01][.,]\d|10[0-6][.,]\d)(?! (?:weeks?|kg|kilos?|cm|miles?|km|lbs?|mg|%|mmol\w*|"
            r"years?|mm|m|days?) ) "
        ),
        re.compile(r" (3[0-5][.,]\d) (?:under|rectal|armpit|in the ear|on the thermometer|c |even|underarm)"),
    ),
    "pulse": (
        re.compile(rf" (?:heart ?rate|heart rate|pulse|heartbeat|hr|bpm|heart|beats|rate){_SPACE}{_NUMBER}{_NO_UNIT} "),
        re.compile(rf" {_NUMBER} (?:bpm|beats) "),
    ),
    "breaths": (
        re.compile(rf" {_NUMBER} (?:breaths?|respirations?|times a min\w*|breaths) "),
        re.compile(
            rf" (?:respiratory rate|resp rate|resps?|rr|breathing rate|breathing|"
            rf"breaths){_SPACE}{_NUMBER} (?:times|a min\w*|per min\w*|breaths?|/ min\w*|x a) "
        ),
        re.compile(rf" (?:respiratory rate|resp rate|resps|breathing rate) (?:is |of |was )?{_NUMBER} "),
    ),
    "oxygen": (
        re.compile(
            rf" (?:oxygen|spo|o|o2|sats?|sp|saturation|pulse ox|ox|oximeter|oxy|oxymeter|clip|peg|sock monitor|"
            rf"finger thing|monitor){_SPACE}(?:2 )?{_NUMBER}{_NO_UNIT} "
        ),
        re.compile(rf" {_NUMBER} (?:% )?(?:on the (?:clip|oximeter|finger)|oxygen|sats?|spo|on room air|on air) "),
    ),
    "systolic": (
        re.compile(rf" {_NUMBER} (?:/|over) \d{{2,3}} "),
        re.compile(rf" (?:systolic|blood pressure|bp|top number|pressure|cuff){_SPACE}{_NUMBER}{_NO_UNIT} "),
    ),
    "diastolic": (re.compile(rf" \d{{2,3}} (?:/|over) {_NUMBER} "),),
    "sugar": (
        re.compile(
            rf" (?:sugars?|glucose|bg|bgl|bms?|libre|dexcom|cgm|blood sugars?|levels?|glucometer|meter|"
            rf"reading){_SPACE}{_NUMBER}{_NO_UNIT} "
        ),
        re.compile(rf" {_NUMBER} (?:mmol\w*|mg / dl|mg dl) "),
        re.compile(rf" {_NUMBER} (?:on (?:the|my|his|her) (?:meter|libre|dexcom|glucometer)|with (?:\w+ )?arrows?) "),
    ),
    "ketones": (re.compile(rf" ketones?{_SPACE}{_NUMBER}{_NO_UNIT} "),),
    "gas": (re.compile(rf" {_NUMBER} ?ppm "),),
    "potassium": (re.compile(rf" (?:potassium|k){_SPACE}{_NUMBER}{_NO_UNIT} "),),
}
_PLAUSIBLE = {
    "pulse": (15.0, 300.0),
    "breaths": (4.0, 150.0),
    "oxygen": (50.0, 100.0),
    "systolic": (40.0, 300.0),
    "diastolic": (20.0, 200.0),
    "sugar": (10.0, 1500.0),
    "ketones": (0.0, 15.0),
    "gas": (1.0, 5000.0),
    "potassium": (1.0, 10.0),
}


def signs(plain: str, bounds: Sequence[Bound]) -> Iterator[tuple[str, str, int]]:
    """The signs whose bounds a number of the text passes, each with the words that say it and the word it begins at.

    A number that no body has (a temperature of 400) is not read.
    """
    asked: dict[str, list[Bound]] = {}
    for bound in bounds:
        asked.setdefault(bound.what, []).append(bound)
    for what, several in asked.items():
        for match in (m for pattern in _PATTERNS[what] for m in pattern.finditer(plain)):
            value = _value(what, float(match.group(1).replace(",", ".")))
            for bound in several:
                if value is not None and bound.holds(value):
                    yield bound.sign, match.group().strip(), plain.count(" ", 0, match.start())


def _value(what: str, number: float) -> float | None:
    if what == "temperature":
        if _FEVER_F[0] <= number <= _FEVER_F[1]:
            return round((number - 32) / 1.8, 1)
        return number if _FEVER_C[0] <= number <= _FEVER_C[1] else None
    if what == "sugar" and number < 40:  # written in mmol/L: nobody speaks with 40 mg/dL or less unless it is that low
        return number * _SUGAR_PER_MMOL
    low, high = _PLAUSIBLE[what]
    return number if low <= number <= high else None
