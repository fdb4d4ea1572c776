"""The National Early Warning Score 2 as a pure function of its seven parameters.

Table: ``news2.json`` (Royal College of Physicians 2017, Chart 1). A missing parameter never scores 0: the total is
then open, and the lowest and highest totals still possible are given instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from salus.errors import InputError

PARAMETERS = (
    "respiratory-rate",
    "oxygen-saturation",
    "oxygen",
    "systolic-bp",
    "heart-rate",
    "acvpu",
    "body-temperature",
)
"""Numbers are Decimal in the table's unit; "oxygen" is "oxygen" or "air"; "acvpu" one of A, C, V, P, U."""

Value = Decimal | str | None


@dataclass(frozen=True, slots=True)
class Score:
    """A NEWS2. ``points`` of the parameters known; ``missing`` ones; ``lowest`` and ``highest`` possible totals.

    ``total`` is None unless every parameter is known. ``single_3`` says that one known parameter alone scores 3.
    """

    points: Mapping[str, int]
    missing: tuple[str, ...]
    lowest: int
    highest: int
    single_3: bool

    @property
    def total(self) -> int | None:
        """The score, None while parameters are missing."""
        return None if self.missing else self.lowest

    @property
    def response(self) -> str:
        """RCP's clinical response to what is certain: the lowest possible total, or a single parameter of 3."""
        table: Mapping[str, str] = load()["response"]
        if self.lowest >= 7:
            return table["7+"]
        if self.lowest >= 5:
            return table["5-6"]
        if self.single_3:
            return table["single parameter = 3"]
        return table["1-4"] if self.lowest >= 1 else table["0"]


@cache
def load() -> Mapping[str, Any]:
    """The table as it stands in the file."""
    table: Mapping[str, Any] = json.loads(files("salus.monitoring").joinpath("news2.json").read_text("utf-8"))
    return table


def label(parameter: str) -> str:
    """The parameter in words."""
    table = load()
    entry = table["numbers"].get(parameter) or table[parameter]
    return str(entry["label"])


def unit(parameter: str) -> str:
    """The UCUM unit that a numeric parameter must be given in."""
    table = load()
    return str((table["numbers"].get(parameter) or table[parameter])["unit"])


def score(values: Mapping[str, Value], *, scale_2: bool = False) -> Score:
    """NEWS2 of ``values`` (see :data:`PARAMETERS`); absent and None are missing.

    Numbers are rounded half up to the steps of the chart first (0.1 °C for temperature, 1 for all others).
    ``scale_2``: a prescriber has asked for SpO2 scale 2; it is never assumed. Raises :class:`InputError` for an
    unknown parameter or a value that cannot be a measurement of it.
    """
    for name in values:
        if name not in PARAMETERS:
            raise InputError(f"{name[:40]!r} is not a parameter of NEWS2", remedy=f"one of {', '.join(PARAMETERS)}")
    possible = {name: _possible(name, values, scale_2) for name in PARAMETERS}
    missing = tuple(name for name in PARAMETERS if values.get(name) is None)
    points = {name: possible[name][0] for name in PARAMETERS if name not in missing and len(set(possible[name])) == 1}
    totals = [_total(possible, oxygen) for oxygen in range(len(possible["oxygen"]))]
    return Score(
        points=points,
        missing=missing,
        lowest=min(low for low, _ in totals),
        highest=max(high for _, high in totals),
        single_3=3 in points.values(),
    )


def _total(possible: Mapping[str, tuple[int, ...]], oxygen: int) -> tuple[int, int]:
    """Lowest and highest total under one of the possible oxygen states (SpO2 scale 2 depends on it)."""
    others = [name for name in PARAMETERS if name not in ("oxygen", "oxygen-saturation")]
    states = len(possible["oxygen"])
    share = len(possible["oxygen-saturation"]) // states
    saturation = possible["oxygen-saturation"][oxygen * share : (oxygen + 1) * share]
    fixed = possible["oxygen"][oxygen]
    low = fixed + min(saturation) + sum(min(possible[name]) for name in others)
    return low, fixed + max(saturation) + sum(max(possible[name]) for name in others)


def _possible(name: str, values: Mapping[str, Value], scale_2: bool) -> tuple[int, ...]:
    """Every number of points that the parameter can still bring; for SpO2 one equal share per oxygen state."""
    table = load()
    value = values.get(name)
    if name in ("oxygen", "acvpu"):
        return _choice(name, value)
    if name != "oxygen-saturation":
        return _from_bands(name, value, table["numbers"][name], table["numbers"][name]["bands"])
    entry = table[name]
    if not scale_2:
        states = len(_choice("oxygen", values.get("oxygen")))
        return _from_bands(name, value, entry, entry["scale-1"]) * states
    known = values.get("oxygen")
    scales = [str(known)] if known is not None else list(table["oxygen"]["points"])
    shares = [_from_bands(name, value, entry, entry[f"scale-2-{state}"]) for state in scales]
    width = max(len(share) for share in shares)
    return tuple(points for share in shares for points in (share + (share[-1],) * (width - len(share))))


def _choice(name: str, value: Value) -> tuple[int, ...]:
    points: Mapping[str, int] = load()[name]["points"]
    if value is None:
        return tuple(points.values())
    if not isinstance(value, str) or value not in points:
        raise InputError(f"not a value of {label(name)}", remedy=f"one of {', '.join(points)}")
    return (points[value],)


def _from_bands(name: str, value: Value, entry: Mapping[str, Any], bands: list[list[Any]]) -> tuple[int, ...]:
    if value is None:
        return tuple(int(points) for _, points in bands)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise InputError(f"{label(name)} is not a number")
    low, high = entry["plausible"]
    if not low <= value <= high:
        raise InputError(f"{label(name)} is outside {low} to {high} {entry['unit']}", remedy="check value and unit")
    rounded = value.quantize(Decimal(entry["step"]), ROUND_HALF_UP)
    return (next(int(points) for bound, points in bands if bound is None or rounded <= Decimal(bound)),)
