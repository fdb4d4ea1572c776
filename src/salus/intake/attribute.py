"""Whose is it? Attribution is by identifier, or by the operator's word; a contradiction never gets in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from salus.errors import InputError
from salus.fhir import dates
from salus.intake.batch import Batch, Clues

How = Literal["by identifier", "by operator"]
ORIGIN = "urn:salus:origin"
"""Extension of a Patient: an address under which a server knows the person."""
ANOTHER = "Patient: the id is another person's here; the patient of this server has an id of its own"
_REMEDY = "it is in quarantine; if the source is right about another person, take it in for that person"

_LABELLED = "labelled MRN, patient id or NHS number"
_ANYWHERE = f"DICOM PatientID, Patient.identifier, or {_LABELLED}"
_PLACES = {
    "dicom": "DICOM PatientID",
    "fhir": "Patient.identifier or a subject's identifier",
    "ndjson": "Patient.identifier or a subject's identifier",
    "note": _LABELLED,
    "vcf": f"{_LABELLED} in the header",
    "wfdb": f"{_LABELLED} in the header's comments",
}
"""Where the identifiers of each kind of source stand: the place is said, the value never."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the record knows of one patient, to hold a source's clues against."""

    id: str
    identifiers: frozenset[tuple[str, str]]
    birth_date: str
    sex: str
    origins: frozenset[str] = frozenset()
    """The addresses under which servers know the person."""
    joined: tuple[dict[str, Any], ...] = ()
    """The person's identifiers on other servers, which an operator joined with the record."""

    @classmethod
    def of(cls, patient: dict[str, Any], accepted: frozenset[str] = frozenset()) -> Known:
        """From a Patient resource; ``accepted`` are identifiers that an operator vouched for."""
        return cls(
            id=str(patient["id"]),
            identifiers=frozenset(identifiers(patient)) | {("", value) for value in accepted},
            birth_date=str(patient.get("birthDate", "")),
            sex=str(patient.get("gender", "")),
            origins=origins(patient),
            joined=tuple(i for i in _listed(patient, "identifier") if isinstance(i, dict) and addresses(i)),
        )


def origins(patient: dict[str, Any]) -> frozenset[str]:
    """The addresses under which servers know the person of a Patient resource."""
    return frozenset(addresses(patient))


def addresses(element: Mapping[str, Any]) -> list[str]:
    """The addresses on servers that the extensions of an element tell, the latest told last."""
    found = [e.get("valueUri") for e in _listed(element, "extension") if isinstance(e, dict) and e.get("url") == ORIGIN]
    return [address for address in found if isinstance(address, str)]


def _listed(element: Mapping[str, Any], name: str) -> list[Any]:
    held = element.get(name)
    return held if isinstance(held, list) else []


def without_addresses(element: Mapping[str, Any]) -> dict[str, Any]:
    """An element without the addresses under which servers know it."""
    held = _listed(element, "extension")
    others = [e for e in held if not isinstance(e, dict) or e.get("url") != ORIGIN]
    if len(others) == len(held):
        return dict(element)
    return {k: v for k, v in element.items() if k != "extension"} | ({"extension": others} if others else {})


def from_server(element: dict[str, Any], address: str) -> dict[str, Any]:
    """A Patient or an identifier that remembers under which address a server knows the person."""
    return {**element, "extension": [*_listed(element, "extension"), {"url": ORIGIN, "valueUri": address}]}


def origin_of(clues: Clues) -> str:
    """The address of the patient that a source names, "" where it tells no server."""
    return f"{clues.base}/Patient/{clues.reference}" if clues.base else ""


def is_another(clues: Clues, known: Known) -> bool:
    """True for a patient of another server who only has the same id there: nothing else says that it is one person."""
    origin = origin_of(clues)
    if not origin or not known.origins or origin in known.origins or ("", origin) in known.identifiers:
        return False
    return not any(_compare(system, value, known) for system, value in clues.identifiers)


def with_origins(batch: Batch, known: Known) -> Batch:
    """The batch with its Patient under every address and joined identifier that was known before, too."""
    if batch.patient is None:
        return batch
    fuller = batch.patient
    for address in sorted(known.origins - origins(fuller)):
        fuller = from_server(fuller, address)
    lacking = [i for i in known.joined if i not in _listed(fuller, "identifier")]
    if lacking:
        fuller = {**fuller, "identifier": [*_listed(fuller, "identifier"), *lacking]}
    resources = tuple(fuller if r is batch.patient else r for r in batch.resources)
    return replace(batch, patient=fuller, resources=resources)


def identifiers(patient: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The identifiers of a Patient resource as (system, value), the system "" where none is given."""
    entries = (e for e in _listed(patient, "identifier") if isinstance(e, dict) and e.get("value"))
    return tuple((str(e.get("system", "")), str(e["value"])) for e in entries)


def attribute(clues: Clues, known: Known, kind: str = "") -> How:
    """How the source's data come to belong to ``known``; ``kind`` of source, to say where its identifiers stand.

    Raises :class:`InputError` when it names another id, another identifier, another birth date or another sex, or
    nobody but the holder of an identifier that the record does not know.
    """
    if clues.reference and clues.reference != known.id:
        raise InputError("the source names another patient (reference)", remedy=_REMEDY)
    place = _PLACES.get(kind, _ANYWHERE)
    answers = [_compare(system, value, known) for system, value in clues.identifiers]
    if False in answers:
        raise InputError(
            f"the source carries an identifier other than this patient's ({place})",
            remedy=f"{_REMEDY}; if you know it to be this patient's too: --accept-identifier VALUE",
        )
    vouched = ("", origin_of(clues)) in known.identifiers
    if clues.reference and True not in answers and not vouched:
        _same_server(clues, known)
    agreed = bool(clues.reference) or True in answers
    if answers and not agreed:
        raise InputError(
            f"the source carries an identifier that the record does not know ({place})",
            remedy="if you know it to be this patient's: --accept-identifier VALUE",
        )
    if clues.birth_date and known.birth_date and not _same_day(clues.birth_date, known.birth_date):
        raise InputError("the source names another birth date", remedy=_REMEDY)
    decisive = ("male", "female")
    if clues.sex in decisive and known.sex in decisive and clues.sex != known.sex:
        raise InputError("the source names another sex", remedy=_REMEDY)
    return "by identifier" if agreed else "by operator"


def _same_server(clues: Clues, known: Known) -> None:
    """Refuse a source of another server: an id means something only together with its server.

    A relative reference is believed where the record does not know the patient's server; an absolute one is not.
    """
    origin = origin_of(clues)
    if not origin or origin in known.origins or (not known.origins and not clues.absolute):
        return
    raise InputError(
        "the source names a patient of another server, who is not known to be this one (reference)",
        remedy="if you know it to be the same person: --accept-identifier ADDRESS of that patient",
    )


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
    """Refuse a Patient resource that would turn the stored patient into somebody else. Raises InputError.

    People may hold several cards of one kind: a system contradicts only where none of its values is known.
    """
    found = identifiers(incoming)
    confirmed = {system for system, value in found if _compare(system, value, known)}
    clues = Clues(
        reference=str(incoming.get("id", "")),
        identifiers=tuple((system, value) for system, value in found if system not in confirmed),
        birth_date=str(incoming.get("birthDate", "")),
        sex=str(incoming.get("gender", "")),
    )
    attribute(clues, known)


def nothing_lost(incoming: dict[str, Any], known: Known) -> None:
    """Refuse a Patient resource without what the record tells people apart by. Raises InputError.

    Were a bare one taken, the next stranger's data would contradict nothing.
    """
    lacking = [
        name
        for name, gone in (
            ("identifier", not known.identifiers <= set(identifiers(incoming))),
            ("birthDate", bool(known.birth_date) and not incoming.get("birthDate")),
            ("gender", known.sex not in ("", "unknown") and incoming.get("gender") in (None, "", "unknown")),
        )
        if gone
    ]
    if lacking:
        raise InputError(
            f"the Patient resource lacks what the record knows of the person: {', '.join(lacking)}",
            remedy="take it in with these, or leave the Patient resource out",
        )
