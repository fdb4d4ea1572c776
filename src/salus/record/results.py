"""The results of a chart: which of its observations say something, under which names, and which cannot be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property

from salus.fhir import views
from salus.fhir.dates import Span
from salus.fhir.quantity import Quantity
from salus.fhir.views import Observation
from salus.terminology.reader import Terminology

USABLE_STATUS = frozenset({"final", "amended", "corrected", "preliminary"})
WITHOUT_RESULT = frozenset({"registered", "specimen-in-process", "cancelled", "entered-in-error"})
"""Statuses of an observation that has no result. One of any other status has one that nobody vouches for."""
_EARLIEST = datetime.min.replace(tzinfo=UTC)
Named = Mapping[str, Sequence[Observation]]


def with_pressures(observation: Observation) -> Observation:
    """A blood pressure that was written as one value ("198/104 mmHg") with its two parts."""
    if observation.pair is None or "blood-pressure" not in observation.concepts:
        return observation
    upper, lower = (Quantity(value, views.MMHG) for value in observation.pair)
    return replace(observation, value=None, components={"systolic-bp": upper, "diastolic-bp": lower})


class Results:
    """The observations of one snapshot, as far as ``past`` says that they lie behind its moment. Lists come oldest
    first, of equal times the lower reference first; each is made when it is first asked for."""

    def __init__(
        self, observations: Sequence[Observation], past: Callable[[Span | None], bool], terminology: Terminology
    ) -> None:
        self._observations = observations
        self._past = past
        self._terminology = terminology

    @property
    def own(self) -> Named:
        """The usable observations by their own names."""
        return self._named[0]

    @property
    def parts(self) -> Named:
        """Those that hold something as a component, under another name of their own, by its name."""
        return self._named[1]

    @cached_property
    def newest(self) -> dict[str, Observation]:
        """The newest usable observation of every name, of its own or of a component."""
        return {name: o for o in self._usable for name in (*o.concepts, *o.components)}

    @cached_property
    def unread(self) -> tuple[Observation, ...]:
        """Those that no question finds: without a date, of a code or status that nobody knows, or about others."""
        found = (o for o in self._observations if o.status not in WITHOUT_RESULT and self._past(o.effective))
        return tuple(
            sorted(
                (o for o in found if not self._vouched(o) or o.effective is None or not self._meant(o)),
                key=lambda o: (o.effective.start if o.effective else _EARLIEST, o.source.ref),
            )
        )

    @cached_property
    def _usable(self) -> tuple[Observation, ...]:
        dated = [
            (o.effective.start, o.source.ref, o)
            for o in self._observations
            if o.effective and self._vouched(o) and self._past(o.effective)
        ]
        return tuple(o for _, _, o in sorted(dated, key=lambda row: row[:2]))

    @cached_property
    def _named(self) -> tuple[Named, Named]:
        own: dict[str, list[Observation]] = {}
        parts: dict[str, list[Observation]] = {}
        for observation in self._usable:
            for name in observation.concepts:
                own.setdefault(name, []).append(observation)
            for name in observation.components.keys() - observation.concepts:
                parts.setdefault(name, []).append(observation)
        return own, parts

    def _vouched(self, observation: Observation) -> bool:
        return observation.status in USABLE_STATUS and not observation.other

    def _meant(self, observation: Observation) -> bool:
        """Whether anybody can say what was observed."""
        if observation.concepts or (observation.components and observation.codes):
            return True
        unit = views.unit_of(observation.value) or None
        return self._terminology.measure(observation.codes, observation.text, unit).understood
