"""What is measured of molecules: endpoints with unit, bounds and wished direction, and tables of measured values."""

from __future__ import annotations

import csv
import gzip
import math
import re
import tomllib
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from salus.discovery.molecule import Molecule, read
from salus.errors import InputError

Desired = Literal["low", "high", "either"]
Floats = NDArray[np.float64]

HAZARD_WORDS = re.compile(r"tox|herg|ames|mutagen|carcino|teratogen|ld50|lc50|lethal|dili|irritan|poison|nerve|ache")
"""An endpoint whose name says one of these is a hazard, whatever else is said of it."""

MAX_FILE = 64 * 1024 * 1024
MAX_TABLE = 20_000
"""Distinct molecules that are read of one table."""

MAX_MOLECULES = 6000
"""Distinct molecules that a model is fitted to: an exact Gaussian process keeps matrices of that size squared."""

LEAST_MOLECULES = 50
SMILES_COLUMNS = ("smiles", "SMILES", "Drug")
VALUE_COLUMNS = ("value", "activity", "y", "Y")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A measured quantity. ``low`` and ``high`` are what is physically possible, in ``unit``."""

    id: str
    title: str
    unit: str
    desired: Desired
    hazard: bool = False
    low: float | None = None
    high: float | None = None
    scale: Literal["plain", "log", "log1p"] = "plain"
    """What is modelled: the value, its log10, or log10(value + 1). Values and intervals are always in ``unit``."""

    def __post_init__(self) -> None:
        if self.scale not in ("plain", "log", "log1p"):
            raise InputError(f"endpoint {self.id}: scale {self.scale!r}", remedy="plain, log or log1p")
        if not self.unit:
            raise InputError(f"endpoint {self.id} has no unit", remedy="a value without unit is never used")
        if self.desired not in ("low", "high", "either"):
            raise InputError(f"endpoint {self.id}: direction {self.desired!r}", remedy="low, high or either")
        if self.hazard and self.desired == "either":
            raise InputError(f"endpoint {self.id} is a hazard and needs a wished direction", remedy="low or high")

    def bounded(self, value: float) -> float:
        """``value`` within what is possible."""
        floor = -math.inf if self.low is None else self.low
        return min(math.inf if self.high is None else self.high, max(floor, value))

    def possible(self, value: float) -> bool:
        """Whether a measurement can have this value: within the bounds, and above 0 (log) or -1 (log1p)."""
        least = {"plain": -math.inf, "log": 0.0, "log1p": -1.0}[self.scale]
        return self.bounded(value) == value and value > least

    def modelled(self, values: Floats) -> Floats:
        """Values on the scale of the model, any shape."""
        plain: Floats = np.asarray(values, dtype=np.float64)
        return plain if self.scale == "plain" else np.log10(plain + (1.0 if self.scale == "log1p" else 0.0))

    def measured(self, scaled: Floats) -> Floats:
        """From the scale of the model back to ``unit``, within what is possible; any shape."""
        with np.errstate(over="ignore"):
            plain = scaled if self.scale == "plain" else 10.0**scaled - (1.0 if self.scale == "log1p" else 0.0)
        low, high = (-np.inf if self.low is None else self.low), (np.inf if self.high is None else self.high)
        found: Floats = np.clip(plain, low, high)
        return found


@cache
def endpoints() -> dict[str, Endpoint]:
    """The endpoints of ``tables/endpoints.toml`` by id."""
    table = _table()
    fields = ("title", "unit", "desired", "hazard", "low", "high", "scale")
    return {
        name: Endpoint(name, **{key: entry[key] for key in fields if key in entry})
        for name, entry in table.items()
        if isinstance(entry, dict)
    }


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(files("salus.discovery").joinpath("tables/endpoints.toml").read_text(encoding="utf-8"))


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name).casefold()


def endpoint(name: str, unit: str | None = None, desired: Desired | None = None) -> Endpoint:
    """The endpoint known as ``name``; another one needs ``unit`` and ``desired``.

    A name with a word for a toxicity makes a hazard. Raises ``InputError`` for a unit or direction that contradicts
    the known endpoint's.
    """
    known = next((e for e in endpoints().values() if _plain(name) in _names(e.id)), None)
    if known is None:
        if not unit or not desired:
            listed = ", ".join(endpoints())
            raise InputError(f"endpoint {name!r} is not known", remedy=f"give unit and direction, or one of {listed}")
        return Endpoint(name, name, unit, desired, hazard=bool(HAZARD_WORDS.search(name.casefold())))
    for said, meant in ((unit, known.unit), (desired, known.desired)):
        if said is not None and said != meant:
            raise InputError(f"endpoint {known.id} is in {known.unit}, wished {known.desired}; not {said}")
    return known


def _names(key: str) -> set[str]:
    return {_plain(key), *(_plain(name) for name in _table()[key].get("names", ()))}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was not used: its line in the file, and why."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Table:
    """Measured values of one endpoint: distinct molecules and, of shape (molecules,), the mean of each one's values."""

    endpoint: Endpoint
    molecules: tuple[Molecule, ...]
    values: np.ndarray[tuple[int], np.dtype[np.float64]]
    rejected: tuple[Rejected, ...] = ()
    repeated: int = 0
    """Molecules that were measured more than once."""

    def subset(self, keep: Iterable[int]) -> Table:
        """The molecules at these positions."""
        at = [int(i) for i in keep]
        return Table(self.endpoint, tuple(self.molecules[i] for i in at), self.values[at])


def table_of(endpoint: Endpoint, rows: Iterable[tuple[int, str, str]]) -> Table:
    """A table from (line, SMILES, value); rows that cannot be used are set aside with the reason.

    Raises ``InputError`` when nothing is left, or for more than ``MAX_TABLE`` molecules.
    """
    found: dict[Molecule, list[float]] = defaultdict(list)
    rejected = []
    for line, smiles, text in rows:
        try:
            found[read(smiles)].append(_number(text, endpoint))
        except InputError as error:
            rejected.append(Rejected(line, error.what))
        if len(found) > MAX_TABLE:
            raise InputError(f"more than {MAX_TABLE} molecules", remedy="give a part of the table")
    kept = {molecule: values for molecule, values in found.items() if values}
    if not kept:
        why = f"; first: line {rejected[0].line}, {rejected[0].why}" if rejected else ""
        raise InputError(f"no usable row{why}", remedy="a CSV table with the columns smiles and value")
    values = np.array([sum(many) / len(many) for many in kept.values()])
    return Table(endpoint, tuple(kept), values, tuple(rejected), sum(len(many) > 1 for many in kept.values()))


def _number(text: str, endpoint: Endpoint) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InputError("the value is not a number" if text else "no value") from None
    if not math.isfinite(value):
        raise InputError("the value is not finite")
    if not endpoint.possible(value):
        raise InputError(f"the value lies outside what {endpoint.unit} allows for {endpoint.id}")
    return value


def read_table(path: Path, endpoint: Endpoint, smiles: str | None = None, value: str | None = None) -> Table:
    """A CSV table (``.gz`` too). Columns are named by ``smiles`` and ``value``, or found among the usual names."""
    reader = csv.reader(StringIO(read_text(path)))
    where = path.name
    try:
        header = next(reader, [])
        columns = _column(header, smiles, SMILES_COLUMNS, where), _column(header, value, VALUE_COLUMNS, where)
        rows = [
            (reader.line_num, *(cells[i] if i < len(cells) else "" for i in columns)) for cells in reader if any(cells)
        ]
        return table_of(endpoint, rows)  # type: ignore[arg-type]
    except csv.Error as error:
        raise InputError(f"not a CSV table: {error}", f"{where}, line {reader.line_num}") from error
    except InputError as error:
        raise error if error.where else error.at(where) from error


def _column(header: Sequence[str], named: str | None, usual: Sequence[str], where: str) -> int:
    wanted = (named,) if named else usual
    for name in wanted:
        if name in header:
            return header.index(name)
    raise InputError(f"no column {' or '.join(wanted)}", where, "name the column")


def read_text(path: Path) -> str:
    """A text file, unpacked when its name ends in .gz; at most ``MAX_FILE`` bytes either way."""
    try:
        with path.open("rb") as plain:
            data = (gzip.GzipFile(fileobj=plain) if path.suffix == ".gz" else plain).read(MAX_FILE + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"cannot be read: {error.__class__.__name__}", path.name) from error
    if len(data) > MAX_FILE:
        raise InputError(f"larger than {MAX_FILE // 2**20} MiB", path.name, "give a part of it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", f"{path.name}, byte {error.start}") from error
