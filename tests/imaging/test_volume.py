"""Turning volumes to anatomical axes moves no voxel in space."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from salus.errors import InputError
from salus.formats.types import Volume
from salus.imaging.volume import anatomical, as_stored, cut, has_geometry, resample_plane, spacing, voxel_ml

FLAT = Volume(np.zeros((1, 4, 5)), np.full((4, 4), np.nan), "DX", "1")


def made(seed: int, shape: tuple[int, int, int] = (3, 4, 5)) -> Volume:
    """A volume turned at random, its slices named."""
    rng = np.random.default_rng(seed)
    affine = np.eye(4)
    affine[:3, :3] = Rotation.random(rng=rng).as_matrix() @ np.diag(rng.uniform(0.5, 6, 3))
    affine[:3, 3] = rng.uniform(-300, 300, 3)
    values = np.arange(np.prod(shape)).reshape(shape)
    return Volume(values, affine, "CT", "[hnsf'U]", sources=tuple(f"1.{k}" for k in range(shape[0])))


def places(volume: Volume) -> dict[int, tuple[float, ...]]:
    """Where each value lies in LPS millimetres."""
    return {
        int(volume.array[k, j, i]): tuple(np.round(volume.affine @ (i, j, k, 1), 6)[:3])
        for k, j, i in np.ndindex(volume.array.shape)
    }


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_no_voxel_moves(seed: int) -> None:
    volume = made(seed)
    turned = anatomical(volume)
    assert places(turned) == places(volume)
    directions = turned.affine[:3, :3]
    assert (np.diag(directions) > 0).all()
    assert np.array_equal(as_stored(turned.array, volume), volume.array)
    assert voxel_ml(turned) == pytest.approx(voxel_ml(volume))
    assert sorted(spacing(turned)) == pytest.approx(sorted(spacing(volume)))


def test_sources_follow_their_slices() -> None:
    volume = Volume(np.arange(3).reshape(3, 1, 1), np.diag([1.0, 1, -2, 1]), "CT", "1", sources=("a", "b", "c"))
    turned = anatomical(volume)
    assert turned.sources == ("c", "b", "a")
    assert turned.array.ravel().tolist() == [2, 1, 0]


def test_flat_images_have_no_sides() -> None:
    assert not has_geometry(FLAT)
    assert cut(FLAT).letters == ("", "", "", "")
    with pytest.raises(InputError):
        anatomical(FLAT)


def test_planes_are_shown_as_radiologists_look_at_them() -> None:
    # one bright voxel: to the patient's left, in front, at the head
    array = np.zeros((4, 5, 6))
    array[3, 0, 5] = 1
    volume = Volume(array, np.diag([1.0, 2.0, 3.0, 1.0]), "CT", "1")
    axial, coronal, sagittal = (cut(volume, p, i) for p, i in (("axial", 3), ("coronal", 0), ("sagittal", 5)))
    assert axial.pixels[0, 5] == 1
    assert axial.letters == ("R", "L", "A", "P")
    assert axial.spacing == (2.0, 1.0)
    assert coronal.pixels[0, 5] == 1
    assert coronal.letters == ("R", "L", "H", "F")
    assert coronal.spacing == (3.0, 1.0)
    assert sagittal.pixels[0, 0] == 1
    assert sagittal.letters == ("A", "P", "H", "F")
    with pytest.raises(InputError, match="4 axial planes"):
        cut(volume, "axial", 4)


def test_resampling_keeps_constants_ramps_and_size() -> None:
    assert (resample_plane(np.full((3, 7), 5), (10, 4)) == 5).all()
    ramp = resample_plane(np.arange(8.0)[None], (1, 16))[0]
    np.testing.assert_allclose(np.diff(ramp[1:-1]), 0.5)
    same = np.random.default_rng(0).normal(size=(4, 5, 3))
    np.testing.assert_allclose(resample_plane(same, (4, 5)), same, rtol=1e-6)
