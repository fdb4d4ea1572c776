"""Admissions, rooms and theatres as one CP-SAT model, the nurses' roster bounded by care.py.

Variables: x[patient, day, room] and y[patient, day, theatre]. The model is a relaxation of the whole problem in the
nurses only, so its bound is a bound on the whole cost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from salus.errors import ConfigurationError
from salus.operations.care import CareBounds
from salus.operations.model import Admission, Instance, Person

try:
    from ortools.sat.python import cp_model
except ImportError as error:
    raise ConfigurationError(
        "planning needs OR-Tools, which is not installed", remedy='pip install "salus[operations]"'
    ) from error

RULES = ("rooms that suit", "beds", "gender groups", "theatre minutes", "surgeon minutes", "nurses on duty")
"""What a model may be asked to leave out, to find out which rule stands in the way."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long one model may be worked on: wall seconds, CP-SAT's deterministic time, and the seed."""

    seconds: float
    work: float
    seed: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What CP-SAT found. ``status``: "optimal", "feasible", "infeasible" or "unknown"."""

    status: str
    admissions: tuple[Admission | None, ...] | None
    cost: int | None
    """The objective of the model: without the roster's cost above the bounds when the roster was bounded."""
    bound: int | None
    """No plan costs less."""
    work: float
    """Deterministic time used."""


def run_solver(model: cp_model.CpModel, effort: Effort) -> tuple[str, cp_model.CpSolver]:
    """Work on a model with one worker, so that the same seed and work give the same answer."""
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = effort.seed
    solver.parameters.max_time_in_seconds = max(0.1, effort.seconds)
    solver.parameters.max_deterministic_time = effort.work
    solver.parameters.linearization_level = 2  # the linear relaxation is what makes the bounds good here
    status = solver.solve(model)
    names = {
        cp_model.OPTIMAL: "optimal",
        cp_model.FEASIBLE: "feasible",
        cp_model.INFEASIBLE: "infeasible",
    }
    return names.get(status, "unknown"), solver


class AdmissionModel:
    """One model; what nurses cost enters through the bounds of care.py. ``without``: rules to leave out.

    ``droppable``: mandatory patients may stay out, at ``DROP`` each (to see who cannot be placed).
    """

    DROP = 10_000_000

    def __init__(
        self,
        instance: Instance,
        bounds: CareBounds,
        *,
        without: Collection[str] = (),
        droppable: bool = False,
    ) -> None:
        self.instance, self.bounds = instance, bounds
        self.without, self.droppable = frozenset(without), droppable
        self.model = cp_model.CpModel()
        self.x: dict[tuple[int, int, int], Any] = {}
        self.y: dict[tuple[int, int, int], Any] = {}
        self.terms: list[Any] = []
        """Weighted terms of the objective."""
        self.constant = 0
        self._lying: dict[tuple[int, int], list[tuple[Person, int, Any]]] = {}
        """By room and day: person, day of admission, and the variable (or 1) that says the person is there."""
        for occupant in instance.occupants:
            self._lie(occupant, occupant.room, 0, 1)
            self.constant += bounds.cost(occupant, 0)
        for patient in range(len(instance.patients)):
            self._place(patient)
        self._rooms()
        self._theatres()
        self._surgeons()
        self._excess()
        self.model.minimize(sum(self.terms) + self.constant)

    def _lie(self, person: Person, room: int, start: int, there: Any) -> None:
        for day in range(start, min(start + person.stay, self.instance.days)):
            self._lying.setdefault((room, day), []).append((person, start, there))

    def _place(self, number: int) -> None:
        """At most one day and room, and with it one theatre."""
        patient, model, weights = self.instance.patients[number], self.model, self.instance.weights
        rooms = range(len(self.instance.rooms)) if "rooms that suit" in self.without else patient.rooms
        mine = []
        for day in range(patient.release, patient.last + 1):
            stay = range(day, min(day + patient.stay, self.instance.days))
            if "nurses on duty" not in self.without and any(d in self.bounds.closed for d in stay):
                continue
            theatres = [t for t in range(len(self.instance.theatres)) if self._fits(patient.duration, day, t)]
            if not theatres or not self._operates(patient.surgeon, patient.duration, day):
                continue
            here = [model.new_bool_var(f"x{number}_{day}_{room}") for room in rooms]
            for room, var in zip(rooms, here, strict=True):
                self.x[number, day, room] = var
                self._lie(patient, room, day, var)
                cost = weights.delay * (day - patient.release) + self.bounds.cost(patient, day)
                self.terms.append((cost - weights.unscheduled * (not patient.mandatory)) * var)
            operated = [model.new_bool_var(f"y{number}_{day}_{theatre}") for theatre in theatres]
            self.y |= {(number, day, t): var for t, var in zip(theatres, operated, strict=True)}
            model.add(sum(operated) == sum(here))
            mine += here
        if not patient.mandatory:
            self.constant += weights.unscheduled
            model.add_at_most_one(mine)
        elif self.droppable:
            out = model.new_bool_var(f"out{number}")
            self.terms.append(self.DROP * out)
            model.add_exactly_one([*mine, out])
        else:
            model.add_exactly_one(mine)

    def _fits(self, duration: int, day: int, theatre: int) -> bool:
        return "theatre minutes" in self.without or duration <= self.instance.theatres[theatre].minutes[day]

    def _operates(self, surgeon: int, duration: int, day: int) -> bool:
        return "surgeon minutes" in self.without or duration <= self.instance.surgeons[surgeon].minutes[day]

    def _rooms(self) -> None:
        """H1, H7 and S1 per room and day; a room's gender group is one Boolean."""
        model, groups = self.model, len(self.instance.age_groups)
        for (room, day), lying in self._lying.items():
            beds = self.instance.rooms[room].beds
            of_a = [v for person, _, v in lying if person.gender == "A"]
            of_b = [v for person, _, v in lying if person.gender == "B"]
            if "beds" in self.without:
                beds = len(lying)
            if "gender groups" in self.without or not of_a or not of_b:
                model.add(sum(of_a) + sum(of_b) <= beds)
            else:
                is_a = model.new_bool_var(f"a{room}_{day}")
                model.add(sum(of_a) <= beds * is_a)
                model.add(sum(of_b) <= beds - beds * is_a)
            if self.instance.weights.age_mix:
                for cut in range(groups - 1):
                    self._age_cut(lying, cut, beds)

    def _age_cut(self, lying: list[tuple[Person, int, Any]], cut: int, beds: int) -> None:
        """One unit of S1 where both sides of a cut between age groups lie in the room."""
        sides: list[Any] = []
        for older in (False, True):
            there = [v for person, _, v in lying if (person.age > cut) == older]
            if not there:
                return
            if any(isinstance(v, int) for v in there):
                sides.append(1)
                continue
            side = self.model.new_bool_var("")
            self.model.add(sum(there) <= min(beds, len(there)) * side)
            sides.append(side)
        both = self.model.new_bool_var("")
        self.model.add(both >= sum(sides) - 1)
        self.terms.append(self.instance.weights.age_mix * both)

    def _theatres(self) -> None:
        """H4 and S5."""
        used: dict[tuple[int, int], list[tuple[int, Any]]] = {}
        for (number, day, theatre), var in self.y.items():
            used.setdefault((theatre, day), []).append((self.instance.patients[number].duration, var))
        for (theatre, day), pairs in used.items():
            minutes = self.instance.theatres[theatre].minutes[day]
            opened = self.model.new_bool_var(f"open{theatre}_{day}")
            self.terms.append(self.instance.weights.open_theatre * opened)
            for _, var in pairs:
                self.model.add(var <= opened)
            if "theatre minutes" not in self.without:
                self.model.add(sum(d * var for d, var in pairs) <= minutes * opened)

    def _surgeons(self) -> None:
        """H3 and S6."""
        days: dict[tuple[int, int], dict[int, list[tuple[int, Any]]]] = {}
        for (number, day, theatre), var in self.y.items():
            patient = self.instance.patients[number]
            days.setdefault((patient.surgeon, day), {}).setdefault(theatre, []).append((patient.duration, var))
        for (surgeon, day), theatres in days.items():
            pairs = [pair for group in theatres.values() for pair in group]
            if "surgeon minutes" not in self.without:
                minutes = self.instance.surgeons[surgeon].minutes[day]
                self.model.add(sum(d * var for d, var in pairs) <= minutes)
            if len(theatres) > 1 and self.instance.weights.surgeon_transfer:
                visits = []
                for theatre, group in theatres.items():
                    visit = self.model.new_bool_var(f"visit{surgeon}_{day}_{theatre}")
                    visits.append(visit)
                    for _, var in group:
                        self.model.add(var <= visit)
                beyond = self.model.new_int_var(0, len(visits), "")
                self.model.add(beyond >= sum(visits) - 1)
                self.terms.append(self.instance.weights.surgeon_transfer * beyond)

    def _excess(self) -> None:
        """S4 over all nurses of a shift together (a bound)."""
        instance, weight = self.instance, self.instance.weights.excess
        if not weight:
            return
        loads: dict[int, list[tuple[int, Any]]] = {}
        for (_, day), lying in self._lying.items():
            for shift in range(day * instance.shifts_per_day, (day + 1) * instance.shifts_per_day):
                loads.setdefault(shift, []).extend(
                    (p.workload[shift - start * instance.shifts_per_day], v) for p, start, v in lying
                )
        for shift, pairs in loads.items():
            most = sum(instance.nurses[n].loads[shift] or 0 for n in instance.on_duty(shift))
            top = sum(load for load, _ in pairs) - most
            if top > 0:
                beyond = self.model.new_int_var(0, top, "")
                self.model.add(beyond >= sum(load * v for load, v in pairs) - most)
                self.terms.append(weight * beyond)

    def solve(self, effort: Effort) -> Answer:
        """Work on the model within the effort."""
        status, solver = run_solver(self.model, effort)
        work = solver.response_proto.deterministic_time
        bound = None if status in ("infeasible", "unknown") and not solver.best_objective_bound else _up(solver)
        if status not in ("optimal", "feasible"):
            return Answer(status, None, None, bound if status == "unknown" else None, work)
        admissions = self._read(lambda var: bool(solver.value(var)))
        return Answer(status, admissions, round(solver.objective_value), bound, work)

    def _read(self, true: Callable[[Any], bool]) -> tuple[Admission | None, ...]:
        found: dict[int, Admission] = {}
        rooms = {(p, d): r for (p, d, r), var in self.x.items() if true(var)}
        for (number, day, theatre), var in self.y.items():
            if true(var):
                found[number] = Admission(day, rooms[number, day], theatre)
        return tuple(found.get(p) for p in range(len(self.instance.patients)))


def _up(solver: cp_model.CpSolver) -> int:
    """The bound rounded up: costs are whole numbers. The margin is for the solver's own rounding."""
    from math import ceil

    return ceil(solver.best_objective_bound - 1e-6)
