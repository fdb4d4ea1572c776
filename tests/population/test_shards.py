"""Shards: what is written is what is read, whoever is killed in between; nothing damaged is taken for whole."""

import json
import os
import stat
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import InputError, IntegrityError, StoreError
from salus.fhir.views import Source
from salus.population import mirror, parquet, records, sealed
from salus.population.database import Database, cells
from salus.population.mirror import Layout
from salus.population.records import Record
from salus.population.shards import Copy, Held, Index, Shard, shard_of
from salus.population.views import read

VIEW = {
    "resourceType": "ViewDefinition",
    "resource": "Basic",
    "select": [
        {
            "column": [
                {"name": "id", "path": "id", "type": "id"},
                {"name": "any", "path": "any"},
                {"name": "number", "path": "number", "type": "decimal"},
                {"name": "count", "path": "count", "type": "integer"},
                {"name": "all", "path": "all", "collection": True},
            ]
        },
        {"forEachOrNull": "part", "column": [{"name": "part", "path": "$this"}]},
    ],
}
NAMES = {"resourceType": "ViewDefinition", "resource": "Basic", "select": [{"column": [{"name": "id", "path": "id"}]}]}


class House:
    """Seals a mirror's key as a house would."""

    def __init__(self, key=b"k" * 32):
        self._key = key

    def seal(self, plain, context):
        return sealed.seal(self._key, plain, context.hex())

    def unseal(self, data, context):
        return sealed.unseal(self._key, data, context.hex())


def layout(shards=2, files_up_to=100, **views):
    return Layout("m", "store", "dr-lee", "HRESCH", shards, files_up_to, views or {"basics": VIEW})


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "mirror"
    mirror.make(made, layout(), House())
    return made


def copy(held, patient, bodies, written=1):
    """What is written into a shard of a patient with these resources."""
    entries = tuple((Source(f"Basic/{b['id']}", 1, "d"), b) for b in bodies)
    record = Record(patient, frozenset({"record"}), frozenset(), entries, frozenset(), {"a": b"\x00\xff"})
    rows = {name: list(cells(view, bodies)) for name, view in held.wanted.views.items()}
    return Copy(Held(written, "r"), rows, record)


def bring(held, people, gone=()):
    """Write these people, and take those out who are gone; nobody else is touched."""
    for shard in held.shards:
        index = shard.index()
        copies = {p: copy(held, p, b) for p, b in people.items() if shard_of(p, len(held.shards)) == shard.number}
        shard.write(index, [p for p in gone if p in index.patients], copies, held.wanted)
        held.tidy(shard.number, shard.index())


def plain(people):
    """The rows that the database in memory gives."""
    with Database() as database:
        view = read(VIEW)
        database.load("basics", view, ())
        for patient in sorted(people):
            database.load("basics", view, people[patient])
        return database.query("SELECT * FROM basics")


def as_bytes(rows):
    return sorted(repr(row).encode() for row in rows)


def basic(id="b", **more):
    return {"resourceType": "Basic", "id": id, **more}


values = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9),
    st.text(max_size=5).filter(lambda text: "\0" not in text and text.isprintable()),
)
resources = st.lists(
    st.fixed_dictionaries(
        {"resourceType": st.sampled_from(["Basic", "Basic", "Other"]), "id": st.text("abc", min_size=1, max_size=3)},
        optional={
            "any": values,
            "number": st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-1000, max_value=1000),
            "count": st.integers(-(2**31), 2**31 - 1),
            "all": st.lists(values, min_size=1, max_size=3),
            "part": st.lists(st.integers(0, 9), min_size=1, max_size=3),
        },
    ),
    max_size=4,
)
populations = st.dictionaries(st.sampled_from([f"p{n}" for n in range(9)]), resources, max_size=6)


@settings(max_examples=15)
@given(first=populations, then=populations, gone=st.sets(st.sampled_from([f"p{n}" for n in range(9)])))
def test_a_mirror_gives_the_rows_that_the_database_in_memory_gives(first, then, gone):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "mirror"
        mirror.make(folder, layout(3), House())
        with mirror.opened(folder, House()) as held:
            bring(held, first)
            bring(held, then, gone - then.keys())
            people = {p: b for p, b in {**first, **then}.items() if p in then or p not in gone}
            expected = plain(people)
            answer = held.query()
            assert answer.columns == expected.columns
            assert as_bytes(answer.rows) == as_bytes(expected.rows)
            assert held.query('SELECT count(*) FROM "view"').rows == ((len(expected.rows),),)
            found = {r.patient: r for s in held.shards for r in s.records(s.index())}
            assert {p: [body for _, body in r.entries] for p, r in found.items()} == people


def test_rows_come_by_patient_and_in_their_order(folder):
    with mirror.opened(folder, House()) as held:
        people = {f"p{n}": [basic(f"{n}{x}") for x in "ba"] for n in (3, 1, 2)}
        bring(held, people)
        assert [row[0] for row in held.query().rows] == ["1b", "1a", "2b", "2a", "3b", "3a"]


def test_a_patient_is_in_one_shard_everywhere_and_always():
    assert [shard_of(f"p{n}", 16) for n in range(8)] == [12, 3, 12, 5, 2, 14, 14, 10]
    assert {shard_of(f"p{n}", 4) for n in range(50)} == {0, 1, 2, 3}


def test_records_keep_digits_files_and_what_is_closed():
    body = basic(value=Decimal("1.500"), contained=[])
    record = Record(
        "p1",
        frozenset({"record", "note"}),
        frozenset({"genome"}),
        ((Source("Basic/b", 3, "d", "record+note"), body),),
        frozenset({"Basic/b"}),
        {"x": bytes(range(256))},
    )
    assert records.unpack(records.pack(record)) == record
    with pytest.raises(IntegrityError):
        records.unpack(b"not packed")


def test_files_that_are_too_large_are_not_even_opened():
    def attached(**more):
        return {"attachment": {"url": f"urn:salus:blob:{more.pop('address')}", **more}}

    content = [attached(address="b", size=5), attached(address="c", size=6), attached(address="a"), {"url": "urn:x"}]
    entries = [(Source("DocumentReference/d", 1, "d"), {"resourceType": "DocumentReference", "content": content})]
    assert records.addresses([*entries, *entries], 5) == ["a", "b"]


# ---- what is on the disk


def test_files_are_private_and_tell_nothing(folder):
    with mirror.opened(folder, House()) as held:
        bring(held, {"p-secret": [basic("id-secret", any="word-secret")]})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != mirror.LOCK]
    assert len(files) == 1 + 2 * 3
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"secret" not in path.read_bytes()
        assert b"PAR1" not in path.read_bytes()
    assert b"secret" not in b"".join(os.fsencode(p) for p in files)


def test_what_was_before_is_removed(folder):
    with mirror.opened(folder, House()) as held:
        bring(held, {"p1": [basic()], "p2": [basic()]})
        (folder / "00001.basics.left.part").write_bytes(b"of somebody who was killed")
        bring(held, {"p1": [basic("c")]}, ["p2"])
        assert len(list(folder.glob("0000*"))) == 2 * 3
        assert [row[0] for row in held.query().rows] == ["c"]


def test_who_stays_stays_as_he_was(tmp_path):
    folder = tmp_path / "mirror"
    mirror.make(folder, layout(1), House())
    with mirror.opened(folder, House()) as held:
        bring(held, {p: [basic(f"{p} old"), basic(f"{p} two")] for p in ("p1", "p2", "p3")})
        bring(held, {"p1": [basic("p1 new")]}, ["p2"])
        assert [row[0] for row in held.query().rows] == ["p1 new", "p3 old", "p3 two"]
        assert [r.patient for r in all_records(held.shard(0))] == ["p1", "p3"]
        assert held.shard(0).index().patients.keys() == {"p1", "p3"}


def test_a_file_of_rows_is_in_order():
    view = read(NAMES)
    data = parquet.write(view, [("p2", 0, "c"), ("p1", 1, "b"), ("p1", 0, "a")])
    with sealed.in_memory(data) as (_, path), Database([path]) as database:
        database.attach("names", view, [path])
        assert database.query("SELECT id FROM names").rows == (("a",), ("b",), ("c",))


def check(shard):
    shard.check(shard.index())


def all_records(shard):
    return list(shard.records(shard.index()))


def damaged(data):
    return [b"", data[:-1], data[:20], bytes([data[0] ^ 1]) + data[1:], data[:-1] + bytes([data[-1] ^ 1])]


@pytest.mark.parametrize("part", ["index", "basics", "records"])
def test_a_file_that_is_damaged_or_cut_off_is_named_and_never_read(folder, part):
    with mirror.opened(folder, House()) as held:
        bring(held, {f"p{n}": [basic()] for n in range(4)})
        (path,) = folder.glob(f"00001.{part}*")
        whole = path.read_bytes()
        for data in damaged(whole):
            path.write_bytes(data)
            with pytest.raises(IntegrityError, match="damaged") as told:
                check(held.shard(1))
            assert told.value.where == str(path)
            with pytest.raises(IntegrityError, match="damaged"):
                held.query() if part != "records" else all_records(held.shard(1))
        path.write_bytes(whole)
        held.query()


def test_an_earlier_state_of_a_file_is_not_taken_for_the_present_one(folder):
    with mirror.opened(folder, House()) as held:
        bring(held, {f"p{n}": [basic("old")] for n in range(4)})
        before = {path.name.split(".")[1]: path.read_bytes() for path in folder.glob("00001.*")}
        bring(held, {f"p{n}": [basic("new")] for n in range(4)})
        for part in ("basics", "records"):
            (path,) = folder.glob(f"00001.{part}*")
            path.write_bytes(before[part])
        with pytest.raises(IntegrityError, match="damaged"):
            held.query()
        with pytest.raises(IntegrityError, match="damaged"):
            all_records(held.shard(1))


def test_one_shards_file_cannot_stand_in_the_place_of_anothers(folder):
    with mirror.opened(folder, House()) as held:
        bring(held, {f"p{n}": [basic()] for n in range(4)})
        (folder / "00000.index").write_bytes((folder / "00001.index").read_bytes())
        with pytest.raises(IntegrityError):
            held.shard(0).index()
        shard = held.shard(1)
        other = Shard(folder, "another mirror", 1, held.key_of(1))
        with pytest.raises(IntegrityError):
            other.index()
        assert held.key_of(0) != held.key_of(1)
        data = shard.seal(b"x", "records")
        with pytest.raises(IntegrityError):
            shard.unseal(shard.path, data, "basics")


# ---- killed


class Killed(BaseException):
    """Stands for kill -9."""


def killing(monkeypatch, at):
    """Die in the middle of write number ``at``: half of the file is there, not under its name."""
    count = [0]
    write = sealed.write

    def dying(path, data):
        count[0] += 1
        if count[0] == at:
            path.with_name(path.name + sealed.PART).write_bytes(data[: len(data) // 2])
            raise Killed
        write(path, data)

    monkeypatch.setattr(sealed, "write", dying)
    return count


@pytest.mark.parametrize("at", range(1, 8))
def test_whoever_is_killed_leaves_each_shard_as_it_was_or_as_it_is_to_be(folder, monkeypatch, at):
    old = {f"p{n}": [basic("old")] for n in range(6)}
    new = {f"p{n}": [basic("new"), basic("new2")] for n in range(6)}
    with mirror.opened(folder, House()) as held:
        bring(held, old)
    with monkeypatch.context() as patched, mirror.opened(folder, House()) as held:
        count = killing(patched, at)
        try:
            bring(held, new)
        except Killed:
            assert at < 7
        else:
            assert (at, count[0]) == (7, 6)
    with mirror.opened(folder, House()) as held:
        found = {p: [] for p in old}
        for shard in held.shards:
            shard.check(shard.index())
            for record in shard.records(shard.index()):
                found[record.patient] = [body for _, body in record.entries]
        assert all(found[p] in (old[p], new[p]) for p in old)
        done = [p for p in old if found[p] == new[p]]
        assert set(done) == {p for p in old if shard_of(p, 2) < (at - 1) // 3}
        assert as_bytes(held.query().rows) == as_bytes(plain(found).rows)
        bring(held, new)
        assert as_bytes(held.query().rows) == as_bytes(plain(new).rows)
        assert not list(folder.glob("*.part"))


def test_whoever_is_killed_while_making_a_mirror_can_make_it_again(tmp_path, monkeypatch):
    folder = tmp_path / "mirror"
    with monkeypatch.context() as patched:
        killing(patched, 1)
        with pytest.raises(Killed):
            mirror.make(folder, layout(), House())
    mirror.make(folder, layout(), House())
    with mirror.opened(folder, House()) as held:
        assert held.layout == layout()


# ---- the manifest


def test_a_mirror_opens_for_its_house_alone(folder):
    with pytest.raises(IntegrityError, match="manifest"), mirror.opened(folder, House(b"x" * 32)):
        pass


@pytest.mark.parametrize(
    "change", [{"actor": "dr-no"}, {"purpose": "TREAT"}, {"shards": 3}, {"store": "x"}, {"key": "00"}]
)
def test_a_manifest_that_was_changed_is_refused(folder, change):
    path = folder / mirror.MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(IntegrityError, match="manifest"), mirror.opened(folder, House()):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"form": 1}'])
def test_a_manifest_that_is_none_is_refused(folder, text):
    (folder / mirror.MANIFEST).write_text(text)
    with pytest.raises(IntegrityError, match="manifest"), mirror.opened(folder, House()):
        pass


def test_one_at_a_time(folder):
    with (
        mirror.opened(folder, House()),
        pytest.raises(StoreError, match="somebody else"),
        mirror.opened(folder, House()),
    ):
        pass
    with mirror.opened(folder, House()):
        pass


def test_another_layout_is_kept(folder):
    with mirror.opened(folder, House(), lambda same: layout(names=NAMES)) as held:
        assert held.wanted.views.keys() == {"names"}
    with mirror.opened(folder, House()) as held:
        assert held.layout == layout(names=NAMES)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (layout(0), "shards"),
        (layout(257), "shards"),
        (Layout("m", "s", "a", "p", 1, None, {}), "rows or records"),
        (layout(256, 1, a=VIEW, b=VIEW, c=VIEW), "at most 512"),
        (layout(1, 1, a=VIEW, A=VIEW), "one name"),
        (layout(1, 1, **{"a b": VIEW}), "name of a table"),
        (layout(1, 1, records=VIEW), "name of a table"),
        (layout(1, 1, index=VIEW), "name of a table"),
    ],
)
def test_what_no_mirror_can_hold(tmp_path, wrong, what):
    with pytest.raises(InputError, match=what):
        mirror.make(tmp_path / "mirror", wrong, House())
    assert not (tmp_path / "mirror").exists()


def test_nothing_that_is_no_mirror_is_written_into_or_deleted(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="something already"):
        mirror.make(tmp_path, layout(), House())
    with pytest.raises(InputError, match="no such folder"):
        mirror.make(tmp_path / "a" / "b", layout(), House())
    with pytest.raises(InputError, match="no mirror"):
        mirror.drop(tmp_path)
    with pytest.raises(InputError, match="no mirror"), mirror.opened(tmp_path, House()):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "x"


def test_a_mirror_that_is_dropped_is_gone_its_key_first(folder, monkeypatch):
    with mirror.opened(folder, House()) as held:
        bring(held, {"p1": [basic()]})
        (folder / mirror.RESULTS).mkdir()
        (folder / mirror.RESULTS / "00000.a.b").touch()

    def killed(path):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(sealed, "sync_folder", killed)
        with pytest.raises(Killed):
            mirror.drop(folder)
    assert not (folder / mirror.MANIFEST).exists()
    assert list(folder.glob("*.index"))
    mirror.drop(folder)
    assert not folder.exists()


def test_nothing_is_deleted_that_is_not_of_the_mirror(folder, tmp_path):
    (folder / "notes.txt").write_text("mine")
    (folder / mirror.MANIFEST).write_text('{"form": "salus.mirror/v1"}')
    mirror.drop(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    other = tmp_path / "other"
    other.mkdir()
    for text in ('{"form": "another"}', "[]", "{"):
        (other / mirror.MANIFEST).write_text(text)
        with pytest.raises(InputError, match="no mirror"):
            mirror.drop(other)
    assert (other / mirror.MANIFEST).exists()


# ---- questions


def test_a_query_reaches_the_mirrors_rows_and_nothing_else(folder, tmp_path):
    other = tmp_path / "secret.csv"
    other.write_text("a\n1\n")
    with mirror.opened(folder, House()) as held:
        bring(held, {"p1": [basic()]})
        for sql in (
            f"SELECT * FROM read_csv('{other}')",
            f"SELECT * FROM '{other}'",
            "SELECT * FROM read_text('/proc/self/environ')",
            "SELECT * FROM glob('/proc/self/fd/*')",
            "SELECT _patient FROM basics",
            "COPY basics TO 'x.csv'",
            "SET enable_external_access = true",
        ):
            with pytest.raises(InputError):
                held.query(sql)


def test_a_mirror_of_two_views_asks_which(tmp_path):
    folder = tmp_path / "mirror"
    mirror.make(folder, layout(1, None, basics=VIEW, names=NAMES), House())
    with mirror.opened(folder, House()) as held:
        with pytest.raises(StoreError, match="not complete"):
            held.query()
        bring(held, {"p1": [basic()]})
        with pytest.raises(InputError, match="which of the views"):
            held.query()
        assert held.query("SELECT b.id FROM basics b JOIN names USING (id)").rows == (("b",),)
        assert held.shard(0).index().spans == {}


def test_a_shard_that_was_never_written_is_empty(folder):
    with mirror.opened(folder, House()) as held:
        assert held.shard(0).index() == Index()
