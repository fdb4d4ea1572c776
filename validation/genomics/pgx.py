"""Star-allele calls of CYP2C19 and SLCO1B1 against constructed diplotypes, PharmCAT's test cases and GeT-RM genomes.

Looks below the folder for ``pairs/truth.tsv`` with its multi-sample VCFs, ``cases/cases.jsonl`` and
``getrm/truth.tsv`` with ``SAMPLE*.vcf`` (also under ``pgx/``). A case passes when the true phenotype is called, or
when the gene is rightly not called (a variant outside the table; a phenotype CPIC has not assigned; an answer left
open that holds the truth). It fails when the phenotype is another than the truth, or the truth is not among those
left open. ``wrong`` must be 0; ``called`` and ``open`` tell the yield.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salus.errors import InputError
from salus.formats.vcf import read_vcf
from salus.genomics.sites import regions
from salus.genomics.star import UNASSIGNED, GeneCall, call
from salus.genomics.tables import core, load
from validation._report import argument_parser, report

GENES = ("CYP2C19", "SLCO1B1")


@dataclass(frozen=True)
class Case:
    """One gene of one sample: the true diplotypes (any of them), or ``None`` where the gene must not be called."""

    id: str
    group: str
    gene: str
    vcf: Path
    sample: str | None
    truth: tuple[tuple[str, str], ...] | None
    must_list_all: bool = False


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


def expected(gene: str, wanted: dict[str, Any]) -> tuple[tuple[tuple[str, str], ...] | None, bool] | None:
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
    for file in sorted(base.glob("cases.jsonl")):
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


def run(case: Case) -> GeneCall:
    """Call the case's gene."""
    gene = load(case.gene)
    with case.vcf.open("rb") as stream:
        return call(gene, read_vcf(stream, case.sample, regions(gene)).records)


def judge(case: Case, found: GeneCall) -> tuple[str, str]:
    """(outcome, why): "right", "open" (the truth is among several), "unassigned", "not-called", or "wrong"."""
    if case.truth is None:
        if not found.diplotypes:
            return "not-called", ""
        return "wrong", f"called {', '.join(map(str, found.diplotypes))} although nothing must be called"
    gene = found.gene
    wanted = {frozenset(pair) for pair in case.truth}
    listed = {frozenset((d.first, d.second)) for d in found.diplotypes}
    if case.must_list_all and not wanted <= listed:
        return "wrong", f"lists {', '.join(map(str, found.diplotypes)) or 'nothing'}, truth {case.truth}"
    true = {gene.phenotype(*pair) or UNASSIGNED for pair in case.truth}
    if found.phenotype is not None:
        return ("right", "") if found.phenotype in true else ("wrong", f"{found.phenotype}, truth {sorted(true)}")
    if not true & set(found.phenotypes):
        return "wrong", f"left open between {found.phenotypes}, truth {sorted(true)}"
    return ("unassigned", "") if found.phenotypes == (UNASSIGNED,) else ("open", "")


def main() -> int:
    """Print the report; 0 when nothing is wrong."""
    arguments = argument_parser(__doc__ or "").parse_args()
    found = [*pairs(arguments.data), *cases(arguments.data), *getrm(arguments.data)]
    outcomes: Counter[tuple[str, str]] = Counter()
    failures = []
    for case in found:
        try:
            outcome, why = judge(case, run(case))
        except (InputError, OSError) as error:
            outcome, why = "wrong", str(error)
        outcomes[case.group, outcome] += 1
        if outcome == "wrong":
            failures.append({"id": case.id, "why": why})
    total = Counter({name: sum(n for (_, o), n in outcomes.items() if o == name) for _, name in outcomes})
    n = len(found)
    return report(
        check="genomics.pgx",
        n=n,
        passed=n - total["wrong"],
        data=arguments.data,
        files=sorted({case.vcf for case in found if case.vcf.is_file()}),
        figures={
            "n": n,
            "passed": n - total["wrong"],
            "wrong": total["wrong"],
            "called": total["right"],
            "no_call": n - total["right"] - total["wrong"],
            "by_group": {f"{group}/{outcome}": k for (group, outcome), k in sorted(outcomes.items())},
        },
        methods=["genomics.pharmacogenes"],
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
