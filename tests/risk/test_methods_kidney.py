"""Methods risk.egfr and risk.egfr-course on charts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from salus.fhir.quantity import Quantity
from salus.findings.method import Method
from salus.findings.model import Finding
from salus.risk.course import EGFR_COURSE
from salus.risk.egfr import EGFR

from . import charts as c

FALLING = [("0.95", "2025-01-10"), ("1.10", "2025-05-10"), ("1.25", "2025-10-10"), ("1.45", "2026-03-10")]


def egfr(*resources: c.Resource) -> Finding:
    (finding,) = c.run(EGFR, c.chart(*resources))
    return finding


def course(*resources: c.Resource) -> dict[str, Finding]:
    return {f.code: f for f in c.run(EGFR_COURSE, c.chart(*resources))}


def falling() -> list[c.Resource]:
    return [c.creatinine(value, at) for value, at in FALLING]


def test_both_fit_the_method_protocol() -> None:
    for method in (EGFR, EGFR_COURSE):
        assert isinstance(method, Method)
        assert method.references
        assert method.limits


def test_newest_value_with_interval_and_all_earlier_ones() -> None:
    finding = egfr(c.patient(), *falling())
    # 142 * (1.45/0.7)^-1.2 * 0.9938^51 * 1.012
    assert finding.value == Quantity(Decimal(44), "mL/min/{1.73_m2}")
    assert finding.interval is not None
    assert (finding.interval.low, finding.interval.high) == (34, 62)
    assert finding.interval.level == 0.85
    assert finding.effective == ("2026-03-10", "2026-03-10")
    assert [row["at"] for row in finding.details["values"]] == [at for _, at in FALLING]
    assert finding.evidence[0].source.ref.startswith("Observation/")
    assert finding.media[0].kind == "series"


def test_si_units_give_the_same_value() -> None:
    si = egfr(c.patient(), c.creatinine("128.18", unit="umol/L"))  # 1.45 mg/dL * 88.4
    assert si.value == egfr(c.patient(), c.creatinine("1.45")).value


def test_age_is_that_of_the_day_of_the_sample() -> None:
    values = [c.creatinine("1.0", "2006-07-01"), c.creatinine("1.0")]
    earlier, later = egfr(c.patient(born="1956-06-01"), *values).details["values"]
    assert earlier["egfr"] > later["egfr"]


def test_a_creatinine_of_long_ago_decides_nothing() -> None:
    finding = egfr(c.patient(), c.creatinine("3.2", "2012-03-01"))
    assert finding.status == "not-assessable"
    assert "2012-03-01" in finding.reason
    assert [p.target for p in finding.proposals] == ["creatinine"]


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ([c.patient()], "no creatinine"),
        ([c.patient(), c.creatinine("90")], "umol/L recorded as mg/dL"),
        ([c.patient(), c.creatinine("1.0", unit="mg/wk")], "mg/wk"),
        ([c.patient(), c.creatinine("1.0", unit="mmol/mol")], "mmol/mol"),
        ([c.patient(), c.creatinine("1.0", at="2026")], "too imprecise"),
        ([c.patient(gender="other"), c.creatinine("1.0")], "female, male"),
        ([c.patient(gender=None), c.creatinine("1.0")], "sex"),
        ([c.patient(born=None), c.creatinine("1.0")], "age"),
        ([c.patient(born="2015-01-01"), c.creatinine("0.5")], "adults"),
        ([c.patient(born="2008-01-01"), c.creatinine("0.5", "2025-12-31")], "outside the validated range 18"),
        ([c.patient(), c.creatinine("1.0"), c.condition("265764009")], "dialysis"),
        ([c.patient(), c.creatinine("1.0"), c.condition("72892002", at="2026-02-01")], "pregnancy"),
        ([c.patient(), c.creatinine("1.0"), c.condition("14669001", at="2026-05-01")], "steady"),
        ([c.patient(deceasedBoolean=True), c.creatinine("1.0")], "died"),
        ([c.patient(), c.creatinine("1.0", "2026-05-01T08:00:00Z"), c.creatinine("2.0", "2026-05-01T08:00:00Z")],
         "says something else"),
    ],
)  # fmt: skip
def test_refusals_name_the_reason_and_what_to_obtain(resources: list[c.Resource], words: str) -> None:
    finding = egfr(*resources)
    assert finding.status == "not-assessable"
    assert words in finding.reason
    assert finding.value is None
    assert finding.needs


def test_the_dead_need_nothing() -> None:
    resources = [c.patient(deceasedBoolean=True), c.creatinine("1.0")]
    for finding in (egfr(*resources), *course(*resources).values()):
        assert (finding.reason, finding.needs) == ("the person has died", ("nothing: the person has died",))
    (alive,) = egfr(c.patient(), c.creatinine("1.0"), c.condition("265764009")).needs
    assert alive.startswith("another way of measuring kidney function")


def test_sentences_name_the_day_and_effective_keeps_the_moment() -> None:
    times = [f"{day}T05:43:59+10:00" for day in ("2025-05-01", "2025-11-01", "2026-05-01")]
    resources = [c.patient(), *(c.creatinine("0.8", at) for at in times), c.lab("9318-7", "8", "mg/g", times[-1])]
    found = {"egfr": egfr(*resources), **course(*resources)}
    assert "on 2026-05-01 (CKD" in found["egfr"].sentence
    assert "between 2025-05-01 and 2026-05-01 (" in found["egfr-course"].sentence
    assert found["ckd-stage"].sentence.startswith("On 2026-05-01 neither")
    assert found["egfr-course"].effective == (times[0], times[-1])
    assert found["egfr"].effective == found["ckd-stage"].effective == (times[-1], times[-1])


def test_past_pregnancy_and_settled_kidney_injury_do_not_bar() -> None:
    recent = {"at": "2026-04-01"}
    past = [c.condition(code, clinical="resolved", **recent) for code in ("72892002", "14669001")]
    assert egfr(c.patient(), c.creatinine("1.0"), *past).status == "ok"
    old = [c.condition("72892002", at="2024-01-01"), c.condition("14669001", at="2024-01-01")]
    assert egfr(c.patient(), c.creatinine("1.0"), *old).status == "ok"


def test_an_unusable_newer_result_is_not_hidden() -> None:
    finding = egfr(c.patient(), c.creatinine("1.0", "2026-01-01"), c.creatinine("90", "2026-05-01"))
    assert finding.status == "not-assessable"
    assert "umol/L" in finding.reason
    older = egfr(c.patient(), c.creatinine("90", "2026-01-01"), c.creatinine("1.0", "2026-05-01"))
    assert older.status == "ok"
    assert "1 other creatinine result could not be used" in older.sentence
    assert "umol/L" in older.details["left_out"][0]["why"]


@pytest.mark.parametrize(
    ("value", "unit", "category"),
    [("2.9", "mg/mmol", "A1"), ("3.2", "mg/mmol", "A2"), ("30", "mg/mmol", "A2"), ("31", "mg/mmol", "A3"),
     ("29", "mg/g", "A1"), ("30", "mg/g", "A2"), ("300", "mg/g", "A2"), ("301", "mg/g", "A3")],
)  # fmt: skip
def test_albuminuria_is_judged_in_the_unit_in_which_it_was_given(value: str, unit: str, category: str) -> None:
    low = [c.creatinine("1.5", "2025-05-01"), c.creatinine("1.5", "2026-05-01")]
    stage = course(c.patient(), *low, c.lab("9318-7", value, unit))["ckd-stage"]
    assert stage.details["albuminuria_category"] == category


def test_slow_ageing_over_decades_asks_for_no_review() -> None:
    values = [c.creatinine(v, at) for v, at in (("0.85", "2006-05-01"), ("0.95", "2012-05-01"), ("1.0", "2018-05-01"))]
    found = course(c.patient(gender="male", born="1966-02-01"), *values, c.creatinine("1.1"))["egfr-course"]
    assert [p.target for p in found.proposals] == ["urine-albumin-creatinine-ratio"]


def test_falling_kidney_function_with_stage_and_proposals() -> None:
    found = course(c.patient(), *falling(), c.lab("9318-7", "120", "mg/g", "2026-03-10"))
    slope = found["egfr-course"]
    assert isinstance(slope.value, Quantity)
    assert slope.value.value < -20
    assert slope.interval is not None
    assert slope.interval.low < slope.value.value < slope.interval.high < 0
    assert slope.details["rapid_decline"] == "yes"
    assert slope.details["beyond_expected_variability"] is True
    assert [p.key for p in slope.proposals] == ["kdigo-2024-ckd:review:kidney-function-decline"]
    assert len(slope.evidence) == 4
    stage = found["ckd-stage"]
    assert stage.value == "CKD G3bA2"
    assert stage.details["persistent_days"]["egfr_below_60"] == 151


def test_low_value_not_yet_lasting_has_no_stage() -> None:
    stage = course(c.patient(), c.creatinine("0.9", "2026-01-01"), c.creatinine("1.5", "2026-04-01"))["ckd-stage"]
    assert stage.status == "not-assessable"
    assert "90 days" in stage.reason


def test_89_days_are_too_few_and_90_enough() -> None:
    for first, status in (("2026-02-01", "not-assessable"), ("2026-01-31", "ok")):
        found = course(c.patient(), c.creatinine("1.5", first), c.creatinine("1.5", "2026-05-01"))
        assert found["ckd-stage"].status == status


def test_without_urine_test_the_stage_says_so_and_asks_for_it() -> None:
    found = course(c.patient(), c.creatinine("1.5", "2025-05-01"), c.creatinine("1.5", "2026-05-01"))
    assert found["ckd-stage"].value == "CKD G3b, albuminuria not known"
    assert [p.target for p in found["ckd-stage"].proposals] == ["urine-albumin-creatinine-ratio"]
    assert found["egfr-course"].status == "not-assessable"
    assert "1 more time" in found["egfr-course"].needs[0]


def test_albuminuria_alone_makes_a_stage_when_it_lasts() -> None:
    ratios = [c.lab("9318-7", "5", "mg/mmol", at) for at in ("2026-01-01", "2026-05-01")]  # 44 mg/g
    found = course(c.patient(), c.creatinine("0.8"), *ratios)
    assert found["ckd-stage"].value == "CKD G2A2"


def test_normal_values_give_no_criterion_but_only_with_a_urine_test() -> None:
    bare = course(c.patient(), c.creatinine("0.8"))["ckd-stage"]
    assert bare.status == "not-assessable"
    both = course(c.patient(), c.creatinine("0.8"), c.lab("9318-7", "8", "mg/g"))["ckd-stage"]
    assert both.status == "ok"
    assert "no KDIGO criterion" in str(both.value)


def test_stable_values_propose_no_review() -> None:
    values = [c.creatinine(v, f"20{y}-05-01") for v, y in (("0.80", 22), ("0.81", 23), ("0.80", 24), ("0.81", 25))]
    found = course(c.patient(), *values, c.creatinine("0.80"), c.lab("9318-7", "8", "mg/g"))["egfr-course"]
    assert found.details["rapid_decline"] == "no"
    assert found.proposals == ()
