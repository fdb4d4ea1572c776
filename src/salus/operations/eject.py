"""A change that makes room: a patient comes where others are in the way, and these look for another place."""

from __future__ import annotations

from random import Random

from salus.operations.state import OUT, State

MOST_EJECTED = 4
LOOKED_AT = 4
"""Free places whose cost is compared when somebody needs a new one."""

Place = tuple[int, int, int]
"""Day, room, theatre."""


class Ejection:
    """One attempt on a state: :meth:`force`, then either keep it or :meth:`undo`."""

    def __init__(self, state: State, random: Random) -> None:
        self.state, self.random = state, random
        self.before: dict[int, Place] = {}

    def _out(self, number: int) -> int:
        state = self.state
        self.before[number] = (state.day[number], state.room[number], state.theatre[number])
        return 0 if state.day[number] == OUT else state.discharge(number)

    def undo(self) -> None:
        """Everybody back to where they were."""
        for number in self.before:
            if self.state.day[number] != OUT:
                self.state.discharge(number)
        for number, place in self.before.items():
            if place[0] != OUT:
                self.state.admit(number, *place)

    def force(self, number: int, waiting: int = 0) -> int | None:
        """Admit a patient at a random place; returns the change of cost, or None (all undone) when it cannot be.

        Of the mandatory patients who were in the way at most ``waiting`` may be left without a place.
        """
        state, random, patient = self.state, self.random, self.state.instance.patients[number]
        if not patient.rooms:
            return None
        day, room = random.randint(patient.release, patient.last), random.choice(patient.rooms)
        theatre = random.randrange(len(state.operations))
        change = self._out(number)
        made = self._make_room(number, (day, room, theatre))
        if made is None or not state.fits(number, day, room, theatre):
            self.undo()
            return None
        change += made + state.admit(number, day, room, theatre)
        ejected = sorted(
            (p for p in self.before if p != number), key=lambda p: not state.instance.patients[p].mandatory
        )
        for other in ejected:
            place = self.free_place(other)
            if place is not None:
                change += state.admit(other, *place)
            elif state.instance.patients[other].mandatory:
                waiting -= 1
                if waiting < 0:
                    self.undo()
                    return None
        return change

    def _make_room(self, number: int, place: Place) -> int | None:
        """Take out who is in the way; the change of cost, or None when somebody cannot be moved."""
        state, patient, (day, room, theatre) = self.state, self.state.instance.patients[number], place
        change = 0
        for d in range(day, min(day + patient.stay, state.days)):
            here = state.lying[room][d]
            if here and state.persons[here[0]].gender != patient.gender:
                leaving = list(here)
            elif len(here) >= state.instance.rooms[room].beds:
                leaving = [self.random.choice(here)]
            else:
                continue
            if any(other >= state.patients for other in leaving) or len(self.before) + len(leaving) > MOST_EJECTED + 1:
                return None
            change += sum(self._out(other) for other in leaving)
        return self._make_time(number, day, theatre, change)

    def _make_time(self, number: int, day: int, theatre: int, change: int) -> int | None:
        state, patient = self.state, self.state.instance.patients[number]
        while state.surgeon_left[patient.surgeon][day] < patient.duration:
            same = [p for p in self._operated(day) if state.instance.patients[p].surgeon == patient.surgeon]
            if not same or len(self.before) > MOST_EJECTED:
                return None
            change += self._out(self.random.choice(same))
        while state.theatre_left[theatre][day] < patient.duration:
            same = [p for p in self._operated(day) if state.theatre[p] == theatre]
            if not same or len(self.before) > MOST_EJECTED:
                return None
            change += self._out(self.random.choice(same))
        return change

    def _operated(self, day: int) -> list[int]:
        return [p for p in range(self.state.patients) if self.state.day[p] == day]

    def free_place(self, number: int) -> Place | None:
        """The cheapest of a few free places, drawn in random order; None when there is none."""
        state, patient = self.state, self.state.instance.patients[number]
        days = [
            day
            for day in range(patient.release, patient.last + 1)
            if state.surgeon_left[patient.surgeon][day] >= patient.duration
        ]
        beds = [(day, room) for day in days for room in patient.rooms if state.fits_in_bed(number, day, room)]
        self.random.shuffle(beds)
        best: tuple[int, Place] | None = None
        for day, room in beds[:LOOKED_AT]:
            theatres = [t for t in range(len(state.operations)) if state.theatre_left[t][day] >= patient.duration]
            for theatre in theatres:
                change = state.admit(number, day, room, theatre)
                state.discharge(number)
                if best is None or change < best[0]:
                    best = (change, (day, room, theatre))
        return best[1] if best else None


def admit_one(state: State, random: Random) -> None:
    """Try to admit a mandatory patient who is out, making room where it takes that.

    One who was in the way may wait in this one's stead: never are more of them out than before.
    """
    waiting = [p for p in range(state.patients) if state.day[p] == OUT and state.instance.patients[p].mandatory]
    if not waiting:
        return
    number = random.choice(waiting)
    place = Ejection(state, random).free_place(number)
    if place is not None:
        state.admit(number, *place)
    else:
        Ejection(state, random).force(number, waiting=1)
