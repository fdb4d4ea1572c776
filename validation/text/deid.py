"""Identifiers in text: what a scrubbed text still holds of the marked ones, with and without knowing the names.

Files: ``deid/*synth*.jsonl`` (``full_text`` and ``spans`` with ``entity_type``, ``entity_value``) and
``deid/*pii*.jsonl`` (``text`` and ``gold_spans`` with ``label``, ``text``; many languages). A case is one marked
identifier. Marks that Safe Harbor lets stand (ages below 90, years alone, nationalities, titles, organisations) are no
cases.

- right: of the identifier no piece (a word or number of two characters and more) is left, but for the year of a date
  and pieces that the text holds outside all marks too;
- wrong: a piece is left.

The outcomes are those of patterns alone: nothing of the patient is known. Beside them stands the same with a dictionary
(``with_record``): the true names, addresses and places of the sentence are handed in, as a record holds its own
patient's. That shows that what is known is found, not that what is unknown would be.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from salus.trust.scrub import Dictionary, scrub, split_name
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of, wilson

KINDS = {
    "PERSON": "person", "STREET_ADDRESS": "street_address", "GPE": "gpe", "LOCATION": "gpe",
    "ZIP_CODE": "zip_code", "ZIPCODE": "zip_code",
    "CREDIT_CARD": "credit_card", "PHONE_NUMBER": "phone_number", "PHONE": "phone_number",
    "EMAIL_ADDRESS": "email_address", "EMAIL": "email_address", "IBAN_CODE": "iban_code", "US_SSN": "us_ssn",
    "DOMAIN_NAME": "domain_name", "URL": "domain_name", "US_DRIVER_LICENSE": "us_driver_license",
    "IP_ADDRESS": "ip_address", "DATE_TIME": "date", "DATE": "date", "ID_NUM": "id_number", "SSN": "us_ssn",
}  # fmt: skip
"""Labels of both sets that Safe Harbor asks to remove, and what they are called in the figures."""
FROM_RECORD = {"person": "names", "street_address": "places", "gpe": "places", "zip_code": "places"}
YEAR = re.compile(r"(?:1[89]|20)\d\d")
NEEDED, KIND_NEEDED = 0.95, 0.80
"""Least recall with the record; and of each kind that has a pattern (FROM_RECORD aside) by patterns alone, where at
least FEW of it are marked in English sentences."""
FEW = 5
DEVELOPED = ("1e1b63e9497a496e",)
"""Files that patterns were made on."""
SCRUB = "salus/trust/scrub.py"
MUTANTS = (
    Mutant(SCRUB, r'(?:\d[\d-]{5,}\d|[A-Z]{1,3}-?\d{5,}[A-Z]?)', r'(?:[A-Z]{1,3}-?\d{5,}[A-Z]?)',
           "long numbers without letters are no identifiers"),
    Mutant(SCRUB, 'return year if year and year not in dictionary.telling_years else "[DATE]"', "return match[0]",
           "dates stay as they are"),
    Mutant(SCRUB, '("NAME", self.names), ("ID", self.numbers)', '("ID", self.numbers)',
           "known names are not looked for"),
    Mutant(SCRUB, r"(?:https?://|www\.)[^\s", r"(?:ftp://)[^\s", "web addresses are not found"),
    Mutant(SCRUB, r'\b[\w.+%-]{1,64}@[\w-]{1,63}', r'\b[\w.+%-]{1,64}@@[\w-]{1,63}', "no e-mail address is found"),
    Mutant(SCRUB, '("PLACE", self.places)', '("PLACE", frozenset())', "known places are not looked for"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mark:
    """One identifier of a text."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Case:
    """A text with its marks; ``other`` is what stands outside every mark, also those that are no identifiers."""

    id: str
    text: str
    marks: tuple[Mark, ...]
    other: str


def pieces(text: str) -> list[str]:
    """Words and numbers of two characters and more."""
    return [word.lower() for word in re.findall(r"[^\W_]{2,}", text)]


def counted(kind: str, value: str) -> bool:
    """Whether Safe Harbor removes it: of dates those with more than a year."""
    return kind != "date" or any(char.isdigit() for char in YEAR.sub("", value))


def cases(folder: Path) -> Iterator[tuple[str, Case]]:
    """(set, case) of every text: "synth" or "i18n"."""
    for name, pattern in (("synth", "*synth*.jsonl"), ("i18n", "*pii*.jsonl")):
        for path in sorted(folder.glob(f"deid/{pattern}")):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                row = json.loads(line)
                text = row.get("full_text") or row.get("text")
                spans = [
                    (s.get("entity_type") or s["label"], s.get("entity_value") or s["text"])
                    for s in row.get("spans") or row.get("gold_spans") or ()
                ]
                other = text
                for _, value in spans:
                    other = other.replace(value, " ")
                marks = [Mark(KINDS[k], v) for k, v in spans if k in KINDS and counted(KINDS[k], v)]
                yield name, Case(f"{path.name}:{number}", text, tuple(marks), other)


def known(case: Case) -> Dictionary:
    """What a record of the people in the sentence would hold."""
    words: dict[str, set[str]] = {"names": set(), "places": set()}
    for mark in case.marks:
        group = FROM_RECORD.get(mark.kind)
        if group:
            words[group].update(split_name(mark.value) if group == "names" else [mark.value])
    return Dictionary(frozenset(words["names"]), frozenset(words["places"]))


def left(mark: Mark, case: Case, told: str) -> list[str]:
    """The pieces of an identifier that still stand in the scrubbed text."""
    standing = set(pieces(told)) - set(pieces(case.other))
    return [p for p in pieces(mark.value) if p in standing and not (mark.kind == "date" and YEAR.fullmatch(p))]


@dataclass
class Counts:
    """Identifiers by set, and by set and kind: found, hidden by patterns, hidden with the record."""

    n: Counter[str]
    alone: Counter[str]
    told: Counter[str]

    def recall(self, hidden: Counter[str], key: str) -> float | None:
        """Share hidden; None where there are none."""
        return hidden[key] / self.n[key] if self.n[key] else None

    def by_kind(self, hidden: Counter[str], name: str) -> dict[str, list[int]]:
        """[hidden, marked] of every kind of a set."""
        keys = sorted(key for key in self.n if key.startswith(f"{name}/"))
        return {key.partition("/")[2]: [hidden[key], self.n[key]] for key in keys}


def score(folder: Path) -> tuple[Tally, Counts]:
    """Every identifier of every text; the outcomes are those of patterns alone."""
    tally, counts = Tally(), Counts(Counter(), Counter(), Counter())
    for name, case in cases(folder):
        alone, told = scrub(case.text, Dictionary()).text, scrub(case.text, known(case)).text
        for mark in case.marks:
            keys = [name, f"{name}/{mark.kind}"]
            stands = len(left(mark, case, alone))
            tally.add(case.id, Outcome.WRONG if stands else Outcome.RIGHT, f"{mark.kind}: {stands} pieces stand")
            counts.n.update(keys)
            counts.alone.update([] if stands else keys)
            counts.told.update([] if left(mark, case, told) else keys)
    return tally, counts


def main() -> int:
    """Print the report; 0 when the record's own words are found and so is each kind that has a pattern."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = sorted({p for glob in ("*synth*.jsonl", "*pii*.jsonl") for p in arguments.data.glob(f"deid/{glob}")})
    tally, counts = score(arguments.data)
    n, told, alone = counts.n["synth"], counts.told["synth"], counts.alone["synth"]
    patterned = {k: v for k, v in counts.by_kind(counts.alone, "synth").items() if k not in FROM_RECORD}
    low = [kind for kind, (hidden, marked) in patterned.items() if marked >= FEW and hidden < KIND_NEEDED * marked]
    return report(
        check="text.deid",
        tally=tally,
        data=arguments.data,
        covers="numbers, dates and addresses on the internet are mostly hidden by their form; names, streets and "
        "places "
        "that the record does not hold mostly stay: without the record about one identifier in four is hidden",
        truth=Truth.OUTSIDE,
        split=split_of(files, DEVELOPED),
        files=files,
        figures={
            "recall_patterns": counts.recall(counts.alone, "synth"),
            "recall_patterns_only": counts.recall(counts.alone, "synth"),
            "recall_with_record": counts.recall(counts.told, "synth"),
            "with_record": {"right": told, "wrong": n - told},
            "patterns": {"right": alone, "wrong": n - alone},
            "patterns_by_kind": counts.by_kind(counts.alone, "synth"),
            "other_languages": counts.n["i18n"],
            "other_languages_recall_patterns": counts.recall(counts.alone, "i18n"),
            "other_languages_recall_with_record": counts.recall(counts.told, "i18n"),
            "other_languages_patterns_by_kind": counts.by_kind(counts.alone, "i18n"),
            **{
                f"recall_{kind}": hidden / marked
                for kind, (hidden, marked) in counts.by_kind(counts.told, "synth").items()
            },
        },
        intervals={
            "recall_patterns": wilson(alone, n),
            "recall_with_record": wilson(told, n),
            "other_languages_recall_patterns": wilson(counts.alone["i18n"], counts.n["i18n"]),
        },
        methods=["trust.deidentification"],
        as_json=arguments.json,
        ok=bool(n) and told >= NEEDED * n and not low,
    )


if __name__ == "__main__":
    sys.exit(main())
