"""Star alleles by construction: every pair, phased and not, with gaps, filters, odd lines and unlisted variants."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import InputError, MethodError
from salus.genomics import tables
from salus.genomics.star import UNASSIGNED, Diplotype, GeneCall
from salus.genomics.tables import Gene, core, load

from . import files

GENES = (load("CYP2C19"), load("SLCO1B1"))
CYP2C19, SLCO1B1 = GENES
STAR2, STAR17, ALWAYS = 94781859, 94761900, 94842866  # rs4244285, rs12248560, rs3758581


def named(call: GeneCall) -> set[str]:
    return {str(d) for d in call.diplotypes}


def pair(one: str, other: str) -> Diplotype:
    return Diplotype(*sorted((one, other), key=lambda n: int(n[1:])))


def line(pos: int, ref: str, alt: str, genotype: str, **more: str) -> str:
    values = {"filter": "PASS", "format": "GT", "info": "."} | more
    return f"chr10\t{pos}\t.\t{ref}\t{alt}\t.\t{values['filter']}\t{values['info']}\t{values['format']}\t{genotype}"


def swap(pos: int, new: str | None) -> files.Edit:
    return lambda at, old: new if at == pos else old


@pytest.mark.parametrize("gene", GENES, ids=lambda g: g.name)
def test_every_third_pair_of_alleles_is_among_the_answers(gene: Gene) -> None:
    names = sorted({h.name for h in gene.haplotypes})
    for one, other in list(itertools.combinations_with_replacement(names, 2))[::3]:
        found = files.called(gene, files.rows(gene, one, other))
        assert pair(one, other) in found.diplotypes
        assert (gene.phenotype(one, other) or UNASSIGNED) in found.phenotypes


@pytest.mark.parametrize("gene", GENES, ids=lambda g: g.name)
def test_phased_pairs_leave_only_names_for_the_same_sequences(gene: Gene) -> None:
    names = sorted({h.name for h in gene.haplotypes})
    for one, other in list(itertools.combinations_with_replacement(names, 2))[::3]:
        found = files.called(gene, files.rows(gene, one, other, phased=True))
        assert pair(one, other) in found.diplotypes
        phenotype = gene.phenotype(one, other)
        assert found.phenotypes == (phenotype or UNASSIGNED,)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(GENES), st.integers(0, 2**32), st.floats(0, 1), st.booleans())
def test_gaps_never_lose_the_truth(gene: Gene, seed: int, share: float, phased: bool) -> None:
    chance = random.Random(seed)
    names = sorted({h.name for h in gene.haplotypes})
    one, other = chance.choice(names), chance.choice(names)
    drop = lambda pos, old: None if chance.random() < share else old  # noqa: E731
    found = files.called(gene, files.rows(gene, one, other, phased=phased, edit=drop))
    assert pair(one, other) in found.diplotypes
    assert (gene.phenotype(one, other) or UNASSIGNED) in found.phenotypes
    if len(found.phenotypes) > 1 and not found.needs_phase:
        assert found.settle


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(GENES), st.integers(0, 2**32))
def test_the_settling_positions_do_settle(gene: Gene, seed: int) -> None:
    chance = random.Random(seed)
    names = sorted({h.name for h in gene.haplotypes})
    one, other = chance.choice(names), chance.choice(names)
    gaps = set(chance.sample([p.pos for p in gene.positions], 5))
    found = files.called(gene, files.rows(gene, one, other, edit=lambda p, old: None if p in gaps else old))
    still = gaps - {site.position.pos for site in found.settle}
    after = files.called(gene, files.rows(gene, one, other, edit=lambda p, old: None if p in still else old))
    if not found.needs_phase:
        assert len(after.phenotypes) == 1


def test_a_file_without_lines_says_nothing() -> None:
    found = files.called(CYP2C19, [])
    assert found.phenotype is None
    assert len(found.diplotypes) > 500
    assert {s.status for s in found.sites} == {"not-in-file"}


def test_variants_alone_do_not_make_the_rest_reference() -> None:
    only = files.rows(CYP2C19, "*1", "*2", edit=lambda pos, old: old if old.endswith(("0/1", "1/1")) else None)
    found = files.called(CYP2C19, only)
    assert found.phenotype is None
    assert "*1/*2" in named(found)
    assert len(found.settle) > 3


def test_one_missing_position_that_does_not_matter_leaves_the_phenotype() -> None:
    found = files.called(CYP2C19, files.rows(CYP2C19, "*1", "*1", edit=swap(ALWAYS, None)))
    assert named(found) == {"*1/*1", "*1/*38", "*38/*38"}
    assert found.phenotype == "Normal Metabolizer"
    assert found.settle == ()


def test_one_missing_position_that_matters_is_named() -> None:
    found = files.called(CYP2C19, files.rows(CYP2C19, "*2", "*2", edit=swap(STAR2, None)))
    assert "*2/*2" in named(found)
    open_one = files.called(CYP2C19, files.rows(CYP2C19, "*1", "*17", edit=swap(STAR17, None)))
    assert open_one.phenotypes == ("Normal Metabolizer", "Rapid Metabolizer", "Ultrarapid Metabolizer")
    assert [site.position.pos for site in open_one.settle] == [STAR17]


def test_phase_decides_where_the_unphased_file_cannot() -> None:
    unphased = files.called(SLCO1B1, files.rows(SLCO1B1, "*4", "*15"))
    assert named(unphased) == {"*4/*15", "*5/*14"}
    assert unphased.needs_phase
    assert unphased.phenotype is None
    assert named(files.called(SLCO1B1, files.rows(SLCO1B1, "*4", "*15", phased=True))) == {"*4/*15"}
    assert named(files.called(SLCO1B1, files.rows(SLCO1B1, "*5", "*14", phased=True))) == {"*5/*14"}


def test_separate_phase_sets_are_not_joined() -> None:
    def sets(pos: int, old: str) -> str:
        """Each heterozygous position in a set of its own."""
        genotype = old.rsplit("\t", 1)[1]
        return old.replace("GT\t" + genotype, f"GT:PS\t{genotype}:{pos}")

    found = files.called(SLCO1B1, files.rows(SLCO1B1, "*4", "*15", phased=True, edit=sets))
    assert named(found) == {"*4/*15", "*5/*14"}


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (line(STAR2, "G", "A", "1/1", filter="LowQual"), "filter"),
        (line(STAR2, "G", "A", "1/1:19", format="GT:GQ"), "quality"),
        (line(STAR2, "G", "A", "1/1:9", format="GT:DP"), "depth"),
        (line(STAR2, "G", "A", "1/1:bad", format="GT:FT"), "filter"),
        (line(STAR2, "G", "A", "./."), "missing"),
        (line(STAR2, "G", "A", "1/."), "missing"),
        (line(STAR2, "G", "A", "1"), "1 alleles"),
        (line(STAR2, "G", "A", "1/1/1"), "3 alleles"),
    ],
)
def test_doubtful_genotypes_are_not_called(new: str, reason: str) -> None:
    found = files.called(CYP2C19, files.rows(CYP2C19, "*1", "*1", edit=swap(STAR2, new)))
    site = next(s for s in found.sites if s.position.pos == STAR2)
    assert site.status == "no-call"
    assert reason in site.reason
    assert site.line is not None


@pytest.mark.parametrize("good", [line(STAR2, "G", "A", "0/0:20:10", format="GT:GQ:DP"), line(STAR2, "G", "A", "0|0")])
def test_genotypes_at_the_limits_are_called(good: str) -> None:
    found = files.called(CYP2C19, files.rows(CYP2C19, "*1", "*1", edit=swap(STAR2, good)))
    assert found.phenotype == "Normal Metabolizer"


@pytest.mark.parametrize(
    "new",
    [
        line(STAR2, "G", "C", "0/1"),
        line(STAR2, "G", "A,<NON_REF>", "0/2"),
        line(STAR2, "G", "*", "0/1"),
        line(STAR2, "G", "<DEL>", "0/1", info=f"END={STAR2 + 50}"),
        line(STAR2 - 2, "ACG", "A", "0/1"),
    ],
    ids=["other base", "non-ref", "spanning deletion", "symbolic", "deletion over it"],
)
def test_an_unlisted_variant_at_a_position_bars_the_gene(new: str) -> None:
    found = files.called(CYP2C19, files.rows(CYP2C19, "*1", "*2", edit=swap(STAR2, new)))
    assert found.diplotypes == ()
    assert found.phenotype is None
    assert STAR2 in [s.position.pos for s in found.unlisted]


@pytest.mark.parametrize(
    "new",
    [
        line(STAR2 - 1, "CG", "CA", "0/1"),
        line(STAR2, "GA", "AA", "0/1"),
        line(STAR2, "GAT", "AAT,<NON_REF>", "0/1"),
        line(STAR2, "G", "A,T", "0/1"),
    ],
    ids=["anchored", "padded", "gvcf", "with an uncarried allele"],
)
def test_other_ways_to_write_the_same_variant_are_understood(new: str) -> None:
    found = files.called(CYP2C19, files.rows(CYP2C19, "*1", "*2", edit=swap(STAR2, new)))
    assert found.phenotype == "Intermediate Metabolizer"


def test_an_indel_beside_a_position_does_not_touch_it() -> None:
    lines = [*files.rows(CYP2C19, "*1", "*1"), line(STAR2, "GA", "G", "0/1")]
    assert files.called(CYP2C19, lines).phenotype == "Normal Metabolizer"


def test_two_lines_that_both_carry_a_variant_are_no_call() -> None:
    lines = [*files.rows(CYP2C19, "*1", "*2"), line(STAR2, "G", "A", "1/1")]
    site = next(s for s in files.called(CYP2C19, lines).sites if s.position.pos == STAR2)
    assert (site.status, site.reason) == ("no-call", "several lines speak of it")


def test_gvcf_blocks_make_the_rest_reference() -> None:
    start, end = CYP2C19.positions[0].pos, CYP2C19.positions[-1].pos
    block = line(start, "C", "<NON_REF>", "0/0:60:20", format="GT:GQ:MIN_DP", info=f"END={end}")
    carried = files.rows(CYP2C19, "*2", "*2", edit=lambda pos, old: old if not old.endswith("0/0") else None)
    found = files.called(CYP2C19, [block, *carried])
    assert named(found) == {"*2/*2"}
    assert found.phenotype == "Poor Metabolizer"
    thin = block.replace("0/0:60:20", "0/0:60:4")
    assert files.called(CYP2C19, [thin, *carried]).phenotype is None


def test_a_reference_base_of_another_build_is_an_error() -> None:
    with pytest.raises(InputError, match=r"10:94781859 is not the base of GRCh38"):
        files.called(CYP2C19, files.rows(CYP2C19, "*1", "*1", edit=swap(STAR2, line(STAR2, "C", "A", "0/0"))))


def test_genotypes_that_no_pair_explains_give_no_call() -> None:
    both = {STAR2: line(STAR2, "G", "A", "1/1"), 94780653: line(94780653, "G", "A", "1/1")}
    found = files.called(CYP2C19, files.rows(CYP2C19, "*1", "*1", edit=lambda pos, old: both.get(pos, old)))
    assert found.diplotypes == ()
    assert found.unlisted == ()


def test_clinical_examples() -> None:
    for one, other, phenotype in (
        ("*1", "*1", "Normal Metabolizer"),
        ("*2", "*2", "Poor Metabolizer"),
        ("*2", "*3", "Poor Metabolizer"),
        ("*1", "*2", "Intermediate Metabolizer"),
        ("*2", "*17", "Intermediate Metabolizer"),
        ("*1", "*17", "Rapid Metabolizer"),
        ("*17", "*17", "Ultrarapid Metabolizer"),
    ):
        assert files.called(CYP2C19, files.rows(CYP2C19, one, other)).phenotype == phenotype
    for one, other, phenotype in (
        ("*1", "*1", "Normal Function"),
        ("*1", "*5", "Decreased Function"),
        ("*5", "*15", "Poor Function"),
    ):
        assert files.called(SLCO1B1, files.rows(SLCO1B1, one, other)).phenotype == phenotype


def test_tables_state_source_version_and_licence() -> None:
    for gene in GENES:
        assert gene.version.startswith("2025-11-05")
        assert "MPL-2.0" in gene.licence
        assert "PharmCAT" in gene.source
        assert sum(h.bases == tuple(p.ref for p in gene.positions) for h in gene.haplotypes) == 1
    assert core("*45.001") == "*45"
    assert core("rs2231142 reference (G)") == "rs2231142 reference (G)"
    with pytest.raises(MethodError, match="no table"):
        load("CYP2D6")
    assert len(tables.IUPAC) == 15
