"""k-anonymous releases: classes are large enough, the loss is the least there is, and bad tables are refused."""

import itertools
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import InputError
from salus.trust.anonymise import SUPPRESSED, Hierarchy, release

AGE = Hierarchy("age", {str(n): (str(n), f"{n // 10}0s", SUPPRESSED) for n in range(20, 60)})
SEX = Hierarchy("sex", {v: (v, SUPPRESSED) for v in ("f", "m")})
TOWN = Hierarchy("town", {v: (v, region, SUPPRESSED) for v, region in (("a", "N"), ("b", "N"), ("c", "S"), ("d", "S"))})
COLUMNS = ("age", "sex", "town", "value")
ROW = st.tuples(
    st.integers(20, 59).map(str), st.sampled_from("fm"), st.sampled_from("abcd"), st.integers(0, 9).map(str)
)


def loss(rows, hierarchies, node):
    """The loss by its definition, a row at a time."""
    total = 0.0
    for place, (hierarchy, level) in enumerate(zip(hierarchies, node, strict=True)):
        before = Counter(row[place] for row in rows)
        after = Counter(hierarchy.levels[row[place]][level] for row in rows)
        total -= sum(math.log2(before[r[place]] / after[hierarchy.levels[r[place]][level]]) for r in rows)
    return total


def outside(rows, hierarchies, node, k):
    told = [tuple(h.levels[row[i]][n] for i, (h, n) in enumerate(zip(hierarchies, node, strict=True))) for row in rows]
    sizes = Counter(told)
    return sum(sizes[t] < k for t in told)


@given(rows=st.lists(ROW, min_size=5, max_size=60), k=st.integers(2, 5), limit=st.sampled_from([0.0, 0.04, 0.2]))
@settings(max_examples=150, deadline=None)
def test_the_release_is_the_best_there_is_by_trying_them_all(rows, k, limit):
    hierarchies = (AGE, SEX, TOWN)
    told = release(COLUMNS, rows, hierarchies, k=k, suppression=limit)
    every = itertools.product(range(3), range(2), range(3))
    good = [n for n in every if outside(rows, hierarchies, n, k) <= int(limit * len(rows) + 1e-9)]
    assert told.loss == pytest.approx(min(loss(rows, hierarchies, n) for n in good), abs=1e-9)
    kept = Counter(row[:3] for row, source in zip(told.rows, rows, strict=True) if row[:3] != (SUPPRESSED,) * 3)
    assert all(size >= k for size in kept.values()) or told.suppressed == 0
    assert [row[3] for row in told.rows] == [row[3] for row in rows]
    assert told.suppressed <= limit * len(rows)
    assert told.smallest_class == 0 or told.smallest_class >= k


def test_risks_are_those_of_the_classes():
    rows = [("20", "f", "a", "x")] * 4 + [("31", "m", "c", "y")] * 6
    told = release(COLUMNS, rows, (AGE, SEX, TOWN), k=4)
    assert (told.loss, told.smallest_class, told.classes) == (0.0, 4, 2)
    assert told.prosecutor_risk == 0.25
    assert told.average_risk == 0.2
    assert told.rows == tuple(rows)


def test_suppression_is_used_where_it_costs_less():
    rows = [("20", "f", "a", "x")] * 30 + [("59", "m", "d", "y")]
    told = release(COLUMNS, rows, (AGE, SEX, TOWN), k=5, suppression=0.05)
    assert told.loss == 0
    assert told.suppressed == 1
    assert told.rows[-1] == (SUPPRESSED, SUPPRESSED, SUPPRESSED, "y")


@pytest.mark.parametrize(
    ("columns", "rows", "hierarchies", "more"),
    [
        (COLUMNS, [], (SEX,), {}),
        (COLUMNS, [("20", "f", "a")], (SEX,), {}),
        (COLUMNS, [("20", "x", "a", "1")] * 3, (SEX,), {}),
        (COLUMNS, [("20", "f", "a", "1")] * 3, (), {}),
        (("a", "a"), [("1", "2")], (SEX,), {}),
        (COLUMNS, [("20", "f", "a", "1")] * 3, (SEX, SEX), {}),
        (("age",), [("20",)], (SEX,), {}),
        (COLUMNS, [("20", "f", "a", "1")] * 3, (SEX,), {"k": 1}),
        (COLUMNS, [("20", "f", "a", "1")] * 3, (SEX,), {"suppression": 1.0}),
        (COLUMNS, [("20", "f", "a", "1")] * 3, (SEX,), {"k": 4}),
    ],
)
def test_what_cannot_be_released_is_one_clear_error(columns, rows, hierarchies, more):
    with pytest.raises(InputError):
        release(columns, rows, hierarchies, **{"k": 2, **more})


def test_hierarchies_that_contradict_themselves_are_refused(tmp_path):
    with pytest.raises(InputError, match="two generalisations"):
        Hierarchy("x", {"a": ("a", "1", "*"), "b": ("b", "1", "**")})
    with pytest.raises(InputError, match="same number"):
        Hierarchy("x", {"a": ("a", "1"), "b": ("b",)})
    for text in ("", "a;1\na;2\n", "a;1\nb\n"):
        path = tmp_path / "h.csv"
        path.write_text(text)
        with pytest.raises(InputError):
            Hierarchy.read("x", path)
    with pytest.raises(InputError):
        Hierarchy.read("x", tmp_path / "none.csv")
