"""MR reconstruction from undersampled k-space: decibels above zero-filled, inside the head.

Cases, below the folder: each ``*kspace*.npy`` (coils, ky, kx) with ``masks.npz`` and ``head_mask.npy`` beside it
(truth: ``*truth*.npy`` beside it, else the root sum of squares of the fully sampled k-space); and each ``.npz`` with
``kspace_f16`` and ``truth_magnitude``, where the masks are made here with a fixed seed and the head is the truth above
5 % of its maximum with holes filled. k-space without a truth (``kspace`` in an ``.npz``, zero where not measured) is
reconstructed too and its residual at the measured samples shown; it counts as no case.

PSNR = 10 log10(peak² / mean squared error), both inside the head, peak the truth's maximum there; magnitudes in the
truth's own unit, neither image rescaled. Zero-filled: root sum of squares of the coil images, no density compensation.

``right``: above zero-filled by ``GAIN_DB`` of the mask, which is what plain SENSE (BART 0.8, ``pics`` with quadratic
regularisation) reached on such a slice: 6.7, 1.1, 6.2 and 6.1 dB; at masks of other names not below it; and the
residual at most ``MOST_RESIDUAL`` times the noise, or something else than noise was left unexplained.
``refused_though_answerable``: refused. k-space without a truth is ``not_read``. The check holds when every mask of
every slice with a truth is right.

The k-space of the simulated slice was made with the transform that the code assumes, from a real image: nothing is
shown of motion, off-resonance or real coils. The weights of the priors were picked on that slice (``DEVELOPED``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_fill_holes

from salus.errors import InputError
from salus.imaging.mri import reconstruct, zero_filled
from salus.imaging.mri_coils import to_image
from salus.imaging.mri_masks import equispaced, poisson_disc
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of

GAIN_DB: Mapping[str, float] = {"eq1d_R4": 6.0, "eq1d_R8": 1.0, "poisson2d_R4": 6.0, "poisson2d_R8": 6.0}
MOST_RESIDUAL = 1.25
SEED = 0
DEVELOPED = ("8fa30c4b90eb11d6",)
"""The slice that the weights were picked on: the beginning of its file's SHA-256."""
MUTANTS = (
    Mutant("salus/imaging/mri.py", "WAVELET, VARIATION, IMAGINARY = 0.3, 0.2, 3.0",
           "WAVELET, VARIATION, IMAGINARY = 30.0, 20.0, 3.0", "priors a hundred times too strong"),
    Mutant("salus/imaging/mri.py", "back = trust * maps.conj() / bound", "back = trust * maps / bound",
           "maps not conjugated"),
    Mutant("salus/imaging/mri.py", "ITERATIONS, PILOT_ITERATIONS = 100, 60", "ITERATIONS, PILOT_ITERATIONS = 3, 2",
           "stopped too early"),
    Mutant("salus/imaging/mri.py", "moved = ahead - (back", "moved = ahead - 0.02 * (back", "a step too small"),
    Mutant("salus/imaging/mri.py", "np.exp(1j * np.angle(smooth))", "np.exp(-1j * np.angle(smooth))",
           "the phase's sign"),
)  # fmt: skip
SHORT = ("--masks", "eq1d_R4", "poisson2d_R4")


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


def score(item: Slice, only: Sequence[str]) -> Iterator[tuple[str, dict[str, float], Outcome, str]]:
    """(mask, figures, outcome, why) for each mask of a slice."""
    for name, mask in item.masks.items():
        if only and name not in only:
            continue
        try:
            found = reconstruct(item.kspace, mask)
        except InputError as error:
            yield name, {}, Outcome.REFUSED_THOUGH_ANSWERABLE, str(error)
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
        good = ours - zero >= least and found.residual <= MOST_RESIDUAL
        why = f"{ours - zero:.2f} dB above zero-filled (least {least:g}), residual {found.residual:.2f}"
        yield name, figures, Outcome.RIGHT if good else Outcome.WRONG, why


def main() -> int:
    """Print the report; 0 when every mask of every slice with a truth is right."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--masks", nargs="*", default=[], help="only masks of these names, and no slice without truth")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    tally, files = Tally(), []
    for item in slices(arguments.data):
        files.append(item.file)
        for name, found, outcome, why in score(item, arguments.masks):
            key = name if name not in figures else f"{item.file.stem}/{name}"
            figures[key] = found
            tally.add(f"{item.file.name}:{name}", outcome, why)
    split = split_of(files, DEVELOPED)
    for file, kspace in () if arguments.masks else prospective(arguments.data):
        found = reconstruct(kspace, (kspace != 0).any(axis=0))
        files.append(file)
        figures[f"{file.stem}/residual"] = round(found.residual, 3)
        tally.add(file.name, Outcome.NOT_READ, "nobody knows the image: only its residual is shown")
    right = tally.counts[Outcome.RIGHT]
    return report(
        check="imaging.mri",
        tally=tally,
        covers=(
            "from simulated k-space of such a slice the image is at least as far above zero-filled as plain SENSE "
            "brings it; the weights were picked on this slice, and no real scanner's fully sampled k-space was tried"
        ),
        truth=Truth.OUTSIDE,
        split=split,
        data=arguments.data,
        files=files,
        figures=figures,
        methods=["imaging.mri-reconstruction"],
        as_json=arguments.json,
        ok=right > 0 and right + tally.counts[Outcome.NOT_READ] == tally.n,
    )


if __name__ == "__main__":
    sys.exit(main())
