"""Star alleles: every diplotype that is consistent with what was observed, and the phenotypes they mean.

Nothing is ranked and nothing missing is taken for reference. When the consistent diplotypes do not agree on the
phenotype, the gene is not assessable, and the positions that would settle it are named.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from salus.formats.vcf import Record
from salus.genomics.sites import Site, observe
from salus.genomics.tables import Gene, Haplotype

UNASSIGNED = "no function assigned by CPIC"
"""Stands for the phenotype of a diplotype with an allele that CPIC has not judged."""


@dataclass(frozen=True, slots=True, order=True)
class Diplotype:
    """An unordered pair of star alleles, written with the smaller number first."""

    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.first}/{self.second}"


@dataclass(frozen=True, slots=True)
class GeneCall:
    """The result for one gene.

    ``diplotypes`` are all that are consistent, ``phenotypes`` all that they mean (sorted; UNASSIGNED among them
    where CPIC has judged an allele not yet). ``unlisted`` holds positions with a variant the table does not know: then
    nothing is called. ``settle`` are positions whose genotype would make the phenotype unique; ``needs_phase`` is
    True where even all genotypes would not.
    """

    gene: Gene
    sites: tuple[Site, ...]
    diplotypes: tuple[Diplotype, ...]
    phenotypes: tuple[str, ...]
    unlisted: tuple[Site, ...] = ()
    settle: tuple[Site, ...] = ()
    needs_phase: bool = False

    @property
    def phenotype(self) -> str | None:
        """The phenotype when it is certain: one only, and one that CPIC has assigned."""
        unique = len(self.phenotypes) == 1 and self.phenotypes[0] != UNASSIGNED
        return self.phenotypes[0] if unique else None


Pair = tuple[Haplotype, Haplotype]


def call(gene: Gene, records: Iterable[Record]) -> GeneCall:
    """Call ``gene`` from the records of one sample (GRCh38); see :func:`salus.genomics.sites.observe` for errors."""
    return call_sites(gene, observe(gene, records))


def call_sites(gene: Gene, sites: Sequence[Site]) -> GeneCall:
    """Call ``gene`` from its observed positions, given in the table's order."""
    sites = tuple(sites)
    unlisted = tuple(site for site in sites if site.status == "unlisted")
    if unlisted:
        return GeneCall(gene, sites, (), (), unlisted)
    pairs = _consistent(gene, sites)
    named: dict[Diplotype, str] = {}
    for first, second in pairs:
        diplotype = _diplotype(first.name, second.name)
        named[diplotype] = gene.phenotype(first.name, second.name) or UNASSIGNED
    phenotypes = tuple(sorted(set(named.values())))
    settle: tuple[Site, ...] = ()
    needs_phase = False
    if len(phenotypes) > 1:
        chosen, needs_phase = _settling(gene, sites, pairs)
        settle = tuple(sites[index] for index in chosen)
    return GeneCall(gene, sites, tuple(sorted(named, key=_order)), phenotypes, (), settle, needs_phase)


def _number(name: str) -> tuple[int, str]:
    digits = name.lstrip("*")
    return (int(digits), "") if digits.isdigit() else (1_000_000, name)


def _diplotype(one: str, other: str) -> Diplotype:
    first, second = sorted((one, other), key=_number)
    return Diplotype(first, second)


def _order(diplotype: Diplotype) -> tuple[tuple[int, str], tuple[int, str]]:
    return _number(diplotype.first), _number(diplotype.second)


def _consistent(gene: Gene, sites: Sequence[Site]) -> list[Pair]:
    """Every pair of haplotypes that explains all calls, each phase set in one of its two orientations."""
    called = [(index, site) for index, site in enumerate(sites) if site.bases is not None]
    possible = [
        haplotype
        for haplotype in gene.haplotypes
        if all(haplotype.bases[index] in (site.bases or ()) for index, site in called)
    ]
    unphased = [(index, set(site.bases or ())) for index, site in called if site.phase is None]
    sets: dict[str, list[tuple[int, Site]]] = {}
    for index, site in called:
        if site.phase is not None:
            sets.setdefault(site.phase, []).append((index, site))
    return [
        (one, other)
        for one, other in itertools.combinations_with_replacement(possible, 2)
        if all({one.bases[i], other.bases[i]} == wanted for i, wanted in unphased)
        and all(_oriented(one, other, members) or _oriented(other, one, members) for members in sets.values())
    ]


def _oriented(left: Haplotype, right: Haplotype, members: Sequence[tuple[int, Site]]) -> bool:
    return all((left.bases[index], right.bases[index]) == site.bases for index, site in members)


def _settling(gene: Gene, sites: Sequence[Site], pairs: Sequence[Pair]) -> tuple[list[int], bool]:
    """A small set of unknown positions (greedy) whose genotypes would make the phenotype unique, and whether phase
    would be needed besides."""
    phenotypes = [gene.phenotype(one.name, other.name) or UNASSIGNED for one, other in pairs]
    columns = _columns(pairs, [index for index, site in enumerate(sites) if site.bases is None])
    unknown = list(columns)
    cells = [0] * len(pairs)
    chosen: list[int] = []
    open_now = _unsettled(cells, phenotypes)
    while open_now:
        best = min(unknown, key=lambda i: _unsettled(_split(cells, columns[i]), phenotypes), default=None)
        if best is None:
            return chosen, True
        split = _split(cells, columns[best])
        left = _unsettled(split, phenotypes)
        if left == open_now:
            return chosen, True
        chosen.append(best)
        unknown.remove(best)
        cells, open_now = split, left
    return chosen, False


def _columns(pairs: Sequence[Pair], unknown: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """The genotype of each pair, numbered, at each of the ``unknown`` positions. Of positions that tell the same pairs
    apart only the first is kept: the others settle nothing that it does not."""
    found: dict[tuple[int, ...], int] = {}
    for index in unknown:
        numbers: dict[tuple[str, str], int] = {}
        bases = ((one.bases[index], other.bases[index]) for one, other in pairs)
        genotypes = ((a, b) if a <= b else (b, a) for a, b in bases)
        found.setdefault(tuple(numbers.setdefault(g, len(numbers)) for g in genotypes), index)
    return {index: column for column, index in found.items()}


def _split(cells: Sequence[int], column: Sequence[int]) -> list[int]:
    """Number the cells anew so that two pairs share one only if they also have the same genotype in ``column``."""
    numbers: dict[tuple[int, int], int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in zip(cells, column, strict=True)]


def _unsettled(cells: Sequence[int], phenotypes: Sequence[str]) -> int:
    """How many pairs of diplotypes have the same genotypes but another phenotype."""
    sizes = Counter(cells)
    alike = Counter(zip(cells, phenotypes, strict=True))
    return (sum(n * n for n in sizes.values()) - sum(n * n for n in alike.values())) // 2
