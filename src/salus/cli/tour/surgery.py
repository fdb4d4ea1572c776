"""Surgical planning: a made-up head with a safe path, a simulated arm on it, and the same head without any."""

from __future__ import annotations

from dataclasses import replace
from math import degrees

from salus.cli.tour.slice import Slice, Stage
from salus.errors import MethodError

TARGET = (0.0, 0.0, 0.0)
FIDUCIALS = ((-36.0, -20.0, 0.0), (36.0, -18.0, 4.0), (0.0, -38.0, 22.0), (2.0, 10.0, 40.0))


def run(stage: Stage) -> str:
    """Plan past a vessel and a nerve, walk the path, then close the way; raise when either comes out wrong."""
    import numpy as np

    from salus.formats.types import Volume
    from salus.surgery import files as wing
    from salus.surgery.labels import labels_of
    from salus.surgery.trajectory import Task

    affine = np.eye(4)
    affine[:3, 3] = -40
    z, y, x = (np.arange(81) - 40 for _ in range(3))
    away = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    head = (away < 38).astype(np.uint8)
    head[(np.hypot(y[:, None] + 20, x) < 4) & (away < 36)] = 2
    names = {2: "vessel", 3: "membrane"}
    task = Task(TARGET, {2: 3.0}, FIDUCIALS, fle=0.6, names=names)
    found = wing.planned_in(labels_of(Volume(head, affine, "", "1")), task)
    if found.motion is None or not found.plan.paths:
        raise MethodError("no safe path where there is one", "tour")
    path = found.plan.paths[0]
    head[(away > 14) & (away < 17)] = 3
    closed = wing.planned_in(labels_of(Volume(head, affine, "", "1")), replace(task, keep_away={2: 3.0, 3: 1.0}))
    if closed.plan.none is None or closed.plan.none.label != 3 or closed.plan.none.short is None:
        raise MethodError("a path through a closed membrane", "tour")
    yaw, pitch, depth, *_ = found.motion.joints[-1]
    return (
        f"{found.plan.safe} of {found.plan.considered} entries safe, best {path.spare:.1f} mm to spare, predicted "
        f"error {path.error_at_target:.2f} mm; simulated arm: yaw {degrees(yaw):.0f}°, pitch {degrees(pitch):.0f}°, "
        f"insertion {1000 * depth:.0f} mm; behind a membrane no safe path ({closed.plan.none.short:.1f} mm short)"
    )


SLICE = Slice(
    name="surgery",
    title="Surgical planning",
    says="straight paths past critical structures with margins and predicted error, or none",
    capabilities=("surgery.planning",),
    also="the reason where there is no path; a simulated arm that follows one",
    also_capabilities=("surgery.arm",),
    run=run,
    shown=("tre_max_relative_error",),
)
