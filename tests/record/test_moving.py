"""A store is moved whole, from its file into PostgreSQL and back, or it stays where it was."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from click.testing import CliRunner

from salus.app import moving as app_moving
from salus.app.config import SETTINGS, at_folder
from salus.app.house import House
from salus.app.session import Session
from salus.cli.main import cli
from salus.errors import ConfigurationError, IntegrityError, StoreError
from salus.record import moving, postgres, postgres_schema
from salus.record.store import Change
from salus.trust.identity import Actor, Identity
from tests.conftest import creatinine, person
from tests.record.conftest import NOW


class Town:
    """A house in a file, whose patient has results, one in two versions, and a consent; and a database."""

    def __init__(self, server, folder):
        self.file = at_folder(folder)
        self.address = f"{server.address}?options=-csearch_path%3D{server.schema()}"
        self.database = replace(self.file, database=self.address)
        self.pat, self.operator = Identity.generate("pat"), Identity.generate("operator")
        with House.create(self.file, alone=True, clock=lambda: NOW) as house:
            house.add_actor(Actor("operator", "operator", self.operator.public_key), by="operator")
            house.add_actor(Actor("pat", "patient", self.pat.public_key, "p1"), by="operator")
            self.write(
                house, "p1", person(), creatinine("1.1", "2026-01-01", "c1"), creatinine("1.3", "2026-02-01", "c2")
            )
            self.write(house, "p1", creatinine("1.4", "2026-02-01", "c2"))
            Session(house, self.pat).give_consent("p1", NOW, actors=["operator"], categories=["record"])
            for n in range(300):  # more entries than a tile holds
                house.note("operator", {"reason": "tried", "n": n})

    def write(self, house, patient, *bodies):
        scope = house.gate.custodian(house.registry.actors["operator"], patient)
        changes = [Change(b["resourceType"], b["id"], b) for b in bodies]
        house.store.commit(scope, changes, at=house.time())

    def opened(self, configuration):
        return House(configuration, clock=lambda: NOW)

    def plan(self, configuration):
        with self.opened(configuration) as house:
            plan, opened = Session(house, self.pat).plan("p1", NOW)
            assert not house.verify().problems
            return plan.items, [finding.code for finding in opened.findings]


@pytest.fixture
def town(server, tmp_path):
    return Town(server, tmp_path)


def test_tables_come_after_those_that_they_refer_to():
    names = [table.name for table in moving.tables()]
    for before, after in (("patient", "resource"), ("resource", "history"), ("blob", "blob_chunk")):
        assert names.index(before) < names.index(after)
    assert {"log_leaf", "log_checkpoint", "log_tile", "server_state", "quarantine", "setting"} <= set(names)


def test_a_plan_is_the_same_after_a_move_and_after_the_way_back(town):
    before = town.plan(town.file)
    assert before[0]
    told = []
    arrived = app_moving.move(town.file, town.address, lambda done, total: told.append((done, total)))
    assert arrived.configuration == town.database
    assert arrived.setting == f'database = "{town.address}"'
    assert told[-1][0] == told[-1][1] == 2 * sum(arrived.moved.rows.values())
    assert arrived.moved.rows["history"] == 1
    assert arrived.moved.rows["log_leaf"] == arrived.moved.entries > 256
    assert not town.file.store_file.exists()
    with pytest.raises(StoreError, match="moved into a database") as told:
        town.opened(town.file)
    assert "SALUS_DATABASE" in told.value.remedy
    assert town.plan(town.database) == before
    with town.opened(town.database) as house:
        town.write(house, "p2", person("p2"))
        assert not house.verify().problems
    back = app_moving.move(town.database, app_moving.FILE)
    assert back.setting == 'database = ""'
    assert back.moved.rows["patient"] == 2
    assert town.plan(town.file) == before
    with pytest.raises(StoreError, match="no store in this database any more") as told:
        town.opened(town.database)
    assert "SALUS_DATABASE" in told.value.remedy


def test_the_command_says_what_has_to_stand_in_the_settings(town):
    town.operator.save(town.file.identities)

    def move(database, to):
        settings = {s.variable: str(getattr(town.file, s.name)) for s in SETTINGS} | {"SALUS_DATABASE": database}
        told = CliRunner().invoke(cli, ["move", "--to", to, "--as", "operator"], env=settings)
        assert told.exit_code == 0, told.output
        return next(line for line in told.output.splitlines() if line.startswith("settings"))

    there = move("", town.address)
    assert f'database = "{town.address}"' in there
    assert "or as SALUS_DATABASE" in there
    back = move(town.address, "file")
    assert 'database = ""' in back
    assert "SALUS_DATABASE unset" in back


def test_no_new_store_is_made_where_one_was_moved_away(town, tmp_path):
    other = tmp_path / "other"  # a folder of keys in which there are none
    app_moving.move(town.file, town.address)
    for settings in (town.file, replace(town.file, keys=other)):
        with pytest.raises(StoreError, match="moved into a database") as told:
            House.create(settings, alone=True)
        assert told.value.where == str(town.file.store_file)
    assert not other.exists()
    assert not town.file.store_file.exists()
    app_moving.move(town.database, app_moving.FILE)
    with pytest.raises(StoreError, match="no store in this database any more") as told:
        House.create(town.database, alone=True)
    assert "unset SALUS_DATABASE" in told.value.remedy
    assert town.plan(town.file)[0]


def test_who_waits_for_the_file_while_it_is_moved_is_told_that_it_was_moved(town):
    found, waiting = [], []

    def open_file():
        try:
            town.opened(town.file).close()
        except StoreError as error:
            found.append(error)

    def look(done, total):
        if not waiting:
            waiting.append(threading.Thread(target=open_file))
            waiting[0].start()
            time.sleep(0.3)

    app_moving.move(town.file, town.address, look)
    waiting[0].join()
    assert ["moved into a database" in error.what for error in found] == [True]
    assert sorted(f.name for f in town.file.store.glob("record.sqlite*")) == [
        "record.sqlite-turn", "record.sqlite.moved"
    ]  # fmt: skip


def test_a_database_that_was_found_is_not_moved_before_it_is_open(town, monkeypatch):
    app_moving.move(town.file, town.address)
    whole, tried = postgres._migrate, []

    def migrate(connection, *, create):
        whole(connection, create=create)
        if not tried:
            tried.append(True)
            with pytest.raises(StoreError, match="in use"):
                app_moving.move(town.database, app_moving.FILE)

    monkeypatch.setattr(postgres, "_migrate", migrate)
    assert town.plan(town.database)[0]
    assert tried


@pytest.mark.parametrize("alone", [False, True])
def test_who_opens_a_database_waits_for_a_session_that_is_ending(server, monkeypatch, alone):
    address = f"{server.address}?options=-csearch_path%3D{server.schema()}"
    postgres.connect(address, create=True).close()
    other = postgres.connect(address, create=False, alone=True)
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "ENDING", 0.0)
        with pytest.raises(StoreError, match="in use" if alone else "being moved"):
            postgres.connect(address, create=False, alone=alone)
    monkeypatch.setattr(postgres.time, "sleep", lambda pause: other.close())  # it is closed meanwhile
    postgres.connect(address, create=False, alone=alone).close()


def test_who_opens_a_database_while_it_is_set_aside_is_told_that_it_is_moved(town, monkeypatch):
    app_moving.move(town.file, town.address)
    whole, asked = moving._settle, []

    def settle(folder):  # the table of versions bears its new name, and this is not committed
        with monkeypatch.context() as patch:
            patch.setattr(postgres, "ENDING", 0.0)
            with pytest.raises(StoreError, match="being moved"):
                town.opened(town.database)
        asked.append(folder)
        whole(folder)

    monkeypatch.setattr(moving, "_settle", settle)
    monkeypatch.setattr(postgres, "_SESSION", postgres._SESSION + "; SET lock_timeout = 100")
    app_moving.move(town.database, app_moving.FILE)
    assert asked


def test_a_store_that_was_moved_earlier_is_never_overwritten(town, server):
    app_moving.move(town.file, town.address)
    app_moving.move(town.database, app_moving.FILE)
    earlier = town.file.moved_away
    kept = earlier.read_bytes()
    empty = f"{server.address}?options=-csearch_path%3D{server.schema()}"
    with pytest.raises(StoreError, match="moved earlier") as told:
        app_moving.move(town.file, empty)
    assert told.value.where == str(earlier)
    assert earlier.read_bytes() == kept
    earlier.unlink()
    app_moving.move(town.file, empty)
    assert town.file.moved_away == earlier


def test_a_restore_that_fails_does_not_take_the_moved_file_away(town, tmp_path):
    app_moving.move(town.file, town.address)
    (tmp_path / "none.backup").write_bytes(b"no backup")
    with pytest.raises(StoreError, match="not a backup"):
        House.restore(town.file, tmp_path / "none.backup")
    assert town.file.moved_away.is_file()
    assert not town.file.store_file.exists()


def test_verification_warns_of_the_file_that_a_move_left(town):
    def verified(database):
        settings = {s.variable: str(getattr(town.file, s.name)) for s in SETTINGS} | {"SALUS_DATABASE": database}
        return CliRunner().invoke(cli, ["verify"], env=settings)

    assert "destroy it" not in verified("").stderr
    app_moving.move(town.file, town.address)
    told = verified(town.address)
    assert told.exit_code == 0
    assert f"{town.file.moved_away}: " in told.stderr
    assert "destroy it" in told.stderr


# ---- a move that fails at its end


def failing(monkeypatch, begins):
    """Let PostgreSQL refuse the statements that begin so."""
    whole = postgres.Connection.execute

    def execute(self, sql, *values):
        if sql.startswith(begins):
            raise postgres.PostgresError("DiskFull (53100)")
        return whole(self, sql, *values)

    monkeypatch.setattr(postgres.Connection, "execute", execute)


def test_a_database_that_cannot_be_vacuumed_is_moved_into_all_the_same(town, monkeypatch):
    with monkeypatch.context() as patch:
        failing(patch, "VACUUM")
        app_moving.move(town.file, town.address)
    assert not town.file.store_file.exists()
    assert town.plan(town.database)[0]


def test_a_database_that_cannot_commit_leaves_the_file_in_use(town, monkeypatch):
    with monkeypatch.context() as patch:
        failing(patch, "COMMIT")
        with pytest.raises(StoreError, match="cannot be moved: DiskFull"):
            app_moving.move(town.file, town.address)
    with pytest.raises(StoreError, match="no store in this database"):
        town.opened(town.database)
    assert town.plan(town.file)[0]


@pytest.mark.parametrize("begins", ["ALTER TABLE", "COMMIT"])
def test_a_database_that_cannot_be_set_aside_stays_in_use_alone(town, monkeypatch, begins):
    app_moving.move(town.file, town.address)
    with monkeypatch.context() as patch:
        failing(patch, begins)
        with pytest.raises(StoreError, match="cannot be moved: DiskFull"):
            app_moving.move(town.database, app_moving.FILE)
    assert not town.file.store_file.exists()
    assert town.plan(town.database)[0]


def test_who_interrupts_before_the_database_is_set_aside_leaves_no_file(town, monkeypatch):
    app_moving.move(town.file, town.address)

    def stop(folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(moving, "_settle", stop)
        with pytest.raises(KeyboardInterrupt):
            app_moving.move(town.database, app_moving.FILE)
    assert not town.file.store_file.exists()
    assert town.plan(town.database)[0]


def test_who_interrupts_once_the_database_is_set_aside_finds_the_file(town, monkeypatch):
    app_moving.move(town.file, town.address)
    whole = postgres.Connection.execute

    def execute(self, sql, *values):
        rows = whole(self, sql, *values)
        if sql == "COMMIT":
            raise KeyboardInterrupt
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(postgres.Connection, "execute", execute)
        with pytest.raises(KeyboardInterrupt):
            app_moving.move(town.database, app_moving.FILE)
    assert town.plan(town.file)[0]
    with pytest.raises(StoreError, match="any more"):
        town.opened(town.database)


def test_a_move_may_take_longer_than_a_silent_client_may_hold_the_turn(town, monkeypatch):
    short = "; SET idle_in_transaction_session_timeout = 100"
    monkeypatch.setattr(postgres, "_SESSION", postgres._SESSION + short)
    paused = []

    def pause(done, total):
        if not paused:
            paused.append(time.sleep(0.5))

    app_moving.move(town.file, town.address, pause)
    paused.clear()
    app_moving.move(town.database, app_moving.FILE, pause)
    assert town.plan(town.file)[0]


def test_where_there_is_a_store_or_a_table_already_nothing_is_moved(town, server):
    with pytest.raises(ConfigurationError, match="there already"):
        app_moving.move(town.file, app_moving.FILE)
    with pytest.raises(ConfigurationError, match="not an address"):
        app_moving.move(town.file, "mysql://h/d")
    postgres.connect(town.address, create=True).close()
    with pytest.raises(StoreError, match="tables in this database already"):
        app_moving.move(town.file, town.address)
    empty = f"{server.address}?options=-csearch_path%3D{server.schema()}"
    app_moving.move(town.file, empty)
    town.file.store_file.touch()
    with pytest.raises(StoreError, match="a store already"):
        app_moving.move(replace(town.file, database=empty), app_moving.FILE)


def test_a_store_that_somebody_has_open_is_not_moved(town, monkeypatch):
    with town.opened(town.file), pytest.raises(StoreError, match="in use"):
        app_moving.move(town.file, town.address)
    app_moving.move(town.file, town.address)
    with town.opened(town.database), pytest.raises(StoreError, match="in use"):
        app_moving.move(town.database, app_moving.FILE)

    def look(done, total):
        with monkeypatch.context() as patch:
            patch.setattr(postgres, "ENDING", 0.0)
            with pytest.raises(StoreError, match="being moved"):
                town.opened(town.database)

    app_moving.move(town.database, app_moving.FILE, look)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("back", [False, True])
def test_a_move_that_is_interrupted_leaves_nothing_and_can_be_done_again(town, share, back):
    before = town.plan(town.file)
    source, target, to = town.file, town.database, town.address
    if back:
        app_moving.move(town.file, town.address)
        source, target, to = town.database, town.file, app_moving.FILE

    def stop(done, total):
        if done >= share * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        app_moving.move(source, to, stop)
    with pytest.raises(StoreError, match="no store"):
        town.opened(target)
    assert [f.name for f in town.file.store.iterdir() if "part" in f.name] == []
    assert town.plan(source) == before
    app_moving.move(source, to)
    assert town.plan(target) == before


def test_rows_that_arrive_as_others_are_noticed(town, monkeypatch):
    whole = postgres.Connection.executemany

    def altered(self, sql, rows):
        changed = [(*row[:-1], b"x") if "log_tile" in sql else row for row in rows]
        whole(self, sql, changed)

    def fewer(self, sql, rows):
        whole(self, sql, list(rows)[1:] if "date_index" in sql else rows)

    for wrong, table in ((altered, "log_tile"), (fewer, "date_index")):
        with monkeypatch.context() as patch:
            patch.setattr(postgres.Connection, "executemany", wrong)
            with pytest.raises(IntegrityError, match=table):
                app_moving.move(town.file, town.address)
        with pytest.raises(StoreError, match="no store"):
            town.opened(town.database)
        assert town.plan(town.file)[0]


# ---- the schema


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("ALTER TABLE patient DROP CONSTRAINT patient_id_key", "patient"),
        ("ALTER TABLE resource ALTER body DROP NOT NULL", "resource"),
        ("ALTER TABLE resource ALTER kinds SET DEFAULT 0", "resource"),
        ("ALTER TABLE resource DROP CONSTRAINT resource_pid_fkey", "resource"),
        ("ALTER TABLE memo ADD COLUMN more TEXT", "memo"),
        ("ALTER TABLE memo ADD CHECK (kind <> '')", "memo"),
        ("ALTER TABLE memo ENABLE ROW LEVEL SECURITY", "memo"),
        ("ALTER TABLE target ALTER id TYPE TEXT COLLATE \"default\"", "target"),
        ("DROP INDEX log_leaf_written", "log_leaf"),
        ("DROP INDEX log_leaf_written; CREATE INDEX w ON log_leaf (pid, n) WHERE topic <> 'write'", "log_leaf"),
        ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'log_leaf_written'::regclass", "log_leaf"),
        ("CREATE TABLE other (n BIGINT)", "other"),
        ("CREATE VIEW seen AS SELECT * FROM patient", "seen"),
        ("CREATE RULE r AS ON DELETE TO log_leaf DO INSTEAD NOTHING", "log_leaf"),
        ("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
         "CREATE TRIGGER t BEFORE INSERT ON log_audit EXECUTE FUNCTION f()", "log_audit"),
    ],
)  # fmt: skip
def test_verification_names_a_table_that_is_not_as_the_migrations_make_it(server, statement, table):
    connection = postgres.connect(f"{server.address}?options=-csearch_path%3D{server.schema()}", create=True)
    assert postgres_schema.strange(connection) == []
    connection.script(statement)
    assert postgres_schema.strange(connection) == [table]
    connection.close()


def test_verification_of_a_house_tells_of_its_schema(town):
    app_moving.move(town.file, town.address)
    with town.opened(town.database) as house:
        house.store.connection.execute("CREATE TABLE other (n BIGINT)")
        assert [(p.where, p.what) for p in house.verify().problems] == [("other", "the schema is not that of salus")]
