"""The plain request and answer over HTTP, as Siri Shortcuts and other simple callers use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from salus.assistant.reply import Reply
from salus.errors import InputError


@dataclass(frozen=True, slots=True)
class Asked:
    """A question; ``patient`` is "" for the asker's own record."""

    question: str
    patient: str


def read(value: Any) -> Asked:
    """Read a request body {"question": ..., "patient": ...}. Raises InputError."""
    question = value.get("question") if isinstance(value, dict) else None
    if not isinstance(question, str) or not question.strip():
        raise InputError("no question", where="question", remedy='send {"question": "..."}')
    patient = value.get("patient", "")
    if not isinstance(patient, str) or len(patient) > 256:
        raise InputError("not a patient's id", where="patient")
    return Asked(question, patient)


def respond(reply: Reply) -> dict[str, Any]:
    """The answer as JSON, with ``speech``: the words without marks, to be read aloud."""
    return {**reply.as_json(), "speech": reply.spoken}
