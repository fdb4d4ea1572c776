"""Method ``genomics.pharmacogenes``: CYP2C19 and SLCO1B1 from a genome file, and what CPIC recommends."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from salus.errors import InputError
from salus.fhir.blobs import Blob
from salus.findings.method import Context
from salus.findings.model import Evidence, Finding
from salus.formats.vcf import detect_build, read_vcf
from salus.genomics.build import marker_regions, require_grch38
from salus.genomics.guidance import proposals
from salus.genomics.sites import MINIMUM_DEPTH, MINIMUM_QUALITY, Site, regions
from salus.genomics.star import UNASSIGNED, GeneCall, call
from salus.genomics.tables import load
from salus.record.chart import Chart

CODES = {"CYP2C19": "cyp2c19-phenotype", "SLCO1B1": "slco1b1-phenotype"}
INDETERMINATE = "Indeterminate"
NAMED = 6
TEST = "a pharmacogenetic test of {gene} by a clinical laboratory, or a genome file (VCF on GRCh38) with its positions"

_MEANING = {
    "CYP2C19": "This gene decides how well your body makes some medicines, such as clopidogrel, work.",
    "SLCO1B1": "This gene decides how well your liver takes up statins, which lower cholesterol.",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One genome file, read: its sample, what shows its build, and a call a gene."""

    blob: Blob
    sample: str
    build: str
    calls: dict[str, GeneCall]


class Pharmacogenes:
    """Diplotype, phenotype and proposals for two pharmacogenes."""

    id = "genomics.pharmacogenes"
    version = "1.0.1"
    title = "Pharmacogenes CYP2C19 and SLCO1B1"
    intended_use = (
        "Shows a professional which CYP2C19 and SLCO1B1 star alleles fit a genome file, the CPIC phenotype when it is "
        "certain, and what CPIC recommends for clopidogrel and statins. To be confirmed by a clinical laboratory."
    )
    inputs = ("genome",)
    produces = tuple(CODES.values())
    consumes: tuple[str, ...] = ()
    population = "anyone with a genome file (VCF 4.x) on GRCh38 that holds the defining positions"
    references = (
        "Lee CR et al. CPIC guideline for CYP2C19 and clopidogrel, 2022 update, PMID 35034351",
        "Cooper-DeHoff RM et al. CPIC guideline for SLCO1B1, ABCG2, CYP2C9 and statins, 2022, PMID 35152405",
        "allele tables: PharmCAT 3.1.1, data version 2025-11-05-00-25 (CPIC, PharmVar)",
    )
    licence = "allele tables MPL-2.0 (PharmCAT); CPIC content CC0 1.0"
    limits = (
        "Tried on four real genomes and called in none of them, since positions without a line stay unknown; what was "
        "called rightly are files made from allele definitions.",
        "a position without a line in the file is unknown, never reference: a VCF of variants alone rarely suffices, "
        "a gVCF does",
        "only the alleles of the table are considered; rare variants elsewhere in the genes and structural variants "
        "are not seen",
        f"genotypes marked by a filter, or with GQ below {MINIMUM_QUALITY} or DP below {MINIMUM_DEPTH} where given, "
        "count as not called",
        "other genes that CPIC weighs for statins (ABCG2, CYP2C9) are not called yet",
        "interactions with other medicines (omeprazole and CYP2C19, say) are not part of this method",
        "a result for treatment needs confirmation in a clinical laboratory",
    )

    def run(self, chart: Chart, context: Context) -> Iterable[Finding]:
        """One finding a gene."""
        readings: list[Reading] = []
        failures: list[tuple[Blob, InputError]] = []
        for blob in chart.genome():
            try:
                readings.append(read(blob))
            except InputError as error:
                failures.append((blob, error))
        return [_finding(gene, readings, failures) for gene in CODES]


def read(blob: Blob) -> Reading:
    """Both genes from one genome file. Raises :class:`InputError` when it cannot be used."""
    genes = [load(name) for name in CODES]
    wanted = [region for gene in genes for region in regions(gene)]
    if not blob.parts:
        raise InputError("the genome has no file")
    vcf = read_vcf(io.BytesIO(blob.read()), blob.meta.get("sample") or None, [*wanted, *marker_regions(genes)])
    build = detect_build(vcf.header)
    records = tuple(vcf.records)
    basis = require_grch38(build, genes, records)
    return Reading(blob, vcf.sample, basis, {gene.name: call(gene, records) for gene in genes})


def _finding(gene: str, readings: list[Reading], failures: list[tuple[Blob, InputError]]) -> Finding:
    if not readings:
        return _unreadable(gene, failures)
    certain = [r for r in readings if _settled(r.calls[gene])]
    if not certain:
        return _open(min(reversed(readings), key=lambda r: len(r.calls[gene].phenotypes) or 1_000), gene)
    chosen = certain[-1]
    against = [r for r in readings if _contradicts(r.calls[gene], str(chosen.calls[gene].phenotype))]
    if against:
        return _refusal(
            gene,
            "two genome files give different results",
            (TEST.format(gene=gene),),
            tuple(Evidence.of_blob(r.blob, label=gene) for r in readings if r is chosen or r in against),
        )
    return _result(chosen, gene)


def _contradicts(found: GeneCall, phenotype: str) -> bool:
    """True when what a file shows of the gene rules ``phenotype`` out, or cannot be explained by the table at all.

    A position without a line or without a usable genotype leaves every phenotype possible, and so contradicts none.
    """
    return phenotype not in found.phenotypes


def _settled(found: GeneCall) -> bool:
    return found.phenotype is not None and found.phenotype != INDETERMINATE


def _unreadable(gene: str, failures: list[tuple[Blob, InputError]]) -> Finding:
    if not failures:
        return _refusal(gene, "no genome file is recorded, or none was released", (TEST.format(gene=gene),), ())
    blob, error = failures[-1]
    need = error.remedy or TEST.format(gene=gene)
    return _refusal(
        gene, f"the genome file cannot be used: {error.what}", (need,), (Evidence(blob.source, label=gene),)
    )


def _refusal(gene: str, reason: str, needs: Iterable[str], evidence: tuple[Evidence, ...]) -> Finding:
    return Finding(
        code=CODES[gene],
        sentence=f"{gene}: not assessable, {reason}.",
        status="not-assessable",
        reason=reason,
        needs=tuple(needs),
        evidence=evidence,
    )


def _result(reading: Reading, gene: str) -> Finding:
    found = reading.calls[gene]
    phenotype = str(found.phenotype)
    listed = ", ".join(map(str, found.diplotypes))
    return Finding(
        code=CODES[gene],
        value=phenotype,
        no_uncertainty=(
            "every diplotype of the table that fits the file has this phenotype; errors of sequencing beyond the "
            "file's own quality marks are not modelled"
        ),
        sentence=f"{gene} {listed}: {phenotype} (CPIC, table of {found.gene.version[:10]}).",
        patient_sentence=f"{_MEANING[gene]} Your result: {phenotype.lower()}.",
        effective=_effective(reading.blob),
        evidence=_evidence(reading, found),
        proposals=proposals(gene, (phenotype,)),
        details=_details(reading, found),
    )


def _open(reading: Reading, gene: str) -> Finding:
    """Not assessable: why, which phenotypes are possible, and what would settle it."""
    found = reading.calls[gene]
    reason, needs = _why_open(found)
    base = _refusal(gene, reason, needs, _evidence(reading, found))
    common = proposals(gene, found.phenotypes) if found.phenotypes else ()
    return replace(base, effective=_effective(reading.blob), details=_details(reading, found), proposals=common)


def _why_open(found: GeneCall) -> tuple[str, tuple[str, ...]]:
    gene = found.gene.name
    test = TEST.format(gene=gene)
    if found.unlisted:
        places = ", ".join(_place(found, site) for site in found.unlisted)
        return f"a variant that the allele table does not list stands at {places}", (test,)
    if not found.diplotypes:
        return "no pair of listed alleles explains the genotypes", (test,)
    if found.phenotypes in ((UNASSIGNED,), (INDETERMINATE,)):
        alleles = ", ".join(map(str, found.diplotypes))
        return f"CPIC has not settled what {alleles} means", ("a newer CPIC table that judges these alleles",)
    possible = ", ".join(found.phenotypes)
    reason = f"{len(found.diplotypes)} diplotypes fit the file; possible: {possible}"
    needs = []
    if found.settle:
        named = ", ".join(_place(found, site) for site in found.settle[:NAMED])
        more = len(found.settle) - NAMED
        needs.append(f"the genotype at {named}{f' and {more} more positions' if more > 0 else ''} (a gVCF holds them)")
    if found.needs_phase:
        needs.append("phased genotypes (which variants lie on the same chromosome)")
    return reason, tuple(needs)


def _place(found: GeneCall, site: Site) -> str:
    name = f" ({site.position.rsid})" if site.position.rsid else ""
    return f"chr{found.gene.contig}:{site.position.pos}{name}"


def _effective(blob: Blob) -> tuple[str, str]:
    text = blob.effective.text if blob.effective else ""
    return (text, text)


def _evidence(reading: Reading, found: GeneCall) -> tuple[Evidence, ...]:
    """The lines with a variant or an unlisted one; the whole file where there is none."""
    marked = [
        site
        for site in found.sites
        if site.line is not None
        and (site.status == "unlisted" or site.bases not in (None, (site.position.ref, site.position.ref)))
    ]
    label = found.gene.name
    if not marked:
        return (Evidence.of_blob(reading.blob, label=label),)
    return tuple(
        Evidence.of_blob(
            reading.blob, label=f"{label} {site.position.rsid}", contig=f"chr{found.gene.contig}",
            pos=site.position.pos, line=site.line,
        )
        for site in marked
    )  # fmt: skip


def _details(reading: Reading, found: GeneCall) -> dict[str, Any]:
    gene = found.gene
    names = dict.fromkeys(name for d in found.diplotypes for name in (d.first, d.second))
    return {
        "gene": gene.name,
        "sample": reading.sample,
        "build": f"GRCh38 ({reading.build})",
        "diplotypes": [str(d) for d in found.diplotypes],
        "functions": {name: gene.functions.get(name, UNASSIGNED) for name in names},
        "phenotypes": list(found.phenotypes),
        "settle": [_place(found, site) for site in found.settle],
        "needs_phase": found.needs_phase,
        "table": {"version": gene.version, "source": gene.source, "licence": gene.licence},
        "positions": [
            {
                "position": _place(found, site),
                "status": site.status,
                "genotype": "" if site.bases is None else ("|" if site.phase else "/").join(site.bases),
                "reason": site.reason,
            }
            for site in found.sites
        ],
    }


PHARMACOGENES = Pharmacogenes()
