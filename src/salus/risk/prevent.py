"""Method ``risk.prevent``: AHA PREVENT, base model, 10 and 30 years."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from salus.fhir.quantity import Quantity
from salus.findings.method import Context
from salus.findings.model import Finding, Interval, Proposal
from salus.findings.strength import Grade, Strength
from salus.person.person import Person
from salus.record.chart import Chart
from salus.risk.creatinine import CHANGING, DIED, NOTHING, instead, refusal
from salus.risk.egfr import decimal
from salus.risk.engine import Equation, Estimate, Evaluation, Input, Problem, evaluate, load
from salus.risk.inputs import LOOK_BACK_DAYS, Inputs, gather

KHAN = (
    "Khan SS et al. Development and Validation of the AHA's PREVENT Equations. Circulation 2024;149:430-449, "
    "doi:10.1161/CIRCULATIONAHA.123.067626"
)
CODES: Mapping[tuple[str, str], str] = {
    ("total_cvd", "10 a"): "prevent-cvd-10y",
    ("ascvd", "10 a"): "prevent-ascvd-10y",
    ("heart_failure", "10 a"): "prevent-hf-10y",
    ("total_cvd", "30 a"): "prevent-cvd-30y",
    ("ascvd", "30 a"): "prevent-ascvd-30y",
    ("heart_failure", "30 a"): "prevent-hf-30y",
}
NO_INTERVAL = (
    "the source publishes no interval for one person; in external validation the median calibration slope was 1.03 in "
    "women and 0.94 in men (Khan 2024)"
)
MOST_MISSING = 4
"""Up to so many missing inputs the range over their possible values is computed."""

WHETHER = frozenset({"diabetes", "smoking", "statin", "bp_treatment", "egfr"})
"""Inputs drawn from a measurement or statement of another name: a reason must name the input too."""

KNOTS: Mapping[str, tuple[float, ...]] = {"sbp": (110,), "bmi": (30,), "egfr": (60,)}
"""Where PREVENT's linear pieces meet. Between knots the predictor is linear in each input, so extremes lie at ends."""


class Prevent:
    """10- and 30-year risks of total cardiovascular disease, ASCVD and heart failure."""

    id = "risk.prevent"
    version = "1.2.0"
    title = "AHA PREVENT, base model"
    intended_use = "Shows a professional the predicted risk of a first cardiovascular event, for primary prevention."
    inputs = ("record", "note")
    produces = tuple(CODES.values())
    consumes = ("egfr", "note-problem", "note-medication")
    population = (
        "adults of 30 to 79 years without known cardiovascular disease, every input within its validated range "
        "(systolic 90-180 mm[Hg], total cholesterol 130-320 and HDL 20-100 mg/dL, BMI 18.5-39.9 kg/m2, eGFR 15-140)"
    )
    references = (KHAN, "coefficient table: R package preventr 0.12.0 (MIT)")
    licence = "MIT (table as published in preventr 0.12.0)"
    limits = (
        "Of its ranges only systolic pressure above 180 was tried against another program; whether risks come true is "
        "not "
        "measured.",
        f"values older than {LOOK_BACK_DAYS} days are not used (set by salus; PREVENT names no limit)",
        "refused also where cardiomyopathy, left ventricular dysfunction, an ejection fraction of 40 % or less, "
        "dialysis or end-stage kidney disease is on record (set by salus: heart failure or an eGFR below 15 is likely)",
        "blood pressure: clinic readings only; smoking: the newest recorded status, open where a later note says that "
        "the person smokes; diabetes: the problem list, or HbA1c below 6.5 % or glucose below 126 mg/dL "
        "for 'no'",
        "no statin or blood-pressure medicine is taken for granted only from a medicine list confirmed in that time",
        "sex is the recorded administrative sex, female or male",
        "a 30-year estimate above the age of 59 is questionable and marked so",
        "a prediction for groups of people like this one, not an effect of treatment",
    )

    def run(self, chart: Chart, context: Context) -> Iterable[Finding]:
        """One finding for each outcome and horizon; or one ``prevent-cvd-10y`` that says why there is none."""
        if chart.patient.deceased:
            return [refusal("prevent-cvd-10y", DIED, (NOTHING,))]
        person = Person(chart)
        known = person.about("cardiovascular-disease")
        if known.positive:
            reason = f"cardiovascular disease is known ({'; '.join(known.words)}); PREVENT is for people without it"
            need = "nothing: guidelines for secondary prevention apply instead"
            return [refusal("prevent-cvd-10y", reason, (need,), known.evidence)]
        # a note's suspicion is settled by later notes; what the record itself leaves open stays open
        possible = [s for s in known.deciding if s.state == "possible" and not s.finding]
        if possible:
            shown = "; ".join(s.words for s in possible)
            reason = f"cardiovascular disease, for which PREVENT was not made, is possible: {shown}"
            places = tuple(e for s in possible for e in s.evidence)
            return [refusal("prevent-cvd-10y", reason, ("whether this disease is there",), places)]
        if known.open:
            shown = "; ".join(u.sentence for u in known.open)
            reason = f"cardiovascular disease, for which PREVENT was not made, is not ruled out: {shown}"
            need = "whether this is a disease of heart or vessels"
            places = tuple(e for u in known.open for e in u.evidence)
            return [refusal("prevent-cvd-10y", reason, (need,), places)]
        barred = _weak_heart(person) or _failed_kidneys(person)
        if barred is not None:
            return [barred]
        equation = load("prevent-base")
        inputs = gather(person, int(context.parameters.get("look_back_days", LOOK_BACK_DAYS)))
        result = evaluate(equation, inputs.values)
        if result.problems:
            return [_refused(equation, inputs, tuple(_explained(p, inputs) for p in result.problems))]
        return [_finding(estimate, code, inputs, inputs.newest_date) for estimate, code in _reported(result)]


REDUCED_LVEF = 40.0
"""Ejection fraction in % at or below which it is reduced (Bozkurt 2021, universal definition of heart failure, as the
American College of Cardiology sums it up)."""


def _weak_heart(person: Person) -> Finding | None:
    """A refusal where the heart is weak, by diagnosis or by the newest ejection fraction: PREVENT is for people without
    heart failure."""
    reason, need = "heart failure, for which PREVENT was not made, is likely", "whether there is heart failure"
    lvef = person.newest("lvef", "%")
    if lvef.value is not None and lvef.value <= REDUCED_LVEF:
        words = f"an ejection fraction of {lvef.value:.0f} % is recorded"
        return refusal("prevent-cvd-10y", f"{reason}: {words}", (need,), lvef.evidence)
    return _barred(person, ("left-ventricular-dysfunction", "cardiomyopathy"), reason, need)


def _failed_kidneys(person: Person) -> Finding | None:
    """A refusal where dialysis or end-stage kidney disease is told: PREVENT takes an eGFR of 15 or more, whatever
    creatinine says beside it."""
    reason, need = "PREVENT is not for people with kidney failure", "whether the kidneys have failed"
    return _barred(person, ("dialysis", "end-stage-kidney-disease"), reason, need)


def _barred(person: Person, concepts: tuple[str, ...], reason: str, need: str) -> Finding | None:
    """A refusal where one of ``concepts`` is there, or possible by the record; a note's suspicion refuses nothing."""
    told = person.about(*concepts).deciding
    found = [s for s in told if s.state == "present" or (s.state == "possible" and not s.finding)]
    if not found:
        return None
    places = tuple(e for s in found for e in s.evidence)
    return refusal("prevent-cvd-10y", f"{reason}: {'; '.join(s.words for s in found)}", (need,), places)


def _reported(result: Evaluation) -> Iterable[tuple[Estimate, str]]:
    for (output, horizon), code in CODES.items():
        estimate = result.of(output, horizon)
        if estimate is not None:
            yield estimate, code


def _percent(estimate: Estimate) -> Decimal:
    return (estimate.rounded * 100).quantize(Decimal("0.1"))


def _finding(estimate: Estimate, code: str, inputs: Inputs, date: str) -> Finding:
    years = str(estimate.horizon).split()[0]
    percent = _percent(estimate)
    flags = f" Questionable: {'; '.join(estimate.flags)}." if estimate.flags else ""
    people = round(percent)
    return Finding(
        code=code,
        value=Quantity(percent, "%"),
        probability=estimate.rounded,
        no_uncertainty=NO_INTERVAL,
        sentence=f"Predicted {years}-year risk of {estimate.label}: {percent} % (PREVENT, base model).{flags}",
        patient_sentence=(
            f"Of 100 people like you, about {people} will get {_plain(estimate.output)} in the next {years} years."
        ),
        effective=(date, date),
        evidence=inputs.evidence,
        details={
            "probability": estimate.rounded,
            "unrounded": decimal(estimate.value, 6),
            "flags": list(estimate.flags),
            "inputs": _shown(inputs),
        },
    )


def _plain(output: str) -> str:
    return {"ascvd": "a heart attack or stroke", "heart_failure": "heart failure"}.get(
        output, "heart disease or stroke"
    )


def _shown(inputs: Inputs) -> dict[str, Any]:
    return {
        name: {
            "value": decimal(item.value, 2) if isinstance(item.value, float) else item.value,
            "basis": item.basis,
        }
        for name, item in inputs.found.items()
    }


def _explained(problem: Problem, inputs: Inputs) -> Problem:
    """The problem, with the reason why the record's value was not used where one is recorded."""
    why = inputs.found[problem.input].why
    if problem.kind != "missing" or not why:
        return problem
    named = problem.input in WHETHER
    return replace(problem, text=f"{problem.text} ({why})" if named else why)


def _refused(equation: Equation, inputs: Inputs, problems: tuple[Problem, ...]) -> Finding:
    missing = tuple(p for p in problems if p.kind == "missing")
    barred = tuple(p for p in problems if p.kind != "missing")
    reason = "; ".join(p.text for p in (barred or missing))
    # no creatinine helps while dialysis, a pregnancy or an acute injury lasts
    idle = [p for p in problems if inputs.found[p.input].why in CHANGING.values()]
    needs = [instead(inputs.found[p.input].why)[0] if p in idle else p.obtain for p in problems]
    base = refusal("prevent-cvd-10y", reason, dict.fromkeys(needs), inputs.evidence)
    details: dict[str, Any] = {"missing": [p.input for p in missing], "inputs": _shown(inputs)}
    if barred:
        return replace(base, details=details)
    spread = possible_range(equation, inputs.values, [p.input for p in missing])
    wanted = [p for p in missing if p.input not in ("age", "sex") and p not in idle]
    proposals = tuple(_obtain(equation.input(p.input), p, bare=not inputs.found[p.input].why) for p in wanted)
    if spread is None:
        return replace(base, details=details, proposals=proposals)
    low, high, decides = spread
    sentence = (
        f"Not assessable: {reason}. Whatever the missing value{'s are' if len(missing) > 1 else ' is'}, the 10-year "
        f"risk of total cardiovascular disease lies between {low} and {high} %; most depends on "
        f"{equation.input(decides).label}."
    )
    interval = Interval(low, high, None, "least and greatest over all valid values of the missing inputs")
    details |= {"decides": decides}
    return replace(base, sentence=sentence, interval=interval, details=details, proposals=proposals)


PURPOSE = "To predict cardiovascular risk"


def _obtain(spec: Input, problem: Problem, *, bare: bool) -> Proposal:
    """The step that obtains an input; ``bare``: nothing more is known of it than that it is missing."""
    return Proposal(
        guideline="aha-prevent-2024",
        action="measure",
        target=spec.name.replace("_", "-"),
        text=f"{PURPOSE}: {spec.obtain}.",
        indication=problem.text,
        strength=Strength(Grade.NEEDED_INPUT),
        citation=KHAN,
        tier="missing-data",
        patient_text=f"To judge your risk of heart disease one fact is missing: {spec.label}.",
        details={"purpose": PURPOSE, "step": spec.obtain, **({"unknown": spec.label} if bare else {})},
    )


def _candidates(spec: Input) -> tuple[Any, ...]:
    if spec.kind == "boolean":
        return (False, True)
    return (spec.minimum, *KNOTS.get(spec.name, ()), spec.maximum)


def possible_range(
    equation: Equation, values: Mapping[str, Any], missing: list[str]
) -> tuple[Decimal, Decimal, str] | None:
    """Least and greatest 10-year total risk (%) over the missing inputs' valid ranges, and the input that decides most.

    Exact: between knots the predictor is linear in each input. None when age or sex is missing, or too much is.
    """
    if not missing or len(missing) > MOST_MISSING or {"age", "sex"} & set(missing):
        return None
    grids = [_candidates(equation.input(name)) for name in missing]
    risks: dict[tuple[Any, ...], Decimal] = {}
    for corner in itertools.product(*grids):
        estimate = evaluate(equation, {**values, **dict(zip(missing, corner, strict=True))}).of("total_cvd", "10 a")
        if estimate is None:
            return None
        risks[corner] = _percent(estimate)
    decides = max(missing, key=lambda name: _reach(risks, missing.index(name)))
    return min(risks.values()), max(risks.values()), decides


def _reach(risks: Mapping[tuple[Any, ...], Decimal], position: int) -> Decimal:
    """The most that one input can move the risk while the others stay put."""
    groups: dict[tuple[Any, ...], list[Decimal]] = {}
    for corner, risk in risks.items():
        groups.setdefault(corner[:position] + corner[position + 1 :], []).append(risk)
    return max(max(group) - min(group) for group in groups.values())


PREVENT = Prevent()
