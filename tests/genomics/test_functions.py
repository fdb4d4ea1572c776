"""What an allele does to the gene's function, against CPIC's assignments as another programme's table holds them."""

from __future__ import annotations

import pytest

from salus.genomics.tables import load

from . import files

# sbslee/pypgx at 003bda6, pypgx/api/data/allele-table.csv: GRCh38 position of the core variant, CPIC's function.
CYP2C19 = {
    "*2": (94781859, "No function"),
    "*3": (94780653, "No function"),
    "*4": (94762706, "No function"),
    "*5": (94852738, "No function"),
    "*6": (94775453, "No function"),
    "*7": (94781999, "No function"),
    "*8": (94775416, "No function"),
    "*9": (94775489, "Decreased function"),
    "*10": (94781858, "Decreased function"),
    "*11": (94775507, "Normal function"),
    "*12": (94852914, "Uncertain function"),
    "*13": (94849995, "Normal function"),
    "*14": (94762755, "Uncertain function"),
    "*15": (94762760, "Normal function"),
    "*16": (94852765, "Decreased function"),
    "*17": (94761900, "Increased function"),
    "*18": (94842861, "Normal function"),
    "*19": (94762856, "Decreased function"),
    "*22": (94780574, "No function"),
    "*24": (94842879, "No function"),
    "*25": (94852785, "Decreased function"),
    "*26": (94781944, "Decreased function"),
    "*35": (94775367, "No function"),
}


@pytest.mark.parametrize("name", CYP2C19)
def test_an_allele_of_cyp2c19_stands_at_its_variant_and_has_its_function(name: str) -> None:
    gene, (position, function) = load("CYP2C19"), CYP2C19[name]
    index = next(n for n, p in enumerate(gene.positions) if p.pos == position)
    variant = gene.positions[index].alts
    assert gene.functions[name] == function
    assert all(h.bases[index] in variant for h in gene.haplotypes if h.name == name)
    assert any(h.name == name for h in gene.haplotypes)


@pytest.mark.parametrize(
    ("pair", "phenotype"),
    [
        (("*1", "*9"), "Likely Intermediate Metabolizer"),
        (("*2", "*9"), "Likely Poor Metabolizer"),
        (("*9", "*9"), "Likely Intermediate Metabolizer"),
        (("*9", "*17"), "Likely Intermediate Metabolizer"),
    ],
)
def test_who_carries_star_nine_is_no_normal_metabolizer(pair: tuple[str, str], phenotype: str) -> None:
    """One decreased function allele makes a likely intermediate metabolizer, with a no function allele a likely poor
    one (CPIC guideline for CYP2C19 and clopidogrel, 2022 update, PMID 35034351)."""
    found = files.findings(files.whole(pair, ("*1", "*1")))["cyp2c19-phenotype"]
    assert (found.status, found.value) == ("ok", phenotype)
    assert found.proposals, "clopidogrel is spoken of"
