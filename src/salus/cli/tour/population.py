"""Population: a view and SQL over the example patients, a recall list, and a model of three hospitals."""

from __future__ import annotations

from salus.cli.tour.slice import Slice, Stage
from salus.errors import IntegrityError

VIEW = {
    "resource": "Observation",
    "select": [
        {
            "column": [
                {"name": "patient", "path": "subject.getReferenceKey(Patient)"},
                {"name": "code", "path": "code.coding.first().code"},
                {"name": "value", "path": "value.ofType(Quantity).value", "type": "decimal"},
                {"name": "unit", "path": "value.ofType(Quantity).unit"},
            ]
        }
    ],
}
SQL = 'SELECT code, count(*) AS n, avg(value) AS mean FROM "view" WHERE value IS NOT NULL GROUP BY code ORDER BY n DESC'


def run(stage: Stage) -> str:
    """Ask in SQL what the clinician may see, list who is overdue, train over three simulated hospitals."""
    from salus.app.research import views as wing

    clinician = stage.session("demo-clinician")
    at = max(example.at for example in stage.examples.values())
    answer, people = wing.view(clinician, VIEW, at, sql=SQL, purpose="TREAT")
    if people != len(stage.examples) or not answer.rows:
        raise IntegrityError("the view does not reach the patients who opened their records")
    if wing.view(clinician, VIEW, at, sql=SQL)[1]:
        raise IntegrityError("a record that nobody opened to research was read for it")
    due = list(wing.overdue(clinician, at))
    return (
        f"{people} people, {len(answer.rows)} kinds of measurement counted in SQL, none for research without consent; "
        f"{len(due)} things overdue; {_federated()}"
    )


def _federated() -> str:
    import numpy as np

    from salus.population import federated, survival

    rng = np.random.default_rng(11)
    features = np.column_stack([rng.normal(60, 10, 900), rng.integers(0, 2, 900), rng.normal(27, 4, 900)])
    hazard = 0.02 * np.exp(0.05 * (features[:, 0] - 60) + 0.6 * features[:, 1])
    time, end = rng.exponential(1 / hazard), rng.uniform(5, 30, 900)
    cohort = survival.Cohort(("age", "smoker", "bmi"), features, np.minimum(time, end), time <= end)
    hospital = rng.integers(0, 3, 900)
    sites = [federated.Hospital(f"h{k}", cohort.subset(hospital == k)) for k in range(3)]
    together, server = federated.train(sites, cohort.names, [5.0, 10.0])
    pooled = survival.fit_pooled(cohort, [5.0, 10.0])
    off = float(np.abs(together.coefficients - pooled.coefficients).max())
    if off > 1e-3:
        raise IntegrityError("the federated model is not the pooled one")
    return (
        f"a model of three simulated hospitals in {len(server.seen)} masked rounds within {off:.0e} of the pooled one"
    )


SLICE = Slice(
    name="population",
    title="Population",
    says=("SQL on FHIR views in DuckDB; Cox models that tell people apart as R's coxph does on the same cohort"),
    capabilities=("population.views", "population.survival"),
    also=(
        "only over records opened for the purpose; internal calibration and subgroup audit; federated training with "
        "secure aggregation; who is overdue for what"
    ),
    also_capabilities=("population.federated",),
    run=run,
    shown=("rotterdam_concordance_corrected", "rotterdam_difference"),
)
