"""Whose is it? Attribution is by identifier, or by the operator's word; a contradiction never gets in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from salus.errors import InputError
from salus.fhir import dates
from salus.intake.batch import Clues

How = Literal["by identifier", "by operator"]
_REMEDY = "it is in quarantine; if the source is right about another person, take it in for that person"


@dataclass(frozen=True, slots=True)
class Known:
    """What the record knows of one patient, to hold a source's clues against."""

    id: str
    identifiers: frozenset[tuple[str, str]]
    birth_date: str
    sex: str

    @classmethod
    def of(cls, patient: dict[str, Any], accepted: frozenset[str] = frozenset()) -> Known:
        """From a Patient resource; ``accepted`` are identifiers that an operator vouched for."""
        entries = patient.get("identifier", [])
        own = {(str(e.get("system", "")), str(e["value"])) for e in entries if isinstance(e, dict) and e.get("value")}
        return cls(
            id=str(patient["id"]),
            identifiers=frozenset(own | {("", value) for value in accepted}),
            birth_date=str(patient.get("birthDate", "")),
            sex=str(patient.get("gender", "")),
        )


def attribute(clues: Clues, known: Known) -> How:
    """How the source's data come to belong to ``known``.

    Raises :class:`InputError` (a contradiction) when it names another id, another identifier, another birth date or
    another sex.
    """
    if clues.reference and clues.reference != known.id:
        raise InputError("the source names another patient (reference)", remedy=_REMEDY)
    agreed = bool(clues.reference)
    for system, value in clues.identifiers:
        match _compare(system, value, known):
            case True:
                agreed = True
            case False:
                raise InputError("the source carries another patient's identifier", remedy=_REMEDY)
    if clues.birth_date and known.birth_date and not _same_day(clues.birth_date, known.birth_date):
        raise InputError("the source names another birth date", remedy=_REMEDY)
    decisive = ("male", "female")
    if clues.sex in decisive and known.sex in decisive and clues.sex != known.sex:
        raise InputError("the source names another sex", remedy=_REMEDY)
    return "by identifier" if agreed else "by operator"


def _compare(system: str, value: str, known: Known) -> bool | None:
    """True: the patient's own. False: somebody else's. None: of a system in which the patient has none."""
    if (system, value) in known.identifiers or ("", value) in known.identifiers:
        return True
    if not system:
        return value in {v for _, v in known.identifiers} if known.identifiers else None
    systems = {s for s, _ in known.identifiers}
    same_value = value in {v for _, v in known.identifiers}
    if system in systems:
        return False
    return True if same_value else None


def _same_day(one: str, other: str) -> bool:
    """Partial dates agree when one of the intervals lies inside the other."""
    try:
        a, b = dates.parse(one), dates.parse(other)
    except InputError:
        return one == other
    return (a.start >= b.start and a.end <= b.end) or (b.start >= a.start and b.end <= a.end)


def same_person(incoming: dict[str, Any], known: Known) -> None:
    """Refuse a Patient resource that would turn the stored patient into somebody else. Raises InputError."""
    clues = Clues(
        reference=str(incoming.get("id", "")),
        identifiers=tuple(
            (str(e.get("system", "")), str(e["value"]))
            for e in incoming.get("identifier", [])
            if isinstance(e, dict) and e.get("value") and _single(e, incoming)
        ),
        birth_date=str(incoming.get("birthDate", "")),
        sex=str(incoming.get("gender", "")),
    )
    attribute(clues, known)


def _single(entry: dict[str, Any], patient: dict[str, Any]) -> bool:
    """Only a system in which the incoming Patient has one value can contradict: people may hold several cards."""
    systems = [e.get("system", "") for e in patient.get("identifier", []) if isinstance(e, dict)]
    return systems.count(entry.get("system", "")) == 1
