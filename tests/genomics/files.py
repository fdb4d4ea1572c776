"""VCF files written from the packaged allele tables, so that the truth is known by construction."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from salus.findings.method import Context
from salus.findings.model import Finding
from salus.formats.vcf import read_vcf
from salus.genomics.pharmacogenes import PHARMACOGENES
from salus.genomics.sites import regions
from salus.genomics.star import GeneCall, call
from salus.genomics.tables import Gene, Haplotype, load
from salus.record.chart import Chart

HEADER = "##fileformat=VCFv4.2\n##contig=<ID=chr10,length=133797422>\n##contig=<ID=chr12,length=133275309>\n"
UNKNOWN = "##fileformat=VCFv4.2\n"
Row = str | None
Edit = Callable[[int, str], Row]


def haplotype(gene: Gene, name: str) -> Haplotype:
    """The first concrete haplotype of a star allele."""
    return next(h for h in gene.haplotypes if h.name == name)


def rows(gene: Gene, first: str, second: str, *, phased: bool = False, edit: Edit | None = None) -> list[str]:
    """One line a position of ``gene`` for a diplotype; ``edit(pos, line)`` changes a line or drops it (None)."""
    one, other = haplotype(gene, first), haplotype(gene, second)
    found = []
    for index, p in enumerate(gene.positions):
        alleles = [p.ref, *p.alts]
        numbers = [alleles.index(h.bases[index]) for h in (one, other)]
        genotype = "|".join(map(str, numbers)) if phased else "/".join(map(str, sorted(numbers)))
        line = f"chr{gene.contig}\t{p.pos}\t.\t{p.ref}\t{','.join(p.alts)}\t.\tPASS\t.\tGT\t{genotype}"
        kept = edit(p.pos, line) if edit else line
        if kept is not None:
            found.append(kept)
    return found


def vcf(lines: Sequence[str], header: str = HEADER) -> bytes:
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n"
    return (header + columns + "".join(line + "\n" for line in lines)).encode()


def called(gene: Gene, lines: Sequence[str]) -> GeneCall:
    return call(gene, read_vcf(io.BytesIO(vcf(lines)), None, regions(gene)).records)


def whole(cyp2c19: tuple[str, str], slco1b1: tuple[str, str], header: str = HEADER) -> bytes:
    """A file with both genes."""
    return vcf([*rows(load("CYP2C19"), *cyp2c19), *rows(load("SLCO1B1"), *slco1b1)], header)


def chart(*files: bytes) -> Chart:
    """A chart that holds genome files, oldest first."""
    resources = [{"resourceType": "Patient", "id": "p"}]
    blobs = {}
    for number, data in enumerate(files, 1):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        resources.append(
            {
                "resourceType": "DocumentReference",
                "id": f"g{number}",
                "date": f"2025-01-{number:02}T00:00:00Z",
                "meta": {"tag": [{"system": "urn:salus:kind", "code": "genome/vcf"}]},
                "content": [
                    {
                        "attachment": {
                            "url": f"urn:salus:blob:{digest}",
                            "title": f"genome{number}.vcf",
                            "contentType": "text/x-vcf",
                            "size": len(data),
                            "extension": [{"url": "urn:salus:sha256", "valueString": digest}],
                        }
                    }
                ],
            }  # type: ignore[dict-item]
        )
    return Chart.of(resources, now=datetime(2026, 1, 1, tzinfo=UTC), blobs=blobs)


def findings(*files: bytes) -> dict[str, Finding]:
    return {f.code: f for f in PHARMACOGENES.run(chart(*files), Context())}
