"""Straight paths from the skin to a target that keep a distance from critical structures, or why there is none.

At every point of a path and for every structure:

    distance ≥ margin + instrument's radius + k · predicted registration error there + error of the labels

The distance is a lower bound (:mod:`salus.surgery.clearance`) and what can happen between samples is taken off, so
that a path called safe keeps its margins by the true geometry, provided that the labels are right within the stated
error. With k = 2 a normally distributed error stays within the allowance at any one point in 95 % of cases or more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import cos, radians
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus.errors import InputError
from salus.surgery.clearance import Obstacle, Values
from salus.surgery.labels import Labels
from salus.surgery.register import predicted_tre
from salus.surgery.skin import body_of, entries
from salus.surgery.surface import Points

STEP_MM: Final = 0.5
MAX_ENTRIES: Final = 20_000
CHUNK: Final = 256
"""Paths looked at together."""

Reach = Callable[[Points], NDArray[np.bool_]]
"""Tells for entries (n, 3; LPS mm) from which of them the target can be reached."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked. Lengths in mm, points in LPS mm, angles in degrees.

    ``keep_away`` gives the margin for each critical label. ``fle`` is the root mean square fiducial localisation error.
    ``label_error`` is how far a structure can reach beyond its voxels; by default √3 half diagonals of a voxel, which
    covers voxels labelled by their centres, right-angled corners included.
    """

    target: tuple[float, float, float]
    keep_away: Mapping[int, float]
    fiducials: tuple[tuple[float, float, float], ...]
    fle: float
    instrument_radius: float = 1.0
    k: float = 2.0
    longest: float = 150.0
    steepest: float = 60.0
    label_error: float | None = None
    entry_spacing: float = 3.0
    names: Mapping[int, str] = field(default_factory=dict)

    def name(self, label: int) -> str:
        """The structure's name, or its number."""
        return self.names.get(label, f"label {label}")


@dataclass(frozen=True, slots=True)
class Path:
    """A safe path. ``spare`` (mm) is what is left at the tightest place beyond everything that is required.

    ``distances`` are lower bounds of the distance (mm) between the path's line and each structure's voxels;
    ``tightest`` is the label that leaves ``spare``; ``angle`` is between path and skin normal (degrees);
    ``error_at_target`` and ``error_max`` are predicted root mean square registration errors (mm).
    """

    entry: tuple[float, float, float]
    target: tuple[float, float, float]
    length: float
    angle: float
    spare: float
    tightest: int
    distances: Mapping[int, float]
    error_at_target: float
    error_max: float


@dataclass(frozen=True, slots=True)
class NoPath:
    """Why there is none: one sentence; the structure in the way of the best path and by how much (mm)."""

    reason: str
    label: int | None = None
    short: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """``paths`` of which none is worse than another in clearance, length and angle at once, the clearest first.

    ``considered`` entries were judged (allowed by length, angle and reach), ``safe`` of them have a safe path;
    ``blocked`` counts the rest by the structure that is most in the way. Without any path ``none`` says why.
    """

    paths: tuple[Path, ...]
    considered: int
    safe: int
    blocked: Mapping[int, int]
    none: NoPath | None = None


@dataclass(frozen=True, slots=True)
class _Candidates:
    entry: Points
    length: Values
    angle: Values


def plan(labels: Labels, task: Task, most: int = 10, reach: Reach | None = None) -> Plan:
    """At most ``most`` safe paths for ``task``, or the reason why there is none. With ``reach``, only reachable ones.

    Raises :class:`InputError` when the task cannot be judged: a critical structure is not labelled, the target lies
    outside the body, a number is no length, or the fiducials do not fix a registration.
    """
    _check(labels, task)
    body = body_of(labels)
    target = np.array(task.target, float)
    if not _within(labels, body, target[None])[0]:
        raise InputError("the target lies outside the body", "target", "give LPS mm in the space of the labels")
    obstacles = [Obstacle(labels, label) for label in sorted(task.keep_away)]
    if (close := _at_target(obstacles, task, labels)) is not None:
        return Plan((), 0, 0, {}, close)
    found = _candidates(labels, body, task, reach)
    if isinstance(found, NoPath):
        return Plan((), 0, 0, {}, found)
    slack = np.concatenate(
        [
            _slack(labels, obstacles, task, found.entry[start : start + CHUNK])
            for start in range(0, len(found.entry), CHUNK)
        ]
    )
    worst = slack.min(axis=1)
    blockers = slack.argmin(axis=1)
    blocked = {o.label: int(((blockers == k) & (worst < 0)).sum()) for k, o in enumerate(obstacles)}
    safe = np.flatnonzero(worst >= 0)
    if not len(safe):
        return Plan((), len(worst), 0, blocked, _in_the_way(labels, obstacles, task, found.entry, slack))
    best = _undominated(worst[safe], found.length[safe], found.angle[safe])[:most]
    paths = tuple(_path(labels, obstacles, task, found, slack, int(n)) for n in safe[best])
    return Plan(paths, len(worst), len(safe), blocked)


def required(task: Task, labels: Labels, label: int, points: Points, tre: Values | None = None) -> Values:
    """Distance (n,) that must lie between each of ``points`` and the voxels of ``label``; ``tre`` if already known."""
    error = labels.half_diagonal * 3**0.5 if task.label_error is None else task.label_error
    allowance = task.k * (predicted_tre(task.fiducials, points, task.fle) if tre is None else tre)
    return np.asarray(task.keep_away[label] + task.instrument_radius + error + allowance)


def _check(labels: Labels, task: Task) -> None:
    if not task.keep_away:
        raise InputError("no critical structure", "keep_away", "name at least one, with its margin")
    if absent := sorted(set(task.keep_away) - set(labels.present)):
        raise InputError(
            f"label {absent[0]} does not occur in the volume",
            "keep_away",
            "what is not labelled cannot be kept clear of",
        )
    positive = {"longest": task.longest, "entry_spacing": task.entry_spacing}
    lengths = {"instrument_radius": task.instrument_radius, "k": task.k, "label_error": task.label_error or 0.0}
    lengths |= {f"keep_away.{label}": margin for label, margin in task.keep_away.items()}
    for name, value in (positive | lengths).items():
        if not np.isfinite(value) or value < 0 or (name in positive and value == 0):
            raise InputError("not a length", name, "give millimetres, 0 or more")
    if not 0 < task.steepest < 90:
        raise InputError("not an angle below 90 degrees", "steepest", "give degrees between path and skin normal")
    if not np.isfinite(task.target).all():
        raise InputError("not a point", "target", "give x, y and z in mm")
    predicted_tre(task.fiducials, np.zeros(3), task.fle)


def _within(labels: Labels, body: NDArray[np.bool_], points: Points) -> NDArray[np.bool_]:
    index = np.rint(labels.to_index(points)).astype(np.int64)
    size = np.array(body.shape)[::-1]
    column, row, slice_ = np.clip(index, 0, size - 1).T
    return np.asarray(((index >= 0) & (index < size)).all(axis=1) & body[slice_, row, column])


def _at_target(obstacles: list[Obstacle], task: Task, labels: Labels) -> NoPath | None:
    """The structure that is too near to the target itself, if there is one: then every path is blocked there."""
    point = np.array([task.target], float)
    short = {o.label: float((required(task, labels, o.label, point) - o.distance(point))[0]) for o in obstacles}
    label = max(short, key=lambda key: short[key])
    if short[label] <= 0:
        return None
    return NoPath(
        f"the target is too near to {task.name(label)}: {short[label]:.1f} mm are missing", label, short[label]
    )


def _candidates(labels: Labels, body: NDArray[np.bool_], task: Task, reach: Reach | None) -> _Candidates | NoPath:
    points, outward = entries(labels, body, task.entry_spacing)
    way = np.array(task.target, float) - points
    length = np.linalg.norm(way, axis=1)
    points, outward, way, length = (a[length > 0] for a in (points, outward, way, length))
    cosine = -np.einsum("ij,ij->i", way, outward) / length
    allowed = (length <= task.longest) & (cosine >= cos(radians(task.steepest)))
    if not allowed.any():
        why = f"no entry within {task.longest:g} mm of the target and {task.steepest:g}° of the skin's normal"
        return NoPath(why)
    if reach is not None:
        allowed[allowed] = reach(points[allowed])
        if not allowed.any():
            return NoPath("the arm reaches the target from no allowed entry")
    if allowed.sum() > MAX_ENTRIES:
        raise InputError(f"{int(allowed.sum())} entries", "entry_spacing", "space the entries wider")
    chosen = np.flatnonzero(allowed)
    inside = np.concatenate(
        [_stays_inside(labels, body, points[part], task) for part in np.array_split(chosen, len(chosen) // CHUNK + 1)]
    )
    if not inside.any():
        return NoPath("every straight path from an allowed entry leaves the body on its way")
    kept = chosen[inside]
    angle = np.degrees(np.arccos(np.clip(cosine[kept], -1, 1)))
    return _Candidates(points[kept], length[kept], angle)


def _samples(entry: Points, task: Task) -> tuple[Points, NDArray[np.int64], Values]:
    """Points along each path, entry and target included; the number of each one's path; the step of each path."""
    way = np.array(task.target, float) - entry
    length = np.linalg.norm(way, axis=1)
    cuts = np.ceil(length / STEP_MM).astype(np.int64)
    owner = np.repeat(np.arange(len(entry)), cuts + 1)
    start = np.concatenate([[0], np.cumsum(cuts + 1)[:-1]])
    share = (np.arange(len(owner)) - start[owner]) / cuts[owner]
    return entry[owner] + share[:, None] * way[owner], owner, length / cuts


def _stays_inside(labels: Labels, body: NDArray[np.bool_], entry: Points, task: Task) -> NDArray[np.bool_]:
    """Paths that, but for the first voxel's diagonal, run within the body."""
    points, owner, _ = _samples(entry, task)
    deep = np.linalg.norm(points - entry[owner], axis=1) > 2 * labels.half_diagonal
    out = np.ones(len(entry), bool)
    out[owner[deep & ~_within(labels, body, points)]] = False
    return out


def _slack(labels: Labels, obstacles: list[Obstacle], task: Task, entry: Points, thorough: bool = False) -> Values:
    """For each path and obstacle (n, m), distance less what is required, at the tightest place.

    Where a path may be safe this is a lower bound; its least value over the obstacles is measured at the voxels' boxes.
    A path that is blocked for certain gets an upper bound instead, unless ``thorough``.
    """
    points, owner, step = _samples(entry, task)
    tre = predicted_tre(task.fiducials, points, task.fle)
    # the error is convex along a line: between two samples it is at most the greater of both
    around, same = tre.copy(), owner[1:] == owner[:-1]
    around[1:][same] = np.maximum(around[1:], tre[:-1])[same]
    around[:-1][same] = np.maximum(around[:-1], tre[1:])[same]
    between = task.k * (around - tre) + step[owner] / 2
    low, high = np.empty((2, len(points), len(obstacles)))
    for column, obstacle in enumerate(obstacles):
        need = required(task, labels, obstacle.label, points, tre) + between
        low[:, column], high[:, column] = (bound - need for bound in obstacle.bracket(points))
    start = np.flatnonzero(np.diff(owner, prepend=-1))
    most = np.minimum.reduceat(high, start)
    cap = most.min(axis=1)
    open_ = (low <= cap[owner, None]) & (thorough | (cap[owner, None] >= 0))
    for column, obstacle in enumerate(obstacles):
        here = np.flatnonzero(open_[:, column])
        need = required(task, labels, obstacle.label, points[here], tre[here]) + between[here]
        low[here, column] = obstacle.distance(points[here]) - need
    least = np.minimum.reduceat(low, start)
    return np.asarray(least if thorough else np.where(cap[:, None] < 0, most, least))


def _in_the_way(labels: Labels, obstacles: list[Obstacle], task: Task, entry: Points, slack: Values) -> NoPath:
    best = np.argsort(-slack.min(axis=1), kind="stable")[:CHUNK]
    measured = _slack(labels, obstacles, task, entry[best], thorough=True)
    nearest = int(measured.min(axis=1).argmax())
    column = int(measured[nearest].argmin())
    label, short = obstacles[column].label, -float(measured[nearest, column])
    return NoPath(
        f"no safe path: on the best of {len(slack)} straight ones {task.name(label)} is {short:.1f} mm too near",
        label,
        short,
    )


def _undominated(spare: Values, length: Values, angle: Values) -> NDArray[np.int64]:
    """Numbers of paths for which no other is at least as clear, short and straight and better in one; clearest
    first."""
    cost = np.stack([-spare, length, angle], axis=1)
    order = np.lexsort((angle, length, -spare))
    kept: list[int] = []
    for n in order:  # whatever dominates a path comes before it
        front = cost[kept]
        if not len(kept) or not (front <= cost[n]).all(axis=1).any():
            kept.append(int(n))
    return np.array(kept)


def _path(labels: Labels, obstacles: list[Obstacle], task: Task, found: _Candidates, slack: Values, n: int) -> Path:
    entry = found.entry[n]
    points, _, step = _samples(entry[None], task)
    tre = predicted_tre(task.fiducials, points, task.fle)
    distances = {o.label: max(0.0, float(o.distance(points).min() - step[0] / 2)) for o in obstacles}
    return Path(
        entry=(float(entry[0]), float(entry[1]), float(entry[2])),
        target=task.target,
        length=float(found.length[n]),
        angle=float(found.angle[n]),
        spare=float(slack[n].min()),
        tightest=obstacles[int(slack[n].argmin())].label,
        distances=distances,
        error_at_target=float(tre[-1]),
        error_max=float(tre.max()),
    )
