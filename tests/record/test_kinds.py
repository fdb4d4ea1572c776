"""Which kinds of data a row tells of, kept beside it: of its own, and of what it refers to."""

from dataclasses import replace

import pytest

from salus.app.house import House
from salus.app.session import Session
from salus.fhir.views import CATEGORIES
from salus.record.store import Change
from salus.trust.grants import Grant
from tests.conftest import creatinine, person

WHEN = "2026-06-01T12:00:00Z"
VARIANT = {
    "resourceType": "Observation",
    "id": "v",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "69548-6"}]},
    "valueString": "present",
}


def scope(*categories):
    return Grant("t", "p1", "consent", frozenset(categories), may_write=False, purpose="TREAT")


def report(*results):
    refs = [{"reference": r} for r in results]
    return {"resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": {"text": "Panel"}, "result": refs}


def listed(*entries):
    items = [{"item": {"reference": r}} for r in entries]
    return {"resourceType": "List", "id": "l", "status": "current", "mode": "working", "entry": items}


def write(ward, *bodies):
    grant = Grant("operator", "p1", "custodian", frozenset(), may_write=True, purpose="filing")
    changes = [
        Change(b["resourceType"], b["id"], b) if "status" in b or "gender" in b else Change(b["type"], b["id"], None)
        for b in bodies
    ]
    ward.house.store.commit(grant, changes, at=WHEN)


def seen(ward, *categories):
    return {s.source.ref for s in ward.house.store.read(scope(*categories))}


def test_a_report_has_the_kinds_of_its_results_however_they_come(ward):
    write(ward, person(), creatinine("1.0", "2026-01-01", "c1"), report("Observation/c1", "Observation/v"))
    assert "DiagnosticReport/r" in seen(ward, "record")
    write(ward, VARIANT)
    assert seen(ward, "record") == {"Patient/p1", "Observation/c1"}
    assert "DiagnosticReport/r" in seen(ward, "record", "genome")
    assert seen(ward, "genome") == {"Patient/p1"}  # a result is of the record, too
    write(ward, report("Observation/c1"))
    assert "DiagnosticReport/r" in seen(ward, "record")
    assert not ward.house.verify().problems


def test_kinds_are_carried_through_chains_and_circles(ward):
    write(ward, person(), VARIANT, report("Observation/v"), listed("DiagnosticReport/r", "List/l"))
    assert seen(ward, "record") == {"Patient/p1"}
    assert {"List/l", "DiagnosticReport/r"} <= seen(ward, "record", "genome")


def test_what_was_deleted_goes_on_hiding_what_refers_to_it(ward):
    write(ward, person(), VARIANT, report("Observation/v"))
    write(ward, {"type": "Observation", "id": "v"})
    assert "DiagnosticReport/r" not in seen(ward, "record")
    assert not ward.house.verify().problems


def test_a_list_holds_what_a_search_finds_in_every_scope(ward):
    values = [creatinine("1.0", "2026-01-01", f"c{n}") for n in range(3)]
    write(ward, person(), VARIANT, *values, report("Observation/v"))
    write(ward, {"type": "Observation", "id": "c2"}, creatinine("1.5", "2026-01-02", "c0"))
    scopes = [scope(), scope("record"), scope("genome"), scope("record", "genome"), scope(*CATEGORIES)]
    decided = frozenset({("Observation/c0", 2), ("Observation/c1", 7), ("Observation/v", 1)})
    scopes.append(replace(scope(*CATEGORIES), decided=decided))
    asked = [
        (each, kind, ids) for each in scopes for kind in ("Observation", "DiagnosticReport") for ids in ([], ["v"])
    ]
    with House(ward.house.configuration) as fresh:
        for store in (fresh.store, ward.house.store):
            for each, kind, ids in asked:
                found = [(s.source.ref, s.source.version) for s in store.search(each, kind, (), ids)]
                assert [(at.ref, at.version) for at in store.listed(each, kind, (), ids)] == found
            assert ("Observation/c0", 2) in {at[1:] for at in store.listed(scope("record"), "Observation")}
            assert not list(store.listed(scope("record"), "Observation", (), ["v"]))
    with House(ward.house.configuration) as fresh:  # which has opened nothing
        assert [at.ref for at in fresh.store.listed(scope("record"), "Observation")] == [
            "Observation/c0",
            "Observation/c1",
        ]


def test_a_list_opens_nothing(ward, monkeypatch):
    write(ward, person(), VARIANT, creatinine("1.0", "2026-01-01", "c1"))
    store = ward.house.store
    monkeypatch.setattr(type(store), "open_row", None)
    assert len(list(store.listed(scope("record", "genome"), "Observation"))) == 2
    assert len(list(store.listed(scope("record"), "Observation"))) == 1


def test_a_row_that_tells_less_than_its_body_shows_no_body(ward):
    write(ward, person(), VARIANT)
    ward.house.store.connection.execute("UPDATE resource SET kinds = 0 WHERE id = 'v'")
    assert list(ward.house.store.search(scope("record"), "Observation")) == []
    assert ward.house.store.read(scope("record"), ("Observation",)) == []
    assert ward.house.verify().problems


def test_read_search_and_versions_pass_over_alike(ward):
    write(ward, person(), VARIANT)
    write(ward, {**VARIANT, "valueString": "absent"})
    store = ward.house.store
    assert store.versions(scope("record"), "Observation/v") == []
    assert list(store.search(scope("record"), "Observation")) == []
    assert len(store.versions(scope("genome", "record"), "Observation/v")) == 2
    assert store.read(scope()) == []


def test_nothing_hidden_is_opened(ward, monkeypatch):
    write(ward, person(), VARIANT, creatinine("1.0", "2026-01-01", "c1"))
    opened = []
    real = ward.house.store.open_row
    monkeypatch.setattr(ward.house.store, "open_row", lambda *row: opened.append(row[1:3]) or real(*row))
    seen(ward, "record")
    list(ward.house.store.search(scope("record"), "Observation"))
    ward.house.store.versions(scope("record"), "Observation/v")
    assert ("Observation", "v") not in opened
    assert ("Observation", "c1") in opened


def test_a_store_of_before_is_told_once_and_hides_until_then(ward):
    write(ward, person(), VARIANT, report("Observation/v"), creatinine("1.0", "2026-01-01", "c1"))
    connection = ward.house.store.connection
    connection.execute("UPDATE resource SET own_kinds = -1, kinds = -1")
    connection.execute("DELETE FROM target")
    assert seen(ward, "record") == set()
    assert seen(ward, *CATEGORIES)
    connection.execute("DELETE FROM setting")
    from salus.app.house import House

    with House(ward.house.configuration) as house:
        assert {s.source.ref for s in house.store.read(scope("record"))} == {"Patient/p1", "Observation/c1"}
        assert not house.verify().problems


@pytest.mark.parametrize(
    "change",
    ["UPDATE resource SET kinds = 0", "UPDATE resource SET own_kinds = 1", "DELETE FROM target"],
)
def test_kinds_that_do_not_follow_from_the_body_are_named(ward, change):
    write(ward, person(), VARIANT, report("Observation/v"))
    ward.house.store.connection.execute(change)
    assert any("kinds of data" in p.what for p in ward.house.verify().problems)


def test_the_body_decides_where_the_row_beside_it_was_changed(ward):
    write(ward, person(), VARIANT)
    ward.house.store.connection.execute("UPDATE resource SET own_kinds = 0, kinds = 0")
    assert seen(ward, "record") == {"Patient/p1"}


@pytest.mark.parametrize("count", [3, pytest.param(10_001, marks=pytest.mark.slow)])
def test_however_many_refer_to_one_each_has_the_kinds_of_what_it_leads_to(ward, count):
    """A bound at which all were of every kind hid the patient's consents from the gate itself."""
    lists = [{**listed("Observation/v"), "id": f"l{n}"} for n in range(count)]
    write(ward, person(), *lists, creatinine("1.0", "2026-01-01", "c1"))
    write(ward, VARIANT)
    session = Session(ward.house, ward.patient)
    session.give_consent("p1", ward.time, actors=["dr-lee"], categories=["record"])
    grant = ward.house.gate.grant(ward.house.authenticate(ward.clinician), "p1", "TREAT")
    assert {s.source.ref for s in ward.house.store.read(grant, ("Observation", "List"))} == {"Observation/c1"}
    assert len(seen(ward, "record", "genome")) >= count
    assert not ward.house.verify().problems
