"""A made-up thorax of exactly known lung volume, for tests, benchmarks and the example patients.

Not anatomy: an elliptic trunk with a bony ring, two ellipsoidal lungs with vessels, a trachea,
a table below. Each voxel is the mean over sub-voxels, so edges have partial volume as in a real scan.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from salus.formats.types import Volume

SOFT_TISSUE, LUNG, OUTSIDE, BONE, BLOOD = 40.0, -850.0, -1000.0, 500.0, 50.0
LUNGS = ((-68.0, 55.0, 78.0, 105.0), (68.0, 50.0, 75.0, 103.0))
"""Right and left: centre in x, half axes in x, y, z (mm)."""
_TRUNK = (155.0, 108.0)
_TRACHEA = (9.0, 18.0, 120.0)
"""Radius, and lower and upper end in z (mm)."""


@dataclass(frozen=True, slots=True)
class Thorax:
    """The phantom: its volume in HU and the truth: lung volume in mL (closed form), share of it below -950 HU."""

    volume: Volume
    lung_ml: float
    emphysema: float


def thorax(
    *,
    shape: tuple[int, int, int] = (40, 64, 64),
    spacing: tuple[float, float, float] = (6.0, 3.6, 5.2),
    rotation: NDArray[np.float64] | None = None,
    scale: float = 1.0,
    emphysema: float = 0.0,
    noise: float = 0.0,
    airway: bool = True,
    centre_z: float = 0.0,
    seed: int = 0,
) -> Thorax:
    """The phantom on a grid of ``shape`` (slices, rows, columns) and ``spacing`` (mm) around its middle.

    ``rotation`` (3, 3) turns the grid; ``scale`` the whole body; ``emphysema`` is the share of each lung, from its top
    down, at -980 HU; ``airway`` whether there is a trachea; ``noise`` the standard deviation of white noise in HU;
    ``centre_z`` moves the grid's middle.
    """
    turn = np.eye(3) if rotation is None else rotation
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(spacing[::-1])
    affine[:3, 3] = np.array([0, 0, centre_z]) - affine[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    values = np.zeros(shape, np.float32)
    quarter = (-0.25, 0.25)
    offsets = [(c, b, a) for a in quarter for b in quarter for c in quarter]
    rows, columns = np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij")
    for k in range(shape[0]):
        for offset in offsets:
            index = np.stack([columns + offset[0], rows + offset[1], np.full(rows.shape, k + offset[2])], axis=-1)
            values[k] += _density((index @ affine[:3, :3].T + affine[:3, 3]) / scale, emphysema, airway)
    values /= len(offsets)
    if noise:
        values += np.random.default_rng(seed).normal(0.0, noise, shape).astype(np.float32)
    volume = Volume(
        array=np.rint(values).astype(np.int16),
        affine=affine,
        modality="CT",
        unit="[hnsf'U]",
        window=(-600.0, 1600.0),
        description="thorax phantom",
    )
    true_ml = sum(4 / 3 * pi * a * b * c for _, a, b, c in LUNGS) * scale**3 / 1000
    return Thorax(volume, true_ml, emphysema)


def _density(points: NDArray[np.float64], emphysema: float, airway: bool) -> NDArray[np.float32]:
    """HU at LPS points (..., 3) in mm of the unscaled body."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    out = np.full(x.shape, OUTSIDE, np.float32)
    radius = (x / _TRUNK[0]) ** 2 + (y / _TRUNK[1]) ** 2
    out[radius <= 1] = SOFT_TISSUE
    out[(radius <= 0.92**2) & (radius >= 0.88**2) & (np.mod(z, 24) < 10)] = BONE
    out[(np.abs(y - 118) <= 2) & (np.abs(x) <= 150)] = -100.0
    for centre, a, b, c in LUNGS:
        inside = ((x - centre) / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 <= 1
        out[inside] = LUNG
        if emphysema:
            out[inside & (z / c >= _cap_height(emphysema))] = -980.0
        # two straight vessels within each lung
        for dy in (-25.0, 25.0):
            out[inside & ((x - centre) ** 2 + (y - dy) ** 2 <= 9.0) & (np.abs(z) <= 50)] = BLOOD
    bore, low, high = _TRACHEA
    if airway:
        out[(x**2 + y**2 <= bore**2) & (z >= low) & (z <= high)] = OUTSIDE
    return out


def _cap_height(share: float) -> float:
    """Height h (unit sphere, -1 to 1) above which a cap holds ``share`` of the ball: (2 - 3h + h^3) / 4 = share."""
    roots = np.roots([1.0, 0.0, -3.0, 2.0 - 4.0 * share])
    return float(next(r.real for r in roots if abs(r.imag) < 1e-9 and -1 - 1e-9 <= r.real <= 1 + 1e-9))
