"""NIfTI: places turned from RAS to LPS, scaling applied once; no orientation, no volume."""

from __future__ import annotations

import gzip
import zlib

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from salus.errors import InputError
from salus.formats.nifti import is_nifti, read_volume

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def image(
    values: NDArray[np.generic] | None = None,
    affine: NDArray[np.float64] | None = None,
    sform: int | None = 1,
    qform: int | None = 0,
    unit: str = "mm",
    kind: type = nib.Nifti1Image,
) -> nib.Nifti1Image:
    """A small image with the given codes."""
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4) if values is None else values
    affine = np.diag([-0.9, 0.8, 2.5, 1.0]) if affine is None else affine
    made = kind(values, affine)
    made.set_sform(affine, code=sform)
    made.set_qform(affine, code=qform)
    made.header.set_xyzt_units(unit)
    return made


def rejected(data: bytes) -> str:
    """The message with which a file is refused."""
    with pytest.raises(InputError) as caught:
        read_volume(data)
    assert caught.value.remedy
    return str(caught.value)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    st.lists(st.floats(0.3, 8), min_size=3, max_size=3),
    st.booleans(),
    st.booleans(),
    st.sampled_from([nib.Nifti1Image, nib.Nifti2Image]),
)
def test_places_and_values(angles: list[float], edges: list[float], by_qform: bool, packed: bool, kind: type) -> None:
    affine = np.eye(4)
    turn = nib.eulerangles.euler2mat(*angles)
    affine[:3, :3] = turn @ np.diag(edges)
    affine[:3, 3] = (10, -20, 30)
    values = np.random.default_rng(0).integers(-1000, 1000, (3, 4, 5)).astype(np.int16)
    made = image(values, affine, sform=0 if by_qform else 1, qform=1 if by_qform else 0, kind=kind)
    data = made.to_bytes()
    found = read_volume(gzip.compress(data) if packed else data)
    np.testing.assert_allclose(found.affine, LPS @ affine, atol=1e-3)
    # the voxel (i, j, k) of the standard is [k, j, i] of the volume
    assert found.array[4, 1, 2] == values[2, 1, 4]
    assert found.array.shape == (5, 4, 3)
    assert (found.modality, found.unit, found.losses) == ("", "1", ())


def test_scaling_is_applied_once() -> None:
    made = image()
    made.header.set_slope_inter(0.5, -3)
    data = bytearray(made.to_bytes())
    data[112:120] = np.array([0.5, -3], "<f4").tobytes()  # nibabel resets the scaling of integers when it writes
    found = read_volume(bytes(data))
    assert found.array.dtype == np.float32
    np.testing.assert_allclose(found.array.transpose(2, 1, 0), np.arange(24).reshape(2, 3, 4) * 0.5 - 3)


def test_big_endian_and_microns() -> None:
    made = nib.Nifti1Image(np.arange(8, dtype=np.int16).reshape(2, 2, 2), np.diag([500.0, 500, 500, 1]))
    made.header.set_xyzt_units("micron")
    big = nib.Nifti1Image(made.get_fdata().astype(">i2"), made.affine, made.header.as_byteswapped())
    found = read_volume(big.to_bytes())
    np.testing.assert_allclose(np.diag(found.affine), (-0.5, -0.5, 0.5, 1))
    assert found.array.ravel().tolist() == [0, 4, 2, 6, 1, 5, 3, 7]


def test_orientation_must_be_known_and_the_patients() -> None:
    assert "orientation unknown" in rejected(image(sform=0, qform=0).to_bytes())
    assert "template" in rejected(image(sform=4, qform=0).to_bytes())
    scanner = np.diag([1.5, 1.5, 3.0, 1.0])
    both = image(sform=4, qform=0)
    both.set_qform(scanner, code=1)
    np.testing.assert_allclose(read_volume(both.to_bytes()).affine, LPS @ scanner)


def test_shear_and_impossible_affines() -> None:
    sheared = np.eye(4)
    sheared[0, 1] = 0.3
    assert "sheared" in rejected(image(affine=np.eye(4)).to_bytes().replace(
        np.array([1, 0, 0, 0], "<f4").tobytes(), np.array([1, 0.3, 0, 0], "<f4").tobytes()))  # fmt: skip
    flat = bytearray(image().to_bytes())
    flat[280:328] = b"\0" * 48
    assert "impossible affine" in rejected(bytes(flat))


def test_series_colours_and_vectors() -> None:
    four = image(np.arange(48, dtype=np.int16).reshape(2, 3, 4, 2))
    found = read_volume(four.to_bytes())
    assert found.losses == ("only the first of 2 volumes is read",)
    assert np.array_equal(found.array.transpose(2, 1, 0), np.arange(48).reshape(2, 3, 4, 2)[..., 0])
    assert "vectors" in rejected(image(np.zeros((2, 2, 2, 1, 3), np.float32)).to_bytes())
    assert "complex" in rejected(image(np.zeros((2, 2, 2), np.complex64)).to_bytes())
    colour = np.zeros((2, 2, 2), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    assert "colours" in rejected(image(colour).to_bytes())
    assert "flat image" in rejected(image(np.zeros((2, 2), np.int16)).to_bytes())


def test_unstated_unit_is_a_loss() -> None:
    assert read_volume(image(unit="unknown").to_bytes()).losses == (
        "the unit of length is not stated: read as millimetres",
    )


@pytest.mark.parametrize("data", [b"", b"\x1f\x8b", b"n+1", b"x" * 400, gzip.compress(b"hello", mtime=0)])
def test_not_nifti(data: bytes) -> None:
    rejected(data)
    assert not is_nifti(data)


def test_a_header_without_its_image() -> None:
    data = bytearray(image().to_bytes())
    data[344:348] = b"ni1\0"
    assert "without its image" in rejected(bytes(data))


def test_bombs_and_cut_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(image().to_bytes())
    assert "cut short" in rejected(packed[:-9])
    monkeypatch.setattr("salus.formats.nifti.MAX_BYTES", 1 << 16)
    stream = zlib.compressobj(wbits=31)
    assert "grows beyond" in rejected(stream.compress(b"\0" * (1 << 24)) + stream.flush())
    assert "more than" in rejected(b"\0" * (1 << 17))


def test_hostile_dimensions() -> None:
    data = bytearray(image().to_bytes())
    data[40:56] = np.array([3, 32767, 32767, 32767, 1, 1, 1, 1], "<i2").tobytes()
    assert "bytes of image where the header needs" in rejected(bytes(data))
    data[40:56] = np.array([3, 2, -3, 4, 1, 1, 1, 1], "<i2").tobytes()
    assert "impossible dimensions" in rejected(bytes(data))


WHOLE = image().to_bytes()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.booleans())
def test_truncation_raises_nothing_but_input_errors(length: int, packed: bool) -> None:
    with pytest.raises(InputError):
        read_volume(gzip.compress(WHOLE)[:length] if packed and length < 60 else WHOLE[:length])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), max_size=8))
def test_flipped_bytes_raise_nothing_but_input_errors(flips: list[tuple[int, int]]) -> None:
    damaged = bytearray(WHOLE)
    for place, value in flips:
        damaged[place] = value
    try:
        found = read_volume(bytes(damaged))
    except InputError:
        return
    assert np.isfinite(found.affine).all()
