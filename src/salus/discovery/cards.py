"""What this wing can do and where it ends."""

from __future__ import annotations

from salus.findings.capability import Capability

RESEARCH = "research use only; never advice about a patient"

ENDPOINTS = Capability(
    id="discovery.endpoints",
    version="1.0.0",
    title="Endpoint prediction with conformal intervals",
    intended_use="Predicts a measured property of a molecule from a table of measurements, for research.",
    inputs=("a table of SMILES and measured values of one endpoint", "SMILES"),
    produces=("value with unit", "90 % interval", "nearest measured analogues", "not-assessable with a reason"),
    population=(
        "neutral or neutralisable organic molecules of up to 100 heavy atoms; a molecule about which the training "
        "table leaves open more of the variance than about 99 % of its own molecules, each predicted without its "
        "scaffold, is not assessed"
    ),
    references=(
        "Rasmussen CE, Williams CKI. Gaussian Processes for Machine Learning. MIT Press 2006",
        "Vovk V. Cross-conformal predictors. Ann Math Artif Intell 2015;74:9-28",
        "Fang C et al. J Chem Inf Model 2023, doi:10.1021/acs.jcim.3c00160 (reference data)",
    ),
    licence="Apache-2.0; no trained model is shipped",
    limits=(
        RESEARCH,
        "the interval holds on average over molecules like those of the table, not for each one; another laboratory's "
        "assay may differ by more",
        "chemistry moves on: fitted to the earlier three quarters of an ExpansionRx programme, 90 % intervals held "
        "83 % (LogD) and 92 % (kinetic solubility) of the later quarter of the part that was at hand",
        "at least 50 molecules of 10 scaffolds are needed; at most 6,000 are used",
        "one number per molecule: censored values (< or >) are not read as such",
        "fingerprints do not see stereochemistry: enantiomers get the same prediction",
        "a saved model holds its training molecules and values",
    ),
)

SIMILARITY = Capability(
    id="discovery.similarity",
    version="1.0.0",
    title="Exact similarity search",
    intended_use="Finds the molecules of a library that are most similar to a query.",
    inputs=("a library of SMILES", "one SMILES"),
    produces=("molecules with Tanimoto similarity",),
    population="organic molecules of up to 100 heavy atoms",
    references=("Swamidass SJ, Baldi P. J Chem Inf Model 2007;47:302-317",),
    licence="Apache-2.0",
    limits=(
        RESEARCH,
        "Morgan fingerprints of radius 2 and 2,048 bits: different molecules may have the same one; stereochemistry "
        "does not count",
        "the library is held in memory: up to 5,000,000 molecules",
    ),
)

SIGNALS = Capability(
    id="discovery.signals",
    version="1.0.0",
    title="Safety signals in spontaneous reports (EBGM, PRR, ROR)",
    intended_use="Shows which product and event are reported together more often than expected, as a reason to look.",
    inputs=("a table of reports: id, product, event, and columns to stratify by",),
    produces=("N, E, RR", "PRR and ROR with 95 % intervals", "EBGM with EB05 and EB95"),
    population="collections of spontaneous reports with at least 50 reported pairs of product and event",
    references=(
        "DuMouchel W. Am Stat 1999;53:177-190",
        "DuMouchel W, Pregibon D. KDD 2001:67-76",
        "openEBGM 0.9.1 (reference answers)",
    ),
    licence="Apache-2.0",
    limits=(
        "an association among reports: neither a rate nor a risk, and no statement of what caused what",
        "names are taken as they stand: spellings, duplicates of a report and combination products are not resolved",
        "PRR and ROR ignore strata; products that are reported with everything mask others",
        "EB05 of 2 or more is a usual threshold, not a proven one",
    ),
)

DESIGN = Capability(
    id="discovery.design",
    version="1.0.0",
    title="Generative design: genetic algorithm on molecular graphs",
    intended_use="Proposes molecules that score high under a stated objective, with the lineage of each, for research.",
    inputs=("an objective", "a start pool of SMILES"),
    produces=("molecules with score, parts, alerts and lineage",),
    population="small organic molecules without stereochemistry, up to 60 heavy atoms",
    references=(
        "Jensen JH. Chem Sci 2019;10:3567-3572",
        "Tripp A, Hernandez-Lobato JM. arXiv:2310.09267",
        "Gao W et al. Sample efficiency matters. NeurIPS 2022, arXiv:2206.12411 (tasks and metric)",
    ),
    licence="Apache-2.0; alerts: RDKit filter catalogs (BSD-3-Clause)",
    limits=(
        RESEARCH,
        "a designed molecule is untested; whether it can be made is not judged",
        "an objective that asks for more of a hazard cannot be made; molecules like Schedule 1 chemical weapons are "
        "never kept. A hazard under an innocent name in a table of one's own is not recognised",
        "a predicted endpoint counts with the worst end of its interval, and as 0 outside the model's domain",
        "alerts are reasons to look, neither proof of harm nor of safety",
    ),
)
