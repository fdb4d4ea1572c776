"""The patient's page: reading grade, and that it never tells anyone to stop a medicine."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.careplan.report import render_html
from salus.careplan.report.plain import (
    ASK_FIRST,
    KEEP_TAKING,
    MAX_GRADE,
    _genes,
    grade_of,
    patient_page,
    reading_grade,
    safe_for_patient,
    sentences,
    syllables,
    tells_to_stop,
)

from . import sample

SYLLABLES = {
    1: "the take please talk changed used tests heart stroke blood asked helped works gene genes years risk these "
    "those place walked lives high low health safe homes great nurse you your",
    2: "kidney taken doctor pressure needed started values disease people little table simple being science "
    "create statin muscle breathing measured because reviews question patient quiet fluid urine liver smoking "
    "something sometimes alone device places changes judges image higher lower number missing reading react poem diet "
    "via social special safely movement ready prescribed",
    3: "medicine medicines pharmacist average measurement different previous serious decision period albumin exercise "
    "images appointment possible usual actual hospital family allergic idea area",
    4: "clopidogrel omeprazole ibuprofen cholesterol simvastatin usually emergency ticagrelor exercises",
    5: "radiologist",
}


@pytest.mark.parametrize(("count", "words"), SYLLABLES.items())
def test_syllables_of_words_that_patients_read(count: int, words: str) -> None:
    assert {word: syllables(word) for word in words.split()} == dict.fromkeys(words.split(), count)


def test_grade_by_the_published_formula() -> None:
    # the npm package flesch-kincaid states 13.08 for one sentence of 13 words and 26 syllables
    assert grade_of(1, 13, 26) == pytest.approx(13.08)
    assert reading_grade("The cat sat on the mat.") == pytest.approx(0.39 * 6 + 11.8 - 15.59)
    assert reading_grade("12 / 80 %") == 0.0


def test_hard_prose_grades_above_plain_prose() -> None:
    hard = (
        "Pharmacogenomic characterisation demonstrates substantially diminished hepatic biotransformation capability."
    )
    assert reading_grade(hard) > 20
    assert reading_grade("Your genes may make this pill work less well for you. Ask your doctor.") < 5


def test_sentences_do_not_end_at_decimals_or_abbreviations_in_lower_case() -> None:
    assert sentences("Take 2.5 mg a day. Ask your doctor! Is it right? Yes.") == [
        "Take 2.5 mg a day.", "Ask your doctor!", "Is it right?", "Yes."]  # fmt: skip


@pytest.mark.parametrize(
    "sentence",
    [
        "Stop taking clopidogrel.",
        "You should stop simvastatin today.",
        "Please discontinue omeprazole.",
        "Do not take ibuprofen any more.",
        "It is time to come off your statin.",
        "You no longer need this pill.",
        "Stop smoking and stop clopidogrel.",
        "Aspirin must not be taken.",
        "Do not wait, stop it.",
        "Skip the evening dose.",
    ],
)
def test_telling_to_stop_is_recognised_and_replaced(sentence: str) -> None:
    assert tells_to_stop(sentence)
    assert safe_for_patient(f"Your kidneys work less well. {sentence}") == f"Your kidneys work less well. {ASK_FIRST}"


@pytest.mark.parametrize(
    "sentence",
    [
        "Do not stop clopidogrel on your own.",
        "Never stop it without asking.",
        "Ask your doctor before you stop any pill.",
        "If you smoke, ask for help to stop smoking.",
        "Keep taking your medicines as agreed.",
        "Ask your doctor whether another medicine suits you better.",
        KEEP_TAKING,
        ASK_FIRST,
    ],
)
def test_advice_that_is_safe_stays(sentence: str) -> None:
    assert safe_for_patient(sentence) == sentence


@given(st.text(max_size=80))
def test_whatever_a_method_says_the_patient_is_never_told_to_stop(text: str) -> None:
    assert not any(tells_to_stop(s) for s in sentences(safe_for_patient(f"{text} Stop clopidogrel. {text}")))


def own_section() -> str:
    page = render_html(sample.plan(name="Ann Brown"), sample.chart())
    part = page[page.index('id="for-you"') : page.index('<footer class="foot"')]
    blocks = html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"</(h\d|p|li)>", "\n", part.split(">", 1)[1]))).split("\n")
    return " ".join(b.strip() if b.strip()[-1] in ".!?" else b.strip() + "." for b in blocks if b.strip())


def test_the_patients_page_reads_at_grade_eight_or_below() -> None:
    without_strangers = own_section().replace(sample.HOSTILE, "")
    assert reading_grade(without_strangers) <= MAX_GRADE
    assert reading_grade(patient_page(sample.plan()).text) <= MAX_GRADE


def test_our_methods_sentences_for_patients_read_at_grade_eight_or_below() -> None:
    own = [f for f in sample.findings() if not f.method.startswith("acme") and f.patient_sentence]
    assert len(own) >= 6
    assert {f.code: round(reading_grade(f.patient_sentence), 1) for f in own} == {
        f.code: min(round(reading_grade(f.patient_sentence), 1), MAX_GRADE) for f in own
    }


def test_the_patients_page_says_whom_to_ask_and_stops_nothing() -> None:
    shown = own_section()
    assert "Ask: cardiology." in shown
    assert ASK_FIRST in shown
    assert KEEP_TAKING in shown
    assert "Stop taking" not in shown
    assert "Stop clopidogrel" not in shown
    assert not any(tells_to_stop(s) for s in sentences(shown))


def test_items_come_in_the_plans_order_and_missing_data_apart() -> None:
    page = patient_page(sample.plan())
    assert page.points[0].ask == "cardiology"
    assert [p.text for p in page.missing] == ["One blood test is missing."]
    assert page.medicines[0] == ("clopidogrel 75 MG Oral Tablet", "75 mg once daily", "30 January 2026")


def test_a_genes_result_names_the_gene_in_plain_words() -> None:
    results = " ".join(patient_page(sample.plan()).results)
    assert "The gene CYP2C19 decides" in results
    assert "Your result: your body makes little of the working form." in results
    assert "The gene SLCO1B1 decides" in results
    assert "metabolizer" not in results.lower()


def test_every_phenotype_of_the_tables_has_plain_words() -> None:
    table = _genes()
    assert set(table) == {"CYP2C19", "SLCO1B1"}
    for words in table.values():
        for said in words.values():
            assert reading_grade(f"Your result: {said}.") <= MAX_GRADE
