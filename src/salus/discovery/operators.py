"""Moves of the genetic algorithm on molecular graphs: mutations of one parent, crossovers of two.

A move takes flat (stereo-free), kekulised molecules and a random generator, and gives a sanitised child or None when
the move does not apply or breaks valence. Bonds and atoms are edited directly; nothing works on SMILES text. The kinds
of moves are those of Jensen JH, Chem Sci 2019;10:3567-3572 (doi:10.1039/C8SC05372C); the implementation is our own.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from rdkit import Chem
from rdkit.Chem import BondType, Mol, RWMol

ELEMENTS = (6, 6, 6, 7, 7, 8, 8, 9, 16, 17)
"""Atomic numbers drawn for a new atom; repeated where more common in drugs."""

VALENCE = {6: 4, 7: 3, 8: 2, 9: 1, 16: 6, 17: 1, 35: 1, 53: 1}
MULTIVALENT = (6, 6, 6, 7, 8, 16)
RING_DISTANCES = range(2, 6)
"""Bonds between two atoms that a new bond closes to a ring of 3 to 6 atoms."""

LARGEST_RING = 7

Mutation = Callable[[Mol, Random], Mol | None]
Crossover = Callable[[Mol, Mol, Random], Mol | None]


def finished(molecule: Mol) -> Mol | None:
    """The edited graph as one sanitised, flat molecule; None when it is none (valence, pieces, radicals, rings)."""
    try:
        Chem.SanitizeMol(molecule)
    except (Chem.AtomValenceException, Chem.KekulizeException, Chem.MolSanitizeException):
        return None
    if len(Chem.GetMolFrags(molecule)) != 1 or any(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms()):
        return None
    rings = molecule.GetRingInfo()
    if any(len(ring) > LARGEST_RING for ring in rings.AtomRings()) or _strained(molecule):
        return None
    plain: Mol = molecule.GetMol() if isinstance(molecule, RWMol) else molecule
    return plain


def _strained(molecule: Mol) -> bool:
    """A triple or cumulated double bond inside a ring, which small rings cannot hold."""
    for bond in molecule.GetBonds():
        if bond.IsInRing() and bond.GetBondType() == BondType.TRIPLE:
            return True
    return any(
        atom.IsInRing()
        and atom.GetAtomicNum() == 6
        and sum(bond.GetBondType() == BondType.DOUBLE for bond in atom.GetBonds()) > 1
        for atom in molecule.GetAtoms()
    )


def editable(molecule: Mol) -> RWMol:
    """A kekulised copy whose bonds carry whole orders."""
    copy = RWMol(molecule)
    Chem.Kekulize(copy, clearAromaticFlags=True)
    return copy


def _order(atom: Chem.Atom) -> int:
    """Sum of the bond orders to other heavy atoms."""
    return int(sum(bond.GetBondTypeAsDouble() for bond in atom.GetBonds()))


def _free(atom: Chem.Atom) -> int:
    """Hydrogens that a new bond may replace."""
    return int(atom.GetTotalNumHs())


def _loosen(atom: Chem.Atom) -> None:
    """Let the hydrogen count follow from the valence again."""
    atom.SetNoImplicit(False)
    atom.SetNumExplicitHs(0)


def change_element(parent: Mol, random: Random) -> Mol | None:
    """Another element at one atom, as far as its bonds allow."""
    graph = editable(parent)
    atoms = [atom for atom in graph.GetAtoms() if atom.GetFormalCharge() == 0]
    if not atoms:
        return None
    atom = random.choice(atoms)
    options = [z for z in set(ELEMENTS) if z != atom.GetAtomicNum() and VALENCE[z] >= _order(atom)]
    if not options:
        return None
    atom.SetAtomicNum(random.choice(sorted(options)))
    _loosen(atom)
    return finished(graph)


def change_bond(parent: Mol, random: Random) -> Mol | None:
    """Another order of one bond."""
    graph = editable(parent)
    if not graph.GetNumBonds():
        return None
    bond = graph.GetBondWithIdx(random.randrange(graph.GetNumBonds()))
    orders = [BondType.SINGLE, BondType.DOUBLE, BondType.DOUBLE, BondType.TRIPLE]
    bond.SetBondType(random.choice([order for order in orders if order != bond.GetBondType()]))
    for atom in (bond.GetBeginAtom(), bond.GetEndAtom()):
        _loosen(atom)
    return finished(graph)


def append_atom(parent: Mol, random: Random) -> Mol | None:
    """A new atom on one that has a hydrogen to give."""
    graph = editable(parent)
    places = [atom.GetIdx() for atom in graph.GetAtoms() if _free(atom)]
    if not places:
        return None
    place = random.choice(places)
    new = graph.AddAtom(Chem.Atom(random.choice(ELEMENTS)))
    double = _free(graph.GetAtomWithIdx(place)) > 1 and VALENCE[graph.GetAtomWithIdx(new).GetAtomicNum()] > 1
    order = BondType.DOUBLE if double and random.random() < 0.3 else BondType.SINGLE
    graph.AddBond(place, new, order)
    _loosen(graph.GetAtomWithIdx(place))
    return finished(graph)


def insert_atom(parent: Mol, random: Random) -> Mol | None:
    """A new atom in the middle of a bond."""
    graph = editable(parent)
    if not graph.GetNumBonds():
        return None
    bond = graph.GetBondWithIdx(random.randrange(graph.GetNumBonds()))
    begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    new = graph.AddAtom(Chem.Atom(random.choice(MULTIVALENT)))
    graph.RemoveBond(begin, end)
    graph.AddBond(begin, new, BondType.SINGLE)
    graph.AddBond(new, end, BondType.SINGLE)
    for index in (begin, end):
        _loosen(graph.GetAtomWithIdx(index))
    return finished(graph)


def delete_atom(parent: Mol, random: Random) -> Mol | None:
    """Take out one atom with at most two neighbours, joining these."""
    graph = editable(parent)
    atoms = [atom for atom in graph.GetAtoms() if atom.GetDegree() in (1, 2)]
    if graph.GetNumAtoms() < 3 or not atoms:
        return None
    atom = random.choice(atoms)
    neighbours = [other.GetIdx() for other in atom.GetNeighbors()]
    for index in neighbours:
        _loosen(graph.GetAtomWithIdx(index))
    if len(neighbours) == 2 and graph.GetBondBetweenAtoms(neighbours[0], neighbours[1]) is None:
        graph.AddBond(neighbours[0], neighbours[1], BondType.SINGLE)
    graph.RemoveAtom(atom.GetIdx())
    return finished(graph)


def close_ring(parent: Mol, random: Random) -> Mol | None:
    """A single bond between two atoms two to five bonds apart."""
    graph = editable(parent)
    free = [atom.GetIdx() for atom in graph.GetAtoms() if _free(atom)]
    if len(free) < 2:
        return None
    begin = random.choice(free)
    distances = Chem.GetDistanceMatrix(graph)[begin]
    ends = [index for index in free if int(distances[index]) in RING_DISTANCES]
    if not ends:
        return None
    end = random.choice(ends)
    graph.AddBond(begin, end, BondType.SINGLE)
    for index in (begin, end):
        _loosen(graph.GetAtomWithIdx(index))
    return finished(graph)


def open_ring(parent: Mol, random: Random) -> Mol | None:
    """Take out one ring bond."""
    graph = editable(parent)
    bonds = [bond for bond in graph.GetBonds() if bond.IsInRing()]
    if not bonds:
        return None
    bond = random.choice(bonds)
    begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    graph.RemoveBond(begin, end)
    for index in (begin, end):
        _loosen(graph.GetAtomWithIdx(index))
    return finished(graph)


def move_branch(parent: Mol, random: Random) -> Mol | None:
    """Cut an acyclic single bond and hang the smaller piece on another atom of the larger."""
    graph = editable(parent)
    bonds = _chain_bonds(graph)
    if not bonds:
        return None
    begin, end = random.choice(bonds)
    graph.RemoveBond(begin, end)
    pieces = Chem.GetMolFrags(graph)
    if len(pieces) != 2:
        return None
    small = min(pieces, key=len)
    hook, stump = (begin, end) if begin in small else (end, begin)
    _loosen(graph.GetAtomWithIdx(stump))
    graph.UpdatePropertyCache(strict=False)
    places = [
        index
        for index in range(graph.GetNumAtoms())
        if index not in small and index != stump and _free(graph.GetAtomWithIdx(index))
    ]
    if not places:
        return None
    place = random.choice(places)
    graph.AddBond(hook, place, BondType.SINGLE)
    _loosen(graph.GetAtomWithIdx(place))
    return finished(graph)


def _chain_bonds(graph: Mol) -> list[tuple[int, int]]:
    return [
        (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
        for bond in graph.GetBonds()
        if not bond.IsInRing() and bond.GetBondType() == BondType.SINGLE
    ]


def join_chains(first: Mol, second: Mol, random: Random) -> Mol | None:
    """Cut an acyclic single bond in each parent and join one piece of each."""
    cuts = []
    for parent in (first, second):
        graph = editable(parent)
        bonds = _chain_bonds(graph)
        if not bonds:
            return None
        cuts.append((graph, [random.choice(bonds)]))
    return _joined(cuts, random)


def join_rings(first: Mol, second: Mol, random: Random) -> Mol | None:
    """Cut two bonds of a ring in each parent and close a new ring from one piece of each."""
    cuts = []
    for parent in (first, second):
        graph = editable(parent)
        rings = graph.GetRingInfo().BondRings()
        if not rings:
            return None
        picked = random.sample(random.choice(rings), 2)
        bonds = [graph.GetBondWithIdx(index) for index in picked]
        cuts.append((graph, [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds]))
    return _joined(cuts, random)


def _joined(cuts: list[tuple[RWMol, list[tuple[int, int]]]], random: Random) -> Mol | None:
    """One piece of each cut graph, joined at the cut ends by single (in rings also double) bonds."""
    pieces = [_piece(graph, bonds, random) for graph, bonds in cuts]
    if pieces[0] is None or pieces[1] is None:
        return None
    (left, left_ends), (right, right_ends) = pieces[0], pieces[1]
    graph = RWMol(Chem.CombineMols(left, right))
    shift = left.GetNumAtoms()
    random.shuffle(right_ends)
    for begin, end in zip(left_ends, right_ends, strict=True):
        order = BondType.DOUBLE if len(left_ends) > 1 and random.random() < 0.4 else BondType.SINGLE
        if graph.GetBondBetweenAtoms(begin, end + shift) is not None:
            return None
        graph.AddBond(begin, end + shift, order)
    return finished(graph)


def _piece(graph: RWMol, bonds: list[tuple[int, int]], random: Random) -> tuple[Mol, list[int]] | None:
    """One of the two pieces that a cut leaves, with the positions of its cut ends; None when it leaves not two."""
    for begin, end in bonds:
        graph.RemoveBond(begin, end)
        for index in (begin, end):
            _loosen(graph.GetAtomWithIdx(index))
    members: list[tuple[int, ...]] = []
    pieces = Chem.GetMolFrags(graph, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=members)
    if len(pieces) != 2:
        return None
    kept = random.randrange(2)
    position = {index: at for at, index in enumerate(members[kept])}
    ends = [position[index] for bond in bonds for index in bond if index in position]
    return (pieces[kept], ends) if len(ends) == len(bonds) else None


MUTATIONS: dict[str, Mutation] = {
    "change-element": change_element,
    "change-bond": change_bond,
    "append-atom": append_atom,
    "insert-atom": insert_atom,
    "delete-atom": delete_atom,
    "close-ring": close_ring,
    "open-ring": open_ring,
    "move-branch": move_branch,
}
CROSSOVERS: dict[str, Crossover] = {"join-chains": join_chains, "join-rings": join_rings}
