"""Small patients that are easily misread, and what the plan of 2026-06-01 must and must not say of each.

``cases/*.json`` holds one kind of patient a file. A case names a ``base`` of ``cases/bases.json`` (a person about whom
everything is recorded that a risk needs), what is taken ``without`` from it, what is other of the ``patient`` (null:
not there), and what it ``adds``, in FHIR of ``release``; ``notes`` are letters. ``must`` and ``must_not`` are patterns
over the text of the plan, white space folded, case ignored, without the medicine list (as in
validation/careplan/cases.py); ``listed`` and ``not_listed`` are patterns over the medicine list. ``right`` says in
words what a clinician expects and why, ``source`` where that comes from. ``fails`` marks what is not yet right: the
test must fail then, so that the mark goes with the fault.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from salus.careplan.compose import compose
from salus.careplan.model import Plan
from salus.careplan.text import render
from salus.fhir import blobs, json, views
from salus.fhir.releases import to_r4
from salus.findings.registry import runnable
from salus.findings.runner import run
from salus.intake.fhir_bundle import marked
from salus.record.chart import Chart

AT = datetime(2026, 6, 1, tzinfo=UTC)
FOLDER = Path(__file__).parent / "cases"
BASES: Mapping[str, Any] = json.loads((FOLDER / "bases.json").read_bytes())
FIELDS = frozenset(
    {"id", "why", "right", "source", "base", "without", "patient", "release", "adds", "notes", "must", "must_not",
     "listed", "not_listed", "fails"}
)  # fmt: skip


def _cases() -> list[dict[str, Any]]:
    files = [path for path in sorted(FOLDER.glob("*.json")) if path.name != "bases.json"]
    return [{**case, "id": f"{path.stem}-{case['id']}"} for path in files for case in json.loads(path.read_bytes())]


CASES = _cases()


def _note(number: int, note: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    data = str(note["text"]).encode()
    attachment = {
        "contentType": "text/plain",
        "url": f"{blobs.BLOB_SCHEME}b{number}",
        "size": len(data),
        "title": f"note{number}.txt",
        "extension": [{"url": blobs.EXT_SHA256, "valueString": hashlib.sha256(data).hexdigest()}],
    }
    body: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "id": f"note-{number}",
        "status": "current",
        "meta": {"tag": [{"system": views.TAG_KIND, "code": "note/text"}]},
        "content": [{"attachment": attachment}],
    }
    return body | ({"date": note["date"]} if "date" in note else {}), {f"b{number}": data}


def _resources(case: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The base without what is taken away, and what the case adds, each in R4 as the intake would have it."""
    base = {body["id"]: body for body in BASES[case.get("base", "man")]}
    base["p"] = {k: v for k, v in (base["p"] | case.get("patient", {})).items() if v is not None}
    made = [body for name, body in base.items() if name not in case.get("without", ())]
    for number, added in enumerate(case.get("adds", ()), 1):
        converted = to_r4({"id": f"x{number}", **added}, case.get("release"))
        made.append(marked(converted.resource, converted.refused) if converted.refused else converted.resource)
    return made


def plan_of(case: Mapping[str, Any]) -> Plan:
    """The plan of a case, all methods run."""
    documents = [_note(number, note) for number, note in enumerate(case.get("notes", ()), 1)]
    store = {address: data for _, found in documents for address, data in found.items()}
    chart = Chart.of([*_resources(case), *(body for body, _ in documents)], now=AT, blobs=store)
    outcome = run(runnable({})[0], chart)
    if outcome.failures:
        raise RuntimeError(f"a method failed: {outcome.failures[0]}")
    return compose(chart, outcome.findings, looked_at=views.CATEGORIES)


def _broken(case: Mapping[str, Any]) -> list[str]:
    """What is missing or must not be there."""
    plan = plan_of(case)
    text = " ".join(render(replace(plan, medicines=())).split())
    listed = "\n".join(f"{m.name}, {m.dose}: {m.status}; {'; '.join(m.notes)}" for m in plan.medicines)
    found = [f"missing: {p}" for p in case.get("must", ()) if not re.search(p, text, re.IGNORECASE)]
    found += [f"must not be there: {p}" for p in case.get("must_not", ()) if re.search(p, text, re.IGNORECASE)]
    found += [f"not listed: {p}" for p in case.get("listed", ()) if not re.search(p, listed, re.IGNORECASE)]
    found += [f"listed: {p}" for p in case.get("not_listed", ()) if re.search(p, listed, re.IGNORECASE)]
    return found


def _parameters() -> list[Any]:
    return [pytest.param(case, id=case["id"], marks=_marks(case)) for case in CASES]


def _marks(case: Mapping[str, Any]) -> list[pytest.MarkDecorator]:
    """An error is never an expected failure: only a plan that says the wrong thing is."""
    return [pytest.mark.xfail(reason=case["fails"], strict=True, raises=AssertionError)] if "fails" in case else []


@pytest.mark.parametrize("case", _parameters())
def test_the_plan_says_what_is_right(case: dict[str, Any]) -> None:
    broken = _broken(case)
    assert not broken, f"{case['right']} But {'; '.join(broken)}"


def test_cases_are_well_formed() -> None:
    assert len(CASES) >= 80
    assert len({case["id"] for case in CASES}) == len(CASES)
    for case in CASES:
        assert set(case) <= FIELDS, case["id"]
        assert case["why"], case["id"]
        assert case["right"], case["id"]
        assert any(case.get(name) for name in ("must", "must_not", "listed", "not_listed")), case["id"]
