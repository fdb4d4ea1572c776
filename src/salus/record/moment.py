"""The moment of a chart, which notes until when the answers that were drawn from it stay the same.

Methods compare the moment with dates ("at most two years ago"), count days and take the calendar's date from it. Each
of these answers changes at a known instant; the earliest of these instants is the :class:`Horizon`. Until then no
answer drawn from the moment can change, and nothing has to be worked out again.
"""

from __future__ import annotations

import datetime as calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, SupportsIndex

FAR = datetime(9999, 1, 1, tzinfo=UTC)
"""The horizon of an answer that does not depend on the moment."""
_DAY = timedelta(days=1)


@dataclass(slots=True)
class Horizon:
    """``until`` is the first instant (UTC) at which an answer may change; it is ``now`` where that may be at once."""

    now: datetime
    until: datetime = FAR

    def limit(self, after: timedelta) -> None:
        """Note that an answer changes when ``after`` has passed from ``now``."""
        if after < self.until - self.now:
            self.until = self.now + after

    def at_once(self) -> None:
        """Note that an answer holds for this instant only."""
        self.until = self.now


class Moment(datetime):
    """A ``datetime`` that notes in its horizon until when each answer it gives holds.

    The chart's ``now`` is a moment, and so is a moment plus or minus a timedelta.
    """

    _horizon: Horizon

    @classmethod
    def of(cls, instant: datetime, horizon: Horizon) -> Moment:
        """A moment at ``instant``, which must have a time zone. It moves on with the horizon's ``now``."""
        made = cls(*_fields(instant), instant.microsecond, instant.tzinfo, fold=instant.fold)
        made._horizon = horizon
        return made

    def _plain(self) -> datetime:
        """The same instant as an ordinary ``datetime``, which notes nothing."""
        return datetime(*_fields(super()), super().microsecond, super().tzinfo, fold=super().fold)

    def _momentary(self) -> datetime:
        self._horizon.at_once()
        return self._plain()

    def _daily(self) -> datetime:
        """The same instant, for answers that use its date only: they change at midnight of its time zone."""
        plain = self._plain()
        midnight = datetime.combine(plain.date(), calendar.time(0), plain.tzinfo) + _DAY
        # subtracted in UTC: a day of a zone with summer time may have 23 hours
        self._horizon.limit(midnight.astimezone(UTC) - plain.astimezone(UTC))
        return plain

    # ---- comparing: the answer changes when this moment passes the other one

    def _passes(self, other: datetime) -> datetime:
        plain = self._plain()
        other = other._plain() if isinstance(other, Moment) else other
        if other.tzinfo is not None:  # with one that has none it cannot be compared
            ahead = other.astimezone(UTC) - plain.astimezone(UTC)  # within one zone the difference would be of clocks
            if ahead >= timedelta():
                self._horizon.limit(ahead)
        return plain

    def __lt__(self, other: Any) -> bool:
        return NotImplemented if not isinstance(other, datetime) else self._passes(other).__lt__(_still(other))

    def __le__(self, other: Any) -> bool:
        return NotImplemented if not isinstance(other, datetime) else self._passes(other).__le__(_still(other))

    def __gt__(self, other: Any) -> bool:
        return NotImplemented if not isinstance(other, datetime) else self._passes(other).__gt__(_still(other))

    def __ge__(self, other: Any) -> bool:
        return NotImplemented if not isinstance(other, datetime) else self._passes(other).__ge__(_still(other))

    def __eq__(self, other: object) -> bool:
        return NotImplemented if not isinstance(other, datetime) else self._passes(other).__eq__(_still(other))

    def __hash__(self) -> int:
        return hash(self._momentary())

    # ---- counting

    def __add__(self, other: timedelta) -> Moment:
        return Moment.of(self._clock() + _length(other), self._horizon)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Moment):
            return self._plain() - other._plain()  # both move: their distance does not
        if isinstance(other, datetime):
            return Elapsed(self._distance(other), self._horizon)
        return Moment.of(self._clock() - _length(other), self._horizon)

    def _clock(self) -> datetime:
        """The instant to add to. In a zone whose clocks are changed a sum holds for this instant only: it may jump."""
        return self._plain() if self.tzinfo is UTC else self._momentary()

    def __rsub__(self, other: datetime) -> Remaining:  # type: ignore[misc]
        return Remaining(-self._distance(other), self._horizon)

    def _distance(self, other: datetime) -> timedelta:
        """The time from ``other`` to this. In a zone whose clocks are changed it holds for this instant only."""
        if self.tzinfo is not UTC and self.tzinfo is other.tzinfo:
            self._horizon.at_once()
        return self._plain() - other

    # ---- the calendar

    @property
    def year(self) -> int:
        return self._daily().year

    @property
    def month(self) -> int:
        return self._daily().month

    @property
    def day(self) -> int:
        return self._daily().day

    def date(self) -> calendar.date:
        return self._daily().date()

    def weekday(self) -> int:
        return self._daily().weekday()

    def isoweekday(self) -> int:
        return self._daily().isoweekday()

    def isocalendar(self) -> Any:
        return self._daily().isocalendar()

    def toordinal(self) -> int:
        return self._daily().toordinal()

    def astimezone(self, tz: tzinfo | None = None) -> Moment:
        return Moment.of(self._plain().astimezone(tz), self._horizon)

    # ---- all other answers hold for this instant only

    @property
    def hour(self) -> int:
        return self._momentary().hour

    @property
    def minute(self) -> int:
        return self._momentary().minute

    @property
    def second(self) -> int:
        return self._momentary().second

    @property
    def microsecond(self) -> int:
        return self._momentary().microsecond

    def time(self) -> calendar.time:
        return self._momentary().time()

    def timetz(self) -> calendar.time:
        return self._momentary().timetz()

    def timestamp(self) -> float:
        return self._momentary().timestamp()

    def timetuple(self) -> Any:
        return self._momentary().timetuple()

    def utctimetuple(self) -> Any:
        return self._momentary().utctimetuple()

    def isoformat(self, *arguments: Any, **named: Any) -> str:
        return self._momentary().isoformat(*arguments, **named)

    def ctime(self) -> str:
        return self._momentary().ctime()

    def strftime(self, format: str) -> str:
        return self._momentary().strftime(format)

    def replace(self, *arguments: Any, **named: Any) -> datetime:  # type: ignore[override]
        return self._momentary().replace(*arguments, **named)

    def __format__(self, format: str) -> str:
        return self._momentary().__format__(format)

    def __str__(self) -> str:
        return str(self._momentary())

    def __repr__(self) -> str:
        return repr(self._momentary())

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return self._momentary().__reduce_ex__(protocol)


class _Length:
    """The time between a fixed instant and the moment. ``_grows`` is 1 where it grows as time passes, else -1.

    It answers as a ``timedelta`` does, but is not one: C code would read a ``timedelta`` without calling its methods.
    """

    _grows: int

    def __init__(self, length: timedelta, horizon: Horizon) -> None:
        """``length`` is the time as it is at the horizon's ``now``."""
        self._length = length
        self._horizon = horizon

    def _momentary(self) -> timedelta:
        self._horizon.at_once()
        return self._length

    def _passes(self, other: Any) -> timedelta:
        if isinstance(other, timedelta):
            ahead = (other - self._length) * self._grows
            if ahead >= timedelta():
                self._horizon.limit(ahead)
        return self._length

    def __lt__(self, other: Any) -> bool:
        return bool(self._passes(other := _length(other)) < other)

    def __le__(self, other: Any) -> bool:
        return bool(self._passes(other := _length(other)) <= other)

    def __gt__(self, other: Any) -> bool:
        return bool(self._passes(other := _length(other)) > other)

    def __ge__(self, other: Any) -> bool:
        return bool(self._passes(other := _length(other)) >= other)

    def __eq__(self, other: object) -> bool:
        return bool(self._passes(other := _length(other)) == other)

    def __bool__(self) -> bool:
        return self != timedelta()

    def __hash__(self) -> int:
        return hash(self._momentary())

    @property
    def days(self) -> int:
        """Whole days, rounded down."""
        found: int = self // _DAY
        return found

    def __floordiv__(self, other: Any) -> Any:
        if not isinstance(other, timedelta) or other <= timedelta():
            return self._momentary() // other
        whole = self._length // other
        # the answer changes when it has grown to the next whole number, or shrunk below this one
        rest = self._length - whole * other
        self._horizon.limit(other - rest if self._grows > 0 else rest)
        return whole

    def __add__(self, other: Any) -> Any:
        if isinstance(other, datetime):
            return other + self._momentary()
        return type(self)(self._length + _length(other), self._horizon)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return type(self)(self._length - _length(other), self._horizon)

    def __rsub__(self, other: Any) -> Any:
        return other - self._momentary()

    def __neg__(self) -> Any:
        return (Remaining if self._grows > 0 else Elapsed)(-self._length, self._horizon)

    def __abs__(self) -> Any:
        return self if self >= timedelta() else -self

    def total_seconds(self) -> float:
        """The seconds. Like all answers below, it holds for this instant only."""
        return self._momentary().total_seconds()

    @property
    def seconds(self) -> int:
        return self._momentary().seconds

    @property
    def microseconds(self) -> int:
        return self._momentary().microseconds

    def __truediv__(self, other: Any) -> Any:
        return self._momentary() / other

    def __mod__(self, other: Any) -> Any:
        return self._momentary() % other

    def __divmod__(self, other: Any) -> Any:
        return divmod(self._momentary(), other)

    def __rfloordiv__(self, other: Any) -> Any:
        return other // self._momentary()

    def __rmod__(self, other: Any) -> Any:
        return other % self._momentary()

    def __pos__(self) -> Any:
        return self

    def __mul__(self, other: Any) -> Any:
        return self._momentary() * other

    __rmul__ = __mul__

    def __rtruediv__(self, other: Any) -> Any:
        return other / self._momentary()

    def __str__(self) -> str:
        return str(self._momentary())

    def __repr__(self) -> str:
        return repr(self._momentary())


class Elapsed(_Length):
    """Time since a fixed instant."""

    _grows = 1


class Remaining(_Length):
    """Time up to a fixed instant."""

    _grows = -1


def _fields(instant: Any) -> tuple[int, int, int, int, int, int]:
    return instant.year, instant.month, instant.day, instant.hour, instant.minute, instant.second


def _still(other: Any) -> Any:
    return other._plain() if isinstance(other, Moment) else other


def _length(other: Any) -> Any:
    """The length as a ``timedelta``; for a :class:`_Length`, as it is at this instant."""
    return other._momentary() if isinstance(other, _Length) else other
