"""The same person in other words gets the same plan: made-up charts, each written in many ways.

People, ways of writing and what must hold are ours: this shows consistency, not that plans are right. A case is a
person written in one way other than the plain one:

- right: items, risks and findings of the plan are those of the plain chart;
- abstained: nothing is new and something is gone, and what could not be read is named;
- wrong: something is new, or something is gone without a word.

``--people`` says how many are made (1,000); no outside data are read.
"""

from __future__ import annotations

import sys

from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report, wilson
from validation.person._charts import PLAIN, WAYS, someone, variants, write
from validation.person._plans import Said, planned

PEOPLE = 1000
MOST_ABSTAINED = 0.02
"""Most cases in which something may be gone: naming everything as not understood would pass otherwise."""
SHORT = ("--people", "12")
MUTANTS = (
    Mutant("salus/terminology/data/systems.toml", 'icd9cm = ["http://hl7.org/fhir/sid/icd-9-cm", ', "icd9cm = [",
           "ICD-9-CM is not known"),
    Mutant("salus/terminology/units_analytes.tsv", "creatinine\tumol/L\tmg/dL\t88.4",
           "creatinine\tumol/L\tmg/dL\t113.1",
           "creatinine is converted with another molar mass"),
    Mutant("salus/terminology/units_analytes.tsv", "total-cholesterol\tmmol/L\tmg/dL\t0.02586",
           "total-cholesterol\tmmol/L\tmg/dL\t0.01129", "cholesterol is converted like triglycerides"),
    Mutant("salus/terminology/conditions.py", '"icd10": ("icd10",),', '"icd10": (),', "no rule holds for ICD-10"),
    Mutant("salus/fhir/releases/releases.toml", '"default intent order", "move dateWritten authoredOn"',
           '"default intent order"',
           "DSTU2 orders lose their date"),
)  # fmt: skip


def judge(plain: Said, other: Said) -> tuple[Outcome, str]:
    """How another way of writing ends against the plain one, and why."""
    new = (other.items - plain.items) | (other.findings - plain.findings)
    gone = (plain.items - other.items) | (plain.findings - other.findings)
    if not new and not gone:
        return Outcome.RIGHT, ""
    why = f"new {sorted(new)[:3]}, gone {sorted(gone)[:3]}"
    return (Outcome.ABSTAINED if other.named and not new else Outcome.WRONG), why


def main() -> int:
    """Print the report; 0 when no plan differs."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--first", type=int, default=0, help="number of the first person")
    arguments = parser.parse_args()
    tally, fewer, items = Tally(), 0, 0
    for number in range(arguments.first, arguments.first + arguments.people):
        person = someone(number)
        plain = planned(write(person, PLAIN))
        items += len(plain.items)
        for name, resources in variants(person).items():
            other = planned(resources)
            fewer += other.named
            tally.add(f"{number} {name}", *judge(plain, other))
    wrong, abstained = tally.counts[Outcome.WRONG], tally.counts[Outcome.ABSTAINED]
    return report(
        check="person.metamorphic",
        tally=tally,
        data=arguments.data,
        covers="a plan does not depend on the code system, units, brand names, dose form, FHIR release or order in "
        "which "
        "the same invented person is written down; whether it is right is not measured",
        truth=Truth.OWN,
        split=Split.DEVELOPED,
        figures={
            "people": arguments.people,
            "ways": len(WAYS),
            "differences": wrong,
            "with_named_gaps": fewer,
            "items_per_person": items / arguments.people if arguments.people else None,
        },
        intervals={"differences": wilson(wrong, tally.n)},
        methods=["careplan.plan"],
        as_json=arguments.json,
        ok=not wrong and abstained <= MOST_ABSTAINED * tally.n and items > 0,
    )


if __name__ == "__main__":
    sys.exit(main())
