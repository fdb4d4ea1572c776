"""VCF: checked from end to end, then kept whole; which sample is the patient is noted beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from salus.errors import InputError
from salus.formats.content import File
from salus.formats.vcf import detect_build, read_vcf
from salus.formats.vcf_lines import numbered_lines
from salus.intake.batch import Attachment, Batch, Document
from salus.intake.clues import clues_in

_FILE_DATE = re.compile(r"^##fileDate=(\d{4})-?(\d{2})-?(\d{2})", re.M)


def _header_text(content: File) -> str:
    """The meta lines, all but the contigs'."""
    lines = []
    with content.open() as stream:
        for _, line in numbered_lines(stream):
            if not line.startswith(b"##"):
                break
            if not line.startswith(b"##contig="):
                lines.append(line.decode("utf-8", "replace"))
    return "\n".join(lines)


def read(content: File, sample: str | None) -> Iterator[Batch]:
    """One VCF. Raises InputError for a broken or truncated file, or several samples of which none is named."""
    records = without_genotype = 0
    with content.open() as stream:
        vcf = read_vcf(stream, sample=sample)
        build = detect_build(vcf.header)
        for record in vcf.records:
            records += 1
            without_genotype += record.call is None
    if not vcf.header.samples:
        raise InputError(
            "the VCF holds no sample", remedy="a VCF with genotypes (a FORMAT and a sample column) is read"
        )
    header = _header_text(content)
    dated = _FILE_DATE.search(header)
    document = Document(
        kind="genome",
        format="vcf",
        title=f"Genome variants, sample {vcf.sample}",
        when="-".join(dated.groups()) if dated else "",
        parts=(Attachment(content.name, "text/x-vcf", content),),
        meta={"sample": vcf.sample, "build": build.name or "unknown", "records": str(records)},
    )
    losses = (f"{without_genotype} records without a genotype",) if without_genotype else ()
    yield Batch(
        kind="vcf",
        sources=(content.path,),
        files=(content,),
        clues=clues_in(header),
        documents=(document,),
        losses=losses,
        sha256=content.sha256.hex(),
    )
