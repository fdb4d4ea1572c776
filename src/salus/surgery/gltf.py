"""Writer and structural check of binary glTF 2.0 (GLB): one node, mesh and material a structure.

ISO/IEC 12113:2022 (Khronos glTF 2.0): little-endian container of a JSON and a binary chunk, both padded to 4 bytes.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus.errors import InputError
from salus.surgery.ar import Part, Scene

MAGIC: Final = 0x46546C67
JSON_CHUNK: Final = 0x4E4F534A
BINARY_CHUNK: Final = 0x004E4942
FLOAT, UNSIGNED_INT, UNSIGNED_SHORT = 5126, 5125, 5123
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
LAST_SHORT: Final = 65535
"""Reserved as a restart value: short indices stay below it."""


class _Buffer:
    """The binary chunk as it grows, with views and accessors into it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: NDArray[Any], component: int, kind: str, target: int, bounds: bool = False) -> int:
        """Append ``array`` and return the number of its accessor."""
        self.data += b"\0" * (-len(self.data) % 4)
        raw = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(raw), "target": target})
        self.data += raw
        accessor = {"bufferView": len(self.views) - 1, "componentType": component, "type": kind}
        accessor["count"] = array.size if kind == "SCALAR" else len(array)
        if bounds:
            accessor |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def glb(scene: Scene) -> bytes:
    """``scene`` as one GLB file."""
    buffer = _Buffer()
    meshes = [_mesh(buffer, k, part) for k, part in enumerate(scene.parts)]
    buffer.data += b"\0" * (-len(buffer.data) % 4)
    children = [{"name": p.look.name, "mesh": k, "extras": dict(p.facts)} for k, p in enumerate(scene.parts)]
    root = {"name": "anatomy", "children": list(range(1, len(children) + 1))}
    document = {
        "asset": {"version": "2.0", "generator": scene.facts["generator"], "extras": dict(scene.facts)},
        "scene": 0,
        "scenes": [{"name": "anatomy", "nodes": [0]}],
        "nodes": [root, *children],
        "meshes": meshes,
        "materials": [_material(part) for part in scene.parts],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    length = 12 + 8 + len(text) + 8 + len(buffer.data)
    head = struct.pack("<III", MAGIC, 2, length) + struct.pack("<II", len(text), JSON_CHUNK)
    return head + text + struct.pack("<II", len(buffer.data), BINARY_CHUNK) + bytes(buffer.data)


def _mesh(buffer: _Buffer, number: int, part: Part) -> dict[str, Any]:
    short = len(part.points) < LAST_SHORT
    indices = part.faces.ravel().astype(np.uint16 if short else np.uint32)
    primitive = {
        "attributes": {
            "POSITION": buffer.add(part.points, FLOAT, "VEC3", ARRAY_BUFFER, bounds=True),
            "NORMAL": buffer.add(part.normals, FLOAT, "VEC3", ARRAY_BUFFER),
        },
        "indices": buffer.add(indices, UNSIGNED_SHORT if short else UNSIGNED_INT, "SCALAR", ELEMENT_ARRAY_BUFFER),
        "material": number,
        "mode": 4,
    }
    return {"name": part.look.name, "primitives": [primitive]}


def _material(part: Part) -> dict[str, Any]:
    colour = [*(round(c, 5) for c in part.look.linear), part.look.opacity]
    surface = {"baseColorFactor": colour, "metallicFactor": 0.0, "roughnessFactor": 0.65}
    made: dict[str, Any] = {"name": part.look.name, "pbrMetallicRoughness": surface}
    return made if part.look.opacity == 1 else made | {"alphaMode": "BLEND"}


def check(data: bytes) -> dict[str, Any]:
    """The JSON of a GLB file written here, after its structure was checked.

    Raises :class:`InputError` for a broken container, views or accessors that leave the buffer, wrong bounds, indices
    beyond the points, or normals that are not of length one.
    """
    document, binary = _chunks(data)
    try:
        for mesh in document["meshes"]:
            for primitive in mesh["primitives"]:
                _check_primitive(document, binary, primitive)
        reached = {n for node in document["nodes"] for n in node.get("children", ())} | {0}
        if reached != set(range(len(document["nodes"]))):
            raise InputError("a node outside the scene", "nodes", "write the file again")
        if document["asset"]["version"] != "2.0" or "notice" not in document["asset"]["extras"]:
            raise InputError("no version 2.0 or no notice", "asset", "write the file again")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError("not a complete glTF document", "JSON", "write the file again") from error
    return document


def _chunks(data: bytes) -> tuple[dict[str, Any], bytes]:
    if len(data) < 28 or struct.unpack_from("<III", data) != (MAGIC, 2, len(data)):
        raise InputError("not a whole GLB file", "offset 0", "write the file again")
    size, kind = struct.unpack_from("<II", data, 12)
    if kind != JSON_CHUNK or size % 4 or 28 + size > len(data):
        raise InputError("no JSON chunk", "offset 12", "write the file again")
    length, kind = struct.unpack_from("<II", data, 20 + size)
    if kind != BINARY_CHUNK or length % 4 or 28 + size + length != len(data):
        raise InputError("no binary chunk", f"offset {20 + size}", "write the file again")
    try:
        document = json.loads(data[20 : 20 + size])
    except ValueError as error:
        raise InputError("the JSON chunk is damaged", "offset 20", "write the file again") from error
    return document, data[28 + size :]


def read_array(document: dict[str, Any], binary: bytes, number: int) -> NDArray[Any]:
    """The values of accessor ``number``: (count, 3) or (count,)."""
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    kind = {FLOAT: "<f4", UNSIGNED_INT: "<u4", UNSIGNED_SHORT: "<u2"}[accessor["componentType"]]
    width = {"VEC3": 3, "SCALAR": 1}[accessor["type"]]
    raw = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    if len(raw) != view["byteLength"] or len(raw) != accessor["count"] * width * int(kind[2]):
        raise InputError("an accessor does not fit its view", f"accessors/{number}", "write the file again")
    values = np.frombuffer(raw, kind)
    return values.reshape(-1, 3) if width == 3 else values


def _check_primitive(document: dict[str, Any], binary: bytes, primitive: dict[str, Any]) -> None:
    number = primitive["attributes"]["POSITION"]
    points = read_array(document, binary, number)
    normals = read_array(document, binary, primitive["attributes"]["NORMAL"])
    indices = read_array(document, binary, primitive["indices"])
    accessor = document["accessors"][number]
    faults = {
        "points that are not finite": not np.isfinite(points).all(),
        "bounds that are not the points'": accessor["min"] != points.min(axis=0).tolist()
        or accessor["max"] != points.max(axis=0).tolist(),
        "indices that are no triangles of the points": indices.size % 3 != 0 or indices.max() >= len(points),
        "normals that are not of length one": len(normals) != len(points)
        or np.abs(np.linalg.norm(normals, axis=1) - 1).max() > 1e-4,
    }
    for what, wrong in faults.items():
        if wrong:
            raise InputError(what, f"accessors/{number}", "write the file again")
