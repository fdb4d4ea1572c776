"""From a chest radiograph in a DICOM file to the 28 × 28 grey values the model was trained on, and back to its pixels.

The training images were cropped to the middle square of the short edge and resized (MedMNIST, on_medmnist_plus.md:
"center-crop ... with a window size of length of the short edge"); the filter is not named there, and the model was
trained on blurred and sharpened images, so that it depends little on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus.errors import InputError
from salus.imaging.xray_domain import SIDE

LEAST_SIDE = 127
"""Short edge of the smallest source image (MedMNIST, on_medmnist_plus.md)."""
TAILS = (0.5, 99.5)
"""Percentiles taken for black and white where the file recommends no window."""


@dataclass(frozen=True, slots=True)
class Square:
    """The middle square of an image: its first row and column and its side, in stored pixels."""

    top: int
    left: int
    side: int

    def box(self, cells: NDArray[np.bool_]) -> list[int]:
        """[left, top, right, bottom] in stored pixels, all within, around the true cells of a grid over the square."""
        rows, columns = np.nonzero(cells.any(axis=1))[0], np.nonzero(cells.any(axis=0))[0]
        step = self.side / len(cells)
        return [
            self.left + int(columns[0] * step),
            self.top + int(rows[0] * step),
            self.left + int(np.ceil((columns[-1] + 1) * step)) - 1,
            self.top + int(np.ceil((rows[-1] + 1) * step)) - 1,
        ]


def middle(shape: tuple[int, int]) -> Square:
    """The square of the short edge in the middle. Raises :class:`InputError` when the image is too small."""
    side = min(shape)
    if side < LEAST_SIDE:
        raise InputError(f"an image of {shape[1]} × {shape[0]} pixels is too small", remedy="the image in full size")
    return Square((shape[0] - side) // 2, (shape[1] - side) // 2, side)


def prepared(pixels: NDArray[Any], *, window: tuple[float, float] | None, inverted: bool) -> NDArray[np.uint8]:
    """A radiograph (rows, columns) as (28, 28) grey values, bright where dense.

    ``window`` (centre, width) is the one the file recommends; ``inverted`` says that low values are bright there
    (MONOCHROME1). Raises :class:`InputError` for a blank or too small image.
    """
    place = middle((pixels.shape[0], pixels.shape[1]))
    square = pixels[place.top : place.top + place.side, place.left : place.left + place.side].astype(np.float64)
    low, high = np.percentile(square, TAILS) if window is None else (window[0] - window[1] / 2, sum_half(window))
    if not np.isfinite(square).all() or high <= low or square.min() == square.max():
        raise InputError("the image is blank", remedy="export it again")
    grey = np.clip((square - low) / (high - low), 0, 1)
    weights = downscaling(place.side, SIDE)
    small = weights @ (1 - grey if inverted else grey) @ weights.T
    return np.asarray(np.rint(np.clip(small, 0, 1) * 255), np.uint8)


def sum_half(window: tuple[float, float]) -> float:
    """The upper end of a window (centre, width)."""
    return window[0] + window[1] / 2


def downscaling(old: int, new: int) -> NDArray[np.float64]:
    """Weights (new, old) of cubic resampling (a = -1/2) widened by the factor of reduction, so that nothing aliases.

    R. G. Keys, IEEE Trans Acoust Speech Signal Process 1981;29:1153-60.
    """
    factor = old / new
    centres = (np.arange(new) + 0.5) * factor - 0.5
    distance = np.abs(np.arange(old)[None, :] - centres[:, None]) / max(factor, 1.0)
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def strongest(activation: NDArray[np.float32], towards_pneumonia: bool) -> NDArray[np.bool_]:
    """Cells (7, 7) that speak most for the answer: of at least half the greatest share, joined to the greatest."""
    from scipy.ndimage import label

    share = activation if towards_pneumonia else -activation
    peak = np.unravel_index(int(share.argmax()), share.shape)
    if share[peak] <= 0:
        return np.ones(share.shape, bool)
    parts, _ = label(share >= share[peak] / 2)
    return np.asarray(parts == parts[peak])
