"""Thumbnails are valid PNG files, true in aspect, windowed as asked and lettered."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from salus.formats.types import Volume
from salus.imaging.thumbnail import png, thumbnail


def decode(data: bytes) -> NDArray[np.uint8]:
    """A PNG of our own kind (8 bit, no filters) back to pixels, with every checksum tested."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, {}
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    columns, rows, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert depth == 8
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(rows, -1)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape((rows, columns, 3) if colour == 2 else (rows, columns))


def flat(pixels: NDArray[np.generic], **options: object) -> NDArray[np.uint8]:
    """The thumbnail of an image without geometry, decoded."""
    return decode(thumbnail(Volume(pixels[None], np.full((4, 4), np.nan), "DX", "1"), **options))  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_png_round_trip(rows: int, columns: int, colour: bool) -> None:
    shape = (rows, columns, 3) if colour else (rows, columns)
    picture = np.random.default_rng(rows * 41 + columns).integers(0, 256, shape).astype(np.uint8)
    assert np.array_equal(decode(png(picture)), picture)


def test_window_and_inversion() -> None:
    ramp = np.array([[-200, 0, 100, 200, 400]], np.int16)
    shown = flat(ramp, window=(100.0, 200.0), longest=5)[0]
    assert shown.tolist() == [0, 0, 128, 255, 255]
    assert flat(ramp, window=(100.0, 200.0), longest=5, inverted=True)[0].tolist() == [255, 255, 128, 0, 0]


def test_without_a_window_percentiles_are_taken() -> None:
    shown = flat(np.arange(100).reshape(10, 10).astype(np.float32), longest=10)
    assert shown.min() == 0
    assert shown.max() == 255
    assert abs(int(np.median(shown)) - 127) <= 2


def test_a_constant_image_and_nan_are_shown() -> None:
    assert len(np.unique(flat(np.full((9, 9), 7.0)))) == 1
    assert flat(np.full((9, 9), np.nan)).shape == (256, 256)


def test_colours_stay() -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[..., 1] = 200
    assert (flat(picture, longest=2) == picture).all()


@pytest.mark.parametrize(("plane", "size"), [("axial", (60, 120)), ("coronal", (120, 30)), ("sagittal", (120, 15))])
def test_aspect_is_true_and_sides_are_lettered(plane: str, size: tuple[int, int]) -> None:
    # 40 slices of 5 mm, 10 rows of 2.5 mm, 50 columns of 1 mm
    volume = Volume(
        np.zeros((40, 10, 50), np.int16), np.diag([1.0, 2.5, 5.0, 1.0]), "CT", "[hnsf'U]", window=(0.0, 1.0)
    )
    shown = decode(thumbnail(volume, plane=plane, longest=120))  # type: ignore[arg-type]
    assert shown.shape == size
    assert (shown == 255).sum() > 20


def test_letters_tell_left_from_right() -> None:
    volume = Volume(np.zeros((3, 60, 60), np.int16), np.eye(4), "CT", "[hnsf'U]", window=(500.0, 1.0))
    shown = decode(thumbnail(volume, longest=60))
    middle = shown[20:40]
    # R has a bow and a leg, L a stem and a foot
    assert (middle[:, :11] == 255).sum() > (middle[:, -11:] == 255).sum() > 0
