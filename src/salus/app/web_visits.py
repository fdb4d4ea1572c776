"""Who is signed in with a browser: one visit a cookie, kept in memory, ended by leaving, by idleness or by age.

A visit names patients by random keys of its own, so that no address holds an identifier, and keeps what waits for a
signature. Of a cookie only its SHA-256 is kept: a restart of the server ends every visit.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from salus.app.house import House
from salus.app.refusals import NotSignedIn
from salus.app.tokens import WRITE, Tokens, assertion
from salus.errors import AccessError, InputError
from salus.trust.grants import not_released
from salus.trust.identity import Actor, demo_identity, is_demo_key

IDLE = timedelta(minutes=15)
LIFE = timedelta(hours=8)
MAX_VISITS_EACH = 10
"""Visits of one actor at once: one more ends the one in which that actor was not seen for longest."""
MAX_VISITS = 50_000
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
    cookie: bytes
    """SHA-256 of the cookie's value."""
    tokens: Tokens = field(repr=False)
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
            raise not_released()
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
    """The visits of one running server. Safe to use from several threads.

    However a visit ends, its token ends with it. They lie in the order in which somebody was last seen in them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, Visit] = OrderedDict()
        self._of_actor: dict[str, OrderedDict[bytes, None]] = {}

    def begin(self, house: House, tokens: Tokens, text: str, audience: str, origin: str = "") -> str:
        """A new visit for a signed assertion. Returns the cookie's value. Raises NotSignedIn.

        It takes the place of the actor's oldest where there are many; of nobody else's before everybody's are.
        """
        granted = tokens.exchange(house, text, audience, WRITE, LIFE, origin=origin)
        actor, _ = tokens.actor(house, granted.value)
        now, cookie = house.clock(), secrets.token_urlsafe(32)
        key = _digest(cookie)
        with self._lock:
            while self._kept and now - next(iter(self._kept.values())).seen > IDLE:
                self._drop(next(iter(self._kept)))
            while len(self._of_actor.get(actor.id, ())) >= MAX_VISITS_EACH:
                self._drop(next(iter(self._of_actor[actor.id])))
            while len(self._kept) >= MAX_VISITS:
                self._drop(next(iter(self._kept)))
            self._kept[key] = Visit(granted.value, actor, now, key, tokens)
            self._of_actor.setdefault(actor.id, OrderedDict())[key] = None
        return cookie

    def find(self, cookie: str) -> Visit | None:
        """The visit of a cookie, whatever its age."""
        with self._lock:
            return self._kept.get(_digest(cookie))

    def go_on(self, visit: Visit, now: datetime) -> None:
        """Count this moment as one in which somebody was there. Raises NotSignedIn after too long a silence."""
        with self._lock:
            if now - visit.seen > IDLE:
                self._drop(visit.cookie)
                raise Idle("the visit was idle for too long", remedy="sign in again")
            visit.seen = max(visit.seen, now)
            if visit.cookie in self._kept:
                self._kept.move_to_end(visit.cookie)
                self._of_actor[visit.actor.id].move_to_end(visit.cookie)

    def forget(self, cookie: str) -> None:
        """End the visit of a cookie, if there is one, and with it its token."""
        with self._lock:
            self._drop(_digest(cookie))

    def _drop(self, key: bytes) -> None:
        visit = self._kept.pop(key, None)
        if visit is None:
            return
        owned = self._of_actor[visit.actor.id]
        del owned[key]
        if not owned:
            del self._of_actor[visit.actor.id]
        visit.tokens.end(visit.token)


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
