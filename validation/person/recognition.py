"""Recognition of diagnoses, medicines and measurements in public example exports (``samples/contents.tsv``).

A row of ``contents.tsv`` names a file, the kind of the resource, its codings ("system|code", blank between), its words
("~" between the text and displays that differ from it, "[ingredient: ...]" for listed ingredients) and what it means:
concepts or ingredients, "-" for nothing on the list, "?" where that could not be said surely. A case is a row:

- right: all that is expected is given and nothing else; refused rightly: nothing is expected and nothing is given;
- wrong: something is given that the row does not mean, more than it means, or a part of it; or it is called understood
  and nothing is given, where something is expected;
- refused though answerable: not understood, and said so, where something is expected;
- not read: an unsure row ("?"), a kind that is not scored, or a row whose file is not in the folder.

``recall``: rows with all that is expected, of those that expect something; ``wrong``: share of all sure rows where
something is given that is not expected and not related to it; ``more``: rows with all that is expected and beside it
only what has a broader concept in common with it ("diabetic kidney disease" beside type 1 diabetes, by E10.22);
``in_part``: medicines given with some of their ingredients only.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salus.fhir.codes import Code
from salus.terminology.codes import with_broader
from salus.terminology.reader import Terminology, shipped
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of, wilson

NAMES = {"egfr": "laboratory-egfr", "oxygen-flow": "inhaled-oxygen-flow", "fio2": "inhaled-oxygen-concentration"}
"""Names of the reference and the names of the same concepts in salus."""
MUST = {"condition": 0.95, "medicine": 0.93, "observation": 0.97}
MOST_WRONG = 0.005
Row = dict[str, str]
DEVELOPED = (
    "b4ed0813ce70fa86",
    "2febb374b2a3bee5",
    "74b3417829f40a2e",
    "7065f15729343f17",
    "69ebc7c76ee03318",
    "61d21e4d7a020d76",
    "d5931cb88613aeb9",
    "fc52bf593c895deb",
    "630a94fab5e780ee",
    "cfceb41c4a773e55",
    "8cb2a9928d3fc811",
    "30d55d18013b270f",
    "c1cdfcd2f84d9045",
    "122df090a34dd20c",
    "5d437bf6d76d2bc9",
    "59da9c98ae12c5f8",
    "a532709b756a06f2",
    "1790a88fbd7493f6",
    "cd103f6fe8dd72b0",
    "fc140b56967ab1d9",
    "bb2687138f8f7046",
    "17afe9e0046b6d89",
    "8316ef25a8ff7431",
    "b53eee5d103d6d3c",
    "d0067a1091cd214f",
    "17bcfce436fb188b",
    "6d7c512f0d860f7b",
    "2f83e809bd50aa2b",
    "7cdb20c7c81406aa",
    "1987a2266a491073",
    "f1df9e850e752bbe",
    "1f1d01523e3bdddf",
    "43eb4d01635f6c2a",
)
"""Exports whose words and codes the tables were mended on."""
CONDITIONS, MEDICINES = "salus/terminology/conditions.py", "salus/terminology/medicines.py"
MUTANTS = (
    Mutant(CONDITIONS, "best.items() if not excluded}", "best.items()}", "what a rule excludes is taken"),
    Mutant(CONDITIONS, 'exact = self._tables.code("d", system, code.code)', "exact = None",
           "single codes are not known"),
    Mutant(CONDITIONS, "named, aspect, known = self._words.read(phrases, procedure=procedure)",
           'named, aspect, known = frozenset(), "active", True', "words of diagnoses are called understood unread"),
    Mutant(MEDICINES, "named = [self._words.read(phrase) for phrase in phrases]",
           "named = [self._words.read(phrase) for phrase in phrases[:0]]",
           "names of medicines are not read"),
    Mutant(MEDICINES, "coded = [found for found in map(self.coding, codes) if found]", "coded = []",
           "codes of medicines are not read"),
    Mutant("salus/terminology/analytes.py", "return frozenset(exact[0] if exact else ()) | own", "return own",
           "codes of the measurement table are not known"),
)  # fmt: skip


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
class Read:
    """What was read of one row: all that is expected, something wrong, a part only, nothing."""

    complete: bool
    wrong: bool
    in_part: bool = False
    unknown: bool = False
    said: str = ""
    more: bool = False

    def outcome(self, expects: bool) -> Outcome:
        """How the row ends."""
        if self.wrong or self.in_part or self.more:
            return Outcome.WRONG
        if self.complete:
            return Outcome.RIGHT if expects else Outcome.REFUSED_RIGHTLY
        return Outcome.REFUSED_THOUGH_ANSWERABLE if self.unknown else Outcome.WRONG


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


def condition(terminology: Terminology, row: Row) -> Read:
    """What is read of a diagnosis."""
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
    return Read(complete, given_wrong, unknown=not reading.understood, said=said, more=more)


def related(concept: str, wanted: set[str]) -> bool:
    """Whether a concept that is not expected says more of one that is: both have a broader concept in common."""
    return any(with_broader((concept,)) & with_broader((name,)) for name in wanted)


def medicine(terminology: Terminology, row: Row) -> Read:
    """What is read of a medicine: the sets of ingredients are equal, names of one ingredient aside."""
    codes, text, listed = parts(row)
    reading = terminology.medicine(codes, text, ingredients=listed)
    wanted = {substance(terminology, name) for name in row["expected"].split("+")} - {"-"}
    given = set(reading.ingredients)
    in_part = bool(given) and given < wanted
    said = f"{'+'.join(reading.ingredients)} ({reading.basis})"
    wrong = bool(given) and given != wanted and not in_part
    return Read(given == wanted, wrong, in_part, not reading.understood, said)


def substance(terminology: Terminology, name: str) -> str:
    """The name under which salus knows an ingredient."""
    return "+".join(terminology.substance((), name).ingredients) or name


def observation(terminology: Terminology, row: Row) -> Read:
    """What is read of a measurement or statement."""
    codes, text, _ = parts(row)
    value, _, unit = row["value"].partition(" ")
    reading = terminology.measure(codes, text, unit if value and not value.startswith("=") else None)
    wanted = {NAMES.get(name, name) for name in row["expected"].split(",")} - {"-"}
    wrong = bool(reading.concepts - with_broader(wanted))
    said = f"{','.join(sorted(reading.concepts))} ({reading.basis})"
    return Read(wanted <= reading.concepts, wrong, unknown=not reading.understood, said=said)


KINDS: dict[str, Callable[[Terminology, Row], Read]] = {
    "condition": condition, "medicine": medicine, "observation": observation,
}  # fmt: skip


def rows(folder: Path) -> Iterator[tuple[str, Row]]:
    """(case, row) of every table."""
    for table in sorted(folder.glob("contents*.tsv")):
        with table.open(encoding="utf-8", newline="") as stream:
            for number, row in enumerate(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE), 2):
                yield f"{row['file']}:{number}", row


def score(folder: Path, tally: Tally) -> dict[str, Score]:
    """Every kind's score; every row is tallied."""
    terminology = shipped()
    scores = {kind: Score() for kind in KINDS}
    for case, row in rows(folder):
        if row["kind"] not in KINDS or not (folder / f"{row['file']}.json").exists():
            tally.add(case, Outcome.NOT_READ, f"kind {row['kind']!r}, or its file is not in the folder")
            continue
        total = scores[row["kind"]]
        if "?" in row["expected"]:
            total.unsure += 1
            tally.add(case, Outcome.NOT_READ, "the reference is not sure what it means")
            continue
        read, expects = KINDS[row["kind"]](terminology, row), row["expected"] != "-"
        total.n += 1
        total.asked += expects
        total.recognised += expects and read.complete
        total.wrong += read.wrong
        total.in_part += read.in_part
        total.unknown += read.unknown
        total.more += read.more
        tally.add(case, read.outcome(expects), f"{read.said}; expected {row['expected']} ({row['aspect']})")
    return scores


def main() -> int:
    """Print the report; 0 when every kind meets its figures."""
    arguments = argument_parser(__doc__ or "").parse_args()
    folder = arguments.data / "samples" if (arguments.data / "samples").is_dir() else arguments.data
    tally = Tally()
    scores = score(folder, tally)
    figures: dict[str, Any] = {kind: total.figures() for kind, total in scores.items()}
    figures["medicine"]["in_part"] = scores["medicine"].in_part
    exports = sorted(folder.glob("*.json"))
    ok = not scores["medicine"].in_part and all(
        total.recognised >= MUST[kind] * total.asked and total.wrong <= MOST_WRONG * total.n
        for kind, total in scores.items()
    )
    return report(
        check="person.recognition",
        tally=tally,
        data=arguments.data,
        covers="codes and words of published example exports of several countries are recognised as what they mean, on "
        "the exports that the tables were made with; of others less is to be expected",
        truth=Truth.OUTSIDE,
        split=split_of(exports, DEVELOPED),
        files=exports + sorted(folder.glob("contents*.tsv")),
        figures=figures,
        intervals={f"{kind}_recall": wilson(total.recognised, total.asked) for kind, total in scores.items()},
        methods=["terminology.reading"],
        as_json=arguments.json,
        ok=ok and tally.n > 0,
    )


if __name__ == "__main__":
    sys.exit(main())
