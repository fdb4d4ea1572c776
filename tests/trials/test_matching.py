"""Criteria on charts: three-valued, with evidence, and what would decide; a missed exclusion is the worst error."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import InputError
from salus.fhir.views import Source
from salus.findings.model import Evidence, Finding, Interval
from salus.person import rules
from salus.person.judge import Answer, judge, together
from salus.person.person import Person
from salus.record.chart import Chart
from salus.trials import criteria
from salus.trials.match import match
from tests.conftest import creatinine, person

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def condition(code, clinical="active", verification="confirmed", id="c"):
    return {
        "resourceType": "Condition",
        "id": id,
        "clinicalStatus": {"coding": [{"code": clinical}]},
        "verificationStatus": {"coding": [{"code": verification}]},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "recordedDate": "2025-01-01",
    }


def medicine(code, status="active"):
    return {
        "resourceType": "MedicationStatement",
        "id": "m",
        "status": status,
        "medicationCodeableConcept": {"text": code},
        "subject": {"reference": "Patient/p1"},
    }


def chart(*resources, **patient):
    return Chart.of([person(**patient), *resources], now=NOW)


def rule(**row):
    plan = {"id": "P", "version": "1", "title": "t"}
    text = "".join(f'{k} = "{v}"\n' for k, v in plan.items())
    return rules.read(row, text)


def truth(chart, **row):
    return judge(rule(**row), Person(chart)).truth


MI, DIABETES = "22298006", "73211009"


def test_age_sex_and_what_is_missing():
    assert truth(chart(), age={"min": 18, "max": 58}) == "met"
    assert truth(chart(), age={"min": 59}) == "not met"
    assert truth(chart(birthDate=None), age={"min": 18}) == "unknown"
    assert truth(chart(), sex=["female"]) == "met"
    assert truth(chart(), sex="male") == "not met"
    assert truth(chart(gender="unknown"), sex="male") == "unknown"


def test_a_condition_is_absent_only_where_something_denies_it():
    ask = {"condition": "myocardial-infarction"}
    assert truth(chart(condition(MI)), **ask) == "met"
    assert truth(chart(), **ask) == "unknown"
    assert truth(chart(condition(MI, verification="refuted")), **ask) == "not met"
    over = condition(MI, clinical="resolved")
    assert truth(chart(over), **ask) == "not met"
    assert truth(chart(over), **ask, ever=True) == "met"
    assert truth(chart(condition(MI, verification="provisional")), **ask) == "unknown"
    answer = judge(rule(**ask), Person(chart()))
    assert answer.needs
    assert not answer.evidence


def test_a_medicine_that_is_not_listed_is_not_thereby_not_taken():
    assert truth(chart(medicine("simvastatin 20 mg tablet")), medicine="simvastatin") == "met"
    assert truth(chart(), medicine="simvastatin") == "unknown"
    assert truth(chart(medicine("simvastatin 20 mg tablet", "stopped")), medicine="simvastatin") == "unknown"


@pytest.mark.parametrize(
    ("value", "date", "expected"),
    [("1.0", "2026-05-01", "met"), ("1.5", "2026-05-01", "not met"), ("1.0", "2024-05-01", "unknown")],
)
def test_measurements_convert_and_grow_old(value, date, expected):
    told = chart(creatinine(value, date, "o"))
    ask = {"measurement": "creatinine", "max": Decimal(115), "unit": "umol/L", "within_days": 365}
    assert truth(told, **ask) == expected
    assert truth(chart(), **ask) == "unknown"


def test_the_verdict_names_what_would_decide():
    data = b"""
id = "T"
version = "1"
title = "made up"
[[criteria]]
id = "I1"
kind = "inclusion"
text = "adult"
rule = { age = { min = 18 } }
[[criteria]]
id = "I2"
kind = "inclusion"
text = "creatinine"
rule = { measurement = "creatinine", max = 2.0, unit = "mg/dL", within_days = 90 }
[[criteria]]
id = "E1"
kind = "exclusion"
text = "diabetes"
rule = { condition = "diabetes", ever = true }
"""
    protocol = criteria.read(data)
    told = match(protocol, chart())
    assert told.verdict == "needs data"
    assert len(told.needs) == 2
    assert match(protocol, chart(condition(DIABETES))).verdict == "excluded"
    assert match(protocol, chart(condition(DIABETES))).needs == ()
    good = match(protocol, chart(creatinine("1.1", "2026-05-20", "o"), condition(DIABETES, verification="refuted")))
    assert good.verdict == "eligible"
    assert all(j.answer.evidence for j in good.judged)


TRUTHS = st.lists(st.sampled_from(["met", "not met", "unknown"]), min_size=1, max_size=5)


@given(TRUTHS)
def test_and_or_not_are_kleenes(truths):
    answers = [Answer(t, "w") for t in truths]
    order = {"not met": 0, "unknown": 1, "met": 2}
    assert order[together(answers, "not met", "met").truth] == min(order[t] for t in truths)
    assert order[together(answers, "met", "not met").truth] == max(order[t] for t in truths)


def test_not_of_unknown_stays_unknown():
    assert truth(chart(), **{"not": {"condition": "diabetes"}}) == "unknown"
    assert truth(chart(condition(DIABETES)), **{"not": {"condition": "diabetes"}}) == "not met"


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"age": {}},
        {"age": {"min": 50, "max": 40}},
        {"age": {"min": Decimal("1.5")}},
        {"age": {"min": 1}, "sex": "male"},
        {"sex": "robot"},
        {"condition": "no-such-thing"},
        {"condition": "diabetes", "ever": "yes"},
        {"measurement": "creatinine", "max": 1, "unit": "bananas"},
        {"measurement": "creatinine", "max": 1},
        {"measurement": "creatinine", "max": 1, "unit": "mg/dL", "within_days": 0},
        {"all": []},
        {"any": {"age": {"min": 1}}},
        {"not": []},
        {"nonsense": 1},
    ],
)
def test_what_is_no_rule_is_refused_before_any_chart_is_seen(row):
    with pytest.raises(InputError):
        rule(**row)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"id = ", b'id="a"\nversion="1"\ntitle="t"\n', b'id="a"\nversion="1"\ntitle="t"\ncriteria=[1]\n'],
)
def test_what_is_no_protocol_is_one_clear_error(data):
    with pytest.raises(InputError):
        criteria.read(data)


def test_rules_nest_to_a_bound():
    deep = {"age": {"min": 1}}
    for _ in range(rules.MAX_DEPTH):
        deep = {"not": deep}
    with pytest.raises(InputError, match="deep"):
        rule(**deep)


def test_what_is_suspected_or_unreadable_is_never_absent():
    ask = {"condition": "myocardial-infarction"}
    refuted = condition(MI, verification="refuted", id="old")
    assert truth(chart(refuted, condition(MI, verification="provisional")), **ask) == "unknown"
    assert truth(chart(refuted, condition(MI, verification="provisional")), **ask, ever=True) == "unknown"
    unreadable = condition(MI) | {"clinicalStatus": {"text": "Active"}}
    assert truth(chart(unreadable), **ask) == "met"
    assert truth(chart(condition(MI) | {"abatementDateTime": "2027-01-01"}), **ask) == "met"
    assert truth(chart(condition(MI) | {"abatementDateTime": "2026-01-01"}), **ask) == "not met"


def found(value, low, high, level=0.95):
    return Finding(
        code="made-up",
        sentence="s",
        value=Decimal(value),
        interval=Interval(Decimal(low), Decimal(high), level, "made up"),
        effective=("2026-05-01", "2026-05-01"),
        evidence=(Evidence(Source("Observation/o", 1, "0")),),
    )


@pytest.mark.parametrize("level", [0.95, None])
@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [("10", "8", "12", "met"), ("10", "4", "12", "unknown"), ("10", "4", "30", "unknown"), ("3", "2", "4", "not met")],
)
def test_a_finding_whose_uncertainty_reaches_over_the_limit_is_unknown(value, low, high, expected, level):
    told = Chart.of([person()], now=NOW, findings=[found(value, low, high, level)])
    assert truth(told, finding="made-up", min=5, max=20) == expected


def test_findings_of_one_moment_that_differ_are_unknown():
    told = Chart.of([person()], now=NOW, findings=[found("10", "9", "11"), found("3", "2", "4")])
    assert truth(told, finding="made-up", min=5) == "unknown"


def test_the_dead_are_eligible_for_nothing():
    plan = criteria.Protocol("P", "1", "t", (criteria.Criterion("I", "inclusion", "adult", rules.Age(18, None)),))
    assert match(plan, chart()).verdict == "eligible"
    assert match(plan, chart(deceasedDateTime="2026-01-01")).verdict == "excluded"
    assert match(plan, chart(deceasedDateTime="2027-01-01")).verdict == "eligible"


@pytest.mark.parametrize(
    "row",
    [
        {"age": {"min": Decimal("nan")}},
        {"age": {"max": Decimal("inf")}},
        {"age": {"min": Decimal("1e999999")}},
        {"sex": [["male"]]},
        {"measurement": "creatinine", "max": 1, "unit": "mg/dL", "within_days": 10**12},
    ],
)
def test_numbers_beyond_reason_are_refused(row):
    with pytest.raises(InputError):
        rule(**row)
