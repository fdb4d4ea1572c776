"""A planned path walked by the simulated arm: its remote centre at the entry, its tip to the target.

Simulation only. The joint values are for looking at reach and limits; nothing here sends them anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus.errors import MethodError
from salus.surgery.arm import INSERTION, Arm, Matrix, Unreachable, broken_limits, forward, frames, inverse
from salus.surgery.surface import Points
from salus.surgery.trajectory import Path, Reach

NOTICE: Final = "Simulation only: never sent to hardware."
SUPINE: Final = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)
"""Axes of an arm that stands over a patient on his back (columns, in LPS): x to the left, y to the head, z up."""
TOLERANCE_M: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Motion:
    """``joints`` (steps, 6) from the tip at the entry to the tip at the target (rad; insertion in m).

    ``centre_deviation`` is the greatest distance of the shaft's line from the remote centre, ``line_deviation`` of the
    tip from the planned line (m), measured by forward kinematics at every step.
    """

    joints: Matrix
    centre_deviation: float
    line_deviation: float


def walk(path: Path, arm: Arm, base: Matrix = SUPINE, steps: int = 50) -> Motion | Unreachable:
    """The arm's motion along ``path`` with a straight wrist, or why it cannot make it.

    ``base`` (3, 3) holds the arm's axes in LPS as columns. Joint values are interpolated between entry and target.
    Raises :class:`MethodError` if the walked line is not the planned one, which would be a defect.
    """
    inward = base.T @ (np.array(path.target) - np.array(path.entry)) / 1000
    depth = float(np.linalg.norm(inward))
    pose = np.eye(4)
    pose[:3, :3] = _facing(inward / depth)
    pose[:3, 3] = inward
    end = inverse(arm, pose)
    if isinstance(end, Unreachable):
        return end
    start = list(end)
    start[INSERTION] -= depth
    if broken := broken_limits(arm, start):
        return Unreachable("with the tip at the entry " + "; ".join(broken))
    joints = np.linspace(start, end, steps)
    motion = Motion(joints, *_deviations(arm, joints, inward / depth))
    if max(motion.centre_deviation, motion.line_deviation) > TOLERANCE_M:
        raise MethodError("the simulated tip left the planned line", "arm", "report this")
    return motion


def reach(arm: Arm, target: tuple[float, float, float], base: Matrix = SUPINE) -> Reach:
    """A test of entries: whether the arm with its remote centre there brings a straight instrument to ``target``."""
    low, high = np.array(arm.lower), np.array(arm.upper)

    def reached(entries: Points) -> NDArray[np.bool_]:
        way = (np.array(target) - entries) @ base / 1000
        depth = np.linalg.norm(way, axis=1)
        yaw = np.arctan2(way[:, 0], -way[:, 2])
        pitch = np.arctan2(-way[:, 1], np.hypot(way[:, 0], way[:, 2]))
        turned = (yaw >= low[0]) & (yaw <= high[0]) & (pitch >= low[1]) & (pitch <= high[1])
        return np.asarray(turned & (depth <= arm.straight_reach[1]) & (arm.straight_reach[0] <= 0))

    return reached


def _facing(direction: Matrix) -> Matrix:
    """A tip orientation whose approach axis (z) points along ``direction``, its x axis near to the arm's."""
    across = np.eye(3)[0] if abs(direction[0]) < 0.9 else np.eye(3)[1]
    x = across - (across @ direction) * direction
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(direction, x), direction], axis=1)


def _deviations(arm: Arm, joints: Matrix, direction: Matrix) -> tuple[float, float]:
    centre, line = 0.0, 0.0
    for values in joints:
        wrist = frames(arm, values)[3]
        centre = max(centre, float(np.linalg.norm(np.cross(wrist[:3, 3], wrist[:3, 2]))))
        line = max(line, float(np.linalg.norm(np.cross(forward(arm, values)[:3, 3], direction))))
    return centre, line
