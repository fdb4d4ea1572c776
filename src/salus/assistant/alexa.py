"""An Alexa custom skill's requests and responses as pure functions. Nothing personal is said without a linked account.

Request types and their fields: Amazon, Request Types Reference and Request and Response JSON Reference for custom
skills; a request whose timestamp is more than 150 seconds away is refused (Host a Custom Skill as a Web Service,
"Checking the timestamp of the request"). The access token of account linking is a bearer token of this server.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from salus.assistant.reply import Reply
from salus.errors import InputError
from salus.fhir import dates

TOLERANCE = timedelta(seconds=150)
MAX_SPEECH = 6000
SLOT = "question"
WELCOME = "This is salus. What would you like to know about your record? In an emergency, call your emergency number."
LINK = "Please link your account first: open the Alexa app, and allow salus to read your record for you."
NOT_RELEASED = "I cannot find such a record, or it is not released to you."
NOT_HEARD = "I did not hear a question. Please ask again."
GOODBYE = "Goodbye."

Type = Literal["LaunchRequest", "IntentRequest", "SessionEndedRequest"]


@dataclass(frozen=True, slots=True)
class Heard:
    """A request: its type, the question ("" where none was heard), the linked account's token ("" where not linked)."""

    type: Type
    intent: str
    question: str
    token: str

    @property
    def over(self) -> bool:
        """Whether the person is done."""
        return self.type == "SessionEndedRequest" or self.intent in ("AMAZON.StopIntent", "AMAZON.CancelIntent")


def read(value: Any, now: datetime, application: str = "") -> Heard:
    """Read a request body. ``application`` is the skill's id, where only that one may ask. Raises InputError."""
    request = _dict(_dict(value).get("request"))
    kind = request.get("type")
    if kind not in ("LaunchRequest", "IntentRequest", "SessionEndedRequest"):
        raise InputError("not a request of a custom skill", where="request.type")
    _check_time(request.get("timestamp"), now)
    system = _dict(_dict(_dict(value).get("context")).get("System"))
    session = _dict(_dict(value).get("session"))
    named = _dict(system.get("application") or session.get("application")).get("applicationId")
    if application and named != application:
        raise InputError("a request of another skill", where="context.System.application")
    token = _dict(system.get("user")).get("accessToken") or _dict(session.get("user")).get("accessToken")
    intent = _dict(request.get("intent"))
    spoken = _dict(_dict(intent.get("slots")).get(SLOT)).get("value")
    return Heard(
        kind,
        str(intent.get("name", "")),
        spoken if isinstance(spoken, str) else "",
        token if isinstance(token, str) else "",
    )


def _check_time(timestamp: Any, now: datetime) -> None:
    try:
        sent = dates.instant(timestamp)
    except InputError as error:
        raise InputError("a request without a time", where="request.timestamp") from error
    if abs(now - sent) > TOLERANCE:
        raise InputError("the request is too old, or ahead of time", where="request.timestamp")


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def say(text: str, *, end: bool = True, link: bool = False) -> dict[str, Any]:
    """A response that speaks ``text``; ``link`` adds the card with which the Alexa app asks to link the account."""
    response: dict[str, Any] = {"outputSpeech": {"type": "PlainText", "text": _short(text)}, "shouldEndSession": end}
    if link:
        response["card"] = {"type": "LinkAccount"}
    return {"version": "1.0", "response": response}


def _short(text: str) -> str:
    if len(text) <= MAX_SPEECH:
        return text
    return text[:MAX_SPEECH].rpartition(". ")[0] + ". There is more: please look at the page."


def without_record(heard: Heard, alarm: Reply | None) -> dict[str, Any] | None:
    """The response that needs no record: an emergency first, then goodbye, linking, welcome. None: ask the record."""
    if alarm is not None:
        return say(alarm.spoken)
    if heard.over:
        return say(GOODBYE) if heard.type == "IntentRequest" else {"version": "1.0", "response": {}}
    if not heard.token:
        return say(LINK, link=True)
    if heard.type == "LaunchRequest":
        return say(WELCOME, end=False)
    return None if heard.question.strip() else say(NOT_HEARD, end=False)
