"""The first items of a care plan as CDS Hooks cards: what the plan says, in the plan's words, and nothing more."""

from __future__ import annotations

import re
import uuid
from typing import Any

from salus.careplan.model import NOT_A_DEVICE, TIER_TITLES, Plan, PlanItem
from salus.server.cds_messages import SUMMARY

MAX_CARDS = 5
_NAMESPACE = uuid.UUID("4be0ac5c-6d0c-5d6f-8f0e-7a1f6f0b9d11")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>#|~]|:(?=//)|(?<=www)\.)")


def cards(plan: Plan, instance: uuid.UUID) -> list[dict[str, Any]]:
    """At most :data:`MAX_CARDS` cards of items, most pressing first. Suggestions are left out: people decide.

    A warning stands before them where data that the patient withholds conflict with what is done; a card after them
    tells which kinds of data the patient withholds.
    """
    found = [_card(plan, item, instance) for item in plan.items[:MAX_CARDS]]
    if plan.conflict_statement:
        found.insert(0, _notice(plan, plan.conflict_statement, "warning", instance))
    if plan.withheld_statement:
        found.append(_notice(plan, plan.withheld_statement, "info", instance))
    return found


def _notice(plan: Plan, words: str, indicator: str, instance: uuid.UUID) -> dict[str, Any]:
    """A card of what the patient withholds. It has no reasons: it says all that may be told."""
    return {
        "uuid": str(uuid.uuid5(_NAMESPACE, f"{instance} withheld {indicator}")),
        "summary": _short(words),
        "indicator": indicator,
        "source": {"label": "the patient's consent"},
        "detail": "\n".join([_plain(words), "", _plain(plan.scope_statement), "", _plain(NOT_A_DEVICE)]),
    }


def _card(plan: Plan, item: PlanItem, instance: uuid.UUID) -> dict[str, Any]:
    unresolved = item.status == "unresolved"
    return {
        "uuid": str(uuid.uuid5(_NAMESPACE, f"{instance} {item.key}")),
        "summary": _short(f"Unresolved: {item.text}" if unresolved else item.text),
        "indicator": "critical" if item.tier == "urgent" else "warning" if unresolved else "info",
        "source": {"label": item.citation},
        "detail": _detail(plan, item),
    }


def _detail(plan: Plan, item: PlanItem) -> str:
    lines = [f"**{_plain(TIER_TITLES[item.tier])}** {_plain(item.text)}", ""]
    if item.status == "unresolved":
        lines.append(f"- Ask {_plain(item.ask)}: {_plain(item.why)}")
    lines += [f"- {_plain(reason)}" for reason in item.because]
    lines += [f"- When: {_plain(item.window)}"] if item.window else []
    lines += [f"- Alternatives: {_plain(', '.join(item.alternatives))}"] if item.alternatives else []
    lines += [f"- Strength: {_plain(str(item.strength))}", f"- Changes if: {_plain(item.changes_if)}", ""]
    left = len(plan.items) - MAX_CARDS
    lines += [f"{left} more items stand in the plan.", ""] if left > 0 else []
    return "\n".join([*lines, _plain(plan.scope_statement), "", _plain(NOT_A_DEVICE)])


def _short(text: str) -> str:
    """At most 139 characters: whole sentences where one fits (half of one may say the opposite), else whole words."""
    words = " ".join(text.split())
    if len(words) < SUMMARY:
        return words
    room = words[: SUMMARY - 3]
    end = max(room.rfind(mark) for mark in (". ", "; "))
    return f"{room[: end + 1]} …" if end > 0 else room.rpartition(" ")[0].rstrip(" ,;:") + "…"


def _plain(text: str) -> str:
    """Words of the record that must not become Markdown: no link, picture or tag comes of them."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))
