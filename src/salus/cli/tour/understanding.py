"""Understanding: one made-up person as three countries write them becomes one plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salus.cli.tour.slice import Slice, Stage

if TYPE_CHECKING:
    from salus.app.house import House
    from salus.careplan.model import Plan


def run(stage: Stage) -> str:
    """Take in the three records; raise unless they become the same plan, none of it not understood."""
    from salus.app.config import at_folder
    from salus.app.demo import OPERATOR, enrol, examples_root, session
    from salus.app.house import House
    from salus.app.intake.intake import Intake

    files = sorted((examples_root() / "tour" / "understanding").glob("*.json"))
    with House.create(at_folder(stage.folder / "understanding"), demo=True) as house:
        enrol(house, OPERATOR, "operator")
        Intake(session(house, OPERATOR)).run(files)
        plans = [_plan(house, patient) for patient in house.store.patients(house.gate.house("tour"))]
    keys = [sorted(item.key for item in plan.items) for plan in plans]
    if len(keys) != len(files) or any(key != keys[0] for key in keys[1:]):
        raise AssertionError("the same person in other codes got another plan")
    if any(plan.not_understood for plan in plans):
        raise AssertionError("an entry was not understood")
    kinds = "ICD-10-CM and brands, SNOMED CT in STU3, ICD-10-GM and ATC in R5"
    return f"{len(files)} records of one person ({kinds}) become one plan of {len(keys[0])} items"


def _plan(house: House, patient: str) -> Plan:
    from salus.careplan.compose import compose
    from salus.fhir.views import CATEGORIES
    from salus.findings.registry import runnable
    from salus.findings.runner import run as draw

    chart, _ = house.gate.service_chart(patient, house.clock())
    return compose(chart, draw(runnable({})[0], chart).findings, looked_at=CATEGORIES)


SLICE = Slice(
    name="understanding",
    title="Understanding",
    says=(
        "diagnoses, medicines, results and doses of exports of many countries are recognised, on those it was made with"
    ),
    capabilities=("terminology.reading", "careplan.plan"),
    run=run,
)
