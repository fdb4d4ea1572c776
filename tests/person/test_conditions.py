"""Diagnoses and procedures: in any hospital's codes, never taken for less or more than they say."""

import pytest

from salus.person.conditions import recorded
from salus.person.person import Person
from tests.person.charts import chart, condition, known, medicine, procedure

ICD9 = "http://hl7.org/fhir/sid/icd-9-cm"


@pytest.mark.parametrize(
    ("code", "text", "concept"),
    [
        ("icd10cm|I21.09", "", "myocardial-infarction"),
        ("icd10cm|Z95.5", "", "percutaneous-coronary-intervention"),
        ("icd10cm|I25.118", "", "coronary-heart-disease"),
        ("snomed|1755008", "", "myocardial-infarction"),
        (f"{ICD9}|412", "", "myocardial-infarction"),
        ("icd10cm|E11.65", "", "diabetes"),
        ("icd10cm|E11.22", "", "diabetes-type-2"),
        ("icd10cm|E11.22", "", "diabetic-kidney-disease"),
        ("", "Type 2 diabetes mellitus", "diabetes"),
        ("icd10cm|I50.22", "", "heart-failure"),
        ("icd10cm|I61.9", "", "intracranial-haemorrhage"),
        ("snomed|46635009", "", "diabetes-type-1"),
        ("snomed|77386006", "", "pregnancy"),
    ],
)
def test_a_diagnosis_is_known_in_every_code_and_by_its_words(code, text, concept):
    answer = known(condition(code, text)).about(concept)
    assert answer.positive, answer
    assert answer.evidence


@pytest.mark.parametrize(
    ("entry", "state"),
    [
        (condition("icd10cm|E11.9"), "present"),
        (condition("icd10cm|E11.9", clinical="resolved"), "past"),
        (condition("icd10cm|E11.9", clinical="remission"), "past"),
        (condition("icd10cm|E11.9", clinical="inactive"), "past"),
        (condition("icd10cm|E11.9", abatementDateTime="2025-01-01"), "past"),
        (condition("icd10cm|E11.9", abatementDateTime="2027-01-01"), "present"),
        (condition("icd10cm|E11.9") | {"clinicalStatus": {"text": "Active"}}, "present"),
        (condition("icd10cm|E11.9", verified="refuted"), "denied"),
        (condition("icd10cm|E11.9", verified="provisional"), "possible"),
        (condition("icd10cm|E11.9", verified="differential"), "possible"),
        (condition("icd10cm|E11.9", verified="unconfirmed"), "possible"),
        (condition("icd10cm|E11.9") | {"verificationStatus": {"text": "?"}}, "possible"),
        (condition("icd10cm|E11.9", verified="entered-in-error"), "not-recorded"),
    ],
)
def test_status_and_code_are_read_together_and_the_more_cautious_holds(entry, state):
    assert known(entry).about("diabetes").state == state


@pytest.mark.parametrize(
    "entry",
    [
        condition("icd10cm|Z83.3"),
        condition("snomed|160303001"),
        condition(text="Family history of diabetes mellitus"),
        condition(text="Screening for diabetes"),
        condition(text="At risk of diabetes mellitus"),
    ],
)
def test_what_speaks_of_others_or_of_risk_is_no_diagnosis_of_the_person(entry):
    assert not known(entry).about("diabetes").positive


def test_what_nobody_understands_keeps_every_negative_open():
    refuted = condition("icd10cm|I21.9", verified="refuted")
    assert known(refuted).about("myocardial-infarction").excluded
    person = known(refuted, condition("urn:other|Zxqv-9"))
    answer = person.about("myocardial-infarction")
    assert answer.state == "denied"
    assert not answer.excluded
    assert [u.kind for u in person.not_understood] == ["diagnosis"]
    assert "Zxqv-9" in person.not_understood[0].sentence


def test_of_a_list_that_is_read_in_part_the_rest_counts_and_the_whole_is_named():
    person = known(condition(text="T2DM; Xqzwv hrblk"))
    assert person.about("diabetes").state == "present"
    assert ["T2DM; Xqzwv hrblk" in u.sentence for u in person.not_understood] == [True]


def test_a_code_of_a_whole_classification_outside_the_concepts_is_understood():
    person = known(condition("icd10cm|J06.9"))
    assert not person.not_understood
    assert person.about("diabetes").state == "not-recorded"


def test_words_of_ordinary_clinical_english_are_understood_and_nonsense_is_not():
    assert not known(condition("snomed|444814009", "Viral sinusitis (disorder)")).not_understood
    assert known(condition("snomed|99999999999999", "")).not_understood
    assert known(condition(text="Xqzwv hrblk")).not_understood
    assert known(condition("", "")).not_understood


def test_what_is_read_from_words_says_so():
    answer = known(condition("urn:local|77", "Heart failure")).about("heart-failure")
    assert "read from text" in answer.words[0]


def test_a_bleeding_in_the_brain_is_a_stroke_but_can_be_left_out():
    person = known(condition("icd10cm|I61.9"))
    assert person.about("stroke").positive
    assert not person.about("stroke", but=("intracranial-haemorrhage",)).positive


def test_procedures_count_when_done():
    assert known(procedure("snomed|232717009")).about("coronary-artery-bypass-grafting").state == "past"
    for status in ("not-done", "entered-in-error", "preparation"):
        assert (
            known(procedure("snomed|232717009", status=status)).about("coronary-artery-bypass-grafting").state
            == "not-recorded"
        ), status
    assert known(procedure("urn:x|zzz")).unread("procedure")


def test_an_old_statement_counts_no_longer_where_a_question_says_how_old_it_may_be():
    from datetime import timedelta

    person = known(condition("icd10cm|N17.9", onset="2020-01-01"))
    assert person.about("acute-kidney-injury").positive
    assert not person.about("acute-kidney-injury", within=timedelta(days=90)).positive
    undated = known(condition("icd10cm|N17.9", onset=None))
    assert undated.about("acute-kidney-injury", within=timedelta(days=90)).positive


def test_an_entry_with_an_unknown_modifier_is_not_read_and_keeps_negatives_open():
    modified = condition("icd10cm|E11.9", modifierExtension=[{"url": "urn:x", "valueBoolean": True}])
    person = known(modified)
    assert person.about("diabetes").state == "not-recorded"
    assert person.about("diabetes").open
    assert [u.kind for u in person.not_understood] == ["modifier"]


def test_order_does_not_matter():
    entries = [condition("icd10cm|E11.9"), condition("icd10cm|E11.9", verified="refuted"), condition("snomed|1755008")]
    numbered = [{**e, "id": f"x{n}"} for n, e in enumerate(entries)]
    one, other = known(*numbered), known(*reversed(numbered))
    for concept in ("diabetes", "myocardial-infarction"):
        assert one.about(concept) == other.about(concept)


def test_every_chart_of_a_snapshot_has_read_the_lists_that_its_answers_rest_on():
    whole = chart(condition("icd10cm|E11.9"), medicine("aspirin 100 mg"))
    kinds = [("events", (kind,)) for kind in ("Device", "DeviceUseStatement", "Procedure")]
    lists = [(name, ()) for name in ("conditions", "future", "mentions", "now", "patient")]
    for _ in range(2):
        twin = whole.fresh()
        assert len(recorded(twin)[0]) == 1
        assert [(r.accessor, r.arguments) for r in twin.reads] == sorted(kinds + lists)
        person = Person(whole.fresh(), [])
        assert len(person.listed) == 1
        assert [r.accessor for r in person.chart.reads] == ["medications", "now", "patient"]
    empty = chart()
    assert recorded(empty) == ((), ())
    assert [(r.accessor, r.arguments) for r in empty.reads] == sorted(kinds + lists)
