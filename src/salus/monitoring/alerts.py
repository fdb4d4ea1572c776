"""Alerts as a state machine over event time. Pure: the same events, in order, give the same history.

An alert opens when a rule is broken long enough, is acknowledged by a person, escalates while nobody does, opens again
when it persists long after, and is resolved only by values back in range. Silence never resolves anything: a device
that falls silent is itself an alert, "not monitored".
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from salus.monitoring import news2
from salus.monitoring.live import Acknowledgement, Event, Key, Reading, Rule, State, Stay, table

NAMESPACE = uuid.UUID("5b0d7c1e-93b5-5a3c-8a64-0a7a3a0a7f11")
SILENT = "not-monitored"
EVIDENCE = 20
"""Readings named as evidence of one transition, the newest."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of an alert: when (event time), from what to what, on which readings, by whom, why."""

    alert: str
    rule: str
    at: datetime
    to: State
    why: str
    evidence: tuple[Key, ...] = ()
    by: str = ""


@dataclass(slots=True)
class _Episode:
    """What a rule is doing for one patient. ``id`` is "" while no alert is open."""

    id: str = ""
    state: State = "resolved"
    since: datetime | None = None
    broken: list[tuple[datetime, Key]] = field(default_factory=list)
    back: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """What the machine must know besides readings. ``silent_after``: by device, when its silence counts."""

    patient: str
    silent_after: Mapping[str, timedelta] = field(default_factory=dict)
    stays: Sequence[Stay] = ()


class Watch:
    """All alerts of one patient."""

    def __init__(self, context: Context, rules: Sequence[Rule] | None = None) -> None:
        self._context = context
        self._rules = {rule.id: rule for rule in (table().rules if rules is None else rules)}
        self._episodes = {name: _Episode() for name in self._rules}
        self._silent: dict[str, _Episode] = {}
        self._last: dict[str, tuple[datetime, Key]] = {}
        self._vitals: dict[str, tuple[datetime, Decimal | str, Key]] = {}
        self.history: list[Transition] = []

    # ---- events and time

    def apply(self, event: Event) -> None:
        """The next event in order of time; what was due before it happens first."""
        self.tick(event.at)
        if isinstance(event, Acknowledgement):
            self._acknowledge(event)
            return
        self._heard(event)
        for rule in self._rules.values():
            if rule.setting == event.setting:
                self._judge(rule, event)

    def tick(self, now: datetime) -> None:
        """Everything that falls due before ``now`` happens, in order of time."""
        while True:
            due = min((d for d in self._due() if d[0] < now), default=None)
            if due is None:
                return
            self._fire(*due)

    def _due(self) -> Iterator[tuple[datetime, str, str]]:
        for device, (at, _) in self._last.items():
            limit = self._context.silent_after.get(device)
            if limit and device not in self._silent:
                yield at + limit, "silent", device
        for name, episode in self._all():
            rule = self._rules.get(name)
            if episode.since is None or rule is None:
                continue
            if episode.state == "open":
                yield episode.since + rule.escalate, "escalate", name
            if rule.news2 and episode.id and (end := self._end_of_stay(episode.since)) is not None:
                yield end, "left", name

    def _fire(self, at: datetime, kind: str, name: str) -> None:
        if kind == "silent":
            self._fall_silent(at, name)
            return
        episode = self._episodes[name]
        evidence = tuple(key for _, key in episode.broken[-EVIDENCE:])
        if kind == "escalate":
            self._move(name, episode, at, "escalated", "nobody acknowledged it in time", evidence)
        else:
            self._resolve(name, episode, at, "the acute encounter ended", ())

    def _end_of_stay(self, at: datetime) -> datetime | None:
        return next((s.end for s in self._context.stays if s.holds(at)), None)

    def _all(self) -> Iterator[tuple[str, _Episode]]:
        yield from self._episodes.items()
        yield from ((f"{SILENT}:{device}", episode) for device, episode in self._silent.items())

    # ---- silence

    def _heard(self, reading: Reading) -> None:
        episode = self._silent.pop(reading.device, None)
        if episode is not None:
            self._note(episode.id, SILENT, reading.at, "resolved", "readings come again", (reading.key,))
        self._last[reading.device] = (reading.at, reading.key)

    def _fall_silent(self, at: datetime, device: str) -> None:
        last = self._last[device][1]
        episode = _Episode(self._identity(f"{SILENT}:{device}", last), "open", at)
        self._silent[device] = episode
        self._note(episode.id, SILENT, at, "open", "no reading came any more", (last,))

    # ---- rules

    def _judge(self, rule: Rule, reading: Reading) -> None:
        verdict, evidence = self._news2(rule, reading) if rule.news2 else _bounds(rule, reading)
        episode = self._episodes[rule.id]
        if verdict == "broken":
            episode.broken.append((reading.at, reading.key))
            episode.broken = episode.broken[-max(EVIDENCE, rule.count) :] if episode.id else episode.broken
            episode.back = 0
            named = evidence or tuple(key for _, key in episode.broken[-EVIDENCE:])
            if not episode.id and _long_enough(rule, episode):
                episode.id = self._identity(rule.id, episode.broken[0][1])
                self._move(rule.id, episode, reading.at, "open", rule.title, named)
            elif episode.state == "acknowledged" and episode.since and reading.at - episode.since >= rule.again:
                self._move(rule.id, episode, reading.at, "open", "still so, long after it was acknowledged", named)
            return
        if verdict == "":
            return
        if not episode.id:
            episode.broken = []
            return
        episode.back = episode.back + 1 if verdict == "back" else 0
        if episode.back >= rule.clear_count:
            self._resolve(rule.id, episode, reading.at, "back in range", evidence or (reading.key,))

    def _news2(self, rule: Rule, reading: Reading) -> tuple[str, tuple[Key, ...]]:
        """Judge the score of what is fresh enough; only inside an acute encounter."""
        stay = next((s for s in self._context.stays if s.holds(reading.at)), None)
        if stay is None:
            return "", ()
        for name, value in reading.values.items():
            if name in news2.PARAMETERS:
                self._vitals[name] = (reading.at, value, reading.key)
        fresh = {
            name: (value, key)
            for name, (at, value, key) in self._vitals.items()
            if reading.at - at <= rule.age and at >= stay.start
        }
        if not fresh:
            return "", ()
        score = news2.score({name: value for name, (value, _) in fresh.items()})
        evidence = tuple(dict.fromkeys(key for _, key in fresh.values()))
        if score.lowest >= rule.news2 or (rule.single_3 and score.single_3):
            return "broken", evidence
        calm = score.highest < rule.news2 and not score.missing
        return ("back" if calm else "between"), evidence

    def _acknowledge(self, event: Acknowledgement) -> None:
        for name, episode in self._all():
            if episode.id == event.alert and episode.state in ("open", "escalated"):
                self._move(name, episode, event.at, "acknowledged", "seen by a person", (), event.by)

    # ---- history

    def _identity(self, name: str, first: Key) -> str:
        return str(uuid.uuid5(NAMESPACE, f"{self._context.patient} {name} {first!r}"))

    def _move(
        self, name: str, episode: _Episode, at: datetime, to: State, why: str, evidence: tuple[Key, ...], by: str = ""
    ) -> None:
        episode.state, episode.since = to, at
        self._note(episode.id, name.partition(":")[0], at, to, why, evidence, by)

    def _resolve(self, name: str, episode: _Episode, at: datetime, why: str, evidence: tuple[Key, ...]) -> None:
        self._move(name, episode, at, "resolved", why, evidence)
        self._episodes[name] = _Episode()

    def _note(
        self, alert: str, rule: str, at: datetime, to: State, why: str, evidence: tuple[Key, ...], by: str = ""
    ) -> None:
        self.history.append(Transition(alert, rule, at, to, why, evidence, by))


def _bounds(rule: Rule, reading: Reading) -> tuple[str, tuple[Key, ...]]:
    found = [(b, v) for b in rule.bounds if isinstance(v := reading.values.get(b.value), Decimal)]
    if not found:
        return "", ()
    if any(bound.broken(value) for bound, value in found):
        return "broken", ()
    complete = len(found) == len(rule.bounds)
    return ("back" if complete and all(bound.back(value) for bound, value in found) else "between"), ()


def _long_enough(rule: Rule, episode: _Episode) -> bool:
    first, last = episode.broken[0][0], episode.broken[-1][0]
    return len(episode.broken) >= rule.count and last - first >= rule.span
