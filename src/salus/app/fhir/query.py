"""A FHIR search as it was asked: parameters taken apart and checked before anything is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from salus.app.refusals import Unsupported
from salus.errors import InputError
from salus.record import search
from salus.record.search import Clause, Parameter, Token

DEFAULT_COUNT, MAX_COUNT = 100, 1000
MAX_PARAMETERS = 40
UPDATED = Parameter("_lastUpdated", "date", (("_lastUpdated",),))
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
TYPE = re.compile(r"[A-Z][A-Za-z]{2,40}\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z_:\-]{0,60}\Z")
_RESULT = ("_count", "_total", "_sort", "_summary", "_format", "_pretty")
"""Parameters that change how a result is shown, not what is in it; ``_format`` is read by the server."""


@dataclass(frozen=True, slots=True)
class Query:
    """A search of one type. ``patients`` and ``ids`` None: not restricted by the asker."""

    kind: str
    clauses: tuple[Clause, ...] = ()
    patients: frozenset[str] | None = None
    ids: frozenset[str] | None = None
    count: int = DEFAULT_COUNT
    total: bool = False
    sort: tuple[str, bool] | None = None
    """A date parameter (or ``_lastUpdated``) and whether the newest come first."""
    asked: tuple[tuple[str, str], ...] = ()
    """The parameters as they were written, references to the server itself as relative ones."""
    updated: tuple[Clause, ...] = ()
    """When what is found was written, by ``_lastUpdated``."""

    @property
    def identifiers(self) -> list[Token]:
        """Fully written identifiers of a Patient search, by which the store finds people."""
        for clause in self.clauses:
            if clause.parameter.name == "identifier" and self.kind == "Patient":
                found = [v for v in clause.values if isinstance(v, Token) and v.system is not None and v.code]
                if len(found) == len(clause.values):
                    return found
        return []


def parse(kind: str, pairs: Iterable[tuple[str, str]], *, lenient: bool = False, own_base: str = "") -> Query:
    """Read the parameters of a search of ``kind``. References to ``own_base`` ("https://.../fhir") are relative ones.

    An unknown parameter is refused: a filter that is silently dropped shows other people's data, or too much of one
    person's. ``lenient`` lets it go only where the search names its patient. Raises InputError or Unsupported, neither
    of which repeats a value.
    """
    known = search.types().get(kind)
    if known is None:
        raise Unsupported("no such type, or none that is searched here", remedy="see /fhir/metadata")
    pairs = list(pairs)
    if len(pairs) > MAX_PARAMETERS:
        raise InputError(f"more than {MAX_PARAMETERS} parameters")
    clauses: list[Clause] = []
    updated: list[Clause] = []
    people: list[frozenset[str]] = []
    ids: list[frozenset[str]] = []
    unknown: list[str] = []
    shown: dict[str, str] = {}
    asked: list[tuple[str, str]] = []
    for key, written in pairs:
        name, _, modifier = key.partition(":")
        refers = own_base and name in known and known[name].kind in ("reference", "patient")
        value = written.replace(f"{own_base}/", "") if refers else written
        asked.append((key, value))
        if key in _RESULT:
            if key in shown:
                raise InputError("given twice", where=key)
            shown[key] = value
        elif name == "_id" and not modifier:
            ids.append(_ids(value))
        elif name == UPDATED.name:
            updated.append(search.parse(UPDATED, modifier, value))
        elif name in known and name in ("patient", "subject") and _is_person(known[name].kind, value, modifier):
            people.append(frozenset(search.identity(v)[1] for v in value.split(",")))
        elif name in known:
            clauses.append(search.parse(known[name], modifier, value))
        else:
            unknown.append(key if _NAME.match(key) else "a parameter")
    named = bool(people) or (kind == "Patient" and bool(ids))
    if unknown and not (lenient and named):
        raise InputError("not a search parameter of this type", where=unknown[0], remedy="see /fhir/metadata")
    return Query(
        kind,
        tuple(clauses),
        frozenset.intersection(*people) if people else None,
        frozenset.intersection(*ids) if ids else None,
        _count(shown),
        _counting(shown),
        _sort(kind, shown.get("_sort")),
        tuple(asked),
        tuple(updated),
    )


def _is_person(kind: str, value: str, modifier: str) -> bool:
    """True where ``patient``/``subject`` names people, whose records alone are then looked at. Raises InputError."""
    if modifier:
        raise InputError("a modifier that is not supported", where="patient")
    named = [search.identity(part)[0] for part in value.split(",")]
    people = [kind_ in ("", "Patient") for kind_ in named]
    if kind == "patient" and not all(people):
        raise InputError("names something other than a patient", where="patient")
    if any(people) and not all(people):
        raise InputError("names patients and others at once", where="subject", remedy="search one kind at a time")
    return all(people)


def _ids(value: str) -> frozenset[str]:
    found = value.split(",")
    if len(found) > search.MAX_VALUES or not all(ID.match(v) for v in found):
        raise InputError("not ids", where="_id", remedy="letters, digits, '-' and '.', with commas between")
    return frozenset(found)


def _counting(shown: dict[str, str]) -> bool:
    summary, total = shown.get("_summary", "false"), shown.get("_total", "none")
    if summary not in ("count", "false"):
        raise Unsupported("only _summary=count is supported", where="_summary")
    if total not in ("none", "estimate", "accurate"):
        raise InputError("not none, estimate or accurate", where="_total")
    return total != "none" or summary == "count" or shown.get("_count") == "0"


def _count(shown: dict[str, str]) -> int:
    if shown.get("_summary") == "count":
        return 0
    text = shown.get("_count", str(DEFAULT_COUNT))
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InputError("not a whole number", where="_count")
    return min(int(text), MAX_COUNT)


def _sort(kind: str, text: str | None) -> tuple[str, bool] | None:
    if text is None:
        return None
    name = text.removeprefix("-")
    parameter = search.types()[kind].get(name)
    if name != "_lastUpdated" and (parameter is None or parameter.kind != "date"):
        raise Unsupported("sorted only by _lastUpdated or one date parameter", where="_sort")
    return name, text.startswith("-")
