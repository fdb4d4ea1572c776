"""Plans of small patients that go through the whole house: files in, consent, findings, plan.

Every folder with ``expected.json`` and patient files (``record.json`` and the like, ``notes/*.txt``) is a case.
``must`` and ``must_not`` are regular expressions over the text of the plan of 2026-06-01, white space folded, case
ignored, without the medicine list. A case passes when every ``must_not`` holds and every ``must`` is found.
"""

from __future__ import annotations

import re
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from salus.app.config import at_folder
from salus.app.demo import CLINICIAN, OPERATOR
from salus.app.house import House
from salus.app.intake import Intake
from salus.app.session import Session
from salus.careplan.text import render
from salus.errors import SalusError
from salus.fhir import json
from salus.fhir.views import CATEGORIES
from salus.trust.identity import Actor, demo_identity
from validation._report import argument_parser, report

AT = datetime(2026, 6, 1, tzinfo=UTC)


def plan_text(folder: Path) -> str:
    """The plan of the patient in ``folder`` without its medicine list. Raises SalusError where none can be made."""
    with tempfile.TemporaryDirectory() as place:
        house = House.create(at_folder(Path(place) / "house"), demo=True, clock=lambda: AT)
        for name, kind in ((OPERATOR, "operator"), (CLINICIAN, "practitioner")):
            house.add_actor(Actor(name, kind, demo_identity(name).public_key), by=OPERATOR)
        files = [p for p in sorted(folder.iterdir()) if p.name not in ("expected.json", "case.md")]
        operator = Session(house, demo_identity(OPERATOR))
        taken = Intake(operator).run(files)
        patient = next((t.patient for t in taken if t.patient), None)
        if patient is None:
            raise next((t.error for t in taken if t.error), SalusError("nothing was taken in"))
        house.add_actor(Actor("demo-p", "patient", demo_identity("demo-p").public_key, patient=patient), by=OPERATOR)
        Session(house, demo_identity("demo-p")).give_consent(patient, AT, actors=[CLINICIAN], categories=CATEGORIES)
        plan, _ = Session(house, demo_identity(CLINICIAN)).plan(patient, AT)
        house.close()
        return render(replace(plan, medicines=()))


def judged(text: str, expected: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The ``must`` patterns that are not found, and the ``must_not`` patterns that are."""
    folded = " ".join(text.split())
    missing = [p for p in expected.get("must", ()) if not re.search(p, folded, re.IGNORECASE)]
    broken = [p for p in expected.get("must_not", ()) if re.search(p, folded, re.IGNORECASE)]
    return missing, broken


def main() -> int:
    """Print the report; 0 when every ``must_not`` holds and four fifths of all ``must`` are found."""
    arguments = argument_parser(__doc__ or "").parse_args()
    below = (arguments.data / "cases" / "clinical", arguments.data / "clinical")
    root = next((folder for folder in below if folder.is_dir()), arguments.data)
    cases = sorted(path.parent for path in root.glob("*/expected.json"))
    failures, passed, wanted, found, not_broken, forbidden = [], 0, 0, 0, 0, 0
    for case in cases:
        expected = json.loads((case / "expected.json").read_bytes())
        try:
            missing, broken = judged(plan_text(case), expected)
        except SalusError as error:
            missing, broken = [f"no plan: {error.what}", *expected.get("must", ())], list(expected.get("must_not", ()))
        wanted += len(expected.get("must", ()))
        found += max(0, len(expected.get("must", ())) - len(missing))
        forbidden += len(expected.get("must_not", ()))
        not_broken += len(expected.get("must_not", ())) - len(broken)
        passed += not (missing or broken)
        if missing or broken:
            failures.append({"id": case.name, "why": f"missing {missing}; must not be there {broken}"})
    figures = {
        "n": len(cases),
        "passed": passed,
        "must": found / wanted if wanted else None,
        "must_not_broken": forbidden - not_broken,
    }
    return report(
        check="careplan.cases",
        n=len(cases),
        passed=passed,
        data=arguments.data,
        files=[p for case in cases for p in case.rglob("*") if p.is_file()],
        figures=figures,
        methods=["careplan.plan"],
        failures=failures,
        as_json=arguments.json,
        ok=bool(cases) and not_broken == forbidden and found >= 0.8 * wanted,
    )


if __name__ == "__main__":
    sys.exit(main())
