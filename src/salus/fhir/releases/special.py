"""Verbs that serve one element only: dosages, what R5 says of adherence and participants, and the like."""

from __future__ import annotations

from collections.abc import Sequence

from salus.fhir.releases.steps import NOWHERE, RETRACTED, VERBS, Node, Run, first_code, items, put, translated
from salus.fhir.releases.tables import tables

_RATES = ("doseQuantity", "doseRange", "rateRatio", "rateRange", "rateQuantity")
_RUNNING = ("active", "recurrence", "relapse")


def _doses(run: Run, node: Node, _: Sequence[str]) -> None:
    """Dose and rate of a Dosage stand in ``doseAndRate`` since R4."""
    found = {name: node.pop(name) for name in _RATES if name in node}
    if found:
        put(run, node, "doseAndRate", [found])


def _taken(run: Run, node: Node, arguments: Sequence[str]) -> None:
    """STU3's ``taken``: no, unknown and not applicable become the status."""
    name = arguments[0]
    if name not in node:
        return
    code = node.pop(name)
    if tables().codes["taken"].get(code if isinstance(code, str) else "") == NOWHERE:
        return  # it is taken: the status says how
    status = translated(run, name, code, "taken")
    if status is not None and node.get("status") != RETRACTED:
        node["status"] = status


def _adherence(run: Run, node: Node, arguments: Sequence[str]) -> None:
    """R5: ``status`` says only that the statement was recorded; ``adherence`` says whether the medicine is taken."""
    name, status = arguments[0], node.get("status")
    said = node.pop(name, None)
    if status == RETRACTED or (said is None and status not in ("recorded", "draft")):
        return
    if isinstance(said, dict):
        put(run, node, "statusReason", items(said.get("reason")))
        code = first_code(said.get("code"))
        found = translated(run, f"{name}.code", code or None, "adherence")
        if status == "draft" and found:
            run.lose("status", "is a draft; R4's unknown was taken")
        node["status"] = "unknown" if status == "draft" else found or "unknown"
        return
    period = node.get("effectivePeriod")
    running = status == "recorded" and isinstance(period, dict) and "start" in period and "end" not in period
    node["status"] = "active" if running else "unknown"
    if not running:
        run.lose("status", "does not say whether the medicine is taken; R4's unknown was taken")


def _abated(run: Run, node: Node, arguments: Sequence[str]) -> None:
    """``abatementBoolean``: a condition that has ended is resolved, unless it is said to go on as well."""
    name = arguments[0]
    if name not in node:
        return
    value = node.pop(name)
    if value is True and node.get("clinicalStatus") in _RUNNING:
        run.refuse(name, "both over and active")
    elif value is True:
        node.setdefault("clinicalStatus", "resolved")
    elif value is not False:
        run.refuse(name, "neither true nor false")


def _related(run: Run, node: Node, arguments: Sequence[str]) -> None:
    """Observation.related: members and sources have elements of their own in R4, the other relations have none."""
    name = arguments[0]
    for item in items(node.pop(name, None)):
        kind = item.get("type") if isinstance(item, dict) else None
        target = tables().codes["related"].get(kind) if isinstance(kind, str) else None
        if target and isinstance(item.get("target"), dict):
            put(run, node, target, [item["target"]])
        else:
            run.lose(name, "this relation has no place in R4")


def _evidence(run: Run, node: Node, arguments: Sequence[str]) -> None:
    """R5: each evidence is a CodeableReference."""
    name = arguments[0]
    found = []
    for item in items(node.pop(name, None)):
        if isinstance(item, dict) and ("concept" in item or isinstance(item.get("reference"), dict)):
            code = {"code": [item["concept"]]} if "concept" in item else {}
            detail = {"detail": [item["reference"]]} if isinstance(item.get("reference"), dict) else {}
            found.append({**code, **detail})
        else:
            found.append(item)
    if found:
        node[name] = found


def _participants(run: Run, node: Node, arguments: Sequence[str]) -> None:
    """R5: who recorded and who asserts stands in a list of participants."""
    name = arguments[0]
    for item in items(node.pop(name, None)):
        code = first_code(item.get("function")) if isinstance(item, dict) else ""
        target = tables().codes["participant"].get(code)
        if target and target not in node and isinstance(item.get("actor"), dict):
            node[target] = item["actor"]
        else:
            run.lose(name, "this participant has no place in R4")


def _numbered(run: Run, node: Node, arguments: Sequence[str]) -> None:
    """R5: the number of a dose is a string."""
    name = arguments[0]
    value = node.pop(name, None)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9:
        node[f"{name}PositiveInt"] = int(value)
    elif isinstance(value, str):
        node[f"{name}String"] = value


def _invert(run: Run, node: Node, arguments: Sequence[str]) -> None:
    """``reported`` is the opposite of ``primarySource``."""
    name, target = arguments
    value = node.pop(name, None)
    if isinstance(value, bool):
        node.setdefault(target, not value)


def _ended(run: Run, node: Node, arguments: Sequence[str]) -> None:
    """DSTU2: when a prescription was stopped becomes the end of its validity."""
    name = arguments[0]
    value = node.pop(name, None)
    if value is None:
        return
    held = node.get("dispenseRequest")
    supply = held if isinstance(held, dict) else {}
    period = supply.get("validityPeriod")
    validity = period if isinstance(period, dict) else {}
    if "end" in validity:
        run.lose(name, "its validity has another end")
    else:
        node["dispenseRequest"] = {**supply, "validityPeriod": {**validity, "end": value}}


def _rendered(run: Run, node: Node, arguments: Sequence[str]) -> None:
    """R5: the dosage in words, where it is given in no other way."""
    text, target = node.pop("renderedDosageInstruction", None), arguments[0]
    if isinstance(text, str) and text and not node.get(target):
        node[target] = [{"text": text}]


VERBS.update(
    {
        "doses": _doses,
        "taken": _taken,
        "adherence": _adherence,
        "abated": _abated,
        "related": _related,
        "evidence": _evidence,
        "participants": _participants,
        "numbered": _numbered,
        "invert": _invert,
        "ended": _ended,
        "rendered": _rendered,
    }
)
