"""The facts by which a question chooses resources without opening them: names, times, and whether there is a result.

The *facts* of a resource follow from its body, the terminology and this code alone. They are worked out when the
resource is opened for the first time, and kept (see :mod:`salus.record.outline`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from salus.errors import InputError
from salus.fhir import series, views
from salus.fhir.categories import TAG_FINDING
from salus.fhir.codes import Code
from salus.fhir.columns import micros
from salus.fhir.dates import Span
from salus.fhir.medications import modified
from salus.fhir.mentions import MENTIONING, mentions
from salus.fhir.quantity import UCUM, Quantity
from salus.fhir.series import Block
from salus.fhir.views import Body, Event, Names, Observation, Source
from salus.record import doubles

if TYPE_CHECKING:
    from salus.terminology.reader import Terminology

EVENTS = (
    "Encounter", "Procedure", "Device", "DeviceUseStatement", "AllergyIntolerance", "FamilyMemberHistory",
    "Immunization", "QuestionnaireResponse",
)  # fmt: skip
USABLE_STATUS = frozenset({"final", "amended", "corrected", "preliminary"})
WITHOUT_RESULT = frozenset({"registered", "specimen-in-process", "cancelled", "entered-in-error"})
"""Statuses of an observation without a result. With a status in neither set, its result exists but is not usable."""
_TAKEN_BACK = ("entered-in-error", "cancelled", "not-done")


class Is:
    """Properties of a resource, as bits."""

    FINDING = 1
    """It is a finding, written by salus's own methods."""
    MODIFIED = 2
    """It has an unknown modifier, which may reverse its meaning."""
    MENTIONING = 4
    """It names diagnoses, though it is no diagnosis itself (see :mod:`salus.fhir.mentions`)."""
    ERROR = 8
    """It was entered in error."""
    WITHOUT_RESULT = 16
    VOUCHED = 32
    """An observation about the patient whose status is one of :data:`USABLE_STATUS`."""
    MEANT = 64
    """Its code, or its text and unit, say what was observed."""
    HOME = 128
    BLOCK = 256
    """A block of readings (:mod:`salus.fhir.series`) that can be read."""


class Kind(NamedTuple):
    """The facts that many resources of a record share.

    ``flags`` are bits of :class:`Is`. ``concepts`` are the names of what was observed, ``parts`` the names of
    components that are not among them. ``device`` and ``app`` recorded it. ``stretch`` is the stretch of time
    of a block (see :data:`salus.fhir.series_head.STRETCHES`), "" for other resources.
    """

    flags: int
    concepts: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    device: str | None = None
    app: str = ""
    stretch: str = ""


class Facts(NamedTuple):
    """The facts of one resource.

    ``start`` and ``end`` are the ends of its time, ``mentioned`` is the time from which it names diagnoses (all in
    microseconds since 1970; None where there is no such time). ``contained`` are the facts of the results inside it.
    """

    kind: Kind
    start: int | None = None
    end: int | None = None
    mentioned: int | None = None
    contained: tuple[Facts, ...] = ()

    def has(self, flag: int) -> bool:
        """Whether the resource has the property ``flag``; of several flags, whether it has any."""
        return bool(self.kind.flags & flag)


@dataclass(frozen=True, slots=True)
class Heading:
    """What all readings of a series share, in the form in which methods see an Observation."""

    concepts: frozenset[str]
    codes: tuple[Code, ...]
    text: str
    parts: tuple[frozenset[str], ...]
    units: tuple[str, ...]
    setting: str | None
    device: str | None
    app: str

    @property
    def panel(self) -> bool:
        """Whether each reading has several parts."""
        return bool(self.parts)

    @property
    def by(self) -> doubles.By:
        """The device and the app that recorded the readings."""
        return doubles.By(self.device or "", self.app or self.device or "")


class Reader:
    """Makes the views and the facts of resources, with one terminology."""

    def __init__(self, names: Names, terminology: Terminology) -> None:
        self._names = names
        self.terminology = terminology
        self._headings: dict[str, list[tuple[Body, Heading]]] = {}

    def observation(self, source: Source, body: Body) -> Observation:
        """The view of an Observation; a blood pressure written as one value ("198/104 mmHg") gets two components."""
        return with_pressures(views.observation(source, body, self._names))

    def event(self, source: Source, body: Body) -> Event:
        """The view of a resource whose type is one of :data:`EVENTS`."""
        return views.event(source, body, self._names)

    def read(self, source: Source, body: Body) -> tuple[Facts, Observation | None]:
        """The facts of a resource, and its view where it had to be made for them, else None."""
        kind = str(body.get("resourceType"))
        if views.tags(body, TAG_FINDING):
            return Facts(Kind(Is.FINDING)), None
        if kind == "Observation":
            return self._of_observation(source, body)
        flags, mentioned = _common(kind, source, body)
        if kind == "DiagnosticReport":
            inside = tuple(self._of_observation(source, each)[0] for each in contained(body))
            return Facts(Kind(flags), mentioned=mentioned, contained=inside), None
        if kind in EVENTS:
            event = views.event(source, body)
            flags |= Is.ERROR * (event.status == "entered-in-error")
            return Facts(Kind(flags), _begin(event.period), mentioned=mentioned), None
        return Facts(Kind(flags), mentioned=mentioned), None

    def _of_observation(self, source: Source, body: Body) -> tuple[Facts, Observation | None]:
        flags, mentioned = _common("Observation", source, body)
        block = None if flags & Is.MODIFIED or not series.is_block(body) else self.block(source, body)
        if block is not None:
            readings, heading = block
            parts = frozenset[str]().union(*heading.parts) - heading.concepts
            names = tuple(sorted(heading.concepts)), tuple(sorted(parts))
            kind = Kind(flags | Is.BLOCK, *names, heading.device, heading.app, readings.stretch)
            return Facts(kind, readings.start, readings.end, mentioned), None
        seen = self.observation(source, body)
        flags |= Is.WITHOUT_RESULT * (seen.status in WITHOUT_RESULT) | Is.HOME * (seen.setting == "home")
        flags |= Is.VOUCHED * (seen.status in USABLE_STATUS and not seen.other) | Is.MEANT * self._meant(seen)
        names = tuple(sorted(seen.concepts)), tuple(sorted(seen.components.keys() - seen.concepts))
        return Facts(Kind(flags, *names, seen.device), _begin(seen.effective), mentioned=mentioned), seen

    def _meant(self, observation: Observation) -> bool:
        """Whether the observation says what was observed, in a way that the terminology understands."""
        if observation.concepts or (observation.components and observation.codes):
            return True
        unit = views.unit_of(observation.value) or None
        return self.terminology.measure(observation.codes, observation.text, unit).understood

    def block(self, source: Source, body: Body) -> tuple[Block, Heading] | None:
        """The block of readings with its heading; None where it is not usable or does not say what was measured.

        Such a one is read as an ordinary Observation.
        """
        own = source.ref == f"Observation/{body.get('id')}"
        if not own or body.get("status") not in USABLE_STATUS or body.get("focus"):
            return None
        try:
            block = Block(body)
            heading = self._heading(block)
        except InputError:
            return None
        return (block, heading) if heading.concepts and all(heading.units) else None

    def _heading(self, block: Block) -> Heading:
        """The heading of a block. Blocks of one series share it, and a record has few series."""
        known = self._headings.setdefault(str(block.body.get("id")).rpartition("-")[0], [])
        for other, heading in known:
            if _alike(other, block.body):
                return heading
        view = views.observation(Source("", 0, ""), _as_reading(block), self._names)
        number = len(views.dicts(block.body.get("component")))
        parts = tuple(frozenset(n for n, place in view.places.items() if place == p) for p in range(number))
        named = view.concepts, view.codes, view.text, parts, block.units()
        heading = Heading(*named, view.setting, view.device, series.source_of(block.body))
        known.append((block.body, heading))
        return heading


def contained(report: Body) -> list[dict[str, Any]]:
    """The Observations contained in a report."""
    return [b for b in views.dicts(report.get("contained")) if b.get("resourceType") == "Observation"]


def with_pressures(observation: Observation) -> Observation:
    """The observation; a blood pressure written as one value ("198/104 mmHg") gets its two components instead."""
    if observation.pair is None or "blood-pressure" not in observation.concepts:
        return observation
    upper, lower = (Quantity(value, views.MMHG) for value in observation.pair)
    return replace(observation, value=None, components={"systolic-bp": upper, "diastolic-bp": lower})


def _common(kind: str, source: Source, body: Body) -> tuple[int, int | None]:
    """The flags that a resource of any type can have, and the time from which it names diagnoses, if it does."""
    named = mentions(source, body) if kind in MENTIONING and _stands(body) else ()
    flags = Is.MODIFIED * modified(body) | Is.MENTIONING * bool(named)
    return flags, _begin(named[0].period) if named else None


def _stands(body: Body) -> bool:
    return body.get("status") not in _TAKEN_BACK and not body.get("modifierExtension")


def _begin(span: Span | None) -> int | None:
    return None if span is None else micros(span.start)


def _as_reading(block: Block) -> dict[str, Any]:
    """The body of a block with one value in place of each column, so that it can be read as a single reading is."""
    made = dict(block.body)
    values = [{"value": 0, "unit": unit, "code": unit, "system": UCUM} for unit in block.units()]
    if "component" in made:
        parts = zip(views.dicts(made["component"]), values, strict=True)
        return {**made, "component": [{"code": part.get("code"), "valueQuantity": value} for part, value in parts]}
    return {**made, "valueQuantity": values[0]}


def _alike(one: Body, other: Body) -> bool:
    """Whether two blocks belong to one series."""
    plain = all(one.get(name) == other.get(name) for name in ("code", "device", "meta"))
    return plain and [_about(p) for p in _columns(one)] == [_about(p) for p in _columns(other)] and (
        series.source_of(one) == series.source_of(other)
    )  # fmt: skip


def _columns(body: Body) -> list[dict[str, Any]]:
    return views.dicts(body.get("component")) or [dict(body)]


def _about(part: Mapping[str, Any]) -> tuple[Any, Any]:
    sampled = part.get("valueSampledData")
    return part.get("code"), sampled.get("origin") if isinstance(sampled, dict) else None
