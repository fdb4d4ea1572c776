"""Citations as text with links that we build ourselves: only to doi.org and to PubMed, only from a DOI or PMID."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

_REFERENCE = re.compile(
    r"(?P<doi>\b10\.\d{4,9}/[A-Za-z0-9][A-Za-z0-9._;()/:-]{0,120})|\bPMID:?\s?(?P<pmid>\d{1,9})\b", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a citation; ``href`` is "" for plain text."""

    text: str
    href: str = ""


def pieces(citation: str) -> tuple[Piece, ...]:
    """``citation`` cut into plain text and links. The text is unchanged when put together again."""
    found: list[Piece] = []
    done = 0
    for match in _REFERENCE.finditer(citation):
        start, end = match.span()
        shown = match.group()
        if match.group("doi"):
            shown = _trimmed(shown)
            end = start + len(shown)
            href = "https://doi.org/" + quote(shown, safe="/")
        else:
            href = f"https://pubmed.ncbi.nlm.nih.gov/{match.group('pmid')}/"
        if start > done:
            found.append(Piece(citation[done:start]))
        found.append(Piece(shown, href))
        done = end
    if done < len(citation):
        found.append(Piece(citation[done:]))
    return tuple(found)


def _trimmed(doi: str) -> str:
    """Without the punctuation that belongs to the sentence around it."""
    while doi and (doi[-1] in ".;:,-_/" or (doi[-1] == ")" and doi.count("(") < doi.count(")"))):
        doi = doi[:-1]
    return doi
