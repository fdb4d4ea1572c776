"""From a plan item down to the source: item, findings, evidence, and the very line, characters or samples it cites."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from salus.app.session import Opened, Session
from salus.careplan.model import Plan, PlanItem
from salus.errors import InputError, IntegrityError, SalusError
from salus.fhir import json
from salus.fhir.views import Blob
from salus.findings.model import Evidence, Finding
from salus.formats.note import read_note

CONTEXT = 60


@dataclass(frozen=True, slots=True)
class Shown:
    """One piece of evidence opened: where it lies and what stands there (``problem``: why it cannot be shown)."""

    where: str
    label: str
    excerpt: str
    problem: str = ""


def find_item(plan: Plan, name: str) -> PlanItem:
    """The plan's item by number (1 is the first) or key. Raises InputError."""
    if name.isdigit() and 1 <= int(name) <= len(plan.items):
        return plan.items[int(name) - 1]
    for item in plan.items:
        if item.key == name:
            return item
    raise InputError("the plan has no such item", remedy="give its number or key as the plan shows it")


def findings_of(item: PlanItem, opened: Opened) -> list[Finding]:
    """The findings that the item rests on."""
    return [f for f in opened.findings if f.id in item.findings]


def show(evidence: Evidence, session: Session, opened: Opened) -> Shown:
    """Open one piece of evidence, checking that it is still what was cited."""
    where = f"{evidence.source.ref} version {evidence.source.version}"
    if evidence.part:
        where += f", file {evidence.part}"
    try:
        where_in, excerpt = _open(evidence, session, opened)
    except SalusError as error:
        return Shown(where, evidence.label, "", str(error))
    return Shown(where + where_in, evidence.label, excerpt)


def _open(evidence: Evidence, session: Session, opened: Opened) -> tuple[str, str]:
    data = session.evidence_bytes(opened, evidence.source.ref, evidence.source.digest)
    if evidence.part is None:
        return _resource(json.loads(data), evidence.locator)
    blob = _blob(evidence, opened)
    index = next(i for i, p in enumerate(blob.parts) if p.name == evidence.part)
    if evidence.digest and blob.parts[index].sha256 != evidence.digest:
        raise IntegrityError("the file is not the one that was cited")
    return _part(blob, blob.read(index), evidence.locator)


def _blob(evidence: Evidence, opened: Opened) -> Blob:
    chart = opened.chart.fresh()
    for blob in (*chart.notes(), *chart.genome(), *chart.images(), *chart.signals("ecg"), *chart.signals("signal")):
        if blob.source.ref == evidence.source.ref and any(p.name == evidence.part for p in blob.parts):
            return blob
    raise IntegrityError("the cited file is not in the record")


def _resource(body: Any, locator: Mapping[str, Any]) -> tuple[str, str]:
    path = str(locator.get("path", ""))
    value = body
    for step in path.replace("[", ".[").split("."):
        if not step or step == body.get("resourceType"):
            continue
        try:
            value = value[int(step[1:-1])] if step.startswith("[") else value[step]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise IntegrityError("the cited element is not there") from error
    if not path:
        value = {k: v for k, v in body.items() if k not in ("meta", "text", "extension", "subject", "encounter")}
    text = json.dumps(value).decode()
    return (f", {path}" if path else ""), text if len(text) <= 600 else text[:600] + " …"


def _part(blob: Blob, data: bytes, locator: Mapping[str, Any]) -> tuple[str, str]:
    if "start" in locator and blob.kind == "note":
        text = read_note(data, blob.meta.get("encoding")).text
        start, end = int(locator["start"]), int(locator["end"])
        line = text.count("\n", 0, start) + 1
        before, after = text[max(0, start - CONTEXT) : start], text[end : end + CONTEXT]
        return f", line {line}, characters {start}–{end}", f"…{before}⟦{text[start:end]}⟧{after}…".replace("\n", " ")
    if "pos" in locator:
        return _vcf_line(data, str(locator["contig"]), int(locator["pos"]))
    if "sample_start" in locator:
        channel = f" of {locator['channel']}" if locator.get("channel") else ""
        return f", samples {locator['sample_start']}–{locator['sample_end']}{channel}", "see the strip in the report"
    if locator:
        return "", "; ".join(f"{key} {value}" for key, value in locator.items())
    return "", f"{len(data):,} bytes"


def _vcf_line(data: bytes, contig: str, pos: int) -> tuple[str, str]:
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    for number, line in enumerate(_lines(plain), 1):
        if line.startswith(b"#"):
            continue
        name, _, rest = line.partition(b"\t")
        found = rest.partition(b"\t")[0]
        if (
            name.decode("ascii", "replace").removeprefix("chr") == contig.removeprefix("chr")
            and found == str(pos).encode()
        ):
            return f", line {number}", line.decode("utf-8", "replace").replace("\t", " ")
    return "", f"{contig}:{pos} has no line of its own (it lies in a reference block or is absent)"


def _lines(data: bytes) -> Iterator[bytes]:
    yield from data.splitlines()
