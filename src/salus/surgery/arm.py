"""An arm that turns about a remote centre of motion: where its tip is, and which joints bring it there.

Geometry of the da Vinci patient-side manipulator, read from ``tables/psm.json``: two turns about the remote centre, an
insertion along the shaft, a roll, and a two-joint wrist, in Craig's modified Denavit-Hartenberg convention. Simulation
only: there is no code here that talks to a device.

The inverse is closed-form. The wrist's first axis is at right angles to the shaft and to the last axis, and the shaft
passes through the remote centre; so the tip and the last axis span, with the remote centre, the plane of the wrist, and
everything else follows by projection.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import atan2, hypot, pi
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salus.errors import InputError

JOINTS: Final = ("outer yaw", "outer pitch", "insertion", "roll", "wrist pitch", "wrist yaw")
INSERTION: Final = 2
SINGULAR: Final = 1e-6
"""Metres of lever below which the plane of the wrist, or the direction of the shaft, is not determined."""
_LIMIT_TOLERANCE: Final = 1e-9
_PATTERN: Final = (pi / 2, -pi / 2, pi / 2, 0.0, -pi / 2, -pi / 2)
_FIRST_OFFSETS: Final = (pi / 2, -pi / 2, 0.0)
"""Twists, and offsets of the first three joints, for which the closed form below was derived."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Arm:
    """Denavit-Hartenberg table (metres, radians), joint limits, and the turn from the last frame to the tip's."""

    name: str
    a: tuple[float, ...]
    alpha: tuple[float, ...]
    d: tuple[float, ...]
    offset: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    tip: Matrix

    @property
    def dead_length(self) -> float:
        """Metres from the wrist back to the remote centre at no insertion (negative: the wrist is before it)."""
        return self.d[2] + self.d[3]

    @property
    def straight_reach(self) -> tuple[float, float]:
        """Depths of the tip below the remote centre (m) with a straight wrist, least and greatest."""
        base = self.dead_length + self.a[5]
        return base + self.lower[INSERTION], base + self.upper[INSERTION]


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A pose the arm cannot take, and why in one sentence."""

    reason: str


@cache
def psm() -> Arm:
    """The arm of ``tables/psm.json``. Raises :class:`InputError` for a table that the closed form does not cover."""
    table = json.loads((files("salus.surgery") / "tables" / "psm.json").read_bytes())
    arm = Arm(
        name=table["robot"],
        a=tuple(table["a_m"]),
        alpha=tuple(table["alpha_rad"]),
        d=tuple(table["d_m"]),
        offset=tuple(table["theta_offset_rad"]),
        lower=tuple(table["joint_lower"]),
        upper=tuple(table["joint_upper"]),
        tip=np.array(table["tip_rotation"], float),
    )
    fixed = (*arm.a[:5], arm.d[0], arm.d[1], arm.d[4], arm.d[5])
    angles = np.allclose(arm.alpha, _PATTERN) and np.allclose(arm.offset[:3], _FIRST_OFFSETS)
    if table["joint_types"] != "RRPRRR" or not angles or any(fixed):
        raise InputError("not an arm of this kind", "psm.json", "the closed form does not hold for it")
    return arm


def forward(arm: Arm, joints: Sequence[float] | Matrix) -> Matrix:
    """Pose (4, 4) of the tip in the frame of the remote centre, metres, for six joint values (rad; insertion in m)."""
    pose = frames(arm, joints)[-1].copy()
    pose[:3, :3] = pose[:3, :3] @ arm.tip
    return pose


def frames(arm: Arm, joints: Sequence[float] | Matrix) -> list[Matrix]:
    """Poses (4, 4) of the six link frames. The wrist sits in the fourth, the shaft along its z axis."""
    pose, out = np.eye(4), []
    for k in range(6):
        theta = arm.offset[k] + (0.0 if k == INSERTION else joints[k])
        along = arm.d[k] + (joints[k] if k == INSERTION else 0.0)
        pose = pose @ _link(arm.a[k], arm.alpha[k], theta, along)
        out.append(pose)
    return out


def inverse(arm: Arm, pose: ArrayLike, near: Sequence[float] | None = None) -> tuple[float, ...] | Unreachable:
    """Six joint values within their limits that bring the tip to ``pose`` (4, 4); the solution nearest to ``near``.

    ``near`` is by default the middle of the joints' ranges. Returns :class:`Unreachable` with the reason when no
    solution is within the limits or the pose is singular. Raises :class:`InputError` for what is no rigid pose.
    """
    target = _rigid(pose)
    found = list(_solutions(arm, target))
    if not found:
        return Unreachable("singular: the wrist's plane, or the shaft's direction, is not determined by this pose")
    allowed = [q for q in found if not broken_limits(arm, q)]
    if not allowed:
        nearest = min((broken_limits(arm, q) for q in found), key=lambda broken: sum(broken.values()))
        return Unreachable("; ".join(nearest))
    middle = [(low + high) / 2 for low, high in zip(arm.lower, arm.upper, strict=True)] if near is None else list(near)
    span = np.array(arm.upper) - np.array(arm.lower)
    return min(allowed, key=lambda q: float((((np.array(q) - middle) / span) ** 2).sum()))


def broken_limits(arm: Arm, joints: Sequence[float] | Matrix) -> dict[str, float]:
    """Each broken limit in words, with how far it is beyond as a share of the joint's range; empty when all hold."""
    out = {}
    for k, (low, high) in enumerate(zip(arm.lower, arm.upper, strict=True)):
        beyond = max(low - joints[k], joints[k] - high)
        if beyond > _LIMIT_TOLERANCE:
            scale, unit = (1000.0, "mm") if k == INSERTION else (180 / pi, "°")
            range_ = f"{low * scale:g} to {high * scale:g} {unit}"
            out[f"{JOINTS[k]} would be {joints[k] * scale:.1f} {unit}, allowed {range_}"] = beyond / (high - low)
    return out


def _solutions(arm: Arm, pose: Matrix) -> Iterator[tuple[float, ...]]:
    """Every joint vector that gives ``pose``, limits left aside (rolls that differ by a turn included)."""
    turn = pose[:3, :3] @ arm.tip.T
    tip, last, x6 = pose[:3, 3], turn[:, 2], turn[:, 0]
    normal = np.cross(tip, last)
    if np.linalg.norm(normal) < SINGULAR:
        return
    for axis in (normal / np.linalg.norm(normal), -normal / np.linalg.norm(normal)):
        x5 = np.cross(last, axis)
        wrist = tip - arm.a[5] * x5
        depth = float(np.linalg.norm(wrist))
        if depth < SINGULAR:
            continue
        for length in (depth, -depth):
            yield from _joints(arm, wrist / length, length, axis, x5, x6)


def _joints(
    arm: Arm, shaft: Matrix, length: float, axis: Matrix, x5: Matrix, x6: Matrix
) -> Iterator[tuple[float, ...]]:
    """Joint values from the shaft's direction, its length to the wrist, the wrist's first axis, and the x axes.

    A pitch beyond a right angle, which would give the same pose, is left out: no limit of such an arm allows it.
    """
    pitch = atan2(-shaft[1], hypot(shaft[0], shaft[2]))
    yaw = atan2(shaft[0], -shaft[2])
    before_roll = frames(arm, (yaw, pitch, 0.0, 0.0, 0.0, 0.0))[2][:3, :3]
    local = before_roll.T @ axis
    roll = atan2(-local[0], local[1])
    before_wrist = before_roll @ _rotation(arm.alpha[3], arm.offset[3] + roll) @ _about_x(arm.alpha[4])
    local = before_wrist.T @ x5
    bend = _wrapped(atan2(local[1], local[0]) - arm.offset[4])
    before_last = before_wrist @ _about_z(arm.offset[4] + bend) @ _about_x(arm.alpha[5])
    local = before_last.T @ x6
    swing = _wrapped(atan2(local[1], local[0]) - arm.offset[5])
    for turns in (-2 * pi, 0.0, 2 * pi):
        yield (yaw, pitch, length - arm.dead_length, _wrapped(roll - arm.offset[3]) + turns, bend, swing)


def _wrapped(angle: float) -> float:
    return (angle + pi) % (2 * pi) - pi


def _about_x(angle: float) -> Matrix:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]], float)


def _about_z(angle: float) -> Matrix:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], float)


def _rotation(alpha: float, theta: float) -> Matrix:
    return np.asarray(_about_x(alpha) @ _about_z(theta))


def _link(a: float, alpha: float, theta: float, d: float) -> Matrix:
    """Rot_x(alpha) Trans_x(a) Rot_z(theta) Trans_z(d)."""
    pose = np.eye(4)
    pose[:3, :3] = _rotation(alpha, theta)
    pose[:3, 3] = _about_x(alpha) @ np.array([a, 0.0, d])
    return pose


def _rigid(pose: ArrayLike) -> Matrix:
    try:
        matrix = np.asarray(pose, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("not a pose", "pose", "give a 4 by 4 matrix in metres") from error
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise InputError("not a pose", "pose", "give a 4 by 4 matrix in metres")
    turn = matrix[:3, :3]
    if np.abs(turn @ turn.T - np.eye(3)).max() > 1e-6 or np.linalg.det(turn) < 0 or np.any(matrix[3] != (0, 0, 0, 1)):
        raise InputError("not a rigid pose", "pose", "its upper left 3 by 3 must be a rotation, its last row 0 0 0 1")
    return matrix
