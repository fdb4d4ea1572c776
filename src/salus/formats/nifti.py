"""NIfTI-1 and NIfTI-2 single files (.nii, .nii.gz) to a geometry-true volume in LPS millimetres.

Orientation follows the standard's method 3 (sform) or 2 (qform); a file with neither says nothing of left and right
and is refused, as is one whose coordinates are those of a template instead of the patient's. The header gives
neither modality nor a unit of the values, so none is claimed.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from salus.errors import InputError
from salus.formats.types import Volume

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_BYTES = 1 << 29
"""Bytes that a file may hold, or grow to when it is compressed."""
RIGHT_ANGLE_TOLERANCE = 1e-3
PATIENT_SPACES = (1, 2)
"""Values of qform_code and sform_code that mean the patient: scanner coordinates, or aligned to another scan of him."""
UNITS_MM = {1: 1000.0, 2: 1.0, 3: 0.001}
"""xyzt_units & 7: metre, millimetre, micrometre."""
_HEADERS = {348: "NIfTI-1", 540: "NIfTI-2"}


def is_nifti(start: bytes) -> bool:
    """True when ``start`` (the first 348 bytes or more, decompressed) is the header of a single-file NIfTI."""
    return start[344:348] == b"n+1\0" or start[4:12] == b"n+2\0\r\n\x1a\n"


def read_volume(data: bytes) -> Volume:
    """One NIfTI file, plain or gzip, as a volume (slices, rows, columns) with scaling applied once.

    Of a series in time only the first volume is read, and the loss is listed. Raises :class:`InputError` for anything
    that is not NIfTI, is cut short or too big, has no patient orientation, is sheared, or holds colours or complex
    numbers.
    """
    import numpy as np

    if data[:2] == b"\x1f\x8b":
        data = _inflate(data)
    header = _header(data)
    shape, losses = _shape(header)
    affine = _affine(header, losses)
    values = _values(data, header, shape)
    # NIfTI's first index runs fastest: (i, j, k) is (column, row, slice)
    return Volume(
        array=values.transpose(2, 1, 0),
        affine=np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine,
        modality="",
        unit="1",
        description=_description(header),
        losses=tuple(losses),
    )


def _inflate(data: bytes) -> bytes:
    """A gzip stream, of one or several members, inflated up to MAX_BYTES."""
    out = bytearray()
    rest = data
    while rest:
        stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            out += stream.decompress(rest, MAX_BYTES - len(out) + 1)
        except zlib.error as error:
            if out:
                raise InputError("the gzip stream is damaged", remedy="copy the file again") from error
            raise InputError("not a gzip stream", remedy="hand over a .nii or .nii.gz file") from error
        if len(out) > MAX_BYTES:
            raise InputError(f"grows beyond {MAX_BYTES >> 20} MiB", remedy="hand over the plain .nii, or a part of it")
        if not stream.eof:
            raise InputError("the gzip stream is cut short", remedy="copy the file again")
        rest = stream.unused_data
    return bytes(out)


def _header(data: bytes) -> Any:
    import nibabel as nib

    if len(data) > MAX_BYTES:
        raise InputError(f"more than {MAX_BYTES >> 20} MiB", remedy="hand over a part of it")
    if data[344:348] == b"ni1\0":
        raise InputError("a NIfTI header without its image", "offset 344", "hand over one .nii file, not .hdr and .img")
    if not is_nifti(data):
        raise InputError("not a NIfTI file", "offset 344", "hand over a .nii or .nii.gz file")
    kind: Any = nib.Nifti1Header if data[344:348] == b"n+1\0" else nib.Nifti2Header
    size = kind.sizeof_hdr
    if len(data) < size + 4:
        raise InputError("the file ends within its header", f"offset {len(data)}", "copy the file again")
    try:
        return kind(data[:size], check=True)
    except Exception as error:  # nibabel checks many things, each with its own exception
        raise InputError(f"the {_HEADERS[size]} header is damaged", "offset 0", "export the file again") from error


def _shape(header: Any) -> tuple[tuple[int, int, int], list[str]]:
    dims = [int(d) for d in header["dim"]]
    if not 1 <= dims[0] <= 7 or min(dims[1 : dims[0] + 1]) < 1:
        raise InputError("impossible dimensions", "dim", "export the file again")
    if dims[0] < 3:
        raise InputError("not a volume but a flat image", "dim", "hand over a volume of three dimensions")
    beyond = dims[4 : dims[0] + 1]
    if any(d > 1 for d in beyond[1:]):
        raise InputError("vectors or tensors at each voxel are not read", "dim", "hand over a volume of numbers")
    losses = [f"only the first of {beyond[0]} volumes is read"] if beyond and beyond[0] > 1 else []
    return (dims[1], dims[2], dims[3]), losses


def _affine(header: Any, losses: list[str]) -> NDArray[np.float64]:
    """Voxel (i, j, k) to RAS millimetres, by sform or else qform."""
    import numpy as np

    sform, qform = int(header["sform_code"]), int(header["qform_code"])
    if sform in PATIENT_SPACES:
        affine = header.get_sform()
    elif qform in PATIENT_SPACES:
        try:
            affine = header.get_qform()
        except ValueError as error:  # a quaternion longer than one
            raise InputError("no rotation", "quatern_b", "export the file again") from error
    elif sform == 0 and qform == 0:
        raise InputError(
            "orientation unknown: neither qform nor sform is set", "qform_code", "export it again from the DICOM series"
        )
    else:
        raise InputError(
            "the coordinates are those of a template, not the patient's", "sform_code", "hand over the native image"
        )
    unit = int(header["xyzt_units"]) & 7
    if unit not in UNITS_MM:
        if unit:
            raise InputError("an unknown unit of length", "xyzt_units", "export the file again")
        losses.append("the unit of length is not stated: read as millimetres")
    affine = np.array(affine, dtype=np.float64)
    affine[:3] *= UNITS_MM.get(unit, 1.0)
    _right_angles(affine)
    return affine


def _right_angles(affine: NDArray[np.float64]) -> None:
    import numpy as np

    edges = affine[:3, :3]
    lengths = np.linalg.norm(edges, axis=0)
    if not np.isfinite(affine).all() or lengths.min() < 1e-6 or lengths.max() > 1e6:
        raise InputError("an impossible affine", "srow_x", "export the file again")
    directions = edges / lengths
    if np.abs(directions.T @ directions - np.eye(3)).max() > RIGHT_ANGLE_TOLERANCE:
        raise InputError("the voxels are sheared", "srow_x", "resample the image to a grid of right angles")


def _values(data: bytes, header: Any, shape: tuple[int, int, int]) -> NDArray[Any]:
    import numpy as np

    dtype = np.dtype(header.get_data_dtype())
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise InputError("colours, complex or very wide numbers are not read", "datatype", "hand over grey values")
    start = float(header["vox_offset"])
    count = shape[0] * shape[1] * shape[2]
    if not start.is_integer() or start < header.sizeof_hdr + 4:
        raise InputError("the image begins inside the header", "vox_offset", "export the file again")
    if count * dtype.itemsize > len(data) - start:
        raise InputError(
            f"{max(0, len(data) - int(start))} bytes of image where the header needs {count * dtype.itemsize}",
            "vox_offset",
            "the file is cut short: copy it again",
        )
    stored = np.frombuffer(data, dtype=dtype, count=count, offset=int(start)).reshape(shape, order="F")
    native = stored.astype(dtype.newbyteorder("="), copy=False)
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not np.isfinite([slope, inter]).all() or (slope, inter) == (1.0, 0.0):
        return native  # the standard: a slope of 0 (or none) means the values are as stored
    return (native.astype(np.float64) * slope + inter).astype(np.float32)  # rounded once


def _description(header: Any) -> str:
    raw = bytes(header["descrip"].tobytes()) if hasattr(header["descrip"], "tobytes") else b""
    return raw.split(b"\0", 1)[0].decode("ascii", "replace").strip()
