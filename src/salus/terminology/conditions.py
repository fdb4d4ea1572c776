"""What the code of a diagnosis or procedure means: exact code, then the longest prefix, then words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from salus.fhir.codes import Code
from salus.terminology.codes import concepts, with_broader
from salus.terminology.diagnosis_words import Words, plain_words
from salus.terminology.meaning import ASPECTS, Aspect, Basis, Diagnosis, most_cautious
from salus.terminology.statements import statement
from salus.terminology.systems import system_of
from salus.terminology.tables import Tables

__all__ = ["Conditions"]

_RULES_OF = {
    "icd10cm": ("icd10cm",),
    "icd10": ("icd10",),
    "icd10gm": ("icd10",),
    "icd9cm": ("icd9cm",),
    "icpc2": ("icpc2",),
}
"""The prefix rules that hold for a classification."""
_WHOLE = {"icd10cm": "icd10cm", "icd10": "icd10", "icd10gm": "icd10", "icd9cm": "icd9cm"}
"""Classifications whose whole list of codes is held."""
_SHAPE = {
    "icd10cm": re.compile(r"[A-Z][0-9][0-9A-Z](?:[0-9A-Z]{1,4})?"),
    "icd10": re.compile(r"[A-Z][0-9]{2}(?:[0-9]{1,3})?"),
    "icd10gm": re.compile(r"[A-Z][0-9]{2}(?:[0-9]{1,3})?"),
    "icd9cm": re.compile(r"(?:[0-9]{3}|V[0-9]{2}|E[0-9]{3})(?:[0-9]{1,2})?"),
    "icpc2": re.compile(r"-?[A-Z][0-9]{2}(?:[0-9]{1,2})?"),
}
_EXTERNAL = "VWXY"
"""The chapter of external causes, of which ICD-10-CM lacks some of WHO's codes (Y57.9) that are met beside its own."""
_WRITTEN = re.compile(r"[A-Z][0-9]{2}\.[0-9]{1,2}")
"""A code of ICD-10 where words are expected. Without its dot it could be something else ("B12")."""
_CERTAINTY: dict[str, Aspect] = {"G": "active", "V": "possible", "Z": "history", "A": "denied"}
"""The letter that German coders put behind a code: gesichert, Verdacht auf, Zustand nach, ausgeschlossen."""

DISAGREE = "its code and its words name different things; both were taken"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one coding means. ``basis`` is "code", "prefix" or "outside"."""

    concepts: frozenset[str]
    aspect: Aspect
    basis: Basis


class Conditions:
    """Reads diagnoses and procedures by the tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    @cached_property
    def _words(self) -> Words:
        return Words(self._tables)

    def read(self, codes: Sequence[Code], text: str, *, procedure: bool = False) -> Diagnosis:
        """The meaning of one element: what its codings say together, or else its words.

        Of a procedure only what it leaves counts (a stent, a transplant): "screening for diabetes" is no diabetes.
        """
        if procedure:
            return _left_by(self._read(codes, text, procedure=True))
        return self._read(codes, text, procedure=False)

    def _read(self, codes: Sequence[Code], text: str, *, procedure: bool) -> Diagnosis:
        readings = [(code, self.coding(code, procedure=procedure)) for code in codes]
        unread = tuple(code for code, reading in readings if reading is None)
        mapped = [(code, reading) for code, reading in readings if reading and reading.concepts]
        outside = [(code, reading) for code, reading in readings if reading and not reading.concepts]
        phrases = tuple(dict.fromkeys(phrase for phrase in (text, *(c.display for c in codes)) if phrase.strip()))
        if mapped:
            stated = self._words.stated_aspect(text) if text else "active"
            read = _diagnosis(
                frozenset().union(*(r.concepts for _, r in mapped)),
                most_cautious([stated, *(r.aspect for _, r in mapped)]),
                "code" if any(r.basis == "code" for _, r in mapped) else "prefix",
                tuple(code for code, _ in mapped),
                unread,
            )
            return self._with_words(read, codes, text, procedure=procedure)
        if outside:
            read = Diagnosis(basis="outside", used=tuple(code for code, _ in outside), unread=unread)
            return self._with_words(read, codes, text, procedure=procedure)
        if statement(codes, phrases) == "no-problem":
            return Diagnosis(basis="outside", unread=unread)
        if not phrases:
            return Diagnosis(basis="unknown" if codes else "empty", unread=unread)
        named, aspect, known = self._words.read(phrases, procedure=procedure)
        if named:  # of a list of which a part could not be read the concepts stand beside "unknown"
            return _diagnosis(named, aspect, "text" if known else "unknown", (), unread)
        written = self._written_code(text) if not codes and not procedure else None
        if written:
            return _diagnosis(written.concepts, written.aspect, "text", (), unread)
        return Diagnosis(aspect=aspect, basis="outside" if known else "unknown", unread=unread)

    def _written_code(self, text: str) -> Reading | None:
        """What a code of ICD-10 says that stands where words are expected ("I63.9"): as far as WHO's ICD-10 and
        ICD-10-CM agree on it."""
        code = text.strip().upper()
        if not _WRITTEN.fullmatch(code):
            return None
        who, cm = self._classified("icd10", code), self._classified("icd10cm", code)
        return who if who and cm and who.concepts and who.concepts == cm.concepts else None

    def _with_words(self, read: Diagnosis, codes: Sequence[Code], text: str, *, procedure: bool) -> Diagnosis:
        """What the codes say, and the diseases of the element's own words that have nothing to do with it.

        Words that only repeat a code's display say nothing more, and a code of something denied or of a relative is not
        turned into a statement on the person.
        """
        if not text.strip() or plain_words(text) in {plain_words(code.display) for code in codes}:
            return read
        if read.aspect in ("denied", "family", "risk"):
            return read
        named, aspect, _ = self._words.read((text,), procedure=procedure)
        other = frozenset(name for name in named if not with_broader((name,)) & read.concepts)
        if not other or aspect in ("denied", "family", "risk") or (aspect == "possible" and not read.narrow):
            return read  # the code of an encounter ("screening for ...") is understood: its words make nobody ill
        narrow = read.narrow | other
        return Diagnosis(
            with_broader(narrow),
            narrow,
            most_cautious((read.aspect, aspect)),
            read.basis if read.narrow else "text",
            read.used,
            read.unread,
            (DISAGREE,),
        )

    def coding(self, code: Code, *, procedure: bool = False) -> Reading | None:
        """What one coding means; None where no table knows it."""
        system = system_of(code.system)
        if not system or not code.code.strip():
            return None
        exact = self._tables.code("d", system, code.code)
        if exact:
            return Reading(frozenset(exact[0]), _aspect(exact[1]), "code")
        if system in _SHAPE:
            return self._classified(system, code.code)
        return self._by_pattern(system, code.code) if procedure else None

    def _classified(self, system: str, written: str) -> Reading | None:
        bare, aspect = _bare(system, written)
        if not _SHAPE[system].fullmatch(bare):
            return None
        if not self._stands(system, bare):
            external = system == "icd10cm" and bare[0] in _EXTERNAL and self._stands("icd10", bare)
            return Reading(frozenset(), aspect, "outside") if external else None
        best: dict[str, tuple[int, bool, str]] = {}
        for rules in _RULES_OF[system]:
            for prefix, concept, mode, kept, note in self._tables.prefixes(rules, bare.lstrip("-")):
                if note and system != "icd10gm":
                    continue
                best[concept] = max(best.get(concept, (0, False, "")), (len(prefix), mode == "exclude", kept))
        found = {concept: (length, kept) for concept, (length, excluded, kept) in best.items() if not excluded}
        if not found:
            return Reading(frozenset(), aspect, "outside")
        exact = any(length == len(bare) for length, _ in found.values())
        closest = max(length for length, _ in found.values())
        past = any(row == (closest, "history") for row in found.values())
        stated: Aspect = "history" if past else "active"
        return Reading(frozenset(found), most_cautious((aspect, stated)), "code" if exact else "prefix")

    def _stands(self, system: str, bare: str) -> bool:
        """Whether the classification has this code, or one that this code divides further (a national or newer one)."""
        if system not in _WHOLE:
            return True
        rest = self._tables.listed(_WHOLE[system], bare[:3])
        if rest is None:
            return False
        own = bare[3:]
        return not own or any(own[:length] in rest for length in range(len(own), max(len(own) - 3, -1), -1))

    def _by_pattern(self, system: str, written: str) -> Reading | None:
        bare = written.strip().upper().replace(".", "").replace("-", "")
        found = {concept for concept, match in self._tables.patterns(system) if re.match(match, bare)}
        return Reading(frozenset(found), "active", "prefix") if found else None


def _left_by(read: Diagnosis) -> Diagnosis:
    """What a procedure leaves: the concepts that are a state of the person. Where its code names a disease only
    ("repair of aortic aneurysm"), the person had it. Of its words only the states and the vessels are read at all."""
    left = frozenset(name for name in read.narrow if concepts()[name].nature == "status")
    if not read.narrow or left == read.narrow or read.basis == "text":
        return read
    if left:
        return replace(_diagnosis(left, read.aspect, read.basis, read.used, read.unread), notes=read.notes)
    return _diagnosis(read.narrow, most_cautious((read.aspect, "history")), read.basis, read.used, read.unread)


def _diagnosis(
    narrow: frozenset[str], aspect: Aspect, basis: Basis, used: tuple[Code, ...], unread: tuple[Code, ...]
) -> Diagnosis:
    return Diagnosis(with_broader(narrow), narrow, aspect, basis, used, unread)


def _aspect(kept: str) -> Aspect:
    """The aspect of a code as the tables keep it."""
    return next((aspect for aspect in ASPECTS if aspect == kept), "active")


def _bare(system: str, written: str) -> tuple[str, Aspect]:
    """A code without dots, dagger, asterisk and trailing dashes, and what a German letter of certainty says."""
    bare = re.sub(r"[\s.†‡*+!#]", "", written.strip().upper()).rstrip("-")
    aspect: Aspect = "active"
    if system in ("icd10", "icd10gm") and len(bare) > 3 and bare[-1] in _CERTAINTY:
        aspect = _CERTAINTY[bare[-1]]
        bare = bare[:-1].rstrip("-")
    return bare, aspect
