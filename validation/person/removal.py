"""Understanding taken away: one code, unit or dose of the example patients becomes nonsense, one at a time.

No proposal to start or begin anything may appear that was not there before, and no statement that something is not on
the list. ``--trials`` are spread evenly over all places (as a rule all of them); no outside data are read.
"""

from __future__ import annotations

import copy
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from salus.app import demo
from salus.app.session import Session
from salus.careplan.compose import compose
from salus.careplan.model import Plan
from salus.fhir.views import CATEGORIES
from salus.findings.registry import runnable
from salus.findings.runner import run
from salus.record.chart import Chart, Entry
from salus.trust.identity import demo_identity
from validation._report import argument_parser, report

TRIALS = 5000
NONSENSE = "Zqx-97-vrb"
KINDS = (
    "Condition", "Procedure", "AllergyIntolerance", "MedicationRequest", "MedicationStatement", "Medication",
    "Observation", "FamilyMemberHistory",
)  # fmt: skip
FORBIDDEN = re.compile(
    r"\b(?:start|begin)s?\b|\bno [^.]{1,40} on the (?:medicine )?list|\bnot on the medicine list", re.I
)
Change = Callable[[dict[str, Any]], None]


def places(body: dict[str, Any]) -> Iterator[tuple[str, Change]]:
    """Every code, unit and dose of a resource, each with what turns it into nonsense."""
    for name in ("code", "medicationCodeableConcept", "valueCodeableConcept"):
        if isinstance(body.get(name), dict):
            yield f"{name} (code)", lambda b, n=name: _recode(b[n], words=False)
            yield f"{name} (code and words)", lambda b, n=name: _recode(b[n], words=True)
    if isinstance(body.get("valueQuantity"), dict):
        yield "unit", lambda b: b["valueQuantity"].update(unit=NONSENSE, code=NONSENSE)
    for key in ("dosageInstruction", "dosage"):
        if body.get(key):
            yield "dose", lambda b, k=key: b.__setitem__(k, [{"text": NONSENSE}])
    for n, _ in enumerate(body.get("condition", []) if body.get("resourceType") == "FamilyMemberHistory" else []):
        yield "relative's condition", lambda b, i=n: _recode(b["condition"][i]["code"], words=True)
    for n, part in enumerate(body.get("component", [])):
        if isinstance(part.get("code"), dict):
            yield "code of a component", lambda b, i=n: _recode(b["component"][i]["code"], words=True)
        if isinstance(part.get("valueQuantity"), dict):
            yield (
                "unit of a component",
                lambda b, i=n: b["component"][i]["valueQuantity"].update(unit=NONSENSE, code=NONSENSE),
            )


def _recode(element: dict[str, Any], *, words: bool) -> None:
    for coding in element.get("coding", ()):
        coding["code"] = NONSENSE
        if words:
            coding.pop("display", None)
    if words and "text" in element:
        element["text"] = NONSENSE


def sentences(plan: Plan) -> frozenset[str]:
    """Everything the plan proposes and states, sentence by sentence, but for the list of what was not understood."""
    told = [s for i in plan.items for s in (i.text, *i.because)] + [d.reason for d in plan.dropped]
    return frozenset(part.strip() for text in told for part in re.split(r"(?<=[.;:])\s", text))


def trial(entries: tuple[Entry, ...], chart: Chart, findings: tuple[Any, ...], number: int, change: Change) -> Plan:
    """The plan of the record with one place changed."""
    source, body = entries[number]
    changed = copy.deepcopy(dict(body))
    change(changed)
    altered = type(source)(source.ref, source.version, f"{source.digest[:-1]}x", source.category)
    made = [*entries[:number], (altered, changed), *entries[number + 1 :]]
    twin = Chart(made, now=chart.now, loader=chart._loader)
    outcome = run(runnable({})[0], twin, previous=findings)
    return compose(twin, outcome.findings, looked_at=CATEGORIES)


def main() -> int:
    """Print the report; 0 when nothing new is begun and no new absence is stated."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--trials", type=int, default=TRIALS)
    arguments = parser.parse_args()
    failures, n = [], 0
    with tempfile.TemporaryDirectory() as folder:
        examples = list(demo.examples().values())
        house = demo.make_house(Path(folder) / "house", *examples)
        for example in examples:
            demo.take_in(house, example)
            demo.give_consent(house, example)
            opened = Session(house, demo_identity(demo.CLINICIAN)).open(example.patient, example.at)
            entries = opened.chart.resources()
            first = run(runnable({})[0], opened.chart.fresh())
            before = sentences(compose(opened.chart.fresh(), first.findings, looked_at=CATEGORIES))
            wanted = [(k, where, change) for k, (_, body) in enumerate(entries)
                      if body.get("resourceType") in KINDS for where, change in places(dict(body))]  # fmt: skip
            share = max(1, round(len(wanted) * len(examples) / arguments.trials))
            for k, where, change in wanted[::share]:
                n += 1
                after = sentences(trial(entries, opened.chart, first.findings, k, change))
                new = sorted(s for s in after - before if FORBIDDEN.search(s))
                if new:
                    failures.append({"id": f"{example.name} {entries[k][0].ref} {where}", "why": new[0]})
        house.close()
    return report(
        check="person.removal",
        n=n,
        passed=n - len(failures),
        data=arguments.data,
        figures={"trials": n, "new": len(failures)},
        methods=["careplan.plan"],
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
