"""The small silent mistakes that can be made in a module: a comparison, a sum, a constant, a condition, a statement.

Texts of errors, entries of programs' logs, annotations, decorators, imports and the strictness of ``zip`` stay as they
are; of other texts only those that something is compared with, or that are defaults, are changed.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

SWAPS: Mapping[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One change: ``apply`` makes it in the tree and returns what takes it back. ``lines`` are those that run it."""

    kind: str
    function: str
    line: int
    text: str
    old: str
    new: str
    lines: frozenset[int]
    apply: Callable[[], Callable[[], None]] = field(compare=False)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is known by in ``mutate_equivalent.toml``, wherever its line moves."""
        return self.function, self.text, self.kind, self.new

    @property
    def drawn(self) -> str:
        """Its place in the draw."""
        return hashlib.sha256("\0".join((*self.key, self.old)).encode()).hexdigest()

    def __str__(self) -> str:
        short = [text if len(text) < 90 else f"{text[:87]}..." for text in (self.old, self.new)]
        return f"{self.line} {self.function} ({self.kind}): {' → '.join(' '.join(text.split()) for text in short)}"


class Sites:
    """Every mutant of one module."""

    def __init__(self, source: str) -> None:
        self.tree = ast.parse(source)
        self.lines = source.splitlines()
        self.found: list[Mutant] = []
        self._body(self.tree.body, "", False)

    def _body(self, body: list[ast.stmt], name: str, within: bool) -> None:
        """``name`` of the class or function, ``within`` a function: what stands outside runs when the module loads."""
        for at, node in enumerate(body):
            documents = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
                    self._expression(default, f"{name}.{node.name}".lstrip("."), frozenset())
                    self._default(default, f"{name}.{node.name}".lstrip("."))
                self._body(node.body, f"{name}.{node.name}".lstrip("."), True)
            elif isinstance(node, ast.ClassDef):
                self._body(node.body, f"{name}.{node.name}".lstrip("."), False)
            elif not documents and not isinstance(node, ast.Import | ast.ImportFrom):
                self._statement(node, name, within, body, at)

    def _statement(self, node: ast.stmt, name: str, within: bool, body: list[ast.stmt], at: int) -> None:
        inner = [getattr(node, part, []) for part in ("body", "orelse", "finalbody")]
        inner += [part.body for part in (*getattr(node, "handlers", []), *getattr(node, "cases", []))]
        last = min((b[0].lineno - 1 for b in inner if b), default=node.end_lineno or node.lineno)
        lines = frozenset(range(node.lineno, max(last, node.lineno) + 1)) if within else frozenset[int]()
        if within:
            self._whole(node, name, body, at, lines)
        if not isinstance(node, ast.Raise) and not _is_log(node):
            for part, value in ast.iter_fields(node):
                for each in value if isinstance(value, list) else [value]:
                    if isinstance(each, ast.expr | ast.withitem) and part != "annotation":
                        self._expression(each, name, lines)
                    elif isinstance(each, ast.match_case) and each.guard:
                        self._expression(each.guard, name, lines | {each.guard.lineno})
        for each in inner:
            self._body(each, name, within)

    def _whole(self, node: ast.stmt, function: str, body: list[ast.stmt], n: int, lines: frozenset[int]) -> None:
        def place(new: ast.stmt) -> Callable[[], Callable[[], None]]:
            def apply() -> Callable[[], None]:
                body[n] = ast.copy_location(new, node)
                return lambda: body.__setitem__(n, node)

            return apply

        call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        if (call and not _is_log(node)) or isinstance(node, ast.Assign | ast.AugAssign | ast.Raise | ast.Delete):
            self._add("deletion", function, node, "pass", lines, place(ast.Pass()))
        elif isinstance(node, ast.Break):
            self._add("break", function, node, "continue", lines, place(ast.Continue()))
        elif isinstance(node, ast.Continue):
            self._add("break", function, node, "break", lines, place(ast.Break()))
        elif isinstance(node, ast.Return) and node.value is not None:
            logical = isinstance(node.value, ast.Compare | ast.BoolOp) or (
                isinstance(node.value, ast.UnaryOp) and isinstance(node.value.op, ast.Not)
            )
            none = isinstance(node.value, ast.Constant) and node.value.value is None
            if logical:
                new: ast.stmt = ast.Return(ast.UnaryOp(ast.Not(), node.value))
                self._add("return", function, node, ast.unparse(new), lines, place(new))
            elif not none:
                self._add("return", function, node, "return None", lines, place(ast.Return(ast.Constant(None))))

    def _default(self, node: ast.expr, function: str) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            self._change("default", function, node, "value", "" if node.value else "another", frozenset())

    def _expression(self, top: ast.AST, function: str, lines: frozenset[int]) -> None:
        strictness = {id(k.value) for k in ast.walk(top) if isinstance(k, ast.keyword) and k.arg == "strict"}
        for node in ast.walk(top):
            if id(node) in strictness:
                continue
            if isinstance(node, ast.Compare):
                for at, op in enumerate(node.ops):
                    self._element("comparison", function, node, node.ops, at, SWAPS[type(op)](), lines)
                for at, value in enumerate(node.comparators):
                    if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
                        self._element("string", function, node, node.comparators, at, ast.Constant(""), lines)
            elif isinstance(node, ast.BoolOp):
                self._change("logic", function, node, "op", SWAPS[type(node.op)](), lines)
            elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
                self._change("not", function, node, "operand", ast.UnaryOp(ast.Not(), node.operand), lines)
            elif isinstance(node, ast.BinOp) and type(node.op) in SWAPS and not _is_text(node):
                self._change("arithmetic", function, node, "op", SWAPS[type(node.op)](), lines)
            elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
                self._change("boolean", function, node, "value", not node.value, lines)
            elif isinstance(node, ast.Constant) and isinstance(node.value, int):
                for step in (1, -1):
                    self._change("integer", function, node, "value", node.value + step, lines)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES:
                self._change("function", function, node.func, "id", NAMES[node.func.id], lines, shown=node)

    def _change(
        self, kind: str, function: str, node: ast.AST, name: str, new: object, lines: frozenset[int],
        shown: ast.AST | None = None,
    ) -> None:  # fmt: skip
        old = getattr(node, name)

        def apply() -> Callable[[], None]:
            setattr(node, name, new)
            return lambda: setattr(node, name, old)

        self._shown(kind, function, shown or node, lines, apply)

    def _element(
        self, kind: str, function: str, node: ast.AST, among: list[Any], at: int, new: ast.AST, lines: frozenset[int]
    ) -> None:
        old = among[at]

        def apply() -> Callable[[], None]:
            among[at] = ast.copy_location(new, node)
            return lambda: among.__setitem__(at, old)

        self._shown(kind, function, node, lines, apply)

    def _shown(
        self, kind: str, function: str, node: ast.AST, lines: frozenset[int], apply: Callable[[], Callable[[], None]]
    ) -> None:
        undo = apply()
        new = ast.unparse(node)
        undo()
        self._add(kind, function, node, new.removeprefix("not not "), lines, apply)

    def _add(
        self, kind: str, function: str, node: Any, new: str, lines: frozenset[int],
        apply: Callable[[], Callable[[], None]],
    ) -> None:  # fmt: skip
        text = self.lines[node.lineno - 1].strip() if 0 < node.lineno <= len(self.lines) else ""
        self.found.append(Mutant(kind, function, node.lineno, text, ast.unparse(node), new, lines, apply))

    def changed(self, mutant: Mutant) -> str:
        """The module's source with one change."""
        undo = mutant.apply()
        try:
            return ast.unparse(ast.fix_missing_locations(self.tree))
        finally:
            undo()

    def compiled(self, mutant: Mutant, file: str) -> CodeType:
        """The module's code with one change, at the lines where it stood."""
        undo = mutant.apply()
        try:
            return compile(ast.fix_missing_locations(self.tree), file, "exec")
        finally:
            undo()


def _is_log(node: ast.stmt) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[0].lower().lstrip("_") in (
        "log",
        "logger",
        "logging",
    )


def _is_text(node: ast.BinOp) -> bool:
    text = (ast.JoinedStr, ast.List, ast.Tuple, ast.ListComp)
    return any(
        isinstance(side, text) or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
        for side in (node.left, node.right)
    )
