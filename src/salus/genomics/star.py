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
    unknown = [index for index, site in enumerate(sites) if site.bases is None]
    cells = [0] * len(pairs)
    chosen: list[int] = []
    open_now = _unsettled(cells, phenotypes)
    while open_now:
        best = min(unknown, key=lambda i: _unsettled(_split(cells, pairs, i), phenotypes), default=None)
        if best is None:
            return chosen, True
        split = _split(cells, pairs, best)
        left = _unsettled(split, phenotypes)
        if left == open_now:
            return chosen, True
        chosen.append(best)
        unknown.remove(best)
        cells, open_now = split, left
    return chosen, False


def _split(cells: Sequence[int], pairs: Sequence[Pair], index: int) -> list[int]:
    """Number the cells anew so that two pairs share one only if they also have the same genotype at ``index``."""
    numbers: dict[tuple[int, str, str], int] = {}
    found = []
    for cell, (one, other) in zip(cells, pairs, strict=True):
        first, second = one.bases[index], other.bases[index]
        key = (cell, first, second) if first <= second else (cell, second, first)
        found.append(numbers.setdefault(key, len(numbers)))
    return found


def _unsettled(cells: Sequence[int], phenotypes: Sequence[str]) -> int:
    """How many pairs of diplotypes have the same genotypes but another phenotype."""
    sizes = Counter(cells)
    alike = Counter(zip(cells, phenotypes, strict=True))
    return (sum(n * n for n in sizes.values()) - sum(n * n for n in alike.values())) // 2
