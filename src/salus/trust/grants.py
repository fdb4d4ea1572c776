"""What a decision of the gate comes to: what is allowed, and the right that follows from it."""

from __future__ import annotations

from dataclasses import dataclass

from salus.errors import AccessError


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
    """One decision's outcome. Implements :class:`salus.record.protocols.Scope`; only the gate makes it."""

    actor: str
    patient: str
    basis: str
    categories: frozenset[str]
    may_write: bool
    purpose: str
    leaf: int | None = None
    hidden: frozenset[str] = frozenset()
    partial: bool = False
    flagged: frozenset[str] = frozenset()
    """Kinds of data that the patient withholds and lets the reader be told of, whether or not there are any."""
    interlocked: frozenset[str] = frozenset()
    """Kinds of data that the patient withholds but for severe conflicts, of which the reader is told."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Which categories are allowed, on which bases, by which consents."""

    categories: frozenset[str]
    bases: tuple[str, ...]
    consents: tuple[str, ...]
    hidden: frozenset[str] = frozenset()
    """Resources that the patient withholds although their kinds are allowed."""
    partial: bool = False
    """Single resources were decided on, whether or not one is withheld now."""
    flagged: frozenset[str] = frozenset()
    interlocked: frozenset[str] = frozenset()
