"""The tour as one HTML page: no script, no network, nothing outside itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from salus import __version__
from salus.cli.tour.run import MEASURED, NOT_YET, WORKS, Walked
from salus.findings.cards import NOT_A_DEVICE, Card, find

MEANING = {
    MEASURED: "works here, and what the line says held against the truth of others, on cases not developed on",
    WORKS: "works here; what the line says is not measured so, or for an earlier code, or a check did not hold",
    NOT_YET: "did not run here",
}


def render(walked: Sequence[Walked], at: datetime) -> str:
    """The page for what was walked. ``at`` is when."""
    environment = Environment(
        loader=PackageLoader("salus.cli.tour"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = environment.get_template("tour.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("tour.html.j2").render(
        rows=[(w, _cards(w)) for w in walked],
        meaning=MEANING,
        counts={sign: sum(w.sign == sign for w in walked) for sign in MEANING},
        at=at.strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
        notice=NOT_A_DEVICE,
        style=style,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
    )


def _cards(walked: Walked) -> list[Card]:
    return [find(name) for name in (*walked.slice.capabilities, *walked.slice.also_capabilities)]
