"""What is said when a red flag was raised: go to emergency care now, which words raised it, and no diagnosis."""

from __future__ import annotations

from collections.abc import Sequence

from salus.assistant import foreign, redflags
from salus.assistant.flags import Raised
from salus.assistant.reply import Citation, Reply, Sentence, unknown

CALL = "This can be an emergency. Call your local emergency number now, or go to the nearest emergency department."
CRISIS = (
    "You are not alone. Stay with somebody, and call your local crisis line; in the USA call or text 988. "
    "If you are in danger now, call your local emergency number."
)
NOT_READ = "not-read"
"""The topic of the reply to a message in a language that is not read."""
NO_DIAGNOSIS = (
    "This is not a diagnosis: the words of the message are on public lists of warning signs. If this was not meant, "
    "please ask again in other words."
)

IF_IT_HAPPENS = "If this is happening to somebody now, call your local emergency number."
"""What closes the reply to a message that holds signs which were not taken for an emergency of now."""


def respond(message: str) -> Reply | None:
    """The reply to a message that raises a red flag; None where it raises none. Nothing of any record is read.

    A message that is not in English and raises none is answered with a note, in its language where that is known, that
    it was not read and where to call: it must not pass for one in which nothing was found.
    """
    if raised := redflags.check(message):
        return _reply(raised)
    note = foreign.note(message)
    return unknown(NOT_READ, note) if note else None


def closed(reply: Reply, message: str) -> Reply:
    """``reply`` with a closing line where ``message`` raised something that was held back for doubt."""
    if not redflags.look(message).held_back:
        return reply
    return reply.noting(f"{reply.notice} {IF_IT_HAPPENS}")


def _reply(raised: Sequence[Raised]) -> Reply:
    citations = [Citation("warning-signs", key, title) for r in raised for key, title in redflags.sources(r)]
    places = tuple(dict.fromkeys(citations))
    sentences = [Sentence(CALL, places)]
    if any(r.flag.crisis for r in raised):
        crisis = next(r for r in raised if r.flag.crisis)
        sentences.append(Sentence(CRISIS, tuple(Citation("warning-signs", k, t) for k, t in redflags.sources(crisis))))
    for flag in raised:
        told = f"These words can mean {flag.flag.title}: {'; '.join(f'“{w}”' for w in flag.words)}."
        sentences.append(Sentence(told, tuple(Citation("warning-signs", k, t) for k, t in redflags.sources(flag))))
    words = tuple(dict.fromkeys(w for r in raised for w in r.words))
    return Reply("emergency", tuple(sentences), NO_DIAGNOSIS, words, topic=raised[0].flag.id)
