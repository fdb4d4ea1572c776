"""A witness as a process of its own: recorded requests, a sequence of right and wrong ones, and kill -9 in between.

Replays the requests of every ``witness/*.json`` (``log_vkey``, ``log_origin``, ``requests`` with ``body``,
``expect_status`` and perhaps ``assert``: text that the answer contains). Then a log of our own tries every way to make
the witness sign two views, while the process is killed between requests and within them.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from validation._report import Mutant, Split, Tally, Truth, argument_parser, report

_WITNESS = "salus/trust/witness.py"
MUTANTS = (
    Mutant(
        _WITNESS, "if request.old_size != known.size:", "if False:", "an old size that is not the known one is taken"
    ),
    Mutant(_WITNESS, "if not _only_grew(known, checkpoint, request.proof):", "if False:", "growth is not proven"),
    Mutant(_WITNESS, "if request.old_size > checkpoint.size:", "if False:", "a log may shrink"),
    Mutant(
        _WITNESS,
        "        write_file(self._path(checkpoint.origin), kept.to_bytes(), 0o600)\n",
        "",
        "nothing is remembered",
    ),
)

Case = tuple[str, bool]
RUN = [sys.executable, "-c", "from salus.cli.witness import witness; witness()"]
ORIGIN = "log.example.org/own"
ROUNDS = 6


class Process:
    """A running witness."""

    def __init__(self, state: Path, name: str, *logs: str) -> None:
        command = [*RUN, "--state", str(state), "--name", name, "--port", "0", "--post-quantum", *logs]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout
        lines = [self.process.stdout.readline().strip() for _ in range(3)]
        self.vkeys, self.url = lines[:2], lines[2].rpartition(" ")[2]
        self.started = self.url.startswith("http://")

    def ask(self, body: bytes, method: str = "POST", path: str = "/add-checkpoint") -> tuple[int, bytes, str]:
        """Status, body and content type of an answer; status 0 where none came."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=20)
        try:
            connection.request(method, path, body or None)
            response = connection.getresponse()
            return response.status, response.read(), response.headers.get("Content-Type", "")
        except (OSError, http.client.HTTPException):
            return 0, b"", ""
        finally:
            connection.close()

    def kill(self) -> None:
        """kill -9."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()


class OwnLog:
    """Two views of one log that agree on the first 20 entries, signed with one key."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        from salus.trust.merkle import Tree, leaf_hash
        from salus.trust.note import Signer

        self.signer = Signer.note(ORIGIN, Ed25519PrivateKey.generate())
        self.stranger = Signer.note(ORIGIN, Ed25519PrivateKey.generate())
        common = [leaf_hash(b"%d" % n) for n in range(20)]
        self.views = [Tree([*common, *(leaf_hash(b"%d %d" % (v, n)) for n in range(20, 2000))]) for v in (0, 1)]

    def request(self, old: int, size: int, view: int = 0, *, proof: list[bytes] | None = None, **change: Any) -> bytes:
        """An add-checkpoint request; ``change`` replaces origin, root or signer."""
        from salus.trust.note import Checkpoint, signed
        from salus.trust.witness import Request

        tree = self.views[view]
        text = Checkpoint(change.get("origin", ORIGIN), size, change.get("root", tree.root(size))).text()
        if proof is None:
            proof = tree.consistency(old, size) if 0 < old <= size else []
        return Request(old, tuple(proof), signed(text, [change.get("signer", self.signer)])).to_bytes()


def recorded(folder: Path) -> Iterator[Case]:
    """Every recorded request against a fresh witness of its log."""
    for path in sorted(folder.glob("*.json")):
        script = json.loads(path.read_bytes())
        asserted = [re.findall(r'"(.+)"', request.get("assert", "")) for request in script["requests"]]
        names = [text.removeprefix("\u2014 ") for found in asserted for text in found if text.startswith("\u2014 ")]
        with tempfile.TemporaryDirectory() as state:
            logs = ("--origin", script["log_origin"], script["log_vkey"])
            process = Process(Path(state), names[0] if names else "witness.example.org", *logs)
            for number, (request, texts) in enumerate(zip(script["requests"], asserted, strict=True)):
                status, body, _ = process.ask(request["body"].encode())
                right = status == request["expect_status"] and all(text.encode() in body for text in texts)
                yield f"{path.name}: request {number}", right
            process.kill()


def sequence(log: OwnLog, state: Path) -> Iterator[Case]:
    """Right and wrong requests, each with the status that the protocol states; the witness is killed in between."""
    from salus.trust.merkle import EMPTY_ROOT
    from salus.trust.note import Note, Verifier, parse_signatures

    logs = ("--log", log.signer.verifier.vkey)
    process = Process(state, "witness.example.org/w1", *logs)
    vkeys = process.vkeys
    good = log.request(0, 5)
    forged = good.replace(b"\n5\n", b"\n6\n")
    wrong_root = log.request(0, 0, root=bytes(32))
    padded = good[:-2] + b"A\n" if good[-3:-2] != b"A" else good[:-2] + b"B\n"
    steps: list[tuple[Any, ...]] = [
        ("unknown origin", log.request(0, 5, origin="log.example.org/other"), 404),
        ("forged size", forged, 403),
        ("signature of a stranger", log.request(0, 5, signer=log.stranger), 403),
        ("signature changed", padded, (400, 403)),
        ("proof from size 0", log.request(0, 5, proof=[bytes(32)]), 422),
        ("empty tree with another root", wrong_root, 422),
        ("old size with a leading zero", good.replace(b"old 0", b"old 00"), 400),
        ("old size too large", good.replace(b"old 0", b"old 9223372036854775808"), 400),
        ("no empty line", good.replace(b"\n\n", b"\n"), 400),
        ("64 hashes", log.request(0, 5, proof=[bytes(32)] * 64), 400),
        ("a short hash", good.replace(b"old 0", b"old 0\n" + base64.b64encode(bytes(31))), 400),
        ("carriage returns", good.replace(b"\n", b"\r\n"), 400),
        ("more than 64 KB", good + b"x" * 70_000, (0, 413)),
        ("empty tree", log.request(0, 0, root=EMPTY_ROOT), 200),
        ("nothing seen yet", log.request(3, 5), 409, b"0\n"),
        ("first checkpoint", good, 200),
        ("same again, from where the witness is", log.request(5, 5), 200),
        ("kill", b"", 0),
        ("wrong old size", log.request(3, 8), 409, b"5\n"),
        ("old size 0", log.request(0, 8), 409, b"5\n"),
        ("old size beyond the checkpoint", log.request(9, 8), 400),
        ("no proof", log.request(5, 8, proof=[]), 422),
        ("proof of another size", log.request(5, 8, proof=log.views[0].consistency(5, 9)), 422),
        ("growth", log.request(5, 25), 200),
        ("kill", b"", 0),
        ("rollback", log.request(25, 24), 400),
        ("rollback from an old size", log.request(5, 8), 409, b"25\n"),
        ("another root of the same size", log.request(25, 25, 1), 422),
        ("another view, grown", log.request(25, 30, 1), 422),
        ("growth again", log.request(25, 400), 200),
        ("kill", b"", 0),
        ("growth after the kill", log.request(400, 401), 200),
    ]
    for name, body, status, *expected in steps:
        if name == "kill":
            process.kill()
            process = Process(state, "witness.example.org/w1", *logs)
            yield "same keys after kill -9", process.vkeys == vkeys
            continue
        answer = process.ask(body)
        right = answer[0] in (status if isinstance(status, tuple) else (status,))
        if expected:
            right = right and answer[1:] == (expected[0], "text/x.tlog.size")
        if status == 200:
            note = Note(Note.from_bytes(body.partition(b"\n\n")[2]).text, parse_signatures(answer[1]) if right else ())
            right = right and len(note.verify([Verifier.from_vkey(vkey) for vkey in vkeys])) == 2
        yield name, right
    kept = process.ask(b"", "GET", f"/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint")
    yield "newest checkpoint for monitors", kept[0] == 200 and kept[1].startswith(f"{ORIGIN}\n401\n".encode())
    yield "no checkpoint of another log", process.ask(b"", "GET", f"/{'0' * 64}/checkpoint")[0] == 404
    second = Process(state, "witness.example.org/w1", *logs)
    yield "a second process on one state", not second.started
    second.kill()
    process.kill()
    renamed = Process(state, "witness.example.org/w2", *logs)
    yield "the keys under another name", not renamed.started
    renamed.kill()
    (state / "ed25519.key").chmod(0o644)
    exposed = Process(state, "witness.example.org/w1", *logs)
    yield "a key that others can read", not exposed.started
    exposed.kill()


def under_fire(log: OwnLog, state: Path) -> Iterator[Case]:
    """Two views submitted at once by four clients while the process is killed: never two roots of one size."""
    logs, name = ("--log", log.signer.verifier.vkey), "witness.example.org/w1"
    signed: dict[int, set[bytes]] = {}
    largest, lock = 0, threading.Lock()
    for number in range(ROUNDS):
        process = Process(state, name, *logs)
        status, body, _ = process.ask(log.request(0, 1))
        known = int(body) if status == 409 else 1
        yield f"kill {number}: nothing cosigned was forgotten", known >= largest
        stop = threading.Timer(0.3 + 0.17 * number, process.kill)

        def client(view: int, step: int, process: Process = process, known: int = known) -> None:
            old = known
            while old + step < 2000:
                status, body, _ = process.ask(log.request(old, old + step, view))
                if status == 0:
                    return
                if status == 200:
                    old += step
                    with lock:
                        signed.setdefault(old, set()).add(log.views[view].root(old))
                elif status == 409:
                    old = int(body)
                else:  # this view has lost
                    return

        clients = [threading.Thread(target=client, args=(n % 2, 1 + n // 2)) for n in range(4)]
        stop.start()
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        stop.join()
        largest = max([largest, *signed])
        yield f"kill {number}: one root a size", all(len(roots) == 1 for roots in signed.values())
    yield f"under fire: {largest} entries cosigned", largest > 20


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    folder = arguments.data / "witness"
    results = list(recorded(folder))
    replayed = len(results)
    if replayed:
        log = OwnLog()
        for check in (sequence, under_fire):
            with tempfile.TemporaryDirectory() as state:
                results += check(log, Path(state))
    tally = Tally.of(results, "not as the protocol says")
    return report(
        check="trust.witness",
        tally=tally,
        covers="a witness answers a recorded request of others, and under kill -9 signs one view of a log of ours",
        truth=Truth.OWN,
        split=Split.UNSEEN,
        data=arguments.data,
        files=sorted(folder.glob("*.json")),
        figures={"n": tally.n, "passed": tally.passed, "recorded": replayed, "kills": ROUNDS + 3},
        methods=["trust.log"],
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
