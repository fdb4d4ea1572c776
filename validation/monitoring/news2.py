"""NEWS2 against reference vectors: every point of every parameter and the total must agree.

``python -m validation.monitoring.news2 --data DIR [--json]`` reads ``news2/*.csv``. A case is a row with all seven
parameters. Right: every point and the total are the reference's. Wrong: one of them is not. Refused though answerable:
salus raises or leaves the total open. Not read: a column that is asked is missing or is no number.
"""

from __future__ import annotations

import csv
import sys
from decimal import Decimal, InvalidOperation

from salus.errors import InputError
from salus.monitoring import news2
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report, wilson

TABLE = "salus/monitoring/news2.json"
MUTANTS = (
    Mutant(TABLE, '"93",\n    2', '"93",\n    1', "a saturation of 92 or 93 scores 1"),
    Mutant(TABLE, '"24",\n     2', '"25",\n     2', "a respiratory rate of 25 scores 2"),
    Mutant(TABLE, '"219",', '"220",', "a pressure of 220 scores 0"),
    Mutant(TABLE, '"C": 3', '"C": 0', "new confusion scores 0"),
    Mutant(TABLE, '"92",\n    0', '"93",\n    0', "scale 2 with oxygen: 93 scores 0"),
    Mutant("salus/monitoring/news2.py", "if bound is None or rounded <= Decimal(bound)",
           "if bound is None or rounded < Decimal(bound)", "bounds are exclusive"),
    Mutant("salus/monitoring/news2.py", "    if not scale_2:", "    if True:", "scale 2 is never used"),
)  # fmt: skip
POINTS = {
    "s_rr": "respiratory-rate",
    "s_spo2": "oxygen-saturation",
    "s_o2": "oxygen",
    "s_sbp": "systolic-bp",
    "s_hr": "heart-rate",
    "s_acvpu": "acvpu",
    "s_temp": "body-temperature",
}


def scored(row: dict[str, str]) -> news2.Score:
    """Our score of one row of a vector file."""
    values = {
        "respiratory-rate": Decimal(row["respiratory_rate"]),
        "oxygen-saturation": Decimal(row["spo2"]),
        "oxygen": "oxygen" if row["on_oxygen"] == "1" else "air",
        "systolic-bp": Decimal(row["systolic_bp"]),
        "heart-rate": Decimal(row["heart_rate"]),
        "acvpu": row["acvpu"],
        "body-temperature": Decimal(row["temperature"]),
    }
    return news2.score(values, scale_2=row["spo2_scale2"] == "1")


def judge(row: dict[str, str]) -> tuple[Outcome, str]:
    """How a row ends, and why."""
    try:
        wanted = {name: int(row[column]) for column, name in POINTS.items()} | {"total": int(row["news2"])}
        got = scored(row)
    except InputError as error:
        return Outcome.REFUSED_THOUGH_ANSWERABLE, str(error)
    except (KeyError, ValueError, InvalidOperation) as error:
        return Outcome.NOT_READ, f"the row cannot be read: {error!r}"
    if got.total is None:
        return Outcome.REFUSED_THOUGH_ANSWERABLE, "the total is left open"
    given = {**got.points, "total": got.total}
    wrong = [name for name, points in wanted.items() if given.get(name) != points]
    return (Outcome.WRONG, f"differs: {', '.join(wrong)}") if wrong else (Outcome.RIGHT, "")


def main() -> int:
    """Score every row found and report."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = sorted(arguments.data.glob("news2/*.csv"))
    tally = Tally()
    for path in files:
        with path.open(newline="", encoding="utf-8") as stream:
            for number, row in enumerate(csv.DictReader(stream), 2):
                tally.add(f"{path.name}:{number}", *judge(row))
    n, right = tally.n, tally.counts[Outcome.RIGHT]
    return report(
        check="monitoring.news2",
        tally=tally,
        data=arguments.data,
        covers="from seven complete values salus gives the points and total of another program of RCP's chart 1; what "
        "comes of missing values, and whether NEWS2 foresees illness, is not measured",
        truth=Truth.OUTSIDE,
        split=Split.UNSEEN,
        figures={"n": n, "passed": right, "agreement": right / n if n else None},
        intervals={"agreement": wilson(right, n)},
        methods=["monitoring.news2"],
        files=files,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
