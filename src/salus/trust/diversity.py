"""Conditions on the sensitive values in each class of rows that look alike: l-diversity and t-closeness.

k-anonymity hides who a row is, not what stands in it: where all rows of a class share a diagnosis, the table discloses
it. These conditions look at the sensitive values in each class (Machanavajjhala A et al. l-Diversity: privacy beyond
k-anonymity. ACM TKDD 2007;1:3; Li N, Li T, Venkatasubramanian S. t-Closeness: privacy beyond k-anonymity and
l-diversity. IEEE ICDE 2007:106-115).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from salus.errors import InputError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_SLACK = 1e-9
"""A class that meets a bound exactly keeps it, whatever the last bits of its logarithms."""


class Condition(Protocol):
    """A condition on the sensitive values of each class."""

    @property
    def attribute(self) -> str:
        """The sensitive column."""
        ...

    def held(self, counts: Floats, values: Sequence[str]) -> Flags:
        """Whether it holds for each class (classes,). ``counts`` says how often each of ``values`` occurs in each class
        (classes, values)."""
        ...


@dataclass(frozen=True, slots=True)
class DistinctDiversity:
    """At least ``l`` different values in a class."""

    attribute: str
    l: int  # noqa: E741 - the letter of the paper

    def held(self, counts: Floats, values: Sequence[str]) -> Flags:
        """See :class:`Condition`."""
        return np.asarray((counts > 0).sum(axis=1) >= self.l)


@dataclass(frozen=True, slots=True)
class EntropyDiversity:
    """The entropy of the values in a class is at least log(``l``)."""

    attribute: str
    l: float  # noqa: E741 - the letter of the paper

    def held(self, counts: Floats, values: Sequence[str]) -> Flags:
        """See :class:`Condition`."""
        share = counts / counts.sum(axis=1, keepdims=True)
        logged = np.log(share, out=np.zeros_like(share), where=share > 0)
        return np.asarray(-(share * logged).sum(axis=1) >= np.log(self.l) - _SLACK)


@dataclass(frozen=True, slots=True)
class RecursiveDiversity:
    """The most frequent value is rarer than ``c`` times the ``l``-th most frequent and all rarer ones together."""

    attribute: str
    c: float
    l: int  # noqa: E741 - the letter of the paper

    def held(self, counts: Floats, values: Sequence[str]) -> Flags:
        """See :class:`Condition`."""
        ordered = -np.sort(-counts, axis=1)
        rest = ordered[:, self.l - 1 :].sum(axis=1)
        return np.asarray(((counts > 0).sum(axis=1) >= self.l) & (ordered[:, 0] < self.c * rest))


@dataclass(frozen=True, slots=True)
class EqualCloseness:
    """The values of a class are at most ``t`` away from those of the table, every two values being 1 apart."""

    attribute: str
    t: float

    def held(self, counts: Floats, values: Sequence[str]) -> Flags:
        """See :class:`Condition`."""
        return np.asarray(np.abs(_apart(counts)).sum(axis=1) / 2 <= self.t + _SLACK)


@dataclass(frozen=True, slots=True)
class HierarchicalCloseness:
    """The same with the distance of two values the height of their lowest common generalisation, as a share of all.

    ``levels`` is a hierarchy as :class:`salus.trust.anonymise.Hierarchy` has it: of each value, level 0 first.
    """

    attribute: str
    t: float
    levels: Mapping[str, tuple[str, ...]]

    def held(self, counts: Floats, values: Sequence[str]) -> Flags:
        """See :class:`Condition`."""
        if not set(values) <= self.levels.keys():
            raise InputError("a value that its hierarchy does not know", where=self.attribute)
        height = len(next(iter(self.levels.values()))) - 1
        extra = _apart(counts)
        cost = np.zeros(len(counts))
        for level in range(1, height + 1):
            below = _summed(extra, [self.levels[v][level - 1] for v in values])
            under = [self._parent(name, level) for name in below]
            table = np.column_stack(list(below.values()))
            for parent in dict.fromkeys(under):
                inside = table[:, [name == parent for name in under]]
                positive, negative = np.maximum(inside, 0).sum(axis=1), np.maximum(-inside, 0).sum(axis=1)
                cost += level / height * np.minimum(positive, negative)
        return np.asarray(cost <= self.t + _SLACK)

    def _parent(self, name: str, level: int) -> str:
        return next(row[level] for row in self.levels.values() if row[level - 1] == name)


def _apart(counts: Floats) -> Floats:
    """By how much the share of each value in each class differs from its share in the whole table."""
    everything = counts.sum(axis=0)
    difference: Floats = counts / counts.sum(axis=1, keepdims=True) - everything / everything.sum()
    return difference


def _summed(extra: Floats, names: Sequence[str]) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for column, name in enumerate(names):
        found[name] = found.get(name, np.zeros(len(extra))) + extra[:, column]
    return found
