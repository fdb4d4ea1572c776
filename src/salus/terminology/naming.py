"""Concept names for the views of resources: what :data:`salus.fhir.views.Names` asks for, by a terminology."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from salus.fhir.codes import Code
from salus.fhir.views import Names
from salus.terminology.reader import Terminology, shipped


def names_by(terminology: Terminology | None = None) -> Names:
    """The names that ``terminology`` (the shipped one without) gives to codings and words of a resource type."""
    return partial(_names, terminology or shipped())


def _names(terminology: Terminology, kind: str, codes: Iterable[Code], text: str, unit: str) -> frozenset[str]:
    if kind == "Observation":
        return terminology.measure(codes, text, unit or None).concepts
    return terminology.value_concepts(codes)
