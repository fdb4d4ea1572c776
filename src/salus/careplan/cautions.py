"""What on record speaks against a class of medicines: tables/cautions.toml, read for one person.

Asked in two places: before a start (:mod:`salus.careplan.starts`) and of what is taken (guidelines/harms.py).
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from salus.careplan.draft import Basis, total
from salus.careplan.draft import of_statement as stated
from salus.person.answer import Answer, Statement, span_of
from salus.person.person import Person
from salus.terminology import classes


@dataclass(frozen=True, slots=True)
class Caution:
    """An entry of the table that holds for this person, with the statements it rests on."""

    entry: Mapping[str, Any]
    basis: Basis

    @property
    def text(self) -> str:
        """What is recorded and what it means, as a clause."""
        return str(self.entry["text"])

    @property
    def holds(self) -> bool:
        """True where it is settled before a start; else it is confirmed with the start."""
        return bool(self.entry["effect"] == "holds")

    def concerns(self, offered: Collection[str]) -> bool:
        """Whether it speaks of any of these classes or ingredients."""
        return bool(set(_members(self.entry["of"])) & set(_members(offered)))


@cache
def _table() -> tuple[Mapping[str, Any], ...]:
    text = files("salus.careplan").joinpath("tables", "cautions.toml").read_text("utf-8")
    return tuple(tomllib.loads(text)["caution"])


def asked_of() -> frozenset[str]:
    """The concepts that the table looks for: looking for one is no rule on it."""
    return frozenset(name for entry in _table() for name in (*entry["concepts"], *entry.get("unless", ())))


def _members(names: Collection[str]) -> tuple[str, ...]:
    return tuple(member for name in names for member in classes.members(name))


def cautions(person: Person) -> Iterator[Caution]:
    """Every entry that holds for this person."""
    for entry in _table():
        pregnancy = entry["concepts"] == ["pregnancy"]  # decided in one place, by the person
        answer = person.pregnancy if pregnancy else person.about(*entry["concepts"])
        found = _counting(person, entry, answer)
        if found and not any(person.about(name).state == "present" for name in entry.get("unless", ())):
            yield Caution(entry, total(stated(s) for s in found))


def _counting(person: Person, entry: Mapping[str, Any], answer: Answer) -> tuple[Statement, ...]:
    """The statements that make it hold."""
    states = ("present", "past") if entry["kind"] == "ever" else ("present",)
    found = tuple(s for s in answer.statements if s.state in states)
    days = entry.get("within_days")
    if days is None:
        return found
    return tuple(s for s in found if person.within(span_of(s.date), int(days)) is not False)
