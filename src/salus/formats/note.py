"""Free-text notes: bytes to text, without a guess and without moving any offset.

UTF-8 (with or without byte order mark) and UTF-16 with byte order mark are known by themselves; anything else needs its
encoding named. A named encoding does not hold for what is UTF-8 by its bytes (:func:`is_utf8`). Line ends stay as they
are: offsets of findings count code points of the text returned here.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from salus.errors import InputError

MAX_BYTES = 16 * 1024 * 1024
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_NAME_ONE = "name one (--encoding NAME) such as windows-1252 or iso-8859-1"


@dataclass(frozen=True, slots=True)
class Note:
    """A note's text (byte order mark taken off, nothing else changed) and the encoding it was read with."""

    text: str
    encoding: str


def read_note(data: bytes, encoding: str | None = None, *, name: str = "note", limit: int = MAX_BYTES) -> Note:
    """The text of a note.

    ``encoding`` is needed only for what is neither UTF-8 nor UTF-16 with byte order mark, and is not used for what
    :func:`is_utf8` knows by its bytes: in one folder notes of both kinds may lie. Raises InputError for more than
    ``limit`` bytes, an unknown encoding, bytes that cannot be decoded (with their position) and a NUL.
    """
    if len(data) > limit:
        raise InputError(
            f"a note of {len(data)} bytes is over the limit of {limit}", name, "split it into single notes"
        )
    mark, found = next(((bom, codec) for bom, codec in _BOMS if data.startswith(bom)), (b"", "utf-8"))
    if found == "utf-32":
        raise InputError("the note is UTF-32", f"{name}, byte 0", "save it as UTF-8")
    codec = _codec(encoding, name) if encoding else found
    if encoding and is_utf8(data):
        encoding, codec = None, "utf-8"
    # A named encoding rules, but a mark it would itself write is no part of the text.
    skipped = len(mark) if not encoding or codecs.lookup(found).name == codec or (mark and codec == "utf-16") else 0
    text = _decode(data[skipped:], found if codec == "utf-16" and mark else codec, skipped, name)
    nul = text.find("\0")
    if nul >= 0:
        raise InputError(
            "a NUL stands in the note",
            f"{name}, character {nul}",
            "this is not a text file, or not in the encoding named",
        )
    return Note(text, codec)


def is_utf8(data: bytes) -> bool:
    """True for bytes that can hardly be anything but UTF-8: valid as it, with a character outside ASCII and no NUL.

    In UTF-8 every such character is a lead byte with as many continuation bytes as it announces (RFC 3629, section 3:
    other encodings are unlikely to look so); in ASCII alone the two do not differ, and a named encoding rules.
    """
    if data.isascii() or b"\0" in data:
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _codec(encoding: str, name: str) -> str:
    try:
        info = codecs.lookup(encoding)
    except (LookupError, ValueError):
        raise InputError("the encoding named is not known", name, _NAME_ONE) from None
    if not info._is_text_encoding:
        raise InputError(
            "the encoding named is not one of text",
            name,
            _NAME_ONE,
        )
    return info.name


def _decode(data: bytes, codec: str, skipped: int, name: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        where = f"{name}, byte {error.start + skipped}"
    except UnicodeError:
        where = name
    raise InputError(f"the note is not {codec}", where, "name its encoding (--encoding NAME), for example windows-1252")
