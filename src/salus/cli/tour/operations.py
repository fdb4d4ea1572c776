"""Operations: a small ward planned as a whole, each unmet wish with its reason, and admissions forecast."""

from __future__ import annotations

from pathlib import Path

from salus.cli.tour.slice import Slice, Stage

STEPS = 90_000
SECONDS = 15.0
"""Never reached on an idle machine: the steps end it."""


def run(stage: Stage) -> str:
    """Plan, check the written plan again, explain, forecast; raise when any of it is not as it must be."""
    from salus.app.demo import examples_root

    folder = examples_root() / "tour" / "operations"
    return f"{_planned(folder, stage.folder)}; {_forecast(folder)}"


def _planned(folder: Path, scratch: Path) -> str:
    from salus.operations import files as wing

    ward = wing.instance(folder / "ward.json")
    outcome = wing.planned(ward, SECONDS, steps=STEPS)
    if outcome.plan is None:
        raise AssertionError("no feasible plan found")
    out = scratch / "ward_plan.json"
    wing.written(ward, outcome.plan, out)
    made = wing.plan(out, ward)
    score, unmet = wing.judged(ward, made), wing.unmet(ward, made)
    if score.violations or outcome.bound is None or score.cost < outcome.bound:
        raise AssertionError(f"{score.violations} hard violations, cost {score.cost}, bound {outcome.bound}")
    if sum(reason.wish == "unscheduled" for reason in unmet) != score.wishes["unscheduled"]:
        raise AssertionError("a patient who is not admitted has no reason")
    admitted = sum(admission is not None for admission in made.admissions)
    return (
        f"{admitted} of {len(ward.patients)} patients planned over {ward.days} days at cost {score.cost} (no plan "
        f"costs less than {outcome.bound}), hard violations 0, {len(unmet)} unmet wishes with reasons "
        f"({unmet[0].sentence})"
    )


def _forecast(folder: Path) -> str:
    from salus.operations import files as wing

    found, refused = wing.forecasts(folder / "history.csv", 7)
    if refused or len(found) != 2:
        raise AssertionError(f"{len(found)} forecasts, {len(refused)} refused")
    told = [
        f"{one.series} {one.total.expected:.0f} (95 % {one.total.interval_95[0]} to {one.total.interval_95[1]})"
        for one in found
    ]
    return f"admissions of the next week: {', '.join(told)}"


SLICE = Slice(
    name="operations",
    title="Operations",
    says="admissions, theatres, rooms and nurses of a planning competition planned together within a minute",
    capabilities=("operations.planning",),
    also="reasons for unmet wishes, demand with intervals",
    also_capabilities=("operations.forecast",),
    run=run,
    shown=("mean_gap_to_best_known", "worst_gap"),
    extra="operations",
    needs=("ortools",),
)
