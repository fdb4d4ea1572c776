"""NEWS2: the chart's bands at both ends, what is missing, and to whom it does not apply."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import InputError
from salus.findings.method import Context, Method
from salus.findings.model import Finding
from salus.monitoring import news2
from salus.monitoring.method_news2 import NEWS2
from salus.record.chart import Chart

from .made import LOINC, NOW, SNOMED, observation, patient, pressure, quantity

WELL: dict[str, news2.Value] = {
    "respiratory-rate": Decimal(16),
    "oxygen-saturation": Decimal(98),
    "oxygen": "air",
    "systolic-bp": Decimal(120),
    "heart-rate": Decimal(70),
    "acvpu": "A",
    "body-temperature": Decimal("36.8"),
}


@pytest.mark.parametrize(
    ("name", "value", "points"),
    [
        # Royal College of Physicians 2017, chart 1, read band by band at both ends
        *[("respiratory-rate", v, p) for v, p in ((8, 3), (9, 1), (11, 1), (12, 0), (20, 0), (21, 2))],
        *[("respiratory-rate", v, p) for v, p in ((24, 2), (25, 3))],
        *[("oxygen-saturation", v, p) for v, p in ((91, 3), (92, 2), (93, 2), (94, 1), (95, 1), (96, 0), (100, 0))],
        *[("systolic-bp", v, p) for v, p in ((90, 3), (91, 2), (100, 2), (101, 1), (110, 1), (111, 0))],
        *[("systolic-bp", v, p) for v, p in ((219, 0), (220, 3))],
        *[
            ("heart-rate", v, p)
            for v, p in ((40, 3), (41, 1), (50, 1), (51, 0), (90, 0), (91, 1), (110, 1), (111, 2), (130, 2), (131, 3))
        ],
        *[
            ("body-temperature", v, p)
            for v, p in (
                ("35.0", 3), ("35.04", 3), ("35.05", 1), ("35.1", 1), ("36.0", 1), ("36.1", 0),
                ("38.0", 0), ("38.1", 1), ("39.0", 1), ("39.1", 2),
            )
        ],
    ],
)  # fmt: skip
def test_bands_at_both_ends(name: str, value: int | str, points: int) -> None:
    assert news2.score(WELL | {name: Decimal(value)}).points[name] == points


@pytest.mark.parametrize(
    ("saturation", "oxygen", "points"),
    [
        (83, "air", 3), (84, "air", 2), (85, "air", 2), (86, "air", 1), (87, "air", 1), (88, "air", 0), (100, "air", 0),
        (83, "oxygen", 3), (87, "oxygen", 1), (88, "oxygen", 0), (92, "oxygen", 0), (93, "oxygen", 1),
        (94, "oxygen", 1), (95, "oxygen", 2), (96, "oxygen", 2), (97, "oxygen", 3),
    ],
)  # fmt: skip
def test_scale_2_only_when_asked_for(saturation: int, oxygen: str, points: int) -> None:
    values = WELL | {"oxygen-saturation": Decimal(saturation), "oxygen": oxygen}
    assert news2.score(values, scale_2=True).points["oxygen-saturation"] == points
    assert news2.score(values).points["oxygen-saturation"] == {83: 3, 84: 3, 85: 3, 86: 3, 87: 3, 88: 3}.get(
        saturation, {92: 2, 93: 2, 94: 1, 95: 1}.get(saturation, 0)
    )


def test_total_oxygen_and_consciousness() -> None:
    assert news2.score(WELL).total == 0
    assert news2.score(WELL | {"oxygen": "oxygen"}).total == 2
    for letter in "CVPU":
        found = news2.score(WELL | {"acvpu": letter})
        assert (found.total, found.single_3) == (3, True)
        assert "urgent" in found.response


values = st.fixed_dictionaries(
    {},
    optional={
        "respiratory-rate": st.integers(0, 60).map(Decimal),
        "oxygen-saturation": st.integers(50, 100).map(Decimal),
        "oxygen": st.sampled_from(["air", "oxygen"]),
        "systolic-bp": st.integers(40, 260).map(Decimal),
        "heart-rate": st.integers(20, 220).map(Decimal),
        "acvpu": st.sampled_from("ACVPU"),
        "body-temperature": st.integers(300, 420).map(lambda v: Decimal(v) / 10),
    },
)
full = st.fixed_dictionaries(
    {
        "respiratory-rate": st.integers(0, 60).map(Decimal),
        "oxygen-saturation": st.integers(50, 100).map(Decimal),
        "oxygen": st.sampled_from(["air", "oxygen"]),
        "systolic-bp": st.integers(40, 260).map(Decimal),
        "heart-rate": st.integers(20, 220).map(Decimal),
        "acvpu": st.sampled_from("ACVPU"),
        "body-temperature": st.integers(300, 420).map(lambda v: Decimal(v) / 10),
    }
)


@given(known=values, rest=full, scale_2=st.booleans())
def test_whatever_is_missing_the_true_total_lies_in_the_range(
    known: dict[str, Any], rest: dict[str, Any], scale_2: bool
) -> None:
    part = news2.score(known, scale_2=scale_2)
    whole = news2.score(rest | known, scale_2=scale_2)
    assert whole.total is not None
    assert 0 <= part.lowest <= whole.total <= part.highest <= 20
    assert (part.total is None) == (len(known) < 7)
    assert set(part.missing) == set(news2.PARAMETERS) - set(known)


def test_nothing_known_is_the_whole_range_not_zero() -> None:
    found = news2.score({})
    assert (found.total, found.lowest, found.highest) == (None, 0, 20)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("oxygen-saturation", Decimal(101)),
        ("body-temperature", Decimal("98.6")),
        ("heart-rate", Decimal("NaN")),
        ("heart-rate", Decimal("Infinity")),
        ("heart-rate", Decimal(-1)),
        ("acvpu", "X"),
        ("oxygen", "yes"),
        ("heart-rate", "70"),
        ("pulse", Decimal(70)),
    ],
)
def test_what_cannot_be_a_measurement_is_refused(name: str, value: news2.Value) -> None:
    with pytest.raises(InputError):
        news2.score({name: value})


# ---- the method


def encounter(**changes: Any) -> dict[str, Any]:
    body = {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "EMER"},
        "period": {"start": (NOW - timedelta(hours=5)).isoformat()},
    }
    return body | changes


def acute(minutes: float = 10, without: str = "", **changed: Any) -> list[dict[str, Any]]:
    """A full set of staff observations of a well person, some changed or left out."""
    at = NOW - timedelta(minutes=minutes)
    made = {
        "respiratory-rate": observation(1, "9279-1", at, valueQuantity=quantity(16, "/min")),
        "oxygen-saturation": observation(2, "2708-6", at, valueQuantity=quantity(98, "%")),
        "systolic-bp": pressure(3, at, 120, 80, None),
        "heart-rate": observation(4, "8867-4", at, valueQuantity=quantity(70, "/min")),
        "acvpu": observation(
            5,
            "1104441000000107",
            at,
            SNOMED,
            valueCodeableConcept={"coding": [{"system": SNOMED, "code": "248234008"}]},
        ),
        "body-temperature": observation(6, "8310-5", at, valueQuantity=quantity(36.8, "Cel")),
        "oxygen": observation(7, "722742002", at, SNOMED),
    }
    return [body for name, body in (made | changed).items() if name != without]


def run(*resources: Any, **parameters: Any) -> list[Finding]:
    chart = Chart.of([patient(), *resources], now=NOW)
    return list(NEWS2.run(chart, Context(parameters)))


def test_it_is_a_method() -> None:
    assert isinstance(NEWS2, Method)


def test_a_full_set_in_an_open_acute_encounter() -> None:
    (found,) = run(encounter(), *acute())
    assert found.status == "ok"
    assert str(found.value) == "0 {score}"
    assert len(found.evidence) == 7
    assert found.proposals == ()


@pytest.mark.parametrize("missing", news2.PARAMETERS)
def test_each_missing_parameter_leaves_it_open(missing: str) -> None:
    (found,) = run(encounter(), *acute(without=missing))
    assert found.status == "not-assessable"
    assert found.value is None
    assert "incomplete" in found.reason
    assert news2.label(missing) in found.reason
    assert found.details["missing"] == [missing]
    assert found.details["lowest"] == 0 < found.details["highest"]


def test_stale_is_missing() -> None:
    (found,) = run(encounter(), *acute(minutes=61))
    assert found.status == "not-assessable"
    assert "too old" in found.reason
    (found,) = run(encounter(), *acute(minutes=61), **{"age-limit-minutes": 90})
    assert found.status == "ok"


def test_what_is_certain_is_proposed_even_while_incomplete() -> None:
    at = NOW - timedelta(minutes=5)
    (found,) = run(
        encounter(),
        *acute(
            without="acvpu",
            **{
                "respiratory-rate": observation(1, "9279-1", at, valueQuantity=quantity(28, "/min")),
                "heart-rate": observation(4, "8867-4", at, valueQuantity=quantity(135, "/min")),
                "systolic-bp": pressure(3, at, 85, 50, None),
            },
        ),
    )
    assert (found.status, found.details["lowest"], found.details["highest"]) == ("not-assessable", 9, 12)
    assert [p.target for p in found.proposals] == ["emergency-assessment"]
    assert "at least 9" in found.proposals[0].indication


def test_a_single_3_asks_for_urgent_review() -> None:
    slow = observation(4, "8867-4", NOW - timedelta(minutes=3), valueQuantity=quantity(38, "/min"))
    (found,) = run(encounter(), *acute(**{"heart-rate": slow}))
    assert str(found.value) == "3 {score}"
    assert [(p.target, p.tier) for p in found.proposals] == [("urgent-assessment", "urgent")]


def test_oxygen_from_the_component_of_the_saturation() -> None:
    component = [{"code": {"coding": [{"system": LOINC, "code": "3151-8"}]}, "valueQuantity": quantity(2, "L/min")}]
    with_flow = observation(
        2, "2708-6", NOW - timedelta(minutes=1), valueQuantity=quantity(98, "%"), component=component
    )
    (found,) = run(encounter(), *acute(without="oxygen", **{"oxygen-saturation": with_flow}))
    assert found.details["points"]["oxygen"] == 2


def test_scale_2_needs_a_prescriber() -> None:
    low = observation(2, "2708-6", NOW - timedelta(minutes=1), valueQuantity=quantity(88, "%"))
    flag = observation(9, "news2-spo2-scale-2", NOW - timedelta(days=30), "urn:salus:code", valueBoolean=True)
    named = flag | {"performer": [{"display": "respiratory physician"}]}
    for extra, points in (([], 3), ([flag], 3), ([named], 0), ([named | {"valueBoolean": False}], 3)):
        (found,) = run(encounter(), *acute(**{"oxygen-saturation": low}), *extra)
        assert found.details["points"]["oxygen-saturation"] == points


def test_fahrenheit_is_converted_and_an_impossible_value_is_missing() -> None:
    at = NOW - timedelta(minutes=1)
    hot = observation(6, "8310-5", at, valueQuantity=quantity(102.38, "[degF]"))
    (found,) = run(encounter(), *acute(**{"body-temperature": hot}))
    assert found.details["points"]["body-temperature"] == 2
    wrong = observation(6, "8310-5", at, valueQuantity=quantity(98.6, "Cel"))
    (found,) = run(encounter(), *acute(**{"body-temperature": wrong}))
    assert found.details["missing"] == ["body-temperature"]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "finished"},
        {"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}},
        {"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HH"}},
        {"period": {"start": (NOW - timedelta(hours=5)).isoformat(), "end": (NOW - timedelta(hours=1)).isoformat()}},
    ],
)
def test_only_within_an_open_acute_encounter(changes: dict[str, Any]) -> None:
    (found,) = run(encounter(**changes), *acute())
    assert found.status == "not-assessable"
    assert "no open acute encounter" in found.reason


def test_home_measurements_never_count() -> None:
    tag = {"meta": {"tag": [{"system": "urn:salus:setting", "code": "home"}]}}
    (found,) = run(encounter(), *[body | tag for body in acute()])
    assert found.status == "not-assessable"
    assert set(found.details["missing"]) == set(news2.PARAMETERS)


@pytest.mark.parametrize(
    ("person", "words"),
    [
        (patient("2010-03-02"), "children under 16"),
        (patient(None), "age is not known"),
        (patient(deceasedBoolean=True), "died"),
    ],
)
def test_whom_it_does_not_apply_to(person: dict[str, Any], words: str) -> None:
    chart = Chart.of([person, encounter(), *acute()], now=NOW)
    (found,) = NEWS2.run(chart, Context())
    assert found.status == "not-assessable"
    assert words in found.reason


def test_sixteenth_birthday_is_enough() -> None:
    chart = Chart.of([patient("2010-03-01"), encounter(), *acute()], now=NOW)
    (found,) = NEWS2.run(chart, Context())
    assert found.status == "ok"


def test_not_in_pregnancy() -> None:
    status = observation(
        8,
        "82810-3",
        NOW - timedelta(days=40),
        valueCodeableConcept={"coding": [{"system": SNOMED, "code": "77386006"}]},
    )
    (found,) = run(encounter(), *acute(), status)
    assert "pregnancy" in found.reason
    later = observation(
        9, "82810-3", NOW - timedelta(days=4), valueCodeableConcept={"coding": [{"system": SNOMED, "code": "60001007"}]}
    )
    (found,) = run(encounter(), *acute(), status, later)
    assert found.status == "ok"


def test_silent_where_there_is_nothing_to_speak_of() -> None:
    assert run() == []
