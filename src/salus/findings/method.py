"""What a method is: a pure function of a chart, with a statement of what it is for and where it ends.

A method is any object with these attributes, named by an entry point of the group ``salus.methods``. The module it
lives in must be light: numpy and the like are imported inside ``run``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from salus.findings.model import Finding
from salus.record.chart import Chart


@dataclass(frozen=True, slots=True)
class Context:
    """What a run is given besides the chart: frozen parameters, and knowledge files by name.

    ``knowledge`` holds bytes from the user's knowledge folder; ``digests`` their SHA-256, which become part of the
    finding's version.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    knowledge: Mapping[str, bytes] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Method(Protocol):
    """A method. ``run`` never raises for what a chart may hold: it returns "not-assessable" findings instead."""

    id: str
    """Department and name: "risk.prevent"."""
    version: str
    title: str
    intended_use: str
    inputs: tuple[str, ...]
    """Kinds of data it reads (see salus.fhir.views.CATEGORIES)."""
    produces: tuple[str, ...]
    """Codes of the findings it may return."""
    consumes: tuple[str, ...]
    """Codes of findings it reads from the chart; the runner runs their methods first."""
    population: str
    """When it applies, and why not otherwise."""
    references: tuple[str, ...]
    licence: str
    limits: tuple[str, ...]

    def run(self, chart: Chart, context: Context) -> Iterable[Finding]:
        """Findings drawn from ``chart``. Pure: no clock, network or store."""
        ...
