"""What a dose instruction says, as a value: the amount, how often, and why it was not understood."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from salus.fhir.quantity import decimal

DAYS_A_MONTH = Fraction(487, 16)
"""UCUM's mean Julian month (mo_j), 30.4375 days."""
SOLID = frozenset(
    ("{tablet}", "{capsule}", "{pill}", "{each}", "{suppository}", "{pessary}", "{lozenge}", "{sachet}", "{patch}")
)
"""Counted units that the strength of a product in mg belongs to."""


@dataclass(frozen=True, slots=True)
class Dose:
    """One dose instruction as understood.

    ``low``..``high`` is the amount of one administration in ``unit``: "mg", "mL", "[iU]", or a counted unit such as
    "{tablet}", "{puff}" ("{each}" where the words only count). ``per_day_low``..``per_day_high`` is the number of
    administrations a day (weekly is 1/7, rounded at the 28th digit). ``daily_low``..``daily_high`` is the amount of a
    day in ``unit``, which is exact also where the administrations differ (10 in the morning, 8 at night).
    ``strength_mg`` is what one counted unit (or one mL) holds where the words say it; ``aside_mg`` is an amount named
    beside a count of which the words do not say whether it is each one's or the total.
    ``steps`` are the parts of a taper in order; then the whole has no amount. What is not said is None.
    """

    words: str
    understood: bool
    why: str = ""
    as_needed: bool = False
    low: Decimal | None = None
    high: Decimal | None = None
    unit: str = ""
    per_day_low: Decimal | None = None
    per_day_high: Decimal | None = None
    daily_low: Decimal | None = None
    daily_high: Decimal | None = None
    route: str = ""
    strength_mg: Decimal | None = None
    aside_mg: Decimal | None = None
    duration_days: Decimal | None = None
    start: str = ""
    end: str = ""
    steps: tuple[Dose, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """A number that is known exactly or between two bounds."""

    low: Fraction
    high: Fraction

    @staticmethod
    def of(number: Fraction | int) -> Span:
        """A number known exactly."""
        return Span(Fraction(number), Fraction(number))

    def __mul__(self, other: Span | Fraction) -> Span:
        factor = other if isinstance(other, Span) else Span.of(other)
        return Span(self.low * factor.low, self.high * factor.high)

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.high + other.high)

    def over(self, other: Span) -> Span:
        """This by ``other``: the fewest by the longest."""
        return Span(self.low / other.high, self.high / other.low)

    @property
    def exact(self) -> bool:
        """True where both bounds are one number."""
        return self.low == self.high


@dataclass(frozen=True, slots=True)
class Part:
    """An amount with its times: what adds up to an instruction."""

    amount: Span | None
    unit: str
    per_day: Span | None
    slots: frozenset[str] = frozenset()
    strength: Fraction | None = None
    aside: Fraction | None = None
    route: str = ""
    extra: tuple[str, ...] = field(default=())


def refused(words: str, why: str, as_needed: bool = False) -> Dose:
    """An instruction that is not understood."""
    return Dose(words, understood=False, why=why, as_needed=as_needed)


def combine(words: str, parts: list[Part], as_needed: bool, duration: Fraction | None) -> Dose:
    """The dose of parts that are taken beside each other."""
    first = parts[0]
    if any((p.unit, p.strength) != (first.unit, first.strength) for p in parts):
        return refused(words, "its parts are in different units", as_needed)
    if len(parts) > 1 and any(p.amount is None or p.per_day is None for p in parts):
        return refused(words, "not every part says how much and how often", as_needed)
    amounts = [p.amount for p in parts if p.amount is not None]
    rates = [p.per_day for p in parts if p.per_day is not None]
    low = min((a.low for a in amounts), default=None)
    high = max((a.high for a in amounts), default=None)
    per_day = _sum(rates)
    daily = _sum([a * r for a, r in zip(amounts, rates, strict=False)]) if amounts and rates else None
    return Dose(
        words,
        understood=True,
        as_needed=as_needed,
        low=_decimal(low),
        high=_decimal(high),
        unit=first.unit if amounts else "",
        per_day_low=_decimal(per_day.low if per_day else None),
        per_day_high=_decimal(per_day.high if per_day else None),
        daily_low=_decimal(daily.low if daily else None),
        daily_high=_decimal(daily.high if daily else None),
        route=next((p.route for p in parts if p.route), ""),
        strength_mg=_decimal(first.strength),
        aside_mg=_decimal(first.aside) if len(parts) == 1 else None,
        duration_days=_decimal(duration),
    )


def sequence(words: str, steps: list[Dose]) -> Dose:
    """The dose of steps that follow one another."""
    bad = next((step for step in steps if not step.understood), None)
    if bad:
        return refused(words, f"one of its steps: {bad.why}")
    total = None
    if all(step.duration_days is not None for step in steps):
        total = sum((step.duration_days or Decimal(0) for step in steps), Decimal(0))
    return Dose(words, True, as_needed=any(s.as_needed for s in steps), duration_days=total, steps=tuple(steps))


def incomplete(dose: Dose, why: str) -> Dose:
    """The same, not understood: what could be read stays."""
    return replace(dose, understood=False, why=why)


def fraction_of(number: Decimal) -> Fraction:
    """A decimal of this module as the fraction that it stands for: 0.142857... (28 digits) is 1/7."""
    found = Fraction(number)
    near = found.limit_denominator(10**6)
    return near if near and abs(found / near - 1) < Fraction(1, 10**25) else found


def _sum(spans: list[Span]) -> Span | None:
    total = None
    for span in spans:
        total = span if total is None else total + span
    return total


def _decimal(number: Fraction | None) -> Decimal | None:
    return None if number is None else decimal(number)
