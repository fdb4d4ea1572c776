"""Survival data of others: federated training equals pooled, and an audit of the model.

Every ``survival/*.csv.gz`` (pid, event, time, num_*, fac_*) and ``rotterdam*.csv`` is a case. Its people are dealt to
three hospitals. Both trainings are salus's own, so this shows consistency, not a right model (see
``validation.population.external``).

- right: every weight of the federated model is within 1e-3 of the pooled one, and the server saw masked messages only;
- wrong: a weight is not, or a message was not masked; not read: no model can be fitted on the file, by salus's word.

Concordance, its correction for optimism, and subgroups of the largest set with intervals are figures.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import sys
from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.population import audit, federated, survival
from salus.population.federated import Hospital
from salus.population.survival import Cohort, Model
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report

WITHIN = 1e-3
PIECES = 4
HOSPITALS = 3
MASKED = 1e9
"""A masked message is spread over the whole range; no sum here comes near a billion."""
FEDERATED = "salus/population/federated.py"
MUTANTS = (
    Mutant(FEDERATED, "told = told + stream if self.name < other else told - stream", "told = told + stream",
           "the masks do not cancel"),
    Mutant(FEDERATED, "            told = told + stream if self.name < other else told - stream", "            pass",
           "sums are sent without a mask"),
    Mutant(FEDERATED, "survival.source(self._cohort, scale, cuts)",
           "survival.source(self._cohort, survival.scale_of(survival.moments(self._cohort)), cuts)",
           "every hospital scales by its own people"),
    Mutant(FEDERATED, "UNIT = float(1 << 24)", "UNIT = float(1 << 3)", "sums travel as eighths"),
)  # fmt: skip


def table(path: Path) -> list[dict[str, str]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def cohort(path: Path) -> Cohort:
    """People with numbers in every numeric column and time above 0. Text columns with two values count as 0 and 1."""
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


def cuts_of(people: Cohort) -> list[float]:
    """Cuts that leave as many events in every piece."""
    times = np.unique(people.time[people.event])
    return sorted({float(np.quantile(times, q)) for q in np.linspace(0, 1, PIECES + 1)[1:-1]})


def dealt(people: Cohort, path: Path) -> list[Hospital]:
    place = np.array(
        [hashlib.sha256(f"{path.name} {i}".encode()).digest()[0] % HOSPITALS for i in range(len(people.time))]
    )
    return [Hospital(f"hospital-{k}", people.subset(place == k)) for k in range(HOSPITALS)]


def judge(people: Cohort, path: Path) -> tuple[Outcome, str, float, Model]:
    """How a file ends, why, the greatest difference of a weight, and the pooled model."""
    cuts = cuts_of(people)
    pooled = survival.fit_pooled(people, cuts)
    together, server = federated.train(dealt(people, path), people.names, cuts)
    off = max(
        float(np.abs(together.coefficients - pooled.coefficients).max()),
        float(np.abs(np.log(together.hazards / pooled.hazards)).max()),
    )
    if not off <= WITHIN:
        return Outcome.WRONG, f"weights differ by {off:.2e}", off, pooled
    least = min(
        float(np.abs(message.astype(np.int64).astype(float) / federated.UNIT).max())
        for messages in server.seen
        for message in messages
    )
    return (Outcome.RIGHT if least >= MASKED else Outcome.WRONG), "the server saw an unmasked message", off, pooled


def audited(name: str, people: Cohort, pooled: Model) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Figures of a model on its own people, and of subgroups by age, with intervals."""
    inside = audit.internal(people, cuts_of(people), times=30)
    model = audit.calibrated(pooled, people, inside.slope_corrected)
    figures = {
        f"{name}_concordance": inside.concordance_apparent,
        f"{name}_concordance_corrected": inside.concordance_corrected,
        f"{name}_slope_corrected": inside.slope_corrected,
    }
    intervals: dict[str, list[float]] = {}
    age = people.features[:, people.names.index("age")] if "age" in people.names else people.features[:, 0]
    middle = float(np.median(age))
    horizon = float(np.quantile(people.time, 0.5))
    bands = {f"age up to {middle:g}": age <= middle, f"age above {middle:g}": age > middle}
    for group in audit.subgroups(model, people, bands, horizon, times=100):
        for kind, figure in (("concordance", group.concordance), ("observed_expected", group.observed_expected)):
            if figure:
                figures[f"{name}, {group.name}: {kind}"] = figure.value
                intervals[f"{name}, {group.name}: {kind}"] = [figure.low, figure.high]
    return figures, intervals


def main() -> int:
    """Train both ways on every file found and report."""
    arguments = argument_parser(__doc__ or "").parse_args()
    folder = arguments.data / "survival"
    files = [*sorted(folder.glob("*.csv.gz")), *sorted(folder.glob("rotterdam*.csv"))]
    tally, differences = Tally(), dict[str, float]()
    largest: tuple[str, Cohort, Model] | None = None
    for path in files:
        name = path.name.partition(".")[0]
        try:
            people = cohort(path)
            outcome, why, off, pooled = judge(people, path)
        except (SalusError, KeyError, ValueError) as error:
            tally.add(path.name, Outcome.NOT_READ, f"no model: {error!r}")
            continue
        tally.add(path.name, outcome, why)
        differences[f"{name}_difference"] = off
        if largest is None or len(people.time) > len(largest[1].time):
            largest = (name, people, pooled)
    figures, intervals = audited(*largest) if largest else ({}, {})
    return report(
        check="population.survival",
        tally=tally,
        data=arguments.data,
        covers="hospitals that share masked sums alone get the model that they would get of all people together; "
        "whether "
        "it predicts for others is not measured here",
        truth=Truth.OWN,
        split=Split.UNSEEN,
        files=files,
        figures={"n": tally.n, "passed": tally.passed, **differences, **figures},
        intervals=intervals,
        methods=["population.survival", "population.federated"],
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
