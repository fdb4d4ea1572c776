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
from salus.terminology.dose_items import Item, items
from salus.terminology.dose_lexer import Unreadable, fold, tokens
from salus.terminology.dose_model import SOLID, Dose, Part, Span, combine, incomplete, refused, sequence
from salus.terminology.dose_table import vocabulary

MOST_ITEMS = 80
UNKNOWN_WORDS = ("a word or sign in it is not known",)
CHANGE = "it has a condition or a change that one amount cannot hold"
_TIMES = dose_time.KINDS
_AMOUNTS = ("amount", "bare", "scheme")
_NAME_LETTERS = 3
_ENDS = ("end", "until", "till", "to ", "bis", "jusqu", "stop")
_ADVERB_ENDINGS = ("ly", "lich", "weise", "ment", "ing", "days", "nights", "mornings", "weeks", "stundig", "mal")
"""An unknown word that ends so may say how often: it never passes for a name."""


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
        if len(clause.parts) != 1 or any(i.kind in _AMOUNTS for i in clause.parts[0]):
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
    kept = _counts_of_times(_without_names(_without_limits(_without_reasons(found))))
    clause = _Clause()
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
    meant = (*_TIMES, *_AMOUNTS, "form", "concentration")
    clause.parts = _with_strengths([part for part in clause.parts if any(i.kind in meant for i in part)])
    return clause


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
    masses = [item for item in parts[0] if item.kind in _AMOUNTS]
    counts = [item for item in parts[1] if item.kind in _AMOUNTS]
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


def _set_duration(clause: _Clause, item: Item) -> None:
    if item.n is None or not item.n.exact:
        return
    days = item.n.low * item.factor
    if clause.duration is not None and clause.duration != days:
        raise Unreadable("it names two durations")
    clause.duration = days


def _place(clause: _Clause, found: Sequence[Item], index: int) -> None:
    """Put an item that says how much or when where it belongs: a second amount after a time begins a new part."""
    item, current = found[index], clause.parts[-1]
    kinds = [i.kind for i in current]
    if item.kind in ("per", "every") and not any(k in (*_AMOUNTS, *_TIMES) for k in kinds) and len(clause.parts) == 1:
        following = found[index + 1].kind if index + 1 < len(found) else ""
        if following == "colon" and any(i.kind in ("slot", "slots", "clock", "scheme") for i in found[index:]):
            clause.frame = item
            return
    has_amount = any(kind in _AMOUNTS for kind in kinds)
    has_time = any(kind in (*_TIMES, "scheme") for kind in kinds)
    time_first = has_amount and has_time and next(k for k in kinds if k in (*_TIMES, *_AMOUNTS)) in _TIMES
    if has_amount and has_time:
        more = sum(1 for later in found[index:] if later.kind in _AMOUNTS)
        begins = item.kind in _TIMES and time_first and more > 0
        begins = begins or (item.kind in _AMOUNTS and not time_first and not _in_brackets(found, index))
        if begins:
            clause.parts.append([item])
            return
    current.append(item)


def _in_brackets(found: Sequence[Item], index: int) -> bool:
    opened = sum(1 for item in found[:index] if item.kind == "open")
    return opened > sum(1 for item in found[:index] if item.kind == "close")


def _without_reasons(found: Sequence[Item]) -> list[Item]:
    """The items without "for high blood pressure"; "bei Kopfschmerzen" leaves that it is taken as needed."""
    kept: list[Item] = []
    at = 0
    while at < len(found):
        item = found[at]
        if item.kind not in ("reason", "occasion", "prn"):
            kept.append(item)
            at += 1
            continue
        start = at + 1
        if item.kind == "prn" and start < len(found) and found[start].kind in ("reason", "comma"):
            start += 1
        end = _end_of_reason(found, start)
        if item.kind != "prn" and end == start:
            raise Unreadable(UNKNOWN_WORDS[0])
        if item.kind != "reason":
            kept.append(replace(item, kind="prn"))
        at = end if end > start else at + 1
    return kept


def _end_of_reason(found: Sequence[Item], at: int) -> int:
    """Where the words of a reason end: at the first that says how much or how often."""
    while at < len(found):
        item = found[at]
        more = at + 1 < len(found) and found[at + 1].kind == "unknown"
        choice = item.text.lower() in ("or", "ou", "oder", "of", "and") or item.kind in ("and", "of", "ignore", "comma")
        if item.kind not in ("unknown", "eye", "ear", "reason") and not (choice and more):
            return at
        at += 1
    return at


def _without_limits(found: Sequence[Item]) -> list[Item]:
    """The items without the largest amount ("max 8 in 24 hours"); "at most 3 times a day" stays, as "up to"."""
    kept: list[Item] = []
    at = 0
    while at < len(found):
        kinds = [item.kind for item in found[at + 1 : at + 3]]
        if found[at].kind != "max":
            kept.append(found[at])
        elif kinds[:1] in (["amount"], ["bare"]):
            at += 2 if kinds[1:] in (["per"], ["window"]) else 1
        elif kinds[:1] in (["times"], ["rate"]):
            if any(item.kind in ("times", "rate", "per", "every", "slot", "slots") for item in kept):
                at += 2 if kinds[1:] == ["per"] else 1
            else:
                kept.append(replace(found[at], kind="upto"))
        else:
            raise Unreadable("its largest dose cannot be read")
        at += 1
    return kept


def _counts_of_times(found: Sequence[Item]) -> list[Item]:
    """A bare number before a period counts times where the amount is said already: "1 tablet 4 a day"."""
    kept: list[Item] = []
    for at, item in enumerate(found):
        following = found[at + 1].kind if at + 1 < len(found) else ""
        if item.kind == "bare" and following == "per" and _has_count(kept):
            kept.append(replace(item, kind="times"))
        else:
            kept.append(item)
    return kept


def _has_count(kept: Sequence[Item]) -> bool:
    kinds = [item.kind for item in kept]
    counted = [i for i in kept if i.kind == "bare" or (i.kind == "amount" and i.unit not in ("mg", "ug", "g"))]
    return bool(counted) and not any(kind in _TIMES and kind != "times" for kind in kinds)


def _without_names(found: Sequence[Item]) -> list[Item]:
    """The items without the name of the medicine, where one may stand: before the amount, or after "of" or a number."""
    kept: list[Item] = []
    for item in found:
        if item.kind in ("unknown", "ratio") and _name_may_stand(kept):
            if item.kind == "unknown" and not _may_be_name(item.text):
                raise Unreadable(UNKNOWN_WORDS[0])
            kept.append(replace(item, kind="name"))
            continue
        kept.append(item)
    return kept


def _may_be_name(word: str) -> bool:
    lower = word.lower()
    return (len(word) >= _NAME_LETTERS and lower not in vocabulary() and not lower.endswith(_ADVERB_ENDINGS)) or bool(
        re.fullmatch(r"[A-Z]\d+", word)
    )


def _name_may_stand(before: Sequence[Item]) -> bool:
    kinds = [item.kind for item in before]
    if not any(kind in (*_AMOUNTS, *_TIMES, "concentration") for kind in kinds):
        return kinds.count("name") < 6
    last = next((kind for kind in reversed(kinds) if kind != "name"), "")
    return last in ("of", "bare") and kinds.count("name") < 6


def _dose(words: str, clause: _Clause, before: Dose | None) -> Dose:
    """A step's dose; a step that names no amount keeps the one before ("then 3 times a day")."""
    if not clause.parts:
        if clause.as_needed:
            return Dose(words, understood=True, as_needed=True, route=clause.route)
        raise Unreadable("neither an amount nor a time is said")
    parts = _without_summary([part for said in _shared_units(clause.parts) for part in _part(clause, said)])
    slots = [slot for part in parts for slot in part.slots]
    if len(parts) > 1 and (len(slots) != len(set(slots)) or not all(part.slots for part in parts)):
        raise Unreadable("its parts may not be of the same day")
    dose = combine(words, parts, clause.as_needed, clause.duration)
    if not dose.understood:
        return dose
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


def _without_summary(parts: list[Part]) -> list[Part]:
    """The parts without a first that only sums up the others ("twice a day, 1 in the morning and 1 at 3 pm")."""
    first, rest = parts[0], parts[1:]
    if not rest or first.slots or first.per_day is None or not all(part.slots for part in rest):
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
