"""What is planned: patients, rooms, theatres, surgeons and nurses over some days, and a plan for them.

The problem is the Integrated Healthcare Timetabling Problem of IHTC-2024 (Ceschia S, Rosati RM, Schaerf A, Smet P,
Vanden Berghe G, Zanazzo E; ihtc2024.github.io), here with its own words: ``theatre`` for operating theater, ``stay``
for length of stay. People and things are numbered in the order of the instance; days and shifts count from 0, and a
shift of the horizon is ``day * shifts_per_day + shift of the day``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Weights:
    """What one unit of each unmet wish (soft constraint S1 to S8) costs; whole numbers, none negative."""

    age_mix: int
    skill: int
    continuity: int
    excess: int
    open_theatre: int
    surgeon_transfer: int
    delay: int
    unscheduled: int


WISHES = tuple(field.name for field in fields(Weights))
"""The wishes S1 to S8, in their order."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who lies in a bed. ``workload`` and ``skill`` have one number per shift of the stay, counted from admission."""

    id: str
    gender: str
    """"A" or "B": those who may not share a room."""
    age: int
    """Place of the age group in the instance's ordered list."""
    stay: int
    """Days."""
    workload: tuple[int, ...]
    skill: tuple[int, ...]
    """Least skill level of the nurse who cares for the person in this shift."""


@dataclass(frozen=True, slots=True)
class Occupant(Person):
    """Somebody who is there already when the horizon begins, in a room that is not changed."""

    room: int


@dataclass(frozen=True, slots=True)
class Patient(Person):
    """Somebody to be admitted, for surgery on the day of admission."""

    mandatory: bool
    release: int
    """First day of admission."""
    last: int
    """Last day of admission: the due day of a mandatory patient, else the last day of the horizon."""
    duration: int
    """Minutes of surgery."""
    surgeon: int
    rooms: tuple[int, ...]
    """The rooms that suit."""


@dataclass(frozen=True, slots=True)
class Surgeon:
    """``minutes``: the most surgery on each day."""

    id: str
    minutes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Theatre:
    """``minutes``: how long it is available on each day."""

    id: str
    minutes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Room:
    """``beds``: how many may lie in it."""

    id: str
    beds: int


@dataclass(frozen=True, slots=True)
class Nurse:
    """``loads``: the greatest workload in each shift of the horizon; None where the nurse does not work."""

    id: str
    skill: int
    loads: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Instance:
    """One planning problem. Numbers inside are checked by the reader (read.py)."""

    days: int
    shift_names: tuple[str, ...]
    skill_levels: int
    age_groups: tuple[str, ...]
    weights: Weights
    occupants: tuple[Occupant, ...]
    patients: tuple[Patient, ...]
    surgeons: tuple[Surgeon, ...]
    theatres: tuple[Theatre, ...]
    rooms: tuple[Room, ...]
    nurses: tuple[Nurse, ...]

    @property
    def shifts_per_day(self) -> int:
        return len(self.shift_names)

    @property
    def shifts(self) -> int:
        """Shifts of the whole horizon."""
        return self.days * self.shifts_per_day

    def on_duty(self, shift: int) -> tuple[int, ...]:
        """The nurses who work in a shift of the horizon."""
        return tuple(n for n, nurse in enumerate(self.nurses) if nurse.loads[shift] is not None)

    def shift_text(self, shift: int) -> str:
        """A shift in words: "day 3 late"."""
        return f"day {shift // self.shifts_per_day} {self.shift_names[shift % self.shifts_per_day]}"


@dataclass(frozen=True, slots=True)
class Admission:
    """When a patient comes and is operated, where the patient lies, and in which theatre."""

    day: int
    room: int
    theatre: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Admissions by patient (None: not in this horizon) and the nurse of each room in each shift (None: nobody)."""

    admissions: tuple[Admission | None, ...]
    nurses: tuple[tuple[int | None, ...], ...]
    """rooms × shifts of the horizon."""
