"""Geometry of volumes: anatomical axes, planes, resampling. Coordinates are LPS (left, posterior, superior) in mm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from salus.errors import InputError
from salus.formats.types import Volume

Plane = Literal["axial", "coronal", "sagittal"]
_AXIS: dict[Plane, int] = {"axial": 0, "coronal": 1, "sagittal": 2}


def has_geometry(volume: Volume) -> bool:
    """False for flat images, whose affine is NaN."""
    return bool(np.isfinite(volume.affine).all())


def spacing(volume: Volume) -> tuple[float, float, float]:
    """Voxel edges in mm, in the order of the array's axes (slices, rows, columns)."""
    edges = np.linalg.norm(volume.affine[:3, :3], axis=0)
    return float(edges[2]), float(edges[1]), float(edges[0])


def voxel_ml(volume: Volume) -> float:
    """Volume of one voxel in millilitres: the determinant of the affine."""
    return abs(float(np.linalg.det(volume.affine[:3, :3]))) / 1000.0


def anatomical(volume: Volume) -> Volume:
    """The same voxels with axes turned round and swapped so that they run nearest to (superior, posterior, left).

    Array axis 0 then rises towards the head, axis 1 to the back and axis 2 to the patient's left. No value is
    interpolated; ``sources`` follow the slices where these stay slices. Raises :class:`InputError` without
    geometry.
    """
    order, flips = _turn(volume)
    array = volume.array.transpose([2 - order[2], 2 - order[1], 2 - order[0]])
    affine = volume.affine[:, [*order, 3]].copy()
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (array.shape[2 - axis] - 1)
        affine[:3, axis] *= -1
    array = np.flip(array, tuple(2 - axis for axis in flips))
    slices_turned = order[2] == 2 and 2 in flips
    return replace(
        volume, array=array, affine=affine, sources=volume.sources[::-1] if slices_turned else volume.sources
    )


def as_stored(array: NDArray[Any], volume: Volume) -> NDArray[Any]:
    """``array``, which has the axes of ``anatomical(volume)``, turned back to the axes of ``volume.array``."""
    order, flips = _turn(volume)
    unflipped = np.flip(array, tuple(2 - axis for axis in flips))
    there = [2 - order[2], 2 - order[1], 2 - order[0]]
    return np.transpose(unflipped, [there.index(axis) for axis in range(3)])


def _turn(volume: Volume) -> tuple[tuple[int, int, int], list[int]]:
    """Which voxel axis (column, row, slice) runs nearest to each LPS axis, and which LPS axes it runs against."""
    if not has_geometry(volume):
        raise InputError("the image has no place in the patient", remedy="hand over a series with orientation")
    cosines = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    order = _nearest_axes(np.abs(cosines))
    return order, [axis for axis in range(3) if cosines[axis, order[axis]] < 0]


def _nearest_axes(cosines: NDArray[np.float64]) -> tuple[int, int, int]:
    """For each LPS axis the voxel axis that runs nearest to it; the three are different."""
    left = cosines.copy()
    found = [0, 0, 0]
    for _ in range(3):
        anatomical_axis, voxel_axis = np.unravel_index(int(left.argmax()), left.shape)
        found[int(anatomical_axis)] = int(voxel_axis)
        left[anatomical_axis, :] = -1
        left[:, voxel_axis] = -1
    return found[0], found[1], found[2]


@dataclass(frozen=True, slots=True)
class Slice2D:
    """A plane cut from a volume for looking at: ``pixels`` (rows, columns[, 3]), ``spacing`` (row, column) in mm
    (None without geometry) and the letters at its left, right, top and bottom edges ("" without geometry)."""

    pixels: NDArray[Any]
    spacing: tuple[float, float] | None
    letters: tuple[str, str, str, str]


def cut(volume: Volume, plane: Plane = "axial", index: int | None = None) -> Slice2D:
    """One plane of a volume as radiologists look at it: the patient's right on the left of the picture, head up.

    ``index`` counts along the plane's axis of :func:`anatomical`; None takes the middle. A flat image is given as it
    is. Raises :class:`InputError` for an index outside the volume.
    """
    if not has_geometry(volume):
        return Slice2D(volume.array[0], None, ("", "", "", ""))
    turned = anatomical(volume)
    axis = _AXIS[plane]
    count = turned.array.shape[axis]
    at = count // 2 if index is None else index
    if not 0 <= at < count:
        raise InputError(f"the volume has {count} {plane} planes", remedy=f"choose 0 to {count - 1}")
    edges = spacing(turned)
    pixels = np.take(turned.array, at, axis=axis)
    if plane == "axial":
        return Slice2D(pixels, (edges[1], edges[2]), ("R", "L", "A", "P"))
    if plane == "coronal":
        return Slice2D(pixels[::-1], (edges[0], edges[2]), ("R", "L", "H", "F"))
    return Slice2D(pixels[::-1], (edges[0], edges[1]), ("A", "P", "H", "F"))


def resample_plane(pixels: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float32]:
    """``pixels`` (rows, columns[, 3]) at another size, by linear interpolation between pixel centres."""
    out = pixels.astype(np.float32)
    for axis, size in enumerate(shape):
        old = out.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, old - 1)
        weight = (at - low).astype(np.float32)
        weight = weight.reshape([-1 if a == axis else 1 for a in range(out.ndim)])
        out = np.take(out, low, axis=axis) * (1 - weight) + np.take(out, high, axis=axis) * weight
    return out
