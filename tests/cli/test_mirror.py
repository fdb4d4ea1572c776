"""The commands of mirrors: what they print where, and that they leave nothing half done."""

import json

from tests.cli.town import town  # noqa: F401

VIEW = {
    "resourceType": "ViewDefinition",
    "name": "people",
    "resource": "Patient",
    "select": [{"column": [{"name": "id", "path": "id"}, {"name": "sex", "path": "gender"}]}],
}
DR_LEE = ("--as", "dr-lee")


def test_a_mirror_from_making_it_to_dropping_it(town):  # noqa: F811
    town.consent("--purpose", "HRESCH")
    (town.folder / "view.json").write_text(json.dumps(VIEW))
    made = town.run("population", "mirror", "held", "--view", "view.json", "--shards", "2", "--records", *DR_LEE)
    assert (made.status, made.out) == (0, "")
    assert made.err == "mirror: 1 people, 1 read, 0 gone\n"
    asked = town.run("population", "query", "held", *DR_LEE)
    assert asked.out == "id,sex\np1,female\n"
    assert asked.err == "mirror: 1 people, 0 read, 0 gone\n1 rows of 1 people\n"
    assert town.salus("population", "query", "held", "--sql", "SELECT count(*) n FROM people", *DR_LEE) == "n\n1\n"
    rows = town.salus("population", "run", "held", "rows", "--view", "view.json", *DR_LEE)
    assert [json.loads(line) for line in rows.splitlines()] == [{"id": "p1", "sex": "female"}]
    plans = town.salus("population", "run", "held", "plans", "--at", "2026-06-01", *DR_LEE)
    assert [json.loads(line)["patient"] for line in plans.splitlines()] == ["p1"]
    index = max((town.folder / "held").glob("*.index"), key=lambda path: path.stat().st_size)
    index.write_bytes(b"")
    again = town.run("population", "mirror", "held", *DR_LEE)
    assert again.err == f"held/{index.name}: damaged; its shard was written anew\nmirror: 1 people, 1 read, 0 gone\n"
    town.salus("population", "drop", "held", *DR_LEE)
    assert not (town.folder / "held").exists()


def test_what_is_wrong_is_said_and_nothing_is_made(town):  # noqa: F811
    (town.folder / "view.json").write_text(json.dumps(VIEW))
    (town.folder / "bad.json").write_text("[]")
    assert "not a ViewDefinition" in town.fails("population", "mirror", "held", "--view", "bad.json", *DR_LEE)
    assert "rows or records" in town.fails("population", "mirror", "held", *DR_LEE)
    assert "1 to 256 shards" in town.fails(
        "population", "mirror", "held", "--view", "view.json", "--shards", "999", *DR_LEE
    )
    assert not (town.folder / "held").exists()
    for words in (("query", "held"), ("run", "held", "plans"), ("drop", "held")):
        assert "there is no mirror" in town.fails("population", *words, *DR_LEE)
    town.salus("population", "mirror", "held", "--records", *DR_LEE)
    assert "rows take a ViewDefinition" in town.fails("population", "run", "held", "rows", *DR_LEE)
    assert "rows take a ViewDefinition" in town.fails(
        "population", "run", "held", "plans", "--view", "view.json", *DR_LEE
    )
    elsewhere = ("--scheduler", "tcp://127.0.0.1:1")
    assert "begins with tls://" in town.fails("population", "run", "held", "plans", *elsewhere, *DR_LEE)


def test_an_erasure_says_that_mirrors_still_hold_the_patient_and_the_next_update_drops_him(town):  # noqa: F811
    town.consent("--purpose", "HRESCH")
    (town.folder / "view.json").write_text(json.dumps(VIEW))
    town.salus("population", "mirror", "held", "--view", "view.json", "--shards", "2", *DR_LEE)
    town.salus("privacy", "ask-erasure", "p1", "--as", "pat")
    said = town.salus("privacy", "erase", "p1", "--yes", "--as", "operator")
    assert "Mirrors for analytics are not reached and still hold the erased" in said
    assert "salus population mirror FOLDER" in said
    assert "salus population drop FOLDER" in said
    assert "salus keeps no list of mirrors" in said
    again = town.run("population", "mirror", "held", *DR_LEE)
    assert again.err == "mirror: 0 people, 0 read, 1 gone\n"
    assert town.run("population", "query", "held", *DR_LEE).out == "id,sex\n"
