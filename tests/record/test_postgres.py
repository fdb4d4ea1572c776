"""A store in PostgreSQL: the marks of a statement, and a house on a server that is started here."""

from __future__ import annotations

import logging
import re
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.app.config import load
from salus.app.fhir import query as fhir_query
from salus.app.fhir.api import Records
from salus.app.serving import readiness
from salus.app.serving.cache import Cache
from salus.app.session import Session
from salus.errors import AccessError, ConfigurationError, StoreError
from salus.record import postgres, postgres_schema, postgres_wire
from salus.trust.grants import Grant
from tests.conftest import creatinine, person
from tests.record.conftest import NOW

TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"))
ROWS = st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1) | st.none(), TEXTS | st.none(), st.binary() | st.none()))


# ---- statements


@pytest.mark.parametrize(
    ("sql", "text", "order"),
    [
        ("SELECT 1", "SELECT 1", ()),
        ("SELECT ? + ?", "SELECT $1 + $2", (0, 1)),
        ("SELECT ?2, ?1, ?2", "SELECT $2, $1, $2", (0, 1)),
        ("SELECT :pid, :name, :pid", "SELECT $1, $2, $1", ("pid", "name")),
        ("SELECT '?', '%', 'it''s ?', ?", "SELECT '?', '%', 'it''s ?', $1", (0,)),
        ("SELECT 'a:b', 7 % ?, '1'::text", "SELECT 'a:b', 7 % $1, '1'::text", (0,)),
    ],
)
def test_marks_become_postgresqls(sql, text, order):
    assert postgres_wire.translated(sql) == (text, order)


@given(st.lists(st.sampled_from(["?", "'?'", "':a'", "x", "::b", "''''"]), max_size=8))
def test_each_mark_outside_of_texts_has_a_value(parts):
    text, order = postgres_wire.translated(" ".join(parts))
    marks = [part for part in parts if part == "?"]
    assert order == tuple(range(len(marks)))
    assert re.findall(r"\$\d+", text) == [f"${n + 1}" for n in range(len(marks))]


@pytest.fixture
def plain(server):
    """A connection with a table of every type that a store has."""
    connection = postgres.made(f"{server.address}?options=-csearch_path%3D{server.schema()}")
    connection.execute("CREATE TABLE t (place BIGINT, n BIGINT, name TEXT, body BYTEA)")
    yield connection
    connection.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_values_come_back_as_they_were_one_by_one_and_in_bulk(plain, rows):
    wanted = [(place, *row) for place, row in enumerate(rows)]
    for way in ("one", "few", "many"):
        plain.execute("DELETE FROM t")
        if way == "one":
            for row in wanted:
                plain.execute("INSERT INTO t VALUES (?, ?, ?, ?)", row)
        elif way == "few":  # no plain INSERT, for which COPY can stand
            plain.executemany("INSERT INTO t VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", wanted)
        else:
            plain.executemany("INSERT INTO t (body, place, n, name) VALUES (?4, ?1, ?2, ?3)", wanted)
        assert plain.execute("SELECT * FROM t ORDER BY place").fetchall() == wanted
        assert list(plain.scan("SELECT * FROM t ORDER BY place", 5)) == wanted


def test_rows_that_wait_for_the_next_statement_are_never_many_bytes(plain, monkeypatch):
    """A picture of a gigabyte comes in pieces of a megabyte, an INSERT each."""
    monkeypatch.setattr(postgres_wire, "HEAVY", 1000)
    plain.execute("INSERT INTO t (place, body) VALUES (?, ?)", (0, b"x"))  # prepared with the second
    for place in range(1, 8):
        plain.execute("INSERT INTO t (place, body) VALUES (?, ?)", (place, b"x" * 300))
        assert plain._weight < 1000
        assert len(plain._waiting) < 4
    assert plain._waiting
    assert plain.execute("SELECT count(*), max(length(body)) FROM t").fetchone() == (8, 300)
    assert not plain._waiting
    assert plain._weight == 0


def test_the_driver_logs_nothing_as_its_words_repeat_values(plain):
    assert not logging.getLogger("psycopg").isEnabledFor(logging.CRITICAL)


def test_a_schema_that_is_not_there_is_told_of(server):
    with pytest.raises(StoreError, match="no schema of the name"):
        postgres.connect(f"{server.address}?options=-csearch_path%3Dnowhere", create=True)


def test_a_text_that_the_database_cannot_hold_is_refused_and_not_cut_off(plain):
    plain.execute("SAVEPOINT s")
    with pytest.raises(postgres.PostgresError, match="22021"):
        plain.execute("SELECT CAST(? AS TEXT)", ("a\0b",))
    plain.execute("ROLLBACK TO s")


@pytest.mark.parametrize(
    ("value", "told"), [(2**63, "OverflowError"), ("Ada \udc80", "UnicodeEncodeError"), (["Ada"], "TypeError")]
)
@pytest.mark.parametrize("rows", [1, 2, 20])  # one by one, some in one round trip, COPY
def test_a_value_that_no_column_can_hold_is_refused_without_repeating_it(plain, value, told, rows):
    column = "n" if isinstance(value, int) else "name"
    run, given = (plain.execute, (1, value)) if rows == 1 else (plain.executemany, [(1, value)] * rows)
    with pytest.raises(postgres.PostgresError, match=told) as refused:
        run(f"INSERT INTO t (place, {column}) VALUES (?, ?)", given)
    assert "Ada" not in str(refused.value)
    assert refused.value.__suppress_context__
    plain.execute("ROLLBACK")
    assert plain.execute("SELECT 1").fetchone() == (1,)


INSERT = "INSERT INTO patient VALUES (?, ?)"


@pytest.mark.parametrize("sent", [("COMMIT",), (f"{INSERT} ON CONFLICT DO NOTHING", [(3, "p3"), (4, "p4")])])
def test_who_is_interrupted_among_statements_sent_together_gives_the_turn_back(server, monkeypatch, sent):
    address = f"{server.address}?options=-csearch_path%3D{server.schema()}"
    stopped, other = postgres.connect(address, create=True), postgres.connect(address, create=False)
    stopped.begin(1.0)
    for n in (1, 2):  # the second waits for the next statement
        stopped.execute(INSERT, (n, f"p{n}"))

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(stopped, "_answer", stop)
    with pytest.raises(KeyboardInterrupt):
        (stopped.execute if len(sent) == 1 else stopped.executemany)(*sent)
    other.begin(5.0)
    stopped.execute("ROLLBACK")
    with pytest.raises(postgres.PostgresError, match="no connection"):
        stopped.execute("SELECT 1")
    other.close()


def test_rows_that_wait_are_there_when_they_are_looked_for_and_wrong_ones_are_told_of(plain):
    insert = "INSERT INTO patient VALUES (?, ?)"
    plain.script("COMMIT")
    plain.script("CREATE TEMP TABLE u (n BIGINT UNIQUE)")
    plain.script("BEGIN")
    for n in (1, 2, 3):
        plain.execute(insert, (n, f"p{n}"))
    assert plain.execute("SELECT id FROM patient ORDER BY pid").fetchall() == [("p1",), ("p2",), ("p3",)]
    plain.execute("SAVEPOINT s")
    plain.execute(insert, (3, "p3"))
    with pytest.raises(postgres.PostgresError, match="23505"):
        plain.execute("SELECT 1")
    plain.execute("ROLLBACK TO s")
    plain.execute(insert, (3, "p3"))
    with pytest.raises(postgres.PostgresError, match="23505"):
        plain.execute("COMMIT")
    plain.execute("ROLLBACK")
    plain.execute("BEGIN")
    for _ in range(3):
        plain.execute("INSERT INTO u VALUES (?)", (1,))
    plain.execute("ROLLBACK")  # what waits is of no interest any more, and not in the way


def test_a_commit_that_the_server_made_a_rollback_is_none(plain):
    with pytest.raises(postgres.PostgresError):
        plain.execute("SELECT 1 / 0")
    with pytest.raises(postgres.PostgresError, match="nothing was committed"):
        plain.execute("COMMIT")


def test_a_statement_of_many_that_fails_leaves_a_connection_that_works(plain):
    with pytest.raises(postgres.PostgresError, match="23505"):
        plain.executemany("INSERT INTO patient VALUES (?, ?)", [(1, "a"), (2, "b"), (1, "c")])
    plain.execute("ROLLBACK")
    assert plain.execute("SELECT ?", (7,)).fetchone() == (7,)


def test_more_rows_than_are_read_at_once(plain):
    rows = plain.execute("SELECT n FROM generate_series(1, ?) n", (2500,))
    assert rows.rowcount == 2500
    assert rows.fetchone() == (1,)
    assert rows.fetchmany(1500) == [(n,) for n in range(2, 1502)]
    assert rows.fetchall() == [(n,) for n in range(1502, 2501)]
    assert rows.fetchone() is None
    plain.executemany("INSERT INTO t (place) VALUES (?) ON CONFLICT DO NOTHING", [(n,) for n in range(600)])
    changed = plain.execute("UPDATE t SET n = place WHERE place < ?", (590,))
    assert changed.rowcount == 590


def test_more_statements_than_are_remembered(plain, monkeypatch):
    monkeypatch.setattr(postgres_wire, "KEPT", 3)
    for _ in range(3):
        for n in range(6):
            assert plain.execute(f"SELECT {n} + ?", (n,)).fetchone() == (2 * n,)
            assert plain.execute(f"SELECT {n} + ?", (n,)).fetchone() == (2 * n,)
    (kept,) = plain.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    assert kept <= 4


def test_a_migration_gets_postgresqls_types():
    script = "CREATE TABLE t (n INTEGER PRIMARY KEY, m INTEGER, name TEXT, body BLOB) WITHOUT ROWID;"
    assert postgres_schema.translated(script) == (
        'CREATE TABLE t (n BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, m BIGINT, name TEXT COLLATE "C", '
        "body BYTEA);"
    )


@pytest.mark.parametrize("address", ["mysql://h/d", "postgresql://u:secret@h/d", "postgresql://h/d?password=x", "here"])
def test_an_address_with_a_password_or_of_something_else_is_refused(address, tmp_path):
    with pytest.raises(ConfigurationError, match="not an address"):
        load(environment={"SALUS_DATABASE": address, "SALUS_STORE": str(tmp_path)})


def test_records_consents_searches_and_findings_are_those_of_a_file(clinic):
    with clinic.open() as house:
        clinic.write(house, person(), creatinine("1.1", "2026-01-01", "c1"), creatinine("1.3", "2026-02-01", "c2"))
        clinic.write(house, creatinine("1.4", "2026-02-01", "c2"))
        reader = Session(house, clinic.people["dr-lee"])
        code = ("code", "http://loinc.org|2160-0")

        def found(*more):
            page = Records(reader, Cache()).search(fhir_query.parse("Observation", [code, *more]))
            return [s.source.ref for s in page.entries], page.total

        assert found(("_total", "accurate")) == ([], 0)
        mine = Session(house, clinic.people["pat"])
        given = mine.give_consent("p1", NOW, actors=["dr-lee"], categories=["record"])
        assert found(("_total", "accurate")) == (["Observation/c1", "Observation/c2"], 2)
        assert found(("date", "ge2026-02"), ("_summary", "count"))[1] == 1
        versions = Records(reader, Cache()).history("Observation", "c2")
        assert [str(s.body["valueQuantity"]["value"]) for s in versions] == ["1.4", "1.3"]
        plan, opened = mine.plan("p1", NOW)
        assert plan.items
        assert opened.findings
        mine.revoke("p1", given)
        assert found() == ([], None)
        with pytest.raises(AccessError):
            reader.open("p1", NOW)
        assert not house.verify().problems
    with clinic.open() as again:
        assert again.store.patients(again.gate.house("operator")) == ["p1"]
        assert not again.verify().problems


def test_a_log_of_several_tiles_is_whole(clinic):
    with clinic.open() as house:
        before = house.log.newest(house.store.connection).size
        for _ in range(2):
            with house.store.transaction(house.gate.house("operator", may_write=True)) as connection:
                for n in range(400):
                    entry = {"reason": "tried", "at": house.time(), "by": "operator", "n": n}
                    house.log.append(connection, "", "house", entry)
        newest = house.log.newest(house.store.connection)
        assert newest.size == before + 800
        assert house.log.view(house.store.connection, newest.size).root() == newest.root
        assert not house.verify().problems


def test_several_writers_and_a_server_that_is_killed_lose_nothing_acknowledged(clinic, server):
    done: list[str] = []
    stop = threading.Event()
    with clinic.open() as house:
        clinic.write(house, person())

    def work(place: int) -> None:
        n = 0
        while not stop.is_set():
            try:
                with clinic.open() as house:
                    while not stop.is_set():
                        n += 1
                        clinic.write(house, creatinine("1.0", "2026-01-01", f"w{place}-{n}"))
                        done.append(f"w{place}-{n}")
            except StoreError:
                stop.wait(0.1)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    try:
        for mode in ("immediate", "fast"):
            before = len(done)
            while len(done) < before + 20:
                stop.wait(0.05)
            server.stop(mode)
            server.start()
    finally:
        before = len(done)
        stop.wait(0.5)
        stop.set()
        for thread in threads:
            thread.join()
    with clinic.open() as house:
        scope = Grant("t", "p1", "self", frozenset({"record"}), may_write=False, purpose="PATRQT")
        stored = {s.body["id"] for s in house.store.read(scope, ("Observation",))}
        assert set(done) <= stored
        assert len(done) > 40
        assert not house.verify().problems


def test_who_waits_too_long_for_a_writer_of_another_machine_is_told(clinic):
    elsewhere = postgres.connect(clinic.configuration.database, create=False)
    with clinic.open() as house:
        scope = house.gate.house("operator", may_write=True)
        elsewhere.begin(1.0)
        with pytest.raises(StoreError), house.store.transaction(scope, 0.2):
            pass
        elsewhere.execute("ROLLBACK")
        with house.store.transaction(scope, 0.2):
            pass
    elsewhere.close()


def test_a_house_whose_database_was_restarted_says_that_it_is_to_be_opened_anew(clinic, server):
    with clinic.open() as house:
        assert not house.outdated()
        server.stop("fast")
        assert house.outdated()
        server.start()
        assert house.outdated()
    with clinic.open() as again:
        assert not again.outdated()


def test_what_is_refused_repeats_no_value(clinic):
    with clinic.open() as house, pytest.raises(postgres.PostgresError) as refused:
        house.store.connection.execute("INSERT INTO patient (pid, id) VALUES (?, ?)", ("a secret name", 1))
    assert "secret" not in str(refused.value)


def test_readiness_looks_into_the_database(clinic, server):
    assert readiness.problems(clinic.configuration) == []
    assert readiness.sizes(clinic.configuration)["log_entries"] >= 4
    server.stop("fast")
    assert readiness.problems(clinic.configuration) == ["the store cannot be opened"]
    server.start()


def test_without_a_store_or_a_server_it_is_said_which(clinic, server, tmp_path):
    with pytest.raises(StoreError, match="no store in this database"):
        postgres.connect(server.address, create=False)
    with pytest.raises(StoreError, match="cannot be reached") as refused:
        postgres.connect("postgresql://somebody@127.0.0.1:1/none", create=False)
    assert "somebody" not in str(refused.value)
