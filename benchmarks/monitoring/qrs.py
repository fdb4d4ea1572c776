"""CPU seconds a record-hour of QRS detection, beside wfdb's XQRS and sleepecg where they are installed (extra bench).

``python -m benchmarks.monitoring.qrs [--data DIR] [--hours H] [--json]``: with ``--data`` on every ``mitdb-*/*.hea``
there, else on a made two-lead signal of ``H`` hours. Peers get the first lead only, which is all they take.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from salus.formats.wfdb import read_record_path
from salus.monitoring.ecg import qrs, quality

Table = NDArray[np.float64]


def made(hours: float, fs: float = 360.0) -> Table:
    """A two-lead signal of Gaussian waves (P, QRS, T) with wander and noise, (samples, 2) in mV."""
    rng = np.random.default_rng(1)
    n = int(hours * 3600 * fs)
    at = np.arange(n) / fs
    lead = 0.1 * np.sin(2 * np.pi * 0.3 * at) + 0.02 * rng.normal(size=n)
    for beat in np.cumsum(rng.normal(0.8, 0.05, int(hours * 3600 / 0.8))):
        near = slice(max(0, int((beat - 0.3) * fs)), max(0, min(n, int((beat + 0.5) * fs))))
        for shift, height, width in ((-0.16, 0.12, 0.025), (0.0, 1.0, 0.011), (0.25, 0.25, 0.05)):
            lead[near] += height * np.exp(-0.5 * ((at[near] - beat - shift) / width) ** 2)
    return np.column_stack([lead, -0.5 * lead + 0.02 * rng.normal(size=n)])


def tables(data: Path | None, hours: float) -> Iterator[tuple[Table, float]]:
    """The signals to time, each with its sampling rate."""
    if data is None:
        yield made(hours), 360.0
        return
    for header in sorted(data.glob("mitdb-*/*.hea")):
        blocks = read_record_path(header)
        yield np.column_stack([b.samples for b in blocks]), float(blocks[0].fs)


def detectors() -> dict[str, Callable[[Table, float], int]]:
    """Detectors by name; each gives the number of beats."""

    def salus(table: Table, fs: float) -> int:
        return len(qrs.detect(table, fs, usable=quality.usable(table, fs)).sample)

    def salus_one(table: Table, fs: float) -> int:
        return salus(table[:, :1], fs)

    found: dict[str, Callable[[Table, float], int]] = {"salus": salus, "salus, one lead": salus_one}
    if importlib.util.find_spec("sleepecg"):
        import sleepecg

        found["sleepecg, one lead"] = lambda table, fs: len(sleepecg.detect_heartbeats(table[:, 0], fs))  # type: ignore[attr-defined]
    if importlib.util.find_spec("wfdb"):
        from wfdb.processing import XQRS

        def xqrs(table: Table, fs: float) -> int:
            detector = XQRS(table[:, 0], fs)
            detector.detect(verbose=False)
            return len(detector.qrs_inds)

        found["wfdb XQRS, one lead"] = xqrs
    return found


def measure(data: Path | None, hours: float) -> dict[str, object]:
    """CPU seconds an hour of ECG for every detector, p50 and p95 over recordings, and peak memory."""
    results: dict[str, object] = {}
    for name, detect in detectors().items():
        rates, beats = [], 0
        for table, fs in tables(data, hours):
            started = time.process_time()
            beats += detect(table, fs)
            rates.append((time.process_time() - started) / (len(table) / fs / 3600))
        if rates:
            results[name] = {
                "cpu_s_per_hour": {"p50": float(np.median(rates)), "p95": float(np.percentile(rates, 95))},
                "beats": beats,
            }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"benchmark": "monitoring.qrs", "detectors": results, "peak_memory_mb": round(peak, 1)}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure(arguments.data, arguments.hours)
    print(orjson.dumps(result, option=0 if arguments.json else orjson.OPT_INDENT_2).decode())
    return 0 if result["detectors"] else 1


if __name__ == "__main__":
    sys.exit(main())
