"""A cheap guess of the oracle, so that calls go to the most promising children.

A Gaussian process with the min-max Tanimoto kernel of Morgan counts is fitted to what the oracle said of the living and
the latest molecules; children are ranked by mean plus spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus.discovery.features import Index, tokens
from salus.discovery.gaussian import Process, Shape

KIND = "ECFP4"
SHAPE = Shape(weight=1.0, length=1.0, noise=0.01)


def fingerprint(mol: Any) -> NDArray[np.uint64]:
    """What the surrogate sees of a molecule."""
    return tokens(mol, KIND)


def promise(
    known: Sequence[NDArray[np.uint64]],
    scores: Sequence[float],
    children: Sequence[NDArray[np.uint64]],
    boldness: float,
) -> NDArray[np.float64]:
    """Upper confidence bound of every child, shape (children,): mean plus ``boldness`` standard deviations."""
    index = Index.of(known)
    y = np.array(scores)
    process = Process.fit(SHAPE, index.tanimoto(known), y)
    mean, variance = process.predict(index.tanimoto(children))
    scale = np.sqrt(max(float((y - process.mean) @ process.solution) / len(y), 0.0))
    bound: NDArray[np.float64] = mean + boldness * scale * np.sqrt(variance)
    return bound
