"""Notes in other languages are named, short and English ones are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.text.language import foreign_language, foreign_passages

GERMAN = "Die Patientin wurde mit einem Schlaganfall aufgenommen und ist nach der Behandlung nicht mehr bei uns, "
SPANISH = (
    "El paciente refiere que no tiene dolor en el pecho y niega una historia de ictus por la que se trata con los "
)


@pytest.mark.parametrize(("text", "language"), [(GERMAN * 2, "German"), (SPANISH * 2, "Spanish")])
def test_other_languages_are_named(text: str, language: str) -> None:
    assert foreign_language(text) == language


def test_another_script() -> None:
    assert foreign_language("у пациента нет инсульта в анамнезе " * 5) == "a language in another script"
    assert foreign_language("今天有肺炎。") == "a language in another script"
    assert foreign_language("CD4 γδ T cells, β2, α1") is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Clinic letter\nPatient mit Z.n. Herzinfarkt 2015, Typ-2-Diabetes, nimmt ASS 100.", "German"),
        ("Z.n. Schlaganfall", "German"),
        ("Antécédent d'infarctus du myocarde", "French"),
        ("Embarazada de 20 semanas", "Spanish"),
        ("Pregresso infarto", "Italian"),
        ("Hartinfarct in 2015", "Dutch"),
        ("zawał serca, cukrzyca, nadciśnienie tętnicze", "another language"),
    ],
)
def test_a_few_words_tell(text: str, language: str) -> None:
    assert foreign_language(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "No known drug allergies.",
        "Seen at Hospital de la Santa Creu, Los Angeles, by Dr. van der Berg.",
        "ER visit, DES to LAD, IM injection; met with family.",
        "Sjögren's syndrome, Ménière's disease, Crohn’s disease",
        "Patient is naïve to treatment, déjà vu",
        "Dr. Müller, Zürich",
        "Prednisolone 5 mg per day con't",
    ],
)
def test_names_and_borrowed_words_tell_nothing(text: str) -> None:
    assert foreign_language(text) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Unter Marcumar, INR 2.5.", "another language"),
        ("Kein Marcumar", "another language"),
        ("Marcumar abgesetzt", "German"),
        ("Statine wegen Myopathie abgesetzt.", "German"),
        ("Koronare 3-Gefäßerkrankung", "German"),
        ("Anticoagulado con Sintrom.", "Spanish"),
        ("ATCD : IDM 2019, AVC 2021, FA", "French"),
        ("HTA, FA, AVK", "French"),
        ("APR: IMA 2019, FA", "Italian"),
        ("In terapia con Coumadin", "Italian"),
        ("Gestopt met simvastatine", "Dutch"),
        ("Pravidelne uziva Warfarin.", "another language"),
        ("Ukončen Warfarin", "another language"),
        ("Stav po infarktu myokardu", "another language"),
        ("Tidigare hjärtattack", "another language"),
        ("Livre de pneumonia.", "another language"),
        ("Ausencia de diabetes mellitus", "another language"),
        ("Sem pneumonia", "another language"),
    ],
)
def test_a_short_line_of_another_language_is_named(text: str, language: str) -> None:
    ((span, told),) = foreign_passages(f"Clinic letter\n\n{text}\n")
    assert (span.end - span.start, told) == (len(text), language)


@pytest.mark.parametrize(
    "text",
    [
        "PMH: HTN, DM2, CKD",
        "TAH BSO 2009",
        "s/p APR, IMA graft",
        "Dr. Priya Raghunathan",
        "Mrs Siobhan O'Shaughnessy, Caernarfon",
        "Contact: jkowalczyk@szpital.example",
        "Teva Metoprolol",
        "Metoprolol succ 25 mg",
        "Xarelto ceased",
        "Atorva 40 nocte, ASA 100, Bisoprolol 2.5",
        "Ureteric stent, oesophageal varices, haemodialysis",
        "Heart failure, decompensated.",
        "Bitemporal hemianopia.",
        "COPD exac",
        "Diabetes reveiw",
        "Tension headache",
        "Leber congenital amaurosis",
        "xxxx xxxx",
        "Anterolat TWI, RBBB",
        "Aspirin lifelong",
        "Yours sincerely",
        "Torsades de pointes",
        "De Quervain tenosynovitis",
        "Vincent van Gogh",
        "De novo leukemia",
        "Status post en bloc resection",
    ],
)
def test_a_short_english_line_is_read(text: str) -> None:
    assert list(foreign_passages(f"Clinic letter\n\n{text}\n")) == []


def test_a_passage_is_told_from_the_rest() -> None:
    text = "He has asthma and takes aspirin. Bekannter Herzinfarkt, nimmt ASS. There is no gout."
    found = [(text[span.start : span.end], language) for span, language in foreign_passages(text)]
    assert found == [("Bekannter Herzinfarkt, nimmt ASS.", "German")]


@pytest.mark.parametrize(
    "text", ["", "HTN, DM2, CKD", "The patient denies stroke. " * 20, "aspirin 81 mg daily\n" * 30]
)
def test_english_and_short_notes_are_read(text: str) -> None:
    assert foreign_language(text) is None


@given(st.text())
def test_any_text(text: str) -> None:
    known = ("German", "French", "Spanish", "Italian", "Portuguese", "Dutch")
    assert foreign_language(text) in (None, "a language in another script", "another language", *known)
    assert all(span.end <= len(text) for span, _ in foreign_passages(text))
