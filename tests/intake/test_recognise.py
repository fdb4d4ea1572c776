"""What a file is, told from its content whatever its name says."""

import gzip
import io
import zipfile

import pytest

from salus.fhir import json
from salus.intake.read import files_below
from salus.intake.recognise import recognise
from tests.conftest import creatinine, person
from tests.intake import made

NDJSON = json.dumps(person()) + b"\n" + json.dumps(creatinine("1.0", "2026-01-01", "c1")) + b"\n"
PRETTY = b'{\n  "resourceType": "Patient",\n  "id": "p1"\n}\n'
HEADER = made.ecg()["r1.hea"]
CONTENTS = {
    "fhir": made.fhir(),
    "vcf": made.vcf(),
    "dicom": made.dicom()[0],
    "nifti": made.nifti(),
    "apple-health": made.apple(),
    "note": made.note(),
}
NAMES = ["data", "x.json", "x.vcf", "x.dcm", "x.nii.gz", "x.xml", "x.bin", "ÄÖ 数据 🩺.dat", "no name", "-rf", "a'b\"c"]


def kind_of(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return recognise(path)


@pytest.mark.parametrize("kind", [k for k in CONTENTS if k != "note"])
@pytest.mark.parametrize("name", NAMES)
def test_content_decides_under_any_name(tmp_path, kind, name):
    assert kind_of(tmp_path, name, CONTENTS[kind]) == kind


@pytest.mark.parametrize("kind", ["fhir", "vcf", "nifti", "apple-health"])
@pytest.mark.parametrize("name", ["x.gz", "x.json.gz", "data"])
def test_compressed_content_is_looked_into(tmp_path, kind, name):
    assert kind_of(tmp_path, name, gzip.compress(CONTENTS[kind], mtime=0)) == kind


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("x.ndjson", NDJSON, "ndjson"),
        ("x.json", NDJSON, "ndjson"),
        ("x", gzip.compress(NDJSON, mtime=0), "ndjson"),
        ("x.json", PRETTY, "fhir"),
        ("x.json", b"[1, 2]", "fhir"),
        ("x.json", b"\xef\xbb\xbf" + PRETTY, "fhir"),
        ("x.json", b"not json at all", "fhir"),
        ("x.hea", HEADER, "wfdb"),
        ("x", HEADER, "wfdb"),
        ("r1.dat", b"\x00\x01\x02", "wfdb-companion"),
        ("x.xml", b"<ClinicalDocument/>", "xml"),
        ("x.xml", made.apple().decode().encode("utf-16"), "apple-health"),
        ("x.vcf", b"no header", "vcf"),
        ("x.vcf.gz", gzip.compress(b"no header", mtime=0), "vcf"),
        ("x.txt", "Überweisung: kein Schmerz".encode("utf-16"), "note"),
        ("x.txt", "Überweisung: kein Schmerz".encode("cp1252"), "note"),
        ("x.txt", b"[**2101-10-20**] Discharge summary. No fever.", "note"),
        ("x.txt", b"[Name] was seen in clinic. No fever.", "note"),
        ("x", b"r1 2 words\nsecond line", "note"),
        ("x.bin", bytes(range(256)) * 40, "unknown"),
        ("x.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 40, "unknown"),
        ("x", b"", "empty"),
        ("x.json", b"", "empty"),
        ("x.dcm", b"", "empty"),
        ("x.gz", b"\x1f\x8b\x08 damaged", "unknown"),
    ],
)
def test_each_form_and_its_neighbours(tmp_path, name, data, kind):
    assert kind_of(tmp_path, name, data) == kind


def test_an_archive_is_no_kind_that_is_read(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("record.json", made.fhir())
    assert kind_of(tmp_path, "x.json.zip", stream.getvalue()) == "unknown"


def test_files_below_a_folder_come_once_in_a_stable_order_without_leftovers(tmp_path):
    made.folder(tmp_path / "in")
    for leftover in (".DS_Store", "Thumbs.db", "._record.json"):
        (tmp_path / "in" / leftover).write_bytes(b"x")
    (tmp_path / "in" / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in", target_is_directory=True)
    found = files_below([tmp_path / "in", tmp_path / "in" / "record.json"])
    names = [p.relative_to(tmp_path / "in").as_posix() for p in found]
    assert names == sorted(names)
    assert len(names) == len(set(names)) == 10
    assert not any("Thumbs" in n or ".DS" in n or "._" in n or "gone" in n for n in names)
