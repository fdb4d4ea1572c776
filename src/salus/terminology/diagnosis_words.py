"""Reading of a diagnosis from its words: names, rules, and phrases that make it another's, past or only possible."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.resources import files
from typing import Any

from salus.terminology import abbreviations, operations
from salus.terminology.codes import concepts as known_concepts
from salus.terminology.codes import with_broader
from salus.terminology.meaning import Aspect
from salus.terminology.tables import Tables
from salus.terminology.words import fold

__all__ = ["Words", "plain_words", "title_digest"]

_TAG = re.compile(
    r"\((?:disorder|finding|situation|procedure|event|observable entity|context-dependent category|person|"
    r"morphologic abnormality|body structure|regime/therapy|diagnosis|problem)\)"
)
_YEAR = re.compile(r"[ ,;(-]+(?:in |since |seit |depuis |\d{1,2}[./])?(?:19|20)\d\d\)?$")
_TAIL = re.compile(
    r"[ ,;-]+(?:(?:seen |shown |found |diagnosed |proven |documented )?(?:on|by|at) (?:cardiac |coronary )?"
    r"(?:ct |mr |ccta )*(?:angiogra(?:phy|m)|ccta|ct|mri|imaging|cath\w*|echo\w*|biopsy|doppler|ultrasound|scan)|"
    r"(?:on|under|with) (?:optimal )?(?:medical|drug|oral|diet|conservative) (?:therapy|treatment|management|control))$"
)
MOST_PARTS = 3
"""Parts between commas of a name that may be written back to front."""
_WITHOUT = re.compile(r"(?<=.)\bwithout (?:mention of )?(?!aura\b)[^,;]*$")
NARRATIVE = 20
"""A text of more words is a narrative: the text department reads it, sentence by sentence."""
SHORT_WORD = 5
"""Letters of a single word that may be an abbreviation."""
OF_DISEASE, OF_STATE = 1, 4
"""The bits of a word that names of diseases, and of states that procedures leave, hold."""
_EXAMINATION = re.compile(
    r"\b(?:tests?|screening|measurement|assessment|evaluation|culture|scan|x-ray|ultrasound|auscultation|education|"
    r"counsel\w+|examination|study|count|antibody|antigen|radiograph\w*|\w*angiogra(?:m|phy)|\w+gra(?:m|phy)|doppler|"
    r"imaging|tomography|mri|ct)\b"
)


class Words:
    """The rules over words, compiled when a text first needs them."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._compiled: dict[str, re.Pattern[str]] = {}

    @cached_property
    def _phrases(self) -> Mapping[str, Any]:
        text = files("salus.terminology").joinpath("data", "phrases.toml").read_text("utf-8")
        return tomllib.loads(text)

    @cached_property
    def _aspects(self) -> tuple[tuple[re.Pattern[str], Aspect], ...]:
        return tuple((re.compile(entry["match"]), entry["aspect"]) for entry in self._phrases["aspect"])

    @cached_property
    def _rules(self) -> tuple[tuple[str, str, str, tuple[str, ...]], ...]:
        return tuple(
            (concept, match, unless, tuple(letters.split("|")) if letters else ())
            for concept, match, unless, letters in self.tables.rules()
        )

    def stated_aspect(self, text: str) -> Aspect:
        """How a text begins to speak of what follows: "family history of ...", "suspected ..."."""
        return self.split(plain_words(text))[0]

    def split(self, phrase: str) -> tuple[Aspect, str]:
        """The aspect that a phrase states at its head or end, and what it is stated of."""
        for pattern, aspect in self._aspects:
            found = pattern.search(phrase)
            if found:
                rest = f"{phrase[: found.start()]} {phrase[found.end() :]}".strip(" :,;-.")
                inner, rest = self.split(rest)
                return (aspect if inner == "active" or aspect in ("family", "denied", "risk") else inner), rest
        return "active", phrase

    def read(self, phrases: Sequence[str], *, procedure: bool = False) -> tuple[frozenset[str], Aspect, bool]:
        """(concepts, aspect, whether all of the words are known) of the words of one element.

        The phrases of one element speak of one thing: the first that means something decides, and of their aspects
        the most cautious holds. Of a procedure the states count that it leaves, and the disease of the vessel that it
        was done on; another disease that its words name ("diabetes education") says nothing of the person.
        """
        known = True
        stated: Aspect = "active"
        for phrase in phrases:
            plain = plain_words(phrase)
            if len(plain.split()) > NARRATIVE and self.tables.title(title_digest(plain)) is None:
                known = False
                continue
            aspect, rest = self.split(plain)
            concepts = self._concepts(rest)
            if procedure:
                concepts = frozenset(name for name in concepts if known_concepts()[name].nature == "status")
            treated = operations.treated(rest) - with_broader(concepts)
            if concepts:
                concepts = self._in_the_past(concepts) if aspect == "history" else concepts
                return concepts | treated, aspect, True
            if treated:
                return treated, aspect if aspect in ("possible", "family", "denied", "risk") else "history", True
            stated = aspect if stated == "active" else stated
            known = known and self._outside(rest or plain, procedure=procedure)
        return frozenset(), stated, known

    def _in_the_past(self, concepts: frozenset[str]) -> frozenset[str]:
        """The concepts of a past disease, where it has one of its own ("history of breast cancer")."""
        found = set(concepts)
        for entry in self._phrases["past"]:
            named = {concept for concept in concepts if entry["of"] in with_broader((concept,))}
            if named:
                found = (found - named if entry.get("instead") else found) | {entry["concept"]}
        return frozenset(found)

    def _concepts(self, phrase: str) -> frozenset[str]:
        """The concepts of a phrase: of its exact name, else by the rules; else of the phrase without how and when it
        was found ("..., on CT angiography", "... 2011"), else of its parts turned round ("infarction, myocardial")."""
        for form in _forms(phrase):
            named = self.tables.title(title_digest(form))
            found = self.by_rules(form) if named is None else frozenset(named)
            if found or named is not None:
                return found
        return frozenset()

    def by_rules(self, phrase: str) -> frozenset[str]:
        """The concepts that the rules find in a folded phrase; what it is without ("without coma") is left out."""
        phrase = abbreviations.spelled(_WITHOUT.sub("", phrase)).strip(" ,;")
        if not phrase or self._matches(self._phrases["not"]["match"], phrase):
            return frozenset()
        return frozenset(
            concept
            for concept, match, unless, letters in self._rules
            if (not letters or any(run in phrase for run in letters))
            and self._matches(match, phrase)
            and not (unless and self._matches(unless, phrase))
        )

    def _matches(self, expression: str, phrase: str) -> bool:
        pattern = self._compiled.get(expression)
        if pattern is None:
            pattern = self._compiled[expression] = re.compile(expression)
        return pattern.search(phrase) is not None

    def _outside(self, phrase: str, *, procedure: bool) -> bool:
        """Whether a phrase that means no concept is understood: the title of a disease that is none, or known words of
        which no name of a concept makes use. A single short word ("PAD") may be an abbreviation of anything.

        A procedure leaves one of the states, or none: an examination leaves none, whatever it looks for. A procedure
        of no known kind is not understood.
        """
        if self.tables.title(title_digest(phrase)) == () or operations.elsewhere(phrase):
            return True
        words = set(re.findall(r"[^\W\d_]+", phrase)) - {"s", "a"}
        if not words or (len(words) == 1 and len(phrase) <= SHORT_WORD):
            return False
        known = self.tables.words(words)
        if procedure:
            words = {word for word in words if len(word) > 1}
        if not words <= known.keys():
            return False
        if procedure and _EXAMINATION.search(phrase) and operations.examines(phrase):
            return True
        bit = OF_STATE if procedure else OF_DISEASE
        if any(telling & bit for telling in known.values()):
            return False
        return not procedure or operations.leaves_nothing(phrase)


def _forms(phrase: str) -> Iterator[str]:
    """A phrase as it stands, and in the forms that mean the same."""
    yield phrase
    shorter = _YEAR.sub("", _TAIL.sub("", phrase)).strip(" ,;:-(")
    if shorter and shorter != phrase:
        yield shorter
    parts = [part.strip() for part in shorter.split(",")]
    if 2 <= len(parts) <= MOST_PARTS and all(0 < len(part.split()) <= 2 for part in parts):
        yield " ".join(reversed(parts))


def title_digest(phrase: str) -> bytes:
    """The digest under which a folded name stands in the tables."""
    return hashlib.blake2b(phrase.encode(), digest_size=8).digest()


def plain_words(text: str) -> str:
    """A text folded, without the tag in brackets that SNOMED CT's names carry."""
    return fold(_TAG.sub(" ", fold(text))).strip(" .,;:")
