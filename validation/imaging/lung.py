"""Lung segmentation from CT: against a lung mask where the folder has one, else it must abstain.

Each ``*/phantom.nii.gz`` (a chest CT in Hounsfield units) is a case. With ``lungs.nii.gz`` beside it (non-zero: lung)
it passes at a Dice coefficient of 0.95 or more with the true volume within the stated bounds widened by 5 %. Without
one the image is a cut-out that does not hold both lungs whole, and passes when no volume is given.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np

from salus.errors import InputError
from salus.formats.nifti import read_volume
from salus.imaging.lung import measure, segment
from salus.imaging.volume import as_stored
from validation._report import argument_parser, report

DICE = 0.95
WIDENED = 0.05
HU_BELOW = -500
"""An image without any voxel this low is no CT of a chest in Hounsfield units (a digital test pattern, say)."""


def judge(path: Path) -> tuple[str | None, float | None, bool]:
    """Why the result is wrong or None, the Dice coefficient where a mask is known, and whether it abstained."""
    volume = replace(read_volume(path.read_bytes()), modality="CT", unit="[hnsf'U]")
    truth = path.parent / "lungs.nii.gz"
    try:
        lungs = segment(volume)
    except InputError as error:
        return ("abstained: " + error.what if truth.exists() else None), None, True
    if not truth.exists():
        return (None if lungs.cut_off else "measured a cut-out as if it held both lungs whole"), None, lungs.cut_off
    wanted = np.asarray(nib.load(truth).dataobj).transpose(2, 1, 0) > 0
    found = as_stored(lungs.labels, volume) > 0
    dice = 2 * float((found & wanted).sum()) / float(found.sum() + wanted.sum())
    low, high = measure(lungs).volume_bounds
    each = abs(np.linalg.det(volume.affine[:3, :3])) / 1000
    true_ml = float(wanted.sum()) * each
    inside = low * (1 - WIDENED) <= true_ml <= high * (1 + WIDENED)
    return (None if dice >= DICE and inside else f"Dice {dice:.3f}, volume inside bounds: {inside}"), dice, False


def main(arguments: list[str] | None = None) -> int:
    """Score every chest CT below ``--data``."""
    options = argument_parser(__doc__ or "").parse_args(arguments)
    found = sorted(options.data.rglob("phantom.nii.gz"))
    files = [p for p in found if np.asarray(nib.load(p).dataobj).min() < HU_BELOW]
    results = {path: judge(path) for path in files}
    dice = [d for _, d, _ in results.values() if d is not None]
    return report(
        check="imaging.lung",
        n=len(files),
        passed=sum(wrong is None for wrong, _, _ in results.values()),
        figures={"abstained": sum(a for _, _, a in results.values()), "dice": float(np.mean(dice)) if dice else None},
        methods=["imaging.lung-ct"],
        data=options.data,
        files=files,
        failures=[{"id": str(p.relative_to(options.data)), "why": w} for p, (w, _, _) in results.items() if w],
        as_json=options.json,
    )


if __name__ == "__main__":
    sys.exit(main())
