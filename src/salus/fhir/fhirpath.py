"""FHIRPath: the part of it that SQL on FHIR views use, compiled once into functions.

Paths, indexers, literals, ``%constants``, ``$this``; ``and or xor implies not``; ``= != ~ !~ < > <= >=``;
``+ - * / & |``, ``in``, ``contains``; the functions of :data:`FUNCTIONS`. Collections are lists of :class:`Node`. Names
of choice elements are written without their type ("value"), as FHIRPath has it. What is not known raises InputError
when it is compiled. Specification: HL7 FHIRPath 2.0.0 and, for the reference and resource keys, SQL on FHIR 2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from salus.errors import InputError
from salus.fhir import fhirpath_values as values
from salus.fhir.fhirpath_values import Node

MAX_LENGTH = 4000
MAX_DEPTH = 30
MAX_WORK = 2_000_000
"""Elements that the expressions of one environment touch before they are refused: seconds, not hours."""
MAX_INTEGER = values.MAX_INTEGER
Collection = list[Node]


class Budget:
    """What is left of the work that is allowed; environments made from each other share it."""

    __slots__ = ("left",)

    def __init__(self, left: int = MAX_WORK) -> None:
        self.left = left

    def spend(self, elements: int) -> None:
        """Take ``elements`` off. Raises InputError when nothing is left."""
        self.left -= elements
        if self.left < 0:
            raise InputError("the expressions take too much work", remedy="fewer nested where() and select()")


@dataclass(frozen=True, slots=True)
class Environment:
    """What an expression sees besides its input: constants by name, and the resource it started from."""

    constants: Mapping[str, Any]
    resource: Any = None
    budget: Budget = field(default_factory=Budget, compare=False)


Step = Callable[[Collection, Environment], Collection]
Link = Callable[[Collection, Collection, Environment], Collection]
"""A part of a path after its first: from what was found, and the focus of the whole path."""
_CLOCK = r"\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?"
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<string>'(?:[^'\\]|\\.)*')|(?P<name>[A-Za-z_]\w*|`[^`]+`)"
    rf"|(?P<date>@(?:T{_CLOCK}|\d{{4}}(?:-\d\d(?:-\d\d)?)?(?:T(?:{_CLOCK})?(?:Z|[+-]\d\d:\d\d)?)?))"
    r"|(?P<variable>%[\w-]+|%`[^`]+`)|(?P<this>\$this|\$index)|(?P<sign><=|>=|!=|!~|[-+*/&|=~<>.,()\[\]{}]))"
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
LEVELS: tuple[tuple[str, ...], ...] = (
    ("implies",),
    ("or", "xor"),
    ("and",),
    ("in", "contains"),
    ("=", "!=", "~", "!~"),
    ("<", ">", "<=", ">="),
    ("|",),
    ("+", "-", "&"),
    ("*", "/", "div", "mod"),
)


def compile(text: str) -> Callable[[Any, Environment], Collection]:
    """The function of an expression: from a resource or element (None: nothing) and an environment to a collection.

    Raises InputError for what is not FHIRPath, or not of the part that is known.
    """
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_LENGTH:
        raise InputError(f"an expression has 1 to {MAX_LENGTH} characters")
    parser = _Parser(_tokens(text))
    step = parser.expression(0)
    parser.end()

    def run(focus: Any, environment: Environment) -> Collection:
        return step([] if focus is None else [focus if isinstance(focus, Node) else Node(focus)], environment)

    return run


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise InputError("not FHIRPath", where=f"character {position + 1}")
        found.append((str(match.lastgroup), match[str(match.lastgroup)]))
        position = match.end()
    return found


class _Parser:
    """Recursive descent with a bound on depth; each method returns a function."""

    def __init__(self, tokens: Sequence[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def end(self) -> None:
        if self._at != len(self._tokens):
            raise InputError(f"not FHIRPath at {self._tokens[self._at][1]!r}")

    def expression(self, level: int) -> Step:
        if level == len(LEVELS):
            return self._unary()
        self._depth += level == 0
        if self._depth > MAX_DEPTH:
            raise InputError(f"an expression nested more than {MAX_DEPTH} deep")
        left = self.expression(level + 1)
        rest: list[tuple[Operator, Step]] = []
        while (sign := self._peek()) in LEVELS[level]:
            self._next()
            rest.append((_operator(sign), self.expression(level + 1)))
        self._depth -= level == 0
        return _folded(left, rest) if rest else left

    def _unary(self) -> Step:
        signs = 0
        negative = False
        while self._peek() in ("-", "+"):
            signs, negative = signs + 1, negative ^ (self._next()[1] == "-")
        step = self._path()
        if not signs:
            return step
        return lambda c, e: values.signed(step(c, e), negative=negative)

    def _path(self) -> Step:
        first = self._term()
        links: list[Link] = []
        while (sign := self._peek()) in (".", "["):
            self._next()
            if sign == ".":
                links.append(_member_link(self._member()))
                continue
            links.append(_index_link(self.expression(0)))
            self._take("]")
        return _chained(first, links) if links else first

    def _term(self) -> Step:
        kind, text = self._next()
        if text == "(":
            inner = self.expression(0)
            self._take(")")
            return inner
        if text == "{":
            self._take("}")
            return lambda c, e: []
        if kind == "number":
            number: Any = Decimal(text) if "." in text else int(text)
            if isinstance(number, int) and number > MAX_INTEGER:
                raise InputError("a whole number too large", remedy="at most 2^63 - 1")
            return lambda c, e: [Node(number)]
        if kind == "string":
            word = re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), text[1:-1])
            return lambda c, e: [Node(word, "string")]
        if kind == "date":
            node = values.date_literal(text[1:])
            return lambda c, e: [node]
        if kind == "variable":
            return _variable(text[1:].strip("`"))
        if kind == "this":
            if text != "$this":
                raise InputError("$index is not known")
            return lambda c, e: c
        if kind == "name":
            if text in ("true", "false"):
                return lambda c, e: [Node(text == "true")]
            self._at -= 1
            return self._member()
        raise InputError(f"not FHIRPath at {text!r}")

    def _member(self) -> Step:
        kind, text = self._next()
        if kind != "name":
            raise InputError(f"not FHIRPath at {text!r}")
        name = text.strip("`")
        if self._peek() != "(":
            return lambda c, e: values.children(c, name)
        self._next()
        arguments: list[Step] = []
        types: list[str] = []
        while self._peek() != ")":
            if arguments:
                self._take(",")
            start = self._at
            arguments.append(self.expression(0))
            types.append(".".join(word for kind, word in self._tokens[start : self._at] if kind == "name"))
        self._take(")")
        return _function(name, arguments, types)

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise InputError("the expression ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, sign: str) -> None:
        if self._next()[1] != sign:
            raise InputError(f"{sign!r} is missing")


Operator = Callable[[Collection, Collection], Collection]


def _chained(first: Step, links: Sequence[Link]) -> Step:
    # a loop, so that a long path does not become a deep stack
    def run(c: Collection, e: Environment) -> Collection:
        found = first(c, e)
        for link in links:
            e.budget.spend(1 + len(found))
            found = link(found, c, e)
        return found

    return run


def _member_link(step: Step) -> Link:
    return lambda found, c, e: step(found, e)


def _index_link(index: Step) -> Link:
    def run(found: Collection, c: Collection, e: Environment) -> Collection:
        at = values.one(index(c, e))
        if at is None or type(at.value) is not int:
            return []
        return [found[at.value]] if 0 <= at.value < len(found) else []

    return run


def _folded(first: Step, rest: Sequence[tuple[Operator, Step]]) -> Step:
    def run(c: Collection, e: Environment) -> Collection:
        left = first(c, e)
        for operator, step in rest:
            right = step(c, e)
            e.budget.spend(1 + len(left) + len(right))
            left = operator(left, right)
        return left

    return run


def _variable(name: str) -> Step:
    def run(_: Collection, e: Environment) -> Collection:
        if name in ("resource", "context") and e.resource is not None:
            return [Node(e.resource)]
        if name not in e.constants:
            raise InputError(f"no constant {name[:40]!r}")
        value = e.constants[name]
        return [] if value is None else [value if isinstance(value, Node) else Node(value)]

    return run


def _operator(sign: str) -> Operator:
    if sign in values.LOGIC:
        rule = values.LOGIC[sign]
        return lambda a, b: values.truth(rule(values.boolean(a), values.boolean(b)))
    return values.OPERATORS[sign]


def _function(name: str, arguments: Sequence[Step], types: Sequence[str]) -> Step:
    known = FUNCTIONS.get(name)
    if known is None or not known[0] <= len(arguments) <= known[1]:
        raise InputError(f"the function {name[:40]}() is not known, or not with {len(arguments)} arguments")
    if name in ("ofType", "getReferenceKey"):
        wanted = types[0].rpartition(".")[2] if types else ""
        if arguments and not wanted:
            raise InputError(f"{name}() is told a type")
        plain = known[2]
        return lambda c, e: plain(c, wanted, e)
    if name in ("where", "exists", "all", "select", "iif"):
        chosen = known[2]
        return lambda c, e: chosen(c, [_per_item(a, e) for a in arguments], e)
    other = known[2]
    return lambda c, e: other(c, [a(c, e) for a in arguments], e)


def _per_item(step: Step, environment: Environment) -> Callable[[Node], Collection]:
    def run(node: Node) -> Collection:
        environment.budget.spend(1)
        found = step([node], environment)
        environment.budget.spend(len(found))
        return found

    return run


FUNCTIONS: Mapping[str, tuple[int, int, Callable[..., Collection]]] = {
    "where": (1, 1, lambda c, a, e: [n for n in c if values.boolean(a[0](n)) is True]),
    "exists": (0, 1, lambda c, a, e: values.truth(any(not a or values.boolean(a[0](n)) is True for n in c))),
    "all": (1, 1, lambda c, a, e: values.truth(all(values.boolean(a[0](n)) is True for n in c))),
    "select": (1, 1, lambda c, a, e: [found for n in c for found in a[0](n)]),
    "iif": (2, 3, lambda c, a, e: values.choose(c, a)),
    "empty": (0, 0, lambda c, a, e: values.truth(not c)),
    "not": (0, 0, lambda c, a, e: values.truth(values.negation(values.boolean(c)))),
    "first": (0, 0, lambda c, a, e: c[:1]),
    "last": (0, 0, lambda c, a, e: c[-1:]),
    "count": (0, 0, lambda c, a, e: [Node(len(c))]),
    "distinct": (0, 0, lambda c, a, e: values.distinct(c)),
    "join": (0, 1, lambda c, a, e: values.join(c, a)),
    "ofType": (1, 1, lambda c, wanted, e: [n for n in c if values.is_of(n, wanted)]),
    "extension": (1, 1, lambda c, a, e: values.extensions(c, a[0])),
    "lowBoundary": (0, 0, lambda c, a, e: values.boundary(c, low=True)),
    "highBoundary": (0, 0, lambda c, a, e: values.boundary(c, low=False)),
    "getResourceKey": (0, 0, lambda c, a, e: values.resource_key(c)),
    "getReferenceKey": (0, 1, lambda c, wanted, e: values.reference_key(c, wanted)),
    "toString": (0, 0, lambda c, a, e: values.of_text(c, str)),
    "startsWith": (1, 1, lambda c, a, e: values.on_text(c, a, str.startswith)),
    "endsWith": (1, 1, lambda c, a, e: values.on_text(c, a, str.endswith)),
    "contains": (1, 1, lambda c, a, e: values.on_text(c, a, str.__contains__)),
    "lower": (0, 0, lambda c, a, e: values.of_text(c, str.lower)),
    "upper": (0, 0, lambda c, a, e: values.of_text(c, str.upper)),
    "length": (0, 0, lambda c, a, e: values.of_text(c, len)),
}
"""Name, fewest and most arguments, and what it does."""
