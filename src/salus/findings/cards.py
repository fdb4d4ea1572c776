"""Method cards: what a method says of itself, joined with what validation measured for exactly this version.

Figures come from the packaged ``salus/cards/<method>.json``, which ``make cards`` writes. What was not measured, or
was measured for another version, reads "not provided".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Any

from salus.errors import InputError
from salus.fhir import json
from salus.findings.capability import Described
from salus.findings.registry import capabilities, runnable
from salus.findings.source_attributes import NOT_PROVIDED

NOT_A_DEVICE = "salus is not a medical device; its findings and proposals are for a professional, who decides."


@dataclass(frozen=True, slots=True)
class Measured:
    """One validation check: its name, how many cases and how many passed, figures, intervals, and its data's digest.

    ``held`` tells whether the check came out as it must.
    """

    check: str
    held: bool
    n: int
    passed: int
    figures: Mapping[str, Any]
    intervals: Mapping[str, Any]
    data: Mapping[str, Any]

    @property
    def summary(self) -> str:
        """One line: cases, data, figures."""
        figures = ", ".join(f"{k} {_short(v)}" for k, v in self.figures.items() if isinstance(v, int | Decimal))
        where = f"{self.data.get('folder')} (sha256 {str(self.data.get('sha256'))[:12]})"
        return f"{self.check}: {self.passed} of {self.n} on {where}; {figures}"


@dataclass(frozen=True, slots=True)
class Card:
    """The card of a method or capability. ``measured`` is empty where nothing was measured for this version."""

    id: str
    version: str
    title: str
    intended_use: str
    inputs: tuple[str, ...]
    produces: tuple[str, ...]
    population: str
    references: tuple[str, ...]
    licence: str
    limits: tuple[str, ...]
    measured: tuple[Measured, ...]
    facts: Mapping[str, str]

    @property
    def held(self) -> bool:
        """True when it was measured on outside data and every check came out as it must."""
        return bool(self.measured) and all(m.held for m in self.measured)

    def lines(self) -> list[str]:
        """The card as plain text lines."""
        rows = [
            ("method", f"{self.id} {self.version}"),
            ("title", self.title),
            ("intended use", self.intended_use),
            ("population", self.population),
            ("reads", ", ".join(self.inputs)),
            ("gives", ", ".join(self.produces)),
            ("licence", self.licence),
            *(("limit", limit) for limit in self.limits),
            *(("reference", reference) for reference in self.references),
        ]
        if not self.measured:
            rows.append(("measured", NOT_PROVIDED))
        rows.extend(("measured", result.summary) for result in self.measured)
        return [f"{name + ':':14} {text}" for name, text in [*rows, ("notice", NOT_A_DEVICE)]]


def _short(value: int | Decimal) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def card(method: Described) -> Card:
    """The card of a method or capability."""
    return Card(
        id=method.id,
        version=method.version,
        title=method.title,
        intended_use=method.intended_use,
        inputs=method.inputs,
        produces=method.produces,
        population=method.population,
        references=method.references,
        licence=method.licence,
        limits=method.limits,
        measured=tuple(_measured(method)),
        facts=dict(getattr(method, "facts", {})),
    )


def described() -> list[Described]:
    """Everything of salus's own that has a card: methods, then capabilities."""
    return [*runnable({})[0], *capabilities()]


def find(name: str) -> Card:
    """The card of the method or capability ``name``. Raises InputError."""
    found: list[Described] = [*(m for m in runnable({})[0] if m.id == name), *capabilities(name)]
    if not found:
        raise InputError(f"no method or capability {name!r} of salus's own", remedy="salus methods")
    return card(found[0])


def _measured(method: Described) -> list[Measured]:
    path = files("salus").joinpath("cards", f"{method.id}.json")
    if not path.is_file():
        return []
    packaged = json.loads(path.read_bytes())
    if packaged["method"] != method.id or packaged["version"] != method.version:
        return []
    names = ("check", "held", "n", "passed", "figures", "intervals", "data")
    return [Measured(**{n: entry[n] for n in names}) for entry in packaged["checks"]]
