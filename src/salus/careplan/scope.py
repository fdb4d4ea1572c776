"""What a reader may conclude from silence: what was not released to them may still be recorded."""

from __future__ import annotations

import re
from collections.abc import Collection

_NO_NOTE = re.compile(r"\b(?:the record holds no note|no note is recorded(?: or released)?(?! or released| to))")
_RECORDED = re.compile(
    r"\b(no (?P<what>[^,;:.]+?)) (?P<verb>is|are) recorded(?: or released)?(?! or released| to this)"
)
_NOUNS = {"genome": "genome", "note": "note", "image": "image", "signal": "signal"}


def within(reason: str, looked_at: Collection[str]) -> str:
    """``reason`` of a finding as it is true for a reader who was shown only ``looked_at``.

    "No genome file is recorded" becomes "no genome file is recorded or released to this reader" where genomes were not
    looked at. What is no file of a kind of its own (a laboratory value, a medicine) belongs to the record.
    """
    words = reason
    if "note" not in looked_at:
        words = _NO_NOTE.sub("no note is recorded", words)
    return _RECORDED.sub(lambda match: _qualified(match, looked_at), words)


def _qualified(match: re.Match[str], looked_at: Collection[str]) -> str:
    kind = next((kind for noun, kind in _NOUNS.items() if noun in match["what"].lower().split()), "record")
    if kind in looked_at:
        return match[0]
    return f"{match[1]} {match['verb']} recorded or released to this reader"
