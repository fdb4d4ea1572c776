"""How the person of a plan is described when they have died."""

from __future__ import annotations

from datetime import timedelta

from salus.fhir import dates
from salus.fhir.views import Patient


def age_at_death(person: Patient) -> int | None:
    """Completed years at death; None where a date is missing or too partial to tell."""
    died = person.deceased_at
    if died is None or person.birth is None:
        return None
    ages = {dates.age_years(person.birth, at) for at in (died.start, died.end - timedelta(microseconds=1))}
    return ages.pop() if len(ages) == 1 else None


def death_words(person: Patient) -> str:
    """ "died on 2014-03-02, aged 77", or as much of it as is recorded; "" for the living."""
    if not person.deceased:
        return ""
    if person.deceased_at is None:
        return "has died"
    when = person.deceased_at.text[:10]
    age = age_at_death(person)
    aged = f", aged {age}" if age is not None else ""
    return f"died {'on' if len(when) == 10 else 'in'} {when}{aged}"
