"""Where a straight instrument could enter: points of the body's outer surface with their outward directions."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, gaussian_filter, map_coordinates

from salus.surgery.labels import Labels
from salus.surgery.surface import Points

SMOOTHING_MM: Final = 3.0
"""Standard deviation of the blur from whose gradient the outward direction is taken."""


def body_of(labels: Labels) -> NDArray[np.bool_]:
    """Everything labelled, and the hollows it encloses."""
    return np.asarray(binary_fill_holes(labels.array > 0))


def entries(labels: Labels, body: NDArray[np.bool_], spacing_mm: float) -> tuple[Points, Points]:
    """Points of the skin (n, 3; LPS mm), about ``spacing_mm`` apart, and unit outward directions (n, 3).

    Where the body is cut off by the edge of the volume there is no skin.
    """
    faces = []
    for axis in range(3):
        step = np.diff(body.view(np.int8), axis=axis)
        found = np.argwhere(step != 0).astype(float)
        found[:, axis] += 0.5
        faces.append(found[:, ::-1])
    index = np.concatenate(faces)
    cells = np.floor(index * labels.spacing / spacing_mm).astype(np.int64)
    _, first = np.unique(cells, axis=0, return_index=True)
    index = index[np.sort(first)]
    blurred = gaussian_filter(body.astype(np.float32), SMOOTHING_MM / labels.spacing[::-1])
    inward = np.stack(
        [map_coordinates(g, index.T[::-1], order=1, mode="nearest") for g in np.gradient(blurred)[::-1]], axis=1
    )
    # the gradient per index becomes one per mm along the volume's (perpendicular) axes in the patient
    outward = -(inward / labels.spacing) @ (labels.affine[:3, :3] / labels.spacing).T
    length = np.linalg.norm(outward, axis=1)
    sound = length > 0
    return labels.to_lps(index[sound]), outward[sound] / length[sound, None]
