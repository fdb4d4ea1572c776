"""Siemens mosaics: a whole MR stack as tiles of one picture, placed by the private CSA header.

The tiles' geometry: the picture's corner belongs to the mosaic as a whole, so the first tile's corner lies half the
difference of the two sizes further in; slices follow each other along the CSA header's slice normal, whose sign need
not be that of row x column (nibabel documentation, "DICOM and Siemens mosaics").
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.errors import InputError
from salus.formats.dicom_elements import numbers, tag, text
from salus.formats.dicom_pixels import frames_of
from salus.formats.dicom_plane import Plane, orientation, rescale, spacing, vector

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def tiles_of(ds: Dataset) -> list[Plane]:
    """The slices in a mosaic. Raises :class:`InputError` when the CSA header that places them is not there."""
    count, csa_normal = _csa(ds)
    mosaic = frames_of(ds)[0]
    side = int(np.ceil(np.sqrt(count)))
    rows, columns = mosaic.shape[0] // side, mosaic.shape[1] // side
    if rows * side != mosaic.shape[0] or columns * side != mosaic.shape[1]:
        raise InputError("the mosaic does not divide into its tiles", tag("Rows"), "export the series as single images")
    cosines = orientation(vector(ds, "ImageOrientationPatient", 6))
    pixel_spacing = spacing(ds)
    between = numbers(ds, "SpacingBetweenSlices")
    if len(between) != 1 or between[0] <= 0:
        raise InputError("missing in a mosaic", tag("SpacingBetweenSlices"), "export the series as single images")
    normal = np.cross(cosines[:3], cosines[3:])
    sign = 1.0 if float(normal @ csa_normal) >= 0 else -1.0
    corner = (
        vector(ds, "ImagePositionPatient", 3)
        + cosines[:3] * pixel_spacing[1] * (mosaic.shape[1] - columns) / 2
        + cosines[3:] * pixel_spacing[0] * (mosaic.shape[0] - rows) / 2
    )
    slope, intercept = rescale(ds)
    planes = []
    for index in range(count):
        top, left = (index // side) * rows, (index % side) * columns
        planes.append(
            Plane(
                pixels=mosaic[top : top + rows, left : left + columns],
                position=corner + sign * normal * between[0] * index,
                orientation=cosines,
                spacing=pixel_spacing,
                slope=slope,
                intercept=intercept,
                uid=text(ds, "SOPInstanceUID"),
            )
        )
    return planes


def _csa(ds: Dataset) -> tuple[int, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Number of tiles and slice normal from the Siemens CSA image header (0029,xx10)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nibabel calls all its DICOM readers experimental
        from nibabel.nicom import csareader as reader
    csareader: Any = reader

    try:
        header = csareader.get_csa_header(ds, "image")
        count = csareader.get_n_mosaic(header) if header else None
        normal = csareader.get_slice_normal(header) if header else None
    except Exception as error:  # a private, hostile structure has no closed list of exceptions
        raise InputError("the CSA header is damaged", "(0029,1010)", "export the series as single images") from error
    if not count or count < 1 or count > 4096 or normal is None:
        raise InputError(
            "a Siemens mosaic without the private header that places its tiles",
            "(0029,1010)",
            "export the series as single images, or without removing private elements",
        )
    return int(count), np.asarray(normal, dtype=np.float64)
