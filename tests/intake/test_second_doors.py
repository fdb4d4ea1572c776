"""What intake must not be led to: files outside the folder that was given, and the house's own folders."""

import os

import pytest

from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.errors import InputError
from salus.trust import quarantine
from tests.conftest import bundle, creatinine, person
from tests.intake import made


def take(ward, *paths, **more):
    return Intake(Session(ward.house, ward.operator), **more).run(paths)


def sealed(ward):
    return [bytes(quarantine.release(ward.house.store, ward.house.vault, e["n"])) for e in ward.house.quarantined()]


@pytest.fixture
def home(ward):
    """A folder that holds the house's own folders and a record beside them."""
    ward.write("record.json", bundle(person(), creatinine("1.0", "2025-01-01", "c0")))
    home = ward.folder.parent
    for name in ("identities", "knowledge"):
        (home / "house" / name).mkdir(exist_ok=True)
    (home / "house" / "identities" / "me.key").write_bytes(b"a private key")
    (home / "house" / "knowledge" / "table.json").write_bytes(b"{}")
    return home


def test_a_wfdb_header_does_not_lead_to_a_file_elsewhere(ward):
    folder = ward.folder / "ecg"
    folder.mkdir(parents=True)
    record = made.ecg()
    (ward.folder / "elsewhere").write_bytes(record["r1.dat"])
    (folder / "r1.hea").write_bytes(record["r1.hea"])
    (folder / "r1.dat").symlink_to(ward.folder / "elsewhere")
    take(ward, ward.write("record.json", bundle(person())))
    link, header = take(ward, folder, patient="p1")
    assert "a link: not followed" in link.error.what
    assert link.quarantine is None
    assert "a link: not followed" in header.error.what
    assert header.written is None
    assert not any(record["r1.dat"] in data for data in sealed(ward))


def test_a_folder_around_the_house_is_taken_in_without_its_own_folders(ward, home):
    taken = take(ward, home)
    refused = {t.name: t for t in taken if t.error}
    assert set(refused) == {"store", "keys", "identities", "knowledge"}
    for entry in refused.values():
        assert "belongs to salus itself" in entry.error.what
        assert str(home / "house" / entry.name) in str(entry.error)
        assert entry.quarantine is None
    assert [t.name for t in taken if t.written] == ["record.json"]
    assert not ward.house.quarantined()


@pytest.mark.parametrize(
    "place",
    [
        "house/keys",
        "house/keys/master.key",
        "house/store",
        "house/store/record.sqlite",
        "house/identities/me.key",
        "house/knowledge/table.json",
        "in/../house/keys/master.key",
        "over",
        "over/master.key",
        "key",
        "hard",
    ],
)
def test_what_is_the_houses_own_is_refused_however_it_is_spelled(ward, home, place):
    (home / "over").symlink_to(home / "house" / "keys", target_is_directory=True)
    (home / "key").symlink_to(home / "house" / "keys" / "master.key")
    os.link(home / "house" / "keys" / "master.key", home / "hard")
    (entry,) = take(ward, home / place)
    assert "belongs to salus itself" in entry.error.what
    assert entry.quarantine is None
    assert not ward.house.quarantined()


def test_pipes_and_sockets_are_said_and_not_waited_for(ward, home):
    os.mkfifo(ward.folder / "pipe.json")
    refused = [t for t in take(ward, ward.folder) if t.error]
    assert [t.name for t in refused] == ["pipe.json"]
    assert "not a regular file" in refused[0].error.what
    (named,) = take(ward, ward.folder / "pipe.json")
    assert "not a regular file" in named.error.what


def test_a_folder_without_files_is_still_nothing_to_take_in(ward):
    (ward.folder / "empty").mkdir(parents=True)
    for paths in ([ward.folder / "empty"], []):
        with pytest.raises(InputError, match="nothing to take in"):
            take(ward, *paths)
