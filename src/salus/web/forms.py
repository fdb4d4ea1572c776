"""Forms as they come back: read in bounded size, and only from a page of this server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from salus.errors import InputError
from salus.server.auth import FORM
from salus.server.service import body
from salus.web.asker import check_word

UPLOAD = "multipart/form-data"
MAX_FIELDS = 40
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
    """A posted form. Raises NotAllowed where it does not come from a page of this server."""
    data = await body(request, FORM)
    try:
        pairs = parse_qsl(data.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise InputError("not a form of this page") from None
    form = Form(tuple(pairs))
    check_word(request, form.one("word"))
    return form


async def read_file(request: Request, name: str) -> bytes:
    """The file of a posted form. Raises NotAllowed as :func:`read` does."""
    data = await body(request, UPLOAD)

    async def pieces() -> AsyncIterator[bytes]:
        yield data
        yield b""

    try:
        parser = MultiPartParser(request.headers, pieces(), max_files=1, max_fields=5)  # type: ignore[arg-type]
        fields: FormData = await parser.parse()
    except (MultiPartException, KeyError, ValueError):
        raise InputError("not a form of this page") from None
    try:
        word, file = fields.get("word"), fields.get(name)
        check_word(request, word if isinstance(word, str) else "")
        if not isinstance(file, UploadFile):
            raise InputError("choose a file")
        content = await file.read(MAX_FILE + 1)
    finally:
        await fields.close()
    if not content or len(content) > MAX_FILE:
        raise InputError(f"the file is empty, or longer than {MAX_FILE // 1024} KiB")
    return content
