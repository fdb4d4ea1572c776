"""A doubt about what the rules raised: a small linear model that is very sure that nothing is happening now.

It was fitted to the authors' own messages (``tools/train_leaning.py``) and looks at all words of a message, those that
say nothing of the body too: who asks, about when and what for. What a rule raised is held back where the score lies
below the stated threshold, at which two emergencies in a hundred of those that no model had seen would be held back.
Grave signs (somebody who cannot be woken or does not breathe, an overdose, a baby of weeks, a measured number, an
emergency that is feared by its name) have a lower threshold, at which four in a thousand would be. Never held back are
thoughts of suicide, unless the message tells of years ago, of the dead or of a recovery; who asks what to do about a
sign; and a message of a few words. The reply to a message that was held back says whom to call if it happens now.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import groupby, pairwise

from salus.assistant import foreign, leaning, sayings
from salus.assistant.context import asks_to_act
from salus.assistant.flags import Raised
from salus.assistant.language import END, read
from salus.assistant.reading import Reading

TABLE = "doubt.json"
MOST_WORDS = 1200
PIECE = 4
"""Letters of a piece of a word, its edges counted."""
GRAVE = (
    *("unrousable", "overdosed", "took-lot", "young-baby", "oxygen-low", "many-breaths", "slow-pulse", "fast-pulse"),
    *("systolic-low", "systolic-very-high"),
)
"""Concepts and numbers that are grave where they count."""
FEWEST_WORDS = 8
"""Words that a message must have before it is held back: of fewer, too little is known."""
FEARED = "named"
"""The flag of whoever fears a named emergency now."""
ALARMS = (1.5, 0.6)
"""The score of one sentence from which on nothing is held back, and that of a sentence in a message of a grave sign:
what stands beside it must not talk it down."""
_OVER = re.compile("|".join(said.pattern for said in (sayings.YEARS, sayings.BEREAVED)))
_NO_BREATH = re.compile(r" (?:not|never|stopped|stops|without) (?:\w+ )?breathing ")


@cache
def model() -> leaning.Model:
    """The fitted model."""
    return leaning.load(TABLE)


def features(message: str) -> list[str]:
    """What the model looks at, each once: words as they were written, pairs and threes of them, and their pieces.

    How many full stops or exclamation marks there are makes no difference.
    """
    told = [list(run) if key != END else [END] for key, run in groupby(read(message).plain.split()[:MOST_WORDS])]
    said = ["0" * len(t) if t.isdigit() else t for run in told for t in run]
    found = {f"w:{word}" for word in said} | {f"b:{a} {b}" for a, b in pairwise(said)}
    found |= {f"<{word}>"[at : at + PIECE] for word in said for at in range(len(word) + 3 - PIECE)}
    return sorted(found | {f"t:{a} {b} {c}" for a, b, c in zip(said, said[1:], said[2:], strict=False)})


def score(message: str) -> float:
    """The score of a message: higher, more like an emergency."""
    return leaning.score(features(message), model())


def over(message: Reading) -> bool:
    """Whether a message tells of years ago, of the dead or of a recovery, and of nothing new."""
    said = message.text.plain
    return bool(sayings.RECOVERED.search(said) or (_OVER.search(said) and not sayings.PRESENT.search(said)))


def grave(message: Reading, raised: tuple[Raised, ...]) -> bool:
    """Whether what was raised is grave and not over: then more is asked before it is held back."""
    if over(message):
        return False
    named = any(r.flag.id == FEARED for r in raised)
    return named or any(message.spans(name) for name in GRAVE) or bool(_NO_BREATH.search(message.text.plain))


def crisis(message: Reading, raised: tuple[Raised, ...]) -> bool:
    """Whether somebody thinks of suicide or of harming others, and it is not over: that is never held back."""
    return any(r.flag.crisis for r in raised) and not over(message)


def short(message: Reading) -> bool:
    """Whether a message has too few words to be held back."""
    return sum(token.isalnum() for token in message.tokens) < FEWEST_WORDS


def holds_back(message: Reading, raised: tuple[Raised, ...]) -> bool:
    """Whether what the rules raised is held back."""
    if not raised or foreign.language(message.text.original) != "en":
        return False
    if short(message) or crisis(message, raised):
        return False
    is_grave = grave(message, raised)
    if score(message.text.original) >= (model().grave if is_grave else model().threshold):
        return False
    told_apart = message.text.plain.split(f" {END} ")
    if any(asks_to_act(f" {sentence.strip()} ") for sentence in told_apart):
        return False
    return all(score(sentence) < ALARMS[is_grave] for sentence in told_apart if sentence.count(" ") > 1)
