"""The same person in other words gets the same plan: made-up charts, each written in many ways.

For every person and way, the plan's items, risks and findings must be the same as of the plain chart; or fewer, where
what could not be read is named. ``--people`` says how many are made (1,000); no outside data are read.
"""

from __future__ import annotations

import sys

from validation._report import argument_parser, report
from validation.person._charts import PLAIN, WAYS, someone, variants, write
from validation.person._plans import Said, planned

PEOPLE = 1000


def difference(plain: Said, other: Said) -> str:
    """How ``other`` differs from ``plain`` where it must not; "" where it does not."""
    new = (other.items - plain.items) | (other.findings - plain.findings)
    gone = (plain.items - other.items) | (plain.findings - other.findings)
    if not new and not gone:
        return ""
    if other.named and not {item for item in other.items - plain.items if ":start:" in item[0]}:
        return ""
    return f"new {sorted(new)[:3]}, gone {sorted(gone)[:3]}"


def main() -> int:
    """Print the report; 0 when no plan differs."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--first", type=int, default=0, help="number of the first person")
    arguments = parser.parse_args()
    failures, fewer, n = [], 0, 0
    for number in range(arguments.first, arguments.first + arguments.people):
        person = someone(number)
        plain = planned(write(person, PLAIN))
        for name, resources in variants(person).items():
            n += 1
            other = planned(resources)
            fewer += other.named
            why = difference(plain, other)
            if why:
                failures.append({"id": f"{number} {name}", "why": why})
    return report(
        check="person.metamorphic",
        n=n,
        passed=n - len(failures),
        data=arguments.data,
        figures={"people": arguments.people, "ways": len(WAYS), "differences": len(failures), "with_named_gaps": fewer},
        methods=["careplan.plan"],
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
