"""The HL7 listener and the record: what AA promises, repeats, conflicts, quarantine, and a kill before the answer."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from salus.app.config import load
from salus.app.house import House
from salus.app.intake.intake import Intake
from salus.app.live.receiver import Receiver
from salus.app.session import Session
from salus.errors import AccessError, StoreError
from salus.formats import hl7v2
from salus.intake.live.mllp import END, framed
from tests.conftest import bundle, person

HEAD = "MSH|^~\\&|WARD|NV|||20260301081500+0100||ADT^A01|{id}|P|2.5\r"
PID = "PID|1||77^^^NV^MR||Doe^Jane||19800102|F\r"
VISIT = "PV1|1|I|W^1^2|||||||||||||||||V1\r"


def message(id="C1", pid=PID, rest=VISIT, head=HEAD):
    return (head.format(id=id) + pid + rest).encode()


def said(receiver, data):
    answer = hl7v2.parse(receiver(data))
    return answer.first("MSA").text(1), answer.first("MSA").text(3)


def count(house, kind="MessageHeader"):
    query = "SELECT count(*) FROM resource WHERE type = ? AND deleted = 0"
    return house.store.connection.execute(query, (kind,)).fetchone()[0]


@pytest.fixture
def receiver(ward):
    return Receiver(Session(ward.house, ward.operator))


def test_aa_is_said_when_it_is_stored_and_a_repeat_is_not_stored_twice(ward, receiver):
    assert said(receiver, message()) == ("AA", "")
    size = count(ward.house, "Observation"), count(ward.house), count(ward.house, "Provenance")
    assert said(receiver, message()) == ("AA", "")
    assert (count(ward.house, "Observation"), count(ward.house), count(ward.house, "Provenance")) == size
    assert not ward.house.verify().problems


def test_the_same_control_id_with_other_content_is_an_error_whoever_it_is_about(ward, receiver):
    said(receiver, message())
    for other in (message(rest=VISIT + "AL1|1||1^Dust\r"), message(pid=PID.replace("77", "78"))):
        code, why = said(receiver, other)
        assert code == "AE"
        assert "control id" in why
    assert count(ward.house) == 1
    assert len(ward.house.quarantined()) == 2


def test_two_senders_may_use_the_same_control_id(ward, receiver):
    said(receiver, message())
    assert said(receiver, message(head=HEAD.replace("WARD", "LAB"))) == ("AA", "")
    assert count(ward.house) == 2


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"no message", "AR"),
        (message(head=HEAD.replace("ADT^A01", "SIU^S12")), "AR"),
        (message(head=HEAD.replace("ADT^A01", "ADT^A40")), "AR"),
        (message(pid=""), "AE"),
        (message(pid=PID + PID), "AE"),
    ],
)
def test_what_is_not_stored_is_said_with_the_reason_and_kept_in_quarantine(ward, receiver, data, code):
    found, why = said(receiver, data)
    assert (found, bool(why)) == (code, True)
    assert not re.search("Doe|Jane|1980", why)
    assert count(ward.house) == 0
    (entry,) = ward.house.quarantined()
    assert ward.house.release(entry["n"], "operator") == data


def test_a_contradiction_to_what_is_known_is_refused(ward, receiver):
    said(receiver, message())
    assert said(receiver, message("C2", pid=PID.replace("19800102", "19810102")))[0] == "AE"
    assert said(receiver, message("C3", pid=PID.replace("|F", "|M")))[0] == "AE"
    assert count(ward.house) == 1


def test_results_reach_the_patient_whom_the_record_has_under_that_identifier(ward, receiver):
    known = person(identifier=[{"system": "urn:hl7v2:authority:NV", "value": "77"}], birthDate="1980-01-02")
    Intake(Session(ward.house, ward.operator)).run([ward.write("p.json", bundle(known))])
    head = HEAD.replace("ADT^A01", "ORU^R01")
    assert (
        said(receiver, message(head=head, rest="OBX|1|NM|2823-3^K^LN||4.1|mmol/L^^UCUM|||||F|||20260301\r"))[0] == "AA"
    )
    assert ward.house.store.patients(ward.house.gate.house("t")) == ["p1"]
    chart, _ = ward.house.gate.service_chart("p1", ward.time)
    assert str(chart.latest("potassium").quantity) == "4.1 mmol/L"
    assert chart.patient.name == "Ada Example"  # results do not change who the person is


def test_an_update_adds_and_loses_nothing_that_is_known(ward, receiver):
    said(receiver, message())
    fuller = message("C2", pid="PID|1||77^^^NV^MR~88^^^SSA^SS||Doe^Jane^Q||19800102\r", head=HEAD.replace("A01", "A08"))
    assert said(receiver, fuller) == ("AA", "")
    (patient,) = ward.house.store.patients(ward.house.gate.house("t"))
    chart, _ = ward.house.gate.service_chart(patient, ward.time)
    assert (chart.patient.sex, chart.patient.name) == ("female", "Jane Q Doe")
    assert len(chart.patient.body["identifier"]) == 2


def test_a_store_that_cannot_be_written_is_never_acknowledged_as_stored(ward, receiver, monkeypatch):
    def full(*_, **__):
        raise StoreError("the disk is full")

    monkeypatch.setattr(type(ward.house.store), "commit", full)
    assert said(receiver, message())[0] == "AE"
    monkeypatch.undo()
    assert said(receiver, message()) == ("AA", "")


def test_a_defect_is_answered_and_shown_without_any_value(ward, receiver, monkeypatch, capsys):
    def broken(*_):
        raise KeyError("Jane Doe")

    monkeypatch.setattr("salus.intake.hl7v2.batch", broken)
    assert said(receiver, message())[0] == "AE"
    shown = capsys.readouterr().err
    assert "KeyError" in shown
    assert "Jane" not in shown


def test_only_who_may_file_may_receive(ward):
    with pytest.raises(AccessError):
        Receiver(Session(ward.house, ward.patient))


def test_a_file_of_messages_is_taken_in_like_any_other(ward):
    path = ward.folder / "adt.hl7"
    path.parent.mkdir(parents=True)
    path.write_bytes(message() + message("C2", pid=PID.replace("77", "78")))
    taken = Intake(Session(ward.house, ward.operator)).run([path])
    assert [t.error for t in taken] == [None, None]
    assert len({t.patient for t in taken}) == 2


KILLED = """
import os, signal
import salus.app.live.receiver as live
live.acknowledge = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
"""


class Listener:
    """``salus listen`` in a process of its own; ``prelude`` runs in it first."""

    def __init__(self, environment, prelude=""):
        # SIGINT is ignored in what a shell starts in the background, tests among it: the handler is set anew
        heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        code = f"{heard}\n{prelude}\nfrom salus.cli.main import main; main()"
        words = [sys.executable, "-u", "-c", code, "listen", "--mllp", "127.0.0.1:0", "--as", "operator"]
        self.process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rpartition(":")[2])

    def send(self, data):
        """The acknowledgement code; None when the line goes dead first."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as line:
            line.sendall(framed(data))
            answer = b""
            while not answer.endswith(END):
                piece = line.recv(4096)
                if not piece:
                    return None
                answer += piece
        return hl7v2.parse(answer).first("MSA").text(1)


def test_killed_between_storing_and_answering_the_message_sent_again_is_not_doubled(tmp_path):
    names = ("STORE", "KEYS", "IDENTITIES", "KNOWLEDGE")
    environment = {**os.environ, **{f"SALUS_{n}": str(tmp_path / n.lower()) for n in names}}
    start = [sys.executable, "-c", "from salus.cli.main import main; main()", "init"]
    subprocess.run(start, env=environment, check=True, capture_output=True)
    victim = Listener(environment, KILLED)
    with contextlib.suppress(ConnectionResetError):
        assert victim.send(message()) is None
    assert victim.process.wait(20) == -signal.SIGKILL
    survivor = Listener(environment)
    try:
        assert survivor.send(message()) == "AA"
        assert survivor.send(message("C2", rest="")) == "AA"
    finally:
        survivor.process.send_signal(signal.SIGINT)
        survivor.process.wait(20)
    with House(load(environment=environment)) as house:
        assert (count(house), count(house, "Encounter")) == (2, 1)
        assert not house.verify().problems


def test_the_listener_answers_over_a_real_connection(ward, receiver):
    from salus.intake.live.mllp import Server, connect

    async def conversation():
        server = Server(receiver, receiver.refusal)
        reader, writer = await connect("127.0.0.1", await server.start("127.0.0.1", 0))
        writer.write(framed(message()) + framed(message("C2", rest="")))
        answers = [await reader.readuntil(END) for _ in range(2)]
        writer.close()
        await server.stop()
        return [hl7v2.parse(a).first("MSA").text(2) for a in answers]

    assert asyncio.run(conversation()) == ["C1", "C2"]
