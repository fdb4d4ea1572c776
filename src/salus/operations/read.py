"""Instances and plans as JSON files of the IHTC-2024 form, read strictly and written back.

Whatever a reader of the file could misunderstand is refused with its place: a missing or negative number, an id that is
not known or stands twice, a list of the wrong length, a day outside the horizon. Sizes are bounded before any work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from salus.errors import InputError
from salus.fhir import json
from salus.operations.model import (
    Admission,
    Instance,
    Nurse,
    Occupant,
    Patient,
    Plan,
    Room,
    Surgeon,
    Theatre,
    Weights,
)

MAX_BYTES = 20_000_000
MAX_DAYS = 92
MAX_SHIFTS_PER_DAY = 6
MAX_LEVELS = 50
MAX_COUNTS = {
    "patients": 1000,
    "occupants": 1000,
    "surgeons": 200,
    "operating_theaters": 100,
    "rooms": 200,
    "nurses": 400,
}
"""The most that is planned at once; a larger house is planned ward by ward."""
MAX_NUMBER = 1_000_000
"""No minute, load or weight is larger."""

WEIGHT_NAMES = {
    "room_mixed_age": "age_mix",
    "room_nurse_skill": "skill",
    "continuity_of_care": "continuity",
    "nurse_eccessive_workload": "excess",
    "open_operating_theater": "open_theatre",
    "surgeon_transfer": "surgeon_transfer",
    "patient_delay": "delay",
    "unscheduled_optional": "unscheduled",
}
"""The file's names (``nurse_eccessive_workload`` is spelt so there) and ours."""

T = TypeVar("T")


def _fail(what: str, where: str, remedy: str | None = None) -> InputError:
    return InputError(what, where, remedy)


def _get(item: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in item:
        raise _fail(f"{key!r} is missing", where)
    return item[key]


def _whole(item: Mapping[str, Any], key: str, where: str, low: int = 0, high: int = MAX_NUMBER) -> int:
    return _number(_get(item, key, where), f"{where}.{key}", low, high)


def _number(value: Any, where: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _fail("not a whole number", where)
    if not low <= value <= high:
        raise _fail(f"{value} is not between {low} and {high}", where)
    return value


def _text(item: Mapping[str, Any], key: str, where: str) -> str:
    value = _get(item, key, where)
    if not isinstance(value, str) or not 1 <= len(value) <= 100:
        raise _fail(f"{key!r} is not a text of 1 to 100 characters", where)
    return value


def _list(item: Mapping[str, Any], key: str, where: str, most: int) -> list[Any]:
    value = _get(item, key, where)
    if not isinstance(value, list):
        raise _fail(f"{key!r} is not a list", where)
    if len(value) > most:
        raise _fail(f"{len(value)} {key}", where, f"at most {most} are read")
    return value


def _numbers(item: Mapping[str, Any], key: str, where: str, length: int, high: int = MAX_NUMBER) -> tuple[int, ...]:
    value = _list(item, key, where, MAX_DAYS * MAX_SHIFTS_PER_DAY * 4)
    if len(value) != length:
        raise _fail(f"{len(value)} values where {length} are needed", f"{where}.{key}")
    return tuple(_number(v, f"{where}.{key}[{i}]", 0, high) for i, v in enumerate(value))


def _names(item: Mapping[str, Any], key: str, most: int) -> tuple[str, ...]:
    values = _list(item, key, "instance", most)
    if not values or not all(isinstance(v, str) and 1 <= len(v) <= 100 for v in values):
        raise _fail(f"{key!r} is not a list of texts", "instance")
    if len(set(values)) != len(values):
        raise _fail(f"a name stands twice in {key!r}", "instance")
    return tuple(values)


def _objects(document: Mapping[str, Any], key: str, make: Callable[[Mapping[str, Any], str], T]) -> tuple[T, ...]:
    """Every object of a list, each with an ``id`` of its own."""
    made, seen = [], set()
    for i, item in enumerate(_list(document, key, "instance", MAX_COUNTS[key])):
        if not isinstance(item, dict):
            raise _fail("not an object", f"{key}[{i}]")
        name = _text(item, "id", f"{key}[{i}]")
        if name in seen:
            raise _fail(f"the id {name!r} stands twice", key)
        seen.add(name)
        made.append(make(item, f"{key} {name!r}"))
    return tuple(made)


def _index(names: Mapping[str, int], value: Any, kind: str, where: str) -> int:
    if not isinstance(value, str) or value not in names:
        raise _fail(f"{str(value)[:100]!r} is not a known {kind}", where)
    return names[value]


def _numbered(things: Sequence[Any]) -> dict[str, int]:
    return {thing.id: i for i, thing in enumerate(things)}


def _document(data: bytes, what: str) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise _fail(f"{len(data)} bytes", what, f"at most {MAX_BYTES} are read")
    document = json.loads(data)
    if not isinstance(document, dict):
        raise _fail("not a JSON object", what)
    return document


class _Reader:
    """Reads one instance; holds what its parts refer to."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.days = _whole(document, "days", "instance", 1, MAX_DAYS)
        self.shift_names = _names(document, "shift_types", MAX_SHIFTS_PER_DAY)
        self.levels = _whole(document, "skill_levels", "instance", 1, MAX_LEVELS)
        self.age_groups = _names(document, "age_groups", MAX_LEVELS)
        self.ages = {name: i for i, name in enumerate(self.age_groups)}
        self.rooms = _objects(document, "rooms", lambda o, w: Room(o["id"], _whole(o, "capacity", w, 1)))
        self.room_numbers = _numbered(self.rooms)
        self.surgeons = _objects(
            document, "surgeons", lambda o, w: Surgeon(o["id"], self._daily(o, "max_surgery_time", w))
        )
        self.surgeon_numbers = _numbered(self.surgeons)
        self.theatres = _objects(
            document, "operating_theaters", lambda o, w: Theatre(o["id"], self._daily(o, "availability", w))
        )

    def instance(self) -> Instance:
        patients = _objects(self.document, "patients", self._patient)
        occupants = _objects(self.document, "occupants", self._occupant)
        if twice := {p.id for p in patients} & {o.id for o in occupants}:
            raise _fail(f"{min(twice)!r} is a patient and an occupant", "instance")
        return Instance(
            days=self.days,
            shift_names=self.shift_names,
            skill_levels=self.levels,
            age_groups=self.age_groups,
            weights=self._weights(),
            occupants=occupants,
            patients=patients,
            surgeons=self.surgeons,
            theatres=self.theatres,
            rooms=self.rooms,
            nurses=_objects(self.document, "nurses", self._nurse),
        )

    def _daily(self, item: Mapping[str, Any], key: str, where: str) -> tuple[int, ...]:
        return _numbers(item, key, where, self.days)

    def _weights(self) -> Weights:
        item = _get(self.document, "weights", "instance")
        if not isinstance(item, dict):
            raise _fail("'weights' is not an object", "instance")
        return Weights(**{ours: _whole(item, theirs, "weights") for theirs, ours in WEIGHT_NAMES.items()})

    def _person(self, item: Mapping[str, Any], where: str) -> dict[str, Any]:
        stay = _whole(item, "length_of_stay", where, 1, 4 * MAX_DAYS)
        length = stay * len(self.shift_names)
        gender = _text(item, "gender", where)
        if gender not in ("A", "B"):
            raise _fail(f"the gender group {gender!r} is not 'A' or 'B'", where)
        return {
            "id": item["id"],
            "gender": gender,
            "age": _index(self.ages, _get(item, "age_group", where), "age group", where),
            "stay": stay,
            "workload": _numbers(item, "workload_produced", where, length),
            "skill": _numbers(item, "skill_level_required", where, length, self.levels - 1),
        }

    def _occupant(self, item: Mapping[str, Any], where: str) -> Occupant:
        room = _index(self.room_numbers, _get(item, "room_id", where), "room", where)
        return Occupant(**self._person(item, where), room=room)

    def _patient(self, item: Mapping[str, Any], where: str) -> Patient:
        mandatory = _get(item, "mandatory", where)
        if not isinstance(mandatory, bool):
            raise _fail("'mandatory' is neither true nor false", where)
        release = _whole(item, "surgery_release_day", where, 0, self.days - 1)
        due = _whole(item, "surgery_due_day", where, 0, self.days - 1) if mandatory else self.days - 1
        if due < release:
            raise _fail(f"due on day {due}, before the release on day {release}", where)
        barred = {
            _index(self.room_numbers, name, "room", f"{where}.incompatible_room_ids")
            for name in _list(item, "incompatible_room_ids", where, len(self.rooms))
        }
        return Patient(
            **self._person(item, where),
            mandatory=mandatory,
            release=release,
            last=due,
            duration=_whole(item, "surgery_duration", where),
            surgeon=_index(self.surgeon_numbers, _get(item, "surgeon_id", where), "surgeon", where),
            rooms=tuple(r for r in range(len(self.rooms)) if r not in barred),
        )

    def _nurse(self, item: Mapping[str, Any], where: str) -> Nurse:
        loads: list[int | None] = [None] * (self.days * len(self.shift_names))
        for i, work in enumerate(_list(item, "working_shifts", where, len(loads))):
            place = f"{where}.working_shifts[{i}]"
            shift = _shift(work, self.days, self.shift_names, place)
            if loads[shift] is not None:
                raise _fail("the same shift stands twice", place)
            loads[shift] = _whole(work, "max_load", place)
        return Nurse(item["id"], _whole(item, "skill_level", where, 0, self.levels - 1), tuple(loads))


def _shift(item: Any, days: int, names: tuple[str, ...], where: str) -> int:
    if not isinstance(item, dict):
        raise _fail("not an object", where)
    day = _whole(item, "day", where, 0, days - 1)
    shift = _text(item, "shift", where)
    if shift not in names:
        raise _fail(f"{shift!r} is not a known shift", where)
    return day * len(names) + names.index(shift)


def read_instance(data: bytes) -> Instance:
    """An instance from JSON. Raises InputError with the place of whatever is missing, wrong or too large."""
    return _Reader(_document(data, "instance")).instance()


def read_plan(data: bytes, instance: Instance) -> Plan:
    """A plan from JSON. What breaks a rule of planning is read as it stands: rules.py judges it.

    Raises InputError for ids that the instance does not know, patients, or nurses of one room and shift, that stand
    twice, and anything that is not of the form.
    """
    document = _document(data, "plan")
    return Plan(_admissions(document, instance), _covers(document, instance))


def _admissions(document: Mapping[str, Any], instance: Instance) -> tuple[Admission | None, ...]:
    numbers, rooms, theatres = (_numbered(x) for x in (instance.patients, instance.rooms, instance.theatres))
    found: dict[int, Admission | None] = {}
    for i, item in enumerate(_list(document, "patients", "plan", MAX_COUNTS["patients"])):
        where = f"plan.patients[{i}]"
        if not isinstance(item, dict):
            raise _fail("not an object", where)
        patient = _index(numbers, _get(item, "id", where), "patient", where)
        if patient in found:
            raise _fail(f"the patient {item['id']!r} stands twice", where)
        if _get(item, "admission_day", where) == "none":
            found[patient] = None
            continue
        found[patient] = Admission(
            _whole(item, "admission_day", where, 0, instance.days - 1),
            _index(rooms, _get(item, "room", where), "room", where),
            _index(theatres, _get(item, "operating_theater", where), "operating theatre", where),
        )
    return tuple(found.get(p) for p in range(len(instance.patients)))


def _covers(document: Mapping[str, Any], instance: Instance) -> tuple[tuple[int | None, ...], ...]:
    rooms, nurses = _numbered(instance.rooms), _numbered(instance.nurses)
    table: list[list[int | None]] = [[None] * instance.shifts for _ in instance.rooms]
    for i, item in enumerate(_list(document, "nurses", "plan", MAX_COUNTS["nurses"])):
        where = f"plan.nurses[{i}]"
        if not isinstance(item, dict):
            raise _fail("not an object", where)
        nurse = _index(nurses, _get(item, "id", where), "nurse", where)
        for j, work in enumerate(_list(item, "assignments", where, instance.shifts)):
            place = f"{where}.assignments[{j}]"
            shift = _shift(work, instance.days, instance.shift_names, place)
            for name in _list(work, "rooms", place, len(instance.rooms)):
                room = _index(rooms, name, "room", place)
                if table[room][shift] is not None:
                    raise _fail(f"the room {name!r} has two nurses on {instance.shift_text(shift)}", place)
                table[room][shift] = nurse
    return tuple(tuple(row) for row in table)


def write_plan(instance: Instance, plan: Plan) -> bytes:
    """A plan as JSON of the same form."""
    patients: list[dict[str, Any]] = []
    for patient, admission in zip(instance.patients, plan.admissions, strict=True):
        told: dict[str, Any] = {"id": patient.id, "admission_day": "none"}
        if admission is not None:
            told["admission_day"] = admission.day
            told["room"] = instance.rooms[admission.room].id
            told["operating_theater"] = instance.theatres[admission.theatre].id
        patients.append(told)
    work: list[dict[int, list[str]]] = [{} for _ in instance.nurses]
    for room, row in zip(instance.rooms, plan.nurses, strict=True):
        for shift, nurse in enumerate(row):
            if nurse is not None:
                work[nurse].setdefault(shift, []).append(room.id)
    nurses = [
        {"id": nurse.id, "assignments": [_assignment(instance, s, rooms) for s, rooms in sorted(shifts.items())]}
        for nurse, shifts in zip(instance.nurses, work, strict=True)
    ]
    return json.dumps({"patients": patients, "nurses": nurses}) + b"\n"


def _assignment(instance: Instance, shift: int, rooms: list[str]) -> dict[str, Any]:
    day, kind = divmod(shift, instance.shifts_per_day)
    return {"day": day, "shift": instance.shift_names[kind], "rooms": rooms}
