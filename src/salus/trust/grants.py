"""What a decision of the gate comes to: what is allowed, and the right that follows from it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TypeVar

from salus.errors import AccessError
from salus.fhir.views import PERSON
from salus.trust.consent_signatures import is_paper

T = TypeVar("T")
Version = tuple[str, int]
"""Reference ("Type/id") and version of a resource."""


def not_released() -> AccessError:
    """The one answer to what is absent and to what is denied.

    A new error each time: one that is raised again and again gathers a traceback, and with it every request.
    """
    return AccessError(
        "no such patient, or not released to you",
        remedy="the patient can release data to you: salus consent give",
    )


@dataclass(frozen=True, slots=True)
class Grant:
    """One decision's outcome. Implements :class:`salus.record.protocols.Scope`. Only ``trust`` makes it."""

    actor: str
    patient: str
    basis: str
    categories: frozenset[str]
    may_write: bool
    purpose: str
    leaf: int | None = None
    decided: frozenset[Version] | None = None
    """What is released where single resources were decided on: nothing else, also not what is filed a moment later."""
    papers: frozenset[str] | None = None
    """The consents ("Type/id", with the Provenances of their signatures) that are released; None: all."""
    flagged: frozenset[str] = frozenset()
    """Kinds of data that the patient withholds and lets the reader be told of, whether or not there are any."""
    interlocked: frozenset[str] = frozenset()
    """Kinds of data that the patient withholds but for severe conflicts, of which the reader is told."""

    @property
    def partial(self) -> bool:
        """True where single resources were decided on, whether or not one is withheld."""
        return self.decided is not None

    def shows(self, ref: str, version: int) -> bool:
        """Whether a version of a resource is released, where its kinds are."""
        if self.decided is not None and (ref, version) not in self.decided:
            return False
        return self.papers is None or ref in self.papers or not is_paper(ref)

    def covers_the_same(self, other: Grant) -> bool:
        """Whether both release just the same of one patient's record."""
        mine, others = ((g.patient, g.categories, g.decided, g.papers) for g in (self, other))
        return mine == others

    def only(self, categories: Collection[str]) -> Grant:
        """This grant, of these kinds of data only."""
        return replace(self, categories=self.categories & frozenset(categories))

    def with_person(self) -> Grant:
        """This grant, with what tells who the patient is: whoever files for somebody names him."""
        return replace(self, categories=self.categories | {PERSON})

    def within(self, other: Grant) -> Grant:
        """This grant, as far as ``other`` covers the same."""
        return replace(
            self,
            categories=self.categories & other.categories,
            decided=meet(self.decided, other.decided),
            papers=meet(self.papers, other.papers),
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """Which categories are allowed, on which bases, by which consents."""

    categories: frozenset[str]
    bases: tuple[str, ...]
    consents: tuple[str, ...]
    decided: frozenset[Version] | None = None
    papers: frozenset[str] | None = None
    flagged: frozenset[str] = frozenset()
    interlocked: frozenset[str] = frozenset()


def meet(first: frozenset[T] | None, second: frozenset[T] | None) -> frozenset[T] | None:
    """What two lists both hold, of which None is the list of everything."""
    if first is None or second is None:
        return second if first is None else first
    return first & second
