"""Checkpoints of the log, and salted hashes of consents, on a blockchain: for houses whose partners want them there.

For each checkpoint, the root (over salted leaves) and the size of the log are written. The chain is one more witness;
the log can be checked without it. The contract (``contracts/anchor.sol``) keeps one list of points for each log: one
account writes it, and each point is larger than the last. For a consent, where somebody asks for it, 32 bytes are
written that say nothing without a salt that only the patient's key gives (``contracts/consent.sol``). No health data go
there. Needs the extra ``chain`` (web3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from salus.errors import ConfigurationError, InputError, IntegrityError, StoreError
from salus.fhir import json
from salus.fhir.views import Body
from salus.record.database import Database
from salus.trust.checkpoint import Checkpoint
from salus.trust.consent_drafts import digest
from salus.trust.vault import Vault

if TYPE_CHECKING:
    from web3 import Web3

NOT_OURS = "the points on the chain are not those of this contract"
RECEIPT_SECONDS = 120
GAS = {"deploy": 1_000_000, "anchor": 200_000, "consent": 100_000}
"""Gas limits. With them no node tries the call beforehand; the receipt says whether the call was carried out."""
INSTALL = 'pip install "salus[chain]"'
HASH = 32
Contract = Literal["anchor", "consent"]
State = Literal["unknown", "granted", "revoked"]
STATES: tuple[State, ...] = ("unknown", "granted", "revoked")
"""In the order of the contract's ``Status``."""


@dataclass(frozen=True, slots=True)
class Point:
    """A checkpoint as it stands on the chain; ``time`` is the block's, in seconds since 1970."""

    size: int
    root: bytes
    time: int


@dataclass(frozen=True, slots=True)
class Salted:
    """A consent's digest with its salt. With both, the hash on the chain can be looked up; without them nobody can tell
    which consent a hash is of."""

    digest: bytes
    salt: bytes

    @property
    def hash(self) -> bytes:
        """The 32 bytes on the chain: SHA-256 of salt and digest."""
        return hashlib.sha256(self.salt + self.digest).digest()


@dataclass(frozen=True, slots=True)
class Registered:
    """How a consent stands on a chain; times are the blocks', in seconds since 1970, 0 for none."""

    state: State
    granted: int
    revoked: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where something was written."""

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


def deploy(
    chain: Web3, account: str | None = None, secret: bytes | None = None, *, contract_name: Contract = "anchor"
) -> str:
    """Put a contract on the chain and return its address. Raises StoreError when the chain refuses it."""
    artefact = _artefact(contract_name)
    contract = chain.eth.contract(abi=artefact["abi"], bytecode=artefact["bytecode"])
    receipt = _send(chain, contract.constructor(), GAS["deploy"], account, secret)
    return str(receipt["contractAddress"])


class Anchor:
    """One house's line of points in a contract that stands at ``address``."""

    def __init__(self, chain: Web3, address: str, key: Ed25519PublicKey) -> None:
        self._chain = chain
        self._contract = _at(chain, address, "anchor")
        self._key = key
        self._name = log_name(key)

    def write(self, checkpoint: Checkpoint, *, account: str | None = None, secret: bytes | None = None) -> Receipt:
        """Anchor a checkpoint that this house signed, and see that the chain took it.

        ``account`` is an account that the node keeps; ``secret`` is the private key of any other account. Raises
        InputError for a checkpoint of another house or one that is not newer than the newest on the chain, StoreError
        when the transaction failed: a chain says so in the receipt only.
        """
        if not checkpoint.verify(self._key):
            raise InputError("the checkpoint is not signed by this house")
        before = self.newest()
        if before is not None and before.size >= checkpoint.size:
            raise InputError("this checkpoint, or a newer one, is anchored already")
        call = self._contract.functions.anchor(self._name, checkpoint.size, checkpoint.root)
        receipt = _send(self._chain, call, GAS["anchor"], account, secret)
        after = self.newest()
        if after is None or (after.size, after.root) != (checkpoint.size, checkpoint.root):
            raise StoreError("the chain does not show what was written", remedy="look at the node")
        return _receipt(receipt)

    def newest(self) -> Point | None:
        """The newest point of this house's log on the chain. Raises StoreError as :meth:`points` does."""
        count = self._count()
        point = self._point(count - 1) if count else None
        if point is not None and point.size < count - 1:  # sizes grow from 0
            raise StoreError(NOT_OURS, where=f"point {count - 1}")
        return point

    def points(self) -> Iterator[Point]:
        """Every point of this house's log on the chain, oldest first.

        Raises StoreError where the node does not answer, or gives an answer that the contract cannot give.
        """
        before = -1
        for n in range(self._count()):
            point = self._point(n)
            if point.size <= before:
                raise StoreError(NOT_OURS, where=f"point {n}")
            before = point.size
            yield point

    def _count(self) -> int:
        return _asked(lambda: int(self._contract.functions.count(self._name).call()))

    def _point(self, n: int) -> Point:
        root, size, time = _three(self._contract.functions.point(self._name, n))
        if not isinstance(root, bytes) or len(root) != HASH or not isinstance(size, int) or not isinstance(time, int):
            raise StoreError(NOT_OURS, where=f"point {n}")
        return Point(size, root, time)

    def check(self, connection: Database) -> tuple[Point, ...]:
        """Compare the store's log with every anchored point. Returns the points.

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


class ConsentRegistry:
    """Salted hashes of consents in a contract that stands at ``address``: every account has a list of its own."""

    def __init__(self, chain: Web3, address: str) -> None:
        self._chain = chain
        self._contract = _at(chain, address, "consent")

    def grant(self, consent: bytes, *, account: str | None = None, secret: bytes | None = None) -> Receipt:
        """Write that a consent was given. Raises InputError where it is written already, or was revoked."""
        standing = self.status(account_of(self._chain, account, secret), consent)
        if standing.state == "revoked":
            raise InputError("this consent is revoked on the chain: it never comes back", remedy="give a new one")
        if standing.state == "granted":
            raise InputError("this consent is written as granted already")
        return self._write("grant", consent, account, secret)

    def revoke(self, consent: bytes, *, account: str | None = None, secret: bytes | None = None) -> Receipt:
        """Write that a consent ended, for good, even where its grant is not on the chain yet. Raises InputError where
        the chain says so already."""
        if self.status(account_of(self._chain, account, secret), consent).state == "revoked":
            raise InputError("this consent is written as revoked already")
        return self._write("revoke", consent, account, secret)

    def status(self, house: str, consent: bytes) -> Registered:
        """How a consent stands in the list of the account ``house``. Raises InputError, StoreError."""
        _check_hash(consent)
        place = _address(house, "not the address of an account")
        state, granted, revoked = _three(self._contract.functions.status(place, consent))
        numbers = all(isinstance(part, int) for part in (state, granted, revoked))
        if not numbers or not 0 <= state < len(STATES) or bool(revoked) != (STATES[state] == "revoked"):
            raise StoreError("what the chain says of a consent is not what this contract says")
        return Registered(STATES[state], granted, revoked)

    def _write(self, name: str, consent: bytes, account: str | None, secret: bytes | None) -> Receipt:
        call = getattr(self._contract.functions, name)(consent)
        receipt = _receipt(_send(self._chain, call, GAS["consent"], account, secret))
        wanted = "granted" if name == "grant" else "revoked"
        if self.status(account_of(self._chain, account, secret), consent).state != wanted:
            raise StoreError("the chain does not show what was written", remedy="look at the node")
        return receipt


def salted(vault: Vault, patient: str, consent: Body) -> Salted:
    """A consent's digest, with a salt that is derived from the patient's key. The salt is stored nowhere and goes with
    the key.

    Raises IntegrityError where the patient's key is gone: nobody can then tell whose consent a hash on a chain is of.
    """
    told = bytes.fromhex(digest(consent))
    return Salted(told, vault.mac(patient, b"salus consent registry\0" + told))


def expected(vault: Vault, patient: str, versions: Sequence[Body]) -> list[tuple[Salted, bool]]:
    """What a chain says about one consent when it follows the record: each version that was active, and whether it is
    in force.

    ``versions`` are all versions of the consent, oldest first. Only the newest can be in force.
    """
    return [
        (salted(vault, patient, body), n == len(versions) - 1)
        for n, body in enumerate(versions)
        if body.get("status") == "active"
    ]


def account_of(chain: Web3, account: str | None = None, secret: bytes | None = None) -> str:
    """The account that signs: that of ``secret``, else ``account``, else the node's first. Raises ConfigurationError
    where there is none."""
    if secret is not None:
        return str(chain.eth.account.from_key(secret).address)
    if account is not None:
        return account
    kept = _asked(lambda: chain.eth.accounts)
    if not kept:
        raise ConfigurationError("the node keeps no account", remedy="--key-file with a private key")
    return str(kept[0])


def _check_hash(consent: bytes) -> None:
    if len(consent) != HASH:
        raise InputError(f"the salted hash of a consent has {HASH} bytes")


def _address(text: str, what: str) -> Any:
    from web3 import Web3 as Library

    if not Library.is_address(text):
        raise InputError(what, where=text)
    return Library.to_checksum_address(text)


def _at(chain: Web3, address: str, name: Contract) -> Any:
    """One of salus's contracts where it stands. Raises InputError where nothing stands."""
    place = _address(address, "not the address of a contract")
    if not _asked(lambda: chain.eth.get_code(place)):
        command = "salus anchor deploy" if name == "anchor" else "salus anchor consent deploy"
        raise InputError("there is no contract at this address", where=address, remedy=command)
    return chain.eth.contract(address=place, abi=_artefact(name)["abi"])


T = TypeVar("T")


def _asked(call: Callable[[], T]) -> T:
    """The answer of a node. Raises StoreError where the node gives none, or one that cannot be used."""
    from web3.exceptions import Web3Exception

    try:
        return call()
    except (Web3Exception, ValueError, TypeError, OverflowError, KeyError, OSError) as error:
        raise StoreError(
            f"the node gave no usable answer: {type(error).__name__}", remedy="try another node"
        ) from error


def _three(call: Any) -> tuple[Any, Any, Any]:
    """The three values that a view returns. Raises StoreError for another number of them."""

    def answer() -> tuple[Any, Any, Any]:
        first, second, third = call.call()
        return first, second, third

    return _asked(answer)


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
            sent = call.transact({"from": account_of(chain, account), "gas": gas})
        receipt = chain.eth.wait_for_transaction_receipt(sent, timeout=RECEIPT_SECONDS)
    except TimeExhausted as error:
        raise StoreError("the chain did not take the transaction in time", remedy="look for it later") from error
    except (Web3Exception, ValueError, OSError) as error:
        raise StoreError(f"the chain refused the transaction: {str(error)[:200]}") from error
    if receipt["status"] != 1:
        raise StoreError(
            "the chain took the transaction and reverted it",
            remedy="a log has one account that writes it, and only grows; what was revoked stays revoked",
        )
    return dict(receipt)


def _receipt(receipt: Mapping[str, Any]) -> Receipt:
    return Receipt(receipt["transactionHash"].hex(), int(receipt["blockNumber"]), int(receipt["gasUsed"]))


@cache
def _artefact(name: Contract) -> Mapping[str, Any]:
    artefact: dict[str, Any] = json.loads(files("salus.trust").joinpath("contracts", f"{name}.json").read_bytes())
    return artefact
