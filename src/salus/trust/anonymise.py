"""k-anonymous release of a table: the generalisation with the least loss of information, found exactly.

Every quasi-identifier has a hierarchy of ever coarser values. A *node* names one level for each (full-domain
generalisation, Samarati 2001); rows whose class is smaller than k are suppressed, up to a limit. The loss of a node is
non-uniform entropy (De Waal and Willenborg 1999) in the monotone form, over all rows: the sum over quasi-identifiers of
-log2(count of the original value / count of the generalised value), in bits. It adds up over the attributes and never
falls when a level rises; classes only grow when a level rises, so a node above one that is k-anonymous is so too. Both
together allow whole corners of the lattice to be settled with one test (as in Flash, Kohlmayer et al. 2012).

Conditions on the sensitive values of each class (:mod:`salus.trust.diversity`) may fail again when a class grows by
rows that were suppressed before. With them the nodes are tried one by one, the least loss first.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salus.errors import InputError
from salus.trust.diversity import Condition

SUPPRESSED = "*"
MAX_NODES = 5_000_000
Node = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The levels of one attribute: each value with its generalisations, level 0 first."""

    attribute: str
    levels: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        lengths = {len(row) for row in self.levels.values()}
        if len(lengths) != 1 or lengths == {0}:
            raise InputError("every value of a hierarchy needs the same number of levels", where=self.attribute)
        for height in range(1, self.height):
            parents: dict[str, str] = {}
            for row in self.levels.values():
                if parents.setdefault(row[height - 1], row[height]) != row[height]:
                    raise InputError(f"a value of level {height - 1} has two generalisations", where=self.attribute)

    @property
    def height(self) -> int:
        """How many levels there are."""
        return len(next(iter(self.levels.values())))

    @classmethod
    def read(cls, attribute: str, path: Path, delimiter: str = ";") -> Hierarchy:
        """Read a table without heading, a row a value, level 0 first. Raises InputError."""
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = [tuple(row) for row in csv.reader(file, delimiter=delimiter) if row]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError("a hierarchy that cannot be read", where=str(path)) from error
        if not rows:
            raise InputError("an empty hierarchy", where=str(path))
        if len({row[0] for row in rows}) != len(rows):
            raise InputError("a value stands twice in the hierarchy", where=str(path))
        return cls(attribute, {row[0]: row for row in rows})


@dataclass(frozen=True, slots=True)
class Release:
    """A k-anonymous table and what it cost.

    ``rows`` are those of the input in its order, suppressed ones with "*" in every quasi-identifier. ``loss`` is in
    bits; ``tested`` counts the nodes whose classes were counted. ``prosecutor_risk`` is 1 / smallest kept class,
    ``average_risk`` kept classes / kept rows.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    levels: Mapping[str, int]
    loss: float
    suppressed: int
    smallest_class: int
    classes: int
    tested: int

    @property
    def prosecutor_risk(self) -> float:
        """The highest chance of identifying the person of a released row, for somebody who knows that the person is in
        the table."""
        return 1 / self.smallest_class if self.smallest_class else 0.0

    @property
    def average_risk(self) -> float:
        """The mean of that chance over the released rows."""
        kept = len(self.rows) - self.suppressed
        return self.classes / kept if kept else 0.0


def release(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    hierarchies: Sequence[Hierarchy],
    *,
    k: int,
    suppression: float = 0.0,
    conditions: Sequence[Condition] = (),
) -> Release:
    """The k-anonymous release of ``rows`` with the least loss, suppressing at most ``suppression`` (0 to 1) of them.

    Rows whose class breaks one of ``conditions`` are suppressed like those of small classes. Columns without a
    hierarchy are kept as they are: by giving none, the caller states that the column identifies nobody. Raises
    InputError for a value outside its hierarchy, for a sensitive column that has one, and where no generalisation is
    good enough.
    """
    lattice = _Lattice(columns, rows, hierarchies)
    if k < (1 if conditions else 2) or not 0 <= suppression < 1:
        raise InputError("k is at least 2 (1 with other conditions), suppression from 0 to below 1")
    if taken := {c.attribute for c in conditions} & {h.attribute for h in hierarchies}:
        raise InputError("a sensitive column is generalised itself", where=", ".join(sorted(taken)))
    sensitive = [(condition, *_numbered(columns, rows, condition.attribute)) for condition in conditions]
    limit = int(suppression * len(rows) + 1e-9)
    node, tested = _first(lattice, k, limit, sensitive) if sensitive else _search(lattice, k, limit)
    inverse, counts, good = _classes(lattice, node, k, sensitive)
    keep = good[inverse]
    kept = counts[good]
    return Release(
        columns=tuple(columns),
        rows=tuple(lattice.generalised(node, keep)),
        levels={h.attribute: level for h, level in zip(hierarchies, node, strict=True)},
        loss=lattice.loss(node),
        suppressed=int((~keep).sum()),
        smallest_class=int(kept.min()) if kept.size else 0,
        classes=int(kept.size),
        tested=tested,
    )


class _Lattice:
    """The table's quasi-identifiers, coded at every level, and the loss of each level."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[str]], hierarchies: Sequence[Hierarchy]) -> None:
        if not rows or not hierarchies:
            raise InputError("a release needs rows and at least one quasi-identifier")
        if len(set(columns)) != len(columns) or any(len(row) != len(columns) for row in rows):
            raise InputError("columns have names of their own, and every row as many values")
        self._rows, self._hierarchies = rows, hierarchies
        self._places = [_place(columns, h.attribute) for h in hierarchies]
        if len(set(self._places)) != len(self._places):
            raise InputError("an attribute has two hierarchies")
        coded = [_coded(rows, place, h) for place, h in zip(self._places, hierarchies, strict=True)]
        self._codes = [codes for codes, _ in coded]
        self._losses = [losses for _, losses in coded]
        self.shape = tuple(h.height for h in hierarchies)
        if np.prod([float(n) for n in self.shape]) > MAX_NODES:
            raise InputError(f"more than {MAX_NODES:,} combinations of levels", remedy="use fewer or lower hierarchies")
        self.losses = np.zeros(self.shape)
        for axis, losses in enumerate(self._losses):
            around = [1] * len(self.shape)
            around[axis] = len(losses)
            self.losses += losses.reshape(around)

    def loss(self, node: Node) -> float:
        """Loss of a node in bits."""
        return float(self.losses[node])

    def keys(self, node: Node) -> NDArray[np.int64]:
        """One number a row (n,): equal where the generalised quasi-identifiers are equal."""
        keys = np.zeros(len(self._rows), np.int64)
        space = 1
        for codes, level in zip(self._codes, node, strict=True):
            width = int(codes[level].max()) + 1
            space *= width
            if space > 2**62:
                keys = np.unique(keys, return_inverse=True)[1].astype(np.int64)
                space = (int(keys.max()) + 1) * width
            keys = keys * width + codes[level]
        return keys

    def outside(self, node: Node, k: int) -> int:
        """How many rows lie in classes smaller than k."""
        counts = np.unique(self.keys(node), return_counts=True)[1]
        return int(counts[counts < k].sum())

    def generalised(self, node: Node, keep: NDArray[np.bool_]) -> Iterator[tuple[str, ...]]:
        """The rows at the node's levels; where ``keep`` is false, suppressed."""
        for row, kept in zip(self._rows, keep, strict=True):
            told = list(row)
            for place, hierarchy, level in zip(self._places, self._hierarchies, node, strict=True):
                told[place] = hierarchy.levels[row[place]][level] if kept else SUPPRESSED
            yield tuple(told)


def _place(columns: Sequence[str], attribute: str) -> int:
    if attribute not in columns:
        raise InputError("a hierarchy for a column that is not there", where=attribute)
    return list(columns).index(attribute)


def _coded(
    rows: Sequence[Sequence[str]], place: int, hierarchy: Hierarchy
) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
    """Codes of the column at every level (height arrays of n), and the loss of every level in bits (height,)."""
    values = sorted({row[place] for row in rows})
    if any(value not in hierarchy.levels for value in values):
        raise InputError("a value that its hierarchy does not know", where=hierarchy.attribute)
    number = {value: i for i, value in enumerate(values)}
    column = np.array([number[row[place]] for row in rows])
    counts = np.bincount(column, minlength=len(values))
    codes, losses = [], np.zeros(hierarchy.height)
    for level in range(hierarchy.height):
        parents = np.unique([hierarchy.levels[value][level] for value in values], return_inverse=True)[1]
        codes.append(parents[column].astype(np.int64))
        together = np.bincount(parents, weights=counts)[parents]
        losses[level] = float(-(counts * np.log2(counts / together)).sum())
    return codes, losses


Sensitive = tuple[Condition, NDArray[np.int64], list[str]]
"""A condition, the number of its column's value in each row (n,), and the values."""


def _numbered(
    columns: Sequence[str], rows: Sequence[Sequence[str]], attribute: str
) -> tuple[NDArray[np.int64], list[str]]:
    """The number of the value in each row (n,), and the values."""
    if attribute not in columns:
        raise InputError("a condition on a column that is not there", where=attribute)
    place = list(columns).index(attribute)
    values = sorted({row[place] for row in rows})
    number = {value: i for i, value in enumerate(values)}
    return np.array([number[row[place]] for row in rows]), values


def _classes(
    lattice: _Lattice, node: Node, k: int, sensitive: Sequence[Sensitive]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """The class of each row (n,), how many rows each has (classes,), and whether it may be released (classes,)."""
    _, inverse, counts = np.unique(lattice.keys(node), return_inverse=True, return_counts=True)
    good = counts >= k
    for condition, codes, values in sensitive:
        table = np.bincount(inverse * len(values) + codes, minlength=len(counts) * len(values))
        good &= condition.held(table.reshape(len(counts), len(values)).astype(np.float64), values)
    return inverse, counts, good


def _first(lattice: _Lattice, k: int, limit: int, sensitive: Sequence[Sensitive]) -> tuple[Node, int]:
    """The node of least loss whose bad classes can be suppressed, and how many were tested. Raises InputError."""
    open_ = np.ones(lattice.shape, bool)
    tested = 0
    for flat in np.argsort(lattice.losses, axis=None, kind="stable"):
        node: Node = tuple(int(i) for i in np.unravel_index(flat, lattice.shape))
        if not open_[node]:
            continue
        tested += 1
        _, counts, good = _classes(lattice, node, k, sensitive)
        if counts[~good].sum() <= limit:
            return node, tested
        if counts[counts < k].sum() > limit:  # nor is any node below k-anonymous
            open_[tuple(slice(0, level + 1) for level in node)] = False
    raise InputError("no generalisation is good enough", remedy="add a top level, or allow suppression")


def _search(lattice: _Lattice, k: int, limit: int) -> tuple[Node, int]:
    """The k-anonymous node of least loss, and how many nodes were tested. Raises InputError where there is none."""
    open_ = np.ones(lattice.shape, bool)
    best: Node | None = None
    tested = 0
    for flat in np.argsort(lattice.losses, axis=None, kind="stable"):
        node: Node = tuple(int(i) for i in np.unravel_index(flat, lattice.shape))
        if best is not None and lattice.losses[node] >= lattice.losses[best]:
            break
        if not open_[node]:
            continue
        path = list(_path(lattice, open_, node))
        low, high = 0, len(path)
        while low < high:  # the lowest k-anonymous node of the path: below it none is, above it all are
            middle = (low + high) // 2
            tested += 1
            if lattice.outside(path[middle], k) <= limit:
                high = middle
            else:
                low = middle + 1
        if low > 0:
            open_[tuple(slice(0, level + 1) for level in path[low - 1])] = False
        if low < len(path):
            open_[tuple(slice(level, None) for level in path[low])] = False
            if best is None or lattice.losses[path[low]] < lattice.losses[best]:
                best = path[low]
    if best is None:
        raise InputError(f"no generalisation gives classes of {k}", remedy="add a top level, or allow suppression")
    return best, tested


def _path(lattice: _Lattice, open_: NDArray[np.bool_], node: Node) -> Iterator[Node]:
    """``node`` and, step by step, the successor of least loss that is not settled yet."""
    while True:
        yield node
        above = [(*node[:i], node[i] + 1, *node[i + 1 :]) for i in range(len(node)) if node[i] + 1 < lattice.shape[i]]
        candidates = [n for n in above if open_[n]]
        if not candidates:
            return
        node = min(candidates, key=lambda n: lattice.losses[n])
