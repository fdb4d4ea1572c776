"""The audit's figures against brute force and hand-made examples."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.population import audit
from salus.population.audit import FEWEST_EVENTS, concordance, kaplan_meier, slope, subgroups
from salus.population.survival import Cohort, exposure, fit_pooled

CUTS = (1.0,)


def people(n, seed=5, features=2, effect=0.7):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features))
    time = rng.exponential(1 / (0.3 * np.exp(effect * x[:, 0])))
    end = rng.uniform(0.5, 5.0, n)
    return Cohort(tuple(f"x{k}" for k in range(features)), x, np.minimum(time, end), time <= end)


def pairwise(score, time, event):
    good = pairs = 0.0
    for i, j in itertools.permutations(range(len(time)), 2):
        if event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j])):
            pairs += 1
            good += 1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0
    return good / pairs if pairs else float("nan")


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6), st.booleans()), min_size=1, max_size=25))
def test_concordance_is_that_of_all_pairs(cases):
    score, time, event = (np.array(column) for column in zip(*cases, strict=True))
    ours = concordance(score.astype(float), time.astype(float), event)
    assert ours == pytest.approx(pairwise(score, time, event), nan_ok=True)


def test_concordance_of_perfect_reversed_and_constant_predictors():
    time, event = np.arange(1.0, 51), np.ones(50, bool)
    assert concordance(-time, time, event) == 1.0
    assert concordance(time, time, event) == 0.0
    assert concordance(np.zeros(50), time, event) == 0.5


def test_kaplan_meier_by_hand():
    # times 1, 2, 2+, 3, 4+: survival 4/5, then 3/4 of that, then 1/2 of that
    cohort = Cohort((), np.empty((5, 0)), np.array([1.0, 2, 2, 3, 4]), np.array([True, True, False, True, False]))
    for horizon, alive in ((0.5, 1.0), (1.0, 0.8), (2.5, 0.6), (3.0, 0.3), (9.0, 0.3)):
        assert kaplan_meier(cohort, horizon) == pytest.approx(1 - alive)


def test_the_slope_of_a_model_on_its_own_people_is_one():
    cohort = people(800)
    model = fit_pooled(cohort, CUTS, ridge=0.0)
    predictor = model.predictor(cohort.features)
    assert slope(predictor, cohort, CUTS) == pytest.approx(1.0, abs=1e-4)
    assert slope(2 * predictor, cohort, CUTS) == pytest.approx(0.5, abs=1e-4)


def test_optimism_is_taken_off_and_more_of_it_where_there_is_more_noise():
    wide = audit.internal(people(150, features=10), CUTS, ridge=0.0, times=15)
    narrow = audit.internal(people(150, features=1), CUTS, ridge=0.0, times=15)
    assert wide.concordance_corrected < wide.concordance_apparent
    assert wide.slope_corrected < narrow.slope_corrected < 1.15
    assert wide.slope_corrected < 0.95
    assert audit.internal(people(150, features=1), CUTS, ridge=0.0, times=15) == narrow  # the seed decides


def test_a_shrunk_model_expects_as_many_events_in_every_piece_as_there_were():
    cohort = people(500)
    model = fit_pooled(cohort, CUTS)
    shrunk = audit.calibrated(model, cohort, 0.8)
    np.testing.assert_allclose(shrunk.coefficients, 0.8 * model.coefficients)
    person = np.exp(shrunk.predictor(cohort.features))
    expected = (exposure(cohort.time, CUTS) * shrunk.hazards * person[:, None]).sum(axis=0)
    counted = np.histogram(cohort.time[cohort.event], [0.0, *CUTS, np.inf])[0]
    np.testing.assert_allclose(expected, counted, rtol=1e-9)


def test_subgroups_have_intervals_or_a_reason():
    cohort = people(600)
    model = fit_pooled(cohort, CUTS)
    high = cohort.features[:, 1] > 0
    some = np.zeros(600, bool)
    some[np.flatnonzero(cohort.event)[: FEWEST_EVENTS - 1]] = True
    groups = {"high": high, "low": ~high, "few": some, "nobody": np.zeros(600, bool)}
    found = {g.name: g for g in subgroups(model, cohort, groups, 2.0, times=40)}
    for name in ("high", "low"):
        group = found[name]
        assert group.people == int(groups[name].sum())
        assert group.reason == ""
        assert group.concordance.low < group.concordance.value < group.concordance.high
        assert group.observed_expected.low < 1.0 < group.observed_expected.high  # the model is right for both
    assert (found["few"].people, found["few"].events) == (FEWEST_EVENTS - 1, FEWEST_EVENTS - 1)
    for name in ("few", "nobody"):
        assert found[name].reason == f"fewer than {FEWEST_EVENTS} events"
        assert found[name].concordance is None
        assert found[name].observed_expected is None


def test_a_group_for_which_the_model_is_wrong_shows():
    cohort = people(600)
    model = fit_pooled(cohort, CUTS)
    rng = np.random.default_rng(2)
    twice = Cohort(
        cohort.names, cohort.features, cohort.time / 3, cohort.event
    )  # they have their events three times sooner
    (group,) = subgroups(model, twice, {"all": rng.random(600) < 2}, 1.0, times=40)
    assert group.observed_expected.low > 1.0
