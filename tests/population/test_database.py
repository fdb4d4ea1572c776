"""SQL over views: types, growth, and nothing but the tables within reach."""

import time
from decimal import Decimal

import pytest

from salus.errors import InputError
from salus.population import database
from salus.population.database import Database, columns_of, insert
from salus.population.views import read


def patients(*columns):
    return read({"resource": "Patient", "select": [{"column": list(columns)}]})


SEEN = patients(
    {"name": "id", "path": "id", "type": "id"},
    {"name": "born", "path": "birthDate", "type": "date"},
    {"name": "active", "path": "active", "type": "boolean"},
    {"name": "weight", "path": "weight", "type": "decimal"},
    {"name": "births", "path": "births", "type": "positiveInt"},
    {"name": "given", "path": "name.given", "type": "string", "collection": True},
)
ADA = {
    "resourceType": "Patient",
    "id": "a",
    "birthDate": "1968-03",
    "active": True,
    "weight": Decimal("61.50"),
    "births": 2,
    "name": [{"given": ["Ada", "May"]}],
}
BOB = {"resourceType": "Patient", "id": "b"}


@pytest.fixture
def held():
    with Database() as made:
        assert made.load("people", SEEN, [ADA, BOB]) == 2
        yield made


def test_types_and_partial_dates(held):
    answer = held.query("SELECT * FROM people ORDER BY id")
    assert answer.columns == ("id", "born", "active", "weight", "births", "given")
    assert answer.rows == (("a", "1968-03", True, 61.5, 2, ["Ada", "May"]), ("b", None, None, None, None, []))
    types = held.query("SELECT typeof(born), typeof(active), typeof(weight), typeof(births), typeof(given) FROM people")
    assert types.rows[0] == ("VARCHAR", "BOOLEAN", "DOUBLE", "INTEGER", "VARCHAR[]")


def test_tables_grow_and_join(held):
    assert held.load("people", SEEN, [{**BOB, "id": "c"}]) == 1
    assert held.load("people", SEEN, []) == 0
    assert held.load("others", patients({"name": "id", "path": "id"}), [BOB]) == 1
    joined = held.query(
        "WITH o AS (SELECT id FROM others) SELECT count(*), count(o.id) FROM people LEFT JOIN o USING (id)"
    )
    assert joined.rows == ((3, 1),)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_csv('https://example.org/x.csv')",
        "SELECT * FROM BOB",
        "SELECT getenv('HOME')",
        "COPY people TO 'out.csv'",
        "COPY (SELECT 1) TO 'out.csv'",
        "EXPORT DATABASE 'out'",
        "ATTACH 'other.db' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "SET enable_external_access = true",
        "CALL pragma_version()",
        "CREATE TABLE t AS SELECT 1",
        "DELETE FROM people",
        "DROP TABLE people",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE people",
        "",
        "SELEC 1",
        "SELECT $1",
    ],
)
def test_nothing_but_one_question_to_the_tables(held, sql, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        held.query(sql)
    assert list(tmp_path.iterdir()) == []
    assert held.query("SELECT count(*) FROM people").rows == ((2,),)


def test_what_does_not_fit_into_memory_is_not_spilled_to_a_disk(held):
    setting = "SELECT value FROM duckdb_settings() WHERE name = 'temp_directory'"
    assert held.query(setting).rows == (("",),)


def test_a_query_without_end_is_interrupted(held, monkeypatch):
    monkeypatch.setattr(database, "SECONDS", 0.2)
    begun = time.monotonic()
    with pytest.raises(InputError, match=r"more than 0\.2 s"):
        held.query("SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range * b.range % 7 = 3")
    assert time.monotonic() - begun < 5
    assert held.query("SELECT 1").rows == ((1,),)


def test_an_answer_has_a_largest_size(held, monkeypatch):
    monkeypatch.setattr(database, "MAX_ROWS", 10)
    assert len(held.query("SELECT * FROM range(10)").rows) == 10
    with pytest.raises(InputError, match="more than 10 rows"):
        held.query("SELECT * FROM range(11)")


def test_errors_do_not_quote_the_data(held):
    with pytest.raises(InputError) as refused:
        held.query("SELECT born::INTEGER FROM people")
    assert "1968" not in str(refused.value)
    assert refused.value.__suppress_context__
    with pytest.raises(InputError, match="nowhere"):
        held.query("SELECT nowhere FROM people")


def test_a_value_that_does_not_fit_leaves_the_table_as_it_was(held):
    with pytest.raises(InputError, match="does not fit") as refused:
        held.load("people", SEEN, [{**BOB, "id": "c"}, {**BOB, "id": "d", "births": "many"}])
    assert "many" not in str(refused.value)
    assert held.query("SELECT count(*) FROM people").rows == ((2,),)


@pytest.mark.parametrize("name", ["", "a b", 'x"; DROP TABLE people; --', "1a", "ä"])
def test_table_names(held, name):
    with pytest.raises(InputError, match="a table's name"):
        held.load(name, SEEN, [])


def test_columns_that_sql_cannot_tell_apart(held):
    both = patients({"name": "a", "path": "id"}, {"name": "A", "path": "id"})
    with pytest.raises(InputError, match="no table has these columns"):
        held.load("twice", both, [BOB])


def test_elements_are_held_as_json(held):
    held.load("names", patients({"name": "name", "path": "name.first()"}), [ADA])
    assert held.query("SELECT name ->> '$.given[1]' FROM names").rows == (("May",),)


SEVERAL = [True, False, 1, 0, 2.5, 2.0, 1e22, -0.0, 2**53 + 1, -(2**62) - 1, "1", "true", "", None]
LISTS = [[True, 2], [2.0, 3], ["a", None], [], [None]]


@pytest.mark.parametrize(
    ("type", "given"),
    [
        ("string", [*SEVERAL, *LISTS]),
        ("decimal", [1, 2.5, 2**53 + 1, -(2**62) - 1, True, None]),
        ("decimal", [1, 2.5, 2**53 + 1, -(2**62) - 1, None]),
        ("boolean", [True, None, False]),
        ("integer", [1, None, 2]),
    ],
)
def test_a_value_is_held_as_if_it_were_alone(type, given):
    """Also where there are values of several kinds beside it, of which DuckDB would make one."""
    view = patients({"name": "value", "path": "value", "type": type})
    alone = []
    for value in given:
        with Database() as database:
            database.load("t", view, ())
            connection = database._connection
            connection.execute('INSERT INTO "t" VALUES (?)', [value])
            alone += database.query("SELECT value FROM t").rows
    with Database() as database:
        database.load("t", view, ())
        insert(database._connection, "t", columns_of(view), [[value] for value in given])
        found = database.query("SELECT value FROM t").rows
    assert list(map(repr, found)) == list(map(repr, alone))


def test_more_rows_than_one_insert_takes(monkeypatch):
    monkeypatch.setattr(database, "AT_ONCE", 3)
    view = patients({"name": "id", "path": "id", "type": "id"})
    with Database() as made:
        assert made.load("t", view, [{**BOB, "id": str(n)} for n in range(10)]) == 10
        assert [row[0] for row in made.query("SELECT id FROM t").rows] == [str(n) for n in range(10)]
