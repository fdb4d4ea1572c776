"""What a model sees of a molecule: three count fingerprints and 79 descriptors, all RDKit's.

A count vector is kept unrolled: a bit that occurs k times becomes k tokens (bit, 1) ... (bit, k). Then the shared
tokens of two molecules are the sum of the smaller counts, and Tanimoto on tokens is the min-max similarity of counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors
from scipy import sparse

from salus.discovery.molecule import Molecule, quiet

Floats = NDArray[np.float64]
MAX_COUNT = 15
"""Occurrences of one bit beyond these are not told apart."""

_features = rdFingerprintGenerator.GetMorganFeatureAtomInvGen
GENERATORS: dict[str, Any] = {
    "ECFP4": rdFingerprintGenerator.GetMorganGenerator(radius=2),
    "FCFP4": rdFingerprintGenerator.GetMorganGenerator(radius=2, atomInvariantsGenerator=_features()),
    "AP": rdFingerprintGenerator.GetAtomPairGenerator(maxDistance=10),
    "ECFP6": rdFingerprintGenerator.GetMorganGenerator(radius=3),
}
KERNEL = ("ECFP4", "FCFP4", "AP")
_PROPERTIES = rdMolDescriptors.Properties()


def tokens(mol: Any, kind: str) -> NDArray[np.uint64]:
    """Unrolled counts of one fingerprint as sorted 64-bit tokens, shape (tokens,)."""
    counts = GENERATORS[kind].GetSparseCountFingerprint(mol).GetNonzeroElements()
    found = [bit * (MAX_COUNT + 1) + k for bit, count in counts.items() for k in range(1, min(count, MAX_COUNT) + 1)]
    return np.array(sorted(found), dtype=np.uint64)


def descriptors(mol: Any) -> Floats:
    """RDKit's properties and its PEOE, SMR and SlogP surface areas, shape (79,); nan where undefined."""
    values = [
        *_PROPERTIES.ComputeProperties(mol),
        *rdMolDescriptors.PEOE_VSA_(mol),
        *rdMolDescriptors.SMR_VSA_(mol),
        *rdMolDescriptors.SlogP_VSA_(mol),
    ]
    return np.array(values, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Features:
    """Of n molecules: tokens per fingerprint (a list of n arrays each) and descriptors of shape (n, 79)."""

    tokens: dict[str, list[NDArray[np.uint64]]]
    descriptors: Floats

    def __len__(self) -> int:
        return len(self.descriptors)

    def subset(self, keep: NDArray[np.intp]) -> Features:
        """The molecules at these positions."""
        picked = {kind: [rows[i] for i in keep] for kind, rows in self.tokens.items()}
        return Features(picked, self.descriptors[keep])


def features(molecules: Sequence[Molecule]) -> Features:
    """Everything a model sees of these molecules."""
    with quiet():
        found = {kind: [tokens(m.mol, kind) for m in molecules] for kind in KERNEL}
        described = np.array([descriptors(m.mol) for m in molecules]).reshape(len(molecules), -1)
    return Features(found, described)


@dataclass(frozen=True, slots=True)
class Index:
    """The tokens of n molecules, inverted: which molecules hold a token. ``sizes``: tokens of each, shape (n,)."""

    vocabulary: NDArray[np.uint64]
    holders: Any
    """Sparse, of shape (vocabulary, n)."""
    sizes: Floats

    @classmethod
    def of(cls, rows: Sequence[NDArray[np.uint64]]) -> Index:
        """Index these molecules."""
        vocabulary = np.unique(np.concatenate([*rows, np.empty(0, np.uint64)]))
        sizes = np.array([len(row) for row in rows], dtype=np.float64)
        return cls(vocabulary, _indicator(rows, vocabulary).T.tocsr(), sizes)

    def tanimoto(self, rows: Sequence[NDArray[np.uint64]]) -> Floats:
        """Min-max similarity of every row to every indexed molecule, shape (rows, n); 0 where both are empty."""
        shared = (_indicator(rows, self.vocabulary) @ self.holders).toarray().astype(np.float64)
        union = np.array([len(row) for row in rows], dtype=np.float64)[:, None] + self.sizes[None, :] - shared
        found: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
        return found


def _indicator(rows: Sequence[NDArray[np.uint64]], vocabulary: NDArray[np.uint64]) -> Any:
    """Which tokens of ``vocabulary`` each row holds, as a sparse matrix of shape (rows, vocabulary)."""
    columns = []
    for row in rows:
        at = np.searchsorted(vocabulary, row)
        inside = at < len(vocabulary)
        columns.append(at[inside][vocabulary[at[inside]] == row[inside]])
    indices = np.concatenate([*columns, np.empty(0, np.intp)])
    pointer = np.concatenate([[0], np.cumsum([len(at) for at in columns])])
    data = np.ones(len(indices), dtype=np.float32)
    return sparse.csr_matrix((data, indices, pointer), shape=(len(rows), len(vocabulary)))
