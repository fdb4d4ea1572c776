"""NIfTI files read with the voxels and places that nibabel gives (RAS turned to LPS), or refused where it gives none.

Every file below the folder whose header, plain or within gzip, is that of NIfTI-1 or -2 is a case, whatever its name.
Of a series in time the first volume is compared. Voxels must be equal; scaled ones may be off by ``ROUNDING`` of
themselves, one step of the single precision that they are kept in. Places: ``PLACE_MM``, for the header holds single
precision.

``right``: read so. ``refused_rightly``: nibabel cannot read the file, or finds what the reader says it never reads:
no volume of numbers. ``abstained``: refused because nibabel too finds no orientation in the patient (both codes 0 or
those of a template), sheared voxels or an unknown unit. ``refused_though_answerable``: any other refusal. The check
holds with no ``wrong`` and no such refusal.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

from salus.errors import InputError
from salus.formats.nifti import read_volume
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of

ROUNDING = 2.0**-23
PLACE_MM = 1e-4
TEMPLATE = 3
"""qform_code and sform_code from here on are coordinates of an atlas (NIfTI-1: Talairach, MNI 152, other template)."""
DEVELOPED = ("2c9e7f6369d8cd4b", "0e9243e473b1255c", "909129fdf99d5f5f", "3032d340944b577b", "83773ac2a288aa93")
"""The files that the reader was made on: the beginnings of their SHA-256."""
MUTANTS = (
    Mutant("salus/formats/nifti.py", "np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine",
           "np.diag([1.0, -1.0, 1.0, 1.0]) @ affine", "left and right changed"),
    Mutant("salus/formats/nifti.py", "values.transpose(2, 1, 0)", "values.transpose(2, 1, 0)[:, ::-1]", "rows turned"),
    Mutant("salus/formats/nifti.py", "affine = header.get_sform()", "affine = header.get_base_affine()",
           "the matrix of the old method"),
    Mutant("salus/formats/nifti.py", "2: 1.0, 3: 0.001}", "2: 10.0, 3: 0.001}", "millimetres"),
    Mutant("salus/formats/nifti.py", 'offset=int(start)).reshape(shape, order="F")',
           "offset=int(start)).reshape(shape)", "the first index runs slowest"),
)  # fmt: skip


def header_of(path: Path) -> bytes:
    """The first 348 bytes of a file, unpacked; b"" when it is damaged."""
    start = path.read_bytes()[:2]
    try:
        with gzip.open(path) if start == b"\x1f\x8b" else path.open("rb") as stream:
            return stream.read(348)
    except (OSError, EOFError):
        return b""


def cases(folder: Path) -> list[Path]:
    """Every single-file NIfTI below a folder."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        start = header_of(path)
        if start[344:348] in (b"n+1\0", b"ni1\0") or start[4:12] == b"n+2\0\r\n\x1a\n":
            found.append(path)
    return found


def judge_refusal(image: nib.Nifti1Image | None) -> Outcome:
    """Whether nibabel agrees that there is nothing to read, or no orientation in the patient."""
    if (
        image is None
        or len(image.shape) < 3
        or image.get_data_dtype().kind not in "iuf"
        or np.prod(image.shape[4:]) > 1
    ):
        return Outcome.REFUSED_RIGHTLY
    codes = [int(image.header[name]) for name in ("sform_code", "qform_code")]
    edges = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
    sheared = np.abs(edges.T @ edges - np.eye(3)).max() > 1e-3
    known = image.header.get_xyzt_units()[0] in ("mm", "meter", "micron", "unknown")
    placed = any(0 < code < TEMPLATE for code in codes)
    return Outcome.REFUSED_THOUGH_ANSWERABLE if placed and known and not sheared else Outcome.ABSTAINED


def judge(path: Path) -> tuple[Outcome, str]:
    """The outcome of one file."""
    try:
        image = (
            nib.Nifti1Image.from_bytes(gzip.decompress(path.read_bytes())) if path.suffix == ".gz" else nib.load(path)
        )
        values = np.asarray(image.dataobj)
    except Exception:  # noqa: BLE001 - nibabel has many ways to refuse a file
        image, values = None, np.zeros(0)
    try:
        found = read_volume(path.read_bytes())
    except InputError as error:
        return judge_refusal(image), str(error)
    if image is None:
        return Outcome.NOT_READ, "nibabel does not read it"
    values = values[(slice(None),) * 3 + (0,) * (values.ndim - 3)]
    array = found.array.transpose(2, 1, 0)
    scaled = array.dtype != values.dtype
    off = np.abs(array.astype(float) - values) - (ROUNDING * np.abs(values.astype(float)) if scaled else 0)
    if array.shape != values.shape or not (off <= 0).all():
        return Outcome.WRONG, "voxels differ"
    if not np.allclose(found.affine, np.diag([-1.0, -1, 1, 1]) @ image.affine, rtol=0, atol=PLACE_MM):
        return Outcome.WRONG, "places differ"
    return Outcome.RIGHT, ""


def main(arguments: list[str] | None = None) -> int:
    """Score every NIfTI file below ``--data``."""
    options = argument_parser(__doc__ or "").parse_args(arguments)
    files, tally = cases(options.data), Tally()
    for path in files:
        tally.add(str(path.relative_to(options.data)), *judge(path))
    counts = tally.counts
    refusals = (Outcome.REFUSED_RIGHTLY, Outcome.REFUSED_THOUGH_ANSWERABLE, Outcome.ABSTAINED)
    return report(
        check="imaging.nifti",
        tally=tally,
        covers="the first volume of such a file has the voxels and the places that nibabel gives",
        truth=Truth.OUTSIDE,
        split=split_of(files, DEVELOPED),
        figures={"read": counts[Outcome.RIGHT], "refused": sum(counts[outcome] for outcome in refusals)},
        methods=["imaging.volume"],
        data=options.data,
        files=files,
        as_json=options.json,
        ok=not any(counts[o] for o in (Outcome.WRONG, Outcome.REFUSED_THOUGH_ANSWERABLE, Outcome.NOT_READ)),
    )


if __name__ == "__main__":
    sys.exit(main())
