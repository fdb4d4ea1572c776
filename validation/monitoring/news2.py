"""NEWS2 against reference vectors: every point of every parameter and the total must agree.

``python -m validation.monitoring.news2 --data DIR [--json]`` reads ``news2/*.csv``.
"""

from __future__ import annotations

import csv
import sys
from decimal import Decimal
from typing import Any

from salus.monitoring import news2
from validation._report import argument_parser, report

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


def main() -> int:
    """Score every row found and report."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = sorted(arguments.data.glob("news2/*.csv"))
    n, passed, failures = 0, 0, list[dict[str, Any]]()
    for path in files:
        with path.open(newline="", encoding="utf-8") as stream:
            for number, row in enumerate(csv.DictReader(stream), 2):
                n += 1
                got = scored(row)
                wrong = [name for column, name in POINTS.items() if got.points.get(name) != int(row[column])]
                if got.total != int(row["news2"]):
                    wrong.append("total")
                passed += not wrong
                if wrong:
                    failures.append({"id": f"{path.name}:{number}", "why": f"differs: {', '.join(wrong)}"})
    return report(
        check="monitoring.news2",
        n=n,
        passed=passed,
        figures={"n": n, "passed": passed, "agreement": passed / n if n else None},
        methods=["monitoring.news2"],
        data=arguments.data,
        files=files,
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
