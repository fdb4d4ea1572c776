"""Flat records of an XML file, as a stream: every element of a kind with the texts of its children."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn
from xml.parsers import expat

from salus.errors import InputError
from salus.terminology.releases.source import Member

__all__ = ["records"]

DEEPEST = 16
LONGEST_TEXT = 1 << 16
LONGEST_TAG = 1 << 20
"""Bytes that the parser may hold back while it waits for the end of a tag."""
MOST_FIELDS = 200


class _Parser:
    """Collects the records; no document type, so no entity, is accepted."""

    def __init__(self, kinds: Sequence[str], name: str) -> None:
        self._kinds, self._name = frozenset(kinds), name
        self._path: list[str] = []
        self._record: dict[str, str] | None = None
        self._depth = 0
        self._text: list[str] = []
        self._length = 0
        self.ready: list[tuple[tuple[str, ...], Mapping[str, str]]] = []
        self.parser = expat.ParserCreate()
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def refuse(self, what: str) -> NoReturn:
        """Raise InputError with the place in the file."""
        raise InputError(
            what, f"{self._name}: line {self.parser.CurrentLineNumber}", "this is no file of such a release"
        )

    def _doctype(self, *_: object) -> None:
        self.refuse("a document type declaration")

    def _start(self, tag: str, _: object) -> None:
        self._path.append(tag)
        if len(self._path) > DEEPEST:
            self.refuse(f"elements more than {DEEPEST} deep")
        if self._record is None and tag in self._kinds:
            self._record, self._depth = {}, len(self._path)
        self._text, self._length = [], 0

    def _characters(self, text: str) -> None:
        self._length += len(text)
        if self._length > LONGEST_TEXT:
            self.refuse(f"a text of more than {LONGEST_TEXT} characters")
        if self._record is not None:
            self._text.append(text)

    def _end(self, tag: str) -> None:
        if self._record is not None:
            if len(self._path) == self._depth + 1:
                if len(self._record) >= MOST_FIELDS:
                    self.refuse(f"a record of more than {MOST_FIELDS} fields")
                self._record[tag] = "".join(self._text).strip()
            elif len(self._path) == self._depth:
                self.ready.append((tuple(self._path), self._record))
                self._record = None
        self._path.pop()
        self._text, self._length = [], 0


def records(member: Member, kinds: Sequence[str]) -> Iterator[tuple[tuple[str, ...], Mapping[str, str]]]:
    """(path of elements, texts of the children) of every element called one of ``kinds``, in bounded memory.

    Raises InputError for what is not well-formed, too deep or too long, or declares a document type.
    """
    collector = _Parser(kinds, member.base)
    fed = 0
    try:
        for chunk in member.chunks():
            collector.parser.Parse(chunk, False)
            fed += len(chunk)
            if fed - collector.parser.CurrentByteIndex > LONGEST_TAG:
                collector.refuse(f"a tag of more than {LONGEST_TAG} bytes")
            yield from collector.ready
            collector.ready.clear()
        collector.parser.Parse(b"", True)
    except expat.ExpatError as error:
        place = f"{member.base}: line {error.lineno}"
        raise InputError(f"not well-formed XML: {expat.ErrorString(error.code)}", place) from error
    yield from collector.ready
