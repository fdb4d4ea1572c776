"""Distance from points to a labelled structure, bounded so that it is never over-estimated.

A structure is taken to be the union of its whole voxels. A distance transform brackets the distance at any point within
about a voxel; where that is not enough, the nearest voxels are measured as the boxes they are.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt
from scipy.spatial import cKDTree

from salus.surgery.labels import Labels
from salus.surgery.surface import Points

NEIGHBOURS: Final = 16

Values = NDArray[np.float64]


class Obstacle:
    """The voxels of one label, ready to be asked for distances in mm."""

    def __init__(self, labels: Labels, label: int) -> None:
        mask = labels.array == label
        self.labels = labels
        self.label = label
        self._edt = distance_transform_edt(~mask, sampling=labels.spacing[::-1])
        border = mask & ~binary_erosion(mask, np.ones((3, 3, 3)))
        self._centres = np.argwhere(border)[:, ::-1] * labels.spacing
        self._tree = cKDTree(self._centres)

    def bracket(self, points: Points) -> tuple[Values, Values]:
        """Lower and upper bound (n,) of the distance of ``points`` (n, 3; LPS mm) from the structure."""
        index = self.labels.to_index(points)
        nearest = np.clip(np.rint(index), 0, np.array(self._edt.shape)[::-1] - 1)
        off = np.linalg.norm((index - nearest) * self.labels.spacing, axis=1)
        column, row, slice_ = nearest.astype(np.int64).T
        there = self._edt[slice_, row, column]
        return np.maximum(there - off - self.labels.half_diagonal, 0.0), np.where(self._inside(index), 0.0, there + off)

    def distance(self, points: Points) -> Values:
        """Distance (n,) of ``points`` (n, 3; LPS mm) from the nearest voxel's box; never more than the true one.

        0 inside. Of more than NEIGHBOURS voxels at nearly the same distance a lower bound is taken.
        """
        index = self.labels.to_index(points)
        place = index * self.labels.spacing
        count = min(NEIGHBOURS, len(self._centres))
        far, near = self._tree.query(place, k=count)
        far, near = np.reshape(far, (len(points), count)), np.reshape(near, (len(points), count))
        beyond = np.maximum(np.abs(place[:, None] - self._centres[near]) - self.labels.spacing / 2, 0.0)
        out = np.sqrt((beyond**2).sum(axis=2)).min(axis=1)
        if count < len(self._centres):
            out = np.minimum(out, np.maximum(far[:, -1] - self.labels.half_diagonal, 0.0))
        return np.asarray(np.where(self._inside(index), 0.0, out))

    def _inside(self, index: Points) -> NDArray[np.bool_]:
        size = np.array(self._edt.shape)[::-1]
        whole = np.rint(index).astype(np.int64)
        within = ((whole >= 0) & (whole < size)).all(axis=1)
        column, row, slice_ = np.clip(whole, 0, size - 1).T
        return np.asarray(within & (self._edt[slice_, row, column] == 0))
