"""Whether a sentence's citations lead where they say, and whether its numbers stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from salus.assistant import education, flags
from salus.assistant.reply import Citation, Reply, Sentence
from salus.fhir import json
from salus.findings.model import Finding
from salus.record.chart import Chart

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_FRACTION = re.compile(r"(?<=:\d\d)\.\d+")
"""Of a second: a sentence leaves it out."""
_PART = re.compile(r"([A-Za-z]+)((?:\[\d+\])*)\Z")


@dataclass(frozen=True, slots=True)
class Places:
    """Everything that citations may lead to, for one asker: plan items and log entries as the words they hold."""

    chart: Chart | None = None
    findings: Sequence[Finding] = ()
    items: Mapping[str, str] = field(default_factory=dict)
    log: Mapping[str, str] = field(default_factory=dict)
    passages: Mapping[str, str] = field(default_factory=dict)
    """Passages of the library that the user loaded, by id."""


def problems(reply: Reply, places: Places) -> Iterator[str]:
    """What is wrong with a reply: citations that lead nowhere, numbers that no cited place holds. None: all is well."""
    for sentence in reply.sentences:
        found = [opened(citation, places) for citation in sentence.citations]
        for citation, text in zip(sentence.citations, found, strict=True):
            if text is None:
                yield f"{citation.mark} leads nowhere"
        yield from _strange_numbers(sentence, " ".join(text or "" for text in found))


def _strange_numbers(sentence: Sentence, text: str) -> Iterator[str]:
    held = {_plain(n) for n in _NUMBER.findall(_FRACTION.sub("", text))}
    for number in _NUMBER.findall(sentence.text):
        if _plain(number) not in held:
            yield f"the number {number} stands in none of {', '.join(c.mark for c in sentence.citations)}"


def _plain(number: str) -> str:
    return number.lstrip("0") or "0"


def opened(citation: Citation, places: Places) -> str | None:
    """The words at the place that a citation names; None where there is none, or another version than was cited."""
    match citation.place:
        case "record":
            return _resource(citation, places.chart)
        case "finding":
            found = next((f for f in places.findings if f.id == citation.ref), None)
            return _said(found) if found and found.version_hash == citation.digest else None
        case "plan":
            return places.items.get(citation.ref)
        case "log":
            return places.log.get(citation.ref)
        case "warning-signs":
            return flags.table().citations.get(citation.ref)
    card = education.cards().get(citation.ref)
    return card.text if card else places.passages.get(citation.ref)


def _said(finding: Finding) -> str:
    interval = finding.interval
    bounds = f"{interval.low} {interval.high}" if interval else ""
    parts = (finding.sentence, finding.patient_sentence, finding.reason, *finding.needs, *finding.effective)
    return " ".join([*parts, str(finding.value), bounds])


def _resource(citation: Citation, chart: Chart | None) -> str | None:
    source, body = (chart.resource(citation.ref) if chart else None) or (None, {})
    if source is None or (source.version, source.digest) != (citation.version, citation.digest):
        return None
    if citation.path and _at(body, citation.path) is None:
        return None
    return json.dumps(body).decode()


def _at(body: Any, path: str) -> Any:
    """The element at a JSON path of members and indexes ("component[0].valueQuantity.value"); None where none is."""
    kind, _, rest = path.partition(".")
    if isinstance(body, dict) and kind == body.get("resourceType"):  # FHIRPath's way: beginning with the type
        return body if not rest else _at(body, rest)
    for part in path.split("."):
        match = _PART.match(part)
        if match is None or not isinstance(body, dict):
            return None
        body = body.get(match[1])
        for index in re.findall(r"\d+", match[2]):
            if not isinstance(body, list) or int(index) >= len(body):
                return None
            body = body[int(index)]
    return body
