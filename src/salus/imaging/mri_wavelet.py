"""Orthonormal Daubechies wavelets, periodic, and the two shrinkage steps that regularised reconstruction is made of."""

from __future__ import annotations

from functools import lru_cache
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[Any]
Bands = tuple[Image, tuple[tuple[Image, Image, Image], ...]]
"""The coarse approximation, and for each level, finest first, its three bands of details."""


@lru_cache
def daubechies(moments: int) -> tuple[float, ...]:
    """The orthonormal low-pass filter with ``moments`` vanishing moments (2·``moments`` taps), extremal phase.

    I. Daubechies, Comm Pure Appl Math 1988;41:909-96: |H|² = 2 cos^(2p) P(sin²) with P(y) = Σ C(p-1+k, k) y^k; of each
    pair of P's roots in z the one inside the unit circle is taken.
    """
    polynomial = [comb(moments - 1 + k, k) for k in range(moments)]
    taps = np.array([1.0])
    for _ in range(moments):
        taps = np.convolve(taps, [1.0, 1.0])
    for y in np.roots(polynomial[::-1]):
        # y = (2 - z - 1/z) / 4
        pair = np.roots([1.0, 4 * y - 2, 1.0])
        taps = np.convolve(taps, [1.0, -pair[np.abs(pair).argmin()]])
    real = np.real(taps)
    return tuple(float(v) for v in real * np.sqrt(2) / real.sum())


def _split(image: Image, axis: int, taps: tuple[float, ...]) -> tuple[Image, Image]:
    """Low and high half band along ``axis`` (even length), periodic."""
    moved = np.moveaxis(image, axis, 0)
    half = len(moved) // 2
    low = np.zeros((half, *moved.shape[1:]), moved.dtype)
    high = np.zeros_like(low)
    for n, tap in enumerate(taps):
        shifted = np.roll(moved[n % 2 :: 2], -(n // 2), axis=0)
        low += moved.dtype.type(tap) * shifted
        # the quadrature mirror of the low pass, delayed so that both have the same support
        high += moved.dtype.type((-1) ** n * taps[len(taps) - 1 - n]) * shifted
    return np.moveaxis(low, 0, axis), np.moveaxis(high, 0, axis)


def _join(low: Image, high: Image, axis: int, taps: tuple[float, ...]) -> Image:
    """The inverse of :func:`_split`: its transpose, because it is orthonormal."""
    first, second = np.moveaxis(low, axis, 0), np.moveaxis(high, axis, 0)
    out = np.zeros((2 * len(first), *first.shape[1:]), first.dtype)
    for n, tap in enumerate(taps):
        mirror = (-1) ** n * taps[len(taps) - 1 - n]
        part = first.dtype.type(tap) * first + first.dtype.type(mirror) * second
        out[n % 2 :: 2] += np.roll(part, n // 2, axis=0)
    return np.moveaxis(out, 0, axis)


def forward(image: Image, levels: int, moments: int = 4) -> Bands:
    """The 2-D transform of an image whose sides are multiples of 2^``levels``; it keeps the sum of squares."""
    taps = daubechies(moments)
    details = []
    for _ in range(levels):
        low, high = _split(image, 0, taps)
        image, horizontal = _split(low, 1, taps)
        vertical, diagonal = _split(high, 1, taps)
        details.append((horizontal, vertical, diagonal))
    return image, tuple(details)


def inverse(bands: Bands, moments: int = 4) -> Image:
    """The image with these bands: the inverse of :func:`forward`."""
    taps = daubechies(moments)
    image, details = bands
    for horizontal, vertical, diagonal in reversed(details):
        low = _join(image, horizontal, 1, taps)
        high = _join(vertical, diagonal, 1, taps)
        image = _join(low, high, 0, taps)
    return image


def shrink(
    image: NDArray[np.float32], threshold: float, *, levels: int = 4, shift: tuple[int, int] = (0, 0)
) -> NDArray[np.float32]:
    """Soft-threshold the details of ``image`` (y, x): the proximal step of ``threshold``·|details|₁.

    The grid of the transform is moved by ``shift`` pixels; other shifts in other iterations make the result nearly
    invariant to translation (R. R. Coifman, D. L. Donoho 1995, "cycle spinning"). Sides that are no multiple of
    2^``levels`` are continued with their edge, and cut off again.
    """
    block = 1 << levels
    pad = [(0, -size % block) for size in image.shape]
    moved = np.roll(np.pad(image, pad, mode="edge"), shift, (0, 1))
    coarse, details = forward(moved, levels)
    kept = tuple(tuple(_soft(band, threshold) for band in level) for level in details)
    back = np.roll(inverse((coarse, kept)), (-shift[0], -shift[1]), (0, 1))  # type: ignore[arg-type]
    return np.asarray(back[: image.shape[0], : image.shape[1]])


def _soft(values: Image, threshold: float) -> Image:
    return np.asarray(np.sign(values) * np.maximum(np.abs(values) - values.dtype.type(threshold), 0))


def total_variation_step(
    image: NDArray[np.float32], weight: float, dual: NDArray[np.float32], steps: int = 4
) -> NDArray[np.float32]:
    """The proximal step of ``weight``·(isotropic total variation), by ``steps`` of projected gradient on the dual.

    A. Chambolle, J Math Imaging Vis 2004;20:89-97. ``dual`` (2, y, x) is where the last call stopped, and is moved on
    in place: within an outer iteration a few steps are enough.
    """
    for _ in range(steps):
        dual += _gradient(image - _gradient_transposed(dual)) / 8
        length = np.sqrt((dual**2).sum(axis=0))
        dual /= np.maximum(1, length / weight)
    return image - _gradient_transposed(dual)


def _gradient(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack([np.roll(image, -1, 0) - image, np.roll(image, -1, 1) - image])


def _gradient_transposed(field: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.roll(field[0], 1, 0) - field[0] + np.roll(field[1], 1, 1) - field[1])
