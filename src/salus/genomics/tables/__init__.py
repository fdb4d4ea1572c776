"""Pharmacogene tables: alleles, functions and phenotypes, as data files read by :func:`load`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from salus.errors import MethodError

# IUPAC nucleotide codes: the bases each stands for (Cornish-Bowden 1985, Nucleic Acids Res 13:3021).
IUPAC: Mapping[str, str] = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Position:
    """A defining position on GRCh38 (1-based). ``pos_grch37`` is None where our source gives none."""

    pos: int
    rsid: str
    ref: str
    alts: tuple[str, ...]
    pos_grch37: int | None


@dataclass(frozen=True, slots=True)
class Haplotype:
    """One concrete sequence of bases over all positions that is named ``name``; a name may have several."""

    name: str
    bases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gene:
    """A gene's table. ``functions`` lacks alleles to which CPIC has assigned none."""

    name: str
    version: str
    source: str
    licence: str
    contig: str
    positions: tuple[Position, ...]
    haplotypes: tuple[Haplotype, ...]
    functions: Mapping[str, str]
    phenotypes: Mapping[frozenset[str], str]

    def phenotype(self, first: str, second: str) -> str | None:
        """CPIC's phenotype of a diplotype; None where an allele has no assigned function."""
        pair = (self.functions.get(first), self.functions.get(second))
        if pair[0] is None or pair[1] is None:
            return None
        return self.phenotypes.get(frozenset((pair[0], pair[1])))


def core(name: str) -> str:
    """The star allele of a suballele: "*45.001" is "*45"."""
    return name.partition(".")[0] if name.startswith("*") else name


@cache
def load(gene: str) -> Gene:
    """The packaged table of ``gene``.

    Raises :class:`MethodError` for a gene without a table, or a table with variants that are not single bases
    (those need a normalisation that the caller does not have yet).
    """
    file = files("salus.genomics").joinpath("tables", "pharmcat", f"{gene}.json")
    if not file.is_file():
        raise MethodError(f"there is no table for the gene {gene!r}", remedy="make one with tools/make_pgx_tables.py")
    body = json.loads(file.read_text("utf-8"))
    positions = tuple(
        Position(v["pos"], v["rsid"] or "", v["ref"], tuple(v["alts"]), v.get("pos_grch37")) for v in body["variants"]
    )
    if any(len(base) != 1 for p in positions for base in (p.ref, *p.alts)):
        raise MethodError(f"the table of {gene} has insertions or deletions, which are not called yet")
    references = [p.ref for p in positions]
    haplotypes = [
        Haplotype(core(name), bases)
        for name, allele in body["alleles"].items()
        if not allele["structural"]
        for bases in _concrete(references, allele["changes"])
    ]
    return Gene(
        name=body["gene"],
        version=body["version"],
        source=body["source"],
        licence=body["licence"],
        contig=body["contig"],
        positions=positions,
        haplotypes=tuple(dict.fromkeys(haplotypes)),
        functions=body["functions"],
        phenotypes={frozenset((first, second)): name for first, second, name in body["phenotypes"]},
    )


def _concrete(references: list[str], changes: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Every sequence an allele with ambiguity codes stands for."""
    choices = [IUPAC[changes.get(str(index), base)] for index, base in enumerate(references)]
    return list(itertools.product(*choices))
