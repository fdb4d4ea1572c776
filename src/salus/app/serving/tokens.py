"""Signing in over the network without the private key leaving its owner.

The owner signs a short-lived JWT (an *assertion*: EdDSA, iss = sub = the actor's name, aud = this house's address, jti
used once) and gets an opaque bearer token for it. This is the client authentication of SMART App Launch 2.2, "Backend
Services" and "Client Authentication: Asymmetric" (RFC 7523), with the Ed25519 keys that the house knows its actors by.
Tokens and used assertions lie in the store (:mod:`salus.app.serving.state`), for all processes and over a restart.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from salus.app.house import House
from salus.app.refusals import NotSignedIn
from salus.app.serving import state as server_state
from salus.app.serving.attempts import Attempts
from salus.app.serving.state import ASSERTION, TOKEN, Stamp, digest
from salus.errors import ConfigurationError, StoreError
from salus.fhir import json
from salus.record.state import Full, Kept, State
from salus.trust.identity import Actor, Identity
from salus.trust.vault import Vault, fingerprint

ALGORITHM = "EdDSA"
ASSERTION_LIFE = timedelta(minutes=5)
"""How far ahead an assertion may expire (SMART App Launch 2.2 allows no more)."""
TOKEN_LIFE = timedelta(minutes=5)
"""How long a bearer token lasts, unless whoever issues it says otherwise."""
LEEWAY = timedelta(seconds=30)
"""How far another's clock may be ahead of this one."""
MAX_LENGTH = 8192
MAX_KNOWN = 10_000
"""Tokens that one process has at hand; of any other it asks the store."""
READ, WRITE = "system/*.rs", "system/*.crs"
"""The scopes: read and search; besides, create. The gate decides in both cases."""

_REMEDY = "make an assertion with: salus token, and exchange it at /auth/token"
_NOBODY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
"""A public key (RFC 8032, section 7.1, test 1) that a stranger's signature is held against: no faster than another."""


class TooManySignIns(NotSignedIn):
    """Somebody signs in too often, or fails to from one address. Others are not affected."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A bearer token as it is given out, once."""

    value: str
    scope: str
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class Signed:
    """Whose a token is, by name and key, and its scope."""

    actor: str
    public_key: bytes
    scope: str


def assertion(identity: Identity, audience: str, now: datetime, life: timedelta = ASSERTION_LIFE) -> str:
    """A signed assertion of ``identity`` for one address of a server; good once, until ``life`` is over."""
    jwt = _library()
    claims = {
        "iss": identity.id,
        "sub": identity.id,
        "aud": audience,
        "iat": int(now.timestamp()),
        "exp": int((now + life).timestamp()),
        "jti": secrets.token_urlsafe(16),
    }
    headers = {"kid": fingerprint(identity.public_key)}
    return str(jwt.encode(claims, identity.key, algorithm=ALGORITHM, headers=headers))


@dataclass(frozen=True, slots=True)
class Proved:
    """An assertion that is valid and not used yet: whose it is, and until when its use must be remembered."""

    actor: Actor
    name: str
    expires: datetime

    @property
    def key(self) -> str:
        """What it is remembered by."""
        return f"{self.actor.id}\n{self.name}"


class Tokens:
    """The tokens of one store. Safe to use from several threads; what one process gave out, every other one takes."""

    def __init__(self, vault: Vault, life: timedelta = TOKEN_LIFE, *, alone: bool = False) -> None:
        """``alone``: no other process serves this store, so that tokens may be kept in memory in an emergency."""
        self._alone = alone
        self._unwritten: OrderedDict[bytes, tuple[datetime, Signed]] = OrderedDict()
        self._used: dict[str, datetime] = {}
        self._stamp = Stamp(vault, "token")
        self._life = life
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[Kept, Signed]] = OrderedDict()
        self._attempts = Attempts()

    # ---- signing in

    def authenticate(self, house: House, text: str, audience: str, origin: str = "") -> Actor:
        """The actor who signed an assertion for ``audience``; it is used up by this, in every process.

        ``origin`` is where it came from, "" where that is not known: who fails too often under one name from one place
        has to wait. Raises NotSignedIn, TooManySignIns; StoreError where it cannot be written down that it is used.
        """
        proved = self.proved(house, text, audience, origin)
        with server_state.writing(house) as state:
            use_up(state, proved, house.clock())
        return proved.actor

    def exchange(self, house: House, text: str, audience: str, scope: str = WRITE, *, origin: str = "") -> Granted:
        """A bearer token for an assertion (:meth:`authenticate`). It ends another of an actor who has many.

        Where the store cannot be written, a process that is alone remembers both: on a broken glass the journal takes
        what the log cannot, and who has to sign in first must not be kept from it.
        """
        proved, value = self.proved(house, text, audience, origin), self._stamp.make()
        now, actor = house.clock(), proved.actor
        told = json.dumps({"actor": actor.id, "key": actor.public_key.hex(), "scope": scope})
        try:
            with server_state.writing(house) as state:
                use_up(state, proved, now)
                state.put(TOKEN, actor.id, value, told, now + self._life, now)
        except StoreError:
            if not self._alone:
                raise
            if server_state.reading(house).find(ASSERTION, proved.key, now) is not None:
                raise _used_before() from None
            self._remember(proved, value, scope, now)
        return Granted(value, scope, self._life)

    def _remember(self, proved: Proved, value: str, scope: str, now: datetime) -> None:
        """Keep in memory what could not be written: the token, and that its assertion is used up."""
        signed = Signed(proved.actor.id, proved.actor.public_key, scope)
        with self._lock:
            self._used = {name: ends for name, ends in self._used.items() if ends > now}
            if proved.key in self._used:  # by another thread since it was looked at
                raise _used_before()
            if len(self._used) >= MAX_KNOWN:
                raise TooManySignIns("too many who signed in while nothing could be written", remedy="try again later")
            self._used[proved.key] = proved.expires
            self._unwritten[digest(value)] = now + self._life, signed
            while len(self._unwritten) > MAX_KNOWN:
                self._unwritten.popitem(last=False)

    def proved(self, house: House, text: str, audience: str, origin: str = "") -> Proved:
        """An assertion that its actor signed for ``audience``. It is to be used up (:func:`use_up`) before it counts.

        Raises NotSignedIn, TooManySignIns.
        """
        now, named = house.clock(), _named(text)
        with self._lock:
            if origin and self._attempts.must_wait(origin, named, now):
                raise TooManySignIns("too many attempts under this name", remedy="try again in a minute")
        try:
            proved = _accepted(house, text, named, audience, now)
        except NotSignedIn:
            with self._lock:
                if origin:
                    self._attempts.failed(origin, named, now)
            raise
        with self._lock:
            self._attempts.succeeded(origin, named)
            if proved.key in self._used:
                raise _used_before()
        return proved

    # ---- coming back with a token

    def known(self, value: str, now: datetime) -> Signed | None:
        """Whose token this is, as far as this process knows without the store; None where the store must be asked.

        It takes the same short time for whatever is no token of this store. Raises NotSignedIn for that, and for one
        that has expired. Whether it was ended, or its actor removed, since, :meth:`actor` says.
        """
        if not self._stamp.holds(value):
            raise _no_token()
        with self._lock:
            found, unwritten = self._known.get(digest(value)), self._unwritten.get(digest(value))
        if found is None and unwritten is None:
            return None
        ends, signed = (found[0].expires, found[1]) if found is not None else unwritten  # type: ignore[misc]
        if ends <= now:
            raise _no_token()
        return signed

    def look(self, house: House, value: str) -> Signed:
        """Whose token this is, by the store. Raises NotSignedIn."""
        if not self._stamp.holds(value):
            raise _no_token()
        key = digest(value)
        with self._lock:
            before, unwritten = self._known.get(key), self._unwritten.get(key)
        if unwritten is not None and unwritten[0] > house.clock():
            return unwritten[1]
        kept = server_state.reading(house).find(TOKEN, value, house.clock(), known=before[0] if before else None)
        if kept is None:
            with self._lock:
                self._known.pop(key, None)
            raise _no_token()
        if before is not None and kept is before[0]:
            return before[1]
        told = json.loads(kept.body)
        signed = Signed(told["actor"], bytes.fromhex(told["key"]), told["scope"])
        with self._lock:
            self._known[key] = kept, signed
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return signed

    def actor(self, house: House, value: str) -> tuple[Actor, str]:
        """Whose token this is, and its scope. Raises NotSignedIn, also for an actor who was removed since."""
        signed = self.look(house, value)
        return enrolled(house, signed.actor, signed.public_key), signed.scope

    def end(self, house: House, value: str) -> None:
        """End a token, for every process."""
        with self._lock:
            if self._unwritten.pop(digest(value), None) is not None:
                return
        with server_state.writing(house) as state:
            state.drop(TOKEN, value)


def use_up(state: State, proved: Proved, now: datetime) -> None:
    """Remember that an assertion was used. Raises NotSignedIn where it was before, TooManySignIns where there is no
    room for one more of its actor."""
    if state.find(ASSERTION, proved.key, now) is not None:
        raise _used_before()
    try:
        state.add(ASSERTION, proved.actor.id, proved.key, b"", proved.expires, now)
    except Full:
        raise TooManySignIns("too many assertions of one actor", remedy="use each token for all its time") from None


def enrolled(house: House, name: str, public_key: bytes) -> Actor:
    """The actor who is known by this name and key. Raises NotSignedIn for one who was removed."""
    actor = house.registry.actors.get(name)
    if actor is None or actor.public_key != public_key:
        raise _no_token()
    return actor


def _accepted(house: House, text: str, named: str, audience: str, now: datetime) -> Proved:
    claims, actor = _verified(house, text, named)
    _check_address(claims, audience)
    expires = _check_times(claims, now, server_state.begun(house))
    name = claims.get("jti")
    if not isinstance(name, str) or not 8 <= len(name) <= 256:
        raise NotSignedIn("the assertion has no jti of 8 to 256 characters", remedy=_REMEDY)
    return Proved(actor, name, expires)


def _unknown() -> NotSignedIn:
    return NotSignedIn("not an assertion of an actor of this store", remedy=_REMEDY)


def _used_before() -> NotSignedIn:
    return NotSignedIn("the assertion was used before", remedy=_REMEDY)


def _no_token() -> NotSignedIn:
    return NotSignedIn("no token, or one that is no longer good", remedy=_REMEDY)


def _library() -> Any:
    try:
        import jwt
    except ImportError as error:
        raise ConfigurationError("signing in needs PyJWT", remedy='pip install "salus[server]"') from error
    return jwt


def _named(text: str) -> str:
    """The actor that an assertion names, without proof; "" where it names nobody."""
    if not text or len(text) > MAX_LENGTH or not text.isascii():
        return ""
    jwt = _library()
    try:
        named = jwt.decode(text, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return ""
    return named if isinstance(named, str) else ""


def _verified(house: House, text: str, named: str) -> tuple[Mapping[str, Any], Actor]:
    """The claims of an assertion whose signature is that of the actor it names.

    A name that nobody has takes the same steps as a wrong signature.
    """
    jwt = _library()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not named:
        raise _unknown()
    actor = house.registry.actors.get(named)
    checks = dict.fromkeys(("exp", "iat", "nbf", "aud", "iss", "sub", "jti"), False)  # by the house's clock, below
    try:
        claims: Mapping[str, Any] = jwt.decode(
            text,
            Ed25519PublicKey.from_public_bytes(actor.public_key if actor else _NOBODY),
            algorithms=[ALGORITHM],
            options={f"verify_{name}": on for name, on in checks.items()},
        )
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise _unknown() from error
    if actor is None or claims.get("sub", actor.id) != actor.id:
        raise _unknown()
    return claims, actor


def _check_address(claims: Mapping[str, Any], audience: str) -> None:
    named = claims.get("aud")
    if audience not in (named if isinstance(named, list) else [named]):
        raise NotSignedIn("the assertion was made for another address", remedy=f"--audience {audience}")


def _check_times(claims: Mapping[str, Any], now: datetime, started: datetime) -> datetime:
    """When the assertion ends. Raises NotSignedIn where its times are missing, past or too far ahead.

    ``started``: what was made before is refused, since nobody knows whether it was used."""
    made, ends = _seconds(claims, "iat"), _seconds(claims, "exp")
    begins = _seconds(claims, "nbf") if "nbf" in claims else made
    moment, ahead = now.timestamp(), LEEWAY.total_seconds()
    late = max(begins, made) > moment + ahead
    if ends <= moment or late or ends > moment + ASSERTION_LIFE.total_seconds() + ahead:
        raise NotSignedIn("the assertion has expired, or lasts longer than five minutes", remedy=_REMEDY)
    if made < int(started.timestamp()):
        raise NotSignedIn("the assertion is older than what is remembered here of used ones", remedy=_REMEDY)
    return now + timedelta(seconds=ends - moment)


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    found = claims.get(name)
    if not isinstance(found, int) or isinstance(found, bool):
        raise NotSignedIn(f"the assertion lacks {name} in whole seconds", remedy=_REMEDY)
    return found
