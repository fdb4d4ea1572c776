"""Surgical planning: predicted registration error, the arm's inverse kinematics, and margins of planned paths.

The truths are made here and know nothing of the code's insides; ``--data`` gives the arm's table (``**/psm_dh*.json``,
else the packaged one). Cases:

* 50 random fiducial layouts: the predicted error at a target against 60,000 simulated registrations each (own batched
  least squares by SVD; a sample of them is also done by the package). Passed: within 3 %.
* 1,000 random poses within the joint limits: joints within their limits whose generic Denavit-Hartenberg product is the
  pose within 1e-6 m and rad. Then poses from joints outside the limits: refused, unless joints within the limits
  give the same pose; that a refused one has none is tried by bounded least squares from many starts.
* 200 random scenes (see _scenes.py): every path returned is sampled every 0.05 mm and must keep margin, instrument and
  error by the analytic distance; where no path is found, brute force must find none that has ``tolerance`` to spare.
  A scene without a path is refused rightly where brute force finds none at all, and abstained where one exists within
  the ``tolerance`` that voxels and sampling cost.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from math import pi, radians
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from salus.errors import InputError
from salus.surgery.arm import Unreachable, inverse, psm
from salus.surgery.labels import labels_of
from salus.surgery.register import predicted_tre, register
from salus.surgery.trajectory import Plan, Task, plan
from validation._report import PASSED, Mutant, Outcome, Split, Tally, Truth, argument_parser, report
from validation.surgery._scenes import STEP, Scene, clearest, made, samples

SHORT = ("--part", "10")
_TRAJECTORY, _REGISTER, _ARM = (f"salus/surgery/{name}.py" for name in ("trajectory", "register", "arm"))
MUTANTS = (
    Mutant(
        _TRAJECTORY,
        "allowance = task.k * (predicted_tre(task.fiducials, points, task.fle) if tre is None else tre)",
        "allowance = 0.0 * (predicted_tre(task.fiducials, points, task.fle) if tre is None else tre)",
        "the predicted error is not kept clear",
    ),
    Mutant(
        _TRAJECTORY,
        "task.keep_away[label] + task.instrument_radius + error + allowance",
        "task.keep_away[label] + error + allowance",
        "the instrument has no radius",
    ),
    Mutant(
        _REGISTER, "(1 + ratio.sum(axis=-1) / 3)", "(1 + ratio.sum(axis=-1))", "the target's distance counts thrice"
    ),
    Mutant(_ARM, "if not broken_limits(arm, q)", "if True", "joints may be beyond their limits"),
)

LAYOUTS, DRAWS, POSES, OUTSIDE, SCENES = 50, 60_000, 1000, 200, 200
LEAST_WITHOUT_PATH = 50
TRE_TOLERANCE, IK_TOLERANCE = 0.03, 1e-6
ENTRY_SPACING = 3.0
CLOSE = 0.05
"""Of what is kept for the predicted error (mm): the planner samples a path at half a millimetre, the check at less."""
PACKAGED = Path(__file__).parents[2] / "src" / "salus" / "surgery" / "tables" / "psm.json"


def layout(seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Fiducials (3 to 10) in a box of 120 to 200 mm, a target in it, and a localisation error up to 1.5 mm."""
    chance = np.random.default_rng([1, seed])
    edge = chance.uniform(120, 200)
    fiducials = chance.uniform(-edge / 2, edge / 2, (int(chance.integers(3, 11)), 3))
    return fiducials, chance.uniform(-edge / 2, edge / 2, 3), float(chance.uniform(0.2, 1.5))


def simulated(fiducials: np.ndarray, target: np.ndarray, fle: float, seed: int) -> tuple[float, float]:
    """Root mean square error at ``target`` over DRAWS registrations, and how far the package's differ from ours
    (mm)."""
    chance = np.random.default_rng([2, seed])
    turn, shift = Rotation.random(random_state=seed).as_matrix(), chance.uniform(-100, 100, 3)
    noise = chance.normal(size=(DRAWS, *fiducials.shape)) * fle / 3**0.5
    fixed = fiducials @ turn.T + shift + noise
    centre, middle = fiducials.mean(axis=0), fixed.mean(axis=1)
    u, _, vt = np.linalg.svd(np.einsum("ki,nkj->nij", fiducials - centre, fixed - middle[:, None]))
    sign = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    vt[:, 2] *= sign[:, None]
    found = np.einsum("nji,nkj->nik", vt, u)
    mapped = np.einsum("nij,j->ni", found, target - centre) + middle
    error = mapped - (turn @ target + shift)
    ours = [float(np.abs(register(fiducials, fixed[n])(target) - mapped[n]).max()) for n in range(20)]
    return float(np.sqrt((error**2).sum(axis=1).mean())), max(ours)


def registration(tally: Tally, part: int) -> float:
    """The greatest relative error of the prediction."""
    worst = 0.0
    for seed in range(0, LAYOUTS, part):
        fiducials, target, fle = layout(seed)
        measured, differ = simulated(fiducials, target, fle, seed)
        try:
            error = abs(float(predicted_tre(fiducials, target, fle)) / measured - 1)
        except InputError as refused:
            tally.add(f"layout {seed}", Outcome.REFUSED_THOUGH_ANSWERABLE, str(refused))
            continue
        worst = max(worst, error)
        right = error <= TRE_TOLERANCE and differ < 1e-6
        why = f"{error:.2%} from Monte Carlo, registration differs by {differ:.1e} mm"
        tally.add(f"layout {seed}", Outcome.RIGHT if right else Outcome.WRONG, why)
    return worst


def number(text: Any) -> float:
    """A table entry: a number, "pi/2", "-91deg" or "0.24 m"."""
    if not isinstance(text, str):
        return float(text)
    if text.endswith("deg"):
        return radians(float(text[:-3]))
    if "pi" in text:
        return (-1 if text[0] == "-" else 1) * pi / float(text.split("/")[1] if "/" in text else 1)
    return float(text.split()[0])


class Table:
    """A Denavit-Hartenberg table in Craig's convention and its plain product."""

    def __init__(self, file: Path) -> None:
        raw = json.loads(file.read_bytes())
        names = ("a_m", "alpha_rad", "d_m", "theta_offset_rad", "joint_lower", "joint_upper")
        self.a, self.alpha, self.d, self.theta, self.lower, self.upper = (
            np.array([number(v) for v in raw[name]]) for name in names
        )
        self.slides = np.array([kind == "P" for kind in raw["joint_types"]])
        self.tip = np.array(raw["tip_rotation"], float)

    def pose(self, joints: np.ndarray) -> np.ndarray:
        """Product of Rot_x(alpha) Trans_x(a) Rot_z(theta) Trans_z(d), then the tip's turn."""
        out = np.eye(4)
        for k, q in enumerate(joints):
            theta, d = (self.theta[k], self.d[k] + q) if self.slides[k] else (self.theta[k] + q, self.d[k])
            ct, st, ca, sa = np.cos(theta), np.sin(theta), np.cos(self.alpha[k]), np.sin(self.alpha[k])
            out = out @ np.array(
                [
                    [ct, -st, 0, self.a[k]],
                    [st * ca, ct * ca, -sa, -sa * d],
                    [st * sa, ct * sa, ca, ca * d],
                    [0, 0, 0, 1],
                ]
            )
        out[:3, :3] = out[:3, :3] @ self.tip
        return out

    def within(self, joints: np.ndarray) -> bool:
        return bool((joints >= self.lower - 1e-9).all() and (joints <= self.upper + 1e-9).all())


def differences(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Distance (m) and angle (rad) between two poses."""
    turn = Rotation.from_matrix(one[:3, :3].T @ other[:3, :3]).magnitude()
    return float(np.linalg.norm(one[:3, 3] - other[:3, 3])), float(turn)


def poses(table: Table, tally: Tally, part: int) -> tuple[float, float]:
    """The greatest errors, in m and rad, of poses within the limits."""
    chance, worst = np.random.default_rng(3), [0.0, 0.0]
    for n in range(0, POSES, part):
        pose = table.pose(chance.uniform(table.lower, table.upper))
        found = inverse(psm(), pose)
        if isinstance(found, Unreachable):
            tally.add(f"pose {n}", Outcome.REFUSED_THOUGH_ANSWERABLE, found.reason)
            continue
        off = differences(pose, table.pose(np.array(found)))
        worst = [max(a, b) for a, b in zip(worst, off, strict=True)]
        right = max(off) < IK_TOLERANCE and table.within(np.array(found))
        why = f"off by {off[0]:.1e} m, {off[1]:.1e} rad, or beyond a limit"
        tally.add(f"pose {n}", Outcome.RIGHT if right else Outcome.WRONG, why)
    return worst[0], worst[1]


def outside(table: Table, tally: Tally, part: int) -> tuple[int, int]:
    """Poses from joints beyond the limits: how many were refused rightly, and how many were solved rightly after
    all."""
    chance, refused, solved = np.random.default_rng(4), 0, 0
    middle, half = (table.lower + table.upper) / 2, (table.upper - table.lower) / 2
    for n in range(0, OUTSIDE, part):
        joints = chance.uniform(table.lower, table.upper)
        which = chance.integers(6)
        joints[which] = middle[which] + chance.choice([-1, 1]) * half[which] * chance.uniform(1.02, 1.4)
        pose = table.pose(joints)
        found = inverse(psm(), pose)
        if isinstance(found, Unreachable):
            refused += (hopeless := _hopeless(table, pose, chance))
            ended = Outcome.REFUSED_RIGHTLY if hopeless else Outcome.REFUSED_THOUGH_ANSWERABLE
            tally.add(f"pose outside {n}", ended, "refused, but joints within the limits give this pose")
            continue
        values = np.array(found)
        solved += (right := table.within(values) and max(differences(pose, table.pose(values))) < IK_TOLERANCE)
        why = "joints beyond a limit, or not this pose"
        tally.add(f"pose outside {n}", Outcome.RIGHT if right else Outcome.WRONG, why)
    return refused, solved


def _hopeless(table: Table, pose: np.ndarray, chance: np.random.Generator, starts: int = 12) -> bool:
    """True when bounded least squares from many starts does not get to ``pose``."""

    def off(joints: np.ndarray) -> np.ndarray:
        return (table.pose(joints) - pose)[:3].ravel() * np.tile([1, 1, 1, 10], 3)

    scale = table.upper - table.lower
    for _ in range(starts):
        start = chance.uniform(table.lower, table.upper)
        done = least_squares(off, start, bounds=(table.lower, table.upper), x_scale=scale, xtol=1e-12, ftol=1e-14)
        if max(differences(pose, table.pose(done.x))) < 1e-7:
            return False
    return True


def task_of(scene: Scene) -> Task:
    """The scene as the planner is asked. A solid wholly under others of greater margins has no voxels left to name."""
    present = set(np.unique(scene.volume.array).tolist())
    return Task(
        target=tuple(scene.target),
        keep_away={n + 2: solid.margin for n, solid in enumerate(scene.solids) if n + 2 in present},
        fiducials=tuple(map(tuple, scene.fiducials)),
        fle=scene.fle,
        instrument_radius=scene.radius,
        k=scene.k,
        longest=scene.longest,
        steepest=scene.steepest,
        entry_spacing=ENTRY_SPACING,
    )


def tolerance(scene: Scene) -> float:
    """What a path may have to spare and still be missed: error and size of voxels, sampling, spacing of entries
    (mm)."""
    return half_diagonal(scene) * (1 + 3**0.5) + 0.25 + ENTRY_SPACING


def half_diagonal(scene: Scene) -> float:
    """Of a voxel (mm)."""
    return float(np.linalg.norm(scene.volume.affine[:3, :3]) / 2)


def broken(scene: Scene, found: Plan) -> Iterator[str]:
    """Every path returned that does not keep its margins by the true geometry."""
    for path in found.paths:
        entry = np.array(path.entry)
        spare = float(scene.spare(samples(entry, scene.target, STEP)).min())
        if spare < 0:
            yield f"a margin is broken by {-spare:.3f} mm"
        # the labels' error that the planner keeps clear is √3 half diagonals, and voxels may take one of them
        if spare < path.spare + (3**0.5 - 1) * half_diagonal(scene) - 1e-6:
            yield f"{path.spare:.3f} mm to spare were promised, {spare:.3f} are there"
        if abs(np.linalg.norm(entry / scene.axes) - 1) > 0.08 or tuple(path.target) != tuple(scene.target):
            yield "the path does not lead from the skin to the target"


def careless(scene: Scene, found: Plan, without: Plan) -> Iterator[str]:
    """Paths whose promise is not less by k times the predicted error than what the planner says without any error."""
    certain = {path.entry: path.spare for path in without.paths}
    for path in found.paths:
        if path.entry in certain:
            errors = scene.k * scene.error(samples(np.array(path.entry), scene.target, STEP))
            kept = certain[path.entry] - path.spare
            if not errors.min() - CLOSE <= kept <= errors.max() + CLOSE:
                yield f"{kept:.3f} mm are kept for errors of {errors.min():.3f} to {errors.max():.3f}"


def scenes(tally: Tally, part: int) -> dict[str, Any]:
    """Figures of all scenes."""
    out: dict[str, Any] = {"scenes": SCENES, "scenes_without_path": 0, "margins_broken": 0}
    out |= {"cautious_refusals": 0, "paths": 0}
    missed = 0.0
    for seed in range(0, SCENES, part):
        scene = made(seed)
        labels, task = labels_of(scene.volume), task_of(scene)
        found = plan(labels, task)
        faults = [*broken(scene, found), *careless(scene, found, plan(labels, replace(task, fle=0.0)))]
        out["paths"] += len(found.paths)
        out["margins_broken"] += len(faults)
        if not found.paths:
            out["scenes_without_path"] += 1
            spare = clearest(scene)
            out["cautious_refusals"] += spare >= 0
            missed = max(missed, spare)
            if found.none is None:
                faults.append("no path and no reason")
            ended = Outcome.ABSTAINED if spare >= 0 else Outcome.REFUSED_RIGHTLY
            if spare > tolerance(scene):
                faults.append(f"no path was found, but one has {spare:.2f} mm to spare")
                ended = Outcome.REFUSED_THOUGH_ANSWERABLE
        else:
            ended = Outcome.WRONG if faults else Outcome.RIGHT
        tally.add(f"scene {seed}", Outcome.WRONG if faults and ended in PASSED else ended, "; ".join(faults))
    return out | {"missed_spare_max_mm": round(missed, 3)}


def main() -> int:
    """Print the report; 0 when every case passed and enough scenes have no path."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--part", type=int, default=1, help="only every PARTth case of each kind")
    arguments = parser.parse_args()
    part = arguments.part
    tally = Tally()
    files = sorted(arguments.data.rglob("psm_dh*.json"))
    table = Table(files[0] if files else PACKAGED)
    tre = registration(tally, part)
    metres, turn = poses(table, tally, part)
    refused, other = outside(table, tally, part)
    found = scenes(tally, part)
    figures = {
        "tre_max_relative_error": round(tre, 5),
        "tre_layouts": LAYOUTS,
        "ik_max_position_m": metres,
        "ik_max_rotation_rad": turn,
        "ik_poses": POSES,
        "unreachable_refused": refused,
        "outside_solved_otherwise": other,
        **found,
    }
    return report(
        check="surgery.plan",
        tally=tally,
        covers="predicted errors, joints of the arm and margins of paths hold in geometry made here",
        truth=Truth.OWN,
        split=Split.UNSEEN,
        data=arguments.data,
        files=files[:1],
        figures=figures,
        methods=["surgery.planning", "surgery.arm"],
        as_json=arguments.json,
        ok=tally.passed + tally.counts[Outcome.ABSTAINED] == tally.n
        and (part > 1 or found["scenes_without_path"] >= LEAST_WITHOUT_PATH),
    )


if __name__ == "__main__":
    sys.exit(main())
