"""``salus terminology``: look-up, and packs that are loaded, shown and removed."""

from __future__ import annotations

import pytest

from salus.app.config import load as settings
from salus.app.terminology import packs, terminology_of
from salus.cli.terminology import load as load_command
from salus.fhir.codes import Code
from salus.terminology.releases.load import KINDS

SNOMED = "http://snomed.info/sct"


@pytest.fixture
def release(tmp_path):
    path = tmp_path / "ours.csv"
    path.write_text(
        "system,code,concept,display\nsnomed,9000901,diabetes,Sugar at our place\nsnomed,9000902,no-such,x\n", "utf-8"
    )
    return path


def test_a_pack_is_loaded_shown_used_and_removed(empty, release):
    assert empty.salus("terminology", "origins").count("pack ") == 0
    before = empty.salus("terminology", "origins").splitlines()[-1]
    assert empty.fails("terminology", "lookup", "snomed|9000901").startswith("salus: not understood")
    said = empty.salus("terminology", "load", release)
    assert said.splitlines() == [
        "pack table-ours: own table ours.csv; rows: 1 code, 1 title",
        "not carried over: 1 rows of ours.csv with a concept that salus does not have (first: line 3)",
    ]
    assert "diagnosis: diabetes (active, by code)" in empty.salus("terminology", "lookup", "snomed|9000901")
    assert "diabetes (active, by text)" in empty.salus("terminology", "lookup", "sugar at our place")
    shown = empty.salus("terminology", "origins").splitlines()
    assert shown[-2].startswith("pack table-ours: own table ours.csv (as licensed to you) ")
    assert shown[-1].startswith("digest ")
    assert shown[-1] != before
    assert empty.salus("terminology", "remove", "table-ours") == "removed table-ours\n"
    assert empty.salus("terminology", "origins").splitlines()[-1] == before
    assert packs(settings()) == []


def test_a_newer_load_replaces_and_a_name_keeps_both(empty, release):
    empty.salus("terminology", "load", release)
    release.write_text("system,code,concept\nsnomed,9000901,asthma\n", "utf-8")
    empty.salus("terminology", "load", release, "--name", "zz", "--kind", "table")
    assert [path.stem for path in packs(settings())] == ["table-ours", "zz"]
    meaning = terminology_of(settings()).diagnosis([Code(SNOMED, "9000901")])
    assert meaning.narrow == {"asthma"}, "the later name lies over the earlier"
    empty.salus("terminology", "load", release)
    empty.salus("terminology", "remove", "zz")
    assert terminology_of(settings()).diagnosis([Code(SNOMED, "9000901")]).narrow == {"asthma"}


@pytest.mark.parametrize("name", ["nothing", "../ours", "table-ours.sqlite", ""])
def test_only_a_pack_is_removed(empty, release, name):
    empty.salus("terminology", "load", release)
    said = empty.fails("terminology", "remove", name)
    assert "no pack" in said
    assert "table-ours" in said
    assert len(packs(settings())) == 1


def test_what_cannot_be_loaded_is_one_line(empty, release):
    release.write_bytes(b"\xff\xfe")
    for more in ([], ["--kind", "loinc"], ["--kind", "wonder"], ["--name", "../x"]):
        said = empty.fails("terminology", "load", release, *more)
        assert said.startswith("salus: ")
        assert said.count("\n") == 1
    assert packs(settings()) == []


def test_the_help_names_every_kind():
    text = next(option.help for option in load_command.params if option.name == "kind")
    assert all(kind in text for kind in KINDS)
