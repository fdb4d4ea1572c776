"""Walks that cool side by side in two threads, and CP-SAT beside them for a bound and, where walks find none, a start.

After each cooling every walk goes on from the best plan of all. With the clock as the limit a walk ends as soon as some
plan costs no more than the bound; with steps as the limit nothing depends on which thread is quicker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from salus.operations.care import CareBounds
from salus.operations.exact import AdmissionModel, Answer, Effort
from salus.operations.model import Instance, Plan

THREADS = 2
BOUND_SHARE = 0.2
"""Of the seconds: for CP-SAT, in one of the threads."""
RESCUE_SHARE = 0.6
"""Of the seconds that are left, for CP-SAT where no walk has a plan yet."""
WORK_PER_SECOND = 1.2
"""CP-SAT's deterministic time for each second: about what an idle core does."""
STEPS_PER_WORK = 20_000
LEAST_WORK = 0.5
"""When steps are given, CP-SAT gets a unit of deterministic time for so many of them, and no less than this."""
CHOICES_PER_SECOND = 400
"""Patients times days times rooms they could have, for each second there is: with more, CP-SAT would find no bound."""
MOST_PER_SECOND = 1500
MOST_CHOICES = 200_000
"""With more there is no time to write the model, or not the memory (about a gigabyte)."""


class Walk(Protocol):
    """A plan that is changed at random, and the best that was met."""

    round: int
    """Steps between two looks at the clock."""
    best_cost: int | None

    @property
    def missing(self) -> int: ...

    def run(self, steps: int, temperature: float) -> None: ...

    def load(self, plan: Plan) -> None: ...

    def best(self) -> Plan: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Cooling:
    """From temperature ``hot`` geometrically down to ``cold``, until a share of the time or steps is used up."""

    until: float
    hot: float
    cold: float


@dataclass(frozen=True, slots=True)
class Limits:
    """``left``: seconds that are left. ``steps``: of all walks together, or None."""

    left: Callable[[], float]
    seconds: float
    steps: int | None
    seed: int


def choices(instance: Instance) -> int:
    """Patients times days times rooms they could have: the size of the model for CP-SAT."""
    return sum((patient.last - patient.release + 1) * len(patient.rooms) for patient in instance.patients)


class Team:
    """The walks of one problem. ``impossible``: CP-SAT proved that there is no plan."""

    def __init__(self, instance: Instance, walks: Sequence[Walk], limits: Limits) -> None:
        self.instance, self.walks, self.limits = instance, walks, limits
        self.bounds = CareBounds(instance)
        self.bound: int | None = None
        self.impossible = self.stopped = False
        self.offered: Plan | None = None
        """CP-SAT's plan, the roster left open."""
        self.done = [0] * len(walks)

    def leader(self) -> Walk | None:
        """The walk with the cheapest plan; None when none has a plan."""
        with_plan = [walk for walk in self.walks if walk.best_cost is not None]
        return min(with_plan, key=lambda walk: walk.best_cost or 0, default=None)

    @property
    def optimal(self) -> bool:
        """Whether a plan costs no more than the bound."""
        return any(self._no_better(walk) for walk in self.walks)

    def _no_better(self, walk: Walk) -> bool:
        return walk.best_cost is not None and self.bound is not None and walk.best_cost <= self.bound

    def search(self, coolings: Sequence[Cooling]) -> None:
        """Cool one time after the other."""
        if self.limits.steps is not None:
            self.exact(self.limits.left() * 0.7, max(LEAST_WORK, self.limits.steps / STEPS_PER_WORK))
            self.share()
        with ThreadPoolExecutor(THREADS) as pool:
            try:
                for number, cooling in enumerate(coolings):
                    if not self._over():
                        tasks = [pool.submit(self._task, i, number, cooling) for i in range(THREADS)]
                        for task in tasks:
                            task.result()
                        self.share()
            finally:
                self.stopped = True

    def _over(self) -> bool:
        return self.stopped or self.impossible or self.optimal or self.limits.left() <= 0

    def share(self) -> None:
        """Every walk to the best plan of all."""
        if self.offered:
            self.walks[-1].load(self.offered)
            self.offered = None
        if leader := self.leader():
            plan = leader.best()
            for walk in self.walks:
                walk.load(plan)

    def _task(self, thread: int, number: int, cooling: Cooling) -> None:
        """What a thread does: the last one asks CP-SAT first, where the clock is the limit."""
        if thread == THREADS - 1 and self.limits.steps is None:
            self._ask(first=number == 0)
            if self.offered and len(self.walks) == THREADS:
                self.walks[thread].load(self.offered)
        if thread < len(self.walks):
            self._cool(thread, cooling)

    def _ask(self, *, first: bool) -> None:
        seconds, size = self.limits.left(), choices(self.instance)
        if first and size <= CHOICES_PER_SECOND * seconds:
            self.exact(seconds * BOUND_SHARE, seconds * BOUND_SHARE * WORK_PER_SECOND)
        elif not first and self.leader() is None and size <= MOST_PER_SECOND * seconds:
            self.exact(seconds * RESCUE_SHARE, seconds * RESCUE_SHARE * WORK_PER_SECOND)

    def exact(self, seconds: float, work: float) -> None:
        """Ask CP-SAT for a bound and a plan with the roster left open."""
        if seconds <= 0 or choices(self.instance) > MOST_CHOICES:
            return
        answer: Answer = AdmissionModel(self.instance, self.bounds).solve(Effort(seconds, work, self.limits.seed))
        self.impossible = answer.status == "infeasible"
        if answer.bound or answer.status == "optimal":  # that nothing costs less than 0 is else no news
            self.bound = max(answer.bound or 0, self.bound or 0)
        if answer.admissions is not None:
            nobody = tuple((None,) * self.instance.shifts for _ in self.instance.rooms)
            self.offered = Plan(answer.admissions, nobody)

    def _cool(self, number: int, cooling: Cooling) -> None:
        """Cool one walk until its part of the time, or of the steps, is used up."""
        walk, start, first = self.walks[number], self.limits.left(), self.done[number]
        end, last = self.limits.seconds * (1 - cooling.until), self._steps_of(number, cooling)
        while not self._stops(walk):
            if last is None:
                share, steps = (start - self.limits.left()) / max(1e-9, start - end), walk.round
            else:
                share = (self.done[number] - first) / max(1, last - first)
                steps = min(walk.round, last - self.done[number])
            if share >= 1 or steps <= 0:
                return
            walk.run(steps, cooling.hot * (cooling.cold / cooling.hot) ** share)
            self.done[number] += steps

    def _steps_of(self, number: int, cooling: Cooling) -> int | None:
        """The steps that a walk has done when a cooling ends; None where the clock is the limit."""
        if self.limits.steps is None:
            return None
        return int((self.limits.steps + number) // len(self.walks) * cooling.until)

    def _stops(self, walk: Walk) -> bool:
        if self.limits.steps is None:
            return self._over()
        return self.stopped or self.limits.left() <= 0 or self._no_better(walk)
