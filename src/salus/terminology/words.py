"""Words as the tables keep them: small letters without accents, and codes without dots."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["fold", "key", "squash"]

_LETTERS = str.maketrans({
    "ß": "ss", "ø": "o", "Ø": "o", "æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe", "ł": "l", "Ł": "l", "đ": "d", "µ": "u",
    "μ": "u", "’": "'", "‘": "'", "´": "'", "`": "'", "–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-",
    "®": " ", "™": " ", "©": " ", "\u00ad": "", "\u200b": "", "\ufeff": "",
})  # fmt: skip
LONGEST = 1000
"""Longer words are cut: a narrative is not a name, and reading must take bounded time."""


def fold(text: str) -> str:
    """Small letters without accents and trade marks, white space folded; at most :data:`LONGEST` characters."""
    spread = unicodedata.normalize("NFKD", text[:LONGEST].translate(_LETTERS)).casefold()
    return squash("".join(letter for letter in spread if not unicodedata.combining(letter)))


def squash(text: str) -> str:
    """The text with every run of white space as one blank."""
    return re.sub(r"\s+", " ", text).strip()


def key(code: str) -> int | str:
    """A code as the tables keep it: without dots and blanks, an integer where that loses nothing."""
    bare = code.strip().upper().replace(".", "")
    return int(bare) if re.fullmatch(r"[1-9][0-9]{0,17}", bare) else bare
