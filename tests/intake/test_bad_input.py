"""Bad input: one clear line with place and remedy, nothing half-loaded, the source sealed, the rest goes on."""

import gzip
import resource
import time
import tracemalloc
from pathlib import Path

import pytest

from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.fhir import json
from salus.intake.read import Options
from tests.conftest import bundle, creatinine, person
from tests.intake import made

WHOLE = made.fhir()
SECRETS = ("Ada", "MRN-p1", "MRN-p2", "Zoe", "1968", "1970")
DTD = "<!DOCTYPE HealthData [<!ELEMENT HealthData (Me)>]>\n"
ENTITY = '<!DOCTYPE HealthData [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n'
LAUGHS = '<!DOCTYPE HealthData [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>\n'


def run(ward, *paths, options=None, **more):
    return Intake(Session(ward.house, ward.operator), options=options, **more).run(paths)


def state(ward):
    """Everything in the store but the log and the quarantine."""
    tables = ("patient", "resource", "history", "token_index", "date_index", "blob", "blob_chunk")
    return {t: ward.house.store.connection.execute(f"SELECT * FROM {t} ORDER BY 1, 2").fetchall() for t in tables}


def files(ward, found):
    folder = ward.folder / "bad"
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in found.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def scrambled_dicom():
    data = made.dicom()[0]
    return data[: len(data) // 2]


BAD = {
    "not JSON": ({"x.json": b"<html>502 Bad Gateway</html>"}, "XML of a kind"),
    "no JSON at all": ({"x.json": b"Error: timed out"}, "not valid JSON"),
    "truncated bundle": ({"x.json": WHOLE[: len(WHOLE) // 2]}, "not valid JSON"),
    "wrong encoding": ({"x.json": WHOLE.replace(b"Ada", b"Ad\xe4")}, "not UTF-8"),
    "UTF-16": ({"x.json": WHOLE.decode().encode("utf-16")}, "not UTF-8"),
    "twice the same member": ({"x.json": WHOLE.replace(b'"id":"p1"', b'"id":"p1","id":"p2"')}, "stands twice"),
    "giant exponent": ({"x.json": WHOLE.replace(b"1.10", b"1.10e99999")}, "giant exponent"),
    "NaN": ({"x.json": WHOLE.replace(b"1.10", b"NaN")}, "NaN"),
    "nested": ({"x.json": b'{"resourceType":"Bundle","entry":' + b"[" * 5000 + b"]" * 5000 + b"}"}, "nested"),
    "two patients": ({"x.json": json.dumps(bundle(person("p1"), person("p2")))}, "names 2 patients"),
    "bad line": ({"x.ndjson": WHOLE + b'\n{"resourceType":'}, "not valid JSON"),
    "empty": ({"x.json": b""}, "empty"),
    "blank note": ({"x.txt": b"\n  \n"}, "empty"),
    "unknown bytes": ({"x.bin": bytes(range(256)) * 50}, "not a kind of file"),
    "note of unknown encoding": ({"x.txt": "Kein Fieber. Größe".encode("cp1252")}, "utf-8"),
    "PDF": ({"x.pdf": b"%PDF-1.4\n1 0 obj\n"}, "a PDF: not read yet"),
    "RTF": ({"x.rtf": b"{\\rtf1 No fever.}"}, "an RTF document"),
    "HL7 v2": ({"x.hl7": b"MSH|^~\\&|LAB|A\rPID|1||MRN-p1\r"}, "a message type that is not taken in"),
    "Office": ({"x.docx": b"PK\x03\x04" + bytes(60)}, "Office"),
    "old Office": ({"x.doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(60)}, "Office"),
    "star alleles": ({"x.tsv": b"CYP2D6\t*1/*3\n"}, "a table of values"),
    "DICOM in gzip": ({"x.dcm.gz": gzip.compress(made.dicom()[0])}, "a gzip-compressed DICOM file"),
    "note in gzip": ({"x.txt.gz": gzip.compress(made.note())}, "a gzip-compressed text"),
    "VCF without header": ({"x.vcf": b"chr10\t94781859\t.\tG\tA\n"}, "fileformat"),
    "VCF without column line": ({"x.vcf": made.vcf().replace(b"#CHROM", b"CHROM")}, "#CHROM"),
    "VCF with a broken record": ({"x.vcf": made.vcf().replace(b"94781859", b"9478x859")}, "POS"),
    "VCF cut off": ({"x.vcf": made.vcf()[:-12]}, ""),
    "DICOM cut off": ({"x.dcm": scrambled_dicom()}, ""),
    "DICOM of two people in one series": (
        {"1.dcm": made.dicom()[0], "2.dcm": made.dicom(mrn="MRN-p2")[1]}, "different patients"
    ),
    "WFDB header without its signal": ({"r1.hea": made.ecg()["r1.hea"]}, "r1.dat"),
    "WFDB signal without its header": ({"r1.dat": made.ecg()["r1.dat"]}, "without its WFDB header"),
    "WFDB signal cut off": ({**made.ecg(), "r1.dat": made.ecg()["r1.dat"][:-40]}, ""),
    "export with a DTD": ({"export.xml": made.apple(dtd=DTD)}, "DOCTYPE"),
    "export with an external entity": ({"export.xml": made.apple(dtd=ENTITY)}, "DOCTYPE"),
    "export with expanding entities": ({"export.xml": made.apple(dtd=LAUGHS)}, "DOCTYPE"),
    "export cut off": ({"export.xml": made.apple()[:-30]}, "truncated"),
    "other XML": ({"x.xml": b"<?xml version='1.0'?><other/>"}, "XML of a kind"),
    "a CDA document": ({"x.xml": b"<?xml version='1.0'?><ClinicalDocument/>"}, "CDA"),
    "NIfTI cut off": ({"x.nii": made.nifti()[:360]}, ""),
    "somebody else's bundle": ({"x.json": made.fhir("p1", birthDate="1970-01-01")}, "another birth date"),
}  # fmt: skip


@pytest.mark.parametrize(("found", "what"), BAD.values(), ids=BAD)
def test_bad_input_is_named_sealed_and_changes_nothing(ward, found, what):
    run(ward, ward.write("first.json", bundle(person(), creatinine("1.0", "2025-01-01", "c0"))))
    before = state(ward)
    folder = files(ward, found)
    taken = run(ward, folder, patient="p1")
    assert taken
    assert all(entry.error and entry.written is None for entry in taken)
    assert state(ward) == before
    error = taken[0].error
    assert what in f"{error.what} {error.where}"
    assert error.where, "no place"
    assert not any(secret in str(error) for secret in SECRETS)
    assert "\n" not in str(error)
    sealed = b"".join(ward.house.release(entry.quarantine, by="operator") for entry in taken)
    for name, data in found.items():
        assert f"== {name} {len(data)}\n".encode() + data in sealed
    assert not ward.house.verify().problems


def test_every_refusal_says_what_to_do(ward):
    run(ward, ward.write("first.json", bundle(person())))
    without = [
        name
        for name, (found, _) in BAD.items()
        if not any(
            entry.error.remedy for entry in run(ward, files(ward, found), patient="p1", dry_run=True) if entry.error
        )
    ]
    assert without == []


@pytest.mark.parametrize("options", [Options(accept_plain_dtd=True)])
def test_entities_are_refused_even_where_a_plain_dtd_is_accepted(ward, options):
    run(ward, ward.write("first.json", bundle(person())))
    for name, data in (("a", made.apple(dtd=ENTITY)), ("b", made.apple(dtd=LAUGHS))):
        (taken,) = run(ward, files(ward, {f"{name}/export.xml": data}) / name, options=options, patient="p1")
        assert "entity" in taken.error.what
    (taken,) = run(ward, files(ward, {"c/export.xml": made.apple(dtd=DTD)}) / "c", options=options, patient="p1")
    assert taken.error is None


REMEDIES = {
    "--accept-apple-dtd": {"export.xml": made.apple(dtd=DTD)},
    "--sample NAME": {"x.vcf": made.vcf().replace(b"\tS1\n", b"\tS1\tS2\n").replace(b"\t0/", b"\t0/0\t0/")},
    "--encoding NAME": {"x.txt": "Kein Fieber. Größe".encode("cp1252")},
}


@pytest.mark.parametrize(("option", "found"), REMEDIES.items(), ids=REMEDIES)
def test_the_remedy_names_the_option(ward, option, found):
    run(ward, ward.write("first.json", bundle(person())))
    (entry,) = run(ward, files(ward, found), patient="p1", dry_run=True)
    assert option in entry.error.remedy


def test_a_binary_pdf_is_no_note_in_any_encoding(ward):
    run(ward, ward.write("first.json", bundle(person())))
    data = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(range(1, 256))
    (entry,) = run(ward, files(ward, {"x.txt": data}), options=Options(encoding="iso-8859-1"), patient="p1")
    assert entry.error.what == "a PDF: not read yet"


def test_line_ends_of_windows_are_no_reason_to_refuse(ward):
    folder = files(
        ward,
        {
            "x.json": WHOLE.replace(b",", b",\r\n"),
            "x.vcf": made.vcf(end="\r\n"),
            "x.txt": made.note().replace(b"\n", b"\r\n"),
        },
    )
    assert [entry.error for entry in run(ward, folder)] == [None] * 3


def test_a_dicom_file_without_pixels_is_kept_and_said(ward):
    from io import BytesIO

    import pydicom

    data = pydicom.dcmread(BytesIO(made.dicom()[0]))
    del data.PixelData
    stream = BytesIO()
    data.save_as(stream)
    folder = files(ward, {"x.json": WHOLE, "x.dcm": stream.getvalue()})
    (entry,) = (e for e in run(ward, folder) if e.kind == "dicom")
    assert entry.error is None
    assert any("no pixel data" in loss for loss in entry.losses)


def test_the_rest_goes_on(ward):
    folder = made.folder(ward.folder / "mixed")
    for number, (found, _) in enumerate(list(BAD.values())[:-1]):
        for name, data in found.items():
            path = folder / f"bad{number}" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
    taken = run(ward, folder)
    good = sorted(entry.kind for entry in taken if entry.error is None)
    assert good == ["dicom", "fhir", "note", "vcf", "wfdb"]
    assert all(entry.quarantine for entry in taken if entry.error)
    told = run(ward, folder, patient="p1")  # among the bad files one names two people: whose the rest is has to be said
    good = sorted(entry.kind for entry in told if entry.error is None)
    assert good == ["apple-health", "dicom", "fhir", "nifti", "note", "vcf", "wfdb"]
    assert not ward.house.verify().problems


def test_one_broken_series_does_not_keep_another_of_the_same_folder_out(ward):
    mixed = {"1.dcm": made.dicom(seed="two")[0], "2.dcm": made.dicom(mrn="MRN-p2", seed="two")[1]}
    good = {f"good{n}.dcm": data for n, data in enumerate(made.dicom())}
    taken = run(ward, files(ward, {"x.json": WHOLE, **mixed, **good}))
    assert sorted((e.kind, bool(e.error)) for e in taken) == [("dicom", False), ("fhir", False), ("unreadable", True)]


def test_what_the_operating_system_will_not_read_is_named_and_the_rest_goes_on(ward):
    folder = files(ward, {"x.json": WHOLE})
    taken = run(ward, Path("/proc/self/mem"), folder)
    assert [(e.name, bool(e.error)) for e in taken] == [("mem", True), ("x.json", False)]
    assert "cannot be read" in taken[0].error.what
    assert taken[0].quarantine is None


HEADS = {
    "x.json": b'{"a": "',
    "x.ndjson": b'{"a": "',
    "export.xml": b"<HealthData>",
    "x.vcf": b"##fileformat=VCFv4.2\n",
}


@pytest.mark.parametrize(
    "name",
    [
        "x.json",
        "x.ndjson",
        "x.txt",
        "x.bin",
        "x.hea",
        "export.xml",
        pytest.param("x.vcf", marks=pytest.mark.slow),
    ],
)
def test_a_huge_file_is_refused_quickly_in_bounded_memory(ward, name):
    run(ward, ward.write("first.json", bundle(person())))
    folder = files(ward, {name: b""})
    with (folder / name).open("r+b") as stream:
        stream.write(HEADS.get(name, b""))
        stream.truncate(300 << 20)
    started = time.process_time()
    tracemalloc.start()
    (entry,) = run(ward, folder, patient="p1", dry_run=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert entry.error
    assert entry.quarantine is None
    assert time.process_time() - started < 3
    assert peak < 150 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20


@pytest.mark.slow
def test_a_huge_file_is_sealed_in_pieces(ward):
    folder = files(ward, {"x.bin": b""})
    with (folder / "x.bin").open("r+b") as stream:
        stream.truncate(300 << 20)
    tracemalloc.start()
    (entry,) = run(ward, folder, patient="p1")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert entry.quarantine == 1
    assert peak < 30 << 20
    assert not ward.house.verify().problems
