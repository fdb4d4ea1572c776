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
MAX_TOKENS = 10_000
MAX_SEEN = 100_000
READ, WRITE = "system/*.rs", "system/*.crs"
"""The scopes: read and search; besides, create. The gate decides in both cases."""

_REMEDY = "make an assertion with: salus token, and exchange it at /auth/token"
_UNKNOWN = NotSignedIn("not an assertion of an actor of this store", remedy=_REMEDY)
_NO_TOKEN = NotSignedIn("no token, or one that is no longer good", remedy=_REMEDY)


@dataclass(frozen=True, slots=True)
class Granted:
    """A bearer token as it is given out, once."""

    value: str
    scope: str
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class _Kept:
    actor: str
    public_key: bytes
    scope: str
    expires: datetime


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
        self._kept: dict[bytes, _Kept] = {}
        self._seen: dict[tuple[str, str], datetime] = {}

    def authenticate(self, house: House, text: str, audience: str) -> Actor:
        """The actor who signed an assertion for ``audience``; it is used up by this. Raises NotSignedIn."""
        claims, actor = _verified(house, text)
        now = house.clock()
        _check_address(claims, audience)
        expires = _check_times(claims, now, self._started)
        name = claims.get("jti")
        if not isinstance(name, str) or not 8 <= len(name) <= 256:
            raise NotSignedIn("the assertion has no jti of 8 to 256 characters", remedy=_REMEDY)
        with self._lock:
            self._seen = {key: until for key, until in self._seen.items() if until > now}
            if (actor.id, name) in self._seen or len(self._seen) >= MAX_SEEN:
                raise NotSignedIn("the assertion was used before", remedy=_REMEDY)
            self._seen[actor.id, name] = expires
        return actor

    def exchange(
        self, house: House, text: str, audience: str, scope: str = WRITE, life: timedelta | None = None
    ) -> Granted:
        """A bearer token for an assertion. Raises NotSignedIn."""
        actor = self.authenticate(house, text, audience)
        now, value, lasts = house.clock(), secrets.token_urlsafe(32), life or self._life
        with self._lock:
            self._kept = {key: kept for key, kept in self._kept.items() if kept.expires > now}
            if len(self._kept) >= MAX_TOKENS:
                raise NotSignedIn("too many people are signed in", remedy="try again in a few minutes")
            self._kept[_digest(value)] = _Kept(actor.id, actor.public_key, scope, now + lasts)
        return Granted(value, scope, lasts)

    def actor(self, house: House, value: str) -> tuple[Actor, str]:
        """Whose token this is, and its scope. Raises NotSignedIn, also for an actor who was removed since."""
        with self._lock:
            kept = self._kept.get(_digest(value))
        if kept is None or kept.expires <= house.clock():
            raise _NO_TOKEN
        actor = house.registry.actors.get(kept.actor)
        if actor is None or actor.public_key != kept.public_key:
            raise _NO_TOKEN
        return actor, kept.scope

    def end(self, value: str) -> None:
        """Forget a token: signing out."""
        with self._lock:
            self._kept.pop(_digest(value), None)


def _library() -> Any:
    try:
        import jwt
    except ImportError as error:
        raise ConfigurationError("signing in needs PyJWT", remedy='pip install "salus[server]"') from error
    return jwt


def _verified(house: House, text: str) -> tuple[Mapping[str, Any], Actor]:
    """The claims of an assertion whose signature is that of the actor it names."""
    jwt = _library()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not text or len(text) > MAX_LENGTH or not text.isascii():
        raise _UNKNOWN
    try:
        named = jwt.decode(text, options={"verify_signature": False}).get("iss")
        actor = house.registry.actors.get(named) if isinstance(named, str) else None
        if actor is None:
            raise _UNKNOWN
        checks = dict.fromkeys(("exp", "iat", "nbf", "aud", "iss", "sub", "jti"), False)  # by the house's clock, below
        claims: Mapping[str, Any] = jwt.decode(
            text,
            Ed25519PublicKey.from_public_bytes(actor.public_key),
            algorithms=[ALGORITHM],
            options={f"verify_{name}": on for name, on in checks.items()},
        )
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise _UNKNOWN from error
    if claims.get("sub", actor.id) != actor.id:
        raise _UNKNOWN
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
