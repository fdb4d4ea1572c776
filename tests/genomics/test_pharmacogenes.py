"""Method genomics.pharmacogenes on charts, its proposals, and the check of the genome build."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable

import pytest

from salus.errors import InputError
from salus.findings.method import Method
from salus.formats.vcf import detect_build, read_vcf
from salus.genomics.build import known_variants, require_grch38
from salus.genomics.guidance import proposals
from salus.genomics.pharmacogenes import PHARMACOGENES
from salus.genomics.tables import load

from . import files

GENES = [load("CYP2C19"), load("SLCO1B1")]
POOR = {("acs-or-pci", "strong"), ("cardiovascular-other", "moderate"), ("neurovascular", "moderate")}
OLD = "##fileformat=VCFv4.2\n##contig=<ID=10,length=135534747>\n"


def on_grch37() -> list[str]:
    """The common variants of both genes at their GRCh37 positions."""
    return [
        f"chr{gene.contig}\t{p.pos_grch37}\t{p.rsid}\t{p.ref}\t{p.alts[0]}\t.\tPASS\t.\tGT\t0/1"
        for gene in GENES
        for p in gene.positions
        if p.pos_grch37
    ]


def test_fits_the_protocol() -> None:
    assert isinstance(PHARMACOGENES, Method)
    assert PHARMACOGENES.limits


def test_poor_metabolizer_with_decreased_transport() -> None:
    found = files.findings(files.whole(("*2", "*2"), ("*1", "*5")))
    cyp, slco = found["cyp2c19-phenotype"], found["slco1b1-phenotype"]
    assert (cyp.status, cyp.value) == ("ok", "Poor Metabolizer")
    assert cyp.details["diplotypes"] == ["*2/*2"]
    assert cyp.details["functions"] == {"*2": "No function"}
    assert cyp.details["sample"] == "S1"
    assert "length of contig" in cyp.details["build"]
    assert {e.locator["pos"] for e in cyp.evidence} >= {94781859}
    assert cyp.evidence[0].part == "genome1.vcf"
    assert cyp.evidence[0].digest
    assert slco.value == "Decreased Function"
    assert [e.locator["pos"] for e in slco.evidence] == [21178615]
    strong = next(p for p in cyp.proposals if p.details["when"]["population"] == "acs-or-pci")
    assert (strong.action, strong.target, str(strong.strength)) == ("avoid", "clopidogrel", "strong")
    assert strong.alternatives == ("prasugrel", "ticagrelor")
    assert "stroke" in strong.details["alternatives"][0]["contraindications"]
    assert "35034351" in strong.citation
    statin = next(p for p in slco.proposals if p.target == "simvastatin")
    assert (statin.action, str(statin.strength)) == ("change", "strong")
    assert statin.details["below_mg_per_day"] == 20
    assert {p.target for p in slco.proposals} >= {"atorvastatin", "rosuvastatin", "lovastatin"}


def test_normal_results_propose_nothing() -> None:
    found = files.findings(gzip.compress(files.whole(("*1", "*1"), ("*1", "*1"))))
    assert [f.value for f in found.values()] == ["Normal Metabolizer", "Normal Function"]
    assert all(f.proposals == () for f in found.values())
    assert all(f.evidence for f in found.values())


def test_no_patient_text_tells_to_stop_and_all_point_to_a_doctor() -> None:
    for phenotype in ("Poor Metabolizer", "Intermediate Metabolizer"):
        for proposal in proposals("CYP2C19", (phenotype,)):
            assert "stop" not in proposal.patient_text.lower()
            assert "ask your heart doctor" in proposal.patient_text


@pytest.mark.parametrize(
    ("phenotype", "expected"),
    [
        ("Poor Metabolizer", POOR),
        ("Likely Poor Metabolizer", POOR),
        ("Intermediate Metabolizer", {("acs-or-pci", "strong"), ("neurovascular", "moderate")}),
        ("Likely Intermediate Metabolizer", {("acs-or-pci", "strong"), ("neurovascular", "moderate")}),
        ("Normal Metabolizer", set()),
        ("Rapid Metabolizer", set()),
        ("Ultrarapid Metabolizer", set()),
        ("Indeterminate", set()),
    ],
)  # fmt: skip
def test_clopidogrel_by_phenotype_and_indication(phenotype: str, expected: set[tuple[str, str]]) -> None:
    found = proposals("CYP2C19", (phenotype,))
    assert {(p.details["when"]["population"], str(p.strength)) for p in found} == expected
    neurovascular = [p for p in found if p.details["when"]["population"] == "neurovascular"]
    assert all("prasugrel" not in p.alternatives for p in neurovascular)


def test_an_open_phenotype_keeps_what_all_possible_ones_share_in_its_strictest_form() -> None:
    found = proposals("CYP2C19", ("Intermediate Metabolizer", "Poor Metabolizer"))
    assert [p.details["when"]["population"] for p in found] == ["acs-or-pci"]
    assert "each possible one leads to this" in found[0].text
    statins = {p.target: p for p in proposals("SLCO1B1", ("Decreased Function", "Poor Function"))}
    assert "below_mg_per_day" not in statins["simvastatin"].details
    assert statins["atorvastatin"].details["start_at_most_mg_per_day"] == 20
    assert proposals("CYP2C19", ("Normal Metabolizer", "Poor Metabolizer")) == ()
    assert proposals("CYP2C19", ()) == ()


def refused(*data: bytes) -> tuple[str, tuple[str, ...]]:
    finding = files.findings(*data)["cyp2c19-phenotype"]
    assert finding.status == "not-assessable"
    assert finding.value is None
    return finding.reason, finding.needs


def test_no_genome_is_said_with_what_to_obtain() -> None:
    reason, needs = refused()
    assert reason == "no genome file is recorded, or none was released"
    assert "pharmacogenetic test" in needs[0]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"nonsense", "fileformat"),
        (files.whole(("*1", "*1"), ("*1", "*1"))[:-20], "columns"),
        (files.whole(("*1", "*1"), ("*1", "*1"), OLD), "GRCh37"),
        (files.vcf([], files.UNKNOWN), "build of the file is not known"),
        (files.vcf(on_grch37(), files.UNKNOWN), "on GRCh37"),
        (files.whole(("*1", "*1"), ("*1", "*1")).replace(b"\tS1\n", b"\tS1\tS2\n"), "several samples"),
    ],
)
def test_unusable_files_are_refused_with_the_reason(data: bytes, words: str) -> None:
    reason, needs = refused(data)
    assert words in reason
    assert needs


def test_gaps_name_the_positions_that_would_settle_it() -> None:
    lines = files.rows(GENES[0], "*1", "*17", edit=lambda pos, old: None if pos == 94761900 else old)
    finding = files.findings(files.vcf([*lines, *files.rows(GENES[1], "*1", "*1")]))["cyp2c19-phenotype"]
    assert finding.status == "not-assessable"
    assert "Rapid Metabolizer" in finding.reason
    assert "chr10:94761900 (rs12248560)" in finding.needs[0]
    assert finding.proposals == ()


def test_an_open_result_that_is_harmful_either_way_still_warns() -> None:
    star3 = 94780653
    lines = files.rows(GENES[0], "*1", "*2", edit=lambda pos, old: None if pos == star3 else old)
    found = files.findings(files.vcf([*lines, *files.rows(GENES[1], "*1", "*1")]))["cyp2c19-phenotype"]
    assert found.status == "not-assessable"
    assert found.details["phenotypes"] == ["Intermediate Metabolizer", "Poor Metabolizer"]
    assert [p.details["when"]["population"] for p in found.proposals] == ["acs-or-pci"]


def test_unlisted_variant_and_unjudged_allele_are_told_apart() -> None:
    changed = files.rows(
        GENES[0],
        "*1",
        "*1",
        edit=lambda p, o: o.replace("\tA\t.", "\tC\t.").replace("0/0", "0/1") if p == 94781859 else o,
    )
    reason, _ = refused(files.vcf([*changed, *files.rows(GENES[1], "*1", "*1")]))
    assert "does not list stands at chr10:94781859 (rs4244285)" in reason
    unjudged = files.findings(files.whole(("*1", "*12"), ("*1", "*50")))
    assert "CPIC has not settled" in unjudged["cyp2c19-phenotype"].reason
    assert "CPIC has not settled" in unjudged["slco1b1-phenotype"].reason


def test_two_files_that_disagree_are_refused_and_agreement_is_not() -> None:
    one, other = files.whole(("*1", "*1"), ("*1", "*1")), files.whole(("*2", "*2"), ("*1", "*1"))
    found = files.findings(one, other)
    assert "different results" in found["cyp2c19-phenotype"].reason
    assert len(found["cyp2c19-phenotype"].evidence) == 2
    assert found["slco1b1-phenotype"].value == "Normal Function"
    assert files.findings(b"broken", one)["cyp2c19-phenotype"].value == "Normal Metabolizer"


def second(first: str, other: str, keep: Callable[[int], bool]) -> bytes:
    """A file with CYP2C19 at the positions kept, and without SLCO1B1."""
    return files.vcf(files.rows(GENES[0], first, other, edit=lambda pos, line: line if keep(pos) else None))


STAR2, STAR17 = 94781859, 94761900


@pytest.mark.parametrize(
    "other",
    [
        files.whole(("*1", "*1"), ("*1", "*1")),
        second("*1", "*1", lambda pos: False),
        second("*1", "*1", lambda pos: pos == STAR2),
        second("*1", "*2", lambda pos: pos == STAR17),
        files.whole(("*1", "*1"), ("*1", "*1")).replace(b"0/0", b"./."),
    ],
    ids=["agrees", "silent", "partial and compatible", "partial elsewhere", "not called"],
)
def test_a_second_file_that_leaves_the_result_possible_changes_nothing(other: bytes) -> None:
    one = files.whole(("*1", "*1"), ("*1", "*1"))
    for order in ((one, other), (other, one)):
        assert [f.value for f in files.findings(*order).values()] == ["Normal Metabolizer", "Normal Function"]


def unlisted() -> bytes:
    return files.vcf(
        files.rows(
            GENES[0],
            "*1",
            "*1",
            edit=lambda p, o: o.replace("\tA\t.", "\tC\t.").replace("0/0", "0/1") if p == STAR2 else None,
        )
    )


@pytest.mark.parametrize(
    "other",
    [
        second("*2", "*2", lambda pos: pos == STAR2),
        second("*1", "*2", lambda pos: pos == STAR2),
        unlisted(),
        files.whole(("*1", "*12"), ("*1", "*1")),
    ],
    ids=["homozygous no-function variant", "heterozygous no-function variant", "unlisted variant", "unjudged allele"],
)
def test_a_second_file_that_rules_the_result_out_is_a_contradiction(other: bytes) -> None:
    one = files.whole(("*1", "*1"), ("*1", "*1"))
    for order in ((one, other), (other, one)):
        found = files.findings(*order)
        cyp = found["cyp2c19-phenotype"]
        assert (cyp.status, cyp.reason) == ("not-assessable", "two genome files give different results")
        assert cyp.proposals == ()
        assert {e.source.ref for e in cyp.evidence} == {"DocumentReference/g1", "DocumentReference/g2"}
        assert found["slco1b1-phenotype"].value == "Normal Function"


def test_an_unnamed_build_is_recognised_from_known_variants() -> None:
    carried = files.whole(("*2", "*17"), ("*5", "*15"), files.UNKNOWN)
    assert "known variants at their GRCh38 positions" in files.findings(carried)["cyp2c19-phenotype"].details["build"]


def test_build_check_counts_only_matching_alleles() -> None:
    vcf = read_vcf(io.BytesIO(files.vcf(on_grch37(), files.UNKNOWN)))
    records = tuple(vcf.records)
    assert known_variants(GENES, records)[0] == len(records)
    assert known_variants(GENES, records)[1] == 0
    one = read_vcf(io.BytesIO(files.vcf(on_grch37()[:1], files.UNKNOWN)))
    with pytest.raises(InputError, match="not known"):
        require_grch38(detect_build(one.header), GENES, one.records)
