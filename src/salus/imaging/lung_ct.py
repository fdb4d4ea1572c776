"""Method imaging.lung-ct: volume of both lungs and share of low attenuation (emphysema index) from a chest CT."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from salus.errors import InputError
from salus.fhir.blobs import Blob
from salus.fhir.quantity import Quantity
from salus.findings.method import Context
from salus.findings.model import Evidence, Finding, Interval, MediaItem, Proposal
from salus.findings.strength import Grade, Strength
from salus.record.chart import Chart

if TYPE_CHECKING:
    from salus.imaging.lung import LungMeasures, Lungs
    from salus.imaging.series import Series

ADULT_YEARS = 18
MAX_SLICE_MM = 5.0
"""Lung volume from CT was compared with plethysmography on 0.75 and 5 mm contiguous slices (PMC3292389)."""
MAX_DENSITY_MM = 1.25
"""Section thickness up to which the share below a threshold was compared with histology: 1.25 mm (A. Madani et al.,
Radiology 2008;248:1036-41). Thicker sections lower it (D. S. Gierada et al., Acad Radiol 2010;17:146-56); the same
limit is put on the pixels, because it is the same averaging."""
EMPHYSEMA_PERCENT = 5
"""Emphysema by quantitative CT: 5 % or more of the lung volume at or below -950 HU (I. P. Amaza et al.,
Int J COPD 2021;16:1231-42, doi:10.2147/COPD.S284477)."""
RIGHT_SHARE = (0.506, 0.574)
"""Range of the right lung's share in 32 healthy volunteers, supine (PMC7490509, table 3)."""
CHEST_PARTS = ("CHEST", "THORAX", "LUNG", "HEART", "TSPINE", "WHOLEBODY", "CHESTABDOMEN", "CHESTABDPELVIS", "NECKCHEST")
NOT_FOR_THIS_ALONE = "not to be made for this alone"
BOUNDS = "the lung surface moved by half a voxel inwards and outwards; discretisation only"


class LungCT:
    """Lung volume and density of every chest CT in the chart."""

    id = "imaging.lung-ct"
    version = "1.0.0"
    title = "Lung volume and density from CT"
    intended_use = (
        "Gives a professional the volume of both lungs and the share of low attenuation as a prompt to look at the "
        "images and to consider spirometry. Not a diagnosis of emphysema."
    )
    inputs = ("record", "image")
    produces = ("lung-volume", "lung-density-laa950")
    consumes = ()
    population = (
        "Adults (18 years or more at the scan) with a CT that holds both lungs whole; volume: slices up to 5 mm apart; "
        "density: no contrast agent, slices and pixels up to 1.25 mm. Nothing is said of CTs of other regions."
    )
    references = (
        "Hu S, Hoffman EA, Reinhardt JM. IEEE Trans Med Imaging 2001;20:490-8. doi:10.1109/42.929615",
        "Schroeder JD et al. AJR 2013;201:W460-70. doi:10.2214/AJR.12.10102",
        "Gevenois PA et al. Am J Respir Crit Care Med 1995;152:653-7. doi:10.1164/ajrccm.152.2.7633722",
        "Gierada DS et al. Acad Radiol 2010;17:146-56. doi:10.1016/j.acra.2009.08.007",
        "Madani A et al. Radiology 2008;248:1036-41. doi:10.1148/radiol.2483071434",
        "Amaza IP et al. Int J COPD 2021;16:1231-42. doi:10.2147/COPD.S284477",
        "NICE guideline NG115, chronic obstructive pulmonary disease in over 16s (2018, updated 2019)",
    )
    licence = "Apache-2.0"
    limits = (
        "Measured on trunks drawn by us alone: no patient's scan was tried.",
        "Whether the breath was held at full inspiration is not in the file; shallow breath lowers volume and share.",
        "Noise, sharp kernels and the scanner's calibration change the share and are not in its bounds.",
        "Consolidation, effusion and masses at the lung's edge are left out of the volume.",
        "On drawn trunks the share came out lower by 12 to 19 % of itself: voxels at a rim count as denser.",
        "A radiologist must look first: cysts, bullae, trapped air and old age also lower attenuation.",
    )

    def run(self, chart: Chart, context: Context) -> Iterable[Finding]:
        """Findings for each CT series that may show the chest."""
        found: list[Finding] = []
        for blob in chart.images():
            found += _assess(chart, blob)
        return found


@dataclass(frozen=True, slots=True)
class _Scan:
    """A chest CT as far as it was read. ``thickness`` of a slice in mm, None where the file does not say."""

    blob: Blob
    series: Series
    day: str

    @property
    def thickness(self) -> float | None:
        return self.series.header.slice_thickness if self.series.header else None


def _assess(chart: Chart, blob: Blob) -> list[Finding]:
    from salus.imaging.lung import measure, segment
    from salus.imaging.series import day_of, read
    from salus.imaging.volume import spacing

    if blob.meta.get("modality", "CT") not in ("", "CT") or blob.meta.get("kept-as"):
        return []
    try:
        series = read(blob)
    except InputError:
        return []  # imaging.volume says of every series that cannot be read why
    if not _may_show_chest(series):
        return []
    scan = _Scan(blob, series, day_of(blob))
    refusal = _not_eligible(chart, scan, spacing(series.volume)[0])
    if refusal:
        return [_refuse(scan, code, *refusal) for code in LungCT.produces]
    try:
        lungs = segment(series.volume)
    except InputError as error:
        return [_refuse(scan, code, error.what, error.remedy or "a chest CT") for code in LungCT.produces]
    measures = measure(lungs)
    if lungs.cut_off:
        reason = f"a lung goes on beyond the first or last slice; in the picture are {measures.volume_ml:.0f} mL"
        return [_refuse(scan, code, reason, "a CT that holds both lungs whole") for code in LungCT.produces]
    evidence, details = _evidence(scan, lungs)
    return [
        _volume_finding(scan, lungs, measures, evidence, details),
        _density_finding(chart, scan, measures, evidence, details),
    ]


def _may_show_chest(series: Series) -> bool:
    volume, header = series.volume, series.header
    if header is None or volume.modality != "CT" or len(volume.array) < 2:
        return False  # a NIfTI file states neither modality nor unit, so its numbers are not taken for Hounsfield units
    part = header.body_part.upper().replace("_", "").replace(" ", "")
    return not part or part in CHEST_PARTS


def _not_eligible(chart: Chart, scan: _Scan, between: float) -> tuple[str, str] | None:
    """Why the person or the scan is outside the method's population, and what would settle it."""
    if scan.blob.effective is None:
        return "the date of the scan is not known", "the date of the scan"
    age = chart.patient.age(scan.blob.effective.start)
    if age is None:
        return "the age at the scan is not known", "the date of birth"
    if age < ADULT_YEARS:
        return "the method holds for adults only", "a reading by a paediatric radiologist"
    if between > MAX_SLICE_MM + 0.01:
        return (
            f"slices are {between:.1f} mm apart, more than {MAX_SLICE_MM:g} mm",
            "a reconstruction with thinner slices",
        )
    return None


def _refuse(scan: _Scan, code: str, reason: str, need: str) -> Finding:
    what = "Lung volume" if code == "lung-volume" else "Lung density"
    return Finding(
        code=code,
        sentence=f"{what} cannot be told from this CT: {reason}.",
        status="not-assessable",
        reason=reason,
        needs=(f"{need} ({NOT_FOR_THIS_ALONE})" if "CT" in need else need,),
        effective=(scan.day, scan.day),
        target=scan.blob.source.ref,
        evidence=(Evidence(scan.blob.source, label="CT series"),),
    )


def _evidence(scan: _Scan, lungs: Lungs) -> tuple[tuple[Evidence, ...], dict[str, Any]]:
    """The series, and the slice with the largest lung section with a box around it, in stored rows and columns."""
    import hashlib

    import numpy as np

    from salus.imaging.volume import as_stored

    labels = np.ascontiguousarray(as_stored(lungs.labels, scan.series.volume))
    inside = labels > 0
    largest = int(inside.sum(axis=(1, 2)).argmax())
    spans = [np.nonzero(inside.any(axis=axes))[0] for axes in ((1, 2), (0, 2), (0, 1))]
    low, high = [int(s[0]) for s in spans], [int(s[-1]) for s in spans]
    box = [low[2], low[1], high[2], high[1]]
    sources = scan.series.volume.sources
    details = {
        "voxel_box": {"first": low, "last": high, "axes": "slice, row, column of the volume, from 0"},
        "mask_sha256": hashlib.sha256("x".join(map(str, labels.shape)).encode() + b"\0" + labels.tobytes()).hexdigest(),
        "sop_instances": {"count": len(sources), "first": sources[0], "last": sources[-1]},
    }
    shown = Evidence.of_blob(scan.blob, scan.series.part(largest), "largest lung section", frame=largest, box=box)
    return (Evidence(scan.blob.source, label="CT series"), shown), details


def _volume_finding(
    scan: _Scan, lungs: Lungs, found: LungMeasures, evidence: tuple[Evidence, ...], details: Mapping[str, Any]
) -> Finding:
    from salus.imaging.series import decimal
    from salus.imaging.thumbnail import LUNG_WINDOW, thumbnail

    share = found.right_ml / found.volume_ml
    unusual = not RIGHT_SHARE[0] <= share <= RIGHT_SHARE[1]
    remark = (
        f" The right lung makes up {share:.0%}; in 32 volunteers it was 51 to 57 %: a part may be dense or gone."
        if unusual
        else ""
    )
    low, high = (decimal(v, 0) for v in found.volume_bounds)
    middle = int((lungs.labels > 0).sum(axis=(0, 2)).argmax())
    picture = thumbnail(lungs.volume, plane="coronal", index=middle, window=LUNG_WINDOW)
    return Finding(
        code="lung-volume",
        sentence=(
            f"On CT both lungs hold {found.volume_ml:.0f} mL ({low} to {high} mL): right {found.right_ml:.0f} mL, "
            f"left {found.left_ml:.0f} mL.{remark}"
        ),
        value=Quantity(decimal(found.volume_ml, 0), "mL"),
        interval=Interval(low, high, None, BOUNDS),
        effective=(scan.day, scan.day),
        target=scan.blob.source.ref,
        evidence=evidence,
        details={
            **details,
            "right_ml": decimal(found.right_ml, 0),
            "left_ml": decimal(found.left_ml, 0),
            "airway_left_out_ml": decimal(lungs.airway_ml, 0),
        },
        media=(MediaItem("thumbnail", "CT, coronal plane, lung window", "image/png", picture),),
        patient_sentence="The size of your lungs was measured on a scan.",
    )


def _density_finding(
    chart: Chart, scan: _Scan, found: LungMeasures, evidence: tuple[Evidence, ...], details: Mapping[str, Any]
) -> Finding:
    from salus.imaging.series import decimal

    refusal = _density_refusal(scan)
    if refusal:
        return _refuse(scan, "lung-density-laa950", *refusal)
    percent = decimal(100 * found.laa950, 1)
    low, high = (decimal(100 * v, 1) for v in found.laa950_bounds)
    raised = percent >= EMPHYSEMA_PERCENT
    word = "at or above" if raised else "below"
    return Finding(
        code="lung-density-laa950",
        sentence=(
            f"{percent} % of the lung volume ({low} to {high} %) is at or below -950 HU, {word} the "
            f"{EMPHYSEMA_PERCENT} % that quantitative CT takes for emphysema; mean density {found.mean_hu:.0f} HU."
        ),
        value=Quantity(percent, "%"),
        interval=Interval(low, high, None, BOUNDS),
        effective=(scan.day, scan.day),
        target=scan.blob.source.ref,
        evidence=evidence,
        proposals=(_spirometry(percent),) if raised and not _spirometry_since(chart, scan) else (),
        details={
            **details,
            "mean_hu": decimal(found.mean_hu, 0),
            "percentile_15_hu": decimal(found.percentile_15_hu, 0),
            "slice_thickness_mm": decimal(scan.thickness or 0.0, 2),
        },
        patient_sentence=(
            "A scan shows parts of your lungs that hold more air than usual. A breathing test can tell more."
            if raised
            else "The density of your lungs was measured on a scan."
        ),
    )


def _density_refusal(scan: _Scan) -> tuple[str, str] | None:
    from salus.imaging.volume import spacing

    header, thickness = scan.series.header, scan.thickness
    if header is not None and header.contrast:
        return "a contrast agent was given, which raises density", "a chest CT without contrast agent"
    if thickness is None:
        return "the file does not state the slice thickness", "a chest CT with its slice thickness"
    widest = max(thickness, *spacing(scan.series.volume))
    if widest > MAX_DENSITY_MM + 0.01:
        return (
            f"slices or pixels of {widest:.2f} mm, more than {MAX_DENSITY_MM} mm, average low densities away",
            "a thin-section reconstruction of the same scan",
        )
    return None


def _spirometry_since(chart: Chart, scan: _Scan) -> bool:
    """Whether spirometry is on record on the day of the scan or after it."""
    start = scan.blob.effective.start if scan.blob.effective else None
    done = [e.period for e in chart.events("Procedure") if "spirometry" in e.concepts and e.status == "completed"]
    done += [o.effective for o in chart.observations("spirometry")]
    return start is not None and any(span is not None and span.end > start for span in done)


def _spirometry(percent: Any) -> Proposal:
    return Proposal(
        guideline="nice-ng115",
        action="measure",
        target="spirometry",
        text="Have a radiologist confirm emphysema on the CT; then consider a respiratory review and spirometry.",
        indication=f"{percent} % of the lung volume at or below -950 HU on CT (emphysema by quantitative CT from 5 %)",
        strength=Strength(Grade.CONSIDER),
        citation=(
            "NICE NG115 (2018): consider primary care respiratory review and spirometry for people with emphysema or "
            "signs of chronic airways disease on a chest X-ray or CT scan; threshold: Amaza IP et al., Int J COPD "
            "2021;16:1231-42"
        ),
        tier="missing-data",
        changes_if="a radiologist sees no emphysema, or spirometry after the scan is on record",
        patient_text="Your scan may show extra air in your lungs. Ask your doctor whether you need a breathing test.",
    )


METHOD = LungCT()
