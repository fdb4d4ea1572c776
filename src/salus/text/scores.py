"""Scores written out: "CHF 0, HTN 1, DM 0" denies what has no point.

A run of names with one digit each, of which one at least is nought, is a score. "CKD 3, DM 2" is none: there the digit
tells a stage or a type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from salus.text.document import Span
from salus.text.marks import Mark

_WORD = r"[^\W\d_][\w/'-]{0,24}"
_ITEM = re.compile(
    rf"(?<!\w)(?P<name>{_WORD}(?: {_WORD}){{0,3}})[ ]?[:=]?[ ]?\(?(?P<points>\d)\)?(?![\d/%]|[.,]\d|[ ]?[-–])"
)
_GAP = re.compile(r"[\s,;|]{1,4}\Z")


def find(text: str, span: Span) -> list[Mark]:
    """The marks of scores in ``text[span]``, in order, each over its own name. Linear in the length."""
    return [mark for run in _runs(text, span) for mark in _of_run(run)]


def _runs(text: str, span: Span) -> Iterator[list[re.Match[str]]]:
    run: list[re.Match[str]] = []
    for item in _ITEM.finditer(text, span.start, span.end):
        if run and not _GAP.match(text[run[-1].end() : item.start()]):
            yield run
            run = []
        run.append(item)
    yield run


def _of_run(run: list[re.Match[str]]) -> Iterator[Mark]:
    if len(run) > 1 and any(item["points"] == "0" for item in run):
        for item in run:
            region, place = Span(*item.span("name")), Span(*item.span("points"))
            yield Mark(place, "score", "no" if item["points"] == "0" else "yes", region)
