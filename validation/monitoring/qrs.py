"""QRS detection against reference annotations: beat by beat, one to one, within 150 ms.

``python -m validation.monitoring.qrs --data DIR [--json]`` reads every ``mitdb-*/*.hea`` with the ``.atr`` beside it.
Stretches of ventricular flutter (marked [ and ]) are left out, as AAMI EC57 allows; nothing else is, no learning
period either. A case is a record. Right: its F1 is 0.99 or more. Wrong: it is less. Not read: the record or its
annotations cannot be read. ``location_mad_ms`` is the mean absolute deviation of the location error from its own
median.

The detector was made and its limits were set on the records in DEVELOPED: their F1 is no estimate for others. On them
the check falls when the F1 falls below what was reached.
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
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report, split_of

TOLERANCE_S = 0.15
BEATS = frozenset(["N", "L", "R", "B", "A", "a", "J", "S", "V", "r", "F", "e", "j", "n", "E", "/", "f", "Q", "?"])
TARGET_F1 = 0.99
KEPT_F1 = 0.998
"""Below this on the records in DEVELOPED something that worked is broken."""
DEVELOPED = (
    "441cdd6486cfdf4c",
    "585347e6d1bd3ad8",
    "ea227008ac3bc4ad",
    "2eef456587bab172",
    "5280acb082b654d6",
    "abd31e2c878073e6",
    "77afd5400648d128",
    "fd919c8ea20eed4a",
    "f9c8cac368f1f6ba",
    "2573f948e54a5389",
    "0ae55e31175b9ba3",
    "cceb64d68033a277",
    "33878519ee34d00c",
    "c0697b176e7caf49",
    "94968307b89eb0be",
    "9cf9f330823e2a98",
    "beaa5cb3eb5fb64a",
)
"""Annotations (``.atr``) of the records that the detector was developed on."""
QRS = "salus/monitoring/ecg/qrs.py"
MUTANTS = (
    Mutant(QRS, "SEARCH_BACK = 1.66", "SEARCH_BACK = 16.6", "missed beats are not looked for"),
    Mutant(QRS, "REFRACTORY_S = 0.2", "REFRACTORY_S = 0.5", "quick beats are taken for one"),
    Mutant(QRS, "\nTHRESHOLD = 0.5", "\nTHRESHOLD = 0.9", "low beats are missed"),
    Mutant(QRS, "weights += weight", "weights += 1", "noisy leads weigh as much as quiet ones"),
    Mutant(QRS, "return np.unique(moved).astype(np.int64)", "return np.unique(moved[:-1] + 60).astype(np.int64)",
           "beats are timed a sixth of a second late"),
)  # fmt: skip


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


def scored(header: Path) -> tuple[Outcome, str, Result | None]:
    """How a record ends, why, and what was found in it."""
    if not header.with_suffix(".atr").is_file():
        return Outcome.NOT_READ, "no annotations beside it", None
    try:
        result = evaluate(header)
    except (InputError, OSError) as error:
        return Outcome.NOT_READ, str(error), None
    return (Outcome.RIGHT if result.f1 >= TARGET_F1 else Outcome.WRONG), f"F1 {result.f1:.4f}", result


def main() -> int:
    """Score every record found and report."""
    arguments = argument_parser(__doc__ or "").parse_args()
    headers = sorted(arguments.data.glob("mitdb-*/*.hea"))
    files = sorted(path for h in headers for path in h.parent.glob(f"{h.stem}.*"))
    tally, results = Tally(), list[Result]()
    for header in headers:
        outcome, why, result = scored(header)
        tally.add(header.stem, outcome, why)
        results += [result] if result else []
    found = figures(results) if results else {}
    split = split_of([f for f in files if f.suffix == ".atr"], DEVELOPED)
    f1 = found.get("f1", 0.0)
    return report(
        check="monitoring.qrs",
        tally=tally,
        data=arguments.data,
        covers="in half-hour ECG records of adults nearly every beat is found where cardiologists marked it, on the "
        "records "
        "that the detector was made with",
        truth=Truth.OUTSIDE,
        split=split,
        figures=found,
        intervals={"f1": bootstrap(results)} if results else {},
        methods=["monitoring.ecg-rate"],
        files=files,
        as_json=arguments.json,
        ok=len(results) == len(headers) and f1 >= (TARGET_F1 if split is Split.UNSEEN else KEPT_F1),
    )


if __name__ == "__main__":
    sys.exit(main())
