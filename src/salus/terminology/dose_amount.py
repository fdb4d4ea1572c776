"""How much: the amount of one administration from the numbers of one part of an instruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from salus.terminology.dose_items import Item
from salus.terminology.dose_lexer import Unreadable
from salus.terminology.dose_model import SOLID, Dose, Span

MOST_BARE = 4
"""The largest number without a unit that is taken as a count; 20 may be milligrams."""
_MASS = {"mg": Fraction(1), "ug": Fraction(1, 1000), "g": Fraction(1000)}
_LIQUID = ("mL", "[tsp_us]", "[tbs_us]", "[iU]", "meq", "mmol")


@dataclass(frozen=True, slots=True)
class Amount:
    """The amount of one administration; ``strength`` in mg for one counted unit or mL, ``aside`` an unplaced mass."""

    span: Span | None
    unit: str = ""
    strength: Fraction | None = None
    aside: Fraction | None = None

    def divided(self, into: Span) -> Amount:
        """A day's amount as that of one of ``into`` doses."""
        if self.span is None or not into.exact:
            raise Unreadable("it is divided in no certain number of doses")
        return replace(self, span=self.span * (1 / into.low))


@dataclass(frozen=True, slots=True)
class _Number:
    span: Span
    unit: str
    at: int
    in_brackets: bool


def again(before: Dose) -> Span:
    """The amount of the step before."""
    if before.low is None or before.high is None:
        raise Unreadable("the amount of a step is not said")
    return Span(Fraction(before.low), Fraction(before.high))


def resolve(found: Sequence[Item], multiplier: Span | None = None) -> Amount:
    """The amount that the items of a part say. Raises :class:`Unreadable` where numbers compete."""
    numbers = _numbers(found)
    _not_listed(found, numbers)
    masses = [n for n in numbers if n.unit == "mg"]
    liquids = [n for n in numbers if n.unit in _LIQUID]
    counts = [n for n in numbers if n.unit not in _LIQUID and n.unit != "mg"]
    if multiplier is not None:
        counts.insert(0, _Number(multiplier, "{each}", -1, False))
    concentration = _concentration(found)
    counts = _one_value(counts)
    if liquids:
        return _liquid(found, _one_value(liquids), masses, counts, concentration)
    if not counts:
        return _mass(found, masses, concentration)
    count = _with_form(counts[0], found)
    if count.unit == "{each}" and count.span.high > MOST_BARE:
        raise Unreadable("a number in it has no unit")
    if concentration and concentration[1] == count.unit:
        return Amount(count.span, count.unit, concentration[0])
    return _counted(found, count, masses)


def _numbers(found: Sequence[Item]) -> list[_Number]:
    numbers = []
    depth = 0
    for at, item in enumerate(found):
        depth += {"open": 1, "close": -1}.get(item.kind, 0)
        if item.kind in ("amount", "bare") and item.n is not None:
            unit = item.unit or "{each}"
            before = found[at - 1].kind if at else ""
            _certain(item, before)
            span = item.n * _MASS[unit] if unit in _MASS else item.n
            if before == "upto":
                span = Span(Fraction(0), span.high)
            numbers.append(_Number(span, "mg" if unit in _MASS else unit, at, depth > 0))
    if any(n.span.low < 0 or n.span.high <= 0 for n in numbers):
        raise Unreadable("an amount in it is nought")
    return numbers


def _not_listed(found: Sequence[Item], numbers: list[_Number]) -> None:
    """Refuse "1 tablet and 1 at night": the same number twice in a list is not one number said twice."""
    for one, other in pairwise(numbers):
        between = {item.kind for item in found[one.at + 1 : other.at]}
        if "and" in between or ("comma" in between and one.unit[:1] == other.unit[:1] == "{"):
            raise Unreadable("it names two amounts")


def _certain(item: Item, before: str) -> None:
    """Refuse a number that may be the medicine's strength or its name: "lorazepam 1 nocte", "10-12.5 mg"."""
    decimal_point = any(sign in item.text for sign in ".,")
    if item.kind == "bare" and (before == "name" or decimal_point):
        raise Unreadable("a number in it has no unit")
    if item.n is not None and not item.n.exact and before == "name" and "-" in item.text:
        raise Unreadable("a number in it may be the strength of a combination")


def _concentration(found: Sequence[Item]) -> tuple[Fraction, str] | None:
    said = {
        (item.n.low * _MASS[item.names[0]], item.unit)
        for item in found
        if item.kind == "concentration" and item.n is not None and item.names[0] in _MASS
    }
    if len(said) > 1:
        raise Unreadable("it names two strengths")
    return next(iter(said), None)


def _one_value(numbers: list[_Number]) -> list[_Number]:
    """Numbers that say the same once ("ONE (1) TABLET"); others compete."""
    if len(numbers) < 2:
        return numbers
    named = [n for n in numbers if n.unit != "{each}"] or numbers
    if len({n.span for n in numbers}) > 1 or len({n.unit for n in named}) > 1:
        raise Unreadable("it names two amounts")
    return named[:1]


def _with_form(count: _Number, found: Sequence[Item]) -> _Number:
    """A bare number with the form that stands elsewhere ("tab 1", "2 x 20 mg tablets")."""
    forms = {item.unit for item in found if item.kind == "form" and item.unit.startswith("{")}
    return replace(count, unit=forms.pop()) if count.unit == "{each}" and len(forms) == 1 else count


def _mass(found: Sequence[Item], masses: list[_Number], concentration: tuple[Fraction, str] | None) -> Amount:
    """An amount in mg. "20 mg tablets daily" does not say how many; "20 mg tablet daily" means one."""
    if not masses:
        return Amount(None, strength=concentration[0] if concentration else None)
    spans = {n.span for n in masses}
    if len(spans) > 1:
        first, last = masses[0], masses[-1]
        if len(masses) == 2 and _form_after(found, first) and not _form_after(found, last):
            return Amount(last.span, "mg")
        raise Unreadable("it names two amounts")
    form = _form_after(found, masses[0])
    if form and form.endswith(("s", "en")):
        return Amount(None, strength=masses[0].span.low)
    return Amount(masses[0].span, "mg")


def _form_after(found: Sequence[Item], number: _Number) -> str:
    following = found[number.at + 1] if number.at + 1 < len(found) else None
    return following.text if following and following.kind == "form" and following.unit in SOLID else ""


def _liquid(
    found: Sequence[Item],
    liquids: list[_Number],
    masses: list[_Number],
    counts: list[_Number],
    concentration: tuple[Fraction, str] | None,
) -> Amount:
    liquid = liquids[0]
    span = liquid.span
    if counts:
        spoon = any(item.kind == "form" and item.unit == "{spoon}" for item in found) or counts[0].at < 0
        if not spoon and counts[0].span != Span.of(1):
            raise Unreadable("it names two amounts")
        span = span * counts[0].span
    strength = concentration[0] if concentration and concentration[1] == liquid.unit and concentration[0] else None
    if masses:
        if len(masses) > 1 or counts or strength or not span.exact or not masses[0].span.exact:
            raise Unreadable("it names two amounts")
        strength = masses[0].span.low / span.low
    return Amount(span, liquid.unit, strength)


def _counted(found: Sequence[Item], count: _Number, masses: list[_Number]) -> Amount:
    """A count of tablets and the like, with the mass beside it as strength, total or unplaced."""
    if not masses:
        return Amount(count.span, count.unit)
    if len({n.span for n in masses}) > 1:
        return Amount(count.span, count.unit, _strength_of_two(count, masses))
    mass = masses[0]
    total = _ratio(mass.span, count.span)
    if count.span == Span.of(1):
        return Amount(count.span, count.unit, mass.span.low) if mass.span.exact else _competing()
    if mass.at < count.at:
        if count.in_brackets and not mass.in_brackets:
            return Amount(count.span, count.unit, total) if total is not None else _competing()
        if _form_after(found, mass):
            return Amount(count.span, count.unit, mass.span.low) if mass.span.exact else _competing()
    between = {item.kind for item in found[max(count.at, 0) + 1 : mass.at]}
    after = found[mass.at + 1] if mass.at + 1 < len(found) else None
    if after and after.kind == "total":
        return Amount(count.span, count.unit, total) if total is not None else _competing()
    each = after is not None and after.kind == "form"
    if mass.at > count.at and mass.span.exact and ("of" in between or each or count.at < 0):
        return Amount(count.span, count.unit, mass.span.low)
    if not mass.span.exact:
        return Amount(count.span, count.unit, total) if total is not None else _competing()
    return Amount(count.span, count.unit, aside=mass.span.low)


def _competing() -> Amount:
    raise Unreadable("it names two amounts")


def _ratio(total: Span, count: Span) -> Fraction | None:
    """What one of ``count`` holds where ``total`` is the sum of them; None where the bounds disagree."""
    low, high = total.low / count.low if count.low else None, total.high / count.high
    return high if low is None or low == high else None


def _strength_of_two(count: _Number, masses: list[_Number]) -> Fraction:
    """A strength and a total: the one times the count is the other."""
    spans = sorted({n.span for n in masses}, key=lambda s: s.low)
    if len(spans) == 2 and spans[0].exact and spans[0] * count.span == spans[1]:
        return spans[0].low
    raise Unreadable("it names two amounts")


def scheme_unit(found: Sequence[Item]) -> tuple[str, Fraction, Fraction | None]:
    """The unit of a scheme's numbers, what they are multiplied by, and the strength of one ("20 mg 1-0-1")."""
    at = next(i for i, item in enumerate(found) if item.kind == "scheme")
    following = found[at + 1] if at + 1 < len(found) else None
    unit = following.unit if following and following.kind == "form" else ""
    masses = [item for item in found if item.kind == "amount"]
    if any(item.unit not in _MASS or item.n is None or not item.n.exact for item in masses) or len(masses) > 1:
        raise Unreadable("it names two amounts")
    strength = masses[0].n.low * _MASS[masses[0].unit] if masses and masses[0].n else None
    if unit in _MASS:
        if masses:
            raise Unreadable("it names two amounts")
        return "mg", _MASS[unit], None
    return unit or "{each}", Fraction(1), strength
