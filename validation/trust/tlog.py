"""A real log read from its static files, and written again by our own writer: signatures, roots, proofs, tiles.

Under ``tlog/``: ``keys.json`` (origin, vkey), ``checkpoint*`` files, ``tile/0`` and ``tile/entries``. Cases: each
checkpoint's signature; its root over the entries and over the tiles; each pair of checkpoints, one consistent with the
other; each entry's inclusion in each checkpoint; each file of hashes and entries, byte for byte as our writer makes it.
Forged checkpoints are made here and are no cases but a condition: ``forged_taken`` must be empty.
Signed notes and cosigned checkpoints in ``*examples*.json`` are read, verified and written back.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from validation._report import Mutant, Split, Tally, Truth, argument_parser, report

_MERKLE, _TILES, _NOTE = (f"salus/trust/{name}.py" for name in ("merkle", "tiles", "note"))
MUTANTS = (
    Mutant(_MERKLE, 'sha256(b"\\x00" + data)', "sha256(data)", "leaves are hashed without their prefix"),
    Mutant(_MERKLE, "if fork >= level:", "if fork > level:", "a proof lacks the sibling at the right edge"),
    Mutant(
        _TILES, 'len(entry).to_bytes(2, "big")', 'len(entry).to_bytes(2, "little")', "lengths in a bundle are turned"
    ),
    Mutant(_NOTE, "time = verifier.check(self.text, signature.blob)", "time = None", "signatures are not checked"),
)

Case = tuple[str, bool]


def checkpoints(folder: Path, key: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """Name and checkpoint of every checkpoint file; None where its signature or its form does not hold."""
    from salus.errors import SalusError
    from salus.trust.note import Checkpoint, Note, Verifier

    verifier = Verifier.from_vkey(key["vkey"])
    for path in sorted(folder.rglob("checkpoint*")):
        if path.is_file():
            try:
                note = Note.from_bytes(path.read_bytes())
                note.verify([verifier])
                checkpoint = Checkpoint.from_text(note.text)
                yield path.name, checkpoint if checkpoint.origin == key["origin"] else None
            except SalusError:
                yield path.name, None


def forged(folder: Path, key: dict[str, str]) -> Iterator[Case]:
    """Each checkpoint with one bit of its text or of its signature changed: made here, to be refused."""
    from salus.errors import SalusError
    from salus.trust.note import Note, Verifier

    verifier = Verifier.from_vkey(key["vkey"])
    for path in sorted(p for p in folder.rglob("checkpoint*") if p.is_file()):
        data = path.read_bytes()
        text, blank, signatures = data.partition(b"\n\n")
        for what, place in (
            ("size", text.index(b"\n") + 1),
            ("signature", len(text) + len(blank) + len(signatures) - 3),
        ):
            changed = bytearray(data)
            changed[place] = ord("7") if data[place : place + 1] != b"7" else ord("8")
            try:
                Note.from_bytes(bytes(changed)).verify([verifier])
            except SalusError:
                yield f"{path.name}: forged {what}", True
            else:
                yield f"{path.name}: forged {what}", False


def _widest(root: Path, kind: str) -> Any:
    """Tiles by index, the widest of each."""
    from salus.trust.tiles import Tile

    found: dict[int, Any] = {}
    for path in sorted((root / "tile" / kind).rglob("*")):
        if path.is_file():
            tile = Tile.from_path(path.relative_to(root).as_posix())
            found[tile.index] = max(found.get(tile.index, tile), tile, key=lambda t: t.width)
    return [found[index] for index in sorted(found)]


def of_tiles(root: Path, heads: list[tuple[str, Any]]) -> Iterator[Case]:
    """Roots over the entries and over the tiles of level 0, consistency of every pair, inclusion of every entry."""
    from salus.trust.merkle import Tree, leaf_hash, verify_consistency, verify_inclusion
    from salus.trust.tiles import decode_bundle

    entries = [e for t in _widest(root, "entries") for e in decode_bundle((root / t.path).read_bytes(), t.width)]
    data = b"".join((root / t.path).read_bytes() for t in _widest(root, "0"))
    hashes = [data[at : at + 32] for at in range(0, len(data), 32)]
    by_entry, by_tile = Tree([leaf_hash(entry) for entry in entries]), Tree(hashes)
    for name, head in heads:
        yield f"{name}: root over entries", by_entry.root(head.size) == head.root
        yield f"{name}: root over tiles", by_tile.root(head.size) == head.root
    for name, head in heads:
        for index in range(head.size):
            proof = by_tile.inclusion(index, head.size)
            ok = verify_inclusion(leaf_hash(entries[index]), index, head.size, proof, head.root)
            yield f"{name}: entry {index}", ok
    for first_name, first in heads:
        for second_name, second in heads:
            if 0 < first.size <= second.size:
                proof = by_tile.consistency(first.size, second.size)
                ok = verify_consistency(first.size, second.size, first.root, second.root, proof)
                yield f"{first_name} in {second_name}", ok


def rewritten(root: Path, heads: list[tuple[str, Any]]) -> Iterator[Case]:
    """Publish the entries anew, stopping at each size that a checkpoint states; compare roots, tiles and bundles."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from salus.errors import SalusError
    from salus.trust.merkle import Tree, leaf_hash
    from salus.trust.note import Checkpoint, Signer, signed
    from salus.trust.tiles import Reader, Writer, decode_bundle

    entries = [e for t in _widest(root, "entries") for e in decode_bundle((root / t.path).read_bytes(), t.width)]
    signer = Signer.note("example.org/rewritten", Ed25519PrivateKey.generate())
    tree, done = Tree(), 0
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(Path(folder))
        for name, head in sorted(heads, key=lambda pair: pair[1].size):
            tree.extend(leaf_hash(entry) for entry in entries[done : head.size])
            text = Checkpoint(signer.verifier.name, head.size, tree.root()).text()
            try:
                writer.publish(entries[done : head.size], signed(text, [signer]))
                reader = Reader(Path(folder), signer.verifier.name, [signer.verifier])
                same = list(reader.entries()) == entries[: head.size] and reader.view().root() == head.root
            except SalusError:
                same = False
            yield f"{name}: our own log", same
            done = head.size
        for path in sorted((root / "tile").rglob("*")):
            if path.is_file():
                ours = Path(folder) / path.relative_to(root)
                yield path.relative_to(root).as_posix(), ours.is_file() and ours.read_bytes() == path.read_bytes()


def examples(folder: Path) -> Iterator[Case]:
    """Notes of the standard's own text: read, verified where a key is given, and written back."""
    from salus.errors import SalusError
    from salus.trust.note import Checkpoint, Note, Verifier

    for path in sorted(folder.glob("*examples*.json")):
        for name, example in json.loads(path.read_bytes()).items():
            if name == "source":
                continue
            text = example["note"] if isinstance(example, dict) else example
            try:
                note = Note.from_bytes(text.encode())
                if isinstance(example, dict):
                    right = bool(note.verify([Verifier.from_vkey(example["vkey"])])) == (example["expect"] == "valid")
                else:
                    right = Checkpoint.from_text(note.text).text() == note.text and len(note.signatures) > 1
            except SalusError:
                right = isinstance(example, dict) and example["expect"] != "valid"
                note = None
            yield f"{path.name}: {name}", right and (note is None or note.to_bytes() == text.encode())


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    folder = arguments.data / "tlog"
    results: list[Case] = []
    taken: list[str] = []
    for keys in sorted(folder.rglob("keys.json")):
        key = json.loads(keys.read_bytes())
        taken += [name for name, refused in forged(keys.parent, key) if not refused]
        read = list(checkpoints(keys.parent, key))
        results += [(f"{name}: signature", head is not None) for name, head in read]
        heads = [(name, head) for name, head in read if head is not None]
        for tiles in sorted({path.parent for path in keys.parent.rglob("tile") if path.is_dir()}):
            results += [*of_tiles(tiles, heads), *rewritten(tiles, heads)]
    results += examples(folder)
    tally = Tally.of(results, "does not hold")
    return report(
        check="trust.tlog",
        tally=tally,
        covers="a real log of others is read, proven and written again byte for byte",
        truth=Truth.OUTSIDE,
        split=Split.UNSEEN,
        data=arguments.data,
        files=[path for path in sorted(folder.rglob("*")) if path.is_file()],
        figures={
            "n": tally.n,
            "passed": tally.passed,
            "checkpoints": sum(name.endswith(": signature") for name, _ in results),
            "pairs": sum(" in " in name for name, _ in results),
            "inclusions": sum(": entry " in name for name, _ in results),
            "forged_taken": taken,
            "files_byte_equal": sum(right for name, right in results if name.startswith("tile/")),
        },
        methods=["trust.log"],
        as_json=arguments.json,
        ok=tally.passed == tally.n and not taken,
    )


if __name__ == "__main__":
    sys.exit(main())
