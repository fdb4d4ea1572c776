"""The people of whom something is released to a signed-in actor, as a list shows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from salus.app.session import Session
from salus.errors import AccessError
from salus.fhir.views import CATEGORIES
from salus.record.chart import Chart

MAX_LISTED = 500
"""People whom one list shows."""


@dataclass(frozen=True, slots=True)
class Released:
    """One person: what the list says. Name, age and sex are "" and None where they are not released or recorded."""

    patient: str
    name: str
    age: int | None
    sex: str | None
    categories: tuple[str, ...]


def released(session: Session) -> tuple[Released, ...]:
    """Everybody of whom anything is released, by name. The gate decides on each record, and logs it.

    Raises AccessError where they are too many for a list.
    """
    return tuple(sorted(_found(session), key=lambda r: (not r.name, r.name, r.patient)))


def _found(session: Session) -> Iterator[Released]:
    house = session.house
    at = house.clock()
    grants = session.grants(MAX_LISTED)
    if grants is None:
        raise AccessError("too many patients to list", remedy="salus patients")
    for grant in grants:
        patient = grant.patient
        entries = [(s.source, s.body) for s in house.store.read(grant, ("Patient",))]
        categories = tuple(c for c in CATEGORIES if c in grant.categories)
        if entries:
            person = Chart(entries, now=at).patient
            yield Released(patient, person.name, person.age(at), person.sex, categories)
        else:
            yield Released(patient, "", None, None, categories)
