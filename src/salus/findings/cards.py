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

from salus.fhir import json
from salus.findings.method import Method

NOT_PROVIDED = "not provided"
NOT_A_DEVICE = "salus is not a medical device; its findings and proposals are for a professional, who decides."


@dataclass(frozen=True, slots=True)
class Measured:
    """One validation check: its name, how many cases and how many passed, figures, intervals, and its data's digest."""

    check: str
    n: int
    passed: int
    figures: Mapping[str, Any]
    intervals: Mapping[str, Any]
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Card:
    """A method's card. ``measured`` is empty where nothing was measured for this version."""

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
        for result in self.measured:
            figures = ", ".join(f"{k} {_short(v)}" for k, v in result.figures.items() if isinstance(v, int | Decimal))
            where = f"{result.data.get('folder')} (sha256 {str(result.data.get('sha256'))[:12]})"
            rows.append(("measured", f"{result.check}: {result.passed} of {result.n} on {where}; {figures}"))
        return [f"{name + ':':14} {text}" for name, text in [*rows, ("notice", NOT_A_DEVICE)]]


def _short(value: int | Decimal) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def card(method: Method) -> Card:
    """The card of ``method``."""
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
    )


def _measured(method: Method) -> list[Measured]:
    path = files("salus").joinpath("cards", f"{method.id}.json")
    if not path.is_file():
        return []
    packaged = json.loads(path.read_bytes())
    if packaged["method"] != method.id or packaged["version"] != method.version:
        return []
    names = ("check", "n", "passed", "figures", "intervals", "data")
    return [Measured(**{n: entry[n] for n in names}) for entry in packaged["checks"]]
