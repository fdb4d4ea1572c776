"""The ECG quality gate under added noise: how much it lets through, and how right the beats are in that.

``python -m validation.monitoring.qrs_noise --data DIR [--json]`` takes the first ten minutes of every
``mitdb-*/*.hea``, with both leads and with the first alone, as they are and with noise of three kinds at several
signal-to-noise ratios (see _noise.py: 5-45 Hz, muscle, motion), and looks at each window of ten seconds.

A case is one record with one or two leads, one kind and ratio. It is right when the beats in the windows let through
have an F1 of at least 0.95, wrong when they have not. Where no window is let through it is abstained, and refused
though answerable when no noise was added.

The gate was fitted to the records in ``FITTED`` (tools/fit_ecg_gate.py), with noise of another seed: what comes of them
is in ``developed``. The figures are of all others. The check holds when there, of every kind and ratio at which at
least 100 beats are let through, 95 % of these are true (PPV), and when 85 % of the clean time is let through.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report, wilson
from validation.monitoring._noise import Condition, conditions, runs
from validation.monitoring.qrs import TOLERANCE_S, match

TARGET_F1 = 0.95
LEAST_PPV, LEAST_CLEAN, LEAST_BEATS = 0.95, 0.85, 100
FITTED = frozenset({"101", "106", "119", "124", "203", "205", "207", "215", "220", "223"})
SHORT = ("--leads", "2")
_QUALITY = "salus/monitoring/ecg/quality.py"
MUTANTS = (
    Mutant(_QUALITY, "LEAST_TRUST = 0.9", "LEAST_TRUST = 0.0", "every window is let through"),
    Mutant(_QUALITY, "LEAST_TRUST = 0.9", "LEAST_TRUST = 0.997", "hardly a window is let through"),
    Mutant(_QUALITY, "- self.contrast * math.log", "+ self.contrast * math.log", "noise between beats speaks for them"),
    Mutant(
        "salus/monitoring/ecg/qrs.py", "\nTHRESHOLD = 0.5", "\nTHRESHOLD = 0.1", "a tenth of a beat's height is a beat"
    ),
)


def evaluate(header: Path, seed: int, asked: Sequence[Condition]) -> dict[Condition, NDArray[np.int64]]:
    """Of each condition: windows, windows let through, and in these matched, found and true beats."""
    result: dict[Condition, NDArray[np.int64]] = {}
    for run in runs(header, seed, asked):
        counts = np.zeros(5, np.int64)
        for window, real, ours in run.windows:
            counts[0] += 1
            if window.good:
                counts[1:] += 1, len(match(real, ours, TOLERANCE_S * run.fs)), len(ours), len(real)
        result[run.condition] = counts
    return result


def named(condition: Condition) -> str:
    """How a condition is called in figures: "clean", "6_db" (band noise), "motion_6_db", with one lead "…_one_lead"."""
    leads, kind, ratio = condition
    name = "clean" if ratio is None else f"{ratio:g}_db" if kind == "band" else f"{kind}_{ratio:g}_db"
    return name if leads == 2 else f"{name}_one_lead"


def figures_of(totals: dict[Condition, NDArray[np.int64]]) -> dict[str, Any]:
    """Share let through, F1 and PPV in it, of each condition; the least PPV, and the share of clean time."""
    found: dict[str, Any] = {}
    least: list[float] = []
    for condition, (windows, good, matched, ours, real) in totals.items():
        name = named(condition)
        found[f"good_share_{name}"] = float(good / windows)
        found[f"f1_good_{name}"] = float(2 * matched / (ours + real)) if good else None
        found[f"ppv_good_{name}"] = float(matched / ours) if ours else None
        least += [float(matched / ours)] if ours >= LEAST_BEATS else []
    clean = _clean(totals)
    return {"ppv_least": min(least, default=None), "clean_assessed": float(clean[1] / clean[0]), **found}


def _clean(totals: dict[Condition, NDArray[np.int64]]) -> NDArray[np.int64]:
    """The counts of all conditions without noise together."""
    zero = np.zeros(5, np.int64)
    return np.asarray(sum((c for (_, kind, _), c in totals.items() if kind == "clean"), zero))


def outcome(condition: Condition, counts: NDArray[np.int64]) -> tuple[Outcome, str]:
    """How one record ends under one condition, and why."""
    _, good, matched, ours, real = counts.tolist()
    if not good:
        clean = condition[2] is None
        return (Outcome.REFUSED_THOUGH_ANSWERABLE if clean else Outcome.ABSTAINED), "nothing is let through"
    f1 = 2 * matched / (ours + real) if ours + real else 1.0
    return (Outcome.RIGHT if f1 >= TARGET_F1 else Outcome.WRONG), f"F1 {f1:.3f} in windows let through"


def main() -> int:
    """Score every record under every condition and report."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--leads", type=int, choices=(1, 2), help="unseen records only, with so many leads only")
    arguments = parser.parse_args()
    headers = sorted(arguments.data.glob("mitdb-*/*.hea"))
    asked = [c for c in conditions() if arguments.leads in (None, c[0])]
    if arguments.leads:
        headers = [h for h in headers if h.stem not in FITTED]
    parts = {split: (Tally(), defaultdict[Condition, Any](lambda: np.zeros(5, np.int64))) for split in Split}
    for seed, header in enumerate(headers):
        tally, totals = parts[Split.DEVELOPED if header.stem in FITTED else Split.UNSEEN]
        for condition, counts in evaluate(header, seed, asked).items():
            totals[condition] += counts
            tally.add(f"{header.stem}: {named(condition)}", *outcome(condition, counts))
    (tally, totals), (fitted, seen) = parts[Split.UNSEEN], parts[Split.DEVELOPED]
    figures = figures_of(totals) if tally.n else {}
    clean = _clean(totals)
    return report(
        check="monitoring.qrs_noise",
        tally=tally,
        covers="beats that the gate lets through under three kinds of added noise are true, and clean time is let "
        "through, on records that it was not fitted to",
        truth=Truth.OUTSIDE,
        split=Split.UNSEEN,
        figures=figures,
        intervals={"clean_assessed": wilson(int(clean[1]), int(clean[0]))},
        developed={"n": fitted.n, "outcomes": fitted.outcomes(), **figures_of(seen)} if fitted.n else None,
        methods=["monitoring.ecg-rate"],
        data=arguments.data,
        files=sorted(path for h in headers for path in h.parent.glob(f"{h.stem}.*")),
        as_json=arguments.json,
        ok=bool(figures) and (figures["ppv_least"] or 0.0) >= LEAST_PPV and figures["clean_assessed"] >= LEAST_CLEAN,
    )


if __name__ == "__main__":
    sys.exit(main())
