"""How far predicted 90 % intervals held the measured values: coverage, error, width and interval score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from validation._report import wilson

COVERAGE = (0.86, 0.95)
LEAST_COVERAGE = 0.82
MISS = 2 / (1 - 0.9)
"""What a value costs that lies outside a 90 % interval, for each unit that it lies outside."""


@dataclass(frozen=True, slots=True)
class Part:
    """What was predicted of one endpoint in one kind of part. ``rows``: columns y, mean of y in this test part,
    predicted, low, high, inside the domain, spread; all but the last two on the scale that is modelled."""

    kind: str
    endpoint: str
    keys: tuple[str, ...]
    rows: np.ndarray

    @property
    def covered(self) -> np.ndarray:
        """Whether each interval holds the measured value."""
        return (self.rows[:, 3] <= self.rows[:, 0]) & (self.rows[:, 0] <= self.rows[:, 4])

    @property
    def inside(self) -> np.ndarray:
        """Whether each molecule is assessable."""
        return self.rows[:, 5] > 0

    @property
    def name(self) -> str:
        """Under which its figures stand."""
        return f"remote_{self.endpoint}" if self.kind == "remote" else self.endpoint


def rae(rows: np.ndarray) -> float:
    """Relative absolute error."""
    return float(np.abs(rows[:, 0] - rows[:, 2]).sum() / np.abs(rows[:, 0] - rows[:, 1]).sum())


def interval_score(rows: np.ndarray) -> float:
    """Mean width plus 20 times what a value lies outside (lower is better)."""
    y, low, high = rows[:, 0], rows[:, 3], rows[:, 4]
    return float(np.mean(high - low + MISS * (np.maximum(low - y, 0) + np.maximum(y - high, 0))))


def by_spread(rows: np.ndarray, covered: np.ndarray) -> list[float]:
    """Coverage in thirds of the compounds, from the best known to the least known."""
    order = np.argsort(rows[:, 6], kind="stable")
    return [round(float(covered[part].mean()), 4) for part in np.array_split(order, 3)]


KINDS = {
    "scaffold": "coverage_90",
    "remote": "coverage_90_remote",
    "late": "coverage_90_late",
    "public": "coverage_90_public",
}


def figures(parts: list[Part]) -> tuple[dict[str, Any], dict[str, Any]]:
    """All figures, and the intervals of the shares; ``biogen_rae`` is the mean over the endpoints by scaffold."""
    found: dict[str, Any] = {}
    sure: dict[str, Any] = {}
    for kind, name in KINDS.items():
        mine = [part for part in parts if part.kind == kind]
        if not mine:
            continue
        if kind == "scaffold":
            found["biogen_rae"] = round(float(np.mean([rae(part.rows) for part in mine])), 4)
        rows = np.concatenate([part.rows for part in mine])
        covered = np.concatenate([part.covered for part in mine])
        suffix = "" if kind == "scaffold" else f"_{kind}"
        inside = rows[:, 5] > 0
        found[name] = round(float(covered.mean()), 4)
        found[f"assessable{suffix}"] = round(float(inside.mean()), 4)
        found[f"coverage_90_assessable{suffix}"] = round(float(covered[inside].mean()), 4)
        found[f"coverage_90_by_spread{suffix}"] = by_spread(rows, covered)
        found[f"least_endpoint_coverage_{kind}"] = round(min(float(part.covered.mean()) for part in mine), 4)
        sure[name] = wilson(int(covered.sum()), len(covered))
    least = [value for name, value in found.items() if name.startswith("least_endpoint_coverage")]
    found["least_endpoint_coverage"] = min(least, default=None)
    for part in parts:
        found |= _of_endpoint(part)
        sure[f"coverage_90_{part.name}"] = wilson(int(part.covered.sum()), len(part.rows))
    return found, sure


def _of_endpoint(part: Part) -> dict[str, Any]:
    name, kept = part.name, part.rows[part.inside]
    return {
        f"rae_{name}": round(rae(part.rows), 4),
        f"rae_{name}_assessable": round(rae(kept), 4) if len(kept) else None,
        f"coverage_90_{name}": round(float(part.covered.mean()), 4),
        f"width_90_{name}": round(float(np.median(part.rows[:, 4] - part.rows[:, 3])), 3),
        f"interval_score_90_{name}": round(interval_score(part.rows), 3),
        f"n_{name}": len(part.rows),
    }


def holds(found: dict[str, Any], rae_at_most: float) -> bool:
    """Whether every kind of part that there is has the coverage wanted, and the error its bound."""
    shares = [found[name] for name in KINDS.values() if name in found]
    least = found["least_endpoint_coverage"]
    within = all(COVERAGE[0] <= share <= COVERAGE[1] for share in shares)
    return bool(shares) and within and least >= LEAST_COVERAGE and found.get("biogen_rae", 0.0) <= rae_at_most
