"""Lists of ICD and ATC, and tables of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from salus.errors import InputError
from salus.terminology.meaning import Diagnosis
from salus.terminology.reader import Terminology, shipped
from salus.terminology.releases.load import load
from tests.terminology.releases_made import SNOMED, code, loaded, reasons

GM = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
ATC = "http://www.whocc.no/atc"


def kodes(path: Path, *entries: tuple[str, str]) -> Path:
    """The list of BfArM: 28 fields, the seventh the code, the ninth its title."""
    lines = []
    for written, title in entries:
        fields = ["4", "T", "X", "04", "E10", written, written, written.replace(".", ""), title] + [""] * 19
        lines.append(";".join(fields))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def text(terminology: Terminology, words: str) -> Diagnosis:
    return terminology.diagnosis((), words)


def test_a_title_means_what_its_code_means(tmp_path):
    entries = (("E11.90", "Zuckerkrankheit der zweiten Art: ohne Komplikationen"), ("L60.0", "Eingewachsener Nagel"),
               ("I25.2", "Abgelaufener Tod des Herzmuskels"), ("Z99.999", "Erfundenes"))  # fmt: skip
    done, terminology = loaded(kodes(tmp_path / "icd10gm2026syst_kodes.txt", *entries), tmp_path)
    assert text(terminology, "zuckerkrankheit der zweiten Art: Ohne Komplikationen").narrow == {"diabetes-type-2"}
    assert text(terminology, "Eingewachsener Nagel").basis == "outside"
    assert text(terminology, "Abgelaufener Tod des Herzmuskels").basis == "unknown", "its code speaks of the past"
    assert (done.name, done.origin.name, done.origin.version) == ("icd10gm", "ICD-10-GM", "2026")


def test_codes_that_the_shipped_list_lacks_are_understood_and_the_others_stay(tmp_path):
    before = shipped().diagnosis(code(GM, "U99.8"))
    entries = (("U98.8", "Neues"), ("E11.90", "Zucker zwei"))
    _, terminology = loaded(kodes(tmp_path / "icd10gm2026syst_kodes.txt", *entries), tmp_path)
    assert not shipped().diagnosis(code(GM, "U98.8")).understood
    assert terminology.diagnosis(code(GM, "U98.8")).basis == "outside"
    assert terminology.diagnosis(code(GM, "U99.8")).basis == before.basis
    for known in ("E11.90", "E11.9", "I10", "A00.1"):
        assert terminology.diagnosis(code(GM, known)).narrow == shipped().diagnosis(code(GM, known)).narrow
        assert terminology.diagnosis(code(GM, known)).understood


def test_phrases_of_the_alphabet(tmp_path):
    path = tmp_path / "icd10gm2026_alphaidse_edvtxt_20250926.txt"
    path.write_text(
        "1|I1|E11.90||||Alterszuckerkrankheit\n1|I2|L60.0||||Nagelnot nach Herztod\n1|I3|E11.30+|H36.0*|||Augenzucker\n"
        "1|I4|kaputt||||Nichts\n1|I5|E11.90\n", "utf-8",
    )  # fmt: skip
    done, terminology = loaded(path, tmp_path)
    assert text(terminology, "Alterszuckerkrankheit").narrow == {"diabetes-type-2"}
    assert text(terminology, "Nagelnot nach Herztod").basis == "unknown", "a phrase may say more than its code"
    both = shipped().diagnosis(code(GM, "E11.30")).narrow | shipped().diagnosis(code(GM, "H36.0")).narrow
    assert text(terminology, "Augenzucker").concepts >= both
    assert reasons(done) == {
        f"rows of {path.name} without a code": 1,
        f"rows of {path.name} with too few columns": 1,
    }


def test_any_list_of_codes_and_titles(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text('code;title\nE11.9;"Sugar; of the second kind"\nE11.9\n', "utf-8")
    with pytest.raises(InputError, match="--kind"):
        load(path, tmp_path / "packs")
    done, terminology = loaded(path, tmp_path, "icd10")
    assert text(terminology, "Sugar; of the second kind").narrow == {"diabetes-type-2"}
    assert reasons(done) == {"rows of mine.csv with too few columns": 1}
    cm = tmp_path / "icd10cm-codes-2026.txt"
    cm.write_text("E1165   Sugar disease of long ago\n", "utf-8")
    done, terminology = loaded(cm, tmp_path)
    assert text(terminology, "Sugar disease of long ago").narrow == {"diabetes-type-2"}
    assert (done.name, done.origin.version) == ("icd10cm", "2026")


def test_atc_takes_what_it_can_read_whole(tmp_path):
    path = tmp_path / "atc_2026.csv"
    path.write_text(
        "code;name\nA;Alimentary\nA10B;Drugs\nC09ZZ98;metformin and sitagliptin\nC09ZZ97;metformin and zzyxin\n"
        "C09ZZ96;metformin, combinations\nC10AA05;simvastatin\nrubbish;metformin\n", "utf-8",
    )  # fmt: skip
    done, terminology = loaded(path, tmp_path)
    assert terminology.medicine(code(ATC, "C09ZZ98")).ingredients == ("metformin", "sitagliptin")
    assert not terminology.medicine(code(ATC, "C09ZZ97")).ingredients
    assert not terminology.medicine(code(ATC, "C09ZZ96")).ingredients
    assert terminology.medicine(code(ATC, "C10AA05")).ingredients == ("atorvastatin",), "registers say more than a name"
    assert reasons(done) == {
        "substances or combinations whose name cannot be read whole, left unread": 2,
        "rows of atc_2026.csv without a code": 1,
    }


OWN = """system,code,concept,ingredients,strength,aspect,display
icpc2,Q99,diabetes-type-2,,,,Sugar at our practice
http://snomed.info/sct,9000901,diabetes+myocardial-infarction,,,history,
snomed,9000902,-,,,,Seen by the barber
loinc,99998-2,potassium,,,,Our potassium test
loinc,99997-4,-,,,,
snomed,9000903,,metformin+sitagliptin,,,Dulcikombi
snomed,9000904,,metformin,500,,
http://hl7.org/fhir/sid/ndc,99999000101,,metformin,,,
"""
BAD = """nowhere,1,diabetes,,,,
snomed,,diabetes,,,,
snomed,9000911,no-such-concept,,,,
snomed,9000912,diabetes,,,sometimes,
snomed,9000913,diabetes+potassium,,,,
snomed,9000914,,metformin+zzyxin,,,
snomed,9000915,,metformin+sitagliptin,500,,
snomed,9000916,,metformin,lots,,
ndc,123,,metformin,,,
snomed,9000917,,,,,
snomed,9000918
"""


def test_a_table_of_ones_own(tmp_path):
    path = tmp_path / "Our codes.csv"
    path.write_text(OWN, "utf-8")
    done, terminology = loaded(path, tmp_path)
    assert terminology.diagnosis(code("http://hl7.org/fhir/sid/icpc-2", "Q99")).narrow == {"diabetes-type-2"}
    assert text(terminology, "sugar at our practice").narrow == {"diabetes-type-2"}
    both = terminology.diagnosis(code(SNOMED, 9000901))
    assert (both.narrow, both.aspect) == ({"diabetes", "myocardial-infarction"}, "history")
    assert terminology.diagnosis(code(SNOMED, 9000902)).basis == "outside"
    assert text(terminology, "Seen by the barber").basis == "outside"
    assert terminology.measure(code("http://loinc.org", "99998-2")).concepts == {"potassium"}
    assert terminology.measure((), "our potassium test").concepts == {"potassium"}
    assert terminology.medicine(code(SNOMED, 9000903)).ingredients == ("metformin", "sitagliptin")
    assert terminology.medicine((), "Dulcikombi").ingredients == ("metformin", "sitagliptin")
    assert terminology.medicine(code(SNOMED, 9000904)).strength == 500
    assert terminology.medicine(code("http://hl7.org/fhir/sid/ndc", "99999000177")).ingredients == ("metformin",)
    assert (done.name, done.losses) == ("table-our-codes", ())


def test_wrong_rows_of_an_own_table_are_counted_by_what_is_wrong(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(OWN + BAD, "utf-8")
    done, terminology = loaded(path, tmp_path)
    assert sum(loss.count for loss in done.losses) == len(BAD.splitlines())
    assert len(done.losses) == 10
    for number in range(9000911, 9000919):
        assert not terminology.diagnosis(code(SNOMED, number)).understood
        assert not terminology.medicine(code(SNOMED, number)).understood


def test_an_own_table_without_its_columns_is_refused(tmp_path):
    path = tmp_path / "own.tsv"
    path.write_text("system\tkode\tconcept\n", "utf-8")
    with pytest.raises(InputError, match="no column 'code'"):
        load(path, tmp_path / "packs", "table")
    path.write_text("system\tcode\tdisplay\n", "utf-8")
    with pytest.raises(InputError, match="no column 'concept'"):
        load(path, tmp_path / "packs", "table")
