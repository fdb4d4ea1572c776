"""Computing rows of a view, findings or plans from the records of a mirror. Pure: no store, no house, no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from salus.app.sandbox import process as sandbox
from salus.careplan import kept as kept_plan
from salus.careplan.compose import compose
from salus.errors import ConfigurationError
from salus.fhir import json
from salus.fhir.views import CATEGORIES
from salus.findings import fhir as findings_fhir
from salus.findings import measured_code, registry
from salus.findings.method import Context, Method
from salus.findings.runner import Outcome, run
from salus.findings.runner import digest as context_digest
from salus.population import views
from salus.population.cluster import Made
from salus.population.records import Record
from salus.record.chart import Chart
from salus.record.moment import FAR
from salus.terminology.reader import Terminology, shipped

ROWS, FINDINGS, PLANS = "rows", "findings", "plans"
_CODE = "salus.app.research.shard_work"


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is to compute. It holds no data of patients.

    ``kind`` is ROWS, FINDINGS or PLANS, ``at`` the moment. ``definition`` is the ViewDefinition for rows; ``allowed``
    are the other packages that may run, with their hashes; ``contexts`` are the parameters and knowledge of methods;
    ``packs`` are terminology files that extend the shipped one, on a file system that all workers share. ``digest`` is
    over all but the moment, with the code, the methods and the terminology of the process that made the job.
    """

    kind: str
    at: datetime
    definition: Mapping[str, Any] = field(default_factory=dict)
    allowed: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, Context] = field(default_factory=dict, repr=False)
    packs: tuple[Path, ...] = ()
    digest: str = ""


def digest(job: Job) -> str:
    """SHA-256 (hex) of all that the results of the job follow from in this process, except records and the moment."""
    told: dict[str, Any] = {"kind": job.kind, "definition": job.definition}
    runs: list[Method] = []
    if job.kind != ROWS:
        mark = _terminology(job.packs).digest
        runs = _methods(job)
        told["methods"] = [[m.id, m.version, context_digest(job.contexts.get(m.id, Context()), mark)] for m in runs]
    told["code"] = measured_code.digest(tuple(sorted({_CODE, *(type(m).__module__ for m in runs)})))
    return hashlib.sha256(json.dumps(told, canonical=True)).hexdigest()


def work(job: Job, records: Iterable[Record]) -> Made:
    """The results of the job for the records of one shard.

    Raises ConfigurationError where salus, its methods or the terminology differ from those that the job was made with.
    """
    if digest(job) != job.digest:
        remedy = "install the same release everywhere, and share the folder of knowledge"
        raise ConfigurationError("a worker has another salus, other methods or another terminology", remedy=remedy)
    make = {ROWS: _rows, FINDINGS: _findings, PLANS: _plan}[job.kind]
    lines: list[bytes] = []
    until = FAR
    for record in records:
        made = make(job, record)
        lines.extend(made.lines)
        until = min(until, made.until)
    return Made(tuple(lines), until)


def _rows(job: Job, record: Record) -> Made:
    view = views.read(job.definition)
    bodies = [body for _, body in record.chart(job.at, shipped()).resources()]
    return Made(tuple(map(json.dumps, view.rows(bodies))), FAR)


def _findings(job: Job, record: Record) -> Made:
    outcome = _drawn(job, record)
    found = [json.dumps({"patient": record.patient, "finding": findings_fhir.dump(f)}) for f in outcome.findings]
    failed = [json.dumps({"patient": record.patient, "failed": f.method, "why": f.why}) for f in outcome.failures]
    return Made((*found, *failed), job.at if failed else outcome.until)


def _plan(job: Job, record: Record) -> Made:
    """The plan of a patient, without its moment. No interlock is asked, which needs the house."""
    outcome, chart = _drawn(job, record), _chart(job, record)
    made = kept_plan.dump(compose(chart.fresh(outcome.findings), outcome.findings, looked_at=record.categories))
    told = {name: value for name, value in made.items() if name not in ("subject", "name", "at", "conflict_withheld")}
    told["withheld"] = [c for c in CATEGORIES if c in record.withheld]
    failed = [{"method": f.method, "why": f.why} for f in outcome.failures]
    line = json.dumps({"patient": record.patient, **told, "failures": failed})
    return Made((line,), job.at if failed else min(chart.until, outcome.until))


def _drawn(job: Job, record: Record) -> Outcome:
    """The outcome of the methods over the data that are released and not closed to processing."""
    chart = _chart(job, record, processed=True)
    if not chart.known:
        return Outcome((), (), ())
    return run(_methods(job), chart, contexts=job.contexts)


def _chart(job: Job, record: Record, *, processed: bool = False) -> Chart:
    return record.chart(job.at, _terminology(job.packs), processed=processed)


def _methods(job: Job) -> list[Method]:
    return list(_runnable(tuple(sorted(job.allowed.items())), job.packs))


@cache
def _runnable(allowed: tuple[tuple[str, str], ...], packs: tuple[Path, ...]) -> tuple[Method, ...]:
    return tuple(registry.runnable(dict(allowed), partial(sandbox.confined, packs=packs))[0])


@cache
def _terminology(packs: tuple[Path, ...]) -> Terminology:
    return Terminology(packs) if packs else shipped()
