"""Make src/salus/genomics/tables/pharmcat/GENE.json from PharmCAT's allele definitions and phenotype tables.

Usage: python tools/make_pgx_tables.py ../shared/data/genomics/facts [GENE ...]

Reads allele_definitions.json.gz, phenotypes.json.gz (PharmCAT 3.1.1, MPL-2.0; content of CPIC, CC0) and
pypgx_variant-table.csv.gz (pypgx 0.27.0, MIT; GRCh37 positions, for build detection). Another gene is another table.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "src/salus/genomics/tables/pharmcat"
GENES = ("CYP2C19", "SLCO1B1")
HEAD = {
    "source": "PharmCAT 3.1.1 (github.com/PharmGKB/PharmCAT), allele definition and phenotype files; content from CPIC "
    "(clinpgx.org) and PharmVar",
    "licence": "MPL-2.0 (this file; see NOTICE.md); CPIC content CC0 1.0",
    "attribution": "CPIC content may have been updated since: see clinpgx.org",
}


def read(path: Path) -> Any:
    """A gzipped JSON file."""
    return json.loads(gzip.decompress(path.read_bytes()))


def old_positions(path: Path) -> dict[tuple[str, int], int]:
    """(chromosome, GRCh38 position) -> GRCh37 position of single-base variants."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["GRCh37Position"].isdigit()]
    return {(row["Chromosome"], int(row["GRCh38Position"])): int(row["GRCh37Position"]) for row in rows}


def table(gene: str, definition: dict[str, Any], phenotype: dict[str, Any], old: dict[tuple[str, int], int]) -> Any:
    """One gene's table in our own form: variants, alleles as their differences from the reference, functions, pairs."""
    chromosome = definition["chrom"].removeprefix("chr")
    variants = []
    for position, rsid, ref, alts, _ in definition["variants"]:
        found = {"pos": position, "rsid": rsid, "ref": ref, "alts": alts}
        if (chromosome, position) in old:
            found["pos_grch37"] = old[chromosome, position]
        variants.append(found)
    references = [v["ref"] for v in variants]
    alleles = {}
    for name, bases, is_reference, is_structural in definition["alleles"]:
        changes = {index: base for index, base in bases.items() if base != references[int(index)]}
        alleles[name] = {"changes": changes, "reference": bool(is_reference), "structural": bool(is_structural)}
    return {
        "gene": gene,
        "version": definition["source_version"],
        **HEAD,
        "build": "GRCh38",
        "contig": chromosome,
        "refseq": definition["refseq"],
        "variants": variants,
        "alleles": alleles,
        "functions": {name: function for name, (function, _) in phenotype["alleles"].items()},
        "phenotypes": [
            [first.partition("|")[0], second.partition("|")[0], name]
            for first, second, name, _ in phenotype["function_pair_to_phenotype"]
        ],
    }


def main(arguments: list[str]) -> int:
    """Write one file a gene."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("facts", type=Path)
    parser.add_argument("genes", nargs="*", default=GENES)
    given = parser.parse_args(arguments)
    definitions = read(given.facts / "allele_definitions.json.gz")
    phenotypes = read(given.facts / "phenotypes.json.gz")
    old = old_positions(given.facts / "pypgx_variant-table.csv.gz")
    for gene in given.genes:
        made = table(gene, definitions[gene], phenotypes[gene], old)
        text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
        (TARGET / f"{gene}.json").write_text(text, "utf-8")
        known = sum("pos_grch37" in v for v in made["variants"])
        print(f"{gene}: {len(made['variants'])} variants ({known} with GRCh37), {len(made['alleles'])} alleles")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
