"""Sections of a note: headings, what they are called in LOINC, and what they say of the mentions under them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from salus.terminology import codes
from salus.text.document import Document, Span

# Repeats are bounded so that hostile runs of blanks or signs cost no more than linear time.
_MARK = r"[ \t]{0,20}(?:[#>*•·–-]{1,6}[ \t]{0,8})?(?:\d{1,2}[.)][ \t]{0,8})?(?:\*\*|__)?"
_AFTER = r"(?:\*\*|__)?[ \t]{0,8}(?:\([^()\n]{0,60}\)[ \t]{0,8})?"


@dataclass(frozen=True, slots=True)
class Heading:
    """One kind of section. ``temporality`` and ``experiencer`` hold for its mentions unless a trigger speaks."""

    id: str
    loinc: str | None = None
    temporality: str | None = None
    experiencer: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document under one heading; ``title`` is the heading's own place (empty before the first one)."""

    heading: Heading
    title: Span
    body: Span


UNKNOWN = Heading("unknown")


def _loinc(section: str) -> str | None:
    concept = codes.concepts().get("note-section-" + section.replace("_", "-"))
    return concept.codes[0].code if concept else None


@cache
def headings() -> dict[str, Heading]:
    """Name in lower case -> kind of section, from ``data/sections.toml``."""
    table = tomllib.loads(resources.files("salus.text").joinpath("data/sections.toml").read_text("utf-8"))
    found: dict[str, Heading] = {}
    for row in table["section"]:
        heading = Heading(row["id"], _loinc(row["id"]), row.get("temporality"), row.get("experiencer"))
        found.update(dict.fromkeys(row["names"], heading))
    return found


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    names = sorted(headings(), key=len, reverse=True)
    any_name = "(?P<name>" + "|".join(re.escape(name).replace(r"\ ", "[ \t]{1,8}") for name in names) + ")"
    # A heading opens a line and is followed by a colon or dash, or stands on the line alone ...
    opening = re.compile(rf"^{_MARK}{any_name}{_AFTER}(?::|[ \t]{{1,8}}[-–][ \t]|[ \t]{{0,8}}$)", re.I | re.M)
    # ... or follows a finished sentence in the same line ("... daily. Allergies: penicillin").
    inline = re.compile(rf"(?:(?<=[.;][ \t])|(?<=\S[ \t][ \t])){any_name}{_AFTER}:", re.I)
    # A line we do not know that ends with a colon, after an empty line, closes the section before it.
    foreign = re.compile(rf"(?:\A|\n[ \t]{{0,20}}\n){_MARK}(?P<name>[^\W\d_][^\n:.;,]{{1,40}}):[ \t]{{0,8}}$", re.M)
    return opening, inline, foreign


_RELATIVE = re.compile(
    r"\b(mother|father|mom|mum|dad|sister|brother|sibling|parent|aunt|uncle|cousin|grand|maternal|paternal|son|daughter"
    r"|niece|nephew)",
    re.I,
)


def _found(text: str) -> list[tuple[Span, Span, Heading]]:
    """Headings as (name, whole heading with mark and colon, kind), in the order of the text, without overlaps."""
    opening, inline, foreign = _patterns()
    known = headings()
    hits: list[tuple[Span, Span, Heading]] = []
    for pattern in (opening, inline):
        for m in pattern.finditer(text):
            kind = known[" ".join(m.group("name").lower().split())]
            hits.append((Span(*m.span("name")), Span(*m.span()), kind))
    # "Father:" under a family history is a line of that history, not the end of it.
    hits += [
        (Span(*m.span("name")), Span(*m.span()), UNKNOWN)
        for m in foreign.finditer(text)
        if not _RELATIVE.search(m.group("name"))
    ]
    hits.sort(key=lambda hit: (hit[0].start, hit[2] is UNKNOWN))
    kept: list[tuple[Span, Span, Heading]] = []
    for hit in hits:
        if not kept or hit[0].start >= kept[-1][1].end:
            kept.append(hit)
    return kept


def sections(document: Document) -> list[Section]:
    """The sections of a note, in order and without gaps between heading and next heading.

    Text before the first heading is a section of kind ``unknown``. Capitals play no part. Linear in the length.
    """
    text = document.text
    hits = _found(text)
    first = hits[0][1].start if hits else len(text)
    found = [Section(UNKNOWN, Span(0, 0), Span(0, first))] if text[:first].strip() else []
    for position, (name, whole, kind) in enumerate(hits):
        end = hits[position + 1][1].start if position + 1 < len(hits) else len(text)
        # What we do not know as a heading may be a mention ("Atrial fibrillation:"), so it stays to be read.
        start = name.start if kind is UNKNOWN else whole.end
        found.append(Section(kind, name, Span(start, max(start, end))))
    return found
