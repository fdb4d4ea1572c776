// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// Whether a consent still stands, for who holds its salted hash: granted, revoked, or never heard of. Every account has
/// a list of its own, in which it alone writes: nobody can take a hash before its house does, or end another's consent.
/// A revoked hash never comes back, also where it was revoked before it was granted. A hash tells nothing without the
/// salt; no name, pointer, purpose or category is written, and no health data.
contract ConsentRegistry {
    enum Status { Unknown, Granted, Revoked }
    struct Entry { uint64 granted; uint64 revoked; }

    mapping(address => mapping(bytes32 => Entry)) private entries;

    event Granted(address indexed house, bytes32 indexed consent);
    event Revoked(address indexed house, bytes32 indexed consent);

    function grant(bytes32 consent) external {
        Entry storage e = entries[msg.sender][consent];
        require(e.revoked == 0, "a revoked consent never comes back");
        require(e.granted == 0, "granted already");
        e.granted = uint64(block.timestamp);
        emit Granted(msg.sender, consent);
    }

    function revoke(bytes32 consent) external {
        Entry storage e = entries[msg.sender][consent];
        require(e.revoked == 0, "revoked already");
        e.revoked = uint64(block.timestamp);
        emit Revoked(msg.sender, consent);
    }

    function status(address house, bytes32 consent) external view returns (Status state, uint64 granted, uint64 revoked) {
        Entry storage e = entries[house][consent];
        state = e.revoked != 0 ? Status.Revoked : e.granted != 0 ? Status.Granted : Status.Unknown;
        return (state, e.granted, e.revoked);
    }
}
