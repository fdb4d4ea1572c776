"""A genetic algorithm on molecular graphs under an oracle budget, with the lineage of every molecule.

Selection by quantile follows Tripp A, Hernandez-Lobato JM, arXiv:2310.09267: a parent is drawn from the best fraction
10^-u of the population, u uniform in [0, 3]. The budget counts distinct canonical structures given to the oracle
(Gao W et al., "Sample efficiency matters", NeurIPS 2022, arXiv:2206.12411). Molecules are flat: no stereochemistry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from random import Random

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import Mol

from salus.discovery.alerts import refusal
from salus.discovery.molecule import quiet
from salus.discovery.operators import CROSSOVERS, MUTATIONS
from salus.discovery.surrogate import fingerprint, promise
from salus.errors import InputError

Oracle = Callable[[Mol], float]
AUC_STEP, AUC_TOP = 100, 10
START_SHARE = 4
"""At most one call in so many is spent on the start pool."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run goes. Only ``seed`` and the start pool decide on chance: the same input gives the same run."""

    calls: int = 10_000
    seed: int = 0
    start: int = 500
    """Molecules drawn from the start pool, if the budget allows it; they count as calls."""
    population: int = 300
    offspring: int = 50
    """Calls of one round."""
    screen: int = 5
    """Children made for every call; the surrogate picks. 1: no surrogate."""
    boldness: float = 1.0
    """Standard deviations of the surrogate's doubt that speak for a child."""
    mutation: float = 0.6
    """Share of children made by mutation of one parent; the others by crossover, half of these mutated as well."""
    max_heavy_atoms: int = 60
    patience: int = 200
    """Rounds without any new structure after which a run ends early."""

    def __post_init__(self) -> None:
        small = min(self.calls, self.start, self.population, self.offspring, self.max_heavy_atoms, self.patience)
        small = min(small, self.screen)
        if small < 1 or not 0 <= self.mutation <= 1:
            raise InputError("calls, start, population, offspring and atoms must be positive, mutation within 0 to 1")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A structure that the oracle has seen, and where it came from."""

    smiles: str
    score: float
    call: int
    """The how-manieth oracle call it was, from 1."""
    operators: tuple[str, ...]
    """Moves that made it, in order; ``("start",)`` for one from the start pool."""
    parents: tuple[str, ...]


@dataclass(slots=True)
class Run:
    """What a run saw: every candidate by SMILES, in the order of the calls."""

    settings: Settings
    candidates: dict[str, Candidate] = field(default_factory=dict)
    alive: list[Candidate] = field(default_factory=list)
    seen: dict[str, NDArray[np.uint64]] = field(default_factory=dict, repr=False)
    """Fingerprint of every candidate, for the surrogate."""

    @property
    def spent(self) -> int:
        """Oracle calls so far."""
        return len(self.candidates)

    @property
    def exhausted(self) -> bool:
        """No call is left."""
        return self.spent >= self.settings.calls

    def top(self, n: int) -> list[Candidate]:
        """The ``n`` best, best first; earlier calls first among equals."""
        return sorted(self.candidates.values(), key=lambda c: (-c.score, c.call))[:n]

    def lineage(self, smiles: str) -> list[Candidate]:
        """A candidate and all its ancestors, oldest first. Raises ``InputError`` for a structure not in the run."""
        if smiles not in self.candidates:
            raise InputError("this structure is not in the run", remedy="give a SMILES from the run's output")
        found: dict[str, Candidate] = {}
        waiting = [smiles]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = self.candidates[name]
                waiting.extend(self.candidates[name].parents)
        return sorted(found.values(), key=lambda c: c.call)

    def auc(self, calls: int | None = None) -> float:
        """AUC top-10 over the budget (``auc_top``) of the scores in call order."""
        return auc_top([c.score for c in self.candidates.values()], calls or self.settings.calls)


def auc_top(scores: Sequence[float], calls: int) -> float:
    """Area under the mean of the ten best scores so far, by trapezoids over 0 to ``calls``, divided by ``calls``.

    The curve is read after every 100 calls; when a run stopped early its last value is extended to ``calls``.
    """
    best: list[float] = []
    area = previous = 0.0
    at = 0
    for number, score in enumerate(scores[:calls], 1):
        best = sorted((*best, score), reverse=True)[:AUC_TOP]
        if number % AUC_STEP == 0 or number == min(len(scores), calls):
            now = sum(best) / len(best)
            area += (number - at) * (previous + now) / 2
            previous, at = now, number
    return (area + (calls - at) * previous) / calls


def run(oracle: Oracle, start: Iterable[str], settings: Settings = Settings()) -> Run:
    """Search for structures that score high.

    ``oracle`` gives 0 to 1 for a flat ``rdkit.Chem.Mol`` and must be pure; ``start`` is the pool of SMILES of which
    ``settings.start`` are drawn. Raises ``InputError`` when the pool holds no usable structure.
    """
    random = Random(settings.seed)  # noqa: S311 - a search, not a secret
    work = Run(settings)
    with quiet():
        pool = sorted(set(start))
        random.shuffle(pool)
        founders = (flat for flat in map(flattened, pool) if flat is not None)
        for mol in islice(founders, min(settings.start, max(1, settings.calls // START_SHARE))):
            founder = _fresh(work, mol, ("start",), ())
            if founder is not None:
                _ask(work, oracle, founder)
        if not work.candidates:
            raise InputError("the start pool holds no structure", remedy="give SMILES of small molecules, one a line")
        idle = 0
        while not work.exhausted and idle < settings.patience:
            before = work.spent
            _generation(work, oracle, random)
            idle = 0 if work.spent > before else idle + 1
    return work


def flattened(smiles: str) -> Mol | None:
    """The structure without stereochemistry, or None when it is none, charged in pieces, or a mixture."""
    mol = Chem.MolFromSmiles(smiles)
    if mol is None or not mol.GetNumAtoms() or len(Chem.GetMolFrags(mol)) != 1:
        return None
    Chem.RemoveStereochemistry(mol)
    return mol


@dataclass(frozen=True, slots=True)
class _Child:
    """A structure that the oracle has not seen, with the moves and parents that made it."""

    smiles: str
    mol: Mol
    operators: tuple[str, ...]
    parents: tuple[str, ...]


def _fresh(work: Run, mol: Mol, operators: tuple[str, ...], parents: tuple[str, ...]) -> _Child | None:
    """The structure as its SMILES says; None when it was seen before or is refused outright."""
    smiles = Chem.MolToSmiles(mol)
    if smiles in work.candidates:
        return None
    clean = Chem.MolFromSmiles(smiles)  # what the oracle sees is what the SMILES says, not how it was edited
    if clean is None or refusal(clean):
        return None
    smiles = Chem.MolToSmiles(clean)
    return None if smiles in work.candidates else _Child(smiles, clean, operators, parents)


def _ask(work: Run, oracle: Oracle, child: _Child) -> None:
    """Spend a call."""
    if work.exhausted or child.smiles in work.candidates:
        return
    call = work.spent + 1
    candidate = Candidate(child.smiles, float(oracle(child.mol)), call, child.operators, child.parents)
    work.candidates[child.smiles] = candidate
    work.alive.append(candidate)
    work.seen[child.smiles] = fingerprint(child.mol)


def _generation(work: Run, oracle: Oracle, random: Random) -> None:
    """One round: children of the population, calls for the most promising, then survival of the best."""
    settings = work.settings
    latest = work.alive[-settings.offspring :]
    work.alive.sort(key=lambda c: (-c.score, c.call))
    del work.alive[settings.population :]
    population = tuple(work.alive)
    children: dict[str, _Child] = {}
    for _ in range(settings.offspring * settings.screen):
        made = _child(population, settings, random)
        child = _fresh(work, *made) if made else None
        if child is not None:
            children.setdefault(child.smiles, child)
    known = {candidate.smiles: candidate for candidate in (*population, *latest)}
    for child in _promising(work, list(known.values()), list(children.values())):
        _ask(work, oracle, child)


def _promising(work: Run, known: Sequence[Candidate], children: list[_Child]) -> list[_Child]:
    """The children on which calls are spent, at most ``offspring`` of them."""
    settings = work.settings
    if len(children) <= settings.offspring:
        return children
    seen = [work.seen[candidate.smiles] for candidate in known]
    asked = [fingerprint(child.mol) for child in children]
    bound = promise(seen, [candidate.score for candidate in known], asked, settings.boldness)
    return [children[i] for i in np.argsort(-bound, kind="stable")[: settings.offspring]]


def _child(
    population: Sequence[Candidate], settings: Settings, random: Random
) -> tuple[Mol, tuple[str, ...], tuple[str, ...]] | None:
    """A new graph with the moves and parents that made it; None when a move did not come out."""
    parents: tuple[str, ...] = (_drawn(population, random).smiles,)
    first = Chem.MolFromSmiles(parents[0])
    if random.random() < settings.mutation:
        operators = [random.choice(list(MUTATIONS))]
        mol = MUTATIONS[operators[0]](first, random)
    else:
        parents = (*parents, _drawn(population, random).smiles)
        operators = [random.choice(list(CROSSOVERS))]
        mol = CROSSOVERS[operators[0]](first, Chem.MolFromSmiles(parents[1]), random)
    if mol is not None and random.random() < 0.5:
        operators.append(random.choice(list(MUTATIONS)))
        mol = MUTATIONS[operators[-1]](mol, random)
    if mol is None or mol.GetNumHeavyAtoms() > settings.max_heavy_atoms:
        return None
    return mol, tuple(operators), parents


def _drawn(population: Sequence[Candidate], random: Random) -> Candidate:
    """A parent from the best 10^-u of the population, u uniform in [0, 3]."""
    best = max(1, int(len(population) * 10 ** (-random.uniform(0, 3))))
    return population[random.randrange(best)]
