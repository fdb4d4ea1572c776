"""Sentences of notes: full stops that end something, and lines that are items of a list or wrapped prose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from salus.text.document import Span
from salus.text.wordlists import answer_openings, words

_END = re.compile(r"(?<![.!?])[.!?]++[\"')\]]*+(?=\s)")
BULLET = re.compile(r"\s*(?:[-*•·–>]|\d{1,2}[.)]|\(\d{1,2}\)|[a-z][.)])\s", re.I)

# Words whose full stop does not end a sentence. "no." is left out on purpose: "smoker: no." does end.
_ABBREVIATIONS = words("abbreviations")
_LONGEST_ABBREVIATION = max(map(len, _ABBREVIATIONS))

# A line that ends with one of these goes on in the next line.
_OPEN_ENDS = words("open_ends")
LONGEST = 4000  # code points; what runs on without any end is cut, so that its cost stays bounded
# What may part a question from its answer: "? - No", "? A: No".
_REPLY = re.compile(r"[\s>–—-]{0,8}(?:(?:a|ans|answer|pt|patient)[ \t]?:[ \t]{0,4})?(?P<word>[^\W\d_]+)", re.I)
_LONGEST_REPLY = 5  # words of an answer that stands on a line of its own
_WRAPPED_AT = 50  # a shorter line is an item of a list, not prose that ran out of room


def _ends_sentence(text: str, start: int, at: int) -> bool:
    if text[at] != ".":
        return True
    before = text[max(start, at - _LONGEST_ABBREVIATION - 2) : at].split()
    word = before[-1].lstrip("(\"'[").lower() if before and not text[at - 1].isspace() else ""
    if word in _ABBREVIATIONS or re.fullmatch(r"[a-z]", word):
        return False
    line_start = max(text.rfind("\n", max(start, at - 12), at) + 1, max(start, at - 12))
    return not re.fullmatch(r"\s*[-*•]?\s*\d{1,2}", text[line_start:at])


def _line_goes_on(line: str, following: str) -> bool:
    """True when the line break between ``line`` and ``following`` only wraps one sentence."""
    stripped = line.rstrip()
    if not stripped or not following.strip() or BULLET.match(following):
        return False
    if stripped[-1] in ".!?:;":
        return False
    last = re.split(r"[\s/(]+", stripped)[-1].lower()
    if stripped[-1] in ",(/" or last in _OPEN_ENDS:
        return True
    opening = following.lstrip()[0]
    return len(stripped) >= _WRAPPED_AT and (opening.islower() or opening.isdigit() or opening in "(,")


def _pieces(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Runs of lines that belong together."""
    runs: list[tuple[int, int]] = []
    run_start = line_start = start
    while line_start < end:
        newline = text.find("\n", line_start, end)
        line_end = end if newline < 0 else newline
        next_start = min(line_end + 1, end)
        next_end = text.find("\n", next_start, end)
        following = text[next_start : end if next_end < 0 else next_end]
        if newline < 0 or not _line_goes_on(text[line_start:line_end], following):
            runs.append((run_start, line_end))
            run_start = next_start
        line_start = next_start
    return runs


def sentences(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Spans of the sentences in ``text[start:end]``, trimmed of white space, in order.

    Every sign that is not white space lies in exactly one of them.
    """
    stop = len(text) if end is None else end
    found: list[Span] = []
    for run_start, run_end in _pieces(text, start, stop):
        at = run_start
        for mark in _END.finditer(text, run_start, run_end):
            if _ends_sentence(text, at, mark.start()):
                found.append(Span(at, mark.end()))
                at = mark.end()
        found.append(Span(at, run_end))
    return [t for span in found for piece in _bounded(text, span) if (t := _trim(text, piece)) is not None]


def exchanges(text: str, spans: Iterable[Span]) -> Iterator[Span]:
    """Sentences with a question and its answer together ("Diabetes? No."), and a doubt with its name ("? TIA")."""
    held: Span | None = None
    for span in spans:
        if held is not None and span.end - held.start <= LONGEST and _goes_on(text, held, span):
            held = Span(held.start, span.end)
            continue
        if held is not None:
            yield held
        held = span
    if held is not None:
        yield held


def _goes_on(text: str, before: Span, after: Span) -> bool:
    opening, gap, piece = text[before.start : before.end], text[before.end : after.start], text[after.start : after.end]
    doubt = opening.endswith("?") and not opening[-2:-1].strip()
    if doubt and "\n" not in gap:
        return True
    reply = _REPLY.match(piece)
    if reply is None or reply["word"].lower() not in answer_openings() or not opening.endswith(("?", "...")):
        return False
    return "\n" not in gap or (gap.count("\n") == 1 and len(piece.split()) <= _LONGEST_REPLY)


def _bounded(text: str, span: Span) -> Iterator[Span]:
    """``span`` in pieces of at most ``LONGEST`` code points, cut at white space where there is any."""
    start = span.start
    while span.end - start > LONGEST:
        cut = text.rfind(" ", start + LONGEST // 2, start + LONGEST) + 1 or start + LONGEST
        yield Span(start, cut)
        start = cut
    yield Span(start, span.end)


def _trim(text: str, span: Span) -> Span | None:
    piece = text[span.start : span.end]
    inner = piece.strip()
    if not inner:
        return None
    start = span.start + len(piece) - len(piece.lstrip())
    return Span(start, start + len(inner))
