"""The education library: short cards of our own, found by their words (BM25 of SQLite's FTS5)."""

from __future__ import annotations

import re
import sqlite3
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from salus.assistant.reply import Citation, Sentence
from salus.errors import ConfigurationError

SENTENCES = 4
"""How many sentences of a card an answer quotes."""


@cache
def idle(kind: str = "common") -> frozenset[str]:
    """Words that do not say what a question is about; ``kind`` is a name in tables/words.toml."""
    text = files("salus.assistant").joinpath("tables", "words.toml").read_text("utf-8")
    return frozenset(tomllib.loads(text)[kind].split())


@dataclass(frozen=True, slots=True)
class Source:
    """A page that a card was written from."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Card:
    """One card: plain sentences, written by us from the sources."""

    id: str
    title: str
    words: tuple[str, ...]
    sentences: tuple[str, ...]
    sources: tuple[Source, ...]

    @property
    def text(self) -> str:
        """All sentences."""
        return " ".join(self.sentences)

    def cited(self, count: int = SENTENCES, first: int = 0) -> tuple[Sentence, ...]:
        """Sentences ``first`` to ``first + count``, each citing the card."""
        citation = Citation("library", self.id, f"{self.title} (salus library)")
        return tuple(Sentence(s, (citation,)) for s in self.sentences[first : first + count])


@cache
def cards() -> Mapping[str, Card]:
    """Every card by id. Raises ConfigurationError for one without text or source."""
    found: dict[str, Card] = {}
    folder = files("salus.assistant").joinpath("library")
    for path in sorted(folder.iterdir(), key=lambda p: p.name):
        if not path.name.endswith(".toml"):
            continue
        raw = tomllib.loads(path.read_text("utf-8"))
        name = path.name.removesuffix(".toml")
        sources = tuple(Source(s["title"], s["url"]) for s in raw["source"])
        sentences = tuple(s.strip() for s in raw["text"].strip().split("\n") if s.strip())
        if not sentences or not sources:
            raise ConfigurationError("a card without text or source", where=path.name)
        found[name] = Card(name, raw["title"], tuple(raw["words"]), sentences, sources)
    return found


def find(question: str) -> Card | None:
    """The card that fits a question best by BM25 over words, title and text; None where no word of it names a card."""
    query = match_query(question)
    if not query:
        return None
    row = (
        _index()
        .execute(
            "SELECT id FROM card WHERE card MATCH ? ORDER BY bm25(card, 0, 8, 4, 1) LIMIT 1",
            (f"{{words title}} : ({query})",),
        )
        .fetchone()
    )
    return cards()[row[0]] if row else None


def match_query(question: str) -> str:
    """A full-text query of a question's words, each quoted: nothing in a question is ever read as query syntax."""
    words = [w for w in re.findall(r"[^\W_]+", question.lower()) if len(w) > 1 and w not in idle()]
    return " OR ".join(f'"{w}"' for w in dict.fromkeys(words[:64]))


@cache
def _index() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.execute("CREATE VIRTUAL TABLE card USING fts5(id UNINDEXED, words, title, body, tokenize='porter')")
    rows = [(c.id, " ".join(c.words), c.title, c.text) for c in cards().values()]
    connection.executemany("INSERT INTO card VALUES (?, ?, ?, ?)", rows)
    return connection
