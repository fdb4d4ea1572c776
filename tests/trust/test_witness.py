"""A witness never signs two views of one log: by its answers, over HTTP, in a race, and killed at any moment."""

import hashlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.cli.witness import witness as command
from salus.errors import ConfigurationError, InputError, IntegrityError, StoreError
from salus.trust import witness as module
from salus.trust.merkle import EMPTY_ROOT, Tree, leaf_hash
from salus.trust.note import Checkpoint, Note, Signer, Verifier, parse_signatures, signed
from salus.trust.witness import (
    BODY_BYTES,
    Request,
    Server,
    SizeConflict,
    Witness,
    cosign,
    submit,
)
from salus.trust.witness_keys import load_signers

ORIGIN, NAME = "log.example/1", "w.example/1"
LOG = Signer.note(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"l" * 32))
OTHER = Signer.note("log.example/2", Ed25519PrivateKey.from_private_bytes(b"o" * 32))
LOGS = {ORIGIN: [LOG.verifier], "log.example/2": [OTHER.verifier]}
COMMON = [leaf_hash(b"%d" % n) for n in range(6)]
VIEWS = [Tree([*COMMON, *(leaf_hash(b"%d %d" % (v, n)) for n in range(6, 400))]) for v in (0, 1)]


def head(size, view=0, origin=ORIGIN):
    return Checkpoint(origin, size, VIEWS[view].root(size)).text()


def note(size, view=0, signer=LOG):
    return signed(head(size, view, signer.verifier.name), [signer])


def request(old, size, view=0, proof=None, signer=LOG):
    if proof is None:
        proof = VIEWS[view].consistency(old, size) if 0 < old <= size else []
    return Request(old, tuple(proof), note(size, view, signer)).to_bytes()


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def witness(tmp_path):
    made = Witness(tmp_path / "w", load_signers(tmp_path / "w", NAME, post_quantum=True), LOGS, Clock())
    yield made
    made.close()


@pytest.fixture
def url(witness):
    with Server(("127.0.0.1", 0), witness) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def verifiers(witness):
    return [signer.verifier for signer in witness.signers]


def statuses(witness, *bodies):
    return [witness.add_checkpoint(body).status for body in bodies]


def test_growth_is_cosigned_with_both_keys(witness):
    for old, size in ((0, 3), (3, 3), (3, 100), (100, 333)):
        answer = witness.add_checkpoint(request(old, size))
        assert answer.status == 200
        verified = Note(head(size), parse_signatures(answer.body)).verify(verifiers(witness))
        assert [found.time for found in verified] == [1000, 1000]
        assert answer.body.decode().count("\n") == 2


def test_the_statuses_of_the_protocol(witness):
    stranger = Signer.note(ORIGIN, Ed25519PrivateKey.generate())
    unknown = Signer.note("log.example/3", Ed25519PrivateKey.generate())
    assert statuses(witness, request(0, 5, signer=unknown), request(0, 5, signer=stranger)) == [404, 403]
    assert statuses(witness, request(0, 5, proof=[EMPTY_ROOT])) == [422]
    assert statuses(witness, request(0, 5)) == [200]
    stale = witness.add_checkpoint(request(4, 8))
    assert (stale.status, stale.body, stale.content_type) == (409, b"5\n", "text/x.tlog.size")
    assert statuses(witness, request(9, 8), request(6, 5)) == [400, 400]
    assert statuses(witness, request(5, 8, proof=[]), request(5, 8, proof=VIEWS[0].consistency(4, 8))) == [422, 422]
    assert statuses(witness, request(5, 5, proof=[EMPTY_ROOT])) == [422]
    assert statuses(witness, request(5, 8), request(8, 8, view=1), request(8, 9, view=1)) == [200, 422, 422]
    assert statuses(witness, request(0, 5), request(5, 8), request(8, 7)) == [409, 409, 400]
    assert statuses(witness, request(8, 9)) == [200]


def test_the_order_of_checks_is_that_of_the_protocol(witness):
    """Where several things are wrong, the status says the first of them."""
    stranger = Signer.note(ORIGIN, Ed25519PrivateKey.generate())
    unknown = Signer.note("log.example/3", Ed25519PrivateKey.generate())
    assert statuses(witness, request(0, 5)) == [200]
    assert statuses(witness, request(9, 8, signer=unknown), request(9, 8, signer=stranger)) == [404, 403]
    assert statuses(witness, request(9, 8), request(4, 8, proof=[])) == [400, 409]


def test_the_empty_tree(witness):
    empty = signed(Checkpoint(ORIGIN, 0, EMPTY_ROOT).text(), [LOG])
    wrong = signed(Checkpoint(ORIGIN, 0, leaf_hash(b"")).text(), [LOG])
    body = [Request(0, (), n).to_bytes() for n in (wrong, empty, empty)]
    assert statuses(witness, *body, Request(0, (EMPTY_ROOT,), empty).to_bytes()) == [422, 200, 200, 422]
    assert statuses(witness, request(0, 4), body[1]) == [200, 409]


def test_a_known_keys_bad_signature_spoils_the_note(witness):
    good = LOG.sign(head(5))
    twice = Note(head(5), (good, LOG.sign(head(4))))
    assert statuses(witness, Request(0, (), twice).to_bytes()) == [403]
    stranger = Signer.note("someone", Ed25519PrivateKey.generate())
    assert statuses(witness, Request(0, (), Note(head(5), (stranger.sign(head(5)), good))).to_bytes()) == [200]


MALFORMED = [
    (b"old 0", b"old 00"),
    (b"old 0", b"old -1"),
    (b"old 0", b"old  0"),
    (b"old 0", b"Old 0"),
    (b"old 0", b"old"),
    (b"old 0", b"old 9223372036854775808"),
    (b"old 0", b"old 0\r"),
    (b"old 0", b"old 0\nAAAA"),
    (b"old 0", b"old 0\n" + b"A" * 43),
    (b"old 0", b"old 0\n" + b"A" * 42 + b"B="),
    (b"old 0", b"old 0" + b"\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" * 64),
    (b"old 0", b"\xff"),
    (b"\n5\n", b"\n05\n"),
    (b"\n5\n", b"\n5\n\n"),
    (b"\n\nlog", b"\nlog"),
    ("\u2014".encode(), b"-"),
    (b"=\n", b"=\n\n"),
]


@pytest.mark.parametrize(("old", "new"), MALFORMED)
def test_what_is_no_request_is_told_so(witness, old, new):
    body = request(0, 5)
    assert old in body
    assert statuses(witness, body.replace(old, new)) == [400]
    assert statuses(witness, body) == [200]


@given(st.binary(max_size=300))
@settings(max_examples=50, deadline=None)
def test_any_bytes_are_read_or_refused(data):
    for body in (data, b"old 0\n\n" + data):
        try:
            read = Request.from_bytes(body)
        except InputError:
            continue
        assert read.to_bytes() == body


@given(st.integers(0, (1 << 63) - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
@settings(max_examples=30, deadline=None)
def test_requests_are_read_as_written(old, proof):
    made = Request(old, tuple(proof), note(5))
    assert Request.from_bytes(made.to_bytes()) == made


def test_logs_are_kept_apart_and_remembered(tmp_path):
    keys = load_signers(tmp_path, NAME, post_quantum=True)
    first = Witness(tmp_path, keys, LOGS, Clock())
    assert statuses(first, request(0, 5), request(0, 9, signer=OTHER), request(5, 6)) == [200, 200, 200]
    first.close()
    again = Witness(tmp_path, load_signers(tmp_path, NAME, post_quantum=True), LOGS, Clock())
    assert verifiers(again) == [signer.verifier for signer in keys]
    assert statuses(again, request(5, 7), request(6, 7), request(9, 10, signer=OTHER)) == [409, 200, 200]
    again.close()


def test_a_clock_set_back_does_not_make_a_later_statement_earlier(witness):
    times = []
    for now, (old, size) in ((1000, (0, 5)), (900, (5, 6)), (0, (6, 7)), (1100, (7, 8))):
        witness._clock.now = now
        signatures = parse_signatures(witness.add_checkpoint(request(old, size)).body)
        times += {found.time for found in Note(head(size), signatures).verify(verifiers(witness))}
    assert times == [1000, 1000, 1000, 1100]


def test_what_was_changed_in_its_memory_makes_it_refuse(witness, tmp_path):
    assert statuses(witness, request(0, 5)) == [200]
    (kept,) = (tmp_path / "w").glob("*.checkpoint")
    whole = kept.read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o600
    for data in (b"", whole[:-5], whole.replace(b"\n5\n", b"\n4\n"), signed(head(5), [LOG]).to_bytes()):
        kept.write_bytes(data)
        with pytest.raises(IntegrityError):
            witness.add_checkpoint(request(5, 6))
    assert statuses(witness, request(0, 9, signer=OTHER)) == [200]
    other = next(p for p in (tmp_path / "w").glob("*.checkpoint") if p != kept)
    kept.write_bytes(other.read_bytes())
    with pytest.raises(IntegrityError, match="another log"):
        witness.add_checkpoint(request(9, 10))
    kept.write_bytes(whole)
    assert statuses(witness, request(5, 6)) == [200]


def test_nothing_is_signed_that_could_not_be_remembered(witness, monkeypatch):
    def full(*_, **__):
        raise StoreError("disk full")

    assert statuses(witness, request(0, 5)) == [200]
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_file", full)
        with pytest.raises(StoreError):
            witness.add_checkpoint(request(5, 6))
    assert statuses(witness, request(5, 6)) == [200]


def test_one_process_holds_the_folder(witness, tmp_path):
    with pytest.raises(ConfigurationError, match="another process"):
        Witness(tmp_path / "w", witness.signers, LOGS)


def test_doubtful_keys_are_refused(tmp_path):
    signers = load_signers(tmp_path / "k", NAME, post_quantum=True)
    twin = Verifier("someone", LOG.verifier.kind, LOG.verifier.public_key)
    own = Verifier(ORIGIN, signers[0].verifier.kind, signers[0].verifier.public_key)
    for number, logs in enumerate(({ORIGIN: [LOG.verifier, twin]}, {ORIGIN: [own]}, {"o" * 256: [LOG.verifier]})):
        with pytest.raises(InputError):
            Witness(tmp_path / str(number), signers, logs)
    with pytest.raises(InputError):
        Witness(tmp_path / "w", [*signers, signers[0]], LOGS)


def test_keys_are_made_once_and_kept_private(tmp_path):
    first = load_signers(tmp_path / "w", NAME, post_quantum=False)
    both = load_signers(tmp_path / "w", NAME, post_quantum=True)
    assert [s.verifier for s in both][:1] == [s.verifier for s in first]
    assert [s.verifier for s in load_signers(tmp_path / "w", NAME, post_quantum=True)] == [s.verifier for s in both]
    with pytest.raises(ConfigurationError, match="another name"):
        load_signers(tmp_path / "w", "w.example/2", post_quantum=True)
    for name in ("ed25519.key", "ml-dsa-44.key"):
        path = tmp_path / "w" / name
        assert path.stat().st_mode & 0o777 == 0o600
        for mode in (0o640, 0o604):
            path.chmod(mode)
            with pytest.raises(ConfigurationError, match="others can read"):
                load_signers(tmp_path / "w", NAME, post_quantum=True)
        path.chmod(0o600)
        secret = path.read_bytes()
        path.write_bytes(secret[:-1])
        with pytest.raises(ConfigurationError, match="damaged"):
            load_signers(tmp_path / "w", NAME, post_quantum=True)
        path.write_bytes(secret)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 1)), max_size=25))
@settings(max_examples=40, deadline=None)
def test_whatever_is_asked_one_root_a_size_and_never_back(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("w")
    made = Witness(folder, load_signers(folder, NAME, post_quantum=False), LOGS, Clock())
    size, root, roots = 0, EMPTY_ROOT, {}
    for old, new, view in steps:
        answer = made.add_checkpoint(request(old, new, view))
        grew = old == size and new >= old and VIEWS[view].root(old) == root
        assert (answer.status == 200) == grew
        if grew:
            size, root = new, VIEWS[view].root(new)
            assert roots.setdefault(size, root) == root
    made.close()


def test_clients_that_race_are_served_one_after_another(witness):
    bodies = [request(old, size, view) for view in (0, 1) for old in (0, 10, 20, 30) for size in (10, 20, 30, 40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: (body, witness.add_checkpoint(body).status), bodies * 3))
    signed_heads = {
        (c.size, c.root)
        for body, status in answers
        if status == 200
        for c in [Checkpoint.from_text(Request.from_bytes(body).note.text)]
    }
    assert signed_heads
    assert len({size for size, _ in signed_heads}) == len(signed_heads)


def ask(url, method, path, body=b"", headers=None):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    with suppress(BrokenPipeError):  # refused before it was sent whole
        connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    found = response.status, response.read(), response.headers["Content-Type"]
    connection.close()
    return found


def test_the_house_gets_its_checkpoint_cosigned(witness, url):
    tree = VIEWS[0]

    def prove(size):
        return lambda old: tree.consistency(old, size) if old else []

    found = cosign(url, note(5), 0, prove(5), verifiers(witness))
    assert [v.verifier for v in found] == verifiers(witness)
    assert len(cosign(url + "/", note(9), 0, prove(9), verifiers(witness)[:1])) == 1
    with pytest.raises(SizeConflict) as caught:
        submit(url, 3, [], note(12))
    assert caught.value.size == 9
    with pytest.raises(InputError, match="422"):
        submit(url, 9, [], note(12, view=1))
    stranger = Signer.cosigner(NAME, Ed25519PrivateKey.generate())
    with pytest.raises(IntegrityError):
        cosign(url, note(12), 9, prove(12), [stranger.verifier])


def test_over_http(witness, url):
    path = f"/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    assert ask(url, "GET", path)[0] == 404
    assert ask(url, "POST", "/add-checkpoint", request(0, 5))[0] == 200
    assert ask(url, "POST", "/add-checkpoint", request(0, 5)) == (409, b"5\n", "text/x.tlog.size")
    status, body, kind = ask(url, "GET", path)
    kept = Note.from_bytes(body)
    assert (status, kind, kept.text) == (200, "text/plain; charset=utf-8", head(5))
    assert len(kept.verify([LOG.verifier, *verifiers(witness)])) == 3
    assert ask(url, "GET", "/")[0] == ask(url, "GET", path + "/")[0] == ask(url, "POST", "/other", b"x")[0] == 404
    assert ask(url, "PUT", "/add-checkpoint", b"x")[0] == 501
    assert ask(url, "POST", "/add-checkpoint", b"", {"Content-Length": str(BODY_BYTES + 1)})[0] == 413
    assert ask(url, "POST", "/add-checkpoint", b"", {"Content-Length": "9" * 5000})[0] == 413
    assert ask(url, "POST", "/add-checkpoint", b"", {"Content-Length": "+5"})[0] == 411
    assert ask(url, "POST", "/add-checkpoint", iter([b"x"]))[0] == 411  # chunked


def test_a_connection_serves_many_requests(url):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    for old, size in ((0, 1), (1, 2), (2, 3), (7, 3)):
        connection.request("POST", "/add-checkpoint", request(old, size))
        response = connection.getresponse()
        response.read()
        assert response.status == (200 if old < size else 400)
    connection.close()


def test_a_witness_that_cannot_remember_answers_500(witness, url, tmp_path):
    assert ask(url, "POST", "/add-checkpoint", request(0, 5))[0] == 200
    (kept,) = (tmp_path / "w").glob("*.checkpoint")
    kept.write_bytes(b"")
    assert ask(url, "POST", "/add-checkpoint", request(5, 6))[0] == 500
    assert ask(url, "POST", "/add-checkpoint", request(0, 9, signer=OTHER))[0] == 200


@pytest.mark.parametrize(
    "sent", [b"", b"POST /add-ch", b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 9\r\n\r\nold"]
)
def test_who_says_too_little_is_cut_off(url, monkeypatch, sent):
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.3)
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        for n in range(len(sent)):
            client.sendall(sent[n : n + 1])
        assert client.recv(100) == b""
    assert ask(url, "POST", "/add-checkpoint", request(0, 5))[0] == 200


def test_endless_headers_are_cut_off(url):
    host, port = url.removeprefix("http://").split(":")
    for headers, answered in ((1, True), (20, False)):
        asked = b"GET / HTTP/1.1\r\n" + (b"x: " + b"y" * 60_000 + b"\r\n") * headers + b"\r\n"
        with socket.create_connection((host, int(port)), timeout=5) as client:
            try:
                client.sendall(asked)
                answer = client.recv(100)
            except OSError:
                answer = b""
        assert bool(answer) == answered


def test_too_many_connections_are_refused_and_the_others_served(url, witness, monkeypatch):
    host, port = url.removeprefix("http://").split(":")
    idle = [socket.create_connection((host, int(port)), timeout=5) for _ in range(module.CONNECTIONS)]
    for client in idle:
        client.sendall(b"POST ")
    with socket.create_connection((host, int(port)), timeout=5) as late:
        assert late.recv(100) == b""
    for client in idle:
        client.close()
    for _ in range(100):
        try:
            assert ask(url, "POST", "/add-checkpoint", request(0, 5))[0] == 200
            break
        except (OSError, http.client.HTTPException):
            threading.Event().wait(0.02)
    else:
        pytest.fail("the connections were not given back")


@pytest.fixture
def impostor():
    """A server that answers what the test tells it to."""

    class Handler(BaseHTTPRequestHandler):
        answers: ClassVar[list] = []

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, body = self.answers.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Handler.answers, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((302, {"Location": "/elsewhere"}, b""), InputError("status 302")),
        ((200, {}, b"x" * (BODY_BYTES + 1)), InputError("too much")),
        ((200, {}, b"hello\n"), InputError("not a signature line")),
        ((200, {}, b""), InputError("not a signature line")),
        ((409, {}, b"5\n"), InputError("status 409")),
        ((409, {"Content-Type": "text/x.tlog.size"}, b"05\n"), InputError("not a decimal")),
        ((409, {"Content-Type": "text/x.tlog.size"}, b"\xff\n"), InputError("not a decimal")),
        ((500, {}, b""), InputError("status 500")),
        ((200, {"Content-Length": "50"}, b"x"), StoreError("IncompleteRead")),
    ],
    ids=lambda value: getattr(value, "what", ""),
)
def test_answers_that_are_none(impostor, answer, error):
    answers, url = impostor
    answers.append(answer)
    with pytest.raises(type(error), match=error.what) as caught:
        submit(url, 0, [], note(5), seconds=5)
    assert type(caught.value) is type(error)


def test_an_impostor_cannot_lead_the_house_round_in_circles(impostor):
    answers, url = impostor
    signer = Signer.cosigner(NAME, Ed25519PrivateKey.generate())
    timeless = signer.sign(head(5), 0).line().encode()
    answers += [(200, {}, timeless)]
    with pytest.raises(IntegrityError, match="time"):
        cosign(url, note(5), 0, lambda _: [], [signer.verifier])
    answers += [(409, {"Content-Type": "text/x.tlog.size"}, b"%d\n" % n) for n in (1, 2, 3)]
    with pytest.raises(SizeConflict):
        cosign(url, note(5), 0, lambda old: [], [signer.verifier])
    assert len(answers) == 1


def test_who_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        with pytest.raises(StoreError):
            submit(f"http://127.0.0.1:{port}", 0, [], note(5), seconds=0.2)
    with pytest.raises(StoreError):
        submit(f"http://127.0.0.1:{port}", 0, [], note(5), seconds=0.2)
    for address in ("file:///etc", "ftp://x", "w.example"):
        with pytest.raises(InputError):
            submit(address, 0, [], note(5))


def test_the_command_refuses_what_it_cannot_watch(tmp_path):
    def run(*logs):
        return CliRunner().invoke(command, ["--state", str(tmp_path / "w"), "--name", NAME, *logs])

    assert run().exit_code == 2
    assert isinstance(run("--log", "no key").exception, InputError)
    twice = run("--log", LOG.verifier.vkey, "--log", LOG.verifier.vkey)
    assert isinstance(twice.exception, InputError)


def start(state):
    run = [sys.executable, "-c", "from salus.cli.witness import witness; witness()", "--state", str(state)]
    run += ["--name", NAME, "--port", "0", "--log", OTHER.verifier.vkey, "--origin", ORIGIN, LOG.verifier.vkey]
    process = subprocess.Popen(run, stdout=subprocess.PIPE, text=True)
    verifier = Verifier.from_vkey(process.stdout.readline().strip())
    return process, verifier, process.stdout.readline().split()[-1]


def test_killed_at_any_moment_it_forgets_nothing_and_signs_one_view(tmp_path):
    roots, keys = {}, set()
    for kill_after in (0.05, 0.12, 0.2):
        process, verifier, url = start(tmp_path / "w")
        keys.add(verifier)
        threading.Timer(kill_after, lambda pid=process.pid: os.kill(pid, signal.SIGKILL)).start()

        def client(view, url=url):
            old = 0
            while old < 399:
                try:
                    status, body, _ = ask(url, "POST", "/add-checkpoint", request(old, old + 1, view))
                except (OSError, http.client.HTTPException):
                    return
                if status == 200:
                    roots.setdefault(old + 1, set()).add(VIEWS[view].root(old + 1))
                if status == 422:
                    return
                old = int(body) if status == 409 else old + 1

        clients = [threading.Thread(target=client, args=(view,)) for view in (0, 1)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        process.wait()
        process.stdout.close()
    process, verifier, url = start(tmp_path / "w")
    status, body, _ = ask(url, "POST", "/add-checkpoint", request(0, 1))
    process.kill()
    process.wait()
    process.stdout.close()
    assert keys == {verifier}
    assert status == 409
    assert int(body) >= max(roots)
    assert len(roots) > 6
    assert all(len(found) == 1 for found in roots.values())
