"""No module of salus needs itself: imports inside functions and for types alone count as well."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"


def modules():
    for path in sorted((SOURCE / "salus").rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), ast.parse(path.read_text("utf-8"))


def imported(tree, names):
    """The modules of ``names`` that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from {alias.name for alias in node.names} & names
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports name their module in full"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield from {inner if inner in names else node.module} & names


def graph():
    trees = dict(modules())
    return {name: set(imported(tree, trees.keys())) - {name} for name, tree in trees.items()}


def test_no_module_needs_itself():
    TopologicalSorter(graph()).prepare()  # raises CycleError, which names the modules


def test_a_circle_is_noticed():
    found = graph()
    found["salus.errors"].add("salus.app.house")
    with pytest.raises(CycleError):
        TopologicalSorter(found).prepare()


def test_imports_inside_functions_and_for_types_count():
    code = "if TYPE_CHECKING:\n    from a import b\ndef f():\n    import a.c\n    from a import d\n"
    assert set(imported(ast.parse(code), {"a", "a.b", "a.c"})) == {"a.b", "a.c", "a"}
