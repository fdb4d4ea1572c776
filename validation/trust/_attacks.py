"""Attacks on a server, one a process: ``python -m validation.trust._attacks KIND PORT SECONDS`` and tokens on stdin.

Each goes on until its time is over: what the server closes is opened again.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import string
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

SLOW, IDLE, CROWD, HUGE = 500, 500, 2000, 200
BODY = 8 << 20


class Attack:
    """Connections from 127.0.0.1 to one server, until ``end`` (by the monotonic clock)."""

    def __init__(self, port: int, seconds: float, given: dict[str, Any]) -> None:
        self.port = port
        self.end = time.monotonic() + seconds
        self.given = given
        self.answers: dict[str, int] = {}

    async def forever(self, many: int, one: Callable[[int], Awaitable[None]]) -> None:
        """``one`` again and again, ``many`` at a time."""

        async def again(number: int) -> None:
            await asyncio.sleep(number * 0.002)
            while time.monotonic() < self.end:
                try:
                    await asyncio.wait_for(one(number), max(0.1, self.end - time.monotonic()))
                except (OSError, TimeoutError, asyncio.IncompleteReadError):
                    self.answers["closed"] = self.answers.get("closed", 0) + 1
                await asyncio.sleep(0.25)

        await asyncio.gather(*(again(number) for number in range(many)))

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=("127.0.0.1", 0))

    async def trickle(self, start: bytes) -> None:
        """Send ``start`` and then a byte a second, without end."""
        reader, writer = await self.open()
        try:
            writer.write(start)
            while not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                try:
                    await asyncio.wait_for(reader.read(4096), 1)
                except TimeoutError:
                    continue
        finally:
            writer.transport.abort()

    async def wait(self, _: int) -> None:
        """Connect and say nothing."""
        reader, writer = await self.open()
        try:
            await reader.read()
        finally:
            writer.transport.abort()

    async def post(self, path: str, body: bytes, media: str, token: str = "") -> None:
        """One whole request, as fast as it is taken."""
        reader, writer = await self.open()
        try:
            head = [
                f"POST {path} HTTP/1.1",
                "Host: 127.0.0.1",
                f"Content-Type: {media}",
                f"Content-Length: {len(body)}",
            ]
            head += [f"Authorization: Bearer {token}"] if token else []
            writer.write("\r\n".join([*head, "\r\n"]).encode())
            for start in range(0, len(body), 64 << 10):
                writer.write(body[start : start + (64 << 10)])
                await writer.drain()
                if reader.at_eof():
                    break
            status = (await reader.readuntil(b"\r\n"))[9:12].decode()
            self.answers[status] = self.answers.get(status, 0) + 1
        finally:
            writer.transport.abort()

    # ---- kinds

    async def slow_headers(self) -> None:
        await self.forever(SLOW, lambda _: self.trickle(b"GET /fhir/metadata HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "))

    async def slow_bodies(self) -> None:
        start = (
            b"POST /auth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20000\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        await self.forever(SLOW, lambda _: self.trickle(start))

    async def idle(self) -> None:
        await self.forever(IDLE, self.wait)

    async def crowd(self) -> None:
        """More connections than one address may hold, and nothing said on any."""
        await self.forever(CROWD, self.wait)

    async def huge_questions(self) -> None:
        numbers = b"[" + b"1.5," * (BODY // 4 - 1) + b"1]"
        await self.forever(HUGE, lambda _: self.post("/assistant/ask", numbers, "application/json"))

    async def huge_sign_ins(self) -> None:
        form, data = "application/x-www-form-urlencoded", b"a=" + b"%41" * (BODY // 3 - 1)
        await self.forever(HUGE, lambda _: self.post("/auth/token", data, form))

    async def huge_resources(self) -> None:
        """Numbers without end, by somebody who may file resources."""
        numbers = b'{"resourceType":"Observation","x":[' + b"1.5," * (BODY // 4 - 20) + b"1]}"
        await self.forever(
            HUGE, lambda _: self.post("/fhir/Observation", numbers, "application/fhir+json", self.given["writer"])
        )

    async def odd_words(self) -> None:
        dice = random.Random(7)
        words = " ".join("".join(dice.choices(string.ascii_lowercase, k=dice.randint(5, 10))) for _ in range(950))
        body = json.dumps({"question": words[:7990]}).encode()
        await self.forever(HUGE, lambda _: self.post("/assistant/ask", body, "application/json", self.given["asker"]))

    async def sign_ins(self) -> None:
        lines: list[str] = self.given["assertions"]

        async def one(_: int) -> None:
            if lines:
                await self.post("/auth/token", lines.pop().encode(), "application/x-www-form-urlencoded")

        await self.forever(40, one)

    async def huge_note(self) -> None:
        """Somebody whose record holds a note of 8 MB reads it, again and again, and others' notes come in between."""
        note = b'{"resourceType":"Basic","code":{"text":"x"},"subject":{"reference":"Patient/p3"}}'

        async def one(number: int) -> None:
            if number == 0:
                await self.post("/fhir/Basic", note, "application/fhir+json", self.given["writer"])
            form = "application/x-www-form-urlencoded"
            await self.post("/fhir/Observation/_search", b"patient=p3&_count=1", form, self.given["noted"])

        await self.forever(20, one)

    async def all_at_once(self) -> None:
        await asyncio.gather(self.slow_headers(), self.idle(), self.huge_resources())


KINDS = (
    "slow_headers",
    "slow_bodies",
    "idle",
    "huge_questions",
    "huge_sign_ins",
    "huge_resources",
    "odd_words",
    "sign_ins",
    "huge_note",
    "all_at_once",
)


def main() -> None:
    kind, port, seconds = sys.argv[1:4]
    os.nice(10)  # an attacker has a machine of his own
    attack = Attack(int(port), float(seconds), json.load(sys.stdin))
    asyncio.run(getattr(attack, kind)())
    print(json.dumps(attack.answers))


if __name__ == "__main__":
    main()
