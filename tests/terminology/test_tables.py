"""Terminology files: the shipped one, packs laid over it, systems and the registry of concepts."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
import threading
from importlib.resources import files
from pathlib import Path

import pytest

from salus.errors import InputError
from salus.fhir.codes import Code
from salus.terminology import codes as registry
from salus.terminology.reader import Terminology, shipped
from salus.terminology.systems import system_of
from salus.terminology.tables import Tables, shipped_file
from salus.terminology.words import fold, key

SNOMED = "http://snomed.info/sct"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack with one code, one product and one origin."""
    path = tmp_path / "pack.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(files("salus.terminology").joinpath("data", "schema.sql").read_text("utf-8"))
    connection.execute("INSERT INTO origin VALUES ('hospital list', '1', 'own', 'ab', '')")
    connection.executemany("INSERT INTO meaning VALUES (?, ?)", [(1, "asthma"), (2, "metformin+zxqvgliptin")])
    connection.execute("INSERT INTO code VALUES ('d', 'snomed', 44054006, 1, '')")
    connection.execute("INSERT INTO product VALUES ('ndc9', 123456789, 2, '', 0)")
    connection.commit()
    connection.close()
    return path


def test_a_later_file_wins_and_adds(pack: Path) -> None:
    terminology = Terminology([pack])
    assert terminology.diagnosis([Code(SNOMED, "44054006")]).narrow == {"asthma"}
    assert "hypertension" in terminology.diagnosis([Code(SNOMED, "38341003")]).concepts
    ndc = [Code("http://hl7.org/fhir/sid/ndc", "12345-6789-01")]
    assert terminology.medicine(ndc).ingredients == ("metformin", "zxqvgliptin")
    assert shipped().medicine(ndc).ingredients == ()


def test_ways_of_writing_a_us_product_code(pack: Path) -> None:
    medicine = Terminology([pack]).medicine
    for written in ("12345-6789-01", "12345678901", "12345-6789"):
        assert medicine([Code("http://hl7.org/fhir/sid/ndc", written)]).ingredients, written
    for written in ("1234567890", "12345", ""):
        assert not medicine([Code("http://hl7.org/fhir/sid/ndc", written)]).ingredients, written


def test_origins_and_digest(pack: Path) -> None:
    assert any(origin.name == "hospital list" for origin in Terminology([pack]).origins)
    names = [origin.name for origin in shipped().origins]
    assert "RxNorm and UNII" in names
    assert all(len(origin.digest) == 64 and origin.licence and origin.version for origin in shipped().origins)
    assert len(shipped().digest) == 64
    assert shipped().digest != Terminology([pack]).digest
    content = hashlib.sha256(shipped_file().read_bytes()).digest()
    assert shipped().digest == hashlib.sha256(content).hexdigest()


def test_every_origin_that_asks_for_a_notice_stands_in_notice_md() -> None:
    text = files("salus.terminology").joinpath("data", "NOTICE.md").read_text("utf-8")
    assert all(origin.notice.strip() in text for origin in shipped().origins)
    assert "National Library of Medicine" in text
    assert "SNOMED International" in text


def test_a_file_of_another_form_is_refused_by_name_only(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    path.write_text("no database at all, but long enough to be read as one" * 100, "utf-8")
    with pytest.raises(InputError, match=r"other\.sqlite"):
        Terminology([path]).diagnosis([Code(SNOMED, "44054006")])


def test_threads_read_at_once() -> None:
    terminology = Terminology()
    wrong: list[str] = []

    def ask() -> None:
        for _ in range(50):
            if "diabetes" not in terminology.diagnosis([Code(SNOMED, "44054006")]).concepts:
                wrong.append("diagnosis")
            if terminology.medicine([], "losartan/HCTZ").ingredients != ("hydrochlorothiazide", "losartan"):
                wrong.append("medicine")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_importing_opens_nothing() -> None:
    code = "import sys, salus.terminology.reader; sys.exit('sqlite3' in sys.modules or 'tomllib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_shipped_file_is_small_and_holds_no_terms_of_snomed() -> None:
    assert shipped_file().stat().st_size < 8_000_000
    connection = sqlite3.connect(f"{shipped_file().as_uri()}?mode=ro", uri=True)
    columns = {row[0] for row in connection.execute("SELECT name FROM pragma_table_info('code')")}
    assert columns == {"kind", "system", "code", "meaning", "aspect"}
    connection.close()


def test_every_concept_of_the_tables_is_in_the_registry() -> None:
    connection = sqlite3.connect(f"{shipped_file().as_uri()}?mode=ro", uri=True)
    rows = connection.execute("SELECT DISTINCT names FROM code JOIN meaning ON meaning.id = code.meaning").fetchall()
    names = {name for row in rows for name in row[0].split("+")}
    names |= {row[0] for row in connection.execute("SELECT DISTINCT concept FROM prefix")}
    names |= {row[0] for row in connection.execute("SELECT concept FROM rule")}
    names |= {row[0] for row in connection.execute("SELECT DISTINCT concept FROM pattern")}
    connection.close()
    assert names - {""} <= registry.concepts().keys()  # "" is of codes that are known to mean none
    assert len(names) > 400


def test_the_registry_keeps_the_codes_that_were_preferred_first() -> None:
    assert registry.get("systolic-bp").codes[0].code == "8480-6"
    assert registry.get("total-cholesterol").codes[0].code == "2093-3"
    assert registry.get("stroke").codes[0].code == "230690007"
    assert registry.get("statin").codes[0].system == "urn:salus:code"
    assert registry.get("asthma").codes[0] == Code(SNOMED, "195967001", "Asthma")


def test_every_broader_concept_exists_and_none_is_its_own() -> None:
    for concept in registry.concepts().values():
        assert set(concept.broader) <= registry.concepts().keys(), concept.name
        assert all(concept.name not in registry.with_broader(concept.broader) for _ in (0,)), concept.name


def test_names_by_exact_code() -> None:
    assert "ldl-cholesterol" in registry.names([Code("http://loinc.org", "18262-6")])
    assert registry.names([Code("http://loinc.org", "0-0")]) == frozenset()
    with pytest.raises(KeyError):
        registry.get("zxqv")


@pytest.mark.parametrize(
    ("uri", "key_"),
    [
        ("http://hl7.org/fhir/sid/icd-10", "icd10"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "icd10cm"),
        ("http://hl7.org/fhir/sid/icd-10-cm|2024", "icd10cm"),
        ("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "icd10gm"),
        ("http://hl7.org/fhir/sid/icd-10-pcs", "icd10pcs"),
        ("http://hl7.org/fhir/sid/icd-10-nl", "icd10"),
        ("HTTP://LOINC.ORG/", "loinc"),
        ("http://example.org/CodeSystem/atc", "atc"),
        ("http://example.org/atcx", ""),
        ("http://example.org/icd-10-procedures", ""),
        ("http://example.org/icd-11", ""),
        ("", ""),
    ],
)
def test_systems(uri: str, key_: str) -> None:
    assert system_of(uri) == key_


def test_words_and_codes_as_they_are_kept() -> None:
    assert fold("  Bösartige\u00a0Neubildung ") == "bosartige neubildung"
    assert fold("Straße Ørsted") == "strasse orsted"
    assert key(" e11.65 ") == "E1165"
    assert key("44054006") == 44054006
    assert key("00814665") == "00814665"
    assert key("9" * 30) == "9" * 30


def test_tables_join_files_without_a_name(pack: Path) -> None:
    tables = Tables((shipped_file(), pack))
    assert tables.name("m", "zxqv") is None
    assert tables.name("m", "kalium") == "potassium"
    assert tables.code("d", "snomed", "44054006") == (("asthma",), "")
