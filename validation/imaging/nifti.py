"""NIfTI files read with the voxels and places that nibabel gives (RAS turned to LPS), or refused with a reason."""

from __future__ import annotations

import sys

import nibabel as nib
import numpy as np

from salus.errors import InputError
from salus.formats.nifti import read_volume
from validation._report import argument_parser, report


def main(arguments: list[str] | None = None) -> int:
    """Score every ``*.nii`` and ``*.nii.gz`` below ``--data``."""
    options = argument_parser(__doc__ or "").parse_args(arguments)
    files = sorted([*options.data.rglob("*.nii"), *options.data.rglob("*.nii.gz")])
    failures, read, refused = [], 0, 0
    for path in files:
        wrong = None
        try:
            found = read_volume(path.read_bytes())
            image = nib.load(path)
            values = np.asarray(image.dataobj)
            values = values[(slice(None),) * 3 + (0,) * (values.ndim - 3)]
            if not np.array_equal(found.array.transpose(2, 1, 0), values):
                wrong = "voxels differ"
            elif not np.allclose(found.affine, np.diag([-1.0, -1, 1, 1]) @ image.affine, atol=1e-4):
                wrong = "places differ"
            read += wrong is None
        except InputError as error:
            wrong = None if error.remedy else f"refused without a remedy: {error}"
            refused += wrong is None
        if wrong:
            failures.append({"id": str(path.relative_to(options.data)), "why": wrong})
    return report(
        check="imaging.nifti",
        n=len(files),
        passed=read + refused,
        figures={"read": read, "refused": refused},
        methods=["imaging.volume"],
        data=options.data,
        files=files,
        failures=failures,
        as_json=options.json,
    )


if __name__ == "__main__":
    sys.exit(main())
