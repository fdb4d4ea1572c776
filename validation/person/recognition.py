"""Recognition of diagnoses, medicines and measurements in public example exports (``samples/contents.tsv``).

A row of ``contents.tsv`` names a file, the kind of the resource, its codings ("system|code", blank between), its words
("~" between the text and displays that differ from it, "[ingredient: ...]" for listed ingredients) and what it means:
concepts or ingredients, "-" for nothing on the list, "?" where that could not be said surely. Rows whose file is not in
the folder are not counted. ``recall``: rows with all that is expected, of those that expect something; ``wrong``: share
of all sure rows where something is given that the row does not mean: nothing is expected, or not all that is expected
is given, or the rest is unrelated to it; ``more``: rows with all that is expected and beside it only what has a broader
concept in common with it ("diabetic kidney disease" beside type 1 diabetes, by E10.22); these are listed among the
failures, to be read by eye; ``in_part``: medicines given with some of their ingredients only.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salus.fhir.codes import Code
from salus.terminology.codes import with_broader
from salus.terminology.reader import Terminology, shipped
from validation._report import argument_parser, report

NAMES = {"egfr": "laboratory-egfr", "oxygen-flow": "inhaled-oxygen-flow", "fio2": "inhaled-oxygen-concentration"}
"""Names of the reference and the names of the same concepts in salus."""
MUST = {"condition": 0.95, "medicine": 0.93, "observation": 0.97}
MOST_WRONG = 0.005
Row = dict[str, str]


@dataclass
class Score:
    """The rows of one kind."""

    n: int = 0
    unsure: int = 0
    asked: int = 0
    recognised: int = 0
    wrong: int = 0
    in_part: int = 0
    unknown: int = 0
    more: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Figures by name."""
        return {
            "n": self.n,
            "n_unsure": self.unsure,
            "n_expected": self.asked,
            "recall": round(self.recognised / self.asked, 4) if self.asked else None,
            "wrong": round(self.wrong / self.n, 4) if self.n else None,
            "more": self.more,
            "not_understood": self.unknown,
        }


@dataclass(frozen=True)
class Outcome:
    """What was read of one row: all that is expected, something wrong, a part only, nothing."""

    complete: bool
    wrong: bool
    in_part: bool = False
    unknown: bool = False
    said: str = ""
    more: bool = False


def codings(cell: str) -> list[Code]:
    """The codings of a row; a system may contain blanks."""
    found, waiting = [], ""
    for part in cell.split(" "):
        waiting = f"{waiting} {part}".strip()
        if "|" in part:
            system, _, code = waiting.rpartition("|")
            found.append(Code(system, code))
            waiting = ""
    return found


def parts(row: Row) -> tuple[list[Code], str, list[tuple[list[Code], str]]]:
    """Codings with their displays, the text, and the listed ingredients of a row."""
    text, _, listed = row["text"].partition(" [ingredient:")
    phrases = [phrase.strip() for phrase in text.split(" ~ ")]
    codes = codings(row["codes"])
    for number, phrase in enumerate(phrases[1:]):
        if codes:
            place = number % len(codes)
            codes[place] = Code(codes[place].system, codes[place].code, phrase)
    items = [item.strip() for item in listed.strip().removesuffix("]").split(" ; ") if item.strip()]
    return codes, phrases[0], [([], re.sub(r"^\S*\d\S*(?: |$)", "", item)) for item in items]


def condition(terminology: Terminology, row: Row) -> Outcome:
    """The outcome for a diagnosis."""
    codes, text, _ = parts(row)
    reading = terminology.diagnosis(codes, text)
    wanted = {NAMES.get(name, name) for name in row["expected"].split(",")} - {"-"}
    theirs = reading.aspect in ("family", "denied", "possible", "risk")
    more = False
    given = frozenset() if theirs else reading.concepts
    if row["aspect"] in ("family", "negated", "suspected", "narrative"):
        given_wrong = bool(given)
        complete = not given and wanted <= reading.concepts
    elif row["aspect"] == "history":
        given_wrong = bool(given) and reading.aspect == "active"
        complete = wanted <= reading.concepts and not given_wrong
    else:
        complete = wanted <= given
        extra = given - with_broader(wanted)
        more = complete and bool(extra) and all(related(concept, wanted) for concept in extra)
        given_wrong = bool(extra) and not more
    said = f"{','.join(sorted(reading.narrow))} ({reading.aspect}, {reading.basis})"
    return Outcome(complete, given_wrong, unknown=not reading.understood, said=said, more=more)


def related(concept: str, wanted: set[str]) -> bool:
    """Whether a concept that is not expected says more of one that is: both have a broader concept in common."""
    return any(with_broader((concept,)) & with_broader((name,)) for name in wanted)


def medicine(terminology: Terminology, row: Row) -> Outcome:
    """The outcome for a medicine: the sets of ingredients are equal, names of one ingredient aside."""
    codes, text, listed = parts(row)
    reading = terminology.medicine(codes, text, ingredients=listed)
    wanted = {substance(terminology, name) for name in row["expected"].split("+")} - {"-"}
    given = set(reading.ingredients)
    in_part = bool(given) and given < wanted
    said = f"{'+'.join(reading.ingredients)} ({reading.basis})"
    wrong = bool(given) and given != wanted and not in_part
    return Outcome(given == wanted, wrong, in_part, not reading.understood, said)


def substance(terminology: Terminology, name: str) -> str:
    """The name under which salus knows an ingredient."""
    return "+".join(terminology.substance((), name).ingredients) or name


def observation(terminology: Terminology, row: Row) -> Outcome:
    """The outcome for a measurement or statement."""
    codes, text, _ = parts(row)
    value, _, unit = row["value"].partition(" ")
    reading = terminology.measure(codes, text, unit if value and not value.startswith("=") else None)
    wanted = {NAMES.get(name, name) for name in row["expected"].split(",")} - {"-"}
    wrong = bool(reading.concepts - with_broader(wanted))
    said = f"{','.join(sorted(reading.concepts))} ({reading.basis})"
    return Outcome(wanted <= reading.concepts, wrong, unknown=not reading.understood, said=said)


KINDS: dict[str, Callable[[Terminology, Row], Outcome]] = {
    "condition": condition, "medicine": medicine, "observation": observation,
}  # fmt: skip


def rows(folder: Path) -> Iterator[Row]:
    """The rows whose file is in the folder."""
    for table in sorted(folder.glob("contents*.tsv")):
        with table.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                if (folder / f"{row['file']}.json").exists() and row["kind"] in KINDS:
                    yield row


def score(folder: Path) -> dict[str, Score]:
    """Every kind's score."""
    terminology = shipped()
    scores = {kind: Score() for kind in KINDS}
    for number, row in enumerate(rows(folder), 2):
        total = scores[row["kind"]]
        if "?" in row["expected"]:
            total.unsure += 1
            continue
        outcome = KINDS[row["kind"]](terminology, row)
        expects = row["expected"] != "-"
        total.n += 1
        total.asked += expects
        total.recognised += expects and outcome.complete
        total.wrong += outcome.wrong
        total.in_part += outcome.in_part
        total.unknown += outcome.unknown
        total.more += outcome.more
        if outcome.wrong or outcome.more or outcome.in_part or (expects and not outcome.complete):
            why = (
                "in part" if outcome.in_part
                else "wrong" if outcome.wrong
                else "more than expected" if outcome.more
                else "not recognised"
            )  # fmt: skip
            case = f"{row['file']}:{number}"
            total.failures.append(
                {"id": case, "why": f"{why}: {outcome.said}; expected {row['expected']} ({row['aspect']})"}
            )
    return scores


def main() -> int:
    """Print the report; 0 when every kind meets its figures."""
    arguments = argument_parser(__doc__ or "").parse_args()
    folder = arguments.data / "samples" if (arguments.data / "samples").is_dir() else arguments.data
    scores = score(folder)
    figures: dict[str, Any] = {kind: total.figures() for kind, total in scores.items()}
    figures["medicine"]["in_part"] = scores["medicine"].in_part
    n = sum(total.n + total.unsure for total in scores.values())
    failures = [failure for total in scores.values() for failure in total.failures]
    ok = not scores["medicine"].in_part and all(
        total.recognised >= MUST[kind] * total.asked and total.wrong <= MOST_WRONG * total.n
        for kind, total in scores.items()
    )
    return report(
        check="person.recognition", n=n, passed=n - len(failures), data=arguments.data,
        files=sorted(folder.glob("*.json")) + sorted(folder.glob("contents*.tsv")), figures=figures,
        methods=["terminology.reading"], failures=failures, as_json=arguments.json, ok=ok,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
