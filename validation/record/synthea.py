"""Synthea bundles through the whole house: are they stored whole, is a plan made of each, and how much is assessed.

Access is by a test policy that this check signs and prints: it lets one clinician read everything for treatment.
Each patient's plan is made at the day after the last date in the record. A case is a patient of the files:

- right: of every type of resource as many are stored as the file holds, and the plan is made without any method
  failing;
- wrong: fewer or more are stored, a method failed, or no plan could be made;
- not read: the bundle was not taken in.

Nothing here says that findings are right. ``yield`` is how many people each method could assess, of those asked.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from salus.app.config import at_folder
from salus.app.house import House
from salus.app.intake.intake import Intake
from salus.app.opened import now
from salus.app.session import Session
from salus.fhir.views import CATEGORIES
from salus.record.index import date_rows
from salus.trust import policy
from salus.trust.identity import Actor, Identity
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of

DEVELOPED = ("4df4a3c7db765f1b",)
"""Files that salus was tried on while it was made."""
BUNDLE = "salus/intake/fhir_bundle.py"
MUTANTS = (
    Mutant(BUNDLE, "for number, entry in enumerate(entries):", "for number, entry in enumerate(entries[:-1]):",
           "the last entry of a bundle is lost"),
    Mutant(BUNDLE, 'if resource["resourceType"] == "OperationOutcome":',
           'if resource["resourceType"] in ("OperationOutcome", "Claim"):', "claims are not taken"),
    Mutant("salus/risk/inputs.py", "if person.age_doubt:", "if person.age_doubts:", "a method fails on everybody"),
)  # fmt: skip
POLICY = {
    "id": "validation-only",
    "organisation": "validation",
    "from": "2000-01-01",
    "rules": [
        {
            "basis": "treatment",
            "actors": ["clinician"],
            "patients": ["*"],
            "purposes": ["TREAT"],
            "categories": list(CATEGORIES),
            "overrides-denial": False,
        }
    ],
}


def open_house(folder: Path) -> tuple[House, Session, Session]:
    """A fresh house with an operator and, under the printed policy, a clinician."""
    house = House.create(at_folder(folder), alone=True)
    people = {n: Identity.generate(n) for n in ("operator", "clinician", "validation")}
    for name, kind in (("operator", "operator"), ("clinician", "practitioner"), ("validation", "organisation")):
        house.add_actor(Actor(name, kind, people[name].public_key), by="operator")
    house.add_policy(policy.sign(POLICY, people["validation"]), by="operator")
    print(f"policy in force: {POLICY['rules']}", file=sys.stderr)
    return house, Session(house, people["operator"]), Session(house, people["clinician"])


def last_day(house: House, patient: str) -> datetime:
    """The day after the latest date in the record."""
    chart, _ = house.gate.service_chart(patient, now())
    latest = max(
        (datetime.fromisoformat(row.hi) for _, body in chart.resources() for row in date_rows(body)),
        default=now(),
    )
    return latest + timedelta(days=1)


def expected(files: list[Path]) -> dict[str, Counter[str]]:
    """How many resources of each type the files hold, by patient."""
    found = {}
    for path in files:
        for line in gzip.decompress(path.read_bytes()).splitlines():
            resources = [entry["resource"] for entry in json.loads(line)["entry"]]
            patient = next(r["id"] for r in resources if r["resourceType"] == "Patient")
            found[patient] = Counter(str(r["resourceType"]) for r in resources)
    return found


@dataclass
class Score:
    """What was counted beside the outcomes."""

    tally: Tally = field(default_factory=Tally)
    assessed: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    plan_s: list[float] = field(default_factory=list)


def stored(house: House, patient: str) -> Counter[str]:
    """How many resources of each type the house holds of a patient, its own record of where they came from aside."""
    chart, _ = house.gate.service_chart(patient, now())
    return Counter(str(body["resourceType"]) for _, body in chart.resources() if body["resourceType"] != "Provenance")


def judge(house: House, clinician: Session, patient: str, wanted: Counter[str], score: Score) -> tuple[Outcome, str]:
    """How a patient ends, and why."""
    held = stored(house, patient)
    differ = {k: (held[k], wanted[k]) for k in held | wanted if k != "Provenance" and held[k] != wanted[k]}
    if differ:
        return Outcome.WRONG, f"stored, in the file: {differ}"
    try:
        at = last_day(house, patient)
        start = time.process_time()
        plan, opened = clinician.plan(patient, at)
        score.plan_s.append(time.process_time() - start)
    except Exception as error:  # noqa: BLE001 - the check is that there is none
        return Outcome.WRONG, repr(error)
    for finding in plan.findings:
        score.asked[finding.code] += 1
        score.assessed[finding.code] += finding.status == "ok"
    broken = [f"{f.method}: {f.why}" for f in opened.refresh.failures]
    return (Outcome.WRONG, "; ".join(broken)) if broken else (Outcome.RIGHT, "")


def main() -> int:
    """Take every bundle in, plan for every patient, and report."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = sorted(arguments.data.glob("synthea/*.ndjson.gz"))
    people, score, resources = expected(files), Score(), 0
    with tempfile.TemporaryDirectory() as folder:
        house, operator, clinician = open_house(Path(folder))
        with house:
            start = time.process_time()
            taken = [t for path in files for t in Intake(operator).run([path])]
            load_s = time.process_time() - start
            resources = sum(t.written.created for t in taken if t.written)
            there = set(house.store.patients(house.gate.house("operator")))
            for patient, wanted in people.items():
                if patient in there:
                    score.tally.add(patient, *judge(house, clinician, patient, wanted, score))
                else:
                    errors = [str(t.error) for t in taken if t.error]
                    score.tally.add(patient, Outcome.NOT_READ, f"not taken in: {errors[:1]}")
    return report(
        check="record.synthea",
        tally=score.tally,
        data=arguments.data,
        covers="bundles of a generator of invented people are stored whole and a plan is made without failing; whether "
        "plans are right is not measured, and of these people nearly nothing can be assessed",
        truth=Truth.OWN,
        split=split_of(files, DEVELOPED),
        files=files,
        figures={
            "resources": resources,
            "resources_per_cpu_s": resources / load_s if load_s else 0,
            "plan_cpu_s_max": max(score.plan_s, default=0),
            "plan_cpu_s_mean": sum(score.plan_s) / len(score.plan_s) if score.plan_s else 0,
            "assessed_share": score.assessed.total() / score.asked.total() if score.asked else None,
            "yield": {code: [score.assessed[code], score.asked[code]] for code in sorted(score.asked)},
        },
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
