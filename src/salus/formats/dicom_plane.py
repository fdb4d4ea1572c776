"""One slice of a DICOM series: where its pixels lie in the patient (PS3.3 C.7.6.2.1.1), read and never inferred."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from salus.errors import InputError
from salus.formats.dicom_elements import numbers, tag, text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

UNIT_TOLERANCE = 1e-3
"""By how much direction cosines may miss unit length and a right angle, or differ between slices."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice: pixels (rows, columns) as stored, and where and how they lie. ``spacing`` is (row, column) in mm."""

    pixels: NDArray[Any]
    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    spacing: tuple[float, float]
    slope: float
    intercept: float
    uid: str


def vector(ds: Dataset, keyword: str, length: int) -> NDArray[np.float64]:
    found = numbers(ds, keyword)
    if len(found) != length:
        raise InputError("missing, and nothing is assumed in its place", tag(keyword), "export the series with it")
    return np.array(found)


def orientation(cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    row, column = cosines[:3], cosines[3:]
    lengths = np.array([np.linalg.norm(row), np.linalg.norm(column)])
    if np.abs(lengths - 1).max() > UNIT_TOLERANCE or abs(row @ column) > UNIT_TOLERANCE:
        raise InputError("not two directions at a right angle", tag("ImageOrientationPatient"), "export it again")
    return cosines


def spacing(ds: Dataset) -> tuple[float, float]:
    found = numbers(ds, "PixelSpacing")
    if len(found) != 2 or min(found) <= 0:
        raise InputError("missing or not positive", tag("PixelSpacing"), "export the series with it")
    return found[0], found[1]


def rescale(ds: Dataset) -> tuple[float, float]:
    slope, intercept = numbers(ds, "RescaleSlope"), numbers(ds, "RescaleIntercept")
    if not slope and not intercept:
        if text(ds, "Modality") == "CT":
            raise InputError("CT without its rescale values", tag("RescaleIntercept"), "export the series with them")
        return 1.0, 0.0
    if len(slope) != 1 or len(intercept) != 1 or slope[0] == 0:
        raise InputError("slope and intercept must be one number each", tag("RescaleSlope"), "export the series again")
    return slope[0], intercept[0]
