"""Medicines that a question or an answer names, whatever else it says."""

from __future__ import annotations

import re

from salus.terminology.reader import shipped

_WORD = re.compile(r"[A-Za-z][A-Za-z-]{3,}")
LONGEST = 3
"""Words in the longest name that is looked for ("insulin glargine", "valproic acid")."""


def ingredients(text: str) -> frozenset[str]:
    """The ingredients of every medicine whose name stands in ``text``; longer names are tried first."""
    words = _WORD.findall(text)
    found: set[str] = set()
    start = 0
    while start < len(words):
        for length in range(min(LONGEST, len(words) - start), 0, -1):
            medicine = shipped().medicine((), " ".join(words[start : start + length]))
            if medicine.ingredients:
                found.update(medicine.ingredients)
                start += length - 1
                break
        start += 1
    return frozenset(found)
