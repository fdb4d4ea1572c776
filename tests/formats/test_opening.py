"""One opener for every source: regular files of the folder that was given, and nothing else, however it is spelled."""

import os
import re
import socket
from pathlib import Path

import pytest

import salus
from salus.errors import InputError
from salus.formats import opening
from salus.formats.content import File
from salus.formats.opening import Closed, open_below

SECRET = b"not meant"


@pytest.fixture
def given(tmp_path):
    """A folder that was given, with a secret beside it."""
    (tmp_path / "given" / "sub").mkdir(parents=True)
    (tmp_path / "given" / "sub" / "a.txt").write_bytes(b"meant")
    (tmp_path / "secret").write_bytes(SECRET)
    return tmp_path / "given"


def read(root, *parts, closed=opening.NOTHING_CLOSED):
    descriptor, _ = open_below(root, parts, closed)
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


def descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_file_below_the_folder_is_opened_and_its_identity_told(given):
    descriptor, identity = open_below(given, ("sub", "a.txt"))
    os.close(descriptor)
    found = (given / "sub" / "a.txt").stat()
    assert (identity.device, identity.inode, identity.size, identity.modified) == (
        found.st_dev, found.st_ino, 5, found.st_mtime_ns,
    )  # fmt: skip


@pytest.mark.parametrize("parts", [(), ("..", "secret"), ("sub", "..", "a"), ("",), (".",), ("sub/a.txt",), ("a\0",)])
def test_a_name_that_leads_out_of_the_folder_is_refused(given, parts):
    with pytest.raises(InputError, match="leads out"):
        open_below(given, parts)


def test_an_absolute_path_and_one_elsewhere_are_refused(given):
    with pytest.raises(InputError, match="leads out"):
        open_below(given, (str(given.parent / "secret"),))
    with pytest.raises(InputError, match="outside the folder"):
        File(given.parent / "secret", given).open()


def test_a_link_is_followed_neither_as_the_file_nor_on_the_way(given):
    (given / "file").symlink_to(given.parent / "secret")
    (given / "way").symlink_to(given.parent, target_is_directory=True)
    for parts in (("file",), ("way", "secret"), ("way", "given", "sub", "a.txt")):
        with pytest.raises(InputError, match="a link: not followed"):
            open_below(given, parts)


def test_the_folder_itself_may_be_reached_over_a_link(given, tmp_path):
    (tmp_path / "named").symlink_to(given, target_is_directory=True)
    assert read(tmp_path / "named", "sub", "a.txt") == b"meant"


def test_what_is_no_regular_file_is_refused_at_once(given):
    os.mkfifo(given / "pipe")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(given / "socket"))
    for name in ("pipe", "socket", "sub"):
        with pytest.raises(InputError, match="not a regular file"):
            open_below(given, (name,))
    server.close()
    with pytest.raises(InputError, match="not a regular file"):
        open_below(Path("/dev"), ("zero",))


def test_what_changes_between_look_and_opening_is_refused(given, monkeypatch):
    path = given / "sub" / "a.txt"

    def swapped(name, flags, folder):
        if name == "a.txt":
            path.unlink()
            path.symlink_to(given.parent / "secret")
        return opened(name, flags, folder)

    opened = opening._opened
    monkeypatch.setattr(opening, "_opened", swapped)
    with pytest.raises(InputError, match="a link: not followed"):
        open_below(given, ("sub", "a.txt"))


def test_a_pipe_put_in_the_place_of_the_file_is_not_waited_for(given, monkeypatch):
    path = given / "sub" / "a.txt"
    opened = opening._opened

    def swapped(name, flags, folder):
        if name == "a.txt":
            path.unlink()
            os.mkfifo(path)
        return opened(name, flags, folder)

    monkeypatch.setattr(opening, "_opened", swapped)
    with pytest.raises(InputError, match="not a regular file"):
        open_below(given, ("sub", "a.txt"))


def test_a_file_stays_the_one_that_was_opened_first(given):
    file = File(given / "sub" / "a.txt", given)
    assert file.read(10) == b"meant"
    (given / "other").write_bytes(b"bytes")
    (given / "other").replace(file.path)
    for again in (file.open, lambda: file.sha256, lambda: list(file.chunks(4)), lambda: file.read(10)):
        with pytest.raises(InputError, match="changed while it was read"):
            again()


def test_reading_is_bounded_by_the_size_that_was_opened(given):
    file = File(given / "sub" / "a.txt", given)
    assert file.size == 5
    with pytest.raises(InputError, match="5 bytes are more than the 4"):
        file.read(4)


def test_no_descriptor_is_left_open(given):
    (given / "file").symlink_to(given.parent / "secret")
    before = descriptors()
    for parts in (("file",), ("sub",), ("sub", "gone"), ("gone", "x"), ("sub", "a.txt", "x")):
        with pytest.raises((InputError, OSError)):
            open_below(given, parts)
    assert read(given, "sub", "a.txt") == b"meant"
    assert File(given / "sub" / "a.txt").size == 5
    assert descriptors() == before


def test_a_file_beside_another_is_a_plain_name_in_its_folder(given):
    head = File(given / "sub" / "a.txt", given)
    (given / "sub" / "b.dat").write_bytes(b"b")
    (given / "sub" / "c.dat").symlink_to(given.parent / "secret")
    assert head.beside("b.dat").read(9) == b"b"
    assert head.beside("gone.dat") is None
    for name in ("../../secret", str(given.parent / "secret"), "sub/a.txt", ".."):
        with pytest.raises(InputError):
            head.beside(name).read(99)
    with pytest.raises(InputError, match="a link"):
        head.beside("c.dat").read(99)


# ---- what is closed


@pytest.fixture
def house(given):
    keys = given / "house" / "keys"
    (keys / "patients").mkdir(parents=True)
    (keys / "master.key").write_bytes(SECRET)
    (keys / "patients" / "p.key").write_bytes(SECRET)
    return keys


@pytest.mark.parametrize(
    ("root", "parts"),
    [
        (".", ("house", "keys", "master.key")),
        ("house", ("keys", "patients", "p.key")),
        ("house/keys", ("master.key",)),
        ("house/keys/patients", ("p.key",)),
        ("sub/../house/keys", ("master.key",)),
        ("over", ("master.key",)),
        ("deep", ("p.key",)),
    ],
)
def test_nothing_of_a_closed_folder_is_opened_however_it_is_spelled(given, house, root, parts):
    (given / "over").symlink_to(house, target_is_directory=True)
    (given / "deep").symlink_to(house / "patients", target_is_directory=True)
    assert read(given / root, *parts) == SECRET
    with pytest.raises(InputError, match="belongs to salus itself"):
        open_below(given / root, parts, Closed([house, given / "not made yet"]))


def test_a_hard_link_to_a_closed_file_is_closed_and_another_is_not(given, house):
    os.link(house / "patients" / "p.key", given / "r1.dat")
    os.link(given / "sub" / "a.txt", given / "r2.dat")
    closed = Closed([house])
    with pytest.raises(InputError, match="belongs to salus itself"):
        open_below(given, ("r1.dat",), closed)
    assert read(given, "r2.dat", closed=closed) == b"meant"
    assert read(given, "sub", "a.txt", closed=closed) == b"meant"
    head = File(given / "r.hea", given, closed)
    with pytest.raises(InputError, match="belongs to salus itself"):
        head.beside("r1.dat").read(99)


# ---- nobody opens otherwise

OPENS = re.compile(
    r"\bopen\(|\.read_bytes\(|\.read_text\(|\bos\.open\b|\bfdopen\(|\bio\.open|\bdcmread\(|\bmemmap\(|\bfromfile\("
    r"|\bgzip\.open|ZipFile\(|\btarfile\b|\bnib\.load\b|SoundFile\(|\bsqlite3\b"
)
OWN = {
    "formats/opening.py": r"os\.open\(",
    "formats/content.py": r"self\.open\(\)|def open\(|os\.fdopen\(",
    "intake/live/queue.py": r"\bsqlite3\b",
}
"""The opener, the class that uses it, and what salus keeps for itself."""
MEANT = re.compile(r"\b(file|content|raw|group\[0\])\.open\(\)|\bfiles\(\"salus\.|folder\.joinpath\(\"hl7v2_|BytesIO\(")
"""Opening through the class; data of the package; bytes in memory."""


def test_nobody_in_formats_and_intake_opens_a_file_otherwise():
    root = Path(salus.__file__).parent
    sources = sorted([*root.glob("formats/**/*.py"), *root.glob("intake/**/*.py")])
    assert len(sources) > 40
    found = []
    for path in sources:
        name = path.relative_to(root).as_posix()
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if not OPENS.search(line) or MEANT.search(line) or re.search(OWN.get(name, r"\Z\A"), line):
                continue
            found.append(f"{name}:{number}: {line.strip()}")
    assert found == ["intake/questionnaires/__init__.py:34: body: Body = json.loads(path.read_bytes())"]
