"""What a house writes to a blockchain, and holds itself to: checkpoints of its log, and salted hashes of consents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from salus.app.house import House
from salus.app.session import Session
from salus.errors import InputError, IntegrityError
from salus.record.database import Database
from salus.trust import anchor
from salus.trust.anchor import Anchor, ConsentRegistry, Point, Receipt, Salted

if TYPE_CHECKING:
    from web3 import Web3


@dataclass(frozen=True, slots=True)
class Anchored:
    """The size of the log as it was anchored, and where that is written."""

    size: int
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Told:
    """What the chain says now of one version of a consent: ``state`` "granted" or "revoked", by ``account``.

    ``digest`` and ``salt`` are for the patient, and for whom the patient gives them.
    """

    state: str
    account: str
    digest: bytes
    salt: bytes


def connect(url: str) -> Web3:
    """A connection to the node at ``url``. Raises ConfigurationError where web3 is missing or nobody answers."""
    return anchor.connect(url)


def deploy(chain: Web3, *, secret: bytes | None = None) -> str:
    """Put the contract for checkpoints on the chain. Returns its address. ``secret`` signs, else the node."""
    return anchor.deploy(chain, secret=secret)


def deploy_registry(chain: Web3, *, secret: bytes | None = None) -> str:
    """Put the contract for consents on the chain. Returns its address."""
    return anchor.deploy(chain, secret=secret, contract_name="consent")


# ---- checkpoints


def write(house: House, chain: Web3, contract: str, *, secret: bytes | None = None) -> Anchored:
    """Write the newest checkpoint of the log to the chain. Raises InputError where the log is empty."""
    newest = house.log.newest(house.store.connection)
    if newest is None:
        raise InputError("the log is empty")
    return Anchored(newest.size, _line(house, chain, contract).write(newest, secret=secret))


def check(house: House, chain: Web3, contract: str, *, store: Database | None = None) -> Sequence[Point]:
    """Hold the log (of ``store``, where another than the house's is named) to every checkpoint on the chain.

    Raises IntegrityError where it is not what was anchored, InputError where nothing is.
    """
    points = _line(house, chain, contract).check(store or house.store.connection)
    if not points:
        raise InputError("nothing of this log is anchored there", remedy="is it the right chain and contract?")
    return points


def _line(house: House, chain: Web3, contract: str) -> Anchor:
    return Anchor(chain, contract, house.vault.house.public_key())


# ---- consents


def write_consent(
    session: Session, patient: str, name: str, chain: Web3, contract: str, *, secret: bytes | None = None
) -> Iterator[Told]:
    """Write to the chain that a consent was given, or that it ended; what stands there already is not written again.

    One answer for each of its versions that was active. The patient's log tells of each that is written. Raises
    AccessError but for the patient's side and operators, InputError where there is no such consent.
    """
    place, account = ConsentRegistry(chain, contract), anchor.account_of(chain, secret=secret)
    for each, stands in _expected(session, patient, name):
        wanted = "granted" if stands else "revoked"
        if place.status(account, each.hash).state != wanted:
            told = {"reason": "consent-registered", "consent": f"Consent/{name}", "state": wanted}
            session.house.tell(patient, session.actor.id, told)
            (place.grant if stands else place.revoke)(each.hash, secret=secret)
        yield Told(wanted, account, each.digest, each.salt)


def check_consent(
    session: Session, patient: str, name: str, chain: Web3, contract: str, account: str | None = None
) -> None:
    """Hold what ``account`` (without one: the node's first) wrote of a consent to the record.

    Raises IntegrityError where the chain contradicts the record, InputError where it is only behind.
    """
    place = ConsentRegistry(chain, contract)
    expected = _expected(session, patient, name)
    house = anchor.account_of(chain, account)
    for each, stands in expected:
        state = place.status(house, each.hash).state
        if stands and state == "revoked":
            raise IntegrityError("the record says in force, and the chain says revoked", remedy="salus verify")
        if stands != (state == "granted"):
            raise InputError(f"the chain says {state}", remedy="salus anchor consent write")


def state_of(chain: Web3, contract: str, account: str, digest: bytes, salt: bytes) -> str:
    """What ``account`` wrote of the consent with this digest and salt (32 bytes each): "granted" or another word."""
    return ConsentRegistry(chain, contract).status(account, Salted(digest, salt).hash).state


def _expected(session: Session, patient: str, name: str) -> list[tuple[Salted, bool]]:
    """The versions of a consent, each with whether it stands. The patient's log says who looked at it.

    Raises AccessError but for the patient's side and operators, InputError where there is no such consent.
    """
    if session.actor.patient != patient:
        session.administer()
    house = session.house
    scope = house.gate.earlier_consents(session.actor, patient)
    known = house.store.exists(scope)
    versions = [s.body for s in house.store.versions(scope, f"Consent/{name}")] if known else []
    if known:
        house.gate.note_consent_read(session.actor, patient, name if versions else "")
    if not versions:
        raise InputError("no such consent", remedy="salus consent list")
    return anchor.expected(house.vault, patient, versions)
