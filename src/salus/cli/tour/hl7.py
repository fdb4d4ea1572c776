"""HL7 v2: an admission and laboratory results over a real MLLP connection into a fresh house, and one of them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salus.cli.tour.slice import Slice, Stage

if TYPE_CHECKING:
    from salus.app.house import House
    from salus.app.live.receiver import Receiver


def run(stage: Stage) -> str:
    """Send the bundled messages and the first again; raise unless every one is stored once."""
    import asyncio

    from salus.app.config import at_folder
    from salus.app.demo import OPERATOR, enrol, examples_root, session
    from salus.app.house import House
    from salus.app.live.receiver import Receiver

    messages = [path.read_bytes() for path in sorted((examples_root() / "tour" / "hl7").glob("*.hl7"))]
    with House.create(at_folder(stage.folder / "hl7"), demo=True) as house:
        enrol(house, OPERATOR, "operator")
        receiver = Receiver(session(house, OPERATOR))
        codes = asyncio.run(_sent(receiver, [*messages, messages[0]]))
        if codes != ["AA"] * 3:
            raise AssertionError(f"acknowledged {codes}")
        return _checked(house, receiver)


async def _sent(receiver: Receiver, messages: list[bytes]) -> list[str]:
    from salus.formats import hl7v2
    from salus.intake.live.mllp import Frames, Server, connect, framed

    server = Server(receiver, receiver.refusal)
    reader, writer = await connect("127.0.0.1", await server.start("127.0.0.1", 0))
    codes, frames = [], Frames(1 << 20)
    for message in messages:
        writer.write(framed(message))
        found: list[bytes] = []
        while not found:
            found = frames.feed(await reader.read(1 << 16))
        codes += [hl7v2.parse(frame).first("MSA").text(1) for frame in found]
    writer.close()
    await server.stop()
    return codes


def _checked(house: House, receiver: Receiver) -> str:
    patients = house.store.patients(house.gate.house("tour"))
    chart, _ = house.gate.service_chart(patients[0], house.clock())
    potassium = chart.latest("potassium")
    lost = sum(len(taken.losses) for taken in receiver.taken[:2])
    again = receiver.taken[-1].written
    if len(patients) != 1 or potassium is None or again is None or again.created:
        raise AssertionError("the messages did not become one patient's record, each once")
    resources = sum(taken.written.created for taken in receiver.taken if taken.written)
    return (
        f"2 messages over MLLP became {resources} resources of one patient (potassium {potassium.value}), all "
        f"acknowledged AA; the one sent again changed nothing; {lost} places not carried over are named"
    )


SLICE = Slice(
    name="hl7",
    title="HL7 v2 intake",
    says="most ADT and ORU messages into the record, acknowledged only when stored; others refused with a reason",
    also="over MLLP, with a loss list",
    capabilities=("record.hl7v2",),
    run=run,
    shown=("matched_adt_oru_share",),
)
