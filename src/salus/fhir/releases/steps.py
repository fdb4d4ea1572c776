"""The interpreter of ``releases.toml``: each verb is a function on one element and its arguments.

Nothing is raised for odd input: what cannot be carried over becomes a loss, what could turn the meaning of a resource
round a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from salus.fhir.releases.tables import Step, tables

RETRACTED = "entered-in-error"
NOWHERE, NEAREST = "-", "~"
Node = dict[str, Any]
Verb = Callable[["Run", Node, Sequence[str]], None]


@dataclass(slots=True)
class Run:
    """One conversion: the type and release that it began with, what was lost, and what was not understood."""

    kind: str
    release: str
    losses: dict[str, None] = field(default_factory=dict)
    refusals: dict[str, None] = field(default_factory=dict)

    def lose(self, name: str, why: str) -> None:
        """Remember an element that was not carried over."""
        self.losses[f"{self.kind}.{name} ({self.release}): {why}"] = None

    def refuse(self, name: str, why: str) -> None:
        """Remember an element that leaves the resource's meaning open."""
        self.refusals[f"{self.kind}.{name} ({self.release}): {why}"] = None


def run_steps(run: Run, node: Node, steps: Sequence[Step]) -> None:
    """Apply steps to a resource or to a part of one."""
    for step in steps:
        for part in parts(node, step.path):
            VERBS[step.verb](run, part, step.arguments)


def parts(node: Any, path: Sequence[str]) -> Iterator[Node]:
    """The objects at a path, lists gone through; the node itself for no path."""
    level = [node]
    for name in path:
        found = [item.get(name) for item in level if isinstance(item, dict)]
        level = [inner for value in found for inner in items(value)]
    yield from (item for item in level if isinstance(item, dict))


def items(value: Any) -> list[Any]:
    """A list's items; the value itself as the only one; none where it is missing."""
    return value if isinstance(value, list) else [] if value is None else [value]


def put(run: Run, node: Node, name: str, value: Any) -> None:
    """Set an element, or add to the list that stands there; what stands there otherwise stays."""
    if value in (None, [], {}):
        return
    if name not in node:
        node[name] = value
    elif isinstance(node[name], list):
        node[name] = [*node[name], *items(value)]
    elif node[name] != value:
        run.lose(name, "stands there twice; one of them is left out")


def first_code(concept: Any) -> str:
    """The code of a CodeableConcept's first coding, or the code itself; "" for anything else."""
    if isinstance(concept, str):
        return concept
    codings = items(concept.get("coding")) if isinstance(concept, dict) else []
    found = [c.get("code") for c in codings if isinstance(c, dict)]
    return next((code for code in found if isinstance(code, str)), "")


# ---- elements that move


def _move(run: Run, node: Node, arguments: Sequence[str]) -> None:
    source, target = arguments
    if source not in node:
        return
    value = node.pop(source)
    if target == NOWHERE:
        run.lose(source, "has no place in R4")
    else:
        put(run, node, target, value)


def _wrap(run: Run, node: Node, arguments: Sequence[str]) -> None:
    source, part, target = arguments
    if source in node:
        put(run, node, target, [{part: item} for item in items(node.pop(source))])


def _lift(run: Run, node: Node, arguments: Sequence[str]) -> None:
    source, part, target = arguments
    if source not in node:
        return
    held = node.pop(source)
    found = [inner for item in items(held) if isinstance(item, dict) for inner in items(item.get(part))]
    left = [{k: v for k, v in item.items() if k != part} for item in items(held) if isinstance(item, dict)]
    if source == target:
        for name in sorted({name for item in left for name in item}):
            run.lose(f"{source}.{name}", "has no place in R4")
    elif any(left):
        node[source] = left if isinstance(held, list) else left[0]
    put(run, node, target, found if len(found) > 1 else found[0] if found else None)


def _spread(run: Run, node: Node, arguments: Sequence[str]) -> None:
    """A list of objects becomes the list of what stands in one of their parts."""
    name, part = arguments
    if name in node:
        node[name] = [inner for item in items(node[name]) if isinstance(item, dict) for inner in items(item.get(part))]


def _nest(run: Run, node: Node, arguments: Sequence[str]) -> None:
    target, *names = arguments
    inner = {name: node.pop(name) for name in names if name in node}
    if inner:
        held = node.get(target)
        node[target] = {**inner, **(held if isinstance(held, dict) else {})}


def _default(run: Run, node: Node, arguments: Sequence[str]) -> None:
    name, value = arguments
    node.setdefault(name, True if value == "true" else value)


def _type(run: Run, node: Node, arguments: Sequence[str]) -> None:
    node["resourceType"] = arguments[0]


def _done(run: Run, node: Node, arguments: Sequence[str]) -> None:
    """Take an element away that earlier steps have carried over."""
    node.pop(arguments[0], None)


def _use(run: Run, node: Node, arguments: Sequence[str]) -> None:
    run_steps(run, node, tables().parts[arguments[0]])


# ---- elements that change their form


def _note(run: Run, node: Node, arguments: Sequence[str]) -> None:
    for text in items(node.pop(arguments[0], None)):
        if isinstance(text, str) and text:
            note = [*items(node.get("note")), {"text": text}]
            node["note"] = note
        elif isinstance(text, dict):
            node["note"] = [*items(node.get("note")), text]


def _join(run: Run, node: Node, arguments: Sequence[str]) -> None:
    name = arguments[0]
    if isinstance(node.get(name), list):
        node[name] = " ".join(part for part in node[name] if isinstance(part, str))


def _one(run: Run, node: Node, arguments: Sequence[str]) -> None:
    name = arguments[0]
    if isinstance(node.get(name), list):
        found = node.pop(name)
        if len(found) == 1:
            node[name] = found[0]
        else:
            run.lose(name, "several are given; which holds is not told")


# ---- codes


def _map(run: Run, node: Node, arguments: Sequence[str]) -> None:
    name, table = arguments
    if name not in node:
        return
    value = node.pop(name)
    found = [new for item in items(value) if (new := translated(run, name, item, table)) is not None]
    if found:
        node[name] = found if isinstance(value, list) else found[0]


def translated(run: Run, name: str, code: Any, table: str) -> str | None:
    """The code that a table gives; None where it has no place in R4, or is not known, which is a refusal."""
    new = tables().codes[table].get(code) if isinstance(code, str) else None
    if new is None:
        run.refuse(name, "a code that is not known")
        return None
    if new == NOWHERE:
        run.lose(name, "this code has no place in R4")
        return None
    if new.startswith(NEAREST):
        run.lose(name, "R4 has no such code: the nearest was taken")
    return new.removeprefix(NEAREST)


def _concept(run: Run, node: Node, arguments: Sequence[str]) -> None:
    """A code as CodeableConcept. One code may give two elements: it stays where it stands if it goes elsewhere."""
    name, table, target = (*arguments, arguments[0])[:3]
    code = node.get(name)
    if code is None or isinstance(code, dict):
        return
    quiet = Run(run.kind, run.release)
    new = translated(quiet, name, code, table)
    run.refusals |= quiet.refusals
    run.losses |= quiet.losses if new is not None or name == target else {}
    if name == target:
        del node[name]
    if new is not None:
        node[target] = {"coding": [{"system": tables().systems[table], "code": new}]}


def _coding(run: Run, node: Node, arguments: Sequence[str]) -> None:
    name, table = arguments
    code = node.get(name)
    if not isinstance(code, str):
        return
    new = tables().codes[table].get(code, NOWHERE)
    if new == NOWHERE:
        run.lose(name, "this code has no place in R4")
        del node[name]
    else:
        node[name] = {"system": tables().systems[table], "code": new}


def _code_of(run: Run, node: Node, arguments: Sequence[str]) -> None:
    name = arguments[0]
    if isinstance(node.get(name), dict):
        code = first_code(node.pop(name))
        if code:
            node[name] = code
        else:
            run.lose(name, "has no code")


def _codings(run: Run, node: Node, arguments: Sequence[str]) -> None:
    """CodeableConcepts become the first coding of the first."""
    name = arguments[0]
    if not isinstance(node.get(name), list):
        return
    found = [c for concept in node.pop(name) if isinstance(concept, dict) for c in items(concept.get("coding"))]
    if found:
        node[name] = found[0]
    if len(found) != 1:
        run.lose(name, "only the first coding is kept" if found else "has no coding")


# ---- what R5 says by concept or reference


def _split(run: Run, node: Node, arguments: Sequence[str]) -> None:
    name, concepts, references = arguments
    if name not in node:
        return
    value = node.pop(name)
    told = [item for item in items(value) if isinstance(item, dict)]
    found = {
        concepts: [item["concept"] for item in told if "concept" in item],
        references: [item["reference"] for item in told if isinstance(item.get("reference"), dict)],
    }
    for target, values in found.items():
        if values and target == NOWHERE:
            run.lose(name, "a concept without reference has no place in R4")
        elif values:
            put(run, node, target, values if isinstance(value, list) else values[0])


def _concepts(run: Run, node: Node, arguments: Sequence[str]) -> None:
    _part_of(run, node, arguments[0], "concept")


def _references(run: Run, node: Node, arguments: Sequence[str]) -> None:
    _part_of(run, node, arguments[0], "reference")


def _part_of(run: Run, node: Node, name: str, part: str) -> None:
    """CodeableReferences become one of their parts; a plain element of R4's kind stays."""
    value = node.get(name)
    if not any(isinstance(item, dict) and (item.keys() & {"concept"} or _is_inner(item)) for item in items(value)):
        return
    found = [item[part] for item in items(value) if isinstance(item, dict) and part in item]
    if len(found) < len(items(value)):
        run.lose(name, f"what has no {part} has no place in R4")
    del node[name]
    if found:
        node[name] = found if isinstance(value, list) else found[0]


def _is_inner(item: Node) -> bool:
    """True for a CodeableReference, whose ``reference`` is an object; a Reference's is a string."""
    return isinstance(item.get("reference"), dict)


# ---- what negates


def _negate(run: Run, node: Node, arguments: Sequence[str]) -> None:
    name, code = arguments
    if name not in node:
        return
    value = node.pop(name)
    if value is True:
        if node.get("status") != RETRACTED:
            node["status"] = code
    elif value is not False:
        run.refuse(name, "neither true nor false")


def _refuse(run: Run, node: Node, arguments: Sequence[str]) -> None:
    if arguments[0] in node:
        run.refuse(arguments[0], arguments[1])


VERBS: dict[str, Verb] = {
    "move": _move,
    "wrap": _wrap,
    "lift": _lift,
    "spread": _spread,
    "nest": _nest,
    "default": _default,
    "type": _type,
    "done": _done,
    "use": _use,
    "note": _note,
    "join": _join,
    "one": _one,
    "map": _map,
    "concept": _concept,
    "coding": _coding,
    "code-of": _code_of,
    "codings": _codings,
    "split": _split,
    "concepts": _concepts,
    "references": _references,
    "negate": _negate,
    "refuse": _refuse,
}
"""Every verb; :mod:`salus.fhir.releases.special` adds those that serve one element only."""
