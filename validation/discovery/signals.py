"""Reporting ratios against openEBGM: every ``caers_openebgm_*.csv.gz`` (below ``safety/`` or in the folder).

The reports are ``caers.csv.gz`` beside it; a reference with ``stratified`` (and not ``unstratified``) in its name
compares within ``strat1``. The prior is fitted here; where a ``*_theta.json`` lies beside the reference it is shown
next to ours and never used. A pair passes when N, E, RR, PRR, EBGM, EB05 and EB95 are all within 1 % (infinite where
the reference is infinite), and neither side lacks it. ``flagged``: pairs with EB05 >= 2 here; ``flagged_equal``: those
flagged in both; ``flagged_reference``: in the reference.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import sys
from pathlib import Path
from typing import Any

from salus.discovery.signals import FLAG, Screening, Signal, read_rows, screen
from validation._report import argument_parser, report

TOLERANCE = 0.01
STRATA = ("strat1",)


def measures(signal: Signal) -> dict[str, float]:
    """Our figures under the reference's names."""
    pair = signal.pair
    return {
        "N": pair.n,
        "E": pair.expected,
        "RR": pair.rr,
        "PRR": pair.prr.value,
        "EBGM": signal.ebgm,
        "EB05": signal.eb05,
        "EB95": signal.eb95,
    }


def difference(ours: float, theirs: float) -> float:
    """Relative difference; 0 for equal (infinite too), infinite when only one is finite or the reference is 0."""
    if ours == theirs:
        return 0.0
    if not (math.isfinite(ours) and math.isfinite(theirs)) or theirs == 0:
        return math.inf
    return abs(ours / theirs - 1)


def screened(reference: Path) -> Screening:
    """Our screening of the reports that belong to a reference."""
    stratified = "unstratified" not in reference.name and "stratified" in reference.name
    with gzip.open(reference.with_name("caers.csv.gz"), "rt", encoding="utf-8", newline="") as stream:
        return screen(read_rows(stream, STRATA if stratified else (), "caers.csv.gz"))


def compare(reference: Path, screening: Screening) -> tuple[dict[str, Any], int, list[dict[str, str]]]:
    """Figures of one reference, how many pairs it has, and its failures."""
    with gzip.open(reference, "rt", encoding="utf-8", newline="") as stream:
        theirs = {(row["var1"], row["var2"]): row for row in csv.DictReader(stream)}
    ours = {(s.pair.product, s.pair.event): s for s in screening.signals}
    worst: dict[str, float] = {}
    failures = [{"id": " / ".join(key), "why": "only one side has this pair"} for key in theirs.keys() ^ ours.keys()]
    for key in sorted(theirs.keys() & ours.keys()):
        off = {name: difference(value, float(theirs[key][name])) for name, value in measures(ours[key]).items()}
        worst = {name: max(worst.get(name, 0.0), value) for name, value in off.items()}
        bad = {name: f"{value:.2%}" for name, value in off.items() if not value <= TOLERANCE}
        if bad:
            failures.append({"id": " / ".join(key), "why": f"off by {bad}"})
    flagged = {key for key, signal in ours.items() if signal.flagged}
    expected = {key for key, row in theirs.items() if float(row["EB05"]) >= FLAG}
    found = {
        "max_relative_difference": max(worst.values(), default=math.inf),
        "by_measure": worst,
        "flagged": len(flagged),
        "flagged_equal": len(flagged & expected),
        "flagged_reference": len(expected),
        "infinite_prr": sum(math.isinf(float(row["PRR"])) for row in theirs.values()),
        "prior": prior(reference, screening),
    }
    return found, len(theirs.keys() | ours.keys()), failures


def prior(reference: Path, screening: Screening) -> dict[str, Any]:
    """Our prior and, where it is told, the reference's."""
    ours = screening.prior
    fit = screening.fit
    assert fit is not None
    told = reference.with_name(reference.name.removesuffix(".csv.gz") + "_theta.json")
    return {
        "ours": {name: getattr(ours, name) for name in ("alpha1", "beta1", "alpha2", "beta2", "p")},
        "negative_log_likelihood": fit.negative_log_likelihood,
        "agreeing_starts": fit.agreeing_starts,
        "reference": json.loads(told.read_bytes()) if told.is_file() else None,
    }


def main() -> int:
    """Print the report; 0 when every pair of every reference is within 1 %."""
    arguments = argument_parser(__doc__ or "").parse_args()
    folder = arguments.data
    pattern = "caers_openebgm_*.csv.gz"
    references = sorted(folder.glob(f"safety/{pattern}")) or sorted(folder.glob(pattern))
    references = [path for path in references if path.with_name("caers.csv.gz").is_file()]
    n, failures, found = 0, [], {}
    for reference in references:
        figures, count, wrong = compare(reference, screened(reference))
        found[reference.name.removeprefix("caers_openebgm_").removesuffix(".csv.gz")] = figures
        n += count
        failures += wrong
    totals = {
        "max_relative_difference": max((f["max_relative_difference"] for f in found.values()), default=None),
        "flagged": sum(f["flagged"] for f in found.values()),
        "flagged_equal": sum(f["flagged_equal"] for f in found.values()),
    }
    return report(
        check="discovery.signals",
        n=n,
        passed=n - len(failures),
        data=folder,
        files=references + sorted({path.with_name("caers.csv.gz") for path in references}),
        figures={**totals, **found},
        methods=["discovery.signals"],
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
