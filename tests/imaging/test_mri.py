"""MR reconstruction: maps, noise, wavelets, what is gained over zero-filling, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from salus.errors import InputError
from salus.findings.capability import Capability
from salus.imaging import mri_card
from salus.imaging.mri import reconstruct, zero_filled
from salus.imaging.mri_coils import calibration_region, noise_sd, sensitivity_maps, to_image, to_kspace
from salus.imaging.mri_masks import equispaced, poisson_disc
from salus.imaging.mri_phantom import scan
from salus.imaging.mri_wavelet import daubechies, forward, inverse, shrink, total_variation_step

SHAPE = (96, 96)
MADE = scan(size=96, coils=6, seed=3)
LINES = equispaced(SHAPE, step=4, lines=14)
DISC = poisson_disc(SHAPE, acceleration=4, centre=16, seed=3)
SMALL = scan(size=64, coils=4, seed=4)
SMALL_DISC = poisson_disc((64, 64), acceleration=3, centre=16, seed=4)


def error(image: np.ndarray) -> float:
    return float(np.sqrt(np.mean((image[MADE.head] - MADE.truth[MADE.head]) ** 2)))


@pytest.mark.parametrize("mask", [LINES, DISC], ids=["lines", "disc"])
def test_six_decibels_above_zero_filled(mask: np.ndarray) -> None:
    found = reconstruct(MADE.kspace, mask)
    assert 20 * np.log10(error(zero_filled(MADE.kspace, mask)) / error(found.image)) > 6
    assert 0.7 < found.residual < 1.3
    assert found.image.dtype == np.float32
    np.testing.assert_allclose(np.sqrt((np.abs(found.maps) ** 2).sum(axis=0)), 1, rtol=1e-4)


def test_the_scale_of_the_data_changes_nothing_but_the_scale() -> None:
    small = reconstruct(SMALL.kspace, SMALL_DISC)
    large = reconstruct(SMALL.kspace * np.float32(1024), SMALL_DISC)
    np.testing.assert_allclose(large.image / 1024, small.image, atol=1e-3 * small.image.max())
    assert large.residual == pytest.approx(small.residual, rel=1e-2)


def test_what_lies_outside_the_mask_is_not_looked_at() -> None:
    spoiled = np.where(SMALL_DISC, SMALL.kspace, np.nan)
    seen, unseen = reconstruct(SMALL.kspace, SMALL_DISC), reconstruct(spoiled, SMALL_DISC)
    np.testing.assert_array_equal(seen.image, unseen.image)


def test_the_noise_is_measured() -> None:
    for mask in (LINES, DISC):
        measured = noise_sd(MADE.kspace, mask)
        assert measured.shape == (6,)
        assert measured.mean() == pytest.approx(MADE.noise_sd, rel=0.05)
        # a coil's own value rests on a hundred samples
        np.testing.assert_allclose(measured, MADE.noise_sd, rtol=0.25)


def test_more_noise_is_smoothed_more() -> None:
    noisy = scan(size=96, coils=6, noise=0.05, seed=3)
    found = reconstruct(noisy.kspace, DISC)
    assert error(found.image) < 0.5 * error(zero_filled(noisy.kspace, DISC))
    assert 0.7 < found.residual < 1.3


def test_maps_explain_the_coil_images() -> None:
    images = to_image(MADE.kspace)
    maps = sensitivity_maps(MADE.kspace, LINES, noise_sd(MADE.kspace, LINES))
    explained = np.abs((maps.conj() * images).sum(axis=0))
    assert error(explained) < 0.02 * MADE.truth.max()


def test_the_transform_is_orthonormal_and_centred() -> None:
    point = np.zeros((1, 33, 40), complex)
    point[0, 16, 20] = 1
    np.testing.assert_allclose(to_kspace(point), np.full(point.shape, 1 / np.sqrt(33 * 40)), atol=1e-12)
    np.testing.assert_allclose(to_image(to_kspace(point)), point, atol=1e-12)


def test_odd_and_oblong_matrices() -> None:
    kspace = MADE.kspace[:, 3:90, 8:83]
    mask = equispaced((87, 75), step=3, lines=12)
    found = reconstruct(kspace, mask)
    assert found.image.shape == (87, 75)
    assert np.isfinite(found.image).all()


def test_calibration_region_is_the_full_rectangle_in_the_middle() -> None:
    mask = np.zeros((64, 50), bool)
    mask[27:40, 20:33] = True
    assert calibration_region(mask) == (slice(27, 40), slice(20, 33))
    assert calibration_region(equispaced((64, 50), step=5, lines=10)) == (slice(27, 37), slice(0, 50))


BAD = {
    "real numbers": (MADE.kspace.real, DISC),
    "one coil without an axis": (MADE.kspace[0], DISC),
    "a tiny matrix": (MADE.kspace[:, :9, :9], DISC[:9, :9]),
    "a mask of another shape": (MADE.kspace, DISC[:-1]),
    "a mask of three axes": (MADE.kspace, DISC[None]),
    "a mask of weights": (MADE.kspace, DISC * 0.5),
    "an empty mask": (MADE.kspace, np.zeros(SHAPE, bool)),
    "the middle not measured": (MADE.kspace, ~DISC),
    "few calibration lines": (MADE.kspace, equispaced(SHAPE, step=4, lines=4)),
    "a coil that is not a number": (np.where(np.arange(6)[:, None, None] == 2, np.nan, MADE.kspace), DISC),
    "an infinite sample": (np.where(DISC & (np.arange(96) == 48), np.inf, MADE.kspace), DISC),
    "a dead coil": (MADE.kspace * (np.arange(6)[:, None, None] != 2), DISC),
    "zeros said to be measured": (MADE.kspace * DISC, np.ones(SHAPE, bool)),
    "nothing at all": (np.zeros_like(MADE.kspace), DISC),
}


@pytest.mark.parametrize(("kspace", "mask"), BAD.values(), ids=BAD)
def test_bad_input_is_refused(kspace: np.ndarray, mask: np.ndarray) -> None:
    with pytest.raises(InputError) as refused:
        reconstruct(kspace, mask)
    assert refused.value.remedy
    assert refused.value.where in ("kspace", "mask")


def test_a_mask_of_lines_may_have_one_axis() -> None:
    line = LINES[:, 0]
    np.testing.assert_array_equal(zero_filled(MADE.kspace, line), zero_filled(MADE.kspace, LINES))


@pytest.mark.parametrize("moments", [1, 2, 4, 6])
def test_wavelet_filters_are_orthonormal_with_their_moments(moments: int) -> None:
    taps = np.array(daubechies(moments))
    assert len(taps) == 2 * moments
    for lag in range(moments):
        assert np.dot(taps[2 * lag :], taps[: len(taps) - 2 * lag]) == pytest.approx(float(lag == 0), abs=1e-9)
    high = taps[::-1] * (-1.0) ** np.arange(len(taps))
    for power in range(moments):
        assert np.dot(high, np.arange(len(taps), dtype=float) ** power) == pytest.approx(0, abs=1e-5)


def test_the_two_tap_and_four_tap_filters_are_the_published_ones() -> None:
    root = np.sqrt(3)
    np.testing.assert_allclose(daubechies(1), [1 / np.sqrt(2)] * 2)
    np.testing.assert_allclose(daubechies(2), np.array([1 + root, 3 + root, 3 - root, 1 - root]) / (4 * np.sqrt(2)))


@settings(max_examples=25, deadline=None)
@given(arrays(np.float64, (32, 48), elements=st.floats(-1e3, 1e3)), st.integers(1, 4))
def test_wavelets_come_back_and_keep_the_energy(image: np.ndarray, levels: int) -> None:
    bands = forward(image, levels)
    np.testing.assert_allclose(inverse(bands), image, atol=1e-6)
    energy = (bands[0] ** 2).sum() + sum((band**2).sum() for level in bands[1] for band in level)
    assert energy == pytest.approx((image**2).sum(), rel=1e-9, abs=1e-9)


def test_shrinking_is_a_proximal_step() -> None:
    image = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)
    np.testing.assert_allclose(shrink(image, 0.0, shift=(3, 5)), image, atol=1e-5)
    flat = np.full((40, 50), 7, np.float32)
    np.testing.assert_allclose(shrink(flat, 100.0), flat, rtol=1e-5)
    dual = np.zeros((2, 40, 50), np.float32)
    np.testing.assert_allclose(total_variation_step(flat, 1.0, dual), flat, rtol=1e-6)
    smooth = total_variation_step(image, 0.5, np.zeros((2, 40, 50), np.float32), steps=50)
    assert np.abs(np.diff(smooth, axis=0)).sum() < 0.5 * np.abs(np.diff(image, axis=0)).sum()
    assert smooth.mean() == pytest.approx(image.mean(), abs=1e-5)


@pytest.mark.parametrize("acceleration", [4, 8])
def test_poisson_discs_have_their_share_and_keep_their_distance(acceleration: int) -> None:
    mask = poisson_disc((80, 64), acceleration=acceleration, centre=12, seed=5)
    assert mask.mean() == pytest.approx(1 / acceleration, rel=0.02)
    assert mask[34:46, 26:38].all()
    assert (mask == poisson_disc((80, 64), acceleration=acceleration, centre=12, seed=5)).all()
    outer = mask[:30, :20]
    assert not (outer[:, :-1] & outer[:, 1:]).any()


def test_the_card_is_light_and_whole() -> None:
    card = mri_card.RECONSTRUCTION
    assert isinstance(card, Capability)
    assert card.limits
    assert card.references
    code = "import sys, salus.imaging.mri_card\nsys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
