"""Plans of small patients that go through the whole house: files in, consent, findings, plan.

Every folder with ``expected.json`` and patient files (``record.json`` and the like, ``notes/*.txt``) is a case.
``must`` and ``must_not`` are regular expressions over the text of the plan of 2026-06-01, white space folded, case
ignored, without the medicine list.

- right: every ``must`` is found and no ``must_not``;
- wrong: a ``must_not`` is found;
- refused though answerable: a ``must`` is not found, or there is no plan;
- not read: nothing is expected.

What is looked for are words: a plan can hold them and be wrong beside them.
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
from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.careplan.text import render
from salus.errors import SalusError
from salus.fhir import json
from salus.fhir.views import CATEGORIES
from salus.trust.identity import Actor, demo_identity
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report, split_of, wilson

DEVELOPED = (
    "4e30d7418d8dbeac",
    "891cbf2156ff11f1",
    "0dc6b6e8a8f61309",
    "48c08b746ae36a14",
    "6387d6ddc9c9ac88",
    "39c38f54c324f4d1",
    "d7d787182167b304",
    "ffbcc3e420263c3b",
    "0e1d7c27ee84da89",
    "f35a8b873b9d745e",
    "3cb79efd53464727",
    "65474976208d6d48",
    "8ca476c59cf308b0",
    "d04b6e728ae46b97",
    "7ad1de2385d3e6b8",
    "738ef33e5f6f5c3b",
    "f9684dfe83f4182a",
    "f9306929a6493645",
    "1b45f6ed2ecc4587",
    "a44dc8df2b0d4b28",
    "5702475f56e8110f",
    "670e42d748af5a26",
    "3d532e2564518abc",
    "d60e4ccc39998a2b",
    "3ddde5d3441f2b24",
)
"""Cases that rules were made and mended on (``expected.json``)."""
SHARE = 0.8
"""Least share of all ``must`` on other cases; on those that the rules were mended on none may be missing."""
ACUTE = "salus/careplan/guidelines/acute.py"
MUTANTS = (
    Mutant("salus/careplan/guidelines/pressure.py", "SEVERE = (180.0, 120.0)", "SEVERE = (200.0, 130.0)",
           "a pressure of 190 can wait"),
    Mutant(ACUTE, "    yield from _unborn(person)\n", "", "medicines that harm an unborn child are not seen"),
    Mutant(ACUTE, "    yield from _kidney_injury(person)\n", "", "a sudden fall of kidney function is not seen"),
    Mutant("salus/text/mentions.py", 'return "other"', 'return "present"', "what is told of others is the patient's"),
    Mutant("salus/risk/kidney.py", "low, high = (3, 30) if per_mole else (30, 300)", "low, high = (30, 300)",
           "albumin ratios in mg/mmol are judged as mg/g"),
)  # fmt: skip
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


def judge(case: Path, expected: dict[str, Any]) -> tuple[Outcome, str, int, int]:
    """How a case ends, why, how many ``must`` are found, and how many ``must_not``."""
    must, must_not = list(expected.get("must", ())), list(expected.get("must_not", ()))
    if not must and not must_not:
        return Outcome.NOT_READ, "nothing is expected", 0, 0
    try:
        missing, broken = judged(plan_text(case), expected)
    except SalusError as error:
        return Outcome.REFUSED_THOUGH_ANSWERABLE, f"no plan: {error.what}", 0, 0
    why = f"missing {missing}; must not be there {broken}"
    found = len(must) - len(missing)
    if broken:
        return Outcome.WRONG, why, found, len(broken)
    return (Outcome.REFUSED_THOUGH_ANSWERABLE if missing else Outcome.RIGHT), why, found, 0


def main() -> int:
    """Print the report; 0 when every ``must_not`` holds and four fifths of all ``must`` are found."""
    arguments = argument_parser(__doc__ or "").parse_args()
    below = (arguments.data / "cases" / "clinical", arguments.data / "clinical")
    root = next((folder for folder in below if folder.is_dir()), arguments.data)
    files = sorted(root.glob("*/expected.json"))
    tally, wanted, found, broken = Tally(), 0, 0, 0
    for path in files:
        expected = json.loads(path.read_bytes())
        outcome, why, held, against = judge(path.parent, expected)
        tally.add(path.parent.name, outcome, why)
        wanted += len(expected.get("must", ()))
        found, broken = found + held, broken + against
    n, split = tally.n, split_of(files, DEVELOPED)
    needed = SHARE if split is Split.UNSEEN else 1
    return report(
        check="careplan.cases",
        tally=tally,
        data=arguments.data,
        covers="plans of small made records, after troubles that users of such software reported, say what they "
        "should and "
        "not what they must not, as far as a few words show; on the cases that the rules were mended on",
        truth=Truth.OUTSIDE,
        split=split,
        files=[p for path in files for p in path.parent.rglob("*") if p.is_file()],
        figures={
            "n": n,
            "passed": tally.passed,
            "must": found / wanted if wanted else None,
            "must_not_broken": broken,
        },
        intervals={"must": wilson(found, wanted)},
        methods=["careplan.plan"],
        as_json=arguments.json,
        ok=n > 0 and not broken and found >= needed * wanted,
    )


if __name__ == "__main__":
    sys.exit(main())
