// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// Checkpoints of append-only logs, one line of them a log. A log belongs to the account that wrote its first one; sizes
/// only grow, so that a log which was rolled back cannot be anchored again. Roots are salted commitments: no health data.
contract Anchor {
    struct Point { bytes32 root; uint64 size; uint64 time; }

    mapping(bytes32 => address) public owner;
    mapping(bytes32 => Point[]) private points;

    event Anchored(bytes32 indexed log, uint64 size, bytes32 root);

    function anchor(bytes32 log, uint64 size, bytes32 root) external {
        if (owner[log] == address(0)) owner[log] = msg.sender;
        require(owner[log] == msg.sender, "not the owner of this log");
        uint256 n = points[log].length;
        require(n == 0 || points[log][n - 1].size < size, "a log only grows");
        points[log].push(Point(root, size, uint64(block.timestamp)));
        emit Anchored(log, size, root);
    }

    function count(bytes32 log) external view returns (uint256) {
        return points[log].length;
    }

    function point(bytes32 log, uint256 n) external view returns (bytes32 root, uint64 size, uint64 time) {
        Point storage p = points[log][n];
        return (p.root, p.size, p.time);
    }
}
