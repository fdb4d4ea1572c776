"""QRS detection against reference annotations: beat by beat, one to one, within 150 ms.

``python -m validation.monitoring.qrs --data DIR [--json]`` reads every ``mitdb-*/*.hea`` with the ``.atr`` beside it.
Stretches of ventricular flutter (marked [ and ]) are left out, as AAMI EC57 allows; nothing else is, no learning
period either. ``location_mad_ms`` is the mean absolute deviation of the location error from its own median.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus.errors import InputError
from salus.formats.wfdb import Annotations, read_annotations, read_record_path
from salus.monitoring.ecg import qrs, quality, rate
from validation._report import argument_parser, report

TOLERANCE_S = 0.15
BEATS = frozenset(["N", "L", "R", "B", "A", "a", "J", "S", "V", "r", "F", "e", "j", "n", "E", "/", "f", "Q", "?"])
TARGET_F1 = 0.99


@dataclass(frozen=True)
class Result:
    """One record: matched beats, false positives and negatives, location errors in ms, and what the quality gate
    let through."""

    name: str
    matched: int
    extra: int
    missed: int
    errors: NDArray[np.float64]
    cpu: float
    hours: float
    good_share: float
    rate_error: float | None

    @property
    def f1(self) -> float:
        """F1 of the record."""
        return 2 * self.matched / (2 * self.matched + self.extra + self.missed)


def match(reference: Sequence[int], found: Sequence[int], tolerance: float) -> list[tuple[int, int]]:
    """One-to-one pairs (reference, found) no further apart than ``tolerance`` samples, nearest pairs first."""
    places = np.asarray(found)
    pairs: list[tuple[int, int, int]] = []
    for i, beat in enumerate(reference):
        low, high = np.searchsorted(places, [beat - tolerance, beat + tolerance + 1e-9])
        pairs.extend((abs(int(places[j]) - beat), i, int(j)) for j in range(low, high))
    taken_i: set[int] = set()
    taken_j: set[int] = set()
    result = []
    for _, i, j in sorted(pairs):
        if i not in taken_i and j not in taken_j:
            taken_i.add(i)
            taken_j.add(j)
            result.append((reference[i], int(places[j])))
    return result


def flutter(annotations: Annotations, end: int) -> list[tuple[int, int]]:
    """Stretches marked [ to ]; one that is not closed lasts to the end."""
    runs, start = [], None
    for sample, symbol in zip(annotations.sample.tolist(), annotations.symbol, strict=True):
        if symbol == "[" and start is None:
            start = sample
        elif symbol == "]" and start is not None:
            runs.append((start, sample))
            start = None
    return [*runs, (start, end)] if start is not None else runs


def outside(samples: Iterable[int], runs: Sequence[tuple[int, int]]) -> list[int]:
    """The samples that lie in none of the stretches."""
    return [s for s in samples if not any(low <= s <= high for low, high in runs)]


def evaluate(header: Path) -> Result:
    """Detect the beats of one record and compare them with its ``.atr`` file."""
    blocks = read_record_path(header)
    annotations = read_annotations(header.with_suffix(".atr").read_bytes())
    fs = float(blocks[0].fs)
    table = np.column_stack([block.samples for block in blocks])
    started = time.process_time()
    found = qrs.detect(
        table, fs, usable=quality.usable(table, fs), timing_lead=qrs.timing_lead([b.channel for b in blocks])
    )
    cpu = time.process_time() - started
    beats = zip(annotations.sample.tolist(), annotations.symbol, strict=True)
    reference = [sample for sample, symbol in beats if symbol in BEATS]
    runs = flutter(annotations, len(table))
    ours, truth = outside(found.sample.tolist(), runs), outside(reference, runs)
    pairs = match(truth, ours, TOLERANCE_S * fs)
    windows = quality.windows(table, fs, found)
    return Result(
        name=header.stem,
        matched=len(pairs),
        extra=len(ours) - len(pairs),
        missed=len(truth) - len(pairs),
        errors=np.array([(b - a) / fs * 1000 for a, b in pairs]),
        cpu=cpu,
        hours=len(table) / fs / 3600,
        good_share=sum(w.end - w.start for w in windows if w.good) / len(table),
        rate_error=rate_error(found.sample, np.array(reference), windows, fs),
    )


def rate_error(
    ours: NDArray[np.int64], truth: NDArray[np.int64], windows: Sequence[quality.Window], fs: float
) -> float | None:
    """Our mean heart rate less that of the reference beats over the same trusted stretches, in beats a minute."""
    mine, theirs = rate.summarise(ours, windows, fs), rate.summarise(truth, windows, fs)
    return mine.mean - theirs.mean if mine and theirs else None


def bootstrap(results: Sequence[Result], repeats: int = 2000) -> list[float]:
    """95 % interval of the pooled F1 when records (not beats) are drawn again."""
    counts = np.array([(r.matched, r.extra + r.missed) for r in results], float)
    draws = np.random.default_rng(0).integers(0, len(counts), (repeats, len(counts)))
    matched, wrong = counts[draws].sum(axis=1).T
    return [float(v) for v in np.percentile(2 * matched / (2 * matched + wrong), [2.5, 97.5])]


def figures(results: Sequence[Result]) -> dict[str, Any]:
    """Pooled figures over all records."""
    matched, extra, missed = (sum(getattr(r, n) for r in results) for n in ("matched", "extra", "missed"))
    errors = np.concatenate([r.errors for r in results])
    rates = [abs(r.rate_error) for r in results if r.rate_error is not None]
    return {
        "f1": 2 * matched / (2 * matched + extra + missed),
        "sensitivity": matched / (matched + missed),
        "ppv": matched / (matched + extra),
        "worst_record_f1": min(r.f1 for r in results),
        "location_mad_ms": float(np.abs(errors - np.median(errors)).mean()),
        "location_offset_ms": float(np.median(errors)),
        "cpu_s_per_hour": sum(r.cpu for r in results) / sum(r.hours for r in results),
        "beats": matched + missed,
        "good_time": float(np.mean([r.good_share for r in results])),
        "rate_error_per_min": max(rates, default=None),
        "records": {r.name: round(r.f1, 5) for r in results},
    }


def main() -> int:
    """Score every record found and report."""
    arguments = argument_parser(__doc__ or "").parse_args()
    headers = sorted(arguments.data.glob("mitdb-*/*.hea"))
    files = sorted(path for h in headers for path in h.parent.glob(f"{h.stem}.*"))
    results, failures = list[Result](), list[dict[str, Any]]()
    for header in headers:
        try:
            results.append(evaluate(header))
        except (InputError, OSError) as error:
            failures.append({"id": header.stem, "why": str(error)})
    failures += [{"id": r.name, "why": f"F1 {r.f1:.4f}"} for r in results if r.f1 < TARGET_F1]
    found = figures(results) if results else {}
    return report(
        check="monitoring.qrs",
        n=len(headers),
        passed=sum(r.f1 >= TARGET_F1 for r in results),
        figures=found,
        intervals={"f1": bootstrap(results)} if results else {},
        methods=["monitoring.ecg-rate"],
        data=arguments.data,
        files=files,
        failures=failures,
        as_json=arguments.json,
        ok=len(results) == len(headers) and found.get("f1", 0) >= TARGET_F1,
    )


if __name__ == "__main__":
    sys.exit(main())
