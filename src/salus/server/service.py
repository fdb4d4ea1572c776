"""What every endpoint uses: limits, the pool of houses, tokens, and the way from a request to a session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from salus.app.fhir_api import Desk
from salus.app.house import House
from salus.app.refusals import NotAllowed, NotSignedIn
from salus.app.session import Session
from salus.app.tokens import WRITE, Tokens
from salus.errors import InputError
from salus.server.workers import Workers

T = TypeVar("T")


class TooLarge(InputError):
    """A body or address that is longer than is read."""


class WrongMedia(InputError):
    """A body of a kind, or an encoding, that is not read."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost."""

    body: int = 8 << 20
    """Bytes of a request's body."""
    query: int = 8192
    """Characters of a query string."""
    upload_seconds: float = 30.0
    seconds: float = 60.0
    """How long an answer may take."""
    threads: int = 4
    waiting: int = 64


@dataclass(slots=True)
class Service:
    """One running server. ``base`` is its outside address without a slash at the end."""

    base: str
    limits: Limits
    workers: Workers
    tokens: Tokens
    desk: Desk = field(default_factory=Desk)

    @property
    def token_address(self) -> str:
        """Where assertions are exchanged: their audience."""
        return f"{self.base}/auth/token"

    async def work(self, request: Request, function: Callable[[Session], T], *, writes: bool = False) -> T:
        """``function`` of the session whose bearer token the request carries. Raises NotSignedIn, NotAllowed."""
        return await self.work_as(bearer(request), function, writes=writes)

    async def work_as(self, token: str, function: Callable[[Session], T], *, writes: bool = False) -> T:
        """The same for a token that came otherwise (a cookie, say)."""

        def in_house(house: House) -> T:
            actor, scope = self.tokens.actor(house, token)
            if writes and scope != WRITE:
                raise NotAllowed("the token is for reading only")
            return function(Session.for_actor(house, actor))

        return await self.workers.run(in_house)


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


async def body(request: Request, *media: str) -> bytes:
    """The request's body, in bounded size and time. Raises TooLarge or WrongMedia."""
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said not in media:
        raise WrongMedia("a body of another kind", remedy=f"Content-Type: {media[0]}")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise WrongMedia("a compressed body", remedy="send it as it is")
    limit = service(request).limits

    async def read() -> bytes:
        data = bytearray()
        async for piece in request.stream():
            data += piece
            if len(data) > limit.body:
                raise TooLarge(f"a body of more than {limit.body:,} bytes", remedy="send it in parts")
        return bytes(data)

    try:
        return await asyncio.wait_for(read(), limit.upload_seconds)
    except TimeoutError:
        raise InputError("the body came too slowly") from None
    except ClientDisconnect:
        raise InputError("the body was cut off") from None
