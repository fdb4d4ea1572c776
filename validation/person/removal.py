"""Understanding taken away: one code, unit or dose of the example patients becomes nonsense, one at a time.

Patients, changes and what must hold are ours: this shows that what is not understood is not taken for absent. A case is
one changed place. Right: nothing is newly started or begun in the plan, nothing is newly stated not to be on the list,
and a diagnosis, procedure, allergy or medicine whose code and words are nonsense is named as not understood (``named``
counts these). Wrong: one of it does not hold, or no plan can be made. ``--trials`` are spread evenly over all places
(as a rule all of them); no outside data are read.
"""

from __future__ import annotations

import copy
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salus.app import demo
from salus.app.house import House
from salus.app.session import Session
from salus.careplan.compose import compose
from salus.careplan.model import Plan
from salus.fhir.views import CATEGORIES
from salus.findings.registry import runnable
from salus.findings.runner import run
from salus.record.chart import Chart, Entry
from salus.trust.identity import demo_identity
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report, wilson
from validation.person._plans import examples

TRIALS = 5000
SHORT = ("--trials", "60")
PERSON = "salus/person/person.py"
MUTANTS = (
    Mutant(PERSON, "        return self._recorded[1]\n", "        return ()\n", "unread diagnoses are not named"),
    Mutant(PERSON, "        return self._allergies[1]\n", "        return ()\n", "unread allergies are not named"),
    Mutant(PERSON, "return medicines.not_understood(self.listed, self.all(\"note-medication\"), self.now)", "return ()",
           "unread medicines are not named"),
)  # fmt: skip
NONSENSE = "Zqx-97-vrb"
KINDS = (
    "Condition", "Procedure", "AllergyIntolerance", "MedicationRequest", "MedicationStatement", "Medication",
    "Observation", "FamilyMemberHistory",
)  # fmt: skip
NAMED = ("Condition", "Procedure", "AllergyIntolerance", "MedicationRequest", "MedicationStatement")
"""Whose nonsense the plan has to name where code and words are both nonsense."""
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
    twin = Chart(made, now=chart.now, loader=chart.load)
    outcome = run(runnable({})[0], twin, previous=findings)
    return compose(twin, outcome.findings, looked_at=CATEGORIES)


@dataclass
class Score:
    """What was counted beside the outcomes."""

    tally: Tally = field(default_factory=Tally)
    named: int = 0


def judge(before: frozenset[str], after: Plan, *, must_name: bool) -> tuple[Outcome, str]:
    """How a change ends, and why."""
    new = sorted(s for s in sentences(after) - before if FORBIDDEN.search(s))
    if new:
        return Outcome.WRONG, new[0]
    if must_name and not any(NONSENSE in told for told in after.not_understood):
        return Outcome.WRONG, "what cannot be read is not named"
    return Outcome.RIGHT, ""


def one(house: House, example: demo.Example, trials: int, people: int, score: Score) -> None:
    """Every change of one example patient."""
    opened = Session(house, demo_identity(demo.CLINICIAN)).open(example.patient, example.at)
    entries = opened.chart.resources()
    first = run(runnable({})[0], opened.chart.fresh())
    whole = compose(opened.chart.fresh(), first.findings, looked_at=CATEGORIES)
    before = sentences(whole)
    wanted = [(k, where, change) for k, (_, body) in enumerate(entries)
              if body.get("resourceType") in KINDS for where, change in places(dict(body))]  # fmt: skip
    share = max(1, round(len(wanted) * people / trials))
    for number, (k, where, change) in enumerate(wanted):
        must_name = entries[k][1].get("resourceType") in NAMED and where.endswith("(code and words)")
        if number % share and not must_name:
            continue
        name = f"{example.name} {entries[k][0].ref} {where}"
        try:
            after = trial(entries, opened.chart, first.findings, k, change)
        except Exception as error:  # noqa: BLE001 - nonsense in a record must not break a plan
            score.tally.add(name, Outcome.WRONG, repr(error))
            continue
        score.tally.add(name, *judge(before, after, must_name=must_name))
        score.named += must_name


def main() -> int:
    """Print the report; 0 when nothing new is begun and no new absence is stated."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--trials", type=int, default=TRIALS)
    arguments = parser.parse_args()
    score = Score()
    with tempfile.TemporaryDirectory() as folder:
        people = list(examples().values())
        house = demo.make_house(Path(folder) / "house", *people)
        for example in people:
            demo.take_in(house, example)
            demo.give_consent(house, example)
            one(house, example, arguments.trials, len(people), score)
        house.close()
    n, wrong = score.tally.n, score.tally.counts[Outcome.WRONG]
    return report(
        check="person.removal",
        tally=score.tally,
        data=arguments.data,
        covers="on three invented patients no single unreadable code, unit or dose makes the plan start something or "
        "call "
        "something absent",
        truth=Truth.OWN,
        split=Split.DEVELOPED,
        figures={"trials": n, "new": wrong, "named": score.named},
        intervals={"new": wilson(wrong, n)},
        methods=["careplan.plan"],
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
