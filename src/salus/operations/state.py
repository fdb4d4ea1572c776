"""A plan in the making, with its cost kept up to date by every change.

Persons are numbered patients first, then occupants. Every room has a nurse in every shift in which anybody works,
occupied or not; rooms nobody lies in cost nothing. Hard rules are asked for with :meth:`State.fits` before a patient is
put in, so a State that began without violations stays so. Plain lists: at a few beds a room they are quicker than
arrays. rules.py is the judge; tests hold this cost to it after every kind of change.
"""

from __future__ import annotations

from collections.abc import Sequence

from salus.operations.model import Admission, Instance, Plan
from salus.operations.rules import score

OUT = -1
"""Day, room and theatre of a patient who is not admitted; nurse of a shift in which nobody works."""


class State:
    """Mutable. ``cost`` is the weighted sum of unmet wishes of what stands now."""

    def __init__(self, instance: Instance, plan: Plan) -> None:
        self.instance, self.weights = instance, instance.weights
        self.per_day, self.days = instance.shifts_per_day, instance.days
        self.persons = [*instance.patients, *instance.occupants]
        self.patients = len(instance.patients)
        self.duty = [instance.on_duty(shift) for shift in range(instance.shifts)]
        self.closed = frozenset(shift // self.per_day for shift, on in enumerate(self.duty) if not on)
        self.level = [nurse.skill for nurse in instance.nurses]
        self.most = [[most or 0 for most in nurse.loads] for nurse in instance.nurses]
        self.load = [[0] * instance.shifts for _ in instance.nurses]
        self.nurse = [self._full(row) for row in plan.nurses]
        self.care = [[0] * len(instance.nurses) for _ in self.persons]
        """Shifts in which a nurse cares for a person: persons × nurses."""
        self.lying: list[list[list[int]]] = [[[] for _ in range(self.days)] for _ in instance.rooms]
        self.day, self.room = [OUT] * len(self.persons), [OUT] * len(self.persons)
        self.theatre = [OUT] * self.patients
        self.theatre_left = [list(theatre.minutes) for theatre in instance.theatres]
        self.surgeon_left = [list(surgeon.minutes) for surgeon in instance.surgeons]
        self.operations = [[0] * self.days for _ in instance.theatres]
        self.visits = [[[0] * len(instance.theatres) for _ in range(self.days)] for _ in instance.surgeons]
        self.missing = sum(patient.mandatory for patient in instance.patients)
        """Mandatory patients who are out; they cost nothing here, but what stands is no plan while there are any."""
        self.cost = self.weights.unscheduled * sum(not patient.mandatory for patient in instance.patients)
        for number, occupant in enumerate(instance.occupants, self.patients):
            self._lie(number, 0, occupant.room)
        for number, admission in enumerate(plan.admissions):
            if admission is not None:
                self.admit(number, admission.day, admission.room, admission.theatre)

    def _full(self, row: Sequence[int | None]) -> list[int]:
        """A nurse for every shift: the plan's where it names one, else the first who works."""
        return [(on[0] if on else OUT) if nurse is None else nurse for nurse, on in zip(row, self.duty, strict=True)]

    def fits(self, number: int, day: int, room: int, theatre: int) -> bool:
        """Whether a patient who is out can come so without breaking a hard rule."""
        patient = self.instance.patients[number]
        if not patient.release <= day <= patient.last or self.surgeon_left[patient.surgeon][day] < patient.duration:
            return False
        return self.theatre_left[theatre][day] >= patient.duration and self.fits_in_bed(number, day, room)

    def fits_in_bed(self, number: int, day: int, room: int) -> bool:
        """Whether there is a bed in a room that suits, with the same gender group, for the whole stay."""
        patient = self.instance.patients[number]
        if room not in patient.rooms:
            return False
        beds, lying, persons = self.instance.rooms[room].beds, self.lying[room], self.persons
        for d in range(day, min(day + patient.stay, self.days)):
            here = lying[d]
            if d in self.closed or len(here) >= beds or (here and persons[here[0]].gender != patient.gender):
                return False
        return True

    def admit(self, number: int, day: int, room: int, theatre: int) -> int:
        """Put in a patient who is out; returns the change of cost. Hard rules are the caller's to ask for."""
        before, patient, weights = self.cost, self.instance.patients[number], self.weights
        if patient.mandatory:
            self.missing -= 1
        else:
            self.cost -= weights.unscheduled
        self.cost += weights.delay * max(0, day - patient.release)
        self.theatre[number] = theatre
        self.theatre_left[theatre][day] -= patient.duration
        self.surgeon_left[patient.surgeon][day] -= patient.duration
        if self.operations[theatre][day] == 0:
            self.cost += weights.open_theatre
        self.operations[theatre][day] += 1
        visits = self.visits[patient.surgeon][day]
        if visits[theatre] == 0 and any(visits):
            self.cost += weights.surgeon_transfer
        visits[theatre] += 1
        self._lie(number, day, room)
        return self.cost - before

    def discharge(self, number: int) -> int:
        """Take a patient out of the plan; returns the change of cost. ``admit`` undoes it."""
        before, patient, weights = self.cost, self.instance.patients[number], self.weights
        day, theatre = self.day[number], self.theatre[number]
        if patient.mandatory:
            self.missing += 1
        else:
            self.cost += weights.unscheduled
        self.cost -= weights.delay * max(0, day - patient.release)
        self.theatre[number] = OUT
        self.theatre_left[theatre][day] += patient.duration
        self.surgeon_left[patient.surgeon][day] += patient.duration
        self.operations[theatre][day] -= 1
        if self.operations[theatre][day] == 0:
            self.cost -= weights.open_theatre
        visits = self.visits[patient.surgeon][day]
        visits[theatre] -= 1
        if visits[theatre] == 0 and any(visits):
            self.cost -= weights.surgeon_transfer
        self._leave(number)
        return self.cost - before

    def _spread(self, here: list[int]) -> int:
        ages = [self.persons[number].age for number in here]
        return max(ages) - min(ages) if len(ages) > 1 else 0

    def _lie(self, number: int, day: int, room: int) -> None:
        """Beds and care of a stay: S1 to S4."""
        self.day[number], self.room[number] = day, room
        person, lying = self.persons[number], self.lying[room]
        mix = 0
        for d in range(day, min(day + person.stay, self.days)):
            here = lying[d]
            mix -= self._spread(here)
            here.append(number)
            mix += self._spread(here)
        self.cost += self.weights.age_mix * mix + self._care_for(number, 1)

    def _leave(self, number: int) -> None:
        person, lying, day = self.persons[number], self.lying[self.room[number]], self.day[number]
        self.cost += self._care_for(number, -1)
        mix = 0
        for d in range(day, min(day + person.stay, self.days)):
            here = lying[d]
            mix -= self._spread(here)
            here.remove(number)
            mix += self._spread(here)
        self.cost += self.weights.age_mix * mix
        self.day[number] = self.room[number] = OUT

    def _care_for(self, number: int, sign: int) -> int:
        """Begin (1) or end (-1) the care of a whole stay; returns the change of cost."""
        person, care = self.persons[number], self.care[number]
        row, level, load, most = self.nurse[self.room[number]], self.level, self.load, self.most
        first = self.day[number] * self.per_day
        last = min(first + person.stay * self.per_day, self.instance.shifts)
        short = beyond = 0
        for shift in range(first, last):
            nurse = row[shift]
            if nurse == OUT:
                continue
            care[nurse] += sign
            lack = person.skill[shift - first] - level[nurse]
            if lack > 0:
                short += lack
            old = load[nurse][shift] - most[nurse][shift]
            new = old + sign * person.workload[shift - first]
            load[nurse][shift] = new + most[nurse][shift]
            beyond += (new if new > 0 else 0) - (old if old > 0 else 0)
        weights = self.weights
        nurses = len({nurse for nurse in row[first:last] if nurse != OUT})
        return sign * (weights.skill * short + weights.continuity * nurses) + weights.excess * beyond

    def nurse_change(self, room: int, shift: int, nurse: int) -> int:
        """What it would cost to give a room in one shift to another nurse who works then. Changes nothing."""
        old, day = self.nurse[room][shift], shift // self.per_day
        if old in (nurse, OUT):
            return 0
        short = units = total = 0
        old_level, new_level = self.level[old], self.level[nurse]
        for number in self.lying[room][day]:
            person, care = self.persons[number], self.care[number]
            at = shift - self.day[number] * self.per_day
            needed = person.skill[at]
            if needed > new_level:
                short += needed - new_level
            if needed > old_level:
                short -= needed - old_level
            total += person.workload[at]
            units += (care[nurse] == 0) - (care[old] == 1)
        free_old = self.load[old][shift] - self.most[old][shift]
        free_new = self.load[nurse][shift] - self.most[nurse][shift]
        beyond = max(0, free_old - total) - max(0, free_old) + max(0, free_new + total) - max(0, free_new)
        return self.weights.skill * short + self.weights.continuity * units + self.weights.excess * beyond

    def set_nurse(self, room: int, shift: int, nurse: int) -> int:
        """Give a room in one shift to a nurse who works then; returns the change of cost."""
        old, day = self.nurse[room][shift], shift // self.per_day
        if old in (nurse, OUT):
            return 0
        change = self.nurse_change(room, shift, nurse)
        total = 0
        for number in self.lying[room][day]:
            self.care[number][old] -= 1
            self.care[number][nurse] += 1
            total += self.persons[number].workload[shift - self.day[number] * self.per_day]
        self.load[old][shift] -= total
        self.load[nurse][shift] += total
        self.nurse[room][shift] = nurse
        self.cost += change
        return change

    def plan(self) -> Plan:
        """What stands now. Rooms and days nobody lies in name no nurse."""
        admissions = tuple(
            None if self.day[p] == OUT else Admission(self.day[p], self.room[p], self.theatre[p])
            for p in range(self.patients)
        )
        nurses = tuple(
            tuple(
                nurse if nurse != OUT and self.lying[room][shift // self.per_day] else None
                for shift, nurse in enumerate(row)
            )
            for room, row in enumerate(self.nurse)
        )
        return Plan(admissions, nurses)

    def agrees(self) -> bool:
        """Whether the running cost is what the rules count."""
        return score(self.instance, self.plan()).cost == self.cost
