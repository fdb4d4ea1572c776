"""A record's findings as a session keeps them: brought up to date, stored, and standing until their ground changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from salus.app import collecting, standing
from salus.app.sandbox import process as sandbox
from salus.app.serving import refresh_turns
from salus.app.session_consents import PRESENT, Consents
from salus.app.standing import Ground
from salus.app.terminology import packs
from salus.fhir.views import OWN_ID
from salus.findings import fhir as findings_fhir
from salus.findings import registry as methods
from salus.findings.method import Context, Method
from salus.findings.model import Finding
from salus.findings.runner import Failure, Outcome, run
from salus.record.chart import Chart
from salus.record.reading import Stored
from salus.record.store import Change
from salus.trust.grants import Grant


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a run of the methods over a record did. It says nothing of what they found."""

    failures: tuple[Failure, ...]
    refused: tuple[tuple[str, str], ...]
    computed: tuple[str, ...]
    new: int = 0
    amended: int = 0
    superseded: int = 0


@dataclass(frozen=True, slots=True)
class Current:
    """All findings of a record as they hold, and what the run did.

    ``scope`` is what is open to processing. ``chart`` is what was read of it, None where nothing had to be read. The
    findings hold until ``until``, as long as ``ground`` is the same.
    """

    findings: tuple[Finding, ...]
    refresh: Refresh
    scope: Grant
    ground: Ground
    until: datetime
    chart: Chart | None = None


class Findings(Consents):
    """What a session does with the methods: which may run, and what of them stands."""

    _methods: tuple[list[Method], list[tuple[str, str]]] | None

    def methods(self) -> tuple[list[Method], list[tuple[str, str]]]:
        """The methods that may run, and why the others may not."""
        if self._methods is None:
            laid_over = packs(self.house.configuration)
            self._methods = methods.runnable(self.house.registry.methods, partial(sandbox.confined, packs=laid_over))
            self.house.produced = _codes(self._methods[0])
        return self._methods

    def produced(self) -> frozenset[str]:
        """The codes of the findings that methods may give. Packages are looked up once for each house."""
        if self._methods is None and self.house.produced is not None:
            return self.house.produced
        return _codes(self.methods()[0])

    def contexts(self) -> Mapping[str, Context]:
        """Each method's context: the knowledge files in the folder of its name."""
        found = {}
        for method in self.methods()[0]:
            folder = self.house.configuration.knowledge / method.id
            files = {p.name: p.read_bytes() for p in sorted(folder.iterdir())} if folder.is_dir() else {}
            if files:
                found[method.id] = Context({}, files, {n: hashlib.sha256(b).hexdigest() for n, b in files.items()})
        return found

    def refresh(self, patient: str, at: datetime | None = None) -> Refresh:
        """Bring the stored findings up to date. This is the house's own service: it releases nothing to anybody.

        One process at a time does it for a record. Raises StoreError where another takes too long.
        """
        with refresh_turns.taken(self.house, patient):
            return self._current(patient, at or self.house.clock(), lambda _: None).refresh

    @collecting.seldom()
    def _current(self, patient: str, at: datetime, progress: Callable[[str], None]) -> Current:
        """All findings that hold at ``at``.

        What holds now is stored. What held at another moment is computed and not kept. Where nothing changed since the
        last run on which they could depend, the stored ones stand, and nothing is read or run.
        """
        runnable, refused = self.methods()
        contexts = self.contexts()
        present = abs(at - self.house.clock()) <= PRESENT
        scope = self.house.gate.processing(patient)
        ground = standing.ground(self.house, scope, runnable, contexts)
        if present and (stands := standing.kept(self.house, patient, standing.FINDINGS, ground, at)):
            found = tuple(map(findings_fhir.load, stands.told["findings"]))
            return Current(found, Refresh((), tuple(refused), ()), scope, ground, stands.until)
        chart, grant = self.house.gate.service_chart(patient, at)
        stored = {f.id: (s, f) for s, f in self._stored_findings(grant)}
        outcome = Outcome((), (), (), at)
        if chart.known:
            previous = standing.with_newest_reads(self.house, patient, [f for _, f in stored.values()])
            outcome = run(runnable, chart, contexts=contexts, previous=previous, progress=progress)
        refresh = Refresh(outcome.failures, tuple(refused), outcome.computed)
        if not present:
            return Current(outcome.findings, refresh, grant, ground, at, chart)
        changes, counts = _difference(stored, {f.id: f for f in outcome.findings}, self.house.time())
        leaf = None
        if changes:
            leaf = self.house.commit(grant, changes, reason="findings").leaf
        new, amended, superseded = (counts[k] for k in ("new", "amended", "superseded"))
        done = replace(refresh, new=new, amended=amended, superseded=superseded)
        if leaf is not None:  # our own entry vouches for the record only where nobody wrote before it
            if self.house.log.wrote_between(self.house.store.connection, patient, ground.written, leaf):
                return Current(outcome.findings, done, grant, ground, at, chart)
            ground = replace(ground, written=leaf)
        if outcome.failures or outcome.until <= at or not grant.covers_the_same(scope):
            return Current(outcome.findings, done, grant, ground, at, chart)
        told = {"findings": [findings_fhir.dump(f) for f in outcome.findings]}
        standing.keep(self.house, patient, standing.FINDINGS, ground, (at, outcome.until), told)
        return Current(outcome.findings, done, grant, ground, outcome.until, chart)

    def _stored_findings(self, grant: Grant) -> list[tuple[Stored, Finding]]:
        stored = self.house.store.read(
            self.house.gate.stored_findings(grant), ("Observation", "RiskAssessment"), prefix=OWN_ID
        )
        return [
            (s, findings_fhir.from_fhir(s.body))
            for s in stored
            if findings_fhir.EXTENSION.encode() in s.data and findings_fhir.is_finding(s.body)
        ]


def _codes(runnable: Sequence[Method]) -> frozenset[str]:
    return frozenset(code for method in runnable for code in method.produces)


def _difference(
    stored: Mapping[str, tuple[Stored, Finding]], current: Mapping[str, Finding], at: str
) -> tuple[list[Change], dict[str, int]]:
    """The changes that bring the stored findings to ``current``: what is the same is not written again."""
    changes: list[Change] = []
    counts = {"new": 0, "amended": 0, "superseded": 0}
    for id, finding in current.items():
        earlier = stored.get(id)
        if earlier and earlier[1].version_hash == finding.version_hash:
            continue
        counts["amended" if earlier else "new"] += 1
        written = [
            Change(str(body["resourceType"]), str(body["id"]), body)
            for body in findings_fhir.to_fhir(finding, at, amended=earlier is not None)
        ]
        if earlier and earlier[0].body["resourceType"] != written[0].type:  # an Observation became a RiskAssessment
            changes.append(_deletion(earlier[0].source.ref))
        changes.extend(written)
    for id, (source, _) in stored.items():
        if id not in current:
            counts["superseded"] += 1
            changes.append(_deletion(source.source.ref))
            changes.append(_deletion(f"Provenance/{findings_fhir.resource_id(id)}{findings_fhir.PROVENANCE_SUFFIX}"))
    return changes, counts


def _deletion(ref: str) -> Change:
    kind, _, name = ref.partition("/")
    return Change(kind, name, None)
