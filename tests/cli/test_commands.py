"""Every command explains itself; a failure is one line on standard error with a status, never a traceback."""

import json
import os
import subprocess
import sys

import click
import pytest

from salus.cli.main import COMMANDS, cli
from tests.intake import made

AT = ("--at", "2026-06-01")


@pytest.fixture(autouse=True)
def fresh():
    """click keeps a command's help option, with the names that it had where it was used first."""
    for command in ALL.values():
        command._help_option = None


def commands(prefix=(), group=cli):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*prefix, name), command
        if isinstance(command, click.Group):
            yield from commands((*prefix, name), command)


ALL = dict(commands())


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_help(empty, words):
    for flag in ("--help", "-h"):
        assert "Usage: salus " + " ".join(words) in empty.salus(*words, flag)
    assert ALL[words].help
    for option in (p for p in ALL[words].params if isinstance(p, click.Option)):
        assert option.help, f"{option.opts} has no help"


def test_help_of_salus_lists_every_command_and_what_it_is_not(empty):
    text = empty.salus("--help")
    assert all(name in text for name in COMMANDS)
    assert "not a medical device" in text
    assert empty.salus("--version").startswith("salus, version ")


@pytest.mark.parametrize("words", [w for w, c in ALL.items() if not isinstance(c, click.Group)], ids=" ".join)
def test_every_command_names_its_actor_or_needs_none(words):
    named = {option for p in ALL[words].params for option in p.opts}
    alone = {
        ("demo",),
        ("terminology", "lookup"),
        ("terminology", "origins"),
        ("terminology", "load"),
        ("terminology", "remove"),
        ("discovery", "fit"),
        ("discovery", "predict"),
        ("discovery", "similar"),
        ("discovery", "signals"),
        ("discovery", "design"),
        ("imaging", "reconstruct"),
        ("surgery", "mesh"),
        ("surgery", "plan"),
        ("operations", "plan"),
        ("operations", "check"),
        ("operations", "forecast"),
        ("tour",),
        ("init",),
        ("witness",),
        ("anchor", "consent", "deploy"),
        ("anchor", "consent", "look"),
        ("privacy", "check-export"),
        ("verify",),
        ("restore",),
        ("serve",),
        ("methods", "card"),
        ("anchor", "deploy"),
        ("questionnaire", "show"),
        ("trials", "design"),
        ("trials", "size"),
        ("privacy", "anonymise"),
        ("log", "check"),
    }
    assert ("--as" in named or "--by" in named) != (words in alone)


WRONG = [
    ("nonsense",),
    ("intake",),
    ("intake", "x"),
    ("plan", "p1"),
    ("plan", "p1", "--as", "pat", "--nonsense"),
    ("consent", "give", "p1", "--as", "pat"),
    ("consent", "sign", "nowhere.json", "--as", "pat"),
    ("consent", "close", "p1", "blood", "--as", "pat"),
    ("actor", "add", "x", "--kind", "wizard", "--by", "operator"),
    ("quarantine", "release", "one", "file", "--as", "operator"),
    ("restore", "nowhere.sqlite"),
    ("verify", "--checkpoint", "nowhere"),
    ("policy", "add", "nowhere.json", "--as", "operator"),
]


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_a_wrong_call_is_explained_with_status_two(empty, words):
    done = empty.run(*words)
    assert done.status == 2
    assert done.out == ""
    assert "Error: " in done.err
    assert "Traceback" not in done.err


FAILING = {
    "no store": ("verify",),
    "no store to act in": ("plan", "p1", "--as", "pat"),
    "no settings": ("--config", "nowhere.toml", "verify"),
}


@pytest.mark.parametrize("words", FAILING.values(), ids=FAILING)
def test_without_a_store_one_line_says_what_to_do(empty, words):
    done = empty.run(*words)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("salus: ")
    assert done.err.count("\n") == 1


EXPLAINED = [
    ("init",),
    ("intake", "nowhere", "--as", "operator"),
    ("intake", "in", "--as", "nobody"),
    ("intake", "in", "--as", "../../keys/master"),
    ("intake", "in", "--as", "pat"),
    ("findings", "p1", "--as", "dr-lee"),
    ("findings", "nobody", "--as", "dr-lee"),
    ("plan", "p1", "--as", "pat", "--at", "yesterday"),
    ("plan", "p1", "--as", "pat", "--without", "blood"),
    ("plan", "p1", "--as", "pat", "--html", "no/such/folder/x.html", *AT),
    ("plan", "p1", "--as", "pat", "--fhir", "no/such/folder/x.json", *AT),
    ("explain", "p1", "no-such-item", "--as", "pat", *AT),
    ("consent", "give", "p1", "--to", "nobody", "--as", "pat"),
    ("consent", "give", "p1", "--to", "dr-lee", "--as", "pat", "--until", "soon"),
    ("consent", "give", "p1", "--to", "dr-lee", "--as", "dr-lee"),
    ("consent", "revoke", "p1", "no-such", "--as", "pat"),
    ("actor", "add", "pat", "--kind", "practitioner", "--by", "operator"),
    ("actor", "add", "a b", "--kind", "practitioner", "--by", "operator"),
    ("actor", "add", "x", "--kind", "patient", "--by", "operator"),
    ("actor", "add", "x", "--kind", "practitioner", "--public-key", "zz", "--by", "operator"),
    ("actor", "add", "x", "--kind", "practitioner", "--public-key", "00" * 32, "--by", "operator"),
    ("actor", "add", "demo-x", "--kind", "practitioner", "--by", "operator"),
    ("actor", "add", "x", "--kind", "practitioner", "--by", "pat"),
    ("actor", "remove", "nobody", "--as", "operator"),
    ("policy", "add", "in/record.json", "--as", "operator"),
    ("policy", "add", "in/letter.txt", "--as", "operator"),
    ("consent", "sign", "in/letter.txt", "--as", "pat"),
    ("policy", "remove", "nothing", "--as", "operator"),
    ("methods", "allow", "nothing", "--as", "operator"),
    ("methods", "allow", "risk.egfr", "--as", "operator"),
    ("methods", "withdraw", "nothing", "--as", "operator"),
    ("methods", "card", "nothing"),
    ("log", "patient", "p1", "--as", "operator"),
    ("quarantine", "release", "7", "out.bin", "--as", "operator"),
    ("verify", "--checkpoint", "in/letter.txt"),
    ("backup", "in/letter.txt", "--as", "operator"),
    ("backup", "no/such/folder/copy", "--as", "operator"),
    ("restore", "in/letter.txt"),
]


def test_every_failure_is_one_line_with_status_one(town):
    for words in EXPLAINED:
        done = town.run(*words)
        assert done.status == 1, f"{words}: {done.text}"
        assert done.out == "", words
        lines = done.err.splitlines()
        assert len(lines) == 1, f"{words}: {done.err}"
        assert lines[0].startswith("salus: ")
        assert "Error'" not in lines[0]
    assert "as written" in town.salus("verify")


ONLY_OPERATORS = [
    ("actor", "remove", "dr-no"),
    ("policy", "add", "policy.json"),
    ("policy", "remove", "x"),
    ("methods", "allow", "x"),
    ("methods", "withdraw", "x"),
    ("backup", "copy"),
    ("quarantine", "release", "1", "out"),
]


@pytest.mark.parametrize("name", ["pat", "dr-lee", "clinic"])
def test_what_only_operators_may_do_others_may_not(town, name):
    (town.folder / "policy.json").write_text("{}")
    for words in ONLY_OPERATORS:
        assert "operator" in town.fails(*words, "--as", name), words
    assert not (town.folder / "copy").exists()
    assert not (town.folder / "out").exists()


def test_an_init_that_fails_leaves_nothing_half_made(empty):
    for name in ("a b", "demo-x", "../x", ""):
        empty.fails("init", "--operator", name)
        assert list(empty.folder.iterdir()) == []
    (empty.folder / "identities").mkdir()
    (empty.folder / "identities" / "operator.key").write_bytes(b"x" * 32)
    empty.fails("init")
    assert not (empty.folder / "store").exists()
    assert not (empty.folder / "keys").exists()
    empty.salus("init", "--operator", "other")
    empty.salus("actor", "list", "--as", "other")


def test_intake_says_what_was_taken_and_ends_with_one_where_something_was_not(town):
    (town.folder / "in" / "broken.json").write_bytes(made.fhir()[:50])
    (town.folder / "in" / "foreign.txt").write_bytes(made.note(mrn="MRN-p2"))
    done = town.run("intake", "in", "--as", "operator", "--patient", "p1")
    assert done.status == 1
    assert "7 of 9 sources in the record" in done.out
    assert done.out.count("already in the record") == 7
    refusals = done.err.splitlines()
    assert len(refusals) == 2
    assert all("not taken in" in line and "in quarantine under" in line for line in refusals)
    assert len(town.salus("quarantine", "list", "--as", "operator").splitlines()) == 2


def test_a_dry_run_has_the_same_status_and_stores_nothing(empty):
    empty.salus("init")
    folder = made.folder(empty.folder / "in")
    assert "7 of 7 sources readable" in empty.salus("intake", folder, "--as", "operator", "--dry-run")
    (folder / "broken.json").write_bytes(b"{")
    assert empty.run("intake", folder, "--as", "operator", "--dry-run").status == 1
    assert empty.salus("quarantine", "list", "--as", "operator") == ""
    assert "0 resource versions" in empty.salus("verify")


def test_a_quarantined_file_comes_back_byte_for_byte_and_overwrites_nothing(town):
    data = bytes(range(256)) * 9000
    (town.folder / "noise.bin").write_bytes(data)
    assert town.run("intake", "noise.bin", "--as", "operator", "--patient", "p1").status == 1
    town.fails("quarantine", "release", "1", "in/letter.txt", "--as", "operator")
    assert (town.folder / "in" / "letter.txt").read_bytes() == made.note()
    town.salus("quarantine", "release", "1", "out.bin", "--as", "operator")
    head, _, rest = (town.folder / "out.bin").read_bytes().partition(b"\n")
    assert (head, rest) == (f"== noise.bin {len(data)}".encode(), data)


def test_findings_plan_and_explain_go_through(town):
    town.consent()
    assert town.salus("findings", "p1", "--as", "dr-lee", *AT).strip()
    for line in town.salus("findings", "p1", "--as", "dr-lee", "--json", *AT).splitlines():
        assert json.loads(line)["subject"] == {"reference": "Patient/p1"}
    text = town.salus("plan", "p1", "--as", "dr-lee", "--html", "plan.html", "--fhir", "plan.json", *AT)
    assert "not a medical device" in text.replace("\n", " ").lower().replace("  ", " ")
    assert json.loads((town.folder / "plan.json").read_text())["resourceType"] == "Bundle"
    page = (town.folder / "plan.html").read_text("utf-8")
    assert "Ada Example" in page
    assert "http-equiv" not in page or "refresh" not in page
    assert town.salus("explain", "p1", "1", "--as", "dr-lee", *AT).count("\n") > 2


def test_an_identifier_names_the_patient_too(town):
    by_id = town.salus("findings", "p1", "--as", "pat", *AT)
    assert town.salus("findings", "urn:test:mrn|MRN-p1", "--as", "pat", *AT) == by_id
    assert "not released" in town.fails("findings", "urn:test:mrn|MRN-p2", "--as", "pat", *AT)


def test_backup_and_restore(town):
    before = town.salus("findings", "p1", "--as", "pat", *AT)
    town.salus("backup", "copy.sqlite", "--as", "operator")
    assert "already" in town.fails("restore", "copy.sqlite")
    for file in (town.folder / "store").iterdir():
        file.unlink()
    assert "restored and verified" in town.salus("restore", "copy.sqlite")
    assert "as written" in town.salus("verify")
    assert town.salus("findings", "p1", "--as", "pat", *AT) == before


def test_a_backup_alone_cannot_be_read(town):
    town.salus("backup", "copy.sqlite", "--as", "operator")
    raw = (town.folder / "copy.sqlite").read_bytes()
    for secret in (b"Ada", b"MRN-p1", b"2160-0", b"simvastatin"):
        assert secret not in raw
    (town.folder / "keys").rename(town.folder / "keys-elsewhere")
    assert "key" in town.fails("verify")


def test_the_birth_date_does_not_stand_in_a_backup(town):
    town.salus("backup", "copy.sqlite", "--as", "operator")
    assert b"1968-03-14" not in (town.folder / "copy.sqlite").read_bytes()


def test_verify_ends_with_one_where_something_was_changed(town):
    import sqlite3

    connection = sqlite3.connect(town.folder / "store" / "record.sqlite")
    connection.execute("DELETE FROM resource WHERE type = 'Observation'")
    connection.commit()
    connection.close()
    done = town.run("verify")
    assert done.status == 1
    assert "problems" in done.out
    assert "Traceback" not in done.err


def test_a_checkpoint_that_somebody_kept_holds_the_log_to_it(town):
    (town.folder / "mark").write_text(town.salus("log", "checkpoint", "--as", "operator"))
    town.salus("findings", "p1", "--as", "pat", *AT)
    assert "as written" in town.salus("verify", "--checkpoint", "mark")


@pytest.mark.parametrize(("words", "status"), [(["--help"], 0), (["verify"], 1), (["nonsense"], 2)])
def test_the_status_reaches_the_shell(tmp_path, words, status):
    environment = {**os.environ, "SALUS_STORE": str(tmp_path), "SALUS_KEYS": str(tmp_path / "k")}
    command = [sys.executable, "-c", "from salus.cli.main import main; main()", *words]
    assert subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True).returncode == status
