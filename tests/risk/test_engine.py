"""The equation interpreter: published values, both ends of every range, and every kind of refusal."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import MethodError
from salus.risk.engine import Equation, Input, check, evaluate, load, parse

# Table S25 and the supplemental workbook of Khan 2024, as documented in preventr's manual.
EXAMPLE: dict[str, Any] = {
    "sex": "female",
    "age": 50,
    "sbp": 160,
    "bp_treatment": True,
    "total_cholesterol": 200,
    "hdl_cholesterol": 45,
    "statin": False,
    "diabetes": True,
    "smoking": False,
    "egfr": 90,
    "bmi": 35,
}
PUBLISHED = {
    "10 a": {"total_cvd": "0.147", "ascvd": "0.092", "heart_failure": "0.081", "chd": "0.044", "stroke": "0.054"},
    "30 a": {"total_cvd": "0.530", "ascvd": "0.354", "heart_failure": "0.390", "chd": "0.198", "stroke": "0.221"},
}
PREVENT = load("prevent-base")
CKD_EPI = load("ckd-epi-2021-creatinine")
NUMBERS = [(PREVENT, spec) for spec in PREVENT.inputs if spec.kind == "number"]
NUMBERS += [(CKD_EPI, spec) for spec in CKD_EPI.inputs if spec.kind == "number"]
KFRE = [load(f"kfre-{n}") for n in (4, 6, 8)]
KIDNEY: dict[str, Any] = {
    "region": "north-america",
    "sex": "male",
    "age": 60,
    "egfr": 30,
    "uacr": 300,
    "diabetes": True,
    "hypertension": True,
    "albumin": 4.0,
    "phosphate": 3.9,
    "bicarbonate": 25,
    "calcium": 9.4,
}
NUMBERS += [(equation, spec) for equation in KFRE for spec in equation.inputs if spec.kind == "number"]
BASE = {PREVENT.id: EXAMPLE, CKD_EPI.id: {"sex": "male", "age": 60, "creatinine": 1.0}}
BASE |= {equation.id: KIDNEY for equation in KFRE}
SCORE2 = [load("score2"), load("score2-op")]
EUROPE: dict[str, Any] = {
    "sex": "male",
    "region": "low",
    "age": 50,
    "sbp": 140,
    "total_cholesterol": 5.5,
    "hdl_cholesterol": 1.3,
    "smoking": True,
    "diabetes": False,
}
"""The example in the abstract of the SCORE2 paper."""
NUMBERS += [(equation, spec) for equation in SCORE2 for spec in equation.inputs if spec.kind == "number"]
BASE |= {"score2": EUROPE, "score2-op": EUROPE | {"age": 75}}


def test_prevent_reproduces_the_published_example() -> None:
    result = evaluate(PREVENT, EXAMPLE)
    for horizon, outcomes in PUBLISHED.items():
        for outcome, value in outcomes.items():
            estimate = result.of(outcome, horizon)
            assert estimate is not None
            assert estimate.rounded == Decimal(value), (outcome, horizon)
    assert len(result.estimates) == 10


def test_ckd_epi_2021_follows_the_printed_formula() -> None:
    for sex, kappa, alpha, factor in (("female", 0.7, -0.241, 1.012), ("male", 0.9, -0.302, 1.0)):
        for creatinine in (0.5, 0.7, 0.9, 1.3, 4.0):
            low, high = min(creatinine / kappa, 1) ** alpha, max(creatinine / kappa, 1) ** -1.2
            wanted = 142 * low * high * 0.9938**57 * factor
            found = evaluate(CKD_EPI, {"sex": sex, "age": 57, "creatinine": creatinine}).estimates[0]
            assert math.isclose(found.value, wanted, rel_tol=1e-12)
            assert found.rounded == int(wanted + 0.5)


def test_the_kidney_failure_risk_equation_follows_the_printed_formula() -> None:
    """As the package kfre prints it, and Tangri 2016: 1 - S0 ^ exp(sum(beta * (x - mean)))."""
    for sex, male in (("female", 0), ("male", 1)):
        for region, horizon, survival in (
            ("north-america", "2 a", 0.975),
            ("north-america", "5 a", 0.924),
            ("elsewhere", "2 a", 0.9832),
            ("elsewhere", "5 a", 0.9365),
        ):
            sum_ = -0.2201 * (60 / 10 - 7.036) + 0.2467 * (male - 0.5642)
            sum_ += -0.5567 * (30 / 5 - 7.222) + 0.4510 * (math.log(300) - 5.137)
            found = evaluate(KFRE[0], KIDNEY | {"sex": sex, "region": region}).of("kidney_failure", horizon)
            assert found is not None
            assert math.isclose(found.value, 1 - survival ** math.exp(sum_), rel_tol=1e-12)
            assert found.rounded == round(Decimal(found.value), 3)


def test_more_variables_say_more_of_the_kidneys() -> None:
    low, high = KIDNEY | {"diabetes": False}, KIDNEY | {"bicarbonate": 15, "albumin": 2.5}
    six, eight = KFRE[1:]

    def risk(equation: Equation, inputs: dict[str, Any]) -> float:
        estimate = evaluate(equation, inputs).of("kidney_failure", "5 a")
        assert estimate is not None
        return estimate.value

    assert risk(six, low) > risk(six, KIDNEY)  # the coefficient of diabetes is negative: the paper's
    assert risk(eight, high) > risk(eight, KIDNEY)


@pytest.mark.parametrize(
    ("sex", "region", "percent"),
    [("male", "low", 5.9), ("male", "very-high", 14.0), ("female", "low", 4.2), ("female", "very-high", 13.7)],
)
def test_score2_reproduces_the_published_examples(sex: str, region: str, percent: float) -> None:
    found = evaluate(SCORE2[0], EUROPE | {"sex": sex, "region": region}).of("cvd", "10 a")
    assert found is not None
    assert found.rounded == Decimal(str(percent)) / 100
    assert not found.flags


def test_score2_says_that_it_is_not_meant_for_diabetes_and_each_region_counts() -> None:
    risks = []
    for region in ("low", "moderate", "high", "very-high"):
        for equation in SCORE2:
            (found,) = evaluate(equation, BASE[equation.id] | {"region": region, "diabetes": True}).estimates
            assert "diabetes" in found.flags[0]
            risks.append(found.value)
    assert len(set(risks)) == 8


def test_an_unknown_link_is_an_error_of_the_file() -> None:
    broken = parse(json.dumps({**KFRE[0].body, "link": "probit"}))
    with pytest.raises(MethodError, match="link 'probit'"):
        evaluate(broken, KIDNEY)


@pytest.mark.parametrize(("equation", "spec"), NUMBERS, ids=lambda item: getattr(item, "name", ""))
@pytest.mark.parametrize("end", ["minimum", "maximum"])
def test_both_ends_of_every_range(equation: Equation, spec: Input, end: str) -> None:
    bound = getattr(spec, end)
    step = math.copysign(max(abs(bound) * 1e-9, 1e-9), -1 if end == "minimum" else 1)
    inputs = dict(BASE[equation.id])
    assert evaluate(equation, inputs | {spec.name: bound}).estimates, "the end itself belongs to the range"
    assert evaluate(equation, inputs | {spec.name: bound - step}).estimates
    outside = evaluate(equation, inputs | {spec.name: bound + step})
    assert not outside.estimates
    assert [p.input for p in outside.problems] == [spec.name]
    assert outside.problems[0].kind in ("range", "unit")


@pytest.mark.parametrize("value", ["120", "", math.nan, math.inf, -math.inf, True, False, [120], Decimal("NaN")])
def test_not_a_number_is_refused(value: object) -> None:
    for equation, spec in NUMBERS:
        problems = check(equation, BASE[equation.id] | {spec.name: value})
        assert [(p.input, p.kind) for p in problems] == [(spec.name, "type")]


@pytest.mark.parametrize("value", [0, 1, "yes", "true", 1.0])
def test_yes_no_inputs_take_only_booleans(value: object) -> None:
    problems = check(PREVENT, EXAMPLE | {"smoking": value})
    assert [(p.input, p.kind) for p in problems] == [("smoking", "type")]


@pytest.mark.parametrize("sex", ["f", "FEMALE", "other", "unknown", 1])
def test_sex_is_never_interpreted(sex: object) -> None:
    assert [p.kind for p in check(PREVENT, EXAMPLE | {"sex": sex})] == ["category"]


@pytest.mark.parametrize("name", list(EXAMPLE))
def test_every_missing_input_is_named_with_what_to_obtain(name: str) -> None:
    result = evaluate(PREVENT, EXAMPLE | {name: None})
    assert [(p.input, p.kind) for p in result.problems] == [(name, "missing")]
    assert result.problems[0].obtain
    assert not result.estimates


def test_several_problems_are_all_named() -> None:
    result = evaluate(PREVENT, EXAMPLE | {"age": 80, "sbp": None, "bmi": "35"})
    assert {(p.input, p.kind) for p in result.problems} == {("age", "range"), ("sbp", "missing"), ("bmi", "type")}


@pytest.mark.parametrize(
    ("equation", "name", "value", "unit"),
    [
        (CKD_EPI, "creatinine", 90, "umol/L"),
        (PREVENT, "total_cholesterol", 5.2, "mmol/L"),
        (PREVENT, "hdl_cholesterol", 1.3, "mmol/L"),
        (PREVENT, "sbp", 16.0, "kPa"),
    ],
)
def test_a_value_that_looks_like_another_unit_is_refused_with_the_unit(
    equation: Equation, name: str, value: float, unit: str
) -> None:
    problem = evaluate(equation, BASE[equation.id] | {name: value}).problems[0]
    assert problem.kind == "unit"
    assert unit in problem.text


def test_a_value_converted_from_a_wrong_unit_is_recognised_too() -> None:
    converted = 200 / 0.02586  # 200 mg/dL that was labelled mmol/L
    problem = evaluate(PREVENT, EXAMPLE | {"total_cholesterol": converted}).problems[0]
    assert problem.kind == "unit"
    assert "mg/dL recorded as mmol/L" in problem.text


@pytest.mark.parametrize(("age", "flagged"), [(59, False), (60, True), (79, True)])
def test_thirty_years_above_59_is_computed_and_flagged(age: int, flagged: bool) -> None:
    result = evaluate(PREVENT, EXAMPLE | {"age": age})
    ten, thirty = result.of("total_cvd", "10 a"), result.of("total_cvd", "30 a")
    assert ten is not None
    assert thirty is not None
    assert ten.flags == ()
    assert bool(thirty.flags) is flagged


@given(
    age=st.integers(30, 79),
    sbp=st.floats(90, 179),
    egfr=st.floats(15.01, 140),
    sex=st.sampled_from(["female", "male"]),
)
def test_probabilities_lie_between_0_and_1_and_grow_with_pressure_and_falling_kidney_function(
    age: int, sbp: float, egfr: float, sex: str
) -> None:
    inputs = EXAMPLE | {"age": age, "sbp": max(sbp, 110), "egfr": min(egfr, 59), "sex": sex}
    base = evaluate(PREVENT, inputs).of("heart_failure", "10 a")
    higher = evaluate(PREVENT, inputs | {"sbp": max(sbp, 110) + 1}).of("heart_failure", "10 a")
    worse = evaluate(PREVENT, inputs | {"egfr": max(min(egfr, 59) - 1, 15)}).of("heart_failure", "10 a")
    assert base is not None
    assert higher is not None
    assert worse is not None
    assert 0 < base.value < 1
    assert higher.value > base.value
    assert worse.value >= base.value


def test_halves_are_rounded_up() -> None:
    equation = parse(
        json.dumps(
            {
                "id": "t",
                "version": "1",
                "title": "t",
                "citation": [],
                "licence": "",
                "population": "",
                "link": "exponential",
                "rounding": {"digits": 0, "mode": "half-up"},
                "stratum": "sex",
                "inputs": [{"name": "sex", "label": "sex", "kind": "category", "values": ["any"], "obtain": "-"}],
                "transforms": [],
                "outputs": {"x": {"label": "x", "unit": "1"}},
                "models": [{"output": "x", "stratum": "any", "constant": [{"ln": 5}, {"ln": 0.5}], "coefficients": {}}],
            }
        )
    )
    assert evaluate(equation, {"sex": "any"}).estimates[0].rounded == 3


def test_unknown_equation_and_step_are_method_errors() -> None:
    with pytest.raises(MethodError, match="no equation"):
        load("no-such-equation")
    with pytest.raises(KeyError):
        PREVENT.input("no-such-input")


def test_every_packaged_equation_states_source_licence_and_population() -> None:
    for equation in (PREVENT, CKD_EPI):
        assert equation.citation
        assert equation.licence
        assert equation.population
        assert equation.body["source"]
        assert all(spec.obtain for spec in equation.inputs)
