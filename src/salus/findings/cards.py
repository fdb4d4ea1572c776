"""Method cards: what a method says of itself, joined with what validation measured of this version.

Figures come from the packaged ``salus/cards/<method>.json``, which ``make cards`` writes. What was not measured, or
was measured for another version, reads "not provided"; what was measured for other code of the same version says so.
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
from salus.findings.measured_code import digest
from salus.findings.registry import capabilities, runnable

NOT_PROVIDED = "not provided"
"""What is said of a thing that neither the method nor its validation states."""
NOT_A_DEVICE = "salus is not a medical device; its findings and proposals are for a professional, who decides."


@dataclass(frozen=True, slots=True)
class Measured:
    """One validation check: how its cases ended, its figures and intervals, and the digests of its data and code.

    ``held`` tells whether the check came out as it must, ``covers`` what may be believed then. ``truth`` is "outside"
    or "own", ``split`` "unseen" or "developed" (the code was made on these very cases); ``developed`` has the figures
    of the part that the code was made on, where another part was scored. ``code`` names the modules that were measured.
    """

    check: str
    held: bool
    n: int
    passed: int
    outcomes: Mapping[str, int]
    covers: str
    truth: str
    split: str
    figures: Mapping[str, Any]
    intervals: Mapping[str, Any]
    developed: Mapping[str, Any] | None
    data: Mapping[str, Any]
    code: Mapping[str, Any]

    @property
    def current(self) -> bool:
        """True when the code that runs is the code that was measured, to the byte."""
        return bool(digest(tuple(self.code["roots"])) == self.code["sha256"])

    @property
    def proves(self) -> bool:
        """True when it held on outside truth and cases that nothing was developed on."""
        return self.held and self.truth == OUTSIDE and self.split != DEVELOPED

    @property
    def ended(self) -> str:
        """How its cases ended, in words: "n 23: 20 right, 3 abstained"."""
        told = [(name, self.outcomes.get(name, 0)) for name in OUTCOMES]
        return f"n {self.n:,}: " + ", ".join(f"{k:,} {name.replace('_', ' ')}" for name, k in told if k)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader must know before the figures."""
        return (
            *(() if self.held else ("the check did not hold",)),
            *((EARLIER_CODE,) if not self.current else ()),
            *((OWN_TRUTH,) if self.truth != OUTSIDE else ()),
            *((DEVELOPED_ON,) if self.split == DEVELOPED else ()),
        )

    @property
    def summary(self) -> str:
        """One line: outcomes, data, caveats, figures."""
        figures = ", ".join(f"{k} {_short(v)}" for k, v in self.figures.items() if isinstance(v, int | Decimal))
        where = f"{self.data.get('folder')} (sha256 {str(self.data.get('sha256'))[:12]})"
        return "; ".join((f"{self.check}: {self.ended} on {where}", *self.caveats, *([figures] if figures else ())))


OUTSIDE, DEVELOPED = "outside", "developed"
OUTCOMES = ("right", "wrong", "refused_rightly", "refused_though_answerable", "abstained", "not_read")
"""How a case can end, in the order in which it is told."""
EARLIER_CODE = "measured for an earlier code"
OWN_TRUTH = "the expected answers are salus's own"
DEVELOPED_ON = "the code was developed on these cases"


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
        """True when it was measured and every check came out as it must."""
        return bool(self.measured) and all(m.held for m in self.measured)

    @property
    def proven(self) -> bool:
        """True when every check came out as it must, and one of them proves what it covers."""
        return self.held and any(m.proves for m in self.measured)

    @property
    def current(self) -> bool:
        """True when every check was made on the code that runs."""
        return all(m.current for m in self.measured)

    @property
    def standing(self) -> str:
        """How far what was measured reaches, in one clause."""
        if not self.measured:
            return "not measured"
        if not self.held:
            return "measured, a check did not hold"
        if not self.current:
            return f"its checks held, {EARLIER_CODE}"
        if self.proven:
            return "its checks held, against the truth of others and on cases not developed on"
        return f"its checks held; {next(iter(self.measured[0].caveats), OWN_TRUTH)}"

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
    return [Measured(**entry) for entry in packaged["checks"]]
