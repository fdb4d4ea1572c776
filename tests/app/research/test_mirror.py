"""Mirrors: what the gate released and no more, read again where something changed, as good as the store itself."""

import os
import random
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import duckdb
import pytest

from salus.app import erasure
from salus.app.research import mirror
from salus.app.research.views import view
from salus.app.session import Session
from salus.errors import AccessError, InputError
from salus.fhir.views import CATEGORIES
from salus.population import mirror as mirrors
from salus.population import sealed
from salus.population.mirror import RESULTS
from salus.record.store import Change
from salus.trust.identity import Actor, Identity
from tests.app.research.test_views import DEFINITION
from tests.conftest import AT, creatinine, person

PEOPLE = [f"p{n}" for n in range(1, 7)]


class Crowd:
    """Six people, whom p1 .. p6 speak for, with two creatinines each; all but p6 opened their records to dr-lee."""

    def __init__(self, ward, folder):
        self.ward, self.house, self.folder = ward, ward.house, folder
        self.keys = {"p1": ward.patient}
        self.given = {}
        for patient in PEOPLE:
            if patient not in self.keys:
                key = self.keys[patient] = Identity.generate(f"is-{patient}")
                self.house.add_actor(Actor(key.id, "patient", key.public_key, patient), by="operator")
            self.file(
                patient, person(patient), *(creatinine(f"1.{n}", f"2026-05-0{n}", f"c{n}", patient) for n in (1, 2))
            )
        for patient in PEOPLE[:-1]:
            self.open(patient)
        self.reader = Session(self.house, ward.clinician)

    def file(self, patient, *bodies):
        scope = self.house.gate.custodian(self.house.registry.actors["operator"], patient)
        self.house.store.commit(scope, [Change(b["resourceType"], b["id"], b) for b in bodies], at=self.house.time())

    def session(self, patient):
        return Session(self.house, self.keys[patient])

    def open(self, patient, categories=CATEGORIES, **more):
        self.ward.time += timedelta(seconds=1)
        given = {"actors": ["dr-lee"], "categories": categories, "purposes": ["HRESCH"], **more}
        said = self.session(patient).give_consent(patient, self.ward.time, **given)
        self.given.setdefault(patient, []).append(said)

    def close(self, patient):
        for said in self.given.pop(patient, ()):
            self.ward.time += timedelta(seconds=1)
            self.session(patient).revoke(patient, said)

    def ensure(self, **more):
        return mirror.ensure(self.reader, self.folder, mirror.named([("creatinine", DEFINITION)]), shards=3, **more)

    def rows(self):
        return sorted(mirror.query(self.reader, self.folder)[0].rows)

    def check(self):
        """The mirror answers as the store does."""
        assert self.rows() == sorted(view(self.reader, DEFINITION, AT)[0].rows)

    def looks(self, patient):
        entries = self.session(patient).accesses(patient)
        return len([e for e in entries if e.get("actor") == "dr-lee" and e.get("purpose") == "HRESCH"])


@pytest.fixture
def crowd(ward, tmp_path):
    return Crowd(ward, tmp_path / "mirror")


def test_only_what_changed_is_read_again(crowd):
    assert crowd.ensure() == mirror.Update(5, 5, 0)
    assert crowd.ensure() == mirror.Update(5, 0, 0)
    crowd.file("p2", creatinine("3.5", "2026-05-09", "c9", "p2"))
    assert crowd.ensure() == mirror.Update(5, 1, 0)
    assert ("p2", 3.5) in crowd.rows()
    crowd.open("p6")
    assert crowd.ensure() == mirror.Update(6, 1, 0)
    crowd.check()


def test_who_is_no_longer_released_is_gone_from_it_and_from_its_files(crowd):
    crowd.ensure()
    before = set(crowd.folder.iterdir())
    crowd.close("p3")
    assert crowd.ensure() == mirror.Update(4, 0, 1)
    assert "p3" not in {patient for patient, _ in crowd.rows()}
    gone = before - set(crowd.folder.iterdir())
    assert [path.name.split(".")[1] for path in gone] == ["creatinine"]
    crowd.check()


def test_a_release_that_ends_by_itself_ends_in_the_mirror(crowd):
    crowd.open("p6", until="2026-06-02")
    assert crowd.ensure().people == 6
    crowd.ward.time += timedelta(days=2)
    assert crowd.ensure() == mirror.Update(5, 0, 1)


def test_a_release_that_narrows_by_itself_is_read_again(crowd):
    crowd.open("p6", until="2026-06-02")
    crowd.open("p6", ["genome"])
    assert crowd.ensure().people == 6
    assert "p6" in {patient for patient, _ in crowd.rows()}
    crowd.ward.time += timedelta(days=2)  # nothing was written
    assert crowd.ensure() == mirror.Update(6, 1, 0)
    assert "p6" not in {patient for patient, _ in crowd.rows()}


def test_what_closes_to_processing_by_itself_is_read_again_where_methods_read_it(crowd, monkeypatch):
    gate, processing = crowd.house.gate, crowd.house.gate.processing
    crowd.ensure()
    crowd.ensure(records=True)
    narrower = {"p2": frozenset({"record"})}
    monkeypatch.setattr(
        gate, "processing", lambda p: replace(processing(p), categories=narrower.get(p, processing(p).categories))
    )
    assert crowd.ensure() == mirror.Update(5, 1, 0)
    assert crowd.ensure() == mirror.Update(5, 0, 0)
    crowd.ensure(records=False)
    narrower.clear()
    assert crowd.ensure() == mirror.Update(5, 0, 0)


def test_a_narrower_release_is_read_again(crowd):
    crowd.ensure()
    crowd.close("p4")
    crowd.open("p4", ["genome"])
    assert crowd.ensure() == mirror.Update(5, 1, 0)
    assert "p4" not in {patient for patient, _ in crowd.rows()}
    crowd.check()


def shards_with(mirror_open, patient):
    """The shards whose index, rows or records tell of a patient."""
    found = set()
    for shard in mirror_open.shards:
        index = shard.index()
        told = {*index.patients, *index.spans, *(record.patient for record in shard.records(index))}
        with sealed.in_memory(shard.part(index, "creatinine")) as (_, path):
            rows = duckdb.sql(f"SELECT * FROM read_parquet('{path}')").fetchall()
        told |= {cell for row in rows for cell in row if isinstance(cell, str)}
        found |= {shard.number} if patient in told else set()
    return found


def test_the_next_update_takes_an_erased_patient_out_of_every_shard(crowd):
    crowd.ensure(records=True)
    with mirrors.opened(crowd.folder, mirror._Seal(crowd.house)) as before:
        assert len(shards_with(before, "p5")) == 1
        (held,) = (shard for shard in before.shards if "p5" in shard.index().patients)
        files = [crowd.folder / file for file, _, _ in held.index().parts.values()]
    assert len(files) == 2
    erasure.ask(crowd.session("p5"), "p5")
    erasure.carry_out(Session(crowd.house, crowd.ward.operator), "p5")
    with mirrors.opened(crowd.folder, mirror._Seal(crowd.house)) as still:
        assert len(shards_with(still, "p5")) == 1  # the erasure does not reach it
    assert crowd.ensure() == mirror.Update(4, 0, 1)
    with mirrors.opened(crowd.folder, mirror._Seal(crowd.house)) as after:
        assert shards_with(after, "p5") == set()
        assert shards_with(after, "p4")
    assert not any(path.exists() for path in files)
    assert "p5" not in {patient for patient, _ in crowd.rows()}


def test_an_erased_patient_leaves_a_mirror_with_the_next_question_and_another_ones_at_its_own(crowd, tmp_path):
    crowd.ensure()
    other = tmp_path / "another"
    mirror.ensure(crowd.reader, other, mirror.named([("creatinine", DEFINITION)]), shards=3)
    erasure.ask(crowd.session("p5"), "p5")
    erasure.carry_out(Session(crowd.house, crowd.ward.operator), "p5")
    answer, update = mirror.query(crowd.reader, crowd.folder)
    assert update == mirror.Update(4, 0, 1)
    assert "p5" not in {patient for patient, _ in answer.rows}
    with mirrors.opened(other, mirror._Seal(crowd.house)) as untouched:
        assert [s.number for s in untouched.shards if "p5" in s.index().patients]
    assert mirror.query(crowd.reader, other)[1] == mirror.Update(4, 0, 1)


def test_each_update_and_each_question_is_decided_on_and_logged(crowd):
    before = {p: crowd.looks(p) for p in PEOPLE}
    crowd.ensure()
    released = {p: int(p != "p6") for p in PEOPLE}
    assert {p: crowd.looks(p) - before[p] for p in PEOPLE} == released
    mirror.query(crowd.reader, crowd.folder)
    with pytest.raises(InputError):
        mirror.query(crowd.reader, crowd.folder, "SELECT nowhere FROM view")
    assert {p: crowd.looks(p) - before[p] for p in PEOPLE} == {p: 3 * n for p, n in released.items()}
    assert crowd.house.verify().problems == ()


def test_views_can_be_added_and_changed(crowd):
    crowd.ensure()
    people = {"resource": "Patient", "name": "people", "select": [{"column": [{"name": "id", "path": "id"}]}]}
    both = mirror.named([("creatinine", DEFINITION), ("file", people)])
    assert mirror.ensure(crowd.reader, crowd.folder, both) == mirror.Update(5, 5, 0)
    sql = "SELECT count(DISTINCT id), count(*) FROM people JOIN creatinine ON id = patient"
    assert mirror.query(crowd.reader, crowd.folder, sql)[0].rows == ((5, 10),)
    assert mirror.ensure(crowd.reader, crowd.folder, {}) == mirror.Update(5, 0, 0)
    changed = {**DEFINITION, "where": []}
    assert mirror.ensure(crowd.reader, crowd.folder, {"creatinine": changed}) == mirror.Update(5, 5, 0)
    assert not list(crowd.folder.glob("*people*"))


def test_what_a_mirror_keeps(crowd):
    crowd.ensure()
    with pytest.raises(InputError, match="purpose and number of shards"):
        mirror.ensure(crowd.reader, crowd.folder, {}, shards=4)
    with pytest.raises(InputError, match="purpose and number of shards"):
        mirror.ensure(crowd.reader, crowd.folder, {}, purpose="TREAT")
    crowd.ensure(records=True, files_up_to=5)
    assert crowd.ensure(files_up_to=5) == mirror.Update(5, 0, 0)
    assert crowd.ensure(records=False) == mirror.Update(5, 5, 0)
    assert not list(crowd.folder.glob("*records*"))
    with pytest.raises(InputError, match="files are kept with records"):
        crowd.ensure(files_up_to=5)
    assert crowd.ensure(records=True) == mirror.Update(5, 5, 0)


def test_another_purpose_shows_who_opened_the_record_for_it(crowd, tmp_path):
    crowd.ward.time += timedelta(seconds=1)
    crowd.session("p6").give_consent("p6", crowd.ward.time, actors=["dr-lee"], categories=CATEGORIES)
    views = mirror.named([("creatinine", DEFINITION)])
    other = tmp_path / "treated"
    assert mirror.ensure(crowd.reader, other, views, purpose="TREAT") == mirror.Update(1, 1, 0)
    assert mirror.ensure(crowd.reader, other, {}) == mirror.Update(1, 0, 0)
    with pytest.raises(AccessError, match="a broken glass"):
        mirror.ensure(crowd.reader, tmp_path / "third", views, purpose="BTG")


@pytest.mark.parametrize(
    ("definitions", "what"),
    [
        ([("x", ["no"])], "not a ViewDefinition"),
        ([("x", {"resource": "Patient"})], "a view has a select"),
        ([("x", DEFINITION), ("x", DEFINITION)], "two views of one name"),
    ],
)
def test_what_is_no_view(definitions, what):
    with pytest.raises(InputError, match=what) as told:
        mirror.named(definitions)
    assert str(told.value.where).startswith("x")


def test_it_is_its_readers_own(crowd):
    crowd.ensure()
    stranger = Identity.generate("dr-no")
    crowd.house.add_actor(Actor("dr-no", "practitioner", stranger.public_key), by="operator")
    session = Session(crowd.house, stranger)
    for attempt in (
        lambda: mirror.query(session, crowd.folder),
        lambda: mirror.ensure(session, crowd.folder, {}),
        lambda: mirror.drop(session, crowd.folder),
        lambda: mirror.query(Session(crowd.house, crowd.ward.operator), crowd.folder),
    ):
        with pytest.raises(AccessError, match="somebody else's"):
            attempt()
    crowd.check()
    mirror.drop(Session(crowd.house, crowd.ward.operator), crowd.folder)
    assert not crowd.folder.exists()
    with pytest.raises(InputError, match="no mirror"):
        mirror.drop(crowd.reader, crowd.folder)


def test_its_files_are_private_and_sealed(crowd):
    crowd.ensure(records=True)
    assert stat.S_IMODE(crowd.folder.stat().st_mode) == 0o700
    for path in crowd.folder.iterdir():
        data = path.read_bytes()
        assert not [word for word in (b"Example", b"MRN-p", b"1968-03-14", b"mg/dL") if word in data]
        assert path.name == "lock" or stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("part", ["index", "creatinine", "records"])
def test_a_damaged_shard_is_named_and_written_anew(crowd, part):
    crowd.ensure(records=True)
    path = next(crowd.folder.glob(f"*.{part}*"))
    path.write_bytes(path.read_bytes()[:-7])
    done = crowd.ensure()
    assert done.damaged == (str(path),)
    assert done.read > 0
    assert crowd.ensure() == mirror.Update(5, 0, 0)
    crowd.check()


def test_a_shard_that_is_missing_is_written_anew(crowd):
    crowd.ensure()
    next(crowd.folder.glob("*.creatinine*")).unlink()
    assert crowd.ensure().damaged
    for path in crowd.folder.glob("00001.*"):
        path.unlink()
    assert not crowd.ensure().damaged
    crowd.check()


@pytest.mark.parametrize("seed", range(3))
def test_after_any_course_of_events_it_answers_as_the_store_does(crowd, seed):
    draw = random.Random(seed)
    crowd.ensure(records=draw.random() < 0.5)
    for n in range(12):
        patient = draw.choice(PEOPLE)
        match draw.randrange(5):
            case 0:
                crowd.file(patient, creatinine(f"{draw.randint(5, 40) / 10}", "2026-04-01", f"n{n}", patient))
            case 1:
                crowd.open(patient, draw.sample(CATEGORIES, draw.randint(1, len(CATEGORIES))))
            case 2:
                crowd.close(patient)
            case 3:
                crowd.ensure()
            case 4:
                path = draw.choice([p for p in crowd.folder.iterdir() if p.name[0] == "0"])
                path.write_bytes(path.read_bytes()[: draw.randrange(60)])
    crowd.check()


# ---- kill -9

VICTIM = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from salus.app.research import mirror
from salus.app.config import at_folder
from salus.app.house import House
from salus.app.session import Session
from salus.fhir import json
from salus.population import sealed
from salus.trust.identity import Identity

house, folder, view, at, left = sys.argv[1:]
left, write = int(left), sealed.write

def dying(path, data):
    global left
    left -= 1
    if left == 0:
        path.with_name(path.name + sealed.PART).write_bytes(data[:len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, data)

sealed.write = dying
with House(at_folder(Path(house)), clock=lambda: datetime.fromisoformat(at)) as house:
    session = Session(house, Identity.load(Path(sys.argv[1]), "dr-lee"))
    mirror.ensure(session, Path(folder), {"creatinine": json.loads(view.encode())}, shards=3, records=True)
"""


def contents(crowd):
    """What lies in the mirror, opened."""
    with mirror.current(crowd.reader, crowd.folder) as (held, _):
        shards = [(s, s.index()) for s in held.shards]
        return [(i.patients, i.marks, list(s.records(i))) for s, i in shards], held.query()


@pytest.mark.parametrize("at", [1, 3, 6, 8])
def test_after_kill_9_it_goes_on_where_it_was_and_equals_one_from_scratch(crowd, tmp_path, at):
    from salus.fhir import json

    crowd.ward.clinician.save(tmp_path / "house")
    arguments = [
        str(tmp_path / "house"),
        str(crowd.folder),
        json.dumps(DEFINITION).decode(),
        crowd.ward.time.isoformat(),
    ]
    killed = subprocess.run([sys.executable, "-c", VICTIM, *arguments, str(at)], env=os.environ, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list(crowd.folder.glob("*.part"))
    shards = len(list(crowd.folder.glob("*.index")))
    assert shards == max(0, at - 2) // 3  # the manifest, then three files a shard
    done = crowd.ensure(records=True)
    assert done.people == 5
    assert (done.read < 5) == (shards > 0)
    assert not list(crowd.folder.glob("*.part"))
    resumed = contents(crowd)
    mirror.drop(crowd.reader, crowd.folder)
    crowd.ensure(records=True)
    assert contents(crowd) == resumed
    assert not (crowd.folder / RESULTS).exists()
