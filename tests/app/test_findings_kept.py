"""What a run of the methods writes into the store: what is new, what changed, and nothing else."""

from datetime import timedelta
from decimal import Decimal

from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.findings import fhir as findings_fhir
from tests.conftest import bundle, creatinine, person
from tests.findings.made import Made, finding

CODE = "prevent-cvd-10y"


def session_with(ward, *methods):
    session = Session(ward.house, ward.patient)
    session._methods = (list(methods), [])
    return session


def kept(ward):
    """Type, version and sentence of every finding that a reader finds in the store."""
    grant = ward.house.gate.grant(ward.house.authenticate(ward.patient), "p1", "PATRQT")
    stored = [s for s in ward.house.store.read(grant) if findings_fhir.is_finding(s.body)]
    return [(s.source.ref.partition("/")[0], s.source.version, s.body["note"][0]["text"]) for s in stored]


def provenances(ward):
    grant = ward.house.gate.grant(ward.house.authenticate(ward.patient), "p1", "PATRQT")
    return [s for s in ward.house.store.read(grant, ("Provenance",)) if b"computed from the record" in s.data]


def risk(view, context):
    """Assessable while there is a creatinine; the statement stays the same one."""
    if view.latest("creatinine"):
        return [finding(CODE, sentence="8 %", value=Decimal("0.08"), probability=Decimal("0.08"))]
    return [finding(CODE, sentence="open", status="not-assessable", value=None, reason="none", needs=("creatinine",))]


def take(ward, *resources):
    ward.time += timedelta(minutes=1)
    value = {**bundle(person(), *resources), "timestamp": ward.time.isoformat()}
    Intake(Session(ward.house, ward.operator)).run([ward.write(f"{ward.time.isoformat()}.json", value)])


def test_a_finding_that_becomes_another_type_of_resource_leaves_none_of_the_old_type(ward):
    reading = creatinine("1.0", "2026-01-01", "c1")
    session = session_with(ward, Made("m", risk, produces=(CODE,)))
    for status, kind, sentence in (
        ("final", "RiskAssessment", "8 %"),
        ("entered-in-error", "Observation", "open"),
        ("amended", "RiskAssessment", "8 %"),
    ):
        take(ward, {**reading, "status": status})
        refresh = session.refresh("p1")
        assert [(k, s) for k, _, s in kept(ward)] == [(kind, sentence)]
        assert len(provenances(ward)) == 1
        assert refresh.new + refresh.amended == 1
        assert session.refresh("p1").amended == 0
    assert not ward.house.verify().problems


def test_what_is_the_same_is_not_written_again_and_what_changed_is_amended(ward):
    def act(view, context):
        return [
            finding(sentence=f"{view.latest('creatinine').quantity}"),
            finding(sentence="always the same", target="other"),
        ]

    take(ward, creatinine("1.0", "2026-01-01", "c1"))
    session = session_with(ward, Made("m", act))
    first = session.refresh("p1")
    assert (first.new, first.amended, first.superseded) == (2, 0, 0)
    leaves = ward.house.log.newest(ward.house.store.connection).size
    again = session.refresh("p1")
    assert (again.new, again.amended, again.superseded, again.computed) == (0, 0, 0, ())
    assert ward.house.log.newest(ward.house.store.connection).size == leaves  # nothing was looked at: they stand
    take(ward, creatinine("1.4", "2026-01-01", "c1"))
    changed = session.refresh("p1")
    assert (changed.new, changed.amended, changed.superseded) == (0, 1, 0)
    assert sorted(kept(ward)) == [("Observation", 1, "always the same"), ("Observation", 2, "1.4 mg/dL")]


def test_a_finding_that_no_longer_holds_is_gone_with_its_provenance_and_stays_in_history(ward):
    def act(view, context):
        return [finding(sentence="seen")] if view.latest("creatinine") else []

    take(ward, creatinine("1.0", "2026-01-01", "c1"))
    session = session_with(ward, Made("m", act))
    session.refresh("p1")
    assert len(kept(ward)) == len(provenances(ward)) == 1
    grant = ward.house.gate.grant(session.actor, "p1", "PATRQT")
    (stored,) = (s for s in ward.house.store.read(grant) if findings_fhir.is_finding(s.body))
    take(ward, {**creatinine("1.0", "2026-01-01", "c1"), "status": "entered-in-error"})
    assert session.refresh("p1").superseded == 1
    assert kept(ward) == provenances(ward) == []
    versions = ward.house.store.versions(grant, stored.source.ref)
    assert versions[0].deleted is False
    assert not ward.house.verify().problems


def test_findings_of_a_method_that_is_no_longer_installed_are_superseded(ward):
    take(ward, creatinine("1.0", "2026-01-01", "c1"))
    session_with(ward, Made("m", lambda view, context: [finding()])).refresh("p1")
    assert len(kept(ward)) == 1
    assert session_with(ward).refresh("p1").superseded == 1
    assert kept(ward) == []
