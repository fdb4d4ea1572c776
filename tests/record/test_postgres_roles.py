"""What docs/running.md tells an operator of PostgreSQL to do, done on a server: roles, backup, restore."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from salus.app.config import at_folder
from salus.app.house import House
from salus.app.moving import move
from salus.app.session import Session
from salus.errors import StoreError
from salus.record import postgres
from salus.record.forgetting import rewritten
from salus.record.store import Change
from salus.trust.identity import Actor, Identity
from tests.conftest import creatinine, person
from tests.record.conftest import NOW

DOCS = (Path(__file__).parents[2] / "docs" / "running.md").read_text("utf-8")
SQL = re.findall(r"```sql\n(.*?)```", DOCS, re.DOTALL)


class Site:
    """A database made as the documentation says, with a house of its owner's."""

    def __init__(self, server, folder, name):
        self.server, self.name = server, name
        self.people = {who: Identity.generate(who) for who in ("operator", "dr-lee", "pat")}
        self.make()
        self.file = replace(at_folder(folder), database=self.address("owner"))
        with House.create(self.file, alone=True, clock=lambda: NOW) as house:
            kinds = {"operator": "operator", "dr-lee": "practitioner", "pat": "patient"}
            for who, kind in kinds.items():
                key = self.people[who].public_key
                house.add_actor(Actor(who, kind, key, "p1" if who == "pat" else ""), by="operator")
        server.psql(self.address("owner"), SQL[1])

    def make(self):
        text = (
            SQL[0].replace("DATABASE salus", f"DATABASE {self.name}").replace("connect salus", f"connect {self.name}")
        )
        made = self.server.asked("SELECT 1 FROM pg_roles WHERE rolname = 'salus_owner'")
        self.server.psql(self.server.address, re.sub(r"CREATE ROLE .*\n", "", text) if made else text)

    def address(self, role):
        return f"postgresql://salus_{role}@127.0.0.1:{self.server.port}/{self.name}"

    def open(self, role="server"):
        return House(replace(self.file, database=self.address(role)), clock=lambda: NOW)

    def write(self, house, *bodies):
        scope = house.gate.custodian(house.registry.actors["operator"], "p1")
        house.store.commit(scope, [Change(b["resourceType"], b["id"], b) for b in bodies], at=house.time())

    def documented(self, tool):
        """The words of a command of the documentation, for this site."""
        (text,) = re.findall(rf"^    ({tool} (?:.*\\\n)*.*)$", DOCS, re.MULTILINE)
        words = shlex.split(text.replace("\\\n", " ").replace("HOST/salus", f"HOST/{self.name}"))
        return [word.replace("HOST", f"127.0.0.1:{self.server.port}") for word in words]


@pytest.fixture
def site(server, tmp_path, request):
    name = f"site_{abs(hash(request.node.name))}"
    return Site(server, tmp_path, name)


def test_the_server_role_does_what_a_server_does_and_nothing_else(site):
    with site.open() as house:
        site.write(house, person(), creatinine("1.1", "2026-01-01", "c1"), creatinine("1.3", "2026-02-01", "c2"))
        site.write(house, creatinine("1.4", "2026-02-01", "c2"))
        mine = Session(house, site.people["pat"])
        given = mine.give_consent("p1", NOW, actors=["dr-lee"], categories=["record"])
        assert Session(house, site.people["dr-lee"]).open("p1", NOW)
        assert mine.plan("p1", NOW)[0].items
        mine.revoke("p1", given)
        for n in range(300):  # more entries than a tile of the log holds
            house.note("operator", {"reason": "tried", "n": n})
        assert not house.verify().problems
        refused = (
            "DROP TABLE log_leaf", "TRUNCATE log_leaf", "DELETE FROM log_leaf", "UPDATE log_checkpoint SET root = ''",
            "CREATE TABLE more (n BIGINT)", "ALTER TABLE resource DISABLE TRIGGER ALL", "DELETE FROM patient",
            "CREATE INDEX more ON resource (id)", "UPDATE schema_version SET version = 1", "DROP SCHEMA salus CASCADE",
            "CREATE SCHEMA more", "CREATE TABLE public.more (n BIGINT)", "SET ROLE salus_owner",
        )  # fmt: skip
        for statement in refused:
            with pytest.raises(postgres.PostgresError, match=r"\(42501\)"):
                house.store.connection.execute(statement)
        assert not rewritten(house.store.connection)
    with site.open("owner") as house:
        assert rewritten(house.store.connection)


def test_the_backup_role_only_reads(site):
    connection = postgres.connect(site.address("backup"), create=False)
    assert connection.execute("SELECT count(*) FROM log_leaf").fetchone()[0] > 0
    for statement in ("DELETE FROM memo", "INSERT INTO setting VALUES ('a', 'b')", "CREATE TEMP TABLE t (n BIGINT)"):
        with pytest.raises(postgres.PostgresError, match=r"\(42501\)"):
            connection.execute(statement)
    connection.close()


def test_an_older_schema_is_brought_up_to_date_by_its_owner_alone(site):
    connection = postgres.connect(site.address("owner"), create=False)
    newest = postgres.version(connection)
    connection.execute("DELETE FROM schema_version WHERE version = ?", (newest,))
    connection.execute("DROP TABLE server_state")
    connection.close()
    with pytest.raises(StoreError, match="cannot be brought up to date"):
        site.open()
    site.open("owner").close()
    site.open().close()


def test_a_dump_is_restored_and_an_older_one_only_where_that_is_accepted(site, server, tmp_path):
    with site.open() as house:
        site.write(house, person(), creatinine("1.1", "2026-01-01", "c1"))
        before = Session(house, site.people["pat"]).plan("p1", NOW)[0].items
        size = house.log.newest(house.store.connection).size
    dump = site.documented("pg_dump")
    server.run(*[word.replace("salus.dump", f"{server.folder}/{site.name}.dump") for word in dump])
    old = site.name
    site.name = f"{old}_again"
    site.make()
    restore = site.documented("pg_restore")
    server.run(*[word.replace("salus.dump", f"{server.folder}/{old}.dump") for word in restore])
    configuration = replace(site.file, database=site.address("owner"))
    for table in ("token_index", "date_index", "memo", "server_state"):
        (held,) = server.asked(f"SELECT count(*) FROM salus.{table}", site.address("owner"))
        assert held == "0"
    report = House.restore_database(configuration)
    assert not report.problems
    assert report.entries == size
    server.psql(site.address("owner"), SQL[1])
    with site.open() as house:
        assert Session(house, site.people["pat"]).plan("p1", NOW)[0].items == before
        site.write(house, creatinine("1.2", "2026-03-01", "c3"))
    site.name = f"{old}_older"
    site.make()
    server.run(*[w.replace("salus.dump", f"{server.folder}/{old}.dump") for w in site.documented("pg_restore")])
    with pytest.raises(StoreError, match="older than the log's last checkpoint"):
        House.restore_database(replace(site.file, database=site.address("owner")))
    configuration = replace(site.file, database=site.address("owner"))
    assert not House.restore_database(configuration, accept_loss=True).problems
    with pytest.raises(StoreError, match="no such file"):
        House.restore_database(configuration, erased=tmp_path / "none")


def test_a_store_is_not_moved_away_by_a_role_that_does_not_own_it(site):
    told = []
    with pytest.raises(StoreError, match=r"cannot be moved: InsufficientPrivilege \(42501\)"):
        move(replace(site.file, database=site.address("server")), "file", lambda done, total: told.append(done))
    assert told == []  # nothing was copied before it was known
    assert not site.file.store_file.exists()
    site.open().close()


def test_a_store_is_moved_by_the_owner_into_a_database_with_roles(site, server, tmp_path):
    site.name += "_moved"
    site.make()
    moved = at_folder(tmp_path / "moved")
    with House.create(moved, alone=True) as house:
        house.add_actor(Actor("operator", "operator", Identity.generate("operator").public_key), by="operator")
    move(moved, site.address("owner"))
    with House(replace(moved, database=site.address("server"))) as house:
        house.note("operator", {"reason": "tried"})
        assert not house.verify().problems
