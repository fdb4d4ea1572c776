"""Answers of patients: checked, filed under the own right, and each changes exactly what it should in the plan."""

from datetime import timedelta

import pytest

from salus.app.intake import answers
from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.errors import AccessError, InputError
from salus.intake import questionnaires
from tests.conftest import AT, bundle, person

LIFESTYLE = questionnaires.load("lifestyle")
START = {
    "smoking": "Never smoked",
    "alcohol-often": "monthly or less",
    "alcohol-drinks": "1 or 2",
    "alcohol-six": "never",
    "activity-days": "5",
    "activity-minutes": "30",
    "diet-portions": "5",
}
CHANGES = [
    (
        {"smoking": "Smokes every day"},
        {"uspstf-tobacco-2021:start:smoking-cessation", "uspstf-lung-2021:review:lung-cancer-screening"},
    ),
    (
        {"alcohol-often": "4 or more times a week", "alcohol-drinks": "1 or 2", "alcohol-six": "never"},
        {"uspstf-alcohol-2018:start:alcohol-counselling"},
    ),
    ({"activity-days": "2"}, {"who-activity-2020:start:physical-activity"}),
    ({"activity-minutes": "29"}, {"who-activity-2020:start:physical-activity"}),
    ({"diet-portions": "4"}, {"who-diet:start:fruit-and-vegetables"}),
    ({"goal": "walk to the lake"}, {"own-goal:review:own-goal"}),
]


@pytest.fixture
def known(ward):
    Intake(Session(ward.house, ward.operator)).run([ward.write("p1.json", bundle(person()))])
    return ward


def keys(session):
    return {item.key for item in session.plan("p1", session.house.clock())[0].items}


@pytest.mark.parametrize(("changed", "items"), CHANGES, ids=lambda v: next(iter(v)) if isinstance(v, dict) else "")
def test_a_changed_answer_changes_exactly_the_items_it_should_and_back(known, changed, items):
    session = Session(known.house, known.patient)
    answers.answer(session, "p1", START)
    before = keys(session)
    known.time += timedelta(minutes=5)
    answers.answer(session, "p1", changed)
    assert keys(session) - before == items
    assert before - keys(session) == set()
    if "goal" in changed:
        return  # a goal is replaced, not taken back
    known.time += timedelta(minutes=5)
    answers.answer(session, "p1", START)
    assert keys(session) == before


def test_a_smoking_answer_is_an_input_of_prevent(known):
    session = Session(known.house, known.patient)
    needs = {n for f in session.open("p1", AT).findings if f.method == "risk.prevent" for n in f.needs}
    assert any("smok" in n for n in needs)
    answers.answer(session, "p1", {"smoking": "266919005"})
    needs = {n for f in session.open("p1", AT).findings if f.method == "risk.prevent" for n in f.needs}
    assert not any("smok" in n for n in needs)


def test_answers_grow_old(known):
    session = Session(known.house, known.patient)
    answers.answer(session, "p1", {"diet-portions": "1"})
    assert "who-diet:start:fruit-and-vegetables" in keys(session)
    known.time += timedelta(days=731)
    assert "who-diet:start:fruit-and-vegetables" not in keys(session)


@pytest.mark.parametrize(("sex", "proposed"), [("female", True), ("male", False), ("other", True)])
def test_the_limit_of_audit_c_follows_the_recorded_sex(ward, sex, proposed):
    Intake(Session(ward.house, ward.operator)).run([ward.write("p1.json", bundle(person(gender=sex)))])
    session = Session(ward.house, ward.patient)
    answers.answer(
        session, "p1", {"alcohol-often": "2 to 3 times a week", "alcohol-drinks": "1 or 2", "alcohol-six": "never"}
    )
    assert ("uspstf-alcohol-2018:start:alcohol-counselling" in keys(session)) == proposed


@pytest.mark.parametrize(
    ("given", "total"),
    [
        ({"alcohol-often": "never"}, 0),
        ({"alcohol-often": "monthly or less"}, None),
        ({"alcohol-often": "monthly or less", "alcohol-drinks": "7 to 9", "alcohol-six": "weekly"}, 7),
        (
            {
                "alcohol-often": "4 or more times a week",
                "alcohol-drinks": "10 or more",
                "alcohol-six": "daily or almost daily",
            },
            12,
        ),
    ],
)
def test_audit_c_is_the_sum_of_its_points_or_nothing(given, total):
    response = questionnaires.respond(LIFESTYLE, given, id="r", patient="p1", authored="2026-06-01")
    found = [o for o in questionnaires.observations(LIFESTYLE, response) if o["id"] == "r-audit-c"]
    assert [o["valueQuantity"]["value"] for o in found] == ([] if total is None else [total])


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"nonsense": "1"},
        {"smoking": "sometimes maybe"},
        {"activity-days": "8"},
        {"activity-days": "-1"},
        {"activity-days": "1.5"},
        {"activity-days": "٣"},
        {"goal": " "},
        {"goal": "x" * 501},
    ],
)
def test_what_is_no_answer_files_nothing(known, given):
    session = Session(known.house, known.patient)
    before = len(session.open("p1", AT).chart.resources())
    with pytest.raises(InputError):
        answers.answer(session, "p1", {**given, **({"diet-portions": "3"} if given else {})})
    assert len(session.open("p1", AT).chart.resources()) == before


def test_only_the_patient_answers_and_writes_the_diary(known):
    for who in (known.clinician, known.operator):
        with pytest.raises(AccessError):
            answers.answer(Session(known.house, who), "p1", START)
        with pytest.raises(AccessError):
            answers.keep_diary(Session(known.house, who), "p1", "x")
    with pytest.raises(AccessError):
        answers.answer(Session(known.house, known.patient), "p2", START)


def test_a_diary_entry_is_a_note_that_methods_read_and_the_log_knows(known):
    session = Session(known.house, known.patient)
    answers.keep_diary(session, "p1", "I take ibuprofen for my back.")
    found = [f for f in session.open("p1", AT).findings if f.code == "note-medication" and f.status == "ok"]
    assert ["ibuprofen" in f.sentence for f in found] == [True]
    assert known.house.verify().problems == ()
    for text in ("", "x" * 5000, "a\x00b"):
        with pytest.raises(InputError):
            answers.keep_diary(session, "p1", text)


def test_of_answers_of_one_moment_the_one_filed_last_counts(known):
    session = Session(known.house, known.patient)
    for portions in ("1", "9", "2", "8", "3", "7"):
        answers.answer(session, "p1", {"diet-portions": portions, "goal": f"goal {portions}"})
        chart = session.open("p1", AT).chart
        assert chart.latest("fruit-vegetable-portions").quantity.value == int(portions)
        assert f"goal {portions}" in next(
            i.text for i in session.plan("p1", AT)[0].items if i.key == "own-goal:review:own-goal"
        )
