"""Files of every kind that intake reads, made for one person and small."""

from __future__ import annotations

import numpy as np

from salus.fhir import json
from salus.formats import wfdb
from salus.formats.dicom import write_ct_series
from salus.formats.types import Volume
from tests.conftest import bundle, creatinine, person

MRN = "MRN-p1"
BORN = "1968-03-14"
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1"


def fhir(patient="p1", **more):
    """A Bundle of a Patient and one creatinine."""
    return json.dumps(bundle(person(patient, **more), creatinine("1.10", "2026-01-01", f"c-{patient}", patient)))


def vcf(mrn=MRN, end="\n", meta=()):
    """Two variants of one sample; the header names the patient where ``mrn`` is given."""
    head = ["##fileformat=VCFv4.2", *([f"##PatientID={mrn}"] if mrn else []), *meta, "##contig=<ID=chr10>", COLUMNS]
    rows = ["chr10\t94781859\t.\tG\tA\t50\tPASS\t.\tGT\t0/1", "chr10\t94761900\t.\tC\tT\t50\tPASS\t.\tGT\t0/0"]
    return (end.join([*head, *rows]) + end).encode()


def dicom(mrn=MRN, birth_date=BORN, sex="F", seed="one", slices=3):
    """A CT series, a file a slice."""
    affine = np.diag([0.8, 0.7, 2.5, 1.0])
    volume = Volume(np.arange(slices * 12, dtype=np.int16).reshape(slices, 3, 4), affine, "CT", "[hnsf'U]")
    return write_ct_series(
        volume,
        patient_id=mrn,
        patient_name="Example^Ada",
        birth_date=birth_date,
        sex=sex,
        acquired="2026-01-02",
        seed=seed,
    )


def ecg(comments=(f"Patient ID: {MRN}",), name="r1"):
    """A WFDB record: header and signal file by name."""
    signal = np.sin(np.arange(500) / 20)[:, None]
    files = wfdb.write_record(name, signal, 250, units=["mV"], gain=[1000], channels=["II"])
    header = next(n for n in files if n.endswith(".hea"))
    return {**files, header: files[header] + "".join(f"# {c}\n" for c in comments).encode()}


def apple(birth_date=BORN, sex="Female", dtd=""):
    """An export with one home weight."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{dtd}<HealthData locale="en_GB">\n'
        '<ExportDate value="2026-05-01 07:10:00 +0200"/>\n'
        f'<Me HKCharacteristicTypeIdentifierDateOfBirth="{birth_date}" '
        f'HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSex{sex}"/>\n'
        '<Record type="HKQuantityTypeIdentifierBodyMass" sourceName="Scale" unit="kg" '
        'startDate="2026-04-01 07:10:00 +0200" endDate="2026-04-01 07:10:00 +0200" value="71.5"/>\n</HealthData>\n'
    ).encode()


def note(mrn=MRN, born=BORN, sex="F", text="No chest pain. Takes simvastatin 40 mg."):
    """A note with a head that names the patient."""
    head = [f"MRN: {mrn}"] if mrn else []
    head += [f"DOB: {born}"] if born else []
    head += [f"Sex: {sex}"] if sex else []
    return "\n".join(["Clinic letter", "Date: 2026-02-03", *head, "", text, ""]).encode()


def nifti():
    """A small volume; it names nobody."""
    import nibabel

    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.diag([-0.9, 0.8, 2.5, 1.0]))
    image.header.set_xyzt_units("mm")
    return image.to_bytes()


def folder(path, *, bundled=True):
    """One person's folder with every kind of data."""
    path.mkdir(parents=True, exist_ok=True)
    if bundled:
        (path / "record.json").write_bytes(fhir())
    (path / "genome.vcf").write_bytes(vcf())
    (path / "export.xml").write_bytes(apple())
    (path / "letter.txt").write_bytes(note())
    (path / "brain.nii").write_bytes(nifti())
    for name, data in ecg().items():
        (path / name).write_bytes(data)
    (path / "ct").mkdir(exist_ok=True)
    for number, data in enumerate(dicom()):
        (path / "ct" / f"{number}.dcm").write_bytes(data)
    return path
