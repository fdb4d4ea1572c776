"""Operations by their words: which disease of a vessel one was done for, and which kinds leave nothing behind.

The table ``data/operations.toml`` says both. An operation that is of no known kind is not understood, since the disease
that it was done for may be the one that a rule asks about.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["elsewhere", "examines", "leaves_nothing", "treated"]


@dataclass(frozen=True, slots=True)
class _Operation:
    concept: str
    match: re.Pattern[str]
    unless: re.Pattern[str] | None


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(files("salus.terminology").joinpath("data", "operations.toml").read_text("utf-8"))


@cache
def _operations() -> tuple[_Operation, ...]:
    return tuple(
        _Operation(row["concept"], re.compile(row["match"]), re.compile(row["unless"]) if row.get("unless") else None)
        for row in _table()["operation"]
    )


@cache
def _pattern(part: str, name: str) -> re.Pattern[str]:
    return re.compile(_table()[part][name])


def treated(phrase: str) -> frozenset[str]:
    """The diseases and states that an operation in a folded phrase was done for; empty where it speaks of none done."""
    if _pattern("not", "match").search(phrase):
        return frozenset()
    return frozenset(
        operation.concept
        for operation in _operations()
        if operation.match.search(phrase) and not (operation.unless and operation.unless.search(phrase))
    )


def examines(phrase: str) -> bool:
    """Whether nothing but looking is said: no act on a vessel or organ stands beside the examination."""
    return _pattern("harmless", "acts").search(phrase) is None


def elsewhere(phrase: str) -> bool:
    """Whether a folded phrase names a stent or tube of an organ that is no vessel, and nothing else."""
    return _pattern("elsewhere", "match").fullmatch(phrase) is not None


def leaves_nothing(phrase: str) -> bool:
    """Whether a folded phrase names a kind of procedure that is known to leave none of salus's concepts."""
    return (
        _pattern("harmless", "kinds").search(phrase) is not None
        and _pattern("harmless", "never").search(phrase) is None
    )
