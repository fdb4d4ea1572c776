"""A pack is put in place whole or not at all; hostile files end in one clear error; findings show the terminology."""

from __future__ import annotations

import hashlib
import signal
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.errors import InputError, SalusError, StoreError
from salus.terminology.reader import Terminology, shipped
from salus.terminology.releases import source as source_module
from salus.terminology.releases.load import KINDS, load
from salus.terminology.releases.pack import joined, pack
from salus.terminology.releases.source import Source, digest
from tests.terminology.releases_made import DISEASE, SNOMED, TYPE_2, code, edition, loaded

HEAD = "system,code,concept,display\n"


def own(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + "\n".join(lines) + "\n", "utf-8")
    return path


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


KILLED = """
import os, signal, sys
from pathlib import Path
from salus.terminology.releases import load, pack
real = {where}
def dies(*arguments, **named):
    dies.left -= 1
    if not dies.left:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **named)
dies.left = {after}
{where} = dies
load.load(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("where", "after"), [("pack.Pack.code", 2), ("pack.Pack.finish", 1), ("pack._sync", 1), ("pack.Path.replace", 1)]
)
def test_a_load_that_is_killed_leaves_the_old_pack(tmp_path, where, after):
    path, folder = tmp_path / "own.csv", tmp_path / "packs"
    own(path, "snomed,9000901,diabetes,")
    done, _ = loaded(path, tmp_path)
    before = done.path.read_bytes()
    own(path, *(f"snomed,90009{n:02},asthma," for n in range(1, 60)))
    run = subprocess.run([sys.executable, "-c", KILLED.format(where=where, after=after), path, folder], check=False)
    assert run.returncode == -signal.SIGKILL
    assert done.path.read_bytes() == before
    assert Terminology([done.path]).diagnosis(code(SNOMED, 9000901)).narrow == {"diabetes"}
    assert len(left(folder)) > 1, "what the killed load wrote lies there"
    again, terminology = loaded(path, tmp_path)
    assert terminology.diagnosis(code(SNOMED, 9000901)).narrow == {"asthma"}
    assert left(folder) == [again.path.name]


def test_a_failure_half_way_leaves_nothing(tmp_path):
    path = own(tmp_path / "own.csv", "snomed,9000901,diabetes,")
    done, _ = loaded(path, tmp_path)
    before = done.path.read_bytes()
    path.write_bytes(path.read_bytes() + b"snomed,9000902,asthma,\xff\n")
    with pytest.raises(InputError, match="not UTF-8 at byte 22"):
        load(path, tmp_path / "packs")
    assert done.path.read_bytes() == before
    assert left(tmp_path / "packs") == [done.path.name]


def test_two_loads_at_once_do_not_disturb_each_other(tmp_path):
    path = own(tmp_path / "own.csv", "snomed,9000901,diabetes,")
    with pack(tmp_path / "packs", "first") as writer:
        writer.code("d", "snomed", 9000901, "asthma")
        with pytest.raises(StoreError, match="another load is running"):
            load(path, tmp_path / "packs")
        writer.finish(shipped().origins[0])
    assert left(tmp_path / "packs") == ["first.sqlite"]


def test_a_folder_that_cannot_be_written_is_explained(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("salus.terminology.releases.pack._sync", full)
    with pytest.raises(StoreError, match="cannot be written"):
        load(own(tmp_path / "own.csv", "snomed,9000901,diabetes,"), tmp_path / "packs")
    assert left(tmp_path / "packs") == []


def test_a_release_without_a_usable_row_makes_no_pack(tmp_path):
    with pytest.raises(InputError, match="nothing in it"):
        load(own(tmp_path / "own.csv", "snomed,1,no-such-concept,"), tmp_path / "packs")
    assert left(tmp_path / "packs") == []


@pytest.mark.parametrize("name", ["../evil", "", "A", ".hidden", "a/b", "x" * 81])
def test_a_pack_has_a_plain_name(tmp_path, name):
    with pytest.raises(InputError, match="not a name for a pack"), pack(tmp_path, name):
        pass


def test_the_origin_names_version_licence_and_the_sum_of_the_files(tmp_path):
    folder = edition().concept(9000007, "Toenail", DISEASE).write(tmp_path / "release")
    done, terminology = loaded(folder, tmp_path)
    origin = next(origin for origin in terminology.origins if origin.name.startswith("SNOMED CT XX"))
    assert (origin.version, origin.licence) == ("20260101", "as licensed to you")
    assert "SNOMED" in origin.notice
    files = sorted((p for p in folder.rglob("*.txt")), key=lambda p: p.relative_to(folder).as_posix())
    lines = "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in files)
    assert origin.digest == done.origin.digest == hashlib.sha256(lines.encode()).hexdigest()
    assert terminology.digest != shipped().digest


def test_an_archive_reads_like_its_folder(tmp_path):
    folder = edition().concept(9000002, "Hot sugar", TYPE_2).write(tmp_path / "release")
    with zipfile.ZipFile(tmp_path / "release.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.txt")):
            archive.write(path, "SnomedCT/" + path.relative_to(folder).as_posix())
    first, _ = loaded(folder, tmp_path)
    one = first.path.read_bytes()
    second, terminology = loaded(tmp_path / "release.zip", tmp_path)
    assert second.origin.digest == first.origin.digest
    assert second.path.read_bytes() == one, "the same release gives the same bytes"
    assert terminology.diagnosis(code(SNOMED, 9000002)).narrow == {"diabetes-type-2"}


def archive(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return path


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = archive(tmp_path / "x.zip", own_dot_csv=HEAD.encode() + b" " * 4_000_000)
    with pytest.raises(InputError, match="unpacks to far more"):
        Source(path)
    assert Source(archive(tmp_path / "y.zip", own_dot_csv=b" " * 400_000)).members, "a small file may be packed well"


@pytest.mark.parametrize("name", ["../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "..\\evil.csv", "C:evil.csv"])
def test_a_name_that_leads_out_of_the_archive_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as made:
        made.writestr(name, HEAD)
    with pytest.raises(InputError, match="leads out"):
        Source(tmp_path / "x.zip")


def test_links_too_many_files_and_too_large_ones_are_refused(tmp_path, monkeypatch):
    folder = tmp_path / "release"
    own(folder / "own.csv", "snomed,1,diabetes,")
    (folder / "link.csv").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="a link"):
        Source(folder)
    (folder / "link.csv").unlink()
    monkeypatch.setattr(source_module, "MOST_BYTES", 10)
    with pytest.raises(InputError, match="more than 10 bytes"):
        Source(folder)
    monkeypatch.setattr(source_module, "MOST_FILES", 0)
    with pytest.raises(InputError, match="more than 0 files"):
        Source(folder)
    with pytest.raises(InputError, match="more than 0 files"):
        Source(archive(tmp_path / "x.zip", a=b""))


def test_damaged_and_encrypted_archives_are_explained(tmp_path):
    path = archive(tmp_path / "x.zip", own_dot_csv=HEAD.encode() + b"snomed,9000901,diabetes,\n" * 40)
    whole = bytearray(path.read_bytes())
    damaged = bytearray(whole)
    damaged[60] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="damaged archive"):
        load(path, tmp_path / "packs")
    for place in (whole.find(b"PK\x01\x02") + 8, whole.find(b"PK\x03\x04") + 6):
        whole[place] |= 1
    path.write_bytes(whole)
    with pytest.raises(InputError, match="encrypted"):
        load(path, tmp_path / "packs")


def test_a_huge_line_is_refused(tmp_path):
    path = own(tmp_path / "own.csv", "snomed,9000901,diabetes," + "x" * (1 << 20))
    with pytest.raises(InputError, match="a line of more than"):
        load(path, tmp_path / "packs")
    assert left(tmp_path / "packs") == []


def test_a_mark_of_byte_order_is_no_part_of_the_header(tmp_path):
    path = tmp_path / "own.csv"
    path.write_bytes(b"\xef\xbb\xbf" + HEAD.encode() + b"snomed,9000901,diabetes,\r\n")
    assert loaded(path, tmp_path)[1].diagnosis(code(SNOMED, 9000901)).narrow == {"diabetes"}


def test_what_is_no_release_is_refused_with_the_kinds_there_are(tmp_path):
    (tmp_path / "x.txt").write_text("hello\n")
    with pytest.raises(InputError, match="not a release") as refused:
        load(tmp_path / "x.txt", tmp_path / "packs")
    assert all(kind in str(refused.value) for kind in KINDS)
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "nowhere", tmp_path / "packs")
    with pytest.raises(InputError, match="no kind of release"):
        load(tmp_path / "x.txt", tmp_path / "packs", "wonder")
    assert not (tmp_path / "packs").exists()


def test_implied_concepts_are_not_repeated():
    assert joined({"diabetes", "diabetes-type-2", "asthma"}) == "asthma+diabetes-type-2"


def test_the_digest_does_not_depend_on_the_order_of_the_files(tmp_path):
    folder = edition().write(tmp_path / "release")
    members = Source(folder).members
    assert digest(members) == digest(tuple(reversed(members)))


def test_a_pack_is_a_terminology_file_and_holds_no_terms(tmp_path):
    made = edition().concept(9000002, "Hot sugar of the summer", TYPE_2)
    done, _ = loaded(made.write(tmp_path / "release"), tmp_path)
    tables = {row[0] for row in sqlite3.connect(done.path).execute("SELECT name FROM sqlite_master")}
    assert {"origin", "meaning", "code", "title"} <= tables
    assert b"ugar of the summer" not in done.path.read_bytes()


FILES = {
    "snomed": "sct2_Concept_Snapshot_XX_20260101.txt", "rxnorm": "RXNCONSO.RRF", "loinc": "Loinc.csv",
    "dmd": "f_vmp2_3080126.xml", "table": "own.csv", "icd10gm": "icd10gm2026syst_kodes.txt", "icd10": "x.csv",
    "icd10cm": "icd10cm-codes-2026.txt", "atc": "atc.csv",
}  # fmt: skip
MORE = {
    "snomed": ["sct2_Description_Snapshot-en_XX_20260101.txt", "sct2_Relationship_Snapshot_XX_20260101.txt"],
    "rxnorm": ["RXNREL.RRF", "RXNSAT.RRF"],
    "dmd": ["f_vtm2_3080126.xml", "f_ingredient2_3080126.xml"],
}
PIECES = st.sampled_from([
    b"id\teffectiveTime\tactive\tmoduleId\tconceptId\ttypeId\tterm", b"73211009", b"\t", b"|" * 18, b";", b",", b"\n",
    b"<VMP>", b"</VMP>", b"<NM>", b"\x00", b"\xff", b"'\"", b"snomed,1,diabetes", HEAD.encode(), b"E11.9;x", b"1|ENG|",
    b'"LOINC_NUM","COMPONENT","PROPERTY"', b"A" * 50, b"999999999999999999999999", b"1", b"RXNORM", b"N",
])  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(sorted(FILES)), parts=st.lists(st.one_of(PIECES, st.binary(max_size=12)), max_size=40))
def test_whatever_the_bytes_a_load_ends_in_a_pack_or_one_clear_error(tmp_path_factory, kind, parts):
    folder = tmp_path_factory.mktemp("bytes")
    for name in (FILES[kind], *MORE.get(kind, ())):
        (folder / name).write_bytes(b"".join(parts))
    try:
        done = load(folder, folder / "packs", kind)
    except SalusError:
        assert not (folder / "packs").exists() or left(folder / "packs") == []
    else:
        assert left(folder / "packs") == [done.path.name]
        assert Terminology([done.path]).origins


def test_every_kind_is_tried_above():
    assert set(FILES) == set(KINDS)
