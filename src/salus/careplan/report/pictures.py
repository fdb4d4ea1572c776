"""The pictures of the report: PNG thumbnails that findings carry, checked before they are embedded."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from salus.careplan.report.words import period
from salus.findings.model import Finding

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_BYTES = 2_000_000
MAX_EDGE = 4096


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as a data address, with its size in pixels; ``problem`` where it cannot be shown.

    ``owner`` is the id of its finding.
    """

    anchor: str
    title: str
    text: str
    dated: str
    owner: str
    address: str = ""
    width: int = 0
    height: int = 0
    problem: str = ""


def pictures(findings: Sequence[Finding]) -> tuple[Picture, ...]:
    """Every thumbnail of the findings; one that is no PNG is named, never embedded."""
    found: list[Picture] = []
    seen: set[bytes] = set()
    for finding in findings:
        for item in finding.media:
            if item.kind != "thumbnail" or item.data in seen:
                continue
            seen.add(item.data)
            found.append(_picture(f"image-{len(found) + 1}", finding, item.title, item.content_type, item.data))
    return tuple(found)


def _picture(anchor: str, finding: Finding, title: str, content_type: str, data: bytes) -> Picture:
    text, dated = f"{title}. {finding.sentence}", period(finding.effective)
    if content_type != "image/png" or not data.startswith(SIGNATURE) or len(data) < 33:
        return Picture(anchor, title, text, dated, finding.id, problem="the picture is not a PNG file and is not shown")
    width, height = struct.unpack(">II", data[16:24])
    if len(data) > MAX_BYTES or not 0 < width <= MAX_EDGE or not 0 < height <= MAX_EDGE:
        return Picture(anchor, title, text, dated, finding.id, problem="the picture is too large to be shown here")
    address = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
    return Picture(anchor, title, text, dated, finding.id, address, width, height)
