"""Endpoint prediction on measured compounds of later or other chemistry: error, and coverage of the 90 % intervals.

A case is one measured value of a part that the model was not fitted to; the part is made by scaffold, by likeness or by
time, never by chance. Files lie below ``admet/`` or in the folder itself; compressed ones (``.gz``) are read too:

- ``biogen_*.csv`` (smiles, activity), *scaffold*: five folds by SHA-256 of the Bemis-Murcko scaffold's canonical SMILES
  (no stereochemistry) modulo 5, each predicted from the other four; *remote*: the fifth of the molecules that are least
  like any molecule of another scaffold, predicted from the rest.
- ``expansionrx*.csv`` (an identifier, SMILES, one column an endpoint, rows in order of time), *late*: of the rows that
  hold a value the part after ``--cut`` (two thirds) is predicted from the part before.
- ``public_*.csv`` (smiles, y), *public*: every scaffold whose SHA-256 of ``held:`` and its SMILES is 0 modulo 5 is
  predicted from the others, of which at most 3,000 molecules are used (whole scaffolds in the order of that hash), so
  that the check ends in minutes. Tables of labels (0 and 1 only) are no case of this check; they are listed.

With ``--train FILE --test FILE`` (may be repeated) the test file is predicted instead, a table of ExpansionRx's form
counting as *late*, any other as *scaffold*. ``--endpoint ID`` (may be repeated) looks at these endpoints only.

Outcomes: right, the interval holds the measured value; wrong, it does not; abstained, the molecule lies outside the
model's domain; not read, a row that the reader set aside. Error, width and interval score (Gneiting T, Raftery AE, J
Am Stat Assoc 2007;102:359-378) are on the scale that is modelled, log10(value + 1) for ExpansionRx but LogD. RAE = sum
|y - predicted| / sum |y - mean of y in its test part|. Coverage is over all compounds, those outside the domain too;
what the domain lets through is in ``*_assessable``.

The check holds when, in each kind of part, all intervals together hold 86 to 95 % and those of each endpoint 82 % or
more, and ``biogen_rae`` is at most 0.658. Below, an interval that says 90 % says too much; above 95 % it is too wide to
be of use; 82 % leaves an endpoint room for chance and for what no past block foretold.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from salus.discovery.endpoints import Model
from salus.discovery.features import KERNEL, Features, Index, features
from salus.discovery.measurements import MAX_TABLE, Endpoint, Rejected, Table, endpoint, read_table, read_text, table_of
from salus.discovery.molecule import scaffold_fold
from salus.errors import InputError
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of
from validation.discovery._coverage import Part, figures, holds

FOLDS = 5
CUT = 2 / 3
LARGEST = 3000
RAE_AT_MOST = 0.658
RAE_AT_MOST_GIVEN = 0.80

SHORT = ("--endpoint", "expansionrx-mlm-clint", "--endpoint", "expansionrx-caco2-papp")
MUTANTS = (
    Mutant(
        "salus/discovery/conformal.py",
        "(n + 1) * (1 - level) / 2, 9)",
        "(n + 1) * (1 - level), 9)",
        "each tail gets what both may have",
    ),
    Mutant(
        "salus/discovery/conformal.py",
        "self.bias + band.low - reach",
        "self.bias + band.low + reach",
        "drift between blocks narrows the lower end",
    ),
    Mutant(
        "salus/discovery/endpoints.py",
        "np.sqrt(spread + self.process.shape.noise)",
        "np.sqrt(spread)",
        "the noise of measurement is left out of the width",
    ),
    Mutant(
        "salus/discovery/gaussian.py",
        "np.maximum(1 - np.sum(half**2, axis=0), 0.0)",
        "np.maximum(1 - np.sum(half, axis=0) ** 2, 0.0)",
        "the spread squares a sum instead of summing squares",
    ),
    Mutant(
        "salus/discovery/gaussian.py",
        "return self.mean + kernel @ self.solution",
        "return self.mean - kernel @ self.solution",
        "deviations from the mean have the wrong sign",
    ),
)

DEVELOPED = (
    "00bad049ea72cda9",
    "5facb20d38628111",
    "38144705d2809b08",
    "61386580c8d74867",
    "3f35823e1e8d156a",
    "546b6ccc0ef67702",
    "6cc6e1da29702201",
    "d7934c5ef1ba827b",
    "34590bd5278f0707",
    "464d39b0cdd80417",
    "9b3417a17c7b710d",
    "c7e6b0f773263303",
    "4b3152ab0821dd32",
    "0310191abacc56fc",
    "137cdb62312e3e7a",
    "88e2a600a4084b9c",
)
"""Files that the intervals' constants were chosen on."""


def endpoint_of(path: Path) -> Endpoint:
    """The endpoint that a file name speaks of; one that is not known is taken as it is."""
    name = path.name.split(".")[0].removeprefix("biogen_").removeprefix("public_")
    return _endpoint(name.removesuffix("_train").removesuffix("_test"))


def _endpoint(name: str) -> Endpoint:
    try:
        return endpoint(name)
    except InputError:
        return Endpoint(name, name, "as in the file", "low")


def tables(path: Path, wanted: set[str]) -> list[Table]:
    """The measurements in a file: one table, or in ExpansionRx's form one an endpoint (of ``wanted``, if not empty)."""
    reader = csv.DictReader(StringIO(read_text(path)))
    columns = list(reader.fieldnames or [])
    if len(columns) < 4 or columns[1] != "SMILES":
        about = endpoint_of(path)
        return [] if wanted and about.id not in wanted else [read_table(path, about)]
    rows = list(reader)
    found = []
    for column in columns[2:]:
        about = _endpoint(f"ExpansionRx {column}")
        if wanted and about.id not in wanted:
            continue
        held = [(i, row["SMILES"], row[column]) for i, row in enumerate(rows, 2) if row[column] not in ("", "nan")]
        if held:
            found.append(table_of(about, held))
    return found


@dataclass(slots=True)
class Seen:
    """Features of molecules, each made once."""

    known: dict[str, tuple[dict[str, Any], Any]]

    def of(self, table: Table) -> Features:
        """The features of a table's molecules."""
        fresh = [molecule for molecule in table.molecules if molecule.smiles not in self.known]
        made = features(fresh) if fresh else None
        for i, molecule in enumerate(fresh):
            assert made is not None
            self.known[molecule.smiles] = ({kind: made.tokens[kind][i] for kind in made.tokens}, made.descriptors[i])
        held = [self.known[molecule.smiles] for molecule in table.molecules]
        return Features({kind: [row[0][kind] for row in held] for kind in KERNEL}, np.array([r[1] for r in held]))


def predicted(train: Table, test: Table, seen: Seen) -> np.ndarray:
    """Fit to one table and predict the other; the rows of a ``Part``."""
    found = Model.fit(train, seen.of(train)).estimate(seen.of(test))
    scaled = [test.endpoint.modelled(values) for values in (test.values, found.value, found.low, found.high)]
    mean = np.full(len(test.values), scaled[0].mean())
    return np.column_stack([scaled[0], mean, *scaled[1:], found.inside, found.spread])


def held_out(kind: str, table: Table, out: list[np.ndarray], seen: Seen, most: int = MAX_TABLE) -> Part:
    """Each of the sets of positions in ``out``, predicted from all others (at most ``most``, by ``_held``)."""
    rows, keys = [], []
    for test in (part for part in out if len(part)):
        rest = [int(i) for i in np.setdiff1d(np.arange(len(table.values)), test)]
        if len(rest) > most:
            rest = sorted(sorted(rest, key=lambda i: (_held(table, i), i))[:most])
        rows.append(predicted(table.subset(rest), table.subset(test), seen))
        keys += [f"{kind} {table.endpoint.id} {table.molecules[i].smiles}" for i in test]
    return Part(kind, table.endpoint.id, tuple(keys), np.concatenate(rows))


def _held(table: Table, i: int) -> int:
    return int(sha256(f"held:{table.molecules[i].scaffold}".encode()).hexdigest(), 16)


def scaffold_folds(table: Table) -> list[np.ndarray]:
    """Five folds of whole scaffolds."""
    folds = np.array([scaffold_fold(molecule, FOLDS) for molecule in table.molecules])
    return [np.flatnonzero(folds == k) for k in range(FOLDS)]


def remote(table: Table, seen: Seen) -> np.ndarray:
    """The fifth of the molecules whose most similar one of another scaffold (ECFP4 counts) is least similar."""
    rows = seen.of(table).tokens["ECFP4"]
    similarity = Index.of(rows).tanimoto(rows)
    _, scaffold = np.unique([molecule.scaffold for molecule in table.molecules], return_inverse=True)
    similarity[scaffold[:, None] == scaffold[None, :]] = 0.0
    return np.sort(np.argsort(similarity.max(axis=1), kind="stable")[: len(rows) // FOLDS])


def parts_of(path: Path, table: Table, cut: float, seen: Seen) -> Iterator[Part]:
    """The parts that are made of one table of a file."""
    if path.name.startswith("biogen_"):
        yield held_out("scaffold", table, scaffold_folds(table), seen)
        yield held_out("remote", table, [remote(table, seen)], seen)
    elif path.name.startswith("public_"):
        out = np.array([i for i in range(len(table.values)) if _held(table, i) % FOLDS == 0])
        yield held_out("public", table, [out], seen, LARGEST)
    else:
        yield held_out("late", table, [np.arange(int(len(table.values) * cut), len(table.values))], seen)


def given(train: Table, test: Table, path: Path, seen: Seen) -> Part:
    """The part of a pair of files."""
    kind = "late" if train.endpoint.id.casefold().startswith("expansionrx") else "scaffold"
    keys = tuple(f"{path.name} {test.endpoint.id} {molecule.smiles}" for molecule in test.molecules)
    return Part(kind, train.endpoint.id, keys, predicted(train, test, seen))


def labels(path: Path) -> bool:
    """Whether a table holds labels, 0 and 1 only, which are no measured values."""
    rows = csv.DictReader(StringIO(read_text(path)))
    return path.name.startswith("public_") and {row["y"] for row in rows} <= {"0", "1", "0.0", "1.0"}


def count(tally: Tally, part: Part) -> None:
    """One outcome for each compound."""
    for key, covered, inside, row in zip(part.keys, part.covered, part.inside, part.rows, strict=True):
        if not inside:
            tally.add(key, Outcome.ABSTAINED)
        elif covered:
            tally.add(key, Outcome.RIGHT)
        else:
            tally.add(key, Outcome.WRONG, f"{row[0]:.3g} lies outside {row[3]:.3g} to {row[4]:.3g}")


def not_read(tally: Tally, path: Path, rejected: tuple[Rejected, ...]) -> None:
    """Rows that the reader set aside."""
    for row in rejected:
        tally.add(f"{path.name}:{row.line}", Outcome.NOT_READ, row.why)


def chosen(folder: Path) -> list[Path]:
    """The files of the folder."""
    below = folder / "admet" if (folder / "admet").is_dir() else folder
    return [path for form in ("biogen_*", "expansionrx*", "public_*") for path in sorted(below.glob(f"{form}.csv*"))]


def scored(arguments: Any, tally: Tally) -> tuple[list[Part], list[Path], list[str]]:
    """Every part, the files they were made of, and the files that hold labels."""
    if len(arguments.train) != len(arguments.test):
        sys.exit("give as many --test as --train files")
    parts: list[Part] = []
    files: list[Path] = []
    aside: list[str] = []
    wanted = set(arguments.endpoint)
    for train, test in zip(arguments.train, arguments.test, strict=True):
        seen, asked = Seen({}), {table.endpoint.id: table for table in tables(test, set())}
        mine = tables(train, wanted)
        if len(mine) == len(asked) == 1:  # two files of one endpoint, whatever they are called
            asked = {mine[0].endpoint.id: next(iter(asked.values()))}
        for table in mine:
            if table.endpoint.id in asked:
                not_read(tally, test, asked[table.endpoint.id].rejected)
                parts.append(given(table, asked[table.endpoint.id], test, seen))
        files += [train, test]
    for path in [] if arguments.train else chosen(arguments.data):
        if labels(path):
            aside.append(path.name)
            continue
        seen = Seen({})
        held = tables(path, wanted)
        for table in held:
            not_read(tally, path, table.rejected)
            parts += parts_of(path, table, arguments.cut, seen)
        files += [path] if held else []
    return parts, files, aside


def main() -> int:
    """Print the report; 0 when error and coverage hold."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--train", type=Path, action="append", default=[], help="fit to this file (with --test)")
    parser.add_argument("--test", type=Path, action="append", default=[], help="and predict this one")
    parser.add_argument("--endpoint", action="append", default=[], help="only these endpoints")
    parser.add_argument("--cut", type=float, default=CUT, help="share of an ordered table that is fitted to")
    arguments = parser.parse_args()
    tally = Tally()
    parts, files, aside = scored(arguments, tally)
    for part in parts:
        count(tally, part)
    found, sure = figures(parts)
    return report(
        check="discovery.admet",
        tally=tally,
        data=arguments.data,
        covers=(
            "90 % intervals hold 86 to 95 % of the measured values of other scaffolds and of the later part of a "
            "programme, and at least 82 % of each endpoint's"
        ),
        truth=Truth.OUTSIDE,
        split=split_of(files, DEVELOPED),
        files=files,
        figures={**found, "cut": round(arguments.cut, 4), "tables_of_labels": aside},
        intervals=sure,
        methods=["discovery.endpoints"],
        as_json=arguments.json,
        ok=holds(found, RAE_AT_MOST_GIVEN if arguments.train else RAE_AT_MOST),
    )


if __name__ == "__main__":
    sys.exit(main())
