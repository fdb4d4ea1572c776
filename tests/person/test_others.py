"""Allergies, relatives, measurements, pregnancy, smoking."""

from datetime import timedelta

import pytest

from tests.person.charts import allergy, answered, chart, condition, known, patient, relative, result

YEAR = timedelta(days=365)
MI = "snomed|22298006"


# ---- allergies


def test_an_allergy_to_a_class_speaks_of_every_member():
    person = known(allergy("Statins", reaction="Rhabdomyolysis"))
    assert person.allergy("atorvastatin").positive
    assert person.allergy("rosuvastatin").positive
    assert not person.allergy("lisinopril").positive
    assert person.about("rhabdomyolysis").positive


def test_angio_oedema_under_one_ace_inhibitor_bars_them_all_and_a_cough_does_not():
    person = known(allergy("lisinopril", reaction="Angioedema"))
    assert person.allergy("lisinopril").positive
    assert person.allergy("ramipril").positive
    assert person.about("angioedema").positive
    cough = known(allergy("lisinopril", reaction="Cough"))
    assert cough.allergy("lisinopril").positive
    assert not cough.allergy("ramipril").positive


def test_no_known_drug_allergy_is_a_dated_negative():
    person = known(allergy(code="snomed|409137002", text="No known drug allergy"))
    assert person.allergy("aspirin").excluded
    undated = known({**allergy(code="snomed|409137002", text="No known drug allergy"), "recordedDate": None})
    assert not undated.allergy("aspirin").excluded


def test_an_allergy_that_cannot_be_read_keeps_the_negative_open():
    person = known(allergy(code="snomed|409137002", text="No known drug allergy"), allergy(code="urn:x|1"))
    assert not person.allergy("aspirin").excluded
    assert [u.kind for u in person.not_understood] == ["allergy"]


def test_a_refuted_allergy_is_none_and_a_resolved_one_is_past():
    refuted = {**allergy("aspirin"), "verificationStatus": {"coding": [{"code": "refuted"}]}}
    assert known(refuted).allergy("aspirin").state == "not-recorded"
    assert known(allergy("aspirin", status="resolved")).allergy("aspirin").state == "past"


# ---- relatives


@pytest.mark.parametrize(
    ("role", "age", "premature"),
    [
        ("role|FTH", 45, True),
        ("role|FTH", 54, True),
        ("role|FTH", 55, False),
        ("role|NMTH", 64, True),
        ("role|MTH", 65, False),
        ("role|NBRO", 50, True),
        ("role|SON", 40, True),
        ("role|UNCLE", 45, False),
        ("role|MGRFTH", 45, False),
        ("role|STPFTH", 45, False),
        ("role|HBRO", 45, False),
        ("role|FTH", None, False),
        ("role|NSIB", 40, True),
        ("role|NSIB", 60, False),
    ],
)
def test_premature_disease_counts_in_the_first_degree_only(role, age, premature):
    (found,) = known(relative(role, MI, age=age)).family("myocardial-infarction")
    assert found.premature == premature


def test_a_sibling_whose_sex_is_recorded_counts():
    person = known(relative("role|NSIB", MI, age=40, sex={"coding": [{"code": "male"}]}))
    assert person.family("myocardial-infarction")[0].premature


@pytest.mark.parametrize(("text", "role", "side"), [("father's brother", "uncle", "paternal"), ("Mother", "mother", ""),
                                                    ("Maternal Aunt", "aunt", "maternal")])  # fmt: skip
def test_a_relative_is_known_by_words(text, role, side):
    (found,) = known(relative("", MI, text=text)).family("myocardial-infarction")
    assert (found.kin.role, found.kin.side) == (role, side)


def test_a_coded_relative_without_display_is_named():
    (found,) = known(relative("role|PUNCLE", MI, age=45)).family("myocardial-infarction")
    assert "paternal uncle" in found.statement.words
    assert found.kin.degree == 2


def test_a_relative_of_an_unknown_role_is_kept_and_named_as_not_understood():
    person = known(relative("urn:x|zz", MI, text="Qwzx"))
    assert person.family("myocardial-infarction")
    assert person.unread("relative")


@pytest.mark.parametrize(
    ("text", "role", "oldest", "premature"),
    [
        ("FH: MI (father, 50)", "father", 50, True),
        ("Brother MI age 45", "brother", 45, True),
        ("FH: MI (father, 70)", "father", 70, False),
        ("FH: MI (father 1998)", "father", None, False),
        ("FH: MI (father 50, mother 80)", "", None, False),
        ("Family history of MI", "", None, False),
    ],
)
def test_the_problem_list_tells_of_one_relative_and_one_age(text, role, oldest, premature):
    (found,) = known(condition(text=text)).family("myocardial-infarction")
    assert (found.kin.role, found.oldest, found.premature) == (role, oldest, premature)


def test_what_a_relative_has_is_never_the_persons():
    assert not known(relative("role|FTH", MI, age=45)).about("myocardial-infarction").positive
    assert known(condition("icd10cm|Z82.49")).about("coronary-heart-disease").state == "not-recorded"


# ---- measurements


@pytest.mark.parametrize(
    ("code", "value", "unit", "concept", "wanted", "expected"),
    [
        ("loinc|2823-3", "5.8", "mEq/L", "potassium", "mmol/L", 5.8),
        ("loinc|6298-4", "5.8", "mmol/L", "potassium", "mmol/L", 5.8),
        ("loinc|13457-7", "115", "mg/dL", "ldl-cholesterol", "mg/dL", 115),
        ("loinc|59261-8", "48", "mmol/mol", "hba1c", "%", 6.54),
        ("loinc|14585-4", "3.2", "mg/mmol", "urine-albumin-creatinine-ratio", "mg/g", 28.3),
        ("loinc|14682-9", "88.4", "umol/L", "creatinine", "mg/dL", 1.0),
        ("loinc|2160-0", "1.0", "MG/DL", "creatinine", "mg/dL", 1.0),
    ],
)
def test_a_result_is_read_in_everyday_codes_and_units(code, value, unit, concept, wanted, expected):
    found = known(result(code, value, unit)).newest(concept, wanted)
    assert found.value == pytest.approx(expected, rel=0.005)
    assert found.evidence


def test_the_newest_result_decides_even_where_it_cannot_be_read():
    old = result("loinc|2823-3", "4.1", "mmol/L", when="2026-01-01")
    assert known(old).newest("potassium", "mmol/L").value == 4.1
    for newer in (
        result("loinc|2823-3", "5.8", "bananas"),
        result("loinc|2823-3", "5.8", ""),
        result("loinc|2823-3", None),
    ):
        found = known(old, newer).newest("potassium", "mmol/L")
        assert found.value is None
        assert "2026-05-10" in found.problem


def test_a_bound_is_no_value():
    bounded = result("loinc|2823-3", "5.8", "mmol/L")
    bounded["valueQuantity"]["comparator"] = ">"
    found = known(bounded).newest("potassium", "mmol/L")
    assert found.value is None
    assert "bound" in found.problem


def test_a_newer_result_that_nobody_understands_and_that_may_be_it_keeps_it_open():
    old = result("loinc|2823-3", "4.1", "mmol/L", when="2026-01-01")
    hidden = result("urn:x|Zq", "5.8", "mmol/L")
    assert known(old, hidden).newest("potassium", "mmol/L").value is None
    assert known(old, hidden).newest("body-weight", "kg").problem.startswith("no ")
    other_kind = result("urn:x|Zq", "80", "kg")
    assert known(old, other_kind).newest("potassium", "mmol/L").value == 4.1
    older = result("urn:x|Zq", "5.8", "mmol/L", when="2025-05-10")
    assert known(old, older).newest("potassium", "mmol/L").value == 4.1


def test_what_is_too_old_is_no_answer():
    entry = result("loinc|2823-3", "4.1", "mmol/L", when="2012-03-01")
    found = known(entry).newest("potassium", "mmol/L", within=YEAR)
    assert found.value is None
    assert found.too_old
    assert "2012-03-01" in found.problem


def test_two_results_of_one_moment_must_agree():
    one = result("loinc|2160-0", "1.0", "mg/dL")
    same, other = result("loinc|14682-9", "88.4", "umol/L"), result("loinc|2160-0", "2.0", "mg/dL")
    assert known(one, same).newest("creatinine", "mg/dL").value == pytest.approx(1.0)
    assert known(one, other).newest("creatinine", "mg/dL").value is None


def test_a_pressure_is_found_in_a_panel_and_by_itself():
    panel = result("loinc|85354-9", None) | {
        "component": [
            {"code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
             "valueQuantity": {"value": 192, "unit": "mmHg"}},
        ]
    }  # fmt: skip
    assert known(panel).newest("systolic-bp", "mm[Hg]").value == 192
    assert known(result("loinc|8480-6", 192, "mmHg")).newest("systolic-bp", "mm[Hg]").value == 192


def test_an_undated_result_is_listed_and_decides_nothing():
    person = known(result("loinc|2823-3", "5.8", "mmol/L", when=None))
    assert person.newest("potassium", "mmol/L").value is None
    assert [u.kind for u in person.not_understood] == ["result"]


# ---- states


def test_pregnancy_is_decided_in_one_place():
    woman = {"sex": "female", "birth": "1996-03-01"}
    assert known(condition("snomed|77386006", onset="2026-02-01"), **woman).pregnancy.state == "present"
    assert known(condition("snomed|77386006", onset="2024-02-01"), **woman).pregnancy.state == "not-recorded"
    assert known(answered("loinc|82810-3", "snomed|77386006"), **woman).pregnancy.state == "present"
    assert known(answered("loinc|82810-3", "loinc|LA15173-0"), **woman).pregnancy.state == "present"
    not_now = answered("loinc|82810-3", "snomed|60001007", when="2026-05-20")
    assert known(not_now, **woman).pregnancy.state == "denied"
    assert known(condition("snomed|77386006", onset="2026-02-01"), not_now, **woman).pregnancy.state == "denied"
    old = answered("loinc|82810-3", "snomed|60001007", when="2026-01-20")
    assert known(old, **woman).pregnancy.state == "not-recorded"


@pytest.mark.parametrize(
    ("entries", "state"),
    [
        ([answered("loinc|72166-2", "snomed|449868002")], "present"),
        ([answered("loinc|72166-2", "snomed|8517006")], "past"),
        ([answered("loinc|72166-2", "snomed|266919005")], "denied"),
        ([condition("icd10cm|F17.210")], "present"),
        ([condition("icd10cm|Z87.891")], "past"),
        ([answered("loinc|72166-2", "snomed|449868002", when="2020-01-01"),
          answered("loinc|72166-2", "snomed|8517006")], "past"),
        ([answered("loinc|72166-2", "snomed|266919005", when="2020-01-01"),
          answered("loinc|72166-2", "urn:x|zz")], "possible"),
        ([], "not-recorded"),
    ],
)  # fmt: skip
def test_the_newest_word_on_smoking_decides(entries, state):
    assert known(*entries).smoking.state == state


def test_the_dead_and_the_young():
    assert known(birth="2020-01-01").adult is False
    assert known(birth="1990").adult is True
    assert known(birth="2008").adult is None
    assert chart().patient.source.ref == f"Patient/{patient()['id']}"
