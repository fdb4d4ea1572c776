"""Make examples/patients/ and examples/stories/: three invented adults, as the files that people really have.

    python tools/make_examples.py [TARGET]

Deterministic: two runs give the same bytes. The stories (records, notes, numbers) stand in tools/example_stories.py;
here they are put into formats. The expected effect of leaving out a kind of data is written by hand in each
``stories/NAME.expected.json`` and never touched by this script.
"""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from example_stories import AT, STORIES, HomePressure, Story

from salus.formats.dicom import write_ct_series
from salus.formats.wfdb import write_record
from salus.genomics.tables import Gene, load
from salus.imaging.phantom import thorax

HERE = Path(__file__).resolve().parent
ZONE = timezone(timedelta(hours=1))
ECG_FS, ECG_SECONDS = 256, 30
CHARACTERISTIC = "HKCharacteristicTypeIdentifier"
# ECGSYN's five waves: place relative to R (s at 60/min), height (mV), width (s). McSharry PE et al., IEEE Trans Biomed
# Eng 2003;50:289-294 gives the angles and widths that these follow.
WAVES = (("P", -0.19, 0.12, 0.025), ("Q", -0.035, -0.10, 0.011), ("R", 0.0, 1.05, 0.012), ("S", 0.035, -0.22, 0.012),
         ("T", 0.28, 0.28, 0.055))  # fmt: skip


def write_json(path: Path, value: Any) -> None:
    """JSON with a final newline."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")


def bundle(story: Story) -> dict[str, Any]:
    """The record as a FHIR R4 Bundle of type collection."""
    entries = [{"fullUrl": f"urn:salus:example:{r['resourceType']}/{r['id']}", "resource": r} for r in story.resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def apple_health(story: Story) -> str:
    """Home readings as Apple Health exports them (without the document type declaration)."""
    pressure = story.home
    assert pressure is not None
    sex = {"female": "HKBiologicalSexFemale", "male": "HKBiologicalSexMale"}.get(story.sex, "HKBiologicalSexNotSet")
    born = story.birth if len(story.birth) == 10 else ""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<HealthData locale="en_GB">',
        f' <ExportDate value="{AT} 06:00:00 +0100"/>',
        f' <Me {CHARACTERISTIC}DateOfBirth="{born}" {CHARACTERISTIC}BiologicalSex="{sex}"/>',
    ]
    for moment, systolic, diastolic in readings(pressure, story.seed):
        lines.append(_correlation(moment, systolic, diastolic))
    lines.append("</HealthData>")
    return "\n".join(lines) + "\n"


def readings(pressure: HomePressure, seed: int) -> list[tuple[datetime, int, int]]:
    """Times and pressures: two readings a sitting, a linear drift, day-to-day and reading-to-reading scatter."""
    random = np.random.default_rng(seed)
    last = date.fromisoformat(pressure.last)
    found = []
    for back in sorted(pressure.days, reverse=True):
        share = 1 - back / max(*pressure.days, 1)
        daily = random.normal(0, 3.0)
        for hour, minute in ((7, 10), (19, 30))[: pressure.sittings]:
            for again in range(2):
                day = last - timedelta(days=back)
                moment = datetime(day.year, day.month, day.day, hour, minute + 2 * again, tzinfo=ZONE)
                drift = pressure.start[0] + share * (pressure.end[0] - pressure.start[0])
                low = pressure.start[1] + share * (pressure.end[1] - pressure.start[1])
                scatter = random.normal(0, 2.5, 2)
                found.append((moment, round(drift + daily + scatter[0]), round(low + 0.6 * daily + 0.6 * scatter[1])))
    return found


def _correlation(moment: datetime, systolic: int, diastolic: int) -> str:
    kind = "HKCorrelationTypeIdentifierBloodPressure"
    when = quoteattr(f"{moment:%Y-%m-%d %H:%M:%S %z}")
    common = f'sourceName="Upper-arm monitor" creationDate={when} startDate={when} endDate={when}'
    records = [
        f'  <Record type="HKQuantityTypeIdentifierBloodPressure{part}" unit="mmHg" {common} value="{value}"/>'
        for part, value in (("Systolic", systolic), ("Diastolic", diastolic))
    ]
    return "\n".join([f' <Correlation type="{kind}" {common}>', *records, " </Correlation>"])


def ecg(story: Story) -> dict[str, bytes]:
    """A single-lead watch ECG: five Gaussian waves a beat, breathing, respiratory arrhythmia and noise."""
    random = np.random.default_rng(story.seed + 1)
    time = np.arange(ECG_FS * ECG_SECONDS) / ECG_FS
    beats, at = [], 0.4
    while at < ECG_SECONDS:
        beats.append(at)
        at += 60 / story.heart_rate * (1 + 0.03 * np.sin(2 * np.pi * 0.25 * at) + random.normal(0, 0.008))
    signal = 0.04 * np.sin(2 * np.pi * 0.25 * time) + random.normal(0, 0.015, len(time))
    stretch = np.sqrt(60 / story.heart_rate)
    for beat in beats:
        for name, place, height, width in WAVES:
            # the QRS keeps its width at every rate, P and T move with the square root of the cycle (Bazett)
            centre = beat + place * (stretch if name in "PT" else 1)
            signal += height * np.exp(-0.5 * ((time - centre) / width) ** 2)
    start = datetime.fromisoformat(story.ecg_at).astimezone(UTC)
    comments = (f"Patient ID: {story.identifier}", "watch ECG, lead I, sitting at rest; synthetic")
    return write_record(
        "watch-ecg", signal[:, None], Fraction(ECG_FS), ["mV"], [1000.0], channels=["I"], start=start,
        comments=comments,
    )  # fmt: skip


def chest_ct(story: Story) -> list[bytes]:
    """A chest CT without contrast: the analytic thorax of salus.imaging.phantom."""
    model = thorax(shape=(172, 152, 216), spacing=(1.25, 1.25, 1.25), emphysema=story.emphysema)
    return write_ct_series(
        model.volume, patient_id=story.identifier, seed=f"salus-example-{story.name}", birth_date=story.birth,
        sex={"female": "F", "male": "M"}.get(story.sex, "O"), acquired=story.ct_at, study_description="CT chest",
        series_description="Chest without contrast, 1.25 mm", body_part="CHEST", deflated=True,
    )  # fmt: skip


def vcf(story: Story) -> str:
    """Variants on GRCh38. With ``story.reference_lines`` every defining position has a line, as a gVCF would give."""
    genome = story.genome
    assert genome is not None
    lengths = dict(_contig_lengths())
    lines = [
        "##fileformat=VCFv4.3",
        f"##fileDate={story.genome_at.replace('-', '')}",
        "##source=salus example (invented person)",
        "##reference=GRCh38",
        f"##PatientID={story.identifier}",
        *(f"##contig=<ID=chr{name},length={lengths[name]},assembly=GRCh38>" for name in ("10", "12")),
        '##FILTER=<ID=PASS,Description="All filters passed">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Read depth">',
        '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Genotype quality">',
        f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{story.identifier}",
    ]
    for name in ("CYP2C19", "SLCO1B1"):
        lines += _lines(load(name), genome[name], story.reference_lines)
    return "\n".join(lines) + "\n"


def _contig_lengths() -> list[tuple[str, int]]:
    text = files("salus.formats").joinpath("vcf_contigs.csv").read_text("utf-8")
    rows = [line.split(",") for line in text.splitlines() if line and not line.startswith(("#", "contig"))]
    return [(name, int(length)) for name, _, length in rows]


def _lines(gene: Gene, variants: dict[str, int], reference_lines: bool) -> list[str]:
    """One line a defining position. ``variants`` maps an rsid to how many of the two copies carry its first ALT."""
    unknown = set(variants) - {p.rsid for p in gene.positions}
    assert not unknown, unknown
    found = []
    for number, position in enumerate(gene.positions):
        copies = variants.get(position.rsid, 0)
        if not copies and not reference_lines:
            continue
        alt = position.alts[0] if copies else "."
        call = {0: "0/0", 1: "0/1", 2: "1/1"}[copies]
        depth, quality = 28 + number % 9, 99 if copies else 84
        found.append(
            f"chr{gene.contig}\t{position.pos}\t{position.rsid or '.'}\t{position.ref}\t{alt}\t60\tPASS\t.\tGT:DP:GQ\t"
            f"{call}:{depth}:{quality}"
        )
    return found


def make(story: Story, folder: Path) -> None:
    """Write one patient's files to ``folder``/patients and the story beside them to ``folder``/stories."""
    (folder / "stories").mkdir(parents=True, exist_ok=True)
    about = {"patient": story.name, "at": f"{AT}T08:00:00Z", "story": story.story}
    write_json(folder / "stories" / f"{story.name}.json", about)
    folder = folder / "patients" / story.name
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    write_json(folder / "record.json", bundle(story))
    for name, text in story.notes.items():
        (folder / "notes").mkdir(exist_ok=True)
        (folder / "notes" / name).write_text(text, "utf-8")
    if story.home:
        (folder / "apple-health").mkdir()
        (folder / "apple-health" / "export.xml").write_text(apple_health(story), "utf-8")
    if story.ecg_at:
        (folder / "ecg").mkdir()
        for name, data in ecg(story).items():
            (folder / "ecg" / name).write_bytes(data)
    if story.ct_at:
        (folder / "ct").mkdir()
        for number, data in enumerate(chest_ct(story), 1):
            (folder / "ct" / f"{number:04d}.dcm").write_bytes(data)
    if story.genome is not None:
        (folder / "genome.vcf").write_text(vcf(story), "utf-8")


def main(target: Path) -> None:
    """Write every patient below ``target``."""
    for story in STORIES:
        make(story, target)
        size = sum(p.stat().st_size for p in (target / "patients" / story.name).rglob("*") if p.is_file())
        print(f"{story.name}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "examples")
