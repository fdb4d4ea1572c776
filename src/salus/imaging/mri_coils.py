"""Coil sensitivity maps from the fully sampled middle of k-space (ESPIRiT), and what is measured there of the noise.

Arrays: k-space (coils, ky, kx) complex, its centre at (ky // 2, kx // 2); images (coils, y, x) by the orthonormal
centred transform :func:`to_image`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from salus.errors import InputError

Complex = NDArray[np.complexfloating[Any, Any]]

KERNEL = 6
"""Side of the calibration kernel in samples (Uecker 2014, table 1 uses 6)."""
FEWEST_LINES = 8
"""Calibration lines below which the maps cannot be told: a 6-sample kernel must fit with room to move."""
OUTER_SHARE = 0.05
"""Share of the measured samples, those furthest from the centre, from which the noise is estimated."""


def to_image(kspace: Complex) -> Complex:
    """Orthonormal centred inverse Fourier transform over the last two axes."""
    moved = scipy.fft.ifftshift(kspace, axes=(-2, -1))
    return np.asarray(scipy.fft.fftshift(scipy.fft.ifft2(moved, norm="ortho"), axes=(-2, -1)))


def to_kspace(image: Complex) -> Complex:
    """Orthonormal centred Fourier transform over the last two axes: the inverse of :func:`to_image`."""
    moved = scipy.fft.ifftshift(image, axes=(-2, -1))
    return np.asarray(scipy.fft.fftshift(scipy.fft.fft2(moved, norm="ortho"), axes=(-2, -1)))


def calibration_region(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The largest fully sampled rectangle around the centre of k-space, as (ky, kx) slices.

    Grown from the centre one line at a time, in the direction where it can still grow. Raises :class:`InputError` when
    it has fewer than ``FEWEST_LINES`` lines in one of the directions.
    """
    low = [mask.shape[0] // 2, mask.shape[1] // 2]
    high = [low[0] + 1, low[1] + 1]
    if not mask[low[0], low[1]]:
        raise InputError("the centre of k-space was not measured", "mask", _REMEDY)
    grown = True
    while grown:
        grown = False
        for axis, step in ((0, -1), (0, 1), (1, -1), (1, 1)):
            trial_low, trial_high = low.copy(), high.copy()
            if step < 0:
                trial_low[axis] -= 1
            else:
                trial_high[axis] += 1
            inside = trial_low[axis] >= 0 and trial_high[axis] <= mask.shape[axis]
            if inside and mask[trial_low[0] : trial_high[0], trial_low[1] : trial_high[1]].all():
                low, high, grown = trial_low, trial_high, True
    lines = min(high[0] - low[0], high[1] - low[1])
    if lines < FEWEST_LINES:
        raise InputError(f"{lines} calibration lines where {FEWEST_LINES} are needed", "mask", _REMEDY)
    return slice(low[0], high[0]), slice(low[1], high[1])


_REMEDY = f"hand over k-space whose middle {FEWEST_LINES} lines or more are fully sampled"


def noise_sd(kspace: Complex, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Standard deviation of the complex noise (E|n|² = sd²) of each coil, (coils,), in the units of ``kspace``.

    From the outermost ``OUTER_SHARE`` of the measured samples, where an image has the least signal: the median of |n|²
    of circular Gaussian noise is sd² ln 2, and a median is not moved by the few samples that hold signal.
    """
    rows, columns = (np.linspace(-1, 1, size) for size in mask.shape)
    radius = np.hypot(rows[:, None], columns[None, :])
    far = mask & (radius >= np.quantile(radius[mask], 1 - OUTER_SHARE))
    power = np.abs(kspace[:, far]).astype(np.float64) ** 2
    return np.asarray(np.sqrt(np.median(power, axis=1) / np.log(2)))


def sensitivity_maps(kspace: Complex, mask: NDArray[np.bool_], sd: NDArray[np.float64]) -> NDArray[np.complex64]:
    """ESPIRiT maps (coils, y, x), of unit norm over the coils; ``sd`` is the noise of each coil.

    M. Uecker et al., Magn Reson Med 2014;71:990-1001, doi:10.1002/mrm.24751: the row space of the calibration matrix
    gives, at every pixel, a matrix whose eigenvector of eigenvalue 1 is the vector of sensitivities. The phase that
    the maps leave open is set so that the coils' common principal component has phase 0.
    """
    region = calibration_region(mask)
    patch = kspace[:, region[0], region[1]]
    kernels = _row_space(patch, float(np.sqrt(np.mean(sd**2))))
    shape = (mask.shape[0], mask.shape[1])
    _, vectors = np.linalg.eigh(_pixel_matrices(kernels, shape))
    maps = np.moveaxis(vectors[..., -1].conj(), -1, 0)
    flat = patch.reshape(len(patch), -1)
    principal = np.linalg.eigh(flat @ flat.conj().T)[1][:, -1]
    reference = np.tensordot(principal.conj(), maps, axes=1)
    return np.asarray(maps * np.exp(-1j * np.angle(reference)), np.complex64)


def _row_space(patch: Complex, sd: float) -> Complex:
    """Kernels (n, coils, KERNEL, KERNEL) that span the row space of the calibration matrix above its noise.

    The largest singular value of a matrix of white noise is about sd (√rows + √columns); what is above is signal.
    """
    coils = len(patch)
    windows = np.lib.stride_tricks.sliding_window_view(patch, (KERNEL, KERNEL), axis=(1, 2))
    rows = np.moveaxis(windows, 0, 2).reshape(-1, coils * KERNEL * KERNEL).astype(np.complex128)
    values, vectors = np.linalg.eigh(rows.conj().T @ rows)
    edge = sd * (np.sqrt(rows.shape[0]) + np.sqrt(rows.shape[1]))
    kept = vectors[:, values > edge**2]
    if not kept.shape[1]:
        raise InputError("no signal above the noise in the middle of k-space", "kspace", "check what the file holds")
    return np.asarray(kept.T.reshape(-1, coils, KERNEL, KERNEL))


def _pixel_matrices(kernels: Complex, shape: tuple[int, int]) -> Complex:
    """Σ v v^H over the kernels' images at each pixel, (y, x, coils, coils).

    These matrices have support 2·KERNEL-1 in k-space, so they are computed on a small grid and interpolated exactly.
    """
    small = 2 * KERNEL + 2
    images = scipy.fft.fft2(kernels, s=(small, small), axes=(-2, -1))
    matrices = np.einsum("ncyx,ndyx->cdyx", images, images.conj()) / (KERNEL * KERNEL)
    lags = scipy.fft.fftshift(scipy.fft.ifft2(matrices), axes=(-2, -1))
    coils = kernels.shape[1]
    padded = np.zeros((coils, coils, *shape), np.complex64)
    starts = [size // 2 - small // 2 for size in shape]
    padded[:, :, starts[0] : starts[0] + small, starts[1] : starts[1] + small] = lags
    full = scipy.fft.fft2(scipy.fft.ifftshift(padded, axes=(-2, -1)))
    return np.ascontiguousarray(np.moveaxis(scipy.fft.fftshift(full, axes=(-2, -1)), (0, 1), (2, 3)))
