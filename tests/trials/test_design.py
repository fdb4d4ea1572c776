"""Designs: textbook values, laws that hold for all of them, and sizes that follow from formulas."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from salus.errors import InputError
from salus.trials.design.groupsequential import SPENDING, design
from salus.trials.design.recursion import crossing
from salus.trials.design.samplesize import Survival, means, rates, survival

FIFTHS = [0.2, 0.4, 0.6, 0.8, 1.0]
FRACTIONS = st.lists(st.integers(2, 19), min_size=0, max_size=4, unique=True).map(
    lambda n: [*(x / 20 for x in sorted(n)), 1.0]
)


@pytest.mark.parametrize(
    ("type", "looks", "alpha", "constant"),
    [
        # Jennison and Turnbull, Group Sequential Methods (2000), tables 2.1 and 2.3: two-sided 0.05, here 0.025 a side
        ("P", 2, 0.025, 2.178),
        ("P", 5, 0.025, 2.413),
        ("OF", 2, 0.025, 1.977),
        ("OF", 5, 0.025, 2.040),
    ],
)
def test_the_constants_of_the_textbook(type, looks, alpha, constant):
    told = design(type, [(k + 1) / looks for k in range(looks)], alpha=alpha)
    assert told.critical[-1] == pytest.approx(constant, abs=6e-4)


@pytest.mark.parametrize("type", ["OF", "P", "WT", "HP", "noEarlyEfficacy", *SPENDING])
@given(times=FRACTIONS, alpha=st.sampled_from([0.01, 0.025, 0.05]), beta=st.sampled_from([0.1, 0.2]))
@settings(max_examples=4, deadline=None)
def test_every_design_keeps_alpha_and_power(type, times, alpha, beta):
    parameter = {"WT": 0.25, "asKD": 2.0, "asHSD": -4.0}.get(type)
    told = design(type, times, alpha=alpha, beta=beta, parameter=parameter)
    none = [-math.inf] * len(times)
    assert crossing(times, told.critical, none, 0.0).upper.sum() == pytest.approx(alpha, abs=1e-8)
    assert crossing(times, told.critical, none, math.sqrt(told.shift)).upper.sum() == pytest.approx(1 - beta, abs=1e-8)
    assert told.inflation >= 1 - 1e-9
    assert told.asn1 <= told.inflation + 1e-9
    assert told.spent == tuple(sorted(told.spent))


def test_one_look_is_the_fixed_design():
    told = design("OF", [1.0], alpha=0.025, beta=0.1)
    assert told.critical == (pytest.approx(ndtri(0.975)),)
    assert (told.inflation, told.asn0, told.asn1) == pytest.approx((1, 1, 1), abs=1e-9)


def test_pampallona_and_tsiatis_meet_at_the_end_and_stop_early_under_the_null():
    told = design("PT", FIFTHS, alpha=0.025, beta=0.1, deltas=(0.1, 0.2))
    lower = [*told.futility, -math.inf]
    assert crossing(FIFTHS, told.critical, lower, math.sqrt(told.shift)).upper.sum() == pytest.approx(0.9, abs=1e-8)
    assert told.asn0 < 0.7
    assert all(low < high for low, high in zip(told.futility, told.critical, strict=False))


def test_futility_bounds_cost_power_and_not_alpha():
    free = design("OF", [0.5, 1.0])
    bound = design("OF", [0.5, 1.0], futility=[0.5])
    assert bound.critical == free.critical
    assert bound.inflation > free.inflation
    assert bound.asn0 < free.asn0


def test_crossing_against_simulation():
    rng = np.random.default_rng(7)
    times = np.array([0.3, 0.7, 1.0])
    steps = np.diff(times, prepend=0.0)
    paths = np.cumsum(rng.normal(2.0 * steps, np.sqrt(steps), (400_000, 3)), axis=1) / np.sqrt(times)
    upper, lower = np.array([2.5, 2.2, 2.0]), np.array([-0.5, 0.5, -np.inf])
    alive = np.ones(len(paths), bool)
    told = crossing(times, upper, lower, 2.0)
    for k in range(3):
        assert (alive & (paths[:, k] > upper[k])).mean() == pytest.approx(told.upper[k], abs=0.003)
        assert (alive & (paths[:, k] <= lower[k])).mean() == pytest.approx(told.lower[k], abs=0.003)
        alive &= (paths[:, k] <= upper[k]) & (paths[:, k] > lower[k])
    assert told.ends.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("type", "times", "more"),
    [
        ("OF", [], {}),
        ("OF", [0.5, 0.5, 1.0], {}),
        ("OF", [0.5, 0.9], {}),
        ("OF", [0.0, 1.0], {}),
        ("OF", [1.0], {"alpha": 0.0}),
        ("OF", [1.0], {"alpha": 0.6}),
        ("OF", [1.0], {"beta": 0.99}),
        ("WT", [0.5, 1.0], {}),
        ("asKD", [0.5, 1.0], {"parameter": -1.0}),
        ("OF", [0.5, 1.0], {"futility": [0.0, 0.0]}),
        ("noEarlyEfficacy", [0.5, 1.0], {"futility": [math.inf]}),
        ("PT", [0.5, 1.0], {"futility": [0.0]}),
        ("HP", [0.5, 1.0], {"parameter": 0.5}),
        ("nonsense", [1.0], {}),
        ("OF", [x / 30 for x in range(1, 31)], {}),
    ],
)
def test_what_is_no_design_is_one_clear_error(type, times, more):
    with pytest.raises(InputError):
        design(type, times, **more)


FIXED = design("OF", [1.0])


def test_sizes_follow_their_formulas():
    z = ndtri(0.975) + ndtri(0.8)
    assert means(FIXED, 0.1, 1.0).maximum == pytest.approx(4 * z**2 / 0.01, rel=2e-3)  # the t test costs a little more
    assert means(FIXED, 0.1, 1.0).maximum > 4 * z**2 / 0.01
    assert means(FIXED, -0.5, 1.0) == means(FIXED, 0.5, 1.0)
    null, other = ndtri(0.975) * math.sqrt(2 * 0.2 * 0.8), ndtri(0.8) * math.sqrt(0.21 + 0.09)
    assert rates(FIXED, 0.3, 0.1).maximum == pytest.approx(2 * ((null + other) / 0.2) ** 2)
    course = Survival(0.5, 12.0, 12.0, 18.0)
    assert survival(FIXED, course).events == pytest.approx(4 * (z / math.log(0.5)) ** 2)
    assert course.share_with_event(1e6) == pytest.approx(1.0)
    assert Survival(0.5, 12.0, 12.0, 18.0, dropout=0.2).share_with_event(30.0) < course.share_with_event(30.0)


def test_the_power_of_a_size_is_what_was_asked_for():
    n = math.ceil(rates(FIXED, 0.35, 0.2).maximum / 2)
    rng = np.random.default_rng(3)
    a, b = rng.binomial(n, 0.35, 200_000) / n, rng.binomial(n, 0.2, 200_000) / n
    pooled = (a + b) / 2
    z = (a - b) / np.sqrt(2 * pooled * (1 - pooled) / n)
    assert (z > ndtri(0.975)).mean() == pytest.approx(0.8, abs=0.01)


def test_looking_early_needs_more_at_most_and_less_on_average():
    looks = design("OF", [1 / 3, 2 / 3, 1.0])
    told = survival(looks, Survival(0.6, 12.0, 24.0, 6.0))
    fixed = survival(FIXED, Survival(0.6, 12.0, 24.0, 6.0))
    assert told.maximum > fixed.maximum
    assert told.expected < told.maximum


@pytest.mark.parametrize(
    "ask",
    [
        lambda: means(FIXED, 0.0, 1.0),
        lambda: means(FIXED, 1e-7, 1.0),
        lambda: means(FIXED, 0.5, -1.0),
        lambda: rates(FIXED, 0.3, 0.3),
        lambda: rates(FIXED, 0.0, 0.3),
        lambda: rates(FIXED, 0.2, 0.3, 0.0),
        lambda: Survival(1.0, 12.0, 12.0, 6.0),
        lambda: Survival(0.5, math.nan, 12.0, 6.0),
        lambda: Survival(0.5, 12.0, 12.0, 6.0, dropout=1.0),
    ],
)
def test_what_has_no_size_is_one_clear_error(ask):
    with pytest.raises(InputError):
        ask()


def test_looks_too_close_for_the_integration_are_refused_not_reckoned_wrong():
    for looks in ([0.5, 0.5000001, 1], [0.5, 1 - 1e-9, 1], [0.5, 0.5 + 1e-15, 1]):
        with pytest.raises(InputError, match="closer"):
            design("OF", looks)
    close, plain = design("OF", [0.5, 0.503, 1]), design("OF", [0.5, 1])
    assert close.inflation == pytest.approx(plain.inflation, abs=2e-3)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("OF", {"alpha": 1e-20}),
        ("WT", {"parameter": math.nan}),
        ("HP", {"parameter": math.nan}),
        ("asKD", {"parameter": math.inf}),
        ("asHSD", {"parameter": -800.0}),
        ("PT", {"deltas": (math.nan, 0.0)}),
    ],
)
def test_numbers_beyond_reason_are_one_clear_error(kind, more):
    with pytest.raises(InputError):
        design(kind, [0.5, 1], **more)


def test_a_difference_beyond_reason_is_one_clear_error():
    with pytest.raises(InputError, match="ten standard deviations"):
        means(design("OF", [0.5, 1]), 1e9, 1)
