"""Without a basis nothing of a patient is seen, by any command, call, report or export; every attempt is logged."""

import base64
import re
from datetime import timedelta

import click
import pytest

from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.cli.main import cli
from salus.errors import AccessError, SalusError
from salus.fhir.categories import categories_of
from salus.fhir.views import CATEGORIES
from salus.trust.identity import Actor, Identity
from tests.cli.town import empty, town  # noqa: F401
from tests.conftest import AT
from tests.intake import made

FROM = ("--at", "2026-06-01")
SECRETS = (
    "Ada",
    "Example",
    "MRN-p1",
    "1968",
    "1.10",
    "71.5",
    "simvastatin",
    "chest pain",
    "creatinine",
    "eGFR",
    "CYP2C19",
)
HASHES = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{8,}\b|[A-Za-z0-9+/]{40,}={0,2}")
"""Ids, fingerprints, keys, signatures: any short word may stand there by chance."""


def fill(ward):
    Intake(Session(ward.house, ward.operator)).run([made.folder(ward.folder / "own")])


def later(ward, **more):
    ward.time += timedelta(**(more or {"minutes": 1}))


def consent(ward, **more):
    given = {"actors": ["dr-lee"], "categories": CATEGORIES, **more}
    return Session(ward.house, ward.patient).give_consent("p1", ward.time, **given)


def decisions(ward, actor, patient="p1"):
    entries = ward.house.log.entries(ward.house.store.connection, topic="access", patient=patient)
    return [e.content["decision"] for e in entries if e.content["actor"] == actor]


READS = {
    "open": lambda s: s.open("p1", AT),
    "open for research": lambda s: s.open("p1", AT, purpose="HRESCH"),
    "open as of long ago": lambda s: s.open("p1", AT - timedelta(days=900)),
    "open without": lambda s: s.open("p1", AT, without=["genome"]),
    "plan": lambda s: s.plan("p1", AT),
    "plan without": lambda s: s.plan("p1", AT, without=["record"]),
    "consents": lambda s: s.consents("p1"),
    "accesses": lambda s: s.accesses("p1"),
}


def outsiders(ward):
    """A practitioner, an operator, another patient, an organisation and another patient's proxy."""
    people = [ward.clinician, ward.operator]
    for name, kind, patient in (("pip", "patient", "p2"), ("kin", "proxy", "p3"), ("clinic", "organisation", "")):
        identity = Identity.generate(name)
        ward.house.add_actor(Actor(name, kind, identity.public_key, patient), by="operator")
        people.append(identity)
    return people


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_no_call_reads_without_a_basis_and_each_attempt_is_logged(ward, read):
    fill(ward)
    for identity in outsiders(ward):
        session = Session(ward.house, identity)
        with pytest.raises(AccessError) as refused:
            read(session)
        assert not any(secret in str(refused.value) for secret in SECRETS)
        assert decisions(ward, identity.id) == ["deny"]
        assert list(session.patients()) == []


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_an_absent_patient_gets_the_same_words(ward, read):
    fill(ward)
    session = Session(ward.house, ward.clinician)
    with pytest.raises(AccessError) as refused:
        read(session)
    ward.house.add_actor(Actor("no", "practitioner", Identity.generate("no").public_key), by="operator")

    class Other:
        def __getattr__(self, name):
            return lambda patient, *a, **k: getattr(session, name)("nobody", *a, **k)

    with pytest.raises(AccessError) as absent:
        read(Other())
    assert str(absent.value) == str(refused.value)


def test_nobody_learns_from_consent_calls_whether_a_patient_exists(ward):
    fill(ward)
    session = Session(ward.house, ward.clinician)
    calls = (
        lambda patient: session.give_consent(patient, AT, actors=["dr-lee"], categories=["record"]),
        lambda patient: session.close_to_processing(patient, AT, categories=["record"]),
        lambda patient: session.revoke(patient, "k"),
    )
    for call in calls:
        said = []
        for patient in ("p1", "nobody"):
            with pytest.raises(SalusError) as refused:
                call(patient)
            said.append(str(refused.value))
        assert said[0] == said[1]


def test_revoked_consent_closes_the_record_at_once_and_for_every_moment(ward):
    fill(ward)
    name = consent(ward)
    session = Session(ward.house, ward.clinician)
    later(ward)
    plan, opened = session.plan("p1", AT)
    assert plan.name == "Ada Example"
    later(ward)
    Session(ward.house, ward.patient).revoke("p1", name)
    later(ward)
    for read in READS.values():
        with pytest.raises(AccessError):
            read(session)
    with pytest.raises(AccessError):
        session.open("p1", ward.time - timedelta(minutes=2))
    assert decisions(ward, "dr-lee")[0] == "permit"
    assert set(decisions(ward, "dr-lee")[1:]) == {"deny"}
    assert list(session.patients()) == []
    assert opened.findings


def test_a_consent_dated_ahead_can_be_revoked_before_it_begins(ward):
    fill(ward)
    name = Session(ward.house, ward.patient).give_consent(
        "p1", ward.time + timedelta(days=30), actors=["dr-lee"], categories=["record"]
    )
    Session(ward.house, ward.patient).revoke("p1", name)
    later(ward, days=60)
    with pytest.raises(AccessError):
        Session(ward.house, ward.clinician).open("p1", ward.time)


def test_a_consent_ends_with_its_last_day(ward):
    fill(ward)
    consent(ward, until="2026-06-03")
    session = Session(ward.house, ward.clinician)
    later(ward, days=2)
    assert session.open("p1", AT).findings
    later(ward, days=1)
    for at in (AT, ward.time):
        with pytest.raises(AccessError):
            session.open("p1", at)


def test_a_consent_for_one_purpose_or_person_serves_no_other(ward):
    fill(ward)
    consent(ward, purposes=["TREAT"])
    with pytest.raises(AccessError):
        Session(ward.house, ward.clinician).open("p1", AT, purpose="HRESCH")
    other = Identity.generate("dr-no")
    ward.house.add_actor(Actor("dr-no", "practitioner", other.public_key), by="operator")
    with pytest.raises(AccessError):
        Session(ward.house, other).open("p1", AT)


@pytest.mark.parametrize("closed", CATEGORIES)
def test_what_a_consent_leaves_out_is_in_no_finding_plan_chart_or_export(ward, closed):
    fill(ward)
    consent(ward, categories=[c for c in CATEGORIES if c != closed])
    later(ward)
    plan, opened = Session(ward.house, ward.clinician).plan("p1", AT)
    assert closed not in opened.grant.categories
    assert set(CATEGORIES) - opened.grant.categories == {closed}
    for finding in opened.findings:
        assert closed not in {e.source.category for e in finding.evidence}, finding.code
    assert {source.category for source, _ in opened.chart.resources()} <= {*opened.grant.categories, "person"}
    for item in plan.items:
        assert closed not in {e.source.category for e in item.evidence}
    assert closed not in plan.looked_at
    for stored in ward.house.store.read(opened.grant):
        assert closed not in categories_of(stored.body), stored.source.ref


@pytest.mark.parametrize(
    ("closed", "sources"),
    [("genome", ["vcf"]), ("image", ["dicom", "nifti"]), ("note", ["note"]), ("signal", ["wfdb", "apple-health"])],
)
def test_what_is_withheld_is_not_given_away_by_where_it_came_from(ward, closed, sources):
    fill(ward)
    consent(ward, categories=[c for c in CATEGORIES if c != closed])
    later(ward)
    opened = Session(ward.house, ward.clinician).open("p1", AT)
    origins = {str(body.get("activity", {}).get("text", "")) for _, body in opened.chart.resources()}
    assert "taken in from fhir" in origins
    for source in sources:
        assert f"taken in from {source}" not in origins
    everything = Session(ward.house, ward.patient).open("p1", AT).chart.resources()
    assert {f"taken in from {source}" for source in sources} <= {
        str(body.get("activity", {}).get("text", "")) for _, body in everything
    }


@pytest.mark.parametrize("closed", CATEGORIES)
def test_leaving_out_is_as_if_it_had_not_been_released(ward, closed):
    fill(ward)
    name = consent(ward)
    session = Session(ward.house, ward.clinician)
    later(ward)
    without, _ = session.plan("p1", AT, without=[closed])
    Session(ward.house, ward.patient).revoke("p1", name)
    later(ward)
    consent(ward, categories=[c for c in CATEGORIES if c != closed])
    later(ward)
    withheld, _ = session.plan("p1", AT)
    assert without.items == withheld.items
    assert without.medicines == withheld.medicines
    assert without.not_assessable == withheld.not_assessable


def test_a_category_closed_to_processing_is_not_computed_for_anybody(ward):
    fill(ward)
    session = Session(ward.house, ward.patient)
    before = {f.code for f in session.open("p1", AT).findings if f.status == "ok"}
    assert "note-medication" in before
    session.close_to_processing("p1", ward.time, categories=["note"])
    later(ward)
    after = session.open("p1", AT).findings
    assert not [f for f in after if "note" in {e.source.category for e in f.evidence}]
    stored = ward.house.store.read(session.open("p1", ward.time).grant, ("Observation",))
    assert not [s for s in stored if b'"code":"note-medication"' in s.data]


def test_the_patient_sees_who_looked_and_who_was_refused(ward):
    fill(ward)
    with pytest.raises(AccessError):
        Session(ward.house, ward.clinician).plan("p1", AT)
    consent(ward)
    later(ward)
    Session(ward.house, ward.clinician).plan("p1", AT)
    seen = [(e.get("actor"), e.get("decision")) for e in Session(ward.house, ward.patient).accesses("p1")]
    assert ("dr-lee", "deny") in seen
    assert ("dr-lee", "permit") in seen


# ---- the command line


def leaves(prefix=(), group=cli):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves((*prefix, name), command)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield (*prefix, name)


ATTEMPTS = {
    ("findings",): ["findings", "p1", *FROM],
    ("plan",): ["plan", "p1", "--html", "x.html", "--fhir", "x.json", *FROM],
    ("explain",): ["explain", "p1", "1", *FROM],
    ("patients",): ["patients"],
    ("ask",): ["ask", "p1", "which medicines do I take?", *FROM],
    ("learn",): ["learn", "policy.json"],
    ("slots",): ["slots", "policy.json"],
    ("mcp",): ["mcp", "--help"],
    ("intake",): ["intake", "in"],
    ("actor", "vouch"): ["actor", "vouch", "dr-lee"],
    ("keys", "show"): ["keys", "show"],
    ("keys", "copy"): ["keys", "copy", "copied"],
    ("keys", "rotate"): ["keys", "rotate"],
    ("quarantine", "destroy"): ["quarantine", "destroy", "99"],
    ("quarantine", "assign"): ["quarantine", "assign", "1", "p1"],
    ("quarantine", "file"): ["quarantine", "file", "1", "--patient", "p1"],
    ("audit", "list"): ["audit", "list", "--key", "policy.json"],
    ("audit", "expire"): ["audit", "expire", "--before", "2020-01-01"],
    ("glass", "break"): ["glass", "break", "p1", "--reason", "I want to see it all"],
    ("glass", "list"): ["glass", "list"],
    ("glass", "review"): ["glass", "review", "p1", "3", "--verdict", "all was well done"],
    ("anchor", "consent", "write"): ["anchor", "consent", "write", "p1", "k", "--chain", "http://127.0.0.1:9"],
    ("anchor", "consent", "check"): ["anchor", "consent", "check", "p1", "k", "--chain", "http://127.0.0.1:9"],
    ("privacy", "export"): ["privacy", "export", "p1", "--out", "mine.zip"],
    ("proposals", "list"): ["proposals", "list"],
    ("proposals", "confirm"): ["proposals", "confirm", "1"],
    ("proposals", "stop"): ["proposals", "stop", "1"],
    ("privacy", "hold"): ["privacy", "hold", "p1", "45 CFR 164.316"],
    ("consent", "give"): ["consent", "give", "p1", "--to", "dr-lee"],
    ("consent", "countersign"): ["consent", "countersign", "policy.json"],
    ("consent", "close"): ["consent", "close", "p1", "record"],
    ("consent", "withhold"): ["consent", "withhold", "p1", "--category", "genome", "--as-shown", "flagged"],
    ("consent", "list"): ["consent", "list", "p1"],
    ("consent", "sign"): ["consent", "sign", "policy.json"],
    ("consent", "revoke"): ["consent", "revoke", "p1", "k"],
    ("anchor", "write"): ["anchor", "write", "--chain", "http://127.0.0.1:9", "--contract", "0x0"],
    ("anchor", "check"): ["anchor", "check", "--chain", "http://127.0.0.1:9", "--contract", "0x0"],
    ("questionnaire", "answer"): ["questionnaire", "answer", "p1", "smoking=Never smoked"],
    ("diary",): ["diary", "p1", "slept badly"],
    ("population", "view"): ["population", "view", "view.json", *FROM],
    ("population", "overdue"): ["population", "overdue", *FROM],
    ("population", "mirror"): ["population", "mirror", "held", "--view", "view.json", "--records"],
    ("population", "query"): ["population", "query", "held"],
    ("population", "run"): ["population", "run", "held", "plans", *FROM],
    ("population", "drop"): ["population", "drop", "held"],
    ("trials", "match"): ["trials", "match", "protocol.toml", "p1", *FROM],
    ("trials", "seal"): ["trials", "seal", "T1", "plan", "policy.json"],
    ("trials", "seals"): ["trials", "seals", "T1"],
    ("privacy", "deidentify"): ["privacy", "deidentify", "p1", "released", *FROM],
    ("privacy", "ask-erasure"): ["privacy", "ask-erasure", "p1"],
    ("privacy", "requests"): ["privacy", "requests"],
    ("privacy", "erase"): ["privacy", "erase", "p1", "--yes"],
    ("listen",): ["listen", "--mllp", "nowhere"],
    ("alerts", "list"): ["alerts", "list", "p1"],
    ("alerts", "ack"): ["alerts", "ack", "p1", "x"],
    ("alerts", "assign"): ["alerts", "assign", "cuff-9", "p1", "--setting", "home"],
    ("alerts", "release"): ["alerts", "release", "cuff-9"],
    ("policy", "sign"): ["policy", "sign", "policy.json"],
    ("policy", "add"): ["policy", "add", "policy.json"],
    ("policy", "list"): ["policy", "list"],
    ("policy", "remove"): ["policy", "remove", "x"],
    ("methods", "allow"): ["methods", "allow", "x"],
    ("methods", "withdraw"): ["methods", "withdraw", "x"],
    ("log", "patient"): ["log", "patient", "p1"],
    ("log", "checkpoint"): ["log", "checkpoint"],
    ("log", "proof"): ["log", "proof", "p1", "5"],
    ("log", "settle"): ["log", "settle"],
    ("log", "vkey"): ["log", "vkey"],
    ("log", "cosign"): ["log", "cosign", "http://127.0.0.1:9", "x"],
    ("log", "publish"): ["log", "publish", "tiles"],
    ("log", "key"): ["log", "key"],
    ("quarantine", "list"): ["quarantine", "list"],
    ("quarantine", "release"): ["quarantine", "release", "1", "out.bin"],
    ("actor", "list"): ["actor", "list"],
    ("actor", "remove"): ["actor", "remove", "nobody"],
    ("actor", "add"): ["actor", "add", "x2", "--kind", "practitioner", "--public-key", "00", "--by"],
    ("backup",): ["backup", "copy.sqlite"],
    ("move",): ["move", "--to", "postgresql://127.0.0.1:1/none"],
    ("token",): ["token"],
}
NAMELESS = {
    ("verify",): ["verify"],
    ("init",): ["init"],
    ("witness",): ["witness", "--help"],
    ("anchor", "consent", "deploy"): ["anchor", "consent", "deploy", "--help"],
    ("anchor", "consent", "look"): ["anchor", "consent", "look", "--help"],
    ("privacy", "check-export"): ["privacy", "check-export", "policy.json"],
    ("restore",): ["restore", "policy.json"],
    ("methods",): ["methods"],
    ("methods", "card"): ["methods", "card", "risk.egfr"],
    ("log", "check"): ["log", "check", "policy.json", "--key", "00" * 32],
    ("demo",): ["demo", "--list"],
    ("serve",): ["serve", "--host", "198.51.100.1"],
    ("tour",): ["tour", "--list"],
    ("terminology", "lookup"): ["terminology", "lookup", "snomed|44054006"],
    ("terminology", "origins"): ["terminology", "origins"],
    ("terminology", "load"): ["terminology", "load", "policy.json"],
    ("terminology", "remove"): ["terminology", "remove", "none"],
    ("discovery", "fit"): ["discovery", "fit", "--train", "policy.json", "--endpoint", "hlm", "--out", "m.npz"],
    ("discovery", "predict"): ["discovery", "predict", "C", "--model", "policy.json"],
    ("discovery", "similar"): ["discovery", "similar", "C", "--in", "policy.json"],
    ("discovery", "signals"): ["discovery", "signals", "policy.json"],
    ("operations", "plan"): ["operations", "plan", "policy.json", "--out", "p.json"],
    ("operations", "check"): ["operations", "check", "policy.json", "policy.json"],
    ("operations", "forecast"): ["operations", "forecast", "policy.json"],
    ("discovery", "design"): [
        "discovery",
        "design",
        "--objective",
        "policy.json",
        "--start",
        "policy.json",
        "--out",
        "d.json",
    ],
    ("imaging", "reconstruct"): ["imaging", "reconstruct", "policy.json", "--out", "x.npy"],
    ("surgery", "mesh"): ["surgery", "mesh", "policy.json", "--out", "x.glb"],
    ("surgery", "plan"): ["surgery", "plan", "policy.json", "policy.json"],
    ("anchor", "deploy"): ["anchor", "deploy", "--chain", "http://127.0.0.1:9"],
    ("questionnaire", "show"): ["questionnaire", "show"],
    ("trials", "design"): ["trials", "design"],
    ("trials", "size"): ["trials", "size", "--rates", "0.3", "0.2"],
    ("privacy", "anonymise"): ["privacy", "anonymise", "policy.json", "k.csv", "--hierarchy", "x=policy.json"],
}
LOOKS = ("findings", "plan", "explain", "patients", "consent list", "log patient", "log proof")


def test_the_attempts_cover_every_command():
    assert set(leaves()) == set(ATTEMPTS) | set(NAMELESS)


def attempt_everything(town, name):  # noqa: F811
    """Run every command as ``name``; nothing that they say or write may tell of the patient."""
    before = {p for p in town.folder.rglob("*") if p.is_file()}
    operator = name == "operator"
    said = []
    for words in [*ATTEMPTS.values(), *NAMELESS.values()]:
        who = [] if words in NAMELESS.values() else [name] if words[-1] == "--by" else ["--as", name]
        if operator and words[0] == "quarantine":
            continue  # what lies there is nobody's yet, and an operator has to look at it
        done = town.run(*words, *who)
        assert "Traceback" not in done.err
        said.append((words, done.text))
    written = {p for p in town.folder.rglob("*") if p.is_file()} - before
    contents = [(p.name, p.read_bytes()) for p in written]
    return said, contents


@pytest.mark.parametrize("name", ["dr-lee", "dr-no", "pip", "operator", "clinic"])
@pytest.mark.parametrize("when", ["never given", "revoked"])
def test_no_command_shows_or_writes_anything_without_a_basis(town, name, when):  # noqa: F811
    if when == "revoked":
        given = town.consent()
        assert "Ada" in town.salus("plan", "p1", "--as", "dr-lee", *FROM)
        town.salus("consent", "revoke", "p1", given, "--as", "pat")
    (town.folder / "policy.json").write_text("{}")
    protocol = 'id="T"\nversion="1"\ntitle="t"\n[[criteria]]\nid="I"\nkind="inclusion"\ntext="a"\nrule={age={min=18}}\n'
    view = '{"resource": "Patient", "select": [{"column": [{"name": "id", "path": "id"}]}]}'
    (town.folder / "view.json").write_text(view)
    (town.folder / "protocol.toml").write_text(protocol)
    (town.folder / "noise.bin").write_bytes(b"\x00\xffAda Example MRN-p1" * 9)
    town.run("intake", "noise.bin", "--as", "operator", "--patient", "p1")
    sentences = [
        line[2:].partition("  [")[0] for line in town.salus("findings", "p1", "--as", "pat", *FROM).splitlines()
    ]
    attempts = town.salus("log", "patient", "p1", "--as", "pat").count("deny")
    said, contents = attempt_everything(town, name)
    for words, text in said:
        plain = HASHES.sub("", text)
        told = [secret for secret in (*SECRETS, *filter(None, sentences)) if secret in plain]
        if words[0] in ("demo", "methods"):
            told = [s for s in told if s in ("Ada", "MRN-p1", "1968")]
        assert not told, f"{words} tells {told}"
    for file, data in contents:
        assert not [s for s in ("Ada", "MRN-p1", "simvastatin", "chest pain") if s.encode() in data], file
        assert not [s for s in ("Ada Example", "MRN-p1") if base64.b64encode(s.encode()) in data], file
    assert not (town.folder / "x.html").exists()
    assert not (town.folder / "x.json").exists()
    log = town.salus("log", "patient", "p1", "--as", "pat")
    denied = [line for line in log.splitlines() if f"  {name}  deny" in line]
    assert len(denied) >= len(LOOKS), log
    assert log.count("deny") - attempts >= len(LOOKS)
    assert "as written" in town.salus("verify")
