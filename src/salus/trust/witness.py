"""A witness of logs: cosigns a checkpoint once it saw that the log only grew (C2SP tlog-witness).

It runs apart from the house, on another machine and in other hands, and needs nothing of the store. All it keeps is its
keys and, for each log, the newest checkpoint that it cosigned. :func:`serve` answers over HTTP, :func:`cosign` asks.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import http.client
import io
import os
import socket
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Any

from salus.errors import ConfigurationError, InputError, IntegrityError, SalusError, StoreError
from salus.trust.merkle import EMPTY_ROOT, HASH, PROOF_LIMIT, verify_consistency
from salus.trust.note import (
    ML_DSA_44,
    NAME_BYTES,
    Checkpoint,
    Note,
    Signature,
    Signer,
    Verified,
    Verifier,
    decode_base64,
    distinct,
    parse_signatures,
    parse_size,
)
from salus.trust.tiles import write_file

BODY_BYTES = 64 * 1024
"""A request's greatest length: sixteen ML-DSA-44 signatures and a proof of 63 hashes fit."""
REQUEST_BYTES = BODY_BYTES + 16 * 1024
"""How many bytes may be read for one request, header lines included."""
CONNECTIONS = 64
REQUEST_SECONDS = 10.0
"""Seconds for a whole request to arrive, and for an idle connection to be used again."""
TEXT = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class Request:
    """One add-checkpoint request: the size the log believes the witness to know, a proof from there, a checkpoint."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note

    def to_bytes(self) -> bytes:
        """The body of the request: old size, proof, empty line, checkpoint."""
        lines = [f"old {self.old_size}", *(base64.b64encode(node).decode() for node in self.proof)]
        return "\n".join(lines).encode() + b"\n\n" + self.note.to_bytes()

    @classmethod
    def from_bytes(cls, body: bytes) -> Request:
        """Read a request's body. Raises InputError for whatever the protocol does not allow."""
        head, blank, note = body.partition(b"\n\n")
        try:
            first, *lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise InputError("not an add-checkpoint request") from error
        if not blank or not first.startswith("old ") or len(lines) > PROOF_LIMIT:
            raise InputError(
                "not an add-checkpoint request: an old size, at most 63 hashes, an empty line, a checkpoint"
            )
        proof = tuple(decode_base64(line, f"proof line {n}") for n, line in enumerate(lines, 1))
        if any(len(node) != HASH for node in proof):
            raise InputError("not hashes of 32 bytes each", where="proof")
        return cls(parse_size(first.removeprefix("old "), "old size"), proof, Note.from_bytes(note))


@dataclass(frozen=True, slots=True)
class Answer:
    """A status of the protocol, with the body that goes with it."""

    status: int
    body: bytes
    content_type: str = TEXT


Logs = Mapping[str, Sequence[Verifier]]
"""The logs that a witness knows: by origin line, the keys that sign for it."""


class Witness:
    """The keys and the memory of one witness, in a folder that one process at a time may hold."""

    def __init__(
        self, folder: Path, signers: Sequence[Signer], logs: Logs, clock: Callable[[], float] = time.time
    ) -> None:
        """Take the folder. Raises ConfigurationError when another process has it, InputError for doubtful keys."""
        self._folder, self._clock = folder, clock
        self.signers = tuple(signers)
        _check_keys(self.signers, logs)
        self._logs = dict(logs)
        self._locks = {origin: Lock() for origin in logs}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise ConfigurationError("another process serves this witness", where=str(folder)) from error

    def close(self) -> None:
        """Give the folder back."""
        os.close(self._lock)

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer one request, in the order of checks that the protocol states.

        200 with the cosignatures, after they are on the disk; 400 for what is no request; 404 for an unknown log; 403
        where no key of the log signed; 409 with the size that is known here; 422 where the log is not shown to have
        only grown. Raises IntegrityError or StoreError where the witness's own memory fails it: it then signs nothing.
        """
        try:
            request = Request.from_bytes(body)
            checkpoint = Checkpoint.from_text(request.note.text)
        except InputError as error:
            return _refusal(400, str(error))
        if checkpoint.origin not in self._logs:
            return _refusal(404, "the log is not known here")
        try:
            verified = request.note.verify(self._logs[checkpoint.origin])
        except IntegrityError:
            return _refusal(403, "no valid signature of the log")
        if request.old_size > checkpoint.size:
            return _refusal(400, "the old size is larger than the checkpoint's")
        with self._locks[checkpoint.origin]:
            return self._decide(request, checkpoint, verified)

    def latest(self, origin_hash: str) -> bytes | None:
        """The newest cosigned checkpoint of the log whose origin has this SHA-256 (hex); None where there is none."""
        for origin in self._logs:
            if hashlib.sha256(origin.encode()).hexdigest() == origin_hash:
                with suppress(FileNotFoundError):
                    return self._path(origin).read_bytes()
        return None

    def _decide(self, request: Request, checkpoint: Checkpoint, verified: tuple[Verified, ...]) -> Answer:
        known, last = self._known(checkpoint.origin)
        if request.old_size != known.size:
            return Answer(409, f"{known.size}\n".encode(), SIZE)
        if not _only_grew(known, checkpoint, request.proof):
            return _refusal(422, "the consistency proof does not hold")
        now = max(int(self._clock()), last, 1)  # a clock set back does not make a later statement an earlier one
        cosignatures = tuple(signer.sign(request.note.text, now) for signer in self.signers)
        kept = Note(request.note.text, (*(found.signature for found in verified), *cosignatures))
        write_file(self._path(checkpoint.origin), kept.to_bytes(), 0o600)
        return Answer(200, "".join(s.line() for s in cosignatures).encode())

    def _known(self, origin: str) -> tuple[Checkpoint, int]:
        """The newest checkpoint cosigned for the log, and when. Raises IntegrityError where the file was changed."""
        path = self._path(origin)
        if not path.exists():
            return Checkpoint(origin, 0, EMPTY_ROOT), 0
        try:
            note = Note.from_bytes(path.read_bytes())
            own = note.verify([signer.verifier for signer in self.signers])
            known = Checkpoint.from_text(note.text)
        except SalusError as error:
            raise IntegrityError("what the witness remembers of a log was changed", where=str(path)) from error
        if known.origin != origin:
            raise IntegrityError("what the witness remembers is of another log", where=str(path))
        return known, max(found.time or 0 for found in own)

    def _path(self, origin: str) -> Path:
        return self._folder / f"{hashlib.sha256(origin.encode()).hexdigest()}.checkpoint"


def _check_keys(signers: Sequence[Signer], logs: Logs) -> None:
    """Raises InputError for doubtful keys, and for a log that this witness could not cosign."""
    distinct(signer.verifier for signer in signers)
    own = {signer.verifier.public_key for signer in signers}
    for origin, verifiers in logs.items():
        distinct(verifiers)
        if own & {verifier.public_key for verifier in verifiers}:
            raise InputError("the witness's own key is given as a log's", where=origin)
        if any(s.verifier.kind == ML_DSA_44 for s in signers) and len(origin.encode()) > NAME_BYTES:
            raise InputError(f"an origin of more than {NAME_BYTES} bytes cannot be cosigned with ML-DSA-44")


def _only_grew(known: Checkpoint, now: Checkpoint, proof: Sequence[bytes]) -> bool:
    """True when ``now`` is shown to begin with ``known``. From the empty tree nothing is to be shown."""
    if known.size == 0:
        return not proof and (now.size > 0 or now.root == known.root)
    return verify_consistency(known.size, now.size, known.root, now.root, proof)


def _refusal(status: int, why: str) -> Answer:
    return Answer(status, f"{why}\n".encode())


class SizeConflict(InputError):
    """The witness knows the log at another size, :attr:`size`: the proof has to begin there."""

    size = 0


class Server(ThreadingHTTPServer):
    """A witness over HTTP: POST /add-checkpoint, and GET /<SHA-256 of an origin>/checkpoint for monitors.

    At most 64 connections at a time, ten seconds for a request to arrive, 64 KB for its body. It logs nothing.
    """

    daemon_threads = True
    request_queue_size = CONNECTIONS

    def __init__(self, address: tuple[str, int], witness: Witness) -> None:
        self.witness = witness
        self._free = BoundedSemaphore(CONNECTIONS)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own, or close it where there are too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, then let another in."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a connection that broke off concerns nobody, and what the witness itself could not do is
        answered with 500."""


class _Timed(io.RawIOBase):
    """A socket read until a deadline, and so many bytes: a client that sends a byte at a time is cut off."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.renew()

    def renew(self) -> None:
        """A new request begins."""
        self._deadline, self._left = time.monotonic() + REQUEST_SECONDS, REQUEST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0 or self._left <= 0:
            raise TimeoutError
        self._connection.settimeout(remaining)
        count = self._connection.recv_into(buffer, min(len(buffer), self._left))
        self._left -= count
        return count


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "salus-witness", ""
    timeout = REQUEST_SECONDS
    server: Server

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._timed = _Timed(self.connection)
        self.rfile = io.BufferedReader(self._timed)

    def handle_one_request(self) -> None:
        self._timed.renew()
        super().handle_one_request()

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        persistent, self.close_connection = not self.close_connection, True  # until the body was read
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            self._send(_refusal(411, "a request states its length"))
        elif len(length) > 9 or int(length) > BODY_BYTES:
            self._send(_refusal(413, f"a request has at most {BODY_BYTES} bytes"))
        elif len(body := self.rfile.read(int(length))) == int(length):
            self.close_connection = not persistent
            self._send(self._answer(body) if self.path == "/add-checkpoint" else _refusal(404, "no such call"))

    def _answer(self, body: bytes) -> Answer:
        try:
            return self.server.witness.add_checkpoint(body)
        except (SalusError, OSError):
            return _refusal(500, "the witness cannot serve this log now")

    def do_GET(self) -> None:
        origin_hash = self.path.removeprefix("/").removesuffix("/checkpoint")
        found = self.server.witness.latest(origin_hash) if self.path == f"/{origin_hash}/checkpoint" else None
        self._send(Answer(200, found) if found else _refusal(404, "no such checkpoint"))

    def _send(self, answer: Answer) -> None:
        self.connection.settimeout(REQUEST_SECONDS)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        return


class _AsItIs(urllib.request.HTTPErrorProcessor):
    """Returns every response, refusals and redirects among them."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response

    https_response = http_response


def submit(url: str, old_size: int, proof: Sequence[bytes], note: Note, seconds: float = 10) -> tuple[Signature, ...]:
    """Ask the witness at ``url`` (its submission prefix) to cosign; the signature lines it answers, not yet verified.

    Raises :class:`SizeConflict` where the witness knows another size, InputError for another refusal and for an answer
    that is none, StoreError when nobody answers in time. No redirect is followed, at most 64 KB are read.
    """
    if not url.startswith(("http://", "https://")):
        raise InputError("a witness's address begins with http:// or https://")
    body = Request(old_size, tuple(proof), note).to_bytes()
    request = urllib.request.Request(url.rstrip("/") + "/add-checkpoint", body, {"Content-Type": "text/plain"})  # noqa: S310
    try:
        with urllib.request.build_opener(_AsItIs).open(request, timeout=seconds) as response:
            answer = _bounded(response, seconds)
    except (OSError, http.client.HTTPException) as error:
        raise StoreError(f"the witness does not answer: {type(error).__name__}") from error
    if response.status == 409 and response.headers.get("Content-Type") == SIZE:
        conflict = SizeConflict("the witness knows the log at another size")
        conflict.size = parse_size(answer.decode("ascii", "replace").removesuffix("\n"), "size")
        raise conflict
    if response.status != 200:
        raise InputError(f"the witness refused the checkpoint: status {response.status}")
    return parse_signatures(answer)


def cosign(
    url: str, note: Note, old_size: int, prove: Callable[[int], Sequence[bytes]], verifiers: Sequence[Verifier]
) -> tuple[Verified, ...]:
    """The cosignatures on ``note`` of the witness at ``url``, verified; ``prove`` gives the proof from a size.

    ``old_size`` is what the witness is believed to know; where it says another, it is asked once more from there.
    Raises what :func:`submit` does, and IntegrityError where no known key of the witness cosigned.
    """
    try:
        answer = submit(url, old_size, prove(old_size), note)
    except SizeConflict as conflict:
        answer = submit(url, conflict.size, prove(conflict.size), note)
    verified = Note(note.text, answer).verify(verifiers)
    if not all(found.time for found in verified):
        raise IntegrityError("a cosignature without a time")
    return verified


def _bounded(response: Any, seconds: float) -> bytes:
    """The body of a response, at most 64 KB, within ``seconds``."""
    deadline, parts, size = time.monotonic() + seconds, [], 0
    while part := response.read1(BODY_BYTES):
        size += len(part)
        if size > BODY_BYTES:
            raise InputError("the witness answers too much")
        if time.monotonic() > deadline:
            raise TimeoutError
        parts.append(part)
    if response.length:  # what was announced and did not come
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(parts)
