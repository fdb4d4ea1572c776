"""Commands of the operations wing. They read files of a house's rooms and duty times, never a patient's record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from salus.operations.blocked import Blocked
    from salus.operations.forecast import Day, Forecast
    from salus.operations.model import Instance, Plan
    from salus.operations.rules import Score
    from salus.operations.solve import Outcome

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW = click.Path(dir_okay=False, path_type=Path)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
SHOWN = 20
"""Reasons told without --all."""


@click.group()
def operations() -> None:
    """Plan admissions, theatres, rooms and nurses together; forecast demand."""


def _said(value: Any) -> None:
    import orjson

    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


@operations.command("plan")
@click.argument("instance", type=FILE)
@click.option("--out", type=NEW, required=True, help="Write the plan here (JSON).")
@click.option("--seconds", type=click.FloatRange(1, 86_400), default=30.0, show_default=True, help="Wall time.")
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="The same seed walks the same way."
)
@click.option("--steps", type=click.IntRange(0), help="End after so many steps: repeatable when seconds are to spare.")
@click.option("--all", "every", is_flag=True, help=f"Every unmet wish, not only the {SHOWN} dearest.")
@AS_JSON
@click.pass_context
def plan(
    ctx: click.Context,
    instance: Path,
    out: Path,
    seconds: float,
    seed: int,
    steps: int | None,
    every: bool,
    as_json: bool,
) -> None:
    """Plan INSTANCE: no hard rule broken, as few unmet wishes as the time allows, and the reason for each."""
    from salus.operations import files as wing

    problem = wing.instance(instance)
    outcome = wing.planned(problem, seconds, seed, steps)
    if outcome.plan is None or outcome.score is None:
        _no_plan(outcome, as_json)
        ctx.exit(1)
    wing.written(problem, outcome.plan, out)
    if as_json:
        _said(_json(problem, outcome.plan, outcome.score) | {"bound": outcome.bound, "stopped": outcome.stopped})
        return
    _tell(problem, outcome.plan, outcome.score, every)
    if outcome.proved:
        click.echo("No plan costs less.")
    elif outcome.gap is not None:
        click.echo(f"No plan costs less than {outcome.bound}: at most {outcome.gap:.1%} could be saved.")
    click.echo(f"{out} holds the plan. {wing.NOTE}")


def _no_plan(outcome: Outcome, as_json: bool) -> None:
    blocked: Blocked | None = outcome.blocked
    sentences = blocked.sentences() if blocked else []
    if as_json:
        _said({"plan": None, "proved": outcome.proved, "blocked": sentences})
    what = "there is no feasible plan" if outcome.proved else "no feasible plan found"
    click.echo(f"salus: {what}: {'; '.join(sentences)}", err=True)


def _tell(problem: Instance, made: Plan, score: Score, every: bool) -> None:
    from salus.operations import files as wing

    parts = ", ".join(f"{name} {cost}" for name, cost in score.costs.items())
    click.echo(f"Cost {score.cost} ({parts}); hard violations {score.violations}.")
    if score.violations:
        click.echo("Broken: " + ", ".join(f"{name} {n}" for name, n in score.hard.items() if n))
        return
    found = wing.unmet(problem, made)
    for reason in found if every else found[:SHOWN]:
        click.echo(f"  {reason.cost:6}  {reason.wish}: {reason.sentence}")
    if len(found) > SHOWN and not every:
        click.echo(f"  and {len(found) - SHOWN} more unmet wishes (--all)")


def _json(problem: Instance, made: Plan, score: Score) -> dict[str, Any]:
    from dataclasses import asdict

    from salus.operations import files as wing

    unmet = [] if score.violations else [asdict(reason) for reason in wing.unmet(problem, made)]
    return {
        "cost": score.cost,
        "costs": dict(score.costs),
        "violations": score.violations,
        "hard": dict(score.hard),
        "unmet": unmet,
    }


@operations.command("check")
@click.argument("instance", type=FILE)
@click.argument("solution", type=FILE)
@click.option("--all", "every", is_flag=True, help=f"Every unmet wish, not only the {SHOWN} dearest.")
@AS_JSON
@click.pass_context
def check(ctx: click.Context, instance: Path, solution: Path, every: bool, as_json: bool) -> None:
    """Count the hard violations and the cost of SOLUTION, a plan for INSTANCE; status 1 when a rule is broken."""
    from salus.operations import files as wing

    problem = wing.instance(instance)
    made = wing.plan(solution, problem)
    score = wing.judged(problem, made)
    if as_json:
        _said(_json(problem, made, score))
    else:
        _tell(problem, made, score, every)
    ctx.exit(1 if score.violations else 0)


@operations.command("forecast")
@click.argument("history", type=FILE)
@click.option("--days", type=click.IntRange(1, 90), default=7, show_default=True, help="How many days ahead.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the simulated intervals.")
@AS_JSON
@click.pass_context
def forecast(ctx: click.Context, history: Path, days: int, seed: int, as_json: bool) -> None:
    """Forecast daily admissions from HISTORY (CSV: date, admissions, and columns that tell series apart)."""
    from dataclasses import asdict

    from salus.operations import files as wing

    found, refused = wing.forecasts(history, days, seed)
    for error in refused:
        click.echo(f"salus: {error}", err=True)
    if as_json:
        _said([asdict(one) for one in found])
    else:
        for one in found:
            _tell_forecast(one)
    ctx.exit(0 if found else 1)


def _tell_forecast(found: Forecast) -> None:
    click.echo(f"{found.series}: expected admissions (80 % interval; 95 % interval)")
    for day in found.days:
        click.echo(f"  {day.date:%a %Y-%m-%d}  {_line(day)}")
    click.echo(f"  all {len(found.days)} days    {_line(found.total)}")
    for warning in found.warnings:
        click.echo(f"  note: {warning}")


def _line(day: Day) -> str:
    (low, high), (least, most) = day.interval_80, day.interval_95
    return f"{day.expected:6.1f}  ({low} to {high}; {least} to {most})"
