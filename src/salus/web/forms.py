"""Forms as they come back: read in bounded size, and only from a page of this server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from salus.app.house import House
from salus.app.refusals import NotSignedIn
from salus.errors import InputError
from salus.server.auth import FORM
from salus.server.service import body, origin, service, trust
from salus.web.browser import browser, check_csrf

UPLOAD = "multipart/form-data"
MAX_FIELDS = 40
MAX_FORM = 256 << 10
"""Bytes of a form of somebody who is signed in."""
MAX_FILE = 256 << 10


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, each as often as it was sent."""

    pairs: tuple[tuple[str, str], ...]

    def one(self, name: str) -> str:
        """A field that is sent once; "" where it was not sent. Raises InputError where it was sent more often."""
        found = self.every(name)
        if len(found) > 1:
            raise InputError("a field that came twice", where=name)
        return found[0] if found else ""

    def every(self, name: str) -> tuple[str, ...]:
        """All values of a field."""
        return tuple(value for key, value in self.pairs if key == name)


async def read(request: Request) -> Form:
    """A posted form. Raises NotAllowed where it does not come from a page of this server.

    Of somebody who is not signed in only a short form is read, as signing in needs.
    """
    here, by = service(request), _sender(request)
    data = await body(request, FORM, limit=MAX_FORM if by else here.limits.unknown, by=by)

    def parse(_: House) -> Form:
        try:
            pairs = parse_qsl(data.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError:
            raise InputError("not a form of this page") from None
        return Form(tuple(pairs))

    form = await here.workers.run(parse, by or origin(request))
    check_csrf(request, form.one("csrf"))
    return form


async def read_file(request: Request, name: str) -> bytes:
    """The file of a form that somebody who is signed in posted. Raises NotAllowed as :func:`read` does."""
    here, by = service(request), _sender(request)
    if not by:
        raise NotSignedIn("nobody is signed in")
    data = await body(request, UPLOAD, limit=2 * MAX_FILE, by=by)
    headers = request.headers

    def parse(_: House) -> tuple[str, bytes | None]:
        return asyncio.run(_parts(headers, data, name))  # a thread of its own: nothing of it waits for another

    token, content = await here.workers.run(parse, by)
    check_csrf(request, token)
    if content is None:
        raise InputError("choose a file")
    if not content or len(content) > MAX_FILE:
        raise InputError(f"the file is empty, or longer than {MAX_FILE // 1024} KiB")
    return content


def _sender(request: Request) -> str:
    """The actor whose web session the cookie belongs to; "" where nobody is signed in."""
    web_session = browser(request).web_session
    if web_session is None:
        return ""
    trust(request)
    return web_session.actor.id


async def _parts(headers: Headers, data: bytes, name: str) -> tuple[str, bytes | None]:
    """The CSRF token of a posted form, and the bytes of its file: None without a file, one byte more than may be read
    where it is too long."""

    async def pieces() -> AsyncIterator[bytes]:
        yield data
        yield b""

    try:
        parser = MultiPartParser(headers, pieces(), max_files=1, max_fields=5)  # type: ignore[arg-type]
        fields: FormData = await parser.parse()
    except (MultiPartException, KeyError, ValueError):
        raise InputError("not a form of this page") from None
    try:
        token, file = fields.get("csrf"), fields.get(name)
        content = await file.read(MAX_FILE + 1) if isinstance(file, UploadFile) else None
        return token if isinstance(token, str) else "", content
    finally:
        await fields.close()
