"""MR image from undersampled k-space of several coils: ESPIRiT maps, wavelet and total-variation priors.

The image x minimises ½ Σ_c |F S_c x - y_c|² σ²/σ_c² over the measured samples plus σ times fixed weights of two priors,
the mean of an orthonormal wavelet's and of total variation's proximal step. σ is measured in k-space. The weights are
the same for every image; they were picked on one simulated slice. The maps carry the image's smooth phase, so that x is
nearly real; its imaginary part is not forbidden but penalised more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from salus.errors import InputError
from salus.imaging.mri_coils import Complex, noise_sd, sensitivity_maps, to_image, to_kspace
from salus.imaging.mri_wavelet import shrink, total_variation_step

WAVELET, VARIATION, IMAGINARY = 0.3, 0.2, 3.0
"""Weights of the priors as multiples of the noise: below 1, because a pixel's noise after averaging over coils and
neighbours is less than a sample's. The same for every image; IMAGINARY is the wavelet weight of the imaginary part."""
ITERATIONS, PILOT_ITERATIONS = 100, 60
START, COOLING = 8.0, 0.85
"""The weights start ``START`` times as high and fall by ``COOLING`` an iteration, which removes coherent aliasing."""
SMALL_CHANGE = 2e-4
"""Relative change of the image in one iteration at which it has settled."""
REFINED_LINES = 40
"""Side of the middle of k-space from which the maps are told again, once it was filled by a pilot reconstruction."""
PHASE_SMOOTHNESS = 4.0
"""Standard deviation (pixels) of the Gaussian that smooths the phase: an image's phase is smooth, its edges are not."""
MOST_SAMPLES = 1 << 27
"""Coils times pixels that are accepted: bounds time and memory."""
FEWEST_PIXELS = 32


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """A reconstructed slice.

    ``image`` (y, x) float32: magnitude, in the unit of the root sum of squares of the coil images under the orthonormal
    transform. ``maps`` (coils, y, x) complex64: sensitivities times the image's smooth phase, of unit norm over coils.
    ``noise_sd`` (coils,): noise of each coil in the unit of k-space, E|n|² = sd². ``iterations`` of the last pass.
    ``residual``: root mean square of what the image leaves unexplained at the measured samples, in units of the noise;
    far above 1 the model (maps, no motion) does not fit the data.
    """

    image: NDArray[np.float32]
    maps: NDArray[np.complex64]
    noise_sd: NDArray[np.float64]
    iterations: int
    residual: float


def reconstruct(kspace: NDArray[Any], mask: NDArray[Any]) -> Reconstruction:
    """Reconstruct one slice.

    ``kspace`` (coils, ky, kx) complex, centre of k-space at (ky // 2, kx // 2); ``mask`` (ky, kx), or (ky,) for lines
    along kx: true or 1 where it was measured. What lies outside the mask is not looked at. Raises :class:`InputError`
    for other shapes, values that are no numbers, an empty mask, too few calibration lines, or noise that cannot be
    measured.

    ESPIRiT: M. Uecker et al., Magn Reson Med 2014;71:990-1001. Solver: FISTA (A. Beck, M. Teboulle, SIAM J Imaging Sci
    2009;2:183-202) on the proximal average of both priors.
    """
    measured = _checked_mask(kspace, mask)
    data = np.where(measured, kspace, 0).astype(np.complex64)
    _check_values(data)
    sd = noise_sd(data, measured)
    if not (sd > 0).all():
        raise InputError("the noise cannot be measured: outer samples are zero", "kspace", _ONLY_MEASURED)
    maps = _with_phase(sensitivity_maps(data, measured, sd), data, measured)
    pilot, _, _ = _solve(data, measured, maps, sd, PILOT_ITERATIONS, IMAGINARY / 3)
    maps = _refined_maps(data, measured, maps * pilot, sd)
    image, iterations, residual = _solve(data, measured, maps, sd, ITERATIONS, IMAGINARY)
    return Reconstruction(np.abs(image).astype(np.float32), maps, sd, iterations, residual)


_ONLY_MEASURED = "leave samples that were not measured out of the mask"


def zero_filled(kspace: NDArray[Any], mask: NDArray[Any]) -> NDArray[np.float32]:
    """Root sum of squares of the coil images with zeros for what was not measured: (y, x), no density compensation."""
    data = np.where(_checked_mask(kspace, mask), kspace, 0).astype(np.complex64)
    return np.asarray(np.sqrt((np.abs(to_image(data)) ** 2).sum(axis=0)), np.float32)


def _checked_mask(kspace: NDArray[Any], mask: NDArray[Any]) -> NDArray[np.bool_]:
    if kspace.ndim != 3 or not np.issubdtype(kspace.dtype, np.complexfloating):
        raise InputError("k-space must be complex numbers of shape (coils, ky, kx)", "kspace", "hand over one slice")
    if min(kspace.shape[1:]) < FEWEST_PIXELS or kspace.size > MOST_SAMPLES:
        raise InputError(f"k-space of impossible size {kspace.shape}", "kspace", "hand over one slice")
    plane = mask[:, None] if mask.ndim == 1 else mask
    if plane.ndim != 2 or plane.shape[0] != kspace.shape[1] or plane.shape[1] not in (1, kspace.shape[2]):
        raise InputError(f"a mask of shape {mask.shape} does not fit k-space of {kspace.shape}", "mask", "(ky, kx)")
    if not (np.issubdtype(plane.dtype, np.bool_) or np.isin(plane, (0, 1)).all()):
        raise InputError("the mask holds other values than 0 and 1", "mask", "1 where k-space was measured")
    whole = np.broadcast_to(plane.astype(bool), kspace.shape[1:])
    if not whole.any():
        raise InputError("the mask is empty", "mask", "1 where k-space was measured")
    return whole


def _check_values(data: Complex) -> None:
    if not np.isfinite(data.view(np.float32)).all():
        raise InputError("measured samples are not finite numbers", "kspace", "export the raw data again")
    if not data.any(axis=(1, 2)).all():
        raise InputError("a coil without any signal", "kspace", "leave the coil out")


def _with_phase(maps: Complex, data: Complex, measured: NDArray[np.bool_]) -> NDArray[np.complex64]:
    """Maps that carry the smooth phase of the image, told from the part of ``data`` that lies around the centre."""
    image = (maps.conj() * to_image(data * _window(measured))).sum(axis=0)
    smooth = gaussian_filter(image.real, PHASE_SMOOTHNESS) + 1j * gaussian_filter(image.imag, PHASE_SMOOTHNESS)
    return np.asarray(maps * np.exp(1j * np.angle(smooth)), np.complex64)


def _window(measured: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A Hann window over the calibration region, 0 outside."""
    from salus.imaging.mri_coils import calibration_region

    rows, columns = calibration_region(measured)
    window = np.zeros(measured.shape, np.float32)
    sides = [np.hanning(part.stop - part.start + 2)[1:-1] for part in (rows, columns)]
    window[rows, columns] = sides[0][:, None] * sides[1][None, :]
    return window


def _refined_maps(
    data: Complex, measured: NDArray[np.bool_], coil_images: Complex, sd: NDArray[np.float64]
) -> NDArray[np.complex64]:
    """Maps from a larger middle of k-space: measured where measured, else from the pilot's ``coil_images``."""
    filled = np.where(measured, data, to_kspace(coil_images))
    middle = np.zeros(measured.shape, bool)
    rows, columns = (slice(n // 2 - s // 2, n // 2 + s // 2) for n, s in _refined_size(measured.shape))
    middle[rows, columns] = True
    return _with_phase(sensitivity_maps(filled, middle, sd), filled, np.ones_like(middle))


def _refined_size(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(size, min(size, REFINED_LINES)) for size in shape]


def _solve(
    data: Complex,
    measured: NDArray[np.bool_],
    maps: Complex,
    sd: NDArray[np.float64],
    iterations: int,
    imaginary: float,
) -> tuple[NDArray[np.complex64], int, float]:
    """(image, iterations, residual) by FISTA with falling weights and moving wavelet grid."""
    sigma = float(np.sqrt(np.mean(sd**2)))
    trust = ((sigma / sd) ** 2).astype(np.float32)[:, None, None]
    bound = float((trust * np.abs(maps) ** 2).sum(axis=0).max())
    back = trust * maps.conj() / bound
    rng = np.random.default_rng(0)
    duals = np.zeros((2, 2, *measured.shape), np.float32)
    image = (back * to_image(data)).sum(axis=0)
    ahead, momentum, count = image, 1.0, 0
    for count in range(1, iterations + 1):
        weight = sigma / bound * max(1.0, START * COOLING ** (count - 1))
        misfit = np.where(measured, to_kspace(maps * ahead) - data, 0)
        moved = ahead - (back * to_image(misfit)).sum(axis=0)
        new = _prior_step(moved, weight, imaginary, duals, tuple(rng.integers(0, 16, 2)))
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        change = new - image
        ahead = (new + (momentum - 1) / following * change).astype(np.complex64)
        image, momentum = new, following
        settled = np.linalg.norm(change) <= SMALL_CHANGE * np.linalg.norm(new)
        if settled and START * COOLING**count < 1:
            break
    left = np.abs((to_kspace(maps * image) - data)[:, measured]) / sd[:, None]
    return image, count, float(np.sqrt(np.mean(left**2)))


def _prior_step(
    image: Complex, weight: float, imaginary: float, duals: NDArray[np.float32], shift: tuple[int, ...]
) -> NDArray[np.complex64]:
    """The mean of the wavelet's and the total variation's proximal step, real and imaginary part each by itself."""
    parts = []
    for number, (part, wavelet) in enumerate(((image.real, WAVELET), (image.imag, imaginary))):
        level = VARIATION * wavelet / WAVELET * weight
        smooth = total_variation_step(part, level, duals[number])
        parts.append((smooth + shrink(part, wavelet * weight, shift=(shift[0], shift[1]))) / 2)
    return np.asarray(parts[0] + 1j * parts[1], np.complex64)
