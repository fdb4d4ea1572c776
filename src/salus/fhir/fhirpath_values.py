"""What FHIRPath computes with: nodes and their types, comparison, logic of three values, boundaries of values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from salus.errors import InputError
from salus.fhir import fhirpath_times as times

Truth = bool | None
MAX_INTEGER = (1 << 63) - 1
MAX_TEXT = 1_000_000


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
                    kind = suffix if suffix in COMPLEX else suffix[0].lower() + suffix[1:]
                    if kind in COMPLEX or kind in PRIMITIVE:  # statusHistory is no choice of status
                        found += _spread(value, kind)
    return found


COMPLEX = frozenset(
    {
        "Address", "Age", "Annotation", "Attachment", "CodeableConcept", "Coding", "ContactDetail", "ContactPoint",
        "Contributor", "Count", "DataRequirement", "Distance", "Dosage", "Duration", "Expression", "HumanName",
        "Identifier", "Meta", "Money", "ParameterDefinition", "Period", "Quantity", "Range", "Ratio", "Reference",
        "RelatedArtifact", "SampledData", "Signature", "Timing", "TriggerDefinition", "UsageContext",
    }
)  # fmt: skip
PRIMITIVE = frozenset(
    {
        "base64Binary", "boolean", "canonical", "code", "date", "dateTime", "decimal", "id", "instant", "integer",
        "markdown", "oid", "positiveInt", "string", "time", "unsignedInt", "uri", "url", "uuid",
    }
)  # fmt: skip
"""With COMPLEX, the types that a choice element may have: FHIR R4, Extension.value[x]."""


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


def _moment(node: Node) -> times.Moment | None:
    if node.type not in ("", "date", "dateTime", "instant", "time") or not isinstance(node.value, str):
        return None
    return times.moment(node.value, time=node.type == "time")


def _same(a: Node, b: Node) -> Truth:
    left, right = _moment(a), _moment(b)
    if left is None or right is None or left.clock != right.clock:
        return bool(_key(a) == _key(b))
    order = times.order(left, right)
    return None if order is None else order == 0


def _equal(a: Collection, b: Collection) -> Truth:
    if not a or not b:
        return None
    if len(a) != len(b):
        return False
    told = {_same(x, y) for x, y in zip(a, b, strict=True)}
    return False if False in told else None if None in told else True


def _compare(sign: Callable[[Any, Any], bool]) -> Callable[[Collection, Collection], Collection]:
    def run(a: Collection, b: Collection) -> Collection:
        left, right = one(a), one(b)
        if left is None or right is None:
            return []
        when, other = _moment(left), _moment(right)
        if when and other and when.clock == other.clock:
            order = times.order(when, other)
            return [] if order is None else [Node(sign(order, 0))]
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
            return _words([left.value, right.value])
        for node in (left, right):
            if isinstance(node.value, bool) or not isinstance(node.value, int | Decimal):
                raise InputError("arithmetic is for numbers")
        try:
            result = sign(left.value, right.value)
        except ArithmeticError:
            return []
        return [] if isinstance(result, int) and abs(result) > MAX_INTEGER else [Node(result)]

    return run


def _whole(a: Any, b: Any) -> int:
    quotient = int(abs(a) // abs(b))
    return quotient if (a < 0) == (b < 0) else -quotient


def _rest(a: Any, b: Any) -> Any:
    rest = abs(a) % abs(b)
    return -rest if a < 0 else rest


def _divided(a: Any, b: Any) -> Decimal:
    return Decimal(a) / Decimal(b)


def _joined(a: Collection, b: Collection) -> Collection:
    return _words([text(node) if (node := one(c)) is not None else "" for c in (a, b)])


def _words(parts: Sequence[str], between: str = "") -> Collection:
    if sum(map(len, parts)) + len(between) * len(parts) > MAX_TEXT:
        raise InputError(f"a text of more than {MAX_TEXT:,} characters")
    return [Node(between.join(parts), "string")]


def _member(item: Collection, of: Collection) -> Collection:
    wanted = one(item)
    return [] if wanted is None else [Node(_key(wanted) in [_key(node) for node in of])]


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
    "div": _arithmetic(_whole),
    "mod": _arithmetic(_rest),
    "&": _joined,
    "|": lambda a, b: distinct([*a, *b]),
    "in": _member,
    "contains": lambda a, b: _member(b, a),
}


def signed(collection: Collection, *, negative: bool) -> Collection:
    """The number, with its sign turned where ``negative``. Raises InputError for what is no number."""
    node = one(collection)
    if node is None:
        return []
    if isinstance(node.value, bool) or not isinstance(node.value, int | Decimal):
        raise InputError("only a number has a sign")
    return [Node(-node.value)] if negative else [node]


def distinct(collection: Collection) -> Collection:
    """Each value once, in order."""
    first: dict[Any, Node] = {}
    for node in collection:
        first.setdefault(_key(node), node)
    return list(first.values())


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
    return _words([text(n) for n in collection], "" if between is None else text(between))


def text(node: Node) -> str:
    """As a text. Raises InputError for an element with members."""
    if isinstance(node.value, Mapping):
        raise InputError("an element with members is no text", remedy="name the member that is meant")
    return str(node.value).lower() if isinstance(node.value, bool) else str(node.value)


def of_text(collection: Collection, change: Callable[[str], str | int]) -> Collection:
    """What ``change`` makes of one text."""
    node = one(collection)
    return [] if node is None else [Node(made := change(text(node)), "string" if isinstance(made, str) else "")]


def on_text(collection: Collection, arguments: Sequence[Collection], test: Callable[[str, str], bool]) -> Collection:
    """A test of one text with another."""
    node, other = one(collection), one(arguments[0])
    if node is None or other is None:
        return []
    return [Node(test(text(node), text(other)))]


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
    found = [node for node in children(collection, "extension") if isinstance(node.value, Mapping)]
    return [node for node in found if wanted is not None and node.value.get("url") == wanted.value]


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
    if text.startswith("T") and times.TIME.match(text[1:]):
        return Node(text[1:], "time")
    if times.is_date(text):
        return Node(text, "date")
    if times.DATE_TIME.match(text) and times.is_date(text[:10]):
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
    if node.type == "time" or (not node.type and times.TIME.match(value) and ":" in value):
        return [Node(times.time_boundary(value, low), "time")] if times.TIME.match(value) else []
    has_time = node.type in ("dateTime", "instant") or "T" in value
    told = times.date_time_boundary(value, low) if has_time else times.date_boundary(value, low)
    return [Node(told, node.type)] if told else []
