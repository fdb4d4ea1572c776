"""Models as files: one .npz of plain arrays and JSON, read without pickle, so a file can hold no code."""

from __future__ import annotations

import json
import math
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus.discovery.conformal import Band, Bands
from salus.discovery.endpoints import Model, Scaling
from salus.discovery.features import KERNEL, Features, features
from salus.discovery.gaussian import Shape
from salus.discovery.measurements import MAX_MOLECULES, Endpoint
from salus.discovery.molecule import read
from salus.errors import InputError

FORMAT = 2
MAX_BYTES = 256 * 1024 * 1024
"""Of one unpacked array."""

Floats = NDArray[np.float64]


def save(model: Model, path: Path) -> None:
    """Write a model. Its training molecules and values are in it: share it only where these may be shared."""
    endpoint = {name: getattr(model.endpoint, name) for name in Endpoint.__slots__}
    about: dict[str, Any] = {
        "format": FORMAT,
        "endpoint": endpoint,
        "shape": [model.process.shape.weight, model.process.shape.length, model.process.shape.noise],
        "mean": model.process.mean,
        "scale": model.scale,
        "bands": [
            *(model.bands.near.low, model.bands.near.high, model.bands.far.low, model.bands.far.high),
            *(model.bands.start, model.bands.end, model.bands.near.level),
        ],
        "edge": model.edge,
        "median": model.scaling.median,
    }
    arrays: dict[str, Any] = {
        "smiles": np.frombuffer("\n".join(model.smiles).encode(), dtype=np.uint8),
        "values": model.values,
        "descriptors": model.seen.descriptors,
        "centre": model.scaling.centre,
        "width": model.scaling.width,
    }
    for kind in KERNEL:
        rows = model.seen.tokens[kind]
        arrays[f"{kind}_tokens"] = np.concatenate(rows)
        arrays[f"{kind}_lengths"] = np.array([len(row) for row in rows], dtype=np.int64)
    about["digest"] = _digest(arrays)
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    with path.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def _digest(arrays: dict[str, Any]) -> str:
    """SHA-256 over every array but the description, so that parts of two files never mix."""
    total = sha256()
    for name in sorted(arrays.keys() - {"about"}):
        total.update(name.encode() + b"\0" + sha256(np.ascontiguousarray(arrays[name]).tobytes()).digest())
    return total.hexdigest()


def load(path: Path) -> Model:
    """Read a model and condition it again. Raises ``InputError`` for a file that is none, is damaged, or was made with
    an RDKit whose fingerprints differ.
    """
    arrays = _arrays(path)
    try:
        return _model(arrays)
    except InputError as error:
        raise error.at(path.name) from error
    except (KeyError, ValueError, TypeError, UnicodeDecodeError, np.linalg.LinAlgError) as error:
        raise InputError("not a model that salus wrote, or damaged", path.name, "fit it again") from error


def _arrays(path: Path) -> dict[str, Any]:
    """Every array of the file, after a look at how large each would unpack."""
    try:
        with zipfile.ZipFile(path) as archive:
            if any(entry.file_size > MAX_BYTES for entry in archive.infolist()):
                raise InputError("an array is too large", path.name, "fit it again on fewer molecules")
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, zipfile.LargeZipFile) as error:
        raise InputError("not a model that salus wrote, or damaged", path.name, "fit it again") from error


def _model(arrays: dict[str, Any]) -> Model:
    about = json.loads(arrays["about"].tobytes())
    if about["format"] != FORMAT:
        raise InputError(f"written in format {about['format']}; this salus reads {FORMAT}", remedy="fit it again")
    if about["digest"] != _digest(arrays):
        raise ValueError("digest")
    smiles = tuple(arrays["smiles"].tobytes().decode().split("\n"))
    n = len(smiles)
    if not 0 < n <= MAX_MOLECULES:
        raise ValueError(n)
    values, described = _floats(arrays["values"], (n,)), _table(arrays["descriptors"], n)
    width = described.shape[1]
    scaling = Scaling(_floats(arrays["centre"], (width,)), _positive(arrays["width"], width), _finite(about["median"]))
    seen = Features({kind: _rows(arrays, kind, n) for kind in KERNEL}, described)
    _same_fingerprints(smiles[0], seen)
    shape = Shape(*(_finite(x) for x in about["shape"]))
    scale, bands, edge = _finite(about["scale"]), _bands(about["bands"]), _finite(about["edge"])
    endpoint = Endpoint(**about["endpoint"])
    return Model.conditioned(endpoint, smiles, values, seen, scaling, shape, scale, bands, edge)


def _bands(numbers: Any) -> Bands:
    near_low, near_high, far_low, far_high, start, end, level = (_finite(x) for x in numbers)
    return Bands(Band(near_low, near_high, level), Band(far_low, far_high, level), start, end)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _floats(array: Any, shape: tuple[int, ...]) -> Floats:
    found: Floats = np.asarray(array, dtype=np.float64)
    if found.shape != shape or not np.all(np.isfinite(found)):
        raise ValueError(found.shape)
    return found


def _positive(array: Any, width: int) -> Floats:
    found: Floats = np.asarray(array, dtype=np.float64)
    if found.shape != (width,) or not np.all(found > 0):
        raise ValueError(found.shape)
    return found


def _table(array: Any, n: int) -> Floats:
    found: Floats = np.asarray(array, dtype=np.float64)
    if found.ndim != 2 or len(found) != n:
        raise ValueError(found.shape)
    return found


def _rows(arrays: dict[str, Any], kind: str, n: int) -> list[NDArray[np.uint64]]:
    lengths, flat = arrays[f"{kind}_lengths"].astype(np.int64), arrays[f"{kind}_tokens"].astype(np.uint64)
    if lengths.shape != (n,) or np.any(lengths < 0) or lengths.sum() != len(flat):
        raise ValueError(kind)
    return np.split(flat, np.cumsum(lengths)[:-1])


def _same_fingerprints(smiles: str, seen: Features) -> None:
    """Features are kept, not made anew; a molecule asked about later must be described in the same way."""
    now = features([read(smiles)])
    same = all(np.array_equal(now.tokens[kind][0], seen.tokens[kind][0]) for kind in KERNEL)
    if not same or now.descriptors.shape[1] != seen.descriptors.shape[1]:
        raise InputError("made with an RDKit whose fingerprints differ from this one's", remedy="fit it again")
