"""Which class of medicine a medicine belongs to, by concept or by the ingredient's name in its text."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from salus.fhir.views import Medication


@cache
def _patterns() -> Mapping[str, re.Pattern[str]]:
    table = tomllib.loads(files("salus.risk").joinpath("drugs.toml").read_text("utf-8"))
    return {name: re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE) for name, words in table.items()}


def belongs(medicine: Medication, drug_class: str) -> bool:
    """True when ``medicine`` is of ``drug_class`` (a table name of drugs.toml, also a concept name)."""
    words = " ".join((medicine.text, *(code.display for code in medicine.codes)))
    return drug_class in medicine.concepts or bool(_patterns()[drug_class].search(words))
