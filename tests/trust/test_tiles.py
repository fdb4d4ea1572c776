"""A log as static files: the paths and widths of the standard, growth in steps, and files that were tampered with."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import InputError, IntegrityError, StoreError
from salus.trust.merkle import Tree, View, leaf_hash, verify_inclusion
from salus.trust.note import Checkpoint, Signer, signed
from salus.trust.tiles import (
    Reader,
    Tile,
    TileNodes,
    Writer,
    added_bundles,
    added_tiles,
    decode_bundle,
    encode_bundle,
    folder_fetch,
    grown,
    width_of,
    write_file,
)

ORIGIN = "example.org/log"
SIGNER = Signer.note(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"l" * 32))
STEPS = (1, 2, 252, 1, 1, 255, 300, 0, 800)


def entry(n):
    return b"" if n == 3 else b"entry %d" % n


def publish(writer, entries, start=0, tree=None):
    """Publish ``entries`` after ``start`` known ones, under a right checkpoint."""
    grown_tree = tree or Tree(leaf_hash(entry(n)) for n in range(start))
    grown_tree.extend([leaf_hash(e) for e in entries])
    note = signed(Checkpoint(ORIGIN, grown_tree.size, grown_tree.root()).text(), [SIGNER])
    writer.publish(entries, note)
    return note


@pytest.fixture
def log(tmp_path):
    """A log of 600 entries in a folder."""
    publish(Writer(tmp_path), [entry(n) for n in range(600)])
    return tmp_path


def reader(folder):
    return Reader(folder, ORIGIN, [SIGNER.verifier])


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_paths_are_those_of_the_standard():
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert Tile(63, 0, 1).path == "tile/63/000.p/1"
    assert Tile(None, 1000, 255).path == "tile/entries/x001/000.p/255"
    assert Tile(1, 999).path == "tile/1/999"


@given(st.none() | st.integers(0, 63), st.integers(0, (1 << 63) - 1), st.integers(1, 256))
def test_paths_are_read_as_written(level, index, width):
    tile = Tile(level, index, width)
    assert Tile.from_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    ["", "tile", "tile/0", "tile/0/", "tile/0/1", "tile/00/001", "tile/64/001", "tile/0/x001", "tile/0/001/002",
     "tile/0/x000/001", "tile/0/001.p/256", "tile/0/001.p/0", "tile/0/001.p/01", "tile/0/001.p/", "tile/entries/-01",
     "tile/0/\u0661\u0661\u0661", "tiles/0/001", "tile/0/001/", "/tile/0/001", "tile/data/001", "tile/0/0001",
     "tile/-1/001", "tile/0/1x1", "tile/0/xx01/001"],
)  # fmt: skip
def test_other_spellings_are_refused(path):
    with pytest.raises(InputError):
        Tile.from_path(path)


def test_what_is_no_tile_is_not_made():
    for arguments in ((64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257), (0, 1 << 63, 1)):
        with pytest.raises(InputError):
            Tile(*arguments)


def test_the_examples_of_the_standard():
    # C2SP tlog-tiles, "Partial Tiles".
    tiles = list(added_tiles(0, 70_000))
    partial = [tile for tile in tiles if not tile.full]
    assert partial == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert len(tiles) == 273 + 1 + 1 + 1 + 1
    assert list(added_tiles(0, 256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert width_of(70_000, 1, 1) == 17
    assert width_of(256, 0, 1) == 0


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_growth_adds_what_the_one_log_has_and_the_other_has_not(a, b):
    before, after = min(a, b), max(a, b)
    assert set(added_tiles(before, after)) == set(added_tiles(0, after)) - set(added_tiles(0, before))
    assert set(added_bundles(before, after)) == set(added_bundles(0, after)) - set(added_bundles(0, before))
    assert {t.path for t in added_bundles(before, after)} == {
        t.path.replace("/0/", "/entries/", 1) for t in added_tiles(before, after) if t.level == 0
    }
    with pytest.raises(InputError):
        list(added_tiles(after + 1, after))


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_are_read_as_written(entries):
    data = encode_bundle(entries)
    assert decode_bundle(data, len(entries)) == entries
    with pytest.raises(InputError):
        decode_bundle(data + b"\0", len(entries))
    with pytest.raises(InputError):
        decode_bundle(data, len(entries) + 1)
    if entries:
        with pytest.raises(InputError, match="ends early"):
            decode_bundle(data[:-1], len(entries))


def test_lengths_in_bundles():
    assert encode_bundle([b"ab", b"", b"c" * 300]) == b"\0\x02ab" + b"\0\0" + b"\x01\x2c" + b"c" * 300
    assert decode_bundle(encode_bundle([b"x" * 65535]), 1) == [b"x" * 65535]
    with pytest.raises(InputError):
        encode_bundle([b"x" * 65536])


def test_a_log_published_in_steps_is_the_log_of_all_entries(tmp_path):
    steps, whole = Writer(tmp_path / "steps"), Writer(tmp_path / "whole")
    tree, done = Tree(), 0
    for step in STEPS:
        publish(steps, [entry(n) for n in range(done, done + step)], tree=tree)
        done += step
        found = reader(tmp_path / "steps")
        assert found.view().root() == tree.root()
        assert list(found.entries()) == [entry(n) for n in range(done)]
    publish(whole, [entry(n) for n in range(done)])
    ours, theirs = files(tmp_path / "steps"), files(tmp_path / "whole")
    assert {path: ours[path] for path in theirs} == theirs
    assert all(".p/" in path for path in ours.keys() - theirs.keys())
    full = {path.partition(".p/")[0] for path in ours if ".p/" in path}
    assert not full & ours.keys()
    assert steps.published() == Checkpoint(ORIGIN, done, tree.root())


def test_proofs_from_tiles_are_those_of_the_tree(log):
    tree, found = Tree(leaf_hash(entry(n)) for n in range(600)), reader(log)
    for size in (1, 255, 256, 257, 511, 512, 513, 600):
        view = found.view(size)
        assert view.root() == tree.root(size)
        for n in (0, size // 2, size - 1):
            assert view.inclusion(n) == tree.inclusion(n, size)
            assert verify_inclusion(leaf_hash(entry(n)), n, size, view.inclusion(n), tree.root(size))
            assert view.consistency(n + 1) == tree.consistency(n + 1, size)
    assert list(found.entries(250, 520)) == [entry(n) for n in range(250, 520)]
    assert list(found.entries(600)) == []
    for call in (lambda: found.view(601), lambda: list(found.entries(0, 601)), lambda: list(found.entries(5, 4))):
        with pytest.raises(InputError):
            call()


@given(st.lists(st.integers(0, 700), min_size=1, max_size=5))
@settings(max_examples=15, deadline=None)
def test_tiles_in_a_table_serve_as_well(steps):
    table, tree = {}, Tree()
    for step in steps:
        leaves = [leaf_hash(entry(tree.size + n)) for n in range(step)]
        written = list(grown(table.__getitem__, tree.size, leaves))
        assert [tile for tile, _ in written] == list(added_tiles(tree.size, tree.size + step))
        table.update(written)
        tree.extend(leaves)
        assert View(TileNodes(table.__getitem__, tree.size), tree.size).root() == tree.root()


def test_a_batch_touches_the_right_edge_only(log):
    before = files(log)
    publish(Writer(log), [entry(600)], start=600)
    after = files(log)
    changed = {path for path in after if before.get(path) != after[path]}
    assert changed == {"checkpoint", "tile/0/002.p/89", "tile/entries/002.p/89"}
    assert before.keys() <= after.keys()


def test_every_changed_byte_of_a_tile_is_found(log):
    whole = files(log)
    paths = [path for path in whole if path.startswith("tile/")]
    assert len(paths) == 3 + 3 + 1
    for path in paths:
        for at in (0, len(whole[path]) // 2, len(whole[path]) - 1):
            (log / path).write_bytes(whole[path][:at] + bytes([whole[path][at] ^ 1]) + whole[path][at + 1 :])
            with pytest.raises((IntegrityError, InputError)):
                list(reader(log).entries())
        (log / path).write_bytes(whole[path][:-1])
        with pytest.raises((IntegrityError, InputError)):
            list(reader(log).entries())
        (log / path).unlink()
        with pytest.raises(IntegrityError, match="missing"):
            list(reader(log).entries())
        (log / path).write_bytes(whole[path])
    assert len(list(reader(log).entries())) == 600


def test_a_changed_tile_gives_no_proof(log):
    path = log / "tile/0/000"
    data = path.read_bytes()
    path.write_bytes(data[:32] + hashlib.sha256(b"other").digest() + data[64:])
    found = reader(log)
    assert found.view().inclusion(300)
    with pytest.raises(IntegrityError, match="not the one"):
        found.view().inclusion(0)


def test_the_reader_believes_its_key_and_its_origin_alone(log):
    other = Signer.note(ORIGIN, Ed25519PrivateKey.generate())
    with pytest.raises(IntegrityError):
        Reader(log, ORIGIN, [other.verifier])
    with pytest.raises(IntegrityError):
        Reader(log, "example.org/other", [SIGNER.verifier])
    wrong = signed(Checkpoint(ORIGIN, 600, hashlib.sha256(b"").digest()).text(), [SIGNER])
    (log / "checkpoint").write_bytes(wrong.to_bytes())
    with pytest.raises(IntegrityError, match="tiles"):
        reader(log)
    (log / "checkpoint").unlink()
    with pytest.raises(InputError):
        reader(log)


def test_a_checkpoint_that_is_not_of_the_entries_changes_nothing(log):
    before, root = files(log), Tree(leaf_hash(entry(n)) for n in range(601)).root()
    for head, why in (
        (Checkpoint(ORIGIN, 601, hashlib.sha256(b"").digest()), "root"),
        (Checkpoint(ORIGIN, 602, root), "not of what is published"),
        (Checkpoint(ORIGIN, 600, root), "not of what is published"),
        (Checkpoint("example.org/other", 601, root), "not of what is published"),
    ):
        with pytest.raises(IntegrityError, match=why):
            Writer(log).publish([entry(600)], signed(head.text(), [SIGNER]))
        assert files(log) == before


def test_a_partial_tile_that_became_full_is_cut_from_it(log):
    publish(Writer(log), [entry(n) for n in range(600, 768)], start=600)
    assert not (log / "tile/0/002.p").exists()
    fetch = folder_fetch(log)
    assert fetch(Tile(0, 2, 5)) == fetch(Tile(0, 2))[: 5 * 32]
    assert decode_bundle(fetch(Tile(None, 2, 2)), 2) == [entry(512), entry(513)]
    with pytest.raises(IntegrityError):
        fetch(Tile(0, 3, 5))


def test_after_a_crash_before_the_checkpoint_the_next_batch_may_differ(log):
    for tile, data in grown(folder_fetch(log), 600, [leaf_hash(b"lost %d" % n) for n in range(300)]):
        write_file(log / tile.path, data)
    assert reader(log).checkpoint.size == 600
    publish(Writer(log), [entry(n) for n in range(600, 900)], start=600)
    assert list(reader(log).entries(590)) == [entry(n) for n in range(590, 900)]


def test_more_cosignatures_replace_the_checkpoint(log):
    witness = Signer.cosigner("w", Ed25519PrivateKey.generate())
    text = reader(log).note.text
    Writer(log).publish([], signed(text, [SIGNER, witness], 5))
    assert len(Reader(log, ORIGIN, [SIGNER.verifier, witness.verifier]).signatures) == 2


def test_an_empty_log_is_a_log(tmp_path):
    assert Writer(tmp_path).published() is None
    publish(Writer(tmp_path), [])
    found = reader(tmp_path)
    assert (found.checkpoint.size, list(found.entries())) == (0, [])


def test_files_are_written_whole_and_readable(tmp_path):
    write_file(tmp_path / "a/b/c", b"one")
    write_file(tmp_path / "a/b/c", b"two", 0o600)
    assert files(tmp_path) == {"a/b/c": b"two"}
    assert (tmp_path / "a/b/c").stat().st_mode & 0o777 == 0o600
    with pytest.raises(StoreError):
        write_file(tmp_path / "a/b/c/d", b"")
