"""A survival model of people in Rotterdam, held against R's figures there and, where the file is, on people in Germany.

Files: ``survival/rotterdam*.csv`` and ``survival/gbsg*.csv`` (also ``.gz``), with the columns of R's package survival
or of SurvSet. The model is that of Royston and Altman (BMC Med Res Methodol 2013;13:33) as R's coxph was fitted for the
reference: people with positive nodes, recurrence or death, censored at 7 years; size in three classes, nodes up to 19
and their square, grade, log(1 + receptor) of progesterone and oestrogen, age and its square, hormones, menopause.

A case is one of R's figures: concordance of development; and of the German people concordance, slope of the predictor,
mean predicted risk of five years, and the observed one. Right: within the tolerance. Wrong: not. Not read: a file that
lacks a column. The tolerances: C and slope differ by the baseline (pieces of time here, Breslow's there) and by the
slight ridge; a mean risk by the form of the baseline; the observed risk is Kaplan and Meier's for both, so that only
rounding is left.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.population import audit, survival
from salus.population.survival import Cohort, Model
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report

YEAR = 365.25
END, HORIZON = 7 * YEAR, 5 * YEAR
CUTS = tuple(year * YEAR for year in (1.0, 2.0, 3.0, 4.0, 5.0))
REFERENCE = {"development_c": 0.684, "external_c": 0.689, "external_slope": 1.05, "predicted_5y": 0.485,
             "observed_5y": 0.508}  # fmt: skip
"""R 4.2, survival 3.5-3, coxph; quoted with the reference data."""
WITHIN = {"development_c": 0.001, "external_c": 0.005, "external_slope": 0.05, "predicted_5y": 0.015,
          "observed_5y": 0.0006}  # fmt: skip
NAMES = (
    "size_20_50",
    "size_above_50",
    "nodes",
    "nodes2",
    "grade",
    "log_pgr",
    "log_er",
    "age",
    "age2",
    "hormon",
    "meno",
)
WORDS = {"I": 1.0, "II": 2.0, "III": 3.0, "yes": 1.0, "no": 0.0, "Post": 1.0, "Pre": 0.0}
SYNONYMS = {"age": "num_age", "size": "num_tsize", "nodes": "num_pnodes", "pgr": "num_progrec", "er": "num_estrec",
            "grade": "fac_tgrade", "hormon": "fac_horTh", "meno": "fac_menostat"}  # fmt: skip
MODEL, AUDIT = "salus/population/survival.py", "salus/population/audit.py"
MUTANTS = (
    Mutant(AUDIT,
           "            later.add(int(ranks[i]))\n        for i in (i for i in block if happened[i]):\n            "
           "below",
           "            pass\n        for i in (i for i in block if happened[i]):\n            below",
           "people under observation to the end are left out of the concordance"),
    Mutant(MODEL, "pieces] = cohort.event", "pieces] = 1", "everybody ends with the event"),
    Mutant(MODEL, "np.full(p, ridge)])", "np.full(p, 1000 * ridge)])", "the ridge is a thousand times as heavy"),
    Mutant(MODEL, "return np.asarray(np.clip(time[:, None] - edges[:-1], 0.0, np.diff(edges)), float)",
           "return np.asarray(np.ones((len(time), len(edges) - 1)), float)", "time at risk plays no part"),
)  # fmt: skip

Row = dict[str, str]


def table(path: Path) -> list[Row]:
    """The rows of a file."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def number(row: Row, name: str) -> float:
    """A column as a number, by its name in either form. Raises KeyError, ValueError."""
    cell = row[name] if name in row else row[SYNONYMS[name]]
    return WORDS[cell] if cell in WORDS else float(cell)


def size(row: Row) -> tuple[float, float]:
    """Whether the tumour measures 20 to 50 mm, and whether above."""
    cell = row.get("size", "")
    if cell in ("<=20", "20-50", ">50"):
        return float(cell == "20-50"), float(cell == ">50")
    millimetres = number(row, "size")
    return float(20 < millimetres <= 50), float(millimetres > 50)


def ended(row: Row) -> tuple[float, bool]:
    """Days to recurrence or death, and whether it came to that; censored at seven years."""
    if "rtime" in row:
        recurred, died = row["recur"] == "1", row["death"] == "1"
        time, event = float(row["rtime"] if recurred else row["dtime"]), recurred or died
    elif "rfstime" in row:
        time, event = float(row["rfstime"]), row["status"] == "1"
    else:
        time, event = float(row["time"]), float(row["event"]) > 0
    return min(time, END), event and time <= END


def cohort(path: Path) -> Cohort:
    """People with positive nodes. Raises KeyError, ValueError for a file of another form."""
    features, times, events = [], [], []
    for row in table(path):
        nodes, age = min(number(row, "nodes"), 19.0), number(row, "age")
        time, event = ended(row)
        if nodes <= 0 or time <= 0:
            continue
        rest = (np.log1p(number(row, "pgr")), np.log1p(number(row, "er")), age / 10, (age / 10) ** 2, number(row,
                "hormon"), number(row, "meno"))  # fmt: skip
        features.append((*size(row), nodes, nodes**2 / 10, number(row, "grade"), *rest))
        times.append(time)
        events.append(event)
    return Cohort(NAMES, np.array(features, float), np.array(times, float), np.array(events, bool))


def c_of(model: Model, people: Cohort) -> float:
    """Harrell's C of the predictor."""
    return audit.concordance(model.predictor(people.features), people.time, people.event)


def external(model: Model, people: Cohort) -> dict[str, float]:
    """The four figures of other people."""
    return {
        "external_c": c_of(model, people),
        "external_slope": audit.slope(model.predictor(people.features), people, CUTS),
        "predicted_5y": float(model.risk(people.features, HORIZON).mean()),
        "observed_5y": audit.kaplan_meier(people, HORIZON),
    }


def main() -> int:
    """Fit, score and report; 0 when every figure is R's."""
    arguments = argument_parser(__doc__ or "").parse_args()
    folder = arguments.data / "survival"
    here = sorted(folder.glob("rotterdam*.csv*"))[:1]
    there = sorted(p for p in folder.glob("*.csv*") if p.name.lower().startswith("gbsg"))[:1]
    tally, found, people = Tally(), dict[str, float](), dict[str, int]()
    try:
        if here:
            developed = cohort(here[0])
            model = survival.fit_pooled(developed, CUTS)
            people["rotterdam"], found["development_c"] = len(developed.time), c_of(model, developed)
        if here and there:
            others = cohort(there[0])
            people["gbsg"] = len(others.time)
            found |= external(model, others)
    except (KeyError, ValueError, SalusError) as error:
        tally.add("files", Outcome.NOT_READ, f"a file cannot be used: {error!r}")
    for name, value in found.items():
        near = abs(value - REFERENCE[name]) <= WITHIN[name]
        tally.add(name, Outcome.RIGHT if near else Outcome.WRONG, f"{value:.4f}, R {REFERENCE[name]}")
    covers = (
        "a model fitted on women in Rotterdam tells and calibrates on women in Germany as R's coxph does"
        if "gbsg" in people
        else "a model fitted on women in Rotterdam tells them apart as well as R's coxph does on the same women; other "
        "people were not at hand"
    )
    return report(
        check="population.external",
        tally=tally,
        data=arguments.data,
        covers=covers,
        truth=Truth.OUTSIDE,
        split=Split.UNSEEN,
        files=[*here, *there],
        figures={**people, **found},
        methods=["population.survival"],
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
