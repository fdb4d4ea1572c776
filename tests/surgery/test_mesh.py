"""Surfaces: closed, true to size, left stays left, the error measured; files that the formats' own checkers accept."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import InputError
from salus.formats.types import Volume
from salus.surgery import ar, gltf, usd
from salus.surgery.deviation import triangle_distance
from salus.surgery.labels import labels_of
from salus.surgery.mesh import defects, surfaces
from salus.surgery.surface import Mesh, contour

VALIDATOR = Path(__file__).parents[2] / "web-assets" / "node_modules" / "gltf-validator"
SCRIPT = """
const v = require(process.argv[1]), fs = require('fs');
v.validateBytes(new Uint8Array(fs.readFileSync(process.argv[2]))).then(r => console.log(JSON.stringify(r.issues)));
"""


def volume(array, affine=None):
    return Volume(np.asarray(array), np.eye(4) if affine is None else affine, "", "1")


def ball(n=40, radius=14.0):
    z, y, x = np.mgrid[:n, :n, :n] - (n - 1) / 2
    return (x**2 + y**2 + z**2 < radius**2).astype(np.uint8)


def letter():
    """An L in the plane of columns (x) and slices (z): the foot points towards greater columns."""
    array = np.zeros((20, 8, 16), np.uint8)
    array[2:18, 2:6, 2:6] = 1
    array[2:6, 2:6, 2:14] = 1
    return array


def rotated(degrees=25.0, flip=(1, 1, 1), spacing=(0.8, 1.1, 2.0)):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    affine = np.eye(4)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) * spacing * np.array(flip, float)
    affine[:3, 3] = 30, -12, 7
    return affine


def test_a_ball_keeps_its_volume_and_area_and_the_error_is_below_a_voxel():
    (found,) = surfaces(labels_of(volume(ball())), 4000)
    exact_volume, exact_area = 4 / 3 * np.pi * 14**3, 4 * np.pi * 14**2
    assert len(found.mesh.faces) <= 4000
    assert found.mesh.volume() == pytest.approx(exact_volume, rel=0.01)
    assert found.mesh.areas().sum() == pytest.approx(exact_area, rel=0.08)
    radius = np.linalg.norm(found.mesh.points - 19.5, axis=1)
    assert np.abs(radius - 14).max() < 1
    assert 0.05 < found.error.mean_mm < 0.35
    assert found.error.hausdorff_mm < 1.2


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 0.9))
def test_any_set_of_voxels_gives_a_sound_surface_around_it(seed, share):
    mask = np.random.default_rng(seed).random((5, 6, 7)) < share
    mask[2, 3, 3] = True
    mesh = contour(mask)
    assert defects(mesh) == []
    assert mesh.points.min() > -1
    for found in surfaces(labels_of(volume(mask.astype(np.uint8), rotated())), 600):
        assert defects(found.mesh) == []


def test_defects_are_seen():
    sound = contour(ball(12, 4) > 0)
    assert defects(sound) == []
    assert "inside out" in defects(Mesh(sound.points, sound.faces[:, ::-1]))[0]
    assert "exactly two faces" in defects(Mesh(sound.points, sound.faces[1:]))[0]
    one_point = sound.points.copy()
    one_point[sound.faces[0]] = one_point[sound.faces[0][0]]
    assert "without area" in defects(Mesh(one_point, sound.faces))[0]
    tetrahedron = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1]], float)
    touching = np.concatenate([tetrahedron, np.array([0, 5, 4, 6])[tetrahedron]])
    assert "only touch" in defects(Mesh(points, touching))[0]


@pytest.mark.parametrize("flip", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1)])
def test_left_stays_left_through_every_flip_and_turn_and_into_both_files(flip):
    affine = rotated(25.0, flip)
    labels = labels_of(volume(letter(), affine))
    made = ar.scene(surfaces(labels, 1000))
    foot = labels.to_lps(np.array([13.0, 3.5, 3.5]))  # tip of the L's foot
    heel = labels.to_lps(np.array([2.0, 3.5, 17.0]))  # top of its stem
    part = made.parts[0]
    back = part.points.astype(float) * 1000
    lps = np.stack([back[:, 0], -back[:, 2], back[:, 1]], axis=1) + made.facts["origin_lps_mm"]
    for point in (foot, heel):
        assert np.linalg.norm(lps - point, axis=1).min() < 2.0
    mirrored = labels.to_lps(np.array([13.0, 3.5, 15.5]))
    assert np.linalg.norm(lps - mirrored, axis=1).min() > 5.0
    a, b, c = (part.points[part.faces[:, k]].astype(float) for k in range(3))
    assert (a * np.cross(b, c)).sum() > 0  # outward in the file too


def test_points_triangles_and_their_distances():
    triangle = np.array([[[0, 0, 0], [4, 0, 0], [0, 3, 0]]], float)
    for point, distance in (((1, 1, 2), 2), ((-3, -4, 0), 5), ((2, -1, 0), 1), ((6, 0, 0), 2), ((4, 3, 0), 2.4)):
        assert triangle_distance(np.array([point], float), triangle)[0] == pytest.approx(distance)


def two():
    array = ball(30, 10)
    array[10:20, 13:17, 13:17] = 2
    looks = ar.looks('[labels.2]\nname = "vessel (ä)"\ncolour = "#b03030"\nopacity = 0.5\ncode = "sct|361097006"')
    return ar.scene(surfaces(labels_of(volume(array, rotated())), 3000), looks, {"sha256": "ab"})


def test_the_glb_is_whole_says_what_it_is_and_damage_is_seen():
    data = gltf.glb(two())
    document = gltf.check(data)
    assert [n["name"] for n in document["nodes"]] == ["anatomy", "label 1", "vessel (ä)"]
    assert "not for navigation" in document["asset"]["extras"]["notice"]
    assert document["asset"]["extras"]["source"] == {"sha256": "ab"}
    assert document["nodes"][2]["extras"]["surface_error_mm"]["hausdorff"] > 0
    assert document["materials"][1]["alphaMode"] == "BLEND"
    for broken in (data[:-4], data[:100], b"", b"glTF" + data[4:20], data.replace(b'"count"', b'"c0unt"')):
        with pytest.raises(InputError):
            gltf.check(broken)


def test_the_khronos_validator_finds_nothing(tmp_path):
    package = Path(os.environ.get("SALUS_GLTF_VALIDATOR", VALIDATOR))
    if not package.is_dir() or shutil.which("node") is None:
        pytest.skip(f"no gltf-validator in {package.parent}: npm install gltf-validator, or set SALUS_GLTF_VALIDATOR")
    (tmp_path / "a.glb").write_bytes(gltf.glb(two()))
    done = subprocess.run(
        ["node", "-e", SCRIPT, str(package), str(tmp_path / "a.glb")], capture_output=True, text=True, check=True
    )
    issues = json.loads(done.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


def test_open_usd_finds_nothing_wrong_with_the_package_and_sees_damage():
    pytest.importorskip("pxr", reason='USDZ needs OpenUSD: pip install "salus[ar]"')
    data = usd.usdz(two())
    assert usd.faults(data) == []
    for broken in (b"", b"PK\x03\x04", data[: len(data) // 3]):
        with pytest.raises(InputError):
            usd.faults(broken)


@pytest.mark.parametrize(
    ("array", "affine", "says"),
    [
        (np.zeros((4, 4, 4), np.uint8), None, "empty"),
        (np.full((4, 4, 4), 0.5), None, "fractions"),
        (np.full((4, 4, 4), -1), None, "below 0"),
        (np.arange(1000).reshape(10, 10, 10), None, "different values"),
        (np.ones((4, 4), np.uint8), None, "three dimensions"),
        (np.ones((4, 4, 4), np.uint8), np.diag([1.0, 1, 0, 1]), "inverted"),
        (np.ones((4, 4, 4), np.uint8), np.full((4, 4), np.nan), "impossible"),
        (np.ones((4, 4, 4), np.uint8), np.eye(4) + np.eye(4, k=1) * [1, 1, 0, 1], "sheared"),
    ],
)
def test_what_is_no_label_volume_is_refused(array, affine, says):
    with pytest.raises(InputError, match=says):
        labels_of(volume(array, affine))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x", "not a TOML"),
        ("a = 1", "no table"),
        ("[labels.x]\nname = 'a'", "whole number"),
        ("[labels.1]\ncolour = '#ffffff'", "no name"),
        ("[labels.1]\nname = 'a'\ncolour = 'red'", "colour"),
        ("[labels.1]\nname = 'a'\nopacity = 2", "opacity"),
    ],
)
def test_a_wrong_names_file_is_refused(text, says):
    with pytest.raises(InputError, match=says):
        ar.looks(text)


def test_a_budget_too_small_and_a_name_for_nothing_are_refused():
    labels = labels_of(volume(ball(12, 4)))
    with pytest.raises(InputError, match="at least 300"):
        surfaces(labels, 100)
    with pytest.raises(InputError, match=r"labels\.7"):
        ar.scene(surfaces(labels, 1000), {7: ar.default_look(7)})
