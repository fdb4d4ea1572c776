"""What a medicine is: from all its codings, its words and its listed ingredients to one set of ingredients."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

from salus.fhir.codes import Code
from salus.terminology import classes
from salus.terminology.meaning import Basis, Medicine
from salus.terminology.medicine_words import Named, Reader, is_allergen, is_device, words_of_route
from salus.terminology.statements import statement
from salus.terminology.systems import system_of
from salus.terminology.tables import Tables
from salus.terminology.words import fold

__all__ = ["Medicines"]

_STRENGTH = re.compile(r"(?<![\d./,])(\d{1,4}(?:[.,]\d{1,3})?) ?(mg|mcg|ug|micrograms?|g)\b(?! ?/)")
_UNITS = {"mg": Decimal(1), "mcg": Decimal("0.001"), "ug": Decimal("0.001"), "g": Decimal(1000)}
_NOT_TOLERATED = re.compile(r"allerg|intoleran|hypersensitiv|adverse (?:reaction|effect|drug)|anaphyla")
_HARM = r"(?:myopath|myalg|myosit|rhabdomyol|muscle (?:pain|ache|symptom)s?)"
_OF_WHICH = tuple(
    re.compile(pattern)
    for pattern in (
        # "Intolerancia a estatinas", "Allergie a la ..."
        r"\b(?:intoler|intoll|allerg|alerg|hypersens|hipersens|ipersens)\w* "
        r"(?:as?|ad|al|ai|agli|alle|alla|aux?|auf|gegen|bei|de|per|voor) (?:l[ae]s? |l')?(?P<of>.+)",
        # German and Dutch write it as one word
        r"^(?P<of>\w{4,}?)-?(?:unvertraglichkeit|intoleranz|intolerantie|allergie|uberempfindlichkeit)\b",
        # a muscle disease under a statin, whichever stands first
        rf"\b(?P<of>\w*statin[a-z]{{0,2}})[- ]?(?:induced |associated |related |induzierte |assoziierte )?{_HARM}",
        rf"\b{_HARM}\w*(?: \w+)? (?:due to|from|on|with|under|unter|durch|auf|sous|con|da|por) "
        r"(?P<of>\w*statin[a-z]{0,2})\b",
    )
)
"""How other languages, and diagnoses of muscle, name what was not tolerated; folded."""
_NOT_TAKEN = re.compile(
    r"\b(?:not (?:been |yet )?(?:taking|taken|using|used|started|tolerated)|no longer (?:taking|takes|on|using)|never "
    r"(?:started|taken|filled)|stopped|discontinued|ceased|declined|refused|on hold|(?<!hand[- ])held|withheld|"
    r"abgesetzt|pausiert)\b"
)
"""What the name of an entry of a medicine list, or a bracket beside it, may say against the entry itself."""
_HEAD = re.compile(r" - |[:;,(]| (?:due to|with|causing|on) (?!.*\b(?:allerg|intoleran))")
_INERT = frozenset({"inert ingredients"})
_SUBSTANCE_SYSTEMS = ("unii",)
Ingredients = Sequence[tuple[Sequence[Code], str]]


@dataclass(frozen=True, slots=True)
class _Coded:
    """One coding that the tables know. ``rank``: 2 a product, 1 a group of products (ATC), 0 a substance."""

    code: Code
    ingredients: frozenset[str]
    strength: Decimal | None
    rank: int


class Medicines:
    """Reads medicines by the tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    @cached_property
    def _words(self) -> Reader:
        return Reader(self._tables)

    def read(self, codes: Sequence[Code], text: str, form: str, ingredients: Ingredients) -> Medicine:
        """The meaning of one medicine of a list; nothing is read where its own words say that it is not taken."""
        said = fold(" ; ".join((text, *(code.display for code in codes))))
        if _NOT_TAKEN.search(said):
            return Medicine(basis="unknown", unread=tuple(codes), notes=("its own words say that it is not taken",))
        return self._read(codes, text, form, ingredients)

    def _read(self, codes: Sequence[Code], text: str, form: str, ingredients: Ingredients) -> Medicine:
        phrases = tuple(dict.fromkeys(p for p in (text, *(c.display for c in codes)) if p.strip()))
        coded = [found for found in map(self.coding, codes) if found]
        unread = tuple(c for c in codes if c.code.strip() and not any(found.code is c for found in coded))
        if not coded:
            said = _said(codes, phrases)
            if said:
                return replace(said, unread=() if said.used else unread)
        named = [self._words.read(phrase) for phrase in phrases]
        listed = self._listed(ingredients)
        found, basis, notes = _settle(coded, named, listed)
        if found and not coded and listed is None and len(ingredients) > len(found):
            found, basis, notes = frozenset(), "unknown", ("more ingredients are listed than could be read",)
        used = tuple(c.code for c in coded) if basis == "code" else ()
        if not found:
            return self._without(phrases, named, codes, unread, notes, coded, listed=bool(ingredients))
        local, inhaled = _route(coded, phrases, form)
        return Medicine(
            tuple(sorted(found)),
            frozenset() if local else _classes(found, inhaled),
            _strength(found, coded, phrases),
            local,
            basis,
            used,
            unread,
            notes,
        )

    def _without(
        self, phrases: Sequence[str], named: Sequence[Named], codes: Sequence[Code], unread: tuple[Code, ...],
        notes: tuple[str, ...], coded: Sequence[_Coded], *, listed: bool,
    ) -> Medicine:  # fmt: skip
        """A medicine of which no set of ingredients is sure: the name of a class, a device, or not understood."""
        grouped = {code: found for code in codes if (found := _classes_of(code))}
        if grouped and not coded and not any(name.ingredients or name.barred for name in named):
            left = tuple(code for code in unread if code not in grouped)
            found = frozenset().union(*grouped.values())
            return Medicine(classes=found, basis="code", used=tuple(grouped), unread=left, notes=notes)
        whole = frozenset().union(*(name.classes for name in named))
        if whole and not coded and not any(name.ingredients or name.barred for name in named):
            return Medicine(classes=whole, basis="text", unread=unread, notes=notes)
        if phrases and not coded and any(map(is_device, phrases)):
            return Medicine(basis="outside", unread=unread)
        why = tuple(dict.fromkeys(name.why for name in named if name.why))
        empty: Basis = "unknown" if any(c.code.strip() for c in codes) or phrases or listed else "empty"
        return Medicine(basis=empty, unread=tuple(codes) or unread, notes=notes or why)

    def substance(self, codes: Sequence[Code], text: str) -> Medicine:
        """The meaning of the substance of an allergy: as a medicine's, and the names of allergies to it."""
        phrases = tuple(p for p in (text, *(c.display for c in codes)) if p.strip())
        said = _said(codes, phrases)
        if said:
            return said
        stripped = tuple(Code(c.system, c.code, _without_allergy(c.display)) for c in codes)
        if phrases and any(is_allergen(_without_allergy(phrase)) for phrase in phrases):
            return Medicine(basis="outside", unread=tuple(c for c in codes if c.code.strip()))
        return self._read(stripped, _without_allergy(text), "", ())

    def not_tolerated(self, codes: Sequence[Code], text: str) -> Medicine:
        """What an entry that need not be of an allergy list says was not tolerated; nothing where it speaks of no such
        thing. A code of an adverse effect (ICD-10-CM) says it by itself, words by "allergy" and the like."""
        adverse = tuple(code for code in codes if system_of(code.system) == "icd10cm" and _classes_of(code))
        if adverse:
            return self.substance(adverse, "")
        phrases = tuple(p for p in (text, *(c.display for c in codes)) if p.strip())
        told = [p for p in phrases if _NOT_TOLERATED.search(fold(p)) and _without_allergy(p) != p]
        named = [m["of"] for p in phrases for pattern in _OF_WHICH if (m := pattern.search(fold(p)))]
        for phrase in (*(part for whole in told for part in (whole, _HEAD.split(whole)[0])), *named):
            found = self.substance((), phrase)
            if found.understood and (found.ingredients or found.classes):
                return found
        return Medicine()

    def coding(self, code: Code) -> _Coded | None:
        """What one coding means; None where no table knows it."""
        system = system_of(code.system)
        if not system or not code.code.strip():
            return None
        product = self._product(system, code.code)
        if not product:
            return None
        names = frozenset(product[0].split("+"))
        if names == _INERT:
            return None
        rank = 1 if system == "atc" else 0 if system in _SUBSTANCE_SYSTEMS or product[2] else 2
        return _Coded(code, names, Decimal(product[1]) if product[1] else None, rank)

    def _product(self, system: str, code: str) -> tuple[str, str, bool] | None:
        if system == "ndc":
            return self._tables.product("ndc9", _ndc9(code))
        return self._tables.product(system, code)

    def _listed(self, ingredients: Ingredients) -> frozenset[str] | None:
        """The listed ingredients together; None where one of them could not be read, or none is listed."""
        found: set[str] = set()
        for codes, words in ingredients:
            one = self.read(codes, words, "", ())
            if not one.ingredients:
                return None
            found |= set(one.ingredients)
        return frozenset(found) or None


def _settle(
    coded: Sequence[_Coded], named: Sequence[Named], listed: frozenset[str] | None
) -> tuple[frozenset[str], Basis, tuple[str, ...]]:
    """One set from what codings, words and list say: the product codes, made fuller where another holds more.

    Where two of them name different medicines nothing is taken.
    """
    products = [c.ingredients for c in coded if c.rank == 2]
    groups = [c.ingredients for c in coded if c.rank == 1]
    substances = [c.ingredients for c in coded if c.rank == 0]
    words = [name.ingredients for name in named if name.ingredients]
    said = [*([listed] if listed else []), *words]
    product = _fullest(products)
    if products and product is None:
        product = next((group for group in said if group in products), None)
        if product is None:
            return frozenset(), "unknown", ("its product codes name different medicines",)
    parts = frozenset().union(*substances)
    sources = [
        *([product] if product else []),
        *([parts] if parts and not (product and parts <= product) else []),
        *said,
    ]
    total = _fullest([*sources, *groups])
    if total is None and sources and (product or len(sources) > 1):
        total = _fullest(sources)
    if total is None:
        why = ("codes and words name different medicines",) if sources or groups else ()
        return frozenset(), "unknown", why
    notes = []
    if any(not group <= total for group in groups):
        notes.append("its ATC code names another medicine; its other codes and words were taken")
    if any(group != total for group in sources):
        notes.append("its codes and words name different numbers of ingredients; the fullest set was taken")
    barred = tuple(name.why for name in named if name.barred)
    if barred and not coded:
        return frozenset(), "unknown", barred
    return total, "code" if coded else "text", tuple(notes)


def _fullest(sets: Sequence[frozenset[str]]) -> frozenset[str] | None:
    """The set that holds all the others; None where none does."""
    largest = max(sets, key=len, default=None)
    return largest if largest is not None and all(group <= largest for group in sets) else None


def _said(codes: Iterable[Code], phrases: Iterable[str]) -> Medicine | None:
    """A statement of absence, or of nothing known."""
    codes = tuple(codes)
    said = statement(codes, phrases)
    if said is None:
        return None
    used = codes if statement(codes, ()) else ()
    if said in ("no-medicine", "no-drug-allergy"):
        return Medicine(basis="code" if used else "text", used=used, nothing=True)
    note = {
        "no-other-allergy": "says that another allergy is not known; nothing of medicines",
        "no-information": "says that nothing is known; no absence",
        "no-problem": "says that no problem is known",
    }[said]
    return Medicine(basis="outside", used=used, notes=(note,), silent=True)


def _route(coded: Sequence[_Coded], phrases: Sequence[str], form: str) -> tuple[bool, bool]:
    """(for local use, inhaled) by the words of name and form, or else by the ATC group."""
    words = words_of_route()
    said = fold(" ".join((*phrases, form)))
    for never in words["never"]:
        said = said.replace(never, " ")
    if _any_word(said, words["inhaled"]):
        return False, True
    local = _any_word(said, words["words"])
    atc = [c.code.code.upper() for c in coded if c.rank == 1]
    if atc:
        local = local or all(code.startswith(tuple(words["atc"])) for code in atc)
        return local, all(code.startswith(tuple(words["inhaled_atc"])) for code in atc)
    return local, False


def _any_word(said: str, words: Iterable[str]) -> bool:
    return any(re.search(rf"(?<![a-z]){re.escape(word)}(?![a-z])", said) for word in words)


def _classes(ingredients: frozenset[str], inhaled: bool) -> frozenset[str]:
    """The classes of the ingredients by this route."""
    found = classes.classes_of(ingredients)
    return found - frozenset(words_of_route()["only_swallowed"]) if inhaled else found


def _strength(ingredients: frozenset[str], coded: Sequence[_Coded], phrases: Sequence[str]) -> Decimal | None:
    """mg in one tablet or capsule where there is one ingredient and one amount."""
    if len(ingredients) != 1:
        return None
    amounts = {c.strength for c in coded if c.strength is not None}
    if not amounts:
        said = " ".join(map(fold, phrases))
        amounts = {
            Decimal(number.replace(",", ".")) * _UNITS[(unit[:1] == "m" and unit[:5] == "micro" and "mcg") or unit]
            for number, unit in _STRENGTH.findall(said)
        }
    return amounts.pop() if len(amounts) == 1 else None


def _without_allergy(text: str) -> str:
    """The words of an allergy without what says that it is one."""
    words = re.sub(
        r"(?i)\b(?:allergy|allergies|allergic(?: reaction)?|intolerance|intolerant|hypersensitivity|"
        r"adverse (?:drug )?(?:reaction|effect)|sensitivity|"
        r"anaphylaxis)(?: disorder)?(?: (?:to|caused by|due to|of))?\b|"
        r"\bsubstance with\b|\bproduct containing\b|\b(?:mechanism of action|structure)\b|"
        r"\((?:disorder|finding|substance|product|situation|medicinal product)\)",
        " ", text,
    )  # fmt: skip
    return words.strip(" :,-") if words.strip(" :,-") else text


def _classes_of(code: Code) -> frozenset[str]:
    """The classes that the code of a whole class means."""
    return classes.classes_by_code(system_of(code.system), code.code)


def _ndc9(code: str) -> str:
    """The first nine of the eleven digits of a US product code, from any of its ways of writing."""
    parts = code.strip().split("-")
    if len(parts) in (2, 3):
        return parts[0].zfill(5) + parts[1].zfill(4)
    return code.strip()[:9] if len(code.strip()) == 11 else ""
