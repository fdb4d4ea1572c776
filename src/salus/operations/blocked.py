"""Why there is no plan without hard violations: what cannot be met at all, and which rules would have to give way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from salus.operations.care import CareBounds
from salus.operations.exact import RULES, AdmissionModel, Effort
from salus.operations.model import Instance, Patient


@dataclass(frozen=True, slots=True)
class Blocked:
    """``certain``: what no plan can meet, each one sentence. ``unplaced``: mandatory patients left over when as few as
    could be found are left out. ``would_help``: rules of which one alone, left out, lets everybody in."""

    certain: tuple[str, ...]
    unplaced: tuple[str, ...]
    would_help: tuple[str, ...]

    def sentences(self) -> list[str]:
        """All of it in words."""
        said = list(self.certain)
        if self.unplaced:
            said.append(f"mandatory patients who found no place beside the others: {', '.join(self.unplaced)}")
        said += [f"everybody would fit if this rule gave way: {rule}" for rule in self.would_help]
        return said or ["no single rule or patient was found that alone explains it"]


def certain(instance: Instance) -> list[str]:
    """What is impossible whatever else is planned: occupants as they lie, and mandatory patients one by one."""
    bounds = CareBounds(instance)
    found = list(_occupants(instance, bounds))
    for patient in instance.patients:
        if patient.mandatory and (why := _alone(instance, bounds, patient)):
            found.append(
                f"mandatory patient {patient.id} cannot come on any day from {patient.release} to {patient.last}: {why}"
            )
    return found


def _occupants(instance: Instance, bounds: CareBounds) -> Iterator[str]:
    for number, room in enumerate(instance.rooms):
        for day in range(instance.days):
            here = [o for o in instance.occupants if o.room == number and day < o.stay]
            if len(here) > room.beds:
                yield f"room {room.id} has {room.beds} beds and {len(here)} occupants on day {day}"
            if len({o.gender for o in here}) > 1:
                yield f"room {room.id} holds occupants of both gender groups on day {day}"
            if here and day in bounds.closed:
                yield f"room {room.id} is occupied on day {day}, when no nurse works in some shift"


def _alone(instance: Instance, bounds: CareBounds, patient: Patient) -> str:
    """Why one patient could not come even to an otherwise empty house (but for its occupants); "" when it could."""
    if not patient.rooms:
        return "no room suits"
    days = list(range(patient.release, patient.last + 1))
    steps: list[tuple[str, Callable[[int], bool]]] = [
        (
            f"surgeon {instance.surgeons[patient.surgeon].id} never has {patient.duration} minutes",
            lambda d: instance.surgeons[patient.surgeon].minutes[d] >= patient.duration,
        ),
        (
            f"no theatre has {patient.duration} minutes on a day on which the surgeon has them",
            lambda d: any(theatre.minutes[d] >= patient.duration for theatre in instance.theatres),
        ),
        (
            "some shift of the stay has no nurse",
            lambda d: not bounds.closed & set(range(d, min(d + patient.stay, instance.days))),
        ),
        ("occupants take every bed that suits", lambda d: any(_bed(instance, patient, d, r) for r in patient.rooms)),
    ]
    for why, possible in steps:
        days = [day for day in days if possible(day)]
        if not days:
            return why
    return ""


def _bed(instance: Instance, patient: Patient, day: int, room: int) -> bool:
    for d in range(day, min(day + patient.stay, instance.days)):
        here = [o for o in instance.occupants if o.room == room and d < o.stay]
        if len(here) >= instance.rooms[room].beds or any(o.gender != patient.gender for o in here):
            return False
    return True


def explain(instance: Instance, bounds: CareBounds, effort: Effort, running: Callable[[], bool]) -> Blocked:
    """Look for the reasons, the plainest first; stops early when ``running`` says no."""
    sure = certain(instance)
    if sure:
        return Blocked(tuple(sure), (), ())
    answer = AdmissionModel(instance, bounds, droppable=True).solve(effort)
    placed = answer.admissions or ()
    pairs = zip(instance.patients, placed, strict=False)
    unplaced = tuple(p.id for p, admission in pairs if p.mandatory and admission is None)
    would_help = []
    for rule in RULES:
        if not running():
            break
        if AdmissionModel(instance, bounds, without=[rule]).solve(effort).status in ("optimal", "feasible"):
            would_help.append(rule)
    return Blocked((), unplaced, tuple(would_help))
