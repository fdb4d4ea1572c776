"""LOINC: a code measures what a known code measures, where only the method differs."""

from __future__ import annotations

from pathlib import Path

import pytest

from salus.errors import InputError
from salus.terminology.meaning import Measure
from salus.terminology.reader import Terminology, shipped
from salus.terminology.releases.load import Loaded, load
from salus.terminology.tables import Tables
from tests.terminology.releases_made import code, loaded, reasons

LOINC = "http://loinc.org"
HEADER = ["LOINC_NUM", "COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP", "CLASS", "CLASSTYPE",
          "LONG_COMMON_NAME", "SHORTNAME", "EXTERNAL_COPYRIGHT_NOTICE", "STATUS", "VersionFirstReleased",
          "VersionLastChanged"]  # fmt: skip
KNOWN = (
    ("2823-3", "Potassium", "SCnc", "Pt", "Ser/Plas", "Qn", ""),
    ("2345-7", "Glucose", "MCnc", "Pt", "Ser/Plas", "Qn", ""),
    ("29463-7", "Body weight", "Mass", "Pt", "^Patient", "Qn", ""),
)


def write(path: Path, *codes: tuple[str, ...], header: tuple[str, ...] = tuple(HEADER)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(f'"{name}"' for name in header)]
    for number, component, kind, time, system, scale, method, *more in codes:
        fields = (number, component, kind, time, system, scale, method, "CHEM", "1", f"Name of {number}",
                  f"Short {number}", "", more[0] if more else "ACTIVE", "1.0", "2.81")  # fmt: skip
        lines.append(",".join(f'"{field}"' for field in fields))
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def made(tmp_path: Path, *codes: tuple[str, ...]) -> tuple[Loaded, Terminology]:
    path = write(tmp_path / "Loinc_2.81" / "LoincTableCore" / "LoincTableCore.csv", *KNOWN, *codes)
    return loaded(path.parent.parent, tmp_path)


def held(done: Loaded, number: str) -> tuple[tuple[str, ...], str] | None:
    """What the pack itself says of a code."""
    return Tables([done.path]).code("m", "loinc", number)


def measure(terminology: Terminology, number: str) -> Measure:
    return terminology.measure(code(LOINC, number))


def test_the_known_codes_are_known():
    assert [sorted(measure(shipped(), row[0]).concepts) for row in KNOWN] == [
        ["potassium"],
        ["glucose"],
        ["body-weight"],
    ]


@pytest.mark.parametrize(
    ("parts", "concept"),
    [
        (("Potassium", "SCnc", "Pt", "Ser/Plas", "Qn", "Ion-selective"), "potassium"),
        (("potassium", "SCnc", "Pt", "SER/PLAS", "Qn", ""), "potassium"),
        (("Glucose", "SCnc", "Pt", "Ser/Plas", "Qn", ""), "glucose"),
        (("Body weight", "Mass", "Pt", "^Patient", "Qn", "Measured"), "body-weight"),
        (("Body weight", "Mass", "Pt", "^Patient", "Qn", "Stated"), None),
        (("Body weight", "Mass", "Pt", "^Patient", "Qn", "Estimated"), None),
        (("Potassium", "MCnc", "Pt", "Ser/Plas", "Qn", ""), None),
        (("Potassium", "SCnc", "Pt", "BldMV", "Qn", ""), None),
        (("Potassium", "SCnc", "24H", "Ser/Plas", "Qn", ""), None),
        (("Potassium", "SCnc", "Pt", "Urine", "Qn", ""), ""),
        (("Potassium", "SCnc", "Pt", "Ser/Plas", "Ord", ""), ""),
        (("Potassium^2H post dose", "SCnc", "Pt", "Ser/Plas", "Qn", ""), ""),
        (("Zebra", "SCnc", "Pt", "Ser/Plas", "Qn", ""), ""),
    ],
)
def test_all_parts_but_the_method_must_agree(tmp_path, parts, concept):
    done, terminology = made(tmp_path, ("99999-0", *parts))
    if concept is None:
        assert held(done, "99999-0") is None
        assert not measure(terminology, "99999-0").understood
        reason = "codes that may be a measurement of salus's by another specimen or method, left unread"
        assert reasons(done) == {reason: 1}
    elif concept:
        assert (measure(terminology, "99999-0").concepts, measure(terminology, "99999-0").basis) == ({concept}, "code")
    else:
        assert held(done, "99999-0") == ((), "")
        assert measure(terminology, "99999-0").basis == "outside"


def test_a_code_that_was_read_by_eye_to_be_another_measurement_stays_one(tmp_path):
    _, terminology = made(tmp_path, ("77621-1", "Potassium", "SCnc", "Pt", "Ser/Plas", "Qn", ""))
    assert measure(terminology, "77621-1").basis == "outside"
    assert not terminology.measure((), "Name of 77621-1").understood


def test_parts_of_two_measurements_name_neither(tmp_path):
    twice = ("2160-0", "Potassium", "SCnc", "Pt", "Ser/Plas", "Qn", "")
    done, _ = made(tmp_path, twice, ("99999-0", "Potassium", "SCnc", "Pt", "Ser/Plas", "Qn", ""))
    assert held(done, "99999-0") is None


def test_withdrawn_codes_stay_unread(tmp_path):
    done, terminology = made(tmp_path, ("99999-0", "Potassium", "SCnc", "Pt", "Ser/Plas", "Qn", "", "DEPRECATED"))
    assert not measure(terminology, "99999-0").understood
    assert reasons(done)["withdrawn codes, left unread"] == 1


def test_names_are_read(tmp_path):
    _, terminology = made(tmp_path, ("99999-0", "Potassium", "SCnc", "Pt", "Ser/Plas", "Qn", "ISE"))
    assert terminology.measure((), "name of 99999-0").concepts == {"potassium"}
    assert terminology.measure((), "Short 2823-3").concepts == {"potassium"}


def test_version_and_bad_rows(tmp_path):
    done, _ = made(
        tmp_path, ("not-a-code", "Zebra", "SCnc", "Pt", "Bld", "Qn", ""), ("99999-0", "Z", "", "", "", "", "")
    )
    assert done.origin.version == "2.81"
    assert reasons(done) == {"rows of LoincTableCore.csv without a LOINC code": 1}
    path = write(tmp_path / "x" / "Loinc.csv", *KNOWN, ("99999-0", "Z", "", "", "", "", ""))
    with path.open("a") as table:
        table.write('"1","2"\n')
    again, _ = loaded(path, tmp_path)
    assert again.origin.version == "2.81 or later"
    assert reasons(again) == {"rows of Loinc.csv with another number of columns": 1}


def test_a_missing_column_or_an_open_quotation_is_refused(tmp_path):
    path = write(tmp_path / "Loinc.csv", *KNOWN)
    whole = path.read_text()
    path.write_text(whole.replace("SCALE_TYP", "SCALE"))
    with pytest.raises(InputError, match="no column 'SCALE_TYP'"):
        load(path, tmp_path / "packs")
    path.write_text(whole + '"99999-0,"open')
    with pytest.raises(InputError, match="not a CSV table"):
        load(path, tmp_path / "packs")
