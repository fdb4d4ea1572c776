"""The survival model against simulated truth, closed forms and its own limits."""

import numpy as np
import pytest

from salus.errors import InputError
from salus.population.survival import (
    Cohort,
    Model,
    Scale,
    Sums,
    check_cuts,
    exposure,
    fit,
    fit_pooled,
    moments,
    scale_of,
    source,
)

CUTS = (1.0, 3.0)
HAZARDS = np.array([0.10, 0.25, 0.15])
TRUE = np.array([0.5, -0.8, 0.0])


def simulated(n, seed=7, coefficients=TRUE, hazards=HAZARDS, cuts=CUTS, end=6.0):
    """People whose event times are drawn by inversion from a piecewise constant baseline; censored by ``end``."""
    rng = np.random.default_rng(seed)
    features = np.column_stack([rng.normal(size=n), rng.integers(0, 2, n), rng.normal(3, 2, n)])
    wanted = rng.exponential(size=n) / np.exp(features @ coefficients)
    edges = np.array([0.0, *cuts])
    passed = np.concatenate([[0.0], np.cumsum(hazards[:-1] * np.diff(edges))])
    piece = np.searchsorted(passed, wanted, side="right") - 1
    time = edges[piece] + (wanted - passed[piece]) / hazards[piece]
    censored = rng.uniform(0.5, end, n)
    return Cohort(("x", "male", "noise"), features, np.minimum(time, censored), time <= censored)


def test_known_coefficients_and_hazards_within_their_standard_errors():
    people = simulated(6000)
    model = fit_pooled(people, CUTS, ridge=0.0)
    sums = source(people, model.scale, CUTS)(np.concatenate([np.log(model.hazards), model.coefficients]))
    error = np.sqrt(np.diag(np.linalg.inv(-sums.hessian)))
    found, truth = model.coefficients / model.scale.deviation, TRUE
    assert (np.abs(found - truth) < 3 * error[3:] / model.scale.deviation).all()
    shift = np.exp(truth @ model.scale.mean)  # the fitted baseline is that of average features
    assert (np.abs(np.log(model.hazards / (HAZARDS * shift))) < 4 * error[:3]).all()
    assert np.abs(sums.gradient).max() < 1e-5


def test_without_features_hazards_are_events_over_time_at_risk():
    people = simulated(500)
    bare = Cohort((), np.empty((500, 0)), people.time, people.event)
    model = fit_pooled(bare, CUTS)
    counted = np.histogram(people.time[people.event], [0.0, *CUTS, np.inf])[0]
    np.testing.assert_allclose(model.hazards, counted / exposure(people.time, CUTS).sum(axis=0), rtol=1e-8)


def test_exposure_by_hand():
    np.testing.assert_allclose(exposure(np.array([0.5, 2.0, 5.0]), CUTS), [[0.5, 0, 0], [1, 1, 0], [1, 2, 2]])
    np.testing.assert_allclose(exposure(np.array([4.0]), ()), [[4.0]])


def test_gradient_and_hessian_are_derivatives():
    people = simulated(80)
    total = source(people, scale_of(moments(people)), CUTS)
    at, step = np.array([-2.0, -1.5, -1.8, 0.3, -0.2, 0.1]), 1e-5
    sums = total(at)
    for k in range(6):
        move = np.eye(6)[k] * step
        above, below = total(at + move), total(at - move)
        assert (above.likelihood - below.likelihood) / (2 * step) == pytest.approx(sums.gradient[k], abs=1e-4)
        np.testing.assert_allclose((above.gradient - below.gradient) / (2 * step), sums.hessian[k], atol=1e-4)
    again = Sums.of(sums.flat())
    np.testing.assert_array_equal(again.hessian, sums.hessian)


def test_risk_rises_with_the_horizon_and_stays_a_probability():
    people = simulated(800)
    model = fit_pooled(people, CUTS)
    told = np.array([model.risk(people.features, h) for h in (1e-6, 0.5, 1.0, 2.0, 3.0, 10.0, 1e6)])
    assert ((told >= 0) & (told <= 1)).all()
    assert (np.diff(told, axis=0) >= 0).all()
    assert told[0].max() < 1e-4
    for horizon in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="horizon"):
            model.risk(people.features, horizon)


def test_risk_by_hand():
    model = Model(
        ("x",), Scale(np.array([1.0]), np.array([2.0])), np.array([np.log(2.0)]), (1.0,), np.array([0.1, 0.2])
    )
    expected = 1 - np.exp(-(0.1 * 1 + 0.2 * 2) * 2.0)
    np.testing.assert_allclose(model.risk(np.array([[3.0]]), 3.0), [expected])


def test_the_ridge_draws_towards_nothing():
    people = simulated(300)
    sizes = [np.abs(fit_pooled(people, CUTS, ridge=r).coefficients).sum() for r in (0.0, 10.0, 1000.0)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_cohorts_that_are_none_are_refused():
    ones, yes = np.ones(3), np.array([True] * 3)
    for features, time in (
        (np.full((3, 1), np.nan), ones),
        (np.ones((3, 1)), np.array([1.0, 0.0, 1.0])),
        (np.ones((3, 1)), np.array([1.0, np.inf, 1.0])),
        (np.ones((3, 1)), np.ones(2)),
        (np.ones((3, 2)), ones),
        (np.ones(3), ones),
        (np.empty((0, 1)), np.empty(0)),
    ):
        with pytest.raises(InputError):
            Cohort(("x",), features, time, yes)


def test_what_nothing_can_be_learnt_from_is_refused():
    people = simulated(400)
    few = Cohort(people.names, people.features, people.time, people.event & (np.cumsum(people.event) < 10))
    with pytest.raises(InputError, match="fewer than 10 events"):
        fit_pooled(few, ())
    constant = np.column_stack([people.features[:, 0], np.full(400, 7.0)])
    with pytest.raises(InputError, match="the same for everybody"):
        fit_pooled(Cohort(("x", "seven"), constant, people.time, people.event), CUTS)
    with pytest.raises(InputError, match="without an event"):
        fit_pooled(people, (1.0, 1.0 + 1e-9, 3.0))
    with pytest.raises(InputError, match="without an event"):
        fit_pooled(people, (1.0, 100.0))
    # the first pieces have time at risk and no event: their hazard has no maximum
    late = Cohort(people.names, people.features, people.time, people.event & (people.time > 3))
    scale = scale_of(moments(late))
    with pytest.raises(InputError, match="does not converge"):
        fit(source(late, scale, CUTS), late.names, scale, CUTS, rate=0.1)


@pytest.mark.parametrize("cuts", [(0.0,), (-1.0,), (2.0, 1.0), (1.0, 1.0), (float("nan"),)])
def test_cuts_rise(cuts):
    with pytest.raises(InputError, match="cuts rise"):
        check_cuts(cuts)
