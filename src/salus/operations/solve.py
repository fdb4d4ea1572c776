"""From an instance to a plan: a start and a bound by CP-SAT, then simulated annealing until the time is over.

One worker throughout. The same seed walks the same way; where the clock cuts depends on the machine, so a run that is
to be repeated exactly is limited by ``steps``, with seconds to spare. A plan is called feasible only after rules.py,
which knows nothing of the search, counted no violation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from salus.errors import InputError
from salus.operations.anneal import Annealer, Cooling
from salus.operations.blocked import Blocked, certain, explain
from salus.operations.care import CareBounds
from salus.operations.eject import admit_mandatory
from salus.operations.exact import AdmissionModel, Answer, Effort
from salus.operations.model import Admission, Instance, Plan
from salus.operations.rules import Score, score
from salus.operations.state import State

START_SHARE = 0.3
"""Of the seconds: for the start and the bound."""
WORK_PER_SECOND = 1.2
"""CP-SAT's deterministic time for each second of that share: about what an idle core does."""
STEPS_PER_WORK = 20_000
LEAST_WORK = 0.5
"""When ``steps`` are given, the start gets a unit of deterministic time for so many of them, and no less than this."""
HOTTEST = (20.0, 12.0, 6.0)
"""Temperatures at which the coolings begin; they share what is left of time or steps."""
COLDEST = 0.3
CONSTRUCTION_ROUNDS = 200_000
"""Tries to make room for a mandatory patient before that way to a start is given up."""
MAX_SECONDS = 86_400.0
MAX_CHOICES = 200_000
"""Patients times days times rooms they could have: what fits into about a gigabyte."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``seconds``: wall time. ``steps``: of annealing in all (None: as many as the time allows)."""

    seconds: float = 30.0
    seed: int = 0
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """``plan`` keeps every hard rule, or is None with ``blocked`` saying why as far as it was found out.

    ``bound``: no plan costs less (None: not known). ``proved``: that there is no plan, or none cheaper. ``stopped``:
    "steps", "time" or "optimal".
    """

    plan: Plan | None
    score: Score | None
    bound: int | None
    proved: bool
    blocked: Blocked | None
    steps: int
    stopped: str

    @property
    def gap(self) -> float | None:
        """How far above the bound the cost is, as a share of the cost; None when either is not known."""
        if self.score is None or self.bound is None:
            return None
        return (self.score.cost - self.bound) / self.score.cost if self.score.cost else 0.0


def solve(instance: Instance, settings: Settings, clock: Callable[[], float]) -> Outcome:
    """Plan within the settings. ``clock`` gives seconds from any origin.

    Raises InputError for settings out of range and for an instance with more than MAX_CHOICES. An instance that has no
    plan is no error: see Outcome.
    """
    if not 0 < settings.seconds <= MAX_SECONDS or (settings.steps is not None and settings.steps < 0):
        raise InputError("seconds or steps out of range", "settings", f"0 < seconds <= {MAX_SECONDS:.0f}, steps >= 0")
    choices = sum((patient.last - patient.release + 1) * len(patient.rooms) for patient in instance.patients)
    if choices > MAX_CHOICES:
        raise InputError(
            f"{choices} choices of day and room", "instance", f"up to {MAX_CHOICES} are planned at once: plan by wards"
        )
    end = clock() + settings.seconds
    if impossible := certain(instance):
        return _without(Blocked(tuple(impossible), (), ()), proved=True)
    bounds = CareBounds(instance)
    answer = _start(instance, bounds, settings, lambda: end - clock())
    if answer.admissions is None:
        left = max(1.0, (end - clock()) / 7)
        effort = Effort(left, left * WORK_PER_SECOND, settings.seed)
        return _without(explain(instance, bounds, effort, lambda: clock() < end), answer.status == "infeasible")
    nobody = tuple((None,) * instance.shifts for _ in instance.rooms)
    plan, steps, stopped = _annealed(
        instance, Plan(answer.admissions, nobody), answer.bound, settings, lambda: end - clock()
    )
    found = score(instance, plan)
    if found.violations:
        raise AssertionError(f"the search broke hard rules: {dict(found.hard)}")
    return Outcome(plan, found, answer.bound, found.cost == answer.bound, None, steps, stopped)


def _without(blocked: Blocked, proved: bool) -> Outcome:
    return Outcome(None, None, None, proved, blocked, 0, "time")


def _start(instance: Instance, bounds: CareBounds, settings: Settings, left: Callable[[], float]) -> Answer:
    """A first share of the time; where that gives no plan, most of the rest."""
    seconds = settings.seconds * START_SHARE
    work = seconds * WORK_PER_SECOND
    if settings.steps is not None:
        seconds, work = left() * 0.7, max(LEAST_WORK, settings.steps / STEPS_PER_WORK)
    model = AdmissionModel(instance, bounds)
    answer = model.solve(Effort(min(seconds, left()), work, settings.seed))
    if answer.status == "unknown":
        answer = replace(answer, admissions=_constructed(instance, settings, left))
    if answer.admissions is None and answer.status == "unknown" and left() > 1:
        rest = left() * 0.7
        answer = model.solve(Effort(rest, rest * WORK_PER_SECOND, settings.seed))
    return answer


def _constructed(
    instance: Instance, settings: Settings, left: Callable[[], float]
) -> tuple[Admission | None, ...] | None:
    """The mandatory patients admitted by making room for one after the other; None when that did not work out.

    Where the problem is too large for CP-SAT to find a start in its share, this does within seconds.
    """
    nobody = tuple((None,) * instance.shifts for _ in instance.rooms)
    state = State(instance, Plan((None,) * len(instance.patients), nobody))
    rounds = iter(range(CONSTRUCTION_ROUNDS))
    until = left() / 3
    random = Random(settings.seed)  # noqa: S311 - a search, not a secret
    done = admit_mandatory(state, random, lambda: next(rounds, None) is not None and left() > until)
    return state.plan().admissions if done else None


def _annealed(
    instance: Instance, plan: Plan, bound: int | None, settings: Settings, left: Callable[[], float]
) -> tuple[Plan, int, str]:
    """Cool several times, each time from the best plan; returns it, the steps done and why it ended."""
    random, best, done = Random(settings.seed), plan, 0  # noqa: S311 - a search, not a secret
    for number, hot in enumerate(HOTTEST):
        annealer = Annealer(State(instance, best), random)
        share = 1 / (len(HOTTEST) - number)
        if settings.steps is None:
            spent = _of_time(left() * share, left)
        else:
            spent = _of_steps((settings.steps - done) * share, left)
        if annealer.moves and annealer.best_cost != bound:
            done += annealer.run(Cooling(hot, COLDEST), spent)
        best = annealer.best
    if annealer.best_cost == bound:
        return best, done, "optimal"
    return best, done, "time" if settings.steps is None or done < settings.steps else "steps"


def _of_time(slice_: float, left: Callable[[], float]) -> Callable[[int], float]:
    """The share used up of a slice of time that begins now."""
    until = left() - slice_
    return lambda done: 1 - (left() - until) / slice_ if slice_ > 0 else 1.0


def _of_steps(steps: float, left: Callable[[], float]) -> Callable[[int], float]:
    """The share used up of some steps; all of it when the time is over."""
    return lambda done: done / steps if steps > 0 and left() > 0 else 1.0
