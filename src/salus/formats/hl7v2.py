"""HL7 version 2 messages (ER7, "pipe-hat"), read and written. Pure: bytes in, data classes out.

Rules: HL7 v2.5.1 chapter 2 (delimiters of MSH-1 and MSH-2, escape sequences, character set of MSH-18, batch protocol).
A segment ends with a carriage return (2.5.4); a line feed inside a field is text. Files are met whose segments all end
with line feeds: what ends MSH ends the other segments of that message too.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from salus.errors import InputError
from salus.formats.note import is_utf8

MAX_BYTES = 16 << 20
"""Of one message."""
MAX_SEGMENTS = 20_000
MAX_FIELDS = 1_000
MAX_BATCH_BYTES = 256 << 20

Component = tuple[str, ...]
"""Subcomponents, escapes undone."""
Repetition = tuple[Component, ...]
Field = tuple[Repetition, ...]

_NAME = re.compile(r"[A-Z][A-Z0-9]{2}\Z")
_KEPT = re.compile(r"(?:[HN]|\.[a-z]{2}[+-]?\d{0,3}|[CM][0-9A-Fa-f]{4,6}|Z\w{0,40})\Z")
"""Escape sequences that are not undone: highlighting, formatting, other character sets, local ones."""
_CR_END, _LF_END = re.compile(r"\r\n?"), re.compile(r"\n")
_FIRST_END = re.compile(r"[\r\n]")
_HEADS = frozenset({b"MSH", b"BHS", b"FHS", b"BTS", b"FTS"})
_MARK = b"\xef\xbb\xbf"
_BETWEEN = b"\r\n\x0b\x1c \t" + _MARK
_FIRST_END_OF_BYTES, _ANY_END = re.compile(rb"[\r\n]"), re.compile(rb"[\r\n\x0b\x1c]")
_END_OF_BYTES = re.compile(rb"[\r\x0b\x1c]|\n(?=(?:MSH|BHS|FHS)[^\w\s]{4,6}|(?:BTS|FTS)(?:[|\r\n]|\Z))")
_CHARACTER_SETS = {
    "": "utf-8",
    "ASCII": "ascii",
    "8859/1": "iso8859-1",
    "8859/2": "iso8859-2",
    "8859/3": "iso8859-3",
    "8859/4": "iso8859-4",
    "8859/5": "iso8859-5",
    "8859/6": "iso8859-6",
    "8859/7": "iso8859-7",
    "8859/8": "iso8859-8",
    "8859/9": "iso8859-9",
    "8859/15": "iso8859-15",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "GB 18030-2000": "gb18030",
    "BIG-5": "big5",
    "KS X 1001": "euc_kr",
    "ISO IR87": "iso2022_jp",
}
"""Table 0211 as Python's codecs, and the plain spelling "UTF-8" that many systems send."""


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The five signs of MSH-1 and MSH-2. ``subcomponent`` is "" where the message names none."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"

    def __post_init__(self) -> None:
        signs = [s for s in (self.field, *self.encoding) if s]
        if len(set(signs)) != len(signs) or any(s.isalnum() or s in "\r\n" or ord(s) < 32 for s in signs):
            raise InputError("delimiters that cannot be told apart", where="MSH-1, MSH-2", remedy="|^~\\& is usual")

    @property
    def encoding(self) -> str:
        """MSH-2."""
        return self.component + self.repetition + self.escape + self.subcomponent


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment. ``fields[n - 1]`` is field n; of MSH, FHS and BHS the first two hold the delimiters themselves."""

    name: str
    fields: tuple[Field, ...]

    def __getitem__(self, number: int) -> Field:
        """Field ``number`` (from 1); empty where the segment is shorter."""
        return self.fields[number - 1] if 0 < number <= len(self.fields) else ()

    def text(self, number: int, component: int = 1, subcomponent: int = 1) -> str:
        """One subcomponent of the first repetition; "" where there is none."""
        return text(self[number][0] if self[number] else (), component, subcomponent)


def text(repetition: Repetition, component: int = 1, subcomponent: int = 1) -> str:
    """One subcomponent; "" where it is not there or is the explicit null (two quotation marks)."""
    if not 0 < component <= len(repetition):
        return ""
    part = repetition[component - 1]
    found = part[subcomponent - 1] if 0 < subcomponent <= len(part) else ""
    return "" if found == '""' else found


@dataclass(frozen=True, slots=True)
class Message:
    """A message: its segments in order. The first is MSH."""

    segments: tuple[Segment, ...]
    delimiters: Delimiters = field(default_factory=Delimiters)

    @property
    def header(self) -> Segment:
        """MSH."""
        return self.segments[0]

    @property
    def kind(self) -> tuple[str, str]:
        """Message code and trigger event: ("ADT", "A01")."""
        return self.header.text(9, 1), self.header.text(9, 2)

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self.header.text(10)

    @property
    def sender(self) -> str:
        """Sending application and facility as they stand."""
        return "|".join(_join(self.header[n], self.delimiters) for n in (3, 4))

    def all(self, name: str) -> list[Segment]:
        """Every segment of this name."""
        return [s for s in self.segments if s.name == name]

    def first(self, name: str) -> Segment:
        """The first segment of this name; an empty one where there is none."""
        return next((s for s in self.segments if s.name == name), Segment(name, ()))


def parse(data: bytes, encoding: str = "") -> Message:
    """One message; ``encoding`` (a Python codec) is the sender's where MSH-18 names none and the bytes are not UTF-8.

    Raises :class:`InputError` naming segment and field when it is none, or too large.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"a message of more than {MAX_BYTES:,} bytes", remedy="send images and scans by other ways")
    data = _without_frame(data.removeprefix(b"\xef\xbb\xbf"))
    if not data.startswith(b"MSH"):
        raise InputError("not an HL7 v2 message: it does not begin with MSH", where="segment 1")
    content = _decoded(data, encoding)
    delimiters = _delimiters(content)
    lines = [line for line in _ends(content).split(content) if line.strip()]
    if len(lines) > MAX_SEGMENTS:
        raise InputError(f"more than {MAX_SEGMENTS:,} segments", remedy="split the message")
    return Message(tuple(_segment(n, line, delimiters) for n, line in enumerate(lines, 1)), delimiters)


def _without_frame(data: bytes) -> bytes:
    """The bytes without the frame and empty lines about them. Blanks in the last line belong to its last field."""
    blank = b"\x0b\x1c\r\n \t"
    kept = data.rstrip(blank)
    blanks = data[len(kept) :]
    return (kept + blanks[: len(blanks) - len(blanks.lstrip(b" \t"))]).lstrip(blank)


def _ends(content: str) -> re.Pattern[str]:
    """What ends the segments of a message: that which ends its first one."""
    first = _FIRST_END.search(content)
    return _LF_END if first and first[0] == "\n" else _CR_END


def _delimiters(content: str) -> Delimiters:
    if len(content) < 8:
        raise InputError("the header ends before its delimiters", where="MSH-2")
    sign = content[3]
    signs = content[4:].partition(sign)[0]
    if not 2 <= len(signs) <= 5 or set(signs) & {"\r", "\n"}:
        raise InputError("delimiters that cannot be read", where="MSH-2", remedy="|^~\\& is usual")
    padded = (*signs[:4], "", "")
    return Delimiters(sign, padded[0], padded[1], padded[2], padded[3])


def _decoded(data: bytes, encoding: str) -> str:
    """The text in the character set that MSH-18 names; without one UTF-8 where it is that, else the sender's."""
    first = _FIRST_END.split(data[:65536].decode("latin-1"), maxsplit=1)[0]
    fields = first.split(first[3:4]) if len(first) > 3 else []
    repetition = fields[1][1:2] if len(fields) > 1 else ""
    named = fields[17] if len(fields) > 17 else ""
    name = (named.split(repetition)[0] if repetition else named).strip().upper()
    usual = bool(encoding) and not name
    codec = encoding if usual and not is_utf8(data) else _CHARACTER_SETS.get(name)
    if codec is None:
        raise InputError("a character set that is not read", where="MSH-18", remedy="send UNICODE UTF-8")
    try:
        codecs.lookup(encoding if usual else codec)
        return data.decode(codec)
    except LookupError as error:
        raise InputError("an encoding that is not known", remedy="--encoding latin-1, for example") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"bytes that are not {name or encoding or 'UTF-8'}",
            where=f"byte {error.start}",
            remedy="name the set in MSH-18, or give the sender's: --encoding NAME",
        ) from error


def _segment(number: int, line: str, d: Delimiters) -> Segment:
    name, rest = line[:3], line[3:]
    if not _NAME.match(name) or (rest and not rest.startswith(d.field)):
        raise InputError("a line that is not a segment", where=f"segment {number}", remedy="name, then fields")
    raw = rest[1:].split(d.field) if rest else []
    if len(raw) > MAX_FIELDS:
        raise InputError(f"more than {MAX_FIELDS:,} fields", where=f"segment {number} ({name})")
    if name in ("MSH", "FHS", "BHS"):
        own = ((d.field,),), ((d.encoding,),)
        return Segment(name, ((own[0],), (own[1],), *_trimmed([_field(f, d) for f in raw[1:]])))
    return Segment(name, _trimmed([_field(f, d) for f in raw]))


def _trimmed(fields: Sequence[Field]) -> tuple[Field, ...]:
    end = len(fields)
    while end and not fields[end - 1]:
        end -= 1
    return tuple(fields[:end])


def _field(raw: str, d: Delimiters) -> Field:
    if not raw:
        return ()
    found = [_repetition(part, d) for part in raw.split(d.repetition)]
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def _repetition(raw: str, d: Delimiters) -> Repetition:
    components = [_component(part, d) for part in raw.split(d.component)] if raw else []
    while components and components[-1] == ("",):
        components.pop()
    return tuple(components)


def _component(raw: str, d: Delimiters) -> Component:
    parts = raw.split(d.subcomponent) if d.subcomponent else [raw]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return tuple(unescape(part, d) for part in parts) if d.escape and d.escape in raw else tuple(parts)


def unescape(raw: str, d: Delimiters) -> str:
    """Escape sequences undone. Highlighting and local sequences stay as they stand: their meaning is not ours."""
    parts = raw.split(d.escape)
    out = [parts[0]]
    n = 1
    while n < len(parts):
        replaced = _escaped(parts[n], d) if n + 1 < len(parts) else None
        if replaced is None:
            out.append(d.escape + parts[n])
            n += 1
        else:
            out.append(replaced + parts[n + 1])
            n += 2
    return "".join(out)


def _escaped(sequence: str, d: Delimiters) -> str | None:
    signs = {"F": d.field, "S": d.component, "T": d.subcomponent or "&", "R": d.repetition, "E": d.escape}
    if sequence in signs:
        return signs[sequence]
    if sequence in (".br", ".sp"):
        return "\n"
    if _KEPT.match(sequence):
        return d.escape + sequence + d.escape
    if sequence.startswith("X") and len(sequence) % 2 and len(sequence) > 1:
        try:
            return bytes.fromhex(sequence[1:]).decode("utf-8")
        except (ValueError, UnicodeDecodeError):
            return None
    return None


def escape(plain: str, d: Delimiters) -> str:
    """The text with its delimiters and line ends written as escape sequences."""
    table = {d.field: "F", d.component: "S", d.repetition: "R", d.subcomponent: "T", d.escape: "E"}
    out = []
    for sign in plain:
        if sign in table and sign:
            out.append(f"{d.escape}{table[sign]}{d.escape}")
        elif sign == "\n":
            out.append(f"{d.escape}.br{d.escape}")
        elif ord(sign) < 32:
            out.append(f"{d.escape}X{ord(sign):02X}{d.escape}")
        else:
            out.append(sign)
    return "".join(out)


def write(message: Message) -> bytes:
    """The message as ER7 in UTF-8, segments ended by carriage returns."""
    d = message.delimiters
    return "".join(write_segment(s, d) + "\r" for s in message.segments).encode("utf-8")


def write_segment(segment: Segment, d: Delimiters) -> str:
    """One segment without its end."""
    if segment.name in ("MSH", "FHS", "BHS"):
        return d.field.join([segment.name, d.encoding, *(_join(f, d) for f in segment.fields[2:])])
    return d.field.join([segment.name, *(_join(f, d) for f in segment.fields)])


def _join(found: Field, d: Delimiters) -> str:
    return d.repetition.join(
        d.component.join(d.subcomponent.join(escape(part, d) for part in component) for component in repetition)
        for repetition in found
    )


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The messages of a file or batch file (FHS, BHS, BTS, FTS) with the byte each begins at.

    Raises :class:`InputError` where BTS-1 or FTS-1 state another number than there is: the file is cut off.
    """
    if len(data) > MAX_BATCH_BYTES:
        raise InputError(f"more than {MAX_BATCH_BYTES:,} bytes", remedy="split the file")
    starts: list[tuple[int, int]] = []
    start, batches, inside = -1, 0, 0
    for begin, line in _segments(data):
        name = line[:3]
        if name in _HEADS:
            if start >= 0:
                starts.append((start, begin - 3 * data.endswith(_MARK, start, begin)))
            start = begin if name == b"MSH" else -1
            inside += name == b"MSH"
            if name == b"BTS":
                _agree(line, inside, "BTS-1")
                batches, inside = batches + 1, 0
            if name == b"FTS":
                _agree(line, batches, "FTS-1")
    if start >= 0:
        starts.append((start, len(data)))
    if not starts:
        raise InputError("no message in the file", remedy="a message begins with MSH")
    for begin, end in starts:
        yield begin, data[begin:end]


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The segments of a file with the byte each begins at. A line feed ends one where it ended MSH, or stands before
    the header of the next message; elsewhere it is text."""
    at, line_feeds = 0, True
    while at < len(data):
        end = _next_end(data, at, line_feeds)
        line = data[at:end]
        begin = at + len(line) - len(line.lstrip(_BETWEEN))
        segment = data[begin:end]
        if segment[:3] in _HEADS:
            first = _FIRST_END_OF_BYTES.search(data, begin)
            line_feeds = first is None or first[0] == b"\n"
            end = _next_end(data, begin, line_feeds)
            segment = data[begin:end]
        if segment:
            yield begin, segment
        at = end + 1


def _next_end(data: bytes, at: int, line_feeds: bool) -> int:
    """Where the segment that begins at ``at`` ends."""
    found = (_ANY_END if line_feeds else _END_OF_BYTES).search(data, at)
    return found.start() if found else len(data)


def _agree(line: bytes, found: int, where: str) -> None:
    stated = line[4:].split(line[3:4])[0].strip() if len(line) > 4 else b""
    if stated.isdigit() and len(stated) < 12 and int(stated) != found:
        raise InputError(f"the batch states {int(stated)} and holds {found}", where=where, remedy="send it whole")
