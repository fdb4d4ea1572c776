"""What codings and words mean, as values: of a diagnosis or procedure, of a medicine, of a measurement.

Nothing here is guessed: ``basis`` says what decided, and what no table knows is "unknown" and stays in sight.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from salus.fhir.codes import Code

Basis = Literal["code", "prefix", "text", "outside", "unknown", "empty"]
"""What decided: an exact code; the longest prefix of a classification; words ("read from text"). "outside": understood,
and none of salus's concepts. "unknown": not understood. "empty": neither code nor words were given."""

Aspect = Literal["active", "history", "resolved", "possible", "family", "denied", "risk"]
"""How the code itself speaks of the concept: as something there, as a past event, as over, as suspected, of a relative,
as absent. The status elements of a resource say more; the more cautious of the two holds."""

ASPECTS: tuple[Aspect, ...] = ("active", "history", "resolved", "possible", "family", "denied", "risk")
"""From what is said of the person's own present to what says nothing of it."""


def most_cautious(aspects: Iterable[Aspect]) -> Aspect:
    """The aspect that says least of the patient's own present."""
    return max(aspects, key=ASPECTS.index, default="active")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The meaning of the code of a Condition, a Procedure, a reaction or a relative's condition.

    ``concepts`` holds the broader concepts too, ``narrow`` only those that were mapped. ``used`` are the codings that
    decided, ``unread`` those that no table knows. ``notes`` say where code and words name different diseases: then both
    were taken.
    """

    concepts: frozenset[str] = frozenset()
    narrow: frozenset[str] = frozenset()
    aspect: Aspect = "active"
    basis: Basis = "empty"
    used: tuple[Code, ...] = ()
    unread: tuple[Code, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def understood(self) -> bool:
        """False where what it says could be anything."""
        return self.basis not in ("unknown", "empty")


@dataclass(frozen=True, slots=True)
class Medicine:
    """The meaning of a medicine's codings and words. ``ingredients`` are RxNorm names, sorted.

    ``strength`` is mg in one tablet or capsule where there is one ingredient; ``local``: for use on skin, eye, ear,
    nose or the like, so that its classes, which speak of the whole body, are empty. ``notes`` say where codings
    disagree and what was taken. ``nothing``: the entry says that no medicine is taken ("no known medications");
    ``silent``: it says that nothing is known, which is no absence; basis "outside": understood as something that is no
    medicine by its ingredients (a device, a food).
    """

    ingredients: tuple[str, ...] = ()
    classes: frozenset[str] = frozenset()
    strength: Decimal | None = None
    local: bool = False
    basis: Basis = "empty"
    used: tuple[Code, ...] = ()
    unread: tuple[Code, ...] = ()
    notes: tuple[str, ...] = ()
    nothing: bool = False
    silent: bool = False

    @property
    def understood(self) -> bool:
        """False where what it is could be anything. A name of a whole class has classes and no ingredients."""
        return self.basis not in ("unknown", "empty")

    def is_a(self, name: str) -> bool:
        """True when ``name`` is one of its ingredients or classes."""
        return name in self.ingredients or name in self.classes


@dataclass(frozen=True, slots=True)
class Measure:
    """The meaning of an Observation's code: names of concepts (analytes, vital signs, statements)."""

    concepts: frozenset[str] = frozenset()
    basis: Basis = "empty"
    used: tuple[Code, ...] = ()
    unread: tuple[Code, ...] = ()

    @property
    def understood(self) -> bool:
        """False where what was measured could be anything."""
        return self.basis not in ("unknown", "empty")


@dataclass(frozen=True, slots=True)
class Origin:
    """A table that answers come from: its name, version and licence, and the SHA-256 of its content."""

    name: str
    version: str
    licence: str
    digest: str
    notice: str = field(default="", compare=False)
