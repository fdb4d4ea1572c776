"""Imaging work on files that belong to no record: reconstruction of raw MR data."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus.errors import InputError
from salus.private_files import write_private

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from salus.imaging.mri import Reconstruction

_REMEDY = "save it with numpy.save"


def reconstructed(kspace: Path, mask: Path | None, name: str | None) -> Reconstruction:
    """The slice in ``kspace`` (.npy), sampled as ``mask`` says; without a mask, where k-space is not zero.

    Raises :class:`InputError` naming the file that is not what it should be.
    """
    from salus.imaging.mri import reconstruct

    data = _array(kspace, None)
    measured = (data != 0).any(axis=0) if mask is None else _array(mask, name)
    try:
        return reconstruct(data, measured)
    except InputError as error:
        raise error.at(str(kspace)) from error


def write_image(found: Reconstruction, target: Path) -> None:
    """Write the magnitude as .npy (float32), or as .png for looking at; whole or not at all."""
    import numpy as np

    from salus.imaging.thumbnail import png

    if target.suffix not in (".npy", ".png"):
        raise InputError("an image is written as .npy or .png", str(target), "name the file so")
    stream = BytesIO()
    if target.suffix == ".npy":
        np.save(stream, found.image)
    else:
        brightest = float(np.percentile(found.image, 99.5)) or 1.0
        stream.write(png((np.clip(found.image / brightest, 0, 1) * 255).astype(np.uint8)))
    write_private(target, stream.getvalue())


def _array(file: Path, name: str | None) -> NDArray[Any]:
    """An array of a .npy file, or ``name`` of a .npz file. Pickled objects are never loaded."""
    from zipfile import BadZipFile

    import numpy as np

    try:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                if name not in arrays.files:
                    raise InputError(f"no array called {name!r}", str(file), f"one of {', '.join(arrays.files)}")
                return np.asarray(arrays[name])
        return np.asarray(np.load(file, allow_pickle=False, mmap_mode="r"))
    except (ValueError, EOFError, BadZipFile) as error:
        raise InputError("not a numpy array file", str(file), _REMEDY) from error
