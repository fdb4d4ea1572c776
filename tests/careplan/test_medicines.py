from __future__ import annotations

import pytest

from salus.fhir import medications
from salus.fhir.views import Source
from salus.findings.model import Finding
from salus.person.medicines import Listed, listed, reconcile
from salus.terminology.reader import shipped
from tests.careplan.people import (
    NOW,
    item,
    medicine,
    need,
    noted_medicine,
    plan,
    procedure,
)


def _listed(*bodies: dict[str, object]) -> tuple[Listed, ...]:
    return listed([medications.medication(Source(f"M/{n}", 1, "0" * 64), b) for n, b in enumerate(bodies)], shipped())


def test_record_and_note_are_one_line() -> None:
    (line,) = reconcile(
        _listed(medicine("Plavix 75 mg", "75 mg daily", "2026-01-30")), [noted_medicine("clopidogrel")], NOW
    )
    assert line.ingredient == "clopidogrel"
    assert line.sources == ("record", "note")
    assert (line.status, line.last_confirmed) == ("active", "2026-05-18")


def test_a_later_note_contradicts_but_removes_nothing() -> None:
    (line,) = reconcile(_listed(medicine("clopidogrel 75 mg")), [noted_medicine("clopidogrel", "stopped")], NOW)
    assert line.status == "contradicted"
    assert line.in_use
    (older,) = reconcile(
        _listed(medicine("clopidogrel 75 mg")), [noted_medicine("clopidogrel", "stopped", "2026-04-01")], NOW
    )
    assert older.status == "active"


def test_a_note_alone_makes_a_line_that_asks() -> None:
    (line,) = reconcile([], [noted_medicine("ibuprofen")], NOW)
    assert line.status == "in a note only"
    assert "confirm" in line.doubts[0]
    assert reconcile([], [noted_medicine("ibuprofen", "proposed")], NOW) == ()


def test_stopped_entries_are_not_on_the_list() -> None:
    assert reconcile(_listed(medicine("warfarin", status="stopped")), [], NOW) == ()


def test_old_and_undated_entries_are_marked() -> None:
    old, undated = medicine("warfarin", when="2019-01-01"), medicine("digoxin")
    del undated["authoredOn"]
    lines = {m.name: m for m in reconcile(_listed(old, undated), [], NOW)}
    assert lines["warfarin"].doubts == ("not confirmed for more than two years",)
    assert lines["digoxin"].doubts == ("no date vouches for it",)


def test_two_of_one_class() -> None:
    found = need(plan([medicine("simvastatin 20 mg", "daily"), medicine("atorvastatin 10 mg", "daily")]), "two-statin")
    assert "atorvastatin and simvastatin" in found.text
    twice = plan([medicine("ramipril 5 mg", "5 mg daily"), medicine("ramipril 5 mg", "5 mg daily ")])
    assert item(twice, "two-ace-inhibitor") is None


@pytest.mark.parametrize(
    ("one", "other", "target"),
    [
        ("omeprazole 20 mg", "clopidogrel 75 mg", "omeprazole"),
        ("esomeprazole 20 mg", "clopidogrel 75 mg", "esomeprazole"),
        ("ramipril 5 mg", "losartan 50 mg", "ramipril"),
        ("naproxen 250 mg", "ticagrelor 90 mg", "naproxen"),
        ("ticagrelor 90 mg", "itraconazole 100 mg", "ticagrelor"),
        ("ticagrelor 90 mg", "phenytoin 100 mg", "ticagrelor"),
        ("aspirin 300 mg", "ticagrelor 90 mg", "aspirin"),
        ("rosuvastatin 20 mg", "ticagrelor 90 mg", "rosuvastatin"),
        ("ibuprofen 400 mg", "warfarin 5 mg", "ibuprofen"),
        ("sertraline 50 mg", "phenelzine 15 mg", "sertraline"),
        ("tizanidine 4 mg", "ciprofloxacin 500 mg", "tizanidine"),
        ("azathioprine 50 mg", "febuxostat 80 mg", "azathioprine"),
        ("lovastatin 20 mg", "clarithromycin 500 mg", "lovastatin"),
    ],
)
def test_pairs(one: str, other: str, target: str) -> None:
    found = plan([medicine(one, "once daily"), medicine(other, "twice daily")])
    assert item(found, target) is not None, [i.key for i in found.items]
    alone = plan([medicine(one, "once daily")])
    assert item(alone, target) is None


def test_pantoprazole_and_low_aspirin_are_no_pair() -> None:
    assert (
        plan([medicine("pantoprazole 40 mg", "daily"), medicine("clopidogrel 75 mg", "daily")]).of_tier("medicines")
        == ()
    )
    assert (
        item(plan([medicine("aspirin 75 mg", "75 mg daily"), medicine("ticagrelor 90 mg", "daily")]), "aspirin") is None
    )


def test_a_doubtful_list_is_gone_through() -> None:
    note: Finding = noted_medicine("clopidogrel", "not-taking")
    assert "clopidogrel" in need(plan([medicine("clopidogrel 75 mg", "daily")], [note]), "medicine-list").text
    assert item(plan([medicine("clopidogrel 75 mg", "daily")]), "medicine-list") is None


def test_a_class_in_a_note_is_no_second_medicine() -> None:
    listed = [medicine("simvastatin 20 mg", "20 mg daily")]
    found = plan(listed, [noted_medicine("statin")])
    assert [m.ingredient for m in found.medicines] == ["simvastatin"]
    assert item(found, "two-statin") is None


def test_a_class_known_only_from_a_note_still_counts() -> None:
    name = "nonsteroidal anti-inflammatory drug"
    found = plan([medicine("clopidogrel 75 mg", "75 mg daily")], [noted_medicine(name)])
    assert need(found, name).tier == "urgent"
    stent = procedure("percutaneous-coronary-intervention", "2026-01-29")
    asked = need(plan([stent, medicine("aspirin 75 mg", "75 mg daily")], [noted_medicine("statin")]), "statin")
    assert asked.action == "review"
