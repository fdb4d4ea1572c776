"""Notes in other languages are named, short and English ones are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.text.language import foreign_language

GERMAN = "Die Patientin wurde mit einem Schlaganfall aufgenommen und ist nach der Behandlung nicht mehr bei uns, "
SPANISH = (
    "El paciente refiere que no tiene dolor en el pecho y niega una historia de ictus por la que se trata con los "
)


@pytest.mark.parametrize(("text", "language"), [(GERMAN * 2, "German"), (SPANISH * 2, "Spanish")])
def test_other_languages_are_named(text: str, language: str) -> None:
    assert foreign_language(text) == language


def test_another_script() -> None:
    assert foreign_language("у пациента нет инсульта в анамнезе " * 5) == "a language in another script"


@pytest.mark.parametrize(
    "text", ["", "HTN, DM2, CKD", "The patient denies stroke. " * 20, "aspirin 81 mg daily\n" * 30]
)
def test_english_and_short_notes_are_read(text: str) -> None:
    assert foreign_language(text) is None


@given(st.text())
def test_any_text(text: str) -> None:
    assert foreign_language(text) in (None, "a language in another script", "German", "French", "Spanish", "Italian",
                                      "Portuguese", "Dutch")  # fmt: skip
