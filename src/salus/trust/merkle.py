"""Merkle trees as RFC 6962 defines them: leaf and node hashing, roots, inclusion, consistency and subtree proofs.

A subtree ``[start, end)`` is what C2SP tlog-cosignature calls one: ``start`` is a multiple of the smallest power of
two that holds ``end - start`` leaves. An inclusion proof is the proof of a subtree of one leaf, a consistency proof
that of a subtree which begins at 0, so that one path and one check serve all three.

Verifying functions return False for well-formed input that proves nothing, and raise InputError for malformed input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from salus.errors import InputError

HASH = 32
SIZE_LIMIT = 1 << 63
"""Sizes and indices are below it (C2SP: they fit a signed 64-bit number)."""
PROOF_LIMIT = 63
"""Hashes that a proof may hold: C2SP tlog-witness allows no more."""
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962 section 2.1: SHA-256(0x00 || data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 section 2.1: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def check_size(value: int, field: str) -> None:
    """Refuse what is no size or index: raises InputError unless ``value`` is an int in [0, 2**63)."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < SIZE_LIMIT:
        raise InputError("not a whole number from 0 to 2^63 - 1", where=field)


def check_hash(value: bytes, field: str) -> None:
    """Refuse what is no hash: raises InputError unless ``value`` is 32 bytes."""
    if not isinstance(value, bytes) or len(value) != HASH:
        raise InputError("not a hash of 32 bytes", where=field)


def check_proof(proof: Sequence[bytes]) -> None:
    """Refuse what is no proof: raises InputError unless it is a list or tuple of at most 63 hashes."""
    if not isinstance(proof, list | tuple):
        raise InputError("not a list of hashes", where="proof")
    if len(proof) > PROOF_LIMIT:
        raise InputError("more than 63 hashes", where="proof")
    if not {*map(type, proof)} <= {bytes} or not {*map(len, proof)} <= {HASH}:
        raise InputError("not hashes of 32 bytes each", where="proof")


def is_subtree(start: int, end: int) -> bool:
    """True when ``[start, end)`` is a non-empty subtree: ``start`` is a multiple of its size's next power of two."""
    return 0 <= start < end and start & ((1 << (end - start - 1).bit_length()) - 1) == 0


@dataclass(frozen=True, slots=True)
class Frontier:
    """The roots of the perfect subtrees that make up a tree of ``size`` leaves, largest first.

    It is all one needs to append: O(log size) to keep, and the root follows from it.
    """

    size: int = 0
    roots: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> Frontier:
        """The frontier after one more leaf (given as its hash). Raises InputError for what is no hash."""
        check_hash(leaf, "leaf")
        check_size(self.size + 1, "size")
        roots = list(self.roots)
        node, size = leaf, self.size
        while size & 1:
            node = node_hash(roots.pop(), node)
            size >>= 1
        return Frontier(self.size + 1, (*roots, node))

    def root(self) -> bytes:
        """The tree's root; of the empty tree, SHA-256 of nothing."""
        if not self.roots:
            return EMPTY_ROOT
        node = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            node = node_hash(left, node)
        return node

    def to_bytes(self) -> bytes:
        """The roots joined (32 bytes each)."""
        return b"".join(self.roots)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Frontier:
        """Inverse of :meth:`to_bytes`. Raises InputError when the length does not fit ``size``."""
        check_size(size, "size")
        if len(data) != HASH * size.bit_count():
            raise InputError("a frontier of the wrong length")
        return cls(size, tuple(data[i : i + HASH] for i in range(0, len(data), HASH)))


class Nodes(Protocol):
    """Where the roots of perfect subtrees are kept: in memory, in tiles, in a database."""

    def node(self, level: int, index: int) -> bytes:
        """The root over the leaves ``[index << level, (index + 1) << level)``, all of which are in the tree."""
        ...


class View:
    """The tree of the first ``size`` leaves over stored nodes: its root and its proofs, O(log size) nodes each."""

    def __init__(self, nodes: Nodes, size: int) -> None:
        check_size(size, "size")
        self.size = size
        self._node = nodes.node
        self._edges: list[bytes] = []

    def root(self) -> bytes:
        """The root of the tree; of the empty tree, SHA-256 of nothing."""
        return self._edge((self.size - 1).bit_length()) if self.size else EMPTY_ROOT

    def inclusion(self, index: int) -> list[bytes]:
        """RFC 6962 section 2.1.1: the audit path of leaf ``index``. Raises InputError where there is no such leaf."""
        check_size(index, "index")
        if index >= self.size:
            raise InputError("no such leaf in the log", where="index")
        return self._path(index, 0)

    def consistency(self, first: int) -> list[bytes]:
        """RFC 6962 section 2.1.2: that the tree of the first ``first`` leaves is a prefix of this one.

        Raises InputError for ``first`` 0 (whose proof would say nothing) and for more leaves than there are.
        """
        check_size(first, "first")
        if not 0 < first <= self.size:
            raise InputError("no such earlier tree", where="first")
        return self.subtree(0, first)

    def subtree(self, start: int, end: int) -> list[bytes]:
        """That the tree holds the subtree ``[start, end)``. Raises InputError for what is no subtree of this tree."""
        self._check_subtree(start, end)
        size = end - start
        height = (size - 1).bit_length()
        if size == 1 << height or end == self.size:
            return self._path(start, height)
        low = (end & -end).bit_length() - 1
        return [self._node(low, (end >> low) - 1), *self._path(end - 1, low)]

    def subtree_root(self, start: int, end: int) -> bytes:
        """The root over the leaves ``[start, end)``, a subtree of this tree. Raises InputError."""
        self._check_subtree(start, end)
        return View(_Shifted(self._node, start), end - start).root()

    def subtree_inclusion(self, index: int, start: int, end: int) -> list[bytes]:
        """The audit path of leaf ``index`` in the subtree ``[start, end)``.

        It is checked as leaf ``index - start`` of a tree of ``end - start`` leaves. Raises InputError.
        """
        self._check_subtree(start, end)
        if not start <= index < end:
            raise InputError("no such leaf in the subtree", where="index")
        return View(_Shifted(self._node, start), end - start).inclusion(index - start)

    def _check_subtree(self, start: int, end: int) -> None:
        check_size(start, "start")
        check_size(end, "end")
        if end > self.size or not is_subtree(start, end):
            raise InputError("not a subtree of this tree", where="start, end")

    def _path(self, index: int, level: int) -> list[bytes]:
        """The siblings on the way up from the node at ``level`` that holds leaf ``index``."""
        node = self._node
        fork = (index ^ (self.size - 1)).bit_length() - 1
        path = [node(height, index >> height ^ 1) for height in range(level, fork)]
        if fork >= level:  # here the way leaves the right edge: the sibling reaches to the end of the tree
            path.append(self._edge(fork))
        level = max(level, fork + 1)
        while index >> level:
            if index >> level & 1:
                path.append(node(level, (index >> level) - 1))
            level += 1
        return path

    def _edge(self, level: int) -> bytes:
        """The root of the rightmost subtree of height ``level``, which may lack leaves on its right."""
        edges, last = self._edges, self.size - 1
        if not edges:
            edges.append(self._node(0, last))
        while len(edges) <= level:
            height = len(edges) - 1
            left = last >> height
            edges.append(node_hash(self._node(height, left - 1), edges[-1]) if left & 1 else edges[-1])
        return edges[level]


class _Shifted:
    """Stored nodes counted from leaf ``start`` on, which begins a subtree."""

    def __init__(self, node: Callable[[int, int], bytes], start: int) -> None:
        self._node, self._start = node, start

    def node(self, level: int, index: int) -> bytes:
        return self._node(level, (self._start >> level) + index)


class Tree:
    """A tree in memory: every perfect subtree's root, a byte array a level (64 bytes a leaf in all).

    Appending hashes once a leaf on average; a root or a proof of this or any earlier size reads O(log size) nodes.
    """

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[bytearray] = [bytearray()]
        self._view = View(self, 0)
        self.extend(leaves)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return len(self._levels[0]) // HASH

    def append(self, leaf: bytes) -> None:
        """Add a leaf, given as its hash. Raises InputError for what is no hash."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves, given as their hashes. Raises InputError for what is no hash, and then adds none."""
        added = list(leaves)
        if not {*map(type, added)} <= {bytes} or not {*map(len, added)} <= {HASH}:
            raise InputError("not hashes of 32 bytes each", where="leaves")
        self._levels[0] += b"".join(added)
        level = 0
        while (pairs := len(self._levels[level]) // (2 * HASH)) > 0:
            if level + 1 == len(self._levels):
                self._levels.append(bytearray())
            below, above = self._levels[level], self._levels[level + 1]
            start = len(above) * 2
            above += b"".join(
                [sha256(b"\x01" + below[at : at + 64]).digest() for at in range(start, pairs * 2 * HASH, 2 * HASH)]
            )
            level += 1

    def node(self, level: int, index: int) -> bytes:
        """The root of a perfect subtree. Implements :class:`Nodes`."""
        return bytes(self._levels[level][index * HASH : index * HASH + HASH])

    def view(self, size: int | None = None) -> View:
        """The tree of the first ``size`` leaves (all of them). Raises InputError for more than there are."""
        wanted = self.size if size is None else size
        if wanted != self._view.size or isinstance(wanted, bool):
            check_size(wanted, "size")
            if wanted > self.size:
                raise InputError("the log has fewer leaves", where="size")
            self._view = View(self, wanted)
        return self._view

    def root(self, size: int | None = None) -> bytes:
        """The root of the first ``size`` leaves. Raises InputError for more than there are."""
        return self.view(size).root()

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The audit path of leaf ``index`` in the tree of ``size`` leaves. Raises InputError."""
        return self.view(size).inclusion(index)

    def consistency(self, first: int, second: int | None = None) -> list[bytes]:
        """That the tree of ``first`` leaves is a prefix of that of ``second`` leaves. Raises InputError."""
        return self.view(second).consistency(first)


def root(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier = frontier.append(leaf)
    return frontier.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """RFC 6962 section 2.1.1: the audit path of leaf ``index``. Hashes every leaf: :class:`Tree` keeps them hashed."""
    return Tree(leaves).inclusion(index)


def consistency_proof(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """RFC 6962 section 2.1.2: that the tree of the first ``first`` leaves is a prefix of this one. Hashes them all."""
    return Tree(leaves).consistency(first)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """True when ``proof`` shows leaf hash ``leaf`` at ``index`` in the tree of ``size`` with root ``expected``.

    False where ``index`` is not below ``size``: nothing stands in an empty tree. Raises InputError for an index or a
    size that is no number in [0, 2**63), a hash that has not 32 bytes, a proof of more than 63 hashes.
    """
    check_size(index, "index")
    check_size(size, "size")
    check_hash(leaf, "leaf")
    check_hash(expected, "expected")
    check_proof(proof)
    return index < size and _proves(index, index + 1, size, leaf, expected, proof)


def verify_consistency(first: int, second: int, old: bytes, new: bytes, proof: Sequence[bytes]) -> bool:
    """RFC 9162 section 2.1.4.2: True when ``proof`` shows root ``old`` (``first`` leaves) a prefix of ``new``.

    False from size 0, of which nothing can be shown, and from a larger to a smaller tree. Two views of one size
    prove each other by being the same bytes, with an empty proof: nothing is hashed. Raises InputError for what is
    malformed, as :func:`verify_inclusion` does.
    """
    check_size(first, "first")
    check_size(second, "second")
    check_proof(proof)
    if 0 < first == second and old == new and isinstance(old, bytes) and isinstance(new, bytes) and not proof:
        return True
    check_hash(old, "old")
    check_hash(new, "new")
    return 0 < first < second and _proves(0, first, second, old, new, proof)


def verify_subtree(start: int, end: int, size: int, subtree: bytes, expected: bytes, proof: Sequence[bytes]) -> bool:
    """True when ``proof`` shows root ``subtree`` over the leaves ``[start, end)`` of the tree with root ``expected``.

    False for a range that is no subtree of the tree of ``size`` leaves. Raises InputError for what is malformed.
    """
    check_size(start, "start")
    check_size(end, "end")
    check_size(size, "size")
    check_hash(subtree, "subtree")
    check_hash(expected, "expected")
    check_proof(proof)
    return end <= size and is_subtree(start, end) and _proves(start, end, size, subtree, expected, proof)


def _proves(start: int, end: int, size: int, subtree: bytes, expected: bytes, proof: Sequence[bytes]) -> bool:
    """Walk up from the subtree's last perfect node, folding what belongs to the subtree, and all, beside each other."""
    height = (end - start - 1).bit_length()
    known = end - start == 1 << height or end == size
    level = height if known else (end & -end).bit_length() - 1
    index = start if known else end - 1
    fork = max((index ^ (size - 1)).bit_length(), level)
    border = [at for at in range(fork, index.bit_length()) if index >> at & 1]
    if len(proof) != (not known) + fork - level + len(border):
        return False
    folded = level if known else height  # siblings below this height, on the left, are leaves of the subtree
    node = part = subtree if known else proof[0]
    for at, sibling in zip((*range(level, fork), *border), proof if known else proof[1:], strict=True):
        if index >> at & 1:
            node = sha256(b"\x01" + sibling + node).digest()
            if at < folded:
                part = sha256(b"\x01" + sibling + part).digest()
        else:
            node = sha256(b"\x01" + node + sibling).digest()
    return node == expected and part == subtree
