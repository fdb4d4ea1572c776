"""Survival data of others: federated training equals pooled, and an audit of the model.

Every ``survival/*.csv.gz`` (pid, event, time, num_*, fac_*) and ``rotterdam*.csv`` is a case. Its people are dealt to
three hospitals; a case passes when every weight of the federated model is within 1e-3 of the pooled one, and the server
saw masked messages only. Concordance, its correction for optimism, and subgroups of the largest set with intervals are
figures.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import sys
from pathlib import Path

import numpy as np

from validation._report import argument_parser, report

WITHIN = 1e-3
PIECES = 4
HOSPITALS = 3


def table(path: Path) -> list[dict[str, str]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def cohort(path: Path):
    """People with numbers in every numeric column and time above 0. Text columns with two values count as 0 and 1."""
    from salus.population.survival import Cohort

    rows = table(path)
    if "rtime" in rows[0]:
        rows = [{**r, "time": r["dtime"], "event": r["death"]} for r in rows]
        names = ["age", "meno", "grade", "nodes", "hormon", "chemo"]
    else:
        names = [n for n in rows[0] if n.startswith(("num_", "fac_")) and len({r[n] for r in rows}) > 1]
    columns = []
    for name in names:
        values = [r[name] for r in rows]
        try:
            columns.append([float(v) if v not in ("", "NA") else np.nan for v in values])
        except ValueError:
            kinds = sorted(set(values) - {"", "NA"})
            columns.append([np.nan if v in ("", "NA") else float(kinds.index(v) > 0) for v in values])
    features = np.array(columns).T
    time, event = np.array([float(r["time"]) for r in rows]), np.array([float(r["event"]) > 0 for r in rows])
    keep = np.isfinite(features).all(axis=1) & (time > 0)
    features, time, event = features[keep], time[keep], event[keep]
    varied = features.std(axis=0) > 0
    return Cohort(tuple(n for n, v in zip(names, varied, strict=True) if v), features[:, varied], time, event)


def cuts_of(people) -> list[float]:
    """Cuts that leave as many events in every piece."""
    times = np.unique(people.time[people.event])
    return sorted({float(np.quantile(times, q)) for q in np.linspace(0, 1, PIECES + 1)[1:-1]})


def dealt(people, path: Path):
    from salus.population.federated import Hospital

    place = np.array(
        [hashlib.sha256(f"{path.name} {i}".encode()).digest()[0] % HOSPITALS for i in range(len(people.time))]
    )
    return [Hospital(f"hospital-{k}", people.subset(place == k)) for k in range(HOSPITALS)]


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    from salus.errors import SalusError
    from salus.population import audit, federated, survival

    folder = arguments.data / "survival"
    files = [*sorted(folder.glob("*.csv.gz")), *sorted(folder.glob("rotterdam*.csv"))]
    failures, figures, intervals = [], {}, {}
    largest = None
    for path in files:
        try:
            people = cohort(path)
            cuts = cuts_of(people)
            pooled = survival.fit_pooled(people, cuts)
            together, server = federated.train(dealt(people, path), people.names, cuts)
        except SalusError as error:
            failures.append({"id": path.name, "why": str(error)})
            continue
        off = max(
            np.abs(together.coefficients - pooled.coefficients).max(),
            np.abs(np.log(together.hazards / pooled.hazards)).max(),
        )
        plain = [
            len(seen) and min(np.abs(m.astype(np.int64).astype(float) / federated.UNIT).max() for m in seen)
            for seen in server.seen
        ]
        name = path.name.partition(".")[0]
        figures[f"{name}_difference"] = float(off)
        if off > WITHIN:
            failures.append({"id": path.name, "why": f"weights differ by {off:.2e}"})
        if min(plain) < 1e9:  # a masked message is spread over the whole range; no sum here comes near a billion
            failures.append({"id": path.name, "why": "the server saw an unmasked message"})
        if largest is None or len(people.time) > len(largest[1].time):
            largest = (name, people, cuts, pooled)
    if largest:
        name, people, cuts, pooled = largest
        inside = audit.internal(people, cuts, times=30)
        model = audit.calibrated(pooled, people, inside.slope_corrected)
        figures |= {
            f"{name}_concordance": inside.concordance_apparent,
            f"{name}_concordance_corrected": inside.concordance_corrected,
            f"{name}_slope_corrected": inside.slope_corrected,
        }
        age = people.features[:, people.names.index("age")] if "age" in people.names else people.features[:, 0]
        middle = float(np.median(age))
        horizon = float(np.quantile(people.time, 0.5))
        bands = {f"age up to {middle:g}": age <= middle, f"age above {middle:g}": age > middle}
        for group in audit.subgroups(model, people, bands, horizon, times=100):
            for kind, figure in (("concordance", group.concordance), ("observed_expected", group.observed_expected)):
                if figure:
                    figures[f"{name}, {group.name}: {kind}"] = figure.value
                    intervals[f"{name}, {group.name}: {kind}"] = [figure.low, figure.high]
    n = len(files)
    broken = len({f["id"] for f in failures})
    return report(
        check="population.survival",
        n=n,
        passed=n - broken,
        data=arguments.data,
        files=files,
        figures={"n": n, "passed": n - broken, **figures},
        intervals=intervals,
        methods=["population.survival", "population.federated"],
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
