"""``salus quarantine file``: what it says where, its exit status, and that a second run finds nothing left."""

import json

import pytest

from tests.cli.town import town  # noqa: F401

OPERATOR = ("--as", "operator")


def line(n, device="belt", value=70):
    at = f"2026-05-01T08:{n:02}:00Z"
    return json.dumps({"device": device, "code": "heart-rate", "at": at, "value": value, "unit": "/min"})


def listed(town):  # noqa: F811
    return [int(row.split()[0]) for row in town.salus("quarantine", "list", *OPERATOR).splitlines()]


@pytest.fixture
def readings(town):  # noqa: F811
    """Five readings of a device that nobody has, and their numbers."""
    (town.folder / "readings.ndjson").write_text("\n".join(line(n) for n in range(5)))
    done = town.run("listen", "--readings", "readings.ndjson", *OPERATOR)
    assert "5 readings in quarantine: nobody had the device at their time\n" in done.err
    return listed(town)


def test_readings_are_filed_once_the_device_is_assigned(town, readings):  # noqa: F811
    refused = town.run("quarantine", "file", "--device", "belt", *OPERATOR)
    assert (refused.status, len(refused.err.splitlines())) == (1, 5)
    assert "1: not filed: the device is assigned to nobody (salus alerts assign DEVICE PATIENT --since" in refused.err
    assert refused.out == "0 of 5 filed and gone from quarantine\n"
    assert listed(town) == readings
    since = ("--since", "2026-05-01T00:00:00Z")
    town.salus("alerts", "assign", "belt", "p1", "--setting", "home", *since, *OPERATOR)
    assert town.salus("quarantine", "file", "--device", "belt", *OPERATOR) == (
        "5 readings filed for patient p1 (by identifier)\n5 of 5 filed and gone from quarantine\n"
    )
    assert listed(town) == []
    again = town.salus("quarantine", "file", "--device", "belt", *OPERATOR)
    assert again == "nothing is left in quarantine to be filed\n"
    assert "nothing lies in quarantine under 1" in town.fails("quarantine", "file", "1", *OPERATOR)
    town.salus("verify")


def test_readings_are_filed_on_the_operators_word(town, readings):  # noqa: F811
    named = ("--patient", "p1", *OPERATOR)
    assert "--setting: it is not known where" in town.fails("quarantine", "file", *readings, *named)
    said = town.salus("quarantine", "file", *readings, "--setting", "ward", *named)
    assert said.startswith("5 readings filed for patient p1 (by operator)\n")
    assert listed(town) == []


def test_a_source_is_filed_for_whom_it_is(town):  # noqa: F811
    people = [{"resourceType": "Patient", "id": p, "birthDate": "1990-01-01"} for p in ("q1", "q2")]
    (town.folder / "two").mkdir()
    (town.folder / "two" / "people.ndjson").write_text("\n".join(map(json.dumps, people)))
    (town.folder / "two" / "note.txt").write_text("Date: 2026-03-02\n\nNo chest pain.\n")
    assert town.run("intake", "two", *OPERATOR).status == 1
    (number,) = listed(town)
    assert f"{number}: not filed: it is not said whose this is" in town.fails("quarantine", "file", number, *OPERATOR)
    assert "no such patient" in town.fails("quarantine", "file", number, "--patient", "q9", *OPERATOR)
    said = town.salus("quarantine", "file", number, "--patient", "q1", *OPERATOR)
    assert said == "note.txt: note, patient q1 (by operator), 1 note\n1 of 1 filed and gone from quarantine\n"
    assert listed(town) == []


def test_what_cannot_be_filed_is_one_line_and_the_rest_goes_on(town, readings):  # noqa: F811
    (town.folder / "noise.bin").write_bytes(bytes(range(256)) * 40)
    town.run("intake", "noise.bin", "--patient", "p1", *OPERATOR)
    noise = listed(town)[-1]
    done = town.run("quarantine", "file", noise, *readings, "--patient", "p1", "--setting", "home", *OPERATOR)
    assert done.status == 1
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith(f"{noise}: not filed: noise.bin: not a kind of file that is read")
    assert done.out.endswith("5 of 6 filed and gone from quarantine\n")
    assert listed(town) == [noise]


@pytest.mark.parametrize("words", [(), ("1", "--device", "belt")])
def test_either_numbers_or_a_device_are_named(town, words):  # noqa: F811
    assert "name what to file" in town.fails("quarantine", "file", *words, *OPERATOR)


@pytest.mark.parametrize("name", ["pat", "dr-lee", "clinic"])
def test_only_an_operator_files(town, readings, name):  # noqa: F811
    for words in (("--device", "belt"), ("1", "--patient", "p1", "--setting", "home")):
        assert "operator" in town.fails("quarantine", "file", *words, "--as", name)
    assert listed(town) == readings


def test_a_zone_that_is_none_is_named(town):  # noqa: F811
    assert "--time-zone: not a time zone" in town.fails("quarantine", "file", "1", "--time-zone", "Mars", *OPERATOR)


def test_a_source_of_which_a_part_would_be_lost_is_one_line_of_error(town):  # noqa: F811
    weight = {"resourceType": "Observation", "id": "w", "status": "final", "code": {"text": "Weight"}}
    entries = [{"resource": weight}, {"resource": {"resourceType": "AuditEvent", "id": "e"}}]
    (town.folder / "a.json").write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    assert town.run("intake", "a.json", *OPERATOR).status == 1
    (number,) = listed(town)
    done = town.run("quarantine", "file", number, "--patient", "p1", *OPERATOR)
    assert (done.status, done.out) == (1, "0 of 1 filed and gone from quarantine\n")
    assert done.err == (
        f"{number}: not filed: not all of it is in the record: 1 AuditEvent not taken: the record keeps its own log "
        f"(salus quarantine release {number} FILE keeps it elsewhere, salus quarantine destroy {number} ends it)\n"
    )
    assert listed(town) == [number]
