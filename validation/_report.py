"""What every validation script shares: how a case can end, its arguments, and the one JSON object it prints."""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

FAILURES_SHOWN = 20


class Outcome(StrEnum):
    """How a case ends. Every case that a check finds ends in exactly one of these."""

    RIGHT = "right"
    WRONG = "wrong"
    REFUSED_RIGHTLY = "refused_rightly"
    """The reference says that there must be no answer, and there was none."""
    REFUSED_THOUGH_ANSWERABLE = "refused_though_answerable"
    ABSTAINED = "abstained"
    """No answer, for a doubt that the method states (an open range, a low quality), where the reference has one."""
    NOT_READ = "not_read"
    """The case was found and could not be put to the code: an unreadable file, a missing reference, a skipped form."""


PASSED = (Outcome.RIGHT, Outcome.REFUSED_RIGHTLY)
"""The outcomes that count as passed."""


class Truth(StrEnum):
    """Whose the expected answers are. Only outside truth earns ● in README."""

    OUTSIDE = "outside"
    OWN = "own"
    """Made by salus's authors or by salus's own rules: shows consistency, not truth."""


class Split(StrEnum):
    """Whether the code was developed on the cases that are scored."""

    UNSEEN = "unseen"
    DEVELOPED = "developed"
    """Rules, tables or limits were made or mended on these very cases: no estimate for others."""


@dataclass(slots=True)
class Tally:
    """The cases of a check, each added once with its outcome."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)

    def add(self, case: str, outcome: Outcome, why: str = "") -> None:
        """Count a case. All but the passed ones and abstentions are listed as failures with ``why``."""
        self.counts[outcome] += 1
        if outcome not in (*PASSED, Outcome.ABSTAINED):
            self.failures.append({"id": case, "outcome": str(outcome), "why": why})

    def add_many(self, outcome: Outcome, n: int) -> None:
        """Count ``n`` cases that need no words of their own."""
        self.counts[outcome] += n

    @classmethod
    def of(cls, results: Iterable[tuple[str, bool]], why: str = "not as expected") -> Tally:
        """Cases that are right or wrong and nothing else, each a name and whether it came out right."""
        tally = cls()
        for case, right in results:
            tally.add(case, Outcome.RIGHT if right else Outcome.WRONG, "" if right else why)
        return tally

    @property
    def n(self) -> int:
        """Cases found."""
        return self.counts.total()

    @property
    def passed(self) -> int:
        """Cases that are right or rightly refused."""
        return sum(self.counts[outcome] for outcome in PASSED)

    def outcomes(self) -> dict[str, int]:
        """The six counts by name."""
        return {str(outcome): self.counts[outcome] for outcome in Outcome}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of the code that a check must notice: in ``file`` (below ``src/``), ``old`` becomes ``new``.

    ``old`` stands in the file exactly once. ``says`` tells in a few words what is broken by it.
    """

    file: str
    old: str
    new: str
    says: str


def argument_parser(description: str) -> argparse.ArgumentParser:
    """A parser with ``--data DIR`` (required) and ``--json`` (compact output)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder laid out like the department's reference data")
    parser.add_argument("--json", action="store_true", help="print the object on one line")
    return parser


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest(files: Sequence[Path]) -> str:
    """SHA-256 over the names and contents of the files scored, so that a figure names its data."""
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def first_half(key: str) -> bool:
    """True for the half of all keys whose SHA-256 has an even first byte: the half that is developed on."""
    return hashlib.sha256(key.encode()).digest()[0] % 2 == 0


def split_of(files: Iterable[Path], developed: Iterable[str]) -> Split:
    """DEVELOPED when one of ``files`` has a SHA-256 that begins like one in ``developed``: the check lists there the
    files that its code was made on. Other files of the same form are unseen."""
    prefixes = tuple(developed)
    return Split.DEVELOPED if prefixes and any(sha256(p).startswith(prefixes) for p in files) else Split.UNSEEN


def wilson(k: int, n: int, level: float = 0.95) -> tuple[float, float] | None:
    """Wilson's interval of the share k of n (Wilson, JASA 1927;22:209); None for n = 0."""
    if not n:
        return None
    from statistics import NormalDist

    z = NormalDist().inv_cdf(0.5 + level / 2)
    middle = (k / n + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(k / n * (1 - k / n) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)


def report(
    *,
    check: str,
    tally: Tally,
    data: Path,
    covers: str,
    truth: Truth,
    split: Split,
    files: Sequence[Path] = (),
    figures: Mapping[str, Any] | None = None,
    intervals: Mapping[str, Any] | None = None,
    developed: Mapping[str, Any] | None = None,
    methods: Sequence[str] = (),
    as_json: bool = False,
    ok: bool | None = None,
) -> int:
    """Print the result and return the exit status: 0 when cases were found and ``ok`` holds.

    ``covers`` says in one clause what a reader may believe when the check holds; ``split`` is that of the cases in
    ``tally`` and ``figures``. ``developed`` holds the same figures for the part that the code was developed on, where
    there is one beside. ``ok`` is for checks that are judged by a figure (an F1, say); without it every case must pass.
    """
    n, passed = tally.n, tally.passed
    result = {
        "check": check,
        "n": n,
        "passed": passed,
        "outcomes": tally.outcomes(),
        "covers": covers,
        "truth": str(truth),
        "split": str(split),
        "figures": dict(figures or {}),
        "intervals": {"passed": wilson(passed, n), **(intervals or {})},
        "developed": dict(developed) if developed else None,
        "methods": list(methods),
        "data": {"folder": data.name, "files": len(files), "sha256": digest(files) if files else None},
        "failures": tally.failures[:FAILURES_SHOWN],
    }
    if n == 0:
        print(f"no reference data for {check} in {data}: nothing was checked", file=sys.stderr)
    option = orjson.OPT_SERIALIZE_NUMPY if as_json else orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2
    print(orjson.dumps(result, option=option).decode())
    return 0 if n and (passed == n if ok is None else ok) else 1
