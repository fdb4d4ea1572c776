"""The ECG quality gate under added noise: how much it lets through, and how right the beats are in that.

``python -m validation.monitoring.qrs_noise --data DIR [--json]`` takes the first ten minutes of every
``mitdb-*/*.hea``, adds 5-45 Hz noise at several signal-to-noise ratios (signal power from the peak-to-peak height of
the beats, as in the MIT-BIH Noise Stress Test: (peak to peak)² / 8) and scores each window of ten seconds.
A case is one record at one ratio; it passes when the windows let through have a beat F1 of at least 0.95, or none is.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus.formats.wfdb import read_annotations, read_record_path
from salus.monitoring.ecg import qrs, quality
from validation._report import argument_parser, report
from validation.monitoring.qrs import BEATS, TOLERANCE_S, flutter, match

RATIOS_DB = (24, 18, 12, 6, 0)
SECONDS = 600
TARGET_F1 = 0.95


def noisy(table: NDArray[np.float64], fs: float, ratio: float, seed: int) -> NDArray[np.float64]:
    """``table`` (n, leads) with band-limited noise added to each lead at ``ratio`` dB."""
    from scipy.signal import butter, sosfiltfilt

    noise = np.random.default_rng(seed).normal(size=table.shape)
    noise = sosfiltfilt(butter(2, (5, 45), "bandpass", fs=fs, output="sos"), noise, axis=0)
    block = int(2 * fs)
    height = np.median(np.ptp(table[: len(table) // block * block].reshape(-1, block, table.shape[1]), axis=1), axis=0)
    added: NDArray[np.float64] = table + noise / noise.std(axis=0) * np.sqrt(height**2 / 8 / 10 ** (ratio / 10))
    return added


def evaluate(header: Path, seed: int) -> dict[float | None, list[int]]:
    """For no noise (None) and each ratio: windows, windows let through, matched beats and errors in those."""
    blocks = read_record_path(header)
    fs = float(blocks[0].fs)
    table = np.column_stack([block.samples for block in blocks])[: int(SECONDS * fs)]
    annotations = read_annotations(header.with_suffix(".atr").read_bytes())
    pairs = zip(annotations.sample.tolist(), annotations.symbol, strict=True)
    truth = [sample for sample, symbol in pairs if symbol in BEATS and sample < len(table)]
    runs = flutter(annotations, len(table))
    result: dict[float | None, list[int]] = {}
    for ratio in (None, *RATIOS_DB):
        signal = table if ratio is None else noisy(table, fs, ratio, seed)
        found = qrs.detect(signal, fs, usable=quality.usable(signal, fs))
        counts = [0, 0, 0, 0]
        for window in quality.windows(signal, fs, found):
            if any(low < window.end and high > window.start for low, high in runs):
                continue
            counts[0] += 1
            if window.good:
                inside = [
                    [s for s in beats if window.start <= s < window.end] for beats in (truth, found.sample.tolist())
                ]
                matched = len(match(inside[0], inside[1], TOLERANCE_S * fs))
                counts[1] += 1
                counts[2] += matched
                counts[3] += len(inside[0]) + len(inside[1]) - 2 * matched
        result[ratio] = counts
    return result


def main() -> int:
    """Score every record at every ratio and report."""
    arguments = argument_parser(__doc__ or "").parse_args()
    headers = sorted(arguments.data.glob("mitdb-*/*.hea"))
    totals: dict[float | None, NDArray[np.int64]] = defaultdict(lambda: np.zeros(4, np.int64))
    n, passed, failures = 0, 0, list[dict[str, Any]]()
    for seed, header in enumerate(headers):
        for ratio, counts in evaluate(header, seed).items():
            totals[ratio] += counts
            n += 1
            f1 = 2 * counts[2] / (2 * counts[2] + counts[3]) if counts[1] else 1.0
            passed += f1 >= TARGET_F1
            if f1 < TARGET_F1:
                failures.append({"id": f"{header.stem} at {ratio} dB", "why": f"F1 {f1:.3f} in windows let through"})
    figures: dict[str, Any] = {}
    for ratio, (windows, good, matched, errors) in totals.items():
        name = "clean" if ratio is None else f"{ratio:g}_db"
        figures[f"good_share_{name}"] = float(good / windows)
        figures[f"f1_good_{name}"] = float(2 * matched / (2 * matched + errors)) if good else None
    return report(
        check="monitoring.qrs_noise",
        n=n,
        passed=passed,
        figures=figures,
        methods=["monitoring.ecg-rate"],
        data=arguments.data,
        files=sorted(path for h in headers for path in h.parent.glob(f"{h.stem}.*")),
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
