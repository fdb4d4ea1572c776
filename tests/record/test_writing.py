"""What a commit writes: part by part, the same as one change after the other would."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import InputError
from salus.record import index, sealing, writing
from salus.record.store import Change
from salus.trust.grants import Grant
from tests.conftest import creatinine, person

WHEN = "2026-06-01T12:00:00Z"
WRITE = Grant("t", "p1", "self", frozenset({"record"}), may_write=True, purpose="PATRQT")
TABLES = {"resource": "rid", "history": "rid, version", "token_index": "rid, token", "date_index": "rid, lo",
          "target": "rid, id"}  # fmt: skip


def result(n, value="1.0"):
    return Change("Observation", f"c{n}", creatinine(value, "2026-01-01", f"c{n}"))


def report(n, *results):
    body = {"resourceType": "DiagnosticReport", "id": f"d{n}", "result": [{"reference": r} for r in results]}
    return Change("DiagnosticReport", f"d{n}", body)


def rows(store, *left_out):
    found = {}
    for table, order in TABLES.items():
        cursor = store.connection.execute(f"SELECT * FROM {table} ORDER BY {order}")
        names = [column[0] for column in cursor.description]
        found[table] = [
            {k: v for k, v in zip(names, row, strict=True) if k not in ("body", "mac", *left_out)} for row in cursor
        ]
    return found


@pytest.mark.parametrize("part", [1, 2, 500])
def test_the_size_of_a_part_makes_no_difference(ward, monkeypatch, part):
    store = ward.house.store
    monkeypatch.setattr(writing, "PART", part)
    first = [Change("Patient", "p1", person()), *(result(n) for n in range(4)), report(1, "Observation/c1")]
    written = store.commit(WRITE, first, at=WHEN)
    assert (written.created, written.unchanged) == (6, 0)
    second = [
        result(0),
        result(1, "2.0"),
        Change("Observation", "c2", None),
        result(4),
        Change("Observation", "x", None),
    ]
    written = store.commit(WRITE, second, at=WHEN)
    assert (written.created, written.updated, written.deleted, written.unchanged) == (1, 1, 1, 1)
    (entry,) = [e for e in ward.house.log.entries(store.connection, patient="p1") if e.n == written.leaf]
    items = [(ref, version, gone) for ref, version, _, gone in entry.content["items"]]
    assert items == [("Observation/c1", 2, False), ("Observation/c2", 2, True), ("Observation/c4", 1, False)]
    found = rows(store)
    assert [row["rid"] for row in found["resource"]] == list(range(1, 8))
    assert [(row["rid"], row["version"]) for row in found["history"]] == [(3, 1), (4, 1)]
    assert {row["rid"] for row in found["token_index"]} == {1, 2, 3, 5, 7}
    assert {row["rid"] for row in found["date_index"]} == {2, 3, 5, 7}
    assert [(row["rid"], row["id"]) for row in found["target"]] == [(6, "c1")]
    assert not ward.house.verify().problems


def test_a_resource_that_stands_twice_in_a_commit_is_written_twice(ward):
    store = ward.house.store
    changes = [Change("Patient", "p1", person()), result(1), result(1, "2.0"), result(1, "2.0"), result(2)]
    written = store.commit(WRITE, changes, at=WHEN)
    assert (written.created, written.updated, written.unchanged) == (3, 1, 1)
    assert [v.source.version for v in store.versions(WRITE, "Observation/c1")] == [1, 2]
    assert not ward.house.verify().problems


def test_a_row_number_is_never_given_twice(ward):
    store = ward.house.store
    for name in ("p1", "p2", "p1"):
        scope = replace(WRITE, patient=name)
        known = len(rows(store)["resource"])
        store.commit(scope, [Change("Patient", name, person(name)), result(known)], at=WHEN)
    assert [row["rid"] for row in rows(store)["resource"]] == [1, 2, 3, 4, 5]
    assert not ward.house.verify().problems


def test_a_body_filed_as_another_leaves_nothing(ward):
    store = ward.house.store
    with pytest.raises(InputError, match="another type or id"):
        store.commit(WRITE, [Change("Patient", "p1", person()), Change("Observation", "c9", result(1).body)], at=WHEN)
    assert not store.exists(WRITE)
    assert rows(store)["resource"] == []


def test_kinds_reach_what_was_there_and_what_another_patient_names_reaches_nobody_else(ward):
    """A report that is there leads to a result that comes later; the same names in another's record do not."""
    store = ward.house.store
    genetic = {"resourceType": "Observation", "id": "g1", "code": {"text": "BRCA1 gene variant"}}
    store.commit(WRITE, [Change("Patient", "p1", person()), report(1, "Observation/g1")], at=WHEN)
    other = replace(WRITE, patient="p2")
    store.commit(other, [Change("Patient", "p2", person("p2")), report(1, "Observation/g1")], at=WHEN)
    before = rows(store)["resource"]
    store.commit(WRITE, [Change("Observation", "g1", genetic)], at=WHEN)
    after = rows(store)["resource"]
    changed = [new["rid"] for old, new in zip(before, after, strict=False) if old["kinds"] != new["kinds"]]
    assert changed == [2]
    assert after[1]["kinds"] == after[1]["own_kinds"] | after[4]["own_kinds"]
    assert not ward.house.verify().problems


def test_a_new_patient_is_not_looked_for_in_the_records_of_others(ward):
    store = ward.house.store
    store.commit(WRITE, [Change("Patient", "p1", person()), report(1, "Observation/c1")], at=WHEN)
    statements = []
    store.connection.set_trace_callback(statements.append)
    second = replace(WRITE, patient="p2")
    store.commit(second, [Change("Patient", "p2", person("p2")), result(1), report(2, "Observation/c1")], at=WHEN)
    store.connection.set_trace_callback(None)
    asked = [s for s in statements if "FROM target t WHERE" in s or ("JOIN target t" in s and "DISTINCT" not in s)]
    assert asked
    assert all("> 2" in s for s in asked if "rid >" in s)
    assert not ward.house.verify().problems


@given(st.binary(max_size=20_000))
def test_what_is_packed_comes_back(data):
    assert sealing.unpack(sealing.pack(data)) == data


def test_what_earlier_releases_packed_is_unpacked():
    import zlib

    for size in (0, 1, 5000, 100_000):
        data = bytes(n * 7 % 251 for n in range(size))
        assert sealing.unpack(zlib.compress(data, 1)) == data
        assert sealing.unpack(sealing.pack(data)) == data


def test_codes_are_blinded_alike_however_often_and_identifiers_are_not_kept(ward, monkeypatch):
    from salus.record import store as module

    store = ward.house.store
    monkeypatch.setattr(module, "CODES_KEPT", 1)
    bodies = [result(1).body, {"resourceType": "Observation", "id": "o", "code": {"coding": [{"code": "x"}]}}]
    told = [store.index_rows(body) for body in bodies * 2]
    assert told[:2] == told[2:]
    expected = {("code", ward.house.vault.blind("|x"))}
    assert told[1][0] == expected
    store.index_rows(person())
    assert len(store._codes) == 1


def test_tokens_are_of_codings_that_have_a_code():
    coded = [{"system": "s", "code": "a"}, {"code": "b"}, {"system": "s"}, {"system": "s", "code": ""}, "x", None]
    body = {"code": {"coding": coded}, "type": [{"coding": [{"code": "t"}]}, "y"], "vaccineCode": {"coding": "z"}}
    assert {row.token for row in index.tokens(body)} == {"s|a", "|b", "|t"}
