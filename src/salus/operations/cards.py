"""What this wing can do and where it ends."""

from __future__ import annotations

from salus.findings.capability import Capability

PEOPLE_DECIDE = "a proposal for the people who run the house; never a reason to withhold or ration care"

PLANNING = Capability(
    id="operations.planning",
    version="2.0.0",
    title="Admissions, theatres, rooms and nurses planned together",
    intended_use=(
        "Proposes a plan of some weeks that keeps every hard rule, with the cost of the wishes it cannot meet, a bound "
        "on what any plan must cost, and a sentence on each unmet wish."
    ),
    inputs=("an instance as JSON of the IHTC-2024 form: patients, rooms, theatres, surgeons, nurses, weights",),
    produces=(
        "plan",
        "cost by wish and hard violations",
        "lower bound",
        "reasons for unmet wishes",
        "or why there is no plan",
    ),
    population=(
        "houses of the IHTC-2024 form; measured on its instances of 10 to 174 patients over 14 to 28 days, within a "
        "minute on two threads with a C compiler at hand"
    ),
    references=(
        "Integrated Healthcare Timetabling Competition 2024, ihtc2024.github.io (rules, instances, checked solutions)",
        "Kirkpatrick S, Gelatt CD, Vecchi MP. Science 1983;220:671-680",
        "OR-Tools CP-SAT",
    ),
    licence="Apache-2.0",
    limits=(
        PEOPLE_DECIDE,
        "the weights say what matters; they are the house's to set, and the plan is only as fair as they are",
        "stays, surgery times and duty times are taken as certain; emergencies are not in the plan",
        "two gender groups and ordered age groups, as the rules are stated; no transfers between rooms",
        "the reason for an unmet wish holds with the rest of the plan as it is; moving several people may meet it",
        "plans keep the hard rules but are not the cheapest: the distance to the best known cost is a figure of the "
        "check, and grows on a busy machine",
        "without a C compiler the search runs in Python, tens of times more slowly, and plans cost more",
        "the bound is weak for some dozens of patients and missing for more",
    ),
)

FORECAST = Capability(
    id="operations.forecast",
    version="1.0.0",
    title="Daily admissions to come, with intervals",
    intended_use="Shows how many admissions a day a series (hospital, specialty) may bring, to plan beds and staff.",
    inputs=("a table of dates and counts, with columns that tell series apart",),
    produces=("expected count a day", "80 % and 95 % prediction intervals by day and in sum", "warnings"),
    population="series of eight weeks or more, at least 80 % of days counted and 30 admissions in all",
    references=("Hilbe JM. Negative Binomial Regression. 2nd ed. Cambridge University Press 2011",),
    licence="Apache-2.0; no trained model is shipped",
    limits=(
        PEOPLE_DECIDE,
        "holidays, epidemics, a ward that opens or closes: what the history does not hold, the forecast does not",
        "at most a quarter of the history and 90 days ahead; the time of year only from two years on",
        "a day without a row is missing, not 0",
        "how often the intervals hold is not measured on any hospital's admissions, only on series that were simulated",
    ),
)
