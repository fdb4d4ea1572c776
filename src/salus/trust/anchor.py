"""Checkpoints of the log on a blockchain: one more witness, for houses whose partners want one.

What is written there is a salted root and a size, once a checkpoint; nothing about any patient, and the log needs no
chain to be checked. The contract (``contracts/anchor.sol``) keeps one line of points a log, written by one account,
each larger than the last. Needs the extra ``chain`` (web3).
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from salus.errors import ConfigurationError, InputError, IntegrityError, StoreError
from salus.fhir import json
from salus.trust.checkpoint import Checkpoint

if TYPE_CHECKING:
    from web3 import Web3

RECEIPT_SECONDS = 120
GAS = {"deploy": 1_000_000, "anchor": 200_000}
"""Limits, given so that no node tries the call beforehand: whether it was carried out is read from the receipt."""
INSTALL = 'pip install "salus[chain]"'


@dataclass(frozen=True, slots=True)
class Point:
    """A checkpoint as it stands on the chain; ``time`` is the block's, in seconds since 1970."""

    size: int
    root: bytes
    time: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a checkpoint was written."""

    transaction: str
    block: int
    gas: int


def connect(url: str) -> Web3:
    """A connection to a node. Raises ConfigurationError where web3 is missing or nobody answers."""
    try:
        from web3 import HTTPProvider, Web3
    except ImportError as error:
        raise ConfigurationError("anchoring needs the library web3", remedy=INSTALL) from error
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError("a node's address begins with http:// or https://")
    chain = Web3(HTTPProvider(url, request_kwargs={"timeout": 30}))
    try:
        connected = chain.is_connected()
    except (ValueError, OSError) as error:
        raise ConfigurationError("not the address of a node", where=_host(url)) from error
    if not connected:
        raise ConfigurationError(
            "no node of a chain answers", where=_host(url), remedy="start it, or name another --chain"
        )
    return chain


def _host(url: str) -> str:
    """The host alone: the rest of a node's address may hold a password or an access key."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2]


def log_name(key: Ed25519PublicKey) -> bytes:
    """The 32 bytes under which a house's log stands on the chain: SHA-256 of its public key."""
    return hashlib.sha256(key.public_bytes_raw()).digest()


def deploy(chain: Web3, account: str | None = None, secret: bytes | None = None) -> str:
    """Put the contract on the chain and return its address. Raises StoreError when the chain refuses it."""
    artefact = _artefact()
    contract = chain.eth.contract(abi=artefact["abi"], bytecode=artefact["bytecode"])
    receipt = _send(chain, contract.constructor(), GAS["deploy"], account, secret)
    return str(receipt["contractAddress"])


class Anchor:
    """One house's line of points in a contract that stands at ``address``."""

    def __init__(self, chain: Web3, address: str, key: Ed25519PublicKey) -> None:
        from web3 import Web3 as Library

        if not Library.is_address(address):
            raise InputError("not the address of a contract", where=address)
        place = Library.to_checksum_address(address)
        if not _asked(lambda: chain.eth.get_code(place)):
            raise InputError("there is no contract at this address", where=address, remedy="salus anchor deploy")
        self._chain = chain
        self._contract = chain.eth.contract(address=place, abi=_artefact()["abi"])
        self._key = key
        self._name = log_name(key)

    def write(self, checkpoint: Checkpoint, *, account: str | None = None, secret: bytes | None = None) -> Receipt:
        """Anchor a checkpoint that this house signed, and see that the chain took it.

        ``account`` is one that the node keeps, ``secret`` the private key of another. Raises InputError for a
        checkpoint of another house, StoreError when the transaction failed: a chain says so in the receipt alone.
        """
        if not checkpoint.verify(self._key):
            raise InputError("the checkpoint is not signed by this house")
        if any(p.size >= checkpoint.size for p in self.points()):
            raise InputError("this checkpoint, or a newer one, is anchored already")
        call = self._contract.functions.anchor(self._name, checkpoint.size, checkpoint.root)
        receipt = _send(self._chain, call, GAS["anchor"], account, secret)
        if checkpoint.size not in {p.size for p in self.points()}:
            raise StoreError("the chain does not show what was written", remedy="look at the node")
        return Receipt(receipt["transactionHash"].hex(), int(receipt["blockNumber"]), int(receipt["gasUsed"]))

    def points(self) -> Iterator[Point]:
        """Every point of this house's log on the chain, oldest first.

        Raises StoreError where the node does not answer, or answers what the contract cannot say.
        """
        before = 0
        for n in range(_asked(lambda: int(self._contract.functions.count(self._name).call()))):
            root, size, time = _asked(self._contract.functions.point(self._name, n).call)
            if size <= before or len(root) != 32:
                raise StoreError("the points on the chain are not those of this contract", where=f"point {n}")
            before = size
            yield Point(int(size), bytes(root), int(time))

    def check(self, connection: sqlite3.Connection) -> tuple[Point, ...]:
        """Hold the store's log to every anchored point. Returns them.

        Raises IntegrityError for a root that differs, and where the log is shorter than what was anchored.
        """
        points = []
        for point in self.points():
            row = connection.execute("SELECT root FROM log_checkpoint WHERE size = ?", (point.size,)).fetchone()
            if row is None:
                raise IntegrityError(
                    "the log is shorter than what was anchored: the store was rolled back", where=f"size {point.size}"
                )
            if row[0] != point.root:
                raise IntegrityError("the log is not the one that was anchored", where=f"size {point.size}")
            points.append(point)
        return tuple(points)


T = TypeVar("T")


def _asked(call: Callable[[], T]) -> T:
    """What a node answers. Raises StoreError where it does not, or talks nonsense."""
    from web3.exceptions import Web3Exception

    try:
        return call()
    except (Web3Exception, ValueError, TypeError, OverflowError, KeyError, OSError) as error:
        raise StoreError(
            f"the node gave no usable answer: {type(error).__name__}", remedy="try another node"
        ) from error


def _send(chain: Web3, call: Any, gas: int, account: str | None, secret: bytes | None) -> Mapping[str, Any]:
    """Send a transaction and return its receipt, which says that it was carried out. Raises StoreError."""
    from web3.exceptions import TimeExhausted, Web3Exception

    try:
        if secret is not None:
            signer = chain.eth.account.from_key(secret)
            nonce = chain.eth.get_transaction_count(signer.address)
            built = call.build_transaction({"from": signer.address, "nonce": nonce, "gas": gas})
            sent = chain.eth.send_raw_transaction(signer.sign_transaction(built).raw_transaction)
        else:
            sent = call.transact({"from": account or chain.eth.accounts[0], "gas": gas})
        receipt = chain.eth.wait_for_transaction_receipt(sent, timeout=RECEIPT_SECONDS)
    except TimeExhausted as error:
        raise StoreError("the chain did not take the transaction in time", remedy="look for it later") from error
    except IndexError as error:
        raise ConfigurationError("the node keeps no account", remedy="--key-file with a private key") from error
    except (Web3Exception, ValueError, OSError) as error:
        raise StoreError(f"the chain refused the transaction: {str(error)[:200]}") from error
    if receipt["status"] != 1:
        raise StoreError(
            "the chain took the transaction and reverted it",
            remedy="a log is written by the account that wrote its first point, and only grows",
        )
    return dict(receipt)


@cache
def _artefact() -> Mapping[str, Any]:
    artefact: dict[str, Any] = json.loads(files("salus.trust").joinpath("contracts", "anchor.json").read_bytes())
    return artefact
