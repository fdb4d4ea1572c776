"""Running methods over a chart, without I/O. What was not touched by a change is not computed again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from salus.errors import MethodError, SalusError
from salus.fhir import json
from salus.findings import fhir as findings_fhir
from salus.findings.method import Context, Method
from salus.findings.model import Finding
from salus.record.chart import Chart, Read
from salus.record.moment import FAR

NOTHING = "none"
"""A kind of resource that no chart holds: asking for it reads nothing."""
MAX_FINDINGS = 5_000
"""Findings of one method over one chart."""
MAX_BYTES = 16 << 20
"""Bytes of all of one method's findings as they are stored. A method that gives more has failed: none of it is kept."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A method that broke: reported, never fatal. ``why`` names the exception but nothing of the patient."""

    method: str
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave: every current finding, the failures, and which methods were computed rather than reused.

    On an unchanged record all of it holds until ``until``: then an answer that depends on the time may differ.
    """

    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...]
    computed: tuple[str, ...]
    until: datetime = FAR


def digest(context: Context, terminology: str) -> str:
    """SHA-256 over parameters, knowledge digests and the terminology's digest: part of every finding's version."""
    content = {
        "parameters": dict(context.parameters),
        "knowledge": dict(context.digests),
        "terminology": terminology,
    }
    return hashlib.sha256(json.dumps(content, canonical=True)).hexdigest()


def run(
    methods: Sequence[Method],
    chart: Chart,
    *,
    contexts: Mapping[str, Context] | None = None,
    previous: Sequence[Finding] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Run ``methods`` (in the registry's order) over ``chart``.

    ``previous`` are stored findings: where a method's whole read set still gives the same and neither its version nor
    its context changed, its stored findings are taken as they are.
    """
    found: list[Finding] = []
    failures: list[Failure] = []
    computed: list[str] = []
    stored: dict[str, list[Finding]] = {}
    for finding in previous:
        stored.setdefault(finding.method, []).append(finding)
    for method in methods:
        progress(method.id)
        context = (contexts or {}).get(method.id, Context())
        view = chart.fresh(found)
        earlier = stored.get(method.id, [])
        if _still_holds(method, context, earlier, view):
            found.extend(earlier)
            continue
        try:
            found.extend(_compute(method, context, view))
            computed.append(method.id)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's method may raise anything
            failures.append(Failure(method.id, _describe(error)))
            found.extend(f for f in earlier if all(view.replay(r) for r in f.read_set if r.accessor != "now"))
    return Outcome(tuple(found), tuple(failures), tuple(computed), chart.until)


def _compute(method: Method, context: Context, view: Chart) -> list[Finding]:
    results = list(islice(method.run(view, context), MAX_FINDINGS + 1))
    if len(results) > MAX_FINDINGS:
        raise MethodError(f"returned more than {MAX_FINDINGS:,} findings", where=method.id)
    subject = view.patient.source.ref.partition("/")[2]
    mark = digest(context, view.terminology.digest)
    room, reads = _Room(), _reads(method, view)
    complete = [
        _as_kept(f.by(subject=subject, method=method.id, version=method.version, parameters=mark, reads=reads), room)
        for f in results
    ]
    for finding in complete:
        if finding.code not in method.produces:
            raise MethodError(f"returned {finding.code!r}, which it does not list under produces", where=method.id)
    identities = [f.id for f in complete]
    if len(set(identities)) != len(identities):
        raise MethodError("returned two findings of one identity; give each its own target", where=method.id)
    return complete


def _reads(method: Method, view: Chart) -> tuple[Read, ...]:
    """What was read. A method that was handed whole kinds of data has read all of them, whatever it says itself.

    Such a method (see :mod:`salus.app.sandbox.process`) names them in ``handed``. They stand with a read that never
    changes, so that who may not see one of them does not see the finding.
    """
    handed: frozenset[str] = getattr(method, "handed", frozenset())
    if not handed:
        return view.reads
    view.momentary()  # what such a method makes of the time is not known
    twin = view.fresh()
    twin.modified(NOTHING)
    return tuple(sorted((*view.reads, replace(twin.reads[0], categories=handed))))


@dataclass(slots=True)
class _Room:
    """How many bytes the findings of one run may still take."""

    left: int = MAX_BYTES


def _as_kept(finding: Finding, room: _Room | None = None) -> Finding:
    """The finding as it will be read back, so that one computed and one stored are equal in every digit.

    Raises MethodError for details that are not plain JSON, and for a finding that ``room`` has no room for.
    """
    try:
        data = json.dumps(findings_fhir.dump(finding))
        if room is not None:
            room.left -= len(data)
            if room.left < 0:
                raise MethodError(f"returned findings of more than {MAX_BYTES >> 20} MiB", where=finding.method)
        return findings_fhir.load(json.loads(data))
    except TypeError as error:
        raise MethodError("returned a finding that is not plain JSON", where=finding.method) from error


def _still_holds(method: Method, context: Context, earlier: Sequence[Finding], view: Chart) -> bool:
    if not earlier:
        return False
    mark = digest(context, view.terminology.digest)
    if any(f.method_version != method.version or f.parameters_digest != mark for f in earlier):
        return False
    reads = {r for f in earlier for r in f.read_set}
    return all(view.replay(read) for read in reads)


def _describe(error: BaseException) -> str:
    if isinstance(error, SalusError):
        return error.what
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    place = f" at {frame.tb_frame.f_code.co_name}:{frame.tb_lineno}" if frame else ""
    return f"{type(error).__name__}{place}"
