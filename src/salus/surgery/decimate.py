"""Fewer triangles for the same shape: edges collapsed in the order of their quadric error, many at once.

Garland M, Heckbert PS. Surface simplification using quadric error metrics. SIGGRAPH 1997:209-16.
doi:10.1145/258734.258849. In each round a set of cheap edges is collapsed whose neighbourhoods share no face, so that
they do not disturb one another. An edge is collapsed only where the surface stays a closed manifold (the link
condition: Dey TK et al. Publ Inst Math 1999;66:23-45) and no face around it turns over or becomes a sliver.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

from salus.surgery.surface import Faces, Mesh, Points

LEAST_COSINE: Final = 0.2
"""Between a face's normal before and after a collapse."""
LEAST_SHAPE: Final = 0.05
"""Twice the area over the square of the longest edge, below which a face is a sliver (equilateral: 0.87)."""
CHEAPEST: Final = 0.25
"""Share of the edges, from the cheapest up, that are looked at in a round."""
MAX_ROUNDS: Final = 400
SLOW: Final = 0.005
"""Share of the edges: where a round collapses fewer, more edges are looked at, or it ends."""
_PULL: Final = 1e-3
"""Weight that holds a new point near the middle of its edge where the quadric leaves it free (flat regions)."""

Quadrics = NDArray[np.float64]
Values = NDArray[np.float64]


def decimate(mesh: Mesh, faces: int, most_error: float) -> Mesh:
    """``mesh`` with at most ``faces`` triangles, or with as few as the conditions above and ``most_error`` allow.

    ``most_error`` is the root mean square distance of a new point from the planes of the faces it stands for, in the
    points' unit: where the budget would cost more, the budget is not met.
    """
    centre = mesh.points.mean(axis=0)
    points, triangles = mesh.points - centre, mesh.faces
    quadrics = _quadrics(Mesh(points, triangles))
    barred, share = np.zeros(0, np.int64), CHEAPEST
    for _ in range(MAX_ROUNDS):
        surplus = (len(triangles) - faces + 1) // 2
        edges = _edges(triangles)
        codes = edges[:, 0] * len(points) + edges[:, 1]
        able = ~np.isin(codes, barred) & _linked(edges, len(points))
        if surplus <= 0 or not able.any():
            break
        target, cost, error = _best(points, quadrics, edges)
        able &= error <= most_error
        if not able.any():
            break
        able &= cost <= np.quantile(cost[able], share)
        chosen = _independent(triangles, edges, cost, able, len(points))
        chosen = chosen[np.argsort(cost[chosen], kind="stable")[:surplus]]
        good = _keeps_shape(points, triangles, edges[chosen], target[chosen])
        barred = np.union1d(barred, codes[chosen[~good]])
        chosen = chosen[good]
        triangles = _collapse(points, triangles, quadrics, edges[chosen], target[chosen])
        if len(chosen) < SLOW * len(edges):
            if share == 1.0:
                break
            share = min(1.0, 2 * share)
    return compact(points + centre, triangles)


def compact(points: Points, faces: Faces) -> Mesh:
    """The mesh without points that no face uses."""
    used, inverse = np.unique(faces, return_inverse=True)
    return Mesh(points[used], inverse.reshape(-1, 3).astype(np.int64))


def _edges(faces: Faces) -> Faces:
    """Each edge (n, 2) of a closed, oriented surface once, lower point first."""
    half = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return np.asarray(half[half[:, 0] < half[:, 1]])


def _quadrics(mesh: Mesh) -> Quadrics:
    """For each point the sums over its faces of area · (n nᵀ, n (n·p), (n·p)²), packed as (points, 13)."""
    cross = mesh.crosses()
    twice = np.linalg.norm(cross, axis=1)
    normal = cross / np.maximum(twice, np.finfo(float).tiny)[:, None]
    offset = np.einsum("ij,ij->i", normal, mesh.points[mesh.faces[:, 0]])
    outer = np.einsum("ij,ik->ijk", normal, normal).reshape(-1, 9)
    each = np.concatenate([outer, normal * offset[:, None], offset[:, None] ** 2], axis=1) * (twice / 6)[:, None]
    out = np.zeros((len(mesh.points), 13))
    for k in range(3):
        for column in range(13):
            out[:, column] += np.bincount(mesh.faces[:, k], each[:, column], len(mesh.points))
    return out


def _best(points: Points, quadrics: Quadrics, edges: Faces) -> tuple[Points, Values, Values]:
    """The place (n, 3) to which each edge would best shrink, the cost (n,) of it, and the root mean square error
    (n,)."""
    total = quadrics[edges[:, 0]] + quadrics[edges[:, 1]]
    matrix, vector, constant = total[:, :9].reshape(-1, 3, 3), total[:, 9:12], total[:, 12]
    middle = points[edges].mean(axis=1)
    pull = _PULL * np.trace(matrix, axis1=1, axis2=2) + np.finfo(float).tiny
    lhs = matrix + pull[:, None, None] * np.eye(3)
    step = np.linalg.solve(lhs, (vector - np.einsum("ijk,ik->ij", matrix, middle))[..., None])[..., 0]
    place = middle + step
    error = np.einsum("ij,ijk,ik->i", place, matrix, place) - 2 * np.einsum("ij,ij->i", vector, place) + constant
    length = ((points[edges[:, 1]] - points[edges[:, 0]]) ** 2).sum(axis=1)
    error = np.maximum(error, 0.0)
    weight = np.trace(matrix, axis1=1, axis2=2) + np.finfo(float).tiny
    return place, error + pull * ((step**2).sum(axis=1) + _PULL * length), np.sqrt(error / weight)


def _linked(edges: Faces, n: int) -> NDArray[np.bool_]:
    """Edges whose collapse leaves a manifold: two common neighbours, both of more than three neighbours."""
    ones = np.ones(2 * len(edges), np.int32)
    ends = np.concatenate([edges, edges[:, ::-1]])
    adjacent: csr_matrix = coo_matrix((ones, (ends[:, 0], ends[:, 1])), shape=(n, n)).tocsr()
    few = np.asarray(np.diff(adjacent.indptr) <= 3, np.int32)
    common = adjacent[edges[:, 0]].multiply(adjacent[edges[:, 1]])
    return np.asarray((np.asarray(common.sum(axis=1)).ravel() == 2) & (common @ few == 0))


def _independent(faces: Faces, edges: Faces, cost: NDArray[np.float64], able: NDArray[np.bool_], n: int) -> Faces:
    """Numbers of edges, each the cheapest of all edges that touch a face touching it."""
    order = np.flatnonzero(able)[np.argsort(cost[able], kind="stable")]
    rank = np.full(len(edges), len(edges), np.int64)
    rank[order] = np.arange(len(order))
    at_point = np.full(n, len(edges), np.int64)
    np.minimum.at(at_point, edges.ravel(), np.repeat(rank, 2))
    at_face = at_point[faces].min(axis=1)
    around = np.full(n, len(edges), np.int64)
    np.minimum.at(around, faces.ravel(), np.repeat(at_face, 3))
    return np.flatnonzero(able & (around[edges] >= rank[:, None]).all(axis=1))


def _keeps_shape(points: Points, faces: Faces, edges: Faces, target: Points) -> NDArray[np.bool_]:
    """For each of these edges, whether no face around it would turn over or become a sliver."""
    owner = np.full(len(points), -1, np.int64)
    owner[edges] = np.arange(len(edges))[:, None]
    owned = owner[faces]
    touched = np.flatnonzero((owned >= 0).sum(axis=1) == 1)
    of = owned[touched].max(axis=1)
    before = points[faces[touched]]
    after = np.where((owned[touched] >= 0)[..., None], target[of][:, None], before)
    old, new = (np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]) for t in (before, after))
    sizes = np.linalg.norm(old, axis=1) * np.linalg.norm(new, axis=1)
    shape = _shape(after)
    right = np.einsum("ij,ij->i", old, new) > LEAST_COSINE * sizes
    right &= (shape >= LEAST_SHAPE) | ((shape >= _shape(before)) & (shape > 0))
    good = np.ones(len(edges), bool)
    good[of[~right]] = False
    return good


def _shape(triangles: Points) -> NDArray[np.float64]:
    """Twice the area over the square of the longest edge, of triangles (n, 3, 3)."""
    sides = triangles - np.roll(triangles, 1, axis=1)
    longest = (sides**2).sum(axis=-1).max(axis=1)
    area = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
    return np.asarray(area / np.maximum(longest, np.finfo(float).tiny))


def _collapse(points: Points, faces: Faces, quadrics: Quadrics, edges: Faces, target: Points) -> Faces:
    """The faces after these edges shrank to ``target``; ``points`` and ``quadrics`` are changed in place."""
    keep, gone = edges[:, 0], edges[:, 1]
    points[keep] = target
    quadrics[keep] += quadrics[gone]
    now = np.arange(len(points))
    now[gone] = keep
    moved = now[faces]
    whole = (moved[:, 0] != moved[:, 1]) & (moved[:, 1] != moved[:, 2]) & (moved[:, 2] != moved[:, 0])
    return np.asarray(moved[whole])
