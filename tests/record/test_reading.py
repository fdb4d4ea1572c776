"""What an open store answers, and to whom: patients by number and identifier, blobs, and what a scope leaves out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import AccessError, IntegrityError
from salus.fhir.categories import categories_of
from salus.fhir.views import CATEGORIES
from salus.formats.content import Bytes
from salus.record import reading, search
from salus.record.database import one_of
from salus.record.reach import Reach, Share
from salus.record.store import Change
from salus.trust.grants import Grant
from tests.conftest import creatinine, person

WHEN = "2026-06-01T12:00:00Z"
READ = Grant("t", "p1", "self", frozenset({"record"}), may_write=False, purpose="PATRQT")
WRITE = replace(READ, may_write=True)
HOUSE = replace(READ, patient="*")


@pytest.fixture
def store(ward):
    for patient in ("p1", "p2"):
        body = creatinine("1.0", "2026-01-01", "c1", patient)
        changes = [Change("Patient", patient, person(patient)), Change("Observation", "c1", body)]
        ward.house.store.commit(replace(WRITE, patient=patient), changes, at=WHEN)
    return ward.house.store


def test_a_number_in_the_log_stands_for_one_patient(store):
    numbers = {name: store.number_of(replace(READ, patient=name)) for name in ("p1", "p2")}
    assert len(set(numbers.values())) == 2
    assert {name: store.patient_of(HOUSE, n) for name, n in numbers.items()} == {"p1": "p1", "p2": "p2"}
    for scope, n in ((HOUSE, 99), (READ, numbers["p1"])):
        with pytest.raises(AccessError):
            store.patient_of(scope, n)
    with pytest.raises(AccessError):
        store.number_of(replace(READ, patient="nobody"))


def test_patients_are_found_by_identifier_for_the_house_alone(store):
    assert store.patients(HOUSE) == ["p1", "p2"]
    assert store.find_identifier(HOUSE, "urn:test:mrn", "MRN-p2") == ["p2"]
    assert store.find_identifier(HOUSE, "urn:test:mrn", "MRN-p3") == []
    assert store.find_identifier(HOUSE, "urn:other", "MRN-p2") == []
    assert store.holders(HOUSE, "Observation", "c1", 9) == ["p1", "p2"]
    assert store.holders(HOUSE, "Observation", "c1", 1) == ["p1"]
    assert store.holders(HOUSE, "Observation", "c2", 9) == []
    for asked in (
        lambda: store.find_identifier(READ, "urn:test:mrn", "MRN-p1"),
        lambda: store.holders(READ, "Observation", "c1", 9),
        lambda: store.patients(READ),
        lambda: store.number_of(HOUSE),
        lambda: store.exists(HOUSE),
        lambda: store.exists(replace(READ, patient="")),
    ):
        with pytest.raises(AccessError):
            asked()


def test_who_and_what_is_there(store):
    assert store.exists(READ)
    assert not store.exists(replace(READ, patient="nobody"))
    assert store.has(READ, "Observation", "c1")
    assert not store.has(READ, "Observation", "c2")
    assert not store.has(READ, "Condition", "c1")
    store.commit(WRITE, [Change("Observation", "c1", None)], at=WHEN)
    assert not store.has(READ, "Observation", "c1")
    assert store.has(replace(READ, patient="p2"), "Observation", "c1")


def test_read_gives_what_was_asked_for(store):
    assert {s.source.ref for s in store.read(READ)} == {"Patient/p1", "Observation/c1"}
    assert [s.source.ref for s in store.read(READ, ("Observation", "Condition"))] == ["Observation/c1"]
    assert [s.source.ref for s in store.read(READ, ids=("p1", "x"))] == ["Patient/p1"]
    assert store.read(READ, ("Observation",), ("p1",)) == []
    decided = replace(READ, decided=frozenset({("Patient/p1", 1)}))
    assert [s.source.ref for s in store.read(decided)] == ["Patient/p1"]
    assert [each.ref for each in store.listed(READ, "Observation")] == ["Observation/c1"]
    assert list(store.listed(decided, "Observation")) == []
    assert [s.source.ref for s in store.search(decided, "Patient")] == ["Patient/p1"]
    decided = replace(READ, decided=frozenset({("Observation/c1", 1)}))
    assert [each[1:] for each in store.listed(decided, "Observation")] == [("Observation/c1", 1)]
    assert list(store.search(decided, "Patient")) == []
    with pytest.raises(AccessError):
        store.read(replace(READ, patient="nobody"))


def test_what_was_listed_of_several_patients_is_read_at_once_each_under_its_own_scope(store):
    other = replace(READ, patient="p2")
    listed = {scope.patient: next(store.listed(scope, "Observation")) for scope in (READ, other)}
    rids = [at.rid for at in listed.values()]

    def read(*scopes, numbers=rids):
        return {
            (patient, stored.body["subject"]["reference"])
            for patient, stored in store.read_listed(scopes, numbers).values()
        }

    both = {("p1", "Patient/p1"), ("p2", "Patient/p2")}
    assert read(READ, other) == both
    assert store.read_listed([READ], rids).keys() == {listed["p1"].rid}
    assert read(READ, other, numbers=rids[1:]) == {("p2", "Patient/p2")}
    assert read(READ, other, numbers=[]) == read(READ, other, numbers=[99]) == set()
    assert read(READ, replace(other, categories=frozenset({"genome"}))) == {("p1", "Patient/p1")}
    assert read(READ, replace(other, categories=frozenset())) == {("p1", "Patient/p1")}
    assert read(READ, replace(other, decided=frozenset({("Observation/c1", 2)}))) == {("p1", "Patient/p1")}
    assert read(READ, replace(other, decided=frozenset({("Observation/c1", 1)}))) == both
    store.commit(WRITE, [Change("Observation", "c1", None)], at=WHEN)
    assert read(READ, other) == {("p2", "Patient/p2")}
    with pytest.raises(AccessError):
        store.read_listed([replace(READ, patient="*")], rids)


def test_a_row_whose_kinds_are_not_told_is_read_only_by_who_may_see_all(store):
    listed = [at.rid for at in store.listed(READ, "Observation")]
    store.connection.execute("UPDATE resource SET kinds = -1")
    assert not store.read_listed([READ], listed)
    assert store.read_listed([replace(READ, categories=frozenset(CATEGORIES))], listed)


def test_of_what_was_once_only_the_version_that_was_decided_on_is_shown(store):
    decided = replace(READ, decided=frozenset({("Observation/c1", 1)}))
    assert [s.source.version for s in store.versions(decided, "Observation/c1")] == [1]
    store.commit(WRITE, [Change("Observation", "c1", creatinine("2.0", "2026-01-01", "c1"))], at=WHEN)
    assert store.versions(decided, "Observation/c1") == []
    decided = replace(READ, decided=frozenset({("Observation/c1", 2)}))
    assert [s.source.version for s in store.versions(decided, "Observation/c1")] == [2]
    assert [s.source.version for s in store.versions(READ, "Observation/c1")] == [1, 2]
    assert store.versions(READ, "Observation/c9") == []
    assert store.versions(replace(READ, categories=frozenset({"note"})), "Observation/c1") == []


def test_a_row_opened_by_itself_has_the_kinds_of_its_body(store):
    columns = "type, id, version, updated, deleted, mac, body"
    for (row,) in ([r] for r in store.connection.execute(f"SELECT {columns} FROM resource WHERE pid = 1")):
        stored = store.open_row("p1", *row)
        assert stored.categories == categories_of(stored.body)


def test_a_blob_is_its_patients_and_whole_or_refused(store):
    content = Bytes(bytes(range(200)))
    address = store.address(READ, content.sha256)
    store.commit(WRITE, [], at=WHEN, blobs=[(address, "record", content)])
    assert store.loader(READ)(address) == content.data
    for scope, name in ((replace(READ, patient="p2"), address), (READ, "0" * 64)):
        with pytest.raises(IntegrityError, match="missing"):
            store.blob(scope, name)
    with pytest.raises(AccessError):
        store.blob(replace(READ, categories=frozenset({"note"})), address)
    for statement in ("UPDATE blob SET size = size + 1", "DELETE FROM blob_chunk", "UPDATE blob SET category = 'note'"):
        with pytest.raises(IntegrityError):
            changed(
                store, statement, lambda: store.blob(replace(READ, categories=frozenset({"record", "note"})), address)
            )
    assert store.blob(READ, address) == content.data


def changed(store, statement, then):
    store.connection.execute("SAVEPOINT before")
    try:
        store.connection.execute(statement)
        return then()
    finally:
        store.connection.execute("ROLLBACK TO before")
        store.connection.execute("RELEASE before")


def test_a_row_that_is_not_what_was_logged_is_not_opened(store):
    store.commit(WRITE, [Change("Observation", "c1", creatinine("2.0", "2026-01-01", "c1"))], at=WHEN)
    for statement in (
        "UPDATE resource SET mac = zeroblob(32) WHERE type = 'Observation'",
        "UPDATE resource SET version = 7 WHERE type = 'Observation'",
        "UPDATE resource SET updated = '2020-01-01' WHERE type = 'Observation'",
        "UPDATE resource SET id = 'c7' WHERE type = 'Observation'",
    ):
        with pytest.raises(IntegrityError):
            changed(store, statement, lambda: store.read(READ))
    assert len(store.read(READ)) == 2


def test_what_is_remembered_of_bodies_is_bounded(store, monkeypatch):
    monkeypatch.setattr(reading, "KINDS_KEPT", 10)
    for n in range(40):
        store.commit(WRITE, [Change("Observation", f"n{n}", creatinine("1.0", "2026-01-01", f"n{n}"))], at=WHEN)
    assert len(store._kinds) <= 10
    assert len(store.read(READ, ("Observation",))) == 41


def test_everything_read_in_a_snapshot_is_of_one_moment(store, ward):
    from salus.app.house import House

    with House(ward.house.configuration) as other, store.snapshot():
        assert len(store.read(READ)) == 2
        other.store.commit(WRITE, [Change("Observation", "c2", creatinine("1.0", "2026-01-01", "c2"))], at=WHEN)
        assert len(store.read(READ)) == 2
        with store.snapshot():
            assert len(store.read(READ)) == 2
    assert len(store.read(READ)) == 3


@given(st.lists(st.integers(), max_size=3000))
def test_a_list_of_values_is_padded_to_one_of_few_lengths(values):
    marks, padded = one_of(values)
    assert marks.count("?") == len(padded)
    assert padded[: len(values)] == values
    assert set(padded) == set(values)
    assert not values or len(padded) in {*(1 << n for n in range(11)), 2048, 3072}


def test_what_more_than_one_record_holds_is_told_for_the_house_alone(store):
    assert store.doubled(HOUSE, ["Observation/c1", "Observation/c2", "Condition/c1", "Patient/p1"]) == [
        "Observation/c1"
    ]
    assert store.doubled(HOUSE, []) == []
    with pytest.raises(AccessError):
        store.doubled(READ, ["Observation/c1"])


def test_no_more_patients_are_named_than_hold_enough(store):
    code = {"coding": [{"system": "s", "code": "x"}]}
    clauses = [search.parse(search.types()["Observation"]["code"], "", "s|x")]
    shares = {}
    for n in range(4):
        scope = replace(READ, patient=f"h{n}", may_write=True)
        bodies = [{"resourceType": "Observation", "id": f"h{n}-{k}", "code": code} for k in range(3)]
        store.commit(scope, [Change("Observation", b["id"], b) for b in bodies], at=WHEN)
        shares[store.number_of(scope)] = Share(0, singly=n == 1)
    reach = Reach("t", shares)

    def having(**asked):
        return store.having(HOUSE, reach, "Observation", clauses, **{"after": -1, "limit": 9, **asked})

    numbers = sorted(shares)
    assert having() == (["h0", "h1", "h2", "h3"], None)
    assert having(enough=1) == having(enough=3) == (["h0"], numbers[0])
    assert having(enough=4) == (["h0", "h1", "h2"], numbers[2]), "who decides on single resources counts for nothing"
    assert having(enough=4, limit=2) == (["h0", "h1"], numbers[1])
    assert having(enough=10) == (["h0", "h1", "h2", "h3"], None)
    assert having(enough=4, after=numbers[2]) == (["h3"], None)
