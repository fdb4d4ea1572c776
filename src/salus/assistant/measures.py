"""Questions about a measurement: its latest value as recorded, what methods found in it, and how it changed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from salus.assistant.intents import Measure
from salus.assistant.reply import Citation, Sentence
from salus.assistant.view import View
from salus.fhir.views import Observation
from salus.findings.model import Evidence


def latest(measure: Measure, view: View) -> Iterator[Sentence]:
    """The newest value of each concept of ``measure``, then the findings about it."""
    for concept in measure.concepts:
        newest = view.chart.latest(concept)
        if newest is not None:
            yield _value(measure, newest, view)
    for finding in view.with_codes(measure.findings):
        yield view.finding(finding)


def trend(measure: Measure, view: View) -> Iterator[Sentence]:
    """How ``measure`` changed: what a method found where one did, else the last two values side by side."""
    found = view.with_codes(measure.trends)
    for finding in found:
        yield view.finding(finding)
    if found and any(f.status == "ok" for f in found):
        return
    for concept in measure.concepts:
        backwards = (o for o in reversed(view.chart.observations(concept)) if view.value(o))
        values = list(islice(backwards, 2))
        if len(values) > 1:
            after, before = values
            text = (
                f"The {measure.says} was {view.value(before)} ({view.when(before)}) and then {view.value(after)} "
                f"({view.when(after)})."
            )
            yield Sentence(text, (_place(before), _place(after)))
        elif values:
            yield Sentence(f"One value of {measure.says} is released, so no change can be told.", (_place(values[0]),))
            yield _value(measure, values[0], view)


def _value(measure: Measure, observation: Observation, view: View) -> Sentence:
    shown = view.value(observation)
    if not shown:
        text = (
            f"A {measure.says} of {view.when(observation)} is recorded without a usable value or unit: it is not used."
        )
        return Sentence(text, (_place(observation),))
    return Sentence(
        f"The latest recorded {measure.says} is {shown} ({view.when(observation)}).", (_place(observation),)
    )


def _place(observation: Observation) -> Citation:
    return Citation.of_evidence(Evidence.of_observation(observation), observation.text)
