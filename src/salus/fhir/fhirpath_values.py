"""What FHIRPath computes with: nodes and their types, comparison, logic of three values, boundaries of values."""

from __future__ import annotations

import calendar
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from salus.errors import InputError

Truth = bool | None
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?$")
_DATE_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(?:(\d\d)(?::(\d\d)(?::(\d\d)(\.\d+)?)?)?)?(Z|[+-]\d\d:\d\d)?$")
_TIME = re.compile(r"(\d\d)(?::(\d\d)(?::(\d\d)(\.\d+)?)?)?$")


@dataclass(frozen=True, slots=True)
class Node:
    """A value in a collection: JSON as :mod:`salus.fhir.json` reads it. ``type`` is FHIR's, "" where not known."""

    value: Any
    type: str = ""


Collection = list[Node]


def children(collection: Collection, name: str) -> Collection:
    """The members called ``name``, those of a choice element with the type their name ends with."""
    found: Collection = []
    for node in collection:
        if not isinstance(node.value, Mapping):
            continue
        if name in node.value:
            found += _spread(node.value[name], "")
        elif node.value.get("resourceType") == name:
            found.append(node)
        else:
            for key, value in node.value.items():
                if key.startswith(name) and key[len(name) : len(name) + 1].isupper():
                    suffix = key[len(name) :]
                    found += _spread(value, suffix if suffix in COMPLEX else suffix[0].lower() + suffix[1:])
    return found


COMPLEX = frozenset(
    {
        "Quantity", "CodeableConcept", "Coding", "Reference", "Period", "Range", "Ratio", "Identifier", "Attachment",
        "Age", "Duration", "Timing", "Annotation", "SampledData", "HumanName", "Address", "ContactPoint", "Money",
    }
)  # fmt: skip


def _spread(value: Any, kind: str) -> Collection:
    items = value if isinstance(value, list) else [value]
    return [Node(item, kind) for item in items if item is not None]


def one(collection: Collection) -> Node | None:
    """The single node, None where there is none. Raises InputError for several."""
    if len(collection) > 1:
        raise InputError("several values where one is meant", remedy="first(), or collection: true")
    return collection[0] if collection else None


def boolean(collection: Collection) -> Truth:
    """As a truth value: a boolean is itself, one other value is true, nothing is unknown."""
    node = one(collection)
    if node is None:
        return None
    return node.value if isinstance(node.value, bool) else True


def truth(value: Truth) -> Collection:
    """A truth value as a collection."""
    return [] if value is None else [Node(value)]


def negation(value: Truth) -> Truth:
    """Not; unknown stays unknown."""
    return None if value is None else not value


def _and(a: Truth, b: Truth) -> Truth:
    return False if a is False or b is False else None if a is None or b is None else True


def _or(a: Truth, b: Truth) -> Truth:
    return True if a is True or b is True else None if a is None or b is None else False


LOGIC: Mapping[str, Callable[[Truth, Truth], Truth]] = {
    "and": _and,
    "or": _or,
    "xor": lambda a, b: None if a is None or b is None else a != b,
    "implies": lambda a, b: _or(negation(a), b),
}


def _key(node: Node) -> Any:
    value = node.value
    if isinstance(value, bool):
        return ("b", value)
    if isinstance(value, int | Decimal):
        return ("n", Decimal(value))
    return ("s", value) if isinstance(value, str) else ("c", repr(value))


def _equal(a: Collection, b: Collection) -> Truth:
    if not a or not b:
        return None
    return len(a) == len(b) and all(_key(x) == _key(y) for x, y in zip(a, b, strict=True))


def _compare(sign: Callable[[Any, Any], bool]) -> Callable[[Collection, Collection], Collection]:
    def run(a: Collection, b: Collection) -> Collection:
        left, right = one(a), one(b)
        if left is None or right is None:
            return []
        if _key(left)[0] != _key(right)[0] or _key(left)[0] in ("b", "c"):
            raise InputError("values of two kinds cannot be compared")
        return [Node(sign(_key(left)[1], _key(right)[1]))]

    return run


def _arithmetic(sign: Callable[[Any, Any], Any]) -> Callable[[Collection, Collection], Collection]:
    def run(a: Collection, b: Collection) -> Collection:
        left, right = one(a), one(b)
        if left is None or right is None:
            return []
        if isinstance(left.value, str) and isinstance(right.value, str) and sign is operator.add:
            return [Node(left.value + right.value, "string")]
        for node in (left, right):
            if isinstance(node.value, bool) or not isinstance(node.value, int | Decimal):
                raise InputError("arithmetic is for numbers")
        try:
            return [Node(sign(left.value, right.value))]
        except ArithmeticError:
            return []

    return run


def _divided(a: Any, b: Any) -> Decimal:
    return Decimal(a) / Decimal(b)


def _joined(a: Collection, b: Collection) -> Collection:
    words = [str(node.value) if (node := one(c)) is not None else "" for c in (a, b)]
    return [Node("".join(words), "string")]


OPERATORS: Mapping[str, Callable[[Collection, Collection], Collection]] = {
    "=": lambda a, b: truth(_equal(a, b)),
    "!=": lambda a, b: truth(negation(_equal(a, b))),
    "~": lambda a, b: truth(True if not a and not b else bool(_equal(a, b))),
    "!~": lambda a, b: truth(not (True if not a and not b else bool(_equal(a, b)))),
    "<": _compare(operator.lt),
    ">": _compare(operator.gt),
    "<=": _compare(operator.le),
    ">=": _compare(operator.ge),
    "+": _arithmetic(operator.add),
    "-": _arithmetic(operator.sub),
    "*": _arithmetic(operator.mul),
    "/": _arithmetic(_divided),
    "div": _arithmetic(operator.floordiv),
    "mod": _arithmetic(operator.mod),
    "&": _joined,
    "|": lambda a, b: distinct([*a, *b]),
    "in": lambda a, b: truth(None if not a else _key(a[0]) in [_key(n) for n in b]),
    "contains": lambda a, b: truth(None if not b else _key(b[0]) in [_key(n) for n in a]),
}


def negate(collection: Collection) -> Collection:
    """The number with its sign turned."""
    node = one(collection)
    if node is None:
        return []
    if isinstance(node.value, bool) or not isinstance(node.value, int | Decimal):
        raise InputError("only a number has a sign")
    return [Node(-node.value)]


def distinct(collection: Collection) -> Collection:
    """Each value once, in order."""
    return list({_key(node): node for node in reversed(collection)}.values())[::-1]


def choose(collection: Collection, branches: Sequence[Callable[[Node], Collection]]) -> Collection:
    """iif(condition, then, else)."""
    focus = one(collection)
    if focus is None:
        return []
    if boolean(branches[0](focus)) is True:
        return branches[1](focus)
    return branches[2](focus) if len(branches) > 2 else []


def join(collection: Collection, arguments: Sequence[Collection]) -> Collection:
    """The texts put together; of nothing, the empty text."""
    between = one(arguments[0]) if arguments else None
    return [Node(("" if between is None else str(between.value)).join(text(n) for n in collection), "string")]


def text(node: Node) -> str:
    """As a text."""
    return str(node.value).lower() if isinstance(node.value, bool) else str(node.value)


def on_text(collection: Collection, arguments: Sequence[Collection], test: Callable[[str, str], bool]) -> Collection:
    """A test of one text with another."""
    node, other = one(collection), one(arguments[0])
    if node is None or other is None:
        return []
    return [Node(test(str(node.value), str(other.value)))]


def is_of(node: Node, wanted: str) -> bool:
    """True when the node is of a FHIR type, as far as its type is known or follows from the value."""
    if node.type:
        return node.type in (wanted, wanted[:1].lower() + wanted[1:])
    if isinstance(node.value, Mapping):
        return node.value.get("resourceType") == wanted
    kinds = {bool: ("boolean",), int: ("integer", "decimal"), Decimal: ("decimal",), str: ("string", "code", "id")}
    return wanted in kinds.get(type(node.value), ())


def extensions(collection: Collection, url: Collection) -> Collection:
    """The extensions with this url."""
    wanted = one(url)
    return [e for e in children(collection, "extension") if wanted is not None and e.value.get("url") == wanted.value]


def resource_key(collection: Collection) -> Collection:
    """The key of a resource in a view: its id."""
    return [Node(n.value["id"], "string") for n in collection if isinstance(n.value, Mapping) and "id" in n.value]


def reference_key(collection: Collection, wanted: str) -> Collection:
    """The key of the resource that a reference points to; nothing where it is of another type, or not told."""
    found = []
    for node in collection:
        reference = node.value.get("reference") if isinstance(node.value, Mapping) else None
        kind, _, name = str(reference or "").rpartition("/")
        if name and not str(reference).startswith("#") and wanted in ("", kind.rpartition("/")[2]):
            found.append(Node(name, "string"))
    return found


def date_literal(text: str) -> Node:
    """A literal after the @. Raises InputError."""
    if text.startswith("T") and _TIME.match(text[1:]):
        return Node(text[1:], "time")
    if _DATE.match(text):
        return Node(text, "date")
    if _DATE_TIME.match(text):
        return Node(text, "dateTime")
    raise InputError("not a date or time", where=f"@{text[:30]}")


def boundary(collection: Collection, *, low: bool) -> Collection:
    """The least or greatest value that a number, date or time of this precision can stand for."""
    node = one(collection)
    if node is None:
        return []
    value = node.value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        half = Decimal(5).scaleb(int(Decimal(value).as_tuple().exponent) - 1)
        return [Node(Decimal(value) - half if low else Decimal(value) + half)]
    if not isinstance(value, str):
        return []
    if node.type == "time" or (not node.type and _TIME.match(value) and ":" in value):
        return [Node(_time(value, low), "time")] if _TIME.match(value) else []
    has_time = node.type in ("dateTime", "instant") or "T" in value
    told = _date_time(value, low) if has_time else _date(value, low)
    return [Node(told, node.type)] if told else []


def _time(value: str, low: bool) -> str:
    hour, minute, second, part = _TIME.match(value).groups()  # type: ignore[union-attr]
    rest = ("00", "00", ".000") if low else ("59", "59", ".999")
    return f"{hour}:{minute or rest[0]}:{second or rest[1]}{part or rest[2]}"


def _date(value: str, low: bool) -> str:
    match = _DATE.match(value)
    if not match:
        return ""
    year, month = int(match[1]), int(match[2] or (1 if low else 12))
    day = int(match[3] or (1 if low else calendar.monthrange(year, month)[1]))
    return f"{year:04}-{month:02}-{day:02}"


def _date_time(value: str, low: bool) -> str:
    zone = "+14:00" if low else "-12:00"
    match = _DATE_TIME.match(value)
    if not match:
        day = _date(value, low)
        return f"{day}T{'00:00:00.000' if low else '23:59:59.999'}{zone}" if day else ""
    clock = ":".join(p for p in match.groups()[3:6] if p) + (match[7] or "")
    whole = _time(clock, low) if clock else ("00:00:00.000" if low else "23:59:59.999")
    return f"{match[1]}-{match[2]}-{match[3]}T{whole}{match[8] or zone}"
