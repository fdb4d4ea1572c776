"""Pixels of one DICOM object: bounded, checked against the header, decoded by free decoders only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from salus.errors import InputError
from salus.formats.dicom_elements import element, integer, tag, text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAX_SAMPLES = 1 << 28
"""Samples (pixels times colours times frames) that one object may hold: half a gibibyte at 16 bit."""

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
"""Elements that may hold the pixels: one of them in an object."""

DECODERS = ("pydicom", "gdcm", "pylibjpeg", "pyjpegls")
"""pydicom plug-ins that are used where installed. Pillow is not: it reads 16-bit images only in part."""

PACKAGES: Mapping[str, str] = {
    "JPEG 2000": "pylibjpeg and pylibjpeg-openjpeg",
    "High-Throughput": "pylibjpeg and pylibjpeg-openjpeg",
    "JPEG-LS": "pyjpegls",
    "JPEG": "python-gdcm",
}
"""What to install for the transfer syntaxes whose name begins so (pydicom 3, "Supported transfer syntaxes")."""


def frames_of(ds: Dataset) -> NDArray[Any]:
    """Stored values of all frames: (frames, rows, columns), or (frames, rows, columns, 3) in RGB. Integers, or floating
    point where the object holds such (Float Pixel Data, Double Float Pixel Data).

    MONOCHROME1 is left as stored: turning it round is a matter of display. Raises :class:`InputError` when there are
    none, they are fewer than the header says, too many, or compressed in a way that nothing installed can decode.
    """
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    shape = _shape(ds)
    syntax = UID(text(ds.file_meta, "TransferSyntaxUID"))
    if not any(keyword in ds for keyword in PIXELS):
        raise InputError("no pixel data", tag("PixelData"), "a header alone cannot be shown: export with pixels")
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise InputError("an unknown transfer syntax", tag("TransferSyntaxUID"), _DECOMPRESS) from error
    options: dict[str, Any] = {}
    if syntax.is_encapsulated:
        usable = [name for name in DECODERS if name in decoder.available_plugins]
        if not usable:
            package = next((p for stem, p in PACKAGES.items() if syntax.name.startswith(stem)), "")
            remedy = f"install {package}, or {_DECOMPRESS}" if package else _DECOMPRESS
            raise InputError(f"no decoder for {syntax.name} is installed", tag("TransferSyntaxUID"), remedy)
        options["decoding_plugin"] = usable[0]
    else:
        _enough_bytes(ds, shape)
    try:
        pixels, meta = decoder.as_array(ds, **options)
    except Exception as error:  # decoders of hostile bytes have no closed list of exceptions
        raise InputError(
            f"the pixels cannot be decoded ({type(error).__name__})", tag("PixelData"), "export the file again"
        ) from error
    frames, rows, columns, samples = shape
    if palette := text(ds, "PhotometricInterpretation") == "PALETTE COLOR":
        pixels, samples = _coloured(pixels, ds), 3
    colour = (3,) if samples == 3 else ()
    if pixels.size != frames * rows * columns * samples:
        raise InputError("not as many pixels as the header says", tag("PixelData"), "export the file again")
    if colour and not palette and meta.get("photometric_interpretation") != "RGB":
        raise InputError("colours of an unknown kind", tag("PhotometricInterpretation"), "export it as RGB")
    return pixels.reshape(frames, rows, columns, *colour)


def _coloured(indexes: NDArray[Any], ds: Dataset) -> NDArray[Any]:
    """RGB of palette colours by the tables in the file (PS3.3 C.7.6.3.1.5), in their own 8 or 16 bits."""
    from pydicom.pixels.processing import apply_color_lut

    try:
        return apply_color_lut(indexes, ds)
    except Exception as error:  # tables of hostile files have no closed list of exceptions
        raise InputError(
            "the palette of the colours cannot be read", tag("RedPaletteColorLookupTableData"), "export it as RGB"
        ) from error


_DECOMPRESS = "export the series uncompressed (explicit VR little endian)"


def _shape(ds: Dataset) -> tuple[int, int, int, int]:
    rows, columns = integer(ds, "Rows") or 0, integer(ds, "Columns") or 0
    frames, samples = integer(ds, "NumberOfFrames") or 1, integer(ds, "SamplesPerPixel") or 1
    if rows < 1 or columns < 1:
        raise InputError("no rows or no columns", tag("Rows"), "not an image, or its header is damaged")
    if frames < 1 or samples not in (1, 3):
        raise InputError("an impossible number of frames or samples", tag("NumberOfFrames"), "export the file again")
    if frames * rows * columns * samples > MAX_SAMPLES:
        raise InputError(f"more than {MAX_SAMPLES} samples in one object", tag("Rows"), "split the object")
    if integer(ds, "BitsAllocated") not in (1, 8, 16, 32, 64):
        raise InputError("bits allocated must be 1, 8, 16, 32 or 64", tag("BitsAllocated"), "export the file again")
    return frames, rows, columns, samples


def _enough_bytes(ds: Dataset, shape: tuple[int, int, int, int]) -> None:
    frames, rows, columns, samples = shape
    bits = frames * rows * columns * samples * (integer(ds, "BitsAllocated") or 16)
    if text(ds, "PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3
    held = max(len(element(ds, keyword) or b"") for keyword in PIXELS)
    if held * 8 < bits:
        raise InputError(
            f"{held} bytes of pixels where the header needs {(bits + 7) // 8}",
            tag("PixelData"),
            "the file is cut short: export it again",
        )
