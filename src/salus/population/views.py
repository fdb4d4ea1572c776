"""SQL on FHIR 2: ViewDefinitions are compiled strictly, and make flat tables of resources.

Specification: HL7 SQL on FHIR 2.0. ``select`` with ``column``, ``forEach``, ``forEachOrNull``, ``repeat``, ``unionAll``
and nested ``select``; ``where``; ``constant``; ``%rowIndex``.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from salus.errors import InputError
from salus.fhir import fhirpath
from salus.fhir.fhirpath import Environment
from salus.fhir.fhirpath_values import Collection, Node
from salus.fhir.views import Body

MAX_ROWS_A_RESOURCE = 100_000
MAX_DEPTH = 16
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
Path = Callable[[Any, Environment], Collection]
Row = dict[str, Any]
_KNOWN = frozenset({"column", "select", "forEach", "forEachOrNull", "repeat", "unionAll"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, path, FHIR type ("" where not stated), and whether its values are lists."""

    name: str
    path: Path
    type: str
    collection: bool


@dataclass(frozen=True, slots=True)
class Select:
    """One select: the elements it iterates over, its columns, and the selects and unions below it."""

    each: Path | None
    or_null: bool
    repeat: tuple[Path, ...]
    columns: tuple[Column, ...]
    selects: tuple[Select, ...]
    unions: tuple[Select, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns in order, including those below it."""
        below = (name for part in self.selects for name in part.names)
        return (*(c.name for c in self.columns), *below, *(self.unions[0].names if self.unions else ()))


@dataclass(frozen=True, slots=True)
class View:
    """A compiled ViewDefinition."""

    resource: str
    select: Select
    where: tuple[Path, ...]
    constants: Mapping[str, Any]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return self.select.names

    @property
    def types(self) -> Mapping[str, tuple[str, bool]]:
        """The FHIR type of each column, and whether its values are lists, by name."""
        return {c.name: (c.type, c.collection) for c in _columns(self.select)}

    def rows(self, resources: Iterable[Body]) -> Iterator[Row]:
        """The rows of these resources, without those of another type. Raises InputError for several values in a column
        that holds one."""
        for resource in resources:
            if resource.get("resourceType") != self.resource:
                continue
            environment = Environment({**self.constants, "rowIndex": 0}, resource)
            if all(_is_true(path(resource, environment)) for path in self.where):
                yield from _bounded(_run(self.select, Node(resource), environment))


def read(definition: Mapping[str, Any]) -> View:
    """Compile a ViewDefinition. Raises InputError, which names the place of the mistake."""
    resource = definition.get("resource")
    if not isinstance(resource, str) or not resource.isalpha():
        raise InputError("a view names the resource type that it reads", where="resource")
    parts = definition.get("select")
    if not isinstance(parts, list) or not parts:
        raise InputError("a view has a select", where="select")
    select = Select(None, False, (), (), tuple(_select(p, "select", MAX_DEPTH) for p in parts), ())
    counted = Counter(select.names)
    if not counted:
        raise InputError("a view has at least one column", where="select")
    doubled = [name for name, n in counted.items() if n > 1]
    if doubled:
        raise InputError(f"two columns are called {doubled[0]!r}", where="select")
    where = tuple(_path(entry.get("path"), "where") for entry in _tables(definition.get("where", []), "where"))
    return View(resource, select, where, _constants(definition.get("constant", [])))


def _tables(value: Any, place: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(v, Mapping) for v in value):
        raise InputError("a list of tables", where=place)
    return value


def _constants(entries: Any) -> dict[str, Any]:
    found = {}
    for entry in _tables(entries, "constant"):
        values = [(k, v) for k, v in entry.items() if k.startswith("value")]
        if not isinstance(entry.get("name"), str) or len(values) != 1:
            raise InputError("a constant has a name and one value", where="constant")
        kind = values[0][0].removeprefix("value")
        found[entry["name"]] = Node(values[0][1], kind[:1].lower() + kind[1:])
    return found


def _select(part: Any, place: str, depth: int) -> Select:
    if not isinstance(part, Mapping) or not set(part) <= _KNOWN or depth == 0:
        raise InputError("not a select", where=place)
    walks = [name for name in ("forEach", "forEachOrNull", "repeat") if name in part]
    if len(walks) > 1:
        raise InputError("a select walks in one way only", where=place)
    each = _path(part[walks[0]], f"{place}.{walks[0]}") if walks and walks[0] != "repeat" else None
    repeated = tuple(_path(p, f"{place}.repeat") for p in _list(part.get("repeat", []), f"{place}.repeat"))
    if "repeat" in part and not repeated:
        raise InputError("repeat names a path at least", where=f"{place}.repeat")
    unions = tuple(
        _select(p, f"{place}.unionAll[{n}]", depth - 1) for n, p in enumerate(_list(part.get("unionAll", []), place))
    )
    names = unions[0].names if unions else ()
    if any(u.names != names for u in unions[1:]):
        raise InputError("the parts of a union have the same columns in the same order", where=f"{place}.unionAll")
    return Select(
        each,
        "forEachOrNull" in part,
        repeated,
        tuple(_column(c, f"{place}.column") for c in _tables(part.get("column", []), f"{place}.column")),
        tuple(_select(p, f"{place}.select", depth - 1) for p in _list(part.get("select", []), place)),
        unions,
    )


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise InputError("a list", where=place)
    return value


def _column(entry: Mapping[str, Any], place: str) -> Column:
    name = entry.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError("a column's name is letters, digits and _, beginning with a letter", where=place)
    return Column(
        name, _path(entry.get("path"), f"{place} {name}"), str(entry.get("type", "")), entry.get("collection") is True
    )


def _path(text: Any, place: str) -> Path:
    try:
        return fhirpath.compile(text)
    except InputError as error:
        raise error.at(place) from error


def _is_true(found: Collection) -> bool:
    """The truth of a filter's result; an empty result is false. Raises InputError where it is no boolean."""
    if not found:
        return False
    if len(found) > 1 or not isinstance(found[0].value, bool):
        raise InputError("a filter's path gives true or false", where="where")
    return found[0].value


def _columns(select: Select) -> Iterator[Column]:
    yield from select.columns
    for part in (*select.selects, *select.unions):
        yield from _columns(part)


def _bounded(rows: Iterator[Row]) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if number == MAX_ROWS_A_RESOURCE:
            raise InputError(f"a resource gives more than {MAX_ROWS_A_RESOURCE:,} rows")
        yield row


def _run(select: Select, focus: Node, environment: Environment) -> Iterator[Row]:
    """The rows of a select: for each element it iterates over, the product of the rows of the selects below it."""
    for node, inside in _walked(select, focus, environment):
        own = {c.name: _cell(c, node, inside) for c in select.columns}
        below: list[list[Row]] = [
            list(_bounded(_run(part, node, inside))) if node is not None else [dict.fromkeys(part.names)]
            for part in select.selects
        ]
        if select.unions:
            parts = itertools.chain.from_iterable(_run(part, node, inside) for part in select.unions if node)
            below.append(list(_bounded(parts)) if node is not None else [dict.fromkeys(select.unions[0].names)])
        for combination in itertools.product(*below):
            environment.budget.spend(1 + len(combination))
            row = dict(own)
            for piece in combination:
                row.update(piece)
            yield row


def _walked(select: Select, focus: Node, environment: Environment) -> Iterator[tuple[Node | None, Environment]]:
    """The elements that a select iterates over, with their index in the environment.

    None stands for the one row of a forEachOrNull that finds nothing.
    """
    if select.each is None and not select.repeat:
        yield focus, environment
        return
    found = select.each(focus, environment) if select.each else list(_repeated(select.repeat, focus, environment))
    if not found and select.or_null:
        yield None, _with_index(environment, 0)
    for index, node in enumerate(found):
        yield node, _with_index(environment, index)


def _repeated(paths: Sequence[Path], focus: Node, environment: Environment, depth: int = 64) -> Iterator[Node]:
    """Every element that the paths lead to, and those that they lead to from there, in the document's order."""
    if depth == 0:
        raise InputError("elements nested too deep to repeat")
    for path in paths:
        for node in path(focus, environment):
            environment.budget.spend(1)
            yield node
            yield from _repeated(paths, node, environment, depth - 1)


def _with_index(environment: Environment, index: int) -> Environment:
    return replace(environment, constants={**environment.constants, "rowIndex": index})


def _cell(column: Column, node: Node | None, environment: Environment) -> Any:
    found = [n.value for n in column.path(node, environment)]
    if column.collection:
        return found
    if len(found) > 1:
        raise InputError(f"several values in column {column.name!r}", remedy="first() or collection: true")
    return found[0] if found else None
