"""The export: everything of one record, for its patient alone, and checked by whoever has only the file and a key."""

import csv
import hashlib
import io
import stat
import tracemalloc
import zipfile

import pytest
from click.testing import CliRunner

from salus.app.fhir import export as module
from salus.app.fhir.export import ACCESSES, BUNDLE, CONSENTS, KEY, MANIFEST, PROOFS, README, TABLE, export
from salus.app.fhir.export_check import check
from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.cli.main import cli
from salus.errors import AccessError, InputError, IntegrityError
from salus.fhir import json
from salus.fhir.views import CATEGORIES
from salus.formats.content import Bytes
from salus.record.store import Change
from salus.trust import quarantine
from salus.trust.grants import Grant
from salus.trust.identity import Actor, Identity
from tests.conftest import AT, bundle, creatinine, person

NOTE = "Seen today.\nFeels well.\n"


@pytest.fixture
def filled(ward):
    """p1 with readings in two versions, a deleted one, a note and a consent; p2 with a reading of her own."""
    operator = Session(ward.house, ward.operator)
    readings = [creatinine(f"1.{n}0", f"2026-05-{n + 1:02d}", f"c{n}") for n in range(9)]
    sources = [ward.write("p1.json", bundle(person(), *readings)), ward.write("p2.json", bundle(person("p2")))]
    (ward.folder / "note.txt").write_text(NOTE)
    assert not [t.error for t in Intake(operator).run(sources) if t.error]
    assert not [t.error for t in Intake(operator, patient="p1").run([ward.folder / "note.txt"]) if t.error]
    scope = ward.house.gate.custody("operator", "p1")
    changed = [Change("Observation", "c0", creatinine("2.0", "2026-05-01", "c0")), Change("Observation", "c1", None)]
    ward.house.store.commit(scope, changed, at=ward.house.time())
    mine = Session(ward.house, ward.patient)
    kept = mine.give_consent("p1", AT, actors=["dr-lee"], categories=CATEGORIES)
    mine.give_consent("p1", AT, actors=["dr-lee"], categories=["note"])
    mine.revoke("p1", kept)
    Session(ward.house, ward.clinician).open("p1", AT)
    return ward


@pytest.fixture
def archive(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 3)
    path = tmp_path / "mine.zip"
    (tmp_path / ".mine.zip.part").write_bytes(b"left by a killed process")
    told = export(Session(filled.house, filled.patient), "p1", path)
    return filled, path, told


def lines(archive, name):
    return [json.loads(line) for line in archive.read(name).splitlines()]


def test_the_archive_holds_all_of_the_record_and_nothing_of_others(archive):
    ward, path, told = archive
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    scope = Grant("t", "p1", "self", frozenset(CATEGORIES), may_write=False, purpose="PATRQT")
    stored = {s.source.ref: s.data for s in ward.house.store.read(scope)}
    with zipfile.ZipFile(path) as opened:
        names = opened.namelist()
        found = {}
        for name in names:
            if name.startswith("fhir/"):
                kind = name[5:-7]
                found |= {f"{kind}/{json.loads(line)['id']}": line for line in opened.read(name).splitlines()}
        assert found == stored
        entries = json.loads(opened.read(BUNDLE))
        assert {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries["entry"]} == set(stored)
        history = lines(opened, "history/Observation.ndjson")
        assert [(h["ref"], h["version"], h["deleted"], h["resource"] is None) for h in history] == [
            ("Observation/c0", 1, False, False),
            ("Observation/c1", 1, False, False),
            ("Observation/c1", 2, True, True),
        ]
        (told_blob,) = lines(opened, "blobs.ndjson")
        assert opened.read(told_blob["file"]).decode() == NOTE
        assert (told_blob["name"], told_blob["mediaType"]) == ("note.txt", "text/plain")
        assert told_blob["file"] == "blobs/00001-note.txt"
        assert [r for r in told_blob["cited"] if r.startswith("DocumentReference/")]
        everything = b"".join(opened.read(name) for name in names)
        assert all(info.external_attr >> 16 == 0o600 for info in opened.infolist())
        assert "not encrypted" in opened.read(README).decode()
        assert all(name in opened.read(README).decode() for name in (ACCESSES, BUNDLE, CONSENTS, PROOFS, TABLE, KEY))
    assert b"MRN-p1" in everything
    assert b"MRN-p2" not in everything
    assert (told.resources, told.versions, told.blobs) == (len(stored), 5, 1)


def test_who_looked_and_what_was_decided_stand_in_it_with_proofs(archive):
    ward, path, told = archive
    with zipfile.ZipFile(path) as opened:
        accesses = lines(opened, ACCESSES)
        rows = list(csv.DictReader(io.StringIO(opened.read(TABLE).decode())))
        consents = lines(opened, CONSENTS)
    assert [a["n"] for a in accesses] == [int(row["n"]) for row in rows]
    assert accesses[-1]["entry"]["reason"] == "exported"
    assert [row["at"][:10] for row in rows] == ["2026-06-01"] * len(rows)
    assert ("dr-lee", "access", "permit") in {(r["actor"], r["reason"], r["decision"]) for r in rows}
    assert sorted(c["standing"] == "in force" for c in consents) == [False, True]
    assert {s["id"] for c in consents for s in c["signers"]} == {"pat"}
    checked = check(path)
    assert checked.counts == told
    assert checked.counts.accesses == len(accesses)
    assert checked.consents == 2
    assert checked.patient == "p1"
    house = ward.house.vault.house.public_key().public_bytes_raw()
    assert check(path, house).key == house
    with pytest.raises(IntegrityError, match="another house"):
        check(path, bytes(32))


def test_what_could_not_be_filed_is_in_it_where_an_operator_said_whose_it_is(filled, tmp_path):
    house = filled.house
    scope = house.gate.house("operator", may_write=True)
    for content, patient in ((b"mine", "p1"), (b"another's", "p2"), (b"nobody's", "")):
        n = quarantine.keep(house.store, house.vault, house.log, scope, [content], "unreadable", house.time())
        if patient:
            house.assign_quarantined(n, patient, "operator")
    export(Session(house, filled.patient), "p1", tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as opened:
        unfiled = {name: opened.read(name) for name in opened.namelist() if name.startswith("unfiled/")}
    assert unfiled == {"unfiled/00001": b"mine"}
    assert check(tmp_path / "mine.zip").patient == "p1"


def test_only_the_patient_and_proxies_get_it_and_it_is_logged(filled, tmp_path):
    ward = filled
    other = Identity.generate("pip")
    proxy = Identity.generate("son")
    ward.house.add_actor(Actor("pip", "patient", other.public_key, patient="p2"), by="operator")
    ward.house.add_actor(Actor("son", "proxy", proxy.public_key, patient="p1"), by="pat")
    mine = Session(ward.house, ward.patient)
    mine.give_consent("p1", AT, actors=["dr-lee"], categories=CATEGORIES, purposes=["PATRQT"])
    assert ward.house.gate.grant(Session(ward.house, ward.clinician).actor, "p1", "PATRQT").categories
    for who in (ward.operator, ward.clinician, other):
        with pytest.raises(AccessError):
            export(Session(ward.house, who), "p1", tmp_path / "no.zip")
    assert not list(tmp_path.glob("*no.zip*"))
    assert not [a for a in Session(ward.house, ward.patient).accesses("p1") if a.get("reason") == "exported"]
    export(Session(ward.house, proxy), "p1", tmp_path / "son.zip")
    assert check(tmp_path / "son.zip").patient == "p1"
    told = [a for a in Session(ward.house, ward.patient).accesses("p1") if a.get("reason") == "exported"]
    assert [a["actor"] for a in told] == ["son"]
    assert ward.house.verify().problems == ()


def test_an_export_that_breaks_off_leaves_no_file(filled, tmp_path, monkeypatch):
    session = Session(filled.house, filled.patient)
    (tmp_path / "there.zip").write_bytes(b"")
    with pytest.raises(InputError, match="already"):
        export(session, "p1", tmp_path / "there.zip")
    with pytest.raises(InputError, match="no such folder"):
        export(session, "p1", tmp_path / "no" / "x.zip")

    def failing(*_):
        raise OSError("disk full")

    monkeypatch.setattr(module.proof, "of_entry", failing)
    with pytest.raises(OSError, match="disk full"):
        export(session, "p1", tmp_path / "broken.zip")
    assert not list(tmp_path.glob("*broken*"))
    assert not filled.house.store.connection.in_transaction


def test_a_blob_that_is_not_what_was_stored_ends_the_export(filled, tmp_path):
    connection = filled.house.store.connection
    for change in ("size = size + 1", None):
        connection.execute(f"UPDATE blob SET {change}" if change else "DELETE FROM blob_chunk")
        with pytest.raises(IntegrityError, match="blob"):
            export(Session(filled.house, filled.patient), "p1", tmp_path / "x.zip")
        assert not (tmp_path / "x.zip").exists()


def test_large_files_pass_through_without_being_in_memory(filled, tmp_path):
    store = filled.house.store
    scope = filled.house.gate.custody("operator", "p1")
    content = Bytes(hashlib.shake_256(b"x").digest(24 << 20))
    address = store.address(scope, content.sha256)
    store.commit(scope, [], at=filled.house.time(), blobs=[(address, "genome", content)])
    del content
    tracemalloc.start()
    try:
        export(Session(filled.house, filled.patient), "p1", tmp_path / "large.zip")
        check(tmp_path / "large.zip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 << 20, peak
    with zipfile.ZipFile(tmp_path / "large.zip") as opened:
        unnamed = [e for e in lines(opened, "blobs.ndjson") if not e["cited"]]
    assert [(e["size"], e["mediaType"]) for e in unnamed] == [(24 << 20, "application/octet-stream")]
    assert unnamed[0]["file"].endswith("-file")


def rewritten(path, target, change):
    """A copy of the archive with its members changed; the manifest follows, as a forger would see to."""
    with zipfile.ZipFile(path) as opened:
        members = {name: opened.read(name) for name in opened.namelist() if name != MANIFEST}
        manifest = json.loads(opened.read(MANIFEST))
    change(members, manifest)
    manifest["members"] = [
        {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()
    ]
    with zipfile.ZipFile(target, "w") as opened:
        for name, data in members.items():
            opened.writestr(name, data)
        opened.writestr(MANIFEST, json.dumps(manifest))
    return target


def without_line(*names, line=1, count="accesses"):
    def change(members, manifest):
        for name in names:
            kept = members[name].splitlines(keepends=True)
            del kept[line]
            members[name] = b"".join(kept)
        manifest["counts"][count] -= 1

    return change


def replaced(name, old, new):
    def change(members, _):
        assert old in members[name]
        members[name] = members[name].replace(old, new)

    return change


def dropped(name):
    return lambda members, _: members.pop(name)


def renumbered(members, manifest):
    for name in (ACCESSES, PROOFS):
        replaced(name, b'{"n":', b'{"n":1')(members, manifest)


FORGERIES = {
    "an entry and its proof left out": (without_line(ACCESSES, PROOFS), "missing before"),
    "the last entry left out": (without_line(ACCESSES, PROOFS, line=-1), "at the end"),
    "the first entry left out": (without_line(ACCESSES, PROOFS, line=0), "missing before"),
    "a proof left out": (without_line(PROOFS, line=-1), "not as many proofs"),
    "an entry changed": (replaced(ACCESSES, b'"dr-lee"', b'"dr-leo"'), "not the one that its proof"),
    "a number changed": (replaced(ACCESSES, b'{"n":', b'{"n":1'), "not the one that its proof"),
    "a number changed in both": (renumbered, "not the one that its proof"),
    "a number changed in the proofs": (replaced(PROOFS, b'{"n":', b'{"n":1'), "not the one that its proof"),
    "a consent changed": (replaced(CONSENTS, b'"note"', b'"record"'), "signature does not hold"),
    "another key of the house": (lambda m, _: m.update({KEY: b"11" * 32}), "not signed by this house"),
    "a resource left out": (without_line("fhir/Observation.ndjson", count="blobs"), "as many resources"),
    "a version left out": (without_line("history/Observation.ndjson", count="blobs"), "as many resources"),
    "a blob left out": (dropped("blobs/00001-note.txt"), "as many files"),
    "no bundle": (dropped(BUNDLE), "missing"),
    "no proofs": (dropped(PROOFS), "missing"),
    "no key": (dropped(KEY), "no key"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_is_changed_in_an_archive_is_found(archive, tmp_path, forgery):
    _, path, _ = archive
    change, told = FORGERIES[forgery]
    assert check(rewritten(path, tmp_path / "same.zip", lambda *_: None)).patient == "p1"
    with pytest.raises((IntegrityError, InputError), match=told):
        check(rewritten(path, tmp_path / "forged.zip", change))


def test_a_member_that_is_not_the_manifests_is_found(archive, tmp_path):
    _, path, _ = archive
    with zipfile.ZipFile(path) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}

    def put(changed):
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as target:
            for name, data in changed.items():
                target.writestr(name, data)
        return tmp_path / "x.zip"

    for changed in (
        {**members, BUNDLE: members[BUNDLE] + b" "},
        {**members, BUNDLE: members[BUNDLE][:-1]},
        {**members, BUNDLE: members[BUNDLE].replace(b"Example", b"Exemple")},
        {**members, "more.txt": b""},
        {name: data for name, data in members.items() if name != TABLE},
    ):
        with pytest.raises(IntegrityError):
            check(put(changed))
    twice = put(members)
    with zipfile.ZipFile(twice, "a") as target, pytest.warns(UserWarning, match="Duplicate"):
        target.writestr(TABLE, members[TABLE])
    with pytest.raises(IntegrityError, match="does not hold the files"):
        check(twice)
    for manifest in (
        b"{}",
        b"[]",
        b"no json",
        b'{"form":"salus.export/v1"}',
        b'{"form":"salus.export/v1","members":[1]}',
    ):
        with pytest.raises(InputError):
            check(put({**members, MANIFEST: manifest}))
    with pytest.raises(InputError, match="no manifest"):
        check(put({name: data for name, data in members.items() if name != MANIFEST}))


def test_any_damage_to_the_file_is_one_clear_error(archive, tmp_path):
    _, path, _ = archive
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 60):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        (tmp_path / "x.zip").write_bytes(bytes(damaged))
        try:
            check(tmp_path / "x.zip")
        except (InputError, IntegrityError):
            continue
        with zipfile.ZipFile(path) as before, zipfile.ZipFile(tmp_path / "x.zip") as after:  # a time, say
            assert [before.read(n) for n in before.namelist()] == [after.read(n) for n in after.namelist()]
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        (tmp_path / "x.zip").write_bytes(whole[:size])
        with pytest.raises(InputError):
            check(tmp_path / "x.zip")


def test_names_and_cells_are_harmless_elsewhere():
    assert module._plain_name("../../etc/passwd") == "passwd"
    assert module._plain_name("Größe & co.pdf") == "Gr_e_co.pdf"
    assert module._plain_name("") == module._plain_name("...") == "file"
    assert len(module._plain_name("x" * 300)) == 80
    assert module._cell("=1+1") == "'=1+1"
    assert module._cell(["a", "b"]) == "a b"
    assert module._cell(None) == ""


def test_the_commands(filled, tmp_path, monkeypatch):
    house = filled.house
    folder = house.configuration.store.parent
    for name in ("STORE", "KEYS", "IDENTITIES", "KNOWLEDGE"):
        monkeypatch.setenv(f"SALUS_{name}", str(folder / name.lower()))
    filled.patient.save(house.configuration.identities)
    filled.clinician.save(house.configuration.identities)
    out = str(tmp_path / "mine.zip")
    run = CliRunner()
    refused = run.invoke(cli, ["privacy", "export", "p1", "--as", "dr-lee", "--out", out], obj={})
    assert isinstance(refused.exception, AccessError)
    done = run.invoke(cli, ["privacy", "export", "p1", "--as", "pat", "--out", out], obj={})
    assert done.exit_code == 0, done.output
    assert "not encrypted" in done.output
    key = house.vault.house.public_key().public_bytes_raw().hex()
    shown = run.invoke(cli, ["privacy", "check-export", out, "--key", key])
    assert shown.exit_code == 0, shown.output
    assert "record of p1" in shown.output
    assert "only the house signed" in shown.output
    assert key not in shown.output
    assert key in run.invoke(cli, ["privacy", "check-export", out]).output
    assert isinstance(run.invoke(cli, ["privacy", "check-export", out, "--key", "xx"]).exception, InputError)
