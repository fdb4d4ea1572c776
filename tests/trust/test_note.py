"""Signed notes, verifier keys and checkpoints: what is read is what was written, and nothing else is read."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from salus.errors import InputError, IntegrityError
from salus.trust.merkle import SIZE_LIMIT
from salus.trust.note import (
    COSIGNATURE,
    ED25519,
    ML_DSA_44,
    SIGNATURES,
    Checkpoint,
    Note,
    Signature,
    Signer,
    Verifier,
    decode_base64,
    distinct,
    parse_signatures,
    parse_size,
    signed,
)

ROOT = hashlib.sha256(b"root").digest()
HEAD = Checkpoint("example.org/log", 7, ROOT)
LOG = Signer.note("example.org/log", Ed25519PrivateKey.from_private_bytes(b"l" * 32))
WITNESS = Signer.cosigner("w.example/1", Ed25519PrivateKey.from_private_bytes(b"w" * 32))
QUANTUM = Signer.post_quantum("w.example/1", MLDSA44PrivateKey.from_seed_bytes(b"q" * 32))
ALL = [LOG, WITNESS, QUANTUM]
VERIFIERS = [signer.verifier for signer in ALL]
LINE = LOG.sign(HEAD.text()).line()


def test_the_example_of_the_standard_verifies():
    # C2SP signed-note, "Verifier keys".
    key = Verifier.from_vkey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    note = (
        "This is an example message.\n\n\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1"
        "ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
    )
    assert [v.verifier for v in Note.from_bytes(note.encode()).verify([key])] == [key]
    with pytest.raises(IntegrityError, match="does not hold"):
        Note.from_bytes(note.replace("example m", "Example m").encode()).verify([key])


def test_three_kinds_of_key_sign_one_checkpoint():
    note = Note.from_bytes(signed(HEAD.text(), ALL, 1679315147).to_bytes())
    assert [(v.verifier, v.time) for v in note.verify(VERIFIERS)] == [
        (LOG.verifier, None),
        (WITNESS.verifier, 1679315147),
        (QUANTUM.verifier, 1679315147),
    ]
    assert Checkpoint.from_text(note.text) == HEAD
    assert [len(s.blob) for s in note.signatures] == [64, 72, 2428]


def test_what_is_signed_is_what_the_standard_says():
    text = HEAD.text()
    LOG.key.public_key().verify(LOG.sign(text).blob, text.encode())
    blob = WITNESS.sign(text, 258).blob
    assert blob[:8] == bytes.fromhex("0000000000000102")
    WITNESS.key.public_key().verify(blob[8:], b"cosignature/v1\ntime 258\n" + text.encode())
    message = b"subtree/v1\n\0" + b"\x0bw.example/1" + bytes(6) + b"\x01\x02" + b"\x0fexample.org/log"
    message += bytes(8) + bytes(7) + b"\x07" + ROOT
    blob = QUANTUM.sign(text, 258).blob
    assert blob[:8] == bytes.fromhex("0000000000000102")
    QUANTUM.key.public_key().verify(blob[8:], message)


@pytest.mark.parametrize(("signer", "kind"), [(LOG, ED25519), (WITNESS, COSIGNATURE), (QUANTUM, ML_DSA_44)])
def test_verifier_keys_are_read_as_written(signer, kind):
    verifier = signer.verifier
    name, key_id, key = verifier.vkey.split("+", 2)
    raw = base64.b64decode(key)
    assert raw == bytes([kind]) + signer.key.public_key().public_bytes_raw()
    assert key_id == hashlib.sha256(name.encode() + b"\n" + raw).hexdigest()[:8]
    assert Verifier.from_vkey(verifier.vkey) == verifier
    for bad in (
        f"other+{key_id}+{key}",
        f"{name}+{int(key_id, 16) ^ 1:08x}+{key}",
        f"{name}+{key_id.upper()}0+{key}",
        f"{name}+{key_id}+{key[:-4]}",
        f"{name}+{key_id}",
        f"{name}+{key_id}+",
        f"{name}+{key_id}+{key}\n",
        f"a b+{key_id}+{key}",
        "",
    ):
        with pytest.raises(InputError):
            Verifier.from_vkey(bad)


@pytest.mark.parametrize("kind", [ED25519, COSIGNATURE])
def test_keys_of_low_order_are_no_verifiers(kind):
    for raw in (bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"):
        with pytest.raises(InputError):
            Verifier("w", kind, raw)


def test_names_and_kinds_of_verifiers():
    raw = LOG.verifier.public_key
    for name in ("", "a+b", "a b", "a\u2003b", "a\u0085b", "a\nb", "\x00", "a\u2028b", "n" * 256, "\ud800"):
        with pytest.raises(InputError):
            Verifier(name, ED25519, raw)
    assert Verifier("n" * 255, ED25519, raw).key_id
    for kind in (0, 2, 3, 5, 7, 255):
        with pytest.raises(InputError):
            Verifier("a", kind, raw)
    with pytest.raises(InputError):
        Verifier("a", ML_DSA_44, raw)


@pytest.mark.parametrize("signer", ALL)
@given(st.integers(0, 1 << 20), st.integers(0, 7))
@settings(max_examples=25, deadline=None)
def test_no_altered_signature_or_text_holds(signer, at, bit):
    signature = signer.sign(HEAD.text(), 5)
    blob = bytearray(signature.blob)
    blob[at % len(blob)] ^= 1 << bit
    with pytest.raises(IntegrityError):
        Note(HEAD.text(), (Signature(signature.name, signature.key_id, bytes(blob)),)).verify([signer.verifier])
    with pytest.raises(IntegrityError):
        Note(Checkpoint("example.org/log", 8, ROOT).text(), (signature,)).verify([signer.verifier])
    for blob in (signature.blob[:-1], signature.blob + b"\0", b"\x80" + signature.blob[1:]):
        with pytest.raises(IntegrityError):
            Note(HEAD.text(), (Signature(signature.name, signature.key_id, blob),)).verify([signer.verifier])


def test_unknown_keys_are_passed_over_and_known_ones_must_hold():
    text, other = HEAD.text(), Signer.note("example.org/log", Ed25519PrivateKey.generate())
    good, stranger = LOG.sign(text), other.sign(text)
    assert len(Note(text, (stranger, good)).verify([LOG.verifier])) == 1
    assert len(Note(text, (good, good)).verify([LOG.verifier])) == 1
    forged = Signature(good.name, good.key_id, stranger.blob)
    for signatures in ((forged, good), (good, forged)):
        with pytest.raises(IntegrityError, match="does not hold"):
            Note(text, signatures).verify([LOG.verifier])
    for signatures in ((stranger,), (Signature("other", good.key_id, good.blob),)):
        with pytest.raises(IntegrityError, match="no known key"):
            Note(text, signatures).verify([LOG.verifier])
    with pytest.raises(IntegrityError):
        Note(text, (good,)).verify([])


def test_a_cosignature_needs_a_checkpoint():
    for signer in (WITNESS, QUANTUM):
        with pytest.raises(InputError):
            signer.sign("not a checkpoint\n")
        forged = Signature("w.example/1", signer.verifier.key_id, signer.sign(HEAD.text()).blob)
        with pytest.raises(IntegrityError):
            Note("not a checkpoint\n", (forged,)).verify([signer.verifier])
    with pytest.raises(InputError):
        QUANTUM.sign(Checkpoint("o" * 256, 7, ROOT).text())
    with pytest.raises(InputError):
        WITNESS.sign(HEAD.text(), 1 << 63)


def test_times_that_no_cosignature_may_state():
    for time, holds in ((SIZE_LIMIT - 1, True), (SIZE_LIMIT, False)):
        blob = time.to_bytes(8, "big") + WITNESS.key.sign(f"cosignature/v1\ntime {time}\n{HEAD.text()}".encode())
        note = Note(HEAD.text(), (Signature("w.example/1", WITNESS.verifier.key_id, blob),))
        if holds:
            assert note.verify([WITNESS.verifier])[0].time == time
        else:
            with pytest.raises(IntegrityError):
                note.verify([WITNESS.verifier])


def test_one_key_is_one_witness():
    key = WITNESS.verifier.public_key
    twin = Verifier("w.example/2", COSIGNATURE, key)
    for pair in ((WITNESS.verifier, twin), (WITNESS.verifier, WITNESS.verifier)):
        with pytest.raises(InputError):
            distinct(pair)
        with pytest.raises(InputError):
            signed(HEAD.text(), [WITNESS]).verify(pair)
    with pytest.raises(InputError):
        distinct((Verifier("a", ED25519, key), Verifier("b", COSIGNATURE, key)))
    same_name = (WITNESS.verifier, Verifier("w.example/1", ED25519, key), QUANTUM.verifier)
    assert distinct(iter(same_name)) == same_name


BAD_NOTES = [
    b"",
    b"\n",
    b"\n\n",
    b"text\n",
    b"text\n\n",
    b"text\n\n\n",
    f"text\n{LINE}".encode(),
    f"text\n\n{LINE}"[:-1].encode(),
    f"text\n\n{LINE}\n".encode(),
    f"text\r\n\r\n{LINE}".encode(),
    f"te\rxt\n\n{LINE}".encode(),
    f"te\txt\n\n{LINE}".encode(),
    f"te\x00xt\n\n{LINE}".encode(),
    f"te\x1fxt\n\n{LINE}".encode(),
    b"te\xffxt\n\n" + LINE.encode(),
    f"text\n\n{LINE.replace(chr(0x2014), '-')}".encode(),
    f"text\n\n{LINE.replace(' example', '  example')}".encode(),
    f"text\n\n{LINE.replace('log ', 'log  ')}".encode(),
    f"text\n\n{LINE.replace('example', 'exa+mple')}".encode(),
    ("text\n\n" + LINE.replace("example", "exa\u00a0mple")).encode(),
    f"text\n\n{LINE[:-1]} \n".encode(),
    f"text\n\n{LINE[:-1]}x".encode(),
    f"text\n\n{LINE[:-2]}\n".encode(),
    f"text\n\n{LINE[:-1]}=\n".encode(),
    "text\n\n\u2014 name AAAA\n".encode(),
    "text\n\n\u2014 name AAAAAA==\n".encode(),
    "text\n\n\u2014 name \n".encode(),
    "text\n\n\u2014 name\n".encode(),
    "text\n\n\u2014  AAAAAAA=\n".encode(),
    "text\n\n\u2014 name AAAAAAB=\n".encode(),
    "text\n\n\u2014 name AAAA AAA=\n".encode(),
    "text\n\n\u2014 name AAAA_AA=\n".encode(),
    f"text\n\n{LINE * (SIGNATURES + 1)}".encode(),
    b"t" * 600_000 + b"\n\n" + LINE.encode(),
]


@pytest.mark.parametrize("data", BAD_NOTES)
def test_what_is_no_note_is_refused(data):
    with pytest.raises(InputError):
        Note.from_bytes(data)


def test_what_is_a_note():
    assert len(Note.from_bytes(f"text\n\n{LINE * SIGNATURES}".encode()).signatures) == SIGNATURES
    empty = Note.from_bytes(f"\n\n{LINE}".encode())
    assert empty.text == "\n"
    inner = Note.from_bytes(f"first\n\nsecond \u2014\n\n{LINE}".encode())
    assert inner.text == "first\n\nsecond \u2014\n"
    assert Note.from_bytes("a\n\n\u2014 n AAAAAAA=\n".encode()).signatures == (Signature("n", bytes(4), b"\0"),)


@given(st.text(max_size=60), st.lists(st.sampled_from(ALL[:2]), min_size=1, max_size=3))
@settings(deadline=None)
def test_notes_are_read_as_written(text, signers):
    note = Note(text + "\n", tuple(signer.sign(HEAD.text(), 3) for signer in signers))
    try:
        data = note.to_bytes()
    except UnicodeEncodeError:
        return
    try:
        read = Note.from_bytes(data)
    except InputError:
        assert any(c < " " and c != "\n" for c in text)
    else:
        assert read == note
        assert read.to_bytes() == data


@given(st.binary(max_size=200), st.binary(max_size=60))
@example(b"text\n", LINE.encode())
def test_any_bytes_are_read_or_refused(text, lines):
    for data in (text, text + b"\n\n" + lines, text + b"\n\n" + LINE.encode() + lines):
        try:
            note = Note.from_bytes(data)
        except InputError:
            continue
        assert note.to_bytes() == data


def test_a_text_that_no_note_holds_is_not_signed():
    with pytest.raises(InputError):
        signed("a\rb\n", [LOG])
    with pytest.raises(InputError):
        signed("no newline", [LOG])


BAD_TEXTS = [
    "",
    "o\n7\n",
    "o\n7\n{r}",
    "\n7\n{r}\n",
    "o\n07\n{r}\n",
    "o\n-7\n{r}\n",
    "o\n+7\n{r}\n",
    "o\n7 \n{r}\n",
    "o\n\u0667\n{r}\n",
    "o\n\n{r}\n",
    "o\n9223372036854775808\n{r}\n",
    "o\n99999999999999999999\n{r}\n",
    "o\n7\n{r}=\n",
    "o\n7\nAAAA\n",
    "o\n7\n\n",
    "o\n7\n{r}\n\n",
    "o\n7\n{r}\n\next\n",
    "o\r\n7\r\n{r}\r\n",
]


@pytest.mark.parametrize("text", BAD_TEXTS)
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(InputError):
        Checkpoint.from_text(text.format(r=base64.b64encode(ROOT).decode()))


@given(
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=30),
    st.integers(0, (1 << 63) - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=9), max_size=3),
)
def test_checkpoints_are_read_as_written(origin, size, root, extensions):
    head = Checkpoint(origin, size, root, tuple(extensions))
    assert Checkpoint.from_text(head.text()) == head
    assert head.text().split("\n")[:2] == [origin, str(size)]


def test_a_checkpoint_of_anything_else_is_not_made():
    for arguments in (
        ("", 1, ROOT),
        ("a\nb", 1, ROOT),
        ("a\rb", 1, ROOT),
        ("o", -1, ROOT),
        ("o", 1 << 63, ROOT),
        ("o", 1, ROOT[:-1]),
        ("o", 1, ROOT, ("",)),
        ("o", 1, ROOT, ("a\nb",)),
        ("\ud800", 1, ROOT),
    ):
        with pytest.raises(InputError):
            Checkpoint(*arguments)


def test_sizes_and_base64_have_one_spelling():
    assert [parse_size(t, "f") for t in ("0", "10", "9223372036854775807")] == [0, 10, (1 << 63) - 1]
    for text in ("00", "01", "", " 1", "1\n", "1_0", "0x1", "9223372036854775808"):
        with pytest.raises(InputError) as caught:
            parse_size(text, "f")
        assert caught.value.where == "f"
    assert decode_base64("AAE=", "f") == b"\0\1"
    for text in ("AAF=", "AAE", "AA E=", "AAE=\n", "AA==AA==", "\u00c4AE=", "A"):
        with pytest.raises(InputError) as caught:
            decode_base64(text, "f")
        assert caught.value.where == "f"


def test_signature_lines_alone():
    signatures = (LOG.sign("a\n"), WITNESS.sign(HEAD.text(), 1))
    assert parse_signatures("".join(s.line() for s in signatures).encode()) == signatures
    for data in (
        b"",
        b"\n",
        LINE.encode()[:-1],
        b"x\n" + LINE.encode(),
        b"\n" + LINE.encode(),
        b"x\n\n" + LINE.encode(),
    ):
        with pytest.raises(InputError):
            parse_signatures(data)
