"""Fit the weights of the ECG quality gate (``GATE`` in salus/monitoring/ecg/quality.py) and print them.

    python tools/fit_ecg_gate.py --data FOLDER

FOLDER holds ``mitdb-*/*.hea`` with signals and annotations (MIT-BIH Arrhythmia Database, PhysioNet, ODC-By 1.0).
Records whose name hashes into the first half are fitted to; the others are left to ``validation.monitoring.qrs_noise``.
Each window of ten seconds, clean or with noise of three kinds, with two leads or one, is a row; it is good when matched
beats are at least nine tenths of those found and of those that are there. Ridge 0.01 on standardised properties.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).parents[1]))

from salus.monitoring.ecg import quality
from validation._report import first_half
from validation.monitoring._noise import conditions, runs
from validation.monitoring.qrs import TOLERANCE_S, match

NAMES = ("contrast", "rival", "nearest", "typical", "lowest")
GOOD, RIDGE, SEED = 0.9, 0.01, 1000


def properties(beats: quality.Beats) -> list[float]:
    """The properties as the gate weighs them."""
    logged = [np.log(min(value, 3.0) + 0.02) for value in (beats.contrast, beats.rival)]
    return [*logged, beats.nearest, beats.typical, min(beats.lowest, 1.0)]


def rows(header: Path, seed: int) -> list[tuple[list[float], bool]]:
    """Properties of every window that could be judged, and whether its beats are right."""
    found = []
    for run in runs(header, seed, conditions()):
        shape = quality.band_passed(run.signal, run.fs)
        for window, real, ours in run.windows:
            looks = quality.beats_in(window.start, window.end, run.fs, shape, run.found)
            if looks is None or window.reason not in ("", "noise"):
                continue
            matched = len(match(real, ours, TOLERANCE_S * run.fs))
            found.append((properties(looks), matched >= GOOD * max(len(real), len(ours))))
    return found


def fitted(x: np.ndarray, good: np.ndarray) -> tuple[float, np.ndarray]:
    """Constant and weights of the logistic regression, for properties as they are."""
    middle, width, sign = x.mean(axis=0), x.std(axis=0), 2.0 * good - 1
    table = np.column_stack([np.ones(len(x)), (x - middle) / width])

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (table @ w)
        slope = table.T @ (-sign / (1 + np.exp(margin))) / len(x) + 2 * RIDGE * np.r_[0, w[1:]]
        return float(np.logaddexp(0, -margin).mean() + RIDGE * (w[1:] ** 2).sum()), slope

    w = minimize(loss, np.zeros(table.shape[1]), jac=True).x
    weights = w[1:] / width
    return float(w[0] - weights @ middle), weights


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    headers = [h for h in sorted(parser.parse_args().data.glob("mitdb-*/*.hea")) if first_half(h.stem)]
    print(f"fitted to {', '.join(h.stem for h in headers)}", file=sys.stderr)
    table = [row for number, header in enumerate(headers) for row in rows(header, SEED + number)]
    constant, weights = fitted(np.array([p for p, _ in table]), np.array([good for _, good in table]))
    told = ", ".join(f"{name}={value:.3f}" for name, value in zip(NAMES, weights, strict=True))
    print(f"GATE = Gate(constant={constant:.3f}, {told})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
