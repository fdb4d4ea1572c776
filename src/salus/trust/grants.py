"""The outcome of a decision of the gate: what is allowed, and the right that follows from it."""

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
    """The error for what is absent and for what is denied: both get the same words.

    It is a new error each time. One error that is raised again and again would gather tracebacks, and with them every
    request.
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
    """The versions that are released, where single resources were decided on (else None). Nothing else is released, not
    even what is filed a moment later."""
    papers: frozenset[str] | None = None
    """The consents ("Type/id", with the Provenances of their signatures) that are released; None: all."""
    flagged: frozenset[str] = frozenset()
    """Kinds of data that the patient withholds. The reader is told so, whether or not there are any such data."""
    interlocked: frozenset[str] = frozenset()
    """Kinds of data that the patient withholds. The reader is told only of severe conflicts with them."""

    @property
    def partial(self) -> bool:
        """True where single resources were decided on, whether or not one is withheld."""
        return self.decided is not None

    def shows(self, ref: str, version: int) -> bool:
        """Whether a version of a resource is released, provided that its kinds of data are."""
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
        """This grant, which also covers what identifies the patient: somebody who files for a patient names that
        patient."""
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
    """The intersection of two sets, of which None is the set of everything."""
    if first is None or second is None:
        return second if first is None else first
    return first & second
