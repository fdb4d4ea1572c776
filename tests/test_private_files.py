"""What only its owner may read is written so, and a secret that others can read is refused."""

import os
import stat
import threading

import pytest

from salus.errors import ConfigurationError, InputError
from salus.private_files import check_private, claim_private, make_private, read_private, write_private


@pytest.fixture(autouse=True)
def careless():
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def key(folder, bits):
    path = folder / "master.key"
    path.write_bytes(b"k" * 32)
    path.chmod(bits)
    return path


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o602, 0o644, 0o610, 0o601, 0o777])
def test_a_secret_that_others_can_touch_is_refused_with_the_remedy(tmp_path, bits):
    path = key(tmp_path, bits)
    for ask in (check_private, read_private):
        with pytest.raises(ConfigurationError) as caught:
            ask(path)
        assert (caught.value.where, caught.value.remedy) == (str(path), f"chmod 600 {path}")
        assert "kkk" not in str(caught.value)


@pytest.mark.parametrize("bits", [0o600, 0o400, 0o700])
def test_a_secret_of_the_owner_alone_is_read(tmp_path, bits):
    path = key(tmp_path, bits)
    check_private(path)
    assert read_private(path) == b"k" * 32
    (tmp_path / "link").symlink_to(path)
    assert read_private(tmp_path / "link") == b"k" * 32


def test_a_folder_of_secrets_is_held_to_its_own_mode(tmp_path):
    (tmp_path / "keys").mkdir(mode=0o755)
    with pytest.raises(ConfigurationError) as caught:
        check_private(tmp_path / "keys")
    assert caught.value.remedy == f"chmod 700 {tmp_path / 'keys'}"


def test_what_is_no_key_file_is_refused_and_nothing_waits(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "big").touch(0o600)
    (tmp_path / "big").write_bytes(b"x" * 33)
    (tmp_path / "folder").mkdir(0o700)
    assert read_private(tmp_path / "big", 33) == b"x" * 33
    with pytest.raises(ConfigurationError, match="not a key file"):
        read_private(tmp_path / "big", 32)
    with pytest.raises(ConfigurationError, match="not a key file"):
        read_private(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"^.*$"):
        read_private(tmp_path / "folder")
    with pytest.raises(FileNotFoundError):
        read_private(tmp_path / "gone")


def test_what_is_written_is_private_whatever_stood_there(tmp_path):
    write_private(tmp_path / "new", b"1")
    (tmp_path / "old").touch(0o666)
    write_private(tmp_path / "old", b"2")
    (tmp_path / "seen").write_bytes(b"others hold this open")
    with (tmp_path / "seen").open("rb") as held:
        write_private(tmp_path / "seen", b"3")
        assert held.read() == b"others hold this open"
    for name, data in (("new", b"1"), ("old", b"2"), ("seen", b"3")):
        assert (mode(tmp_path / name), (tmp_path / name).read_bytes()) == (0o600, data)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "old", "seen"]


def test_a_link_stays_a_link_and_its_target_becomes_private(tmp_path):
    (tmp_path / "real").touch(0o644)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_private(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (mode(tmp_path / "real"), (tmp_path / "real").read_bytes()) == (0o600, b"x")


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()), daemon=True)
    reader.start()
    write_private(tmp_path / "pipe", b"through")
    reader.join(5)
    assert got == [b"through"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_missing_folder_and_a_folder_of_the_name_are_named(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        write_private(tmp_path / "gone" / "x", b"")
    with pytest.raises(InputError, match="a folder of that name"):
        write_private(tmp_path, b"")


def test_after_a_failure_the_earlier_file_stands_and_nothing_is_left(tmp_path, monkeypatch):
    write_private(tmp_path / "x", b"before")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(tmp_path / "x", b"after")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"before"


def test_a_claimed_file_is_empty_private_and_never_anothers(tmp_path):
    claim_private(tmp_path / "backup")
    assert (mode(tmp_path / "backup"), (tmp_path / "backup").read_bytes()) == (0o600, b"")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("backup", "link"):
        with pytest.raises(InputError, match="already"):
            claim_private(tmp_path / name)
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(InputError, match="no such folder"):
        claim_private(tmp_path / "gone" / "x")


def test_folders_are_made_for_the_owner_alone(tmp_path):
    make_private(tmp_path / "a" / "b")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)
    (tmp_path / "a" / "b").chmod(0o750)
    make_private(tmp_path / "a" / "b")
    assert mode(tmp_path / "a" / "b") == 0o750
