"""One small interpreter for published clinical equations; each equation is a data file in ``equations/``.

A file names inputs with unit and validated range, transforms, coefficients, link function and published rounding.
:func:`evaluate` gives values, or the reasons why it must not: an input missing, of the wrong type, outside the range
on which the equation was validated, or apparently in another unit. Nothing is ever clamped or filled in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from salus.errors import MethodError
from salus.fhir.quantity import unit_words

Kind = Literal["missing", "type", "range", "unit", "category"]
Inputs = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Input:
    """One input of an equation: its canonical unit, its valid range (both ends belong to it) and how to obtain it."""

    name: str
    label: str
    kind: Literal["number", "boolean", "category"]
    obtain: str
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()
    other_units: tuple[tuple[str, float], ...] = ()
    """(unit, how many of it make one canonical unit): the units in which this value is often meant."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an equation refuses. ``text`` is a plain sentence without the person's name."""

    input: str
    kind: Kind
    text: str
    obtain: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """One output: ``value`` unrounded, ``rounded`` as the source publishes it, ``flags`` to show with it."""

    output: str
    label: str
    unit: str
    horizon: str | None
    value: float
    rounded: Decimal
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Estimates or problems, never both."""

    estimates: tuple[Estimate, ...] = ()
    problems: tuple[Problem, ...] = ()

    def of(self, output: str, horizon: str | None = None) -> Estimate | None:
        """The estimate of one output and horizon, if the equation was not refused."""
        return next((e for e in self.estimates if e.output == output and e.horizon == horizon), None)


@dataclass(frozen=True, slots=True)
class Equation:
    """A parsed equation file. ``body`` keeps transforms, models, flags and rounding as they stand in the file."""

    id: str
    version: str
    title: str
    citation: tuple[str, ...]
    licence: str
    population: str
    inputs: tuple[Input, ...]
    body: Mapping[str, Any]

    def input(self, name: str) -> Input:
        """The input called ``name``. Raises :class:`KeyError` for a name the equation does not have."""
        for candidate in self.inputs:
            if candidate.name == name:
                return candidate
        raise KeyError(name)


def parse(text: str) -> Equation:
    """An equation from the text of its data file."""
    body = json.loads(text)
    inputs = tuple(
        Input(
            name=spec["name"],
            label=spec["label"],
            kind=spec["kind"],
            obtain=spec["obtain"],
            unit=spec.get("unit"),
            minimum=spec.get("minimum"),
            maximum=spec.get("maximum"),
            values=tuple(spec.get("values", ())),
            other_units=tuple(spec.get("other_units", {}).items()),
        )
        for spec in body["inputs"]
    )
    head = {key: body[key] for key in ("id", "version", "title", "licence", "population")}
    return Equation(**head, citation=tuple(body["citation"]), inputs=inputs, body=body)


@cache
def load(equation_id: str) -> Equation:
    """The packaged equation ``equation_id``. Raises :class:`MethodError` where there is none of that name."""
    file = files("salus.risk").joinpath("equations", f"{equation_id}.json")
    if not file.is_file():
        raise MethodError(f"there is no equation called {equation_id!r}", remedy="see salus/risk/equations")
    return parse(file.read_text("utf-8"))


def check(equation: Equation, inputs: Inputs) -> tuple[Problem, ...]:
    """All reasons why ``equation`` must not be computed from ``inputs``; empty when it may be."""
    found = (_check_input(spec, inputs.get(spec.name)) for spec in equation.inputs)
    return tuple(problem for problem in found if problem is not None)


def evaluate(equation: Equation, inputs: Inputs) -> Evaluation:
    """Every output of ``equation``; numbers in the canonical units of its inputs, booleans as ``bool``.

    The linear predictor is constant + sum(coefficient * term); the link is logistic (a probability), exponential, or
    survival (a probability by a model of proportional hazards with its baseline survival).
    """
    problems = check(equation, inputs)
    if problems:
        return Evaluation(problems=problems)
    body = equation.body
    stratum = [str(inputs[name]) for name in _listed(body["stratum"])]
    terms = _terms(body, inputs, stratum[0])
    models = (model for model in body["models"] if _listed(model["stratum"]) == stratum)
    estimates = tuple(_estimate(equation, _whole(body, model, stratum), terms, inputs) for model in models)
    return Evaluation(estimates=estimates)


def _listed(given: str | list[str]) -> list[str]:
    return given if isinstance(given, list) else [given]


def _whole(body: Mapping[str, Any], model: Mapping[str, Any], stratum: list[str]) -> dict[str, Any]:
    """A model with what it shares with all others of its file ("*"), and with those of each of its strata."""
    shared = body.get("shared", {})
    whole: dict[str, Any] = {}
    for name in ("*", *stratum):
        whole |= shared.get(name, {})
    return {**whole, **model}


def _check_input(spec: Input, value: Any) -> Problem | None:
    if value is None:
        return Problem(spec.name, "missing", f"{spec.label} is not known", spec.obtain)
    if spec.kind == "boolean":
        return None if isinstance(value, bool) else _wrong_type(spec, "yes or no")
    if spec.kind == "category":
        if isinstance(value, str) and value in spec.values:
            return None
        return Problem(spec.name, "category", f"{spec.label} must be one of: {', '.join(spec.values)}", spec.obtain)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return _wrong_type(spec, "a finite number")
    return _check_range(spec, float(value))


def _wrong_type(spec: Input, wanted: str) -> Problem:
    return Problem(spec.name, "type", f"{spec.label} must be {wanted}", spec.obtain)


def _inside(spec: Input, value: float) -> bool:
    return (spec.minimum is None or value >= spec.minimum) and (spec.maximum is None or value <= spec.maximum)


def _check_range(spec: Input, value: float) -> Problem | None:
    if _inside(spec, value):
        return None
    unit_word = unit_words(str(spec.unit))
    allowed = f"{spec.minimum:g} to {spec.maximum:g} {unit_word}"
    for unit, factor in spec.other_units:
        if _inside(spec, value / factor):
            text = f"{spec.label} is outside {allowed}; it looks like a value in {unit} recorded as {unit_word}"
            return Problem(spec.name, "unit", text, "check the unit of this value at its source")
        if _inside(spec, value * factor):
            text = f"{spec.label} is outside {allowed}; it looks like a value in {unit_word} recorded as {unit}"
            return Problem(spec.name, "unit", text, "check the unit of this value at its source")
    text = f"{spec.label} is {value:g} {unit_word}, outside the validated range {allowed}"
    return Problem(spec.name, "range", text, "no result exists for this value; repeat the measurement if it is doubted")


def _terms(body: Mapping[str, Any], inputs: Inputs, stratum: str) -> dict[str, float]:
    constants = body.get("constants", {}).get(stratum, {})
    terms: dict[str, float] = {}
    for transform in body["transforms"]:
        if "product" in transform:
            value = math.prod(terms[name] for name in transform["product"])
        else:
            given = inputs[transform["of"]]
            value = float(given == transform["is"]) if "is" in transform else float(given)
            if "minus" in transform:
                value -= float(inputs[transform["minus"]])
            for step in transform.get("steps", ()):
                value = _step(value, step, constants)
        terms[transform["name"]] = value
    return terms


def _step(value: float, step: list[Any], constants: Mapping[str, float]) -> float:
    name = step[0]
    if name == "ln":
        return math.log(value)
    given = step[1]
    number = constants[given[1:]] if isinstance(given, str) else given
    match name:
        case "add":
            return float(value + number)
        case "subtract":
            return float(value - number)
        case "multiply":
            return float(value * number)
        case "divide":
            return float(value / number)
        case "at_most":
            return float(min(value, number))
        case "at_least":
            return float(max(value, number))
    raise MethodError(f"an equation file uses the unknown step {name!r}")


def _number(given: Any) -> float:
    """A coefficient as written: a number, {"ln": x}, or a list of them to be summed."""
    if isinstance(given, list):
        return math.fsum(_number(item) for item in given)
    return math.log(given["ln"]) if isinstance(given, dict) else float(given)


def _linked(link: str, predictor: float, model: Mapping[str, Any]) -> float:
    """What a linear predictor stands for. ``survival`` is the risk of a proportional hazards model, 1 - S0^exp(lp).

    A model with ``scales`` (s1, s2) recalibrates it to a region: the complementary log-log of the risk becomes s1 + s2
    times what it was, as in SCORE2.
    """
    match link:
        case "logistic":
            return 1 / (1 + math.exp(-predictor))
        case "exponential":
            return math.exp(predictor)
        case "survival":
            hazard = -math.exp(predictor) * math.log(model["baseline_survival"])
            shift, slope = model.get("scales", (0, 1))
            return -math.expm1(-math.exp(shift + slope * math.log(hazard)))
    raise MethodError(f"an equation file uses the unknown link {link!r}")


def _estimate(equation: Equation, model: Mapping[str, Any], terms: Mapping[str, float], inputs: Inputs) -> Estimate:
    body = equation.body
    products = (_number(coefficient) * terms[name] for name, coefficient in model["coefficients"].items())
    predictor = math.fsum((_number(model.get("constant", 0)), *products))
    value = _linked(body["link"], predictor, model)
    horizon = model.get("horizon")
    flags = tuple(
        flag["text"]
        for flag in body.get("flags", ())
        if flag["horizon"] == horizon and float(inputs[flag["input"]]) > flag["above"]
    )
    output = body["outputs"][model["output"]]
    digits = Decimal(1).scaleb(-body["rounding"]["digits"])
    rounded = Decimal(repr(value)).quantize(digits, ROUND_HALF_UP)
    return Estimate(model["output"], output["label"], output["unit"], horizon, value, rounded, flags)
