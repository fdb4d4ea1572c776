"""Who is signed in with a browser: one visit a cookie, kept in memory, ended by leaving, by idleness or by age.

A visit names patients by random keys of its own, so that no address holds an identifier, and keeps what waits for a
signature. Of a cookie only its SHA-256 is kept: a restart of the server ends every visit.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from salus.app.house import House
from salus.app.refusals import NotSignedIn
from salus.app.tokens import WRITE, Tokens, assertion
from salus.errors import AccessError, InputError
from salus.trust.gate import NOT_RELEASED
from salus.trust.identity import Actor, demo_identity, is_demo_key

IDLE = timedelta(minutes=15)
LIFE = timedelta(hours=8)
MAX_VISITS = 10_000
MAX_DRAFTS = 20
"""Consents that wait for a signature in one visit: the oldest goes when one more comes."""


class Idle(NotSignedIn):
    """Nobody was there for too long."""


@dataclass(slots=True)
class Visit:
    """One person's visit. Not to be shared between visits: keys of one mean nothing in another."""

    token: str
    actor: Actor
    seen: datetime
    drafts: dict[str, dict[str, Any]] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def key(self, patient: str) -> str:
        """The name under which this visit speaks of a patient."""
        with self._lock:
            return self._keys.setdefault(patient, secrets.token_urlsafe(9))

    def patient(self, key: str) -> str:
        """Whom a key means. Raises AccessError, in the words for a patient who is not released."""
        with self._lock:
            found = next((p for p, k in self._keys.items() if k == key), None)
        if found is None:
            raise NOT_RELEASED
        return found

    def keep(self, draft: dict[str, Any]) -> str:
        """Keep an unsigned consent until it is signed. Returns its key."""
        key = secrets.token_urlsafe(9)
        with self._lock:
            while len(self.drafts) >= MAX_DRAFTS:
                del self.drafts[next(iter(self.drafts))]
            self.drafts[key] = draft
        return key

    def draft(self, key: str) -> dict[str, Any]:
        """An unsigned consent that was kept. Raises InputError."""
        with self._lock:
            if key not in self.drafts:
                raise InputError("this consent waits no longer for a signature", remedy="begin it anew")
            return self.drafts[key]

    def drop(self, key: str) -> None:
        """Forget a consent that was signed."""
        with self._lock:
            self.drafts.pop(key, None)


class Visits:
    """The visits of one running server. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[bytes, Visit] = {}

    def begin(self, house: House, tokens: Tokens, text: str, audience: str) -> str:
        """A new visit for a signed assertion. Returns the cookie's value. Raises NotSignedIn."""
        granted = tokens.exchange(house, text, audience, WRITE, LIFE)
        actor, _ = tokens.actor(house, granted.value)
        now, cookie = house.clock(), secrets.token_urlsafe(32)
        with self._lock:
            self._kept = {k: v for k, v in self._kept.items() if now - v.seen <= IDLE}
            if len(self._kept) >= MAX_VISITS:
                raise NotSignedIn("too many people are signed in", remedy="try again in a few minutes")
            self._kept[_digest(cookie)] = Visit(granted.value, actor, now)
        return cookie

    def find(self, cookie: str) -> Visit | None:
        """The visit of a cookie, whatever its age."""
        with self._lock:
            return self._kept.get(_digest(cookie))

    def go_on(self, visit: Visit, now: datetime) -> None:
        """Count this moment as one in which somebody was there. Raises NotSignedIn after too long a silence."""
        with self._lock:
            if now - visit.seen > IDLE:
                self._kept = {k: v for k, v in self._kept.items() if v is not visit}
                raise Idle("the visit was idle for too long", remedy="sign in again")
            visit.seen = max(visit.seen, now)

    def forget(self, cookie: str) -> Visit | None:
        """End a visit whose token is good no more."""
        with self._lock:
            return self._kept.pop(_digest(cookie), None)

    def end(self, cookie: str, tokens: Tokens) -> None:
        """Sign out."""
        visit = self.forget(cookie)
        if visit is not None:
            tokens.end(visit.token)


def demo_actors(house: House) -> tuple[Actor, ...]:
    """Everybody of a demo house whose key is public knowledge; nobody in any other house."""
    if not house.registry.demo:
        return ()
    return tuple(a for a in house.registry.actors.values() if _is_public(a))


def demo_assertion(house: House, name: str, audience: str) -> str:
    """What a demo actor would sign to come in. Raises AccessError outside a demo house."""
    if name not in {a.id for a in demo_actors(house)}:
        raise AccessError("not a demonstration actor of this store")
    return assertion(demo_identity(name), audience, house.clock())


def _is_public(actor: Actor) -> bool:
    return is_demo_key(actor.id, actor.public_key) and demo_identity(actor.id).public_key == actor.public_key


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()
