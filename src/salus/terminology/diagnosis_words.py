"""Reading of a diagnosis from its words: names, rules, and phrases that make it another's, past or only possible."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from typing import Any

from salus.terminology import abbreviations, operations
from salus.terminology.codes import concepts as known_concepts
from salus.terminology.codes import with_broader
from salus.terminology.meaning import Aspect, most_cautious
from salus.terminology.tables import Tables
from salus.terminology.words import fold

__all__ = ["Words", "plain_words", "title_digest", "with_words"]

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
_LINES = re.compile(r"\s*[\r\n•]+\s*")
_AFTER = re.compile(r"(?:s/p|status post|h/o|z\. ?n\.|st\. ?n\.|zustand nach)\s")
_BEFORE = re.compile(rf"\s+(?={_AFTER.pattern})")
"""Before "s/p": what stands after it happened, what stands before it may be there."""
_SOFT = re.compile(r"\s*,\s*(?![^()]*\))|\s+[+&]\s+")
_QUALIFIES = (
    r"^(?:\W|\b(?:in|on|at|since|seit|depuis|desde|dal|ca|circa|approx|the|of|and|left|right|bilateral|both|l|r|re|li|"
    r"bds|chronic|acute|mild|moderate|severe|stable|unstable|controlled|uncontrolled|old|recent|type|typ|tipo|stage|grade|"
    r"stadium|class|nyha|ccs|[iv]{1,3}[ab]?|ablation|pvi|cardioversion|ha?emorrhagic|isch\w+|bleed|embolic|lacunar|"
    r"thrombotic|x|p\.?o|years?|yrs?|y/?o|months?|weeks?|days?|mmhg|mg/dl|mmol/l|jan\w*|feb\w*|mar|march|apr\w*|may|"
    r"june?|july?|aug\w*|sept?\w*|oct\w*|nov\w*|dec\w*|\d+[a-z]?)\b)+$"
)
"""A part between commas that only says more of the one before it."""
_DENYING = frozenset({"smoker-never", "smoker-not-now", "smoker-former"})
"""Concepts whose own words deny: "nie geraucht"."""
_USES: frozenset[str] = frozenset({"anticoagulant-use", "antiplatelet-use"})
BLEEDS_IN_HEAD, VESSELS = "intracranial-haemorrhage", "cardiovascular-disease"
SEVERAL = 2
MOST_PARTS = 3
"""Parts between commas of a name that may be written back to front."""
_WITHOUT = re.compile(
    r"(?<=.)\b(?:without|w/o|ohne|sans|sin|senza|zonder|(?<!\d )sem) (?:mention of )?(?!aura\b)[^,;]*$"
)
_CODED = re.compile(r"^[a-z]\d\d\.\d{1,3}[a-z]?[ :;,-]+(?=\D)")
"""An ICD code that stands before the words of a diagnosis."""
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


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of a text says; ``known``: whether it could be read."""

    words: str
    concepts: frozenset[str] = frozenset()
    aspect: Aspect = "active"
    known: bool = True


def _both(outer: Aspect, inner: Aspect) -> Aspect:
    """The more cautious of two. What is denied of a relative says nothing of the person."""
    if {outer, inner} == {"family", "denied"}:
        return "risk"
    return most_cautious((outer, inner))


def with_words(text: str) -> str:
    """A table of expressions with the words of its ``[words]`` in the place of their names in braces."""
    for name, words in tomllib.loads(text)["words"].items():
        text = text.replace(f"{{{name}}}", words)
    return text


class Words:
    """The rules over words, compiled when a text first needs them."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._compiled: dict[str, re.Pattern[str]] = {}

    @cached_property
    def _phrases(self) -> Mapping[str, Any]:
        text = files("salus.terminology").joinpath("data", "phrases.toml").read_text("utf-8")
        return tomllib.loads(with_words(text))

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
                return _both(aspect, inner), rest
        return "active", phrase

    def read(self, phrases: Sequence[str], *, procedure: bool = False) -> tuple[frozenset[str], Aspect, bool]:
        """(concepts, aspect, whether all of the words are known) of the words of one element. Concepts may stand beside
        words that are not known: of a list of problems of which a part could not be read.

        The phrases of one element speak of one thing: the first that means something decides, and of their aspects
        the most cautious holds. Of a procedure the states count that it leaves, and the disease of the vessel that it
        was done on; another disease that its words name ("diabetes education") says nothing of the person.
        """
        known = True
        stated: Aspect = "active"
        for phrase in phrases:
            plain = plain_words(phrase)
            lines = plain_words(_LINES.sub("; ", phrase.strip()))
            if len(plain.split()) > NARRATIVE and self.tables.title(title_digest(plain)) is None:
                known = False
                continue
            part = self._one(plain, procedure) if procedure else self._several(lines) or self._one(plain)
            if part.concepts:
                return part.concepts, part.aspect, part.known
            stated = part.aspect if stated == "active" else stated
            known = known and part.known
        return frozenset(), stated, known

    def _one(self, plain: str, procedure: bool = False) -> Part:
        """What a folded phrase of one thing says."""
        aspect, rest = self.split(plain)
        concepts = self._concepts(rest)
        if not procedure and not concepts & _USES and self._matches(self._phrases["taken"]["match"], plain):
            return Part(plain, known=False)
        if not procedure and not concepts <= _DENYING and self._is_unsure(aspect, plain):
            return Part(plain, known=False)
        if procedure:
            concepts = frozenset(name for name in concepts if known_concepts()[name].nature == "status")
        treated = operations.treated(rest) - with_broader(concepts)
        if concepts:
            concepts = self._in_the_past(concepts) if aspect == "history" else concepts
            return Part(plain, concepts | treated, aspect)
        if treated:
            return Part(plain, treated, aspect if aspect in ("possible", "family", "denied", "risk") else "history")
        return Part(plain, aspect=aspect, known=self._outside(rest or plain, procedure=procedure))

    def _several(self, plain: str) -> Part | None:
        """What a text of several problems says ("HTN; T2DM", "Dx: CAD, AF"); None where it names one only.

        What could not be read, and what cannot be told beside the rest (one suspected, another sure), leaves the whole
        not understood: the concepts of the other parts stand beside ``known`` false.
        """
        if self.tables.title(title_digest(plain)) is not None:
            return None
        label = re.match(self._phrases["label"]["match"], plain)
        body = plain[label.end() :] if label else plain
        past = bool(label and self._matches(self._phrases["label"]["past"], label[0]))
        chunks = [chunk for line in body.split(";") for chunk in self._before_and_after(line) if chunk.strip(" .,;:-")]
        parts: list[Part] = []
        carried: Aspect = "active"
        for chunk in chunks:
            if parts and _AFTER.match(chunk) and self._treated(parts[-1], f"{parts[-1].words} {chunk}" in body):
                parts[-1] = replace(parts[-1], aspect="history")
            for part in self._soft(chunk.strip(" .,;:-"), bool(label)):
                if not part.concepts and self._matches(_QUALIFIES, self.split(part.words)[1]):
                    continue  # "s/p ablation": more of what stands before it
                aspect = _both(carried, part.aspect) if carried != "active" and part.concepts else part.aspect
                parts.append(replace(part, aspect=aspect))
            stated = self.split(chunk)[0]
            if stated != "active" and (stated == "family" or re.match(r"[^:]{1,40}: ?\S", chunk)):
                carried = stated
        found = [part for part in parts if part.concepts]
        if not found or (len(chunks) == 1 and len(parts) == 1 and not label):
            return None
        return self._together(found, known=all(part.known for part in parts), past=past)

    def _before_and_after(self, line: str) -> list[str]:
        """A line parted at each "s/p" that stands after a problem that is there; "no h/o MI" is one statement."""
        chunks: list[str] = []
        for chunk in _BEFORE.split(line):
            before = self._one(chunks[-1].strip(" .,;:-")) if chunks else None
            if before is None or (before.concepts and before.aspect == "active"):
                chunks.append(chunk)
            else:
                chunks[-1] += f" {chunk}"
        return chunks

    def _treated(self, part: Part, together: bool) -> bool:
        """Whether a disease is over since something was done for it: "breast cancer s/p mastectomy", not "AF s/p
        ablation"."""
        return together and part.aspect == "active" and bool(part.concepts) and not self._lasts(part)

    def _soft(self, chunk: str, listed: bool) -> list[Part]:
        """The parts of a text between commas, where at least two of them name something or a label says that it is a
        list; else the text as one part. What names nothing by itself is read with the part before it."""
        pieces = [piece for piece in _SOFT.split(chunk) if piece]
        read = [self._one(piece) for piece in pieces]
        if sum(bool(part.concepts) for part in read) + listed < SEVERAL or len(pieces) == 1:
            return self._slashed(chunk)
        parts: list[Part] = []
        carried = False
        for piece, part in zip(pieces, read, strict=True):
            aspect, rest = self.split(piece)
            if parts and not rest and aspect != "active":
                parts[-1] = replace(parts[-1], aspect=_both(aspect, parts[-1].aspect))
            elif parts and (not part.concepts or self._matches(_QUALIFIES, piece)) and aspect == "active":
                parts[-1] = self._more_of(parts[-1], piece, known=part.known)
            elif carried and aspect == "active" and part.concepts:
                parts.append(Part(piece, known=False))  # "no diabetes, stroke": nobody can tell whether this is denied
            else:
                parts += self._slashed(piece)
            carried = carried or (aspect in ("denied", "possible", "family", "risk") and self._begins(piece))
        return parts

    def _more_of(self, before: Part, piece: str, *, known: bool) -> Part:
        """A part with what stands behind its comma and says more of it ("CKD, stage 3")."""
        joined = self._one(f"{before.words}, {piece}")
        if self._matches(self._phrases["taken"]["match"], piece):
            return Part(joined.words, known=False)
        known = before.known and (known or self._matches(_QUALIFIES, piece))
        return replace(joined if joined.concepts else before, words=joined.words, known=known)

    def _begins(self, piece: str) -> bool:
        """Whether a phrase begins with what states its aspect."""
        return any(found.start() == 0 for pattern, _ in self._aspects if (found := pattern.search(piece)))

    def _slashed(self, piece: str) -> list[Part]:
        """The parts between strokes, where each of them names something ("HTN/DM/HLD")."""
        whole = self._one(piece)
        names = [name.strip() for name in piece.split("/")]
        if len(names) < SEVERAL or whole.aspect != "active":
            return [whole]
        read = [self._one(name) for name in names]
        return read if all(part.concepts for part in read) else [whole]

    def _together(self, found: Sequence[Part], *, known: bool, past: bool) -> Part:
        """The parts of one text as one: a part that does not stand as the others do makes it not understood."""
        words = "; ".join(part.words for part in found)
        told = [replace(p, aspect="history") if past and p.aspect == "active" else p for p in found]
        told = [replace(p, concepts=self._in_the_past(p.concepts)) if p.aspect == "history" else p for p in told]
        if past or len({part.aspect for part in told}) > 1:
            told = [replace(p, aspect="active") if p.aspect == "history" and self._lasts(p) else p for p in told]
        asserted = [part for part in told if part.aspect not in ("denied", "risk")] or told
        kept = asserted
        if len({part.aspect for part in asserted}) > 1:
            kept = [part for part in asserted if part.aspect == "active"] or asserted
        known = known and len(kept) == len(asserted)
        aspect = most_cautious(part.aspect for part in kept)
        bleeds = [BLEEDS_IN_HEAD in with_broader(part.concepts) for part in kept]
        if any(bleeds) and any(
            VESSELS in with_broader(p.concepts) for p, bled in zip(kept, bleeds, strict=True) if not bled
        ):
            known = False  # one entry of a bleed and a narrowed artery would be taken for the bleed alone
        return Part(words, frozenset().union(*(part.concepts for part in kept)), aspect, known)

    def _lasts(self, part: Part) -> bool:
        """Whether all that a part names is still there once it was: a lasting disease, a state, a thing of the past."""
        lasting = set(self._phrases["label"]["lasting"])
        return all(
            with_broader((name,)) & lasting or known_concepts()[name].nature in ("status", "history")
            for name in part.concepts
        )

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

    def _is_unsure(self, aspect: Aspect, plain: str) -> bool:
        """Whether words of denial, kin, doubt or an errand stand beside what would be the patient's own disease."""
        if aspect not in ("active", "history", "resolved") or self.tables.title(title_digest(plain)) is not None:
            return False
        return self._matches(self._phrases["unsure"]["match"], plain)

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
        if self._matches(self._phrases["none"]["match"], phrase):
            return True
        if not words or (len(words) == 1 and len(phrase) <= SHORT_WORD):
            return False
        if not procedure and self._matches(self._phrases["never"]["match"], phrase):
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
    shorter = _YEAR.sub("", _TAIL.sub("", _CODED.sub("", phrase))).strip(" ,;:-(")
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
