"""What every endpoint uses: limits, the pool of houses, tokens, and the way from a request to a session."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from salus.app.house import House
from salus.app.opened import now
from salus.app.refusals import NotAllowed, NotSignedIn
from salus.app.serving.cache import Cache
from salus.app.serving.tokens import WRITE, Signed, Tokens
from salus.app.session import Actor, Session
from salus.app.web.sessions import WebSessions
from salus.errors import InputError
from salus.server.budget import Budget
from salus.server.connections import Mark
from salus.server.lines import too_many
from salus.server.metrics import Metrics
from salus.server.pace import Pace
from salus.server.refreshing import Refreshers
from salus.server.workers import Workers

T = TypeVar("T")
CLEANUP = "salus.cleanup"
"""Under this name a request's scope holds the ExitStack that is closed when the request was answered."""
CONNECTION = "salus.connection"
"""Under this name, where salus runs the server itself, a request's scope holds the Mark of its connection."""
KNOWN = "salus.known"
"""Under this name a request's scope holds True once its sender proved to be signed in."""


class TooLarge(InputError):
    """A body or address that is longer than is read."""


class WrongMedia(InputError):
    """A body of a kind, or an encoding, that is not read."""


class TooSlow(InputError):
    """A body that took too long to come."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, and one asker, may cost."""

    body: int = 8 << 20
    """Bytes of a request's body, where resources are filed."""
    form: int = 64 << 10
    """Bytes of a body that asks: a search, a question, a voice request."""
    unknown: int = 32 << 10
    """Bytes of a body with which one signs in."""
    alarm: int = 4 << 10
    """Bytes of a question that is looked through for an emergency although nobody is signed in."""
    hook: int = 2 << 20
    """Bytes of a call of a CDS service, whose prefetched resources are not used."""
    values: int = 400_000
    """Values (members, list entries, texts, numbers) in a filed body."""
    query: int = 8192
    """Characters of a query string."""
    upload_seconds: float = 60.0
    seconds: float = 60.0
    """How long an answer may take."""
    threads: int = 4
    refreshers: int = 0
    """Processes that bring findings up to date; 0: the threads do it themselves, by the server's own clock."""
    waiting: int = 256
    """Requests that may wait for a thread in all."""
    each: int = 16
    """Requests of one actor (before signing in: of one address) that may wait for a thread."""
    memory: int = 64 << 20
    """Bytes of bodies in memory at once in all."""
    memory_each: int = 16 << 20
    """Bytes of bodies of one actor, and of one address, in memory at once."""
    pace: int = 2 << 20
    """Bytes a second: a body keeps its room for as long as it takes at this pace, however fast it came."""
    small: int = 16 << 10
    """Bytes of a body that is not counted."""
    questions: float = 1.0
    """Questions a second of one asker to the assistant, each of which may take a thread for a while; ten at once."""
    patience: float = 10.0
    """Seconds that a body waits for room before it is refused, and a request for another's refresh of one record."""
    addresses: bool = True
    """Whether an address stands for one asker. Behind a proxy it is the proxy's, and bounds nothing."""


@dataclass(slots=True)
class Service:
    """One running server. ``base`` is its outside address without a slash at the end."""

    base: str
    limits: Limits
    workers: Workers
    tokens: Tokens
    web_sessions: WebSessions
    metrics: Metrics
    clock: Callable[[], datetime] = now
    refreshers: Refreshers | None = None
    cache: Cache = field(init=False)
    budget: Budget = field(init=False)
    questions: Pace = field(init=False)

    def __post_init__(self) -> None:
        """Make what the limits bound."""
        limits = self.limits
        elsewhere = self.refreshers.refresh if self.refreshers else None
        self.cache = Cache(waiting=max(1, limits.threads // 2), patience=limits.patience, elsewhere=elsewhere)
        self.questions = Pace(10, limits.questions)
        self.budget = Budget(limits.memory, limits.memory_each, limits.each, limits.patience)

    @property
    def token_address(self) -> str:
        """Where assertions are exchanged: their audience."""
        return f"{self.base}/auth/token"

    async def signed_in(self, request: Request) -> Signed:
        """Whose bearer token the request carries: to be asked before the body is read.

        What is no token of this store is refused at once. A token that another process gave out is looked up in the
        store, when it is first seen here. Raises NotSignedIn.
        """
        found = await self.owner(bearer(request), origin(request))
        trust(request)
        return found

    async def owner(self, token: str, by: str) -> Signed:
        """Whose token it is, asked for by ``by``. Raises NotSignedIn."""
        known = self.tokens.known(token, self.clock())
        if known is not None:
            return known
        return await self.workers.run(lambda house: self.tokens.look(house, token), by)

    def check_questions(self, asker: str) -> None:
        """Count one question. Raises TooMany."""
        if asker and not self.questions.keeps(asker, time.monotonic()):
            raise too_many()

    async def work(self, request: Request, function: Callable[[Session], T], *, writes: bool = False) -> T:
        """``function`` of the session whose bearer token the request carries. Raises NotSignedIn, NotAllowed."""
        signed = await self.signed_in(request)
        return await self._work(bearer(request), signed, function, writes=writes)

    async def work_as(self, request: Request, token: str, function: Callable[[Session], T]) -> T:
        """The same for a token that is not in the request's header."""
        return await self._work(token, await self.owner(token, origin(request)), function)

    async def _work(self, token: str, signed: Signed, function: Callable[[Session], T], *, writes: bool = False) -> T:
        def in_house(house: House) -> T:
            actor, scope = self.tokens.actor(house, token)
            if writes and scope != WRITE:
                raise NotAllowed("the token is for reading only")
            return function(self.session(house, actor))

        return await self.workers.run(in_house, signed.actor)

    def session(self, house: House, actor: Actor) -> Session:
        """A session of somebody who has proved who he is."""
        session = Session.for_actor(house, actor)
        if self.refreshers is not None:
            session.beforehand = self.cache.bring_up_to_date
        return session


def service(request: Request) -> Service:
    """The service that a request came to."""
    found: Service = request.app.state.salus
    return found


def bearer(request: Request) -> str:
    """The bearer token in the Authorization header. Tokens are never taken from an address."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not value.strip():
        raise NotSignedIn("no token", remedy="Authorization: Bearer TOKEN")
    return value.strip()


def trust(request: Request) -> None:
    """Somebody who is signed in sent this: the connection is the last to be given up when there are too many."""
    request.scope[KNOWN] = True
    mark: Mark | None = request.scope.get(CONNECTION)
    if mark is not None:
        mark.trusted = True


def origin(request: Request) -> str:
    """The address a request came from, as one asker; "" where addresses tell nothing (behind a proxy)."""
    if not request.client or not service(request).limits.addresses:
        return ""
    return f"address {network(request.client.host)}"


def network(host: str) -> str:
    """An IPv4 address as it is, and of an IPv6 address the 64 bits in front, which one customer usually has alone."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False).network_address)


async def body(request: Request, *media: str, limit: int, by: str = "") -> bytes:
    """The request's body, in bounded size and time. ``by`` names the actor who sends it, once known.

    Memory is taken for it before it is read, and given back when the request was answered. Raises TooLarge, WrongMedia,
    TooSlow; TooMany or StoreError where there is no room for it.
    """
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said not in media:
        raise WrongMedia("a body of another kind", remedy=f"Content-Type: {media[0]}")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise WrongMedia("a compressed body", remedy="send it as it is")
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 20 else limit
    too_large = TooLarge(f"a body of more than {limit:,} bytes", remedy="send it in parts")
    if size > limit:
        raise too_large
    limits, data = service(request).limits, bytearray()
    if size > limits.small:
        await _take_room(request, size, by, data)
    try:
        async with asyncio.timeout(limits.upload_seconds):
            async for piece in request.stream():
                data += piece
                if len(data) > limit:
                    raise too_large
    except TimeoutError:
        raise TooSlow("the body came too slowly") from None
    except ClientDisconnect:
        raise InputError("the body was cut off") from None
    return bytes(data)


async def _take_room(request: Request, size: int, by: str, data: bytearray) -> None:
    """Take room for a body that will come into ``data``. It is kept no shorter than what came takes at the pace."""
    askers = [asker for asker in (origin(request), by) if asker]
    here, loop = service(request), asyncio.get_running_loop()
    await here.budget.take(size, askers)
    begun = loop.time()
    cleanup: ExitStack = request.scope[CLEANUP]

    def give_back() -> None:
        loop.call_at(begun + len(data) / here.limits.pace, here.budget.give_back, size, askers)
        data.clear()

    cleanup.callback(give_back)
