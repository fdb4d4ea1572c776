"""Small pictures of volumes: PNG bytes (ISO/IEC 15948) made with zlib alone, true in aspect, lettered with sides."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus.formats.types import Volume
from salus.imaging.volume import Plane, Slice2D, cut, resample_plane

HOUNSFIELD = "[hnsf'U]"
LUNG_WINDOW = (-600.0, 1600.0)
SOFT_TISSUE_WINDOW = (50.0, 350.0)
"""Usual CT windows (centre, width) in HU, for display only: T. J. Aldeen, "CT scan windowing" (lecture slides)."""

_FONT = {
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "F": "11111 10000 10000 11110 10000 10000 10000",
    "H": "10001 10001 10001 11111 10001 10001 10001",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "P": "11110 10001 10001 11110 10000 10000 10000",
    "R": "11110 10001 10001 11110 10100 10010 10001",
}


def thumbnail(
    volume: Volume,
    *,
    plane: Plane = "axial",
    index: int | None = None,
    window: tuple[float, float] | None = None,
    inverted: bool = False,
    longest: int = 256,
) -> bytes:
    """One plane of ``volume`` as PNG bytes, its longer side ``longest`` pixels.

    ``window`` is (centre, width); without it the source's own is taken, else the 1st to 99th percentile. ``inverted``
    turns grey values round (MONOCHROME1). The letters R L A P H F name the sides; a flat image carries none.
    """
    view = cut(volume, plane, index)
    grey = _to_8_bit(view.pixels, window or volume.window, inverted)
    picture = np.rint(resample_plane(grey, _size(view, longest))).astype(np.uint8)
    for letter, (down, across) in zip(view.letters, ((0.5, 0.0), (0.5, 1.0), (0.0, 0.5), (1.0, 0.5)), strict=True):
        if letter:
            _write_letter(picture, letter, down, across)
    return png(picture)


def _to_8_bit(pixels: NDArray[Any], window: tuple[float, float] | None, inverted: bool) -> NDArray[Any]:
    """Grey values through a linear window, PS3.3 C.11.2.1.2; 8-bit colours as they are."""
    if pixels.ndim == 3 and pixels.dtype == np.uint8:
        return pixels
    values = np.nan_to_num(pixels.astype(np.float32))
    if window is None:
        low, high = (float(v) for v in np.percentile(values, (1, 99)))
        centre, width = (low + high) / 2, max(high - low, 1.0)
    else:
        centre, width = window
    scaled = np.clip((values - centre) / width + 0.5, 0, 1) * 255
    return np.asarray(255 - scaled if inverted else scaled)


def _size(view: Slice2D, longest: int) -> tuple[int, int]:
    rows, columns = view.pixels.shape[:2]
    tall, wide = (rows * view.spacing[0], columns * view.spacing[1]) if view.spacing else (rows, columns)
    scale = longest / max(tall, wide)
    return max(1, round(tall * scale)), max(1, round(wide * scale))


def _write_letter(picture: NDArray[np.uint8], letter: str, down: float, across: float) -> None:
    """A letter in white with a dark rim, 2 pixels from the edge that ``down`` and ``across`` (0 to 1) point to."""
    glyph = np.array([[bit == "1" for bit in row] for row in _FONT[letter].split()])
    framed = np.pad(glyph, 1)
    rows, columns = framed.shape
    if picture.shape[0] < rows + 4 or picture.shape[1] < columns + 4:
        return
    top = round(2 + down * (picture.shape[0] - rows - 4))
    left = round(2 + across * (picture.shape[1] - columns - 4))
    field = picture[top : top + rows, left : left + columns]
    field[...] = np.where(framed.reshape(framed.shape + (1,) * (picture.ndim - 2)), 255, field // 3)


def png(picture: NDArray[np.uint8]) -> bytes:
    """An 8-bit picture (rows, columns) in grey or (rows, columns, 3) in RGB as a PNG file."""
    rows, columns = picture.shape[:2]
    colour = 2 if picture.ndim == 3 else 0
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), picture.reshape(rows, -1)], axis=1)
    header = struct.pack(">IIBBBBB", columns, rows, 8, colour, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
