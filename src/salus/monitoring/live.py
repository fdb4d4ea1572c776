"""Live readings and the rules that watch them: data classes, and the table ``live_rules.json``. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Literal

from salus.errors import InputError

Setting = Literal["home", "ward"]
State = Literal["open", "acknowledged", "escalated", "resolved"]
Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement: ``values`` by concept name, numbers in the unit of the table, "oxygen" and "acvpu" as words.

    ``at`` is when it was measured (UTC); ``seq`` tells readings of one moment apart.
    """

    device: str
    code: str
    at: datetime
    seq: str
    values: Mapping[str, Decimal | str]
    setting: Setting

    @property
    def key(self) -> Key:
        """What it is the same reading by, however often it comes."""
        return self.device, self.code, self.at.isoformat(), self.seq

    @property
    def content(self) -> str:
        """What two copies of one reading must agree in."""
        return repr(sorted((name, str(value)) for name, value in self.values.items()))


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody has seen an alert."""

    alert: str
    at: datetime
    by: str

    @property
    def key(self) -> Key:
        """The same person at the same moment acknowledges an alert once."""
        return "~acknowledgement", self.alert, self.at.isoformat(), self.by

    @property
    def content(self) -> str:
        """Two copies cannot differ."""
        return ""


Event = Reading | Acknowledgement


@dataclass(frozen=True, slots=True)
class Stay:
    """An acute encounter; ``end`` is None while it is open."""

    start: datetime
    end: datetime | None

    def holds(self, at: datetime) -> bool:
        """True for a moment of the stay."""
        return self.start <= at and (self.end is None or at < self.end)


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit of one value, and where it counts as back in range (hysteresis)."""

    value: str
    sign: Literal[">", ">=", "<"]
    limit: Decimal
    clear: Decimal

    def broken(self, found: Decimal) -> bool:
        """True beyond the limit."""
        return (
            found < self.limit
            if self.sign == "<"
            else found > self.limit or (self.sign == ">=" and found == self.limit)
        )

    def back(self, found: Decimal) -> bool:
        """True once safely inside."""
        return found >= self.clear if self.sign == "<" else found <= self.clear


@dataclass(frozen=True, slots=True)
class Rule:
    """When an alert opens, clears, escalates and speaks again. ``news2`` 0: a rule over ``bounds``."""

    id: str
    title: str
    setting: Setting
    priority: str
    bounds: tuple[Bound, ...]
    news2: int
    single_3: bool
    age: timedelta
    count: int
    span: timedelta
    clear_count: int
    escalate: timedelta
    again: timedelta
    source: str


@dataclass(frozen=True, slots=True)
class Table:
    """The whole of ``live_rules.json``."""

    rules: tuple[Rule, ...]
    plausible: Mapping[str, tuple[str, Decimal, Decimal]]
    lateness: timedelta
    future: timedelta


@cache
def table() -> Table:
    """The rules, read on first use."""
    written = json.loads(files("salus.monitoring").joinpath("live_rules.json").read_text("utf-8"))
    return Table(
        rules=tuple(_rule(entry) for entry in written["rules"]),
        plausible={k: (unit, Decimal(low), Decimal(high)) for k, (unit, low, high) in written["plausible"].items()},
        lateness=timedelta(seconds=written["lateness_s"]),
        future=timedelta(seconds=written["future_s"]),
    )


def _rule(entry: Mapping[str, object]) -> Rule:
    raw = json.loads(json.dumps(entry))

    def seconds(name: str) -> timedelta:
        return timedelta(seconds=raw.get(name, 0))

    return Rule(
        id=raw["id"],
        title=raw["title"],
        setting=raw["setting"],
        priority=raw["priority"],
        bounds=tuple(Bound(v, s, Decimal(limit), Decimal(clear)) for v, s, limit, clear in raw.get("bounds", ())),
        news2=raw.get("news2", 0),
        single_3=raw.get("single_3", False),
        age=seconds("age_s"),
        count=raw["count"],
        span=seconds("span_s"),
        clear_count=raw["clear_count"],
        escalate=seconds("escalate_s"),
        again=seconds("again_s"),
        source=raw["source"],
    )


def check_plausible(values: Mapping[str, Decimal | str]) -> None:
    """Raise :class:`InputError` for a number that cannot be a measurement, naming what it would measure."""
    for name, value in values.items():
        limits = table().plausible.get(name)
        if isinstance(value, Decimal) and limits and not (value.is_finite() and limits[1] <= value <= limits[2]):
            raise InputError(f"{name} is outside {limits[1]} to {limits[2]} {limits[0]}", remedy="check value and unit")
