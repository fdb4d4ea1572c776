"""A made-up chest radiograph, and DICOM files of it: for tests, the tour and the model's self-test. Not anatomy."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus.formats.dicom import EXPLICIT_LITTLE_ENDIAN, uid

DX_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.1.1"
"""Digital X-Ray Image Storage, for presentation (DICOM PS3.4 annex B)."""


def radiograph(seed: int, *, shape: tuple[int, int] = (240, 280), cloud: float = 0.0) -> NDArray[np.uint16]:
    """12-bit grey values (rows, columns), bright where dense: trunk, two lungs, heart, spine, ribs.

    ``cloud`` is how much the left half of the picture's lung is clouded, 0 to 1. The same each time for a seed, which
    varies size, place and exposure.
    """
    rng = np.random.default_rng(seed)
    size, dx, dy = rng.uniform(0.9, 1.1), rng.uniform(-0.05, 0.05), rng.uniform(-0.05, 0.05)
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1.15, 1.15, shape[1]), indexing="ij")
    y, x = (y - dy) / size, (x - dx) / size
    dense = 0.62 * _inside(x / 0.98, y / 1.3)
    for side in (-1, 1):
        lung = _inside((x - side * 0.42) / 0.30, (y + 0.05) / 0.72)
        dense -= 0.42 * lung * (1 - (cloud if side < 0 else 0.0))
    dense += 0.25 * _inside((x - 0.12) / 0.30, (y - 0.28) / 0.34) + 0.20 * _inside(x / 0.10, y / 2)
    dense += 0.25 * _inside((x + 0.3) / 0.9, (y - 1.0) / 0.45)
    dense += 0.05 * np.sin(18 * (y + 0.3 * x**2)) * _inside(x / 0.9, y / 0.8)
    dense = dense * rng.uniform(0.8, 1.0) + rng.uniform(0.05, 0.15) + rng.normal(0, 0.01, shape)
    return np.asarray(np.clip(dense, 0, 1) * 4095, np.uint16)


def _inside(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 inside the unit circle, falling to 0 at a soft edge."""
    return np.asarray(1 / (1 + np.exp(14 * (np.hypot(x, y) - 1))))


def write(pixels: NDArray[np.uint16], *, seed: str, **elements: Any) -> bytes:
    """A DX file, explicit little endian, the same bytes each time; ``elements`` override attributes (None: none)."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    ds = Dataset()
    known: dict[str, Any] = {
        "SOPClassUID": DX_IMAGE_STORAGE,
        "SOPInstanceUID": uid(f"{seed}/instance"),
        "SeriesInstanceUID": uid(f"{seed}/series"),
        "StudyInstanceUID": uid(f"{seed}/study"),
        "Modality": "DX",
        "BodyPartExamined": "CHEST",
        "ViewPosition": "AP",
        "PresentationIntentType": "FOR PRESENTATION",
        "PatientID": "phantom",
        "PhotometricInterpretation": "MONOCHROME2",
        **elements,
    }
    for keyword, value in known.items():
        if value is not None:
            setattr(ds, keyword, value)
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 1, 16, 12, 11, 0
    ds.PixelData = pixels.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE_ENDIAN)
    out = BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def self_test() -> NDArray[np.uint8]:
    """The images (n, 28, 28) on which the model's answers were recorded when it was made: phantoms and noise."""
    from salus.imaging.xray_domain import SIDE
    from salus.imaging.xray_image import prepared

    made = [prepared(radiograph(seed, cloud=seed / 8), window=None, inverted=False) for seed in range(8)]
    noise = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE), dtype=np.uint8)
    return np.concatenate([np.stack(made), noise])
