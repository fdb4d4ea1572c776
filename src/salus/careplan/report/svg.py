"""Geometry of a chart over time: axes, bands, lines and points in the units of an SVG view box. No drawing here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from salus.careplan.report.words import MONTHS, plain_number

NARROW, WIDE, HEIGHT = 440.0, 940.0, 268.0
LEFT, GUTTER, TOP, BOTTOM = 40.0, 40.0, 16.0, 30.0
"""Margins. The gutter at the right holds the names of levels and ranges."""
LABEL_HEIGHT = 14.0
HEADROOM = 0.09
"""Share of the axis kept free above the highest value, for its label."""
DAY = timedelta(days=1)
_FIRST = datetime(1, 1, 2, tzinfo=UTC).timestamp()
_LAST = datetime(9999, 12, 30, tzinfo=UTC).timestamp()


SMALLEST_SPAN = 1e-6
"""Share of the values' size below which their differences are not spread over the axis."""
LARGEST = 1e12
"""Values beyond this are no measurements and are not drawn."""


def drawable(value: float) -> bool:
    """Whether a number can stand on an axis: finite and of a size that measurements have."""
    return math.isfinite(value) and abs(value) <= LARGEST


@dataclass(frozen=True, slots=True)
class Sample:
    """One value at one moment, with the limits of its interval where it has one."""

    at: datetime
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A named series. ``style`` names its class in the style sheet (one of "a", "b"), ``joined`` draws a line.

    ``newest`` are the words beside its last sample where its plain number will not do.
    """

    name: str
    style: str
    samples: tuple[Sample, ...]
    joined: bool = True
    newest: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal threshold. Its ``name`` stands beside it; a ``category`` names the range above it."""

    value: float
    name: str
    category: bool = False


@dataclass(frozen=True, slots=True)
class Mean:
    """An average over a stretch of time, with its interval."""

    start: datetime
    end: datetime
    value: float
    low: float
    high: float
    style: str


@dataclass(frozen=True, slots=True)
class Slope:
    """A straight line from (start, first) to (end, last)."""

    start: datetime
    first: float
    end: datetime
    last: float


@dataclass(frozen=True, slots=True)
class Plot:
    """What is to be drawn. ``floor`` is where the axis begins; without one it begins below the lowest value."""

    lines: tuple[Line, ...]
    unit: str
    levels: tuple[Level, ...] = ()
    means: tuple[Mean, ...] = ()
    slope: Slope | None = None
    floor: float | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """Text at a point; ``anchor`` is SVG's text-anchor."""

    x: float
    y: float
    text: str
    style: str = ""
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Mark:
    """One data point, with its words for a pointer."""

    x: float
    y: float
    style: str
    title: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Geometry:
    """Everything to draw, in view-box units."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: tuple[Label, ...]
    y_ticks: tuple[Label, ...]
    levels: tuple[float, ...]
    names: tuple[Label, ...]
    areas: tuple[tuple[str, str], ...]
    paths: tuple[tuple[str, str], ...]
    means: tuple[tuple[float, float, float, float, float, str], ...]
    slope: tuple[float, float, float, float] | None
    marks: tuple[Mark, ...]
    ends: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """Linear map from a domain to a range of view-box units."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)


def nice_ticks(low: float, high: float, most: int = 6) -> tuple[float, ...]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten) that span [low, high], at most ``most`` + 1 of them."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        raise ValueError("a scale needs two different finite ends")
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * f for f in (1, 2, 2.5, 5, 10) if power * f >= raw * 0.999999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(round(n * step, 10) for n in range(first, last + 1))


def time_ticks(start: datetime, end: datetime, most: int = 5) -> tuple[tuple[datetime, str], ...]:
    """Days, firsts of months or of years in [start, end], with short words; at most about ``most``."""
    days = (end - start) / DAY
    if days > most * 366:
        return _year_ticks(start, end, most)
    if days > most * 16:
        return _month_ticks(start, end, most)
    step = max(1, math.ceil(days / most))
    first = start.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    found = [first + n * step * DAY for n in range(most + 1)]
    return tuple((d, f"{d.day} {MONTHS[d.month - 1][:3]}") for d in found if start <= d <= end)


def _month_ticks(start: datetime, end: datetime, most: int) -> tuple[tuple[datetime, str], ...]:
    months = (end.year - start.year) * 12 + end.month - start.month
    step = next(s for s in (1, 2, 3, 4, 6, 12) if months / s <= most or s == 12)
    found = []
    for count in range(start.year * 12 + start.month - 1, end.year * 12 + end.month):
        if count % step:
            continue
        at = datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)
        if start <= at <= end:
            found.append((at, f"{MONTHS[at.month - 1][:3]} {at.year}"))
    return tuple(found)


def _year_ticks(start: datetime, end: datetime, most: int) -> tuple[tuple[datetime, str], ...]:
    step = max(1, math.ceil((end.year - start.year) / most))
    years = range(start.year + 1, end.year + 1)
    return tuple((datetime(y, 1, 1, tzinfo=UTC), str(y)) for y in years if y % step == 0)


def draw(plot: Plot, width: float = NARROW) -> Geometry:
    """The geometry of ``plot`` in a view box of ``width``. Levels far outside the values' range are left out.

    Raises ValueError when no line has a sample.
    """
    samples = [s for line in plot.lines for s in line.samples]
    if not samples:
        raise ValueError("a chart needs at least one sample")
    right = width - GUTTER
    y, x = _y_scale(plot, samples), _x_scale(samples, plot.means, right)
    ticks = [v for v in nice_ticks(y.low, y.high) if y.low <= v <= y.high]
    slope = plot.slope
    return Geometry(
        width, HEIGHT, LEFT, right, TOP, HEIGHT - BOTTOM,
        x_ticks=_x_labels(x, time_ticks(_at(x.low), _at(x.high), 5 if width == NARROW else 10), width),
        y_ticks=tuple(Label(LEFT - 7, y(v) + 4, plain_number(v), anchor="end") for v in ticks),
        levels=tuple(y(e.value) for e in plot.levels if y.low < e.value < y.high),
        names=_names(plot.levels, y, right + 6),
        areas=tuple((area, line.style) for line in plot.lines if (area := _area(line, x, y))),
        paths=tuple((_path(e.samples, x, y), e.style) for e in plot.lines if e.joined and len(e.samples) > 1),
        means=tuple(
            (x(_s(m.start)), x(_s(m.end)), y(m.value), y(_in(y, m.high)), y(_in(y, m.low)), m.style) for m in plot.means
        ),
        slope=(x(_s(slope.start)), y(_in(y, slope.first)), x(_s(slope.end)), y(_in(y, slope.last))) if slope else None,
        marks=tuple(_mark(line, s, x, y, plot.unit) for line in plot.lines for s in line.samples),
        ends=_ends(plot, x, y),
    )  # fmt: skip


def _s(at: datetime) -> float:
    return at.timestamp()


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(min(max(seconds, _FIRST), _LAST), UTC)


def _in(scale: Scale, value: float) -> float:
    return min(max(value, scale.low), scale.high)


def _y_scale(plot: Plot, samples: Sequence[Sample]) -> Scale:
    values = [v for s in samples for v in (s.value, s.low, s.high) if v is not None]
    values += [v for m in plot.means for v in (m.low, m.high)]
    low, high = min(values), max(values)
    span = high - low
    if span < SMALLEST_SPAN * max(abs(high), 1.0):
        span = max(abs(high), 1.0)
    near = [e.value for e in plot.levels if low - 0.3 * span <= e.value <= high + 0.3 * span]
    low, high = min([low, *near]), max([high, *near])
    low = low - 0.06 * span if plot.floor is None else min(plot.floor, low)
    ticks = nice_ticks(low, high + HEADROOM * (high - low))
    return Scale(ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP)


def _x_scale(samples: Sequence[Sample], means: Sequence[Mean], right: float) -> Scale:
    moments = [_s(s.at) for s in samples] + [_s(m.end) for m in means] + [_s(m.start) for m in means]
    low, high = min(moments), max(moments)
    margin = max((high - low) * 0.03, 43_200.0)
    return Scale(low - margin, high + margin, LEFT, right)


def _names(levels: Sequence[Level], y: Scale, x: float) -> tuple[Label, ...]:
    """Names of levels beside their line; of categories beside the middle of what is seen of them."""
    found = []
    ordered = sorted(levels, key=lambda e: e.value)
    tops = [*(e.value for e in ordered), math.inf][1:]
    for level, above in zip(ordered, tops, strict=True):
        low, high = max(level.value, y.low), min(above, y.high)
        if level.category and y(low) - y(high) >= LABEL_HEIGHT:
            found.append(Label(x, (y(low) + y(high)) / 2 + 4, level.name))
        elif not level.category and y.low < level.value < y.high:
            found.append(Label(x, y(level.value) + 4, level.name))
    return tuple(found)


def _x_labels(x: Scale, ticks: Sequence[tuple[datetime, str]], width: float) -> tuple[Label, ...]:
    """Labels that stay inside the picture: the outermost lean inwards."""
    found = []
    for at, words in ticks:
        place = x(_s(at))
        half = 3.4 * len(words)
        anchor = "end" if place + half > width else "start" if place - half < 0 else "middle"
        found.append(Label(place, HEIGHT - BOTTOM + 18, words, anchor=anchor))
    return tuple(found)


def _path(samples: Sequence[Sample], x: Scale, y: Scale) -> str:
    return "M" + " L".join(f"{x(_s(s.at))} {y(s.value)}" for s in samples)


def _area(line: Line, x: Scale, y: Scale) -> str:
    """The band between the limits of a joined line's samples, where all have them."""
    edged = [(s.at, s.low, s.high) for s in line.samples if s.low is not None and s.high is not None]
    if not line.joined or len(edged) < 2 or len(edged) < len(line.samples):
        return ""
    upper = [f"{x(_s(at))} {y(_in(y, high))}" for at, _, high in edged]
    lower = [f"{x(_s(at))} {y(_in(y, low))}" for at, low, _ in reversed(edged)]
    return "M" + " L".join((*upper, *lower)) + " Z"


def _mark(line: Line, sample: Sample, x: Scale, y: Scale, unit: str) -> Mark:
    when = f"{sample.at.day} {MONTHS[sample.at.month - 1]} {sample.at.year}"
    words = f"{line.name}, {when}: {plain_number(sample.value)} {unit}".strip()
    low = y(_in(y, sample.low)) if sample.low is not None else None
    high = y(_in(y, sample.high)) if sample.high is not None else None
    return Mark(x(_s(sample.at)), y(sample.value), line.style, words, low, high)


def _ends(plot: Plot, x: Scale, y: Scale) -> tuple[Label, ...]:
    """The newest value at each joined line's end, on the side that the line does not come from, and each mean."""
    found: list[Label] = []
    for line in plot.lines:
        if line.joined and line.samples:
            newest = line.samples[-1]
            falling = len(line.samples) > 1 and line.samples[-2].value > newest.value
            place = y(newest.value) + (17 if falling else -9)
            words = line.newest or plain_number(newest.value)
            found.append(Label(x(_s(newest.at)) - 5, place, words, line.style, "end"))
    for mean in plot.means:
        place = y(_in(y, mean.high)) - 14
        found.append(Label(x(_s(mean.end)), place, plain_number(round(mean.value)), mean.style, "end"))
    return tuple(found)
