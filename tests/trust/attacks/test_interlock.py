"""Row 6: a reader takes an interlock or a flag for an oracle of what is withheld. Maria withholds her genes, which make
her clopidogrel useless; the clinician asks in every way, and learns one sentence."""

from contextlib import ExitStack
from datetime import timedelta
from itertools import product

import pytest

from salus.app import demo
from salus.app.assistant import conversation as assistant
from salus.app.fhir.api import Records
from salus.app.fhir.query import parse
from salus.app.serving.cache import Cache
from salus.app.session import Session
from salus.careplan import fhir
from salus.careplan.model import CONFLICT_WITHHELD
from salus.errors import SalusError
from salus.fhir import json
from salus.trust.identity import demo_identity
from tests.trust.attacks.scene import leaves

WITHOUT = [[], ["record"], ["note"], ["signal", "image"], ["record", "note", "signal", "image"], ["genome"]]
PURPOSES = ["TREAT", "HRESCH", "BTG", "ETREAT"]
YEARS = [0, -20, -1, 1]
WAYS = [
    *product(WITHOUT, PURPOSES[:1], YEARS[:2]),
    *product(WITHOUT[:1], PURPOSES[1:], YEARS[:1]),
    *product(WITHOUT[:1], PURPOSES[:1], YEARS[2:]),
]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Asks a question twice: of genes that are hidden, and of genes under an interlock."""
    example = demo.examples()["maria"]
    with ExitStack() as stack:
        house = stack.enter_context(demo.make_house(tmp_path_factory.mktemp("town") / "house", example))
        demo.take_in(house, example)
        demo.give_consent(house, example)
        maria = Session(house, demo_identity(demo.patient_actor(example)))

        def ask(question, way):
            name = maria.withhold("maria", example.at, categories=["genome"], shown=way)
            before = leaves(house)
            try:
                return question(Session(house, demo_identity(demo.CLINICIAN)), example.at)
            except SalusError as error:
                return f"{type(error).__name__}: {error}"
            finally:
                assert leaves(house) > before, "it left no trace"
                maria.revoke("maria", name)

        yield lambda question, ways=("hidden", "interlock"): [ask(question, way) for way in ways]


def plan(**more):
    def of(session, at):
        years = timedelta(days=365 * more.get("years", 0))
        how = {k: v for k, v in more.items() if k != "years"}
        made = session.plan("maria", at + years, **how)[0]
        return str(made), json.dumps(fhir.to_bundle(made)).decode()

    return of


def without_sentence(told):
    text, bundle = told
    said = "conflict_withheld=True" in text
    assert said == (CONFLICT_WITHHELD in bundle)
    sentence = json.dumps({"text": CONFLICT_WITHHELD}).decode()
    bundle = bundle.replace(f",{sentence}", "")
    return said, (text.replace("conflict_withheld=True", "conflict_withheld=False"), bundle)


@pytest.mark.parametrize(("left_out", "purpose", "years"), WAYS)
def test_no_question_for_a_plan_learns_more_than_the_one_sentence(asked, left_out, purpose, years):
    hidden, interlocked = asked(plan(without=left_out, purpose=purpose, years=years))
    if isinstance(hidden, str):  # refused: nothing is told
        assert hidden == interlocked
        return
    assert without_sentence(hidden) == (False, hidden)
    assert without_sentence(interlocked) == (True, hidden)


def test_asking_again_and_again_gives_the_same_answer(asked):
    def often(session, at):
        return [plan()(session, at) for _ in range(3)]

    (answers,) = asked(often, ["interlock"])
    assert len(set(answers)) == 1


def records(session):
    return Records(session, Cache())


def entries(page):
    return [s.data for s in page.entries], page.total, bool(page.next), page.withheld


QUESTIONS = {
    "findings": lambda session, at: str(session.open("maria", at).findings),
    "people": lambda session, at: [(p, sorted(c)) for p, c in session.patients()],
    "everything": lambda session, at: entries(records(session).everything("maria", None, 5000))[2:],
    "observations": lambda session, at: entries(records(session).search(parse("Observation", [("patient", "maria")]))),
    "counted": lambda session, at: entries(
        records(session).search(parse("Observation", [("patient", "maria"), ("_summary", "count")]))
    ),
    "sequences": lambda session, at: entries(
        records(session).search(parse("MolecularSequence", [("patient", "maria")]))
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_under_an_interlock_nothing_but_a_plan_tells_anything(asked, name):
    hidden, interlocked = asked(QUESTIONS[name])
    assert hidden == interlocked


def test_an_answer_in_words_tells_no_more(asked):
    def words(session, at):
        return str(assistant.ask(session, "maria", "Which medicines are in the record?", at))

    hidden, interlocked = asked(words)
    assert interlocked.replace(f" {CONFLICT_WITHHELD}", "") == hidden


@pytest.mark.parametrize("kind", ["Observation", "Condition", "MolecularSequence"])
def test_a_flag_tells_nothing_of_what_there_is(asked, kind):
    def found(session, at):
        return entries(records(session).search(parse(kind, [("patient", "maria"), ("_total", "accurate")])))

    hidden, flagged = asked(found, ["hidden", "flagged"])
    assert flagged[:3] == hidden[:3]
    assert (hidden[3], flagged[3]) == ((), ("genome",))


def test_a_flag_does_not_come_with_a_count_nor_without_a_name(asked):
    def found(*pairs):
        return lambda session, at: records(session).search(parse("Observation", pairs)).withheld

    assert asked(found(("patient", "maria"), ("_summary", "count")), ["flagged"]) == [()]
    assert asked(found(), ["flagged"]) == [()]
    assert asked(found(("patient", "nobody")), ["flagged"]) == [()]
