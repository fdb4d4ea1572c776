"""WFDB reader and writer: what comes back equals what went in, and damage is named."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import InputError
from salus.formats import wfdb

SIGNALS = np.column_stack([np.sin(np.arange(500) / 20), np.cos(np.arange(500) / 15)])


def record(**changes: object) -> dict[str, bytes]:
    arguments = {"units": ["mV", "mV"], "gain": [1000, 500], "channels": ["MLII", "V1"]} | changes
    return wfdb.write_record("r1", SIGNALS, 250, **arguments)  # type: ignore[arg-type]


def packed(form: int, digital: list[int]) -> bytes:
    """Reference packing, written from signal(5) sample by sample."""
    if form == 212:
        out = bytearray()
        for a, b in zip(digital[::2], [*digital[1::2], 0], strict=False):
            out += bytes((a & 0xFF, ((a >> 8) & 0x0F) | (((b >> 8) & 0x0F) << 4), b & 0xFF))
        return bytes(out)
    if form == 80:
        return bytes(v + 128 for v in digital)
    if form == 160:
        return b"".join((v + 32768).to_bytes(2, "little") for v in digital)
    width, order = {16: (2, "little"), 24: (3, "little"), 32: (4, "little"), 61: (2, "big")}[form]
    return b"".join(v.to_bytes(width, order, signed=True) for v in digital)  # type: ignore[arg-type]


@pytest.mark.parametrize(("form", "bits"), [(16, 16), (24, 24), (32, 32), (61, 16), (80, 8), (160, 16), (212, 12)])
@given(data=st.data())
@settings(max_examples=25)
def test_every_format_gives_its_samples_back(form: int, bits: int, data: st.DataObject) -> None:
    limit = 1 << (bits - 1)
    digital = data.draw(st.lists(st.integers(1 - limit, limit - 1), min_size=1, max_size=60))
    checksum = sum(digital) & 0xFFFF
    header = f"x 1 100 {len(digital)}\nx.dat {form} 10(3)/mV 12 0 {digital[0]} {checksum} 0 II\n".encode()
    (block,) = wfdb.read_record(header, {"x.dat": packed(form, digital)})
    assert np.allclose(block.samples, (np.array(digital) - 3) / 10)
    assert (block.channel, block.unit, block.fs) == ("II", "mV", 100)


@pytest.mark.parametrize(("form", "subtype", "shift"), [(508, "PCM_S8", 8), (516, "PCM_16", 0), (524, "PCM_24", 8)])
def test_flac_formats(form: int, subtype: str, shift: int) -> None:
    limit = {508: 127, 516: 32767, 524: 8388607}[form]
    digital = np.array([[0, 1], [limit, -limit], [-5, 7], [100, -100]])
    stream = io.BytesIO()
    kind = np.int32 if form == 524 else np.int16
    soundfile.write(stream, (digital << shift).astype(kind), 100, format="FLAC", subtype=subtype)
    header = f"x 2 100 4\nx.dat {form} 1/mV\nx.dat {form} 1/mV\n".encode()
    first, second = wfdb.read_record(header, {"x.dat": stream.getvalue()})
    assert first.samples.tolist() == digital[:, 0].tolist()
    assert second.samples.tolist() == digital[:, 1].tolist()


def test_written_record_is_read_back() -> None:
    start = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    files = record(start=start, comments=("made",))
    one, two = wfdb.read_record(files["r1.hea"], files)
    assert np.allclose(one.samples, SIGNALS[:, 0], atol=0.0005)
    assert np.allclose(two.samples, SIGNALS[:, 1], atol=0.001)
    assert (one.channel, two.channel, one.unit, one.fs, one.start) == ("MLII", "V1", "mV", Fraction(250), start)
    assert wfdb.read_header(files["r1.hea"].decode()).comments == ("made",)


def test_gaps_stay_gaps() -> None:
    signals = SIGNALS.copy()
    signals[10:20, 0] = np.nan
    files = wfdb.write_record("r", signals, 250, ["mV", "mV"], [100, 100])
    one, two = wfdb.read_record(files["r.hea"], files)
    assert np.flatnonzero(np.isnan(one.samples)).tolist() == list(range(10, 20))
    assert not np.isnan(two.samples).any()


def test_record_from_a_folder(tmp_path: Path) -> None:
    for name, data in record().items():
        (tmp_path / name).write_bytes(data)
    assert len(wfdb.read_record_path(tmp_path / "r1.hea")) == 2
    (tmp_path / "r1.dat").unlink()
    with pytest.raises(InputError, match=r"r1\.hea.*line 2.*missing"):
        wfdb.read_record_path(tmp_path / "r1.hea")


def test_several_samples_a_frame() -> None:
    header = b"x 2 100 2\nx.dat 16x2 1/mV\nx.dat 16 1/mmHg\n"
    data = packed(16, [1, 2, 10, 3, 4, 20])
    fast, slow = wfdb.read_record(header, {"x.dat": data})
    assert (fast.samples.tolist(), fast.fs) == ([1, 2, 3, 4], 200)
    assert (slow.samples.tolist(), slow.fs, slow.unit) == ([10, 20], 100, "mmHg")


def test_length_not_given_is_taken_from_the_file() -> None:
    (block,) = wfdb.read_record(b"x 1 100\nx.dat 16 1/mV\n", {"x.dat": packed(16, [1, 2, 3])})
    assert block.samples.tolist() == [1, 2, 3]


def test_uncalibrated_signal_has_no_millivolts() -> None:
    (block,) = wfdb.read_record(b"x 1 100 2\nx.dat 16 0 12 0\n", {"x.dat": packed(16, [5, 6])})
    assert (block.unit, block.samples.tolist()) == ("1", [5, 6])


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"", "line 1: the WFDB header is empty"),
        (b"\x00\x01\x02", "byte 0: the WFDB header is not text"),
        (b"\xff\xfe", "byte 0: the WFDB header is not text"),
        (b"hello world\n", "line 1: not a WFDB record line"),
        (b"x 1\nx.dat 16\n", "line 1: the header gives no sampling frequency"),
        (b"x 1 0\nx.dat 16\n", "line 1: the header gives no sampling frequency"),
        (b"x/3 1 100\nx1 100\n", "line 1: a multi-segment record is not read"),
        (b"x 2 100 4\nx.dat 16\n", "line 2: 2 signals announced, 1 described"),
        (b"x 0 100 4\n", "line 1: a record of 0 signals"),
        (b"x 1 100 4\nx.dat 310\n", "line 2: signal format 310 is not read"),
        (b"x 1 100 4\nx.dat sixteen\n", "line 2: not a WFDB signal"),
        (b"x 1 100 4\n../x.dat 16\n", "line 2: the signal file is not a plain file name"),
        (b"x 1 100 4\nx.dat 16:3\n", "line 2: a skewed signal"),
        (b"x 1 100 4 25:61:00 31/02/2020\nx.dat 16\n", "line 1: an impossible start time"),
        (b"x 1 100 9999999999\nx.dat 16\n", "x.dat, byte 8: 4 samples a signal, 9999999999 expected"),
        (b"x 1 100 5\nx.dat 16 1/mV\n", "truncated"),
        (b"x 1 100 4\nx.dat 16 1/mV 12 0 1 999 0\n", "x.dat, header line 2: the checksum"),
        (b"x 1 100 4\ny.dat 16\n", "y.dat, header line 2: the signal file is missing"),
        (b"x 2 100 2\nx.dat 16\nx.dat 61\n", "header line 2: signals of one file differ in format"),
        (b"x 1 100 4\nx.dat 516\n", "x.dat: not a readable FLAC file"),
        (b"x " + b"1" * 2000, "a line of more than"),
    ],
)
def test_bad_records_are_refused_with_a_place(header: bytes, words: str) -> None:
    with pytest.raises(InputError) as caught:
        wfdb.read_record(header, {"x.dat": packed(16, [1, 2, 3, 4])})
    assert words in str(caught.value)


def test_empty_signal_file_is_truncated() -> None:
    with pytest.raises(InputError, match="truncated"):
        wfdb.read_record(b"x 1 100\nx.dat 16 1/mV\n", {"x.dat": b""})


@given(cut=st.integers(0, 1999))
@settings(max_examples=40)
def test_every_cut_of_a_signal_file_is_found(cut: int) -> None:
    files = record()
    with pytest.raises(InputError):
        wfdb.read_record(files["r1.hea"], {"r1.dat": files["r1.dat"][:cut]})


@given(at=st.integers(0, 1999), bit=st.integers(0, 7))
@settings(max_examples=40)
def test_every_flipped_bit_breaks_the_checksum(at: int, bit: int) -> None:
    files = record()
    damaged = bytearray(files["r1.dat"])
    damaged[at] ^= 1 << bit
    with pytest.raises(InputError, match="checksum"):
        wfdb.read_record(files["r1.hea"], {"r1.dat": bytes(damaged)})


@given(text=st.text(max_size=300))
def test_any_text_is_a_header_or_an_input_error(text: str) -> None:
    try:
        header = wfdb.read_header(text)
    except InputError:
        return
    assert header.signals
    assert header.fs > 0


@given(data=st.binary(max_size=300))
def test_any_bytes_are_annotations_or_an_input_error(data: bytes) -> None:
    try:
        found = wfdb.read_annotations(data)
    except InputError:
        return
    assert len(found.sample) == len(found.symbol) == len(found.aux)


def pair(code: int, interval: int) -> bytes:
    return (code << 10 | interval).to_bytes(2, "little")


def test_annotations_with_every_modifier() -> None:
    data = (
        pair(28, 5) + pair(63, 3) + b"(N\x00\x00"  # rhythm change with an odd auxiliary text, padded
        + pair(1, 10) + pair(61, 2) + pair(62, 1) + pair(60, 7)  # normal beat: subtype 2, channel 1, number 7
        + pair(59, 0) + (70000 >> 16).to_bytes(2, "little") + (70000 & 0xFFFF).to_bytes(2, "little") + pair(5, 0)
        + pair(45, 1)
        + b"\x00\x00"
    )  # fmt: skip
    found = wfdb.read_annotations(data)
    assert found.sample.tolist() == [5, 15, 70015, 70016]
    assert found.symbol == ("+", "N", "V", "#45")
    assert found.aux == ("(N", "", "", "")
    assert (found.subtype, found.channel, found.number) == ((0, 2, 0, 0), (0, 1, 1, 1), (0, 7, 7, 7))


def test_time_resolution_is_read() -> None:
    text = b"## time resolution: 500"
    data = pair(22, 0) + pair(63, len(text)) + text + b"\0" + pair(1, 9) + b"\0\0"
    assert wfdb.read_annotations(data).time_resolution == 500


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "byte 0: the annotation file is truncated"),
        (pair(1, 5), "byte 2: the annotation file is truncated"),
        (pair(1, 5) + b"\x01", "truncated"),
        (pair(1, 5) + pair(63, 40) + b"short", "truncated"),
        (pair(61, 1) + b"\0\0", "byte 0: a modifier before the first annotation"),
        (pair(59, 0) + b"\xff\xff\xff\xff" + pair(1, 0) + b"\0\0", "before the first sample"),
    ],
)
def test_bad_annotations_are_refused_with_a_place(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        wfdb.read_annotations(data)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"units": ["mV"]}, "signals must be"),
        ({"gain": [1e6, 1]}, "does not fit into 16 bits"),
        ({"gain": [0, 1]}, "does not fit into 16 bits"),
    ],
)
def test_writer_refuses_what_it_cannot_hold(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        record(**arguments)


def test_writer_refuses_a_path_as_name() -> None:
    with pytest.raises(InputError, match="record name"):
        wfdb.write_record("../x", SIGNALS, 250, ["mV", "mV"], [1, 1])
