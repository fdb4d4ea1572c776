"""All marks in a stretch of a document: tick boxes, scores of forms, and answers behind questions."""

from __future__ import annotations

from collections.abc import Sequence

from salus.text import answers, scores, signs
from salus.text.document import Span, Token
from salus.text.marks import Marks, Style


def find(text: str, span: Span, tokens: Sequence[Token], style: Style) -> Marks:
    """All marks in ``text[span]``, whose tokens are ``tokens``. Linear in the length of the span."""
    boxes = sorted([*signs.find(text, span, style), *scores.find(text, span)], key=lambda mark: mark.span)
    return Marks((*boxes, *answers.find(text, span, tokens, boxes)))
