"""Evidence, links and words: what is cited is found, cut and marked exactly."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.careplan.report import resources
from salus.careplan.report.evidence import Library
from salus.careplan.report.links import pieces
from salus.careplan.report.notes import WHOLE_UP_TO, excerpt, note_text, segments
from salus.careplan.report.vcf import NO_LINE, VcfLines
from salus.careplan.report.words import capital, clean, day, moment, period, prose, title_of
from salus.errors import SalusError
from salus.fhir.blobs import Blob
from salus.findings.model import Evidence
from salus.record.chart import Chart

from . import sample


def blob(data: bytes, kind: str = "genome/vcf", **meta: str) -> Blob:
    body = sample.document("d", kind, "A file", "2026-05-01", {"file": data}, **meta)
    chart = Chart.of([body], now=sample.NOW, blobs={hashlib.sha256(data).hexdigest(): data})
    return (chart.genome() or chart.notes())[0]


def lines(data: bytes, wanted: Iterable[tuple[str, int]], **meta: str) -> list[str]:
    file = blob(data, **meta)
    cited = [Evidence.of_blob(file, contig=c, pos=p) for c, p in wanted]
    reader = VcfLines(cited)
    return [reader.line(file, 0, c, p) for c, p in wanted]


HEAD = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2\n"
ROWS = (
    b"chr1\t100\trs1\tA\tG\t.\tPASS\tDP=9\tGT\t0/1\t1/1\nchr1\t200\t.\tC\tT\t.\tPASS\t"
    + b"X" * 200
    + b"\tGT\t0/0\t0/1\n"
)


# ---- genome files


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_cited_line_with_the_patients_own_column(pack: type[bytes]) -> None:
    found = lines(pack(HEAD + ROWS), [("1", 100), ("chr1", 200), ("chr1", 150)], sample="S2")
    assert found[0] == "chr1  100  rs1  A  G  .  PASS  DP=9  GT  1/1"
    assert found[1].endswith("X" * 60 + "…  GT  0/1")
    assert found[2] == NO_LINE


def test_several_people_without_a_name_are_refused() -> None:
    with pytest.raises(SalusError, match="which is the patient"):
        lines(HEAD + ROWS, [("chr1", 100)])


def test_a_damaged_file_and_a_giant_line() -> None:
    packed = gzip.compress(HEAD + ROWS)
    with pytest.raises(SalusError, match="truncated or damaged"):
        lines(packed[:-20], [("chr1", 999)], sample="S1")
    giant = HEAD + b"chr1\t5\t.\tA\tG\t.\tPASS\t" + b"X" * 3_000_000 + b"\tGT\t0/1\t0/1\n" + ROWS
    assert lines(giant, [("chr1", 100)], sample="S1")[0].endswith("GT  0/1")


# ---- notes


@given(st.text(max_size=300), st.lists(st.tuples(st.integers(0, 300), st.integers(0, 40)), max_size=8))
def test_segments_put_together_are_the_note(text: str, raw: list[tuple[int, int]]) -> None:
    spans = {(min(s, len(text)), min(s + n, len(text))) for s, n in raw}
    found = segments(text, spans, "a")
    assert "".join(s.text for s in found) == text
    assert sorted(name for s in found for name in s.anchors) == sorted(f"a-{s}-{e}" for s, e in spans)
    marked = {n for s, e in spans for n in range(s, e)}
    place = 0
    for part in found:
        assert all((n in marked) == part.marked for n in range(place, place + len(part.text)))
        place += len(part.text)


def test_of_a_long_note_the_cited_words_and_their_surroundings_are_shown() -> None:
    text = "a" * 15_000 + "HERE" + "b" * 15_000
    assert len(text) > WHOLE_UP_TO
    found = segments(text, [(15_000, 15_004)], "n")
    assert [s.text for s in found if s.marked] == ["HERE"]
    assert "14,700 characters not shown" in found[0].text
    assert found[0].text.endswith("a" * 300)
    assert sum(len(s.text) for s in found) < 1_000


def test_an_excerpt_is_cut_at_words() -> None:
    text = "one two " * 40 + "TARGET" + " three four" * 40
    start = text.index("TARGET")
    before, marked, after = excerpt(text, start, start + 6)
    assert marked == "TARGET"
    assert before.startswith("… ")
    assert before[2:] in text
    assert after.endswith(" …")


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("é no bleeding".encode(), None),
        (b"\xef\xbb\xbf" + "é no bleeding".encode(), None),
        (b"\xff\xfe" + "é no bleeding".encode("utf-16-le"), None),
        ("é no bleeding".encode("cp1252"), "cp1252"),
    ],
)
def test_a_note_is_read_as_the_methods_read_it(data: bytes, encoding: str | None) -> None:
    from salus.formats.note import read_note

    meta = {"encoding": encoding} if encoding else {}
    assert note_text(blob(data, "note/text", **meta), 0) == read_note(data, encoding).text == "é no bleeding"


def test_a_note_that_is_no_text_is_refused() -> None:
    with pytest.raises(SalusError, match="cannot be decoded"):
        note_text(blob(b"\xe9\xff", "note/text"), 0)


# ---- resources


def test_the_cited_element_is_marked_and_the_person_is_left_out() -> None:
    body = sample.lab("x", "2160-0", "Creatinine", "1.320", "mg/dL", "2026-05-18") | {"subject": {"reference": "P/1"}}
    found = resources.elements(body, {"Observation.valueQuantity.value"})
    assert [(e.path, e.value) for e in found if e.marked] == [("valueQuantity.value", "1.320")]
    assert not any("subject" in e.path for e in found)
    assert resources.holds(body, "code.coding[0].code")
    assert not resources.holds(body, "code.coding[1].code")
    assert not resources.holds(body, "valueString")


def test_a_choice_element_may_be_named_without_its_type() -> None:
    body = sample.lab("x", "2160-0", "Creatinine", "1.320", "mg/dL", "2026-05-18")
    assert resources.holds(body, "value")
    assert resources.holds(body, "effective")
    assert not resources.holds(body, "val")
    marked = [e.path for e in resources.elements(body, {"value"}) if e.marked]
    assert marked == ["valueQuantity.value", "valueQuantity.unit", "valueQuantity.system", "valueQuantity.code"]


def test_a_path_that_leads_nowhere_is_told_beside_the_whole_entry() -> None:
    chart = sample.chart()
    source = next(s for s, body in chart.resources() if body["id"] == "cr3")
    place = Library(chart, {}, {}, ()).open(Evidence(source, {"path": "component[0].value"}, label="x"))
    assert place.marked == "Creatinine · 1.32 mg/dL · 18 May 2026"
    assert place.problem == "the cited element 'component[0].value' is not in it; this is the whole entry"


def test_a_huge_resource_is_cut() -> None:
    found = resources.elements({"resourceType": "X", "a": list(range(500))}, {"a[499]"})
    assert len(found) < 70
    assert found[-1].value == "439 more elements"
    assert any(e.marked and e.path == "a[499]" for e in found)


def test_summaries_say_what_stands_there() -> None:
    said = {body["id"]: resources.summary(source, body) for source, body in sample.chart().resources()}  # type: ignore[index]
    assert said["cr3"] == "Creatinine · 1.32 mg/dL · 18 May 2026"
    assert said["m1"] == "clopidogrel 75 MG Oral Tablet · 75 mg once daily · active · 30 January 2026"
    assert "systolic bp" in said["bp0"]
    assert "measured at home" in said["bp0"]


# ---- links and words


@given(st.text(max_size=120))
def test_citations_keep_their_text_and_link_only_where_we_know(text: str) -> None:
    found = pieces(f"{text} PMID 123 {text} doi:10.1000/ab(c)1. {text}")
    assert "".join(p.text for p in found) == f"{text} PMID 123 {text} doi:10.1000/ab(c)1. {text}"
    assert all(p.href.startswith(("https://doi.org/10.", "https://pubmed.ncbi.nlm.nih.gov/")) for p in found if p.href)


@pytest.mark.parametrize(
    ("citation", "links"),
    [
        ("(doi:10.1161/CIR.0000000000001309);", ["https://doi.org/10.1161/CIR.0000000000001309"]),
        ("doi 10.1016/S0140-6736(20)30045-3.", ["https://doi.org/10.1016/S0140-6736%2820%2930045-3"]),
        ("PMID: 35034351", ["https://pubmed.ncbi.nlm.nih.gov/35034351/"]),
        ("see https://evil.example/10.1/x and javascript:alert(1)", []),
        ('10.1000/"onclick=alert(1)', []),
        ("PMC9970101", []),
    ],
)
def test_links_are_built_from_doi_and_pmid_only(citation: str, links: list[str]) -> None:
    assert [p.href for p in pieces(citation) if p.href] == links


def test_dates_in_words() -> None:
    assert day("2026-05-03") == "3 May 2026"
    assert day("2026-05") == "May 2026"
    assert day("2026") == "2026"
    assert day("not a date") == "not a date"
    assert moment("2026-05-03T07:10:00+02:00") == "3 May 2026, 07:10"
    assert period(("2026-05-03T07:10:00Z", "2026-05-03T20:00:00Z")) == "3 May 2026"
    assert period(("2026-05-01", "2026-05-03")) == "1 May 2026 – 3 May 2026"
    assert prose("on 2026-05-18, mL/min/1.73 m2, id a-2026-05-18") == "on 18 May 2026, mL/min/1.73 m², id a-2026-05-18"


def test_titles() -> None:
    assert title_of("egfr-course") == "eGFR course"
    assert title_of("lung-volume") == "Lung volume"
    assert capital("eGFR fell") == "eGFR fell"
    assert capital("takes aspirin") == "Takes aspirin"


@given(st.text())
def test_cleaned_text_can_be_written_and_keeps_what_is_harmless(text: str) -> None:
    shown = clean(text + "\ud800\u202e\x00")
    shown.encode("utf-8")
    assert len(shown) == len(text) + 3
    assert clean("é ß 漢字 🫀 \n\t ok") == "é ß 漢字 🫀 \n\t ok"
