"""Which reference build a VCF was made on: from its header, else from known variants, else refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from salus.errors import InputError
from salus.formats.vcf import Build, Record, Region
from salus.genomics.tables import Gene

ENOUGH = 2
"""Known variants that must be seen at one build's positions, and none at the other's, before a build is believed."""


def marker_regions(genes: Iterable[Gene]) -> tuple[Region, ...]:
    """The GRCh37 positions of the genes' variants: to be read besides the GRCh38 ones when the build is unknown."""
    return tuple(
        Region(gene.contig, p.pos_grch37, p.pos_grch37)
        for gene in genes
        for p in gene.positions
        if p.pos_grch37 is not None
    )


def known_variants(genes: Sequence[Gene], records: Iterable[Record]) -> tuple[int, int]:
    """How many lines hold a known variant at its GRCh37 position, and how many at its GRCh38 position."""
    old: dict[tuple[str, int], set[frozenset[str]]] = {}
    new: dict[tuple[str, int], set[frozenset[str]]] = {}
    for gene in genes:
        for p in gene.positions:
            alleles = {frozenset((p.ref, alt)) for alt in p.alts}
            new[gene.contig, p.pos] = alleles
            if p.pos_grch37 is not None:
                old[gene.contig, p.pos_grch37] = alleles
    counts = [0, 0]
    for record in records:
        seen = {frozenset((record.ref, alt)) for alt in record.alts}
        for number, table in enumerate((old, new)):
            counts[number] += bool(seen & table.get((record.contig, record.pos), set()))
    return counts[0], counts[1]


def require_grch38(build: Build, genes: Sequence[Gene], records: Iterable[Record]) -> str:
    """Say what shows that the file is on GRCh38.

    ``records`` are looked at only when the header does not tell. Raises :class:`InputError` for GRCh37, and where
    the build stays unknown.
    """
    remedy = "give the file made on GRCh38, or lift it over with the reference sequences at hand"
    if build.name == "GRCh38":
        return build.basis
    if build.name is not None:
        raise InputError(f"the file is on {build.name} ({build.basis}), the allele tables are on GRCh38", remedy=remedy)
    old, new = known_variants(genes, records)
    if new >= ENOUGH and not old:
        return f"{new} known variants at their GRCh38 positions"
    if old >= ENOUGH and not new:
        raise InputError(
            f"the file is on GRCh37 ({old} known variants at their GRCh37 positions), the allele tables are on GRCh38",
            remedy=remedy,
        )
    raise InputError(f"the genome build of the file is not known ({build.basis})", remedy="add ##contig lengths")
