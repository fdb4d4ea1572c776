"""DICOM (PS3.3, PS3.5, PS3.10): whose file it is, a series as a geometry-true volume, and a writer of CT series.

:func:`read_header` gives what intake needs to attribute and group a file; :func:`read_series` assembles the files of
one series; :func:`write_ct_series` makes plain CT files for tests and examples. Whatever is wrong with the bytes comes
out as one :class:`~salus.errors.InputError` that names the tag and a remedy, and never the patient.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from salus.errors import InputError
from salus.fhir import dates
from salus.formats.dicom_elements import DEFLATED, integer, kept_as, load, numbers, text
from salus.formats.types import Volume

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """What one file says of itself. Text is "" and numbers are 0 or None where the file says nothing.

    Dates are FHIR dates; ``acquired`` is the acquisition (else series, content, study) date, with its time only where
    the file gives the offset from UTC. ``sex`` is DICOM's code (M, F, O). ``contrast`` is True when a contrast or bolus
    agent is named, False when the element is empty or the file does not have it: absence proves nothing.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    frame_of_reference_uid: str
    transfer_syntax_uid: str
    modality: str
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    birth_date: str
    sex: str
    acquired: str
    study_date: str
    study_description: str
    series_description: str
    body_part: str
    accession_number: str
    photometric_interpretation: str
    rows: int
    columns: int
    frames: int
    instance_number: int | None
    slice_thickness: float | None
    contrast: bool
    has_pixel_data: bool

    @property
    def kept_as(self) -> str:
        """The kind of object ("segmentation", "structured report", …) when it is kept but not read yet, else ""."""
        return kept_as(self.sop_class_uid)


def read_header(data: bytes) -> DicomHeader:
    """The header of one DICOM file. Raises :class:`InputError` when ``data`` is not readable as DICOM."""
    ds = load(data)
    return DicomHeader(
        sop_class_uid=text(ds, "SOPClassUID"),
        sop_instance_uid=text(ds, "SOPInstanceUID"),
        series_instance_uid=text(ds, "SeriesInstanceUID"),
        study_instance_uid=text(ds, "StudyInstanceUID"),
        frame_of_reference_uid=text(ds, "FrameOfReferenceUID"),
        transfer_syntax_uid=text(ds.file_meta, "TransferSyntaxUID"),
        modality=text(ds, "Modality"),
        patient_id=text(ds, "PatientID"),
        issuer_of_patient_id=text(ds, "IssuerOfPatientID"),
        patient_name=text(ds, "PatientName"),
        birth_date=_date(text(ds, "PatientBirthDate")),
        sex=text(ds, "PatientSex"),
        acquired=_acquired(ds),
        study_date=_date(text(ds, "StudyDate")),
        study_description=text(ds, "StudyDescription"),
        series_description=text(ds, "SeriesDescription"),
        body_part=text(ds, "BodyPartExamined"),
        accession_number=text(ds, "AccessionNumber"),
        photometric_interpretation=text(ds, "PhotometricInterpretation"),
        rows=integer(ds, "Rows") or 0,
        columns=integer(ds, "Columns") or 0,
        frames=max(1, integer(ds, "NumberOfFrames") or 1) if "Rows" in ds else 0,
        instance_number=integer(ds, "InstanceNumber"),
        slice_thickness=next(iter(numbers(ds, "SliceThickness")), None),
        contrast=bool(text(ds, "ContrastBolusAgent")) or "ContrastBolusAgentSequence" in ds,
        has_pixel_data=any(name in ds for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")),
    )


def read_series(files: Sequence[bytes]) -> Volume:
    """The files of one series, in any order, as one volume: see :func:`salus.formats.dicom_series.assemble`."""
    from salus.formats.dicom_series import assemble

    return assemble([load(data) for data in files])


def read_images(files: Sequence[bytes]) -> list[Volume]:
    """As :func:`read_series`, but flat images (the views of a radiograph, say) of one series come each on its own."""
    from salus.formats.dicom_series import images

    return images([load(data) for data in files])


def _date(value: str) -> str:
    """A DICOM DA value (YYYYMMDD) as a FHIR date; "" when it is not a possible date."""
    written = f"{value[:4]}-{value[4:6]}-{value[6:8]}" if len(value) == 8 and value.isdigit() else ""
    try:
        return dates.parse(written).text
    except InputError:
        return ""


def _acquired(ds: Dataset) -> str:
    for name in ("Acquisition", "Series", "Content", "Study"):
        day = _date(text(ds, f"{name}Date"))
        if day:
            clock, offset = text(ds, f"{name}Time"), text(ds, "TimezoneOffsetFromUTC")
            moment = f"{day}T{clock[:2]}:{clock[2:4]}:{clock[4:6]}{offset[:3]}:{offset[3:]}"
            try:
                return dates.parse(moment).text
            except InputError:
                return day
    return ""


# ---- writing


def uid(name: str) -> str:
    """A UID made from ``name``, the same each time: 2.25 and a UUIDv5 as PS3.5 annex B.2 allows."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}"


def write_ct_series(
    volume: Volume,
    *,
    patient_id: str,
    seed: str,
    patient_name: str = "",
    birth_date: str = "",
    sex: str = "",
    acquired: str = "",
    study_description: str = "",
    series_description: str = "",
    body_part: str = "",
    slice_thickness: float | None = None,
    kernel: str = "",
    contrast: str = "",
    deflated: bool = False,
) -> list[bytes]:
    """A CT volume in Hounsfield units as DICOM files, one a slice, in slice order; the same bytes each time.

    ``volume.array`` (slices, rows, columns) is rounded to integers and stored as signed 16 bit with slope 1 and
    intercept 0. All UIDs follow from ``seed``. Dates are FHIR dates ("2025-03-01"); ``deflated`` chooses the deflated
    transfer syntax, else explicit VR little endian. Raises :class:`InputError` for values beyond 16 bit.
    """
    import numpy as np

    stored = np.rint(np.asarray(volume.array, dtype=np.float64))
    if not np.isfinite(stored).all() or np.abs(stored).max(initial=0) > 32767:
        raise InputError("the volume holds values that 16 bit cannot store", remedy="clip it to Hounsfield units")
    shared = {
        "PatientName": patient_name,
        "PatientID": patient_id,
        "PatientBirthDate": birth_date.replace("-", ""),
        "PatientSex": sex,
        "StudyDate": acquired.replace("-", ""),
        "AcquisitionDate": acquired.replace("-", ""),
        "StudyDescription": study_description,
        "SeriesDescription": series_description,
        "BodyPartExamined": body_part,
        "ConvolutionKernel": kernel,
        "ContrastBolusAgent": contrast,
        "StudyInstanceUID": uid(f"{seed}/study"),
        "SeriesInstanceUID": uid(f"{seed}/series"),
        "FrameOfReferenceUID": uid(f"{seed}/frame"),
        "SliceThickness": _decimal(slice_thickness or float(np.linalg.norm(volume.affine[:3, 2]))),
    }
    return [
        _ct_slice(volume, shared, number, frame.astype("<i2"), seed, deflated) for number, frame in enumerate(stored)
    ]


def _ct_slice(volume: Volume, shared: Mapping[str, Any], number: int, frame: Any, seed: str, deflated: bool) -> bytes:
    import numpy as np
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    columns, rows = (volume.affine[:3, axis] for axis in (0, 1))
    spacing = [float(np.linalg.norm(rows)), float(np.linalg.norm(columns))]
    position = volume.affine @ np.array([0.0, 0.0, number, 1.0])
    ds = Dataset()
    for keyword, value in shared.items():
        setattr(ds, keyword, value)
    ds.SOPClassUID = CT_IMAGE_STORAGE
    ds.SOPInstanceUID = uid(f"{seed}/instance/{number}")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Modality, ds.InstanceNumber, ds.KVP = "CT", number + 1, ""
    ds.ImagePositionPatient = [_decimal(v) for v in position[:3]]
    ds.ImageOrientationPatient = [_decimal(v) for v in (*columns / spacing[1], *rows / spacing[0])]
    ds.PixelSpacing = [_decimal(v) for v in spacing]
    ds.Rows, ds.Columns = frame.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "HU"
    if volume.window:
        ds.WindowCenter, ds.WindowWidth = (_decimal(v) for v in volume.window)
    ds.PixelData = frame.tobytes()
    ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(DEFLATED if deflated else EXPLICIT_LITTLE_ENDIAN)
    out = BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _decimal(value: float) -> str:
    """A number as a DICOM decimal string: at most 16 characters, as exact as they allow."""
    for digits in range(15, 0, -1):
        written = f"{value:.{digits}g}"
        if len(written) <= 16:
            return written
    return "0"
