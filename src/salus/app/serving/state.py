"""The state of a running server in the store, and the keys with which all its processes tell their own values apart.

What lies here must be the same in every process, or outlive a restart: what is good once, and what somebody was given
to come back with. Paces and bounds on work are each process's own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from salus.app.config import Configuration
from salus.app.opened import Opened
from salus.record.state import Kind, State
from salus.trust.vault import SYSTEM, Vault

ASSERTION = Kind("assertion", 5_000)
"""Used assertions, by actor: one more is refused until one of them would have expired."""
TOKEN = Kind("token", 20)
"""Live tokens of one actor: one more ends the one that was given out first."""
WEB_SESSION = Kind("visit", 10)  # its name in stores of earlier releases
"""Web sessions of one actor at once: one more ends the one in which that actor was not seen for longest."""
DRAFT = Kind("draft", 20)
"""Consents that wait for a signature in one web session: the oldest goes when one more comes."""
PAGE = Kind("page", 50)
"""Results that one actor is paging through: the oldest goes when one more comes."""
_BEGUN = Kind("begun", 1)
_FOR_EVER = timedelta(days=36_500)
_RANDOM, _MAC = 24, 16


def vault_of(configuration: Configuration) -> Vault:
    """The vault of a store that is not open. Raises ConfigurationError or IntegrityError where it cannot be opened."""
    return Vault(configuration.keys)


def reading(house: Opened) -> State:
    """The state as it stands, to look at."""
    return State(house.store.connection, house.vault)


@contextmanager
def writing(house: Opened) -> Iterator[State]:
    """The state, to be changed in one transaction. Raises StoreError where the store cannot be written."""
    with house.store.transaction(house.gate.house("server", may_write=True)) as connection:
        yield State(connection, house.vault)


def begun(house: Opened) -> datetime:
    """Since when used assertions are remembered here. One that was signed before may have been used, and is refused.

    A store that was restored from a backup holds no such memory, and begins anew.
    """
    now = house.clock()
    kept = reading(house).find(_BEGUN, "", now)
    if kept is None:
        with writing(house) as state:
            kept = state.find(_BEGUN, "", now)  # another process may have been first
            if kept is None:
                state.put(_BEGUN, "", "", b"", now + _FOR_EVER, now)
                return now
    return kept.used


def sweep(house: Opened) -> int:
    """Delete some of what has ended. Returns how many rows."""
    if not reading(house).stale(house.clock()):
        return 0
    with writing(house) as state:
        return state.sweep(house.clock())


def end_all_of(house: Opened, *actors: str) -> None:
    """End every token, web session and result of some actors: before a record is erased for which they speak."""
    with writing(house) as state:
        for actor in actors:
            for kind in (TOKEN, WEB_SESSION, PAGE, ASSERTION):
                state.drop_owned(kind, actor)


class Stamp:
    """Makes random values that every process over the store recognises as its own, without looking anything up."""

    def __init__(self, vault: Vault, purpose: str) -> None:
        self._key = key(vault, purpose)

    def make(self) -> str:
        """A new value of 54 characters of base64url."""
        data = secrets.token_bytes(_RANDOM)
        return base64.urlsafe_b64encode(data + self._mac(data)).decode().rstrip("=")

    def holds(self, value: str) -> bool:
        """Whether a value was made here; whether it is still good, the store says."""
        try:
            data = base64.b64decode(value.encode("ascii") + b"=" * (-len(value) % 4), b"-_", validate=True)
        except ValueError:  # of binascii, too; not ASCII
            return False
        # one value has one spelling: what was made here is kept by its text
        whole = len(data) == _RANDOM + _MAC and base64.urlsafe_b64encode(data).decode().rstrip("=") == value
        return whole and hmac.compare_digest(data[_RANDOM:], self._mac(data[:_RANDOM]))

    def _mac(self, data: bytes) -> bytes:
        return hmac.digest(self._key, data, "sha256")[:_MAC]


def key(vault: Vault, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, the same in all processes over a store and in no other store."""
    return vault.mac(SYSTEM, b"server\0" + purpose.encode())


def digest(value: str) -> bytes:
    """SHA-256 of a value, which stands for it in memory."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()
