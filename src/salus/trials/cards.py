"""What the trials wing can do, described for its cards."""

from __future__ import annotations

from salus.findings.capability import Capability

MATCHING = Capability(
    id="trials.matching",
    version="1.1.0",
    title="Eligibility criteria held against a chart",
    intended_use=(
        "Show a trial team, for one patient who opened the record to research, which criteria are met, which are not, "
        "on what evidence, and what to measure or ask where the record does not tell."
    ),
    inputs=("record", "note"),
    produces=("eligible, excluded or needs data", "evidence for each criterion", "what would decide"),
    population="Protocols whose criteria are written as rules over concepts of salus's code tables.",
    references=("Kleene SC. On notation for ordinal numbers. J Symb Log 1938;3:150-155 (three-valued logic)",),
    licence="Apache-2.0",
    limits=(
        "A finding whose uncertainty reaches over a limit is unknown, however likely one side is.",
        "Criteria have to be written as rules by a person; free text is not read.",
        "What the record does not mention is unknown: many patients will need data before anything is decided.",
        "The verdict is a proposal to the trial team; it enrols nobody. Not measured on outside data.",
    ),
)

DESIGN = Capability(
    id="trials.design",
    version="1.0.1",
    title="Group-sequential designs and sample sizes",
    intended_use="Let a trial statistician find boundaries, power, expected size and the number of people or events.",
    inputs=("type of design, information fractions, alpha, beta", "means, rates, or hazard ratio with accrual"),
    produces=("efficacy and futility bounds", "alpha spent", "inflation, expected size", "sample size"),
    population="One-sided two-arm trials with normal, binary or exponential time-to-event outcomes, 1 to 20 looks.",
    references=(
        "Armitage P, McPherson CK, Rowe BC. Repeated significance tests on accumulating data. JRSS A 1969;132:235-244",
        "O'Brien PC, Fleming TR. Biometrics 1979;35:549-556; Pocock SJ. Biometrika 1977;64:191-199",
        "Wang SK, Tsiatis AA. Biometrics 1987;43:193-199; Pampallona S, Tsiatis AA. J Stat Plan Infer 1994;42:19-35",
        "Lan KKG, DeMets DL. Biometrika 1983;70:659-663; Hwang IK, Shih WJ, DeCani JS. Stat Med 1990;9:1439-1445",
        "Schoenfeld D. Biometrika 1981;68:316-319",
    ),
    licence="Apache-2.0",
    limits=(
        "Two-sided designs are two one-sided ones here: halve alpha. No re-estimation of size, no adaptive designs.",
        "Survival is exponential with equal dropout in both arms and people coming at an even pace.",
        "Looks lie at least half a percent of the information so far apart; alpha and beta are at least 1e-8.",
        "Futility bounds are non-binding: they count for power, not for alpha.",
    ),
)
