"""What salus can do beyond drawing findings from one chart: a wing's work, described like a method, with a card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Described(Protocol):
    """What a card is made of: the part that methods and capabilities have in common.

    It may have ``facts`` too: texts by the key of a source attribute (see source_attributes.py), for what only the
    author of a model can say, such as on whom it was trained.
    """

    @property
    def id(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def intended_use(self) -> str: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    @property
    def produces(self) -> tuple[str, ...]: ...
    @property
    def population(self) -> str: ...
    @property
    def references(self) -> tuple[str, ...]: ...
    @property
    def licence(self) -> str: ...
    @property
    def limits(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Capability:
    """A statement of what a wing is for and where it ends. Named by an entry point of ``salus.capabilities``.

    The module it lives in must be light. ``id`` is department and name ("trials.design"); ``version`` changes whenever
    its answers could, since a card holds figures of exactly one version.
    """

    id: str
    version: str
    title: str
    intended_use: str
    inputs: tuple[str, ...]
    """What it works on: kinds of data, or files in plain words."""
    produces: tuple[str, ...]
    population: str
    """For whom or what it was validated, and why not otherwise."""
    references: tuple[str, ...]
    licence: str
    limits: tuple[str, ...]
    facts: Mapping[str, str] = field(default_factory=dict)
    """Texts by the key of a source attribute, for what only the author of a model can say."""
