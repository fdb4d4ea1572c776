"""Is a note in English? Counted on words that hold a language together; too little text is taken as English."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_ENOUGH = 12  # of a language's own words, before we say that a text is in it
_SAMPLE = 20_000  # code points looked at

_OWN_WORDS = {
    "English": "the of and with was is has had for she he her his patient no not from to on by at are were denies",
    "German": "der die das und mit nicht ist ein eine einer wurde bei keine kein zur zum im am nach auf seit sich auch",
    "French": "le la les des une un est avec pas dans pour sur du aux par depuis sans elle il ce cette qui a été",
    "Spanish": "el la los las una un con no en por para del que se sin desde al es fue paciente refiere niega presenta",
    "Italian": "il la gli una un con non nel della del per che da di si senza è stato dal alla paziente riferisce",
    "Portuguese": "o os as uma um com não em por para da do que se sem desde ao é foi paciente refere nega",
    "Dutch": "de het een en van met niet is bij geen werd voor op naar zijn heeft sinds er ook uit wordt",
}
_SETS = {name: frozenset(words.split()) for name, words in _OWN_WORDS.items()}


def foreign_language(text: str) -> str | None:
    """The language that ``text`` reads as when it is one of six others and clearly not English, else None.

    A text in a script without Latin letters is "a language in another script".
    """
    words = [word.lower() for word in _WORD.findall(text[:_SAMPLE])]
    if len(words) < _ENOUGH:
        return None
    if sum(word[0] > "ɏ" for word in words) > len(words) / 2:
        return "a language in another script"
    counts = {name: sum(word in own for word in words) for name, own in _SETS.items()}
    name, count = max(counts.items(), key=lambda pair: pair[1])
    clear = name != "English" and count >= _ENOUGH and count > 2 * counts["English"]
    return name if clear else None
