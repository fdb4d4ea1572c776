"""Star-allele calls of CYP2C19 and SLCO1B1 against constructed diplotypes, PharmCAT's test cases and GeT-RM genomes.

Looks below the folder for ``pairs/truth.tsv`` with its multi-sample VCFs, ``cases/cases.jsonl`` and
``getrm/truth.tsv`` with ``SAMPLE*.vcf`` (also under ``pgx/``). The true phenotype is that of the true diplotype by
CPIC's published table (``phenotypes.json.gz``: ``--facts``, or in ``facts/`` in the folder or beside it), which is read
here and not by salus. A case is one gene of one sample:

- right: the certain phenotype is the true one and the true diplotype is among those listed (for GeT-RM genomes, whose
  star names are older, the phenotype alone);
- wrong: another phenotype, or the answer left open excludes the truth, or a call where PharmCAT makes none;
- refused rightly: no call where PharmCAT makes none, or no phenotype where CPIC has none for the true diplotype;
- refused though answerable: nothing fits, where the reference has a diplotype;
- abstained: left open between phenotypes, the truth among them;
- not read: the file is missing or unreadable, or there is no published table, which leaves the diplotype alone to see.

Besides, each ``pairs-missing`` file is called once more without the lines that have no genotype (``lines_missing``):
the truth is the same, and what has no line must not be taken for reference.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salus.errors import InputError
from salus.formats.vcf import read_vcf
from salus.genomics.sites import regions
from salus.genomics.star import UNASSIGNED, GeneCall, call
from salus.genomics.tables import load
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report, wilson

GENES = ("CYP2C19", "SLCO1B1")
MUST_BE_CALLED = 0.80
"""Least share of the cases with a phenotype of CPIC's that get it: one that leaves everything open passes no check."""
TABLE, STAR = "genomics/tables/pharmcat/CYP2C19.json", "genomics/star.py"
MUTANTS = (
    Mutant("salus/" + TABLE, '"*2": "No function"', '"*2": "Normal function"', "CYP2C19*2 works normally"),
    Mutant("salus/" + TABLE, '"*9": "Decreased function"', '"*9": "Normal function"', "CYP2C19*9 works normally"),
    Mutant("salus/" + TABLE, '  "*9": {', '  "*2": {', "CYP2C19*9 is dropped, its bases named *2"),
    Mutant("salus/" + TABLE, '"*17": "Increased function"', '"*17": "Normal function"', "CYP2C19*17 is not increased"),
    Mutant("salus/genomics/tables/pharmcat/SLCO1B1.json", '"*15": "No function"', '"*15": "Normal function"',
           "SLCO1B1*15 works normally"),
    Mutant("salus/" + STAR, "unique = len(self.phenotypes) == 1 and", "unique = len(self.phenotypes) >= 1 and",
           "the first of several phenotypes is stated"),
    Mutant("salus/" + STAR, "return self.phenotypes[0] if unique else None", "return None", "nothing is ever certain"),
    Mutant("salus/" + STAR, "    if unlisted:", "    if False:", "variants outside the table are overlooked"),
    Mutant("salus/genomics/sites.py", 'return Site(position, "not-in-file", reason="the file has no line for it")',
           'return Site(position, "called", (position.ref, position.ref))', "a missing line counts as reference"),
)  # fmt: skip

Pair = tuple[str, str]
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One gene of one sample: the true diplotypes (any of them), or ``None`` where the gene must not be called."""

    id: str
    group: str
    gene: str
    vcf: Path
    sample: str | None
    truth: tuple[Pair, ...] | None
    must_list_all: bool = False


def core(name: str) -> str:
    """The star allele of a suballele: "*45.001" is "*45"."""
    return name.partition(".")[0] if name.startswith("*") else name


def facts_file(data: Path, given: Path | None) -> Path | None:
    """Where CPIC's published table lies, or None."""
    below = ("facts/phenotypes.json.gz", "phenotypes.json.gz")
    places = [given] if given else [folder / name for folder in (data, data.parent) for name in below]
    return next((place for place in places if place.is_file()), None)


def phenotype(facts: Facts, gene: str, pair: Pair) -> str | None:
    """CPIC's phenotype of a diplotype by the published table: allele, function, pair of functions, phenotype. None
    where it has no function for an allele or no phenotype for the pair."""
    table = facts[gene]
    if any(allele not in table["alleles"] for allele in pair):
        return None
    functions = sorted("|".join((function, value or "None")) for function, value in (table["alleles"][a] for a in pair))
    for first, second, name, _ in table["function_pair_to_phenotype"]:
        if sorted((first, second)) == functions:
            return str(name)
    return None


def folder(data: Path, name: str) -> Path:
    """``data/pgx/name`` or ``data/name``."""
    return data / "pgx" / name if (data / "pgx" / name).is_dir() else data / name


def pairs(data: Path) -> Iterator[Case]:
    """Constructed diplotypes, one row of truth.tsv each."""
    base = folder(data, "pairs")
    if not (base / "truth.tsv").is_file():
        return
    with (base / "truth.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row["gene"] in GENES:
                vcf = base / f"{row['gene']}.{row['mode']}.vcf.gz"
                truth = ((core(row["allele1"]), core(row["allele2"])),)
                yield Case(row["sample"], f"pairs-{row['mode']}", row["gene"], vcf, row["sample"], truth)


def expected(gene: str, wanted: dict[str, Any]) -> tuple[tuple[Pair, ...] | None, bool] | None:
    """(true diplotypes or None for "not called", whether all of them must be listed); None when nothing is said."""
    for key in ("diplotypes", "display"):
        named = wanted.get(key, {}).get(gene)
        if named == [] or gene in wanted.get("not_called", ()):
            return None, False
        if named and all(text.startswith("*") for text in named):
            found = tuple((core(a), core(b)) for a, _, b in (text.partition("/") for text in named))
            return found, key == "diplotypes"
    return None


def cases(data: Path) -> Iterator[Case]:
    """PharmCAT's own cases that say something of our genes and bring no outside call for them."""
    base = folder(data, "cases")
    for file in sorted(base.glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            body = json.loads(line)
            outside = " ".join(body["options"].get("outside_calls") or ())
            for gene in GENES:
                if body["gene"] not in (None, gene) or gene in outside:
                    continue
                found = expected(gene, body["expected"])
                if found is not None:
                    truth, whole = found
                    yield Case(f"{body['id']}:{gene}", "cases", gene, base / body["vcf"], None, truth, whole)


def getrm(data: Path) -> Iterator[Case]:
    """Genomes with consensus genotypes."""
    base = folder(data, "getrm")
    if not (base / "truth.tsv").is_file():
        return
    with (base / "truth.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row["gene"] in GENES:
                first, _, second = (row["updated_call"] or row["getrm_consensus"]).partition("/")
                vcf = next(iter(sorted(base.glob(f"{row['sample']}*.vcf*"))), base / "absent.vcf")
                truth = ((f"*{first}", f"*{second}"),)
                yield Case(f"{row['sample']}:{row['gene']}", "getrm", row["gene"], vcf, row["sample"], truth)


def run(case: Case, *, lines_missing: bool = False) -> GeneCall:
    """Call the case's gene; with ``lines_missing`` from a file that has no line where it has no genotype."""
    gene = load(case.gene)
    with case.vcf.open("rb") as stream:
        records = list(read_vcf(stream, case.sample, regions(gene)).records)
    if lines_missing:
        records = [record for record in records if record.call is None or record.call.complete]
    return call(gene, records)


def judge(case: Case, found: GeneCall, facts: Facts | None) -> tuple[Outcome, str]:
    """How the case ends, and why. See the module for what each outcome means."""
    if case.truth is None:
        if not found.diplotypes:
            return Outcome.REFUSED_RIGHTLY, ""
        return Outcome.WRONG, f"called {', '.join(map(str, found.diplotypes))} although nothing must be called"
    listed = {frozenset((d.first, d.second)) for d in found.diplotypes}
    true = [pair for pair in case.truth if frozenset(pair) in listed]
    said = f"lists {', '.join(map(str, found.diplotypes)) or 'nothing'}, truth {case.truth}"
    if not listed:
        return Outcome.REFUSED_THOUGH_ANSWERABLE, said
    if case.group != "getrm" and (not true or (case.must_list_all and len(true) < len(case.truth))):
        return Outcome.WRONG, said
    if facts is None or case.gene not in facts:
        return Outcome.NOT_READ, "there is no published table of phenotypes"
    wanted = {phenotype(facts, case.gene, pair) or UNASSIGNED for pair in case.truth}
    told = f"{' or '.join(found.phenotypes)}, truth {sorted(wanted)}"
    if not wanted & set(found.phenotypes):
        return Outcome.WRONG, told
    if found.phenotype is not None:
        return (Outcome.RIGHT, "") if found.phenotype in wanted else (Outcome.WRONG, told)
    if found.phenotypes == (UNASSIGNED,):
        return Outcome.REFUSED_RIGHTLY, ""
    return Outcome.ABSTAINED, told


def main() -> int:
    """Print the report; 0 when nothing is wrong or unread and enough is called."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--facts", type=Path, help="CPIC's table of phenotypes (phenotypes.json.gz)")
    arguments = parser.parse_args()
    file = facts_file(arguments.data, arguments.facts)
    facts = json.loads(gzip.decompress(file.read_bytes())) if file else None
    found = [*pairs(arguments.data), *cases(arguments.data), *getrm(arguments.data)]
    tally, by_group = Tally(), Counter[tuple[str, Outcome]]()
    certain, without = 0, Counter[Outcome]()
    for case in found:
        try:
            called = run(case)
            certain += called.phenotype is not None
            outcome, why = judge(case, called, facts)
            if case.group == "pairs-missing":
                without[judge(case, run(case, lines_missing=True), facts)[0]] += 1
        except (InputError, OSError) as error:
            outcome, why = Outcome.NOT_READ, str(error)
        tally.add(case.id, outcome, why)
        by_group[case.group, outcome] += 1
    n, counts = tally.n, tally.counts
    real = sum(k for (group, _), k in by_group.items() if group == "getrm")
    unanswered = counts[Outcome.REFUSED_THOUGH_ANSWERABLE] + counts[Outcome.ABSTAINED]
    share = counts[Outcome.RIGHT] / max(1, counts[Outcome.RIGHT] + unanswered)
    return report(
        check="genomics.pgx",
        tally=tally,
        data=arguments.data,
        covers="a stated CYP2C19 or SLCO1B1 phenotype is CPIC's for the star alleles that the file was made with; most "
        "files are made from allele definitions, so this says little of real genomes and nothing of other genes",
        truth=Truth.OUTSIDE,
        split=Split.UNSEEN,
        files=sorted({case.vcf for case in found if case.vcf.is_file()} | ({file} if file else set())),
        figures={
            "n": n,
            "passed": tally.passed,
            "wrong": counts[Outcome.WRONG],
            "called": certain,
            "no_call": n - certain - counts[Outcome.NOT_READ] if facts else n - certain,
            "called_of_callable": share,
            "left_open": counts[Outcome.ABSTAINED],
            "lines_missing": {str(outcome): k for outcome, k in sorted(without.items())},
            "real_genomes": real,
            "real_genomes_called": by_group["getrm", Outcome.RIGHT],
            "by_group": {f"{group}/{outcome}": k for (group, outcome), k in sorted(by_group.items())},
        },
        intervals={
            "wrong": wilson(counts[Outcome.WRONG], n),
            "real_genomes_called": wilson(by_group["getrm", Outcome.RIGHT], real),
        },
        methods=["genomics.pharmacogenes"],
        as_json=arguments.json,
        ok=not counts[Outcome.WRONG] + counts[Outcome.NOT_READ] + without[Outcome.WRONG] and share >= MUST_BE_CALLED,
    )


if __name__ == "__main__":
    sys.exit(main())
