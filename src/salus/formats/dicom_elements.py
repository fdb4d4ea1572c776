"""A DICOM file's bytes to a data set, and its elements read without surprise.

Whatever is wrong comes out as one :class:`~salus.errors.InputError` that names the tag and a remedy.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

from salus.errors import InputError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAX_INFLATED = 1 << 28
"""Bytes that a deflated file may grow to."""

DEFLATED = "1.2.840.10008.1.2.1.99"

_KEPT: Mapping[str, str] = {
    "1.2.840.10008.5.1.4.1.1.66.4": "segmentation",
    "1.2.840.10008.5.1.4.1.1.67": "real world value mapping",
    "1.2.840.10008.5.1.4.1.1.88.": "structured report",
    "1.2.840.10008.5.1.4.1.1.104.1": "encapsulated document",
    "1.2.840.10008.5.1.4.1.1.11.": "presentation state",
    "1.2.840.10008.5.1.4.1.1.481.": "radiotherapy object",
    "1.2.840.10008.1.3.10": "media directory",
}
"""Kinds of object that the record keeps but no reader opens yet: SOP class UIDs or their stems (PS3.4, table B.5-1)."""
_RT_IMAGE = "1.2.840.10008.5.1.4.1.1.481.1"


def kept_as(sop_class_uid: str) -> str:
    """Name of the kind of DICOM object that salus keeps without reading it; "" for images."""
    if sop_class_uid == _RT_IMAGE:
        return ""
    return next((kind for stem, kind in _KEPT.items() if sop_class_uid.startswith(stem)), "")


def is_dicom(start: bytes) -> bool:
    """True when ``start`` (at least the first 132 bytes) begins as PS3.10 says: a preamble of 128 bytes, then DICM."""
    return start[128:132] == b"DICM"


def load(data: bytes) -> Dataset:
    """``data`` parsed by pydicom (pixels not decoded); every failure as :class:`InputError`."""
    if not is_dicom(data):
        raise InputError("not a DICOM file", "offset 128", "a DICOM file has the letters DICM at offset 128 (PS3.10)")
    from pydicom import dcmread
    from pydicom.filereader import read_dataset

    warnings.filterwarnings("ignore", module=r"pydicom\b")  # its texts quote values, and values are patient data
    try:
        meta_end = _meta_end(data)
        ds = dcmread(BytesIO(data[:meta_end]))
        syntax = str(ds.file_meta.TransferSyntaxUID)
        if syntax == DEFLATED:
            body = read_dataset(BytesIO(_inflate(data[meta_end:])), is_implicit_VR=False, is_little_endian=True)
            body.file_meta = ds.file_meta
            return body
        return dcmread(BytesIO(data))
    except InputError:
        raise
    except Exception as error:  # a parser of hostile bytes has no closed list of exceptions
        raise InputError(
            f"cannot be read as DICOM ({type(error).__name__})", remedy="the file is cut short or damaged: export again"
        ) from error


def _meta_end(data: bytes) -> int:
    """Offset where the file meta information ends: by its group length (0002,0000), else where its elements end."""
    if data[132:140] == b"\x02\x00\x00\x00UL\x04\x00" and len(data) >= 144:
        end = 144 + int.from_bytes(data[140:144], "little")
    else:
        end = _walked(data)
    if end > len(data):
        raise InputError("the file ends within its file meta information", "(0002,0000)", "export the file again")
    return end


def _walked(data: bytes) -> int:
    """The end of the elements of group 0002 (explicit VR little endian), of which a writer left out the length."""
    at = 132
    while data[at : at + 2] == b"\x02\x00" and at < len(data):
        long = data[at + 4 : at + 6] in (b"OB", b"OW", b"SQ", b"UN", b"UT")
        size = data[at + 8 : at + 12] if long else data[at + 6 : at + 8]
        at += (12 if long else 8) + int.from_bytes(size, "little")
    if at == 132:
        raise InputError("no file meta information", "(0002,0000)", "write the file again as PS3.10 asks")
    return at


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        out = stream.decompress(data, MAX_INFLATED)
    except zlib.error as error:
        raise InputError("the deflated data set is damaged", "after the file meta", "export the file again") from error
    if stream.unconsumed_tail:
        raise InputError(
            f"the deflated data set grows beyond {MAX_INFLATED >> 20} MiB", "after the file meta", "export it plain"
        )
    if not stream.eof:
        raise InputError("the deflated data set is cut short", "after the file meta", "export the file again")
    return out


def tag(keyword: str) -> str:
    """``keyword`` with its tag in front: "(0028,0010) Rows"."""
    from pydicom.datadict import tag_for_keyword

    number = tag_for_keyword(keyword) or 0
    return f"({number >> 16:04X},{number & 0xFFFF:04X}) {keyword}"


def element(ds: Dataset, keyword: str) -> Any:
    """The value of an element, None when it is absent or empty. Raises :class:`InputError` when it is malformed."""
    try:
        value = ds.get(keyword)
    except Exception as error:  # pydicom converts lazily, so anything may come out here
        raise InputError("the element is malformed", tag(keyword), "export the file again") from error
    return None if value is None or value == "" else value


def text(ds: Dataset, keyword: str) -> str:
    """An element as text, several values joined by a backslash."""
    value = element(ds, keyword)
    if value is None:
        return ""
    return "\\".join(map(str, value)) if _is_multi(value) else str(value).strip()


def integer(ds: Dataset, keyword: str) -> int | None:
    """An element as one integer; None when absent."""
    found = numbers(ds, keyword)
    if not found:
        return None
    if found[0] != int(found[0]):
        raise InputError("not an integer", tag(keyword), "export the file again")
    return int(found[0])


def numbers(ds: Dataset, keyword: str) -> tuple[float, ...]:
    """An element as finite numbers; () when absent. Raises :class:`InputError` when one of them is not a number."""
    value = element(ds, keyword)
    if value is None:
        return ()
    if isinstance(value, str):  # a number written with a VR of text
        value = value.split("\\")
    try:
        found = tuple(float(v) for v in (value if _is_multi(value) else [value]))
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError("not a number", tag(keyword), "export the file again") from error
    if any(abs(v) > 1e30 or v != v for v in found):
        raise InputError("not a finite number", tag(keyword), "export the file again")
    return found


def _is_multi(value: Any) -> bool:
    from pydicom.multival import MultiValue  # a person's name can be iterated too, but is one value

    return isinstance(value, MultiValue | list | tuple)
