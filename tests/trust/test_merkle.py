"""Hashing, roots and proofs against RFC 6962's own definitions and the test vectors of certificate transparency."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import InputError
from salus.trust.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
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


def test_roots_are_those_of_certificate_transparency():
    leaves = [leaf_hash(data) for data in INPUTS]
    for size, expected in enumerate(ROOTS, 1):
        assert root(leaves[:size]).hex() == expected
    assert root([]) == hashlib.sha256(b"").digest()


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70), st.data())
def test_every_proof_verifies_and_no_altered_one_does(leaves, data):
    total = root(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = inclusion_proof(leaves, index)
    assert verify_inclusion(leaves[index], index, len(leaves), proof, total)
    assert not verify_inclusion(leaf_hash(b"other"), index, len(leaves), proof, total)
    first = data.draw(st.integers(1, len(leaves)))
    path = consistency_proof(leaves, first)
    assert verify_consistency(first, len(leaves), root(leaves[:first]), total, path)
    if path:
        broken = [bytes([path[0][0] ^ 1]) + path[0][1:], *path[1:]]
        assert not verify_consistency(first, len(leaves), root(leaves[:first]), total, broken)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=70))
def test_the_frontier_gives_the_same_root_and_survives_its_bytes(leaves):
    frontier = Frontier()
    for leaf in leaves:
        frontier = frontier.append(leaf)
    assert frontier.root() == root(leaves)
    assert Frontier.from_bytes(frontier.size, frontier.to_bytes()) == frontier


def test_bad_arguments_are_refused():
    leaves = [leaf_hash(b"a"), leaf_hash(b"b")]
    with pytest.raises(InputError):
        inclusion_proof(leaves, 2)
    with pytest.raises(InputError):
        consistency_proof(leaves, 3)
    with pytest.raises(InputError):
        Frontier.from_bytes(3, b"\0" * 32)
    assert not verify_inclusion(leaves[0], 5, 2, [], node_hash(*leaves))
