"""Eligibility criteria as data, read from TOML and checked before any record is seen.

A protocol is ``id``, ``version``, ``title`` and a list of ``[[criteria]]``, each with ``id``, ``kind`` ("inclusion" or
"exclusion"), ``text`` as the protocol words it, and a ``rule`` in the language of :mod:`salus.person.rules`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from salus.errors import InputError
from salus.person import rules
from salus.person.rules import Rule

Kind = Literal["inclusion", "exclusion"]
MAX_CRITERIA = 200


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion of a protocol."""

    id: str
    kind: Kind
    text: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Protocol:
    """A trial's eligibility."""

    id: str
    version: str
    title: str
    criteria: tuple[Criterion, ...]


def read(data: bytes, name: str = "protocol") -> Protocol:
    """A protocol from TOML. Raises InputError naming the place for anything that is not one."""
    try:
        table = tomllib.loads(data.decode("utf-8"), parse_float=Decimal)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError("not a protocol in TOML", where=name) from error
    rules.only(table, {"id", "version", "title", "criteria"}, name)
    rows = table.get("criteria")
    if not isinstance(rows, list) or not 0 < len(rows) <= MAX_CRITERIA:
        raise InputError(f"a protocol has 1 to {MAX_CRITERIA} criteria", where=name)
    criteria = tuple(_criterion(row, f"{name} criterion {n}") for n, row in enumerate(rows, 1))
    if len({c.id for c in criteria}) != len(criteria):
        raise InputError("two criteria of one id", where=name)
    words = [rules.text(table, key, name) for key in ("id", "version", "title")]
    return Protocol(words[0], words[1], words[2], criteria)


def _criterion(row: Any, place: str) -> Criterion:
    if not isinstance(row, Mapping):
        raise InputError("a criterion is a table", where=place)
    rules.only(row, {"id", "kind", "text", "rule"}, place)
    kind = row.get("kind")
    if kind not in ("inclusion", "exclusion"):
        raise InputError("kind is inclusion or exclusion", where=place)
    words = [rules.text(row, key, place) for key in ("id", "text")]
    return Criterion(words[0], kind, words[1], rules.read(row.get("rule"), place))
