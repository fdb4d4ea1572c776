"""What a question is about: a topic, and a measurement where it names one. Tables, no guessing: unknown is unknown."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from salus.assistant.language import Text, compiled, read


@dataclass(frozen=True, slots=True)
class Measure:
    """A measurement by the names people give it."""

    id: str
    name: str
    concepts: tuple[str, ...]
    findings: tuple[str, ...]
    trends: tuple[str, ...]
    card: str
    says: str
    """What the recorded value is called, where people's name for it means more (creatinine for "kidney value")."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it was understood. ``topic`` is "" where none fits; ``number`` is the first number it names."""

    text: Text
    topic: str
    measure: Measure | None
    trend: bool
    general: bool
    number: int | None

    @property
    def words(self) -> frozenset[str]:
        """The words of the question of three letters and more."""
        return frozenset(w for w in self.text.plain.split() if len(w) > 2)


def understand(message: str) -> Question:
    """What ``message`` asks for. Raises InputError for one that is too long."""
    topics, measures, trend = _tables()
    text = read(message)
    measure = next((m for m, pattern in measures if pattern.search(text.plain)), None)
    topic = next((name for name, pattern in topics if pattern.search(text.plain)), "")
    number = re.search(r" (\d{1,3}) ", text.plain)
    general = bool(_GENERAL.match(text.plain.strip()))
    own = bool(_OWN.search(text.plain))
    if measure and (not topic or topic in _WEAKER):
        topic = "measure"
    return Question(
        text, topic, measure, bool(trend.search(text.plain)), general and not own, int(number[1]) if number else None
    )


_WEAKER = frozenset({"conditions", "medicines", "plan", "family"})
"""Topics that give way when the question names a measurement."""
_GENERAL = re.compile(
    r"(?:what (?:is|are|does|do|causes?) (?!my|the last|the latest|her|his)|how (?:do|does|can|should|to) |explain |"
    r"tell me about |why (?:is|are|do|does) (?!my))"
)
_OWN = re.compile(r" (?:my|mine|last|latest|newest|am|was my|her|his|i) ")


@cache
def _tables() -> tuple[
    tuple[tuple[str, re.Pattern[str]], ...], tuple[tuple[Measure, re.Pattern[str]], ...], re.Pattern[str]
]:
    intents = _load("intents.toml")
    lists = intents["list"]
    topics = tuple((t["id"], compiled(t["phrases"], lists, f"intents.toml: {t['id']}")) for t in intents["topic"])
    measures = tuple(
        (_measure(m), compiled(m["phrases"], lists, f"measures.toml: {m['id']}"))
        for m in _load("measures.toml")["measure"]
    )
    return topics, measures, compiled(["<trend>"], lists, "intents.toml: trend")


def _measure(entry: dict[str, Any]) -> Measure:
    return Measure(
        entry["id"],
        entry["name"],
        tuple(entry.get("concepts", ())),
        tuple(entry.get("findings", ())),
        tuple(entry.get("trends", ())),
        entry.get("card", ""),
        entry.get("says", entry["name"]),
    )


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads(files("salus.assistant").joinpath("tables", name).read_text("utf-8"))
