"""The grammar of dose instructions: from items of meaning to a :class:`Dose`.

An instruction is steps ("then"); a step is parts ("40 mg in the morning and 20 mg in the evening"); a part is an amount
and its times. Whatever does not fit leaves the whole not understood: a wrong amount is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from salus.terminology import dose_amount, dose_time
from salus.terminology.dose_asides import AMOUNTS, UNKNOWN_WORDS, without_limits, without_names, without_reasons
from salus.terminology.dose_items import Item, items
from salus.terminology.dose_lexer import Unreadable, fold, tokens
from salus.terminology.dose_model import (
    DAYS_A_MONTH,
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

MOST_ITEMS = 80
CHANGE = "it has a condition or a change that one amount cannot hold"
_TIMES = dose_time.KINDS
_SHORT_DURATIONS = {"7": Fraction(1), "52": Fraction(7), "12": DAYS_A_MONTH}
"""The UK's short durations: 5/7 is five days, 2/52 two weeks, 3/12 three months."""
_JOINED = re.compile(r"\b(?:and|et|y|e|en|und)\b")
_ENDS = ("end", "until", "till", "to ", "bis", "jusqu", "stop")


@dataclass(slots=True)
class _Clause:
    """One step under construction."""

    parts: list[list[Item]] = field(default_factory=lambda: [[]])
    frame: Item | None = None
    as_needed: bool = False
    applied: bool = False
    duration: Fraction | None = None
    route: str = ""
    start: str = ""
    end: str = ""
    total: Item | None = None


def read(text: str) -> Dose:
    """The instruction that ``text`` gives. What has no certain meaning is not understood, with the reason."""
    words = text.strip()
    if not words:
        return refused(words, "nothing is written")
    found: list[Item] = []
    try:
        found = items(tokens(words))
        if len(found) > MOST_ITEMS:
            return refused(words, "it is too long to be one instruction")
        steps = _steps(found)
        doses: list[Dose] = []
        for step in steps:
            doses.append(_dose(words, _clause(step), doses[-1] if doses else None))
    except Unreadable as error:
        changed = str(error) in UNKNOWN_WORDS and any(item.kind == "refuse" for item in found)
        return refused(words, CHANGE if changed else str(error))
    return doses[0] if len(doses) == 1 else _in_turn(words, doses, steps)


def slots(text: str) -> frozenset[str]:
    """The times of day or week that ``text`` names; none where it is not understood."""
    try:
        clause = _clause(items(tokens(text)))
        return frozenset(s for part in clause.parts for p in _part(clause, part) for s in p.slots)
    except Unreadable:
        return frozenset()


def frequency(text: str) -> Span | None:
    """The administrations a day that a name such as "TWICE A DAY" or "Q8H" says; None for any other text."""
    try:
        clause = _clause(items(tokens(text)))
        if len(clause.parts) != 1 or any(i.kind in AMOUNTS for i in clause.parts[0]):
            return None
        return dose_time.resolve(clause.parts[0], clause.frame).per_day
    except Unreadable:
        return None


def numbers(text: str) -> frozenset[Fraction]:
    """Every number in ``text``, dates taken apart."""
    return frozenset(Fraction(n.replace(",", ".")) for n in re.findall(r"\d{1,9}(?:[.,]\d{1,9})?", fold(text)))


def _steps(found: Sequence[Item]) -> list[list[Item]]:
    steps: list[list[Item]] = [[]]
    for item in found:
        if item.kind == "then":
            steps.append([])
        else:
            steps[-1].append(item)
    if not all(steps):
        raise Unreadable("one of its steps is empty")
    return steps


def _in_turn(words: str, doses: list[Dose], steps: list[list[Item]]) -> Dose:
    """Steps one after another; "one in the morning then two at night" may be one day's."""
    for dose, step in zip(doses[:-1], steps, strict=False):
        if dose.duration_days is None and any(item.kind in ("slot", "slots", "clock", "on") for item in step):
            return refused(words, "it does not say whether its parts follow one another")
    return sequence(words, doses)


def _clause(found: Sequence[Item]) -> _Clause:
    """The parts of one step, with what stands beside them taken out."""
    clause = _Clause()
    known = _without_total(clause, _short_durations(_with_equals(found)))
    kept = _counts_of_times(without_names(without_limits(without_reasons(known))))
    for index, item in enumerate(kept):
        match item.kind:
            case "refuse":
                raise Unreadable(CHANGE)
            case "unknown" | "ratio" | "date" | "window" | "reason" | "max":
                raise Unreadable(UNKNOWN_WORDS[0])
            case "prn":
                clause.as_needed = True
            case "apply":
                clause.applied = True
            case "duration":
                _set_duration(clause, item)
            case "route":
                clause.route = item.unit
            case "meal":
                _meal(kept, index)
            case "bound":
                _bound(clause, item)
            case "advice" | "ignore":
                continue
            case _:
                _place(clause, kept, index)
    _not_in_part(clause, kept)
    meant = (*_TIMES, *AMOUNTS, "form", "concentration")
    clause.parts = _with_strengths([part for part in clause.parts if any(i.kind in meant for i in part)])
    return clause


def _with_equals(found: Sequence[Item]) -> list[Item]:
    """ "10 mg = 2 tabs" as "10 mg (2 tabs)", "2 tabs = 10 mg" as "2 tabs (10 mg total)"."""
    kept = list(found)
    for at in range(len(found) - 2, 0, -1):
        before, after = found[at - 1], found[at + 1]
        if found[at].text == "=" and before.kind == after.kind == "amount":
            counted = after.unit.startswith("{")
            total = [] if counted else [Item("total", "total")]
            kept[at : at + 2] = [Item("open", "("), after, *total, Item("close", ")")]
    return kept


def _short_durations(found: Sequence[Item]) -> list[Item]:
    """ "1 tds 5/7", "30 mg od for 2/52": durations as written in the UK, behind how much and how often."""
    kept: list[Item] = []
    for item in found:
        many, _, of = item.text.partition("/")
        told = item.kind == "ratio" and many.isdigit() and of in _SHORT_DURATIONS
        if told and any(i.kind in AMOUNTS for i in kept) and any(i.kind in _TIMES for i in kept):
            if kept[-1].text.lower() in ("for", "x") and kept[-1].kind in ("reason", "unknown"):
                kept.pop()
            kept.append(Item("duration", item.text, Span.of(Fraction(many)), factor=_SHORT_DURATIONS[of]))
        else:
            kept.append(item)
    return kept


def _without_total(clause: _Clause, found: list[Item]) -> list[Item]:
    """The items without a day's total in brackets, which is held against what the rest comes to."""
    for at in range(len(found) - 3):
        group = found[at : at + 4]
        if [item.kind for item in group] != ["open", "amount", "per", "close"] or group[2].factor != 1:
            continue
        rest = found[:at] + found[at + 4 :]
        if any(item.kind in _TIMES for item in rest) and any(item.kind == "amount" for item in rest):
            clause.total = group[1]
            return rest
    return found


def _same_time(found: Sequence[Item]) -> None:
    """Refuse "morgens 1 und 1/2 abends": the second number may be the evening's."""
    kinds, slots = [item.kind for item in found], ("slot", "slots", "clock", "on", "weekday")
    for at, item in enumerate(found):
        joined = item.kind in ("amount", "bare") and _JOINED.search(item.text)
        if joined and any(k in slots for k in kinds[:at]) and any(k in slots for k in kinds[at + 1 :]):
            raise Unreadable("a number in it can be read in two ways")


def _meal(found: Sequence[Item], index: int) -> None:
    """A meal is a remark; "before meals and at bedtime" counts meals, and nobody says how many there are."""
    joined = ("and", "comma")
    after = [item.kind for item in found[index + 1 : index + 3]]
    before = [item.kind for item in found[max(index - 2, 0) : index]]
    timed = ("slot", "slots", "clock")
    if (after[:1] and after[0] in joined and after[1:] and after[1] in timed) or (
        before[-1:] and before[-1] in joined and before[:1] and before[0] in timed
    ):
        raise Unreadable("it counts meals without saying how many")


def _with_strengths(parts: list[list[Item]]) -> list[list[Item]]:
    """Two parts as one where the first names a mass and the second only counts ("100 mg once daily one tablet")."""
    if len(parts) != 2 or any(item.kind in _TIMES for item in parts[1]):
        return parts
    masses = [item for item in parts[0] if item.kind in AMOUNTS]
    counts = [item for item in parts[1] if item.kind in AMOUNTS]
    one_each = len(masses) == len(counts) == 1
    if one_each and masses[0].unit in ("mg", "ug", "g") and counts[0].unit.startswith("{"):
        return [parts[0] + parts[1]]
    return parts


def _bound(clause: _Clause, item: Item) -> None:
    """The day that an instruction begins or ends on, where it is written in one certain way (2024-05-31)."""
    day = re.search(r"\d{4}-\d\d-\d\d", item.text)
    if day and item.text.lower().startswith(_ENDS):
        clause.end = day[0]
    elif day:
        clause.start = day[0]


def _not_in_part(clause: _Clause, found: Sequence[Item]) -> None:
    """Refuse "for 2 weeks every month": the duration is a part of each period."""
    for item in found:
        if item.kind in ("per", "every") and clause.duration is not None:
            period = item.factor * (item.n.low if item.kind == "every" and item.n else 1)
            if period >= 7 and clause.duration < period * Fraction(9, 10):
                raise Unreadable("it is taken for a part of a period only")


def _set_duration(clause: _Clause, item: Item) -> None:
    if item.n is None or not item.n.exact:
        return
    if item.n.low < 1:
        raise Unreadable("a number in it can be read in two ways")  # "1/2 jours" may be every second day
    days = item.n.low * item.factor
    if clause.duration is not None and clause.duration != days:
        raise Unreadable("it names two durations")
    clause.duration = days


def _place(clause: _Clause, found: Sequence[Item], index: int) -> None:
    """Put an item that says how much or when where it belongs: a second amount after a time begins a new part."""
    item, current = found[index], clause.parts[-1]
    kinds = [i.kind for i in current]
    if item.kind in ("per", "every") and not any(k in (*AMOUNTS, *_TIMES) for k in kinds) and len(clause.parts) == 1:
        following = found[index + 1].kind if index + 1 < len(found) else ""
        if following == "colon" and any(i.kind in ("slot", "slots", "clock", "scheme") for i in found[index:]):
            clause.frame = item
            return
    has_amount = any(kind in AMOUNTS for kind in kinds)
    has_time = any(kind in (*_TIMES, "scheme") for kind in kinds)
    time_first = has_amount and has_time and next(k for k in kinds if k in (*_TIMES, *AMOUNTS)) in _TIMES
    multiplied = current and current[-1].kind == "times" and current[-1].text.lower().endswith("x")
    if has_amount and has_time and not (multiplied and item.kind in AMOUNTS):  # "500 mg 3x1"
        more = sum(1 for later in found[index:] if later.kind in AMOUNTS)
        begins = item.kind in _TIMES and time_first and more > 0
        begins = begins or (item.kind in AMOUNTS and not time_first and not _in_brackets(found, index))
        if begins:
            clause.parts.append([item])
            return
    current.append(item)


def _in_brackets(found: Sequence[Item], index: int) -> bool:
    opened = sum(1 for item in found[:index] if item.kind == "open")
    return opened > sum(1 for item in found[:index] if item.kind == "close")


def _counts_of_times(found: Sequence[Item]) -> list[Item]:
    """A bare number before a period counts times where the amount is said already: "1 tablet 4 a day"."""
    kept: list[Item] = []
    for at, item in enumerate(found):
        following = found[at + 1] if at + 1 < len(found) else None
        if item.kind == "bare" and item.n and following and following.kind == "per":
            _certain_count(item.n, following, kept)
            if _has_count(kept):
                kept.append(replace(item, kind="times"))
                continue
        kept.append(item)
    return kept


def _certain_count(n: Span, period: Item, before: Sequence[Item]) -> None:
    """Refuse what may be no count of times: "1 tablet and half a day"; "3 monthly" is every three months in the UK."""
    if period.factor > 1 and " " not in period.text and not period.text.lower().startswith("q") and n != Span.of(1):
        raise Unreadable("it says so many in a period, or every so many periods")
    joined, broken = bool(before) and before[-1].kind == "and", n.low.denominator != 1 or n.high.denominator != 1
    if (joined and broken) or (_has_count(before) and (joined or broken)):
        raise Unreadable("a number in it is an amount or a number of times")


def _has_count(kept: Sequence[Item]) -> bool:
    kinds = [item.kind for item in kept]
    counted = [i for i in kept if i.kind == "bare" or (i.kind == "amount" and i.unit not in ("mg", "ug", "g"))]
    return bool(counted) and not any(kind in _TIMES and kind != "times" for kind in kinds)


def _dose(words: str, clause: _Clause, before: Dose | None) -> Dose:
    """A step's dose; a step that names no amount keeps the one before ("then 3 times a day")."""
    if not clause.parts:
        if clause.as_needed:
            return Dose(words, understood=True, as_needed=True, route=clause.route)
        raise Unreadable("neither an amount nor a time is said")
    said = _without_noughts(_shared_units(clause.parts))
    parts = [part for items_of in said for part in _part(clause, items_of)]
    if len(said) > 1 and not any(item.kind == "and" for item in said[0][-1:]):
        parts = _without_summary(parts)
    slots = [slot for part in parts for slot in part.slots]
    if len(parts) > 1 and (len(slots) != len(set(slots)) or not all(part.slots for part in parts)):
        raise Unreadable("its parts may not be of the same day")
    dose = combine(words, parts, clause.as_needed, clause.duration)
    if not dose.understood:
        return dose
    if clause.total is not None and not _sums_up(clause.total, dose):
        raise Unreadable("it names two amounts")
    if dose.low is None and before is not None and before.low is not None and dose.per_day_low is not None:
        again = [replace(parts[0], amount=dose_amount.again(before), unit=before.unit)]
        dose = combine(words, again, clause.as_needed, clause.duration)
    if before is not None and dose.unit == "{each}" and before.unit in SOLID:
        dose = replace(dose, unit=before.unit)  # "1 tablet daily for 7 days, then 2 daily"
    dose = replace(dose, start=clause.start, end=clause.end)
    if clause.as_needed:
        return dose
    if dose.per_day_low is None:
        return incomplete(dose, "how often is not said")
    if dose.low is None and not clause.applied:
        return incomplete(dose, "the amount is not said")
    return dose


def _without_noughts(parts: list[list[Item]]) -> list[list[Item]]:
    """The parts without those of a time at which nothing is taken ("morgens 1, mittags 0, abends 1")."""

    def nought(part: list[Item]) -> bool:
        amounts = [item.n for item in part if item.kind in AMOUNTS]
        return amounts == [Span.of(0)] and any(item.kind in ("slot", "clock") for item in part)

    kept = [part for part in parts if not nought(part)]
    return kept or parts


def _sums_up(total: Item, dose: Dose) -> bool:
    """Whether a day's total in brackets is what the instruction comes to ("40 mg bd (80 mg daily)")."""
    said = dose_amount.resolve([replace(total, kind="amount")])
    if said.span is None or not said.span.exact or dose.daily_low is None or dose.daily_low != dose.daily_high:
        return False
    daily = fraction_of(dose.daily_low)
    if said.unit == dose.unit or (said.unit in SOLID and dose.unit in SOLID):
        return daily == said.span.low
    return said.unit == "mg" and dose.strength_mg is not None and daily * fraction_of(dose.strength_mg) == said.span.low


def _without_summary(parts: list[Part]) -> list[Part]:
    """The parts without a first that only sums up the others ("twice a day, 1 in the morning and 1 at 3 pm")."""
    first, rest = parts[0], parts[1:]
    if (
        sum(len(part.slots) for part in rest) < 2
        or first.slots
        or first.per_day is None
        or not all(part.slots for part in rest)
    ):
        return parts
    rates = [part.per_day for part in rest if part.per_day is not None]
    same = all(part.amount == first.amount and part.unit in (first.unit, "{each}") for part in rest)
    if same and sum((rate.low for rate in rates), Fraction(0)) == first.per_day.low and first.per_day.exact:
        return [replace(part, unit=first.unit, strength=first.strength) for part in rest]
    return parts


def _shared_units(parts: list[list[Item]]) -> list[list[Item]]:
    """Later parts with the unit of the first where they only count: "2 tablets in the morning and 1 at noon"."""
    unit = next((i.unit for i in parts[0] if i.kind == "amount"), "")
    if not unit:
        return parts
    shared = parts[:1]
    for part in parts[1:]:
        bare = not any(item.kind in ("amount", "form") for item in part)
        shared.append([replace(i, kind="amount", unit=unit) if bare and i.kind == "bare" else i for i in part])
    return shared


def _part(clause: _Clause, found: list[Item]) -> list[Part]:
    scheme = [item for item in found if item.kind == "scheme"]
    if scheme:
        return dose_time.scheme_parts(found, clause.frame, clause.route)
    timed = dose_time.resolve(found, clause.frame)
    _same_time(found)
    amount = dose_amount.resolve(found, timed.multiplier)
    per_day, doses = timed.per_day, amount
    if timed.divided is not None and per_day is not None:
        if per_day.low > 1 or not per_day.exact:
            raise Unreadable("it is divided in no certain number of doses")
        doses = amount.divided(timed.divided)
        per_day = per_day * timed.divided
    return [
        Part(
            amount=doses.span,
            unit=doses.unit,
            per_day=per_day,
            slots=timed.slots,
            strength=doses.strength,
            aside=doses.aside,
            route=clause.route,
        )
    ]
