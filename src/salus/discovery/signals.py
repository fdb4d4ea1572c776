"""Disproportionality in spontaneous reports: how much more often a product and an event are reported together.

Counts are of distinct reports. RR = N/E with E = sum over strata of N_product * N_event / N (DuMouchel 1999). PRR
(Evans SJW et al., Pharmacoepidemiol Drug Saf 2001;10:483-486) and ROR (van Puijenbroek EP et al., ibid. 2002;11:3-10)
ignore strata and carry 95 % Wald intervals on the log scale. EBGM: ``salus.discovery.ebgm``.

A reporting ratio is an association among reports. It is not a rate, and it says nothing of what caused what.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from salus.errors import InputError

if TYPE_CHECKING:
    from salus.discovery.ebgm import Fit, Prior

MEANING = "a disproportion among reports, not a rate and not a cause: a reason to look at the cases"
FLAG = 2.0
"""EB05 from which a pair is marked for a look: usual (table 1 of doi:10.3389/fphar.2022.872854), and arbitrary in the
words of openEBGM's vignette on EB scores."""

Z95 = 1.959963984540054
MAX_FIELD = 2000
MAX_ROWS = 20_000_000
COLUMNS = ("id", "var1", "var2")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a report table: this report names this product and this event."""

    report: str
    product: str
    event: str
    stratum: str = ""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio with its 95 % interval; infinite or zero ratios have no Wald interval (None)."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Distinct reports of one product and event: the fourfold table, and the expected count over strata."""

    product: str
    event: str
    n: int
    product_only: int
    event_only: int
    neither: int
    expected: float

    @property
    def rr(self) -> float:
        """Observed over expected."""
        return self.n / self.expected

    @property
    def prr(self) -> Ratio:
        """Proportional reporting ratio; infinite when no other product's report names the event."""
        a, b, c, d = self.n, self.product_only, self.event_only, self.neither
        if c == 0:
            return Ratio(math.inf, None, None)
        value = (a / (a + b)) / (c / (c + d))
        return _wald(value, 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))

    @property
    def ror(self) -> Ratio:
        """Reporting odds ratio; infinite when the product or the event is never reported without the other."""
        a, b, c, d = self.n, self.product_only, self.event_only, self.neither
        if b == 0 or c == 0:
            return Ratio(math.inf, None, None)
        value = a * d / (b * c)
        return _wald(value, 1 / a + 1 / b + 1 / c + 1 / d) if d else Ratio(0.0, None, None)


@dataclass(frozen=True, slots=True)
class Signal:
    """A pair with its shrunken ratio: EBGM, and EB05 and EB95, the 5th and 95th percentile of the posterior."""

    pair: Pair
    ebgm: float
    eb05: float
    eb95: float

    @property
    def flagged(self) -> bool:
        """EB05 reaches ``FLAG``."""
        return self.eb05 >= FLAG

    def sentence(self) -> str:
        """One plain sentence; never a causal claim."""
        return (
            f"{self.pair.n} reports name {self.pair.product} with {self.pair.event}, "
            f"{self.pair.expected:.2f} expected; EBGM {self.ebgm:.2f} "
            f"(90 % interval {self.eb05:.2f} to {self.eb95:.2f}): {MEANING}."
        )


@dataclass(frozen=True, slots=True)
class Screening:
    """Every pair that was reported at least once, and the prior that shrank it (``fit`` is None when it was given)."""

    signals: tuple[Signal, ...]
    reports: int
    strata: tuple[str, ...]
    prior: Prior
    fit: Fit | None

    @property
    def flagged(self) -> tuple[Signal, ...]:
        """Pairs whose EB05 reaches ``FLAG``, highest first."""
        return tuple(sorted((s for s in self.signals if s.flagged), key=lambda s: -s.eb05))


def _wald(value: float, variance: float) -> Ratio:
    half = Z95 * math.sqrt(max(variance, 0.0))
    return Ratio(value, value * math.exp(-half), value * math.exp(half))


def read_rows(stream: TextIO, stratify: Sequence[str] = (), where: str = "reports") -> Iterator[Row]:
    """Rows of a CSV table with the columns id, var1 (product), var2 (event) and those named in ``stratify``.

    Raises ``InputError`` with the line for a missing column, an empty or overlong field, or a ragged line.
    """
    reader = csv.reader(stream)
    try:
        header = next(reader, [])
        missing = [name for name in (*COLUMNS, *stratify) if name not in header]
        if missing:
            raise InputError(f"no column {', '.join(missing)}", where, "columns id, var1 (product), var2 (event)")
        at = [header.index(name) for name in COLUMNS]
        strata = [header.index(name) for name in stratify]
        for cells in reader:
            if not cells:
                continue
            place = f"{where}, line {reader.line_num}"
            if len(cells) != len(header):
                raise InputError(f"{len(cells)} fields, the header has {len(header)}", place)
            if reader.line_num > MAX_ROWS:
                raise InputError(f"more than {MAX_ROWS} lines", where, "split the table")
            report, product, event = (cells[i].strip() for i in at)
            if not (report and product and event) or max(map(len, cells)) > MAX_FIELD:
                raise InputError("an id, product or event is empty or too long", place)
            yield Row(report, product, event, " / ".join(cells[i].strip() or "not stated" for i in strata))
    except csv.Error as error:
        raise InputError(f"not a CSV table: {error}", f"{where}, line {reader.line_num}") from error


def count(rows: Iterable[Row]) -> tuple[list[Pair], int]:
    """Every pair that occurs, sorted, and the number of distinct reports.

    Raises ``InputError`` for a table without rows, or a report that lies in two strata.
    """
    pairs: dict[tuple[str, str], set[str]] = defaultdict(set)
    products: dict[str, set[str]] = defaultdict(set)
    events: dict[str, set[str]] = defaultdict(set)
    stratum: dict[str, str] = {}
    for row in rows:
        if stratum.setdefault(row.report, row.stratum) != row.stratum:
            raise InputError("a report lies in two strata", remedy="give each report one value a stratifying column")
        pairs[row.product, row.event].add(row.report)
        products[row.product].add(row.report)
        events[row.event].add(row.report)
    if not pairs:
        raise InputError("the table holds no report", remedy="columns id, var1 (product), var2 (event)")
    total = len(stratum)
    by_product, by_event = _by_stratum(products, stratum), _by_stratum(events, stratum)
    sizes = _sizes(stratum.values())
    found = []
    for (product, event), reports in sorted(pairs.items()):
        n, a, b = len(reports), len(products[product]), len(events[event])
        left, right = by_product[product], by_event[event]
        expected = sum(here * right[name] / sizes[name] for name, here in left.items() if name in right)
        found.append(Pair(product, event, n, a - n, b - n, total - a - b + n, expected))
    return found, total


def _sizes(names: Iterable[str]) -> dict[str, int]:
    sizes: dict[str, int] = defaultdict(int)
    for name in names:
        sizes[name] += 1
    return sizes


def _by_stratum(members: Mapping[str, set[str]], stratum: Mapping[str, str]) -> dict[str, dict[str, int]]:
    return {name: _sizes(stratum[report] for report in reports) for name, reports in members.items()}


def screen(rows: Iterable[Row], prior: Prior | None = None) -> Screening:
    """Counts, ratios and shrunken ratios of every reported pair; the prior is fitted to them unless given.

    Rows with different ``stratum`` are compared within their stratum. Raises ``InputError`` (see ``count`` and
    ``ebgm.fit``).
    """
    import numpy as np

    from salus.discovery import ebgm

    held = list(rows)
    pairs, total = count(held)
    n = np.array([pair.n for pair in pairs], dtype=np.float64)
    e = np.array([pair.expected for pair in pairs], dtype=np.float64)
    fitted = ebgm.fit(n, e) if prior is None else None
    used = fitted.prior if fitted else prior
    assert used is not None
    after = ebgm.posterior(n, e, used)
    columns = zip(pairs, after.geometric_mean(), after.quantile(0.05), after.quantile(0.95), strict=True)
    signals = tuple(Signal(pair, float(m), float(low), float(high)) for pair, m, low, high in columns)
    return Screening(signals, total, tuple(sorted({row.stratum for row in held})), used, fitted)
