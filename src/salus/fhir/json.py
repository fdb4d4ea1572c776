"""JSON for health data: numbers keep their digits, and hostile text costs bounded time and memory.

Decimals are parsed to :class:`decimal.Decimal`, never to float, and written back with the digits they came with.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from salus.errors import InputError

MAX_DEPTH = 64
MAX_NUMBER_CHARS = 64
MAX_EXPONENT = 400


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_NUMBER_CHARS:
        raise InputError(f"a number of {len(text)} characters", remedy=f"at most {MAX_NUMBER_CHARS} are read")
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise InputError("a number that cannot be represented") from error
    if number and abs(number.adjusted()) > MAX_EXPONENT:
        raise InputError("a number with a giant exponent", remedy=f"exponents up to {MAX_EXPONENT} are read")
    return number


def _integer(text: str) -> int:
    if len(text) > MAX_NUMBER_CHARS:
        raise InputError(f"a number of {len(text)} characters", remedy=f"at most {MAX_NUMBER_CHARS} are read")
    return int(text)


def _constant(text: str) -> Any:
    raise InputError(f"{text} is not a JSON number", remedy="leave the element out when there is no value")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise InputError(f"the member {key[:40]!r} stands twice in one object")
            seen.add(key)
    return value


_DECODER = json.JSONDecoder(
    parse_float=_decimal, parse_int=_integer, parse_constant=_constant, object_pairs_hook=_object
)


def loads(data: bytes) -> Any:
    """Parse UTF-8 JSON. Raises :class:`InputError` with line and column when it is not JSON."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", where=f"byte {error.start}", remedy="save it as UTF-8") from error
    if not text.strip():
        raise InputError("the file is empty")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"not valid JSON: {error.msg}",
            where=f"line {error.lineno} column {error.colno}",
            remedy="the file may be cut off or may not be JSON",
        ) from error
    except RecursionError as error:
        raise InputError(f"nested deeper than {MAX_DEPTH} levels") from error
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Refuse a parsed value nested deeper than :data:`MAX_DEPTH`."""
    level = [value]
    depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH + 1:
            raise InputError(f"nested deeper than {MAX_DEPTH} levels")
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]


def _fragment(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} is not JSON")


def dumps(value: Any, *, canonical: bool = False) -> bytes:
    """Write compact UTF-8 JSON; decimals keep their digits. ``canonical`` sorts the members of objects."""
    return orjson.dumps(value, default=_fragment, option=orjson.OPT_SORT_KEYS if canonical else 0)
