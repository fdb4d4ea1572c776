"""How often: the times of one part of an instruction, and schemes of numbers ("1-0-1")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from salus.terminology import dose_amount
from salus.terminology.dose_items import Item
from salus.terminology.dose_lexer import FRACTIONS, Unreadable, number
from salus.terminology.dose_model import Part, Span

KINDS = (
    "times",
    "per",
    "od",
    "rate",
    "every",
    "slot",
    "slots",
    "clock",
    "hour",
    "weekday",
    "on",
    "divided",
    "upto",
    "dayshare",
)
SHORTEST = Fraction(1, 24)
"""Days between two administrations: shorter ones are for a moment, not for a day."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RATES = ("per", "od", "rate", "every", "dayshare")
MOST_TIMES = 4
"""The largest count before "x" that alone is one of times a day ("3x1")."""
_SIGNS = ("comma", "colon", "break", "stop", "open", "close")
_SCHEMES = {3: ("morning", "noon", "evening"), 4: ("morning", "noon", "evening", "night")}


@dataclass(frozen=True, slots=True)
class Timed:
    """The times of a part. ``multiplier`` is an "x" that belongs to the amount ("2 x 5 mL")."""

    per_day: Span | None
    slots: frozenset[str] = frozenset()
    multiplier: Span | None = None
    divided: Span | None = None


@dataclass(slots=True)
class Said:
    """What is said about time. ``rates`` are (administrations a day, whether a count was said, days of the period);
    ``share`` is on how many days of a period ("5 days a week").
    """

    rates: list[tuple[Span, bool, Fraction]] = field(default_factory=list)
    slots: list[str] = field(default_factory=list)
    days: list[str] = field(default_factory=list)
    multiplier: Span | None = None
    divided: Span | None = None
    upto: bool = False
    share: tuple[Span, Fraction] | None = None


def resolve(found: Sequence[Item], frame: Item | None = None) -> Timed:
    """The times that the items say. Raises :class:`Unreadable` where they contradict each other or lack a period."""
    said = _collect(found)
    if frame is not None:
        said.rates.append(_rate_of(frame))
    return timed(said)


def timed(said: Said) -> Timed:
    """The times of a part from what was said of them."""
    per_day = _per_day(said)
    if per_day is not None and said.upto:
        per_day = Span(Fraction(0), per_day.high)
    if per_day is not None and per_day.high > 1 / SHORTEST:
        raise Unreadable("it is taken at shorter intervals than an hour")
    return Timed(per_day, _named(said), said.multiplier, said.divided)


def _named(said: Said) -> frozenset[str]:
    """The times of the week that the part is taken at, so that two parts can be told apart."""
    if said.days and said.slots:
        return frozenset(f"{day} {slot}" for day in said.days for slot in said.slots)
    return frozenset(said.days or said.slots)


def _collect(found: Sequence[Item]) -> Said:
    said = Said()
    at = 0
    while at < len(found):
        item = found[at]
        if item.kind in _RATES and at > 1 and found[at - 1].text == "-" and found[at - 2].kind in _RATES:
            raise Unreadable("it leaves open which frequency holds")  # "QD-BID"
        following = found[at + 1] if at + 1 < len(found) else None
        match item.kind:
            case "times":
                at += _times(said, item, found, at)
            case "per" | "every" | "rate":
                said.rates.append(_rate_of(item))
            case "dayshare":
                _share(said, item)
            case "od":
                if not any(i.kind in ("eye", "ear") or i.unit == "{drop}" for i in found):
                    said.rates.append((Span.of(1), True, Fraction(1)))
                elif not any(i.kind in ("rate", "times", "every", "per") for i in found):
                    raise Unreadable("OD is once a day or the right eye")
            case "slot" | "slots" | "clock" | "on":
                _slot(said, item, found, at)
            case "weekday":
                _weekday(said, item, found, at)
            case "hour":
                raise Unreadable("a number in it is an amount or an hour")
            case "divided":
                said.divided = _whole(item)
            case "upto":
                said.upto = following is not None and following.kind in ("times", "rate")
        at += 1
    return said


def _share(said: Said, item: Item) -> None:
    if item.n is None or item.n.low < 1 or item.n.high > item.factor or said.share not in (None, (item.n, item.factor)):
        raise Unreadable("its number of days does not fit its period")
    said.share = (item.n, item.factor)


def _whole(item: Item) -> Span:
    if item.n is None or item.n.low < 1:
        raise Unreadable("it is divided in no number of doses")
    return item.n


def _times(said: Said, item: Item, found: Sequence[Item], at: int) -> int:
    """A count of times with the period that follows it; how many more items that used up."""
    n = item.n or Span.of(1)
    if n.low <= 0:
        raise Unreadable("a number in it is nought")
    if n.low.denominator != 1 or n.high.denominator != 1:
        raise Unreadable("a number in it is an amount or a number of times")
    following = found[at + 1] if at + 1 < len(found) else None
    skip = 1
    if following and following.kind in ("open", "comma") and at + 2 < len(found):
        following, skip = found[at + 2], 2
    if following and following.kind in ("per", "every"):
        span, _, period = _rate_of(following)
        said.rates.append((span * n, True, period))
        return skip
    if following and following.kind == "od":
        said.rates.append((n, True, Fraction(1)))
        return skip
    if following and following.kind in ("slot", "slots", "clock", "weekday"):
        period = Fraction(7) if following.kind == "weekday" else Fraction(1)
        said.rates.append((n * (1 / period), True, period))
        return 0
    if following and following.kind in ("amount", "bare") and item.text.lower().endswith("x") and not said.multiplier:
        counted = following.kind == "bare" or following.unit.startswith("{")
        if not counted:
            said.multiplier = n
            return 0
        others = [i for i in found if i.kind in (*_RATES, "times", "divided", "weekday") and i is not item]
        daily = all(i.kind == "per" and i.factor == 1 for i in others)
        if others and daily:  # "3 x 1 Tbl. tgl."
            said.rates.append((n, True, Fraction(1)))
            return 0
        few = following.n is not None and (following.n.high <= dose_amount.MOST_BARE or following.unit == "{drop}")
        small = n.exact and n.low <= MOST_TIMES and few
        if daily and small:  # "3x1", "2x1 Tbl.": so many times a day
            said.rates.append((n, True, Fraction(1)))
            return 0
    raise Unreadable("it says how many times but not in what period")


def _rate_of(item: Item) -> tuple[Span, bool, Fraction]:
    """(administrations a day, whether a count was said, days of the period)."""
    if item.kind == "per":
        return Span.of(1 / item.factor), False, item.factor
    if item.kind == "rate":
        if item.n is not None and item.n.low <= 0:
            raise Unreadable("a number in it is nought")
        return (item.n or Span.of(1)) * (1 / item.factor), True, item.factor
    every = (item.n or Span.of(1)) * item.factor
    if item.n and (item.n.low.denominator != 1 or item.n.high.denominator != 1):
        raise Unreadable("an interval in it is a fraction")  # "ogni quarto giorno" is every fourth day
    if every.low <= 0:
        raise Unreadable("an interval in it is nought")
    period = every.low if every.exact else Fraction(0)
    return Span.of(1).over(every), False, period


def _slot(said: Said, item: Item, found: Sequence[Item], at: int) -> None:
    before = found[at - 1] if at else None
    if item.kind == "on" and not (before and before.kind in ("amount", "form", "bare", "comma", "and")):
        raise Unreadable("a word or sign in it is not known")
    if item.kind == "on" and before and before.kind == "bare" and item.text.lower() in ("am", "pm"):
        raise Unreadable("a number in it is an amount or an hour")
    names = item.names or ((item.unit,) if item.unit else (item.text,))
    if before and before.kind in ("slot", "slots", "on") and not set(names) <= set(said.slots):
        raise Unreadable("it names two times of the day without saying whether both are meant")
    said.slots.extend(name for name in names if name not in said.slots)


def _weekday(said: Said, item: Item, found: Sequence[Item], at: int) -> None:
    day = item.names[0]
    joiner = found[at - 1] if at else None
    if joiner and joiner.kind == "comma" and joiner.text == "-" and said.days:
        if at > 3 and found[at - 3].text == "-":
            raise Unreadable("its days of the week are a list or a range")  # "Mon-Wed-Fri"
        start, end = DAYS.index(said.days[-1]), DAYS.index(day)
        if end <= start:
            raise Unreadable("its days of the week run backwards")
        said.days.extend(DAYS[start + 1 : end + 1])
    elif day not in said.days:
        said.days.append(day)


def _per_day(said: Said) -> Span | None:
    """One rate from all that is said, or None where nothing is."""
    slots, days = len(said.slots), len(said.days)
    explicit = _one_rate(said.rates, slots)
    if said.share is not None:
        return _on_some_days(said.share, explicit, slots, days)
    if explicit is None:
        if days:
            return Span.of(Fraction(max(slots, 1) * days, 7))
        return Span.of(slots) if slots else None
    span, counted, period = explicit
    if days:
        return _on_days(span, counted, period, slots, days)
    if not slots:
        return span
    if not counted and period >= 1:  # "every other day in the morning", "daily in the morning and at night"
        return span * Fraction(slots)
    if counted and period > 1:
        return span if slots == 1 else _same(span, Span.of(slots / period))
    return _same(span, Span.of(slots))


def _one_rate(rates: list[tuple[Span, bool, Fraction]], slots: int) -> tuple[Span, bool, Fraction] | None:
    if not rates:
        return None
    counted = [rate for rate in rates if rate[1]]
    others = [rate for rate in rates if not rate[1]]
    if counted and not slots and rates[0][1] and all(rate[2] <= 1 for rate in counted):
        others = [rate for rate in others if rate[0] != Span.of(1)]  # "twice a day, every day"
    first = (counted or others)[0]
    if any(rate[0] != first[0] for rate in (*counted, *others)):
        raise Unreadable("it says two frequencies")
    return first


def _on_some_days(
    share: tuple[Span, Fraction], explicit: tuple[Span, bool, Fraction] | None, slots: int, days: int
) -> Span:
    """The rate on so many days of a period; days of the week that are named beside must be as many."""
    span, counted, period = explicit or (Span.of(1), False, Fraction(1))
    if period > 1 or (days and (share[0] != Span.of(days) or share[1] != 7)):
        raise Unreadable("it says two frequencies")
    if slots:
        span = _same(span, Span.of(slots)) if counted else span * Fraction(slots)
    return span * share[0] * (1 / share[1])


def _on_days(span: Span, counted: bool, period: Fraction, slots: int, days: int) -> Span:
    """The rate on days of the week: a daily rate on those days, or the week's count itself."""
    if period == 1:
        daily = _same(span, Span.of(slots)) if slots and counted else span * Fraction(max(slots, 1))
        return daily * Fraction(days, 7)
    if period == 7 or (period == 14 and days == 1 and slots <= 1):
        return _same(span, Span.of(Fraction(days * max(slots, 1)) / period))
    raise Unreadable("its days of the week do not fit its frequency")


def _same(one: Span, other: Span) -> Span:
    if one != other:
        raise Unreadable("it says two frequencies")
    return one


def scheme_parts(found: Sequence[Item], frame: Item | None, route: str) -> list[Part]:
    """The parts of a scheme: morning, noon, evening (and night)."""
    schemes = [item for item in found if item.kind == "scheme"]
    if len(schemes) > 1:
        raise Unreadable("it holds two schemes")
    texts = schemes[0].text.replace("+", "-").replace(" ", "").split("-")
    if any("/" in text and text not in FRACTIONS for text in texts):
        raise Unreadable("a number in it can be read in two ways")  # "1-0-1/7"
    amounts = [number(text, english=False) for text in texts]
    rest = [
        item
        for item in found
        if item.kind not in ("scheme", "form", "comma", "colon", "break", "stop", "open", "close")
    ]
    said = Said()
    for at, item in enumerate(found):
        if item.kind == "weekday":
            _weekday(said, item, found, at)
    days = said.days
    apart = [item for item in rest if item.kind == "every" and item.factor == 1 and item.n and item.n.exact]
    if any(
        item.kind not in ("weekday", "name", "amount", "and") and not _daily(item) for item in rest if item not in apart
    ):
        raise Unreadable("it says two frequencies")
    if len(apart) > 1 or (apart and (days or frame is not None)):
        raise Unreadable("it says two frequencies")
    unit, factor, strength = dose_amount.scheme_unit(found)
    if unit == "{each}" and max(amounts) > dose_amount.MOST_BARE:
        raise Unreadable("a number in it has no unit")
    share = Fraction(len(days), 7) if days else Fraction(1)
    for rate in (frame, *apart):
        share *= _rate_of(rate)[0].low if rate is not None else 1
    names = _SCHEMES[len(amounts)]
    parts = [
        Part(Span.of(amount * factor), unit, Span.of(share), _when(name, days), strength, None, route)
        for name, amount in zip(names, amounts, strict=True)
        if amount
    ]
    if not parts:
        raise Unreadable("its amounts are all nought")
    return parts


def _daily(item: Item) -> bool:
    return item.kind == "per" and item.factor == 1


def _when(slot: str, days: list[str]) -> frozenset[str]:
    return frozenset(f"{day} {slot}" for day in days) if days else frozenset([slot])
