"""What browsers load besides pages: our own style and scripts, and the browser libraries where they were packed in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from salus.careplan.report import environment
from salus.errors import AccessError

_KINDS = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "svg": "image/svg+xml",
}


def _absent() -> AccessError:
    """The answer where there is no file."""
    return AccessError("no such file")


_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is sent."""

    data: bytes
    kind: str
    digest: str


@cache
def held() -> dict[str, File]:
    """Every file by its name under ``/static``: ours, the report's style, and ``lib/`` with the browser libraries."""
    found = {"report.css": environment().get_template("report.css").render().encode()}
    folder = files("salus.web")
    for part, prefix in (("static", ""), ("assets", "lib/")):
        place = folder.joinpath(part)
        if place.is_dir():
            found |= {prefix + f.name: f.read_bytes() for f in place.iterdir() if f.is_file()}
    return {
        name: File(data, _KINDS[name.rpartition(".")[2]], hashlib.sha256(data).hexdigest()[:16])
        for name, data in found.items()
        if name.rpartition(".")[2] in _KINDS
    }


def address(name: str) -> str:
    """The address of a file, which changes with its content; "" for a library that was not packed in."""
    file = held().get(name)
    return f"/static/{name}?{file.digest}" if file else ""


async def static(request: Request) -> Response:
    """GET /static/NAME."""
    file = held().get(request.path_params["name"])
    if file is None:
        raise _absent()
    known = request.url.query == file.digest
    return Response(file.data, media_type=file.kind, headers={"Cache-Control": _FOREVER if known else "no-cache"})
