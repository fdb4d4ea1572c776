"""What a question must know of a resource to choose it, without opening it: under which names it counts, when, and
whether it says anything.

These *facts* follow from the resource's body, the terminology and this code alone. They are worked out when a resource
is opened for the first time, and kept (see :mod:`salus.record.outline`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from salus.errors import InputError
from salus.fhir import series, views
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

TAG_FINDING = "urn:salus:finding"
EVENTS = (
    "Encounter", "Procedure", "Device", "DeviceUseStatement", "AllergyIntolerance", "FamilyMemberHistory",
    "Immunization", "QuestionnaireResponse",
)  # fmt: skip
USABLE_STATUS = frozenset({"final", "amended", "corrected", "preliminary"})
WITHOUT_RESULT = frozenset({"registered", "specimen-in-process", "cancelled", "entered-in-error"})
"""Statuses of an observation that has no result. One of any other status has one that nobody vouches for."""
_TAKEN_BACK = ("entered-in-error", "cancelled", "not-done")


class Is:
    """What holds of a resource, as bits."""

    FINDING = 1
    """Written by salus's own methods."""
    MODIFIED = 2
    """An element that is not known may turn its meaning round."""
    MENTIONING = 4
    """It names diagnoses in passing."""
    ERROR = 8
    """It was entered in error."""
    WITHOUT_RESULT = 16
    VOUCHED = 32
    """An observation of the patient, of a status that somebody answers for."""
    MEANT = 64
    """Somebody can say what was observed."""
    HOME = 128
    BLOCK = 256
    """A block of readings (:mod:`salus.fhir.series`) that can be read."""


class Kind(NamedTuple):
    """What many resources of a record have in common.

    ``concepts`` are the names of what it is of, ``parts`` those of components beside them; ``device`` and ``app``
    recorded it; ``stretch`` is that of a block.
    """

    flags: int
    concepts: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    device: str | None = None
    app: str = ""
    stretch: str = ""


class Facts(NamedTuple):
    """The facts of one resource: its kind, when it begins and ends, when it names diagnoses in passing, if it does
    (microseconds since 1970), and those of the results that it contains."""

    kind: Kind
    start: int | None = None
    end: int | None = None
    mentioned: int | None = None
    contained: tuple[Facts, ...] = ()

    def has(self, flag: int) -> bool:
        """Whether something holds of the resource."""
        return bool(self.kind.flags & flag)


@dataclass(frozen=True, slots=True)
class Heading:
    """What the readings of a series have in common, as methods see it."""

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
        """Who recorded them."""
        return doubles.By(self.device or "", self.app or self.device or "")


class Reader:
    """Reads resources by one terminology: as views, and the facts of them."""

    def __init__(self, names: Names, terminology: Terminology) -> None:
        self._names = names
        self.terminology = terminology
        self._headings: dict[str, list[tuple[Body, Heading]]] = {}

    def observation(self, source: Source, body: Body) -> Observation:
        """View of an Observation; a blood pressure that was written as one value ("198/104 mmHg") has its two parts."""
        return with_pressures(views.observation(source, body, self._names))

    def event(self, source: Source, body: Body) -> Event:
        """View of a resource of one of :data:`EVENTS`."""
        return views.event(source, body, self._names)

    def read(self, source: Source, body: Body) -> tuple[Facts, Observation | None]:
        """The facts of a resource, and its view where that had to be made."""
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
        """Whether anybody can say what was observed."""
        if observation.concepts or (observation.components and observation.codes):
            return True
        unit = views.unit_of(observation.value) or None
        return self.terminology.measure(observation.codes, observation.text, unit).understood

    def block(self, source: Source, body: Body) -> tuple[Block, Heading] | None:
        """A block that can be read and says what it is of, with its heading; any other is an Observation like all."""
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
        """What the block's readings are. Most blocks are of one of a few series."""
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
    """The results that a report holds in itself."""
    return [b for b in views.dicts(report.get("contained")) if b.get("resourceType") == "Observation"]


def with_pressures(observation: Observation) -> Observation:
    """A blood pressure that was written as one value ("198/104 mmHg") with its two parts."""
    if observation.pair is None or "blood-pressure" not in observation.concepts:
        return observation
    upper, lower = (Quantity(value, views.MMHG) for value in observation.pair)
    return replace(observation, value=None, components={"systolic-bp": upper, "diastolic-bp": lower})


def _common(kind: str, source: Source, body: Body) -> tuple[int, int | None]:
    """What holds of a resource of any type, and when it names diagnoses in passing."""
    named = mentions(source, body) if kind in MENTIONING and _stands(body) else ()
    flags = Is.MODIFIED * modified(body) | Is.MENTIONING * bool(named)
    return flags, _begin(named[0].period) if named else None


def _stands(body: Body) -> bool:
    return body.get("status") not in _TAKEN_BACK and not body.get("modifierExtension")


def _begin(span: Span | None) -> int | None:
    return None if span is None else micros(span.start)


def _as_reading(block: Block) -> dict[str, Any]:
    """A block's body with a value in the place of each column, so that its names are told as those of a reading are."""
    made = dict(block.body)
    values = [{"value": 0, "unit": unit, "code": unit, "system": UCUM} for unit in block.units()]
    if "component" in made:
        parts = zip(views.dicts(made["component"]), values, strict=True)
        return {**made, "component": [{"code": part.get("code"), "valueQuantity": value} for part, value in parts]}
    return {**made, "valueQuantity": values[0]}


def _alike(one: Body, other: Body) -> bool:
    """Whether two blocks are of one series."""
    plain = all(one.get(name) == other.get(name) for name in ("code", "device", "meta"))
    return plain and [_about(p) for p in _columns(one)] == [_about(p) for p in _columns(other)] and (
        series.source_of(one) == series.source_of(other)
    )  # fmt: skip


def _columns(body: Body) -> list[dict[str, Any]]:
    return views.dicts(body.get("component")) or [dict(body)]


def _about(part: Mapping[str, Any]) -> tuple[Any, Any]:
    sampled = part.get("valueSampledData")
    return part.get("code"), sampled.get("origin") if isinstance(sampled, dict) else None
