"""A scene of structures for augmented reality: names, colours, provenance, and the way from the patient to the file.

Files hold metres with Y up, the patient standing and looking along +Z: x = L, y = S, z = -P (glTF 2.0, section 3.4), so
that left stays left. Points are relative to the middle of the scene, which is stated, so every point can be led back.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus import __version__
from salus.errors import InputError
from salus.surgery.mesh import Structure

NOTICE: Final = (
    "For looking at, not for navigation, measurement or diagnosis. Not a medical device. "
    "Distances from the voxel boundary are stated for each structure; how true the labels are is not known."
)
AXES: Final = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float) / 1000
"""LPS mm to file metres, a turn and a scale."""
_PALETTE: Final = ("#c96a5b", "#5b8fc9", "#e0c27a", "#7fb58a", "#a684c4", "#d98fb0", "#6fb7bd", "#b09a84")


@dataclass(frozen=True, slots=True)
class Look:
    """How one label is shown: name, colour as "#rrggbb", opacity 0 to 1, and its code if known ("system|code")."""

    name: str
    colour: str
    opacity: float = 1.0
    code: str = ""

    @property
    def linear(self) -> tuple[float, float, float]:
        """The colour in linear light, as both formats want it (sRGB transfer function of IEC 61966-2-1)."""
        channels = (int(self.colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return r, g, b


@dataclass(frozen=True, slots=True)
class Part:
    """One structure ready to be written: ``points`` (n, 3) and unit ``normals`` (n, 3) float32 in the file's frame."""

    key: str
    look: Look
    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    faces: NDArray[np.uint32]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a writer needs. ``facts`` are notice, provenance, axes and origin."""

    parts: tuple[Part, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def faces(self) -> int:
        """Triangles of all parts."""
        return sum(len(part.faces) for part in self.parts)


def default_look(label: int) -> Look:
    """A label without a name keeps its number; its colour is one of eight."""
    return Look(f"label {label}", _PALETTE[(label - 1) % len(_PALETTE)])


def looks(text: str) -> dict[int, Look]:
    """Names and colours from TOML: tables ``[labels.7]`` with ``name`` and, if wished, ``colour``, ``opacity``,
    ``code``.

    Raises :class:`InputError` naming the table that is not so.
    """
    try:
        tables = tomllib.loads(text).get("labels")
    except tomllib.TOMLDecodeError as error:
        raise InputError("not a TOML file", remedy="see docs/surgery.md for its form") from error
    if not isinstance(tables, dict) or not tables:
        raise InputError("no table [labels.N]", "labels", "see docs/surgery.md for the form")
    return {_label(key): _look(key, table) for key, table in tables.items()}


def _label(key: str) -> int:
    if not (key.isascii() and key.isdigit() and 0 < len(key) < 10 and int(key)):
        raise InputError("a label is a whole number from 1", f"labels.{key[:20]}", "name it so")
    return int(key)


def _look(key: str, table: Any) -> Look:
    where = f"labels.{key}"
    if not isinstance(table, dict) or not isinstance(table.get("name"), str) or not table["name"].strip():
        raise InputError("no name", where, 'give name = "..."')
    plain = default_look(int(key))
    colour, opacity = table.get("colour", plain.colour), table.get("opacity", 1.0)
    digits = colour[1:] if isinstance(colour, str) and colour.startswith("#") else ""
    if len(digits) != 6 or any(c not in "0123456789abcdefABCDEF" for c in digits):
        raise InputError("not a colour", where, 'give colour = "#rrggbb"')
    if isinstance(opacity, bool) or not isinstance(opacity, int | float) or not 0 < opacity <= 1:
        raise InputError("not an opacity", where, "give opacity above 0 and up to 1")
    code = table.get("code", "")
    if not isinstance(code, str):
        raise InputError("not a code", where, 'give code = "system|code"')
    return Look(table["name"].strip()[:100], colour, float(opacity), code[:200])


def scene(
    structures: Sequence[Structure], shown: Mapping[int, Look] | None = None, source: Mapping[str, Any] | None = None
) -> Scene:
    """The scene of ``structures``. ``source`` says where they come from (file digest, say); it goes into the files.

    Raises :class:`InputError` when there is none, or for a name given to a label that is not there.
    """
    if not structures:
        raise InputError("no structure", "labels", "hand over a volume in which something is labelled")
    named = dict(shown or {})
    if strange := sorted(set(named) - {s.label for s in structures}):
        raise InputError("a name for a label that does not occur", f"labels.{strange[0]}", "name labels that do")
    corners = np.concatenate([s.mesh.points for s in structures])
    origin = (corners.min(axis=0) + corners.max(axis=0)) / 2
    parts = tuple(_part(s, named.get(s.label) or default_look(s.label), origin) for s in structures)
    facts = {
        "notice": NOTICE,
        "generator": f"salus {__version__}",
        "axes": "x = left, y = superior, z = anterior; metres",
        "origin_lps_mm": [round(float(v), 4) for v in origin],
        "source": dict(source or {}),
    }
    return Scene(parts, facts)


def _part(structure: Structure, look: Look, origin: NDArray[np.float64]) -> Part:
    mesh, error = structure.mesh, structure.error
    normals = np.zeros_like(mesh.points)
    for k in range(3):
        np.add.at(normals, mesh.faces[:, k], mesh.crosses())
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(lengths > 0, normals / np.maximum(lengths, np.finfo(float).tiny), (0.0, 0.0, 1.0))
    turn = AXES * 1000
    facts = {
        "label": structure.label,
        "code": look.code,
        "triangles": len(mesh.faces),
        "surface_error_mm": {
            "hausdorff": round(error.hausdorff_mm, 3),
            "mean": round(error.mean_mm, 3),
            "between_samples": round(error.sampling_mm, 3),
            "against": "boundary of the labelled voxels, both directions",
        },
        "volume_ml": {"surface": round(structure.mesh_ml, 3), "voxels": round(structure.voxel_ml, 3)},
    }
    return Part(
        key=f"label_{structure.label}",
        look=look,
        points=np.ascontiguousarray((mesh.points - origin) @ AXES.T, np.float32),
        normals=_unit(normals @ turn.T),
        faces=np.ascontiguousarray(mesh.faces, np.uint32),
        facts=facts,
    )


def _unit(normals: NDArray[np.float64]) -> NDArray[np.float32]:
    single = normals.astype(np.float32)
    return np.ascontiguousarray(single / np.linalg.norm(single, axis=1, keepdims=True), np.float32)
