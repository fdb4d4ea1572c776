"""WFDB records: text header, signal files in formats 16, 24, 32, 61, 80, 160, 212 and FLAC, MIT annotation files.

Specification: WFDB Applications Guide, header(5), signal(5) and annot(5), physionet.org/physiotools/wag. Not read, and
refused by name: multi-segment records, skewed signals, difference formats (8, 310, 311), AHA annotations.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from salus.errors import InputError
from salus.formats.content import File
from salus.formats.types import WaveBlock

if TYPE_CHECKING:
    from numpy import float64, int64
    from numpy.typing import NDArray

MAX_SIGNALS = 256
MAX_LINE = 1000
MAX_HEADER = 1 << 20
MAX_FILE = 1 << 30
"""Bytes of a header, and of one signal file."""
MAX_SAMPLES = 200_000_000
"""Samples of all signals of one record together; more is refused before anything is decoded."""

# Storage formats (signal(5)): bits a sample; the lowest value marks a sample that the recorder did not take.
_BITS: Mapping[int, int] = {16: 16, 24: 24, 32: 32, 61: 16, 80: 8, 160: 16, 212: 12, 508: 8, 516: 16, 524: 24}
_PLAIN: Mapping[int, tuple[str, int]] = {
    16: ("<i2", 0), 32: ("<i4", 0), 61: (">i2", 0), 80: ("u1", 128), 160: ("<u2", 32768),
}  # fmt: skip
_FLAC = frozenset({508, 516, 524})

# Annotation codes (ecgcodes.h, as listed in the WFDB Programmer's Guide, "Annotation Codes").
_SYMBOLS: Mapping[int, str] = dict(
    zip(
        (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, *range(18, 42)),
        (" ", *'NLRaVFJASEj/Q~|sT*D"=pB^t+u?![]en@xf()r'),
        strict=True,
    )
)
_SKIP, _NUM, _SUB, _CHN, _AUX = 59, 60, 61, 62, 63

_RECORD_LINE = re.compile(
    r"(?P<name>[-\w]+)(?:/(?P<segments>\d+))?\s+(?P<signals>\d+)"
    r"(?:\s+(?P<fs>\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?)(?:/[-\d.eE+]+(?:\([-\d.eE+]+\))?)?"
    r"(?:\s+(?P<samples>\d+)(?:\s+(?P<time>[\d:.]+)(?:\s+(?P<date>\d{1,2}/\d{1,2}/\d{4}))?)?)?)?\s*\Z"
)
_SIGNAL_LINE = re.compile(
    r"(?P<file>\S+)\s+(?P<format>\d+)(?:x(?P<frame>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<offset>\d+))?"
    r"(?:\s+(?P<gain>-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?)(?:\((?P<baseline>-?\d+)\))?(?:/(?P<unit>\S+))?"
    r"(?:\s+(?P<resolution>\d+)(?:\s+(?P<zero>-?\d+)(?:\s+(?P<initial>-?\d+)(?:\s+(?P<checksum>-?\d+)"
    r"(?:\s+(?P<block>\d+)(?:\s+(?P<description>.*))?)?)?)?)?)?)?\s*\Z"
)


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal specification line. ``gain`` (ADC units per ``unit``) is None where the signal is uncalibrated."""

    file: str
    format: int
    per_frame: int
    offset: int
    gain: float | None
    baseline: int
    unit: str
    checksum: int | None
    description: str
    line: int


@dataclass(frozen=True, slots=True)
class Header:
    """A WFDB header. ``fs`` is frames per second; ``samples`` frames per signal, None where it is not given."""

    name: str
    fs: Fraction
    samples: int | None
    start: datetime | None
    signals: tuple[Signal, ...]
    comments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Annotations:
    """Annotations of a record in file order: ``sample`` (n,) int64, and a symbol, subtype, channel, number and
    auxiliary text for each. ``time_resolution`` is the file's own clock in Hz where it states one."""

    sample: NDArray[int64]
    symbol: tuple[str, ...]
    subtype: tuple[int, ...]
    channel: tuple[int, ...]
    number: tuple[int, ...]
    aux: tuple[str, ...]
    time_resolution: float | None = None


def read_header(text: str) -> Header:
    """Parse the text of a ``.hea`` file. A start time, which WFDB gives without offset, is read as UTC.

    Raises :class:`InputError` naming the line for anything that header(5) does not allow or that is not read here.
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    if any(len(line) > MAX_LINE for _, line in lines):
        raise InputError(f"a line of more than {MAX_LINE} characters", remedy="is this a .hea file?")
    comments = tuple(line[1:].strip() for _, line in lines if line.startswith("#"))
    content = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not content:
        raise InputError("the WFDB header is empty", "line 1", "take the .hea file from the recorder again")
    number, first = content[0]
    match = _RECORD_LINE.match(first)
    if match is None:
        raise InputError("not a WFDB record line", f"line {number}", "expected: name signals frequency samples")
    if match["segments"]:
        raise InputError("a multi-segment record is not read", f"line {number}", "give each segment's own header")
    count = int(match["signals"])
    if not 0 < count <= MAX_SIGNALS:
        raise InputError(f"a record of {count} signals is not read", f"line {number}", f"between 1 and {MAX_SIGNALS}")
    if match["fs"] is None or Fraction(match["fs"]) <= 0:
        raise InputError("the header gives no sampling frequency", f"line {number}", "add it to the record line")
    if len(content) <= count:
        raise InputError(f"{count} signals announced, {len(content) - 1} described", f"line {content[-1][0]}")
    signals = tuple(_signal(line, at) for at, line in content[1 : count + 1])
    start = _start(match["time"], match["date"], number)
    return Header(match["name"], Fraction(match["fs"]), int(match["samples"] or 0) or None, start, signals, comments)


def _signal(line: str, number: int) -> Signal:
    where = f"line {number}"
    match = _SIGNAL_LINE.match(line)
    if match is None:
        raise InputError("not a WFDB signal specification", where, "expected: file format gain(baseline)/unit …")
    form, frame = int(match["format"]), int(match["frame"] or 1)
    if form not in _BITS:
        raise InputError(f"signal format {form} is not read", where, f"one of {', '.join(map(str, _BITS))}")
    if "/" in match["file"] or "\\" in match["file"] or match["file"] in ("-", "~", ".", ".."):
        raise InputError("the signal file is not a plain file name", where, "put signals beside their header")
    if int(match["skew"] or 0):
        raise InputError("a skewed signal is not read", where, "align the signals with the WFDB tool xform first")
    if not 0 < frame <= 1000 or (form in _FLAC and frame != 1):
        raise InputError(f"{frame} samples a frame are not read in format {form}", where)
    gain = float(match["gain"] or 0)
    zero = int(match["zero"] or 0)
    return Signal(
        file=match["file"],
        format=form,
        per_frame=frame,
        offset=int(match["offset"] or 0),
        gain=gain if gain else None,  # header(5): missing or 0 means not calibrated
        baseline=zero if match["baseline"] is None else int(match["baseline"]),
        unit=(match["unit"] or "mV") if gain else "1",
        checksum=None if match["checksum"] is None else int(match["checksum"]),
        description=(match["description"] or "").strip(),
        line=number,
    )


def _start(time: str | None, date: str | None, number: int) -> datetime | None:
    if not (time and date):
        return None
    try:
        day, month, year = (int(part) for part in date.split("/"))
        clock = [Fraction(part) for part in time.split(":")]
        hour, minute, second = [Fraction(0)] * (3 - len(clock)) + clock
        micro = int((second - int(second)) * 1_000_000)
        return datetime(year, month, day, int(hour), int(minute), int(second), micro, tzinfo=UTC)
    except ValueError as error:
        raise InputError("an impossible start time", f"line {number}") from error


def read_record(header: bytes, files: Mapping[str, bytes]) -> list[WaveBlock]:
    """Every signal of a record in physical units, one :class:`WaveBlock` each.

    ``header`` is the ``.hea`` file, ``files`` the signal files by name. Samples that the recorder marked as not taken
    are NaN; a signal without calibration has unit "1". Raises :class:`InputError` for a missing or truncated signal
    file, or a checksum that does not fit.
    """
    import numpy as np

    parsed = read_header(decode_header(header))
    channels: list[NDArray[int64]] = []
    for _, group in groupby(parsed.signals, key=lambda signal: signal.file):
        channels.extend(_decode(parsed, tuple(group), files))
    blocks = []
    for signal, digital in zip(parsed.signals, channels, strict=True):
        if signal.checksum is not None and (int(digital.sum()) - signal.checksum) % 65536:
            raise InputError(
                "the checksum in the header does not fit the samples",
                f"{signal.file}, header line {signal.line}",
                "the signal file was changed or damaged: copy the record again",
            )
        physical = (digital - signal.baseline) / (signal.gain or 1.0)
        physical[digital == -(1 << (_BITS[signal.format] - 1))] = np.nan
        fs = parsed.fs * signal.per_frame
        blocks.append(WaveBlock(signal.description, fs, physical, signal.unit, parsed.start, parsed.name))
    return blocks


def read_record_path(path: Path) -> list[WaveBlock]:
    """Read the record whose header file is ``path``; its signal files lie in the same folder."""
    file = File(path)
    try:
        header = file.read(MAX_HEADER)
        return read_record(header, {name: signal.read(MAX_FILE) for name, signal in signal_files(header, file).items()})
    except InputError as error:
        raise error.at(str(path)) from error


def signal_files(header: bytes, file: File) -> dict[str, File]:
    """The signal files that ``header``, bytes of the header file ``file``, names and that lie beside it; by name."""
    names = sorted({signal.file for signal in read_header(decode_header(header)).signals})
    return {name: found for name in names if (found := file.beside(name)) is not None}


def decode_header(data: bytes) -> str:
    """The text of a header file. Raises :class:`InputError` where it is not text."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("the WFDB header is not text", f"byte {error.start}", "is this a .hea file?") from error
    if "\0" in text:
        raise InputError("the WFDB header is not text", f"byte {data.index(0)}", "is this a .hea file?")
    return text


def _decode(header: Header, group: tuple[Signal, ...], files: Mapping[str, bytes]) -> list[NDArray[int64]]:
    """The digital samples of the signals that share one file, a flat array each."""
    first = group[0]
    if first.file not in files:
        raise InputError("the signal file is missing", f"{first.file}, header line {first.line}", "give it as well")
    if {(s.format, s.offset) for s in group} != {(first.format, first.offset)}:
        raise InputError("signals of one file differ in format", f"header line {first.line}")
    data = files[first.file][first.offset :]
    width = sum(s.per_frame for s in group)
    frames = _flac_frames(first, data) if first.format in _FLAC else len(data) * 8 // _BITS[first.format] // width
    expected = frames if header.samples is None else header.samples
    if frames < expected or not expected:
        what = f"{frames} samples a signal, {expected or 'at least one'} expected: the file is truncated"
        raise InputError(what, f"{first.file}, byte {first.offset + len(data)}", "copy the record again")
    if expected * sum(s.per_frame for s in header.signals) > MAX_SAMPLES:
        raise InputError(f"more than {MAX_SAMPLES} samples", f"header line {first.line}", "cut the record in pieces")
    table = _samples(first, data, width, expected).reshape(expected, width)
    edges = [sum(s.per_frame for s in group[:n]) for n in range(len(group) + 1)]
    return [table[:, a:b].reshape(-1) for a, b in pairwise(edges)]


def _samples(signal: Signal, data: bytes, width: int, frames: int) -> NDArray[int64]:
    """The first ``frames * width`` samples of a signal file as integers."""
    import numpy as np

    form, count = signal.format, frames * width
    if form in _FLAC:
        return _flac(signal, data, width, frames)
    if form in _PLAIN:
        kind, offset = _PLAIN[form]
        return np.frombuffer(data, kind, count).astype(np.int64) - offset
    if form == 24:
        low = np.frombuffer(data, np.uint8, count * 3).reshape(count, 3).astype(np.int64)
        value = low[:, 0] | low[:, 1] << 8 | low[:, 2] << 16
        return value - ((value & 0x800000) << 1)
    pairs = np.frombuffer(data[: (count * 3 + 1) // 2].ljust((count + 1) // 2 * 3, b"\0"), np.uint8)
    triple = pairs.reshape(-1, 3).astype(np.int64)
    both = np.empty((len(triple), 2), np.int64)
    both[:, 0] = triple[:, 0] | (triple[:, 1] & 0x0F) << 8
    both[:, 1] = triple[:, 2] | (triple[:, 1] & 0xF0) << 4
    value = both.reshape(-1)[:count]
    return value - ((value & 0x800) << 1)


def _flac_frames(signal: Signal, data: bytes) -> int:
    import soundfile

    try:
        return int(soundfile.info(io.BytesIO(data)).frames)
    except RuntimeError as error:  # LibsndfileError is one
        raise InputError("not a readable FLAC file", signal.file, "copy the record again") from error


def _flac(signal: Signal, data: bytes, width: int, frames: int) -> NDArray[int64]:
    import numpy as np
    import soundfile

    kind, shift = {508: ("int16", 8), 516: ("int16", 0), 524: ("int32", 8)}[signal.format]
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as stream:
            if stream.channels != width:
                raise InputError(f"{stream.channels} channels, {width} described in the header", signal.file)
            table = stream.read(frames, dtype=kind, always_2d=True)
    except RuntimeError as error:
        raise InputError("the FLAC file is damaged", signal.file, "copy the record again") from error
    if len(table) < frames:
        raise InputError(f"{len(table)} of {frames} samples decoded: the file is truncated", signal.file)
    digital: NDArray[int64] = table.astype(np.int64).reshape(-1) >> shift
    return digital


def read_annotations(data: bytes) -> Annotations:
    """Parse an annotation file in MIT format (annot(5)), such as ``.atr``.

    A code without a standard symbol is given as "#" and its number. Raises :class:`InputError` with the byte offset
    for a file that is truncated or not of this format.
    """
    import numpy as np

    rows: list[list[int]] = []
    symbols, aux = list[str](), list[str]()
    position, moment, channel, number = 0, 0, 0, 0
    while True:
        pair = _take(data, position, 2)
        code, interval = pair >> 10, pair & 0x3FF
        at, position = position, position + 2
        if not pair:
            break
        if code == _SKIP:
            moment += _signed(_take(data, position, 2) << 16 | _take(data, position + 2, 2), 32)
            position += 4
        elif code in (_NUM, _SUB, _CHN, _AUX):
            if not rows:
                raise InputError("a modifier before the first annotation", f"byte {at}", "is this an MIT .atr file?")
            if code == _AUX:
                raw = _slice(data, position, interval)
                aux[-1] = raw.decode("utf-8", "replace").rstrip("\0")
                position += interval + interval % 2
            elif code == _SUB:
                rows[-1][1] = _signed(interval & 0xFF, 8)
            elif code == _CHN:
                channel = rows[-1][2] = interval & 0xFF
            else:
                number = rows[-1][3] = _signed(interval & 0xFF, 8)
        else:
            moment += interval
            if moment < 0:
                raise InputError("an annotation before the first sample", f"byte {at}", "is this an MIT .atr file?")
            if code:
                rows.append([moment, 0, channel, number])
                symbols.append(_SYMBOLS.get(code, f"#{code}"))
                aux.append("")
    table = np.array(rows, np.int64).reshape(-1, 4)
    subtype, channels, numbers = (tuple(table[:, n].tolist()) for n in (1, 2, 3))
    return Annotations(table[:, 0], tuple(symbols), subtype, channels, numbers, tuple(aux), _resolution(symbols, aux))


def _slice(data: bytes, start: int, length: int) -> bytes:
    if start + length > len(data):
        raise InputError("the annotation file is truncated", f"byte {len(data)}", "copy it again")
    return data[start : start + length]


def _take(data: bytes, start: int, length: int) -> int:
    return int.from_bytes(_slice(data, start, length), "little")


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _resolution(symbols: Sequence[str], aux: Sequence[str]) -> float | None:
    for symbol, text in zip(symbols, aux, strict=True):
        found = re.match(r"## time resolution: (\d+(?:\.\d+)?)\Z", text) if symbol == '"' else None
        if found:
            return float(found[1])
    return None


def write_record(
    name: str,
    signals: NDArray[float64],
    fs: Fraction | int,
    units: Sequence[str],
    gain: Sequence[float],
    *,
    channels: Sequence[str] | None = None,
    start: datetime | None = None,
    comments: Sequence[str] = (),
) -> dict[str, bytes]:
    """A record in format 16 as files by name: ``{name}.hea`` and ``{name}.dat``.

    ``signals`` (samples, channels) in physical ``units``; ``gain`` ADC units per unit; NaN is written as "not taken";
    ``start`` with an offset. Raises :class:`InputError` for a name, shape or value that format 16 cannot hold.
    """
    import numpy as np

    table = np.asarray(signals, np.float64)
    if table.ndim != 2 or not table.size or len(units) != table.shape[1] or len(gain) != table.shape[1]:
        raise InputError("signals must be (samples, channels) with a unit and a gain for each channel")
    if not re.fullmatch(r"[-\w]+", name):
        raise InputError("not a WFDB record name", remedy="use letters, digits, hyphen and underscore")
    labels = channels or [f"signal {n}" for n in range(table.shape[1])]
    scaled = np.rint(table * np.asarray(gain, np.float64))
    if not (np.abs(scaled[~np.isnan(scaled)]) <= 32767).all() or not all(g > 0 for g in gain):
        raise InputError("a value does not fit into 16 bits", remedy="choose a smaller positive gain")
    digital = np.where(np.isnan(scaled), -32768, scaled).astype("<i2")
    moment = f" {start.astimezone(UTC):%H:%M:%S.%f %d/%m/%Y}" if start else ""
    rate = Fraction(fs)
    lines = [f"{name} {table.shape[1]} {rate if rate.denominator == 1 else float(rate)} {len(table)}{moment}"]
    for column, (label, unit, factor) in enumerate(zip(labels, units, gain, strict=True)):
        total = _signed(int(digital[:, column].sum(dtype=np.int64)) & 0xFFFF, 16)
        lines.append(f"{name}.dat 16 {factor}(0)/{unit} 16 0 {digital[0, column]} {total} 0 {label}")
    lines.extend(f"# {comment}" for comment in comments)
    return {f"{name}.hea": ("\n".join(lines) + "\n").encode(), f"{name}.dat": digital.tobytes()}
