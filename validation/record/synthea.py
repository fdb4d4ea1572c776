"""Synthea bundles through the whole house: loading speed, findings and plan of every patient, and the yield.

Access is by a test policy that this check signs and prints: it lets one clinician read everything for treatment.
Each patient's plan is made at the day after the last date in the record.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from salus.app.config import at_folder
from salus.app.house import House
from salus.app.intake import Intake
from salus.app.opened import now
from salus.app.session import Session
from salus.fhir.views import CATEGORIES
from salus.record.index import date_rows
from salus.trust import policy
from salus.trust.identity import Actor, Identity
from validation._report import argument_parser, report

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


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    files = sorted(arguments.data.glob("synthea/*.ndjson.gz"))
    failures: list[dict[str, Any]] = []
    assessed: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    resources = people = 0
    load_s = 0.0
    plan_s: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        house, operator, clinician = open_house(Path(folder))
        with house:
            for path in files:
                start = time.process_time()
                taken = Intake(operator).run([path])
                load_s += time.process_time() - start
                resources += sum(t.written.created for t in taken if t.written)
                failures += [{"id": t.name, "why": str(t.error)} for t in taken if t.error]
            for patient in house.store.patients(house.gate.house("operator")):
                people += 1
                try:
                    at = last_day(house, patient)
                    start = time.process_time()
                    plan, opened = clinician.plan(patient, at)
                    plan_s.append(time.process_time() - start)
                except Exception as error:  # noqa: BLE001 - the check is that there is none
                    failures.append({"id": patient, "why": repr(error)})
                    continue
                failures += [{"id": patient, "why": f"{f.method}: {f.why}"} for f in opened.refresh.failures]
                for finding in plan.findings:
                    asked[finding.code] += 1
                    assessed[finding.code] += finding.status == "ok"
    broken = {str(f["id"]) for f in failures}
    figures: dict[str, Any] = {
        "resources": resources,
        "resources_per_cpu_s": resources / load_s if load_s else 0,
        "plan_cpu_s_max": max(plan_s, default=0),
        "plan_cpu_s_mean": sum(plan_s) / len(plan_s) if plan_s else 0,
        "yield": {code: [assessed[code], asked[code]] for code in sorted(asked)},
    }
    return report(
        check="record.synthea",
        n=people,
        passed=people - len(broken),
        data=arguments.data,
        files=files,
        figures=figures,
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
