"""Hashing, roots and proofs against RFC 6962's own definitions and the test vectors of certificate transparency."""

import hashlib
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import InputError
from salus.trust.merkle import (
    EMPTY_ROOT,
    Frontier,
    Tree,
    consistency_proof,
    inclusion_proof,
    is_subtree,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
    verify_subtree,
)

# The eight leaves and roots of certificate-transparency's merkle tree tests (Apache-2.0), facts only.
INPUTS = [bytes.fromhex(h) for h in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HERE = [leaf_hash(b"%d" % n) for n in range(41)]
SIZES = range(1, len(HERE) + 1)


def split(n):
    return 1 << (n - 1).bit_length() - 1


@lru_cache(None)
def mth(leaves):
    """RFC 6962 section 2.1, word by word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def audit_path(m, leaves):
    """RFC 6962 section 2.1.1, word by word."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*audit_path(m, leaves[:k]), mth(leaves[k:])]
    return [*audit_path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m, leaves, complete):
    """RFC 6962 section 2.1.2, word by word."""
    if m == len(leaves):
        return [] if complete else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], complete), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def subtree_proof(start, end, leaves, complete=True):
    """SUBTREE_SUBPROOF of draft-ietf-plants-merkle-tree-certs section 4.4, word by word."""
    n = len(leaves)
    if start == 0 and end == n:
        return [] if complete else [mth(leaves)]
    k = split(n)
    if end <= k:
        return [*subtree_proof(start, end, leaves[:k], complete), mth(leaves[k:])]
    if k <= start:
        return [*subtree_proof(start - k, end - k, leaves[k:], complete), mth(leaves[:k])]
    return [*subtree_proof(0, end - k, leaves[k:], False), mth(leaves[:k])]


def altered(proof, n):
    return [*proof[:n], bytes([proof[n][0] ^ 1]) + proof[n][1:], *proof[n + 1 :]]


def test_roots_are_those_of_certificate_transparency():
    leaves = [leaf_hash(data) for data in INPUTS]
    for size, expected in enumerate(ROOTS, 1):
        assert root(leaves[:size]).hex() == expected
        assert Tree(leaves).root(size).hex() == expected
    assert root([]) == Tree().root() == EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_every_root_and_proof_is_that_of_the_definition():
    tree = Tree(HERE)
    for size in SIZES:
        leaves = tuple(HERE[:size])
        assert tree.root(size) == mth(leaves)
        for n in range(size):
            assert tree.inclusion(n, size) == audit_path(n, leaves)
            assert verify_inclusion(HERE[n], n, size, audit_path(n, leaves), mth(leaves))
        for first in range(1, size + 1):
            proof = subproof(first, leaves, True)
            assert tree.consistency(first, size) == proof
            assert verify_consistency(first, size, mth(leaves[:first]), mth(leaves), proof)


def test_every_subtree_is_proven_and_no_other():
    tree = Tree(HERE)
    for size in (1, 2, 3, 6, 8, 13, 14, 21, 32, 41):
        leaves, view = tuple(HERE[:size]), tree.view(size)
        for start in range(size):
            for end in range(start + 1, size + 1):
                if not is_subtree(start, end):
                    with pytest.raises(InputError):
                        view.subtree(start, end)
                    assert not verify_subtree(start, end, size, mth(leaves), mth(leaves), [])
                    continue
                part, proof = mth(leaves[start:end]), view.subtree(start, end)
                assert proof == subtree_proof(start, end, leaves)
                assert view.subtree_root(start, end) == part
                assert verify_subtree(start, end, size, part, mth(leaves), proof)
                assert not verify_subtree(start, end, size, leaf_hash(part), mth(leaves), proof)
                assert not verify_subtree(start, end, size, part, leaf_hash(part), proof)
                for n in range(len(proof)):
                    assert not verify_subtree(start, end, size, part, mth(leaves), altered(proof, n))
                for index in (start, end - 1):
                    path = view.subtree_inclusion(index, start, end)
                    assert verify_inclusion(HERE[index], index - start, end - start, path, part)


def test_what_a_subtree_is():
    assert [(s, e) for s in range(9) for e in range(s, 9) if is_subtree(s, e) and s % 4 == 0] == [
        *((0, e) for e in range(1, 9)), (4, 5), (4, 6), (4, 7), (4, 8),
    ]  # fmt: skip
    assert not is_subtree(2, 5)
    assert is_subtree(8, 13)
    assert not is_subtree(-2, 0)


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70), st.data())
@settings(max_examples=50, deadline=None)
def test_every_proof_verifies_and_no_altered_one_does(leaves, data):
    total, size = root(leaves), len(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(leaves, index)
    assert verify_inclusion(leaves[index], index, size, proof, total)
    assert not verify_inclusion(leaf_hash(b"other"), index, size, proof, total)
    assert not verify_inclusion(leaves[index], index, size, [*proof, total], total)
    assert not verify_inclusion(leaves[index], index, size, [total, *proof], total)
    first = data.draw(st.integers(1, size))
    path, old = consistency_proof(leaves, first), root(leaves[:first])
    assert verify_consistency(first, size, old, total, path)
    assert not verify_consistency(first, size, old, total, [*path, total])
    assert verify_consistency(first, size, leaf_hash(b"other"), total, path) is False
    for n in range(len(proof)):
        assert not verify_inclusion(leaves[index], index, size, altered(proof, n), total)
    for n in range(len(path)):
        assert not verify_consistency(first, size, old, total, altered(path, n))


@given(st.lists(st.integers(0, 40), max_size=12))
@settings(max_examples=50, deadline=None)
def test_a_tree_grown_in_steps_is_that_of_all_leaves(steps):
    tree, leaves = Tree(), []
    for step in steps:
        added = [leaf_hash(b"%d" % (len(leaves) + n)) for n in range(step)]
        leaves += added
        if step == 1:
            tree.append(added[0])
        else:
            tree.extend(added)
        assert tree.size == len(leaves)
        assert tree.root() == root(leaves)
    whole = Tree(leaves)
    for size in range(1, len(leaves) + 1, 7):
        assert tree.inclusion(size - 1) == whole.inclusion(size - 1)
        assert tree.root(size) == root(leaves[:size])


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=70))
def test_the_frontier_gives_the_same_root_and_survives_its_bytes(leaves):
    frontier = Frontier()
    for leaf in leaves:
        frontier = frontier.append(leaf)
    assert frontier.root() == root(leaves)
    assert Frontier.from_bytes(frontier.size, frontier.to_bytes()) == frontier


def test_well_formed_input_that_proves_nothing_is_false():
    a, b = leaf_hash(b"a"), leaf_hash(b"b")
    total = node_hash(a, b)
    assert not verify_inclusion(a, 5, 2, [], total)
    assert not verify_inclusion(a, 2, 2, [b], total)
    assert not verify_inclusion(a, 0, 0, [], EMPTY_ROOT)
    assert not verify_inclusion(a, 2, 2, [b, a], node_hash(a, total))  # the way of index 2 in a tree of 4
    assert not verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not verify_consistency(0, 2, EMPTY_ROOT, total, [])
    assert not verify_consistency(2, 1, total, a, [b])
    assert not verify_consistency(2, 2, total, a, [])
    assert not verify_consistency(2, 2, total, total, [a])
    assert verify_consistency(2, 2, total, total, [])
    assert not verify_subtree(0, 3, 2, a, total, [])


BAD_SIZES = [-1, 1 << 63, True, 1.0, "1", None]
BAD_HASHES = [b"", bytes(31), bytes(33), "0" * 32, bytearray(32), None]


@pytest.mark.parametrize("bad", BAD_SIZES)
def test_what_is_no_size_is_named(bad):
    a = leaf_hash(b"a")
    for call, field in (
        (lambda: verify_inclusion(a, bad, 1, [], a), "index"),
        (lambda: verify_inclusion(a, 0, bad, [], a), "size"),
        (lambda: verify_consistency(bad, 1, a, a, []), "first"),
        (lambda: verify_consistency(1, bad, a, a, []), "second"),
        (lambda: verify_subtree(bad, 1, 1, a, a, []), "start"),
        (lambda: verify_subtree(0, bad, 1, a, a, []), "end"),
        (lambda: verify_subtree(0, 1, bad, a, a, []), "size"),
        (lambda: Frontier.from_bytes(bad, a), "size"),
        (lambda: Tree([a]).inclusion(bad), "index"),
        (lambda: Tree([a]).consistency(bad), "first"),
        (lambda: Tree([a]).view().subtree(bad, 1), "start"),
        (lambda: Tree([a]).view().subtree(0, bad), "end"),
        (lambda: Tree([a]).root(bad) if bad is not None else Tree([a]).root(2), "size"),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.where == field


@pytest.mark.parametrize("bad", BAD_HASHES)
def test_what_is_no_hash_is_named(bad):
    a = leaf_hash(b"a")
    for call, field in (
        (lambda: verify_inclusion(bad, 0, 1, [], a), "leaf"),
        (lambda: verify_inclusion(a, 0, 1, [], bad), "expected"),
        (lambda: verify_inclusion(a, 0, 2, [bad], a), "proof"),
        (lambda: verify_consistency(1, 2, bad, a, [a]), "old"),
        (lambda: verify_consistency(1, 2, a, bad, [a]), "new"),
        (lambda: verify_consistency(1, 2, a, a, [bad]), "proof"),
        (lambda: verify_subtree(0, 1, 1, bad, a, []), "subtree"),
        (lambda: verify_subtree(0, 1, 1, a, bad, []), "expected"),
        (lambda: Frontier().append(bad), "leaf"),
        (lambda: Tree([a, bad]), "leaves"),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.where == field


def test_proofs_are_lists_of_at_most_63_hashes():
    a = leaf_hash(b"a")
    for proof in ([a] * 64, a, {a: a}, None):
        with pytest.raises(InputError) as caught:
            verify_inclusion(a, 0, 2, proof, a)
        assert caught.value.where == "proof"
        with pytest.raises(InputError):
            verify_consistency(1, 2, a, a, proof)
    assert not verify_inclusion(a, 0, 2, [a] * 63, a)
    deep, node = [leaf_hash(b"%d" % n) for n in range(62)], a
    for sibling in deep:
        node = node_hash(node, sibling)
    assert verify_inclusion(a, 0, 1 << 62, deep, node)


def test_what_is_not_there_cannot_be_proven():
    tree = Tree(HERE[:5])
    for call in (
        lambda: tree.inclusion(5),
        lambda: tree.inclusion(3, 3),
        lambda: Tree().inclusion(0),
        lambda: tree.consistency(0),
        lambda: tree.consistency(4, 3),
        lambda: tree.root(6),
        lambda: tree.view().subtree(0, 6),
        lambda: tree.view().subtree(3, 3),
        lambda: tree.view().subtree_inclusion(4, 0, 4),
        lambda: inclusion_proof(HERE[:2], 2),
        lambda: consistency_proof(HERE[:2], 3),
        lambda: Frontier.from_bytes(3, b"\0" * 32),
    ):
        with pytest.raises(InputError):
            call()
    before = tree.root()
    with pytest.raises(InputError):
        tree.extend([HERE[5], b"short"])
    assert (tree.size, tree.root()) == (5, before)


def test_a_tree_may_have_as_many_leaves_as_a_proof_can_speak_of_and_no_more():
    node = leaf_hash(b"a")
    most = (1 << 63) - 1
    full = Frontier(most - 1, (node,) * 62).append(node)
    assert (full.size, len(full.roots)) == (most, 63)
    with pytest.raises(InputError):
        full.append(node)
