"""What a file is, told from its content whatever its name says."""

import gzip
import io
import zipfile

import pytest

from salus.errors import InputError
from salus.fhir import json
from salus.formats.content import File
from salus.intake.batch import Unreadable
from salus.intake.read import files_below, pieces, read
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
    return recognise(File(path))


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
        ("x.xml", b"<ClinicalDocument/>", "cda"),
        ("y.xml", b"<other/>", "xml"),
        ("x.xml", made.apple().decode().encode("utf-16"), "apple-health"),
        ("x.vcf", b"no header", "vcf"),
        ("x.vcf.gz", gzip.compress(b"no header", mtime=0), "vcf"),
        ("x.txt", "Überweisung: kein Schmerz".encode("utf-16"), "note"),
        ("x.txt", "Überweisung: kein Schmerz".encode("cp1252"), "note"),
        ("x.txt", b"[**2101-10-20**] Discharge summary. No fever.", "note"),
        ("x.txt", b"[Name] was seen in clinic. No fever.", "note"),
        ("x", b"r1 2 words\nsecond line", "note"),
        ("x.bin", bytes(range(256)) * 40, "unknown"),
        ("x.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 40, "pdf"),
        ("x.txt", b"%PDF-1.4\n1 0 obj << /Type /Catalog >> endobj\n", "pdf"),
        ("x.json", b"{\\rtf1\\ansi No fever.}", "rtf"),
        ("x.txt", b"MSH|^~\\&|LAB|A|EHR|B|20260101||ORU^R01|1|P|2.5\rPID|1\r", "hl7v2"),
        ("x", b"\x0bMSH|^~\\&|LAB|A\r", "hl7v2"),
        ("x.txt", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "office"),
        ("x.dcm.gz", gzip.compress(made.dicom()[0], mtime=0), "gzip-dicom"),
        ("x.txt.gz", gzip.compress(made.note(), mtime=0), "gzip-note"),
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
    assert kind_of(tmp_path, "x.json.zip", stream.getvalue()) == "zip"


GENOTYPES = [f"77\t1:{n}\t1\t{n}\tA\tC" for n in range(101, 107)]
COLUMNS = "Sample Name\tSNP Name\tChr\tPosition\tAllele1 - Forward\tAllele2 - Forward"
ILLUMINA = ["[Header]", "Content\t\tARRAY.bpm", "[Data]", COLUMNS, *GENOTYPES]
TABLES = {
    "Illumina report": ("x.txt", ILLUMINA),
    "Illumina report without a sample sheet": ("x", ILLUMINA[2:]),
    "comments before": ("x.txt", ["# raw data", "#", "# rsid\tchrom", *GENOTYPES]),
    "words before many rows": ("x.txt", ["Raw data of a kit", "Build 37, plus strand", *GENOTYPES * 5]),
    "quoted commas": ("x", ["RSID,CHROMOSOME,POSITION,RESULT", *[f'"rs{n}","1","{n}","AA"' for n in range(5)]]),
    "no end of line": ("x.txt", ["rs1\t1\t101\tAA"] * 3),
    "two columns": ("x.tsv", ["CYP2D6\t*1/*3", "HLA-B\t*15:02/*57:01"]),
    "one row": ("x.CSV", ["creatinine,1.1"]),
    "one column": ("x.csv", ["creatinine"]),
}


@pytest.mark.parametrize(("name", "lines"), TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tables_are_not_somebodys_note(tmp_path, name, lines, end):
    assert kind_of(tmp_path, name, end.join(lines).encode()) == "table"
    assert kind_of(tmp_path, name, end.join(lines).encode("utf-16")) == "table"


LABS = ["Labs:", "Na\t140\tmmol/l", "K\t4.1\tmmol/l", "Cl\t101\tmmol/l"]
NOTES = {
    "short table at the end": ["Seen in clinic.", "No fever, no cough.", *LABS],
    "short table within": ["HISTORY:", "Well.", *LABS, "PLAN:", "- continue metformin, 1 g"],
    "commas in every line": ["No fever, cough, or pain.", "Takes aspirin, statin, and metformin."] * 6,
    "semicolons in every line": ["Heart: regular; no murmur; no rub."] * 6,
    "bullets": ["- aspirin: 75 mg, daily", "* statin; 20 mg", "1. metformin, 1 g, twice daily"] * 4,
    "bracketed headings": ["[History]", "Well.", "[Data]", "BP 120/80, pulse 70, afebrile"],
    "words of other formats": ["The MSH| segment and %PDF- were pasted here.", "PK sampling done."],
}


@pytest.mark.parametrize("lines", NOTES.values(), ids=NOTES)
@pytest.mark.parametrize("name", ["x.txt", "x", "x.md"])
def test_a_note_may_hold_lists_and_short_tables(tmp_path, name, lines):
    assert kind_of(tmp_path, name, "\n".join(lines).encode()) == "note"


def test_files_below_a_folder_come_once_in_a_stable_order_without_leftovers(tmp_path):
    made.folder(tmp_path / "in")
    for leftover in (".DS_Store", "Thumbs.db", "._record.json"):
        (tmp_path / "in" / leftover).write_bytes(b"x")
    (tmp_path / "in" / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in", target_is_directory=True)
    found = files_below([tmp_path / "in", tmp_path / "in" / "record.json"])
    names = [f.path.relative_to(tmp_path / "in").as_posix() for f in found]
    assert names == sorted(names)
    assert len(names) == len(set(names)) == 10
    assert not any("Thumbs" in n or ".DS" in n or "._" in n or "gone" in n for n in names)


def test_links_inside_a_folder_are_said_and_never_sealed(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.txt").write_bytes(b"not meant")
    for name, target in (("file", tmp_path / "secret.txt"), ("loop", tmp_path / "in"), ("gone", tmp_path / "nowhere")):
        (tmp_path / "in" / name).symlink_to(target)
    (tmp_path / "in" / "letter.txt").write_bytes(made.note())
    *links, letter = read([tmp_path / "in"])
    assert [link.sources[0].name for link in links] == ["file", "gone", "loop"]
    assert letter.kind == "note"
    for link in links:
        assert isinstance(link, Unreadable)
        assert "a link: not followed" in str(link.error)
        assert not link.files
        with pytest.raises(InputError, match="a link: not followed"):
            list(pieces([File(link.sources[0])]))


def test_a_link_that_is_named_is_followed_and_what_it_leads_to_can_be_sealed(tmp_path):
    for name, data in (("letter.txt", made.note()), ("scan.pdf", b"%PDF-1.4\n")):
        (tmp_path / name).write_bytes(data)
        (tmp_path / f"to {name}").symlink_to(tmp_path / name)
    letter, scan = read([tmp_path / "to letter.txt", tmp_path / "to scan.pdf"])
    assert letter.kind == "note"
    assert scan.error.what == "a PDF: not read yet"
    assert b"".join(pieces(letter.files)).endswith(made.note())
    assert b"".join(pieces(scan.files)).endswith(b"%PDF-1.4\n")
