"""Method ``monitoring.news2``: the early-warning score of a person in acute hospital care."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from salus.errors import InputError
from salus.fhir.codes import Code
from salus.fhir.quantity import Quantity
from salus.fhir.views import Event, Observation, Value
from salus.findings.method import Context
from salus.findings.model import Finding, Proposal
from salus.findings.strength import Grade, Strength
from salus.monitoring import news2
from salus.monitoring._chart import evidence, number, period, pregnant, refuse
from salus.record.chart import Chart
from salus.terminology.codes import names

AGE_LIMIT_MINUTES = 60
"""Default of the parameter ``age-limit-minutes``. RCP asks for observations at least hourly from a score of 5 on, so
a set older than an hour may hide a person whose next set is overdue. The limit itself is salus's choice."""
MIN_AGE = 16
OPEN = frozenset({"arrived", "triaged", "in-progress"})
ACVPU = {f"acvpu-{word}": word[0].upper() for word in ("alert", "confusion", "voice", "pain", "unresponsive")}
NUMERIC = ("respiratory-rate", "oxygen-saturation", "heart-rate", "body-temperature")
FLOW_UNITS = frozenset({"L/min", "l/min"})
ROOM_AIR_PERCENT = Decimal(21)
CITATION = "Royal College of Physicians. National Early Warning Score (NEWS) 2. London: RCP, 2017"
Reading = tuple[Observation, news2.Value]


class News2:
    """NEWS2 from the newest observations of an open acute encounter."""

    id = "monitoring.news2"
    version = "1.0.0"
    title = "National Early Warning Score 2 (NEWS2)"
    intended_use = (
        "Shows clinical staff the NEWS2 score of an adult in hospital, and how soon RCP says someone should look."
    )
    inputs = ("record",)
    produces = ("news2",)
    consumes: tuple[str, ...] = ()
    population = "16 years and older, not pregnant, within an open acute encounter (emergency, inpatient, observation)."
    references = (
        CITATION,
        "NICE medtech innovation briefing MIB205, Equality considerations: not for children under 16 or in pregnancy",
    )
    licence = "Apache-2.0; score: RCP, no copyright restriction, acknowledged"
    limits = (
        "Measured on complete values alone; how missing values are handled was held to no outside truth.",
        "Not for children under 16, not in pregnancy, not with measurements from home.",
        "Every parameter must be younger than the age limit (60 minutes unless set otherwise), else the score is open.",
        "SpO2 scale 2 only where a prescriber has recorded it for this person.",
        "Pregnancy and the prescriber's choice are only as good as the record.",
    )

    def run(self, chart: Chart, context: Context) -> Iterable[Finding]:
        """One finding ``news2``; none where there is neither an acute encounter nor a vital sign to speak of."""
        encounter = _open_encounter(chart)
        if encounter is None:
            return _outside(chart)
        refusal = _population(chart)
        if refusal is not None:
            return (refusal,)
        limit = timedelta(minutes=float(context.parameters.get("age-limit-minutes", AGE_LIMIT_MINUTES)))
        readings = _readings(chart, encounter)
        fresh = {name: r for name, r in readings.items() if _age(r[0], chart.now) <= limit}
        problems = [
            f"{news2.label(name)} ({'too old' if name in readings else 'not recorded'})"
            for name in news2.PARAMETERS
            if name not in fresh
        ]
        values: dict[str, news2.Value] = {}
        for name, (_, value) in fresh.items():
            try:
                news2.score({name: value})
                values[name] = value
            except InputError as error:
                problems.append(error.what)
        score = news2.score(values, scale_2=_scale_2(chart))
        return (_finding(score, {name: fresh[name][0] for name in values}, problems),)


def _open_encounter(chart: Chart) -> Event | None:
    found = [
        e
        for e in chart.events("Encounter")
        if "acute-encounter" in e.concepts
        and e.status in OPEN
        and e.period is not None
        and not (isinstance(e.body.get("period"), dict) and e.body["period"].get("end"))
    ]
    return found[-1] if found else None


def _outside(chart: Chart) -> tuple[Finding, ...]:
    if not any(chart.observations(name) for name in ("respiratory-rate", "heart-rate", "oxygen-saturation")):
        return ()
    reason = "NEWS2 is for acute hospital care only, and there is no open acute encounter"
    return (refuse("news2", reason, "observations by staff within an open acute encounter"),)


def _population(chart: Chart) -> Finding | None:
    age = chart.patient.age(chart.now)
    if chart.patient.deceased:
        return refuse("news2", "the person has died", "nothing: the score does not apply")
    if age is None:
        return refuse("news2", "the age is not known, and NEWS2 is not for children under 16", "date of birth")
    if age < MIN_AGE:
        return refuse("news2", "NEWS2 is not for children under 16", "a paediatric early-warning score")
    if pregnant(chart):
        return refuse("news2", "NEWS2 is not for use in pregnancy", "a maternity early-warning score")
    return None


def _age(observation: Observation, now: datetime) -> timedelta:
    assert observation.effective is not None  # the chart gives dated observations only
    return now - observation.effective.start


def _readings(chart: Chart, encounter: Event) -> dict[str, Reading]:
    """The newest usable value of each parameter since the encounter began, with its observation."""
    assert encounter.period is not None
    since = encounter.period.start

    def staff(concept: str) -> list[Observation]:
        return [o for o in reversed(chart.observations(concept, since)) if o.setting != "home"]

    found: dict[str, Reading] = {}
    for name in NUMERIC:
        _keep(found, name, ((o, number(o.value, news2.unit(name))) for o in staff(name)))
    pressures = sorted(
        [(o, number(o.components.get("systolic-bp"), "mm[Hg]")) for o in staff("blood-pressure")]
        + [(o, number(o.value, "mm[Hg]")) for o in staff("systolic-bp")],
        key=lambda pair: _age(pair[0], chart.now),
    )
    _keep(found, "systolic-bp", pressures)
    _keep(found, "acvpu", ((o, _acvpu(o.value)) for o in staff("acvpu")))
    kinds = ("inhaled-oxygen-flow", "inhaled-oxygen-concentration", "observation-of-breathing", "breathing-room-air")
    sources = [o for kind in (*kinds, "oxygen-saturation") for o in staff(kind)]
    _keep(found, "oxygen", ((o, _oxygen(o)) for o in sorted(sources, key=lambda o: _age(o, chart.now))))
    return found


def _keep(found: dict[str, Reading], name: str, candidates: Iterable[tuple[Observation, news2.Value]]) -> None:
    for observation, value in candidates:
        if value is not None:
            found[name] = (observation, value)
            return


def _acvpu(value: Value) -> str | None:
    if isinstance(value, Code):
        return next((ACVPU[name] for name in names([value]) if name in ACVPU), None)
    if isinstance(value, str) and value.strip().upper() in ACVPU.values():
        return value.strip().upper()
    return None


def _oxygen(observation: Observation) -> str | None:
    """ "air" or "oxygen" where the observation says which, itself or in a component of the saturation."""
    stated = dict(observation.components)
    stated.update(dict.fromkeys(observation.concepts, observation.value))
    flow, share = stated.get("inhaled-oxygen-flow"), stated.get("inhaled-oxygen-concentration")
    if isinstance(flow, Quantity) and flow.unit in FLOW_UNITS and not flow.comparator:
        return "oxygen" if flow.value > 0 else "air"
    percent = number(share, "%") if share is not None else None
    if percent is not None:
        return "oxygen" if percent > ROOM_AIR_PERCENT else "air"
    value = observation.value
    if "breathing-room-air" in observation.concepts and value is not False:
        return "air"
    if isinstance(value, Code) and "breathing-room-air" in names([value]):
        return "air"
    return None


def _scale_2(chart: Chart) -> bool:
    """True only where the newest entry for this person says so and names who prescribed it."""
    flag = chart.latest("news2-spo2-scale-2")
    return flag is not None and flag.value is True and bool(flag.body.get("performer"))


def _finding(score: news2.Score, used: dict[str, Observation], problems: list[str]) -> Finding:
    details = {
        "points": dict(score.points),
        "lowest": score.lowest,
        "highest": score.highest,
        "missing": list(score.missing),
        "response": score.response,
    }
    proposals = _proposals(score)
    proof = evidence({o.source.ref: o for o in used.values()}.values())
    moments = [o.effective.start for o in used.values() if o.effective is not None]
    effective = period(moments) if moments else ("", "")
    if score.total is None:
        reason = f"incomplete: {', '.join(problems)}; the total lies between {score.lowest} and {score.highest}"
        needs = tuple(f"{news2.label(name)}, measured now" for name in score.missing)
        return refuse(
            "news2", reason, *needs, details=details, proposals=proposals, evidence=proof, effective=effective
        )
    sentence = f"NEWS2 is {score.total} of 20: {score.response}."
    return Finding(
        code="news2",
        sentence=sentence,
        value=Quantity(Decimal(score.total), "{score}"),
        no_uncertainty="a sum of points from a published table; the measurements' own error is not known",
        effective=effective,
        evidence=proof,
        proposals=proposals,
        details=details,
    )


def _proposals(score: news2.Score) -> tuple[Proposal, ...]:
    """RCP's response to what is certain already, whether or not parameters are missing."""
    if score.lowest < 5 and not score.single_3:
        return ()
    emergency = score.lowest >= 7
    certain = f"NEWS2 {'of' if score.total is not None else 'of at least'} {score.lowest}"
    return (
        Proposal(
            guideline="rcp-news2-2017",
            action="refer",
            target="emergency-assessment" if emergency else "urgent-assessment",
            text=f"{'Emergency' if emergency else 'Urgent'} assessment by a clinician: {score.response}",
            indication=certain if score.lowest >= 5 else f"{certain}, with a single parameter of 3",
            strength=Strength(Grade.RECOMMENDED, "standard of care in the NHS"),
            citation=CITATION,
            tier="urgent",
            window="30 minutes" if emergency else "1 hour",
            changes_if="a newer complete set of observations gives a lower score",
            patient_text="Your measurements show that a doctor or nurse should look at you soon.",
        ),
    )


NEWS2 = News2()
