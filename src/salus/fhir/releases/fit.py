"""The last step of a conversion: what R4 knows in another form is adapted, what it has no place for is dropped."""

from __future__ import annotations

from typing import Any

from salus.fhir.releases.recognise import MAX_DEPTH, R4, form_of
from salus.fhir.releases.steps import Node, Run
from salus.fhir.releases.tables import Table, is_common, tables


def fit(run: Run, body: Node) -> None:
    """Make every element of ``body`` one that R4 has, as far as the element table goes."""
    table = tables().of(str(body.get("resourceType")))
    if table is not None:
        parents = frozenset(path.rpartition(".")[0] for path, forms in table.forms.items() if R4 in forms)
        _fit(run, body, table, parents, "", 0)


def _fit(run: Run, node: Node, table: Table, parents: frozenset[str], prefix: str, depth: int) -> None:
    for name in [n for n in node if not is_common(n)]:
        path = prefix + name
        wanted = table.forms.get(path, {}).get(R4)
        if wanted is None:
            del node[name]
            run.lose(path, "has no place in R4")
            continue
        adapted = _adapted(run, path, node[name], wanted)
        if adapted is None:
            del node[name]
            run.lose(path, "stands there in a form that R4 does not have")
            continue
        node[name] = adapted
        if path in parents and depth < MAX_DEPTH:
            for item in adapted if isinstance(adapted, list) else [adapted]:
                if isinstance(item, dict):
                    _fit(run, item, table, parents, f"{path}.", depth + 1)


def _adapted(run: Run, path: str, value: Any, wanted: str) -> Any:
    """The value in the form that R4 wants; None where it cannot be given it."""
    form = form_of(value)
    if form == wanted:
        return value
    if wanted == "l" and form != "?":
        return [value]
    if form == "l" and value and form_of(value[0]) == wanted:
        if len(value) > 1:
            run.lose(path, "R4 has one only: the first is kept")
        return value[0]
    return None
