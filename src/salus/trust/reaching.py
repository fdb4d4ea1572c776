"""Compiling reaches: of which patients anything is released to one reader for one purpose.

A reach follows from the consents, the policies and the actors as of two log entries, and from the time. Patients for
whom something was decided since are decided on anew, one by one. So an earlier reach, even one that somebody put back,
is brought up to date. It is kept sealed in the store for processes that start, and in memory for the threads of one
process.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from salus.errors import InputError, IntegrityError, StoreError
from salus.fhir import json
from salus.fhir.views import CATEGORIES
from salus.record.forgetting import ERASED
from salus.record.protocols import Scope
from salus.record.reach import Reach, Share
from salus.record.store import Store
from salus.trust.identity import Actor
from salus.trust.log import CONSENT, Log
from salus.trust.registry import Registry

MAX_KEPT = 200
"""How many reaches a process keeps. The one that was asked for longest ago is dropped first."""
WORTH_KEEPING = 100
"""After how many new decisions a reach is written down again."""
FAR = datetime.max.replace(tzinfo=UTC)
_RULES = (
    *("consent.py", "provisions.py", "consent_forms.py", "consent_signatures.py", "resource_facts.py"),
    *("labels.py", "datatypes.py", "registry.py", "identity.py", "policy.py", "gate.py", "deciding.py"),
)
"""The files whose code decides. A reach that other code made is compiled anew."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """What one patient releases to a reader (None: nothing), until the first instant at which that may change."""

    share: Share | None
    until: datetime = FAR


@dataclass(frozen=True, slots=True)
class Ground:
    """What a reach follows from. ``weigh`` decides on one patient, given the actor, the patient, the purpose and the
    time.

    ``scope`` covers the whole store, in which a reach is kept.
    """

    store: Store
    scope: Scope
    log: Log
    registry: Registry
    weigh: Callable[[Actor, str, str, datetime], Weighed]
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Marks:
    """How far a reach took things into account: the newest log entry that filed a consent, the newest of the house's
    own entries, and the highest number of a patient."""

    consents: int
    house: int
    people: int


_NOTHING = Marks(-1, -1, 0)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A reach, with how far it took things into account. It holds from ``since``; for the patients in ``expires`` only
    until then."""

    reach: Reach
    marks: Marks
    since: datetime
    expires: Mapping[int, datetime]


@dataclass(slots=True)
class _Reader:
    """The reach of one reader for one purpose. ``fresh`` counts the decisions that are not written down yet."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    compiled: Compiled | None = None
    fresh: int = 0


class Reaches:
    """The reaches of one store in this process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: OrderedDict[str, _Reader] = OrderedDict()

    def of(self, ground: Ground, actor: Actor, purpose: str) -> Reach:
        """The reach of ``actor`` for ``purpose``, as the log stands now."""
        name = json.dumps([actor.id, purpose], canonical=True).decode()
        with self._lock:
            reader = self._readers.setdefault(name, _Reader())
            self._readers.move_to_end(name)
            while len(self._readers) > MAX_KEPT:
                self._readers.popitem(last=False)
        with reader.lock:
            at = ground.clock()  # under the lock: a time read before it could be earlier than another thread's
            held = reader.compiled or _kept(ground, name)
            compiled, decided = _brought(ground, name, actor, purpose, at, held)
            reader.compiled, reader.fresh = compiled, reader.fresh + decided
            if reader.fresh >= WORTH_KEEPING:
                reader.fresh = 0
                _keep(ground, name, compiled)
        return compiled.reach


_REACHES: dict[Path, Reaches] = {}
_GUARD = threading.Lock()


def of(path: Path) -> Reaches:
    """The reaches of the store at ``path``, the same for every thread of this process."""
    with _GUARD:
        return _REACHES.setdefault(path.resolve(), Reaches())


# ----


def _brought(
    ground: Ground, name: str, actor: Actor, purpose: str, at: datetime, held: Compiled | None
) -> tuple[Compiled, int]:
    """The reach as it is now, made from what is ``held``, and how many patients were decided on for it."""
    now = _marks(ground)  # read first: what is decided afterwards is no older
    due = None if held is None else _due(ground, held, now, at)
    if held is None or due is None:
        held, due = Compiled(Reach(name, {}), _NOTHING, at, {}), _everybody(ground)
    if not due and held.marks == now:
        return held, 0
    shares, expires = dict(held.reach.shares), dict(held.expires)
    for pid, patient in _names(ground, due):
        shares.pop(pid, None)
        expires.pop(pid, None)
        if patient.startswith(ERASED):
            continue
        weighed = _weighed(ground, actor, patient, purpose, at)
        if weighed.share is not None:
            shares[pid] = weighed.share
        if weighed.until < FAR:
            expires[pid] = weighed.until
    reach = Reach(name, shares) if shares != held.reach.shares else held.reach
    return Compiled(reach, now, at, expires), len(due)


def _marks(ground: Ground) -> Marks:
    connection = ground.store.connection
    (people,) = connection.execute("SELECT coalesce(max(pid), 0) FROM patient").fetchone()
    return Marks(ground.log.newest_of(connection, CONSENT), ground.registry.last, int(people))


def _due(ground: Ground, held: Compiled, now: Marks, at: datetime) -> set[int] | None:
    """The patients who have to be decided on anew; None where that may be everybody."""
    if at < held.since or any(new < old for new, old in zip(astuple(now), astuple(held.marks), strict=True)):
        return None
    due = {pid for pid, until in held.expires.items() if until <= at}
    if now == held.marks:
        return due
    about = ground.registry.changed_since(held.marks.house)
    if about is None:
        return None
    connection, before = ground.store.connection, held.marks
    rows = connection.execute("SELECT DISTINCT pid FROM log_leaf WHERE topic = ? AND n > ?", (CONSENT, before.consents))
    due |= {pid for (pid,) in rows}
    due |= {pid for (pid,) in connection.execute("SELECT pid FROM patient WHERE pid > ?", (before.people,))}
    for patient in about:
        due |= {pid for (pid,) in connection.execute("SELECT pid FROM patient WHERE id = ?", (patient,))}
    return due


def _weighed(ground: Ground, actor: Actor, patient: str, purpose: str, at: datetime) -> Weighed:
    try:
        return ground.weigh(actor, patient, purpose, at)
    except IntegrityError:  # tampered consents release nothing; each look at the patient and verification say so
        return Weighed(None, at)


def _everybody(ground: Ground) -> set[int]:
    return {pid for (pid,) in ground.store.connection.execute("SELECT pid FROM patient")}


def _names(ground: Ground, numbers: Iterable[int]) -> Iterator[tuple[int, str]]:
    for pid in sorted(numbers):
        yield from ground.store.connection.execute("SELECT pid, id FROM patient WHERE pid = ?", (pid,))


def _kept(ground: Ground, name: str) -> Compiled | None:
    """The reach that was written down last; None where there is none that can be read."""
    data = ground.store.kept_reach(ground.scope, name)
    if data is None:
        return None
    with suppress(InputError, KeyError, TypeError, ValueError):
        told: dict[str, Any] = json.loads(data)
        shares = {int(pid): Share(int(withheld), bool(singly)) for pid, withheld, singly in told["shares"]}
        expires = {int(pid): datetime.fromisoformat(until) for pid, until in told["expires"]}
        since = datetime.fromisoformat(told["since"])
        if told["rules"] == _rules():
            return Compiled(Reach(name, shares), Marks(*told["marks"]), since, expires)
    return None


def _keep(ground: Ground, name: str, compiled: Compiled) -> None:
    told = {
        "shares": [[pid, share.withheld, share.singly] for pid, share in compiled.reach.shares.items()],
        "expires": [[pid, until.isoformat()] for pid, until in compiled.expires.items()],
        "since": compiled.since.isoformat(),
        "marks": [compiled.marks.consents, compiled.marks.house, compiled.marks.people],
        "rules": _rules(),
    }
    with suppress(StoreError):  # nothing depends on this: what is not kept is compiled again
        ground.store.keep_reach(ground.scope, name, json.dumps(told))


@cache
def _rules() -> str:
    folder = files("salus.trust")
    code = b"".join(folder.joinpath(name).read_bytes() for name in _RULES)
    return hashlib.sha256(code + repr(CATEGORIES).encode()).hexdigest()
