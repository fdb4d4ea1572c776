"""Method risk.prevent on charts: what is computed, what is refused, and what a missing input leaves open."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from salus.fhir.quantity import Quantity
from salus.fhir.views import Source
from salus.findings.method import Method
from salus.findings.model import Evidence, Finding
from salus.person.person import Person
from salus.record.chart import Chart
from salus.risk.engine import evaluate, load
from salus.risk.inputs import gather
from salus.risk.prevent import CODES, PREVENT, possible_range
from salus.terminology import codes

from . import charts as c


def findings(*resources: c.Resource, **parameters: Any) -> list[Finding]:
    return c.run(PREVENT, c.chart(*resources), **parameters)


def without(*names: str, **instead: c.Resource) -> list[c.Resource]:
    return [v for k, v in (c.whole() | instead).items() if k not in names]


def refused(*resources: c.Resource) -> Finding:
    found = findings(*resources)
    assert [f.code for f in found] == ["prevent-cvd-10y"]
    assert found[0].status == "not-assessable"
    assert found[0].value is None
    return found[0]


def test_fits_the_protocol_and_computes_six_risks() -> None:
    assert isinstance(PREVENT, Method)
    found = {f.code: f for f in findings(*without())}
    assert set(found) == set(CODES.values())
    inputs = gather(Person(c.chart(*without()))).values
    assert inputs["egfr"] == pytest.approx(89.2, abs=0.1)
    assert inputs["bp_treatment"] is True
    assert inputs["statin"] is False
    assert inputs["diabetes"] is False
    wanted = evaluate(load("prevent-base"), inputs).of("total_cvd", "10 a")
    assert wanted is not None
    value = found["prevent-cvd-10y"].value
    assert isinstance(value, Quantity)
    assert value == Quantity((wanted.rounded * 100).quantize(Decimal("0.1")), "%")
    assert found["prevent-cvd-10y"].no_uncertainty
    assert {e.label for e in found["prevent-cvd-10y"].evidence} >= {"systolic-bp", "creatinine", "smoking status"}


def test_inputs_in_si_units_give_the_same_risks() -> None:
    si = without(
        total_cholesterol=c.lab("2093-3", "5.6892", "mmol/L"), hdl_cholesterol=c.lab("2085-9", "1.293", "mmol/L")
    )
    assert [f.value for f in findings(*si)] == [f.value for f in findings(*without())]


@pytest.mark.parametrize("percent", ["25", "40"])
def test_a_reduced_ejection_fraction_refuses(percent: str) -> None:
    found = refused(*without(), c.lab("10230-1", percent, "%"))
    assert f"an ejection fraction of {percent} %" in found.sentence
    assert found.evidence


def test_an_ejection_fraction_above_the_limit_does_not() -> None:
    assert [f.value for f in findings(*without(), c.lab("10230-1", "41", "%"))] == [
        f.value for f in findings(*without())
    ]


def test_thirty_years_above_59_is_flagged() -> None:
    found = {f.code: f for f in findings(*without(person=c.patient(born="1960-01-01")))}
    assert "Questionable" in found["prevent-cvd-30y"].sentence
    assert "Questionable" not in found["prevent-cvd-10y"].sentence


@pytest.mark.parametrize(
    "history",
    [
        c.condition("22298006"),
        c.condition("399211009", clinical="resolved"),
        c.condition("230690007", clinical="inactive"),
        c.condition("266257000"),
        c.condition("84114007"),
        c.condition(None, "Heart attack 2019"),
        c.condition(None, "s/p coronary stent"),
        c.procedure("415070008"),
        c.procedure("232717009"),
    ],
    ids=lambda r: r["resourceType"] + str(r["code"]),
)
def test_known_cardiovascular_disease_is_refused(history: c.Resource) -> None:
    finding = refused(*without(), history)
    assert "known" in finding.reason
    assert finding.evidence[0].source.ref == f"{history['resourceType']}/{history['id']}"


@pytest.mark.parametrize("verification", ["differential", "provisional", "unconfirmed"])
def test_disease_that_is_possible_has_to_be_settled_first(verification: str) -> None:
    finding = refused(*without(), c.condition("230690007", verification=verification))
    assert "is possible" in finding.reason


@pytest.mark.parametrize(
    "entry",
    [
        c.condition("22298006", verification="refuted"),
        c.condition(None, "Family history of heart attack"),
        c.procedure("415070008", status="not-done"),
        c.condition("59621000"),
    ],
    ids=lambda r: r["resourceType"] + str(r["code"]),
)
def test_what_is_not_known_disease_does_not_refuse(entry: c.Resource) -> None:
    assert all(f.status == "ok" for f in findings(*without(), entry))


def noted(concept: str, assertion: str) -> Finding:
    return Finding(
        code="note-problem",
        sentence="a note says so",
        value=codes.get(concept).codes[0],
        no_uncertainty="none",
        details={"concept": concept, "assertion": assertion},
        evidence=(Evidence(Source("DocumentReference/n", 1, "00", "note"), {"start": 3, "end": 9}),),
    )


@pytest.mark.parametrize(
    ("concept", "assertion", "known"),
    [
        ("stroke", "historical", True),
        ("acute-coronary-syndrome", "present", True),
        ("stroke", "absent", False),
        ("stroke", "family", False),
        ("myocardial-infarction", "possible", False),
        ("hypertension", "present", False),
    ],
)
def test_disease_that_only_a_note_asserts_is_known_too(concept: str, assertion: str, known: bool) -> None:
    base = c.chart(*without())
    chart = Chart.of(without(), now=c.NOW, findings=[*base.findings("egfr"), noted(concept, assertion)])
    found = c.run(PREVENT, chart)
    assert (len(found) == 1) is known
    if known:
        assert found[0].evidence[0].locator == {"start": 3, "end": 9}


@pytest.mark.parametrize(
    ("name", "resource", "words"),
    [
        ("sbp", c.pressure(181), "systolic"),
        ("sbp", c.pressure(89), "systolic"),
        ("bmi", c.lab("39156-5", "40.1", "kg/m2"), "body mass"),
        ("total_cholesterol", c.lab("2093-3", "129", "mg/dL"), "total cholesterol"),
        ("total_cholesterol", c.lab("2093-3", "5.2", "mg/dL"), "mmol/L recorded as mg/dL"),
        ("person", c.patient(born="1946-01-01"), "age"),
        ("person", c.patient(born="1997-01-01"), "age"),
        ("egfr", c.creatinine("6.0"), "estimated GFR"),
    ],
)
def test_outside_the_validated_range_is_refused_and_named(name: str, resource: c.Resource, words: str) -> None:
    assert words in refused(*without(**{name: resource})).reason


@pytest.mark.parametrize(
    ("name", "missing", "obtain"),
    [
        ("sbp", ["sbp"], "blood pressure"),
        ("smoking", ["smoking"], "smoking"),
        ("diabetes", ["diabetes"], "HbA1c"),
        ("egfr", ["egfr"], "creatinine"),
        ("bmi", ["bmi"], "height and weight"),
        ("medicines", ["bp_treatment", "statin"], "medicine list"),
    ],
)
def test_a_missing_input_is_named_with_the_range_it_leaves_open(name: str, missing: list[str], obtain: str) -> None:
    finding = refused(*without(name))
    assert finding.details["missing"] == missing
    assert any(obtain in need for need in finding.needs)
    assert {p.target for p in finding.proposals} == {m.replace("_", "-") for m in missing}
    assert finding.interval is not None
    if name != "bmi":  # the total risk of the base model does not depend on BMI
        assert finding.interval.low < finding.interval.high
    assert finding.details["decides"] in missing


def test_the_open_range_holds_every_possible_value() -> None:
    equation = load("prevent-base")
    inputs = gather(Person(c.chart(*without()))).values
    spread = possible_range(equation, inputs | {"sbp": None, "smoking": None}, ["sbp", "smoking"])
    assert spread is not None
    low, high, decides = spread
    for sbp in range(90, 181):
        for smokes in (False, True):
            estimate = evaluate(equation, inputs | {"sbp": sbp, "smoking": smokes}).of("total_cvd", "10 a")
            assert estimate is not None
            assert low <= estimate.rounded * 100 <= high
    assert decides == "sbp"


def test_no_range_without_age_or_with_too_much_missing() -> None:
    equation = load("prevent-base")
    inputs = gather(Person(c.chart(*without()))).values
    assert possible_range(equation, inputs | {"age": None}, ["age"]) is None
    assert possible_range(equation, inputs, ["sbp", "bmi", "egfr", "smoking", "statin"]) is None


@pytest.mark.parametrize("code", ["266927001", "999999"])
def test_an_unknown_smoking_status_stays_missing(code: str) -> None:
    assert "smoking" in refused(*without(smoking=c.smoking(code))).details["missing"]


def test_current_smoking_counts_and_raises_the_risk() -> None:
    smokes = {f.code: f.value for f in findings(*without(smoking=c.smoking("449868002")))}
    never = {f.code: f.value for f in findings(*without())}
    assert smokes["prevent-cvd-10y"].value > never["prevent-cvd-10y"].value  # type: ignore[union-attr]


def test_diabetes_needs_a_diagnosis_or_a_recorded_negative() -> None:
    def of(*resources: c.Resource) -> object:
        return gather(Person(c.chart(*without("diabetes"), *resources))).values["diabetes"]

    assert of(c.condition("44054006")) is True
    assert of(c.condition("73211009", verification="refuted")) is False
    assert of(c.condition("44054006", verification="refuted")) is None  # type 2 is denied, diabetes is not
    assert of(c.lab("4548-4", "6.5", "%")) is None
    assert of(c.lab("2339-0", "110", "mg/dL")) is False
    assert of(c.lab("2339-0", "126", "mg/dL")) is None
    assert of(c.lab("4548-4", "5.5", "%"), c.medicine("metformin 500 MG Oral Tablet")) is None
    assert of() is None


def test_treatment_is_no_only_from_a_confirmed_list() -> None:
    def of(*resources: c.Resource) -> object:
        return gather(Person(c.chart(*without("medicines"), *resources))).values["statin"]

    assert of() is None
    assert of(c.medicine("Simvastatin 20 MG Oral Tablet")) is True
    assert of(c.medicine("Simvastatin 20 MG Oral Tablet", status="stopped")) is False
    assert of(c.medicine("amlodipine 5 MG Oral Tablet", at="2019-01-01")) is None


def test_home_and_old_readings_are_not_used() -> None:
    home = without(sbp=c.pressure(138, setting="home"))
    assert refused(*home).details["missing"] == ["sbp"]
    old = without(sbp=c.pressure(138, at="2020-01-01"))
    assert refused(*old).details["missing"] == ["sbp"]
    assert len(findings(*old, look_back_days=4000)) == 6


def test_readings_of_the_newest_day_are_averaged() -> None:
    two = [*without(sbp=c.pressure(130)), c.pressure(140), c.pressure(180, at="2026-01-01")]
    assert gather(Person(c.chart(*two))).values["sbp"] == 135


def test_bmi_is_computed_from_weight_and_height() -> None:
    resources = [*without("bmi"), c.lab("29463-7", "70", "kg"), c.lab("8302-2", "170", "cm")]
    assert gather(Person(c.chart(*resources))).values["bmi"] == pytest.approx(70 / 1.7**2)


def test_the_dead_have_no_risk() -> None:
    finding = refused(*without(person=c.patient(deceasedBoolean=True)))
    assert (finding.reason, finding.needs) == ("the person has died", ("nothing: the person has died",))


OLD = "2022-03-31T09:30:00+10:00"


@pytest.mark.parametrize(
    ("name", "resource", "reason"),
    [
        ("sbp", c.pressure(138, OLD), "the last systolic blood pressure, of 2022-03-31, is more than 24 months old"),
        ("total_cholesterol", c.lab("2093-3", 220, "mg/dL", OLD), "the last total cholesterol, of 2022-03-31, is"),
        ("hdl_cholesterol", c.lab("2085-9", 50, "mg/dL", OLD), "the last HDL cholesterol, of 2022-03-31, is more"),
        ("bmi", c.lab("39156-5", 27, "kg/m2", OLD), "the last body mass index, of 2022-03-31, is more than 24"),
        ("egfr", c.creatinine("0.8", OLD), "(the newest creatinine, of 2022-03-31, is more than 24 months"),
        (
            "smoking",
            c.smoking(at=OLD),
            "in the last 30 days is not known (the last smoking status, of 2022-03-31, is more than 24 months old)",
        ),
        (
            "diabetes",
            c.lab("4548-4", "5.6", "%", OLD),
            "whether diabetes is present is not known (the last HbA1c, of 2022-03-31, is more than 24 months old)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "_" in value else None,
)
def test_a_value_before_the_look_back_is_called_old_and_not_unknown(
    name: str, resource: c.Resource, reason: str
) -> None:
    finding = refused(*without(**{name: resource}))
    assert reason in finding.reason
    assert reason in finding.sentence
    assert finding.details["missing"] == [name]
    assert [p.indication for p in finding.proposals] == [finding.reason]
    assert "is not known" not in finding.reason or "(" in reason


def test_old_values_beside_newer_unusable_ones_and_other_look_backs() -> None:
    old = [*without(sbp=c.pressure(138, OLD))]
    assert "the last usable systolic" in refused(*old, c.pressure(138, setting="home")).reason
    (finding,) = findings(*old, look_back_days=100)
    assert "is more than 100 days old" in finding.reason
    height = [*without("bmi"), c.lab("29463-7", "70", "kg"), c.lab("8302-2", "170", "cm", OLD)]
    assert len(findings(*height)) == 6  # an adult's height may be ten years old
    ancient = [*without("bmi"), c.lab("29463-7", "70", "kg"), c.lab("8302-2", "170", "cm", "2012-03-31")]
    assert refused(*ancient).reason == "the last height, of 2012-03-31, is more than 120 months old"
    assert refused(*without("bmi"), c.lab("8302-2", "170", "cm", OLD)).reason == "body mass index is not known"


@pytest.mark.parametrize(
    ("name", "newer", "missing"),
    [
        ("sbp", c.lab("8480-6", "120", "bananas"), "sbp"),
        ("total_cholesterol", c.lab("2093-3", "200", "bananas", "2026-05-20"), "total_cholesterol"),
        ("egfr", c.creatinine("1.0", "2026-05-20", "mg/wk"), "egfr"),
        ("smoking", c.smoking("999999", "2026-05-20"), "smoking"),
    ],
)
def test_an_older_value_never_stands_in_for_a_newer_unreadable_one(name: str, newer: c.Resource, missing: str) -> None:
    assert missing in refused(*without(), newer).details["missing"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (c.condition("99999999999"), "not ruled out"),
        (c.procedure("99999999999"), "not ruled out"),
        (c.condition("22298006") | {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}, "not ruled out"),
        (c.medicine("Zqxwv forte"), "read but not understood"),
    ],
)
def test_what_nobody_understands_keeps_it_open(entry: c.Resource, words: str) -> None:
    finding = refused(*without(), entry)
    assert words in finding.reason
    assert finding.needs
