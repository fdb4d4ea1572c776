"""Registration and its predicted error, the arm both ways, and paths that keep their margins or say why not."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from salus.errors import InputError
from salus.formats.types import Volume
from salus.surgery import files as wing
from salus.surgery import motion
from salus.surgery.arm import Unreachable, broken_limits, forward, frames, inverse, psm
from salus.surgery.clearance import Obstacle
from salus.surgery.labels import labels_of
from salus.surgery.register import predicted_fre, predicted_tre, register
from salus.surgery.task_file import read_task
from salus.surgery.trajectory import Task, plan

POINTS = np.array([[0, 0, 20], [90, 0, 30], [45, 90, 70], [45, 40, 90], [10, 70, 10]], float)
seeds = st.integers(0, 2**31)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(3, 9))
def test_registration_finds_any_rigid_motion_back(seed, n):
    chance = np.random.default_rng(seed)
    points = chance.uniform(-80, 80, (n, 3))
    assume(np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[1] > 20)
    turn, shift = Rotation.random(random_state=seed).as_matrix(), chance.uniform(-500, 500, 3)
    found = register(points, points @ turn.T + shift)
    assert np.abs(found.rotation - turn).max() < 1e-9
    assert np.abs(found.translation - shift).max() < 1e-6
    assert found.fre < 1e-9
    assert np.linalg.det(found.rotation) == pytest.approx(1)


def test_what_cannot_be_registered_is_refused():
    with pytest.raises(InputError, match="2 points"):
        register(POINTS[:2], POINTS[:2])
    with pytest.raises(InputError, match="one line"):
        register(np.outer(np.arange(5), [1, 2, 3]), POINTS)
    with pytest.raises(InputError, match="5 points against 4"):
        register(POINTS, POINTS[:4])
    with pytest.raises(InputError, match="not a list"):
        register([[1, 2]], POINTS)
    with pytest.raises(InputError, match="left and right are swapped"):
        register(POINTS, POINTS * [-1, 1, 1])
    flat = POINTS * [1, 1, 0]
    assert not register(flat, flat).handedness_checked


def test_predicted_errors_against_simulated_registrations():
    chance, target, fle = np.random.default_rng(5), np.array([20.0, 120.0, 40.0]), 1.0
    off, fre = [], []
    for _ in range(6000):
        found = register(POINTS, POINTS + chance.normal(size=POINTS.shape) * fle / 3**0.5)
        off.append(((found(target) - target) ** 2).sum())
        fre.append(found.fre**2)
    assert float(predicted_tre(POINTS, target, fle)) == pytest.approx(np.sqrt(np.mean(off)), rel=0.03)
    assert predicted_fre(len(POINTS), fle) == pytest.approx(np.sqrt(np.mean(fre)), rel=0.03)
    assert float(predicted_tre(POINTS, POINTS.mean(axis=0), fle)) == pytest.approx(fle / 5**0.5)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(0.001, 0.999), min_size=6, max_size=6))
def test_inverse_kinematics_gives_the_pose_back_within_the_limits(shares):
    arm = psm()
    joints = np.array(arm.lower) + np.array(shares) * (np.array(arm.upper) - arm.lower)
    pose = forward(arm, joints)
    tip, last = pose[:3, 3], (pose[:3, :3] @ arm.tip.T)[:, 2]
    assume(np.linalg.norm(np.cross(tip, last)) > 1e-4)
    found = inverse(arm, pose, near=joints)
    assert not isinstance(found, Unreachable)
    assert np.abs(forward(arm, found) - pose).max() < 1e-9
    assert broken_limits(arm, found) == {}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_the_shaft_passes_the_remote_centre_for_every_joint_vector(joints):
    wrist = frames(psm(), joints)[3]
    assert np.linalg.norm(np.cross(wrist[:3, 3], wrist[:3, 2])) < 1e-12


def test_unreachable_singular_and_impossible_poses():
    arm = psm()
    far = forward(arm, (0, 0, 0.1, 0, 0, 0))
    far[:3, 3] *= 4
    told = inverse(arm, far)
    assert isinstance(told, Unreachable)
    assert "insertion would be" in told.reason
    at_centre = np.eye(4)
    assert "singular" in inverse(arm, at_centre).reason
    for wrong in (np.eye(3), np.diag([1.0, 1, -1, 1]), np.diag([2.0, 1, 1, 1]), np.full((4, 4), np.nan), "x"):
        with pytest.raises(InputError):
            inverse(arm, wrong)


def test_distances_are_never_over_estimated():
    chance = np.random.default_rng(2)
    array = (chance.random((12, 14, 16)) < 0.05).astype(np.uint8)
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [10, 20, 30], degrees=True).as_matrix() * [-0.8, 1.1, 1.7]
    labels = labels_of(Volume(array, affine, "", "1"))
    obstacle = Obstacle(labels, 1)
    points = labels.to_lps(chance.uniform(-3, 18, (300, 3)))
    boxes = np.argwhere(array)[:, ::-1]
    gaps = np.maximum(np.abs(labels.to_index(points)[:, None] - boxes) - 0.5, 0) * labels.spacing
    exact = np.sqrt((gaps**2).sum(axis=2)).min(axis=1)
    low, high = obstacle.bracket(points)
    assert (low <= exact + 1e-9).all()
    assert (high >= exact - 1e-9).all()
    assert (obstacle.distance(points) <= exact + 1e-9).all()
    assert np.abs(obstacle.distance(points) - exact).mean() < 0.05


def head(*shells):
    z, y, x = np.mgrid[:81, :81, :81] - 40.0
    away = np.sqrt(x**2 + y**2 + z**2)
    array = (away < 38).astype(np.uint8)
    array[(np.hypot(x, y + 20) < 4) & (away < 36)] = 2
    for label, low, high in shells:
        array[(away >= low) & (away < high)] = label
    affine = np.eye(4)
    affine[:3, 3] = -40
    return labels_of(Volume(array, affine, "", "1"))


FIDUCIALS = ((-36.0, -20.0, 0.0), (36.0, -18.0, 4.0), (0.0, -38.0, 22.0), (2.0, 10.0, 40.0))


def test_safe_paths_keep_their_margin_by_the_true_geometry_and_the_arm_walks_the_first():
    task = Task((0.0, 0.0, 0.0), {2: 3.0}, FIDUCIALS, 0.6)
    found = wing.planned_in(head(), task)
    assert found.plan.safe > 100
    for path in found.plan.paths:
        line = np.linspace(path.entry, path.target, 2000)
        axis = np.stack([line[:, 0], line[:, 1] + 20], axis=1)  # the vessel is a rod along z
        distance = np.hypot(*axis.T) - 4
        need = 3.0 + 1.0 + 2 * predicted_tre(FIDUCIALS, line, 0.6)
        assert ((distance - need)[np.abs(line[:, 2]) < 30] >= path.spare - 1e-6).all()
        assert path.spare >= 0
    assert found.motion is not None
    assert found.motion.centre_deviation < 1e-12
    entry = np.array(found.plan.paths[0].entry)
    tip = forward(psm(), found.motion.joints[-1])[:3, 3] * 1000
    assert np.abs(motion.SUPINE @ tip + entry).max() < 1e-6
    assert "never sent to hardware" in wing.document(found)["notice"]


def test_no_safe_path_names_what_is_in_the_way_and_by_how_much():
    task = Task((0.0, 0.0, 0.0), {3: 1.0, 2: 3.0}, FIDUCIALS, 0.6, names={3: "membrane"})
    closed = plan(head((3, 14, 17)), task)
    assert (closed.paths, closed.safe, closed.none.label) == ((), 0, 3)
    assert "membrane" in closed.none.reason
    assert 3.5 < closed.none.short < 7
    near = plan(head((3, 2, 4)), task)
    assert "target is too near to membrane" in near.none.reason
    beyond = plan(head(), Task((0.0, 0.0, 0.0), {2: 3.0}, FIDUCIALS, 0.6, longest=20.0))
    assert "no entry within 20 mm" in beyond.none.reason


def test_a_greater_localisation_error_never_frees_a_path():
    labels = head()
    safe = [plan(labels, Task((0.0, 0.0, 0.0), {2: 3.0}, FIDUCIALS, fle)).safe for fle in (0.0, 0.6, 2.0, 6.0)]
    assert safe == sorted(safe, reverse=True)
    assert safe[0] > safe[-1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"keep_away": {}}, "no critical structure"),
        ({"keep_away": {9: 1.0}}, "label 9 does not occur"),
        ({"keep_away": {2: -1.0}}, "not a length"),
        ({"target": (0.0, 0.0, 90.0)}, "outside the body"),
        ({"target": (0.0, float("nan"), 0.0)}, "not a point"),
        ({"steepest": 90.0}, "not an angle"),
        ({"fle": -1.0}, "localisation error"),
        ({"fiducials": FIDUCIALS[:2]}, "2 points"),
        ({"entry_spacing": 0.0}, "not a length"),
    ],
)
def test_a_task_that_cannot_be_judged_is_refused(change, says):
    values = {"target": (0.0, 0.0, 0.0), "keep_away": {2: 3.0}, "fiducials": FIDUCIALS, "fle": 0.6} | change
    with pytest.raises(InputError, match=says):
        plan(head(), Task(**values))


GOOD = """
target_lps_mm = [0, 0, 0]
fiducials_lps_mm = [[-36, -20, 0], [36, -18, 4], [0, -38, 22]]
fle_mm = 0.6
[keep_away.2]
margin_mm = 3
name = "vessel"
"""


def test_the_task_file():
    task = read_task(GOOD)
    assert (task.target, task.keep_away, task.names) == ((0.0, 0.0, 0.0), {2: 3.0}, {2: "vessel"})
    for wrong, says in (
        ("x", "not a TOML"),
        (GOOD.replace("fle_mm", "fle"), "unknown key"),
        (GOOD.replace("fle_mm = 0.6", ""), "fle_mm: missing"),
        (GOOD.replace("[0, 0, 0]", "[0, 0]"), "not a point"),
        (GOOD.replace("0.6", '"0.6"'), "not a number"),
        (GOOD.replace("margin_mm", "margin"), "label with its margin"),
    ):
        with pytest.raises(InputError, match=says):
            read_task(wrong)
