"""Questionnaires and lifestyle: one changed answer changes exactly the items it should, and no other."""

from __future__ import annotations

import itertools
from datetime import timedelta

from salus.cli.tour.slice import Slice, Stage
from salus.errors import IntegrityError

FIRST = {
    "smoking": "Smokes every day",
    "alcohol-often": "never",
    "activity-days": "5",
    "activity-minutes": "40",
    "diet-portions": "5",
    "goal": "dance at my daughter's wedding",
}


def run(stage: Stage) -> str:
    """In a house of its own: answer, change one answer, write a diary, and hold the plans against each other."""
    from salus.app import demo
    from salus.app.intake import answers

    example = stage.examples["thomas"]
    ticks = itertools.count(-6000)  # answers are told apart by when they were given: this clock goes on
    with demo.make_house(
        stage.folder / "house", example, clock=lambda: example.at + timedelta(seconds=next(ticks))
    ) as house:
        demo.take_in(house, example)
        patient = demo.session(house, demo.patient_actor(example))
        filed = answers.answer(patient, example.patient, FIRST)
        before = {item.key for item in patient.plan(example.patient, example.at)[0].items}
        answers.answer(patient, example.patient, {"smoking": "Stopped smoking"})
        after = {item.key for item in patient.plan(example.patient, example.at)[0].items}
        answers.keep_diary(patient, example.patient, "Took ibuprofen for my knee twice this week.")
        noted = [f for f in patient.open(example.patient, example.at).findings if "ibuprofen" in f.sentence]
    smoking = {key for key in before | after if "smoking" in key or "lung-cancer" in key}
    if before - after != smoking or not smoking or after - before:
        raise IntegrityError(f"an answer changed other items: {sorted((before ^ after) - smoking)}")
    if not noted:
        raise IntegrityError("no method read the diary")
    return (
        f"{len(FIRST)} answers gave {filed.observations} observations; 'stopped smoking' took away just the "
        f"{len(smoking)} items on smoking; a diary entry on ibuprofen became {len(noted)} finding"
    )


SLICE = Slice(
    name="questionnaires",
    title="Questionnaires",
    says="smoking, alcohol (AUDIT-C), activity, food, own goals and a diary, used by risk and plan",
    capabilities=("record.questionnaires",),
    run=run,
)
