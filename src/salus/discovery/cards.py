"""What this wing can do and where it ends."""

from __future__ import annotations

from salus.findings.capability import Capability

RESEARCH = "research use only; never advice about a patient"

ENDPOINTS = Capability(
    id="discovery.endpoints",
    version="1.1.0",
    title="Endpoint prediction with conformal intervals",
    intended_use="Predicts a measured property of a molecule from a table of measurements, for research.",
    inputs=("a table of SMILES and measured values of one endpoint", "SMILES"),
    produces=("value with unit", "90 % interval", "nearest measured analogues", "not-assessable with a reason"),
    population=(
        "neutral or neutralisable organic molecules of up to 100 heavy atoms; a molecule about which the training "
        "table leaves open more of the variance than about 99 % of its own molecules, each predicted without its "
        "scaffold or from the rows before it, is not assessed"
    ),
    references=(
        "Rasmussen CE, Williams CKI. Gaussian Processes for Machine Learning. MIT Press 2006",
        "Vovk V. Cross-conformal predictors. Ann Math Artif Intell 2015;74:9-28",
        "Tashman LJ. Int J Forecast 2000;16:437-450 (rolling origin)",
        "DerSimonian R, Laird N. Control Clin Trials 1986;7:177-188 (variation between blocks)",
        "Fang C et al. J Chem Inf Model 2023, doi:10.1021/acs.jcim.3c00160 (reference data)",
    ),
    licence="Apache-2.0; no trained model is shipped",
    limits=(
        RESEARCH,
        "the interval holds on average over molecules like those of the table, not for each one; another laboratory's "
        "assay may differ by more",
        "chemistry moves on: fitted to the earlier two thirds of an ExpansionRx programme, 90 % intervals held 92 % of "
        "the later third over nine endpoints, the least being 82 % (mouse microsomal clearance); without the widening "
        "for drift they held 86 % and 72 %. Drift beyond that of any past block is not foretold",
        "intervals are widened by what the order of the table's rows shows of drift: put rows in the order of time. In "
        "the later parts they were 1.2 to 1.4 times as wide as without, in Biogen's other scaffolds 1.07 times",
        "of other scaffolds they held 91.5 % (Biogen), of the fifth least like any other scaffold 92.4 %, and of ten "
        "public tables' other scaffolds 89.6 %, the least being 82 % (acute toxicity in the rat)",
        "these figures are of the data that the widening was chosen on; no other programme's later part was at hand",
        "at least 50 molecules of 10 scaffolds are needed; of more than 6,000 a part is used, drawn by scaffold",
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
    version="1.0.1",
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
