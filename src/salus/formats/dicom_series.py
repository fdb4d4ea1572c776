"""Files of one DICOM series to one geometry-true volume, or to a clear refusal.

Geometry follows PS3.3 C.7.6.2.1.1: Image Position and Image Orientation (Patient) give where each pixel lies in the
patient's LPS coordinates; slices are ordered by their position along the slice normal, never by instance number.
Nothing is inferred: without orientation, with unequal spacing, shear (gantry tilt) or gaps there is no volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from salus.errors import InputError
from salus.formats.dicom_elements import element, integer, kept_as, numbers, tag, text
from salus.formats.dicom_pixels import PIXELS, frames_of
from salus.formats.dicom_plane import UNIT_TOLERANCE, Plane, orientation, rescale, spacing, vector
from salus.formats.types import Volume

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

VOLUMETRIC = frozenset({"CT", "MR", "PT"})
"""Modalities whose images lie in the patient: without an orientation they are refused, not shown as flat pictures."""
HOUNSFIELD = "[hnsf'U]"
MAX_SERIES = 1 << 29
"""Pixels that a series may hold: 2,048 slices of 512 x 512, a gibibyte at 16 bit."""
SPACING_TOLERANCE = 0.05
"""By what part of the slice spacing a slice may lie off the regular grid (positions are rounded decimal strings)."""
SHEAR_TOLERANCE = 0.25
"""By what part of a pixel the stack may drift sideways from first to last slice."""


def assemble(datasets: Sequence[Dataset]) -> Volume:
    """One volume from the parsed files of one series.

    Slices (or the frames of an enhanced multi-frame object, or the tiles of a Siemens mosaic) become ``array``
    (slices, rows, columns) with rescale slope and intercept applied once; CT is in Hounsfield units. A single image of
    a modality that does not lie in the patient (radiograph, photograph, scintigram) becomes (1, rows, columns) or, in
    colour, (1, rows, columns, 3) with an ``affine`` of NaN: no geometry is claimed.

    Raises :class:`InputError` when there are no pixels, the transfer syntax cannot be decoded here, orientation is
    missing, slices are unequal, sheared or missing, series are mixed, or the object is of a kind that is only kept.
    """
    if not datasets:
        raise InputError("the series has no files", remedy="hand over at least one DICOM file")
    first = datasets[0]
    kind = kept_as(text(first, "SOPClassUID") or text(first.file_meta, "MediaStorageSOPClassUID"))
    if kind:
        raise InputError(f"a DICOM {kind}: kept, not read yet", tag("SOPClassUID"), "nothing to do; it stays whole")
    datasets, losses = _without_duplicates(datasets)
    _one_series(datasets)
    _bounded(datasets)
    if "MOSAIC" in text(first, "ImageType").split("\\"):
        from salus.formats.dicom_mosaic import tiles_of

        planes = [plane for ds in datasets for plane in tiles_of(ds)]
    elif (integer(first, "NumberOfFrames") or 1) > 1 or "PerFrameFunctionalGroupsSequence" in first:
        planes = [plane for ds in datasets for plane in _enhanced(ds)]
    elif all(_is_flat(ds) for ds in datasets):
        return _flat(datasets, losses)
    else:
        planes = [_plane(ds) for ds in datasets]
    return _stack(planes, first, losses)


def images(datasets: Sequence[Dataset]) -> list[Volume]:
    """As :func:`assemble`, but flat images of one series come each as a volume of its own, in the order given."""
    if datasets and all(_is_flat(ds) for ds in datasets):
        return [assemble([ds]) for ds in _without_duplicates(datasets)[0]]
    return [assemble(datasets)]


def _is_flat(ds: Dataset) -> bool:
    """Whether an image has no place in the patient and is of a modality that need not have one."""
    single = (integer(ds, "NumberOfFrames") or 1) == 1 and "PerFrameFunctionalGroupsSequence" not in ds
    placed = element(ds, "ImageOrientationPatient") is not None
    return single and not placed and text(ds, "Modality") not in VOLUMETRIC


def _without_duplicates(datasets: Sequence[Dataset]) -> tuple[list[Dataset], list[str]]:
    seen: dict[str, Dataset] = {}
    repeated = 0
    for ds in datasets:
        uid = text(ds, "SOPInstanceUID")
        if not uid:
            raise InputError("the file has no identity", tag("SOPInstanceUID"), "export the series again")
        if uid in seen:
            if any(ds.get(keyword) != seen[uid].get(keyword) for keyword in PIXELS):
                raise InputError("two different images claim one identity", tag("SOPInstanceUID"), "find the true one")
            repeated += 1
        seen.setdefault(uid, ds)
    return list(seen.values()), [f"{repeated} repeated files left out"] if repeated else []


def _one_series(datasets: Sequence[Dataset]) -> None:
    for keyword in ("SeriesInstanceUID", "Modality", "Rows", "Columns", "FrameOfReferenceUID", "SOPClassUID"):
        if len({text(ds, keyword) for ds in datasets}) > 1:
            raise InputError("the files are of mixed series", tag(keyword), "hand over one series at a time")


def _bounded(datasets: Sequence[Dataset]) -> None:
    pixels = sum(
        (integer(ds, "Rows") or 0) * (integer(ds, "Columns") or 0) * (integer(ds, "NumberOfFrames") or 1)
        for ds in datasets
    )
    if pixels > MAX_SERIES:
        raise InputError(f"more than {MAX_SERIES} pixels in one series", tag("Rows"), "hand over a part of the series")


def _flat(datasets: Sequence[Dataset], losses: list[str]) -> Volume:
    if len(datasets) > 1:
        raise InputError(
            f"{len(datasets)} separate images without a place in the patient",
            tag("ImageOrientationPatient"),
            "hand them over one at a time",
        )
    ds = datasets[0]
    pixels = frames_of(ds)
    if pixels.ndim == 3:
        slope, intercept = rescale(ds)
        pixels = _rescaled([pixels[0]], [(slope, intercept)])
    return Volume(
        array=pixels,
        affine=np.full((4, 4), np.nan),
        modality=text(ds, "Modality"),
        unit="1",
        sources=(text(ds, "SOPInstanceUID"),),
        window=_window(ds),
        description=text(ds, "SeriesDescription") or text(ds, "StudyDescription"),
        losses=(*losses, "a flat image: no place or orientation in the patient is claimed", *_losses(ds)),
    )


def _plane(ds: Dataset) -> Plane:
    slope, intercept = rescale(ds)
    return Plane(
        pixels=_grey(ds)[0],
        position=vector(ds, "ImagePositionPatient", 3),
        orientation=orientation(vector(ds, "ImageOrientationPatient", 6)),
        spacing=spacing(ds),
        slope=slope,
        intercept=intercept,
        uid=text(ds, "SOPInstanceUID"),
    )


def _enhanced(ds: Dataset) -> list[Plane]:
    """Frames of an enhanced multi-frame image, placed by its functional groups (PS3.3 C.7.6.16)."""
    per_frame = element(ds, "PerFrameFunctionalGroupsSequence")
    if not per_frame:
        raise InputError(
            "several frames without a place in the patient (a film, or a tomogram of the old kind)",
            tag("PerFrameFunctionalGroupsSequence"),
            "export the series as single or enhanced images",
        )
    pixels = _grey(ds)
    if len(per_frame) != len(pixels):
        raise InputError(
            "not one functional group for each frame", tag("PerFrameFunctionalGroupsSequence"), "export it again"
        )
    shared = next(iter(element(ds, "SharedFunctionalGroupsSequence") or ()), None)

    def group(frame: Dataset, name: str) -> Dataset:
        for holder in (frame, shared):
            items = element(holder, name) if holder is not None else None
            if items:
                return items[0]  # type: ignore[no-any-return]
        if name == "PixelValueTransformationSequence" and text(ds, "Modality") not in VOLUMETRIC:
            return ds  # such images need no transformation (PS3.3 C.7.6.16.2.9): values as stored
        raise InputError("a frame has no such functional group", tag(name), "export the series again")

    planes = []
    for frame, values in zip(per_frame, pixels, strict=True):
        slope, intercept = rescale(group(frame, "PixelValueTransformationSequence"))
        planes.append(
            Plane(
                pixels=values,
                position=vector(group(frame, "PlanePositionSequence"), "ImagePositionPatient", 3),
                orientation=orientation(vector(group(frame, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)),
                spacing=spacing(group(frame, "PixelMeasuresSequence")),
                slope=slope,
                intercept=intercept,
                uid=text(ds, "SOPInstanceUID"),
            )
        )
    return planes


def _grey(ds: Dataset) -> NDArray[Any]:
    pixels = frames_of(ds)
    if pixels.ndim != 3:
        raise InputError("a volume in colour", tag("SamplesPerPixel"), "export the series in grey values")
    return pixels


def _rescaled(frames: Sequence[NDArray[Any]], scales: Sequence[tuple[float, float]]) -> NDArray[Any]:
    """Frames (each rows, columns) as one array with slope and intercept applied: integers while they stay integers,
    else of single precision, or double where the frames are."""
    whole = all(float(v).is_integer() and abs(v) < 1 << 15 for pair in scales for v in pair)
    whole = whole and not any(np.issubdtype(frame.dtype, np.floating) for frame in frames)
    if not whole:
        wide = any(frame.dtype == np.float64 for frame in frames)
        out = np.empty((len(frames), *frames[0].shape), dtype=np.float64 if wide else np.float32)
    else:
        ends = [int(f.min()) * int(s) + int(i) for f, (s, i) in zip(frames, scales, strict=True)]
        ends += [int(f.max()) * int(s) + int(i) for f, (s, i) in zip(frames, scales, strict=True)]
        small = min(ends) >= -(1 << 15) and max(ends) < 1 << 15
        out = np.empty((len(frames), *frames[0].shape), dtype=np.int16 if small else np.int64)
    for index, (frame, (slope, intercept)) in enumerate(zip(frames, scales, strict=True)):
        if whole:
            out[index] = frame.astype(np.int64) * int(slope) + int(intercept)
        else:
            out[index] = frame.astype(np.float64) * slope + intercept
    return out


def _stack(planes: list[Plane], first: Dataset, losses: list[str]) -> Volume:
    orientation = planes[0].orientation
    for plane in planes:
        if np.abs(plane.orientation - orientation).max() > UNIT_TOLERANCE:
            raise InputError("slices of different orientation", tag("ImageOrientationPatient"), "hand over one stack")
        if plane.spacing != planes[0].spacing:
            raise InputError("slices of different pixel spacing", tag("PixelSpacing"), "hand over one stack")
    row, column = orientation[:3], orientation[3:]
    normal = np.cross(row, column)
    planes = sorted(planes, key=lambda p: float(p.position @ normal))
    if len(planes) > 1:
        step = _regular_step(np.array([p.position for p in planes]), normal, min(planes[0].spacing))
    else:
        thickness = numbers(first, "SliceThickness")
        if not thickness or thickness[0] <= 0:
            raise InputError("a single slice of unknown thickness", tag("SliceThickness"), "hand over the series")
        step = normal * thickness[0]
        losses = [*losses, "a single slice: its thickness stands for the slice spacing"]
    affine = np.eye(4)
    affine[:3, 0] = row * planes[0].spacing[1]
    affine[:3, 1] = column * planes[0].spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = planes[0].position
    unit, notes = _unit(first)
    return Volume(
        array=_rescaled([p.pixels for p in planes], [(p.slope, p.intercept) for p in planes]),
        affine=affine,
        modality=text(first, "Modality"),
        unit=unit,
        frame_of_reference=text(first, "FrameOfReferenceUID"),
        sources=tuple(dict.fromkeys(p.uid for p in planes)),
        window=_window(first),
        description=text(first, "SeriesDescription") or text(first, "StudyDescription"),
        losses=(*losses, *notes, *_losses(first)),
    )


def _regular_step(positions: NDArray[np.float64], normal: NDArray[np.float64], pixel: float) -> NDArray[np.float64]:
    """The step (mm) between slices at ``positions`` (n, 3), sorted along ``normal``; refuses irregular stacks."""
    where = tag("ImagePositionPatient")
    along = positions @ normal
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    same = int((gaps < 0.01).sum())
    if same:
        raise InputError(
            f"{same} slices lie where another lies (a time series, or several echoes)", where, "hand over one stack"
        )
    if gaps.max() > 1.5 * usual:
        wide = gaps[gaps > 1.5 * usual]
        missing = round(float((wide / usual).sum())) - len(wide)
        raise InputError(f"about {missing} slices are missing", where, "export the whole series")
    step = float(along[-1] - along[0]) / len(gaps)
    if np.abs(along - (along[0] + step * np.arange(len(along)))).max() > SPACING_TOLERANCE * step:
        raise InputError("the slices are unequally spaced", where, "export the series with equal spacing")
    drift = (positions[-1] - positions[0]) - normal * (along[-1] - along[0])
    if np.linalg.norm(drift) > SHEAR_TOLERANCE * pixel:
        raise InputError(
            "the slices are sheared (gantry tilt): columns of voxels do not stand on the slices",
            where,
            "export a series reconstructed without tilt",
        )
    return normal * step


def _unit(ds: Dataset) -> tuple[str, list[str]]:
    """The unit of the rescaled values, and what is to be said about it."""
    if text(ds, "Modality") != "CT":
        return "1", []
    kind = text(ds, "RescaleType")
    for holder in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for item in (element(ds, holder) or [])[:1]:
            transformations = element(item, "PixelValueTransformationSequence") or []
            kind = kind or next((text(t, "RescaleType") for t in transformations), "")
    if kind in ("", "HU"):
        return HOUNSFIELD, []
    return "1", [f"{tag('RescaleType')} does not say Hounsfield units"]


def _window(ds: Dataset) -> tuple[float, float] | None:
    centre, width = numbers(ds, "WindowCenter"), numbers(ds, "WindowWidth")
    return (centre[0], width[0]) if centre and width and width[0] > 0 else None


def _losses(ds: Dataset) -> list[str]:
    found = []
    if text(ds, "LossyImageCompression") == "01":
        found.append("the pixels had been compressed with loss before they came here")
    if any(group in {t.group for t in ds.keys()} for group in range(0x6000, 0x6020, 2)):  # noqa: SIM118
        found.append("overlays are not carried over")
    if element(ds, "ModalityLUTSequence") is not None or element(ds, "VOILUTSequence") is not None:
        found.append("lookup tables are not applied")
    if text(ds, "PhotometricInterpretation") == "MONOCHROME1":
        found.append("low values are meant to look bright (MONOCHROME1): numbers as stored, turned round for display")
    if text(ds, "BurnedInAnnotation") == "YES":
        found.append("the pixels hold burned-in text")
    return found
