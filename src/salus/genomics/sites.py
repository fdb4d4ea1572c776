"""What a VCF says about one defining position: called, not called and why, or not in the file at all.

A position without a line is unknown, never reference: only a line that says 0/0 or a gVCF block makes it reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from salus.errors import InputError
from salus.formats.vcf import Record, Region
from salus.genomics.tables import Gene, Position

Status = Literal["called", "no-call", "not-in-file", "unlisted"]

MINIMUM_QUALITY = 20
MINIMUM_DEPTH = 10
"""Genotypes with GQ or DP below these count as not called: gnomAD's limits for high-confidence genotypes
(UCSC track description of gnomAD 2.0.2: "GQ >= 20, DP >= 10")."""


@dataclass(frozen=True, slots=True)
class Site:
    """One position as observed. ``bases`` are the two bases when called; ``phase`` names the phase set of a
    phased heterozygous call; ``line`` is the line of the VCF."""

    position: Position
    status: Status
    bases: tuple[str, str] | None = None
    phase: str | None = None
    line: int | None = None
    reason: str = ""


def regions(gene: Gene) -> tuple[Region, ...]:
    """The stretches of a GRCh38 file that must be read for ``gene``."""
    return tuple(Region(gene.contig, p.pos, p.pos) for p in gene.positions)


def observe(gene: Gene, records: Iterable[Record]) -> tuple[Site, ...]:
    """One :class:`Site` for each position of ``gene``, in its order.

    Raises :class:`InputError` when a line's REF is not the base of GRCh38: the file is of another build or strand.
    """
    touching: dict[int, list[Record]] = {p.pos: [] for p in gene.positions}
    for record in records:
        if record.contig == gene.contig:
            for pos in touching:
                if record.pos <= pos <= record.end:
                    touching[pos].append(record)
    return tuple(_site(gene, position, touching[position.pos]) for position in gene.positions)


def _site(gene: Gene, position: Position, records: list[Record]) -> Site:
    if not records:
        return Site(position, "not-in-file", reason="the file has no line for it")
    for record in records:
        _check_reference(gene, position, record)
    found = [_read(position, record) for record in records]
    for status in ("unlisted", "no-call"):
        worst = next((s for s in found if s.status == status), None)
        if worst is not None:
            return worst
    variant = [s for s in found if s.bases != (position.ref, position.ref)]
    if len(variant) > 1:
        return Site(position, "no-call", line=variant[1].line, reason="several lines speak of it")
    return variant[0] if variant else found[0]


def _check_reference(gene: Gene, position: Position, record: Record) -> None:
    offset = position.pos - record.pos
    if offset < len(record.ref) and record.ref[offset] not in (position.ref, "N"):
        raise InputError(
            f"REF at {gene.contig}:{position.pos} is not the base of GRCh38",
            f"line {record.line}",
            "give a file made on GRCh38",
        )


def _read(position: Position, record: Record) -> Site:
    reason = _not_called(record)
    if reason:
        return Site(position, "no-call", line=record.line, reason=reason)
    call = record.call
    assert call is not None
    bases = [_base(record, index or 0, position) for index in call.alleles]
    if any(base not in (position.ref, *position.alts) for base in bases):
        return Site(position, "unlisted", line=record.line, reason="a variant that the allele table does not list")
    pair = (str(bases[0]), str(bases[1]))
    phase = None
    if call.phased and pair[0] != pair[1]:
        phase = call.phase_set or "whole contig"
    return Site(position, "called", pair, phase, record.line)


def _not_called(record: Record) -> str:
    """Why the line's genotype is not used, or ""."""
    call = record.call
    if call is None:
        return "the file has no genotypes"
    if not call.complete:
        return "the genotype is missing or half missing"
    if len(call.alleles) != 2:
        return f"the genotype has {len(call.alleles)} alleles instead of two"
    if not record.passed:
        return "marked by a filter"
    if call.quality is not None and call.quality < MINIMUM_QUALITY:
        return f"genotype quality below {MINIMUM_QUALITY}"
    if call.depth is not None and call.depth < MINIMUM_DEPTH:
        return f"read depth below {MINIMUM_DEPTH}"
    return ""


def _base(record: Record, allele: int, position: Position) -> str | None:
    """The base that an allele of the line has at ``position``; None where it is deleted, symbolic or unclear."""
    if allele == 0:
        return position.ref
    ref, alt = record.ref, record.alts[allele - 1]
    if not alt.isalpha():
        return None  # symbolic, "*" or a breakend
    offset = position.pos - record.pos
    if len(ref) == len(alt):
        return alt[offset]
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    start = 0
    while start < min(len(ref), len(alt)) and ref[start] == alt[start]:
        start += 1
    return None if start <= offset < len(ref) else position.ref
