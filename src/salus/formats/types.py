"""What readers return: blocks of waveform, volumes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import float64, generic
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class WaveBlock:
    """A stretch of one channel: ``samples`` (n,) float64 in ``unit``, NaN where the recorder marked a gap.

    ``fs`` is the sampling rate in Hz; ``start`` the time of the first sample, None when the source gives none.
    """

    channel: str
    fs: Fraction
    samples: NDArray[float64]
    unit: str
    start: datetime | None = None
    record: str = ""


@dataclass(frozen=True, slots=True)
class Volume:
    """A geometry-true image volume.

    ``array`` (slices, rows, columns); ``affine`` (4, 4) float64 maps (column, row, slice, 1) to LPS millimetres;
    ``unit`` is "[hnsf'U]" (Hounsfield units) for CT, else "1" (arbitrary). ``sources`` are SOP instance UIDs in slice
    order (DICOM), ``window`` the (centre, width) the source recommends, ``losses`` what was not carried over.
    """

    array: NDArray[generic]
    affine: NDArray[float64]
    modality: str
    unit: str
    frame_of_reference: str = ""
    sources: tuple[str, ...] = ()
    window: tuple[float, float] | None = None
    description: str = ""
    losses: tuple[str, ...] = ()
