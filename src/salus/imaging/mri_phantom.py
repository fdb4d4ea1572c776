"""A made-up slice through a head, seen by a ring of receive coils: k-space of known truth, for tests and the tour.

Not anatomy: ellipses of constant brightness, drawn four times as fine as the image, so that edges lie between pixels,
and blurred a little, as tissue borders within a slice are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, gaussian_filter

from salus.imaging.mri_coils import to_kspace

ELLIPSES = (
    (1.0, 0.86, 0.70, 0.00, 0.00, 0.0),
    (-0.75, 0.80, 0.64, 0.00, 0.00, 0.0),
    (0.45, 0.76, 0.60, 0.00, 0.00, 0.0),
    (-0.30, 0.30, 0.09, -0.05, 0.13, 0.3),
    (-0.30, 0.30, 0.09, -0.05, -0.13, -0.3),
    (0.25, 0.12, 0.16, 0.45, 0.00, 0.0),
    (0.15, 0.06, 0.06, -0.45, 0.25, 0.0),
    (0.20, 0.035, 0.05, 0.20, -0.38, 0.0),
    (-0.25, 0.03, 0.03, 0.30, 0.36, 0.0),
    (0.15, 0.02, 0.30, 0.62, 0.00, 0.0),
)
"""Added brightness, half axes along y and x, centre (y, x), turn in radians; the field of view is -1 to 1."""
FINER = 4
BLUR = 0.6
"""Standard deviation of the blur in pixels of the image."""
DISTANCE, REACH = 1.25, 0.9
"""Coils sit on a ring of this radius; their sensitivity is a Gaussian of this width."""


@dataclass(frozen=True, slots=True)
class Scan:
    """``kspace`` (coils, n, n) fully sampled with noise of standard deviation ``noise_sd`` (E|n|² = sd²); ``truth``
    (n, n), the noise-free root sum of squares; ``head`` where it is above 5 % of its maximum, holes filled."""

    kspace: NDArray[np.complex64]
    truth: NDArray[np.float64]
    head: NDArray[np.bool_]
    noise_sd: float


def scan(*, size: int = 128, coils: int = 8, noise: float = 0.006, seed: int = 0) -> Scan:
    """The phantom. ``noise`` is a share of the brightest pixel of the coils' images; the same each time for a seed."""
    fine = np.linspace(-1, 1, size * FINER)
    y, x = np.meshgrid(fine, fine, indexing="ij")
    drawn = np.zeros(y.shape)
    for brightness, a, b, cy, cx, turn in ELLIPSES:
        dy, dx = y - cy, x - cx
        along, across = dy * np.cos(turn) + dx * np.sin(turn), dx * np.cos(turn) - dy * np.sin(turn)
        drawn += brightness * ((along / a) ** 2 + (across / b) ** 2 <= 1)
    drawn = gaussian_filter(drawn, BLUR * FINER)
    image = drawn.reshape(size, FINER, size, FINER).mean(axis=(1, 3))
    y, x = (grid.reshape(size, FINER, size, FINER).mean(axis=(1, 3)) for grid in (y, x))
    angles = 2 * np.pi * np.arange(coils) / coils
    squared = (y - DISTANCE * np.sin(angles)[:, None, None]) ** 2 + (x - DISTANCE * np.cos(angles)[:, None, None]) ** 2
    phase = angles[:, None, None] + 0.8 * y + 0.5 * x * y
    images = image * np.exp(-squared / (2 * REACH**2) + 1j * phase)
    truth = np.sqrt((np.abs(images) ** 2).sum(axis=0))
    sd = noise * float(truth.max())
    rng = np.random.default_rng(seed)
    parts = rng.normal(0, sd / np.sqrt(2), (2, *images.shape))
    kspace = (to_kspace(images) + parts[0] + 1j * parts[1]).astype(np.complex64)
    return Scan(kspace, truth, np.asarray(binary_fill_holes(truth > 0.05 * truth.max())), sd)
