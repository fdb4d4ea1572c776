"""Desirability curves: a property value in, a score from 0 to 1 out.

The curves are those of GuacaMol (Brown N et al., J Chem Inf Model 2019;59:1096-1108, doi:10.1021/acs.jcim.8b00839).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from salus.errors import InputError

Kind = Literal["identity", "clipped", "gaussian", "min-gaussian", "max-gaussian"]


@dataclass(frozen=True, slots=True)
class Modifier:
    """``clipped``: linear from 0 at 0 to 1 at ``mu``. ``gaussian``: exp(-((x-mu)/sigma)^2/2). ``min-gaussian``: 1 up to
    ``mu``, Gaussian above (less is better). ``max-gaussian``: 1 from ``mu`` on, Gaussian below (more is better).
    """

    kind: Kind = "identity"
    mu: float = 1.0
    sigma: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in CURVES:
            raise InputError(f"unknown modifier {self.kind!r}", remedy="one of " + ", ".join(CURVES))
        if not math.isfinite(self.mu) or not self.sigma > 0 or (self.kind == "clipped" and self.mu <= 0):
            raise InputError("a modifier needs a finite mu and a positive width", where=self.kind)

    @property
    def sense(self) -> int:
        """+1 when more is better, -1 when less is, 0 for a middle."""
        return {"gaussian": 0, "min-gaussian": -1}.get(self.kind, 1)

    def __call__(self, value: float) -> float:
        """Score of ``value``; a value that is not finite scores 0."""
        return CURVES[self.kind](value, self.mu, self.sigma) if math.isfinite(value) else 0.0

    def worst(self, low: float, high: float) -> float:
        """The lowest score of any value in [low, high]: all curves rise, fall, or rise and then fall."""
        return min(self(low), self(high))


def _bell(value: float, mu: float, sigma: float) -> float:
    return math.exp(-0.5 * ((value - mu) / sigma) ** 2)


CURVES: dict[str, Callable[[float, float, float], float]] = {
    "identity": lambda x, mu, sigma: min(1.0, max(0.0, x)),
    "clipped": lambda x, mu, sigma: min(1.0, max(0.0, x / mu)),
    "gaussian": _bell,
    "min-gaussian": lambda x, mu, sigma: 1.0 if x <= mu else _bell(x, mu, sigma),
    "max-gaussian": lambda x, mu, sigma: 1.0 if x >= mu else _bell(x, mu, sigma),
}
