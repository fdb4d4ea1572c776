"""From a blob in the chart to a volume, and back from a slice to the file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from salus.fhir.blobs import Blob
from salus.formats.dicom import DicomHeader
from salus.formats.types import Volume


@dataclass(frozen=True, slots=True)
class Series:
    """A decoded image series: its volume (of several flat images the first), the header of its first file (DICOM),
    each file's place in the blob, and the other flat images."""

    volume: Volume
    header: DicomHeader | None
    part_of: Mapping[str, int] = field(default_factory=dict)
    others: tuple[Volume, ...] = ()

    def part(self, index: int) -> int:
        """The blob's part that holds slice ``index`` of the volume."""
        sources = self.volume.sources
        uid = sources[index] if len(sources) == len(self.volume.array) else next(iter(sources), "")
        return self.part_of.get(uid, 0)


def read(blob: Blob) -> Series:
    """The series in a blob of format "dicom" or "nifti". Raises :class:`InputError` for what the readers refuse."""
    from salus.formats import dicom, nifti

    if blob.format == "nifti":
        return Series(nifti.read_volume(blob.read(0)), None)
    files = [blob.read(index) for index in range(len(blob.parts))]
    headers = [dicom.read_header(data) for data in files]
    places = {header.sop_instance_uid: index for index, header in enumerate(headers)}
    first, *others = dicom.read_images(files)
    return Series(first, headers[0], places, tuple(others))


def decimal(value: float, places: int) -> Decimal:
    """A computed number as a Decimal with ``places`` decimals."""
    return Decimal(f"{value:.{places}f}")


def day_of(blob: Blob) -> str:
    """The date of the image as the record has it; "" where it has none."""
    return blob.effective.text if blob.effective else ""
