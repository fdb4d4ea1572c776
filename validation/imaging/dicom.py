"""DICOM files decoded exactly, or refused with a reason and a remedy.

Every file below the folder that is DICOM (also inside ``.gz`` and ``.zst``) is a case. A decoded file passes when its
voxels equal an independent reference: ``REF/<stem>_UNC`` beside its own folder (the NEMA WG-04 layout ``<syntax>/
<stem>_<syntax>``: exact for lossless syntaxes, at most 4 off for near-lossless JPEG-LS, same shape for lossy ones),
else ``ref.nii.gz`` in its folder (the n-th file is the n-th volume; voxels and places), else pydicom's own pixels with
slope and intercept applied. A refusal passes when it names what is wrong and what to do. Anything else fails.
"""

from __future__ import annotations

import gzip
import sys
import warnings
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import zstandard

from salus.errors import InputError
from salus.formats.dicom import read_series
from salus.formats.dicom_elements import is_dicom
from salus.formats.types import Volume
from salus.imaging.volume import anatomical
from validation._report import argument_parser, report

TOLERANCE = {"JLSN": 4.0, "J2KI": np.inf, "JPLY": np.inf}
PLACE_MM = 1e-3


def content(path: Path) -> bytes:
    """A file's bytes, unpacked."""
    data = path.read_bytes()
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=1 << 30)
    return gzip.decompress(data) if path.suffix == ".gz" else data


def wg04_reference(path: Path) -> Path | None:
    """The uncompressed twin of ``<syntax>/<stem>_<syntax>``, where there is one."""
    stem = path.name.split("_")[0]
    return next(iter(sorted(path.parent.parent.glob(f"REF/{stem}_UNC*"))), None)


def judge(path: Path, data: bytes, found: Volume) -> str | None:
    """Why a decoded file is wrong, or None."""
    twin, nifti = wg04_reference(path), path.parent / "ref.nii.gz"
    if twin is not None:
        wanted = pydicom.dcmread(BytesIO(content(twin))).pixel_array
        return differs(found.array, wanted.reshape(found.array.shape), TOLERANCE.get(path.parent.name, 0.0))
    if nifti.exists():
        return judge_nifti(path, found, nifti)
    ds = pydicom.dcmread(BytesIO(data))
    groups = ds.get("SharedFunctionalGroupsSequence")
    scale = groups[0].PixelValueTransformationSequence[0] if groups else ds
    wanted = ds.pixel_array * float(scale.get("RescaleSlope", 1)) + float(scale.get("RescaleIntercept", 0))
    return differs(found.array, wanted.reshape(found.array.shape), 0.0)


def judge_nifti(path: Path, found: Volume, reference: Path) -> str | None:
    """Compares voxels and places with the n-th volume of a NIfTI file that another converter made."""
    number = sorted(p.name for p in path.parent.glob(f"*{''.join(path.suffixes)}")).index(path.name)
    image = nib.load(reference)
    values = np.asarray(image.dataobj)
    one = values[..., number] if values.ndim == 4 else values
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    wanted = anatomical(Volume(one.transpose(2, 1, 0), lps, "", "1"))
    turned = anatomical(found)
    wrong = differs(turned.array, wanted.array, 0.0)
    moved = float(np.abs(turned.affine - wanted.affine).max())
    return wrong or (f"places differ by {moved:.4f} mm" if moved > PLACE_MM else None)


def differs(found: np.ndarray, wanted: np.ndarray, tolerance: float) -> str | None:
    """In what the voxels differ, or None."""
    if found.shape != wanted.shape:
        return f"shape {found.shape}, reference {wanted.shape}"
    worst = float(np.abs(found.astype(np.float64) - wanted).max())
    return f"voxels differ by up to {worst}" if worst > tolerance else None


def main(arguments: list[str] | None = None) -> int:
    """Score every DICOM file below ``--data``."""
    options = argument_parser(__doc__ or "").parse_args(arguments)
    warnings.simplefilter("ignore")
    failures, decoded, refused, files = [], 0, 0, []
    for path in sorted(p for p in options.data.rglob("*") if p.is_file() and p.suffix not in (".txt", ".json", ".md")):
        if path.name.endswith((".nii.gz", ".npz", ".csv", ".bin")) or not is_dicom(data := content(path)):
            continue
        files.append(path)
        name = str(path.relative_to(options.data))
        try:
            wrong = judge(path, data, read_series([data]))
            decoded += wrong is None
        except InputError as error:
            wrong = None if error.what and error.where and error.remedy else f"refused without place or remedy: {error}"
            refused += wrong is None
        except Exception as error:  # noqa: BLE001 - what escapes is what is looked for
            wrong = f"{type(error).__name__} escaped: {error}"
        if wrong:
            failures.append({"id": name, "why": wrong})
    return report(
        check="imaging.dicom",
        n=len(files),
        passed=decoded + refused,
        figures={"decoded": decoded, "refused": refused},
        methods=["imaging.volume"],
        data=options.data,
        files=files,
        failures=failures,
        as_json=options.json,
    )


if __name__ == "__main__":
    sys.exit(main())
