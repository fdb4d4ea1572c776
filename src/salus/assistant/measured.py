"""Numbers that people write about themselves: temperature, pulse, oxygen, pressure, sugar, and when they alarm."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_FEVER_F = (95.0, 110.0)
_FEVER_C = (34.0, 43.0)
_SUGAR_PER_MMOL = 18.016
"""mg/dL of glucose in one mmol/L (molar mass 180.16 g/mol)."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A sign that holds when a quantity is at ``least`` or at ``most`` so much.

    Units: temperature °C, pulse per minute, oxygen %, systolic mmHg, sugar mg/dL.
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
_PATTERNS: dict[str, tuple[re.Pattern[str], ...]] = {
    "temperature": (
        re.compile(rf" {_NUMBER} (?:° )?(?:degrees? )?(?:f|c|fahrenheit|celsius|degrees?|fever|temp|temperature) "),
        re.compile(rf" (?:fever|temp|temperature|temps){_SPACE}{_NUMBER} "),
    ),
    "pulse": (
        re.compile(rf" (?:heart ?rate|heart rate|pulse|heartbeat|hr|bpm){_SPACE}{_NUMBER} "),
        re.compile(rf" {_NUMBER} (?:bpm|beats) "),
    ),
    "oxygen": (re.compile(rf" (?:oxygen|spo|sats?|saturation|pulse ox|ox|oximeter){_SPACE}(?:2 )?{_NUMBER} "),),
    "systolic": (
        re.compile(rf" {_NUMBER} (?:/|over) \d+ "),
        re.compile(rf" (?:systolic|blood pressure|bp){_SPACE}{_NUMBER} "),
    ),
    "sugar": (re.compile(rf" (?:sugars?|glucose|bg){_SPACE}{_NUMBER} "),),
}
_PLAUSIBLE = {"pulse": (20.0, 300.0), "oxygen": (50.0, 100.0), "systolic": (40.0, 280.0), "sugar": (10.0, 1500.0)}


def signs(plain: str, bounds: Sequence[Bound]) -> Iterator[tuple[str, str]]:
    """The signs whose bounds a number of the text passes, each with the words that say it.

    A number that no body has (a temperature of 400) is not read.
    """
    for bound in bounds:
        for pattern in _PATTERNS[bound.what]:
            for match in pattern.finditer(plain):
                value = _value(bound.what, float(match.group(1).replace(",", ".")))
                if value is not None and bound.holds(value):
                    yield bound.sign, match.group().strip()


def _value(what: str, number: float) -> float | None:
    if what == "temperature":
        if _FEVER_F[0] <= number <= _FEVER_F[1]:
            return round((number - 32) / 1.8, 1)
        return number if _FEVER_C[0] <= number <= _FEVER_C[1] else None
    if what == "sugar" and number < 40:  # written in mmol/L: nobody speaks with 40 mg/dL or less unless it is that low
        return number * _SUGAR_PER_MMOL
    low, high = _PLAUSIBLE[what]
    return number if low <= number <= high else None
