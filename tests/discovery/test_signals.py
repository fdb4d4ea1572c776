"""Reporting ratios from first principles: counts by hand, quantiles by definition, a prior that is found again."""

import contextlib
import io
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from salus.discovery import ebgm, signals
from salus.errors import InputError

PRIOR = ebgm.Prior(2.0, 0.3, 2.5, 2.2, 0.1)


def rows(text, stratify=()):
    return list(signals.read_rows(io.StringIO(text), stratify))


TABLE = """id,var1,var2,sex
1,A,x,f
1,A,x,f
1,B,x,f
2,A,y,f
3,A,x,m
4,B,y,m
5,C,y,m
6,C,z,m
"""


def test_counts_are_of_distinct_reports():
    pairs, total = signals.count(rows(TABLE))
    found = {(p.product, p.event): p for p in pairs}
    assert total == 6
    ax = found["A", "x"]
    assert (ax.n, ax.product_only, ax.event_only, ax.neither) == (2, 1, 0, 3)
    assert ax.expected == pytest.approx(3 * 2 / 6)
    assert found["B", "x"].n == 1


def test_expected_counts_add_up_over_strata():
    pairs, _ = signals.count(rows(TABLE, ["sex"]))
    found = {(p.product, p.event): p for p in pairs}
    assert found["A", "x"].expected == pytest.approx(2 * 1 / 2 + 1 * 1 / 4)
    assert found["C", "z"].expected == pytest.approx(2 * 1 / 4)


def test_ratios_and_their_intervals_follow_the_fourfold_table():
    pair = signals.Pair("p", "e", 20, 80, 40, 860, 6.0)
    assert pair.prr.value == pytest.approx((20 / 100) / (40 / 900))
    assert pair.ror.value == pytest.approx(20 * 860 / (80 * 40))
    spread = math.sqrt(1 / 20 + 1 / 80 + 1 / 40 + 1 / 860)
    assert math.log(pair.ror.high / pair.ror.value) == pytest.approx(stats.norm.ppf(0.975) * spread)
    assert math.log(pair.prr.value / pair.prr.low) == pytest.approx(
        stats.norm.ppf(0.975) * math.sqrt(1 / 20 - 1 / 100 + 1 / 40 - 1 / 900)
    )


def test_a_ratio_without_comparison_is_infinite_and_has_no_interval():
    alone = signals.Pair("p", "e", 3, 5, 0, 90, 0.2)
    assert alone.prr == signals.Ratio(math.inf, None, None)
    assert alone.ror == signals.Ratio(math.inf, None, None)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.floats(1e-4, 500), st.floats(0.001, 0.999))
def test_quantiles_are_where_the_posterior_says(n, e, level):
    after = ebgm.posterior(np.array([float(n)]), np.array([e]), PRIOR)
    found = after.quantile(level)
    assert after.cumulative(found)[0] == pytest.approx(level, abs=1e-9)
    low, high = after.quantile(0.05), after.quantile(0.95)
    assert low[0] < after.geometric_mean()[0] < high[0]


def test_the_posterior_is_bayes_rule_by_quadrature():
    n, e = 7, 1.7
    prior = [stats.gamma(PRIOR.alpha1, scale=1 / PRIOR.beta1), stats.gamma(PRIOR.alpha2, scale=1 / PRIOR.beta2)]
    grid = np.linspace(1e-6, 60, 400_001)
    density = PRIOR.p * prior[0].pdf(grid) + (1 - PRIOR.p) * prior[1].pdf(grid)
    density = density * stats.poisson.pmf(n, grid * e)
    mean = math.exp(np.trapezoid(density * np.log(grid), grid) / np.trapezoid(density, grid))
    after = ebgm.posterior(np.array([float(n)]), np.array([e]), PRIOR)
    assert after.geometric_mean()[0] == pytest.approx(mean, rel=1e-6)


def simulated(pairs=4000, seed=3):
    chance = np.random.default_rng(seed)
    e = chance.gamma(0.7, 3.0, pairs) + 0.01
    first = chance.random(pairs) < PRIOR.p
    ratio = np.where(
        first,
        chance.gamma(PRIOR.alpha1, 1 / PRIOR.beta1, pairs),
        chance.gamma(PRIOR.alpha2, 1 / PRIOR.beta2, pairs),
    )
    n = chance.poisson(ratio * e).astype(float)
    return n[n > 0], e[n > 0]


def test_the_gradient_of_the_likelihood_is_right():
    cells, weights = ebgm._distinct(*simulated(500))
    for x in ([0.3, -1.0, 0.8, 1.0, -1.5], [2.0, 1.0, -1.0, -2.0, 0.5]):
        error = optimize.check_grad(
            lambda v: ebgm._objective(v, *cells, weights)[0],
            lambda v: ebgm._objective(v, *cells, weights)[1],
            np.array(x),
        )
        assert error < 1e-2 * np.linalg.norm(ebgm._objective(np.array(x), *cells, weights)[1])


def test_the_fitted_prior_is_at_least_as_likely_as_the_true_one():
    n, e = simulated()
    fit = ebgm.fit(n, e)
    cells, weights = ebgm._distinct(n, e)
    truth = np.append(np.log([PRIOR.alpha1, PRIOR.beta1, PRIOR.alpha2, PRIOR.beta2]), math.log(0.1 / 0.9))
    assert fit.negative_log_likelihood <= ebgm._objective(truth, *cells, weights)[0]
    _, slope = ebgm._objective(
        np.append(
            np.log([fit.prior.alpha1, fit.prior.beta1, fit.prior.alpha2, fit.prior.beta2]),
            math.log(fit.prior.p / (1 - fit.prior.p)),
        ),
        *cells,
        weights,
    )
    assert np.abs(slope).max() < 0.5


def found(x, fun, slope=0.0, success=True):
    return SimpleNamespace(x=np.array(x, float), fun=fun, jac=np.full(5, slope), success=success)


def test_of_priors_that_the_reports_cannot_tell_apart_the_one_without_a_narrow_component_is_taken(monkeypatch):
    """Which start a processor's rounding calls a success must not decide what is flagged."""
    narrow, wide, worse = [3.0, 0.5, 0.5, 0.4, -3.0], [1.2, -0.9, 0.7, 0.6, -2.6], [0.1, -0.9, 0.7, 0.6, -2.6]
    ends = iter([found(narrow, 100.0), found(wide, 101.9, success=False), found(wide, 99.0, slope=1.0)] * 2)
    monkeypatch.setattr(ebgm, "STARTS", ebgm.STARTS[:3])
    monkeypatch.setattr(ebgm, "_minimum", lambda *_: next(ends))
    assert ebgm.fit(*simulated(500)).prior == ebgm._prior(np.array(wide))
    ends = iter([found(narrow, 100.0), found(wide, 101.95), found(worse, 103.0)])
    assert ebgm.fit(*simulated(500)).prior == ebgm._prior(np.array(narrow))
    point = [1.1, -0.9, 9.0, 9.5, -2.6]  # wide where pairs are raised, a point where they are not
    ends = iter([found(point, 100.0), found(narrow, 100.5), found(worse, 103.0)])
    assert ebgm.fit(*simulated(500)).prior == ebgm._prior(np.array(narrow))


def test_few_pairs_fit_no_prior_but_take_a_given_one():
    with pytest.raises(InputError, match="too few to fit a prior"):
        signals.screen(rows(TABLE))
    found = signals.screen(rows(TABLE), PRIOR)
    assert found.fit is None
    assert all(s.eb05 < s.ebgm < s.eb95 for s in found.signals)


def test_a_prior_that_narrows_to_a_point_is_refused_and_not_shown_as_certainty():
    n, e = np.ones(200), np.linspace(0.9, 1.1, 200)
    n[:2], e[:2] = (60, 61), (6.0, 6.1)
    with pytest.raises(InputError, match="narrows to a point"):
        ebgm.fit(n, e)


def test_no_sentence_claims_a_cause():
    sentence = signals.Signal(signals.Pair("p", "e", 9, 5, 3, 90, 0.5), 6.0, 3.0, 9.0).sentence()
    assert "not a rate and not a cause" in sentence
    assert not any(word in sentence for word in ("causes", "caused", "risk", "due to", "leads to"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "no column id"),
        ("id,var1,var2\n1,A\n", "line 2: 2 fields"),
        ("id,var1,var2\n1,,x\n", "line 2: an id, product or event is empty"),
        ("id,var1,var2\n", "holds no report"),
        ("", "no column"),
    ],
)
def test_bad_tables_are_refused_with_their_place(text, words):
    with pytest.raises(InputError, match=words):
        signals.count(rows(text))


def test_a_report_in_two_strata_is_refused():
    with pytest.raises(InputError, match="two strata"):
        signals.count(rows("id,var1,var2,s\n1,A,x,f\n1,A,y,m\n", ["s"]))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_table_or_an_explained_error(text):
    with contextlib.suppress(InputError):
        assert signals.count(rows("id,var1,var2\n" + text))[1] > 0
