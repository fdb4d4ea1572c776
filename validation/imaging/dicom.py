"""DICOM files decoded to the right values, or refused where there is nothing to decode.

Every file below the folder that begins as DICOM does (also inside ``.gz`` and ``.zst``, whatever its name) is a case,
read as a series of one file. The reference is pydicom, with the plug-ins that are installed, and what lies beside the
file:

- ``REF/<stem>_UNC`` beside its own folder (the NEMA WG-04 layout ``<syntax>/<stem>_<syntax>``): the uncompressed
  twin. Equal for lossless syntaxes; for JPEG-LS at most the NEAR that stands in the codestream apart (ITU-T T.87);
  for other lossy syntaxes a PSNR of ``LEAST_PSNR`` dB over the twin's range (a picture mirrored or
  of another scale stays below it; NEMA's own strongest compression reaches 31.8 dB), and within ``STEP`` of pydicom's
  decoding, for decoders may round the last step differently;
- ``ref.nii.gz`` in its folder: the n-th file of that folder is its n-th volume, made by another converter: voxels
  equal, places within ``PLACE_MM``;
- else pydicom's pixels, float pixel data too, with slope and intercept of the frame's own functional group, of the
  shared one, or of the file (PS3.3 C.7.6.16), frames in the order of their places; and the place of the first pixel
  and the directions of rows and columns. Integers must be equal; other values may be off by ``ROUNDING`` of
  themselves, which is one step of the single precision that they are kept in.

Of each uncompressed grey file two copies are cases too, judged like the last kind: one whose slope is 2.5 more frame by
frame and whose intercept is -1024.25, and one whose pixels are a third of themselves in floating point.

``right``: decoded to these values. ``refused_rightly``: the reference finds no image (pydicom cannot decode the
pixels, or there are none). ``abstained``: refused on a ground of safety that the reference confirms in the file
(``GROUNDS``). ``refused_though_answerable``: refused without either. The check holds with no ``wrong`` and no such
refusal.
"""

from __future__ import annotations

import copy
import gzip
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableSequence
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import zstandard
from pydicom.uid import UID

from salus.errors import InputError
from salus.formats.dicom import read_series
from salus.formats.types import Volume
from salus.imaging.volume import anatomical
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of

LOSSY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.91")
NEAR_LOSSLESS = "1.2.840.10008.1.2.4.81"
LEAST_PSNR, STEP = 30.0, 1.0
ROUNDING = 2.0**-23
PLACE_MM = 1e-3
MOST_BYTES = 1 << 30
DEVELOPED = (
    "728bc67a36343e92", "de82af4c84ff4482", "7a251237eea2e6f5", "059a1d0fc59125eb", "53cefe868209a4d5",
    "80a074f66977a9a3", "f806c6acea2f20ea", "7ea3c2a19e4a1da9", "86f59144ece2a6f3", "87f412d9daf58b14",
    "5807c6f052944339", "236806a555c0ccc9", "0affe7a7ebe84385", "95620ff3d0e50622", "24552c24921274d5",
    "eee914f936a63b90", "a7da533cf2f0910b", "b38d1dd5d714f318", "d9176e6d639ad835", "3c974270eca06e33",
    "0db74e1c44d1f1bf", "c9d000c75d92b143", "c425608e2fcda833", "3f7d0a7c14230d9b", "4457c66f44b37e8c",
    "cecb9b1120a74dc4", "8df23792fec23d6d", "550bcb521853cf07", "670ded567a804996",
)  # fmt: skip
"""The files that the reader was made on: the beginnings of their SHA-256."""
MUTANTS = (
    Mutant("salus/formats/dicom_series.py", "frame.astype(np.float64) * slope + intercept",
           "frame.astype(np.float64) * slope - intercept", "sign of the intercept"),
    Mutant("salus/formats/dicom_series.py", "for holder in (frame, shared):", "for holder in (shared, frame):",
           "the shared scale before the frame's own"),
    Mutant("salus/formats/dicom_series.py", "np.issubdtype(frame.dtype, np.floating)", "frame.dtype == np.float64",
           "floating point cut to integers"),
    Mutant("salus/formats/dicom_series.py", "affine[:3, 0] = row * planes[0].spacing[1]",
           "affine[:3, 0] = column * planes[0].spacing[1]", "rows and columns changed"),
    Mutant("salus/formats/dicom_mosaic.py", "(mosaic.shape[1] - columns) / 2", "(mosaic.shape[1] + columns) / 2",
           "the corner of a mosaic"),
    Mutant("salus/formats/dicom_pixels.py", "return pixels.reshape(frames, rows, columns, *colour)",
           "return pixels.reshape(frames, rows, columns, *colour)[:, ::-1]", "pictures upside down"),
    Mutant("salus/formats/dicom_series.py", "key=lambda p: float(p.position @ normal))",
           "key=lambda p: -float(p.position @ normal))", "slices in the other order"),
)  # fmt: skip


def _absent(*keywords: str) -> Callable[[pydicom.Dataset], bool]:
    """Whether one of the elements stands nowhere in a data set, not even within its sequences."""
    return lambda ds: any(not _values(ds, keyword) for keyword in keywords)


def _no_numbers(*keywords: str) -> Callable[[pydicom.Dataset], bool]:
    """Whether one of the elements is absent, or holds what is no number (a decimal comma, say)."""
    return lambda ds: any(not _values(ds, k) or any(not _is_numeric(v) for v in _values(ds, k)) for k in keywords)


def _values(ds: pydicom.Dataset, keyword: str) -> list[Any]:
    return [item.value for item in ds.iterall() if item.keyword == keyword and item.value not in (None, "")]


def _is_numeric(value: Any) -> bool:
    try:
        floats(value)
    except ValueError:
        return False
    return True


def floats(value: Any) -> list[float]:
    """An element's numbers, also where it was written as text. Raises ValueError."""
    parts = value.split("\\") if isinstance(value, str) else value if isinstance(value, MutableSequence) else [value]
    return [float(part) for part in parts]


def _no_image(ds: pydicom.Dataset) -> bool:
    """Whether the object's class is none of images, by its name in the standard (PS3.6)."""
    return "Image Storage" not in UID(str(ds.get("SOPClassUID", ""))).name


def _uneven(ds: pydicom.Dataset) -> bool:
    """Whether places of frames are missing, repeat or are unequally spaced."""
    places = frame_places(ds)
    if places is None or _absent("ImageOrientationPatient")(ds):
        return True
    cosines = next(item.value for item in ds.iterall() if item.keyword == "ImageOrientationPatient")
    gaps = np.diff(np.sort(places @ np.cross(cosines[:3], cosines[3:])))
    return bool(len(gaps) and (gaps.min() < 0.01 or np.ptp(gaps) > 0.1 * np.median(gaps)))


GROUNDS: Mapping[str, Callable[[pydicom.Dataset], bool]] = {
    "ImageOrientationPatient": _absent("ImageOrientationPatient"),
    "ImagePositionPatient": _uneven,
    "PixelSpacing": _no_numbers("PixelSpacing"),
    "SpacingBetweenSlices": _no_numbers("SpacingBetweenSlices"),
    "SliceThickness": _no_numbers("SliceThickness"),
    "PerFrameFunctionalGroupsSequence": _absent("PerFrameFunctionalGroupsSequence"),
    "PlanePositionSequence": _absent("PlanePositionSequence"),
    "PlaneOrientationSequence": _absent("PlaneOrientationSequence"),
    "PixelMeasuresSequence": _absent("PixelMeasuresSequence"),
    "RescaleIntercept": _no_numbers("RescaleIntercept", "RescaleSlope"),
    "RescaleSlope": _no_numbers("RescaleIntercept", "RescaleSlope"),
    "SOPInstanceUID": _absent("SOPInstanceUID"),
    "SOPClassUID": _no_image,
}
"""Grounds of safety: the element that a refusal names, and how the reference confirms it. Without place, direction or
spacing there is no volume; without its rescale values no CT number; without identity no evidence; and an object that is
no image (a segmentation, a dose) is kept whole instead of being shown as one."""


def content(path: Path) -> bytes:
    """A file's bytes, unpacked. Raises OSError or zstandard.ZstdError."""
    data = path.read_bytes()
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=MOST_BYTES)
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def cases(folder: Path) -> list[tuple[Path, bytes]]:
    """Every file that begins as PS3.10 says, unpacked."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            data = content(path)
        except (OSError, EOFError, zstandard.ZstdError):
            continue  # whether a damaged archive holds DICOM cannot be known
        if data[128:132] == b"DICM":
            found.append((path, data))
    return found


def twin_of(path: Path) -> Path | None:
    """The uncompressed twin of ``<syntax>/<stem>_<syntax>``, where there is one."""
    stem = path.name.split("_")[0]
    return next(iter(sorted(path.parent.parent.glob(f"REF/{stem}_UNC*"))), None)


def _item(holder: Any, name: str) -> Any:
    items = holder.get(name) if holder is not None else None
    return items[0] if items else None


def groups(ds: pydicom.Dataset, name: str) -> list[Any]:
    """For each frame its functional group ``name``, or the shared one, or None; [] for objects without them."""
    shared = _item(ds, "SharedFunctionalGroupsSequence")
    return [_item(frame, name) or _item(shared, name) for frame in ds.get("PerFrameFunctionalGroupsSequence") or []]


def frame_places(ds: pydicom.Dataset) -> np.ndarray | None:
    """(frames, 3) in mm from the functional groups, else from the file; None when one is missing."""
    items = groups(ds, "PlanePositionSequence") or [ds]
    found = [item.get("ImagePositionPatient") if item is not None else None for item in items]
    return None if any(f is None for f in found) else np.array(found, float)


def rescaled(ds: pydicom.Dataset) -> np.ndarray:
    """(frames, rows, columns[, 3]): pydicom's pixels, colours by their table, slope and intercept frame by frame."""
    pixels = ds.pixel_array
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        pixels = pydicom.pixels.apply_color_lut(pixels, ds)
    count = int(ds.get("NumberOfFrames") or 1)
    pixels = pixels if count > 1 else pixels[None]
    items = [item or ds for item in groups(ds, "PixelValueTransformationSequence")] or [ds] * count
    scales = [(float(item.get("RescaleSlope", 1)), float(item.get("RescaleIntercept", 0))) for item in items]
    if all(scale == (1.0, 0.0) for scale in scales):
        return pixels
    return np.stack([p.astype(np.float64) * s + i for p, (s, i) in zip(pixels, scales, strict=True)])


def judge_plain(ds: pydicom.Dataset, found: Volume) -> str:
    """Against pydicom's values and the places in the file. "" when right."""
    wanted, places = rescaled(ds), frame_places(ds)
    item = (groups(ds, "PlaneOrientationSequence") or [ds])[0]
    cosines = item.get("ImageOrientationPatient") if item is not None else None
    if places is None or cosines is None:
        return differs(found.array, wanted) or ("places claimed that are not in the file" if
                                                np.isfinite(found.affine).all() else "")  # fmt: skip
    row, column = np.array(cosines[:3], float), np.array(cosines[3:], float)
    order = np.argsort(places @ np.cross(row, column))
    spacing = floats(((groups(ds, "PixelMeasuresSequence") or [ds])[0]).PixelSpacing)
    lies = np.stack([row * spacing[1], column * spacing[0], places[order[0]]], axis=1)
    moved = float(np.abs(found.affine[:3, [0, 1, 3]] - lies).max())
    return differs(found.array, wanted[order]) or (f"places differ by {moved:.4f}" if not moved <= PLACE_MM else "")


def near(data: bytes) -> float:
    """The largest error that a JPEG-LS codestream allows itself: NEAR in its start of scan (ITU-T T.87 C.2.3)."""
    scan = data.rindex(b"\xff\xda\x00", data.index(b"\xff\xd8\xff"))
    return float(data[scan + 5 + 2 * data[scan + 4]])


def judge_twin(path: Path, data: bytes, found: Volume, twin: Path) -> str:
    """Against the uncompressed twin. "" when right."""
    ds = pydicom.dcmread(BytesIO(data))
    wanted = rescaled(pydicom.dcmread(BytesIO(content(twin))))
    wanted = wanted.reshape(found.array.shape) if wanted.size == found.array.size else wanted
    syntax = str(ds.file_meta.TransferSyntaxUID)
    if syntax == NEAR_LOSSLESS:
        return differs(found.array, wanted, near(data))
    if syntax not in LOSSY:
        return differs(found.array, wanted)
    error = np.mean((found.array.astype(np.float64) - wanted) ** 2)
    psnr = 10 * np.log10(np.ptp(wanted.astype(np.float64)) ** 2 / max(float(error), 1e-12))
    apart = differs(found.array, rescaled(ds).reshape(found.array.shape), STEP)
    return f"{psnr:.1f} dB from the uncompressed twin" if psnr < LEAST_PSNR else apart


def judge_nifti(path: Path, found: Volume, reference: Path) -> str:
    """Against the n-th volume of a NIfTI file that another converter made. "" when right."""
    number = [p.name for p, _ in cases(path.parent)].index(path.name)
    image = nib.load(reference)
    values = np.asarray(image.dataobj)
    one = values[..., number] if values.ndim == 4 else values
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    wanted = anatomical(Volume(one.transpose(2, 1, 0), lps, "", "1"))
    turned = anatomical(found)
    moved = float(np.abs(turned.affine - wanted.affine).max())
    wrong = differs(turned.array, wanted.array)
    return wrong or (f"places differ by {moved:.4f} mm" if moved > PLACE_MM else "")


def differs(found: np.ndarray, wanted: np.ndarray, apart: float = 0.0) -> str:
    """In what the voxels differ, or ""."""
    if found.shape != wanted.shape:
        return f"shape {found.shape}, reference {wanted.shape}"
    whole = np.issubdtype(found.dtype, np.integer)
    one, other = found.astype(np.float64), wanted.astype(np.float64)
    off = np.abs(one - other) - apart - (0.0 if whole else ROUNDING * np.abs(other))
    return f"voxels differ by up to {np.abs(one - other).max()}" if not (off <= 0).all() else ""


def judge_refusal(data: bytes, error: InputError) -> tuple[Outcome, str]:
    """Whether the reference agrees that there is nothing to decode, or confirms the ground."""
    try:
        ds = pydicom.dcmread(BytesIO(data))
        decoded = rescaled(ds)
    except Exception:  # noqa: BLE001 - a parser of damaged files has no closed list of exceptions
        return Outcome.REFUSED_RIGHTLY, ""
    keyword = (error.where or "").rpartition(" ")[2]
    if keyword in GROUNDS and GROUNDS[keyword](ds):
        return Outcome.ABSTAINED, ""
    return Outcome.REFUSED_THOUGH_ANSWERABLE, f"{error}; pydicom decodes {decoded.shape}"


def copies(data: bytes) -> Iterator[tuple[str, bytes]]:
    """(name, file) with other slopes, and with floating point pixels, of an uncompressed grey image."""
    ds = pydicom.dcmread(BytesIO(data))
    mosaic = "MOSAIC" in ds.get("ImageType", "")
    if (
        ds.file_meta.TransferSyntaxUID.is_compressed
        or "PixelData" not in ds
        or "MONOCHROME" not in ds.PhotometricInterpretation
    ):
        return
    if _no_image(ds) or mosaic or ds.BitsAllocated < 8:
        return
    scaled, floating = copy.deepcopy(ds), ds
    for number, item in enumerate(scaled.get("PerFrameFunctionalGroupsSequence") or [scaled]):
        scale = item if item is scaled else pydicom.Dataset()
        scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = str(2.5 * (number + 1)), "-1024.25", "US"
        if item is not scaled:
            item.PixelValueTransformationSequence = pydicom.Sequence([scale])
    yield "other slopes", written(scaled)
    floating.FloatPixelData = (ds.pixel_array.astype("<f4") / 3).tobytes()
    floating.BitsAllocated = 32
    del floating.PixelData
    yield "floating point", written(floating)


def written(ds: pydicom.Dataset) -> bytes:
    """A data set as a file."""
    out = BytesIO()
    ds.save_as(out)
    return out.getvalue()


def judge(path: Path, data: bytes, *, copied: bool = False) -> tuple[Outcome, str]:
    """The outcome of one file, or of a copy of it."""
    try:
        found = read_series([data])
    except InputError as error:
        if not (error.what and error.remedy):
            return Outcome.WRONG, f"refused without a remedy: {error}"
        return judge_refusal(data, error)
    except Exception as error:  # noqa: BLE001 - what escapes is what is looked for
        return Outcome.WRONG, f"{type(error).__name__} escaped"
    twin, nifti = twin_of(path), path.parent / "ref.nii.gz"
    try:
        if twin is not None and not copied:
            wrong = judge_twin(path, data, found, twin)
        elif nifti.exists() and not copied:
            wrong = judge_nifti(path, found, nifti)
        else:
            wrong = judge_plain(pydicom.dcmread(BytesIO(data)), found)
    except Exception as error:  # noqa: BLE001 - the reference is another's program
        return Outcome.NOT_READ, f"the reference cannot be had: {type(error).__name__}: {error}"
    return (Outcome.WRONG, wrong) if wrong else (Outcome.RIGHT, "")


def main(arguments: list[str] | None = None) -> int:
    """Score every DICOM file below ``--data``."""
    options = argument_parser(__doc__ or "").parse_args(arguments)
    warnings.simplefilter("ignore")
    found, tally = cases(options.data), Tally()
    for path, data in found:
        name = str(path.relative_to(options.data))
        tally.add(name, *judge(path, data))
        try:
            made = list(copies(data))
        except Exception:  # noqa: BLE001 - pydicom cannot read it: there is no copy of it
            made = []
        for how, changed in made:
            tally.add(f"{name}: {how}", *judge(path, changed, copied=True))
    files = [path for path, _ in found]
    counts = tally.counts
    refusals = (Outcome.REFUSED_RIGHTLY, Outcome.REFUSED_THOUGH_ANSWERABLE, Outcome.ABSTAINED)
    return report(
        check="imaging.dicom",
        tally=tally,
        covers=(
            "a file of these kinds is decoded to the values that pydicom, the uncompressed twin or another converter "
            "gives, or refused where nothing can be decoded or a place, an identity or a scale is missing"
        ),
        truth=Truth.OUTSIDE,
        split=split_of(files, DEVELOPED),
        figures={"decoded": counts[Outcome.RIGHT], "refused": sum(counts[outcome] for outcome in refusals)},
        methods=["imaging.volume"],
        data=options.data,
        files=files,
        as_json=options.json,
        ok=not any(counts[o] for o in (Outcome.WRONG, Outcome.REFUSED_THOUGH_ANSWERABLE, Outcome.NOT_READ)),
    )


if __name__ == "__main__":
    sys.exit(main())
