"""JSON from the network: how many values it holds is bounded before a single one is read."""

from __future__ import annotations

from typing import Any

from salus.errors import InputError
from salus.fhir import json

PIECE = 128 << 10
"""Bytes that are counted in one go: no other thread has a turn meanwhile."""
FEW = 5_000
"""Values of a body that asks for something."""


def loads(data: bytes, values: int) -> Any:
    """Parse UTF-8 JSON that holds at most ``values`` values. To be called in a worker's thread.

    Each value but the first has a comma or an opening bracket before it, each member a colon besides; what stands in
    texts counts too. Raises InputError.
    """
    count = 0
    for start in range(0, len(data), PIECE):
        piece = data[start : start + PIECE]
        count += piece.count(b",") + piece.count(b"[") + piece.count(b"{")
        if count > values:
            raise InputError(f"more than {values:,} values in one body", remedy="send it in parts")
    return json.loads(data)
