"""What a method in a sandbox is handed of a chart: the kinds of data that it declares, and no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salus.errors import IntegrityError
from salus.fhir import blobs, series
from salus.fhir.blobs import Blob
from salus.fhir.categories import categories_of
from salus.fhir.views import PERSON, Source
from salus.findings import fhir as findings_fhir
from salus.findings.model import Finding
from salus.record.chart import Chart


@dataclass(frozen=True, slots=True)
class Handed:
    """The part of a chart that a method gets. ``content`` is what crosses, ``sources`` its resources by reference.

    ``kinds`` maps the address of each blob that it may ask for to the blob's kind: no other is ever fetched.
    """

    chart: Chart
    content: Mapping[str, Any]
    sources: Mapping[str, Source]
    kinds: Mapping[str, str]

    @classmethod
    def of(cls, chart: Chart, inputs: Sequence[str], consumes: Sequence[str]) -> Handed:
        """The resources of the declared ``inputs``, and the consumed findings that were drawn from those alone."""
        scope = frozenset(inputs) | {PERSON}
        quiet = chart.fresh()  # what is handed over is not what was read
        entries = [
            (source, body)
            for source, body in quiet.resources()
            # what is contained in a report comes out of the report again
            if source.ref.startswith(f"{body.get('resourceType')}/")
            and categories_of(body) | {source.category} <= scope
        ]
        found: list[Finding] = [f for code in consumes for f in quiet.findings(code) if f.categories <= scope]
        views = [blobs.blob(s, b, _not_here) for s, b in entries if b.get("resourceType") == "DocumentReference"]
        return cls(
            chart,
            {
                "now": quiet.now.isoformat(),
                "entries": [[[s.ref, s.version, s.digest, s.category], body] for s, body in entries],
                "findings": [findings_fhir.dump(finding) for finding in found],
            },
            {source.ref: source for source, _ in entries},
            {part.address: view.kind for view in views if view is not None for part in view.parts},
        )

    def source(self, ref: str) -> Source | None:
        """The source of a resource that was handed over, or of one reading in a block that was; None for any other."""
        block, _ = series.split(ref)
        if ref in self.sources or block not in self.sources:
            return self.sources.get(ref)
        found = self.chart.resource(ref)
        return None if found is None else found[0]

    def blob(self, address: str) -> bytes | None:
        """The bytes at ``address``, read from the chart, which remembers it; None for one that was not handed over."""
        kind = self.kinds.get(address)
        if kind is None:
            return None
        for found in self._of_kind(kind):
            for index, part in enumerate(found.parts):
                if part.address == address and found.source.ref in self.sources:
                    return found.read(index)
        return None

    def _of_kind(self, kind: str) -> tuple[Blob, ...]:
        match kind:
            case "note":
                return self.chart.notes()
            case "genome":
                return self.chart.genome()
            case "image":
                return self.chart.images()
        return self.chart.signals(kind)


def _not_here(address: str) -> bytes:
    raise IntegrityError("blobs are read through the chart")
