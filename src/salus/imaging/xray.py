"""Method imaging.chest-xray: calibrated probability of pneumonia on a young child's frontal chest radiograph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from salus.errors import InputError
from salus.fhir.blobs import Blob
from salus.fhir.quantity import Quantity
from salus.findings.method import Context
from salus.findings.model import Evidence, Finding, Interval, MediaItem, Proposal
from salus.findings.strength import Grade, Strength
from salus.record.chart import Chart

if TYPE_CHECKING:
    from salus.formats.types import Volume
    from salus.imaging.xray_model import Answer

CODE = "chest-xray-pneumonia"
MODALITIES = ("CR", "DX")
FRONTAL = ("AP", "PA")
CHEST = ("CHEST", "THORAX", "LUNG")
YEARS = (1, 5)
"""Completed years of the children trained on: "pediatric patients of one to five years old" (Kermany 2018, data)."""
KERMANY = (
    "Kermany DS et al. Identifying Medical Diagnoses and Treatable Diseases by Image-Based Deep Learning. Cell "
    "2018;172:1122-1131, doi:10.1016/j.cell.2018.02.010; data doi:10.17632/rscbjbr9sj.2 (CC BY 4.0)"
)
MEDMNIST = "Yang J et al. MedMNIST v2. Sci Data 2023;10:41. doi:10.1038/s41597-022-01721-8 (CC BY 4.0)"
READER = "a reading by a radiologist"
SPREAD = "least and greatest of the five networks; not an interval of stated coverage"


class ChestXray:
    """Probability of pneumonia on each frontal chest radiograph of a child of one to five years."""

    id = "imaging.chest-xray"
    version = "1.1.0"
    title = "Pneumonia on a young child's chest radiograph"
    intended_use = (
        "Gives a professional a probability, calibrated in one hospital, as a prompt to have the image read by a "
        "radiologist. Never a "
        "diagnosis, and a low probability rules nothing out."
    )
    inputs = ("record", "image")
    produces = (CODE,)
    consumes = ()
    population = (
        "Children of 1 to 5 completed years at the time of the image, with a digital frontal (AP or PA) chest "
        "radiograph that looks like those trained on. Adults, older children and infants: not assessable."
    )
    references = (KERMANY, MEDMNIST)
    licence = "Apache-2.0; weights made from PneumoniaMNIST (CC BY 4.0)"
    limits = (
        "Trained on 4,697 images of one hospital in Guangzhou, reduced to 28 × 28 pixels: fine signs are not seen.",
        "Knows only 'normal' and 'pneumonia': any other illness is forced into one of the two.",
        "Of several images of one child some may stand both in training and validation part of the source: figures "
        "there are better than on other children.",
        "The share of pneumonia assumed beforehand is 74 %, that of the training images, which is no hospital's; in a "
        "ward with fewer cases the probability is too high.",
        "Films turned by 15 to 30 degrees, enlarged up to 1.7 times, moved by a sixth or exposed twice are not always "
        "refused. Real radiographs of other body parts and of adults were not tried: the file's own statement keeps "
        "them out. Left and right changed was refused in 11 of 12 films; a heart that lies on the right is refused "
        "too.",
        "Hospitals frame and expose differently: with made-up shifts of framing on left-out images AUC fell from 0.995 "
        "to 0.98-0.99.",
        "Of each series the first frontal image is assessed.",
    )

    def run(self, chart: Chart, context: Context) -> Iterable[Finding]:
        """One finding for each radiograph series that may show the chest."""
        return [finding for blob in chart.images() if (finding := _assess(chart, blob)) is not None]


@dataclass(frozen=True, slots=True)
class _Image:
    """A frontal radiograph, decoded: its place in the blob, its pixels, and how they are meant to be shown."""

    blob: Blob
    part: int
    volume: Volume
    inverted: bool
    others: int


def _assess(chart: Chart, blob: Blob) -> Finding | None:
    if blob.format != "dicom" or blob.meta.get("kept-as") or blob.meta.get("modality", "CR") not in ("", *MODALITIES):
        return None
    try:
        part, refusal = _choose(blob)
        if part is None:
            return _refuse(blob, *refusal) if refusal else None
        outside = _outside_population(chart, blob)
        if outside:
            return _refuse(blob, *outside)
        image = _decode(blob, part)
        return _answered(image)
    except InputError as error:
        return _refuse(blob, error.what, error.remedy or "the image, exported again")


def _choose(blob: Blob) -> tuple[int | None, tuple[str, str] | None]:
    """The first part that is a frontal chest radiograph; else why none is, or nothing when the chest is not shown."""
    from salus.formats.dicom_elements import load, text

    refusal = None
    for part in range(len(blob.parts)):
        ds = load(blob.read(part))
        region = text(ds, "BodyPartExamined").upper()
        if text(ds, "Modality") not in MODALITIES or (region and region not in CHEST):
            continue
        view = text(ds, "ViewPosition").upper()
        if not region:
            refusal = refusal or ("the file does not say that it shows the chest", "the body part, (0018,0015)")
        elif text(ds, "PresentationIntentType").upper() == "FOR PROCESSING":
            refusal = refusal or ("the image is raw, not meant to be shown", "the image for presentation")
        elif view not in FRONTAL:
            said = f"the view is {view}" if view else "the file does not state the view"
            refusal = refusal or (f"{said}, and only frontal views are assessed", "a frontal view (AP or PA)")
        else:
            return part, None
    return None, refusal


def _outside_population(chart: Chart, blob: Blob) -> tuple[str, str] | None:
    """Why the patient is not one of those the model was made for, and what would settle it."""
    if blob.effective is None:
        return "the date of the image is not known", "the date of the image"
    age = chart.patient.age(blob.effective.start)
    if age is None:
        return "the age at the image is not known", "the date of birth"
    if not YEARS[0] <= age <= YEARS[1]:
        return f"the model was made for children of {YEARS[0]} to {YEARS[1]} years only", READER
    return None


def _decode(blob: Blob, part: int) -> _Image:
    from salus.formats.dicom import read_header, read_images

    data = blob.read(part)
    volume = read_images([data])[0]
    if volume.array.ndim != 3 or len(volume.array) != 1:
        raise InputError("colours or several frames, where one grey image is needed", remedy="the plain radiograph")
    inverted = read_header(data).photometric_interpretation == "MONOCHROME1"
    return _Image(blob, part, volume, inverted, len(blob.parts) - 1)


def _answered(image: _Image) -> Finding:
    from salus.imaging.xray_image import middle, prepared, strongest
    from salus.imaging.xray_model import answer

    pixels = image.volume.array[0]
    found = answer(prepared(pixels, window=image.volume.window, inverted=image.inverted)[None])
    if found.unlike[0]:
        reason = "the image does not look like the radiographs the model was made from"
        if found.distance[0] <= 1 and found.against[0, 1] > max(0.0, found.against[0, 0]):
            reason = "left and right seem to be changed in the image, or the heart lies on the right"
        return _refuse(image.blob, reason, READER, _details(image, found))
    if not found.answered[0]:
        reason = "the model cannot tell pneumonia from normal on this image"
        return _refuse(image.blob, reason, READER, _details(image, found))
    likely = bool(found.labels[0, 1])
    box = middle((pixels.shape[0], pixels.shape[1])).box(strongest(found.activation[0], likely))
    evidence = (
        Evidence(image.blob.source, label="chest radiograph"),
        Evidence.of_blob(image.blob, image.part, "region that weighs most", frame=0, box=box),
    )
    return _finding(image, found, likely, evidence)


def _percent(value: float) -> Decimal:
    return Decimal(f"{100 * value:.0f}")


def _details(image: _Image, found: Answer) -> dict[str, Any]:
    return {
        "distance_from_training": Decimal(f"{found.distance[0]:.2f}"),
        "log_odds_of_a_foreign_picture": Decimal(f"{found.against[0, 0]:.2f}"),
        "log_odds_of_a_mirrored_film": Decimal(f"{found.against[0, 1]:.2f}"),
        "members": [Decimal(f"{p:.3f}") for p in found.members[0]],
        "other_images_in_series": image.others,
    }


def _finding(image: _Image, found: Answer, likely: bool, evidence: tuple[Evidence, ...]) -> Finding:
    probability = float(found.probability[0])
    low, high = _percent(found.members[0].min()), _percent(found.members[0].max())
    percent = _percent(probability)
    word = "speaks for pneumonia" if likely else "looks normal to the model, which rules nothing out"
    return Finding(
        code=CODE,
        value=Quantity(percent, "%"),
        probability=Decimal(f"{probability:.3f}"),
        interval=Interval(low, high, None, SPREAD),
        sentence=(
            f"On the chest radiograph the probability of pneumonia is {percent} % ({low} to {high} % among five "
            f"networks): it {word}. For a radiologist to read."
        ),
        effective=_days(image.blob),
        target=image.blob.source.ref,
        evidence=evidence,
        details=_details(image, found),
        media=(_picture(image),),
        proposals=(_reading(percent),),
        patient_sentence="A picture of the chest is in the record. A specialist should look at it.",
    )


def _picture(image: _Image) -> MediaItem:
    from salus.imaging.thumbnail import thumbnail

    shown = thumbnail(image.volume, window=image.volume.window, inverted=image.inverted)
    return MediaItem("thumbnail", "Chest radiograph", "image/png", shown)


def _reading(percent: Decimal) -> Proposal:
    return Proposal(
        guideline="salus-chest-xray",
        action="review",
        target="radiologist-reading",
        text="Have a radiologist read the chest radiograph.",
        indication=f"the model gives a probability of pneumonia of {percent} %; it is no diagnosis",
        strength=Strength(Grade.NEEDED_INPUT),
        citation=KERMANY,
        tier="missing-data",
        changes_if="a radiologist's report of the image is on record",
        patient_text="A specialist should look at the picture of the chest.",
    )


def _days(blob: Blob) -> tuple[str, str]:
    from salus.imaging.series import day_of

    return day_of(blob), day_of(blob)


def _refuse(blob: Blob, reason: str, need: str, details: dict[str, Any] | None = None) -> Finding:
    return Finding(
        code=CODE,
        sentence=f"Pneumonia cannot be judged from this chest radiograph: {reason}.",
        status="not-assessable",
        reason=reason,
        needs=(need,),
        effective=_days(blob),
        target=blob.source.ref,
        evidence=(Evidence(blob.source, label="chest radiograph"),),
        details=details or {},
    )


METHOD = ChestXray()
