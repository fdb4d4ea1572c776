"""JSON for health data: numbers keep their digits, and hostile text costs bounded time and memory.

Decimals are parsed to :class:`decimal.Decimal`, never to float, and written back with the digits they came with.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from salus.errors import InputError

MAX_DEPTH = 64
SAFE_RECURSION = 3000
"""Up to here Python's recursion limit protects the stack."""
MAX_NUMBER_CHARS = 64
MAX_EXPONENT = 400
_INT64 = range(-(1 << 63), 1 << 64)
"""Whole numbers that the writer takes as they are; longer ones become Decimal."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?(?:\d[\d.eE+-]*|Infinity|NaN)', re.DOTALL | re.ASCII)
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_CONTAINERS = frozenset({dict, list})
"""The classes, exactly, of what the parser makes of objects and lists."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class _NumberError(InputError):
    """A number that is refused: the parser's hooks do not know where it stands, :func:`loads` adds that."""


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_NUMBER_CHARS:
        raise _NumberError(f"a number of {len(text)} characters", remedy=f"at most {MAX_NUMBER_CHARS} are read")
    try:
        number = Decimal(text)
        giant = abs(number.adjusted()) > MAX_EXPONENT
    except InvalidOperation:
        giant = True
    if giant:
        raise _NumberError("a number with a giant exponent", remedy=f"exponents up to {MAX_EXPONENT} are read")
    return number


def _integer(text: str) -> int | Decimal:
    if len(text) > MAX_NUMBER_CHARS:
        raise _NumberError(f"a number of {len(text)} characters", remedy=f"at most {MAX_NUMBER_CHARS} are read")
    number = int(text)
    return number if number in _INT64 else Decimal(text)


def _constant(text: str) -> Any:
    raise _NumberError(f"{text} is not a JSON number", remedy="leave the element out when there is no value")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise InputError(
                    f"the member {key[:40]!r} stands twice in one object", remedy="which counts is not told"
                )
            seen.add(key)
    return value


_DECODER = json.JSONDecoder(
    parse_float=_decimal, parse_int=_integer, parse_constant=_constant, object_pairs_hook=_object
)


def _checked_integer(text: str) -> int | Decimal:
    """A whole number whose length was looked at before; short ones fit without a look at their value."""
    return int(text) if len(text) < 19 else _integer(text)


_REREADER = json.JSONDecoder(parse_float=Decimal, parse_int=_checked_integer, parse_constant=_constant)


def loads(data: bytes) -> Any:
    """Parse UTF-8 JSON. Raises :class:`InputError` with line and column when it is not JSON.

    Refused besides: a member that stands twice in one object, NaN and Infinity, numbers of more than 64 characters or
    with an exponent beyond 400, nesting deeper than 64 levels, and halves of surrogate pairs.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", where=f"byte {error.start}", remedy="save it as UTF-8") from error
    if not text.strip():
        raise InputError("the file is empty", remedy="export it again")
    _check_stack(text)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"not valid JSON: {error.msg}",
            where=f"line {error.lineno} column {error.colno}",
            remedy="the file may be cut off or may not be JSON",
        ) from error
    except _NumberError as error:
        raise InputError(error.what, _place_of_number(text, error), error.remedy) from error
    except RecursionError as error:
        raise InputError(
            f"nested deeper than {MAX_DEPTH} levels", remedy="no FHIR resource is: export it again"
        ) from error
    if text.count("{") + text.count("[") > MAX_DEPTH:
        check_depth(value)
    if _SURROGATE.search(text):
        _check_text(value)
    return value


def reread(data: bytes) -> Any:
    """Parse what :func:`dumps` wrote of a value of :func:`loads`, and nobody can have changed since.

    It cannot hold what :func:`loads` refuses, and is not looked through for it. Raises InputError for what is no JSON.
    """
    try:
        text = data.decode()
        value, end = _REREADER.raw_decode(text)
    except ValueError as error:
        raise InputError("not the JSON that was written") from error
    if end != len(text):
        raise InputError("not the JSON that was written")
    return value


def _check_stack(text: str) -> None:
    """Refuse abysmal nesting where Python's own limit, which the parser relies on, was lifted by somebody's library."""
    if sys.getrecursionlimit() <= SAFE_RECURSION:
        return
    depth = 0
    for token in _BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > MAX_DEPTH:
            raise InputError(f"nested deeper than {MAX_DEPTH} levels", remedy="no FHIR resource is: export it again")


def _place_of_number(text: str, refused: InputError) -> str | None:
    """Line and column of the first number that is refused in the words of ``refused``."""
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word[0] == '"':
            continue
        parse = _constant if word[-1] in "yN" else _decimal if set(word) & set(".eE") else _integer
        try:
            parse(word)
        except InputError as error:
            if error.what == refused.what:
                start = token.start()
                return f"line {text.count(chr(10), 0, start) + 1} column {start - text.rfind(chr(10), 0, start)}"
        except (ValueError, ArithmeticError):
            continue  # no number: the tokens after a damaged quote are not those that the parser saw
    return None


def _check_text(value: Any) -> None:
    """Refuse strings that are no Unicode text: they could not be written again."""
    try:
        dumps(value)
    except TypeError as error:
        raise InputError("half of a surrogate pair stands in a text", remedy="write the text in UTF-8") from error


def check_depth(value: Any) -> None:
    """Refuse a parsed value nested deeper than :data:`MAX_DEPTH`."""
    for depth, _ in enumerate(_levels(value), 1):
        if depth > MAX_DEPTH:
            raise InputError(f"nested deeper than {MAX_DEPTH} levels", remedy="no FHIR resource is: export it again")


def objects(value: Any) -> list[dict[str, Any]]:
    """Every object in a value, itself included, in no order that means anything. Depth costs no recursion."""
    return [item for level in _levels(value) for item in level if item.__class__ is dict]


def _levels(value: Any) -> Iterator[list[Any]]:
    """The objects and lists of a value, those that stand equally deep together."""
    level: list[Any] = [value] if value.__class__ in _CONTAINERS else []
    while level:
        yield level
        level = [
            child
            for item in level
            for child in (item.values() if item.__class__ is dict else item)
            if child.__class__ in _CONTAINERS
        ]


def _fragment(value: Any) -> Any:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} is not JSON")


def dumps(value: Any, *, canonical: bool = False) -> bytes:
    """Write compact UTF-8 JSON; decimals keep their digits. ``canonical`` sorts the members of objects."""
    return orjson.dumps(value, default=_fragment, option=orjson.OPT_SORT_KEYS if canonical else 0)
