"""Whether what a message says is so here and now: not denied, past, imagined, asked in general or read in a leaflet.

Everything is looked for in the words made uniform by :mod:`salus.assistant.language`, a sentence at a time, with
expressions whose cost grows with the length of the sentence only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from salus.assistant import sayings
from salus.assistant.denial import BEFORE, DENIES_ITSELF, LACKING, denied, soft
from salus.assistant.language import END

COMMA, STOP = 3, 100


@dataclass(slots=True)
class Context:
    """The sentences of a message and what each is about. Each is judged once, however many signs it holds."""

    tokens: Sequence[str]
    joined: list[int] = field(default_factory=list)
    """The number of the sentence of each token."""
    places: list[int] = field(default_factory=list)
    """Where each token lies for the question what is near: a comma parts like three words, a full stop like many."""
    _sentences: list[tuple[int, int]] = field(default_factory=list)
    _judged: dict[int, tuple[bool, bool, bool]] = field(default_factory=dict)
    _denials: dict[int, bool] = field(default_factory=dict)
    _unreal: bool = False

    def __post_init__(self) -> None:
        start = place = 0
        for at, word in enumerate(self.tokens):
            self.joined.append(len(self._sentences))
            self.places.append(place)
            place += COMMA if word == "," else STOP if word == END else 1
            if word == END:
                self._sentences.append((start, at))
                start = at + 1
        self._sentences.append((start, len(self.tokens)))
        whole = f" {' '.join(t for t in self.tokens if t != END)} "
        self._unreal = bool(sayings.UNREAL.search(whole))

    def counts(self, start: int, deniable: bool = True, always: bool = False) -> bool:
        """Whether what begins at token ``start`` is so now; ``always``: or lies in the past or may never come."""
        number = self.joined[start]
        if number not in self._judged:
            self._judged[number] = self._judge(number)
        nowhere, over, elsewhen = self._judged[number]
        if nowhere or (elsewhen and not always):
            return False
        # who somebody is and what they have had holds on: only signs can be over
        if over and deniable and not always and not _stands_alone(self._clause(start)):
            return False
        return not (deniable and self.tokens[start] not in DENIES_ITSELF and self._denied(start))

    def _clause(self, start: int) -> str:
        first, last = self._sentences[self.joined[start]]
        first = max(first, start - BEFORE)
        last = min(last, start + BEFORE)
        before = [at for at in range(first, start) if self.tokens[at] == ","]
        after = next((at for at in range(start, last) if self.tokens[at] == ","), last)
        return f" {' '.join(self.tokens[(before[-1] + 1) if before else first : after])} "

    def _denied(self, start: int) -> bool:
        if start not in self._denials:
            first = max(self._sentences[self.joined[start]][0], start - BEFORE)
            self._denials[start] = denied(self.tokens[first:start])
        return self._denials[start]

    def well_after(self, start: int, end: int) -> bool:
        """Whether the words after a sign say that it is as it should be or is not there: "temp normal", "fever: none".

        A question says no such thing: "is this bleeding normal?".
        """
        first, last = self._sentences[self.joined[start]]
        before, after = (f" {' '.join(self.tokens[a:b])} " for a, b in ((max(first, start - 4), start), (end, last)))
        return bool(sayings.WELL_AFTER.match(after)) and not sayings.ASKS_BEFORE.search(before)

    def mild(self, start: int) -> bool:
        """Whether a sign is made little of."""
        return soft(self.tokens[max(self._sentences[self.joined[start]][0], start - 2) : start])

    def lacks(self, start: int) -> bool:
        """Whether the words just before say that there is none: "no blood thinners", "not pregnant"."""
        return not LACKING.isdisjoint(self.tokens[max(self._sentences[self.joined[start]][0], start - 2) : start])

    def _judge(self, number: int) -> tuple[bool, bool, bool]:
        first, last = self._sentences[number]
        sentence = f" {' '.join(self.tokens[first:last])} "
        over = past(sentence)
        nowhere = (self._unreal and not _here(sentence)) or general(sentence) or _leaflet(sentence)
        nowhere = nowhere or (over and bool(sayings.BEREAVED.search(sentence) or sayings.RECOVERED.search(sentence)))
        return nowhere, over, someday(sentence) or imagined(sentence) or well(sentence)


def _here(sentence: str) -> bool:
    return bool(sayings.HERE.search(sentence)) and not sayings.UNREAL.search(sentence)


def general(sentence: str) -> bool:
    """Whether a sentence asks about a sign in general: "what are the signs of a stroke?", with nobody who has it."""
    if not sayings.ASKS_IN_GENERAL.search(sentence):
        return False
    if asks_to_act(sentence):
        return False
    somebody = sayings.SOMEBODY.search(sentence)
    about = sayings.ABOUT.search(sentence)
    return not somebody or bool(about and somebody.start() > about.start())


def asks_to_act(sentence: str) -> bool:
    """Whether a sentence asks what to do about a sign, and nothing puts it into another time or a lesson."""
    return bool(sayings.ASKS_TO_ACT.search(sentence)) and not sayings.NOT_NOW.search(sentence)


def past(sentence: str) -> bool:
    """Whether a sentence tells of years ago and not of now."""
    return bool(sayings.YEARS.search(sentence)) and (
        not sayings.PRESENT.search(sentence) or bool(sayings.RECOVERED.search(sentence))
    )


def _stands_alone(clause: str) -> bool:
    """Whether a clause of a sentence on the past tells of now: "transplant 4 months ago, fever and shaking"."""
    return not sayings.YEARS.search(clause) and not sayings.WAS.search(clause)


def someday(sentence: str) -> bool:
    """Whether a sentence speaks of a risk, of preventing, of one day."""
    return bool(sayings.FAR.search(sentence)) and not sayings.PRESENT.search(sentence)


def imagined(sentence: str) -> bool:
    """Whether a sentence supposes something: "if he had a hypo at school, who would be called?"."""
    if sayings.NOT_IMAGINED.search(sentence) or asks_to_act(sentence):
        return False
    if sayings.SUPPOSED.search(sentence):
        return True
    return bool(sayings.IMAGINED.search(sentence)) and bool(sayings.WOULD.search(sentence[6:]))


def well(sentence: str) -> bool:
    """Whether a sentence says that something is as it always is, and nothing of a change."""
    return bool(sayings.WELL.search(sentence)) and not sayings.TROUBLE.search(sayings.WELL.sub(" ", sentence))


def _leaflet(sentence: str) -> bool:
    return bool(sayings.LEAFLET.search(sentence)) and not sayings.RIGHT_NOW.search(sentence)
