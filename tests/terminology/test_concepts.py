"""The code tables: every file loads, every code is well formed, and no code says two unrelated things."""

import re
import tomllib
from importlib.resources import files

import pytest

from salus.fhir.codes import SYSTEMS, Code
from salus.terminology import codes

PATHS = sorted(p for p in files("salus.terminology").joinpath("concepts").iterdir() if p.name.endswith(".toml"))
TABLES = {p.name: tomllib.loads(p.read_text("utf-8")) for p in PATHS}
FORMS = {
    "loinc": re.compile(r"(LP|LA)?\d{1,7}-\d\Z"),
    "snomed": re.compile(r"[1-9]\d{5,17}\Z"),
    "rxnorm": re.compile(r"\d{1,8}\Z"),
    "icd10cm": re.compile(r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?\Z"),
    "salus": re.compile(r"[a-z0-9][a-z0-9-]*\Z"),
}
ENTRIES = [(file, name, entry) for file, table in TABLES.items() for name, entry in table.items()]


def test_there_are_tables():
    assert len(TABLES) >= 5
    assert len(codes.concepts()) > 100


@pytest.mark.parametrize("file", TABLES)
def test_every_table_says_where_its_codes_come_from(file):
    text = next(p for p in PATHS if p.name == file).read_text("utf-8")
    named = any("source" in entry for entry in TABLES[file].values())
    assert named or text.startswith("#"), "no source at the head and none in an entry"


@pytest.mark.parametrize(("file", "name", "entry"), ENTRIES, ids=lambda v: v if isinstance(v, str) else "")
def test_every_entry_is_well_formed(file, name, entry):
    assert FORMS["salus"].match(name)
    assert entry["display"].strip()
    assert set(entry) <= {"display", "codes", "source", "analyte", "is-a", "licence", "kind"}
    for text in entry.get("codes", ()):
        system, bar, code = text.partition("|")
        assert bar, f"{text} names no system"
        assert system in SYSTEMS or system.startswith("http://"), f"{system} is no known system"
        if system in FORMS:
            assert FORMS[system].match(code), f"{text} is not how {system} writes a code"
    assert len(set(entry.get("codes", ()))) == len(entry.get("codes", ()))


def verhoeff(number):
    """True when the last digit is the Verhoeff check digit (SNOMED CT Release File Specification, SCTID)."""
    step = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    value = 0
    for place, digit in enumerate(reversed(number)):
        other = int(digit)
        for _ in range(place % 8):
            other = step[other]
        sign = 1 if value < 5 else -1
        value = (value + sign * other) % 5 + (5 if (value < 5) != (other < 5) else 0)
    return value == 0


def test_the_check_digit_of_every_snomed_and_loinc_code_is_right():
    wrong = []
    for concept in codes.concepts().values():
        for code in concept.codes:
            if code.system == SYSTEMS["snomed"] and not verhoeff(code.code):
                wrong.append((concept.name, code.code))
            if code.system == SYSTEMS["loinc"] and code.code[0].isdigit() and not mod10(code.code):
                wrong.append((concept.name, code.code))
    # LOINC's own exception: the code is published so (see the sources named at the head of monitoring.toml).
    assert wrong == [("inhaled-oxygen-concentration", "3150-6")]


def mod10(code):
    """LOINC's check digit: Luhn's mod 10 over the number before the dash (LOINC Users' Guide, appendix C)."""
    number, _, check = code.partition("-")
    total = 0
    for place, digit in enumerate(reversed(number)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return (-total) % 10 == int(check)


def test_every_broader_name_exists_and_none_is_its_own_ancestor():
    known = codes.concepts()
    for concept in known.values():
        assert set(concept.broader) <= set(known), f"{concept.name} is-a something that is not there"
        for broader in concept.broader:
            assert concept.name not in codes.with_broader((broader,)), f"{concept.name} is its own ancestor"


def test_no_code_stands_for_two_unrelated_concepts():
    owners = {}
    for concept in codes.concepts().values():
        for code in concept.codes:
            owners.setdefault((code.system, code.code), []).append(concept.name)
    shared = {key: names for key, names in owners.items() if len(names) > 1}
    unrelated = {
        key: names
        for key, names in shared.items()
        if not all(a in codes.with_broader((b,)) or b in codes.with_broader((a,)) for a in names for b in names)
    }
    assert unrelated == {}


def test_names_include_the_broader_ones_and_nothing_for_a_stranger():
    narrow = next(c for c in codes.concepts().values() if c.broader)
    found = codes.names(narrow.codes[:1])
    assert {narrow.name, *narrow.broader} <= found
    assert codes.names([Code("http://loinc.org", "0-0"), Code("urn:other", narrow.codes[0].code)]) == frozenset()


def test_one_concept_of_several_files_has_one_display_and_all_codes():
    names = [name for table in TABLES.values() for name in table]
    for name in {n for n in names if names.count(n) > 1}:
        entries = [table[name] for table in TABLES.values() if name in table]
        written = {text.partition("|")[2] for entry in entries for text in entry.get("codes", ())}
        assert written <= {c.code for c in codes.get(name).codes}
        kinds = {entry["analyte"] for entry in entries if "analyte" in entry}
        assert len(kinds) <= 1, f"{name} is two analytes"


def test_a_name_that_is_not_there_is_an_error():
    with pytest.raises(KeyError):
        codes.get("no-such-concept")
