"""Made-up bodies whose obstacles are known exactly, their label volumes, and a search by brute force.

Nothing here uses the planner. A body is an ellipsoid; obstacles are balls, capsules and boxes inside it. Voxels are
labelled by their centres, where obstacles overlap the one with the greater margin wins. The truth is the analytic
distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from salus.formats.types import Volume

STEP = 0.05
"""mm between samples of a path that is verified."""
COARSE = 0.5
"""mm between samples in the search for a path."""
TRIES = 300


@dataclass(frozen=True)
class Solid:
    """A box of half edges ``half`` (3,), rounded by ``radius``: a ball (no edges), a capsule (one), or a box (no
    radius)."""

    centre: np.ndarray
    turn: np.ndarray
    half: np.ndarray
    radius: float
    margin: float

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Exact distance of ``points`` (..., 3) from the solid, 0 inside."""
        local = np.abs((points - self.centre) @ self.turn)
        return np.maximum(np.linalg.norm(np.maximum(local - self.half, 0.0), axis=-1) - self.radius, 0.0)

    def inside(self, points: np.ndarray) -> np.ndarray:
        """Whether each point lies in the solid."""
        return self.distance(points) <= 0

    @property
    def corners(self) -> np.ndarray:
        """Points (8, 3) whose hull, widened by ``radius``, holds the solid."""
        signs = np.array([(i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)], float)
        return self.centre + (signs * self.half) @ self.turn.T


@dataclass(frozen=True)
class Scene:
    """One made-up case, in LPS mm."""

    axes: np.ndarray
    solids: tuple[Solid, ...]
    target: np.ndarray
    fiducials: np.ndarray
    fle: float
    radius: float
    k: float
    longest: float
    steepest: float
    volume: Volume

    def error(self, points: np.ndarray) -> np.ndarray:
        """First-order root mean square registration error at ``points`` from the covariance of the small motion.

        Turn about the fiducials' centroid: covariance σ² (Σ |p|² I - p pᵀ)⁻¹, shift: σ²/n, σ² = FLE²/3.
        """
        own = self.fiducials - self.fiducials.mean(axis=0)
        inertia = (own**2).sum() * np.eye(3) - own.T @ own
        turn = self.fle**2 / 3 * np.linalg.inv(inertia)
        arm = points - self.fiducials.mean(axis=0)
        # |w x r|² in the mean: trace(C) |r|² - r C r
        rotation = np.trace(turn) * (arm**2).sum(axis=-1) - np.einsum("...i,ij,...j->...", arm, turn, arm)
        return np.sqrt(self.fle**2 / len(own) + rotation)

    def spare(self, points: np.ndarray) -> np.ndarray:
        """What is left of the true distance at ``points`` beyond margin, instrument and error, least over all
        solids."""
        allowance = self.radius + self.k * self.error(points)
        return np.min([s.distance(points) - s.margin for s in self.solids], axis=0) - allowance


def samples(start: np.ndarray, end: np.ndarray, step: float) -> np.ndarray:
    """Points from ``start`` to ``end``, both included, at most ``step`` apart."""
    count = int(np.ceil(np.linalg.norm(end - start) / step)) + 1
    return start + np.linspace(0, 1, count)[:, None] * (end - start)


def made(seed: int) -> Scene:
    """Scene number ``seed``."""
    chance = np.random.default_rng([7, seed])
    axes = chance.uniform(32, 42, 3)
    target = _within(chance, axes, 0.35)
    wanted = int(chance.integers(2, 25))
    solids: list[Solid] = []
    plates = _plates(chance, target, int(chance.integers(4, 30))) if seed % 2 else []
    for solid in [*plates, *(_solid(chance, axes) for _ in range(TRIES))]:
        if len(solids) == wanted + len(plates):
            break
        edge = np.concatenate([solid.corners + solid.radius * d for d in np.vstack([np.eye(3), -np.eye(3)])])
        clear = solid.margin + 5.5
        if (np.linalg.norm(edge / axes, axis=1) < 0.97).all() and solid.distance(target) > clear:
            solids.append(solid)
    fiducials = Rotation.random(random_state=int(chance.integers(1 << 30))).apply(chance.normal(size=(6, 3)))
    fiducials = 1.15 * axes * fiducials / np.linalg.norm(fiducials, axis=1, keepdims=True)
    volume = _labelled(chance, axes, solids)
    fle, radius = float(chance.uniform(0.2, 0.8)), float(chance.uniform(0.5, 1.5))
    steepest = float(chance.uniform(30, 60))
    return Scene(axes, tuple(solids), target, fiducials, fle, radius, 2.0, 60.0, steepest, volume)


def _within(chance: np.random.Generator, axes: np.ndarray, share: float) -> np.ndarray:
    way = chance.normal(size=3)
    return axes * share * way / np.linalg.norm(way) * chance.uniform() ** (1 / 3)


def _solid(chance: np.random.Generator, axes: np.ndarray) -> Solid:
    kind, turn = chance.integers(3), Rotation.random(random_state=int(chance.integers(1 << 30))).as_matrix()
    centre, margin = _within(chance, axes, 0.8), float(chance.uniform(0.5, 4.0))
    if kind == 0:
        return Solid(centre, turn, np.zeros(3), float(chance.uniform(3, 12)), margin)
    if kind == 1:
        return Solid(centre, turn, np.array([chance.uniform(4, 25), 0, 0]), float(chance.uniform(2.5, 6)), margin)
    return Solid(centre, turn, chance.uniform(2.5, 18, 3), 0.0, margin)


def _plates(chance: np.random.Generator, target: np.ndarray, count: int) -> list[Solid]:
    """Plates that face the target from all sides; whether and where they leave a gap is left to chance."""
    number = np.arange(count) + 0.5
    height, turn = 1 - 2 * number / count, number * np.pi * (1 + 5**0.5)
    ways = np.stack([np.sqrt(1 - height**2) * np.cos(turn), np.sqrt(1 - height**2) * np.sin(turn), height], axis=1)
    whole, far = Rotation.random(random_state=int(chance.integers(1 << 30))), chance.uniform(11, 15)
    out = []
    for way in whole.apply(ways):
        facing = Rotation.align_vectors([way + chance.normal(scale=0.1, size=3)], [[0, 0, 1]])[0].as_matrix()
        half = np.array([*chance.uniform(5, 9, 2), 2.5])
        out.append(
            Solid(target + way * (far + chance.uniform(0, 3)), facing, half, 0.0, float(chance.uniform(0.5, 3.0)))
        )
    return out


def _labelled(chance: np.random.Generator, axes: np.ndarray, solids: Sequence[Solid]) -> Volume:
    """Body 1, solids from 2 in their order; oblique grid, unequal voxels, either handedness."""
    spacing = chance.uniform(0.9, 1.3, 3)
    turn = Rotation.random(random_state=int(chance.integers(1 << 30))).as_matrix() * chance.choice([-1, 1], 3)
    reach = np.sqrt(((turn * axes[:, None]) ** 2).sum(axis=0)) + 4
    shape = np.ceil(2 * reach / spacing).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = -affine[:3, :3] @ ((shape - 1) / 2)
    index = np.stack(np.meshgrid(*(np.arange(s) for s in shape), indexing="ij"), axis=-1)
    points = index @ affine[:3, :3].T + affine[:3, 3]
    labels = ((points / axes) ** 2).sum(axis=-1) <= 1
    labels = labels.astype(np.uint8)
    for number in sorted(range(len(solids)), key=lambda n: solids[n].margin):
        labels[solids[number].inside(points)] = number + 2
    return Volume(np.ascontiguousarray(labels.transpose(2, 1, 0)), affine, "", "1")


def clearest(scene: Scene, entries: int = 3000) -> float:
    """The most that any straight path has to spare by the true geometry, over a dense set of entries.

    Entries keep 3 mm and 5 degrees from the limits of length and angle; -inf when there are none.
    """
    number = np.arange(entries) + 0.5
    height, turn = 1 - 2 * number / entries, number * np.pi * (1 + 5**0.5)
    ring = np.sqrt(1 - height**2)
    points = np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1) * scene.axes
    normal = points / scene.axes**2
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    way = scene.target - points
    length = np.linalg.norm(way, axis=1)
    cosine = -np.einsum("ij,ij->i", way, normal) / length
    allowed = (length < scene.longest - 3) & (cosine > np.cos(np.radians(scene.steepest - 5)))
    if not allowed.any():
        return -np.inf
    share = np.linspace(0, 1, int(np.ceil(length.max() / COARSE)) + 1)
    lines = points[allowed][:, None] + share[None, :, None] * way[allowed][:, None]
    best = -np.inf
    for part in np.array_split(lines, len(lines) // 300 + 1):
        best = max(best, float(scene.spare(part).min(axis=1).max()))
    return best
