"""The two imaging methods over charts: what they find, what they refuse and with which words."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread

from salus.fhir import json
from salus.fhir.blobs import BLOB_SCHEME, EXT_META, EXT_SHA256
from salus.fhir.quantity import Quantity
from salus.fhir.views import TAG_KIND
from salus.findings.fhir import from_fhir, to_fhir
from salus.findings.method import Context, Method
from salus.findings.model import Finding
from salus.formats.dicom import write_ct_series
from salus.formats.types import Volume
from salus.imaging.describe import METHOD as DESCRIBE
from salus.imaging.lung_ct import METHOD as LUNG
from salus.imaging.phantom import thorax
from salus.record.chart import Chart
from salus.terminology import codes

NOW = datetime(2025, 6, 1, tzinfo=UTC)
PATIENT = {"resourceType": "Patient", "id": "p", "birthDate": "1960-02-03"}


def document(
    files: Sequence[bytes], form: str = "dicom", date: str | None = "2025-03-01", meta: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A DocumentReference for an image series, and its blobs by address."""
    blobs = {f"b{number}": data for number, data in enumerate(files)}
    body: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "id": "ct",
        "status": "current",
        "meta": {"tag": [{"system": TAG_KIND, "code": f"image/{form}"}]},
        "content": [
            {
                "attachment": {
                    "title": f"{name}.{form}",
                    "contentType": "application/octet-stream",
                    "size": len(data),
                    "url": BLOB_SCHEME + name,
                    "extension": [{"url": EXT_SHA256, "valueString": hashlib.sha256(data).hexdigest()}],
                }
            }
            for name, data in blobs.items()
        ],
    }
    if date:
        body["date"] = date
    if meta:
        body["extension"] = [{"url": EXT_META, "extension": [{"url": k, "valueString": v} for k, v in meta.items()]}]
    return body, blobs


def run(
    method: Method, files: Sequence[bytes], *more: dict[str, Any], patient: Any = PATIENT, **how: Any
) -> list[Finding]:
    """The method's findings on a chart with one image series."""
    body, blobs = document(files, **how)
    return list(method.run(Chart.of([patient, body, *more], now=NOW, blobs=blobs), Context()))


def ct(volume: Volume, **options: Any) -> list[bytes]:
    """A chest CT as files."""
    return write_ct_series(volume, patient_id="p", seed="t", acquired="2025-03-01", body_part="CHEST", **options)


COARSE = thorax(shape=(48, 64, 64), spacing=(5.0, 3.6, 5.2))
# half the size of a grown body, so that thin sections stay few: the method knows millimetres, not anatomy
THIN = {"shape": (100, 92, 130), "spacing": (1.25, 1.25, 1.25), "scale": 0.52}
EMPHYSEMA = thorax(**THIN, emphysema=0.15)  # type: ignore[arg-type]
RAISED = ct(EMPHYSEMA.volume)


def test_both_follow_the_contract() -> None:
    for method in (DESCRIBE, LUNG):
        assert isinstance(method, Method)
        assert set(method.produces) <= set(codes.concepts())
        assert method.limits
        assert method.references
    assert codes.get("spirometry").codes[0].code == "127783003"


def test_method_modules_are_light() -> None:
    code = (
        "import sys, salus.imaging.describe, salus.imaging.lung_ct\n"
        "sys.exit(any(m in sys.modules for m in ('numpy', 'scipy', 'pydicom', 'nibabel')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_series_is_described_with_pictures() -> None:
    (found,) = run(DESCRIBE, ct(COARSE.volume))
    assert found.value == "CT"
    assert found.details["spacing_mm"] == [Decimal("5.2000"), Decimal("3.6000"), Decimal("5.0000")]
    assert found.details["extent_mm"] == [Decimal("332.8"), Decimal("230.4"), Decimal("240.0")]
    assert "48 slices of 64 × 64 pixels" in found.sentence
    assert [m.content_type for m in found.media] == ["image/png", "image/png"]
    assert all(m.data.startswith(b"\x89PNG") for m in found.media)
    assert found.effective == ("2025-03-01", "2025-03-01")
    assert found.evidence[1].part == "b24.dicom"


def test_nifti_and_unreadable_series() -> None:
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.diag([2.0, 2, 2, 1]))
    image.set_qform(image.affine, code=1)
    (found,) = run(DESCRIBE, [image.to_bytes()], form="nifti")
    assert found.value == "modality not stated"
    assert found.details["slices"] == 6
    assert run(LUNG, [image.to_bytes()], form="nifti") == []
    files = ct(COARSE.volume)
    (refused,) = run(DESCRIBE, files[:10] + files[13:])
    assert refused.status == "not-assessable"
    assert "3 slices are missing" in refused.reason
    assert refused.needs
    assert run(LUNG, files[:10] + files[13:]) == []


def test_lung_volume_with_bounds_and_evidence() -> None:
    volume, density = run(LUNG, ct(COARSE.volume))
    assert isinstance(volume.value, Quantity)
    assert volume.value.unit == "mL"
    assert volume.interval is not None
    assert volume.interval.low <= Decimal(round(COARSE.lung_ml)) <= volume.interval.high
    assert volume.interval.level is None
    shown = volume.evidence[1]
    assert shown.part == f"b{shown.locator['frame']}.dicom"
    left, top, right, bottom = shown.locator["box"]
    # the lungs reach 123 mm to the right, 118 to the left, 78 to front and back of the middle
    assert (left, right) == (pytest.approx(31.5 - 123 / 5.2, abs=1), pytest.approx(31.5 + 118 / 5.2, abs=1))
    assert (top, bottom) == (pytest.approx(31.5 - 78 / 3.6, abs=1), pytest.approx(31.5 + 78 / 3.6, abs=1))
    assert volume.details["sop_instances"]["count"] == 48
    assert len(volume.details["mask_sha256"]) == 64
    assert density.status == "not-assessable"
    assert "average low densities away" in density.reason
    assert run(LUNG, ct(COARSE.volume)) == [volume, density]


def test_the_order_of_files_changes_nothing_but_the_part() -> None:
    volume, _ = run(LUNG, ct(COARSE.volume))
    turned, _ = run(LUNG, ct(COARSE.volume)[::-1])
    assert (turned.value, turned.details) == (volume.value, volume.details)
    assert turned.evidence[1].digest == volume.evidence[1].digest


def test_raised_low_attenuation_proposes_spirometry_once() -> None:
    volume, density = run(LUNG, RAISED)
    assert volume.status == density.status == "ok"
    assert isinstance(density.value, Quantity)
    assert Decimal("12") < density.value.value <= Decimal("15")
    (proposal,) = density.proposals
    assert proposal.key == "nice-ng115:measure:spirometry"
    assert "radiologist" in proposal.text
    done = {
        "resourceType": "Procedure",
        "id": "s",
        "status": "completed",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "127783003"}]},
        "performedDateTime": "2025-04-10",
    }
    assert run(LUNG, RAISED, done)[1].proposals == ()
    earlier = {**done, "performedDateTime": "2024-04-10"}
    assert run(LUNG, RAISED, earlier)[1].proposals == (proposal,)


def test_normal_density_proposes_nothing() -> None:
    density = run(LUNG, ct(thorax(**THIN).volume))[1]  # type: ignore[arg-type]
    assert density.value == Quantity(Decimal("0.0"), "%")
    assert density.proposals == ()


def test_contrast_and_unknown_thickness_settle_density_only() -> None:
    volume, density = run(LUNG, ct(EMPHYSEMA.volume, contrast="IOMEPROL"))
    assert volume.status == "ok"
    assert "contrast" in density.reason
    thick = run(LUNG, ct(EMPHYSEMA.volume, slice_thickness=5.0))[1]
    assert "5.00 mm" in thick.reason


@pytest.mark.parametrize(
    ("patient", "reason"),
    [({**PATIENT, "birthDate": "2010-01-01"}, "adults"), ({"resourceType": "Patient", "id": "p"}, "age")],
)
def test_outside_the_population(patient: dict[str, Any], reason: str) -> None:
    found = run(LUNG, ct(COARSE.volume), patient=patient)
    assert {f.status for f in found} == {"not-assessable"}
    assert all(reason in f.reason for f in found)


def test_incomplete_coverage_gives_a_lower_bound_in_words() -> None:
    cut = thorax(shape=(40, 64, 64), spacing=(5.0, 3.6, 5.2), centre_z=30.0)
    found = run(LUNG, ct(cut.volume))
    assert {f.code for f in found} == {"lung-volume", "lung-density-laa950"}
    assert all("beyond the first or last slice" in f.reason for f in found)
    assert all("not to be made for this alone" in f.needs[0] for f in found)


def test_undated_thick_and_empty_scans() -> None:
    assert "date" in run(LUNG, ct(COARSE.volume), date=None)[0].reason
    thick = thorax(shape=(32, 64, 64), spacing=(8.0, 3.6, 5.2))
    assert "8.0 mm apart" in run(LUNG, ct(thick.volume))[0].reason
    solid = replace(COARSE.volume, array=np.full_like(COARSE.volume.array, 40))
    assert "no air" in run(LUNG, ct(solid))[0].reason


def test_other_images_are_left_alone() -> None:
    head = write_ct_series(COARSE.volume, patient_id="p", seed="h", body_part="HEAD")
    assert run(LUNG, head) == []
    assert run(LUNG, ct(COARSE.volume), meta={"modality": "MR"}) == []
    assert list(LUNG.run(Chart.of([PATIENT], now=NOW), Context())) == []


def test_radiographs_of_one_series_are_shown_each() -> None:
    def radiograph(data: bytes) -> bytes:
        ds = dcmread(BytesIO(data))
        del ds.ImageOrientationPatient, ds.ImagePositionPatient
        ds.Modality, ds.PhotometricInterpretation = "DX", "MONOCHROME1"
        out = BytesIO()
        ds.save_as(out)
        return out.getvalue()

    (found,) = run(DESCRIBE, [radiograph(data) for data in ct(COARSE.volume)[:2]])
    assert "flat image of 64 × 64 pixels without a place in the patient, and 1 more" in found.sentence
    assert [m.title for m in found.media] == ["DX 1", "DX 2"]
    assert run(DESCRIBE, ct(COARSE.volume), meta={"kept-as": "segmentation"}) == []


def test_findings_survive_fhir() -> None:
    for method in (DESCRIBE, LUNG):
        for finding in run(method, RAISED):
            whole = finding.by(subject="p", method=method.id, version=method.version, parameters="", reads=())
            observation = json.loads(json.dumps(to_fhir(whole, "2025-06-01T00:00:00Z")[0]))
            assert from_fhir(observation) == whole


def test_an_unequal_pair_is_remarked_upon() -> None:
    dense = COARSE.volume.array.copy()
    dense[:24, :, 32:][dense[:24, :, 32:] < -600] = 40
    volume = run(LUNG, ct(replace(COARSE.volume, array=dense)))[0]
    assert volume.status == "ok"
    assert "32 volunteers" in volume.sentence
