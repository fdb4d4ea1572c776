"""What is missing, wrong or too large is refused with its place; nothing else than InputError gets out."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import InputError
from salus.operations.read import read_instance, read_plan
from tests.operations import tiny


def at(document, path):
    for key in path[:-1]:
        document = document[key]
    return document, path[-1]


def put(*path_and_value):
    *path, value = path_and_value

    def change(document):
        target, key = at(document, path)
        target[key] = value

    return change


def drop(*path):
    def change(document):
        target, key = at(document, path)
        del target[key]

    return change


WRONG = {
    "no patients": (drop("patients"), "'patients' is missing"),
    "no stay": (drop("patients", 0, "length_of_stay"), "patients 'p0': 'length_of_stay' is missing"),
    "negative duration": (put("patients", 1, "surgery_duration", -5), "surgery_duration: -5 is not between"),
    "a number as text": (put("days", "3"), "instance.days: not a whole number"),
    "true for a number": (put("rooms", 0, "capacity", True), "rooms 'r0'.capacity: not a whole number"),
    "half a day": (put("patients", 0, "length_of_stay", 1.5), "not a whole number"),
    "no beds": (put("rooms", 0, "capacity", 0), "0 is not between 1"),
    "unknown surgeon": (put("patients", 0, "surgeon_id", "s9"), "'s9' is not a known surgeon"),
    "unknown room": (put("occupants", 0, "room_id", "r9"), "'r9' is not a known room"),
    "unknown barred room": (put("patients", 0, "incompatible_room_ids", ["r9"]), "'r9' is not a known room"),
    "unknown age group": (put("patients", 0, "age_group", "child"), "'child' is not a known age group"),
    "other gender group": (put("patients", 0, "gender", "C"), "'C' is not 'A' or 'B'"),
    "unknown shift": (put("nurses", 0, "working_shifts", 0, "shift", "noon"), "'noon' is not a known shift"),
    "a shift twice": (put("nurses", 0, "working_shifts", 1, "day", 0), "the same shift stands twice"),
    "due before release": (put("patients", 0, "surgery_release_day", 2), "due on day 1, before the release on day 2"),
    "beyond the horizon": (put("patients", 1, "surgery_release_day", 3), "3 is not between 0 and 2"),
    "an id twice": (put("patients", 1, "id", "p0"), "the id 'p0' stands twice"),
    "a patient in bed": (put("occupants", 0, "id", "p0"), "a patient and an occupant"),
    "too few loads": (put("patients", 0, "workload_produced", [1]), "1 values where 4 are needed"),
    "skill out of range": (put("nurses", 0, "skill_level", 3), "3 is not between 0 and 2"),
    "no weight": (drop("weights", "patient_delay"), "'patient_delay' is missing"),
    "endless": (put("days", 10**9), "is not between 1 and 92"),
    "endless stay": (put("patients", 0, "length_of_stay", 10**6), "is not between 1 and"),
    "too many rooms": (put("rooms", [{"id": str(i), "capacity": 1} for i in range(500)]), "500 rooms"),
    "no shifts": (put("shift_types", []), "not a list of texts"),
    "a list for a patient": (put("patients", 0, []), "not an object"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_instance_is_refused_with_its_place(case):
    change, says = WRONG[case]
    document = tiny.document()
    change(document)
    with pytest.raises(InputError) as refused:
        tiny.made(document)
    assert says in str(refused.value)


def plan(**more):
    told = {
        "patients": [{"id": "p0", "admission_day": 0, "room": "r0", "operating_theater": "t0"}],
        "nurses": [{"id": "n0", "assignments": [{"day": 0, "shift": "early", "rooms": ["r0"]}]}],
    }
    return told | more


def row(**more):
    return [{"id": "p0", "admission_day": 0, "room": "r0", "operating_theater": "t0"} | more]


def work(**more):
    return [{"id": "n0", "assignments": [{"day": 0, "shift": "early", "rooms": ["r0"]} | more]}]


WRONG_PLANS = {
    "unknown patient": (plan(patients=row(id="p9")), "'p9' is not a known patient"),
    "unknown theatre": (plan(patients=row(operating_theater="t9")), "'t9' is not a known operating theatre"),
    "a day that is not": (plan(patients=row(admission_day=7)), "7 is not between 0 and 2"),
    "twice": (plan(patients=row() * 2), "'p0' stands twice"),
    "two nurses": (plan(nurses=work() + work() + [{"id": "n1", **work()[0]}]), "has two nurses on day 0 early"),
    "unknown nurse": (plan(nurses=[{"id": "x", "assignments": []}]), "'x' is not a known nurse"),
    "no rooms": (plan(nurses=[{"id": "n0", "assignments": [{"day": 0, "shift": "early"}]}]), "'rooms' is missing"),
    "a list": ([], "not a JSON object"),
}


@pytest.mark.parametrize("case", WRONG_PLANS)
def test_a_wrong_plan_is_refused_with_its_place(case):
    document, says = WRONG_PLANS[case]
    with pytest.raises(InputError) as refused:
        read_plan(json.dumps(document).encode(), tiny.made())
    assert says in str(refused.value)


JUNK = (
    st.none() | st.booleans() | st.integers(-3, 10**7) | st.floats() | st.text(max_size=3) | st.just([]) | st.just({})
)


def places(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([path for path in places(tiny.document()) if path]), JUNK)
def test_junk_in_any_place_is_read_or_refused(path, junk):
    document = tiny.document()
    put(*path, junk)(document)
    with suppress(InputError):
        assert tiny.made(document).days <= 92


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60))
def test_bytes_that_are_no_instance_are_refused(data):
    with pytest.raises(InputError):
        read_instance(data)
