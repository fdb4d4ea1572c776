"""The operations wing at the service of commands and pages: files in, a plan or a forecast out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from salus.errors import InputError
from salus.operations.read import MAX_BYTES, read_instance, read_plan, write_plan
from salus.private_files import write_private

if TYPE_CHECKING:
    from salus.operations.forecast import Forecast
    from salus.operations.model import Instance, Plan
    from salus.operations.reasons import Reason
    from salus.operations.rules import Score
    from salus.operations.solve import Outcome

NOTE = "A proposal for the people who run the house; they decide. Never a reason to withhold or ration care."


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path.stat().st_size} bytes", path.name, f"at most {MAX_BYTES} are read")
    return path.read_bytes()


def instance(path: Path) -> Instance:
    """The instance in a file."""
    try:
        return read_instance(_bytes(path))
    except InputError as error:
        raise error.at(path.name) from error


def plan(path: Path, problem: Instance) -> Plan:
    """The plan in a file, for an instance."""
    try:
        return read_plan(_bytes(path), problem)
    except InputError as error:
        raise error.at(path.name) from error


def judged(problem: Instance, made: Plan) -> Score:
    """Hard violations and the cost of unmet wishes."""
    from salus.operations.rules import score

    return score(problem, made)


def planned(problem: Instance, seconds: float, seed: int = 0, steps: int | None = None) -> Outcome:
    """A plan within ``seconds``; with ``steps`` and seconds to spare, the same on every run."""
    from salus.operations.solve import Settings, solve

    return solve(problem, Settings(seconds, seed, steps), time.monotonic)


def written(problem: Instance, made: Plan, out: Path) -> None:
    """The plan to a file."""
    write_private(out, write_plan(problem, made))


def unmet(problem: Instance, made: Plan) -> list[Reason]:
    """Every unmet wish with its reason, the dearest first. Raises InputError for a plan with hard violations."""
    from salus.operations.reasons import reasons

    if judged(problem, made).violations:
        raise InputError("the plan breaks hard rules", remedy="reasons are given for plans that keep them")
    return reasons(problem, made)


def forecasts(history: Path, days: int, seed: int = 0) -> tuple[list[Forecast], list[InputError]]:
    """One forecast a series of a CSV table, and why there is none for the others."""
    from salus.operations.forecast import forecast
    from salus.operations.history import read_history

    found, refused = [], []
    try:
        with history.open(encoding="utf-8-sig", newline="") as stream:
            series = read_history(stream, history.name)
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", history.name) from error
    for one in series:
        try:
            found.append(forecast(one, days, seed))
        except InputError as error:
            refused.append(error)
    return found, refused
