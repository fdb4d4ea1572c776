"""A second look at messages that no rule raised: a small linear model of words, pieces of words and concepts.

It only ever raises. It was fitted to the authors' own messages (``tools/train_leaning.py``), looks at no sentence that
is past, imagined, fiction or a general question and at none of the words that every message holds, and tells which
words weighed most. Features are hashed (CRC-32) into
a table of small whole numbers (``tables/redflags/leaning.json``); a score above the stated threshold raises the flag.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from zlib import crc32

from salus.assistant.reading import Reading

FLAG = "several"
SHORTEST, LONGEST = 3, 5
"""Letters of a piece of a word, its edges counted."""
WORDS_SHOWN = 4
FEWEST_WORDS = 3
FEWEST_SIGNS = 2
"""Concepts that must count in a message before it is looked at a second time."""
MOST_WORDS = 1200
_STOP = (
    "a about after all also am an and any are as at be because been before but by can could did do does each else "
    "for from get gets getting go goes going got had has have he her here him his how i if in into is it its just "
    "let like made make me more most much my no nor not of off on one only or other our out over put quite really "
    "said say says see she should so some something still such tell telling than that the their them then there "
    "these they thing things think thinking this those though through to too up us very was way we were what when "
    "where which while who why will with without would yes yet you your looking look looks keep "
)
STOP_WORDS = frozenset(_STOP.split())
"""Words that say nothing of a sign: the model does not look at them."""


@dataclass(frozen=True, slots=True)
class Model:
    """Weights by hash; a message leans when its score passes ``threshold``. ``grave``: the threshold of grave signs."""

    weights: bytes
    scale: float
    bias: float
    threshold: float
    grave: float = -math.inf

    def weight(self, feature: str) -> float:
        """The weight of a feature; what was never seen may share one, as in every hashed table."""
        value = self.weights[crc32(feature.encode()) % len(self.weights)]
        return (value - 128) * self.scale


def load(name: str) -> Model:
    """The fitted model of that table."""
    raw = json.loads(files("salus.assistant").joinpath("tables", "redflags", name).read_text("utf-8"))
    return Model(
        base64.b64decode(raw["weights"]), raw["scale"], raw["bias"], raw["threshold"], raw.get("grave", -math.inf)
    )


@cache
def model() -> Model:
    """The fitted model."""
    return load("leaning.json")


def pieces(word: str) -> Iterator[str]:
    """A word and its pieces."""
    yield f"w:{word}"
    edged = f"<{word}>"
    for length in range(SHORTEST, LONGEST + 1):
        for at in range(len(edged) - length + 1):
            yield edged[at : at + length]


def words(message: Reading) -> list[str]:
    """The words of the sentences that tell of here and now."""
    kept = [t for at, t in enumerate(message.tokens) if t.isalnum() and message.context.counts(at, deniable=False)]
    return ["0" * len(t) if t.isdigit() else t for t in kept[:MOST_WORDS] if t not in STOP_WORDS]


def features(message: Reading) -> list[str]:
    """What the model looks at: each once."""
    said = words(message)
    found = {piece for word in said for piece in pieces(word)}
    found |= {f"b:{a} {b}" for a, b in pairwise(said)}
    counted = {f"c:{name}" for name in message.found if name not in message.rules.plain and message.spans(name)}
    return sorted(found | counted) if len(said) >= FEWEST_WORDS and len(counted) >= FEWEST_SIGNS else []


def score(names: Sequence[str], rule: Model | None = None) -> float:
    """The score of features: higher, more like an emergency."""
    if not names:
        return -math.inf
    rule = rule or model()
    return rule.bias + sum(rule.weight(name) for name in names) / math.sqrt(len(names))


def leans(message: Reading, beside: Callable[[], float]) -> tuple[str, ...]:
    """The words that weighed most, where the message leans to an emergency; none otherwise.

    ``beside`` gives the score that :mod:`salus.assistant.doubt` gives the same message: the two are added, for what one
    model sees in the signs the other sees in how they are told.
    """
    rule = model()
    names = features(message)
    if not names or score(names) + beside() <= rule.threshold:
        return ()
    weighed = {word: sum(rule.weight(piece) for piece in pieces(word)) for word in words(message) if len(word) > 2}
    strongest = sorted(weighed, key=lambda word: (-weighed[word], word))[:WORDS_SHOWN]
    return tuple(word for word in weighed if word in strongest)
