"""A real server on this machine against clients that are slow, idle, many or endless: nobody else notices."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

pytest.importorskip("uvicorn")

from salus.app.serving.tokens import assertion
from salus.server import assistant, running
from salus.server.application import create
from salus.server.auth import ASSERTION_TYPE, FORM
from salus.server.connections import Bounds
from salus.server.service import Limits
from tests.conftest import Ward

BOUNDS = Bounds(each=8, headers=0.5, idle=0.5, discard=0.3, discarded=64 << 10, grace=0.4, rate=16 << 10)
START = b"GET /fhir/metadata HTTP/1.1\r\nHost: 127.0.0.1\r\n"
WHOLE = START + b"\r\n"


@dataclass
class Running:
    """A server, and ways to talk to it badly."""

    port: int
    ward: Ward
    server: Any

    def connect(self, host: str = "127.0.0.1", sent: bytes = b"") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), 10, source_address=(host, 0))
        made.sendall(sent)
        return made

    def answered(self, host: str = "127.0.0.2") -> int:
        """The status that somebody else gets, on a connection of his own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, 10, source_address=(host, 0))
        with contextlib.closing(connection):
            connection.request("GET", "/fhir/metadata")
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def post(self, path: str, body: bytes, media: str, token: str = "") -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, 10)
        with contextlib.closing(connection):
            headers = {"Content-Type": media, **({"Authorization": f"Bearer {token}"} if token else {})}
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def token(self, name: str = "pat") -> str:
        identity = {"pat": self.ward.patient, "operator": self.ward.operator}[name]
        signed = assertion(identity, f"http://127.0.0.1:{self.port}/auth/token", self.ward.time)
        kind = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
        return str(
            self.post("/auth/token", urlencode({**kind, "client_assertion": signed}).encode(), FORM)[1]["access_token"]
        )


def closed_within(connection: socket.socket, seconds: float) -> float:
    """How long until the server closes a connection; what it says before is read. Fails where it does not."""
    begun = time.monotonic()
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - begun


@pytest.fixture
def front(ward: Ward) -> Iterator[Running]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        limits = Limits(threads=2, upload_seconds=3)
        application = create(
            ward.house.configuration, base=base, clock=lambda: ward.time, routes=assistant.routes(), limits=limits
        )
        server = running.server(application, BOUNDS)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.started
        yield Running(listener.getsockname()[1], ward, server)
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def test_half_sent_headers_are_closed_in_time_however_steadily_they_come(front):
    connection = front.connect(sent=START)
    begun = time.monotonic()
    with contextlib.suppress(OSError):
        while time.monotonic() - begun < 5:
            connection.sendall(b"X")
            connection.settimeout(0.05)
            try:
                if not connection.recv(10):
                    break
            except TimeoutError:
                continue
    assert 0.4 < time.monotonic() - begun < 2


def test_one_who_says_nothing_is_closed_before_and_after_a_request(front):
    assert 0.3 < closed_within(front.connect(), 3) < 2
    assert 0.3 < closed_within(front.connect(sent=WHOLE), 3) < 2


def test_a_slow_body_is_closed_and_a_steady_one_is_read(front):
    head = b"POST /auth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    assert 0.3 < closed_within(front.connect(sent=head + b"Content-Length: 1000\r\n\r\na=1"), 3) < 2
    steady = front.connect(sent=head + b"Content-Length: 30000\r\n\r\n")
    for _ in range(10):  # 30 KB/s for a second: longer than the grace
        steady.sendall(b"x" * 3000)
        time.sleep(0.1)
    assert b" 400 " in steady.recv(4096).split(b"\r\n")[0]


def test_hundreds_of_half_sent_headers_keep_nobody_out(front):
    bystander = front.connect("127.0.0.3", START)
    crowd = []
    for _ in range(300):
        crowd.append(front.connect(sent=START))
    assert front.answered() == 200
    assert front.answered("127.0.0.1") == 200  # not even from the same address
    time.sleep(0.05)
    still = [c for c in crowd if not _is_closed(c)]
    assert len(still) <= BOUNDS.each
    assert not _is_closed(bystander)


def _is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_a_crowd_does_not_close_the_connection_of_who_is_signed_in(front):
    known = http.client.HTTPConnection("127.0.0.1", front.port, 10)
    known.request("GET", "/fhir/Patient/p1", headers={"Authorization": f"Bearer {front.token()}"})
    known.getresponse().read()
    socket_before = known.sock
    for _ in range(30):
        front.connect(sent=START)
    known.request("GET", "/fhir/metadata")
    assert known.getresponse().status == 200
    assert known.sock is socket_before


def test_a_body_of_tiny_pieces_is_refused(front):
    head = (
        b"POST /auth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    tiny = front.connect(sent=head + b"1\r\nx\r\n" * 200)
    assert b" 400 " in tiny.recv(4096).split(b"\r\n")[0]
    large = front.connect(sent=head + b"200\r\n" + b"x" * 512 + b"\r\n" + b"0\r\n\r\n")
    told = b""
    while b"not a form" not in told:
        piece = large.recv(4096)
        assert piece, told
        told += piece


def test_headers_without_end_are_refused(front):
    endless = front.connect(sent=START)
    with contextlib.suppress(OSError):
        for number in range(40):
            endless.sendall(b"X%d: %s\r\n" % (number, b"y" * 1000))
    assert b" 400 " in endless.recv(4096).split(b"\r\n")[0]
    at_once = front.connect()
    with contextlib.suppress(OSError):
        at_once.sendall(START + b"a:b\r\n" * 20_000 + b"\r\n")
    assert b" 400 " in at_once.recv(4096).split(b"\r\n")[0]


def test_the_rest_of_a_refused_body_is_not_waited_for(front):
    head = b"POST /fhir/Observation HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    refused = front.connect(sent=head + b"Content-Length: 8000000\r\n\r\n[1")
    assert b" 401 " in refused.recv(4096).split(b"\r\n")[0]
    begun = time.monotonic()
    with contextlib.suppress(OSError):
        while time.monotonic() - begun < 5:  # byte by byte, each of which ends uvicorn's own waiting
            refused.sendall(b"1")
            time.sleep(0.05)
    assert time.monotonic() - begun < 1.5
    flood = front.connect(sent=head + b"Content-Length: 8000000\r\n\r\n")
    flood.settimeout(0.2)
    sent = 0
    with contextlib.suppress(OSError):
        while sent < 8_000_000:
            sent += flood.send(b"1" * 65536)
    assert sent < 8_000_000


def test_who_does_not_read_the_answer_is_closed(front):
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    slow.connect(("127.0.0.1", front.port))
    pipelined = WHOLE * 400  # some megabytes of answers, of which nobody reads a byte
    slow.settimeout(0.2)
    with contextlib.suppress(OSError):
        slow.sendall(pipelined)
    state, deadline = front.server.server_state, time.monotonic() + 5
    while not state.total_requests and time.monotonic() < deadline:
        time.sleep(0.01)
    while state.connections and time.monotonic() < deadline:
        time.sleep(0.05)
    assert 0 < state.total_requests < 400
    assert not state.connections


def test_requests_in_a_row_on_one_connection_are_all_answered(front):
    connection = front.connect(sent=WHOLE * 3)
    got = b""
    while got.count(b"CapabilityStatement") < 3:
        piece = connection.recv(65536)
        assert piece
        got += piece


def test_questions_are_bounded_before_signing_in_and_an_emergency_is_answered(front):
    flag = json.dumps({"question": "I have crushing chest pain and cannot breathe"}).encode()
    status, told = front.post("/assistant/ask", flag, "application/json")
    assert (status, told["kind"]) == (200, "emergency")
    numbers = b"[" + b"1.5," * 1000 + b"1]"
    assert front.post("/assistant/ask", numbers, "application/json")[0] == 400
    long = json.dumps({"question": "I have chest pain. " * 400}).encode()
    assert front.post("/assistant/ask", long, "application/json")[0] == 401
    status, told = front.post("/assistant/ask", long, "application/json", front.token())
    assert (status, told["kind"]) == (200, "emergency")


def test_numbers_without_end_are_refused_before_one_is_read(front):
    numbers = b'{"resourceType":"Basic","x":[' + b"1," * 1_000_000 + b"1]}"
    token = front.token("operator")
    begun = time.monotonic()
    status, told = front.post("/fhir/Basic", numbers, "application/json", token)
    assert (status, time.monotonic() - begun < 1.0) == (400, True)
    assert "values" in told["issue"][0]["diagnostics"]
