"""A store is moved whole, from its file into PostgreSQL and back, or it stays where it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from salus.app import moving as app_moving
from salus.app.config import at_folder
from salus.app.house import House
from salus.app.session import Session
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
        self.pat = Identity.generate("pat")
        with House.create(self.file, alone=True, clock=lambda: NOW) as house:
            house.add_actor(Actor("operator", "operator", Identity.generate("operator").public_key), by="operator")
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
    with pytest.raises(StoreError, match="no store"):
        town.opened(town.file)
    assert town.plan(town.database) == before
    with town.opened(town.database) as house:
        town.write(house, "p2", person("p2"))
        assert not house.verify().problems
    back = app_moving.move(town.database, app_moving.FILE)
    assert back.setting == 'database = ""'
    assert back.moved.rows["patient"] == 2
    assert town.plan(town.file) == before
    with pytest.raises(StoreError, match="no store in this database"):
        town.opened(town.database)


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


def test_a_store_that_somebody_has_open_is_not_moved(town):
    with town.opened(town.file), pytest.raises(StoreError, match="in use"):
        app_moving.move(town.file, town.address)
    app_moving.move(town.file, town.address)
    with town.opened(town.database), pytest.raises(StoreError, match="in use"):
        app_moving.move(town.database, app_moving.FILE)

    def look(done, total):
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
