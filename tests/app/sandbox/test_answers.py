"""What crosses into a sandbox and out of it: only what was declared goes in, and nothing that comes out is believed."""

# ruff: noqa: F401, F811 - fixtures are imported

import shutil
import threading
from dataclasses import replace

import pytest

from salus.app.sandbox.process import Limits, confined
from salus.careplan.compose import UNMEASURED
from salus.errors import MethodError
from salus.fhir.views import Source
from salus.findings.method import Context
from salus.findings.model import Evidence
from salus.findings.runner import run
from salus.terminology.reader import Terminology
from salus.terminology.tables import shipped_file
from tests.app.strangers import SHORT, chart, failed, found, said, site
from tests.conftest import creatinine
from tests.findings.made import Made, finding


def document(kind, text, id, media="text/plain"):
    """A DocumentReference of ``kind`` whose bytes lie at "address-<id>"."""
    attachment = {"url": f"urn:salus:blob:address-{id}", "size": len(text), "title": f"{id}.txt", "contentType": media}
    return {
        "resourceType": "DocumentReference",
        "id": id,
        "meta": {"tag": [{"system": "urn:salus:kind", "code": kind}]},
        "status": "current",
        "content": [{"attachment": attachment}],
    }


NOTE, GENOME = document("note/text", b"a note", "n1"), document("genome/vcf", b"a genome", "g1")
BLOBS = {"address-n1": b"a note", "address-g1": b"a genome"}


# ---- in


def test_only_the_declared_kinds_of_data_cross(site):
    site.method(
        """
held = sorted(source.ref for source, _ in chart.resources())
yield finding(chart, " ".join(held), details={"genome": len(chart.genome()), "notes": len(chart.notes())})
""",
        inputs=("record", "note"),
    )
    (one,) = found(site, chart(NOTE, GENOME, blobs=BLOBS))
    assert one.sentence == "DocumentReference/n1 Observation/c1 Patient/p1"
    assert one.details == {"genome": 0, "notes": 1}


def test_what_is_contained_in_a_report_crosses_once(site):
    inside = {**creatinine("3.3", "2026-03-03", "x"), "subject": {"reference": "Patient/p1"}}
    report = {"resourceType": "DiagnosticReport", "id": "r1", "status": "final", "contained": [inside]}
    site.method('yield finding(chart, str([str(o.value.value) for o in chart.observations("creatinine")]))')
    assert said(site, chart(report)) == ["['1.1', '3.3']"]


def test_blobs_are_handed_over_when_they_are_asked_for_and_no_others(site):
    site.method(
        """
note = chart.notes()[0]
yield finding(chart, note.read().decode())
for address in ("address-g1", "address-gone", "", "../keys"):
    try:
        note.loader(address)
    except LookupError as error:
        yield finding(chart, str(error), target=address or "none")
""",
        inputs=("record", "note"),
    )
    given = chart(NOTE, GENOME, blobs=BLOBS)
    first, *refused = sorted(found(site, given), key=lambda f: f.target)
    assert first.sentence == "a note"
    assert [f.sentence for f in refused] == ["not given"] * 4
    assert "notes" in {r.accessor for r in first.read_set}
    assert "genome" not in {r.accessor for r in first.read_set}


def test_blobs_have_a_budget(site):
    site.method("yield finding(chart, '+'.join(str(len(n.read())) for n in chart.notes()))", inputs=("record", "note"))
    two = chart(NOTE, document("note/text", b"b note", "n2"), blobs={**BLOBS, "address-n2": b"b note"})
    assert said(site, two, bounds=replace(SHORT, blobs=12)) == ["6+6"]
    assert failed(site, two, bounds=replace(SHORT, blobs=11)) == "failed: LookupError"


def test_only_consumed_findings_of_the_declared_kinds_cross(site):
    genome = Source("DocumentReference/g1", 1, "0" * 64, "genome")
    given = [
        finding("waist", sentence="of the record", target="a"),
        finding("waist", sentence="of the genome", target="b", evidence=(Evidence(genome),)),
        finding("other", sentence="not consumed"),
    ]
    site.method(
        """
seen = [f.sentence for code in ("waist", "other") for f in chart.findings(code)]
yield finding(chart, repr(seen))
""",
        consumes=("waist",),
    )
    method = confined(site.listed, site.pin, (), SHORT)
    maker = Made("a.maker", lambda *_: given, produces=("waist", "other"))
    done = run([maker, method], chart())
    (one,) = [f for f in done.findings if f.method == "stranger.probe"]
    assert one.sentence == "['of the record']"
    assert ("findings", ("waist",)) in {(r.accessor, r.arguments) for r in one.read_set}


def test_parameters_and_knowledge_cross(site):
    site.method(
        """
files = {name: context.knowledge[name] for name in context.knowledge}
yield finding(chart, repr((dict(context.parameters), files, sorted(context.digests), "gone" in context.knowledge)))
"""
    )
    context = Context({"bound": 3}, {"table.csv": b"a,b\xff"}, {"table.csv": "d" * 64})
    assert said(site, context=context) == ["({'bound': 3}, {'table.csv': b'a,b\\xff'}, ['table.csv'], False)"]


def test_the_terminology_is_the_one_of_the_house(site, tmp_path):
    pack = tmp_path / "own.sqlite"
    shutil.copyfile(shipped_file(), pack)
    site.method("yield finding(chart, chart.terminology.digest)")
    assert said(site) == [Terminology().digest]
    assert said(site, packs=(pack,)) == [Terminology([pack]).digest]


def test_the_moment_is_the_charts_and_a_method_that_asks_for_it_is_known_to_have(site):
    site.method("yield finding(chart, chart.now.isoformat())")
    (one,) = found(site)
    assert one.sentence == "2026-06-01T00:00:00+00:00"
    assert "now" in {r.accessor for r in one.read_set}


# ---- out


def test_a_finding_is_of_every_kind_of_data_that_was_handed_over(site):
    site.method("yield finding(chart, 'I read nothing at all')", inputs=("record", "genome"))
    (one,) = found(site, chart(GENOME, blobs=BLOBS))
    assert one.categories == {"record", "genome"}
    method = confined(site.listed, site.pin, (), SHORT)
    again = run([method], chart(GENOME, blobs=BLOBS), previous=[one])
    assert (again.findings, again.computed) == ((one,), ())


NO = "not a finding"
LIES = {
    "evidence that it was not handed": (
        "from salus.fhir.views import Source\n"
        "yield finding(chart, 'x', evidence=(Evidence(Source('DocumentReference/g1', 1, '0' * 64, 'record')),))",
        "evidence that it was not handed",
    ),
    "evidence with another content": (
        "import dataclasses\n"
        "source = dataclasses.replace(chart.patient.source, digest='0' * 64)\n"
        "yield finding(chart, 'x', evidence=(Evidence(source),))",
        "evidence that it was not handed",
    ),
    "a code it does not list": (
        "import dataclasses\nyield dataclasses.replace(finding(chart, 'x'), code='egfr')",
        "egfr",
    ),
    "two of one identity": ("yield finding(chart, 'x')\nyield finding(chart, 'y')", "two findings of one identity"),
    "a picture that is a script": (
        "from salus.findings.model import MediaItem\n"
        "yield finding(chart, 'x', media=(MediaItem('thumbnail', 't', 'image/png', b'<script>'),))",
        "no picture",
    ),
    "a page as a picture": (
        "from salus.findings.model import MediaItem\n"
        "yield finding(chart, 'x', media=(MediaItem('strip', 't', 'text/html', b'{}'),))",
        "not a finding",
    ),
    "a picture as a table": (
        "from salus.findings.model import MediaItem\n"
        "yield finding(chart, 'x', media=(MediaItem('strip', 't', 'image/png', b'{}'),))",
        "no picture",
    ),
    "a sentence that is none": ("yield finding(chart, ['x'])", "not a finding"),
    "a sentence without end": ("yield finding(chart, 'x' * 100_001)", "not a finding"),
    "an unknown status": ("yield finding(chart, 'x', status='fine')", "not a finding"),
    "a probability beyond one": (
        "from decimal import Decimal\nyield finding(chart, 'x', probability=Decimal(2))",
        "not a finding",
    ),
    "an unknown tier": (
        "yield finding(chart, 'x', proposals=(Proposal('g', 'measure', 't', 'x', 'x', 'weak', 'x', 'first'),))",
        "not a finding",
    ),
    "an unknown action": (
        "yield finding(chart, 'x', proposals=(Proposal('g', 'operate', 't', 'x', 'x', 'weak', 'x', 'urgent'),))",
        "not a finding",
    ),
    **{
        f"a place {locator}": (f"yield finding(chart, 'x', evidence=(Evidence(chart.patient.source, {locator}),))", NO)
        for locator in (
            "{'start': 1}",
            "{'pos': 5}",
            "{'contig': '1', 'pos': 'x'}",
            "{'start': -1, 'end': 2}",
            "{'path': 5}",
            "{'start': 1, 'end': 2, 'path': 'x'}",
            "{'frame': 1, 'box': [1, 2]}",
            "{'frame': 1, 'channel': 'x'}",
            "{'box': [1, 2, 3, 4]}",
            "{'other': 1}",
            "{'frame': True}",
            "{'start': 0, 'end': 1 << 60}",
        )
    },
    **{
        f"details {details}": (
            "yield finding(chart, 'x', proposals=("
            f"Proposal('g', 'measure', 't', 'x', 'x', 'weak', 'x', 'urgent', details={details}),))",
            NO,
        )
        for details in ("{'when': 'x'}", "{'when': {}}", "{'when': {'medicine': 5}}", "{'step': ['x']}", "{'x': {}}")
    },
    "no finding": ("yield {}", "failed: AttributeError"),
}


@pytest.mark.parametrize(("body", "why"), LIES.values(), ids=LIES)
def test_what_a_method_says_of_itself_is_checked(site, body, why):
    site.method(body)
    assert why in failed(site)


def test_it_cannot_speak_as_another_or_of_another(site):
    site.method(
        """
import dataclasses
yield dataclasses.replace(finding(chart, "x"), subject="p2", method="risk.egfr", method_version="9",
    parameters_digest="0", read_set=())
"""
    )
    (one,) = found(site)
    assert (one.subject, one.method, one.method_version) == ("p1", "stranger.probe", "1")
    assert len(one.parameters_digest) == 64
    assert one.read_set


def test_its_evidence_gets_the_kind_of_data_that_salus_knows(site):
    site.method(
        """
import dataclasses
note = chart.notes()[0]
yield finding(chart, "x", evidence=(Evidence(dataclasses.replace(note.source, category="record", version=7)),))
""",
        inputs=("record", "note"),
    )
    (one,) = found(site, chart(NOTE, blobs=BLOBS))
    assert (one.evidence[0].source.category, one.evidence[0].source.version) == ("note", 1)


def test_every_form_of_a_place_and_of_details_crosses(site):
    places = [
        {}, {"path": "valueQuantity.value"}, {"start": 0, "end": 3}, {"contig": "1", "pos": 7}, {"frame": 0},
        {"sample_start": 0, "sample_end": 9}, {"sample_start": 0, "sample_end": 9, "channel": "II"},
        {"frame": 0, "box": [1, 2, 3, 4]},
    ]  # fmt: skip
    details = {"when": {"medicine": "warfarin"}, "step": "x", "n": 1, "b": True}
    site.method(
        f"""
yield finding(chart, "x", evidence=tuple(Evidence(chart.patient.source, place) for place in {places}), proposals=(
    Proposal("g", "measure", "waist", "x", "x", "weak", "x", "urgent", details={details}),))
"""
    )
    (one,) = found(site)
    assert [dict(e.locator) for e in one.evidence] == places
    assert dict(one.proposals[0].details) == {**details, UNMEASURED: True}


def test_every_proposal_is_marked_as_unmeasured(site):
    site.method(
        """
yield finding(chart, "x", proposals=(
    Proposal("g", "measure", "waist", "x", "x", "weak", "x", "urgent", details={"unmeasured": False, "k": 1}),))
"""
    )
    (one,) = found(site)
    assert [dict(p.details) for p in one.proposals] == [{UNMEASURED: True, "k": 1}]


DESCRIBED = {
    "lacks a part": ("    licence = ", "    licence_ = ", "a method without licence"),
    "is no text": ('    version = "1"', "    version = 1", "version must be a string"),
    "is a string": ('    limits = ("made up",)', '    limits = "made up"', "limits must be a tuple of strings"),
    "is endless": ('    version = "1"', '    version = "1" * 10_001', "version must be a string"),
    "has no run": ("    def run(", "    def walk(", "a method without run"),
    "fails": (
        "\nclass Strange",
        "\nraise RuntimeError('Ada Example')\nclass Strange",
        "cannot be loaded: RuntimeError",
    ),
    "exits": ("\nclass Strange", "\nraise SystemExit(0)\nclass Strange", "cannot be loaded: SystemExit"),
    "dies": ("\nclass Strange", "\nimport os; os._exit(0)\nclass Strange", "ended without an answer"),
}


@pytest.mark.parametrize(("old", "new", "why"), DESCRIBED.values(), ids=DESCRIBED)
def test_a_method_that_is_none_is_refused_by_name(site, old, new, why):
    site.method("yield")
    module = site.folder / "probing" / "__init__.py"
    assert old in module.read_text()
    module.write_text(module.read_text().replace(old, new))
    with pytest.raises(MethodError, match=why):
        confined(site.listed, site.pin, (), SHORT)


def test_a_record_too_large_to_be_handed_over_is_said(site, monkeypatch):
    monkeypatch.setattr("salus.app.sandbox.process.MAX_CHART", 100)
    site.method("yield finding(chart, 'x')")
    assert failed(site) == "the record is too large to be handed over"


def test_sandboxes_that_are_too_many_wait_and_then_say_so(site, monkeypatch):
    none = threading.BoundedSemaphore(1)
    none.acquire()
    site.method("yield")
    monkeypatch.setattr("salus.app.sandbox.process.AT_ONCE", none)
    with pytest.raises(MethodError, match="too many"):
        confined(site.listed, site.pin, (), Limits(seconds=0.1))
