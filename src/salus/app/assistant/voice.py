"""The assistant for callers over the network: REST and Alexa. A red flag is answered even when nobody is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from salus.app.assistant import conversation as assistant
from salus.app.session import Session
from salus.assistant import alexa, emergency, rest
from salus.assistant.alexa import Heard
from salus.errors import InputError

LONGEST = 1000
"""Characters of a question that was spoken. Whose it is, is known only after it was read."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """An Alexa request as it was heard, and the response where no record is needed for it."""

    heard: Heard
    response: dict[str, Any] | None


def ask_alarm(value: Any) -> dict[str, Any] | None:
    """The answer to a REST request that raises a red flag, None to any other. Raises InputError."""
    alarm = emergency.respond(rest.read(value).question)
    return rest.respond(alarm) if alarm else None


def ask(session: Session, value: Any, at: datetime) -> dict[str, Any]:
    """The answer to a REST request for who is signed in: to a red flag first. Raises AccessError, InputError."""
    asked = rest.read(value)
    patient = asked.patient or session.actor.patient
    if not patient:
        alarm = emergency.respond(asked.question)
        if alarm is not None:
            return rest.respond(alarm)
        raise InputError("no patient is named", where="patient")
    return rest.respond(assistant.ask(session, session.resolve(patient), asked.question, at))


def hear(value: Any, now: datetime) -> Spoken:
    """Read an Alexa request. Raises InputError."""
    heard = alexa.read(value, now)
    if len(heard.question) > LONGEST:
        raise InputError("a question longer than anybody speaks", where="request.intent")
    alarm = emergency.respond(heard.question) if heard.question else None
    return Spoken(heard, alexa.without_record(heard, alarm))


def speak(session: Session, heard: Heard, at: datetime) -> dict[str, Any]:
    """The response from the linked account's own record: a voice never tells of anybody else's."""
    if not session.actor.patient:
        return alexa.say(alexa.NOT_RELEASED)
    return alexa.say(assistant.ask(session, session.actor.patient, heard.question, at).spoken)


def link() -> dict[str, Any]:
    """The response to an account that is not, or no longer, linked."""
    return alexa.say(alexa.LINK, link=True)
