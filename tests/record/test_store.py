"""The store: bytes that stay what they are, versions, blobs, and no way in without a scope."""

import hashlib
import os
import zlib
from dataclasses import replace
from decimal import Decimal

import pytest

from salus.errors import AccessError, IntegrityError, StoreError
from salus.fhir import json
from salus.formats.content import Bytes
from salus.record import schema
from salus.record.store import CHUNK, Change, Written
from salus.trust.grants import Grant
from tests.conftest import creatinine, person

WHEN = "2026-06-01T12:00:00Z"
READ = Grant("t", "p1", "self", frozenset({"record"}), may_write=False, purpose="PATRQT")
WRITE = replace(READ, may_write=True)


def test_numbers_keep_their_digits_and_unchanged_bytes_are_not_written_again(ward):
    store = ward.house.store
    body = creatinine("1.00", "2026-01-01", "c1")
    first = store.commit(WRITE, [Change("Patient", "p1", person()), Change("Observation", "c1", body)], at=WHEN)
    assert (first.created, first.updated) == (2, 0)
    again = store.commit(WRITE, [Change("Observation", "c1", body)], at=WHEN)
    assert again == Written(created=0, updated=0, unchanged=1, deleted=0, blobs=0, leaf=None)
    stored = store.read(READ, ("Observation",))[0]
    assert b"1.00" in stored.data
    assert stored.body["valueQuantity"]["value"] == Decimal("1.00")
    assert stored.source.digest == hashlib.sha256(json.dumps(body)).hexdigest()


def test_versions_deletion_and_history(ward):
    store = ward.house.store
    for value in ("1.0", "1.2"):
        store.commit(WRITE, [Change("Observation", "c1", creatinine(value, "2026-01-01", "c1"))], at=WHEN)
    store.commit(WRITE, [Change("Observation", "c1", None)], at=WHEN)
    assert store.read(READ, ("Observation",)) == []
    versions = store.versions(READ, "Observation/c1")
    assert [(v.source.version, v.deleted) for v in versions] == [(1, False), (2, False), (3, True)]
    assert store.commit(WRITE, [Change("Observation", "c1", None)], at=WHEN).leaf is None
    assert not ward.house.verify().problems


def test_blobs_of_every_size_come_back_and_stay_one_patients_own(ward):
    store = ward.house.store
    store.commit(WRITE, [Change("Patient", "p1", person())], at=WHEN)
    for size in (0, 1, CHUNK - 1, CHUNK, CHUNK + 1):
        content = Bytes(bytes(i % 251 for i in range(size)))
        address = store.address(READ, content.sha256)
        store.commit(WRITE, [], at=WHEN, blobs=[(address, "record", content)])
        assert store.blob(READ, address) == content.data
        assert store.address(replace(READ, patient="p2"), content.sha256) != address
        with pytest.raises(AccessError):
            store.blob(replace(READ, categories=frozenset({"note"})), address)
    assert not ward.house.verify().problems


TEXT = b"".join(b'<Record type="HeartRate" value="%d" at="%d"/>\n' % (60 + n % 50, n * 7919) for n in range(60_000))


def kept(ward, content, address):
    """What a store file holds of one blob, chunk by chunk."""
    store = ward.house.store
    store.commit(WRITE, [Change("Patient", "p1", person())], at=WHEN, blobs=[(address, "record", content)])
    rows = store.connection.execute("SELECT body FROM blob_chunk WHERE address = ? ORDER BY n", (address,))
    return [body for (body,) in rows.fetchall()]


@pytest.mark.parametrize(
    "data", [TEXT, TEXT[: CHUNK - 1], b"x" * 100, b"x" * 30, b"\0" + os.urandom(1 << 14) + TEXT], ids=len
)
def test_text_is_kept_compressed_and_what_does_not_shrink_as_it_is(ward, data):
    content = Bytes(data)
    address = ward.house.store.address(READ, content.sha256)
    bodies = kept(ward, content, address)
    pieces = list(content.chunks(CHUNK))
    assert len(bodies) == len(pieces)
    for body, piece in zip(bodies, pieces, strict=True):
        if piece[:1] not in (b"<", b"x") and piece == pieces[0]:  # what begins at random is not tried
            assert len(body) == len(piece) + 28
        else:
            assert len(body) < max(len(piece) / 2, 80)
    assert ward.house.store.blob(READ, address) == data
    assert not ward.house.verify().problems


def test_blobs_of_earlier_releases_are_read_as_they_are(ward):
    store, vault = ward.house.store, ward.house.vault
    content = Bytes(TEXT)
    address = store.address(READ, content.sha256)
    kept(ward, content, address)
    pieces = list(content.chunks(CHUNK))
    with store.transaction(WRITE) as connection:
        for n, piece in enumerate(pieces):
            place = f"blob\0{address}\0record\0{n}\0{len(pieces)}".encode()
            sealed = vault.seal("p1", piece, place)
            connection.execute("UPDATE blob_chunk SET body = ? WHERE address = ? AND n = ?", (sealed, address, n))
    assert store.blob(READ, address) == TEXT
    assert not ward.house.verify().problems


def test_that_a_chunk_is_compressed_is_authenticated(ward):
    """Neither a compressed chunk in the place of a plain one opens, nor a plain one as if it were compressed."""
    store, vault = ward.house.store, ward.house.vault
    content = Bytes(TEXT)
    address = store.address(READ, content.sha256)
    (first, *others) = kept(ward, content, address)
    chunks = 1 + len(others)
    for forged in (
        vault.seal("p1", zlib.compress(TEXT[:CHUNK], 1), f"blob\0{address}\0record\0{0}\0{chunks}".encode()),
        vault.seal("p1", b"short", f"packed-blob\0{address}\0record\0{0}\0{chunks}".encode()),
        vault.seal("p1", zlib.compress(TEXT[:CHUNK] * 2), f"packed-blob\0{address}\0record\0{0}\0{chunks}".encode()),
        first[:-1],
    ):
        with store.transaction(WRITE) as connection:
            connection.execute("UPDATE blob_chunk SET body = ? WHERE address = ? AND n = 0", (forged, address))
        with pytest.raises(IntegrityError):
            store.blob(READ, address)
        assert ward.house.verify().problems


def test_a_file_that_changes_while_it_is_read_leaves_nothing(ward):
    store = ward.house.store
    content = Bytes(b"first")
    address = store.address(READ, content.sha256)
    content.data = b"later"
    with pytest.raises(StoreError):
        store.commit(WRITE, [Change("Patient", "p1", person())], at=WHEN, blobs=[(address, "record", content)])
    assert not store.exists(READ)
    assert not ward.house.verify().problems


def test_nothing_works_without_a_fitting_scope(ward):
    store = ward.house.store
    store.commit(WRITE, [Change("Patient", "p1", person())], at=WHEN)
    with pytest.raises(AccessError):
        store.commit(READ, [Change("Patient", "p1", person())], at=WHEN)
    with pytest.raises(AccessError):
        store.read(replace(READ, patient="*"))
    with pytest.raises(AccessError):
        store.read(replace(READ, patient="p2"))
    with pytest.raises(AccessError):
        store.patients(READ)
    assert store.read(replace(READ, categories=frozenset())) == []


def test_two_patients_may_use_the_same_resource_id(ward):
    store = ward.house.store
    for patient in ("p1", "p2"):
        body = creatinine("1.0", "2026-01-01", "c1", patient)
        store.commit(replace(WRITE, patient=patient), [Change("Observation", "c1", body)], at=WHEN)
    assert [s.body["subject"]["reference"] for s in store.read(READ)] == ["Patient/p1"]


def test_bodies_codes_and_identifiers_do_not_stand_in_the_file(ward):
    store = ward.house.store
    store.commit(
        WRITE,
        [Change("Patient", "p1", person()), Change("Observation", "c1", creatinine("1.37", "2026-01-01", "c1"))],
        at=WHEN,
    )
    store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = store.path.read_bytes()
    for secret in (b"MRN-p1", b"Example", b"2160-0", b"1.37"):
        assert secret not in raw


def test_what_is_no_store_is_refused(tmp_path):
    import sqlite3

    with pytest.raises(StoreError, match="no store"):
        schema.connect(tmp_path / "none", create=False)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(StoreError, match="not a store"):
        schema.connect(other, create=False)
    noise = tmp_path / "noise"
    noise.write_bytes(b"not sqlite at all" * 100)
    with pytest.raises(StoreError):
        schema.connect(noise, create=False)
    newer = tmp_path / "newer"
    schema.connect(newer, create=True).close()
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version=999")
    with pytest.raises(StoreError, match="newer salus"):
        schema.connect(newer, create=False)


def test_a_full_disk_leaves_the_store_as_it_was(ward):
    store = ward.house.store
    store.commit(WRITE, [Change("Patient", "p1", person())], at=WHEN)
    (pages,) = store.connection.execute("PRAGMA page_count").fetchone()
    store.connection.execute(f"PRAGMA max_page_count={pages + 2}")
    content = Bytes(os.urandom(200_000))
    with pytest.raises(StoreError, match="nothing of this step was kept"):
        store.commit(WRITE, [], at=WHEN, blobs=[(store.address(READ, content.sha256), "record", content)])
    store.connection.execute("PRAGMA max_page_count=1000000")
    report = ward.house.verify()
    assert not report.problems
    assert report.blobs == 0


def test_a_backup_is_the_whole_store_and_one_that_fails_says_so(ward, tmp_path):
    import sqlite3

    store, house = ward.house.store, replace(READ, patient="*")
    store.commit(WRITE, [Change("Patient", "p1", person())], at=WHEN)
    store.backup(house, tmp_path / "copy.sqlite")
    with sqlite3.connect(tmp_path / "copy.sqlite") as copy:
        for table in ("resource", "log_leaf", "log_checkpoint", "patient"):
            rows = f"SELECT * FROM {table}"
            assert copy.execute(rows).fetchall() == store.connection.execute(rows).fetchall()
    with pytest.raises(StoreError, match="backup failed"):
        store.backup(house, tmp_path / "no such folder" / "copy.sqlite")
    with pytest.raises(AccessError):
        store.backup(READ, tmp_path / "mine.sqlite")
    assert not (tmp_path / "mine.sqlite").exists()


def test_what_is_committed_is_told_in_numbers_and_versions_count_from_one(ward):
    store = ward.house.store
    one, two = creatinine("1.0", "2026-01-01", "c1"), creatinine("2.0", "2026-01-01", "c1")
    written = store.commit(WRITE, [Change("Patient", "p1", person()), Change("Observation", "c1", one)], at=WHEN)
    assert (written.created, written.updated, written.unchanged, written.deleted) == (2, 0, 0, 0)
    written = store.commit(WRITE, [Change("Patient", "p1", person()), Change("Observation", "c1", two)], at=WHEN)
    assert (written.created, written.updated, written.unchanged, written.deleted) == (0, 1, 1, 0)
    assert [s.source.version for s in store.versions(READ, "Observation/c1")] == [1, 2]
    written = store.commit(WRITE, [Change("Observation", "c1", None), Change("Observation", "c9", None)], at=WHEN)
    assert (written.created, written.updated, written.unchanged, written.deleted) == (0, 0, 0, 1)
    (entry,) = [e for e in ward.house.log.entries(store.connection, patient="p1") if e.n == written.leaf]
    assert (entry.topic, entry.content["reason"], entry.content["actor"]) == ("write", "write", "t")
    assert [(ref, version, gone) for ref, version, _, gone in entry.content["items"]] == [("Observation/c1", 3, True)]
    store.commit(WRITE, [Change("Observation", "c1", one)], at=WHEN)
    assert [s.source.version for s in store.read(READ, ("Observation",))] == [4]


def test_what_a_check_refuses_leaves_everything_as_it_was(ward):
    store = ward.house.store
    store.commit(WRITE, [Change("Patient", "p1", person())], at=WHEN)

    def refuse():
        raise StoreError("not now")

    with pytest.raises(StoreError, match="not now"):
        store.commit(WRITE, [Change("Observation", "c1", creatinine("1.0", "2026-01-01", "c1"))], at=WHEN, check=refuse)
    assert [s.source.ref for s in store.read(READ)] == ["Patient/p1"]
