"""Structures from SMILES: read strictly, standardised to one parent, refused with a reason when out of reach.

Only modules that need a structure import this one, so RDKit (extra ``discovery``) is loaded when it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from salus.errors import ConfigurationError, InputError

try:
    from rdkit import Chem
    from rdkit.Chem import rdMolDescriptors
    from rdkit.Chem.MolStandardize import rdMolStandardize
    from rdkit.Chem.Scaffolds import MurckoScaffold
    from rdkit.rdBase import BlockLogs
except ImportError as error:
    raise ConfigurationError(
        "structures need RDKit, which is not installed", remedy='pip install "salus[discovery]"'
    ) from error

MAX_TEXT = 1000
"""Characters of a SMILES; longer text is refused before it is parsed."""

MAX_HEAVY_ATOMS = 100
ELEMENTS = frozenset({1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 34, 35, 53})
"""H B C N O F Si P S Cl Se Br I: what the measured data behind the methods hold; metals are refused."""


COUNTER_IONS = frozenset({"Li", "Na", "K", "Mg", "Ca"})
"""Metals that may stand beside the parent, as salts."""


@dataclass(frozen=True, slots=True)
class Molecule:
    """One standardised parent structure. Equality is by canonical SMILES."""

    smiles: str
    """RDKit's canonical isomeric SMILES of the parent."""
    given: str
    stripped: tuple[str, ...]
    """Counter-ions and solvents that were taken off, as SMILES."""
    mol: Any
    """The ``rdkit.Chem.Mol`` of the parent; not to be edited."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Molecule) and self.smiles == other.smiles

    def __hash__(self) -> int:
        return hash(self.smiles)

    @property
    def formula(self) -> str:
        """Hill formula."""
        return str(rdMolDescriptors.CalcMolFormula(self.mol))

    @property
    def scaffold(self) -> str:
        """Bemis-Murcko scaffold as canonical SMILES without stereochemistry; empty for an acyclic molecule."""
        return str(MurckoScaffold.MurckoScaffoldSmiles(mol=self.mol, includeChirality=False))  # type: ignore[no-untyped-call]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep RDKit's own messages, which repeat the input, off standard error."""
    block = BlockLogs()
    try:
        yield
    finally:
        del block


def read(smiles: str, where: str | None = None) -> Molecule:
    """The standardised parent of a SMILES: largest organic fragment, charges neutralised as far as possible.

    Raises ``InputError`` for text that is no structure, too long or too large, an element outside ``ELEMENTS``, or a
    mixture of organic parts of like size (no parent can be told).
    """
    text = smiles.strip()
    if not text or len(text) > MAX_TEXT:
        why = "no SMILES" if not text else f"SMILES of more than {MAX_TEXT} characters"
        raise InputError(why, where, "give one structure of a small molecule")
    with quiet():
        mol = Chem.MolFromSmiles(text)
        if mol is None or not mol.GetNumAtoms():
            raise InputError("not a SMILES that RDKit can read", where, "check brackets, ring numbers and valences")
        _judge(mol, where)
        parts = sorted(Chem.GetMolFrags(mol, asMols=True), key=_rank, reverse=True)
        if not _organic(parts[0]) or any(atom.GetSymbol() in COUNTER_IONS for atom in parts[0].GetAtoms()):
            raise InputError("no organic part, or an organometallic one", where, "organic molecules only")
        if len(parts) > 1 and _rivals(parts[0], parts[1]):
            raise InputError("a mixture: no part is clearly the parent", where, "give each structure by itself")
        parent = rdMolStandardize.Uncharger().uncharge(parts[0])
        Chem.SanitizeMol(parent)
        Chem.AssignStereochemistry(parent, cleanIt=True, force=True)
    stripped = tuple(Chem.MolToSmiles(part) for part in parts[1:])
    return Molecule(Chem.MolToSmiles(parent), smiles, stripped, parent)


def _judge(mol: Any, where: str | None) -> None:
    heavy = mol.GetNumHeavyAtoms()
    if heavy > MAX_HEAVY_ATOMS:
        raise InputError(f"{heavy} heavy atoms, more than {MAX_HEAVY_ATOMS}", where, "only small molecules are handled")
    alien = {atom.GetSymbol() for atom in mol.GetAtoms() if atom.GetAtomicNum() not in ELEMENTS}
    if alien - COUNTER_IONS:
        named = ", ".join(sorted(alien - COUNTER_IONS))
        raise InputError(f"element {named} is not handled", where, "organic molecules only")
    if any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms() if atom.GetSymbol() not in COUNTER_IONS):
        raise InputError("a radical", where, "give a closed-shell structure")


def _organic(part: Any) -> bool:
    return any(atom.GetAtomicNum() == 6 for atom in part.GetAtoms())


def _rank(part: Any) -> tuple[bool, int, str]:
    return _organic(part), part.GetNumHeavyAtoms(), Chem.MolToSmiles(part)


def _rivals(first: Any, second: Any) -> bool:
    """Two different organic parts, the second more than half as large as the first."""
    large = second.GetNumHeavyAtoms() > first.GetNumHeavyAtoms() / 2
    return large and _organic(second) and Chem.MolToSmiles(first) != Chem.MolToSmiles(second)


def scaffold_fold(molecule: Molecule, folds: int) -> int:
    """Fold of a molecule: SHA-256 of its scaffold's SMILES (UTF-8) modulo ``folds``; a scaffold is never split."""
    from hashlib import sha256

    return int(sha256(molecule.scaffold.encode()).hexdigest(), 16) % folds
