"""Lungs of known volume are measured within the stated bounds; what is no chest, or half of one, is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from salus.errors import InputError
from salus.formats.types import Volume
from salus.imaging.lung import AIR_HU, LAA_HU, measure, segment
from salus.imaging.phantom import Thorax, thorax
from salus.imaging.volume import anatomical


@cache
def fine(**options: float) -> Thorax:
    """The phantom on voxels of 2.4 mm."""
    return thorax(shape=(98, 98, 140), spacing=(2.4, 2.4, 2.4), **options)  # type: ignore[arg-type]


def check(phantom: Thorax, tolerance: float = 0.03) -> None:
    """The true volume lies within the bounds, and the value within ``tolerance`` of it."""
    found = measure(segment(phantom.volume))
    low, high = found.volume_bounds
    assert low <= phantom.lung_ml <= high
    assert found.volume_ml == pytest.approx(phantom.lung_ml, rel=tolerance)
    assert found.right_ml + found.left_ml == pytest.approx(found.volume_ml)
    assert found.right_ml > found.left_ml


def test_closed_form_volume_agrees_with_counting() -> None:
    made = fine(airway=False)
    turned = anatomical(made.volume)
    inside = (turned.array[:, 20:78, :] == -850).sum() * 2.4**3 / 1000
    assert inside == pytest.approx(made.lung_ml, rel=0.08)


@settings(max_examples=6, deadline=None)
@given(
    st.floats(-0.35, 0.35),
    st.floats(-0.35, 0.35),
    st.floats(-3.1, 3.1),
    st.floats(3.5, 5.0),
    st.floats(3.0, 4.0),
    st.floats(3.0, 4.0),
)
def test_volume_of_anisotropic_and_oblique_grids(a: float, b: float, c: float, dz: float, dy: float, dx: float) -> None:
    turn = Rotation.from_euler("xyz", (a, b, c)).as_matrix()
    # a grid wide enough to hold the turned trunk's lungs whole
    shape = (int(340 / dz), int(380 / dy), int(380 / dx))
    check(thorax(shape=shape, spacing=(dz, dy, dx), rotation=turn), 0.05)


def test_a_coronal_stack_of_a_child_sized_body() -> None:
    turn = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    check(thorax(shape=(84, 90, 110), spacing=(2.5, 2.5, 2.5), rotation=turn, scale=0.8))


def test_noise_vessels_table_and_airway() -> None:
    check(fine(noise=40.0), 0.01)
    found = segment(fine().volume)
    # a bore of 9 mm radius, give or take half a voxel, from z = 18 to the top of the stack at 117.6
    assert np.pi * 7.8**2 * 99.6 < 1000 * found.airway_ml < np.pi * 10.2**2 * 99.6
    assert (found.volume.array[found.labels > 0] > AIR_HU).any()  # the vessels


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3])
def test_low_attenuation_share(share: float) -> None:
    lungs = segment(thorax(shape=(98, 98, 140), spacing=(2.4, 2.4, 2.4), emphysema=share).volume)
    found = measure(lungs)
    # every low voxel within the trunk and off the airway is counted, and no other
    _, y, x = np.indices(lungs.labels.shape) * 2.4 - 2.4 * (np.array(lungs.labels.shape)[:, None, None, None] - 1) / 2
    low_in_trunk = (lungs.volume.array <= LAA_HU) & ((x / 150) ** 2 + (y / 103) ** 2 < 1) & (x**2 + y**2 > 12**2)
    assert found.laa950 == low_in_trunk.sum() / (lungs.labels > 0).sum()
    # averaging over voxels of 2.4 mm at its edges can only hide low density
    assert 0.85 * share <= found.laa950 <= share
    low, high = found.laa950_bounds
    assert low <= found.laa950 <= high
    assert found.percentile_15_hu == pytest.approx(-980 if share > 0.2 else -850, abs=1)
    # edges and vessels can only raise the mean
    assert -850 - 130 * share <= found.mean_hu <= -850 - 130 * share + 25


def test_without_a_trachea_nothing_is_taken_out() -> None:
    bare = segment(fine(airway=False).volume)
    assert bare.airway_ml == 0
    assert measure(bare).volume_ml == pytest.approx(measure(segment(fine().volume)).volume_ml, rel=0.002)


def test_right_and_left_are_the_patients() -> None:
    made = fine()
    found = segment(made.volume)
    columns = [np.nonzero((found.labels == label).any(axis=(0, 1)))[0].mean() for label in (1, 2)]
    assert columns[0] < columns[1]
    flipped = replace(made.volume, array=made.volume.array[:, :, ::-1], affine=made.volume.affine @ np.array(
        [[-1, 0, 0, made.volume.array.shape[2] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))  # fmt: skip
    assert measure(segment(flipped)) == measure(found)


def test_lungs_that_touch_are_parted() -> None:
    made = fine()
    joined = made.volume.array.copy()
    middle, row = joined.shape[0] // 2, joined.shape[1] // 2
    joined[middle - 6 : middle + 6, row - 12 : row - 9, 60:80] = -850
    found = measure(segment(replace(made.volume, array=joined)))
    plain = measure(segment(made.volume))
    assert found.right_ml == pytest.approx(plain.right_ml, rel=0.02)
    assert found.left_ml == pytest.approx(plain.left_ml, rel=0.02)


def refused(volume: Volume) -> str:
    """Why a volume cannot be assessed."""
    with pytest.raises(InputError) as caught:
        segment(volume)
    assert caught.value.remedy
    return caught.value.what


def test_incomplete_coverage_is_seen() -> None:
    assert not segment(fine().volume).cut_off
    assert segment(fine(centre_z=40.0).volume).cut_off


def test_refusals() -> None:
    made = fine().volume
    assert "Hounsfield" in refused(replace(made, unit="1"))
    assert "no place" in refused(replace(made, affine=np.full((4, 4), np.nan)))
    assert "no air enclosed" in refused(replace(made, array=np.full_like(made.array, 40)))
    assert "no air enclosed" in refused(replace(made, array=np.full_like(made.array, -1000)))
    one = made.array.copy()
    one[..., 70:][one[..., 70:] < -300] = 40
    assert "two lungs" in refused(replace(made, array=one))
    gas = made.array.copy()
    gas[..., 70:][gas[..., 70:] < -600] = -1000
    assert "gas without lung tissue" in refused(replace(made, array=gas))


def test_a_field_of_view_that_cuts_the_chest_is_refused() -> None:
    made = fine().volume
    assert refused(replace(made, array=made.array[:, :, :70]))
