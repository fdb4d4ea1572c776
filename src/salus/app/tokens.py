"""Signing in over the network without the private key leaving its owner.

The owner signs a short-lived JWT (an *assertion*: EdDSA, iss = sub = the actor's name, aud = this house's address, jti
used once) and gets an opaque bearer token for it. This is the client authentication of SMART App Launch 2.2, "Backend
Services" and "Client Authentication: Asymmetric" (RFC 7523), with the Ed25519 keys that the house knows its actors by.
What is kept of a token is its SHA-256, in memory: a restart of the server ends every token.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from salus.app.house import House
from salus.app.refusals import NotSignedIn
from salus.app.shelf import Attempts, Full, Shelf
from salus.errors import ConfigurationError
from salus.trust.identity import Actor, Identity
from salus.trust.vault import fingerprint

ALGORITHM = "EdDSA"
ASSERTION_LIFE = timedelta(minutes=5)
"""How far ahead an assertion may expire (SMART App Launch 2.2 allows no more)."""
TOKEN_LIFE = timedelta(minutes=5)
"""How long a bearer token lasts, unless whoever issues it says otherwise."""
LEEWAY = timedelta(seconds=30)
"""How far another's clock may be ahead of this one."""
MAX_LENGTH = 8192
MAX_TOKENS_EACH = 20
"""Live tokens of one actor: one more ends the one that the actor did not use for longest."""
MAX_TOKENS = 100_000
MAX_SEEN_EACH = 5_000
"""Assertions of one actor that are remembered until they expire: one more is refused until then."""
MAX_SEEN = 200_000
READ, WRITE = "system/*.rs", "system/*.crs"
"""The scopes: read and search; besides, create. The gate decides in both cases."""

_REMEDY = "make an assertion with: salus token, and exchange it at /auth/token"
_NOBODY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
"""A public key (RFC 8032, section 7.1, test 1) that a stranger's signature is held against: no faster than another."""


class TooManySignIns(NotSignedIn):
    """One who signs in too often, or fails to from one address. Nobody else is kept from it."""


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


class Tokens:
    """The tokens of one running server. Safe to use from several threads."""

    def __init__(self, started: datetime, life: timedelta = TOKEN_LIFE) -> None:
        """``started``: assertions made before it are refused, since what was used before a restart is not known."""
        self._started = started
        self._life = life
        self._lock = threading.Lock()
        self._kept: Shelf[Signed] = Shelf(MAX_TOKENS_EACH, MAX_TOKENS)
        self._seen: Shelf[bool] = Shelf(MAX_SEEN_EACH, MAX_SEEN)
        self._attempts = Attempts()

    def authenticate(self, house: House, text: str, audience: str, origin: str = "") -> Actor:
        """The actor who signed an assertion for ``audience``; it is used up by this.

        ``origin`` is where it came from, "" where that is not known: who fails too often under one name from one place
        has to wait. Raises NotSignedIn, TooManySignIns.
        """
        now, named = house.clock(), _named(text)
        with self._lock:
            if origin and self._attempts.must_wait(origin, named, now):
                raise TooManySignIns("too many attempts under this name", remedy="try again in a minute")
        try:
            actor = self._accepted(house, text, named, audience, now)
        except NotSignedIn:
            with self._lock:
                if origin:
                    self._attempts.failed(origin, named, now)
            raise
        with self._lock:
            self._attempts.succeeded(origin, named)
        return actor

    def _accepted(self, house: House, text: str, named: str, audience: str, now: datetime) -> Actor:
        claims, actor = _verified(house, text, named)
        _check_address(claims, audience)
        expires = _check_times(claims, now, self._started)
        name = claims.get("jti")
        if not isinstance(name, str) or not 8 <= len(name) <= 256:
            raise NotSignedIn("the assertion has no jti of 8 to 256 characters", remedy=_REMEDY)
        key = _digest(f"{actor.id}\n{name}")
        with self._lock:
            if self._seen.get(key, now) is not None:
                raise NotSignedIn("the assertion was used before", remedy=_REMEDY)
            try:
                self._seen.add(actor.id, key, True, expires, now)
            except Full:
                raise TooManySignIns(
                    "too many assertions of one actor", remedy="use each token for all its time"
                ) from None
        return actor

    def exchange(
        self,
        house: House,
        text: str,
        audience: str,
        scope: str = WRITE,
        life: timedelta | None = None,
        *,
        origin: str = "",
    ) -> Granted:
        """A bearer token for an assertion (:meth:`authenticate`). It ends another of an actor who has many."""
        actor = self.authenticate(house, text, audience, origin)
        now, value, lasts = house.clock(), secrets.token_urlsafe(32), life or self._life
        with self._lock:
            self._kept.put(actor.id, _digest(value), Signed(actor.id, actor.public_key, scope), now + lasts, now)
        return Granted(value, scope, lasts)

    def look(self, value: str, now: datetime) -> Signed:
        """Whose token this was when it was made. Needs no store and takes the same short time for any token.

        Raises NotSignedIn. Whether the actor was removed since, :meth:`actor` says.
        """
        with self._lock:
            kept = self._kept.get(_digest(value), now)
        if kept is None:
            raise _no_token()
        return kept

    def actor(self, house: House, value: str) -> tuple[Actor, str]:
        """Whose token this is, and its scope. Raises NotSignedIn, also for an actor who was removed since."""
        kept = self.look(value, house.clock())
        actor = house.registry.actors.get(kept.actor)
        if actor is None or actor.public_key != kept.public_key:
            raise _no_token()
        return actor, kept.scope

    def end(self, value: str) -> None:
        """Forget a token: signing out."""
        with self._lock:
            self._kept.drop(_digest(value))


def _unknown() -> NotSignedIn:
    return NotSignedIn("not an assertion of an actor of this store", remedy=_REMEDY)


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
    """When the assertion ends. Raises NotSignedIn where its times are missing, past or too far ahead."""
    made, ends = _seconds(claims, "iat"), _seconds(claims, "exp")
    begins = _seconds(claims, "nbf") if "nbf" in claims else made
    moment, ahead = now.timestamp(), LEEWAY.total_seconds()
    late = max(begins, made) > moment + ahead
    if ends <= moment or late or ends > moment + ASSERTION_LIFE.total_seconds() + ahead:
        raise NotSignedIn("the assertion has expired, or lasts longer than five minutes", remedy=_REMEDY)
    if made < int(started.timestamp()):
        raise NotSignedIn("the assertion is older than this run of the server", remedy=_REMEDY)
    return now + timedelta(seconds=ends - moment)


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    found = claims.get(name)
    if not isinstance(found, int) or isinstance(found, bool):
        raise NotSignedIn(f"the assertion lacks {name} in whole seconds", remedy=_REMEDY)
    return found


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()
