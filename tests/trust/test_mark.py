"""The file of a log's mark: two slots and a size, overwritten in place, and never without a mark that can be read."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import IntegrityError
from salus.trust import mark as module
from salus.trust.checkpoint import Checkpoint, verifier
from salus.trust.mark import DIGITS, SIZE, SLOT, Held, Mark
from tests.trust.attacks.scene import full

KEY = Ed25519PrivateKey.generate()
ORIGIN = "salus.log/0123456789abcdef"
SECTOR = 512


def checkpoint(size, salt=b""):
    """A signed checkpoint of a log that nobody keeps."""
    stated = Checkpoint(size, hashlib.sha256(b"%d" % size + salt).digest(), b"", ORIGIN)
    key_id = verifier(ORIGIN, KEY.public_key()).key_id
    return replace(stated, signature=KEY.sign(stated.text()), key_id=key_id)


@pytest.fixture
def mark(tmp_path):
    return Mark(tmp_path / "keys" / "log.checkpoint")


def moved(mark, *sizes):
    """The mark after these checkpoints, one after the other."""
    for size in sizes:
        mark.announce(checkpoint(size))
        mark.move(size)
    return mark


def test_what_is_announced_is_the_mark_only_once_it_was_moved_there(mark):
    assert mark.look() == Held()
    mark.announce(checkpoint(1))
    assert (mark.look().mark, mark.look().announced) == (None, checkpoint(1))
    mark.move(1)
    assert (mark.look().mark, mark.look().announced) == (checkpoint(1), None)
    mark.announce(checkpoint(5))
    assert (mark.look().mark, mark.look().announced) == (checkpoint(1), checkpoint(5))
    assert Mark(mark.path).look() == mark.look()
    moved(mark, 5, 6, 7)
    assert Mark(mark.path).look().mark == checkpoint(7)
    assert mark.path.stat().st_size == SIZE == 2 * SLOT + DIGITS
    assert mark.path.stat().st_mode & 0o777 == 0o600


def test_the_mark_goes_to_what_is_announced_alone(mark):
    moved(mark, 3, 8)
    for size in (3, 8, 9, 0):
        mark.move(size)
        assert mark.look().mark == checkpoint(8)
    mark.announce(checkpoint(9))
    for size in (8, 7, 10):
        mark.move(size)
    assert (mark.look().mark, mark.look().announced) == (checkpoint(8), checkpoint(9))


def test_what_was_not_committed_is_withdrawn_and_another_announced_in_its_place(mark):
    mark.withdraw()
    assert not mark.path.exists()
    moved(mark, 3)
    mark.announce(checkpoint(4, b"first"))
    mark.withdraw()
    assert mark.look() == Held(checkpoint(3), None, mark.look().free)
    mark.announce(checkpoint(4, b"first"))
    mark.announce(checkpoint(4, b"second"))
    mark.move(4)
    assert mark.look().mark == checkpoint(4, b"second")


def test_announcing_makes_durable_what_it_wrote_in_place(mark, monkeypatch):
    moved(mark, 1)
    told, sync = [], os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (told.append(os.pread(fd, SIZE, 0)), sync(fd)))
    file = mark.path.stat().st_ino
    mark.announce(checkpoint(2))
    assert len(told) == 1
    assert checkpoint(2).to_bytes() in told[0]
    mark.move(2)
    assert len(told) == 1
    assert mark.path.stat().st_ino == file


def test_a_file_that_cannot_be_written_keeps_its_mark(mark, monkeypatch):
    moved(mark, 1)
    with monkeypatch.context() as patch:
        patch.setattr(module, "overwrite", full)
        with pytest.raises(OSError, match="No space"):
            mark.announce(checkpoint(2))
    assert mark.look().mark == checkpoint(1)


def test_a_bare_checkpoint_of_an_earlier_release_is_a_mark(mark):
    mark.path.parent.mkdir()
    mark.path.write_bytes(checkpoint(4).to_bytes())
    assert mark.look() == Held(checkpoint(4))
    mark.withdraw()
    assert mark.look() == Held(checkpoint(4))
    mark.announce(checkpoint(5))
    assert (mark.look().mark, mark.look().announced) == (checkpoint(4), checkpoint(5))
    mark.move(5)
    assert mark.look().mark == checkpoint(5)


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.integers(0, SLOT), st.binary(max_size=SLOT))
def test_whatever_a_crash_cuts_off_the_mark_stands(tmp_path_factory, done, at, rest):
    """The slot that was being written holds its first bytes and then anything; the mark is the last one moved to."""
    mark = Mark(tmp_path_factory.mktemp("keys") / "log.checkpoint")
    last = None
    for n, committed in enumerate(done, 1):
        mark.announce(checkpoint(n))
        if committed:
            mark.move(n)
            last = n
    held = mark.look()
    assert held.mark == (checkpoint(last) if last else None)
    torn = module._slot(checkpoint(len(done) + 1))[:at] + rest
    module.overwrite(mark.path, held.free * SLOT, torn[:SLOT])
    found = Mark(mark.path).look()
    assert found.mark == held.mark
    assert found.announced in (None, held.announced, checkpoint(len(done) + 1))


@pytest.mark.parametrize("synced", [True, False], ids=["the last move reached the disk", "it did not"])
@pytest.mark.parametrize("committed", [True, False])
def test_after_a_power_failure_the_mark_is_the_last_that_was_committed(mark, synced, committed):
    """Of what was written and not made durable, each sector is on the disk or not, whatever the order was."""
    moved(mark, 11)
    mark.announce(checkpoint(12))
    disk = mark.path.read_bytes()
    mark.move(12)
    if synced:
        disk = mark.path.read_bytes()
    mark.announce(checkpoint(13))
    durable = mark.path.read_bytes()
    if committed:
        mark.move(13)
    sectors = range(0, SIZE, SECTOR)
    images = set()
    for new in [durable, mark.path.read_bytes()] if committed else [durable]:
        for which in range(1 << len(sectors)):
            chosen = [new if which >> n & 1 else disk for n in range(len(sectors))]
            images.add(b"".join(data[at : at + SECTOR] for data, at in zip(chosen, sectors, strict=True)))
    stored = {11, 12, 13} if committed else {11, 12}
    for image in images:
        if committed and checkpoint(13).to_bytes() not in image:
            continue  # the announcement of what was committed was durable
        mark.path.write_bytes(image)
        held = Mark(mark.path).look()
        if held.announced is not None and held.announced.size in stored:
            mark.move(held.announced.size)
        assert Mark(mark.path).look().mark == checkpoint(max(stored))
    assert len(images) >= 2


def test_a_number_ahead_of_both_slots_or_between_them_is_damage(mark):
    moved(mark, 11, 13)
    for number in (12, 14):
        module.overwrite(mark.path, 2 * SLOT, b"%0*d" % (DIGITS, number))
        with pytest.raises(IntegrityError, match="damaged"):
            Mark(mark.path).look()
    module.overwrite(mark.path, 2 * SLOT, b"%0*d" % (DIGITS, 3))
    assert (Mark(mark.path).look().mark, Mark(mark.path).look().announced) == (checkpoint(11), checkpoint(13))
    module.overwrite(mark.path, Mark(mark.path).look().free * SLOT, b"torn")
    assert (Mark(mark.path).look().mark, Mark(mark.path).look().announced) == (None, checkpoint(11))


@given(st.integers(0, SIZE - 1), st.integers(0, 7), st.booleans())
def test_a_flipped_bit_never_makes_another_mark(tmp_path_factory, at, bit, pending):
    """It is noticed, here or in a store that does not hold what would be the mark now, or it changes nothing."""
    mark = moved(Mark(tmp_path_factory.mktemp("keys") / "log.checkpoint"), 11, 12)
    if pending:
        mark.announce(checkpoint(13))
    data = bytearray(mark.path.read_bytes())
    data[at] ^= 1 << bit
    mark.path.write_bytes(bytes(data))
    try:
        found = Mark(mark.path).look()
    except IntegrityError:
        return
    assert {found.mark, found.announced} <= {None, checkpoint(11), checkpoint(12), checkpoint(13)}
    if checkpoint(12) not in (found.mark, found.announced):
        assert pending
        assert found.mark in (None, checkpoint(13))
        assert checkpoint(13) in (found.mark, found.announced)


def test_a_mark_whose_slot_is_damaged_is_an_alarm(mark):
    moved(mark, 11, 12)
    held = mark.look()
    module.overwrite(mark.path, (1 - held.free) * SLOT + 80, b"#")
    with pytest.raises(IntegrityError, match="damaged"):
        Mark(mark.path).look()
    for number in (b"x" * DIGITS, b"%0*d" % (DIGITS, 99), b"-" + b"%0*d" % (DIGITS - 1, 12)):
        module.overwrite(mark.path, 2 * SLOT, number)
        with pytest.raises(IntegrityError):
            Mark(mark.path).look()


def test_who_looks_while_another_writes_looks_again(mark, monkeypatch):
    moved(mark, 11, 12)
    good = mark.path.read_bytes()
    mark.path.write_bytes(good[:-2] + b"77")
    monkeypatch.setattr(module.time, "sleep", lambda _: mark.path.write_bytes(good))
    assert Mark(mark.path).look().mark == checkpoint(12)


def test_a_checkpoint_too_long_for_a_slot_is_refused_and_the_mark_stands(mark):
    moved(mark, 1)
    with pytest.raises(ValueError, match="too long"):
        mark.announce(replace(checkpoint(2), origin="x" * SLOT))
    assert mark.look().mark == checkpoint(1)


def test_the_layout_on_the_disk_stays_as_it_was_written(mark):
    """A later release reads this file: two slots of 1024 bytes, then a number of 19 digits."""

    def slot(held):
        data = held.to_bytes()
        return (hashlib.sha256(data).hexdigest().encode() + b"\n" + data).ljust(1024, b"\0")

    mark.path.parent.mkdir()
    mark.path.write_bytes(slot(checkpoint(7)) + slot(checkpoint(9)) + b"%019d" % 7)
    assert mark.look() == Held(checkpoint(7), checkpoint(9), 1)
    mark.move(9)
    assert mark.path.read_bytes() == slot(checkpoint(7)) + slot(checkpoint(9)) + b"%019d" % 9


@pytest.mark.parametrize("sizes", [(11, 13), (11, 13, 15)])
def test_after_a_lost_move_the_next_announcement_spares_the_mark(mark, sizes):
    """Whichever of the two slots the mark is in."""
    moved(mark, *sizes)
    module.overwrite(mark.path, 2 * SLOT, b"%0*d" % (DIGITS, 3))
    held = Mark(mark.path).look()
    assert (held.mark, held.announced) == (checkpoint(sizes[-2]), checkpoint(sizes[-1]))
    again = Mark(mark.path)
    again.announce(checkpoint(20))
    again.move(20)
    assert Mark(mark.path).look().mark == checkpoint(20)
    assert checkpoint(sizes[-2]).to_bytes() in mark.path.read_bytes()


def test_a_mark_moved_a_hundred_times_leaves_no_file_open(mark):
    moved(mark, 1)
    before = len(list(Path("/dev/fd").iterdir()))
    moved(mark, *range(2, 102))
    assert len(list(Path("/dev/fd").iterdir())) <= before + 1
