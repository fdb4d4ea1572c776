"""Smoothing of a closed surface without shrinking it."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.sparse import coo_matrix, diags

from salus.surgery.surface import Mesh

PASS_BAND: Final = 0.1
SHRINK: Final = 0.5
ITERATIONS: Final = 15


def taubin(mesh: Mesh, iterations: int = ITERATIONS) -> Mesh:
    """``mesh`` after ``iterations`` pairs of a shrinking and a swelling step.

    Taubin G. A signal processing approach to fair surface design. SIGGRAPH 1995:351-8. doi:10.1145/218380.218473:
    factors λ = 0.5 and μ with 1/λ + 1/μ = 0.1, equal weights of all neighbours.
    """
    swell = 1 / (PASS_BAND - 1 / SHRINK)
    n = len(mesh.points)
    ends = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    adjacent = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n)).tocsr()
    mean = diags(1 / np.asarray(adjacent.sum(axis=1)).ravel()) @ adjacent
    points = mesh.points
    for _ in range(iterations):
        for factor in (SHRINK, swell):
            points = points + factor * (mean @ points - points)
    return Mesh(np.ascontiguousarray(points), mesh.faces)
