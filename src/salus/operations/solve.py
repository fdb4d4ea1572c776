"""From an instance to a plan: simulated annealing in two threads, and CP-SAT for a bound, until the time is over.

The walks are compiled where there is a C compiler (native.py), else there is one in Python (anneal.py). The same seed
walks the same way; where the clock cuts depends on the machine, so a run that is to be repeated exactly is limited by
``steps``, with seconds to spare. A plan is called feasible only after rules.py, which knows nothing of the search,
counted no violation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from salus.errors import InputError
from salus.operations.anneal import Annealer
from salus.operations.blocked import Blocked, certain, explain
from salus.operations.exact import Effort
from salus.operations.model import Instance, Plan
from salus.operations.native import NativeWalk, compiled, suits
from salus.operations.rules import Score, score
from salus.operations.state import State
from salus.operations.team import (
    MOST_CHOICES,
    THREADS,
    WORK_PER_SECOND,
    Cooling,
    Limits,
    Team,
    Walk,
    choices,
)

COOLINGS = (Cooling(0.75, 25.0, 0.4), Cooling(1.0, 3.0, 0.3))
"""Of the compiled walks."""
COOLINGS_IN_PYTHON = (Cooling(0.4, 20.0, 0.3), Cooling(0.7, 12.0, 0.3), Cooling(1.0, 6.0, 0.3))
COMPILE_SHARE = 0.4
"""Of the seconds: the longest to wait for the compiler, which an idle core needs about one second for."""
MAX_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Settings:
    """``seconds``: wall time. ``steps``: of annealing in all (None: as many as the time allows). ``compiled``: use the
    kernel of native.py where there is a C compiler."""

    seconds: float = 30.0
    seed: int = 0
    steps: int | None = None
    compiled: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """``plan`` keeps every hard rule, or is None with ``blocked`` saying why as far as it was found out.

    ``bound``: no plan costs less (None: not known). ``proved``: that there is no plan, or none cheaper. ``stopped``:
    "steps", "time" or "optimal". ``search_cost``: the cost of the plan as the search kept count of it; anything but
    ``score.cost`` is a defect of the search. ``compiled``: whether the walks were the compiled ones.
    """

    plan: Plan | None
    score: Score | None
    bound: int | None
    proved: bool
    blocked: Blocked | None
    steps: int
    stopped: str
    search_cost: int | None = None
    compiled: bool = False

    @property
    def gap(self) -> float | None:
        """How far above the bound the cost is, as a share of the cost; None when either is not known."""
        if self.score is None or self.bound is None:
            return None
        return (self.score.cost - self.bound) / self.score.cost if self.score.cost else 0.0


def solve(instance: Instance, settings: Settings, clock: Callable[[], float]) -> Outcome:
    """Plan within the settings. ``clock`` gives seconds from any origin.

    Raises InputError for settings out of range. An instance that has no plan is no error: see Outcome.
    """
    if not 0 < settings.seconds <= MAX_SECONDS or (settings.steps is not None and settings.steps < 0):
        raise InputError("seconds or steps out of range", "settings", f"0 < seconds <= {MAX_SECONDS:.0f}, steps >= 0")
    end = clock() + settings.seconds
    if impossible := certain(instance):
        return _without(Blocked(tuple(impossible), (), ()), proved=True)
    limits = Limits(lambda: end - clock(), settings.seconds, settings.steps, settings.seed)
    library = compiled(settings.seconds * COMPILE_SHARE) if settings.compiled and suits(instance) else None
    walks: list[Walk] = []
    try:
        if library:
            walks += [NativeWalk(library, instance, THREADS * settings.seed + i) for i in range(THREADS)]
        else:
            walks.append(_walk_in_python(instance, settings.seed))
        team = Team(instance, walks, limits)
        team.search(COOLINGS if library else COOLINGS_IN_PYTHON)
        leader = team.leader()
        if leader is None:
            return _explained(team, settings)
        return _outcome(team, leader.best(), leader.best_cost, library is not None)
    finally:
        for walk in walks:
            walk.close()


def _walk_in_python(instance: Instance, seed: int) -> Walk:
    nobody = tuple((None,) * instance.shifts for _ in instance.rooms)
    random = Random(seed)  # noqa: S311 - a search, not a secret
    return Annealer(State(instance, Plan((None,) * len(instance.patients), nobody)), random)


def _outcome(team: Team, plan: Plan, search_cost: int | None, in_c: bool) -> Outcome:
    found = score(team.instance, plan)
    if found.violations:
        raise AssertionError(f"the search broke hard rules: {dict(found.hard)}")
    steps, wanted = sum(team.done), team.limits.steps
    optimal = found.cost == team.bound
    stopped = "optimal" if optimal else "steps" if wanted is not None and steps >= wanted else "time"
    return Outcome(plan, found, team.bound, optimal, None, steps, stopped, search_cost, in_c)


def _explained(team: Team, settings: Settings) -> Outcome:
    """No plan: which patients are left and which rules stand in the way, as far as time and size allow."""
    if choices(team.instance) > MOST_CHOICES:
        return _without(Blocked((), (), ()), team.impossible)
    left = max(1.0, team.limits.left() / 7)
    effort = Effort(left, left * WORK_PER_SECOND, settings.seed)
    return _without(explain(team.instance, team.bounds, effort, lambda: team.limits.left() > 0), team.impossible)


def _without(blocked: Blocked, proved: bool) -> Outcome:
    return Outcome(None, None, None, proved, blocked, 0, "time")
