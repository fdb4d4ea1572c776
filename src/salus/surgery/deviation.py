"""How far a surface lies from the boundary of the voxels it was made from, in both directions.

The boundary is the set of rectangular faces between voxels inside and outside. Both surfaces are sampled densely;
from each sample the distance to the other surface is taken exactly to those of its pieces (rectangles, triangles) that
are nearest by their samples: a distance is never under-estimated. What lies between samples can be farther by
``sampling_mm`` at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from salus.surgery.surface import Mesh, Points

NEIGHBOURS: Final = 8
MAX_SAMPLES: Final = 400_000
"""Samples of one surface; above it they are spaced wider, and the greater spacing is stated."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """Distances between mesh and voxel boundary in mm.

    ``hausdorff_mm`` is the greatest from either to the other, ``mean_mm`` the mean of both directions' means (area
    weighted), ``sampling_mm`` by how much the greatest can be more between samples.
    """

    hausdorff_mm: float
    mean_mm: float
    sampling_mm: float


def deviation(mesh: Mesh, mask: NDArray[np.bool_], spacing: NDArray[np.float64]) -> Deviation:
    """Deviation of ``mesh``, its points in (column, row, slice) × ``spacing`` (mm), from the boundary of ``mask``."""
    centres, halves = boundary_faces(mask, spacing)
    on_boundary, boundary_gap, boundary_weight = _sample_rectangles(centres, halves)
    on_mesh, owner, mesh_gap, mesh_weight = _sample_triangles(mesh, float(spacing.min()) / 2)
    there = _to_rectangles(on_mesh, centres, halves)
    back = _to_triangles(on_boundary, mesh, on_mesh, owner)
    mean = (np.average(there, weights=mesh_weight) + np.average(back, weights=boundary_weight)) / 2
    return Deviation(float(max(there.max(), back.max())), float(mean), max(mesh_gap, boundary_gap))


def boundary_faces(mask: NDArray[np.bool_], spacing: NDArray[np.float64]) -> tuple[Points, Points]:
    """Centres (n, 3) and half extents (n, 3; one of the three is 0) of the faces between inside and outside, in mm."""
    padded = np.pad(mask, 1)
    centres, halves = [], []
    for axis in range(3):
        found = np.argwhere(np.diff(padded.view(np.int8), axis=axis) != 0).astype(float)[:, ::-1] - 1
        found[:, 2 - axis] += 0.5
        half = spacing / 2
        half[2 - axis] = 0.0
        centres.append(found * spacing)
        halves.append(np.broadcast_to(half, found.shape))
    return np.concatenate(centres), np.concatenate(halves)


def _sample_rectangles(centres: Points, halves: Points) -> tuple[Points, float, NDArray[np.float64]]:
    """Corners, edge middles and centre of each rectangle, the covering radius, and a weight by area."""
    steps = np.array(list(np.ndindex(3, 3))) - 1.0
    flat = np.argmin(halves, axis=1)
    samples = np.empty((len(centres), 9, 3))
    for axis in range(3):
        rows, across = np.flatnonzero(flat == axis), [k for k in range(3) if k != axis]
        offset = np.zeros((len(rows), 9, 3))
        offset[..., across] = steps * halves[rows][:, None, across]
        samples[rows] = centres[rows][:, None] + offset
    sides = np.sort(halves, axis=1)[:, 1:]
    weight = np.repeat(4 * sides.prod(axis=1) / 9, 9)
    gap = float(np.linalg.norm(sides, axis=1).max() / 2)
    return samples.reshape(-1, 3), gap, weight


def _sample_triangles(mesh: Mesh, spacing: float) -> tuple[Points, NDArray[np.int64], float, NDArray[np.float64]]:
    """Points on each triangle at most ``spacing`` apart along its sides: samples, owners, covering radius, weights.

    Each triangle is cut into n² like ones; corners and centres of these are the samples.
    """
    corners = mesh.points[mesh.faces]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    cuts = np.ceil(longest / spacing).astype(int)
    while (total := int(((cuts + 1) * (cuts + 2) // 2).sum())) > MAX_SAMPLES and cuts.max() > 1:
        spacing *= max(1.1, (total / MAX_SAMPLES) ** 0.5)
        cuts = np.maximum(np.ceil(longest / spacing).astype(int), 1)
    areas, out, owners, weights = mesh.areas(), [], [], []
    for n in np.unique(cuts):
        here = np.flatnonzero(cuts == n)
        grid = np.array([(i, j, n - i - j) for i in range(n + 1) for j in range(n + 1 - i)]) / n
        out.append(np.einsum("gk,tkx->tgx", grid, corners[here]).reshape(-1, 3))
        owners.append(np.repeat(here, len(grid)))
        weights.append(np.repeat(areas[here] / len(grid), len(grid)))
    return np.concatenate(out), np.concatenate(owners), float((longest / cuts).max() / 3**0.5), np.concatenate(weights)


def _to_rectangles(points: Points, centres: Points, halves: Points) -> NDArray[np.float64]:
    count = min(NEIGHBOURS, len(centres))
    near = cKDTree(centres).query(points, k=count)[1].reshape(len(points), count)
    beyond = np.maximum(np.abs(points[:, None] - centres[near]) - halves[near], 0.0)
    return np.asarray(np.sqrt((beyond**2).sum(axis=2)).min(axis=1))


def _to_triangles(points: Points, mesh: Mesh, samples: Points, owner: NDArray[np.int64]) -> NDArray[np.float64]:
    count = min(NEIGHBOURS, len(samples))
    distance, near = cKDTree(samples).query(points, k=count)
    best = np.asarray(distance).reshape(len(points), count)[:, 0].copy()
    faces = owner[near.reshape(len(points), count)]
    corners = mesh.points[mesh.faces]
    for k in range(count):
        best = np.minimum(best, triangle_distance(points, corners[faces[:, k]]))
    return best


def triangle_distance(points: Points, triangles: Points) -> NDArray[np.float64]:
    """Exact distance (n,) of each of ``points`` (n, 3) from its triangle (n, 3, 3)."""
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    normal = np.cross(b - a, c - a)
    square = np.maximum((normal**2).sum(axis=1), np.finfo(float).tiny)
    height = np.einsum("ij,ij->i", points - a, normal)
    foot = points - normal * (height / square)[:, None]
    inside = np.ones(len(points), bool)
    nearest = np.full(len(points), np.inf)
    for p, q in ((a, b), (b, c), (c, a)):
        inside &= np.einsum("ij,ij->i", np.cross(q - p, foot - p), normal) >= 0
        side = q - p
        share = np.einsum("ij,ij->i", points - p, side) / np.maximum((side**2).sum(axis=1), np.finfo(float).tiny)
        onto = p + np.clip(share, 0, 1)[:, None] * side
        nearest = np.minimum(nearest, np.linalg.norm(points - onto, axis=1))
    return np.asarray(np.where(inside, np.abs(height) / np.sqrt(square), nearest))
