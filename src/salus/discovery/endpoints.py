"""Endpoint prediction: value, unit, 90 % interval, nearest measured analogues, and a refusal outside the domain.

The model is an exact Gaussian process on fingerprint similarity and descriptors. Its shape, its intervals and the edge
of its domain are all set inside the training table, from predictions of molecules whose Bemis-Murcko scaffold was left
out, and of each block of rows from the rows before it. So they speak of new scaffolds and, where the rows stand in the
order of time, of later chemistry. A prediction is research use only, never advice about a patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from salus.discovery.conformal import LEVEL, Bands, Scores
from salus.discovery.features import KERNEL, Features, Index, features
from salus.discovery.gaussian import LeftOut, Process, Shape, ahead, choose, leave_out, noisy
from salus.discovery.measurements import LEAST_MOLECULES, MAX_MOLECULES, Endpoint, Table
from salus.discovery.molecule import Molecule, read
from salus.errors import InputError

Floats = NDArray[np.float64]

CALIBRATION_FOLDS = 10
LEAST_SCAFFOLDS = 10
BLOCKS = 8
"""Blocks of rows, in the order of the table; all but the first are predicted from those before."""

SHAPE_MOLECULES = 800
"""The kernel's shape is chosen on whole scaffolds of about so many molecules."""

DOMAIN_SHARE = 0.99
"""Outside the domain: a molecule about which the training set says less than it says about this share of its own
molecules when their scaffold is left out, or of the later half of its rows when they are predicted from those before.
Beyond that spread no interval was calibrated."""

ANALOGUES = 3
CLIP = 4.0
"""Standard deviations beyond which a descriptor is cut."""


@dataclass(frozen=True, slots=True)
class Analogue:
    """A measured molecule that resembles the one asked about. Similarity: Tanimoto of Morgan radius 2 counts."""

    smiles: str
    similarity: float
    value: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is said of one molecule. ``not-assessable`` carries a ``reason`` and neither value nor interval."""

    given: str
    smiles: str
    endpoint: Endpoint
    status: Literal["ok", "not-assessable"]
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = LEVEL
    spread: float | None = None
    """Share of the endpoint's variance that the training set leaves open: 0 measured, 1 nothing known."""
    reason: str = ""
    analogues: tuple[Analogue, ...] = ()

    def sentence(self) -> str:
        """One plain sentence."""
        if self.value is None or self.low is None or self.high is None:
            return f"{self.endpoint.title}: not assessable: {self.reason}."
        return (
            f"{self.endpoint.title}: {self.value:.2f} {self.endpoint.unit} "
            f"({self.level:.0%} interval {self.low:.2f} to {self.high:.2f}), predicted for research."
        )


@dataclass(frozen=True, slots=True)
class Estimates:
    """Raw answers for m molecules, the domain not yet judged; every array has shape (m,)."""

    value: Floats
    low: Floats
    high: Floats
    spread: Floats
    inside: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scaling:
    """How descriptors become coordinates: signed log, centre, width, and the median distance between molecules."""

    centre: Floats
    width: Floats
    median: float

    @classmethod
    def of(cls, descriptors: Floats) -> Scaling:
        """From descriptors of shape (n, d); a descriptor that never varies gets no weight."""
        logged = _logged(descriptors)
        centre, width = np.nanmean(logged, axis=0), np.nanstd(logged, axis=0)
        plain = cls(np.nan_to_num(centre), np.where(np.nan_to_num(width) > 1e-9, width, np.inf), 1.0)
        points = plain.points(descriptors)
        apart = _distance(points, points)[np.triu_indices(len(points), 1)]
        return cls(plain.centre, plain.width, float(np.median(apart)) or 1.0)

    def points(self, descriptors: Floats) -> Floats:
        """Coordinates of shape (n, d); an undefined descriptor counts as the training mean."""
        standard: Floats = np.nan_to_num((_logged(descriptors) - self.centre) / self.width)
        clipped: Floats = standard.clip(-CLIP, CLIP)
        return clipped


def _logged(descriptors: Floats) -> Floats:
    finite = np.where(np.isfinite(descriptors), descriptors, np.nan)
    logged: Floats = np.sign(finite) * np.log1p(np.abs(finite))
    return logged


def _distance(left: Floats, right: Floats) -> Floats:
    squares = np.sum(left**2, axis=1)[:, None] + np.sum(right**2, axis=1)[None, :] - 2 * left @ right.T
    distance: Floats = np.sqrt(np.maximum(squares, 0.0))
    return distance


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted endpoint model. Made by ``fit``, or read back by ``salus.discovery.model_file``."""

    endpoint: Endpoint
    smiles: tuple[str, ...]
    values: Floats
    seen: Features
    scaling: Scaling
    process: Process
    scale: float
    """Standard deviation of the kernel, on the scale that is modelled."""
    bands: Bands
    edge: float
    """Spread beyond which a molecule is outside the domain."""
    indexes: dict[str, Index]
    points: Floats

    @classmethod
    def fit(cls, table: Table, seen: Features | None = None) -> Model:
        """Fit to a table, whose ``features`` may be given. No randomness: the same table gives the same model.

        The rows should stand in the order of time where that is known: it can widen the intervals, and changes nothing
        of the predicted values. Of a table of more than ``MAX_MOLECULES`` a part is used, drawn by scaffold.
        Raises ``InputError`` for fewer than ``LEAST_MOLECULES`` molecules or ``LEAST_SCAFFOLDS`` scaffolds, or values
        that are all the same.
        """
        scaffolds = [molecule.scaffold for molecule in table.molecules]
        where = f"training table of {table.endpoint.id}"
        if len(scaffolds) < LEAST_MOLECULES or len(set(scaffolds)) < LEAST_SCAFFOLDS:
            need = f"at least {LEAST_MOLECULES} molecules of {LEAST_SCAFFOLDS} scaffolds"
            raise InputError(f"{len(scaffolds)} molecules of {len(set(scaffolds))} scaffolds are too few", where, need)
        if np.ptp(table.values) == 0:
            raise InputError("every value is the same", where, "there is nothing to learn")
        hashes = [sha256(b"calibration:" + name.encode()).digest() for name in scaffolds]
        if len(hashes) > MAX_MOLECULES:
            drawn = sorted(sorted(range(len(hashes)), key=lambda i: (hashes[i], i))[:MAX_MOLECULES])
            return cls.fit(table.subset(drawn), None if seen is None else seen.subset(np.array(drawn)))
        groups = np.array([int.from_bytes(h[:8], "big") % CALIBRATION_FOLDS for h in hashes])
        seen = features(table.molecules) if seen is None else seen
        scaling = Scaling.of(seen.descriptors)
        similarity, distance = _relations(seen, scaling)
        some = _some(hashes)
        y = table.endpoint.modelled(table.values)
        centred = y - np.mean(y)
        shape = choose(similarity[np.ix_(some, some)], distance[np.ix_(some, some)], centred[some], groups[some])
        kernel = shape.kernel(similarity, distance)
        apart = leave_out(noisy(kernel, shape.noise), centred, groups)
        starts = [len(y) * k // BLOCKS for k in range(1, BLOCKS)]
        later = ahead(kernel, shape.noise, y, starts)
        scale = float(np.sqrt(apart.scale))
        block = np.searchsorted(starts, np.arange(starts[0], len(y)), side="right")
        bands = Bands.calibrated(_scores(apart, scale, shape), _scores(later, scale, shape), block)
        half = later.variance[len(y) // 2 - starts[0] :]
        edge = max(float(np.quantile(v, DOMAIN_SHARE)) for v in (apart.variance, half)) - shape.noise
        names = tuple(molecule.smiles for molecule in table.molecules)
        return cls.conditioned(table.endpoint, names, table.values, seen, scaling, shape, scale, bands, edge)

    @classmethod
    def conditioned(
        cls,
        endpoint: Endpoint,
        smiles: tuple[str, ...],
        values: Floats,
        seen: Features,
        scaling: Scaling,
        shape: Shape,
        scale: float,
        bands: Bands,
        edge: float,
    ) -> Model:
        """Condition the process of this shape on the training molecules, everything else being known."""
        similarity, distance = _relations(seen, scaling)
        process = Process.fit(shape, shape.kernel(similarity, distance), endpoint.modelled(values))
        indexes = {kind: Index.of(seen.tokens[kind]) for kind in KERNEL}
        points = scaling.points(seen.descriptors)
        return cls(endpoint, smiles, values, seen, scaling, process, scale, bands, edge, indexes, points)

    def predict(self, smiles: Sequence[str]) -> list[Prediction]:
        """One prediction for each SMILES, in order; what cannot be read or lies outside the domain says so."""
        answers: list[Prediction | None] = []
        molecules = []
        for text in smiles:
            try:
                molecules.append(read(text))
                answers.append(None)
            except InputError as error:
                answers.append(Prediction(text, "", self.endpoint, "not-assessable", reason=error.what))
        fresh = iter(self.predict_molecules(molecules))
        return [answer or next(fresh) for answer in answers]

    def predict_molecules(self, molecules: Sequence[Molecule]) -> list[Prediction]:
        """One prediction for each molecule, in order."""
        if not molecules:
            return []
        asked = features(molecules)
        estimates = self.estimate(asked)
        nearest = self.indexes["ECFP4"].tanimoto(asked.tokens["ECFP4"])
        return [self._prediction(m, i, estimates, self._analogues(nearest[i])) for i, m in enumerate(molecules)]

    def estimate(self, asked: Features) -> Estimates:
        """Values and intervals of every molecule, those outside the domain too (for validation)."""
        kernel = self._kernel(asked)
        value, spread = self.process.predict(kernel)
        width = self.scale * np.sqrt(spread + self.process.shape.noise)
        below, above = self.bands.at(spread)
        back = self.endpoint.measured
        low, high = back(value + below * width), back(value + above * width)
        return Estimates(back(value), low, high, spread, spread <= self.edge)

    def _kernel(self, asked: Features) -> Floats:
        similarity = np.mean([self.indexes[kind].tanimoto(asked.tokens[kind]) for kind in KERNEL], axis=0)
        distance = _distance(self.scaling.points(asked.descriptors), self.points) / self.scaling.median
        return self.process.shape.kernel(similarity, distance)

    def _analogues(self, similarity: Floats) -> tuple[Analogue, ...]:
        order = np.argsort(-similarity, kind="stable")[:ANALOGUES]
        return tuple(Analogue(self.smiles[i], float(similarity[i]), float(self.values[i])) for i in order)

    def _prediction(self, molecule: Molecule, i: int, e: Estimates, analogues: tuple[Analogue, ...]) -> Prediction:
        spread = float(e.spread[i])
        if not e.inside[i]:
            reason = (
                f"outside the domain: {spread:.0%} of the variance is left open by the training set, "
                f"intervals were calibrated up to {self.edge:.0%}; nearest analogue {analogues[0].similarity:.2f}"
            )
            return Prediction(
                molecule.given, molecule.smiles, self.endpoint, "not-assessable", spread=spread, reason=reason,
                analogues=analogues,
            )  # fmt: skip
        return Prediction(
            molecule.given, molecule.smiles, self.endpoint, "ok", float(e.value[i]), float(e.low[i]), float(e.high[i]),
            self.bands.near.level, spread, "", analogues,
        )  # fmt: skip


def _scores(left: LeftOut, scale: float, shape: Shape) -> Scores:
    return Scores(left.residual / (scale * np.sqrt(left.variance)), np.maximum(left.variance - shape.noise, 0.0))


def _relations(seen: Features, scaling: Scaling) -> tuple[Floats, Floats]:
    """Similarity and scaled distance of the training molecules among themselves, both (n, n)."""
    similarity = np.zeros((len(seen), len(seen)))
    for kind in KERNEL:
        similarity += Index.of(seen.tokens[kind]).tanimoto(seen.tokens[kind])
    points = scaling.points(seen.descriptors)
    distance = _distance(points, points) / scaling.median
    np.fill_diagonal(distance, 0.0)
    return similarity / len(KERNEL), distance


def _some(hashes: Sequence[bytes]) -> NDArray[np.intp]:
    """Positions of whole scaffolds, in the order of their hashes, until ``SHAPE_MOLECULES`` are reached."""
    order = sorted(range(len(hashes)), key=lambda i: hashes[i][8:])
    end = min(SHAPE_MOLECULES, len(order))
    while end < len(order) and hashes[order[end]] == hashes[order[end - 1]]:
        end += 1
    return np.array(sorted(order[:end]))
