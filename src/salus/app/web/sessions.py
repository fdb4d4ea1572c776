"""Who is signed in with a browser: one web session a cookie, ended by leaving, by idleness or by age.

Web sessions, and consents that wait for a signature in them, lie in the store (:mod:`salus.app.serving.state`): every
process of a server knows them, also after a restart. A web session names patients by keys of its own, so that no
address holds an identifier. The keys open with the cookie alone, which only the browser has.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from salus.app.house import House
from salus.app.refusals import NotSignedIn
from salus.app.serving import state as server_state
from salus.app.serving.state import DRAFT, WEB_SESSION, Stamp, digest
from salus.app.serving.tokens import Tokens, assertion, enrolled, use_up
from salus.errors import AccessError, InputError, StoreError
from salus.fhir import json
from salus.record.state import Kept
from salus.trust.grants import not_released
from salus.trust.identity import Actor, demo_identity, is_demo_key
from salus.trust.vault import Vault

IDLE = timedelta(minutes=15)
LIFE = timedelta(hours=8)
SEEN = timedelta(seconds=20)
"""How long somebody is there before that is written down: a web session may end that much too early, never too late."""
MAX_KNOWN = 10_000
"""Web sessions that one process has at hand; of any other it asks the store."""
_PATIENT = 8
"""Bytes of the number by which a store knows a patient."""


class Idle(NotSignedIn):
    """Nobody was there for too long."""


@dataclass(frozen=True, slots=True)
class WebSession:
    """One person signed in with one browser. Its names for patients mean nothing in another web session."""

    cookie: str = field(repr=False)
    actor: Actor
    """Who signed in, as that actor was known then."""
    secret: bytes = field(repr=False)
    """What its keys are sealed with."""

    def key(self, house: House, patient: str) -> str:
        """The name under which this web session speaks of a patient, 32 characters."""
        number = house.store.number_of(house.gate.custody(self.actor.id, patient))
        return base64.urlsafe_b64encode(AESSIV(self.secret).encrypt(number.to_bytes(_PATIENT), None)).decode()

    def patient(self, house: House, key: str) -> str:
        """Whom a key means. Raises AccessError, in the words for a patient who is not released."""
        try:
            sealed = base64.b64decode(key.encode("ascii"), b"-_", validate=True)
            number = AESSIV(self.secret).decrypt(sealed, None)
        except (ValueError, InvalidTag):
            raise not_released() from None
        return house.store.patient_of(house.gate.house(self.actor.id), int.from_bytes(number))

    # ---- what waits for a signature: the actor's own record is its subject, under whose key it is sealed

    def keep(self, house: House, draft: dict[str, Any]) -> str:
        """Keep an unsigned consent of the actor's own patient until it is signed. Returns its key."""
        key, now = secrets.token_urlsafe(9), house.clock()
        with server_state.writing(house) as state:
            data, ends = json.dumps(draft), now + LIFE
            state.put(DRAFT, self.cookie, self._draft(key), data, ends, now, under=self.actor.patient)
        return key

    def draft(self, house: House, key: str) -> dict[str, Any]:
        """An unsigned consent that was kept. Raises InputError."""
        state = server_state.reading(house)
        kept = state.find(DRAFT, self._draft(key), house.clock(), under=self.actor.patient)
        if kept is None:
            raise InputError("this consent waits no longer for a signature", remedy="begin it anew")
        found: dict[str, Any] = json.loads(kept.body)
        return found

    def drop(self, house: House, key: str) -> None:
        """Forget a consent that was signed."""
        with server_state.writing(house) as state:
            state.drop(DRAFT, self._draft(key))

    def _draft(self, key: str) -> str:
        return f"{self.cookie}\n{key}"


class WebSessions:
    """The web sessions of one store. Safe to use from several threads.

    Whom one process let in, every other one knows.
    """

    def __init__(self, vault: Vault) -> None:
        self._stamp = Stamp(vault, "visit")
        self._words = server_state.key(vault, "csrf")
        self._secrets = server_state.key(vault, "visit keys")
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[Kept, WebSession]] = OrderedDict()

    def begin(self, house: House, tokens: Tokens, text: str, audience: str, origin: str = "") -> WebSession:
        """A new web session for a signed assertion. Raises NotSignedIn.

        Where the actor has many, the one that was unused for longest ends.
        """
        proved = tokens.proved(house, text, audience, origin)
        actor, now, cookie = proved.actor, house.clock(), self._stamp.make()
        told = {"actor": actor.id, "kind": actor.kind, "key": actor.public_key.hex(), "patient": actor.patient}
        data = json.dumps({**told, "name": actor.name})
        with server_state.writing(house) as state:
            use_up(state, proved, now)
            state.put(WEB_SESSION, actor.id, cookie, data, now + LIFE, now)
        web_session = self._look(house, cookie)
        if web_session is None:
            raise NotSignedIn("the session was ended at once", remedy="sign in again")
        return web_session

    def known(self, cookie: str) -> tuple[bool, WebSession | None]:
        """Whether this process can tell without the store which web session a cookie stands for, and the web session.

        The web session may have ended since. Every process can tell that a cookie was never given out: then the answer
        is True and None.
        """
        if not self._stamp.holds(cookie):
            return True, None
        with self._lock:
            found = self._known.get(digest(cookie))
        return found is not None, found[1] if found else None

    def find(self, house: House, cookie: str) -> WebSession | None:
        """The web session of a cookie, by the store."""
        return self._look(house, cookie) if self._stamp.holds(cookie) else None

    def enter(self, house: House, web_session: WebSession) -> Actor:
        """Count this moment as one in which somebody was there. Returns who, as that actor is known now.

        Raises NotSignedIn for a web session that was ended and an actor who was removed, Idle after too long a silence.
        """
        now, kept = house.clock(), self._kept(house, web_session.cookie)
        if kept is None:
            raise NotSignedIn("the session is over", remedy="sign in again")
        try:
            actor = enrolled(house, web_session.actor.id, web_session.actor.public_key)
            if now - kept.used > IDLE:
                raise Idle("the session was idle for too long", remedy="sign in again")
        except NotSignedIn:
            self.end(house, web_session.cookie)
            raise
        if now - kept.used >= SEEN:
            with suppress(StoreError), server_state.writing(house) as state:  # then it ends a little early
                state.touch(WEB_SESSION, web_session.cookie, now)
        return actor

    def end(self, house: House, cookie: str) -> None:
        """End the web session of a cookie, if there is one, with all that waits in it, for every process."""
        if not self._stamp.holds(cookie):
            return
        with self._lock:
            self._known.pop(digest(cookie), None)
        if server_state.reading(house).find(WEB_SESSION, cookie, house.clock()) is None:
            return
        with server_state.writing(house) as state:
            state.drop(WEB_SESSION, cookie)
            state.drop_owned(DRAFT, cookie)

    def csrf_token(self, cookie: str) -> str:
        """The CSRF token that every form of a browser carries: only a page of this store's servers can know it."""
        return hmac.new(self._words, cookie.encode(), "sha256").hexdigest()

    # ----

    def _kept(self, house: House, cookie: str) -> Kept | None:
        """The row of a web session as it is now."""
        return self._read(house, cookie)[0]

    def _look(self, house: House, cookie: str) -> WebSession | None:
        return self._read(house, cookie)[1]

    def _read(self, house: House, cookie: str) -> tuple[Kept, WebSession] | tuple[None, None]:
        key = digest(cookie)
        with self._lock:
            before = self._known.get(key)
        kept = server_state.reading(house).find(WEB_SESSION, cookie, house.clock(), known=before[0] if before else None)
        if kept is None:
            with self._lock:
                self._known.pop(key, None)
            return None, None
        web_session = before[1] if before else self._opened(cookie, kept)
        with self._lock:
            self._known[key] = kept, web_session
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return kept, web_session

    def _opened(self, cookie: str, kept: Kept) -> WebSession:
        told = json.loads(kept.body)
        actor = Actor(told["actor"], told["kind"], bytes.fromhex(told["key"]), told["patient"], told["name"])
        return WebSession(cookie, actor, hmac.digest(self._secrets, cookie.encode(), "sha512"))


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
