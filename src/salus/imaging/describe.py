"""Method imaging.volume: what an image series is and how it lies in the patient, with a picture of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from salus.errors import InputError
from salus.fhir.blobs import Blob
from salus.findings.method import Context
from salus.findings.model import Evidence, Finding, MediaItem
from salus.record.chart import Chart

MAX_PICTURES = 4
NOT_COMPUTED = "read from the image's header, not measured"


class ImageVolume:
    """Every image series of the chart as a geometry-true volume, or why it cannot be read as one."""

    id = "imaging.volume"
    version = "1.0.0"
    title = "Image series"
    intended_use = "Shows a professional which images there are, their size, resolution and orientation."
    inputs = ("image",)
    produces = ("image-volume",)
    consumes = ()
    population = "Anyone with a DICOM series or NIfTI volume; what has no orientation is shown without sides."
    references = (
        "DICOM PS3.3 C.7.6.2.1.1, Image Position and Image Orientation (Patient)",
        "NIfTI-1 data format, methods 2 and 3 of orientation",
    )
    licence = "Apache-2.0"
    limits = (
        "The thumbnail is not for diagnosis.",
        "Segmentations, structured reports and radiotherapy objects are kept but not read.",
        "JPEG, JPEG-LS and JPEG 2000 need a decoder that is not part of the core.",
    )

    def run(self, chart: Chart, context: Context) -> Iterable[Finding]:
        """One finding for each series."""
        return [_describe(blob) for blob in chart.images() if not blob.meta.get("kept-as")]


def _describe(blob: Blob) -> Finding:
    from salus.imaging.series import day_of, read
    from salus.imaging.volume import has_geometry

    effective = (day_of(blob), day_of(blob))
    try:
        series = read(blob)
    except InputError as error:
        return Finding(
            code="image-volume",
            sentence=f"An image series of {len(blob.parts)} files cannot be read as a volume: {error.what}.",
            status="not-assessable",
            reason=f"{error.where}: {error.what}" if error.where else error.what,
            needs=(error.remedy or "the series, exported again",),
            effective=effective,
            target=blob.source.ref,
            evidence=(Evidence(blob.source, label="image series"),),
        )
    volume = series.volume
    middle = len(volume.array) // 2
    return Finding(
        code="image-volume",
        sentence=_sentence(volume, len(series.others)),
        value=volume.modality or "modality not stated",
        no_uncertainty=NOT_COMPUTED,
        effective=effective,
        target=blob.source.ref,
        evidence=(
            Evidence(blob.source, label="image series"),
            Evidence.of_blob(blob, series.part(middle), "middle slice", frame=middle),
        ),
        details=_details(volume, has_geometry(volume)),
        media=_pictures(series, has_geometry(volume)),
        patient_sentence="There are images of you in your record.",
    )


def _sentence(volume: Any, others: int) -> str:
    from salus.imaging.volume import has_geometry, spacing

    slices, rows, columns = volume.array.shape[:3]
    name = volume.modality or "image of unstated modality"
    if not has_geometry(volume):
        more = f", and {others} more" if others else ""
        return f"{name}: a flat image of {columns} × {rows} pixels without a place in the patient{more}."
    dz, dy, dx = spacing(volume)
    return (
        f"{name}: {slices} slices of {columns} × {rows} pixels, voxels of {dx:.2f} × {dy:.2f} × {dz:.2f} mm, "
        f"in all {dx * columns:.0f} × {dy * rows:.0f} × {dz * slices:.0f} mm."
    )


def _details(volume: Any, placed: bool) -> dict[str, Any]:
    from salus.imaging.series import decimal
    from salus.imaging.volume import spacing

    slices, rows, columns = volume.array.shape[:3]
    details: dict[str, Any] = {
        "modality": volume.modality,
        "unit": volume.unit,
        "columns": columns,
        "rows": rows,
        "slices": slices,
        "frame_of_reference": volume.frame_of_reference,
        "instances": len(volume.sources),
        "losses": list(volume.losses),
    }
    if placed:
        edges = spacing(volume)[::-1]
        details["spacing_mm"] = [decimal(edge, 4) for edge in edges]
        details["extent_mm"] = [decimal(e * n, 1) for e, n in zip(edges, (columns, rows, slices), strict=True)]
        details["origin_lps_mm"] = [decimal(float(v), 3) for v in volume.affine[:3, 3]]
    return details


def _pictures(series: Any, placed: bool) -> tuple[MediaItem, ...]:
    from salus.imaging.thumbnail import HOUNSFIELD, SOFT_TISSUE_WINDOW, thumbnail

    volume = series.volume
    window = volume.window or (SOFT_TISSUE_WINDOW if volume.unit == HOUNSFIELD else None)
    inverted = series.header is not None and series.header.photometric_interpretation == "MONOCHROME1"
    if not placed:
        return tuple(
            MediaItem(
                "thumbnail", f"{volume.modality or 'Image'} {number}", "image/png", thumbnail(v, inverted=inverted)
            )
            for number, v in enumerate((volume, *series.others)[:MAX_PICTURES], 1)
        )
    planes: tuple[Any, ...] = ("axial", "coronal") if len(volume.array) > 1 else ("axial",)
    return tuple(
        MediaItem(
            "thumbnail",
            f"{volume.modality or 'Image'}, {plane} plane through the middle",
            "image/png",
            thumbnail(volume, plane=plane, window=window, inverted=inverted),
        )
        for plane in planes
    )


METHOD = ImageVolume()
