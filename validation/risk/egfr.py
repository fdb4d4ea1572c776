"""CKD-EPI 2021 eGFR against MedCalc-Bench answers (those its corrected calculators reproduce) and clincalc's.

MedCalc-Bench: within the set's own limits (5 %). clincalc rounds to an integer: within one half. A creatinine outside
the range that salus finds plausible must be refused and counts as passed when it is. MedCalc-Bench answers for men with
a creatinine below 0.9 mg/dL take the women's kappa of 0.7 against the paper (Inker 2021, NEJM 385:1737): they count as
failed here, so the check is judged by an agreement of 95 %.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from salus.errors import InputError
from salus.fhir.quantity import Quantity, convert
from salus.risk.engine import Estimate
from salus.risk.kidney import egfr
from validation._report import argument_parser, report


def cases(folder: Path) -> Iterator[tuple[str, float, str, int, str, float, float]]:
    """(id, creatinine, unit, age, sex, lowest, highest) of every case."""
    for path in sorted(folder.glob("medcalc/*.jsonl")):
        for row in map(json.loads, path.read_text("utf-8").splitlines()):
            if "CKD-EPI" in row["Calculator Name"] and row.get("reproduced_by_head"):
                given = ast.literal_eval(row["Relevant Entities"])
                value, unit = given["creatinine"]
                limits = float(row["Lower Limit"]), float(row["Upper Limit"])
                yield f"medcalc-{row['Row Number']}", value, unit, given["age"][0], given["sex"].lower(), *limits
    for path in sorted(folder.glob("vectors/clincalc*.jsonl")):
        for number, row in enumerate(map(json.loads, path.read_text("utf-8").splitlines())):
            if row["calculator"] == "egfr":
                given, answer = row["input"], row["result"]
                unit = given.get("creatinine_unit", "umol/L")
                yield (
                    f"clincalc-{number}",
                    given["creatinine"],
                    unit,
                    given["age"],
                    given["sex"],
                    answer - 0.5,
                    answer + 0.5,
                )


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    n = passed = refused = 0
    failures: list[dict[str, Any]] = []
    for name, value, unit, age, sex, low, high in cases(arguments.data):
        n += 1
        try:
            amount = float(convert(Quantity(Decimal(str(value)), unit), "mg/dL", "creatinine").value)
        except InputError as error:
            failures.append({"id": name, "why": str(error)})
            continue
        result = egfr(amount, int(age), sex)
        if isinstance(result, Estimate):
            good, why = low - 1e-9 <= result.value <= high + 1e-9, f"{result.value:.3f} outside {low}..{high}"
        else:
            good, why = not 0.1 <= amount <= 20 or int(age) < 18, f"refused: {result[0].text}"
            refused += 1
        passed += good
        if not good:
            failures.append({"id": name, "why": why})
    files = sorted(arguments.data.glob("medcalc/*.jsonl")) + sorted(arguments.data.glob("vectors/clincalc*.jsonl"))
    return report(
        check="risk.egfr",
        n=n,
        passed=passed,
        data=arguments.data,
        files=files,
        figures={"refused": refused},
        methods=["risk.egfr"],
        failures=failures,
        as_json=arguments.json,
        ok=passed >= 0.95 * n,
    )


if __name__ == "__main__":
    sys.exit(main())
