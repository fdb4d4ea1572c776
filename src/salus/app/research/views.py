"""Queries over many patients: views over records released for research, and what plans ask to be measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from salus.app.research.deidentified import RESEARCH
from salus.app.session import Session
from salus.errors import AccessError
from salus.population.database import Answer, Database
from salus.population.views import View, read
from salus.trust import glass

TABLE = "view"
"""The name of the view's table in a query."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something that a patient's plan asks to be measured or found out, with the reason and its citation."""

    patient: str
    key: str
    text: str
    reason: str
    citation: str


def view(
    session: Session, definition: Mapping[str, Any], at: datetime, *, sql: str = "", purpose: str = RESEARCH
) -> tuple[Answer, int]:
    """The rows of a ViewDefinition over all records released for ``purpose``, and the number of these records.

    With ``sql``, the answer to that query instead; the view's table is called "view". Each access is logged. Raises
    InputError for a definition or a query that cannot be used.
    """
    glass.refuse(purpose)
    compiled = read(definition)
    with Database() as database:
        database.load(TABLE, compiled, ())
        people = 0
        for resources in _released(session, compiled, at, purpose):
            database.load(TABLE, compiled, resources)
            people += 1
        return database.query(sql or f'SELECT * FROM "{TABLE}"'), people


def _released(session: Session, compiled: View, at: datetime, purpose: str) -> Iterator[list[Any]]:
    for patient in session.house.store.patients(session.house.gate.house(session.actor.id)):
        try:
            chart = session.open(patient, at, purpose=purpose).chart
        except AccessError:
            continue
        yield [body for _, body in chart.resources(compiled.resource)]


def overdue(session: Session, at: datetime) -> Iterator[Due]:
    """What plans ask to be measured or found out, for all patients released to this actor, patient by patient."""
    for patient, _ in list(session.patients()):
        plan, _ = session.plan(patient, at)
        for item in plan.items:
            if item.tier == "missing-data" or item.action == "measure":
                yield Due(patient, item.key, item.text, item.because[0] if item.because else "", item.citation)
