"""The age at which a relative fell ill, as a note tells it: "at 60", "45", "in his 40s".

An age of death counts only where the note says what the relative died of. "before 55" is no age.
"""

from __future__ import annotations

import re

from salus.text.document import Span

_WITHIN = 60  # code points beside the name in which the age may stand
_NUMBER = r"(?P<age>\d{1,3})(?![\d/%:.]\d|\d|%|/)"
_NOT_AN_AGE = (
    r"(?!\s*(?:years?|yrs?|months?|weeks?|days?)\s+(?:ago|of|with|on|before|after|later|earlier)"
    r"|\s*(?:mg|mcg|g|kg|cm|mm|ml|times|x|st|nd|rd|th|pack)\b)"
)
_BARE = re.compile(rf"[\s(\[,:@-]{{1,4}}{_NUMBER}{_NOT_AN_AGE}")
_TOLD = re.compile(
    rf"(?:\b(?:at the age of|at age|age of|age|aged|at)|@)\s*:?\s*{_NUMBER}{_NOT_AN_AGE}"
    r"|\b(?P<years>\d{1,3})[- ]?(?:years?|yrs?|y)[- /]?o(?:ld)?\b"
    r"|\b(?:(?:his|her|their|the)\s+)?(?:(?:early|mid|late)[ -]+)?(?P<decade>[1-9]0)['’]?s\b"
    r"|\b(?P<decade_word>twenties|thirties|forties|fifties|sixties|seventies|eighties|nineties)\b",
    re.I,
)
_DIED_BEFORE = re.compile(
    r"\b(?:died|dead|death|passed(?: away)?)\s*(?:suddenly\s*)?(?:at|@)?\s*(?:the\s*)?"
    r"(?:age\s*(?:of\s*)?|aged\s*)?(?P<age>\d{1,3})\s*(?:y\w{0,9})?[,\s]{0,3}"
    r"(?:of|from|with|due to|after|because of)\s*(?:an?|his|her|a massive|a sudden|acute)?\s*\Z",
    re.I,
)
# The number behind these is no age at onset: of death, of today, or a bound.
_OTHER_AGE = re.compile(
    r"\b(?:died|dead|deceased|death|passed|alive|living|well|healthy|now|currently|current|still|today|before|after|under|"
    r"over|until|since|is|are|younger than|older than|less than|diagnosed with)\b|[<>≤≥]",
    re.I,
)
_DEATH = re.compile(r"\b(?:died|dead|death|deceased|passed|passing)\b", re.I)
_BARE_FROM, _OLDEST = 15, 110
_DECADES = {
    "twenties": "20s", "thirties": "30s", "forties": "40s", "fifties": "50s",
    "sixties": "60s", "seventies": "70s", "eighties": "80s", "nineties": "90s",
}  # fmt: skip


def age_at_onset(text: str, name: Span, within: Span, *, stays: bool) -> str:
    """The age beside the name at ``name``, looked for in ``within``: "48", "40s" or "" where none is told.

    ``within`` ends at the neighbours that an age may belong to as well. ``stays``: a disease that one lives with, whose
    beginning an age of death does not tell.
    """
    start, end, low, high = name.start, name.end, within.start, within.end
    if stays and _DEATH.search(text, max(low, start - _WITHIN), start):
        return ""
    behind = text[end : min(high, end + _WITHIN)]
    bare = _BARE.match(behind)
    if bare and _BARE_FROM <= int(bare["age"]) <= _OLDEST:
        return bare["age"]
    told = _TOLD.search(behind)
    if told and not _OTHER_AGE.search(behind[: told.start()]):
        age = told["age"] or told["years"]
        if age:
            return age if int(age) <= _OLDEST else ""
        return f"{told['decade']}s" if told["decade"] else _DECADES[told["decade_word"].lower()]
    died = _DIED_BEFORE.search(text[max(low, start - _WITHIN) : start])
    return died["age"] if died and int(died["age"]) <= _OLDEST else ""
