"""MR reconstruction from undersampled k-space: decibels above zero-filled, inside the head.

Cases, below the folder: each ``*kspace*.npy`` (coils, ky, kx) with ``masks.npz`` and ``head_mask.npy`` beside it
(truth: ``*truth*.npy`` beside it, else the root sum of squares of the fully sampled k-space); and each ``.npz`` with
``kspace_f16`` and ``truth_magnitude``, where the masks are made here with a fixed seed and the head is the truth above
5 % of its maximum with holes filled. k-space without a truth (``kspace`` in an ``.npz``, zero where not measured) is
reconstructed too and its residual at the measured samples shown; it counts as no case.

PSNR = 10 log10(peak² / mean squared error), both inside the head, peak the truth's maximum there; magnitudes in the
truth's own unit, neither image rescaled. Zero-filled: root sum of squares of the coil images, no density compensation.
Passed: 6 dB above zero-filled at ``eq1d_R4`` and ``poisson2d_R4``, and not below it at any other mask.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_fill_holes

from salus.errors import InputError
from salus.imaging.mri import reconstruct, zero_filled
from salus.imaging.mri_coils import to_image
from salus.imaging.mri_masks import equispaced, poisson_disc
from validation._report import argument_parser, report

GAIN_DB: Mapping[str, float] = {"eq1d_R4": 6.0, "poisson2d_R4": 6.0}
SEED = 0


@dataclass(frozen=True)
class Slice:
    """One slice with its truth: k-space, masks by name, truth and head."""

    file: Path
    kspace: np.ndarray
    masks: Mapping[str, np.ndarray]
    truth: np.ndarray
    head: np.ndarray


def made_masks(shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Fixed masks: every 5th and 16th line with 14 and 16 calibration lines; Poisson discs with a 24 × 24 centre."""
    return {
        "eq1d_R4": equispaced(shape, step=5, lines=14),
        "eq1d_R8": equispaced(shape, step=16, lines=16),
        "poisson2d_R4": poisson_disc(shape, acceleration=4.0, centre=24, seed=SEED),
        "poisson2d_R8": poisson_disc(shape, acceleration=8.0, centre=24, seed=SEED),
    }


def head_of(truth: np.ndarray) -> np.ndarray:
    """Truth above 5 % of its maximum, holes filled."""
    return np.asarray(binary_fill_holes(truth > 0.05 * truth.max()))


def psnr(image: np.ndarray, truth: np.ndarray, head: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB inside ``head``."""
    error = np.mean((image[head].astype(float) - truth[head]) ** 2)
    return float(10 * np.log10(truth[head].max() ** 2 / error))


def slices(folder: Path) -> Iterator[Slice]:
    """Every slice with a truth."""
    for file in sorted(folder.rglob("*kspace*.npy")):
        masks, head = file.with_name("masks.npz"), file.with_name("head_mask.npy")
        if masks.exists() and head.exists():
            yield from_folder(file, masks, head)
    for file in sorted(folder.rglob("*.npz")):
        with np.load(file) as arrays:
            if not {"kspace_f16", "truth_magnitude"} <= set(arrays.files):
                continue
            stored, scale = arrays["kspace_f16"].astype(np.float32), float(arrays["scale"])
            truth = arrays["truth_magnitude"].astype(float)
        kspace = ((stored[0] + 1j * stored[1]) * scale).astype(np.complex64)
        yield Slice(file, kspace, made_masks(truth.shape), truth, head_of(truth))


def from_folder(file: Path, masks: Path, head: Path) -> Slice:
    """A slice in ``.npy`` files."""
    kspace = np.load(file)
    truths = sorted(file.parent.glob("*truth*.npy"))
    truth = np.abs(np.load(truths[0])) if truths else np.sqrt((np.abs(to_image(kspace)) ** 2).sum(axis=0))
    with np.load(masks) as arrays:
        named = {name: arrays[name] for name in arrays.files}
    return Slice(file, kspace, named, truth.astype(float), np.load(head).astype(bool))


def prospective(folder: Path) -> Iterator[tuple[Path, np.ndarray]]:
    """k-space that was measured undersampled, so that nobody knows the truth."""
    for file in sorted(folder.rglob("*kspace*.npz")):
        with np.load(file) as arrays:
            if "kspace" in arrays.files and "truth_magnitude" not in arrays.files:
                yield file, arrays["kspace"]


def score(item: Slice) -> Iterator[tuple[str, dict[str, float], str]]:
    """(mask, figures, why it failed or "") for each mask of a slice."""
    for name, mask in item.masks.items():
        try:
            found = reconstruct(item.kspace, mask)
        except InputError as error:
            yield name, {}, f"refused: {error}"
            continue
        ours = psnr(found.image, item.truth, item.head)
        zero = psnr(zero_filled(item.kspace, mask), item.truth, item.head)
        least = GAIN_DB.get(name, 0.0)
        figures = {
            "psnr": round(ours, 2),
            "psnr_zero_filled": round(zero, 2),
            "acceleration": round(float(mask.size / np.count_nonzero(mask)), 3),
            "residual": round(found.residual, 3),
        }
        why = f"{ours - zero:.2f} dB above zero-filled, less than {least:g}" if ours - zero < least else ""
        yield name, figures, why


def main() -> int:
    """Print the report; 0 when every mask of every slice passed."""
    arguments = argument_parser(__doc__ or "").parse_args()
    figures: dict[str, Any] = {}
    failures, files, n = [], [], 0
    for item in slices(arguments.data):
        files.append(item.file)
        for name, found, why in score(item):
            n += 1
            key = name if name not in figures else f"{item.file.stem}/{name}"
            figures[key] = found
            if why:
                failures.append({"id": f"{item.file.name}:{name}", "why": why})
    for file, kspace in prospective(arguments.data):
        found = reconstruct(kspace, (kspace != 0).any(axis=0))
        files.append(file)
        figures[f"{file.stem}/residual"] = round(found.residual, 3)
    return report(
        check="imaging.mri",
        n=n,
        passed=n - len(failures),
        data=arguments.data,
        files=files,
        figures=figures,
        methods=["imaging.mri-reconstruction"],
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
