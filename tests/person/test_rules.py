"""The language of rules: every kind read, and answered in three values over a person."""

from decimal import Decimal

import pytest

from salus.errors import InputError
from salus.person import rules
from salus.person.judge import judge
from tests.person.charts import allergy, answered, condition, known, medicine, relative, result

MI = "snomed|22298006"


def truth(person, **row):
    return judge(rules.read(row, "rule"), person).truth


def test_when_a_condition_began():
    ask = {"condition": "myocardial-infarction"}
    recent, old = known(condition(MI, onset="2026-03-01")), known(condition(MI, onset="2020-03-01"))
    undated = known(condition(MI, onset=None))
    assert truth(recent, **ask, within_days=365) == "met"
    assert truth(old, **ask, within_days=365) == "not met"
    assert truth(old, **ask, since_days=365) == "met"
    assert truth(recent, **ask, since_days=365) == "not met"
    assert truth(undated, **ask, within_days=365) == "unknown"
    assert truth(undated, **ask, since_days=365) == "unknown"
    assert truth(known(condition(MI, onset="2025")), **ask, within_days=365) == "unknown"


def test_what_could_not_be_read_keeps_an_absence_open():
    refuted = condition(MI, verified="refuted")
    assert truth(known(refuted), condition="myocardial-infarction") == "not met"
    person = known(refuted, condition("urn:x|Zq"))
    answer = judge(rules.read({"condition": "myocardial-infarction"}, "rule"), person)
    assert answer.truth == "unknown"
    assert "Zq" in answer.why


def test_a_medicine_is_absent_only_from_a_list_that_was_vouched_for_and_read_whole():
    ask = {"medicine": "statin"}
    assert truth(known(medicine("Lipitor 20 mg")), **ask) == "met"
    assert truth(known(medicine("amlodipine 5 mg")), **ask) == "not met"
    assert truth(known(medicine("amlodipine 5 mg", when="2020-01-01")), **ask) == "unknown"
    assert truth(known(medicine("amlodipine 5 mg"), medicine(code="urn:x|1")), **ask) == "unknown"
    assert truth(known(), **ask) == "unknown"
    later = medicine("simvastatin", status="not-taken", kind="MedicationStatement", when="2026-05-20")
    assert truth(known(medicine("simvastatin 20 mg"), later), **ask) == "unknown"


def test_allergy_family_pregnancy_and_smoking():
    assert truth(known(allergy("Statins")), allergy="atorvastatin") == "met"
    assert truth(known(allergy(code="snomed|409137002", text="No known drug allergy")), allergy="aspirin") == "not met"
    assert truth(known(), allergy="aspirin") == "unknown"
    father, uncle = known(relative("role|FTH", MI, age=45)), known(relative("role|UNCLE", MI, age=45))
    assert truth(father, family="myocardial-infarction", premature=True) == "met"
    assert truth(uncle, family="myocardial-infarction", premature=True) == "unknown"
    assert truth(uncle, family="myocardial-infarction") == "met"
    assert truth(known(relative("role|STPFTH", MI, age=45)), family="myocardial-infarction") == "unknown"
    woman = {"sex": "female", "birth": "1996-01-01"}
    expecting = known(condition("snomed|77386006", onset="2026-02-01"), **woman)
    assert (truth(expecting, pregnant=True), truth(expecting, pregnant=False)) == ("met", "not met")
    assert truth(known(**woman), pregnant=True) == "unknown"
    smoker, never = (known(answered("loinc|72166-2", f"snomed|{code}")) for code in ("449868002", "266919005"))
    assert (truth(smoker, smokes=True), truth(never, smokes=True), truth(known(), smokes=True)) == (
        "met", "not met", "unknown",
    )  # fmt: skip
    assert truth(never, smokes=False) == "met"


def test_values_by_number_and_by_count():
    values = [result("loinc|2160-0", v, "mg/dL", when=f"2026-0{n}-01") for n, v in ((1, "1.8"), (3, "1.9"), (5, "1.0"))]
    person = known(*values)
    ask = {"measurement": "creatinine", "min": Decimal("1.5"), "unit": "mg/dL", "within_days": 365}
    assert truth(person, **ask) == "not met"
    assert truth(person, **ask, times=2) == "met"
    assert truth(person, **ask, times=3) == "unknown"
    in_si = {"measurement": "creatinine", "max": Decimal(90), "unit": "umol/L"}
    assert truth(person, **in_si) == "met"
    assert truth(known(result("loinc|2160-0", "1.0", "bananas")), **in_si) == "unknown"


@pytest.mark.parametrize(
    ("truths", "count", "expected"),
    [("mmn", 2, "met"), ("mun", 2, "unknown"), ("mnn", 2, "not met"), ("uuu", 1, "unknown"), ("nnn", 1, "not met")],
)
def test_at_least_so_many(truths, count, expected):
    person = known(condition(MI), birth="1966-02-01")
    parts = {
        "m": {"condition": "myocardial-infarction"},
        "n": {"age": {"min": 90}},
        "u": {"condition": "diabetes"},
    }
    assert truth(person, at_least=count, of=[parts[t] for t in truths]) == expected


@pytest.mark.parametrize(
    "row",
    [
        {"at_least": 0, "of": [{"age": {"min": 1}}]},
        {"at_least": 2, "of": [{"age": {"min": 1}}]},
        {"at_least": True, "of": [{"age": {"min": 1}}]},
        {"condition": "diabetes", "within_days": 0},
        {"condition": "diabetes", "since_days": "1"},
        {"measurement": "creatinine", "min": 1, "unit": "mg/dL", "times": 2},
        {"measurement": "creatinine", "min": 1, "unit": "mg/dL", "within_days": 5, "times": 0},
        {"family": "nobody-knows"},
        {"pregnant": "yes"},
        {"allergy": ""},
        {"smokes": True, "pregnant": True},
    ],
)
def test_what_is_no_rule_is_refused(row):
    with pytest.raises(InputError):
        rules.read(row, "rule")
