"""Evidence opened: each place a finding rests on, with what stands there, and the sources they lie in.

A place whose source is no longer what was cited is never shown as if it were: it says so instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from salus.careplan.report import resources
from salus.careplan.report.notes import Segment, excerpt, note_text, segments
from salus.careplan.report.vcf import VcfLines
from salus.errors import SalusError
from salus.fhir.blobs import Blob
from salus.fhir.views import Body, Source
from salus.findings.model import Evidence
from salus.record.chart import Chart

CHANGED = "the record now holds another version of this; what was cited cannot be shown"
ABSENT = "the cited source is not among what is released to this reader"
BRIEF_FROM = 20
_FILES = {"note": "Notes", "genome": "Genome files", "image": "Image series", "ecg": "ECG recordings"}
DOCUMENT_KINDS = {"note": "Note", "genome": "Genome file", "image": "Image series", "ecg": "ECG recording"}


@dataclass(frozen=True, slots=True)
class Place:
    """One piece of evidence as shown. ``before``, ``marked`` and ``after`` are its words in their context.

    ``anchor`` is where it lies in the sources below, ``figure`` where a picture of it stands ("" for none),
    ``problem`` why it cannot be shown.
    """

    anchor: str
    title: str
    where: str
    label: str = ""
    before: str = ""
    marked: str = ""
    after: str = ""
    figure: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in a frame, in stored pixels: columns and rows of the frame, then the rectangle's edges."""

    columns: int
    rows: int
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """One source of the report: a resource's elements, a note's text, cited lines of a file, or a frame with a box."""

    anchor: str
    title: str
    ref: str
    version: int
    digest: str
    category: str
    dated: str
    said: str = ""
    elements: tuple[resources.Element, ...] = ()
    text: tuple[Segment, ...] = ()
    lines: tuple[tuple[str, str, str], ...] = ()
    boxes: tuple[tuple[str, str, Box | None], ...] = ()
    figure: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SourceGroup:
    """Sources of one kind. ``brief`` where there are so many that each is shown by its one line only."""

    title: str
    entries: tuple[SourceEntry, ...]
    brief: bool


@dataclass(slots=True)
class _Cited:
    """What has been cited of one source so far."""

    anchor: str
    source: Source
    body: Body | None
    blob: Blob | None
    problem: str
    paths: set[str] = field(default_factory=set)
    spans: dict[int, set[tuple[int, int]]] = field(default_factory=dict)
    lines: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    boxes: dict[tuple[Any, ...], tuple[str, str, Box | None]] = field(default_factory=dict)


class Library:
    """Opens evidence against one chart and remembers what was cited, so that the sources can be listed once.

    ``figures`` maps a source's reference to the anchor of its picture; ``frames`` to its (columns, rows);
    ``positions`` names all genome positions that will be cited, by source reference, so that a file is read once.
    """

    def __init__(
        self, chart: Chart, figures: Mapping[str, str], frames: Mapping[str, tuple[int, int]], cited: Iterable[Evidence]
    ) -> None:
        self._chart = chart
        reader = chart.fresh()
        signals = (*reader.signals("ecg"), *reader.signals("signal"))
        blobs = (*reader.notes(), *reader.genome(), *reader.images(), *signals)
        self._blobs = {blob.source.ref: blob for blob in blobs}
        self._figures, self._frames = figures, frames
        self._cited: dict[tuple[str, str], _Cited] = {}
        self._vcf = VcfLines(e for e in cited if "pos" in e.locator)

    def open(self, evidence: Evidence) -> Place:
        """One piece of evidence, opened."""
        cited = self._of(evidence.source)
        title = self._title(cited)
        if cited.problem:
            return Place(cited.anchor, title, "", evidence.label, problem=cited.problem)
        try:
            return self._place(evidence, cited, title)
        except SalusError as error:
            return Place(cited.anchor, title, "", evidence.label, problem=error.what)

    def open_all(self, evidence: Iterable[Evidence]) -> tuple[Place, ...]:
        """Every piece once, in order."""
        return tuple(dict.fromkeys(self.open(e) for e in evidence))

    def sources(self) -> tuple[SourceGroup, ...]:
        """Every source cited so far: files first, then entries of the record by what they are about."""
        groups: dict[str, list[SourceEntry]] = {title: [] for title in _FILES.values()}
        for cited in self._cited.values():
            if cited.blob is not None:
                title = _FILES.get(cited.blob.kind, "Other files")
            else:
                title = resources.group(cited.source, cited.body) if cited.body is not None else "Not shown"
            groups.setdefault(title, []).append(self._entry(cited))
        return tuple(SourceGroup(t, tuple(es), len(es) > BRIEF_FROM) for t, es in groups.items() if es)

    def _of(self, source: Source) -> _Cited:
        key = (source.ref, source.digest)
        if key not in self._cited:
            held, body = self._chart.resource(source.ref) or (None, None)
            problem = ABSENT if held is None else CHANGED if held.digest != source.digest else ""
            self._cited[key] = _Cited(
                f"source-{len(self._cited) + 1}",
                source,
                None if problem else body,
                None if problem else self._blobs.get(source.ref),
                problem,
            )
        return self._cited[key]

    def _title(self, cited: _Cited) -> str:
        if cited.blob is not None:
            kind = DOCUMENT_KINDS.get(cited.blob.kind, "File")
            return f"{kind}: {cited.blob.title}" if cited.blob.title else kind
        return resources.title(cited.source, cited.body) if cited.body is not None else cited.source.ref.split("/")[0]

    def _place(self, evidence: Evidence, cited: _Cited, title: str) -> Place:
        locator = evidence.locator
        if evidence.part is None or cited.blob is None:
            return self._resource(evidence, cited, title)
        index = _part(cited.blob, evidence)
        if "start" in locator and cited.blob.kind == "note":
            return _in_note(cited, index, evidence, title)
        if "pos" in locator:
            return self._in_genome(cited, index, evidence, title)
        figure = self._figures.get(evidence.source.ref, "")
        if "sample_start" in locator:
            channel = f", channel {locator['channel']}" if locator.get("channel") else ""
            where = f"samples {locator['sample_start']} to {locator['sample_end']}{channel}"
            return Place(cited.anchor, title, f"{evidence.part}, {where}", evidence.label, figure=figure)
        if "frame" in locator:
            return self._in_image(cited, evidence, title, figure)
        return Place(cited.anchor, title, evidence.part, evidence.label, figure=figure)

    def _resource(self, evidence: Evidence, cited: _Cited, title: str) -> Place:
        path = str(evidence.locator.get("path", ""))
        figure = self._figures.get(evidence.source.ref, "")
        if cited.body is None:
            return Place(cited.anchor, title, "", evidence.label, figure=figure, problem=ABSENT)
        shown = resources.summary(cited.source, cited.body)
        if cited.blob is not None:
            return Place(cited.anchor, title, "", evidence.label, marked=shown, figure=figure)
        if path and not resources.holds(cited.body, path):
            cited.paths.add("")
            problem = f"the cited element {path!r} is not in it; this is the whole entry"
            return Place(cited.anchor, title, "", evidence.label, marked=shown, problem=problem)
        cited.paths.add(path)
        return Place(cited.anchor, title, path, evidence.label, marked=shown)

    def _in_genome(self, cited: _Cited, index: int, evidence: Evidence, title: str) -> Place:
        assert cited.blob is not None
        contig, pos = str(evidence.locator["contig"]), str(evidence.locator["pos"])
        line = self._vcf.line(cited.blob, index, contig, int(pos))
        anchor = f"{cited.anchor}-{contig}-{pos}"
        cited.lines[(contig, pos)] = (anchor, line)
        return Place(anchor, title, f"{contig}:{pos}", evidence.label, marked=line)

    def _in_image(self, cited: _Cited, evidence: Evidence, title: str, figure: str) -> Place:
        frame, edges = evidence.locator["frame"], evidence.locator.get("box")
        where = f"slice {int(frame) + 1}"
        box = None
        if edges:
            left, top, right, bottom = (int(v) for v in edges)
            where += f", columns {left} to {right}, rows {top} to {bottom}"
            columns, rows = self._frames.get(evidence.source.ref, (0, 0))
            box = Box(columns, rows, left, top, right, bottom) if columns and rows else None
        anchor = f"{cited.anchor}-frame-{int(frame) + 1}"
        cited.boxes[(frame, tuple(edges or ()))] = (anchor, where, box)
        return Place(anchor, title, where, evidence.label, figure=figure)

    def _entry(self, cited: _Cited) -> SourceEntry:
        text: tuple[Segment, ...] = ()
        problem = cited.problem
        if cited.blob is not None and cited.spans:
            index = min(cited.spans)
            text = segments(note_text(cited.blob, index), cited.spans[index], cited.anchor)
        span = cited.blob.effective if cited.blob is not None else None
        return SourceEntry(
            anchor=cited.anchor,
            title=self._title(cited),
            ref=cited.source.ref,
            version=cited.source.version,
            digest=cited.source.digest,
            category=cited.source.category.partition("+")[0],
            dated=span.text if span else "",
            said=_said(cited),
            elements=resources.elements(cited.body, cited.paths) if cited.body is not None and cited.paths else (),
            text=text,
            lines=tuple((a, f"{c}:{p}", line) for (c, p), (a, line) in cited.lines.items()),
            boxes=tuple(cited.boxes.values()),
            figure=self._figures.get(cited.source.ref, ""),
            problem=problem,
        )


def _said(cited: _Cited) -> str:
    if cited.body is None or cited.blob is not None:
        return ""
    return resources.summary(cited.source, cited.body, named=False) or resources.summary(cited.source, cited.body)


def _part(blob: Blob, evidence: Evidence) -> int:
    index = next((i for i, part in enumerate(blob.parts) if part.name == evidence.part), None)
    if index is None or (evidence.digest and blob.parts[index].sha256 != evidence.digest):
        raise SalusError(CHANGED)
    return index


def _in_note(cited: _Cited, index: int, evidence: Evidence, title: str) -> Place:
    assert cited.blob is not None
    start, end = int(evidence.locator["start"]), int(evidence.locator["end"])
    text = note_text(cited.blob, index)
    if not 0 <= start <= end <= len(text):
        raise SalusError("the cited characters are not in the note")
    before, marked, after = excerpt(text, start, end)
    cited.spans.setdefault(index, set()).add((start, end))
    where = f"line {text.count(chr(10), 0, start) + 1}, characters {start} to {end}"
    return Place(f"{cited.anchor}-{start}-{end}", title, where, evidence.label, before, marked, after)
