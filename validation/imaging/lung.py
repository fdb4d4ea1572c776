"""Lung segmentation from CT: against a lung mask where the folder has one, else it must abstain; and drawn trunks.

Cases: every NIfTI file below the folder that holds Hounsfield units by its content (a voxel below ``HU_BELOW``). With
``lungs.nii.gz`` beside it (non-zero: lung) it is ``right`` at a Dice coefficient of ``DICE`` or more with the true
volume within the stated bounds widened by ``WIDENED``. Without one the image is taken for a cut-out that does not
hold both lungs whole (the IBSI chest CT is one), and is ``refused_rightly`` when no volume is given.

Where the folder has such a file, phantoms of a thorax whose lungs have a volume in closed form are cases too, of sizes
and seeds that no test uses: within ``PHANTOM_VOLUME`` of it, the true volume within the bounds, a Dice coefficient of
``DICE`` with the ellipsoids, and the share of voxels at or below -950 HU as it is within these (``PHANTOM_SHARE``), or
``wrong``; and the same cut off, of which no volume may be given.
``refused_though_answerable``: no volume where both lungs are whole. The truth counts as outside only with a mask.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np

from salus.errors import InputError
from salus.formats.nifti import read_volume
from salus.formats.types import Volume
from salus.imaging.lung import LungMeasures, measure, segment
from salus.imaging.phantom import LUNGS, Thorax, thorax
from salus.imaging.volume import as_stored
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report
from validation.imaging.nifti import cases

DICE, WIDENED = 0.95, 0.05
"""0.95: the agreement of two readers' lung masks is about 0.97. The bounds are of discretisation only."""
PHANTOM_VOLUME, PHANTOM_SHARE = 0.03, 0.005
"""Voxels of 2 mm on a lung of some 10 cm: half a voxel's shift of the surface changes the volume by 3 %, and the
share of low voxels, 5 to 30 %, by a thirtieth of itself."""
HU_BELOW = -500
"""An image without any voxel this low is no CT of a chest in Hounsfield units (a digital test pattern, say)."""
LOW_HU = -950
SEEDS = (71, 72, 73)
MUTANTS = (
    Mutant("salus/imaging/lung.py", "AIR_HU = -400", "AIR_HU = -800", "the limit of air"),
    Mutant("salus/imaging/lung.py", "LAA_HU = -950", "LAA_HU = -850", "the limit of low attenuation"),
    Mutant("salus/imaging/lung.py", "labels[0].any() or labels[-1].any()", "labels[0].any() and labels[-1].any()",
           "cut off at one end only"),
    Mutant("salus/imaging/lung.py", "volume_ml=count * each", "volume_ml=count * each * 0.9", "a part of the volume"),
    Mutant("salus/imaging/volume.py", "volume.affine[:3, :3]))) / 1000.0", "volume.affine[:3, :3]))) / 100.0",
           "millilitres"),
)  # fmt: skip


def found_in(volume: Volume) -> tuple[LungMeasures | None, np.ndarray | None, str]:
    """Measures and mask (in the stored axes) of both lungs, or why there are none."""
    try:
        lungs = segment(volume)
    except InputError as error:
        return None, None, error.what
    if lungs.cut_off:
        return None, None, "cut off"
    return measure(lungs), as_stored(lungs.labels, volume) > 0, ""


def judge_file(path: Path) -> tuple[Outcome, str, float | None]:
    """The outcome of one CT, and the Dice coefficient where a mask is known."""
    volume = replace(read_volume(path.read_bytes()), modality="CT", unit="[hnsf'U]")
    truth = path.parent / "lungs.nii.gz"
    measures, mask, why = found_in(volume)
    if not truth.exists():
        given = "measured a cut-out as if it held both lungs whole"
        return (Outcome.REFUSED_RIGHTLY, why, None) if measures is None else (Outcome.WRONG, given, None)
    if measures is None or mask is None:
        return Outcome.REFUSED_THOUGH_ANSWERABLE, why, None
    wanted = np.asarray(nib.load(truth).dataobj).transpose(2, 1, 0) > 0
    dice = 2 * float((mask & wanted).sum()) / float(mask.sum() + wanted.sum())
    true_ml = float(wanted.sum()) * abs(float(np.linalg.det(volume.affine[:3, :3]))) / 1000
    low, high = measures.volume_bounds
    inside = low * (1 - WIDENED) <= true_ml <= high * (1 + WIDENED)
    good = dice >= DICE and inside
    return Outcome.RIGHT if good else Outcome.WRONG, f"Dice {dice:.3f}, volume inside bounds: {inside}", dice


def phantoms() -> Iterator[tuple[str, Thorax, float, bool]]:
    """(name, phantom, its scale, whether both lungs are whole in it)."""
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        scale, share = rng.uniform(0.85, 1.05), rng.uniform(0.05, 0.3)
        made = {"scale": scale, "emphysema": share, "noise": 8.0, "seed": seed}
        yield f"phantom {seed}", thorax(shape=(64, 110, 160), spacing=(4.0, 2.1, 2.1), **made), scale, True
        cut = thorax(shape=(40, 64, 90), spacing=(4.0, 3.6, 3.7), centre_z=55.0 * rng.choice([-1, 1]), **made)
        yield f"phantom {seed}, cut off", cut, scale, False


def ellipsoids(made: Thorax, scale: float) -> np.ndarray:
    """True for voxels whose centre lies in a lung of the phantom, by its formula."""
    k, j, i = np.indices(made.volume.array.shape)
    points = np.stack([i, j, k], axis=-1) @ made.volume.affine[:3, :3].T + made.volume.affine[:3, 3]
    x, y, z = np.moveaxis(points / scale, -1, 0)
    inside = [((x - centre) / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 <= 1 for centre, a, b, c in LUNGS]
    return np.asarray(np.any(inside, axis=0))


def judge_phantom(made: Thorax, scale: float, whole: bool) -> tuple[Outcome, str]:
    """The outcome of one phantom."""
    measures, mask, why = found_in(made.volume)
    if measures is None or mask is None:
        return (Outcome.REFUSED_THOUGH_ANSWERABLE if whole else Outcome.REFUSED_RIGHTLY), why
    if not whole:
        return Outcome.WRONG, "a volume of lungs that are cut off"
    true = ellipsoids(made, scale)
    dice = 2 * float((true & mask).sum()) / float(true.sum() + mask.sum())
    off, low = (
        measures.volume_ml / made.lung_ml - 1,
        measures.laa950 - float((made.volume.array[true] <= LOW_HU).mean()),
    )
    inside = measures.volume_bounds[0] <= made.lung_ml <= measures.volume_bounds[1]
    good = abs(off) <= PHANTOM_VOLUME and abs(low) <= PHANTOM_SHARE and inside and dice >= DICE
    why = f"volume off by {off:.3f}, share by {low:.3f}, Dice {dice:.3f}, bounds hold: {inside}"
    return Outcome.RIGHT if good else Outcome.WRONG, why


def main(arguments: list[str] | None = None) -> int:
    """Score every chest CT below ``--data``."""
    options = argument_parser(__doc__ or "").parse_args(arguments)
    files = [p for p in cases(options.data) if float(np.asarray(nib.load(p).dataobj).min()) < HU_BELOW]
    tally, dice, refused = Tally(), [], 0
    for path in files:
        outcome, why, coefficient = judge_file(path)
        tally.add(str(path.relative_to(options.data)), outcome, why)
        refused += outcome in (Outcome.REFUSED_RIGHTLY, Outcome.REFUSED_THOUGH_ANSWERABLE)
        dice += [coefficient] if coefficient is not None else []
    for name, *phantom in phantoms() if files else ():
        tally.add(name, *judge_phantom(*phantom))
    masked = any((path.parent / "lungs.nii.gz").exists() for path in files)
    return report(
        check="imaging.lung",
        tally=tally,
        covers=(
            "both lungs are found and measured in drawn trunks, and no volume is given of lungs that are cut off"
            + (
                ", and agrees with the lung masks of the folder's scans"
                if masked
                else "; no scan of a patient was tried"
            )
        ),
        truth=Truth.OUTSIDE if masked else Truth.OWN,
        split=Split.UNSEEN,
        figures={"abstained": refused, "dice": float(np.mean(dice)) if dice else None},
        methods=["imaging.lung-ct"],
        data=options.data,
        files=files,
        as_json=options.json,
    )


if __name__ == "__main__":
    sys.exit(main())
