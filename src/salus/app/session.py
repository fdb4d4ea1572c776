"""A session: what one authenticated actor may do with patients' records. Every read goes through the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from salus.app import collecting, standing
from salus.app.house import House
from salus.app.session_consents import PRESENT
from salus.app.session_findings import Current, Findings, Refresh
from salus.careplan import kept as kept_plan
from salus.careplan.compose import compose
from salus.careplan.model import Plan
from salus.careplan.severe import severe
from salus.errors import AccessError, StoreError
from salus.fhir.views import CATEGORIES, Body
from salus.findings import fhir as findings_fhir
from salus.findings.method import Method
from salus.findings.model import Finding
from salus.findings.runner import Outcome, run
from salus.record.chart import Chart
from salus.record.reach import Reach
from salus.trust import audit, proof
from salus.trust.grants import Grant
from salus.trust.identity import Actor, Identity
from salus.trust.log import COUNTED
from salus.trust.vault import SYSTEM

__all__ = ["Actor", "Opened", "Session"]

AT_ONCE = 100
"""Records that are decided on in one transaction of the log."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A chart that was released, with the findings its reader may see.

    ``refresh`` tells only of methods that read nothing but what was released.
    """

    chart: Chart
    grant: Grant
    findings: tuple[Finding, ...]
    refresh: Refresh
    released: frozenset[str] = frozenset()
    """The kinds of data that were released, also those which were left out as the reader asked."""


@dataclass(frozen=True, slots=True)
class _Look:
    """A record that was released to a reader.

    ``grant`` is the decision, ``scope`` the part of it that the reader asked for, ``current`` the house's findings.
    ``whole``: the reader may see everything that these were drawn from.
    """

    grant: Grant
    scope: Grant
    chart: Chart
    current: Current
    whole: bool


class Session(Findings):
    """One actor at work in one house."""

    def __init__(self, house: House, identity: Identity) -> None:
        self._begin(house, house.authenticate(identity), identity)

    @classmethod
    def named(cls, house: House, name: str) -> Session:
        """A session of the actor whose private key lies in the identities folder under ``name``."""
        return cls(house, Identity.load(house.configuration.identities, name))

    @classmethod
    def for_actor(cls, house: House, actor: Actor) -> Session:
        """A session of somebody who has proved otherwise who he is, without his private key: it can sign nothing.

        Only :mod:`salus.app.serving.tokens` and what it lets in may call this.
        """
        session = cls.__new__(cls)
        session._begin(house, actor, None)
        return session

    @classmethod
    def for_upkeep(cls, house: House) -> Session:
        """A session of nobody, to whom the gate gives nothing: for :meth:`refresh`, which releases nothing."""
        return cls.for_actor(house, Actor("", "organisation", b""))

    def _begin(self, house: House, actor: Actor, identity: Identity | None) -> None:
        self.house = house
        self.actor = actor
        self._identity = identity
        self._methods: tuple[list[Method], list[tuple[str, str]]] | None = None
        self.beforehand: Callable[[Session, str], None] | None = None
        """Brings a patient's findings up to date before a chart is opened, where that is another's work."""

    # ---- reading

    def open(
        self,
        patient: str,
        at: datetime,
        *,
        purpose: str | None = None,
        without: Sequence[str] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> Opened:
        """Open the patient's chart, with findings brought up to date first.

        ``without`` names categories to leave out, as if they had not been released (to see what they change).
        Raises AccessError, in the same words for a patient who does not exist.
        """
        look = self._look(patient, at, purpose, without, progress)
        _ = look.chart.known  # read now, as it was decided
        if look.whole:
            return self._opened(look, look.current.findings, look.current.refresh)
        drawn = self._drawn_from(look.scope, at, look.current.findings)
        return self._opened(look, drawn.findings, _of_a_part(look, drawn))

    def _look(
        self,
        patient: str,
        at: datetime,
        purpose: str | None,
        without: Sequence[str],
        progress: Callable[[str], None],
    ) -> _Look:
        """Decide, and bring the house's findings up to date."""
        grant = self.house.gate.grant(self.actor, patient, purpose or self._purpose(patient))
        if self.beforehand is not None and abs(at - self.house.clock()) <= PRESENT:
            self.beforehand(self, patient)  # so that what takes long stands already
        current = self._current(patient, at, progress)
        scope = grant.only(grant.categories - frozenset(without))
        whole = current.scope.categories <= scope.categories and not scope.partial
        if current.chart is not None and current.scope.covers_the_same(scope):  # it was read just now
            return _Look(grant, scope, current.chart.fresh(), current, whole)
        return _Look(grant, scope, self.house.gate.chart(scope, at), current, whole)

    def _opened(self, look: _Look, found: tuple[Finding, ...], refresh: Refresh) -> Opened:
        """What the reader gets. He is told of no method that reads what was not released to him."""
        inputs = {m.id: frozenset(m.inputs) for m in self.methods()[0]}
        open_to = look.scope.categories
        told = tuple(f for f in refresh.failures if inputs.get(f.method, frozenset(CATEGORIES)) <= open_to)
        released = look.grant.categories
        return Opened(look.chart.fresh(found), look.scope, found, replace(refresh, failures=told), released)

    def narrower(self, grant: Grant) -> tuple[Finding, ...] | None:
        """The findings for a reader to whom some of their sources are not released; None where all are.

        They are worked out anew from what is released, as if the rest did not exist, and are not kept.
        """
        scope = self.house.gate.processing(grant.patient)
        if scope.categories <= grant.categories and not grant.partial:
            return None
        stored = [f for _, f in self._stored_findings(scope)]
        return self._drawn_from(grant, self.house.clock(), stored).findings

    @collecting.seldom()
    def _drawn_from(self, scope: Grant, at: datetime, previous: Sequence[Finding]) -> Outcome:
        """What the methods draw from what is released and open to processing, as if the rest did not exist."""
        open_to = self.house.gate.processing(scope.patient)
        view = self.house.gate.chart(scope.within(open_to), at)
        if not view.known:
            return Outcome((), (), ())
        return run(self.methods()[0], view, contexts=self.contexts(), previous=previous)

    def plan(
        self,
        patient: str,
        at: datetime,
        *,
        purpose: str | None = None,
        without: Sequence[str] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> tuple[Plan, Opened]:
        """The care plan for this reader and purpose, and the chart it was composed from."""
        look = self._look(patient, at, purpose, without, progress)
        made, opened = self._standing_plan(look, at) or self._new_plan(look, at)
        grant = opened.grant
        conflict = bool(grant.interlocked) and self._conflicts(look, made, at)
        withheld = tuple(c for c in CATEGORIES if c in grant.flagged)
        return replace(made, withheld=withheld, conflict_withheld=conflict), opened

    @collecting.seldom()
    def _new_plan(self, look: _Look, at: datetime) -> tuple[Plan, Opened]:
        """Compose the plan, and keep it as long as it stands."""
        patient, current = look.grant.patient, look.current
        outcome = None if look.whole else self._drawn_from(look.scope, at, current.findings)
        found = current.findings if outcome is None else outcome.findings
        refresh = current.refresh if outcome is None else _of_a_part(look, outcome)
        made = compose(look.chart.fresh(found), found, looked_at=look.scope.categories)
        until = min(current.until, look.chart.until, *([] if outcome is None else [outcome.until]))
        if until > at and not look.scope.partial and not refresh.failures:
            told = {
                "plan": kept_plan.dump(made),
                "drawn": None if outcome is None else [findings_fhir.dump(f) for f in found],
            }
            part = standing.part(look.scope)
            standing.keep(self.house, patient, standing.PLAN, current.ground, (at, until), told, part)
        return made, self._opened(look, found, refresh)

    def _standing_plan(self, look: _Look, at: datetime) -> tuple[Plan, Opened] | None:
        """The plan that was kept for readers to whom the same is released; None where none still holds."""
        current = look.current
        if look.scope.partial or current.until <= at:
            return None
        part = standing.part(look.scope)
        stands = standing.kept(self.house, look.grant.patient, standing.PLAN, current.ground, at, part)
        if stands is None:
            return None
        drawn = stands.told["drawn"]
        found = current.findings if drawn is None else tuple(map(findings_fhir.load, drawn))
        refresh = current.refresh if drawn is None else Refresh((), current.refresh.refused, ())
        made = replace(kept_plan.load(stands.told["plan"], found), at=look.chart.written_at)
        chart = self.house.gate.chart(look.scope, at, unless=partial(self._check_unchanged, look))
        return made, self._opened(replace(look, chart=chart), found, refresh)

    def _check_unchanged(self, look: _Look) -> None:
        """Raise StoreError where the record was written to since its plan was shown, be it by a consent.

        A chart that is read later must be of the same record, and still be released.
        """
        house, patient = self.house, look.grant.patient
        if house.log.written_since(house.store.connection, patient, look.current.ground.written) is not None:
            raise StoreError("the record changed while it was looked at", remedy="try again")

    def _conflicts(self, look: _Look, made: Plan, at: datetime) -> bool:
        """Whether what an interlock withholds makes a severe conflict that the reader's own plan lacks.

        The answer is always about all that is released to the reader now, whatever moment he asks for and whatever he
        leaves out: no way of asking tells him more.
        """
        whole = self.house.gate.interlock(self.actor, look.grant)
        now = self.house.clock()
        if abs(at - now) > PRESENT or look.grant.categories != look.scope.categories:
            at, made = now, self._composed(look.grant, now)
        return not severe(self._composed(whole, at)) <= {item.key for item in made.items}

    def _composed(self, scope: Grant, at: datetime) -> Plan:
        """The plan that follows from what a scope covers, with findings that are worked out anew and are not kept."""
        stored = [f for _, f in self._stored_findings(self.house.gate.processing(scope.patient))]
        found = self._drawn_from(scope, at, stored).findings
        return compose(self.house.gate.chart(scope, at).fresh(found), found, looked_at=scope.categories)

    def resolve(self, name: str) -> str:
        """The patient meant by ``name``: an id, or the value of an identifier as "system|value"."""
        if "|" not in name:
            return name
        system, _, value = name.rpartition("|")
        found = self.house.store.find_identifier(self.house.gate.house(self.actor.id), system, value)
        return found[0] if len(found) == 1 else name

    def administer(self) -> House:
        """The house, for upkeep that only an operator may do. Raises AccessError."""
        if self.actor.kind != "operator":
            raise AccessError("only an operator may do this", remedy="--as an operator")
        return self.house

    def _purpose(self, patient: str) -> str:
        return "PATRQT" if self.actor.patient == patient else "TREAT"

    # ---- consent and the log

    def consents(self, patient: str) -> list[tuple[Body, str]]:
        """The patient's consents, each with "in force" or why it decides nothing, for who may see the record."""
        grant = self.house.gate.grant(self.actor, patient, self._purpose(patient))
        return self.house.gate.standing(grant)

    def patients(self) -> Iterator[tuple[str, frozenset[str]]]:
        """The patients of whom anything is released to this actor, with the categories. Each look is logged."""
        for grant in self.grants() or ():
            yield grant.patient, grant.categories

    def grants(self, most: int | None = None, purpose: str | None = None) -> Iterator[Grant] | None:
        """Grants over everybody of whom anything is released, each logged; None where there are more than ``most``.

        ``purpose`` None: treatment, and of the own record the patient's request.
        """
        reach = self.house.gate.reach(self.actor, purpose or "TREAT")
        if most is not None and len(reach.numbers) > most:
            return None
        return self._grants_of(reach, purpose)

    def _grants_of(self, reach: Reach, purpose: str | None) -> Iterator[Grant]:
        for patients in self._within(reach):
            asked = {patient: purpose or self._purpose(patient) for patient in patients}
            yield from self.house.gate.grants(self.actor, asked, named=False)

    def reachable(self, purpose: str) -> Iterator[str]:
        """Everybody of whom anything is released for ``purpose``. Not logged: each read is decided on by itself."""
        for patients in self._within(self.house.gate.reach(self.actor, purpose)):
            yield from patients

    def _within(self, reach: Reach) -> Iterator[list[str]]:
        scope = self.house.gate.house(self.actor.id)
        onward: int | None = -1
        while onward is not None:
            patients, onward = self.house.store.having(scope, reach, "", (), after=onward, limit=AT_ONCE)
            yield patients

    def break_glass(self, patient: str, why: str, hours: int) -> int | None:
        """Open a record in an emergency, for some hours, on a policy that lets the actor; the patient is told.

        Then :meth:`open` and :meth:`plan` with purpose BTG work. Returns the log entry, None where the log could not be
        written and the emergency journal was. Raises AccessError or InputError.
        """
        return self.house.gate.break_glass(self.actor, patient, why, timedelta(hours=hours))

    def notices(self, patient: str) -> list[Mapping[str, Any]]:
        """The entries of the own log that the patient must be told of.

        They tell of consents on paper, of who may speak for the patient, of emergencies and of holds.
        """
        return [entry for entry in self.accesses(patient) if "notice" in entry]

    def audit_events(self, patient: str, address: str = "") -> list[dict[str, Any]]:
        """Every log entry about the patient as an IHE BALP AuditEvent; for whom, see :meth:`accesses`."""
        return [event for _, event in self.audit_trail(patient, address)][::-1]

    def audit_trail(
        self, patient: str, address: str = "", *, before: int | None = None
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """The same, the newest first, each with its number in the log; only those ``before`` an entry where named."""
        self._check_own(patient)
        house = self.house
        place = audit.Place(house.registry.store_id, house.log.origin, address)
        return (
            (e.n, audit.of_entry(e.content, e.n, place, patient=patient, commitment=e.commitment))
            for e in house.log.newest_first(house.store.connection, patient, before)
        )

    def _check_own(self, patient: str) -> None:
        """Let the patient of a record, or a proxy, see its log; asking is itself an access. Raises AccessError."""
        if self.house.gate.grant(self.actor, patient, self._purpose(patient)).basis != "self":
            raise AccessError("the log of a record is shown to its patient", remedy="--as the patient or a proxy")

    def accesses(self, patient: str) -> list[Mapping[str, Any]]:
        """Every log entry about the patient, for the patient or a proxy: who looked, who wrote, who was refused.

        Asking is itself an access, decided and logged by the gate. Entries of the house that count the patient among
        others are there too, without the others. Raises AccessError for everybody else.
        """
        self._check_own(patient)
        entries = self.house.log.entries(self.house.store.connection, patient=patient)
        own = [{"n": e.n, "topic": e.topic, **e.content} for e in entries]
        return sorted([*own, *self._counts_of(patient)], key=lambda entry: entry["n"])

    def _counts_of(self, patient: str) -> Iterator[dict[str, Any]]:
        number = self.house.store.number_of(self.house.gate.custody(self.actor.id, patient))
        for entry in self.house.log.entries(self.house.store.connection, topic=COUNTED, patient=SYSTEM):
            if number in entry.content["patients"]:
                told = {name: value for name, value in entry.content.items() if name != "patients"}
                yield {"n": entry.n, "topic": entry.topic, **told}

    def proof(self, patient: str, n: int) -> bytes:
        """A proof, to be kept and checked anywhere, that entry ``n`` of the patient's log stands in the house's log."""
        self._check_own(patient)
        house = self.house
        return proof.of_entry(house.store.connection, house.vault, house.log, n, patient)


def _of_a_part(look: _Look, drawn: Outcome) -> Refresh:
    """What is told of a run over a part of a record: not what failed or changed in the rest."""
    return Refresh(drawn.failures, look.current.refresh.refused, ())
