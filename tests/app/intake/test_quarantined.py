"""Sources from quarantine into the record of their patient: as any intake, whole, once, never into another's."""

from __future__ import annotations

import os
from datetime import timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from salus.app.house import House
from salus.app.intake import age, intake, series, shared
from salus.app.intake.intake import Intake
from salus.app.intake.quarantined import remove_left_over
from salus.app.live import quarantined
from salus.app.live.quarantined import Whose
from salus.app.live.receiver import Receiver
from salus.app.session import Session
from salus.errors import IntegrityError, StoreError
from salus.fhir import json
from salus.intake import fhir_sift
from salus.intake.batch import NOT_TAKEN
from salus.intake.read import Options
from salus.record.store import Change
from salus.trust import quarantine
from salus.trust.grants import Grant
from tests.conftest import bundle, creatinine, person
from tests.intake import made
from tests.intake.test_apple_health import HEAD, beat
from tests.intake.test_whose import FOREIGN, NOBODYS, lay, message

ALL = frozenset({"record", "signal", "note", "image", "genome"})


@pytest.fixture
def operator(ward):
    session = Session(ward.house, ward.operator)
    Intake(session).run([ward.write(f"{name}.json", bundle(person(name))) for name in ("p1", "p2")])
    return session


def refused(operator, *paths):
    """Take sources in that cannot be; returns the numbers under which they lie in quarantine."""
    taken = Intake(operator).run(paths)
    assert all(entry.error for entry in taken)
    return [entry.quarantine for entry in taken]


def held(ward, kind, patient="p1"):
    grant = Grant("t", patient, "", ALL, may_write=False, purpose="T")
    return [s.body for s in ward.house.store.read(grant, (kind,))]


def note(ward, name="letter.txt"):
    (ward.folder / name).parent.mkdir(parents=True, exist_ok=True)
    (ward.folder / name).write_bytes(NOBODYS)
    return ward.folder / name


def what(filed):
    return [entry.error.what if entry.error else (entry.patient, entry.attribution, entry.double) for entry in filed]


def test_what_named_nobody_is_filed_on_the_operators_word(ward, operator):
    (number,) = refused(operator, note(ward))
    assert what(quarantined.file(operator, [number], Whose())) == ["it is not said whose this is"]
    assert what(quarantined.file(operator, [number], Whose("p1"))) == [("p1", "by operator", False)]
    (document,) = held(ward, "DocumentReference")
    assert document["content"][0]["attachment"]["title"] == "letter.txt"
    assert ward.house.quarantined() == []
    entries = list(ward.house.log.entries(ward.house.store.connection, topic="write", patient="p1"))
    entry = entries[-1].content
    assert (entry["reason"], entry["actor"], entry["attribution"]) == ("intake", "operator", "by operator")
    assert entry["quarantine"] == [number]
    assert ward.house.verify().problems == ()
    assert what(quarantined.file(operator, [number], Whose("p1"))) == [f"nothing lies in quarantine under {number}"]
    assert len(held(ward, "DocumentReference")) == 1


def test_what_an_operator_assigned_goes_to_that_patient(ward, operator):
    (number,) = refused(operator, note(ward))
    ward.house.assign_quarantined(number, "p2", "operator")
    assert what(quarantined.file(operator, [number], Whose("p1"))) == [
        "an operator said that this is another patient's"
    ]
    assert what(quarantined.file(operator, [number], Whose())) == [("p2", "by operator", False)]
    assert (len(held(ward, "DocumentReference")), len(held(ward, "DocumentReference", "p2"))) == (0, 1)


@pytest.mark.parametrize("found", FOREIGN.values(), ids=FOREIGN)
def test_what_names_another_patient_is_never_filed_and_not_kept_twice(ward, found):
    operator = Session(ward.house, ward.operator)
    Intake(operator).run([ward.write("p1.json", bundle(person()))])
    lay(ward.folder / "foreign", found)
    (taken,) = Intake(operator, patient="p1").run([ward.folder / "foreign"])
    size = len(ward.house.quarantined())
    before = {kind: held(ward, kind) for kind in ("Patient", "Observation", "DocumentReference")}
    (said,) = quarantined.file(operator, [taken.quarantine], Whose("p1"))
    assert said.error is not None
    assert "salus-quarantine-" not in str(said.error)
    assert {kind: held(ward, kind) for kind in before} == before
    assert len(ward.house.quarantined()) == size
    assert ward.house.store.patients(ward.house.gate.house("operator")) == ["p1"]
    assert quarantine.owners(ward.house.store, ward.house.log) == {}


def test_one_identifier_that_the_operator_vouches_for_lets_it_in(ward, operator):
    (ward.folder / "n.txt").write_bytes(made.note(mrn="MRN-old"))
    (number,) = refused(operator, ward.folder / "n.txt")
    (said,) = quarantined.file(operator, [number], Whose("p1"))
    assert "identifier" in said.error.what
    (said,) = quarantined.file(operator, [number], Whose("p1", accepted=("MRN-old",)))
    assert said.error is None
    entries = list(ward.house.log.entries(ward.house.store.connection, topic="write", patient="p1"))
    assert entries[-1].content["accepted"] == ["MRN-old"]


def keep(ward, *pieces, form=quarantine.CONTENT):
    house = ward.house
    scope = house.gate.house("operator", may_write=True)
    return quarantine.keep(house.store, house.vault, house.log, scope, pieces, "unreadable", house.time(), form=form)


def test_of_a_source_of_several_people_nothing_is_filed(ward, operator):
    mine = json.dumps(creatinine("1.1", "2026-01-01", "mine"))
    other = json.dumps(creatinine("1.2", "2026-01-01", "other", "p2"))
    both = (f"== a.json {len(mine)}\n".encode(), mine, f"== b.json {len(other)}\n".encode(), other)
    number = keep(ward, *both, form=quarantine.FILES)
    (found,) = quarantined.file(operator, [number], Whose("p1"))
    assert found.error.what == "the source names another patient than --patient"
    assert held(ward, "Observation") == held(ward, "Observation", "p2") == []
    assert len(ward.house.quarantined()) == 1


@pytest.mark.parametrize("form", ["", quarantine.FILES])
def test_files_of_one_name_and_those_of_an_earlier_release_are_filed(ward, operator, form):
    one = json.dumps(creatinine("1.1", "2026-01-01", "one"))
    other = json.dumps(creatinine("1.2", "2026-01-02", "other"))
    both = (f"== a.json {len(one)}\n".encode(), one, f"== a.json {len(other)}\n".encode(), other)
    number = keep(ward, *both, form=form)
    assert what(quarantined.file(operator, [number], Whose("p1"))) == [("p1", "by identifier", False)]
    assert len(held(ward, "Observation")) == 2


@pytest.mark.parametrize("names", [("1", "1"), ("0", "0", "1"), ("a", "A", "a"), ("a", "1", "a", "1")])
def test_files_of_whatever_names_are_laid_out_apart(ward, operator, names):
    notes = [NOBODYS + b"%d\n" % n for n in range(len(names))]
    number = keep(
        ward,
        *(b"== %s %d\n%s" % (name.encode(), len(text), text) for name, text in zip(names, notes, strict=True)),
        form=quarantine.FILES,
    )
    assert what(quarantined.file(operator, [number], Whose("p1"))) == [("p1", "by operator", False)]
    titles = [d["content"][0]["attachment"]["title"] for d in held(ward, "DocumentReference")]
    assert sorted(titles) == sorted(names)


@pytest.mark.parametrize("data", [b"== ../x.json 2\n{}", b"== .. 2\n{}", b"== x.json 99\n{}", b""])
def test_files_that_are_not_as_they_were_kept_stay(ward, operator, data):
    number = keep(ward, data, form=quarantine.FILES)
    (said,) = quarantined.file(operator, [number], Whose("p1"))
    assert said.error is not None
    assert held(ward, "Observation") == []


def test_several_files_of_one_source_come_back_under_their_names(ward, operator):
    lay(ward.folder / "ecg", made.ecg(comments=["Patient ID: MRN-old"]))
    (taken,) = [t for t in Intake(operator).run([ward.folder / "ecg"]) if t.error]
    (said,) = quarantined.file(operator, [taken.quarantine], Whose("p1", accepted=("MRN-old",)))
    assert said.error is None
    (document,) = held(ward, "DocumentReference")
    names = {part["attachment"]["title"] for part in document["content"]}
    assert names == {path.name for path in (ward.folder / "ecg").iterdir()}


def test_a_message_from_the_line_is_filed_as_its_sender_meant_it(ward, operator):
    receiver = Receiver(operator)
    assert b"|AA|" in receiver(message("C1", "V40"))
    patient = receiver.taken[-1].patient
    receiver(message("C2", "V40").replace(b"|P|2.5.1", b"|T|2.5.1"))
    receiver(message("C3", "V40").replace(b"|19570402|F", b"|19570402|M"))
    receiver.close()
    training, another = (e["n"] for e in ward.house.quarantined())
    plain = keep(ward, message("C4", "V40").replace(b"+0100", b""))
    paris = Options(time_zone=ZoneInfo("Europe/Paris"))
    numbers = [training, another, plain]
    said = what(quarantined.file(operator, numbers, Whose(patient, options=paris)))
    assert said == [
        "a message for training or debugging",
        "the source names another sex",
        (patient, "by identifier", False),
    ]
    assert {o["effectiveDateTime"] for o in held(ward, "Observation", patient)} == {"2026-03-02T08:00:00+01:00"}
    assert [e["n"] for e in ward.house.quarantined()] == [training, another]
    assert what(quarantined.file(operator, [keep(ward, message("C5", "V40"))], Whose("p1")))[0].startswith("the source")


@pytest.mark.parametrize("name", ["filed_from_quarantine", "_destroy_quarantined"])
def test_what_was_filed_and_not_taken_out_is_filed_once(ward, operator, monkeypatch, name):
    (number,) = refused(operator, note(ward))
    plain = getattr(House, name)

    def fails(*_):
        monkeypatch.setattr(House, name, plain)
        raise StoreError("the disk is full")

    monkeypatch.setattr(House, name, fails)
    with pytest.raises(StoreError):
        quarantined.file(operator, [number], Whose("p1"))
    assert len(ward.house.quarantined()) == 1
    ward.time += timedelta(minutes=1)
    size = len(list(ward.house.log.entries(ward.house.store.connection, topic="write", patient="p1")))
    assert what(quarantined.file(operator, [number], Whose("p1"))) == [("p1", "by operator", True)]
    assert len(held(ward, "DocumentReference")) == len(held(ward, "Provenance")) - 1 == 1
    assert len(list(ward.house.log.entries(ward.house.store.connection, topic="write", patient="p1"))) == size
    assert ward.house.quarantined() == []
    assert ward.house.verify().problems == ()


def test_a_write_that_fails_leaves_it_in_quarantine(ward, operator, monkeypatch):
    (number,) = refused(operator, note(ward))

    def fails(*_, **__):
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(type(ward.house.store), "commit", fails)
        with pytest.raises(StoreError):
            quarantined.file(operator, [number], Whose("p1"))
    assert held(ward, "DocumentReference") == []
    assert [e["n"] for e in ward.house.quarantined()] == [number]
    pid = ward.house.store.number_of(ward.house.gate.custody("t", "p1"))
    assert quarantine.owners(ward.house.store, ward.house.log) == {number: pid}  # an erasure takes it with the patient
    assert what(quarantined.file(operator, [number], Whose("p1"))) == [("p1", "by operator", False)]


def test_what_cannot_be_read_stays(ward, operator):
    (ward.folder / "noise.bin").write_bytes(bytes(range(256)) * 40)
    (number,) = refused(operator, ward.folder / "noise.bin")
    (said,) = quarantined.file(operator, [number], Whose("p1"))
    assert said.error.what == "not a kind of file that is read"
    assert said.error.where == "noise.bin"
    assert [e["n"] for e in ward.house.quarantined()] == [number]


def test_nothing_of_the_source_is_left_in_the_temporary_folder(ward, operator, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    (number,) = refused(operator, note(ward))
    quarantined.file(operator, [number], Whose("p1"))
    assert set(tmp_path.iterdir()) == before


def test_what_is_refused_while_it_is_filed_is_not_kept_a_second_time(ward, operator):
    """It was read and attributed before; the record may have changed in between."""
    (number,) = refused(operator, note(ward))
    (taken,) = Intake(operator, quarantined=number).run([note(ward)])
    assert (taken.error is None, taken.quarantine) == (False, None)
    assert [e["n"] for e in ward.house.quarantined()] == [number]


@pytest.fixture
def colleague(ward):
    """Another operator's process: the same store, opened a second time."""
    with House(ward.house.configuration, clock=ward.house.clock) as house:
        yield Session(house, ward.operator)


def meanwhile(monkeypatch, what):
    """Do ``what`` once, when a source was read and settled, and before it is written."""
    plain = quarantined._Filing._settle

    def settle(*args):
        plain(*args)
        monkeypatch.setattr(quarantined._Filing, "_settle", plain)
        what()

    monkeypatch.setattr(quarantined._Filing, "_settle", settle)


def test_of_two_operators_who_file_one_source_for_two_patients_one_does(ward, operator, colleague, monkeypatch):
    (number,) = refused(operator, note(ward))
    other = quarantined._Filing(colleague, Whose("p2"))
    said = []
    meanwhile(monkeypatch, lambda: said.extend(other.file([number])))
    assert what(quarantined.file(operator, [number], Whose("p1"))) == [("p1", "by operator", False)]
    assert what(said) == ["an operator said that this is another patient's"]
    assert (len(held(ward, "DocumentReference")), len(held(ward, "DocumentReference", "p2"))) == (1, 0)


@pytest.mark.parametrize("change", ["assigned", "destroyed", "key destroyed"])
def test_a_source_of_which_something_else_was_settled_meanwhile_is_not_filed(
    ward, operator, colleague, monkeypatch, change
):
    (number,) = refused(operator, note(ward))
    house = colleague.house
    changes = {
        "assigned": lambda: house.assign_quarantined(number, "p2", "operator"),
        "destroyed": lambda: house.destroy_quarantined(number, "operator"),
        "key destroyed": lambda: house.vault.shred(quarantine.key_name(number)),
    }
    meanwhile(monkeypatch, changes[change])
    gone = f"nothing lies in quarantine under {number} any more"
    error = "an operator said that this is another patient's" if change == "assigned" else gone
    assert what(quarantined.file(operator, [number], Whose("p1"))) == [error]
    assert held(ward, "DocumentReference") == held(ward, "DocumentReference", "p2") == []


def put(ward, *bodies):
    """Write into the record of p1, as another source would."""
    scope = ward.house.gate.custodian(ward.house.registry.actors["operator"], "p1")
    ward.house.commit(scope, [Change(b["resourceType"], b["id"], b) for b in bodies], reason="intake")


def kept_files(ward, **files):
    pieces = (b"== %s %d\n%s" % (f"{name}.{kind}".encode(), len(data), data) for name, (kind, data) in files.items())
    return keep(ward, *pieces, form=quarantine.FILES)


def export(*minutes):
    """An Apple Health export of one day."""
    return (HEAD + "".join(beat(n, 60 + n) for n in minutes) + "</HealthData>\n").encode()


def withdraw(ward):
    put(ward, *({**body, "status": "entered-in-error"} for body in held(ward, "Observation")))


def version(day, value="1.1"):
    return {**creatinine(value, "2026-01-01", "one"), "meta": {"lastUpdated": f"2026-02-{day:02}T00:00:00Z"}}


def of_a_withdrawn_block(ward, operator):
    lay(ward.folder / "before", {"export.xml": export(0)})
    Intake(operator, patient="p1").run([ward.folder / "before"])
    withdraw(ward)
    return kept_files(ward, export=("xml", export(1, 2)))


def of_an_older_version(ward, _):
    put(ward, version(2, "1.2"))
    return kept_files(ward, a=("json", json.dumps(bundle(person(), version(1), creatinine("1", "2026-01-02", "two")))))


def of_a_kind_that_is_not_taken(ward, _):
    consent = {"resourceType": "Consent", "id": "c", "patient": {"reference": "Patient/p1"}}
    return kept_files(ward, a=("json", json.dumps(bundle(person(), version(1), consent))))


def of_the_last_file(ward, _):
    put(ward, version(2, "1.2"))
    return kept_files(ward, a=("txt", NOBODYS), b=("json", json.dumps(version(1))))


PARTS = {
    of_a_withdrawn_block: "2 readings not taken: the record holds something else in the place of their block",
    of_an_older_version: "1 Observation not taken: the record holds a newer version",
    of_a_kind_that_is_not_taken: "1 Consent not taken: consents are given with: salus consent give",
    of_the_last_file: "1 Observation not taken: the record holds a newer version",
}


@pytest.mark.parametrize("part", PARTS)
def test_a_source_of_which_a_part_would_be_lost_stays_and_nothing_is_written(ward, operator, part):
    number = part(ward, operator)
    before = {kind: held(ward, kind) for kind in ("Observation", "DocumentReference", "Provenance")}
    (said,) = quarantined.file(operator, [number], Whose("p1"))
    assert said.error.what == f"not all of it is in the record: {PARTS[part]}"
    assert f"salus quarantine release {number}" in said.error.remedy
    assert f"salus quarantine destroy {number}" in said.error.remedy
    assert {kind: held(ward, kind) for kind in before} == before
    assert quarantine.owners(ward.house.store, ward.house.log) == {}
    assert [e["n"] for e in ward.house.quarantined()] == [number]


def test_a_source_of_which_the_record_lost_a_part_in_between_stays(ward, operator, monkeypatch):
    number = kept_files(ward, a=("json", json.dumps(bundle(person(), version(1)))))
    meanwhile(monkeypatch, lambda: put(ward, version(2, "1.2")))
    for _ in range(2):
        assert what(quarantined.file(operator, [number], Whose("p1"))) == [
            "not all of it is in the record: 1 Observation not taken: the record holds a newer version"
        ]
    assert [e["n"] for e in ward.house.quarantined()] == [number]


def test_what_was_filed_before_and_is_no_longer_in_the_record_stays(ward, operator):
    lay(ward.folder / "before", {"a.json": json.dumps(creatinine("1.1", "2026-01-01", "one"))})
    Intake(operator, patient="p1").run([ward.folder / "before"])
    number = kept_files(ward, a=("json", (ward.folder / "before" / "a.json").read_bytes()))
    withdraw(ward)
    (said,) = quarantined.file(operator, [number], Whose("p1"))
    assert "1 resources not taken: the source was filed before, and the record holds something else" in said.error.what
    assert held(ward, "Observation")[0]["status"] == "entered-in-error"
    assert [e["n"] for e in ward.house.quarantined()] == [number]


def test_the_folders_of_calls_that_were_killed_are_removed_after_a_day(ward, operator, tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    now = ward.house.clock()
    for name, hours in (("salus-quarantine-a", 25), ("salus-quarantine-b", 23), ("other-c", 25)):
        (folder / name / "0").mkdir(parents=True)
        (folder / name / "0" / "letter.txt").write_bytes(NOBODYS)
        moment = (now - timedelta(hours=hours)).timestamp()
        os.utime(folder / name, (moment, moment))
    (folder / "salus-quarantine-d").symlink_to(folder / "other-c")
    os.utime(folder / "salus-quarantine-d", (0, 0), follow_symlinks=False)
    left = ["other-c", "salus-quarantine-b", "salus-quarantine-d"]
    quarantined.file(operator, [], Whose())
    assert sorted(path.name for path in folder.iterdir()) == left
    own = os.geteuid()
    monkeypatch.setattr("os.geteuid", lambda: own + 1)  # another account's are left to it
    remove_left_over(now + timedelta(days=30))
    assert sorted(path.name for path in folder.iterdir()) == left
    assert len(list((folder / "other-c").rglob("letter.txt"))) == 1


def test_a_source_that_ends_in_an_error_of_its_own_ends_nothing_for_the_others(ward, operator):
    damaged, other = refused(operator, note(ward), note(ward, "other/letter.txt"))
    changed = "UPDATE quarantine SET body = zeroblob(length(body)) WHERE n = ?"
    ward.house.store.connection.execute(changed, (damaged,))
    said = quarantined.file(operator, [damaged, other], Whose("p1"))
    assert isinstance(said[0].error, IntegrityError)
    assert what(said)[1] == ("p1", "by operator", False)


def test_every_loss_that_goes_into_no_record_says_so_in_the_words_that_keep_a_source():
    """They are written where each arises: one that said it otherwise would let the only copy be destroyed."""
    nobodys = intake._nobodys(SimpleNamespace(resources=[{}], counts={"Organization": 2}))
    _, sifted = fhir_sift.sifted([{"resourceType": kind} for kind in fhir_sift._NOT_TAKEN])
    assert nobodys
    assert len(sifted) >= len(fhir_sift._NOT_TAKEN)
    written = [age._OLDER, series._OTHER, shared.HELD, shared.ELSEWHERE, shared.SEVERAL, intake._CHANGED]
    assert [words for words in (*nobodys, *sifted, *written) if NOT_TAKEN not in words] == []
