"""Undersampling patterns for tests, the tour and the check: equispaced lines and Poisson discs, the same each time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def equispaced(shape: tuple[int, int], *, step: int, lines: int, offset: int = 0) -> NDArray[np.bool_]:
    """Every ``step``-th line of ky from ``offset`` on, and the middle ``lines``: a mask of ``shape`` (ky, kx)."""
    taken = np.zeros(shape[0], bool)
    taken[offset::step] = True
    middle = shape[0] // 2
    taken[middle - lines // 2 : middle - lines // 2 + lines] = True
    return np.repeat(taken[:, None], shape[1], axis=1)


def poisson_disc(
    shape: tuple[int, int], *, acceleration: float, centre: int, seed: int, slope: float = 1.5
) -> NDArray[np.bool_]:
    """Samples at random, none nearer to another than a distance that grows from the centre outwards.

    The distance is r (1 + ``slope``·radius), radius 1 at the edge of a side; r is bisected until all samples together,
    with the full ``centre`` × ``centre`` in the middle, are one in ``acceleration``.
    """
    low, high = 0.3, 16.0
    for _ in range(14):
        distance = (low + high) / 2
        mask = _darts(shape, distance, slope, seed)
        rows, columns = (slice(n // 2 - centre // 2, n // 2 - centre // 2 + centre) for n in shape)
        mask[rows, columns] = True
        if mask.mean() > 1 / acceleration:
            low = distance
        else:
            high = distance
    return mask


def _darts(shape: tuple[int, int], distance: float, slope: float, seed: int) -> NDArray[np.bool_]:
    """Places tried in random order, each taken unless an earlier one lies within its own distance."""
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    reach = distance * (1 + slope * np.hypot(rows, columns))
    widest = int(np.ceil(reach.max()))
    across = np.arange(-widest, widest + 1)
    squared = across[:, None] ** 2 + across[None, :] ** 2
    mask, blocked = np.zeros(shape, bool), np.zeros((shape[0] + 2 * widest, shape[1] + 2 * widest), bool)
    for place in np.random.default_rng(seed).permutation(shape[0] * shape[1]):
        y, x = divmod(int(place), shape[1])
        if not blocked[y + widest, x + widest]:
            mask[y, x] = True
            blocked[y : y + 2 * widest + 1, x : x + 2 * widest + 1] |= squared < reach[y, x] ** 2
    return mask
