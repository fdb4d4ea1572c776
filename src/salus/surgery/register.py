"""Rigid registration of paired points, and the error to be expected of it anywhere else.

Least squares by singular value decomposition: Arun KS, Huang TS, Blostein SD. IEEE Trans Pattern Anal Mach Intell
1987;9:698-700. doi:10.1109/TPAMI.1987.4767965. Expected errors, to first order in the fiducial localisation error
(FLE): Fitzpatrick JM, West JB, Maurer CR. Predicting error in rigid-body point-based registration. IEEE Trans Med
Imaging 1998;17:694-702. doi:10.1109/42.736021.

How well the fiducials fit (FRE) says nothing of the error at the target in the case at hand (Fitzpatrick JM. Proc SPIE
2009;7261:726102. doi:10.1117/12.813601): the layout and the localisation error do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salus.errors import InputError

LEAST_POINTS = 3
LEAST_SPREAD = 0.02
"""Second principal extent of the points relative to the first, below which they count as lying on one line."""
LEAST_DEPTH = 0.02
"""Third principal extent relative to the first, below which the points count as lying in one plane."""
MIRROR_RATIO = 0.5
"""A mirror image that fits with less than this share of the rotation's residual is taken for what it is."""


@dataclass(frozen=True, slots=True)
class Registration:
    """The rigid map ``rotation @ point + translation`` (3, 3) and (3,) in mm.

    ``fre`` is the root mean square distance of the fiducials after it (mm). ``handedness_checked`` is False when the
    points lie in one plane, where a mirrored set fits as well as the true one.
    """

    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]
    fre: float
    handedness_checked: bool

    def __call__(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (..., 3) mapped."""
        return np.asarray(np.asarray(points, np.float64) @ self.rotation.T + self.translation)


def register(moving: ArrayLike, fixed: ArrayLike) -> Registration:
    """The rotation and translation that bring ``moving`` (n, 3) nearest to ``fixed`` (n, 3), pair by pair, in mm.

    Raises :class:`InputError` for fewer than three pairs, points on one line, and a set that is the other's mirror
    image (left and right swapped): no rotation can undo that, and the nearest one would look like a bad fit only.
    """
    a, b = checked_fiducials(moving), checked_fiducials(fixed)
    if a.shape != b.shape:
        raise InputError(f"{len(a)} points against {len(b)}", "fiducials", "give the pairs in the same order")
    centred_a, centred_b = a - a.mean(axis=0), b - b.mean(axis=0)
    u, _, vt = np.linalg.svd(centred_a.T @ centred_b)
    handed = float(np.sign(np.linalg.det(u) * np.linalg.det(vt)))
    deep = _extents(a)[2] > LEAST_DEPTH and _extents(b)[2] > LEAST_DEPTH
    rotation, mirror = (vt.T @ np.diag([1.0, 1.0, sign]) @ u.T for sign in (handed, -handed))
    fre, mirrored = (_rms(centred_a @ m.T - centred_b) for m in (rotation, mirror))
    if deep and mirrored < MIRROR_RATIO * fre:
        raise InputError(
            "the points are mirrored: left and right are swapped in one of the two sets", "fiducials", "check the axes"
        )
    return Registration(rotation, b.mean(axis=0) - rotation @ a.mean(axis=0), fre, bool(deep))


def predicted_tre(fiducials: ArrayLike, targets: ArrayLike, fle: float) -> NDArray[np.float64]:
    """Expected root mean square target registration error (mm) at ``targets`` (..., 3).

    TRE² = FLE²/n (1 + 1/3 Σₖ dₖ²/fₖ²): dₖ is the target's distance from the k-th principal axis of the fiducials
    (n, 3), fₖ the fiducials' root mean square distance from it; ``fle`` the root mean square localisation error in 3-D
    (mm) of a pair, the same in all directions and for all fiducials. First order: it holds while ``fle`` is small
    against the fiducials' spread. Raises :class:`InputError` as :func:`register` does.
    """
    points = checked_fiducials(fiducials)
    if not (np.isfinite(fle) and fle >= 0):
        raise InputError("the localisation error is not a length", "fle", "give millimetres, 0 or more")
    centre = points.mean(axis=0)
    _, _, axes = np.linalg.svd(points - centre, full_matrices=False)
    spread = _square_distance(points - centre, axes).mean(axis=0)
    ratio = _square_distance(np.asarray(targets, np.float64) - centre, axes) / spread
    return np.asarray(fle * np.sqrt((1 + ratio.sum(axis=-1) / 3) / len(points)))


def predicted_fre(n: int, fle: float) -> float:
    """Expected root mean square fiducial registration error (mm) of ``n`` fiducials: FRE² = (1 - 2/n) FLE²."""
    if n < LEAST_POINTS:
        raise InputError(f"{n} points", "fiducials", f"at least {LEAST_POINTS} are needed")
    return float(fle * np.sqrt(1 - 2 / n))


def checked_fiducials(points: ArrayLike) -> NDArray[np.float64]:
    """The points as (n, 3) float64. Raises :class:`InputError` when they cannot fix a rigid map."""
    try:
        array = np.asarray(points, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("not a list of points", "fiducials", "give x, y and z in mm for each") from error
    if array.ndim != 2 or array.shape[1] != 3 or not np.isfinite(array).all():
        raise InputError("not a list of points", "fiducials", "give x, y and z in mm for each")
    if len(array) < LEAST_POINTS:
        raise InputError(f"{len(array)} points", "fiducials", f"at least {LEAST_POINTS} are needed")
    if _extents(array)[1] < LEAST_SPREAD:
        raise InputError("the points lie on one line", "fiducials", "the turn about that line is open: add one beside")
    return array


def _extents(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Principal extents relative to the greatest one, falling."""
    values = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return np.asarray(values / values[0] if values[0] > 0 else np.zeros(3))


def _square_distance(points: NDArray[np.float64], axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distances (..., 3) of ``points`` from the three axes through the origin (rows)."""
    along = points @ axes.T
    squares = (points**2).sum(axis=-1, keepdims=True) - along**2
    return np.asarray(np.maximum(squares, 0.0))


def _rms(differences: NDArray[np.float64]) -> float:
    return float(np.sqrt((differences**2).sum(axis=1).mean()))
