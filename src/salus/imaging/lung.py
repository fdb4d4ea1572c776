"""Lungs in a chest CT: segmentation by air threshold, volume, density. Refuses what it cannot judge.

Steps (after S. Hu, E. A. Hoffman, J. M. Reinhardt, IEEE Trans Med Imaging 2001;20:490-8, doi:10.1109/42.929615:
threshold, separate left and right, smooth by morphology): air inside the body; trachea and main bronchi traced from
the top and taken out; the two large regions that remain, parted where they touch; each filled and closed in the axial
plane, so that vessels and nodules inside the lung belong to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from salus.errors import InputError
from salus.formats.types import Volume
from salus.imaging.volume import anatomical, spacing, voxel_ml

Mask = NDArray[np.bool_]

AIR_HU = -400
"""Half way between aerated lung (about -850 HU) and soft tissue (about 50 HU): unbiased where a voxel holds both."""
LAA_HU = -950
"""Low attenuation area: voxels at or below -950 HU on an inspiratory scan (J. D. Schroeder et al., AJR 2013;201:W460,
doi:10.2214/AJR.12.10102). Against pathology -950 HU fitted best: P. A. Gevenois et al., AJRCCM 1995;152:653-7."""
MAX_AIRWAY_MM2 = 900.0
"""Cross-section beyond which a region is no longer taken for trachea or main bronchi."""
MIN_AIRWAY_MM2 = 40.0
MIDLINE_MM = 30.0
MIN_TRACHEA_MM = 20.0
CLOSING_MM = 5.0
SMALLER_LUNG = 0.25
"""The smaller lung's least part of both: below it, one lung is hardly aerated or not in the picture."""
MIN_LUNG_ML = 200.0
GAS_HU = -980.0
"""A region whose median lies at or below this is gas without lung tissue (bowel, pneumothorax)."""


@dataclass(frozen=True, slots=True)
class Lungs:
    """Segmented lungs. ``labels`` (slices, rows, columns) in the axes of ``volume`` (see
    :func:`salus.imaging.volume.anatomical`): 1 the right lung, 2 the left. ``cut_off`` tells whether a lung reaches
    the lowest or highest slice, so that its volume is only a lower bound."""

    volume: Volume
    labels: NDArray[np.uint8]
    airway_ml: float
    cut_off: bool


@dataclass(frozen=True, slots=True)
class LungMeasures:
    """Volumes in mL, densities in HU, ``laa950`` as a fraction of the lung volume. The ``*_bounds`` follow from moving
    the whole lung surface by half a voxel inwards and outwards: they bound the error of discretisation only."""

    volume_ml: float
    volume_bounds: tuple[float, float]
    right_ml: float
    left_ml: float
    mean_hu: float
    percentile_15_hu: float
    laa950: float
    laa950_bounds: tuple[float, float]


def segment(volume: Volume) -> Lungs:
    """The two lungs in a CT volume in Hounsfield units.

    Raises :class:`InputError`, whose remedy is what would settle it, when the image is not in Hounsfield units or has
    no geometry, no air is enclosed in a body, or there are not two regions of comparable size side by side.
    """
    if volume.unit != "[hnsf'U]":
        raise InputError("the image is not in Hounsfield units", remedy="a chest CT in Hounsfield units")
    turned = anatomical(volume)
    air, middle = _enclosed_air(turned)
    if not air.any():
        raise InputError(
            "no air enclosed by the body is in the picture: not a chest, or the field of view cuts through it",
            remedy="a CT whose field of view holds both lungs",
        )
    window = ndimage.find_objects(air.astype(np.uint8))[0]
    edges = spacing(turned)
    inside = air[window]
    airway = _airway(inside, edges, middle[window[0]] - window[2].start)
    right, left = _two_lungs(inside & ~airway, turned.array[window], edges, voxel_ml(turned))
    labels = np.zeros(air.shape, np.uint8)
    part = labels[window]
    # the right lung is closed first; where both closings meet, voxels stay with it
    for label, lung in ((1, right), (2, left)):
        part[_closed(lung, edges) & ~airway & (part == 0)] = label
    part[left] = 2
    cut_off = bool(labels[0].any() or labels[-1].any())
    return Lungs(turned, labels, float(airway.sum()) * voxel_ml(turned), cut_off)


def measure(lungs: Lungs) -> LungMeasures:
    """Volume and density of both lungs, vessels inside them included, trachea and main bronchi not."""
    mask = lungs.labels > 0
    each = voxel_ml(lungs.volume)
    count = int(mask.sum())
    inner, outer = _surface(mask)
    values: NDArray[Any] = lungs.volume.array[mask]
    low = int((values <= LAA_HU).sum())
    smallest, largest = count - inner / 2, count + outer / 2
    return LungMeasures(
        volume_ml=count * each,
        volume_bounds=(smallest * each, largest * each),
        right_ml=float((lungs.labels == 1).sum()) * each,
        left_ml=float((lungs.labels == 2).sum()) * each,
        mean_hu=float(values.mean(dtype=np.float64)),
        percentile_15_hu=float(np.percentile(values, 15)),
        laa950=low / count,
        laa950_bounds=(low / largest, min(1.0, low / smallest)),
    )


def _enclosed_air(volume: Volume) -> tuple[Mask, NDArray[np.float64]]:
    """Air inside the body, slice by slice, and the body's middle column in each slice.

    The body is the largest connected tissue in the slice, filled. Thin shells (the table) are opened away first.
    """
    hu: NDArray[Any] = volume.array
    _, dy, dx = spacing(volume)
    step = max(1, round(1.0 / max(dy, dx)))
    reach = int(2.0 / (max(dy, dx) * step))
    disk = _disk(reach)
    air = np.zeros(hu.shape, np.bool_)
    middle = np.full(hu.shape[0], hu.shape[2] / 2)
    for k in range(hu.shape[0]):
        tissue = hu[k, ::step, ::step] > AIR_HU
        if reach:
            tissue = ndimage.binary_opening(tissue, disk)
        regions, found = ndimage.label(tissue)
        if not found:
            continue
        body = regions == np.bincount(regions.ravel())[1:].argmax() + 1
        columns = np.nonzero(body.any(axis=0))[0]
        middle[k] = step * (columns[0] + columns[-1]) / 2
        filled = ndimage.binary_fill_holes(body)
        whole = filled.repeat(step, axis=0).repeat(step, axis=1)[: hu.shape[1], : hu.shape[2]]
        air[k] = (hu[k] <= AIR_HU) & whole
    return air, middle


def _disk(reach: int) -> Mask:
    rows, columns = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(rows**2 + columns**2 <= reach**2)


def _airway(air: Mask, edges: tuple[float, float, float], middle: NDArray[np.float64]) -> Mask:
    """Trachea and main bronchi, as far as they are apart from the lung in the axial plane; empty if none is found."""
    dz, dy, dx = edges
    out = np.zeros(air.shape, np.bool_)
    current: Mask | None = None
    start = -1
    for k in range(air.shape[0] - 1, -1, -1):
        regions, found = ndimage.label(air[k])
        areas = np.bincount(regions.ravel(), minlength=found + 1) * dy * dx
        if current is None:
            if k < air.shape[0] // 2:
                break
            current = _trachea(regions, areas, middle[k], dx)
            start = k
        else:
            before = np.bincount(regions[current], minlength=found + 1)[1:]
            limit = min(MAX_AIRWAY_MM2, 3 * float(current.sum()) * dy * dx)
            follow = [i + 1 for i in np.nonzero(before)[0] if areas[i + 1] <= limit]
            current = np.isin(regions, follow) if follow else None
            if current is None:
                break
        if current is not None:
            out[k] = current
    long_enough = start >= 0 and out.any(axis=(1, 2)).sum() * dz >= MIN_TRACHEA_MM
    return out if long_enough else np.zeros_like(out)


def _trachea(regions: NDArray[Any], areas: NDArray[Any], middle: float, dx: float) -> Mask | None:
    """The region of a slice that may be the trachea: of its size, nearest to the middle and not far from it."""
    best, distance = 0, MIDLINE_MM
    for label in range(1, len(areas)):
        if MIN_AIRWAY_MM2 <= areas[label] <= MAX_AIRWAY_MM2:
            columns = np.nonzero((regions == label).any(axis=0))[0]
            off = abs((columns[0] + columns[-1]) / 2 - middle) * dx
            if off <= distance:
                best, distance = label, off
    return regions == best if best else None


def _two_lungs(air: Mask, hu: NDArray[Any], edges: tuple[float, float, float], each: float) -> tuple[Mask, Mask]:
    """The right and the left lung among the regions of enclosed air, parted when they touch."""
    regions, _ = ndimage.label(air)
    sizes = np.bincount(regions.ravel())
    sizes[0] = 0
    first, second = (int(i) for i in np.argsort(sizes)[::-1][:2]) if len(sizes) > 2 else (int(sizes.argmax()), 0)
    if sizes[first] * each < MIN_LUNG_ML:
        raise InputError("no region the size of a lung is in the picture", remedy="a CT that holds both lungs")
    one, other = regions == first, regions == second
    if second == 0 or sizes[second] < SMALLER_LUNG * (sizes[first] + sizes[second]):
        parted = _parted(one)
        if parted is None:
            raise InputError(
                "two lungs of comparable size are not to be seen: one is not in the picture, hardly aerated or absent",
                remedy="a CT that holds both lungs, or a radiologist's reading",
            )
        one, other = parted
    for lung in (one, other):
        if np.median(hu[lung]) <= GAS_HU:
            raise InputError("a large region holds gas without lung tissue", remedy="a radiologist's reading")
    return _by_side(one, other, edges)


def _by_side(one: Mask, other: Mask, edges: tuple[float, float, float]) -> tuple[Mask, Mask]:
    """The two in the order right, left; they must lie side by side and overlap in height."""
    boxes = [ndimage.find_objects(lung.astype(np.uint8))[0] for lung in (one, other)]
    centres = [ndimage.center_of_mass(lung) for lung in (one, other)]
    overlap = min(b[0].stop for b in boxes) - max(b[0].start for b in boxes)
    shorter = min(b[0].stop - b[0].start for b in boxes)
    apart = abs(centres[0][2] - centres[1][2]) * edges[2]
    if overlap < shorter / 2 or apart < MIDLINE_MM:
        raise InputError("the two large regions of air do not lie side by side", remedy="a CT of the whole chest")
    return (one, other) if centres[0][2] < centres[1][2] else (other, one)


def _parted(lungs: Mask) -> tuple[Mask, Mask] | None:
    """One region cut in two where it is thin: eroded until it falls apart, then both halves grown back within it."""
    cross = ndimage.generate_binary_structure(3, 1)
    core = lungs
    for depth in range(1, 6):
        core = ndimage.binary_erosion(core, cross)
        regions, found = ndimage.label(core)
        if found < 2:
            continue
        sizes = np.bincount(regions.ravel())
        sizes[0] = 0
        second, first = (int(i) for i in np.argsort(sizes)[-2:])
        if sizes[second] < SMALLER_LUNG * (sizes[first] + sizes[second]):
            continue
        halves = [regions == first, regions == second]
        for _ in range(4 * depth):
            for index in (0, 1):
                grown = ndimage.binary_dilation(halves[index], cross, mask=lungs)
                halves[index] = grown & ~halves[1 - index]
        return halves[0], halves[1]
    return None


def _closed(lung: Mask, edges: tuple[float, float, float]) -> Mask:
    """Holes filled and dents narrower than twice CLOSING_MM closed, in each axial slice."""
    out = lung.copy()
    sampling = edges[1:]
    margin = [int(np.ceil(CLOSING_MM / edge)) + 1 for edge in sampling]
    for k in range(lung.shape[0]):
        rows, columns = np.nonzero(lung[k].any(axis=1))[0], np.nonzero(lung[k].any(axis=0))[0]
        if not rows.size:
            continue
        area = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        flat = np.pad(lung[k][area], [(m, m) for m in margin])
        near = ndimage.distance_transform_edt(~flat, sampling=sampling) <= CLOSING_MM
        closed = ndimage.distance_transform_edt(near, sampling=sampling) > CLOSING_MM
        filled = ndimage.binary_fill_holes(closed | flat)
        out[k][area] = filled[margin[0] : -margin[0], margin[1] : -margin[1]]
    return out


def _surface(mask: Mask) -> tuple[int, int]:
    """Number of voxels just inside and just outside the mask's surface (sharing a face with the other side)."""
    cross = ndimage.generate_binary_structure(3, 1)
    corners = ndimage.find_objects(mask.astype(np.uint8))[0]
    part = np.pad(mask[corners], 1)
    inner = part & ~ndimage.binary_erosion(part, cross)
    outer = ndimage.binary_dilation(part, cross) & ~part
    return int(inner.sum()), int(outer.sum())
