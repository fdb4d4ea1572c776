"""Exact Tanimoto search on packed Morgan fingerprints (radius 2, 2,048 bits).

A Tanimoto of t needs a popcount between t and 1/t times the query's (Swamidass SJ, Baldi P, J Chem Inf Model
2007;47:302-317); molecules lie sorted by popcount, so blocks are taken from the most promising outwards and the search
ends when no other block can matter. Nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import DataStructs
from rdkit.Chem import rdFingerprintGenerator

from salus.discovery.molecule import Molecule, quiet, read
from salus.errors import InputError

BITS = 2048
BLOCK = 4096
MAX_LIBRARY = 5_000_000
_generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=BITS)

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Hit:
    """A molecule found: ``position`` in the order the library was given, SMILES, and Tanimoto similarity."""

    position: int
    smiles: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Unread:
    """An entry that is no structure, with its position in the given order and the reason."""

    position: int
    why: str


def packed(mol: Any) -> Words:
    """The fingerprint of an ``rdkit.Chem.Mol`` as 32 words of 64 bits."""
    bits = DataStructs.BitVectToBinaryText(_generator.GetFingerprint(mol))
    return np.frombuffer(bits, dtype="<u8").astype(np.uint64)


@dataclass(frozen=True, slots=True)
class Library:
    """Molecules to search in. ``words`` of shape (n, 32), ``counts`` and ``order`` of shape (n,), all by popcount."""

    smiles: tuple[str, ...]
    words: Words
    counts: NDArray[np.int64]
    order: NDArray[np.int64]
    """Position in ``smiles`` of each row of ``words``."""
    positions: tuple[int, ...]
    """Position in what was given of each of ``smiles``."""
    unread: tuple[Unread, ...] = ()

    @classmethod
    def of(cls, smiles: Iterable[str]) -> Library:
        """Index SMILES; what is no structure is set aside with its reason.

        Raises ``InputError`` when nothing is left or there are more than ``MAX_LIBRARY``.
        """
        kept: list[str] = []
        rows: list[Words] = []
        positions: list[int] = []
        unread: list[Unread] = []
        with quiet():
            for position, text in enumerate(smiles):
                if position >= MAX_LIBRARY:
                    raise InputError(f"more than {MAX_LIBRARY} structures", remedy="search parts one after another")
                try:
                    molecule = read(text)
                except InputError as error:
                    unread.append(Unread(position, error.what))
                    continue
                kept.append(molecule.smiles)
                rows.append(packed(molecule.mol))
                positions.append(position)
        if not kept:
            raise InputError("the library holds no structure", remedy="SMILES of small molecules, one a line")
        words = np.stack(rows)
        counts = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
        order = np.argsort(counts, kind="stable")
        return cls(tuple(kept), words[order], counts[order], order, tuple(positions), tuple(unread))

    def __len__(self) -> int:
        return len(self.smiles)

    def search(self, query: Molecule, k: int = 10, threshold: float = 0.0) -> list[Hit]:
        """The ``k`` most similar molecules of at least ``threshold``, most similar first, then in the given order.

        Raises ``InputError`` for ``k`` below 1 or a threshold outside 0 to 1.
        """
        if k < 1 or not 0 <= threshold <= 1:
            raise InputError("a search needs k of at least 1 and a threshold from 0 to 1")
        asked = packed(query.mol)
        count = int(np.bitwise_count(asked).sum())
        best: list[tuple[float, int]] = []
        for bound, start, end in self._blocks(count):
            if bound < threshold or (len(best) == k and bound < -best[-1][0]):
                break
            shared = np.bitwise_count(self.words[start:end] & asked).sum(axis=1, dtype=np.int64)
            union = np.maximum(self.counts[start:end] + count - shared, 1)
            found = shared / union
            floor = max(threshold, -best[-1][0] if len(best) == k else 0.0)
            near = np.flatnonzero(found >= floor)
            pairs = zip(-found[near], self.order[start + near], strict=True)
            best = sorted([*best, *((float(s), int(i)) for s, i in pairs)])[:k]
        return [Hit(self.positions[i], self.smiles[i], -score) for score, i in best]

    def _blocks(self, count: int) -> Iterator[tuple[float, int, int]]:
        """Blocks of rows as (greatest similarity possible, start, end), greatest first."""
        edges: Sequence[tuple[int, int]] = [(s, min(s + BLOCK, len(self))) for s in range(0, len(self), BLOCK)]
        bounded = []
        for start, end in edges:
            low, high = int(self.counts[start]), int(self.counts[end - 1])
            nearest = min(max(count, low), high)
            bound = min(nearest, count) / max(nearest, count, 1)
            bounded.append((bound, start, end))
        yield from sorted(bounded, key=lambda block: (-block[0], block[1]))
