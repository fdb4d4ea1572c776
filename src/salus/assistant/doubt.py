"""A doubt about what the rules raised: a small linear model that is very sure that nothing is happening now.

It was fitted to the authors' own messages (``tools/train_leaning.py``) and looks at all words of a message, those that
say nothing of the body too: who asks, about when and what for. What a rule raised is held back where the score lies
below the stated threshold, at which one emergency in a hundred of those that no model had seen would be held back.
Some signs are never held back: somebody who cannot be woken or does not breathe, an overdose, a baby of weeks, and
thoughts of suicide, whoever has them; nor is who asks what to do about a sign. The reply to a message that was held
back says whom to call if it happens now.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

from salus.assistant import foreign, leaning
from salus.assistant.context import asks_to_act
from salus.assistant.flags import Raised
from salus.assistant.language import END, read
from salus.assistant.reading import Reading

TABLE = "doubt.json"
MOST_WORDS = 1200
NEVER = ("unrousable", "overdosed", "took-lot", "young-baby")
"""Concepts that are never held back where they count."""
FEARED = "named"
"""The flag of whoever fears a named emergency now: never held back either."""
ALARMS = 0.6
"""The score of one sentence from which on nothing is held back: what stands beside it must not talk it down."""
_NO_BREATH = re.compile(r" (?:not|never|stopped|stops|without) (?:\w+ )?breathing ")


@cache
def model() -> leaning.Model:
    """The fitted model."""
    return leaning.load(TABLE)


def features(message: str) -> list[str]:
    """What the model looks at, each once: words, pairs and threes of them as they were written."""
    said = ["0" * len(t) if t.isdigit() else t for t in read(message).plain.split()[:MOST_WORDS]]
    found = {f"w:{word}" for word in said} | {f"b:{a} {b}" for a, b in pairwise(said)}
    return sorted(found | {f"t:{a} {b} {c}" for a, b, c in zip(said, said[1:], said[2:], strict=False)})


def score(message: str) -> float:
    """The score of a message: higher, more like an emergency."""
    return leaning.score(features(message), model())


def holds_back(message: Reading, raised: tuple[Raised, ...]) -> bool:
    """Whether what the rules raised is held back."""
    if not raised or any(message.spans(name) for name in NEVER) or _NO_BREATH.search(message.text.plain):
        return False
    if any(r.flag.crisis or r.flag.id == FEARED for r in raised) or foreign.language(message.text.original) != "en":
        return False
    if score(message.text.original) >= model().threshold:
        return False
    told_apart = message.text.plain.split(f" {END} ")
    if any(asks_to_act(f" {sentence.strip()} ") for sentence in told_apart):
        return False
    return all(score(sentence) < ALARMS for sentence in told_apart if sentence.count(" ") > 1)
