"""Whether the words before a sign deny it ("no", "denies", "without") or make little of it ("mild")."""

from __future__ import annotations

import re
from collections.abc import Sequence

BEFORE = 40
"""Words before a sign that may deny it. A message without any full stop is looked through in bounded time."""


_NONE = re.compile(r" (?:no|without|denies|denied|deny|nor|neither|negative for|zero|free of|nil|never any|hasnt any) ")
_NOT = re.compile(r" (?:not|never|hardly any|isnt|aint|non) ")
_NOT_NONE = re.compile(
    r" (?:no (?:matter|idea|doubt|longer|clue|one|relief|joy|better|improvement|good|use|history|warning|reason|help|"
    r"answer|signal|change|difference|luck|choice|amount|painkillers?|pain relief|injury|trauma|real|obvious|cause|"
    r"known|previous|wonder|effect|response|insurance|car|money|phone|doctor|ambulance|sleep|booze|alcohol|drink|"
    r"jabs?|appointments?|marks|urine|pee|wee|pulse|feeling|sensation|power|strength|sound|air|breath|energy|sense)|"
    r"without (?:warning|reason|knowing|help|noticing|realising|insulin|booze|alcohol|drink\w*|food|a break|break|"
    r"stopping|moving|doing anything|my|his|her|the|crying|screaming|pain relief|gasping|being able)) "
)
_CUT = re.compile(
    r" (?:but|however|although|though|except|now|yet|so|because|then|until|unless|since|only|just|today|"
    r"tonight|and (?:i|"
    r"he|she|they|we|it|my|his|her|now|the|then|am|is|has|have|feels?|a|very|cannot|keeps?)|i|he|she|they|we|"
    r"my|his|her|is|are|was|has|have|had|feels?|got|having|started) "
)
_BETWEEN = frozenset((
    "have", "having", "had", "has", "been", "be", "being", "in", "any", "a", "an", "the", "get", "getting", "got",
    "gets", "feel", "feeling", "felt", "at", "all", "really", "very", "too", "even", "much", "so", "suffering",
    "from", "complaining", "of", "showing", "sign", "signs", "symptom", "symptoms", "experiencing", "or", "and",
    "experienced", "noticed", "developed", "actively", "current", "currently", "sudden", "severe", "bad",
    "particularly", "nor", ",", "running", "with", "vomit", "vomiting", "bleeding", "breathless", "dizzy", "sick",
    "pain", "chest", "shortness", "short", "breath", "fever", "numb", "weak", "confused", "drowsy", "sweaty",
    "rash", "trouble", "difficulty", "breathing", "headache", "vision", "stiff", "neck", "swelling", "swollen",
    "more", "unusually", "especially", "remotely", "unduly", "overly", "as", "that", "terribly", "bothered", "by",
    "her", "his", "my", "your", "their", "out",
))  # fmt: skip
"""Words that may stand between "not" and what it denies."""
_LIST = re.compile(r" (?:no|denies|denied|without|nil|negative for) (?!,)")
_SOFT = re.compile(r" (?:mild|mildly|slight|slightly|minor|tiny|occasional|occasionally|manageable|usual|faint) ")


DENIES_ITSELF = frozenset(
    ["no", "not", "never", "cannot", "without", "hardly", "barely", "nothing", "none", "stopped", "unable", "few"]
)
"""Words that a sign may begin with which deny something themselves: "no urine", "cannot breathe"."""


LACKING = frozenset({"no", "not", "never", "without", "non"})


def denied(before: Sequence[str]) -> bool:
    """Whether the words before a sign, in its sentence, deny it: "no", "not", "denies", or a list that they begin."""
    words = [*before[-BEFORE:]]
    text = _NOT_NONE.sub(" ", f" {' '.join(words)} ")
    clause = _CUT.split(text.rpartition(" , ")[2] if " , " in text else text)[-1]
    near = f" {' '.join(clause.split()[-6:])} "
    if _NONE.search(near):
        return True
    for found in _NOT.finditer(f" {' '.join(_CUT_NOT.split(text)[-1].split()[-8:])} "):
        rest = found.string[found.end() :].split()
        if all(word in _BETWEEN for word in rest):
            return True
    listed = _CUT.split(text)[-1]
    started = _LIST.search(f" {listed} ")
    tail = listed[max(0, started.end() - 1) :] if started else ""
    return bool(started) and " or " in f" {tail} " and len(tail.split()) <= 16


_CUT_NOT = re.compile(r" (?:but|however|although|though|except|now|yet|so|because|then|until|unless|since) ")


def soft(before: Sequence[str]) -> bool:
    """Whether the word before a sign makes little of it: "mild", "slight"."""
    return bool(_SOFT.search(f" {' '.join(before[-2:])} "))
