"""Diagnoses named in passing: in reports, answers, results and the kinds of visits."""

from __future__ import annotations

import pytest

from salus.fhir import views
from salus.fhir.mentions import mentions

SOURCE = views.Source("X/1", 1, "0" * 64)


def said(kind, **body):
    return [(m.text, [c.code for c in m.codes]) for m in mentions(SOURCE, {"resourceType": kind, **body})]


def test_a_reports_conclusion_is_read_sentence_by_sentence():
    report = said("DiagnosticReport", conclusion="Old myocardial infarction. No stroke; LVEF 55.5 %.\nEnd")
    assert [text for text, _ in report] == ["Old myocardial infarction", "No stroke", "LVEF 55.5 %", "End"]
    assert said("DiagnosticReport", conclusionCode=[{"text": "MI"}]) == [("MI", [])]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"valueBoolean": True}, ["History of stroke"]),
        ({"valueString": "Yes"}, ["History of stroke"]),
        ({"valueCodeableConcept": {"text": "ja"}}, ["History of stroke"]),
        ({}, ["History of stroke"]),
        ({"valueBoolean": False}, []),
        ({"valueString": "No"}, []),
        ({"valueString": "yesterday"}, []),
        ({"dataAbsentReason": {"text": "unknown"}}, []),
        ({"component": []}, []),
    ],
)
def test_an_observation_states_its_code_where_it_is_affirmed_or_stands_alone(value, found):
    assert [text for text, _ in said("Observation", code={"text": "History of stroke"}, **value)] == found


@pytest.mark.parametrize("code", [{"text": "Diagnosis"}, {"coding": [{"code": "29308-4"}]}, {"text": "Main diagnosis"}])
def test_an_observation_called_diagnosis_states_its_value(code):
    assert said("Observation", code=code, valueString="Infarction 2020") == [("Infarction 2020", [])]
    assert said("Observation", code={"text": "Colour"}, valueString="Infarction 2020") == []


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("Have you had a heart attack?", "heart attack"),
        ("Have you ever been told that you have diabetes?", "diabetes"),
        ("Do you suffer from gout ?", "gout"),
        ("Heart attack", None),
    ],
)
@pytest.mark.parametrize("answer", [{"valueBoolean": True}, {"valueCoding": {"display": "Yes"}}, {"valueString": "ja"}])
def test_a_question_answered_with_yes_names_what_it_asks_about(asked, named, answer):
    inner = {"item": [{"linkId": "1", "item": [{"linkId": "1.1", "text": asked, "answer": [answer]}]}]}
    assert [text for text, _ in said("QuestionnaireResponse", **inner)] == ([named] if named else [])
    refused = {"item": [{"linkId": "1", "text": asked, "answer": [{"valueBoolean": False}]}]}
    assert said("QuestionnaireResponse", **refused) == []


def test_the_kind_of_a_visit_is_named():
    assert said("Encounter", type=[{"text": "Antenatal visit"}]) == [("Antenatal visit", [])]
    assert said("EpisodeOfCare", type=[{"text": "Haemodialysis"}]) == [("Haemodialysis", [])]


@pytest.mark.parametrize(
    ("body", "pair"),
    [
        ({"valueString": "198/104 mmHg"}, ("198", "104")),
        ({"valueString": " 128 / 76 (H)"}, ("128", "76")),
        ({"valueCodeableConcept": {"text": "110/70"}}, ("110", "70")),
        ({"valueRatio": {"numerator": {"value": 120, "unit": "mmHg"}, "denominator": {"value": 80, "unit": "mmHg"}}},
         ("120", "80")),
        ({"valueRatio": {"numerator": {"value": 1, "unit": "mg"}, "denominator": {"value": 80, "unit": "mL"}}}, None),
        ({"valueString": "120/80/60"}, None),
        ({"valueString": "1/80"}, None),
        ({"component": [{"code": {"text": "x"}}], "valueString": "120/80"}, None),
    ],
)  # fmt: skip
def test_two_numbers_in_one_value(body, pair):
    found = views.observation(SOURCE, {"resourceType": "Observation", **body}).pair
    assert (found and tuple(map(str, found))) == pair


@pytest.mark.parametrize(
    ("body", "clinical"),
    [
        ({"abatementString": "resolved 2019"}, "resolved"),
        ({"abatementBoolean": True}, "resolved"),
        ({"abatementAge": {"value": 40, "unit": "a"}}, "resolved"),
        ({"abatementBoolean": False}, ""),
        ({"abatementString": " "}, ""),
        ({"clinicalStatus": {"coding": [{"code": "active"}]}, "abatementString": "x"}, "active"),
    ],
)
def test_a_problem_that_ended_in_words_is_resolved_unless_its_status_says_otherwise(body, clinical):
    assert views.condition(SOURCE, {"resourceType": "Condition", **body}).clinical == clinical
