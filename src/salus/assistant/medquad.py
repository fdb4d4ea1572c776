"""A question-and-answer library that the user loads (MedQuAD, CC BY 4.0): found by focus and kind of question first.

One row of the file is a JSON object with id, source, focus, qtype, question, answer and url. The index is one SQLite
file with FTS5. Addresses are shown as text; nothing is fetched. Retrieval: the longest focus named in the question,
then the kind of question by its words, then BM25 with weights 4 (focus), 2 (question), 1 (answer).
"""

from __future__ import annotations

import gzip
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salus.assistant.education import match_query
from salus.errors import InputError
from salus.fhir import json

LICENCE = "MedQuAD (Ben Abacha and Demner-Fushman 2019, BMC Bioinformatics 20:511), CC BY 4.0"
MAX_LINE = 4 << 20
MAX_ROWS = 200_000
MAX_BYTES = 1 << 30
FOCUS_WORDS = 12
QUOTED = 3
"""How many sentences of a passage an answer quotes."""

# Kinds of question by their words; the first that fits is it. The kinds are MedQuAD's own.
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("genetic changes", r"genetic changes|\bgenes? (?:is|are)\b.*(?:related|cause)"),
        ("stages", r"\bstages?\b"),
        ("inheritance", r"inherit|hereditary|genetically passed|run in famil"),
        ("frequency", r"how many people|how common|how often|frequency"),
        ("susceptibility", r"\bwho is at risk|at risk for|\bwho gets|susceptib"),
        ("research", r"\bresearch|clinical trial|studies"),
        ("complications", r"complication|problems? (?:can|does)"),
        ("prevention", r"prevent|avoid getting"),
        ("outlook", r"outlook|prognosis|life expectancy|survive"),
        ("exams and tests", r"diagnos|\btests?\b|tested"),
        ("treatment", r"treat|cure|therap|remedy|medicine for|medication for"),
        ("symptoms", r"symptom|signs? of"),
        ("causes", r"\bcauses?\b|\bwhy do\b"),
        ("considerations", r"what to do for|considerations?"),
        ("support groups", r"support group"),
        ("side effects", r"side effects?"),
        ("usage", r"how should .* be used|how to use"),
        ("dietary", r"\bdiet|\beat\b|food"),
        ("information", r"what (?:is|are|i need to know)|know about|information|define|explain"),
    )
)
_SCHEMA = """
CREATE TABLE passage (id TEXT PRIMARY KEY, source TEXT, focus TEXT, key TEXT, qtype TEXT, question TEXT, answer TEXT,
  url TEXT);
CREATE INDEX passage_key ON passage (key, qtype);
CREATE VIRTUAL TABLE words USING fts5 (focus, question, answer, content='passage', tokenize='porter');
"""


@dataclass(frozen=True, slots=True)
class Passage:
    """One passage, with where it came from."""

    id: str
    source: str
    focus: str
    qtype: str
    question: str
    answer: str
    url: str

    @property
    def sentences(self) -> tuple[str, ...]:
        """The first sentences of the passage."""
        found = re.split(r"(?<=[.!?])\s+(?=[A-Z])", " ".join(self.answer.split()))
        return tuple(s for s in found if s)[:QUOTED]


def learn(file: Path, target: Path) -> int:
    """Make the index of a file of questions and answers. Returns how many passages it holds.

    A file that is not of this form leaves nothing behind. Raises InputError with the line.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(target.name + ".part")
    half.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(half)) as connection:
            connection.executescript(_SCHEMA)
            connection.executemany("INSERT INTO passage VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _rows(file))
            connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
            connection.commit()
            (count,) = connection.execute("SELECT count(*) FROM passage").fetchone()
        if not count:
            raise InputError("the file holds no passage", where=str(file))
        half.replace(target)
    except sqlite3.IntegrityError as error:
        raise InputError("two passages have one id", where=str(file)) from error
    finally:
        half.unlink(missing_ok=True)
    return int(count)


def _rows(file: Path) -> Iterator[tuple[str, ...]]:
    total = 0
    for number, line in enumerate(_lines(file), 1):
        total += len(line)
        if number > MAX_ROWS or total > MAX_BYTES:
            raise InputError("a larger file than is read", where=str(file))
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        try:
            row: Any = json.loads(line)
        except InputError as error:
            raise InputError("not a JSON object", where=where) from error
        if not isinstance(row, dict) or "id" not in row or not all(isinstance(row.get(k), str) for k in _TEXTS):
            raise InputError(f"a passage needs id, {', '.join(_TEXTS)}", where=where)
        focus, qtype, question, answer = (row[k].strip() for k in _TEXTS)
        yield (
            f"medquad-{row['id']}", str(row.get("source", "")), focus, key(focus), qtype, question, answer,
            str(row.get("url", "")),
        )  # fmt: skip


_TEXTS = ("focus", "qtype", "question", "answer")


def _lines(file: Path) -> Iterator[bytes]:
    """The lines of a file, unpacked where it is gzip, none longer than MAX_LINE."""
    with file.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    with gzip.open(file, "rb") if packed else file.open("rb") as stream:
        while True:
            try:
                line = stream.readline(MAX_LINE + 1)
            except (OSError, EOFError, zlib.error) as error:
                raise InputError("the file is cut off or damaged", where=str(file)) from error
            if not line:
                return
            if len(line) > MAX_LINE:
                raise InputError(f"a line of more than {MAX_LINE:,} bytes", where=str(file))
            yield line


def key(text: str) -> str:
    """Words in lower case with crude plurals off: what a focus is looked up by."""
    words = re.findall(r"[^\W_]+", text.lower())
    return " ".join(
        w[:-1] if len(w) > 4 and w.endswith("s") and not w.endswith(("ss", "us", "is")) else w for w in words
    )


def search(index: Path, question: str, count: int = 10) -> list[Passage]:
    """The passages that answer ``question`` best, at most ``count``."""
    with closing(sqlite3.connect(f"{index.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        found: dict[str, None] = {}
        for name in _ranked(connection, question, count):
            found.setdefault(name)
            if len(found) >= count:
                break
        rows = (
            connection.execute(f"SELECT {_COLUMNS} FROM passage WHERE id = ?", (name,)).fetchone() for name in found
        )
        return [Passage(*row) for row in rows]


_COLUMNS = "id, source, focus, qtype, question, answer, url"


def _ranked(connection: sqlite3.Connection, question: str, count: int) -> Iterator[str]:
    kind = next((name for name, pattern in _KINDS if pattern.search(question.lower())), "")
    focus = _focus(connection, question)
    query = match_query(question)
    exact = key(question)
    if focus:
        rows = connection.execute("SELECT id, qtype, question FROM passage WHERE key = ?", (focus,)).fetchall()
        yield from _ids(r for r in rows if key(r[2]) == exact)
        yield from _ids(r for r in rows if r[1] == kind)
    if query:
        found = connection.execute(
            "SELECT p.id, p.qtype FROM words w JOIN passage p ON p.rowid = w.rowid WHERE words MATCH ? "
            "ORDER BY bm25(words, 4, 2, 1) LIMIT ?",
            (query, 5 * count),
        ).fetchall()
        same = [r for r in found if r[1] == kind]
        yield from _ids(same[:2])
        if focus:
            yield from _ids(rows)
        yield from _ids(found)


def _ids(rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    for row in rows:
        yield str(row[0])


def _focus(connection: sqlite3.Connection, question: str) -> str:
    """The longest run of words of the question that is the focus of a passage."""
    words = key(question).split()[:200]
    for length in range(min(FOCUS_WORDS, len(words)), 0, -1):
        for start in range(len(words) - length + 1):
            part = " ".join(words[start : start + length])
            if len(part) > 2 and connection.execute("SELECT 1 FROM passage WHERE key = ? LIMIT 1", (part,)).fetchone():
                return part
    return ""


def names(question: str, passage: Passage) -> bool:
    """Whether the question names what the passage is about: a passage that merely shares words is not an answer."""
    return f" {key(passage.focus)} " in f" {key(question)} "
