"""Trials: a design, its size, a protocol matched on the example patients, and its documents sealed."""

from __future__ import annotations

from salus.cli.tour.slice import Slice, Stage
from salus.errors import InputError, IntegrityError


def run(stage: Stage) -> str:
    """Design a trial, hold a made-up protocol against the example patients, seal and amend it, lock data."""
    from salus.app.demo import examples_root
    from salus.app.research import trials as wing
    from salus.trials import criteria
    from salus.trials.design.groupsequential import design
    from salus.trials.design.samplesize import Survival, survival

    plan = design("asOF", [0.5, 0.75, 1.0], alpha=0.025, beta=0.1)
    size = survival(plan, Survival(0.7, 24.0, 18.0, 12.0, dropout=0.05))
    data = (examples_root() / "tour" / "trials" / "statin-dose.toml").read_bytes()
    protocol = criteria.read(data)
    verdicts = []
    for example in stage.examples.values():
        found = wing.match_patient(stage.session(f"demo-{example.name}"), protocol, example.patient, example.at)
        verdicts.append(f"{example.name} {found.verdict}" + (f" ({len(found.needs)} to ask)" if found.needs else ""))
        if any(not j.answer.evidence and not j.answer.needs for j in found.judged):
            raise IntegrityError("an answer with neither evidence nor a question")
    clinician = stage.session("demo-clinician")
    wing.seal(clinician, protocol.id, "protocol", data)
    wing.seal(clinician, protocol.id, "lock", b"no data in a tour\n")
    try:
        wing.seal(clinician, protocol.id, "protocol", data + b"# changed\n")
    except InputError:
        pass  # as it must be
    else:
        raise IntegrityError("a protocol was changed after the data lock")
    if wing.check(clinician, protocol.id, data) is None or wing.check(clinician, protocol.id, data + b" ") is not None:
        raise IntegrityError("a seal does not tell the sealed document from another")
    people = round(size.maximum)
    return (
        f"three looks, {people} people, inflation {plan.inflation:.3f}; {', '.join(verdicts)}; protocol and lock sealed"
    )


SLICE = Slice(
    name="trials",
    title="Trials",
    says=("group-sequential designs and sample sizes, as rpact has them"),
    capabilities=("trials.design",),
    also=(
        "criteria as data, matched on a chart in three-valued logic with evidence and what to ask; protocol, plan and "
        "data lock sealed in the log"
    ),
    also_capabilities=("trials.matching",),
    run=run,
    shown=("designs_largest_difference",),
)
