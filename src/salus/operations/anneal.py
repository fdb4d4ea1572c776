"""Simulated annealing over admissions and roster together.

Every change keeps the hard rules; what is judged is the change of cost (Kirkpatrick S et al. Science 1983;220:671-680).
This is the walk in Python, for where native/kernel.c cannot be compiled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from salus.operations.eject import Ejection, admit_one
from salus.operations.model import Plan
from salus.operations.state import OUT, State


class Annealer:
    """Draws changes at random, each kind as often as its number says. ``moves`` is empty where nothing can change.

    While a mandatory patient is out, it does nothing but look for places for those.
    """

    round = 200
    """Steps between two looks at the clock."""

    def __init__(self, state: State, random: Random) -> None:
        self.state, self.random = state, random
        self.best_cost: int | None = None
        """Of the best plan met that admits every mandatory patient; None while there is none."""
        self._best = state.plan()
        self.temperature = 0.0
        self.beds = [(room, day) for room in range(len(state.lying)) for day in range(state.days)]
        nurses: list[tuple[Callable[[], None], int]] = [
            (self.another_nurse, 50),
            (self.exchange_nurses, 15),
            (self.fewer_nurses, 10),
        ]
        patients: list[tuple[Callable[[], None], int]] = [
            (self.move_patient, 20),
            (self.replace_patient, 4),
            (self.exchange_beds, 6),
            (self.make_room, 4),
        ]
        somewhere = bool(state.lying and state.patients and state.operations)
        moves = (nurses if state.lying else []) + (patients if somewhere else [])
        self.moves = [move for move, often in moves for _ in range(often)]
        self._keep()

    @property
    def cost(self) -> int:
        """Of what stands now."""
        return self.state.cost

    @property
    def missing(self) -> int:
        """Mandatory patients who are out now."""
        return self.state.missing

    def run(self, steps: int, temperature: float) -> None:
        """Walk on at a temperature."""
        self.temperature = temperature
        for _ in range(steps if self.moves else 0):
            if self.state.missing:
                admit_one(self.state, self.random)
            else:
                self.random.choice(self.moves)()
            if self.best_cost is None or self.state.cost < self.best_cost:
                self._keep()

    def _keep(self) -> None:
        """Remember what stands now as the best, if it is a plan."""
        if not self.state.missing:
            self.best_cost, self._best = self.state.cost, self.state.plan()

    def load(self, plan: Plan) -> None:
        """Go to a plan."""
        self.state = State(self.state.instance, plan)
        if self.best_cost is None or self.state.cost < self.best_cost:
            self._keep()

    def best(self) -> Plan:
        """The best plan met."""
        return self._best

    def close(self) -> None:
        """Nothing to free."""

    def accepts(self, change: int) -> bool:
        """The Metropolis criterion."""
        return change <= 0 or self.random.random() < math.exp(-change / self.temperature)

    def _stay(self) -> tuple[int, int, int] | None:
        """Somebody who lies in a bed, with the first shift of the stay and the one after the last."""
        state = self.state
        room, day = self.random.choice(self.beds)
        here = state.lying[room][day]
        if not here:
            return None
        number = self.random.choice(here)
        first = state.day[number] * state.per_day
        return number, first, min(first + state.persons[number].stay * state.per_day, state.instance.shifts)

    def another_nurse(self) -> None:
        """Another nurse for one occupied room and shift."""
        state, random = self.state, self.random
        room, day = random.choice(self.beds)
        shift = day * state.per_day + random.randrange(state.per_day)
        if state.lying[room][day] and len(state.duty[shift]) > 1:
            nurse = random.choice(state.duty[shift])
            if self.accepts(state.nurse_change(room, shift, nurse)):
                state.set_nurse(room, shift, nurse)

    def exchange_nurses(self) -> None:
        """Two rooms exchange their nurses over some days, in one shift of the day."""
        state, random = self.state, self.random
        one, other = random.randrange(len(state.lying)), random.randrange(len(state.lying))
        start, length, part = random.randrange(state.days), random.randint(1, 4), random.randrange(state.per_day)
        shifts = [d * state.per_day + part for d in range(start, min(start + length, state.days))]
        before = [(state.nurse[one][s], state.nurse[other][s]) for s in shifts]
        change = 0
        for shift, (a, b) in zip(shifts, before, strict=True):
            change += state.set_nurse(one, shift, b) + state.set_nurse(other, shift, a)
        if not self.accepts(change):
            for shift, (a, b) in zip(shifts, before, strict=True):
                state.set_nurse(one, shift, a)
                state.set_nurse(other, shift, b)

    def fewer_nurses(self) -> None:
        """One nurse of a stay hands all its shifts to others, who care for the person already where they can."""
        state, random = self.state, self.random
        stay = self._stay()
        if stay is None:
            return
        number, first, last = stay
        row, care = state.nurse[state.room[number]], state.care[number]
        gone = row[random.randrange(first, last)]
        shifts = [shift for shift in range(first, last) if row[shift] == gone and len(state.duty[shift]) > 1]
        room, change = state.room[number], 0
        for shift in shifts:
            others = [nurse for nurse in state.duty[shift] if nurse != gone]
            known = [nurse for nurse in others if care[nurse]]
            change += state.set_nurse(room, shift, random.choice(known or others))
        if not self.accepts(change):
            for shift in shifts:
                state.set_nurse(room, shift, gone)

    def _place(self, number: int) -> tuple[int, int, int] | None:
        """A day, room and theatre at random in which a patient who is out fits."""
        state, random, patient = self.state, self.random, self.state.instance.patients[number]
        for _ in range(3):
            day = random.randint(patient.release, patient.last)
            theatre = random.randrange(len(state.operations))
            if state.theatre_left[theatre][day] < patient.duration:
                continue
            if patient.rooms and state.fits(number, day, room := random.choice(patient.rooms), theatre):
                return day, room, theatre
        return None

    def _where(self, number: int) -> tuple[int, int, int]:
        return self.state.day[number], self.state.room[number], self.state.theatre[number]

    def _put(self, number: int, place: tuple[int, int, int] | None) -> int:
        return 0 if place is None or place[0] == OUT else self.state.admit(number, *place)

    def move_patient(self) -> None:
        """A patient comes on another day, to another room or theatre, comes at all, or (if optional) does not."""
        state, random = self.state, self.random
        number = random.randrange(state.patients)
        before, change = self._where(number), 0
        if before[0] != OUT:
            change = state.discharge(number)
        place = self._nearby(number, before) if before[0] != OUT and random.random() < 0.6 else self._place(number)
        if place is None and (state.instance.patients[number].mandatory or random.random() < 0.9):
            self._put(number, before)
            return
        if not self.accepts(change + self._put(number, place)):
            if place is not None:
                state.discharge(number)
            self._put(number, before)

    def _nearby(self, number: int, before: tuple[int, int, int]) -> tuple[int, int, int] | None:
        """The place of before with one of day, room and theatre changed."""
        state, random, patient = self.state, self.random, self.state.instance.patients[number]
        day, room, theatre = before
        part = random.randrange(3)
        if part == 0:
            day = random.randint(patient.release, patient.last)
        elif part == 1:
            room = random.choice(patient.rooms)
        else:
            theatre = random.randrange(len(state.operations))
        return (day, room, theatre) if state.fits(number, day, room, theatre) else None

    def replace_patient(self) -> None:
        """An optional patient who is out comes in an admitted one's stead."""
        state, random = self.state, self.random
        coming, going = random.randrange(state.patients), random.randrange(state.patients)
        place = self._where(going)
        if state.day[coming] != OUT or place[0] == OUT or state.instance.patients[going].mandatory:
            return
        change = state.discharge(going)
        if state.fits(coming, *place):
            change += state.admit(coming, *place)
            if self.accepts(change):
                return
            state.discharge(coming)
        state.admit(going, *place)

    def exchange_beds(self) -> None:
        """Two admitted patients exchange rooms, or rooms, days and theatres."""
        state, random = self.state, self.random
        one, other = random.randrange(state.patients), random.randrange(state.patients)
        here, there = self._where(one), self._where(other)
        if one == other or OUT in (here[0], there[0]):
            return
        change = state.discharge(one) + state.discharge(other)
        whole = random.random() < 0.5
        new_one = there if whole else (here[0], there[1], here[2])
        new_other = here if whole else (there[0], here[1], there[2])
        if state.fits(one, *new_one):
            change += state.admit(one, *new_one)
            if state.fits(other, *new_other):
                if self.accepts(change + state.admit(other, *new_other)):
                    return
                state.discharge(other)
            state.discharge(one)
        state.admit(one, *here)
        state.admit(other, *there)

    def make_room(self) -> None:
        """A patient comes where others are in the way."""
        number = self.random.randrange(self.state.patients)
        attempt = Ejection(self.state, self.random)
        change = attempt.force(number)
        if change is not None and not self.accepts(change):
            attempt.undo()
