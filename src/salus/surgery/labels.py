"""A label volume: which voxel belongs to which structure, and where it lies in the patient (LPS millimetres)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus.errors import InputError
from salus.formats.types import Volume

MAX_LABELS = 300
RIGHT_ANGLE_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Labels:
    """``array`` (slices, rows, columns) of whole numbers, 0 outside everything.

    ``affine`` (4, 4) maps (column, row, slice, 1) to LPS mm; ``present`` are the labels that occur, rising.
    """

    array: NDArray[np.integer[Any]]
    affine: NDArray[np.float64]
    present: tuple[int, ...]

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Edge lengths of a voxel (3,) in mm along column, row and slice."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def half_diagonal(self) -> float:
        """Greatest distance (mm) of a point of a voxel from its centre."""
        return float(np.linalg.norm(self.spacing) / 2)

    def to_lps(self, index: NDArray[Any]) -> NDArray[np.float64]:
        """Positions (..., 3) as (column, row, slice), fractions allowed, to LPS mm."""
        return np.asarray(index @ self.affine[:3, :3].T + self.affine[:3, 3])

    def to_index(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """LPS mm (..., 3) to (column, row, slice) with fractions."""
        return np.asarray((points - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T)


def labels_of(volume: Volume) -> Labels:
    """The label volume in ``volume``.

    Raises :class:`InputError` when its values are no labels (fractions, below 0, too many kinds), when nothing is
    labelled, or when its affine cannot be inverted or is sheared.
    """
    array = np.asarray(volume.array)
    if array.ndim != 3:
        raise InputError("not a volume of three dimensions", "labels", "hand over one label volume")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all() or np.any(array != np.rint(array)):
            raise InputError("the values are no labels but fractions", "labels", "hand over the label volume")
        if np.abs(array).max(initial=0) > np.iinfo(np.int32).max:
            raise InputError("the values are no labels", "labels", "hand over the label volume")
        array = array.astype(np.int32)
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if array.min(initial=0) < 0:
        raise InputError("labels below 0", "labels", "hand over a label volume, 0 outside everything")
    present = np.unique(array)
    present = present[present > 0]
    if not len(present):
        raise InputError("the label volume is empty", "labels", "hand over one in which something is labelled")
    if len(present) > MAX_LABELS:
        raise InputError(f"{len(present)} different values", "labels", "this is an image: hand over the label volume")
    return Labels(array, _checked(volume.affine), tuple(int(v) for v in present))


def _checked(affine: Any) -> NDArray[np.float64]:
    matrix = np.asarray(affine, np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or np.any(matrix[3] != (0, 0, 0, 1)):
        raise InputError("an impossible affine", "affine", "export the label volume again")
    edges = matrix[:3, :3]
    lengths = np.linalg.norm(edges, axis=0)
    if lengths.min() < 1e-6 or lengths.max() > 1e6 or abs(np.linalg.det(edges / np.maximum(lengths, 1e-9))) < 1e-6:
        raise InputError("the affine cannot be inverted", "affine", "export the label volume again")
    if np.abs((edges / lengths).T @ (edges / lengths) - np.eye(3)).max() > RIGHT_ANGLE_TOLERANCE:
        raise InputError("the voxels are sheared", "affine", "resample the labels to a grid of right angles")
    return matrix
