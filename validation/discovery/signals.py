"""Reporting ratios against openEBGM: every ``caers_openebgm_*.csv.gz`` (below ``safety/`` or in the folder).

The reports are ``caers.csv.gz`` beside it; a reference with ``stratified`` (and not ``unstratified``) in its name
compares within ``strat1``. The prior is fitted here; where a ``*_theta.json`` lies beside the reference it is shown
next to ours and never used. ``flagged``: pairs with EB05 >= 2 here; ``flagged_equal``: those flagged in both;
``flagged_reference``: in the reference.

A case is a pair of product and event of a reference. Outcomes: right, N, E, RR, PRR, EBGM, EB05 and EB95 are all within
1 % (infinite where the reference is infinite), and both flag it or neither does; wrong, they are not, or the reference
lacks the pair; refused though answerable, we lack it; not read, there are no reports beside the reference, or they
cannot be screened. The prior is the optimum of a flat likelihood found by two programs with different optimisers, so
that the last digits of EBGM may differ; a difference of 1 % changes no reading of a ratio.
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
from salus.errors import SalusError
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of

DEVELOPED = ("b9e02ee9abfbf79f",)
"""The reference that the estimator was compared with while it was written."""

MUTANTS = (
    Mutant(
        "salus/discovery/ebgm.py",
        "special.digamma(self.shape1) - np.log(self.rate1)",
        "np.log(self.shape1) - np.log(self.rate1)",
        "EBGM takes the mean of one component for its geometric mean",
    ),
    Mutant(
        "salus/discovery/signals.py", "after.quantile(0.05)", "after.quantile(0.025)", "EB05 is the 2.5th percentile"
    ),
    Mutant(
        "salus/discovery/signals.py",
        "value = (a / (a + b)) / (c / (c + d))",
        "value = (a / b) / (c / d) if b and d else math.inf",
        "PRR is the odds ratio",
    ),
    Mutant(
        "salus/discovery/ebgm.py",
        "truncated = plain - np.log(-np.expm1(log_zero))",
        "truncated = plain - log_zero",
        "the likelihood is truncated by the chance of no report",
    ),
    Mutant(
        "salus/discovery/signals.py",
        "pairs[row.product, row.event].add(row.report)",
        'pairs[row.product, row.event].add(f"{row.report} {len(pairs[row.product, row.event])}")',
        "lines are counted, not distinct reports",
    ),
    Mutant("salus/discovery/signals.py", "self.eb05 >= FLAG", "self.ebgm >= FLAG", "EBGM is flagged instead of EB05"),
)

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


def compare(reference: Path, tally: Tally) -> dict[str, Any] | None:
    """Add every pair of one reference to the tally, and give its figures (None where it could not be put to us)."""
    with gzip.open(reference, "rt", encoding="utf-8", newline="") as stream:
        theirs = {(row["var1"], row["var2"]): row for row in csv.DictReader(stream)}
    try:
        screening = screened(reference)
    except (OSError, SalusError) as error:
        for key in theirs:
            tally.add(f"{reference.name}: {' / '.join(key)}", Outcome.NOT_READ, f"no reports: {type(error).__name__}")
        return None
    ours = {(s.pair.product, s.pair.event): s for s in screening.signals}
    flagged = {key for key, signal in ours.items() if signal.flagged}
    expected = {key for key, row in theirs.items() if float(row["EB05"]) >= FLAG}
    worst: dict[str, float] = {}
    for key in sorted(theirs.keys() | ours.keys()):
        case = f"{reference.name}: {' / '.join(key)}"
        if key not in ours or key not in theirs:
            lacks = Outcome.REFUSED_THOUGH_ANSWERABLE if key in theirs else Outcome.WRONG
            tally.add(case, lacks, "only one side has this pair")
            continue
        off = {name: difference(value, float(theirs[key][name])) for name, value in measures(ours[key]).items()}
        worst = {name: max(worst.get(name, 0.0), value) for name, value in off.items()}
        bad = {name: f"{value:.2%}" for name, value in off.items() if not value <= TOLERANCE}
        if bad or (key in flagged) != (key in expected):
            tally.add(case, Outcome.WRONG, f"off by {bad}" if bad else "one side flags it, the other does not")
        else:
            tally.add(case, Outcome.RIGHT)
    return {
        "max_relative_difference": max(worst.values(), default=math.inf),
        "by_measure": worst,
        "flagged": len(flagged),
        "flagged_equal": len(flagged & expected),
        "flagged_reference": len(expected),
        "infinite_prr": sum(math.isinf(float(row["PRR"])) for row in theirs.values()),
        "prior": prior(reference, screening),
    }


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
    tally = Tally()
    found = {}
    for reference in references:
        if figures := compare(reference, tally):
            found[reference.name.removeprefix("caers_openebgm_").removesuffix(".csv.gz")] = figures
    totals = {
        "max_relative_difference": max((f["max_relative_difference"] for f in found.values()), default=None),
        "flagged": sum(f["flagged"] for f in found.values()),
        "flagged_equal": sum(f["flagged_equal"] for f in found.values()),
    }
    reports = {path.with_name("caers.csv.gz") for path in references}
    return report(
        check="discovery.signals",
        tally=tally,
        data=folder,
        covers=(
            "counts and reporting ratios of a table of reports are openEBGM's within 1 %; not that a flagged pair is a "
            "harm, nor that harms are flagged"
        ),
        truth=Truth.OUTSIDE,
        split=split_of(references, DEVELOPED),
        files=references + sorted(path for path in reports if path.is_file()),
        figures={**totals, **found},
        methods=["discovery.signals"],
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
