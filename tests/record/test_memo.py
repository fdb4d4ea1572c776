"""What was worked out of a record is kept sealed, by kind and name, and may be lost at any time."""

import pytest

from salus.errors import AccessError
from salus.record.store import Change
from tests.conftest import person
from tests.record.test_store import READ, WHEN, WRITE


@pytest.fixture
def store(ward):
    ward.house.store.commit(WRITE, [Change("Patient", "p1", person())], at=WHEN)
    return ward.house.store


def test_what_is_memorised_is_read_back_under_its_kind_and_name_alone(ward, store):
    assert store.memo(READ, "plan", "a") is None
    size = ward.house.log.newest(store.connection).size
    for name, data in (("a", b"one"), ("b", b"two"), ("a", b"three")):
        store.memorise(WRITE, "plan", data, name)
    store.memorise(WRITE, "findings", b"four")
    told = [store.memo(READ, *place) for place in (("plan", "a"), ("plan", "b"), ("findings",), ("plan",))]
    assert told == [b"three", b"two", b"four", None]
    assert ward.house.log.newest(store.connection).size == size  # nothing of the record changed


def test_a_kind_that_ends_is_deleted_and_no_other(store):
    for kind, name in (("plan", "a"), ("plan", "b"), ("other", "a")):
        store.memorise(WRITE, kind, b"x", name)
    store.memorise(WRITE, "findings", b"y", ends="plan")
    told = [store.memo(READ, *place) for place in (("plan", "a"), ("plan", "b"), ("other", "a"), ("findings", ""))]
    assert told == [None, None, b"x", b"y"]


@pytest.mark.parametrize("damage", ["zeroblob(80)", "zeroblob(0)", "'text'", "5"])
def test_what_does_not_open_counts_as_nothing(store, damage):
    store.memorise(WRITE, "plan", b"x")
    store.connection.execute(f"UPDATE memo SET body = {damage}")
    assert store.memo(READ, "plan") is None


def test_nothing_is_memorised_without_the_right_to_write_or_of_nobody(store):
    with pytest.raises(AccessError):
        store.memorise(READ, "plan", b"x")
    with pytest.raises(AccessError):
        store.memo(type(READ)("t", "*", "self", READ.categories, may_write=False, purpose="PATRQT"), "plan")
