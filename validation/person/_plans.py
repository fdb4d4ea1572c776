"""What a plan says, so that two plans can be held against each other; and the example patients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from salus.app import demo
from salus.careplan.compose import compose
from salus.careplan.model import Plan
from salus.fhir.quantity import Quantity
from salus.fhir.views import CATEGORIES
from salus.findings.registry import runnable
from salus.findings.runner import run
from salus.record.chart import Chart

AT = datetime(2026, 6, 1, tzinfo=UTC)
EXAMPLES = Path(__file__).parents[2] / "examples"


def examples() -> dict[str, demo.Example]:
    """The bundled example patients of this checkout, whichever copy of the package runs."""
    setattr(demo, "examples_root", lambda: EXAMPLES)  # noqa: B010 - a copy of src has no examples beside it
    return demo.examples()


@dataclass(frozen=True, slots=True)
class Said:
    """Items (key, tier, status), findings (code, status, value), what was not understood, and until when it holds."""

    items: frozenset[tuple[str, ...]]
    findings: frozenset[tuple[str, ...]]
    plan: Plan
    until: datetime

    @property
    def named(self) -> bool:
        """Whether anything that could not be read is named."""
        return bool(self.plan.not_understood)


def planned(resources: Iterable[Mapping[str, Any]], at: datetime = AT) -> Said:
    """The plan at ``at`` of a chart of these resources, all methods run."""
    chart = Chart.of(resources, now=at)
    outcome = run(runnable({})[0], chart)
    if outcome.failures:
        raise AssertionError(f"a method failed: {outcome.failures[0]}")
    plan = compose(chart, outcome.findings, looked_at=CATEGORIES)
    items = frozenset((i.key, i.tier, i.status) for i in plan.items)
    told = frozenset((f.code, f.status, _value(f.value)) for f in outcome.findings)
    return Said(items, told, plan, chart.until)


def _value(value: object) -> str:
    return f"{value.value.normalize():f} {value.unit}" if isinstance(value, Quantity) else str(value)
