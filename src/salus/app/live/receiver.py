"""HL7 v2 messages over MLLP. A message is acknowledged AA only when it is stored durably in the record."""

from __future__ import annotations

import sys
import traceback
import uuid
from datetime import tzinfo
from pathlib import Path

from salus.app.intake.intake import Intake, Taken
from salus.app.live.long_session import LongSession
from salus.app.session import Session
from salus.errors import AccessError, InputError, SalusError, StoreError
from salus.formats import hl7v2
from salus.formats.hl7v2_ack import Answer, acknowledge
from salus.intake import hl7v2 as reader
from salus.trust import quarantine

SOURCE = Path("message.hl7")
"""The name that a message from the line has in provenance."""


class Receiver:
    """Turns MLLP frames into acknowledgements, storing what they hold as ``session``'s operator."""

    def __init__(self, session: Session, *, zone: tzinfo | None = None, encoding: str = "") -> None:
        """``encoding`` holds for messages that name none (default: UTF-8).

        Raises AccessError unless the actor may file data.
        """
        session.house.gate.custodian(session.actor, "*")
        self._long_session = LongSession(session)
        self._session = session
        self._zone = zone
        self._encoding = encoding
        self.taken: list[Taken] = []

    def __call__(self, frame: bytes) -> bytes:
        """The acknowledgement of one frame: AA when it is stored (now or before), AE or AR with the reason if not."""
        message, answer = self._received(frame)
        house = self._session.house
        return acknowledge(message, answer, at=house.clock(), control_id=str(uuid.uuid4())[:20])

    def close(self) -> None:
        """Close what was opened for this."""
        self._long_session.close()

    def refusal(self, reason: str) -> bytes:
        """The answer to what cannot even be read."""
        answer = Answer("AR", reason, "data")
        return acknowledge(None, answer, at=self._session.house.clock(), control_id=str(uuid.uuid4())[:20])

    def _received(self, frame: bytes) -> tuple[hl7v2.Message | None, Answer]:
        message: hl7v2.Message | None = None
        try:
            self._session = self._long_session.session()
            message = hl7v2.parse(frame, self._encoding)
            return message, self._filed(frame, message)
        except reader.UnsupportedError as error:
            return message, self._kept(frame, error, Answer("AR", str(error), "type"))
        except InputError as error:
            code = Answer("AE", str(error), "data") if message else Answer("AR", str(error), "data")
            return message, self._kept(frame, error, code)
        except StoreError as error:
            return message, Answer("AE", f"cannot be stored now: {error.what}", "locked")
        except AccessError as error:
            return message, Answer("AE", error.what, "internal")
        except SalusError as error:
            return message, Answer("AE", error.what, "internal")
        except Exception as error:  # noqa: BLE001 - a defect in one message must not silence the line; it is shown
            self._show(error)
            return message, Answer("AE", "a defect in salus; the message was not stored", "internal")

    def _filed(self, frame: bytes, message: hl7v2.Message) -> Answer:
        batch = reader.batch(frame, SOURCE, self._zone, message)
        taken = Intake(self._session).take(batch, frame)
        self.taken = [*self.taken[-99:], taken]
        if taken.error is not None:
            return Answer("AE", f"{taken.error.what}; kept in quarantine", "key")
        return Answer("AA")

    def _kept(self, frame: bytes, error: SalusError, answer: Answer) -> Answer:
        """``answer``, once the frame lies in quarantine; AE where even that fails, so that it is sent again."""
        house = self._session.house
        scope = house.gate.house(self._session.actor.id, may_write=True)
        try:
            quarantine.keep(house.store, house.vault, house.log, scope, [frame], error.what, house.time())
        except StoreError as failed:
            return Answer("AE", f"cannot be stored now: {failed.what}", "locked")
        return answer

    @staticmethod
    def _show(error: Exception) -> None:
        """Print where in the code a defect showed, without any value."""
        places = "; ".join(
            f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)[-4:]
        )
        print(f"salus: a defect ({type(error).__name__}) at {places}", file=sys.stderr)  # noqa: T201
