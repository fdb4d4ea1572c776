"""Make the small tables of ``examples/tour/discovery``: ``python tools/make_discovery_examples.py TABLE OUT``.

TABLE is ``biogen_rPPB_train.csv`` of molecularinformatics/Computational-ADME (MIT; columns smiles and activity); every
second row of it is kept. The report table is invented: 900 reports of sixty products and forty events by a seeded
generator, with fourteen pairs reported more often than chance (raised.csv). Nobody described in it exists.
"""

import argparse
import csv
import random
from pathlib import Path

PRODUCTS = [f"product {number:02d}" for number in range(1, 61)]
PLACES = ("head", "neck", "back", "arm", "hand", "leg", "foot", "face")
EVENTS = [f"{place} {what}" for place in PLACES for what in ("ache", "swelling", "numbness", "itching", "redness")]
RAISED = {
    (PRODUCTS[k], EVENTS[3 * k % len(EVENTS)]): extra
    for k, extra in enumerate([30, 26, 22, 19, 16, 14, 12, 10, 9, 8, 7, 6, 5, 5])
}
"""Pairs that get so many reports beyond chance."""

REPORTS = 900
SEED = 20260101


def measurements(table: Path, out: Path) -> None:
    """Every second measured molecule."""
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))[::2]
    with out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["smiles", "value"])
        writer.writerows([row["smiles"], f"{float(row['activity']):.4f}"] for row in rows)


def reports(out: Path) -> None:
    """Invented reports."""
    chance = random.Random(SEED)
    rows = set()
    raised = [pair for pair, times in RAISED.items() for _ in range(times)]
    for number in range(1, REPORTS + 1):
        name, sex = f"R{number:04d}", chance.choice(["female", "male"])
        for event in chance.sample(EVENTS, chance.choice([1, 1, 2, 3])):
            rows.add((name, chance.choice(PRODUCTS), event, sex))
        if number <= len(raised):
            rows.add((name, *raised[number - 1], sex))
    with out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["id", "var1", "var2", "sex"])
        writer.writerows(sorted(rows))
    with out.with_name("raised.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["var1", "var2", "extra"])
        writer.writerows([*pair, extra] for pair, extra in RAISED.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path, help="biogen_rPPB_train.csv")
    parser.add_argument("out", type=Path, help="examples/tour/discovery")
    arguments = parser.parse_args()
    measurements(arguments.table, arguments.out / "rat_plasma_unbound.csv")
    reports(arguments.out / "reports.csv")


if __name__ == "__main__":
    main()
