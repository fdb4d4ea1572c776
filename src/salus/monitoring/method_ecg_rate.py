"""Method ``monitoring.ecg-rate``: heart rate of every recorded ECG, from its trusted stretches only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from salus.errors import InputError
from salus.fhir import dates, json
from salus.fhir.blobs import Blob
from salus.fhir.quantity import Quantity
from salus.findings.method import Context
from salus.findings.model import Evidence, Finding, Interval, MediaItem
from salus.monitoring._chart import refuse, rounded
from salus.record.chart import Chart

if TYPE_CHECKING:
    from salus.formats.types import WaveBlock
    from salus.monitoring.ecg.quality import Window
    from salus.monitoring.ecg.rate import Rate

MAX_LEADS = 12
MILLIVOLTS = {"mV": 1.0, "uV": 0.001, "µV": 0.001, "V": 1000.0}
NOT_ECG = re.compile(r"RESP|PLETH|PPG|ABP|ART|BP|CVP|PAP|ICP|EEG|EMG|EOG|SPO2|CO2|ACC", re.IGNORECASE)
OBTAIN = "an ECG of at least 30 seconds at rest, with firm and still electrodes"


class EcgRate:
    """Mean heart rate of a recording, with how much of it could be trusted."""

    id = "monitoring.ecg-rate"
    version = "1.1.0"
    title = "Heart rate from the ECG"
    intended_use = "Gives the mean heart rate of a recorded ECG and shows a strip of it; it does not name a rhythm."
    inputs = ("signal",)
    produces = ("ecg-heart-rate",)
    consumes: tuple[str, ...] = ()
    population = "Any person with an ECG in the record; measured on 17 MIT-BIH records that the detector was made with."
    references = (
        "Pan J, Tompkins WJ. A real-time QRS detection algorithm. IEEE Trans Biomed Eng 1985; 32:230-236",
        "Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE Eng Med Biol 2001; 20(3):45-50",
    )
    licence = "Apache-2.0"
    limits = (
        "Rate only: no rhythm, no intervals of the complex, no ischaemia.",
        "Sampled at 100 Hz or more, four seconds or longer, leads calibrated in volts.",
        "Validated with two leads; with a single lead more beats are missed in noise and low voltage.",
        "What counts as noise was fitted to ten MIT-BIH records with noise of three kinds added by us and scored on "
        "seven others; noise recorded on people was not measured.",
        "Stretches that are flat, saturated or noisy are not counted; asystole cannot be told from a loose lead.",
        "Ventricular flutter and fibrillation are outside the validation.",
        "Paced beats were not in the validation.",
    )

    def run(self, chart: Chart, context: Context) -> Iterable[Finding]:
        """One finding ``ecg-heart-rate`` for each recording."""
        return tuple(_recording(blob) for blob in chart.signals("ecg"))


def _recording(blob: Blob) -> Finding:
    from salus.formats.wfdb import decode_header, read_header, read_record
    from salus.monitoring.ecg import qrs

    if blob.format != "wfdb":
        return _refuse(blob, f"ECG recordings in the format {blob.format!r} are not read yet")
    headers = [part.name for part in blob.parts if part.name.lower().endswith(".hea")]
    if len(headers) != 1:
        return _refuse(blob, "the recording has no single header file")
    files = blob.read_all()
    try:
        leads = _leads(read_record(files[headers[0]], files))
        if not leads:
            return _refuse(blob, "no lead is calibrated in volts")
        timing = qrs.timing_lead([lead.channel for lead in leads])
        described = read_header(decode_header(files[headers[0]])).signals
        file = next(signal.file for signal in described if signal.description == leads[timing].channel)
        return _measured(blob, leads, timing, file)
    except InputError as error:
        return _refuse(blob, error.what)


def _refuse(blob: Blob, reason: str, **fields: object) -> Finding:
    span = blob.effective
    effective = (dates.write(span.start), dates.write(span.start)) if span else ("", "")
    return refuse("ecg-heart-rate", reason, OBTAIN, target=blob.source.ref, effective=effective, **fields)


def _leads(blocks: Sequence[WaveBlock]) -> list[WaveBlock]:
    """The ECG leads: channels in volts that are not named otherwise, all at the rate of the first."""
    found = [b for b in blocks if b.unit in MILLIVOLTS and not NOT_ECG.search(b.channel)]
    return [b for b in found if b.fs == found[0].fs and len(b.samples) == len(found[0].samples)][:MAX_LEADS]


def _measured(blob: Blob, leads: Sequence[WaveBlock], timing: int, file: str) -> Finding:
    import numpy as np

    from salus.monitoring.ecg import qrs, quality, rate

    fs = float(leads[0].fs)
    table = np.column_stack([lead.samples * MILLIVOLTS[lead.unit] for lead in leads])
    found = qrs.detect(table, fs, usable=quality.usable(table, fs), timing_lead=timing)
    windows = quality.windows(table, fs, found)
    result = rate.summarise(found.sample, windows, fs)
    if result is None:
        why = ", ".join(f"{reason} {n}" for reason, n in Counter(w.reason for w in windows if w.reason).most_common())
        reason = f"too little of the ECG can be trusted (windows of {quality.WINDOW_S:g} s: {why or 'too few beats'})"
        return _refuse(blob, reason, details={"windows": len(windows), "good": sum(w.good for w in windows)})
    shown = rate.usual_window(found.sample, windows, fs, result.mean)
    strip = _strip(table[:, timing], leads[timing], shown, found.sample.tolist()) if shown else ()
    evidence = _evidence(blob, leads[timing], file, shown)
    return _finding(blob, leads, timing, result, windows, strip, evidence)


def _strip(lead: object, block: WaveBlock, shown: Window, beats: Sequence[int]) -> tuple[MediaItem, ...]:
    import numpy as np

    from salus.monitoring.ecg import rate

    fs = float(block.fs)
    samples = rate.strip(np.asarray(lead), shown, fs)
    end = shown.start + len(samples)
    body = {
        "fs": rounded(fs, "0.001").normalize(),
        "start": shown.start,
        "unit": "mV",
        "channel": block.channel,
        "samples": [None if v != v else rounded(v, "0.001") for v in samples.tolist()],
        "beats": [beat - shown.start for beat in beats if shown.start <= beat < end],
    }
    title = f"ECG, {block.channel or 'lead not named'}, from {shown.start / fs:.0f} s"
    return (MediaItem("strip", title, "application/json", json.dumps(body)),)


def _finding(
    blob: Blob,
    leads: Sequence[WaveBlock],
    timing: int,
    result: Rate,
    windows: Sequence[Window],
    media: tuple[MediaItem, ...],
    evidence: tuple[Evidence, ...],
) -> Finding:
    rejected = Counter(w.reason for w in windows if w.reason)
    share = result.good_seconds / result.total_seconds
    return Finding(
        code="ecg-heart-rate",
        sentence=f"Mean heart rate {rounded(result.mean, '1')} beats a minute over {result.good_seconds:.0f} s of "
        f"trusted ECG ({share:.0%} of the recording); single windows from {rounded(result.slowest, '1')} to "
        f"{rounded(result.fastest, '1')}.",
        value=Quantity(rounded(result.mean), "/min"),
        interval=Interval(
            rounded(result.low),
            rounded(result.high),
            None,
            "one beat (or 1 % of beats, if more) missed or invented in every trusted stretch",
        ),
        effective=_effective(blob, leads[timing], result.total_seconds),
        target=blob.source.ref,
        evidence=evidence,
        details={
            "beats": result.beats,
            "rr_intervals": result.intervals,
            "good_seconds": rounded(result.good_seconds),
            "total_seconds": rounded(result.total_seconds),
            "slowest": rounded(result.slowest),
            "fastest": rounded(result.fastest),
            "leads": [lead.channel for lead in leads],
            "rejected_windows": dict(rejected),
        },
        media=media,
        patient_sentence=f"Your heart beat about {rounded(result.mean, '1')} times a minute in this recording.",
    )


def _effective(blob: Blob, lead: WaveBlock, seconds: float) -> tuple[str, str]:
    start = lead.start or (blob.effective.start if blob.effective else None)
    return (dates.write(start), dates.write(start + timedelta(seconds=seconds))) if start else ("", "")


def _evidence(blob: Blob, lead: WaveBlock, file: str, shown: Window | None) -> tuple[Evidence, ...]:
    """The whole recording, and the strip shown, as sample ranges in the file that holds the timing lead."""
    index = next(n for n, part in enumerate(blob.parts) if part.name == file)
    ranges = [(0, len(lead.samples), "whole recording")]
    if shown is not None:
        ranges.append((shown.start, shown.end, "strip shown"))
    return tuple(
        Evidence.of_blob(blob, index, label, sample_start=start, sample_end=end, channel=lead.channel)
        for start, end, label in ranges
    )


ECG_RATE = EcgRate()
