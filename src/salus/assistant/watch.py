"""Watching what devices send, through the alerts that live monitoring keeps as Flags. The assistant raises none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from salus.assistant.reply import Citation, Sentence
from salus.assistant.view import View
from salus.fhir.views import TAG_KIND, Body, Source, tags, text_of


def told(view: View) -> Iterator[Sentence]:
    """Every alert that is released, the open ones first."""
    found = [(source, body) for source, body in view.chart.resources("Flag") if _is_alert(body)]
    for source, body in sorted(found, key=lambda pair: (pair[1].get("status") != "active", _start(pair[1]))):
        state = "open" if body.get("status") == "active" else "over"
        text = f"Alert from your devices ({state}): {text_of(body.get('code'))}, since {view.day(_start(body))}."
        yield Sentence(text, (_place(source, text_of(body.get("code"))),))


def _is_alert(body: Body) -> bool:
    return any(t.endswith("/alert") for t in tags(body, TAG_KIND))


def _start(body: Body) -> str:
    period: Any = body.get("period")
    return str(period.get("start", "")) if isinstance(period, dict) else ""


def _place(source: Source, title: str) -> Citation:
    return Citation("record", source.ref, title, source.version, digest=source.digest)
