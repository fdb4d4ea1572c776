"""The interlock: a severe conflict with what a patient withholds is told in one sentence, and nothing else of it."""

import uuid

import pytest

from salus.app import demo
from salus.app.session import Session
from salus.careplan import fhir
from salus.careplan.model import CONFLICT_WITHHELD
from salus.careplan.report import render_html
from salus.careplan.severe import severe
from salus.careplan.text import render
from salus.fhir import json
from salus.server.cds_cards import MAX_CARDS, cards
from salus.trust.identity import demo_identity

GENE_CONFLICT = "cpic-cyp2c19-clopidogrel-2022:avoid:clopidogrel"
INSTANCE = uuid.UUID(int=1)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """Maria's record, which the clinician reads; her genes make her clopidogrel useless."""
    example = demo.examples()["maria"]
    with demo.make_house(tmp_path_factory.mktemp("town") / "house", example) as house:
        demo.take_in(house, example)
        demo.give_consent(house, example)
        yield house, example


@pytest.fixture
def maria(town):
    """Withholds, and ends it after the test; asks for the clinician's plan."""
    house, example = town
    patient = Session(house, demo_identity(demo.patient_actor(example)))
    filed = []

    class Maria:
        at, mine = example.at, patient

        def withhold(self, *categories, shown="interlock"):
            filed.append(patient.withhold(example.patient, example.at, categories=categories, shown=shown))

        def close(self, *categories):
            filed.append(patient.close_to_processing(example.patient, example.at, categories=categories))

        def plan(self, at=example.at, **more):
            made, _ = Session(house, demo_identity(demo.CLINICIAN)).plan(example.patient, at, **more)
            return made

        def entries(self):
            return [e.content for e in house.log.entries(house.store.connection, patient=example.patient)]

    yield Maria()
    for name in reversed(filed):
        patient.revoke(example.patient, name)


def everything(plan):
    """All that a reader gets of a plan, in every form."""
    told = [render(plan), json.dumps(fhir.to_bundle(plan)).decode(), str(plan), str(cards(plan, INSTANCE))]
    return "\n".join(told)


def test_what_is_severe_in_marias_plan(maria):
    found = severe(maria.plan())
    assert GENE_CONFLICT in found
    assert "kdigo-2024-ckd:review:kidney-function-decline" not in found
    assert found <= {item.key for item in maria.plan().items if item.tier == "urgent"}


def test_a_severe_conflict_with_withheld_genes_is_one_sentence(maria):
    maria.withhold("genome", shown="hidden")
    hidden = maria.plan()
    maria.withhold("genome")
    told = maria.plan()
    assert told.conflict_withheld
    assert told.notices == (CONFLICT_WITHHELD,)
    assert everything(told).count("CYP2C19 is") == everything(hidden).count("CYP2C19 is")
    assert "genome" not in told.looked_at
    assert GENE_CONFLICT not in {item.key for item in told.items}
    same = [getattr(told, n) == getattr(hidden, n) for n in ("items", "dropped", "not_assessable", "medicines", "held")]
    assert all(same)


def test_it_stands_in_every_form_of_the_plan(maria):
    maria.withhold("genome")
    made = maria.plan()
    first, *rest = cards(made, INSTANCE)
    assert (first["indicator"], first["summary"]) == ("warning", CONFLICT_WITHHELD)
    assert len(rest) <= MAX_CARDS
    notes = fhir.to_bundle(made)["entry"][0]["resource"]["note"]
    assert {"text": CONFLICT_WITHHELD} in notes
    assert CONFLICT_WITHHELD in " ".join(render(made).split())
    opened = maria.mine.open("maria", maria.at)
    assert CONFLICT_WITHHELD in render_html(made, opened.chart)


def test_what_is_flagged_is_named_whether_or_not_there_is_anything(maria):
    maria.withhold("genome", "image", shown="flagged")
    made = maria.plan()
    assert made.withheld == ("genome", "image")
    assert not made.conflict_withheld
    words = "Withheld by the patient: genome, image."
    assert words in " ".join(render(made).split())
    assert words in cards(made, INSTANCE)[-1]["summary"]
    assert any(words in n["text"] for n in fhir.to_bundle(made)["entry"][0]["resource"]["note"])


def test_what_holds_no_severe_conflict_says_nothing(maria):
    maria.withhold("image")
    made = maria.plan()
    assert not made.conflict_withheld
    assert made.notices == ()


def test_what_is_closed_to_processing_makes_no_conflict(maria):
    maria.withhold("genome")
    maria.close("genome")
    assert not maria.plan().conflict_withheld


def test_what_another_denial_hides_makes_no_conflict(maria):
    maria.withhold("image")
    maria.withhold("genome", shown="hidden")
    assert not maria.plan().conflict_withheld


def test_no_way_of_asking_changes_the_answer(maria):
    from datetime import timedelta

    maria.withhold("genome")
    for without in (["record"], ["note"], ["record", "note", "image", "signal"]):
        assert maria.plan(without=without).conflict_withheld
    for years in (-5, 5):
        assert maria.plan(at=maria.at + timedelta(days=365 * years)).conflict_withheld


def test_each_look_is_logged_with_what_it_told_and_as_processing(maria):
    maria.withhold("genome")
    before = len(maria.entries())
    maria.plan()
    new = [e for e in maria.entries()[before:] if e["reason"] == "access"]
    assert [e.get("interlocked") for e in new if e["actor"] == demo.CLINICIAN] == [["genome"]]
    checked = new[-1]
    assert (checked["actor"], checked["purpose"], checked["bases"]) == ("service", "processing", ["service"])
    assert "genome" in checked["categories"]


def test_the_patients_own_plan_holds_it_openly(maria):
    maria.withhold("genome")
    made, _ = maria.mine.plan("maria", maria.at)
    assert GENE_CONFLICT in {item.key for item in made.items}
    assert made.notices == ()


def test_what_a_reader_leaves_out_himself_is_no_conflict(maria):
    maria.withhold("signal")
    assert not maria.plan().conflict_withheld
    for without in (["genome"], ["note"], ["record", "note"]):
        assert not maria.plan(without=without).conflict_withheld
