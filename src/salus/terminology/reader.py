"""What codings and words mean: the face of the terminology room.

``shipped()`` gives the tables that salus brings; ``Terminology(packs)`` lays a user's releases over them. Answers are
kept, since a record asks the same of many resources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from salus.fhir.codes import Code
from salus.terminology import codes as registry
from salus.terminology.meaning import Diagnosis, Measure, Medicine, Origin
from salus.terminology.tables import Tables, shipped_file

if TYPE_CHECKING:
    from salus.terminology.conditions import Conditions

__all__ = ["Terminology", "shipped"]

KEPT = 20_000
"""How many answers of each kind are kept."""
Ingredients = Sequence[tuple[Sequence[Code], str]]


class Terminology:
    """The meaning of codings and words. ``packs`` are terminology files that are laid over the shipped one."""

    def __init__(self, packs: Sequence[Path] = ()) -> None:
        self._tables = Tables((shipped_file(), *packs))

    @cached_property
    def _conditions(self) -> Conditions:
        from salus.terminology.conditions import Conditions  # imported when asked: the room costs nothing until then

        return Conditions(self._tables)

    @cached_property
    def _read_diagnosis(self) -> Callable[..., Diagnosis]:
        return lru_cache(KEPT)(self._conditions.read)

    @cached_property
    def _read_medicine(self) -> tuple[Callable[..., Medicine], ...]:
        from salus.terminology.medicines import Medicines

        medicines = Medicines(self._tables)
        return tuple(lru_cache(KEPT)(ask) for ask in (medicines.read, medicines.substance, medicines.not_tolerated))

    @cached_property
    def _read_measure(self) -> Callable[..., Measure]:
        from salus.terminology.analytes import Analytes

        return lru_cache(KEPT)(Analytes(self._tables).read)

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The sources of every table, with version, licence and digest."""
        return self._tables.origins

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all tables: the terminology that a finding was made with."""
        return self._tables.digest

    def diagnosis(self, codes: Iterable[Code], text: str = "") -> Diagnosis:
        """What the code of a condition, a reaction or a relative's condition means."""
        return self._read_diagnosis(tuple(codes), text)

    def procedure(self, codes: Iterable[Code], text: str = "") -> Diagnosis:
        """What the code of a procedure means, as the concepts that it leaves ("coronary-stent", "dialysis")."""
        return self._read_diagnosis(tuple(codes), text, procedure=True)

    def medicine(
        self, codes: Iterable[Code], text: str = "", form: str = "", ingredients: Ingredients = ()
    ) -> Medicine:
        """What a medicine is. ``form``: words of its dose form or route; ``ingredients``: codings and words of each."""
        parts = tuple((tuple(part), words) for part, words in ingredients)
        return self._read_medicine[0](tuple(codes), text, form, parts)

    def substance(self, codes: Iterable[Code], text: str = "") -> Medicine:
        """What an allergy names: an ingredient, a brand, a class, or that no allergy is known (``nothing``)."""
        return self._read_medicine[1](tuple(codes), text)

    def not_tolerated(self, codes: Iterable[Code], text: str = "") -> Medicine:
        """The medicine or class that an entry of a problem list says was not tolerated ("statin intolerance", "allergy
        to penicillin", an adverse effect by ICD-10-CM T36-T50). Not understood where it says nothing of the kind."""
        return self._read_medicine[2](tuple(codes), text)

    def measure(self, codes: Iterable[Code], text: str = "", unit: str | None = None) -> Measure:
        """What an observation measures or states."""
        return self._read_measure(tuple(codes), text, unit)

    def value_concepts(self, codes: Iterable[Code]) -> frozenset[str]:
        """What an answer's codings mean: concepts by exact code, broader ones included."""
        found: set[str] = set()
        for code in codes:
            found |= registry.names((code,))
            reading = self._conditions.coding(code)
            if reading and reading.aspect == "active":
                found |= registry.with_broader(reading.concepts)
        return frozenset(found)


@cache
def shipped() -> Terminology:
    """The terminology that salus brings, opened when it is first asked."""
    return Terminology()
