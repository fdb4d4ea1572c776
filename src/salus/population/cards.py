"""What the population wing can do, described for its cards."""

from __future__ import annotations

from salus.findings.capability import Capability

VIEWS = Capability(
    id="population.views",
    version="1.0.0",
    title="SQL on FHIR views in DuckDB",
    intended_use="Let researchers ask questions of many records in SQL, of people who opened theirs to research.",
    inputs=("FHIR R4 resources", "a ViewDefinition", "SQL"),
    produces=("tables",),
    population="FHIR R4 resources of any type.",
    references=("HL7 SQL on FHIR 2.0", "HL7 FHIRPath 2.0.0 (the part that views use)"),
    licence="Apache-2.0",
    limits=(
        "Of FHIRPath only what views use: about a third of its official test suite passes.",
        "Tables hold rows of people: they are research data, not anonymous; k-anonymity is another step.",
        "Dates stay text, as FHIR writes them; decimals become binary floating point in SQL.",
    ),
)

SURVIVAL = Capability(
    id="population.survival",
    version="1.0.0",
    title="Survival models with internal calibration and an audit of subgroups",
    intended_use="Train a risk model on a cohort and know, before anybody uses it, how it does and for whom.",
    inputs=("a cohort: features, time, event",),
    produces=("proportional hazards model", "corrected concordance and calibration", "figures by subgroup"),
    population="Cohorts with 10 events or more and complete features; subgroups with 20 events or more.",
    references=(
        "Friedman M. Piecewise exponential models for survival data with covariates. Ann Stat 1982;10:101-113",
        "Harrell FE, Lee KL, Mark DB. Multivariable prognostic models. Stat Med 1996;15:361-387",
    ),
    licence="Apache-2.0",
    limits=(
        "Hazards are proportional and log-linear in the features; no competing risks, no time-varying features.",
        "Internal correction is not external validation: a model is for the setting it was trained in.",
        "A trained model is no method: to be one it needs a card of its own and the organisation's decision.",
    ),
)

FEDERATED = Capability(
    id="population.federated",
    version="1.0.0",
    title="Federated training with secure aggregation",
    intended_use="Let hospitals train one model while each sends sums under masks alone.",
    inputs=("a cohort in each of three or more hospitals",),
    produces=("the model that pooled people would give",),
    population="Three or more hospitals that follow the protocol; simulated in one process here.",
    references=("Bonawitz K et al. Practical secure aggregation for privacy-preserving machine learning. CCS 2017",),
    licence="Apache-2.0",
    limits=(
        "Hospitals that collude with all others but one can read that one's sums; none may drop out in a round.",
        "The total itself tells something of everybody: no noise is added (differential privacy is not built).",
        "No transport yet: messages pass inside one process.",
    ),
)
