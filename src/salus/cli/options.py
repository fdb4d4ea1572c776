"""What the commands share: opening the house, the acting person, the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from salus.errors import InputError

if TYPE_CHECKING:
    from salus.app.config import Configuration
    from salus.app.session import Session

F = TypeVar("F", bound=Callable[..., Any])


def acting(command: F) -> F:
    """Add ``--as NAME``: every command names its actor."""
    return click.option(
        "--as", "actor", envvar="SALUS_AS", required=True, metavar="NAME", help="Who you are (an actor of this store)."
    )(command)


def timed(command: F) -> F:
    """Add ``--at TIME``."""
    return click.option("--at", metavar="TIME", help="The moment to speak of (a FHIR date or instant; default: now).")(
        command
    )


def moment(at: str | None, option: str = "--at") -> datetime:
    """The time that ``--at``, or another option, names; without it, now."""
    from salus.app.opened import now
    from salus.fhir import dates

    if at is None:
        return now()
    try:
        return dates.instant(at)
    except InputError as error:
        raise error.at(option) from error


def configuration(ctx: click.Context) -> Configuration:
    """The settings in force."""
    from salus.app import config

    named = ctx.find_root().obj["config"]
    return config.load(Path(named) if named else None)


@contextmanager
def session(ctx: click.Context, actor: str) -> Iterator[Session]:
    """Open the house and authenticate ``actor`` with the private key in the identities folder."""
    from salus.app.house import House
    from salus.app.session import Session

    with House(configuration(ctx)) as house:
        yield Session.named(house, actor)


def hex_bytes(text: str, where: str) -> bytes:
    """The bytes that hex digits stand for. Raises InputError, naming the option."""
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise InputError("not hex digits", where=where) from error


def zone(name: str | None) -> ZoneInfo | None:
    """The time zone that ``--time-zone`` names; None without it. Raises InputError."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError("not a time zone", where="--time-zone", remedy="Europe/Paris, say") from error
