"""Structures of a label volume as closed surfaces in the patient's space, each with its measured error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from salus.errors import InputError, MethodError
from salus.surgery.decimate import decimate
from salus.surgery.deviation import Deviation, deviation
from salus.surgery.labels import Labels
from salus.surgery.smooth import ITERATIONS, taubin
from salus.surgery.surface import Mesh, contour

FACES: Final = 100_000
LEAST_FACES: Final = 300
"""Faces that a structure gets however small its share of the whole surface is."""


@dataclass(frozen=True, slots=True)
class Structure:
    """One label as a surface: ``mesh`` in LPS mm, the volume of its voxels, and how far it is from their boundary."""

    label: int
    mesh: Mesh
    voxel_ml: float
    error: Deviation

    @property
    def mesh_ml(self) -> float:
        """Volume that the surface encloses, in mL."""
        return self.mesh.volume() / 1000


def surfaces(labels: Labels, faces: int = FACES, iterations: int = ITERATIONS) -> list[Structure]:
    """Every label as a closed, outward-oriented manifold surface, together at most about ``faces`` triangles.

    The surface is contoured midway between voxel centres, smoothed without shrinkage, decimated, and then measured
    against the boundary of the voxels. Faces are shared out by surface. Where the budget would cost more than a quarter
    of a voxel's diagonal, it is not met: the shape comes first. Raises :class:`InputError` for a budget too
    small to hold the structures, and what :func:`salus.surgery.surface.contour` raises.
    """
    if faces < LEAST_FACES * len(labels.present):
        least = LEAST_FACES * len(labels.present)
        raise InputError(f"{faces} faces for {len(labels.present)} structures", "faces", f"allow at least {least}")
    raw = {label: contour(labels.array == label) for label in labels.present}
    shares = _shares({label: len(mesh.faces) for label, mesh in raw.items()}, faces)
    return [_structure(labels, label, raw.pop(label), shares[label], iterations) for label in labels.present]


def _shares(sizes: Mapping[int, int], faces: int) -> dict[int, int]:
    """Faces for each structure: LEAST_FACES, and the rest by its share of all."""
    free, total = faces - LEAST_FACES * len(sizes), sum(sizes.values())
    return {label: LEAST_FACES + free * size // total for label, size in sizes.items()}


def _structure(labels: Labels, label: int, raw: Mesh, faces: int, iterations: int) -> Structure:
    mask, spacing = labels.array == label, labels.spacing
    made = decimate(taubin(Mesh(raw.points * spacing, raw.faces), iterations), faces, labels.half_diagonal / 2)
    error = deviation(made, mask, spacing)
    flipped = np.linalg.det(labels.affine[:3, :3]) < 0
    mesh = Mesh(labels.to_lps(made.points / spacing), made.faces[:, ::-1] if flipped else made.faces)
    if faults := defects(mesh):
        raise MethodError(f"the surface is not sound: {'; '.join(faults)}", f"label {label}")
    return Structure(label, mesh, float(mask.sum() * spacing.prod() / 1000), error)


def defects(mesh: Mesh) -> list[str]:
    """What keeps ``mesh`` from being a closed manifold surface with outward normals; empty for a sound one."""
    faces, out = mesh.faces, []
    if not len(faces) or not np.isfinite(mesh.points).all():
        return ["no faces, or no finite points"]
    half = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    codes, back = half[:, 0] * len(mesh.points) + half[:, 1], half[:, 1] * len(mesh.points) + half[:, 0]
    if len(np.unique(codes)) != len(codes) or not np.array_equal(np.sort(codes), np.sort(back)):
        out.append("an edge without exactly two faces of the same orientation")
    elif _fans(faces, len(mesh.points)) != len(np.unique(faces)):
        out.append("a point in which surfaces only touch")
    if mesh.areas().min() <= 0:
        out.append("a face without area")
    if mesh.volume() <= 0:
        out.append("turned inside out")
    return out


def _fans(faces: np.ndarray, n: int) -> int:
    """How many fans of faces there are around points: as many as points on a manifold surface."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    corners = np.arange(faces.size).reshape(faces.shape)  # a corner is a point as one face sees it
    rolled, rolled_corners = np.roll(faces, -1, axis=1), np.roll(corners, -1, axis=1)
    start, end = faces.ravel(), rolled.ravel()
    forward, backward = np.argsort(start * n + end), np.argsort(end * n + start)
    at_start, at_end = corners.ravel(), rolled_corners.ravel()
    # half edge (a, b) of one face meets (b, a) of its neighbour: both see a, and both see b
    rows = np.concatenate([at_start[forward], at_end[forward]])
    columns = np.concatenate([at_end[backward], at_start[backward]])
    links = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(faces.size, faces.size))
    return int(connected_components(links, directed=False)[0])
