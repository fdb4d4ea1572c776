"""The rules: what a plan must keep and what its unmet wishes cost, counted from nothing.

Definitions after the IHTC-2024 problem page (constraints H1 to H7, S1 to S8) and the units of its public validator: a
hard rule counts persons, minutes or room-shifts beyond what is allowed; a wish counts units, each worth its weight.
What lies beyond the last day counts nowhere. This file is the judge: the search (state.py) keeps its own running
totals, and every plan it hands over is counted here again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from salus.operations.model import WISHES, Instance, Person, Plan

HARD = (
    "gender_mix",
    "room_compatibility",
    "surgeon_overtime",
    "theatre_overtime",
    "mandatory_unscheduled",
    "admission_day",
    "room_capacity",
    "nurse_presence",
    "uncovered_room",
)


@dataclass(frozen=True, slots=True)
class Score:
    """``hard``: violations by rule. ``wishes``: units by wish. ``costs``: units times weight."""

    hard: Mapping[str, int]
    wishes: Mapping[str, int]
    costs: Mapping[str, int]

    @property
    def violations(self) -> int:
        return sum(self.hard.values())

    @property
    def cost(self) -> int:
        return sum(self.costs.values())


@dataclass(frozen=True, slots=True)
class Lodger:
    """A person in a room from a day on. ``start`` is the day of admission, 0 for an occupant."""

    person: Person
    room: int
    start: int
    end: int
    """The day after the last one inside the horizon."""

    def shift_of_stay(self, shift: int, shifts_per_day: int) -> int:
        """A shift of the horizon as a shift of this stay."""
        return shift - self.start * shifts_per_day


def lodgers(instance: Instance, plan: Plan) -> Iterator[Lodger]:
    """Everybody who lies in some bed: occupants, then admitted patients."""
    for occupant in instance.occupants:
        yield Lodger(occupant, occupant.room, 0, min(occupant.stay, instance.days))
    for patient, admission in zip(instance.patients, plan.admissions, strict=True):
        if admission is not None:
            end = min(admission.day + patient.stay, instance.days)
            yield Lodger(patient, admission.room, admission.day, end)


def by_room_and_day(instance: Instance, plan: Plan) -> list[list[list[Lodger]]]:
    """Who lies where: rooms × days → lodgers."""
    table: list[list[list[Lodger]]] = [[[] for _ in range(instance.days)] for _ in instance.rooms]
    for lodger in lodgers(instance, plan):
        for day in range(lodger.start, lodger.end):
            table[lodger.room][day].append(lodger)
    return table


def score(instance: Instance, plan: Plan) -> Score:
    """Count every rule and every wish of a plan."""
    beds = by_room_and_day(instance, plan)
    hard = dict.fromkeys(HARD, 0) | _admission_rules(instance, plan) | _surgery_rules(instance, plan)
    hard |= _room_rules(instance, beds) | _nurse_rules(instance, plan, beds)
    units = _admission_wishes(instance, plan) | _theatre_wishes(instance, plan)
    units |= _care_wishes(instance, plan, beds) | {"age_mix": _age_mix(beds)}
    wishes = {name: units[name] for name in WISHES}
    costs = {name: units[name] * getattr(instance.weights, name) for name in WISHES}
    return Score(hard, wishes, costs)


def _admission_rules(instance: Instance, plan: Plan) -> dict[str, int]:
    """H2 (the room suits), H5 (mandatory patients come) and H6 (between release and due day), in patients."""
    pairs = list(zip(instance.patients, plan.admissions, strict=True))
    return {
        "room_compatibility": sum(a is not None and a.room not in p.rooms for p, a in pairs),
        "mandatory_unscheduled": sum(a is None and p.mandatory for p, a in pairs),
        "admission_day": sum(a is not None and not p.release <= a.day <= p.last for p, a in pairs),
    }


def surgery_minutes(instance: Instance, plan: Plan) -> tuple[list[list[int]], list[list[int]]]:
    """Minutes of surgery: surgeons × days and theatres × days."""
    surgeons = [[0] * instance.days for _ in instance.surgeons]
    theatres = [[0] * instance.days for _ in instance.theatres]
    for patient, admission in zip(instance.patients, plan.admissions, strict=True):
        if admission is not None:
            surgeons[patient.surgeon][admission.day] += patient.duration
            theatres[admission.theatre][admission.day] += patient.duration
    return surgeons, theatres


def _surgery_rules(instance: Instance, plan: Plan) -> dict[str, int]:
    """H3 and H4: minutes beyond what surgeons and theatres have on a day."""

    def beyond(used: list[list[int]], limits: list[tuple[int, ...]]) -> int:
        pairs = zip(used, limits, strict=True)
        return sum(max(0, u - limit) for row, most in pairs for u, limit in zip(row, most, strict=True))

    surgeons, theatres = surgery_minutes(instance, plan)
    return {
        "surgeon_overtime": beyond(surgeons, [s.minutes for s in instance.surgeons]),
        "theatre_overtime": beyond(theatres, [t.minutes for t in instance.theatres]),
    }


def _room_rules(instance: Instance, beds: list[list[list[Lodger]]]) -> dict[str, int]:
    """H1: per room and day the smaller of the two gender groups. H7: persons beyond the beds."""
    mixed = crowded = 0
    for room, days in zip(instance.rooms, beds, strict=True):
        for here in days:
            of_a = sum(lodger.person.gender == "A" for lodger in here)
            mixed += min(of_a, len(here) - of_a)
            crowded += max(0, len(here) - room.beds)
    return {"gender_mix": mixed, "room_capacity": crowded}


def _nurse_rules(instance: Instance, plan: Plan, beds: list[list[list[Lodger]]]) -> dict[str, int]:
    """Every occupied room has a nurse in every shift (uncovered_room), who works then (nurse_presence)."""
    absent = uncovered = 0
    for room, row in enumerate(plan.nurses):
        for shift, nurse in enumerate(row):
            if nurse is None:
                uncovered += bool(beds[room][shift // instance.shifts_per_day])
            else:
                absent += instance.nurses[nurse].loads[shift] is None
    return {"nurse_presence": absent, "uncovered_room": uncovered}


def _admission_wishes(instance: Instance, plan: Plan) -> dict[str, int]:
    """S7: days from release to admission. S8: optional patients who do not come."""
    pairs = list(zip(instance.patients, plan.admissions, strict=True))
    return {
        "delay": sum(max(0, a.day - p.release) for p, a in pairs if a is not None),
        "unscheduled": sum(a is None and not p.mandatory for p, a in pairs),
    }


def _theatre_wishes(instance: Instance, plan: Plan) -> dict[str, int]:
    """S5: theatres open, summed over days. S6: theatres of a surgeon on a day, beyond the first."""
    opened: set[tuple[int, int]] = set()
    visits: dict[tuple[int, int], set[int]] = {}
    for patient, admission in zip(instance.patients, plan.admissions, strict=True):
        if admission is not None:
            opened.add((admission.theatre, admission.day))
            visits.setdefault((patient.surgeon, admission.day), set()).add(admission.theatre)
    return {"open_theatre": len(opened), "surgeon_transfer": sum(len(v) - 1 for v in visits.values())}


def _age_mix(beds: list[list[list[Lodger]]]) -> int:
    """S1: per room and day the distance between the youngest and the oldest age group."""
    total = 0
    for days in beds:
        for here in days:
            ages = [lodger.person.age for lodger in here]
            total += max(ages) - min(ages) if ages else 0
    return total


def workloads(instance: Instance, plan: Plan, beds: list[list[list[Lodger]]]) -> list[list[int]]:
    """The workload of each nurse in each shift: nurses × shifts."""
    loads = [[0] * instance.shifts for _ in instance.nurses]
    for room, row in enumerate(plan.nurses):
        for shift, nurse in enumerate(row):
            if nurse is not None:
                for lodger in beds[room][shift // instance.shifts_per_day]:
                    loads[nurse][shift] += lodger.person.workload[lodger.shift_of_stay(shift, instance.shifts_per_day)]
    return loads


def carers(instance: Instance, plan: Plan, lodger: Lodger) -> set[int]:
    """The distinct nurses who care for one person inside the horizon."""
    shifts = slice(lodger.start * instance.shifts_per_day, lodger.end * instance.shifts_per_day)
    return {nurse for nurse in plan.nurses[lodger.room][shifts] if nurse is not None}


def _care_wishes(instance: Instance, plan: Plan, beds: list[list[list[Lodger]]]) -> dict[str, int]:
    """S2: missing skill levels, per person and shift. S3: nurses of each person. S4: load beyond the greatest."""
    short = 0
    for room, row in enumerate(plan.nurses):
        for shift, nurse in enumerate(row):
            if nurse is not None:
                for lodger in beds[room][shift // instance.shifts_per_day]:
                    needed = lodger.person.skill[lodger.shift_of_stay(shift, instance.shifts_per_day)]
                    short += max(0, needed - instance.nurses[nurse].skill)
    excess = 0
    for nurse_of, row_of in zip(instance.nurses, workloads(instance, plan, beds), strict=True):
        excess += sum(
            max(0, load - most) for load, most in zip(row_of, nurse_of.loads, strict=True) if most is not None
        )
    continuity = sum(len(carers(instance, plan, lodger)) for lodger in lodgers(instance, plan))
    return {"skill": short, "excess": excess, "continuity": continuity}
