"""FHIR Dosage elements: R4 and R5 in full, with the forms of STU3 and DSTU2.

An element that is there and not understood leaves the whole not understood. Where words and structure say different
things neither is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any, TypeGuard

from salus.terminology import dose_text
from salus.terminology.dose_asides import UNKNOWN_WORDS
from salus.terminology.dose_fhir_amount import dose_amounts
from salus.terminology.dose_fhir_timing import Timing, read_timing
from salus.terminology.dose_lexer import Unreadable
from salus.terminology.dose_model import (
    SOLID,
    Dose,
    Part,
    Span,
    combine,
    fraction_of,
    incomplete,
    refused,
    sequence,
)

DISAGREE = "text and structure disagree"


@dataclass(frozen=True, slots=True)
class _Line:
    """One Dosage element as read, with its place in the order and the times of day that it is for."""

    dose: Dose
    order: int | None
    slots: frozenset[str]


def read_fhir(dosages: Sequence[Mapping[str, Any]], text_fallback: bool = True) -> Dose:
    """The instruction that a list of Dosage elements gives.

    ``text_fallback``: an element's words are read where its structure does not say amount and frequency. Elements of
    one sequence number are taken beside each other and add up; of different numbers they are steps.
    """
    lines: list[_Line] = []
    for element in dosages:
        if not isinstance(element, Mapping):
            return refused("", "a dosage is malformed")
        lines.append(_line(element, text_fallback))
    if not lines:
        return refused("", "no dosage is recorded")
    words = "; ".join(line.dose.words for line in lines if line.dose.words)
    if len(lines) == 1:
        return lines[0].dose
    bad = next((line.dose for line in lines if not line.dose.understood), None)
    if bad is not None:
        return refused(words, bad.why, any(line.dose.as_needed for line in lines))
    return _together(words, lines)


def _together(words: str, lines: list[_Line]) -> Dose:
    """Several elements: those of one number beside each other, different numbers one after another."""
    orders = {line.order for line in lines}
    if None in orders and len(orders) > 1:
        return refused(words, "only some of its lines have a number")
    if orders == {None}:
        if _apart_in_time(lines):
            return sequence(words, [line.dose for line in sorted(lines, key=lambda line: line.dose.start)])
        return _beside(words, lines, numbered=False)
    steps = [
        _beside(words, [line for line in lines if line.order == order], numbered=True)
        for order in sorted(order for order in orders if order is not None)
    ]
    return steps[0] if len(steps) == 1 else sequence(words, steps)


def _apart_in_time(lines: list[_Line]) -> bool:
    """Whether each line ends before the next begins."""
    ordered = sorted(lines, key=lambda line: line.dose.start)
    return all(
        one.dose.end and other.dose.start and one.dose.end[:10] <= other.dose.start[:10]
        for one, other in pairwise(ordered)
    )


def _beside(words: str, lines: list[_Line], numbered: bool) -> Dose:
    if len(lines) == 1:
        return lines[0].dose
    slots = [slot for line in lines for slot in line.slots]
    distinct = len(slots) == len(set(slots)) and all(line.slots for line in lines)
    if any(line.dose.steps for line in lines):
        return refused(words, "steps stand beside other lines")
    if not distinct and (not numbered or len({replace(line.dose, words="") for line in lines}) < len(lines)):
        return refused(words, "its lines may be alternatives or doubles")
    if len({(line.dose.start, line.dose.end, line.dose.duration_days) for line in lines}) > 1:
        return refused(words, "its lines hold for different times")
    first = lines[0].dose
    found = combine(words, [_part(line) for line in lines], any(line.dose.as_needed for line in lines), None)
    return replace(found, duration_days=first.duration_days, start=first.start, end=first.end)


def _part(line: _Line) -> Part:
    dose = line.dose
    return Part(
        amount=_span(dose.low, dose.high),
        unit=dose.unit,
        per_day=_span(dose.per_day_low, dose.per_day_high),
        slots=line.slots,
        strength=None if dose.strength_mg is None else fraction_of(dose.strength_mg),
        route=dose.route,
    )


def _span(low: Decimal | None, high: Decimal | None) -> Span | None:
    return None if low is None or high is None else Span(fraction_of(low), fraction_of(high))


def _whole(number: object) -> TypeGuard[int | Decimal]:
    return isinstance(number, int | Decimal) and Decimal(number).is_finite() and number == int(number)


def _line(element: Mapping[str, Any], text_fallback: bool) -> _Line:
    """One Dosage element, its words and its structure held against each other."""
    text = element.get("text")
    words = text.strip() if isinstance(text, str) else ""
    sequence_number = element.get("sequence")
    order = int(sequence_number) if _whole(sequence_number) else None
    as_needed = _as_needed(element)
    if element.get("modifierExtension"):
        return _Line(refused(words, "it has a modifier that is not known", bool(as_needed)), order, frozenset())
    try:
        amount = dose_amounts(element)
        timing = read_timing(element.get("timing"))
    except Unreadable as error:
        return _Line(refused(words, str(error), bool(as_needed)), order, frozenset())
    built = _built(words, amount, timing, as_needed)
    if not words or not text_fallback:
        whole = incomplete(built, "its timing says two frequencies") if timing.either else _complete(built)
        return _Line(whole, order, timing.slots)
    said = dose_text.read(words)
    slots = timing.slots or dose_text.slots(words)
    return _Line(_agreed(built, said, as_needed, timing), order, slots)


def _as_needed(element: Mapping[str, Any]) -> bool | None:
    """Whether the element says that it is taken as needed; None where it does not say."""
    for name in ("asNeededCodeableConcept", "asNeededFor"):
        if element.get(name):
            return True
    for name in ("asNeededBoolean", "asNeeded"):
        value = element.get(name)
        if isinstance(value, bool):
            return value
        if value is not None:
            return True
    return None


def _built(words: str, amount: Part | None, timing: Timing, as_needed: bool | None) -> Dose:
    """What the structure says, whole or in part."""
    part = amount or Part(None, "", None)
    dose = combine(words, [replace(part, per_day=timing.per_day)], bool(as_needed), timing.duration)
    return replace(dose, start=timing.start, end=timing.end)


def _complete(dose: Dose) -> Dose:
    if dose.as_needed:
        return dose
    if dose.low is None:
        return incomplete(dose, "the amount is not said")
    if dose.per_day_low is None:
        return incomplete(dose, "how often is not said")
    return dose


def _agreed(built: Dose, said: Dose, as_needed: bool | None, timing: Timing) -> Dose:
    """The structure and the words as one, or not understood where they differ."""
    whole = built.low is not None and (built.per_day_low is not None or built.as_needed)
    readable = said.understood or said.low is not None or said.per_day_low is not None
    if not readable:
        if said.why in UNKNOWN_WORDS and whole and dose_text.numbers(said.words) <= _numbers(built, timing):
            return built  # words in another language, with no number that the structure lacks
        return refused(said.words, said.why, built.as_needed or said.as_needed)
    if said.steps:
        plain = built.low is None and built.per_day_low is None
        return said if plain else refused(said.words, DISAGREE, built.as_needed or said.as_needed)
    needed = built.as_needed or said.as_needed
    if as_needed is False and said.as_needed:
        return refused(said.words, DISAGREE, needed)
    if timing.either and (said.per_day_low is None or fraction_of(said.per_day_low) not in timing.either):
        return refused(said.words, "its timing says two frequencies", needed)
    joined = _joined(built, said)
    if joined is None:
        return refused(said.words, DISAGREE, needed)
    return _complete(replace(joined, as_needed=needed))


def _joined(built: Dose, said: Dose) -> Dose | None:
    """One dose from both; None where they contradict each other."""
    if built.per_day_low is not None and said.per_day_low is not None:
        if (built.per_day_low, built.per_day_high) != (said.per_day_low, said.per_day_high):
            return None
        if _uneven(said) != _uneven(built) and said.low is not None and built.low is not None:
            return None
    amount = _amount(built, said)
    if amount is None:
        return None
    low, high, unit, strength = amount
    timed = built if built.per_day_low is not None else said
    part = Part(_span(low, high), unit, _span(timed.per_day_low, timed.per_day_high), strength=strength)
    joined = combine(said.words, [part], built.as_needed, None)
    uneven = _uneven(said) and built.low is None
    return replace(
        joined,
        understood=True,
        daily_low=said.daily_low if uneven else joined.daily_low,
        daily_high=said.daily_high if uneven else joined.daily_high,
        route=said.route or built.route,
        aside_mg=said.aside_mg,
        duration_days=built.duration_days if built.duration_days is not None else said.duration_days,
        start=built.start or said.start,
        end=built.end or said.end,
    )


def _uneven(dose: Dose) -> bool:
    """Whether the administrations of a day differ ("10 in the morning, 8 at night")."""
    return dose.low != dose.high and dose.daily_low is not None and dose.daily_low == dose.daily_high


def _amount(built: Dose, said: Dose) -> tuple[Decimal | None, Decimal | None, str, Fraction | None] | None:
    """(low, high, unit, strength) that both allow; None where they differ."""
    strength = None if said.strength_mg is None else fraction_of(said.strength_mg)
    if built.low is None or built.high is None:
        return said.low, said.high, said.unit, strength
    if said.low is None or said.high is None:
        return built.low, built.high, built.unit, strength
    if built.unit == said.unit or {built.unit, said.unit} <= SOLID | {"{dose}"}:
        same = (built.low, built.high) == (said.low, said.high)
        return (built.low, built.high, said.unit, strength) if same else None
    if built.unit == "mg" and said.unit != "mg" and strength is not None:
        same = (fraction_of(built.low), fraction_of(built.high)) == (
            fraction_of(said.low) * strength,
            fraction_of(said.high) * strength,
        )
        return (said.low, said.high, said.unit, strength) if same else None
    counted, mass = (said, built) if built.unit == "mg" else (built, said)
    if mass.unit != "mg" or counted.unit not in SOLID or counted.low != counted.high or mass.low != mass.high:
        return None
    if counted.low is None or mass.low is None or not counted.low:
        return None
    each = fraction_of(mass.low) / fraction_of(counted.low)
    if strength is not None and strength != each:
        return None
    return counted.low, counted.high, counted.unit, each


def _numbers(built: Dose, timing: Timing) -> frozenset[Fraction]:
    """Every number that the structure holds."""
    known = [built.low, built.high, built.per_day_low, built.duration_days]
    found = {fraction_of(n) for n in known if n is not None} | set(timing.numbers)
    for text in (built.start, built.end):
        found |= {Fraction(int(part)) for part in text[:10].split("-") if part.isdigit()}
    return frozenset(found | {Fraction(1)})
