"""The report: one self-contained HTML file of a plan, for the clinician and, on its own page, for the patient."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined

from salus.careplan.model import Plan
from salus.careplan.report import plain, words
from salus.careplan.report.page import make_page
from salus.record.chart import Chart

__all__ = ["environment", "render_html"]


def render_html(plan: Plan, chart: Chart) -> str:
    """The report as one HTML document without script, without network and without anything outside itself.

    ``chart`` is the chart that the plan was composed from: evidence is opened in it and is shown only where the source
    is still the version that was cited. The result depends on nothing but ``plan`` and ``chart``.
    """
    environment = _own()
    style = environment.get_template("report.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    template = environment.get_template("report.html.j2")
    return template.render(page=make_page(plan, chart), policy=policy, plain=plain)


def environment(*more: BaseLoader) -> Environment:
    """The report's templates and filters, for pages that are built from its parts; ``more`` are looked into first."""
    made = Environment(
        loader=ChoiceLoader([*more, PackageLoader("salus.careplan.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters |= {"day": words.day, "moment": words.moment, "capital": words.capital, "prose": words.prose}
    return made


@cache
def _own() -> Environment:
    return environment()


def _shown(value: Any) -> Any:
    """What a template prints: strings without characters that disguise text. Markup comes from our templates only."""
    return words.clean(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
