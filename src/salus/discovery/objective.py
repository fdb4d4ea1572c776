"""What a design is asked for: components, each scored 0 to 1, joined by a mean.

A predicted endpoint contributes the worst score anywhere in its 90 % interval, so a model's error cannot be exploited;
outside the model's domain it contributes 0. An objective that asks for more of a hazard, or for an endpoint's unwished
direction, cannot be made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from rdkit.Chem import QED, MolToSmiles, rdMolDescriptors
from rdkit.DataStructs import TanimotoSimilarity

from salus.discovery.alerts import Alert, alerts, refusal
from salus.discovery.endpoints import Model
from salus.discovery.features import GENERATORS
from salus.discovery.measurements import Endpoint
from salus.discovery.modifiers import Modifier
from salus.discovery.molecule import Molecule
from salus.errors import InputError

NOTE = (
    "research use only: a designed molecule is untested; its synthesis, its effects and its harms are unknown, and it "
    "is never advice about a patient"
)
PROPERTIES: dict[str, Callable[[Any], float]] = {
    "tpsa": rdMolDescriptors.CalcTPSA,
    "logp": lambda mol: rdMolDescriptors.CalcCrippenDescriptors(mol)[0],
    "molecular-weight": rdMolDescriptors._CalcMolWt,
    "hbond-donors": rdMolDescriptors.CalcNumHBD,
    "hbond-acceptors": rdMolDescriptors.CalcNumHBA,
    "rotatable-bonds": rdMolDescriptors.CalcNumRotatableBonds,
    "rings": rdMolDescriptors.CalcNumRings,
    "aromatic-rings": rdMolDescriptors.CalcNumAromaticRings,
    "fraction-csp3": rdMolDescriptors.CalcFractionCSP3,
    "qed": QED.qed,
}


@dataclass(frozen=True, slots=True)
class Part:
    """What one component says of a molecule: the value, the range it may lie in, and the score that counts."""

    name: str
    score: float
    value: float | None
    low: float | None
    high: float | None
    note: str = ""


class Component(Protocol):
    """Something to ask of a molecule."""

    @property
    def name(self) -> str:
        """What it is, for a reader."""

    @property
    def weight(self) -> float:
        """Its share in the mean."""

    def __call__(self, mol: Any) -> Part:
        """Judge an ``rdkit.Chem.Mol``."""


class SimilarityTo:
    """Tanimoto similarity of count fingerprints (ECFP4, ECFP6, FCFP4 or AP) to a target."""

    def __init__(
        self, target: Molecule, fingerprint: str = "ECFP4", modifier: Modifier = Modifier(), weight: float = 1.0  # noqa: B008
    ) -> None:  # fmt: skip
        if fingerprint not in GENERATORS:
            raise InputError(f"unknown fingerprint {fingerprint!r}", remedy="one of " + ", ".join(GENERATORS))
        why = refusal(target.mol)
        if why:
            raise InputError(f"this target is refused: {why}", remedy="chemical weapons are never designed")
        self.name = f"similarity to {target.smiles} ({fingerprint})"
        self.weight = weight
        self.modifier = modifier
        self._generator = GENERATORS[fingerprint]
        self._target = self._generator.GetSparseCountFingerprint(target.mol)

    def __call__(self, mol: Any) -> Part:
        """Exact, so value and range are one."""
        value = float(TanimotoSimilarity(self._generator.GetSparseCountFingerprint(mol), self._target))
        return Part(self.name, self.modifier(value), value, value, value)


class Property:
    """A property that RDKit computes from the structure (``PROPERTIES``)."""

    def __init__(self, name: str, modifier: Modifier, weight: float = 1.0) -> None:
        if name not in PROPERTIES:
            raise InputError(f"unknown property {name!r}", remedy="one of " + ", ".join(PROPERTIES))
        self.name = name
        self.weight = weight
        self.modifier = modifier

    def __call__(self, mol: Any) -> Part:
        """Exact, so value and range are one."""
        value = float(PROPERTIES[self.name](mol))
        return Part(self.name, self.modifier(value), value, value, value)


def permitted(endpoint: Endpoint, modifier: Modifier) -> None:
    """Raise ``InputError`` when ``modifier`` asks for an unwished direction, or of a hazard for anything but less."""
    wished = {"high": 1, "low": -1, "either": 0}[endpoint.desired]
    if endpoint.hazard and modifier.sense != wished:
        remedy = f"only a {'min' if wished < 0 else 'max'}-gaussian modifier may be used"
        raise InputError(f"{endpoint.title} is a hazard: no reward for toxicity", where=endpoint.id, remedy=remedy)
    if wished and modifier.sense == -wished:
        raise InputError(f"{endpoint.title} is wished {endpoint.desired}, not the other way", where=endpoint.id)


class PredictedEndpoint:
    """A model's endpoint by the worst score within its interval.

    Raises ``InputError`` for a direction that the endpoint does not wish: more toxicity is never rewarded.
    """

    def __init__(self, model: Model, modifier: Modifier, weight: float = 1.0) -> None:
        permitted(model.endpoint, modifier)
        self.name = model.endpoint.id
        self.weight = weight
        self.modifier = modifier
        self._model = model

    def __call__(self, mol: Any) -> Part:
        """The worst score from the interval's low to its high end; 0 where the model cannot tell."""
        smiles = MolToSmiles(mol)
        prediction = self._model.predict_molecules([Molecule(smiles, smiles, (), mol)])[0]
        if prediction.low is None or prediction.high is None:
            return Part(self.name, 0.0, None, None, None, prediction.reason)
        score = self.modifier.worst(prediction.low, prediction.high)
        return Part(self.name, score, prediction.value, prediction.low, prediction.high)


@dataclass(frozen=True, slots=True)
class Scored:
    """Everything an objective says of a molecule."""

    score: float
    parts: tuple[Part, ...]
    alerts: tuple[Alert, ...]
    refused: str | None


@dataclass(frozen=True, slots=True)
class Objective:
    """Components joined by a weighted ``geometric`` (any 0 makes 0) or ``arithmetic`` mean.

    ``alerts``: ``show`` them with the results, or ``refuse`` every molecule that has one (score 0).
    """

    components: tuple[Component, ...]
    mean: Literal["geometric", "arithmetic"] = "geometric"
    alerts: Literal["show", "refuse"] = "show"

    def __post_init__(self) -> None:
        if not self.components:
            raise InputError("an objective needs at least one component")
        if self.mean not in ("geometric", "arithmetic") or self.alerts not in ("show", "refuse"):
            raise InputError("mean is geometric or arithmetic, alerts is show or refuse")
        if not all(math.isfinite(c.weight) and c.weight > 0 for c in self.components):
            raise InputError("every component needs a positive weight")

    def __call__(self, mol: Any) -> float:
        """Score from 0 to 1 of an ``rdkit.Chem.Mol``."""
        if refusal(mol) or (self.alerts == "refuse" and alerts(mol)):
            return 0.0
        return self._joined([component(mol).score for component in self.components])

    def explain(self, mol: Any) -> Scored:
        """The same with every part and alert."""
        parts = tuple(component(mol) for component in self.components)
        found, why = alerts(mol), refusal(mol)
        blocked = bool(why) or (self.alerts == "refuse" and bool(found))
        return Scored(0.0 if blocked else self._joined([part.score for part in parts]), parts, found, why)

    def _joined(self, scores: list[float]) -> float:
        weights = [component.weight for component in self.components]
        total = sum(weights)
        if self.mean == "arithmetic":
            return sum(w * s for w, s in zip(weights, scores, strict=True)) / total
        if min(scores) <= 0:
            return 0.0
        return math.exp(sum(w * math.log(s) for w, s in zip(weights, scores, strict=True)) / total)
