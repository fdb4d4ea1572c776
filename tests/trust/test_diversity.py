"""Sensitive values in a class: each condition is what its paper says, and a release keeps it at the least loss."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from salus.errors import InputError
from salus.trust import diversity
from salus.trust.anonymise import SUPPRESSED, Hierarchy, release

VALUES = ("flu", "gastritis", "pneumonia", "ulcer")
LUNG = {"flu": "lung", "pneumonia": "lung", "gastritis": "stomach", "ulcer": "stomach"}
LEVELS = {value: (value, LUNG[value], SUPPRESSED) for value in VALUES}
COUNTS = st.lists(st.lists(st.integers(0, 6), min_size=4, max_size=4).filter(any), min_size=1, max_size=5)


def moved(table, row, distance):
    """The least work that makes the shares of a class those of the table: by linear programming."""
    here, there = np.array(table[row]) / sum(table[row]), np.sum(table, axis=0) / np.sum(table)
    n = len(here)
    cost = [distance(i, j) for i in range(n) for j in range(n)]
    equal = [[float(k // n == i) for k in range(n * n)] for i in range(n)]
    equal += [[float(k % n == j) for k in range(n * n)] for j in range(n)]
    return linprog(cost, A_eq=equal, b_eq=[*here, *there]).fun


def tree(i, j):
    a, b = LEVELS[VALUES[i]], LEVELS[VALUES[j]]
    return next(level for level in range(3) if a[level] == b[level]) / 2


@settings(deadline=None, max_examples=60)
@given(table=COUNTS, t=st.sampled_from([0.1, 0.25, 0.4]))
def test_closeness_is_the_earth_movers_distance(table, t):
    conditions = (
        (diversity.EqualCloseness("d", t), lambda i, j: float(i != j)),
        (diversity.HierarchicalCloseness("d", t, LEVELS), tree),
    )
    for condition, distance in conditions:
        held = condition.held(np.array(table, float), VALUES)
        for row, found in enumerate(held):
            work = moved(table, row, distance)
            if abs(work - t) > 1e-6:
                assert found == (work < t), condition


@given(table=COUNTS)
def test_diversity_is_what_the_paper_defines(table):
    counts = np.array(table, float)
    distinct = diversity.DistinctDiversity("d", 2).held(counts, VALUES)
    entropy = diversity.EntropyDiversity("d", 2).held(counts, VALUES)
    recursive = diversity.RecursiveDiversity("d", 2, 2).held(counts, VALUES)
    for row, *found in zip(table, distinct, entropy, recursive, strict=True):
        present = sorted((k for k in row if k), reverse=True)
        shares = [k / sum(present) for k in present]
        h = -sum(p * math.log(p) for p in shares)
        expected = [
            len(present) >= 2,
            h >= math.log(2) - 1e-9,
            len(present) >= 2 and present[0] < 2 * sum(present[1:]),
        ]
        assert found == expected


def test_a_class_that_meets_a_bound_exactly_keeps_it():
    even = np.array([[3.0, 3.0, 0.0, 0.0]])
    assert diversity.EntropyDiversity("d", 2).held(even, VALUES).all()
    assert not diversity.RecursiveDiversity("d", 1, 2).held(even, VALUES).any()  # rarer than, not as rare as
    halves = np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    assert diversity.EqualCloseness("d", 0.5).held(halves, VALUES).all()
    assert not diversity.EqualCloseness("d", 0.49).held(halves, VALUES).any()


AGE = Hierarchy("age", {str(n): (str(n), f"{n // 10}0s", SUPPRESSED) for n in range(20, 60)})
SEX = Hierarchy("sex", {v: (v, SUPPRESSED) for v in ("f", "m")})
COLUMNS = ("age", "sex", "value")
ROW = st.tuples(st.integers(20, 59).map(str), st.sampled_from("fm"), st.sampled_from(VALUES))


def classes(rows, node):
    told: dict = {}
    for row in rows:
        key = (AGE.levels[row[0]][node[0]], SEX.levels[row[1]][node[1]])
        told.setdefault(key, Counter())[row[2]] += 1
    return told


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(ROW, min_size=6, max_size=40), k=st.integers(1, 4), limit=st.sampled_from([0.0, 0.2]))
def test_the_release_is_the_best_that_keeps_them_by_trying_all(rows, k, limit):
    good = set()
    for node in itertools.product(range(3), range(2)):
        bad = sum(c.total() for c in classes(rows, node).values() if c.total() < k or len(c) < 2)
        if bad <= int(limit * len(rows) + 1e-9):
            good.add(node)
    demanded = [diversity.DistinctDiversity("value", 2)]
    if not good:
        with pytest.raises(InputError, match="good enough"):
            release(COLUMNS, rows, (AGE, SEX), k=k, suppression=limit, conditions=demanded)
        return
    told = release(COLUMNS, rows, (AGE, SEX), k=k, suppression=limit, conditions=demanded)
    node = (told.levels["age"], told.levels["sex"])
    assert node in good
    assert told.suppressed == sum(c.total() for c in classes(rows, node).values() if c.total() < k or len(c) < 2)
    assert min(_loss(rows, n) for n in good) == pytest.approx(told.loss, abs=1e-9)


def _loss(rows, node):
    total = 0.0
    for place, (hierarchy, level) in enumerate(zip((AGE, SEX), node, strict=True)):
        before = Counter(row[place] for row in rows)
        after = Counter(hierarchy.levels[row[place]][level] for row in rows)
        total -= sum(math.log2(before[r[place]] / after[hierarchy.levels[r[place]][level]]) for r in rows)
    return total


def test_what_makes_no_sense_is_refused():
    rows = [("20", "f", "flu"), ("21", "f", "ulcer")]
    with pytest.raises(InputError, match="not there"):
        release(COLUMNS, rows, (AGE,), k=1, conditions=[diversity.DistinctDiversity("town", 2)])
    with pytest.raises(InputError, match="generalised itself"):
        release(COLUMNS, rows, (AGE, SEX), k=1, conditions=[diversity.DistinctDiversity("sex", 2)])
    with pytest.raises(InputError, match="k is at least"):
        release(COLUMNS, rows, (AGE,), k=1)
