"""One patient under live monitoring: the state of the rules, rebuilt from the record, and its alerts as FHIR.

This state is called the patient's machine: readings are shown to it in order of time, and it opens and ends alerts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from salus.app.opened import Opened
from salus.fhir import dates, views
from salus.fhir.columns import exact, whole
from salus.fhir.quantity import Quantity
from salus.fhir.views import OWN_ID, TAG_KIND, TAG_SETTING, Body
from salus.intake.live.readings import KEY_SYSTEM, TAG_LATE, Sent, reference, sent_in
from salus.monitoring._chart import pregnant
from salus.monitoring.alerts import SILENT, Context, Transition, Watch
from salus.monitoring.live import Acknowledgement, Event, Key, Reading, Setting, Stay, table
from salus.monitoring.live_stream import Stream, Verdict
from salus.record.chart import Chart
from salus.record.store import Change
from salus.terminology.naming import names_by

ASSIGNED = "urn:salus:live:assigned"
RULE = "urn:salus:alert:rule"
STEP = "urn:salus:alert:transition"
AMENDED = "urn:salus:alert:late-reading"
MIN_AGE = 18


@dataclass(frozen=True, slots=True)
class Assignment:
    """A device and how it is watched.

    ``silent_after`` is the time without a reading after which the device counts as silent; None where its silence is
    not watched. ``since`` is when it began to measure the patient; None: when the assignment was written.
    """

    device: str
    setting: Setting
    silent_after: timedelta | None
    since: datetime | None = None


@dataclass(slots=True)
class Person:
    """The state of one patient. ``reason`` says why no rule is applied; "" when they are."""

    patient: str
    devices: dict[str, Assignment]
    watch: Watch
    stream: Stream
    reason: str
    leaf: int
    late: list[tuple[datetime, Key]] = field(default_factory=list)
    first: datetime | None = None
    written: dict[str, Body] = field(default_factory=dict)
    refs: dict[Key, str] = field(default_factory=dict)
    """References to the readings that alerts may name."""


def reading(sent: Sent, setting: Setting) -> Reading:
    """A reading as the machine takes it.

    Zeros at the end of its numbers are dropped, as the record does: it is the same from the line and from the record.
    """
    values = {name: exact(*whole(value)) for name, value in sent.values.items()}
    return Reading(sent.device, sent.code, sent.moment, sent.seq, values, setting)


def load(house: Opened, patient: str) -> Person:
    """Rebuild the machine from what the record holds and the patient has not closed to processing."""
    chart, grant = house.gate.service_chart(patient, house.clock() + table().future)
    bodies = [body for _, body in chart.resources()]
    devices = {a.device: a for a in _assignments(bodies)}
    reason = "the patient has closed these data to processing" if "signal" not in grant.categories else _why_not(chart)
    silent = {a.device: a.silent_after for a in devices.values() if a.silent_after}
    watch = Watch(Context(patient, silent, _stays(chart)), () if reason else None)
    stream = Stream(table().lateness, watch.apply, watch.tick)
    person = Person(patient, devices, watch, stream, reason, grant.leaf or 0)
    for event, late, ref in sorted(events(bodies), key=lambda found: (found[0].at, found[0].key)):
        person.refs[event.key] = ref
        remember(person, event, late=late)
    person.written = {str(b["id"]): b for b in bodies if b["resourceType"] == "Flag" and _of(b, RULE)}
    return person


def show(person: Person, sent: Sent, setting: Setting) -> Verdict:
    """Show a new reading to the machine, and say what it is to it: "accepted", "late", "duplicate" or "conflict"."""
    event = reading(sent, setting)
    verdict = person.stream.offer(event)
    if verdict in ("duplicate", "conflict"):
        return verdict
    if verdict == "late":
        person.late.append((event.at, event.key))
    person.first = min(person.first or event.at, event.at)
    person.refs[event.key] = reference(sent, person.patient, setting)
    return verdict


def remember(person: Person, event: Event, *, late: bool) -> None:
    """Show a stored event to the machine. One that was late when it came is remembered and has no effect on alerts."""
    if isinstance(event, Reading):
        person.first = min(person.first or event.at, event.at)
    if late:
        person.stream.known(event)
        person.late.append((event.at, event.key))
    else:
        person.stream.offer(event)


def _why_not(chart: Chart) -> str:
    if not chart.known:
        return "the record does not say who the person is"
    if chart.patient.deceased:
        return "the person has died"
    birth = chart.patient.birth
    youngest = dates.age_years(dates.Span(birth.end, birth.end), chart.now) if birth else None
    if youngest is None or youngest < MIN_AGE:
        return "the rules are for adults, and the age is under 18 or not known"
    return "the rules are not for use in pregnancy" if pregnant(chart) else ""


def _assignments(bodies: list[Body]) -> Iterator[Assignment]:
    for body in bodies:
        found = assignment(body)
        if found is not None:
            yield found


def assignment(body: Body) -> Assignment | None:
    """What a Device resource says of monitoring; None where it says nothing, or no longer."""
    parts = parts_of(body, ASSIGNED)
    if body.get("resourceType") != "Device" or body.get("status") != "active" or "device" not in parts:
        return None
    seconds = parts.get("silent-after", 0)
    silent_after = timedelta(seconds=int(seconds)) if seconds else None
    since = dates.instant(parts["since"]) if "since" in parts else None
    return Assignment(parts["device"], parts["setting"], silent_after, since)


def _stays(chart: Chart) -> list[Stay]:
    found = []
    for event in chart.events("Encounter"):
        if "acute-encounter" not in event.concepts or event.period is None or event.status in ("cancelled", "planned"):
            continue
        period = event.body.get("period")
        ended = isinstance(period, dict) and period.get("end")
        if ended or event.status in ("arrived", "triaged", "in-progress"):
            found.append(Stay(event.period.start, event.period.end if ended else None))
    return found


def events(bodies: Iterable[Body]) -> Iterator[tuple[Event, bool, str]]:
    """The readings and acknowledgements among resources.

    Of each: the event, whether it was late when it came, and the reference to it.
    """
    for body in bodies:
        if body["resourceType"] == "Observation":
            found = _stored(body)
            if found is not None:
                yield found, bool(views.tags(body, TAG_LATE)), f"Observation/{body['id']}"
            setting: Setting = "home" if "home" in views.tags(body, TAG_SETTING) else "ward"
            yield from ((reading(sent, setting), late, ref) for sent, late, ref in sent_in(body))
        elif body["resourceType"] == "Task" and str(body["id"]).startswith(OWN_ID):
            focus = str(body.get("focus", {}).get("reference", ""))
            if focus.startswith(f"Flag/{OWN_ID}"):
                by = str(body["owner"]["identifier"]["value"])
                alert, at = focus.removeprefix(f"Flag/{OWN_ID}"), dates.instant(body["authoredOn"])
                yield Acknowledgement(alert, at, by), False, f"Task/{body['id']}"


def _stored(body: Body) -> Reading | None:
    """A reading back from its Observation; None for an Observation that came otherwise."""
    named = [i["value"] for i in views.dicts(body.get("identifier")) if i.get("system") == KEY_SYSTEM]
    if not named:
        return None
    device = str(body["device"]["display"])
    code, _, seq = str(named[0]).removeprefix(f"{device} ").split(" ", 2)
    view = views.observation(views.Source("", 1, ""), body, names_by())
    stated = dict(view.components) or {code: view.value}
    values = {k: v.value for k, v in stated.items() if isinstance(v, Quantity)}
    assert view.effective is not None
    setting: Setting = "home" if view.setting == "home" else "ward"
    plain = {name: exact(*whole(value)) for name, value in values.items()}
    return Reading(device, code, view.effective.start, seq, plain, setting)


# ---- alerts as FHIR


def changes(person: Person) -> list[Change]:
    """The Flags that differ from those that are written."""
    found = []
    for body in _flags(person):
        if person.written.get(body["id"]) != body:
            person.written[body["id"]] = body
            found.append(Change("Flag", body["id"], body))
    return found


def _flags(person: Person) -> Iterator[dict[str, Any]]:
    steps: dict[str, list[Transition]] = {}
    for step in person.watch.history:
        steps.setdefault(step.alert, []).append(step)
    for alert, history in steps.items():
        yield _flag(person, alert, history)
    if person.reason and person.first is not None:
        step = Transition(f"{person.patient}-{SILENT}"[-36:], SILENT, person.first, "open", person.reason)
        yield _flag(person, step.alert, [step])


def _flag(person: Person, alert: str, history: list[Transition]) -> dict[str, Any]:
    first, last = history[0], history[-1]
    rule = next((r for r in table().rules if r.id == first.rule), None)
    over = last.to == "resolved"
    kind = "signal" if rule is None or rule.setting == "home" else "record"
    late = [key for at, key in person.late if first.at <= at and (not over or at <= last.at)]
    return {
        "resourceType": "Flag",
        "id": OWN_ID + alert,
        "meta": {"tag": [{"system": TAG_KIND, "code": f"{kind}/alert"}]},
        "extension": [
            {"url": RULE, "valueCode": first.rule},
            *(_step(step, person.refs) for step in history),
            *({"url": AMENDED, "valueReference": {"reference": person.refs[key]}} for key in late),
        ],
        "status": "inactive" if over else "active",
        "code": {"text": rule.title if rule else "Not monitored"},
        "subject": {"reference": f"Patient/{person.patient}"},
        "period": {"start": dates.write(first.at), **({"end": dates.write(last.at)} if over else {})},
    }


def _step(step: Transition, refs: Mapping[Key, str]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"url": "at", "valueInstant": dates.write(step.at)},
        {"url": "to", "valueCode": step.to},
        {"url": "why", "valueString": step.why},
        *({"url": "evidence", "valueReference": {"reference": refs[key]}} for key in step.evidence),
    ]
    if step.by:
        parts.append({"url": "by", "valueString": step.by})
    return {"url": STEP, "extension": parts}


def _of(body: Body, url: str) -> list[dict[str, Any]]:
    return [e for e in views.dicts(body.get("extension")) if e.get("url") == url]


def parts_of(body: Body, url: str) -> dict[str, Any]:
    """The inner extensions of the first extension with this address, as name and value; none where it has none."""
    return _parts(next(iter(_of(body, url)), {}))


def _parts(extension: Mapping[str, Any]) -> dict[str, Any]:
    """The inner extensions of one as name and value."""
    found = {}
    for inner in views.dicts(extension.get("extension")):
        value = next((v for k, v in inner.items() if k.startswith("value")), None)
        found[str(inner.get("url"))] = value
    return found


def history(body: Body) -> list[dict[str, Any]]:
    """The steps of an alert from its Flag: at, to, why, by."""
    return [_parts(step) for step in _of(body, STEP)]


def rule_of(body: Body) -> str:
    """Which rule a Flag is of; "" for a Flag that is no alert of salus."""
    return str(next(iter(_of(body, RULE)), {}).get("valueCode", ""))


def late_readings(body: Body) -> int:
    """How many readings of its time came too late to count."""
    return len(_of(body, AMENDED))
