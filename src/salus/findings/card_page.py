"""A card as HTML: one self-contained page without script and without network, or its body for another page."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from salus.fhir import json
from salus.findings.cards import NOT_A_DEVICE, Card
from salus.findings.source_attributes import attributes


def to_html(card: Card) -> str:
    """The whole page."""
    style = _environment().get_template("card.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return _environment().get_template("card.html.j2").render(_words(card), style=style, policy=policy)


def body(card: Card) -> str:
    """The page's content alone, to be put into another page. Markup comes from our template only."""
    return _environment().get_template("card.body.html.j2").render(_words(card))


def _words(card: Card) -> dict[str, Any]:
    return {"card": card, "attributes": attributes(card), "notice": NOT_A_DEVICE}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("salus.findings"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _figure
    return environment


def _figure(value: Any) -> str:
    """A figure as it was measured: strings as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value).decode()
