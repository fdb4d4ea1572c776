"""Running methods over a chart, without I/O. What was not touched by a change is not computed again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from salus.errors import MethodError, SalusError
from salus.fhir import json
from salus.findings import fhir as findings_fhir
from salus.findings.method import Context, Method
from salus.findings.model import Finding
from salus.record.chart import Chart


@dataclass(frozen=True, slots=True)
class Failure:
    """A method that broke: reported, never fatal. ``why`` names the exception but nothing of the patient."""

    method: str
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave: every current finding, the failures, and which methods were computed rather than reused."""

    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...]
    computed: tuple[str, ...]


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
    return Outcome(tuple(found), tuple(failures), tuple(computed))


def _compute(method: Method, context: Context, view: Chart) -> list[Finding]:
    results = list(method.run(view, context))
    subject = view.patient.source.ref.partition("/")[2]
    mark = digest(context, view.terminology.digest)
    complete = [
        _as_kept(f.by(subject=subject, method=method.id, version=method.version, parameters=mark, reads=view.reads))
        for f in results
    ]
    for finding in complete:
        if finding.code not in method.produces:
            raise MethodError(f"returned {finding.code!r}, which it does not list under produces", where=method.id)
    identities = [f.id for f in complete]
    if len(set(identities)) != len(identities):
        raise MethodError("returned two findings of one identity; give each its own target", where=method.id)
    return complete


def _as_kept(finding: Finding) -> Finding:
    """The finding as it will be read back, so that one computed and one stored are equal in every digit.

    Raises MethodError for details that are not plain JSON.
    """
    try:
        return findings_fhir.load(json.loads(json.dumps(findings_fhir.dump(finding))))
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
