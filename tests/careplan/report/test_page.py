"""The report as a whole: everything it must say, well formed, self-contained, escaped, and the same each time."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections import Counter
from functools import cache
from html.parser import HTMLParser

import pytest

from salus.careplan.model import NOT_A_DEVICE, Dropped, NotAssessable, Plan
from salus.careplan.report import render_html
from salus.findings.model import Finding
from salus.record.chart import Chart, Read

from . import sample

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Tree(HTMLParser):
    """Checks that tags are balanced and collects what a browser could act on."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids[value or ""] += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def parsed(text: str) -> Tree:
    tree = Tree()
    tree.feed(text)
    tree.close()
    assert tree.open == []
    return tree


@cache
def page() -> str:
    return render_html(sample.plan(), sample.chart())


@cache
def tree() -> Tree:
    return parsed(page())


def words(found: Tree) -> str:
    return re.sub(r"\s+", " ", " ".join(found.text))


def section(start: str, end: str) -> str:
    """The page from the element with id or class ``start`` to ``end``, as plain words."""
    part = page()[page().index(start) : page().index(end)]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", part)))


def test_tags_are_balanced_and_ids_unique() -> None:
    assert [name for name, count in tree().ids.items() if count > 1] == []


def test_every_link_inside_the_page_has_its_target() -> None:
    targets = [value[1:] for _, name, value in tree().attributes if name == "href" and value.startswith("#")]
    assert len(targets) > 40
    assert [t for t in targets if t not in tree().ids] == []
    labels = [v for _, name, value in tree().attributes if name == "aria-labelledby" for v in value.split()]
    assert [label for label in labels if label not in tree().ids] == []


def test_nothing_outside_the_file_is_loaded() -> None:
    allowed = re.compile(r"https://(doi\.org/10\.|pubmed\.ncbi\.nlm\.nih\.gov/\d+/\Z)")
    for tag, name, value in tree().attributes:
        if name == "src":
            assert value.startswith("data:image/png;base64,")
        elif name == "href":
            assert value.startswith("#") or (tag == "a" and allowed.match(value)), value
        elif name == "fill":
            assert value.startswith("url(#")
        else:
            assert name in {"aria-label", "alt", "content", "d"} or "://" not in value
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & tree().tags.keys()
    style = page()[page().index("<style>") : page().index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_its_own_style_and_pictures_only() -> None:
    policy = next(v for _, name, v in tree().attributes if name == "content" and "default-src" in v)
    style = re.search(r"<style>(.*?)</style>", page(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert not any(name == "style" or name.startswith("on") for _, name, _ in tree().attributes)


def test_hostile_text_is_shown_and_never_acts() -> None:
    assert tree().tags["script"] == 0
    assert sample.HOSTILE not in page()
    assert words(tree()).count('<script>alert("x")</script>') >= 10
    assert "https://evil.example/x?a=1" in words(tree())
    assert not any("evil.example" in value for _, name, value in tree().attributes if name in ("href", "src"))


def test_characters_that_disguise_text_are_made_visible() -> None:
    plan = sample.changed(name="Ann \u202egnp.exe\u0000\ud800 O'Brien")
    text = render_html(plan, sample.chart())
    text.encode("utf-8")
    assert "Ann \ufffdgnp.exe\ufffd\ufffd O&#39;Brien" in text
    assert "\u202e" not in text


def test_who_and_what_kind_of_page_come_first() -> None:
    head = section('class="top"', "<main>")
    assert "58 years" in head
    assert "female" in head
    assert "plan of 1 June 2026" in head
    assert NOT_A_DEVICE in head
    assert '<html lang="en">' in page()
    assert page().count("<h1") == 1


def test_first_screen_holds_five_items_safety_first_and_marks_the_unresolved() -> None:
    first = page()[page().index('class="wrap now"') : page().index('id="plan"')]
    assert first.count('<li class="lead ') == 5
    assert first.index("Replace clopidogrel.") < first.index("Change medicine 1.")
    assert "Measure potassium." not in first
    assert re.findall(r'class="disc"[^>]*>(\d+)<', first) == ["3", "1", "2", "4", "5"]
    shown = section('class="wrap now"', 'id="plan"')
    assert "Unresolved: ask cardiology. Prasugrel is contraindicated after a transient ischaemic attack" in shown
    assert "All 6 items of the plan" in shown
    assert "last confirmed 30 January 2026" in shown
    assert "never confirmed with a date" in shown
    assert "To obtain: a clinic value" in shown
    assert sample.plan().scope_statement in shown


def test_each_item_says_why_how_strong_and_what_would_change_it() -> None:
    plan = section('id="plan"', 'id="trends"')
    for expected in (
        "First reason", "Strong", "Within days until 29 January 2027", "Ticagrelor",
        "A laboratory finds another result", "PMID 35034351", "cpic:change:drug1", "Findings it rests on",
    ):  # fmt: skip
        assert expected in plan
    assert 'href="https://pubmed.ncbi.nlm.nih.gov/35034351/"' in page()
    assert 'href="https://doi.org/10.1002/cpt.2526"' in page()


def test_tiers_stand_in_their_order() -> None:
    places = [page().index(f'id="tier-{t}"') for t in ("urgent", "medicines", "disease-control", "prevention")]
    assert places == sorted(places)


def test_findings_say_value_uncertainty_method_or_what_is_missing() -> None:
    shown = section('id="findings"', 'id="dropped"')
    for expected in (
        "85 % interval: P30 of the validation cohort", f"risk.egfr {sample.EGFR.version}",
        "limits: one beat missed", "60.0 per minute",
        "No interval, because", "Not assessable, because", "No clinic blood pressure is recorded", "To obtain",
        "Poor Metabolizer",
    ):  # fmt: skip
        assert expected in shown


def test_evidence_of_every_kind_is_opened() -> None:
    shown = section('id="sources"', 'id="for-you"')
    assert "Clinic note" in shown
    assert re.search(r"<mark>transient ischaemic attack</mark>", page())
    assert "chr10:94781859" in shown
    assert "GT 1/1" in shown
    assert "Slice 2, columns 8 to 50, rows 6 to 40 of 64 × 48 pixels" in shown
    assert "valueQuantity.value" in shown
    assert "samples 0 to 1000, channel I" in section('id="findings"', 'id="dropped"')


def test_pictures_have_words_and_only_png_is_shown() -> None:
    images = [v for tag, name, v in tree().attributes if tag == "img" and name == "alt"]
    assert images == ["CT, axial. CT: 2 slices of 64 × 48 pixels."]
    assert "The picture is not a PNG file and is not shown" in words(tree())


def test_charts_and_strip_have_words_for_who_cannot_see_them() -> None:
    shown = words(tree())
    values = [v["egfr"] for f in sample.findings() if f.code == "egfr" for v in f.details["values"]]
    assert f"Estimated GFR, 4 values: {values[0]} on 10 March 2025, {values[-1]} mL/min/1.73 m² on 18 May 2026" in shown
    assert "25 mm/s, 10 mm/mV" in shown
    labels = [v for _, name, v in tree().attributes if name == "aria-label"]
    assert any("ECG, I, from 0 s: 10.0 seconds, 10 beats marked." in label for label in labels)
    for anchor in ("trend-egfr", "trend-uacr", "trend-home-bp", "ecg-1", "image-1"):
        assert tree().ids[anchor] == 1


def test_gene_table_tells_what_it_means_for_which_medicine() -> None:
    shown = section('id="genes"', 'id="findings"')
    for expected in ("CYP2C19", "*2/*2", "Poor Metabolizer", "on the list", "item 3 of the plan", "SLCO1B1", "*1/*5"):
        assert expected in shown
    assert "Medicines that are not on the list" in shown


def test_what_was_dropped_comes_with_its_rule() -> None:
    shown = section('id="dropped"', 'id="sources"')
    assert "Rule: A more specific rule applies" in shown


def test_evidence_whose_source_has_changed_is_not_shown_as_if_it_were_the_same() -> None:
    bodies = sample.resources()
    newest = next(b for b in bodies if b["id"] == "cr3")
    newest["valueQuantity"] = newest["valueQuantity"] | {"value": 9}
    bodies = [b for b in bodies if b["id"] != "note"]
    text = html.unescape(render_html(sample.plan(), sample.chart(bodies)))
    assert "the record now holds another version of this; what was cited cannot be shown" in text
    assert "the cited source is not among what is released to this reader" in text
    assert "<mark>transient ischaemic attack</mark>" not in text


def test_a_note_whose_bytes_differ_is_not_quoted() -> None:
    blobs = sample.blobs()
    address = hashlib.sha256(sample.NOTE.encode()).hexdigest()
    blobs[address] = sample.NOTE.replace("attack", "ATTACK").encode()
    chart = Chart.of(sample.resources(), now=sample.NOW, blobs=blobs)
    text = html.unescape(render_html(sample.plan(), chart))
    assert "the note's bytes are not those that the record names" in text
    assert "ATTACK" not in text


def test_the_same_plan_gives_the_same_file_and_leaves_the_read_set_alone() -> None:
    chart = sample.chart()
    assert render_html(sample.plan(), chart) == page()
    assert chart.reads == ()


@pytest.mark.parametrize(
    "plan",
    [
        Plan("", "", "2026-06-01T12:00:00Z", (), (), (), (), ()),
        Plan("p", "", "2026-06-01", ("record",), (), (), (), (), {"nothing_proposed": "the person has died"}),
        sample.changed(items=(), medicines=(), not_assessable=(), dropped=(), findings=()),
    ],
)
def test_a_plan_with_nothing_in_it_says_so(plan: Plan) -> None:
    found = parsed(render_html(plan, Chart.of([], now=sample.NOW)))
    shown = words(found)
    assert "Nothing is proposed" in shown
    assert "No medicine is recorded. That is not the same as taking none: ask." in shown
    assert NOT_A_DEVICE in shown
    if plan.summary.get("nothing_proposed"):
        assert "Nothing is proposed: the person has died." in shown
        assert "age not recorded" in shown


def test_long_lists_are_cut_on_the_first_screen_but_nowhere_lost() -> None:
    entries = tuple(sample.NotAssessable(f"code-{n}", f"question number {n}", "no data", ("data",)) for n in range(12))
    shown = words(parsed(render_html(sample.changed(not_assessable=entries), sample.chart())))
    assert all(f"uestion number {n} " in shown for n in range(12))
    assert "6 more" in shown


def words_of(document: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", document)))


def test_the_dead_have_no_age_today_and_no_page_to_read() -> None:
    told = {"age": 77, "sex": "male", "deceased": "died on 2014-03-02, aged 77", "nothing_proposed": "has died"}
    shown = render_html(sample.changed(items=(), summary=told), sample.chart())
    assert "died on 2 March 2014, aged 77" in words_of(shown)
    assert "77 years" not in shown
    assert "Medicines recorded" in shown
    assert 'id="for-you"' not in shown
    assert 'href="#for-you"' not in shown


def test_the_first_screen_leads_with_one_sentence_and_counts_no_empty_evidence() -> None:
    bare = sample.item(1, text="Do this first. Then 2.5 mg of that.", findings=(), evidence=())
    shown = render_html(sample.changed(items=(bare,), dropped=()), sample.chart())
    assert "<h3>Do this first.</h3>" in shown
    assert '<p class="more-text">Then 2.5 mg of that.</p>' in shown
    assert "(0)" not in words_of(shown)
    assert ">Why<span" in shown


def test_positions_of_a_gene_are_not_listed_on_the_first_screen() -> None:
    reason = "3 diplotypes fit the file"
    need = "the genotype at rs4244285, rs4986893 and 9 more positions (a gVCF holds them)"
    gap = Finding(code="cyp2c19-phenotype", sentence="Open.", status="not-assessable", reason=reason, needs=(need,))
    reads = (Read("genome", (), "0", frozenset({"genome"})),)
    gap = gap.by(subject="p", method="genomics.pharmacogenes", version="1", parameters="", reads=reads)
    entry = NotAssessable("cyp2c19-phenotype", "CYP2C19", reason, (need,))
    shown = render_html(sample.changed(findings=(gap,), not_assessable=(entry,)), sample.chart())
    first, _, below = shown.partition('id="plan"')
    assert "a pharmacogenetic test, or a genome file with all positions (gVCF)" in first
    assert "rs4244285" not in first
    assert "rs4244285" in below


def test_a_merged_proposal_is_headed_by_its_item() -> None:
    lost = Dropped("k", "Long words.", "merged into it", "", sample.plan().items[1].key)
    shown = words_of(render_html(sample.changed(dropped=(lost,)), sample.chart()))
    assert "Merged into item 2" in shown
    assert "Long words." not in shown
